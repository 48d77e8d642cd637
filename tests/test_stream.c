/* SPDX-License-Identifier: MIT */
/*
 * Streams and servers over loopback, on every engine that has sockets. Each test opens its own
 * server, and ends with as many descriptors and blocks as it began with.
 */
#include <asyncio.h>
#include <dirent.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/sanitizer.h"

static int count_descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* Runs a coroutine function, and compares open descriptors and allocated blocks before and
 * after. */
static void run_clean(asyncio_coroutine_function_t *fn, void *arg)
{
    const char *engine = getenv("ASYNCIO_ENGINE");
    if (engine && strcmp(engine, "sim") == 0)
        skip();
    asyncio_error_clear();
    int descriptors = count_descriptors();
    long blocks = asyncio__live_blocks();
    assert_int_equal(asyncio_run(asyncio_coroutine_full(fn, arg, NULL), NULL), 0);
    asyncio_error_clear();
    assert_int_equal(count_descriptors(), descriptors);
    await_blocks(blocks);
}

/* --- servers used below -------------------------------------------------------------------- */

static int echo(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)arg;
    char buffer[8192];
    ssize_t size;
    while ((size = asyncio_stream_reader_read(reader, buffer, sizeof(buffer))) > 0) {
        asyncio_stream_writer_write(writer, buffer, (size_t)size);
        int rc = asyncio_stream_writer_drain(writer);
        if (rc < 0)
            return rc;
    }
    return (int)size;
}

/* Sends the text arg, and ends. */
static int say(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)reader;
    return asyncio_stream_writer_write(writer, arg, strlen(arg));
}

/* Never reads; ends when it is cancelled, or its connection is closed. */
static int stall(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)reader, (void)writer, (void)arg;
    return asyncio_sleep(3600);
}

static asyncio_server_t *start(asyncio_client_connected_t *fn, void *arg)
{
    asyncio_server_t *server = NULL;
    assert_int_equal(asyncio_start_server("127.0.0.1", 0, fn, arg, NULL, &server), 0);
    return server;
}

static void stop(asyncio_server_t *server)
{
    assert_int_equal(asyncio_server_close(server), 0);
    assert_int_equal(asyncio_server_wait_closed(server), 0);
    asyncio_server_unref(server);
}

typedef struct peer {
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
} peer_t;

static peer_t open_to(asyncio_server_t *server, size_t limit_bytes)
{
    peer_t peer;
    asyncio_connection_options_t options = {.size = sizeof(options), .limit_bytes = limit_bytes};
    assert_int_equal(asyncio_open_connection("127.0.0.1", asyncio_server_port(server, 0),
                                             &options, &peer.reader, &peer.writer),
                     0);
    return peer;
}

static void end(peer_t peer)
{
    asyncio_stream_writer_close(peer.writer);
    asyncio_stream_writer_wait_closed(peer.writer);
    asyncio_stream_reader_unref(peer.reader);
    asyncio_stream_writer_unref(peer.writer);
}

/* --- echoes -------------------------------------------------------------------------------- */

static int one_client(int number, asyncio_server_t *server, void **ret_result)
{
    (void)ret_result;
    peer_t peer = open_to(server, 0);
    for (int i = 0; i < 10; i++) {
        char message[64];
        const char *line = NULL;
        int size = snprintf(message, sizeof(message), "client %d, line %d\n", number, i);
        asyncio_stream_writer_write(peer.writer, message, (size_t)size);
        assert_int_equal(asyncio_stream_writer_drain(peer.writer), 0);
        assert_int_equal(asyncio_stream_reader_readline(peer.reader, &line), size);
        assert_memory_equal(line, message, (size_t)size);
    }
    end(peer);
    return 0;
}
ASYNCIO_COROUTINE(one_client, (int, number), (asyncio_server_t *, server));

static int echo_to_many(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server = start(echo, NULL);
    asyncio_awaitable_t *clients[50];
    for (int i = 0; i < 50; i++)
        clients[i] = one_client_coroutine(i, server);
    int rc = asyncio_gather_await(clients, 50, NULL);
    stop(server);
    return rc;
}

/* Fifty clients at once each get their own lines back. */
static void test_echo_to_many(void **state)
{
    (void)state;
    run_clean(echo_to_many, NULL);
}

static int send_much(asyncio_stream_writer_t *writer, size_t size, void **ret_result)
{
    (void)ret_result;
    char *data = malloc(size);
    for (size_t i = 0; i < size; i++)
        data[i] = (char)(i * 31 + i / 251);
    int rc = asyncio_stream_writer_write(writer, data, size);
    memset(data, 0, size); /* it was copied */
    free(data);
    if (rc == 0)
        rc = asyncio_stream_writer_drain(writer);
    if (rc == 0)
        rc = asyncio_stream_writer_write_eof(writer);
    return rc;
}
ASYNCIO_COROUTINE(send_much, (asyncio_stream_writer_t *, writer), (size_t, size));

static int echo_much(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    size_t size = 3000000;
    asyncio_server_t *server = start(echo, NULL);
    peer_t peer = open_to(server, 0);
    asyncio_task_t *sender = asyncio_create_task(send_much_coroutine(peer.writer, size));
    const char *data = NULL;
    ssize_t count = asyncio_stream_reader_read_all(peer.reader, &data);
    assert_int_equal(count, size);
    for (size_t i = 0; i < size; i++)
        if (data[i] != (char)(i * 31 + i / 251))
            fail_msg("byte %zu differs", i);
    assert_true(asyncio_stream_reader_at_eof(peer.reader));
    assert_int_equal(asyncio_await_unref(sender, NULL), 0);
    assert_int_equal(asyncio_stream_writer_write(peer.writer, "x", 1), ASYNCIO_ERUNTIME);
    end(peer);
    stop(server);
    return 0;
}

/* Megabytes pass the high-water mark intact, and the end of the stream arrives after them. */
static void test_echo_much(void **state)
{
    (void)state;
    run_clean(echo_much, NULL);
}

/* --- reading ------------------------------------------------------------------------------- */

static int read_in_all_ways(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server = start(say, "line\nkey: value\r\n\r\n12345678rest");
    peer_t peer = open_to(server, 0);
    const char *data = NULL;
    char buffer[64];
    size_t partial = 99;
    assert_int_equal(asyncio_stream_reader_readline(peer.reader, &data), 5);
    assert_memory_equal(data, "line\n", 5);
    assert_int_equal(asyncio_stream_reader_readuntil(peer.reader, "\r\n\r\n", 4, &data), 14);
    assert_memory_equal(data, "key: value\r\n\r\n", 14);
    assert_int_equal(asyncio_stream_reader_readexactly(peer.reader, buffer, 8, NULL), 8);
    assert_memory_equal(buffer, "12345678", 8);
    assert_int_equal(asyncio_stream_reader_read(peer.reader, buffer, 0), 0);
    assert_int_equal(asyncio_stream_reader_readexactly(peer.reader, buffer, 10, &partial),
                     ASYNCIO_EINCOMPLETEREAD);
    assert_int_equal(partial, 4);
    assert_memory_equal(buffer, "rest", 4);
    assert_int_equal(asyncio_stream_reader_read(peer.reader, buffer, sizeof(buffer)), 0);
    assert_true(asyncio_stream_reader_at_eof(peer.reader));
    end(peer);
    stop(server);
    return 0;
}

/* read, readline, readuntil and readexactly share one buffer, and report how the stream ended. */
static void test_read_in_all_ways(void **state)
{
    (void)state;
    run_clean(read_in_all_ways, NULL);
}

static int overrun(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server = start(say, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nshort\n");
    peer_t peer = open_to(server, 16);
    const char *data = NULL;
    assert_int_equal(asyncio_stream_reader_readuntil(peer.reader, "\n", 1, &data),
                     ASYNCIO_ELIMITOVERRUN);
    assert_int_equal(asyncio_stream_reader_readline(peer.reader, &data), -EINVAL);
    assert_int_equal(asyncio_stream_reader_readline(peer.reader, &data), 6);
    assert_memory_equal(data, "short\n", 6);
    assert_int_equal(asyncio_stream_reader_readuntil(peer.reader, "x", 1, &data),
                     ASYNCIO_EINCOMPLETEREAD);
    assert_int_equal(asyncio_stream_reader_partial(peer.reader), 0);
    end(peer);
    stop(server);
    return 0;
}

/* A line beyond the limit is an error, after which the stream can still be read. */
static void test_overrun(void **state)
{
    (void)state;
    run_clean(overrun, NULL);
}

static int read_one(asyncio_stream_reader_t *reader, void **ret_result)
{
    (void)ret_result;
    char byte;
    return (int)asyncio_stream_reader_read(reader, &byte, 1);
}
ASYNCIO_COROUTINE(read_one, (asyncio_stream_reader_t *, reader));

static int read_cancelled(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server = start(echo, NULL);
    peer_t peer = open_to(server, 0);
    char byte = 0;
    assert_int_equal(asyncio_wait_for(read_one_coroutine(peer.reader), 0.01, NULL), -ETIMEDOUT);
    asyncio_task_t *task = asyncio_create_task(read_one_coroutine(peer.reader));
    assert_int_equal(asyncio_sleep(0), 0);
    assert_int_equal(asyncio_stream_reader_read(peer.reader, &byte, 1), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_task_cancel(task, "enough"), 1);
    assert_int_equal(asyncio_await(task, NULL), -ECANCELED);
    asyncio_task_unref(task);
    asyncio_stream_writer_write(peer.writer, "z", 1);
    assert_int_equal(asyncio_stream_reader_read(peer.reader, &byte, 1), 1);
    assert_int_equal(byte, 'z');
    end(peer);
    stop(server);
    return 0;
}

/* A read that is cancelled or timed out loses no byte; a second reader is refused. */
static void test_read_cancelled(void **state)
{
    (void)state;
    run_clean(read_cancelled, NULL);
}

/* --- writing ------------------------------------------------------------------------------- */

static int drain(asyncio_stream_writer_t *writer, void **ret_result)
{
    (void)ret_result;
    return asyncio_stream_writer_drain(writer);
}
ASYNCIO_COROUTINE(drain, (asyncio_stream_writer_t *, writer));

static int stalled(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server = start(stall, NULL);
    peer_t peer = open_to(server, 0);
    size_t size = 20000000;
    char *data = calloc(1, size);
    struct iovec pieces[2] = {{data, size / 2}, {data, size / 2}};
    assert_int_equal(asyncio_stream_writer_writelines(peer.writer, pieces, 2), 0);
    free(data);
    assert_true(asyncio_stream_writer_get_write_buffer_size(peer.writer) > 65536);
    assert_int_equal(asyncio_wait_for(drain_coroutine(peer.writer), 0.02, NULL), -ETIMEDOUT);
    assert_int_equal(asyncio_stream_writer_abort(peer.writer), 0);
    assert_true(asyncio_stream_writer_is_closing(peer.writer));
    assert_int_equal(asyncio_stream_writer_wait_closed(peer.writer), 0);
    asyncio_stream_reader_unref(peer.reader);
    asyncio_stream_writer_unref(peer.writer);
    asyncio_server_close(server);
    asyncio_server_abort_clients(server);
    asyncio_server_unref(server); /* its client's task is cancelled at the end of run */
    return 0;
}

/* drain() waits while the peer does not read; abort() drops what is unsent. */
static void test_stalled(void **state)
{
    (void)state;
    run_clean(stalled, NULL);
}

static int drain_twice(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server = start(stall, NULL);
    peer_t peer = open_to(server, 0);
    size_t size = 20000000;
    char *data = calloc(1, size);
    assert_int_equal(asyncio_stream_writer_write(peer.writer, data, size), 0);
    free(data);
    asyncio_task_t *tasks[] = {asyncio_create_task(drain_coroutine(peer.writer)),
                               asyncio_create_task(drain_coroutine(peer.writer))};
    asyncio_sleep(0.005);
    assert_false(asyncio_future_done(tasks[0]) || asyncio_future_done(tasks[1]));
    assert_int_equal(asyncio_stream_writer_abort(peer.writer), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(asyncio_await_unref(tasks[i], NULL), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(asyncio_stream_writer_write(peer.writer, "x", 1), 0);
        assert_int_equal(asyncio_stream_writer_drain(peer.writer), -ECONNRESET);
    }
    asyncio_stream_reader_unref(peer.reader);
    asyncio_stream_writer_unref(peer.writer);
    asyncio_server_close(server);
    asyncio_server_abort_clients(server);
    asyncio_server_unref(server);
    return 0;
}

/* Several tasks may drain at once. After the end of the connection drain() fails, so that a program
 * which only writes learns of it. */
static void test_drain_twice(void **state)
{
    (void)state;
    run_clean(drain_twice, NULL);
}

static int hang_up(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)reader, (void)arg;
    struct linger at_once = {1, 0};
    setsockopt(asyncio_socket_fileno(asyncio_stream_writer_get_socket(writer)), SOL_SOCKET,
               SO_LINGER, &at_once, sizeof(at_once));
    return asyncio_stream_writer_abort(writer);
}

static int reset(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server = start(hang_up, NULL);
    peer_t peer = open_to(server, 0);
    char byte;
    int rc = (int)asyncio_stream_reader_read(peer.reader, &byte, 1);
    assert_true(rc == -ECONNRESET || rc == 0);
    while (rc >= 0) { /* until the peer has answered */
        asyncio_stream_writer_write(peer.writer, "x", 1);
        rc = asyncio_stream_writer_drain(peer.writer);
        asyncio_sleep(0.001);
    }
    assert_true(rc == -ECONNRESET || rc == -EPIPE);
    asyncio_stream_reader_unref(peer.reader);
    asyncio_stream_writer_unref(peer.writer);
    stop(server);
    return 0;
}

/* When the peer resets the connection, reads and drains fail, and no signal is raised. */
static void test_reset(void **state)
{
    (void)state;
    run_clean(reset, NULL);
}

/* --- Unix sockets -------------------------------------------------------------------------- */

static int over_unix(void *arg, void **ret_result)
{
    (void)ret_result;
    const char *path = arg;
    asyncio_server_t *server = NULL, *second = NULL;
    struct stat found;
    assert_int_equal(asyncio_start_unix_server(path, echo, NULL, NULL, &server), 0);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    assert_int_equal(asyncio_start_unix_server(path, echo, NULL, NULL, &second), -EADDRINUSE);
    peer_t peer;
    char buffer[8];
    assert_int_equal(asyncio_open_unix_connection(path, NULL, &peer.reader, &peer.writer), 0);
    char named[128];
    asyncio_stream_writer_get_extra_info(peer.writer, "peername", named, sizeof(named));
    assert_string_equal(named, path);
    asyncio_stream_writer_write(peer.writer, "unix", 4);
    assert_int_equal(asyncio_stream_reader_readexactly(peer.reader, buffer, 4, NULL), 4);
    assert_memory_equal(buffer, "unix", 4);
    end(peer);
    stop(server);
    assert_int_equal(stat(path, &found), -1);
    return 0;
}

/* The file of a Unix socket is accessible to its owner only, is not replaced while a server listens
 * there, and is removed with its server. */
static void test_unix(void **state)
{
    (void)state;
    char path[] = "/tmp/asyncio-test-XXXXXX", name[64];
    assert_non_null(mkdtemp(path));
    snprintf(name, sizeof(name), "%s/socket", path);
    run_clean(over_unix, name);
    rmdir(path);
}

static int too_long_for_unix(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_server_t *server = NULL;
    peer_t peer;
    assert_int_equal(asyncio_start_unix_server(arg, echo, NULL, NULL, &server), -ENAMETOOLONG);
    assert_int_equal(asyncio_open_unix_connection(arg, NULL, &peer.reader, &peer.writer),
                     -ENAMETOOLONG);
    return 0;
}

/* The longest path works and is reported whole; one byte more is refused. */
static void test_unix_of_any_length(void **state)
{
    (void)state;
    char name[110] = "/tmp/asyncio-test-XXXXXX";
    assert_non_null(mkdtemp(name));
    size_t length = strlen(name);
    char folder[32];
    strcpy(folder, name);
    memset(name + length, 'x', 108 - length);
    name[length] = '/';
    run_clean(too_long_for_unix, name);
    name[107] = '\0';
    run_clean(over_unix, name);
    rmdir(folder);
}

/* --- without descriptors ------------------------------------------------------------------- */

static int out_of_descriptors(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int reports = 0;
    struct rlimit before, low;
    asyncio_server_t *server = start(echo, NULL);
    peer_t peers[8];
    getrlimit(RLIMIT_NOFILE, &before);
    int next = dup(0);
    close(next);
    low = before;
    low.rlim_cur = (rlim_t)next;
    setrlimit(RLIMIT_NOFILE, &low);
    int rc = asyncio_open_connection("127.0.0.1", asyncio_server_port(server, 0), NULL,
                                     &peers[0].reader, &peers[0].writer);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(rc, -EMFILE);
    (void)reports;
    peers[0] = open_to(server, 0);
    end(peers[0]);
    stop(server);
    return 0;
}

/* A connect without descriptors fails with -EMFILE, and works again when there are some. */
static void test_out_of_descriptors(void **state)
{
    (void)state;
    run_clean(out_of_descriptors, NULL);
}

/* --- bad input ----------------------------------------------------------------------------- */

static int refuse(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_stream_reader_t *reader = NULL;
    asyncio_stream_writer_t *writer = NULL;
    asyncio_server_t *server = start(echo, NULL), *other = NULL;
    uint16_t port = asyncio_server_port(server, 0);
    assert_int_equal(asyncio_start_server("127.0.0.1", port, echo, NULL, NULL, &other),
                     -EADDRINUSE);
    stop(server);
    assert_int_equal(asyncio_open_connection("127.0.0.1", port, NULL, &reader, &writer),
                     -ECONNREFUSED);
    assert_int_equal(asyncio_open_connection("no.such.host.invalid", 80, NULL, &reader, &writer),
                     ASYNCIO_EGAI);
    asyncio_error_t *error = asyncio_error_last();
    assert_true(strlen(asyncio_error_message(error)) > 0);
    asyncio_error_unref(error);
    assert_int_equal(asyncio_open_unix_connection("/nowhere/at/all", NULL, &reader, &writer),
                     -ENOENT);
    assert_int_equal(asyncio_open_connection(NULL, 80, NULL, &reader, &writer), -EINVAL);
    assert_int_equal(asyncio_open_connection("127.0.0.1", 80, NULL, NULL, &writer), -EINVAL);
    asyncio_connection_options_t unsized = {0};
    assert_int_equal(asyncio_open_connection("127.0.0.1", 80, &unsized, &reader, &writer),
                     -EINVAL);
    assert_int_equal(asyncio_start_server(NULL, 0, NULL, NULL, NULL, &other), -EINVAL);
    assert_int_equal(asyncio_start_server(NULL, 0, echo, NULL, NULL, NULL), -EINVAL);
    assert_null(reader);
    assert_null(writer);
    assert_null(other);
    return 0;
}

/* Each kind of refused address has its own code, and no stream or server is created. */
static void test_refuse(void **state)
{
    (void)state;
    run_clean(refuse, NULL);
}

/* NULL and calls outside tasks are refused without harm. */
static void test_nothing(void **state)
{
    (void)state;
    asyncio_stream_reader_t *reader = NULL;
    asyncio_stream_writer_t *writer = NULL;
    const char *data = NULL;
    char text[8];
    assert_int_equal(asyncio_open_connection("127.0.0.1", 1, NULL, &reader, &writer),
                     ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_stream_reader_read(NULL, text, 1), -EINVAL);
    assert_int_equal(asyncio_stream_reader_readline(NULL, &data), -EINVAL);
    assert_int_equal(asyncio_stream_reader_readuntil(NULL, "x", 1, &data), -EINVAL);
    assert_int_equal(asyncio_stream_reader_readexactly(NULL, text, 1, NULL), -EINVAL);
    assert_int_equal(asyncio_stream_reader_read_all(NULL, &data), -EINVAL);
    assert_int_equal(asyncio_stream_writer_write(NULL, "x", 1), -EINVAL);
    assert_int_equal(asyncio_stream_writer_writelines(NULL, NULL, 0), -EINVAL);
    assert_int_equal(asyncio_stream_writer_drain(NULL), -EINVAL);
    assert_int_equal(asyncio_stream_writer_write_eof(NULL), -EINVAL);
    assert_int_equal(asyncio_stream_writer_close(NULL), -EINVAL);
    assert_int_equal(asyncio_stream_writer_abort(NULL), -EINVAL);
    assert_int_equal(asyncio_stream_writer_wait_closed(NULL), -EINVAL);
    assert_int_equal(asyncio_stream_writer_set_write_buffer_limits(NULL, 1, 1), -EINVAL);
    assert_int_equal(asyncio_stream_writer_get_extra_info(NULL, "peername", text, 8), -EINVAL);
    assert_int_equal(asyncio_server_close(NULL), -EINVAL);
    assert_int_equal(asyncio_server_wait_closed(NULL), -EINVAL);
    assert_int_equal(asyncio_server_serve_forever(NULL), -EINVAL);
    assert_int_equal(asyncio_server_start_serving(NULL), -EINVAL);
    assert_int_equal(asyncio_server_close_clients(NULL), -EINVAL);
    assert_int_equal(asyncio_server_port(NULL, 0), 0);
    assert_true(asyncio_stream_writer_is_closing(NULL));
    asyncio_stream_reader_unref(NULL);
    asyncio_stream_writer_unref(NULL);
    asyncio_server_unref(NULL);
    asyncio_error_clear();
}

static int leave_open(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server = start(stall, NULL);
    peer_t *peer = arg;
    *peer = open_to(server, 0);
    asyncio_stream_writer_write(peer->writer, "unread", 6);
    asyncio_server_unref(server);
    return 0;
}

/* The references to streams may be dropped after their loop has been closed. */
static void test_leave_open(void **state)
{
    (void)state;
    const char *engine = getenv("ASYNCIO_ENGINE");
    if (engine && strcmp(engine, "sim") == 0)
        skip();
    peer_t peer;
    int descriptors = count_descriptors();
    long blocks = asyncio__live_blocks();
    assert_int_equal(asyncio_run(asyncio_coroutine(leave_open, &peer), NULL), 0);
    assert_int_equal(asyncio_stream_writer_write(peer.writer, "late", 4), ASYNCIO_ERUNTIME);
    asyncio_stream_reader_unref(peer.reader);
    asyncio_stream_writer_unref(peer.writer);
    asyncio_error_clear();
    assert_int_equal(count_descriptors(), descriptors);
    await_blocks(blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo_to_many),
        cmocka_unit_test(test_echo_much),
        cmocka_unit_test(test_read_in_all_ways),
        cmocka_unit_test(test_overrun),
        cmocka_unit_test(test_read_cancelled),
        cmocka_unit_test(test_stalled),
        cmocka_unit_test(test_drain_twice),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_unix_of_any_length),
        cmocka_unit_test(test_out_of_descriptors),
        cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_leave_open),
    };
    sweep_may_wait = true;
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
