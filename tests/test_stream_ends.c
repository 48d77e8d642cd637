/* SPDX-License-Identifier: MIT */
/*
 * How connections end: resets, orderly closes with unread input, peers that take nothing, and what
 * streams say about it afterwards. One end is a stream, the other a plain socket of the test, so
 * that each test decides what the kernel does. On every engine that has sockets.
 */
#include <asyncio.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"

#define MUCH_BYTES 20000000

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
static void run_clean(asyncio_coroutine_function_t *fn)
{
    const char *engine = getenv("ASYNCIO_ENGINE");
    if (engine && strcmp(engine, "sim") == 0)
        skip();
    asyncio_error_clear();
    int descriptors = count_descriptors();
    long blocks = asyncio__live_blocks();
    assert_int_equal(asyncio_run(asyncio_coroutine(fn, NULL), NULL), 0);
    asyncio_error_clear();
    assert_int_equal(count_descriptors(), descriptors);
    await_blocks(blocks);
}

typedef struct ends {
    asyncio_stream_reader_t *reader; /* this end */
    asyncio_stream_writer_t *writer; /* likewise */
    int peer;                        /* the other end: a blocking descriptor */
} ends_t;

/* Opens a TCP connection over loopback. */
static ends_t open_ends(const asyncio_connection_options_t *options)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    ends_t ends;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
    ends.peer = accept(listener, NULL, NULL);
    assert_true(ends.peer >= 0);
    close(listener);
    asyncio_socket_t *sock = asyncio_socket_from_fd(fd);
    assert_int_equal(asyncio_streams_of_socket(sock, options, &ends.reader, &ends.writer), 0);
    asyncio_socket_unref(sock);
    return ends;
}

static void unref_ends(ends_t *ends)
{
    asyncio_stream_reader_unref(ends->reader);
    asyncio_stream_writer_unref(ends->writer);
    ends->reader = NULL;
    ends->writer = NULL;
}

/* Closes the peer so that the kernel sends a reset. */
static void reset(ends_t *ends)
{
    struct linger at_once = {1, 0};
    setsockopt(ends->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(ends->peer);
    ends->peer = -1;
}

static void write_much(const ends_t *ends)
{
    char *data = calloc(1, MUCH_BYTES);
    assert_int_equal(asyncio_stream_writer_write(ends->writer, data, MUCH_BYTES), 0);
    free(data);
}

static bool is_lost(long rc)
{
    return rc == -ECONNRESET || rc == -EPIPE;
}

/* --- resets -------------------------------------------------------------------------------- */

static int read_all(asyncio_stream_reader_t *reader, void **ret_result)
{
    const char *data;
    ssize_t count = asyncio_stream_reader_read_all(reader, &data);
    *ret_result = ASYNCIO_INT(count);
    return 0;
}
ASYNCIO_COROUTINE(read_all, (asyncio_stream_reader_t *, reader));

static int lose_while_writing(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    ends_t ends = open_ends(NULL);
    char hundred[100] = {0}, buffer[50];
    const char *data;
    void *count = NULL;
    write_much(&ends);
    asyncio_task_t *waiting = asyncio_create_task(read_all_coroutine(ends.reader));
    assert_int_equal(send(ends.peer, hundred, sizeof(hundred), 0), sizeof(hundred));
    asyncio_sleep(0.001);
    reset(&ends);
    assert_int_equal(asyncio_await_unref(waiting, &count), 0);
    assert_true(is_lost((intptr_t)count));
    assert_false(asyncio_stream_reader_at_eof(ends.reader));
    assert_true(is_lost(asyncio_stream_reader_read_all(ends.reader, &data)));
    assert_true(is_lost(asyncio_stream_reader_readexactly(ends.reader, buffer, 50, NULL)));
    assert_true(is_lost(asyncio_stream_reader_read(ends.reader, buffer, 50)));
    assert_true(is_lost(asyncio_stream_reader_readline(ends.reader, &data)));
    assert_true(is_lost(asyncio_stream_writer_drain(ends.writer)));
    unref_ends(&ends);
    return 0;
}

/* A reset during a write is an error of every read, never the end of the stream: the bytes received
 * before are not all. */
static void a_reset_under_a_write_is_no_end(void **state)
{
    (void)state;
    run_clean(lose_while_writing);
}

static int lose_before_reading(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    ends_t ends = open_ends(NULL);
    char hundred[100] = {0}, buffer[50];
    const char *data;
    write_much(&ends);
    assert_int_equal(send(ends.peer, hundred, sizeof(hundred), 0), sizeof(hundred));
    reset(&ends);
    while (!asyncio_stream_writer_is_closing(ends.writer))
        assert_int_equal(asyncio_sleep(0.001), 0); /* until the write has failed */
    assert_false(asyncio_stream_reader_at_eof(ends.reader));
    assert_true(is_lost(asyncio_stream_reader_readexactly(ends.reader, buffer, 50, NULL)));
    assert_true(is_lost(asyncio_stream_reader_read_all(ends.reader, &data)));
    unref_ends(&ends);
    return 0;
}

/* The same for reads that begin after the write has failed. */
static void a_failed_write_fails_the_next_read(void **state)
{
    (void)state;
    run_clean(lose_before_reading);
}

static int reset_while_reading(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    ends_t ends = open_ends(NULL);
    char byte;
    reset(&ends);
    assert_int_equal(asyncio_stream_reader_read(ends.reader, &byte, 1), -ECONNRESET);
    assert_true(asyncio_stream_writer_is_closing(ends.writer));
    assert_int_equal(asyncio_stream_writer_wait_closed(ends.writer), -ECONNRESET);
    assert_int_equal(asyncio_stream_writer_drain(ends.writer), -ECONNRESET);
    assert_int_equal(asyncio_stream_writer_write(ends.writer, "dropped", 7), 0);
    unref_ends(&ends);
    return 0;
}

/* A read that finds a reset ends the connection: is_closing is true, and wait_closed returns the
 * error. */
static void a_read_that_fails_ends_the_connection(void **state)
{
    (void)state;
    run_clean(reset_while_reading);
}

static int look(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    ends_t ends = open_ends(NULL);
    char byte;
    assert_false(asyncio_stream_reader_at_eof(ends.reader));
    assert_int_equal(send(ends.peer, "x", 1, 0), 1);
    shutdown(ends.peer, SHUT_WR);
    assert_false(asyncio_stream_reader_at_eof(ends.reader));
    assert_false(asyncio_stream_writer_is_closing(ends.writer));
    assert_int_equal(asyncio_stream_reader_read(ends.reader, &byte, 1), 1);
    assert_true(asyncio_stream_reader_at_eof(ends.reader));
    assert_false(asyncio_stream_writer_is_closing(ends.writer)); /* half open */
    close(ends.peer);
    unref_ends(&ends);

    ends = open_ends(NULL);
    assert_false(asyncio_stream_writer_is_closing(ends.writer));
    reset(&ends);
    assert_true(asyncio_stream_writer_is_closing(ends.writer));
    assert_false(asyncio_stream_reader_at_eof(ends.reader));
    assert_int_equal(asyncio_stream_reader_read(ends.reader, &byte, 1), -ECONNRESET);
    unref_ends(&ends);
    return 0;
}

/* at_eof and is_closing detect an end and a reset that nobody has read yet. */
static void an_end_is_seen_before_it_is_read(void **state)
{
    (void)state;
    run_clean(look);
}

/* --- closing ------------------------------------------------------------------------------- */

static int write_and_close(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer,
                           void *arg)
{
    (void)arg;
    const char *line;
    size_t size = 4 << 20;
    char *data = calloc(1, size), byte;
    assert_int_equal(asyncio_stream_reader_readline(reader, &line), 6);
    assert_int_equal(asyncio_stream_writer_write(writer, "go\n", 3), 0);
    /* Ten more bytes are on their way, which this handler does not read. */
    while (recv(asyncio_socket_fileno(asyncio_stream_writer_get_socket(writer)), &byte, 1,
                MSG_PEEK | MSG_DONTWAIT) < 0)
        asyncio_sleep(0.001);
    asyncio_stream_writer_write(writer, data, size);
    free(data);
    int rc = asyncio_stream_writer_drain(writer);
    asyncio_stream_writer_close(writer);
    return rc < 0 ? rc : asyncio_stream_writer_wait_closed(writer);
}

static int close_with_unread_input(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server = NULL;
    assert_int_equal(asyncio_start_server("127.0.0.1", 0, write_and_close, NULL, NULL, &server), 0);
    ends_t ends;
    const char *data;
    assert_int_equal(asyncio_open_connection("127.0.0.1", asyncio_server_port(server, 0), NULL,
                                             &ends.reader, &ends.writer),
                     0);
    asyncio_stream_writer_write(ends.writer, "first\n", 6);
    assert_int_equal(asyncio_stream_reader_readline(ends.reader, &data), 3);
    asyncio_stream_writer_write(ends.writer, "unread....", 10);
    asyncio_sleep(0.01);
    assert_int_equal(asyncio_stream_reader_read_all(ends.reader, &data), 4 << 20);
    asyncio_stream_writer_close(ends.writer);
    unref_ends(&ends);
    asyncio_server_close(server);
    assert_int_equal(asyncio_server_wait_closed(server), 0);
    asyncio_server_unref(server);
    return 0;
}

/* A close with unread input does not reset the connection: the peer gets everything, then the
 * end. */
static void a_close_with_unread_input_loses_nothing(void **state)
{
    (void)state;
    run_clean(close_with_unread_input);
}

static int close_on_flood(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    ends_t ends = open_ends(NULL);
    static char piece[65536];
    size_t sent = 0;
    assert_int_equal(send(ends.peer, "unread", 6, 0), 6);
    assert_int_equal(asyncio_stream_writer_write(ends.writer, "bye", 3), 0);
    asyncio_stream_writer_close(ends.writer);
    /* A peer that keeps sending does not keep the connection open. */
    while (send(ends.peer, piece, sizeof(piece), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ||
           errno == EAGAIN) {
        sent += sizeof(piece);
        asyncio_sleep(0);
    }
    assert_true(is_lost(-errno));
    assert_int_equal(asyncio_stream_writer_wait_closed(ends.writer), 0);
    close(ends.peer);
    unref_ends(&ends);
    return 0;
}

/* The amount that a close reads and drops is bounded. */
static void a_close_drops_a_bounded_amount(void **state)
{
    (void)state;
    run_clean(close_on_flood);
}

static int close_on_a_stalled_peer(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_connection_options_t options = {.size = sizeof(options), .linger = 0.02};
    ends_t ends = open_ends(&options);
    write_much(&ends);
    asyncio_stream_writer_close(ends.writer);
    assert_int_equal(asyncio_stream_writer_wait_closed(ends.writer), -ETIMEDOUT);
    close(ends.peer);
    unref_ends(&ends);
    return 0;
}

/* A close gives up on a peer that accepts no data. */
static void a_close_does_not_wait_for_ever(void **state)
{
    (void)state;
    run_clean(close_on_a_stalled_peer);
}

static int close_on_a_slow_peer(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_connection_options_t options = {.size = sizeof(options), .linger = 0.2};
    ends_t ends = open_ends(&options);
    char *piece = malloc(1 << 20);
    size_t received = 0;
    write_much(&ends);
    asyncio_stream_writer_close(ends.writer);
    ssize_t count;
    do { /* longer than the limit as a whole, but never without progress */
        asyncio_sleep(0.02);
        count = recv(ends.peer, piece, 1 << 20, MSG_DONTWAIT);
        received += count > 0 ? (size_t)count : 0;
    } while (count > 0 || (count < 0 && errno == EAGAIN));
    assert_int_equal(received, MUCH_BYTES);
    assert_int_equal(asyncio_stream_writer_wait_closed(ends.writer), 0);
    free(piece);
    close(ends.peer);
    unref_ends(&ends);
    return 0;
}

/* The limit applies to the time without progress: a slow peer gets everything. */
static void a_close_waits_for_a_slow_peer(void **state)
{
    (void)state;
    run_clean(close_on_a_slow_peer);
}

static int leave_sending(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    ends_t ends = open_ends(NULL);
    char *piece = malloc(1 << 20);
    size_t received = 0;
    write_much(&ends);
    unref_ends(&ends); /* the last references: the connection closes itself */
    ssize_t count;
    while ((count = recv(ends.peer, piece, 1 << 20, MSG_DONTWAIT)) != 0) {
        received += count > 0 ? (size_t)count : 0;
        assert_int_equal(asyncio_sleep(count < 0 ? 0.001 : 0), 0);
    }
    assert_int_equal(received, MUCH_BYTES);
    free(piece);
    close(ends.peer);
    return 0;
}

/* Written bytes are sent after the program has dropped its last reference. */
static void a_dropped_connection_sends_the_rest(void **state)
{
    (void)state;
    run_clean(leave_sending);
}

/* --- names --------------------------------------------------------------------------------- */

static void check_names(const ends_t *ends, const char *peername, const char *sockname)
{
    char text[64];
    asyncio_stream_writer_get_extra_info(ends->writer, "peername", text, sizeof(text));
    assert_string_equal(text, peername);
    asyncio_stream_writer_get_extra_info(ends->writer, "sockname", text, sizeof(text));
    assert_string_equal(text, sockname);
}

static int ask_names(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    ends_t ends = open_ends(NULL);
    char peername[64], sockname[64], byte;
    asyncio_stream_writer_get_extra_info(ends.writer, "peername", peername, sizeof(peername));
    asyncio_stream_writer_get_extra_info(ends.writer, "sockname", sockname, sizeof(sockname));
    assert_non_null(strstr(peername, "127.0.0.1:"));
    assert_non_null(strstr(sockname, "127.0.0.1:"));
    reset(&ends);
    check_names(&ends, peername, sockname);
    assert_int_equal(asyncio_stream_reader_read(ends.reader, &byte, 1), -ECONNRESET);
    check_names(&ends, peername, sockname);
    asyncio_stream_writer_close(ends.writer);
    check_names(&ends, peername, sockname);
    assert_int_equal(asyncio_stream_writer_get_extra_info(ends.writer, "cipher", peername, 64),
                     -EINVAL);
    unref_ends(&ends);
    return 0;
}

/* peername and sockname stay those of the connect, also after a reset and a close. */
static void names_are_kept(void **state)
{
    (void)state;
    run_clean(ask_names);
}

static int ask_unix_names(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char expected[64];
    int size = snprintf(address.sun_path + 1, 64, "asyncio-test-%d", getpid()) + 1;
    snprintf(expected, sizeof(expected), "@asyncio-test-%d", getpid());
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)size);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, length), 0);
    ends_t ends = {.peer = listener};
    asyncio_socket_t *sock = asyncio_socket_from_fd(fd);
    assert_int_equal(asyncio_streams_of_socket(sock, NULL, &ends.reader, &ends.writer), 0);
    check_names(&ends, expected, "");
    asyncio_socket_unref(sock);
    unref_ends(&ends);
    close(listener);
    return 0;
}

/* An abstract Unix name begins with an @; an end without a name has an empty one. */
static void abstract_names_are_told(void **state)
{
    (void)state;
    run_clean(ask_unix_names);
}

/* --- odd uses ------------------------------------------------------------------------------ */

static int write_too_much(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    ends_t ends = open_ends(NULL);
    char data[8] = "12345678";
    struct iovec pieces[2] = {{data, SIZE_MAX / 2 + 1}, {data, SIZE_MAX / 2 + 5}};
    assert_int_equal(asyncio_stream_writer_writelines(ends.writer, pieces, 2), -ENOMEM);
    assert_int_equal(asyncio_stream_writer_get_write_buffer_size(ends.writer), 0);
    assert_int_equal(asyncio_stream_writer_write(ends.writer, data, 8), 0);
    while (recv(ends.peer, data, 8, MSG_DONTWAIT) != 8)
        asyncio_sleep(0);
    close(ends.peer);
    unref_ends(&ends);
    return 0;
}

/* Sizes whose sum overflows are refused, and nothing of them is written. */
static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    run_clean(write_too_much);
}

static int read_with_a_large_size(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    ends_t ends = open_ends(NULL);
    char bytes[8];
    size_t large = sizeof(size_t) > 4 ? (size_t)1 << 16 << 16 : SIZE_MAX;
    assert_int_equal(send(ends.peer, "12345", 5, 0), 5);
    assert_int_equal(asyncio_stream_reader_read(ends.reader, bytes, large), 5);
    assert_int_equal(send(ends.peer, "678", 3, 0), 3);
    assert_int_equal(asyncio_loop_sock_recv(asyncio_get_running_loop(),
                                            asyncio_stream_writer_get_socket(ends.writer), bytes,
                                            large),
                     3);
    assert_memory_equal(bytes, "678", 3);
    assert_int_equal(asyncio_stream_reader_read(ends.reader, bytes, 0), 0);
    assert_false(asyncio_stream_reader_at_eof(ends.reader));
    close(ends.peer);
    unref_ends(&ends);
    return 0;
}

/* A size of 2^32 is not truncated to 0 and taken for the end; a read of 0 bytes is no end
 * either. */
static void sizes_are_not_cut(void **state)
{
    (void)state;
    run_clean(read_with_a_large_size);
}

static int half_close(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    ends_t ends = open_ends(NULL);
    char byte;
    assert_int_equal(asyncio_stream_writer_write_eof(ends.writer), 0);
    assert_int_equal(asyncio_stream_writer_write_eof(ends.writer), 0);
    assert_int_equal(recv(ends.peer, &byte, 1, 0), 0);
    assert_int_equal(send(ends.peer, "x", 1, 0), 1);
    assert_int_equal(asyncio_stream_reader_read(ends.reader, &byte, 1), 1);
    asyncio_stream_writer_close(ends.writer);
    assert_int_equal(asyncio_stream_writer_write_eof(ends.writer), 0);
    assert_int_equal(asyncio_stream_writer_wait_closed(ends.writer), 0);
    close(ends.peer);
    unref_ends(&ends);
    return 0;
}

/* write_eof ends one direction only, and is a no-op when repeated or after a close. */
static void a_half_close_leaves_reading(void **state)
{
    (void)state;
    run_clean(half_close);
}

static int read_exactly(asyncio_stream_reader_t *reader, void **ret_result)
{
    (void)ret_result;
    char bytes[8];
    return (int)asyncio_stream_reader_readexactly(reader, bytes, sizeof(bytes), NULL);
}
ASYNCIO_COROUTINE(read_exactly, (asyncio_stream_reader_t *, reader));

static int cancel_early(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    ends_t ends = open_ends(NULL);
    char bytes[8];
    assert_int_equal(asyncio_wait_for(read_exactly_coroutine(ends.reader), 0.001, NULL),
                     -ETIMEDOUT);
    assert_int_equal(send(ends.peer, "1234", 4, 0), 4);
    assert_int_equal(asyncio_wait_for(read_exactly_coroutine(ends.reader), 0.01, NULL),
                     -ETIMEDOUT);
    assert_int_equal(send(ends.peer, "5678", 4, 0), 4);
    assert_int_equal(asyncio_stream_reader_readexactly(ends.reader, bytes, 8, NULL), 8);
    assert_memory_equal(bytes, "12345678", 8);
    close(ends.peer);
    unref_ends(&ends);
    return 0;
}

/* A readexactly that is cancelled before its first byte, or after some, loses none. */
static void a_cancelled_readexactly_loses_nothing(void **state)
{
    (void)state;
    run_clean(cancel_early);
}

static int read_line(asyncio_stream_reader_t *reader, void **ret_result)
{
    const char *line;
    *ret_result = ASYNCIO_INT(asyncio_stream_reader_readline(reader, &line));
    return 0;
}
ASYNCIO_COROUTINE(read_line, (asyncio_stream_reader_t *, reader));

static int drop_while_reading(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    for (int closes = 0; closes < 2; closes++) {
        ends_t ends = open_ends(NULL);
        void *count = NULL;
        asyncio_task_t *task = asyncio_create_task(read_line_coroutine(ends.reader));
        asyncio_sleep(0.001);
        if (!closes) {
            assert_int_equal(send(ends.peer, "half a ", 7, 0), 7);
            asyncio_sleep(0.001);
        }
        unref_ends(&ends);
        assert_int_equal(asyncio_await_unref(task, &count), 0);
        assert_int_equal((intptr_t)count, closes ? 0 : 7); /* closed here: the end */
        close(ends.peer);
    }
    return 0;
}

/* The program may drop its last reference while a task reads: the read ends with the bytes that it
 * has. */
static void the_last_reference_may_be_dropped_under_a_read(void **state)
{
    (void)state;
    run_clean(drop_while_reading);
}

static int close_socket_below(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    ends_t ends = open_ends(NULL);
    char byte;
    assert_int_equal(asyncio_socket_close(asyncio_stream_writer_get_socket(ends.writer)), 0);
    assert_int_equal(asyncio_stream_writer_write(ends.writer, "nowhere", 7), 0);
    assert_int_equal(asyncio_stream_reader_read(ends.reader, &byte, 1), 0);
    assert_int_equal(asyncio_stream_writer_wait_closed(ends.writer), 0);
    assert_int_equal(asyncio_stream_writer_drain(ends.writer), -ECONNRESET);
    close(ends.peer);
    unref_ends(&ends);

    ends = open_ends(NULL);
    asyncio_stream_reader_t *reader = NULL;
    asyncio_stream_writer_t *writer = NULL;
    assert_int_equal(asyncio_streams_of_socket(asyncio_stream_writer_get_socket(ends.writer), NULL,
                                               &reader, &writer),
                     ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_socket_close(asyncio_stream_writer_get_socket(ends.writer)), 0);
    assert_int_equal(asyncio_stream_reader_read(ends.reader, &byte, 1), 0);
    assert_true(asyncio_stream_writer_is_closing(ends.writer));
    close(ends.peer);
    unref_ends(&ends);
    return 0;
}

/* A program that closes the socket itself ends the connection in order, whatever it does next; a
 * socket has one pair of streams. */
static void a_socket_may_be_closed_below_its_streams(void **state)
{
    (void)state;
    run_clean(close_socket_below);
}

static int overrun(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    for (int ends_reading = 0; ends_reading < 2; ends_reading++) {
        asyncio_connection_options_t options = {
            .size = sizeof(options), .limit_bytes = 8, .end_on_overrun = ends_reading};
        ends_t ends = open_ends(&options);
        const char *line;
        char byte;
        assert_int_equal(send(ends.peer, "a line of that is ", 18, 0), 18);
        assert_int_equal(asyncio_stream_reader_readline(ends.reader, &line), -EINVAL);
        assert_int_equal(send(ends.peer, "QUIT\n", 5, 0), 5);
        if (ends_reading) {
            assert_int_equal(asyncio_stream_reader_readline(ends.reader, &line),
                             ASYNCIO_ELIMITOVERRUN);
            assert_int_equal(asyncio_stream_reader_read(ends.reader, &byte, 1),
                             ASYNCIO_ELIMITOVERRUN);
        } else {
            assert_int_equal(asyncio_stream_reader_readline(ends.reader, &line), 5);
            assert_memory_equal(line, "QUIT\n", 5);
        }
        assert_int_equal(asyncio_stream_writer_write(ends.writer, "too long", 8), 0);
        close(ends.peer);
        unref_ends(&ends);
    }
    return 0;
}

/* The rest of a line that is too long is the next line, as in asyncio; with end_on_overrun reads
 * fail, so that a peer cannot pass it off as a command. */
static void the_tail_of_a_long_line(void **state)
{
    (void)state;
    run_clean(overrun);
}

static int reset_under_write(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    ends_t ends = open_ends(NULL);
    const char *data;
    write_much(&ends);
    assert_int_equal(send(ends.peer, "rest", 4, MSG_NOSIGNAL), 4);
    assert_int_equal(asyncio_sleep(0), 0); /* the send is under way */
    reset(&ends);
    while (!asyncio_stream_writer_is_closing(ends.writer)) /* it sees the reset, not the peek */
        assert_int_equal(asyncio_sleep(0), 0);
    assert_int_equal(asyncio_stream_reader_read_all(ends.reader, &data), -ECONNRESET);
    assert_int_equal(asyncio_stream_writer_drain(ends.writer), -ECONNRESET);
    assert_int_equal(asyncio_stream_writer_wait_closed(ends.writer), -ECONNRESET);
    unref_ends(&ends);
    return 0;
}

/* A reset that cuts a large write short is a reset for every call, on each engine. */
static void test_reset_under_write(void **state)
{
    (void)state;
    run_clean(reset_under_write);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reset_under_write),
        cmocka_unit_test(a_reset_under_a_write_is_no_end),
        cmocka_unit_test(a_failed_write_fails_the_next_read),
        cmocka_unit_test(a_read_that_fails_ends_the_connection),
        cmocka_unit_test(an_end_is_seen_before_it_is_read),
        cmocka_unit_test(a_close_with_unread_input_loses_nothing),
        cmocka_unit_test(a_close_drops_a_bounded_amount),
        cmocka_unit_test(a_close_does_not_wait_for_ever),
        cmocka_unit_test(a_close_waits_for_a_slow_peer),
        cmocka_unit_test(a_dropped_connection_sends_the_rest),
        cmocka_unit_test(names_are_kept),
        cmocka_unit_test(abstract_names_are_told),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(sizes_are_not_cut),
        cmocka_unit_test(a_half_close_leaves_reading),
        cmocka_unit_test(a_cancelled_readexactly_loses_nothing),
        cmocka_unit_test(the_last_reference_may_be_dropped_under_a_read),
        cmocka_unit_test(a_socket_may_be_closed_below_its_streams),
        cmocka_unit_test(the_tail_of_a_long_line),
    };
    sweep_may_wait = true;
    return cmocka_run_group_tests_name("stream_ends", tests, NULL, NULL);
}
