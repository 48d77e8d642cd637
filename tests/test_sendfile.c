/* SPDX-License-Identifier: MIT */
/*
 * Sending files: by sockets, streams and transports over socket pairs and TCP, with sendfile(2) and
 * without; what others may do meanwhile, and how it ends.
 */
#include "support/file_fixture.h"
#include "support/protocol_fixture.h"

#include <pthread.h>
#include <signal.h>

#define TEST(function)                        \
    static void test_##function(void **state) \
    {                                         \
        (void)state;                          \
        run_clean(function, NULL);            \
    }

#define LARGE_BYTES 5000000 /* more than a socket's buffers hold */

static asyncio_file_t *open_filled(size_t size)
{
    asyncio_file_t *file = NULL;
    const char *path = name_in("file");
    make_filled(path, size);
    assert_int_equal(asyncio_open(path, "rb", &file), 0);
    return file;
}

/* --- a peer: a thread that reads a descriptor to its end ----------------------------------- */

typedef struct peer_thread {
    pthread_t thread;
    int fd;        /* closed at its end */
    size_t first;  /* the number in the file of its first byte */
    size_t until;  /* bytes after which it closes; SIZE_MAX: the end */
    size_t count;  /* bytes that it has read */
    bool is_right; /* and all were what they had to be */
} peer_thread_t;

static void *read_all(void *arg)
{
    peer_thread_t *reader = arg;
    static _Thread_local char buffer[65536];
    ssize_t size = 1;
    while (size > 0 && reader->count < reader->until) {
        size = read(reader->fd, buffer, sizeof(buffer));
        for (ssize_t i = 0; i < size; i++)
            reader->is_right &= buffer[i] == byte_at(reader->first + reader->count + (size_t)i);
        reader->count += size > 0 ? (size_t)size : 0;
    }
    close(reader->fd);
    return NULL;
}

static void start_peer(peer_thread_t *reader, int fd, size_t first)
{
    *reader = (peer_thread_t){.fd = fd, .first = first, .until = SIZE_MAX, .is_right = true};
    assert_int_equal(pthread_create(&reader->thread, NULL, read_all, reader), 0);
}

static void expect_peer(peer_thread_t *reader, size_t count)
{
    pthread_join(reader->thread, NULL);
    assert_int_equal(reader->count, count);
    assert_true(reader->is_right);
}

/* --- sockets ------------------------------------------------------------------------------- */

static asyncio_socket_t *socket_pair(int *ret_fd)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    *ret_fd = fds[1];
    return asyncio_socket_from_fd(fds[0]);
}

/* Sends a part of a file by a socket, and expects that many bytes at its other end. */
static void send_part(size_t size, int64_t offset, int64_t count, size_t expected)
{
    asyncio_sendfile_options_t options = {
        .size = sizeof(options), .offset = offset, .count = count};
    asyncio_loop_t *loop = asyncio_get_running_loop();
    peer_thread_t reader;
    int fd;
    asyncio_socket_t *sock = socket_pair(&fd);
    asyncio_file_t *file = open_filled(size);
    start_peer(&reader, fd, (size_t)offset);
    assert_int_equal(asyncio_loop_sock_sendfile(loop, sock, file, &options), expected);
    assert_int_equal(asyncio_file_tell(file), expected ? (size_t)offset + expected : 0);
    assert_int_equal(asyncio_file_close(file), 0);
    asyncio_file_unref(file);
    asyncio_socket_close(sock);
    asyncio_socket_unref(sock);
    expect_peer(&reader, expected);
}

static int parts(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    send_part(0, 0, 0, 0);
    send_part(10, 0, 0, 10);
    send_part(10, 0, 3, 3);
    send_part(10, 4, 0, 6);
    send_part(10, 4, 100, 6);
    send_part(10, 10, 0, 0);
    send_part(10, 50, 5, 0);
    send_part(LARGE_BYTES, 0, 0, LARGE_BYTES);
    send_part(LARGE_BYTES, 1000, 4000000, 4000000);
    return 0;
}
TEST(parts)

static ssize_t refuse_sendfile(int out, int in, off_t *offset, size_t size)
{
    (void)out, (void)in, (void)offset, (void)size;
    errno = EINVAL;
    return -1;
}

static void test_parts_by_reading(void **state)
{
    ssize_t (*saved)(int, int, off_t *, size_t) = asyncio__sys.sendfile;
    (void)state;
    asyncio__sys.sendfile = refuse_sendfile;
    run_clean(parts, NULL);
    asyncio__sys.sendfile = saved; /* not the whole table, which idle worker threads read */
}

/* --- streams ------------------------------------------------------------------------------- */

static void open_stream(int *ret_fd, peer_t *ret_peer)
{
    asyncio_connection_options_t options = {.size = sizeof(options)};
    options.sock = socket_pair(ret_fd);
    assert_int_equal(asyncio_open_connection(NULL, 0, &options, &ret_peer->reader,
                                             &ret_peer->writer),
                     0);
    asyncio_socket_unref(options.sock);
}

/* What was written before comes before the file, and what is written after it behind. */
static int order(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    char *head = malloc(300000);
    fill(head, 300000);
    peer_thread_t reader;
    peer_t peer;
    int fd;
    open_stream(&fd, &peer);
    asyncio_file_t *file = open_filled(LARGE_BYTES);
    asyncio_sendfile_options_t options = {.size = sizeof(options), .offset = 300000,
                                          .count = LARGE_BYTES - 300010};
    start_peer(&reader, fd, 0);
    assert_int_equal(asyncio_stream_writer_write(peer.writer, head, 300000), 0);
    assert_int_equal(asyncio_stream_writer_sendfile(peer.writer, file, &options),
                     LARGE_BYTES - 300010);
    char tail[10];
    assert_int_equal(asyncio_file_read(file, tail, 10), 10);
    assert_int_equal(asyncio_stream_writer_write(peer.writer, tail, 10), 0);
    assert_int_equal(asyncio_stream_writer_drain(peer.writer), 0);
    end(peer);
    asyncio_file_unref(file);
    expect_peer(&reader, LARGE_BYTES);
    free(head);
    return 0;
}
TEST(order)

static void test_order_by_reading(void **state)
{
    ssize_t (*saved)(int, int, off_t *, size_t) = asyncio__sys.sendfile;
    (void)state;
    asyncio__sys.sendfile = refuse_sendfile;
    run_clean(order, NULL);
    asyncio__sys.sendfile = saved; /* not the whole table, which idle worker threads read */
}

/* --- transports ---------------------------------------------------------------------------- */

/* Lets the loop run until what can be done without the peer is done. */
static void let_run(void)
{
    for (int i = 0; i < 10; i++)
        assert_int_equal(asyncio_sleep(0), 0);
}

static asyncio_task_t *start_sending(asyncio_transport_t *transport, asyncio_file_t *file,
                                     const asyncio_sendfile_options_t *options)
{
    asyncio_task_t *task = asyncio_create_task(asyncio_loop_sendfile_coroutine(
        asyncio_get_running_loop(), transport, file, options));
    assert_non_null(task);
    let_run();
    return task;
}

/* What the task has returned; its reference is given up. */
static ssize_t finish_sending(asyncio_task_t *task)
{
    void *result = NULL;
    int rc = asyncio_await(task, &result);
    asyncio_future_unref(task);
    return rc < 0 ? rc : (ssize_t)(intptr_t)result;
}

static void expect_failure(ssize_t rc, int code, const char *message)
{
    asyncio_error_t *error = asyncio_error_last();
    assert_int_equal(rc, code);
    assert_string_equal(asyncio_error_message(error), message);
    asyncio_error_unref(error);
}

static void close_recorded(recorder_t *recorder, asyncio_transport_t *transport)
{
    asyncio_transport_close(transport);
    asyncio_transport_unref(transport);
    wait_lost(recorder);
    asyncio_error_clear();
}

/* A transport that sends a large file, whose peer does not read yet. */
typedef struct sending {
    recorder_t recorder;
    asyncio_transport_t *transport;
    asyncio_file_t *file;
    asyncio_task_t *task;
    int fd; /* of the peer */
} sending_t;

static void begin_sending(sending_t *sending)
{
    sending->recorder = recorder_init(&plain_functions);
    sending->fd = open_recorded(&sending->recorder, &sending->transport);
    sending->file = open_filled(LARGE_BYTES);
    sending->task = start_sending(sending->transport, sending->file, NULL);
}

static void end_sending(sending_t *sending)
{
    close_recorded(&sending->recorder, sending->transport);
    asyncio_file_unref(sending->file);
}

/* Nothing else is written while a file is sent, and nothing read. */
static int one_at_a_time(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    sending_t sending;
    peer_thread_t reader;
    begin_sending(&sending);
    int keep = dup(sending.fd);
    asyncio_file_t *other = open_filled(LARGE_BYTES);
    assert_int_equal(write(sending.fd, "late", 4), 4);
    let_run();
    assert_string_equal(sending.recorder.log, "made ");
    expect_failure(asyncio_transport_write(sending.transport, "x", 1), ASYNCIO_ERUNTIME,
                   "unable to write; sendfile is in progress");
    expect_failure(asyncio_loop_sendfile(asyncio_get_running_loop(), sending.transport, other,
                                         NULL),
                   ASYNCIO_ERUNTIME, "unable to write; sendfile is in progress");
    start_peer(&reader, sending.fd, 0);
    assert_int_equal(finish_sending(sending.task), LARGE_BYTES);
    WAIT_UNTIL(&sending.recorder, sending.recorder.received == 4);
    assert_string_equal(sending.recorder.log, "made data(late) ");
    end_sending(&sending);
    close(keep);
    expect_peer(&reader, LARGE_BYTES);
    asyncio_file_unref(other);
    return 0;
}
TEST(one_at_a_time)

/* A cancelled call has sent what the file's position says, and the transport still works. */
static int cancelled(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    sending_t sending;
    peer_thread_t reader;
    begin_sending(&sending);
    assert_true(asyncio_task_cancel(sending.task, NULL));
    assert_int_equal(finish_sending(sending.task), -ECANCELED);
    int64_t sent = asyncio_file_tell(sending.file);
    assert_in_range(sent, 1, LARGE_BYTES - 1);
    asyncio_sendfile_options_t rest = {.size = sizeof(rest), .offset = sent};
    start_peer(&reader, sending.fd, 0);
    assert_int_equal(asyncio_loop_sendfile(asyncio_get_running_loop(), sending.transport,
                                           sending.file, &rest),
                     LARGE_BYTES - sent);
    end_sending(&sending);
    expect_peer(&reader, LARGE_BYTES);
    return 0;
}
TEST(cancelled)

/* A file that is cut while it is sent ends where it was cut. */
static int cut_short(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    sending_t sending;
    peer_thread_t reader;
    begin_sending(&sending);
    assert_int_equal(truncate(name_in("file"), LARGE_BYTES - 1000000), 0);
    start_peer(&reader, sending.fd, 0);
    assert_int_equal(finish_sending(sending.task), LARGE_BYTES - 1000000);
    end_sending(&sending);
    expect_peer(&reader, LARGE_BYTES - 1000000);
    return 0;
}
TEST(cut_short)

/* A peer that goes away is an error, of the transport too. */
static int peer_gone(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    sending_t sending;
    begin_sending(&sending);
    close(sending.fd);
    ssize_t rc = finish_sending(sending.task);
    assert_true(rc == -EPIPE || rc == -ECONNRESET);
    end_sending(&sending);
    return 0;
}
TEST(peer_gone)

/* A transport that is closed meanwhile ends the call; one that is closing refuses it. */
static int closed_meanwhile(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    sending_t sending;
    begin_sending(&sending);
    asyncio_transport_abort(sending.transport);
    expect_failure(finish_sending(sending.task), -ECONNRESET, "Connection closed by peer");
    expect_failure(asyncio_loop_sendfile(asyncio_get_running_loop(), sending.transport,
                                         sending.file, NULL),
                   ASYNCIO_ERUNTIME, "Transport is closing");
    end_sending(&sending);
    close(sending.fd);
    return 0;
}
TEST(closed_meanwhile)

/* --- refusals ------------------------------------------------------------------------------ */

/* With no_fallback the reason of sendfile(2) is the error's cause, and nothing was sent. */
static int without_fallback(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_sendfile_options_t options = {.size = sizeof(options), .no_fallback = true};
    recorder_t recorder = recorder_init(&plain_functions);
    asyncio_transport_t *transport;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    int fd = open_recorded(&recorder, &transport), other;
    asyncio_socket_t *sock = socket_pair(&other);
    asyncio_file_t *file = open_filled(10);
    expect_failure(asyncio_loop_sendfile(loop, transport, file, &options),
                   ASYNCIO_ESENDFILENOTAVAILABLE, "os.sendfile call failed");
    asyncio_error_t *error = asyncio_error_last();
    assert_int_equal(asyncio_error_code(asyncio_error_cause(error)), -EINVAL);
    asyncio_error_unref(error);
    expect_failure(asyncio_loop_sock_sendfile(loop, sock, file, &options),
                   ASYNCIO_ESENDFILENOTAVAILABLE, "os.sendfile call failed");
    assert_int_equal(asyncio_file_tell(file), 0);
    close_recorded(&recorder, transport);
    asyncio_socket_close(sock);
    asyncio_socket_unref(sock);
    close(fd);
    close(other);
    asyncio_file_unref(file);
    return 0;
}

static void test_without_fallback(void **state)
{
    ssize_t (*saved)(int, int, off_t *, size_t) = asyncio__sys.sendfile;
    (void)state;
    asyncio__sys.sendfile = refuse_sendfile;
    run_clean(without_fallback, NULL);
    asyncio__sys.sendfile = saved;
}

static int bad_arguments(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_sendfile_options_t options = {.size = sizeof(options)};
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_file_t *file = open_filled(10), *writing;
    int fd, datagram = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    asyncio_socket_t *sock = socket_pair(&fd), *wrong = asyncio_socket_from_fd(datagram);
    assert_int_equal(asyncio_open(name_in("other"), "wb", &writing), 0);
    expect_failure(asyncio_loop_sendfile(loop, NULL, file, NULL), -EINVAL,
                   "\"transport\" must not be NULL");
    expect_failure(asyncio_stream_writer_sendfile(NULL, file, NULL), -EINVAL,
                   "\"writer\" must not be NULL");
    assert_int_equal(asyncio_loop_sock_sendfile(loop, NULL, file, NULL), -EINVAL);
    assert_int_equal(asyncio_loop_sock_sendfile(loop, sock, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_loop_sock_sendfile(loop, sock, writing, NULL), -EBADF);
    expect_failure(asyncio_loop_sock_sendfile(loop, wrong, file, NULL), -EINVAL,
                   "only SOCK_STREAM type sockets are supported");
    options.offset = -1;
    expect_failure(asyncio_loop_sock_sendfile(loop, sock, file, &options), -EINVAL,
                   "\"offset\" must not be negative");
    options = (asyncio_sendfile_options_t){.size = sizeof(options), .count = -1};
    expect_failure(asyncio_loop_sock_sendfile(loop, sock, file, &options), -EINVAL,
                   "\"count\" must be positive, or 0: to the end");
    options = (asyncio_sendfile_options_t){.size = 1};
    expect_failure(asyncio_loop_sock_sendfile(loop, sock, file, &options), -EINVAL,
                   "\"options->size\" must be sizeof(*options)");
    assert_int_equal(asyncio_file_close(file), 0);
    assert_int_equal(asyncio_loop_sock_sendfile(loop, sock, file, NULL), -EBADF);
    asyncio_socket_close(sock);
    asyncio_socket_unref(sock);
    asyncio_socket_close(wrong);
    asyncio_socket_unref(wrong);
    close(fd);
    asyncio_file_unref(file);
    asyncio_file_unref(writing);
    return 0;
}
TEST(bad_arguments)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(test_parts),
        FOLDER_TEST(test_parts_by_reading),
        FOLDER_TEST(test_order),
        FOLDER_TEST(test_order_by_reading),
        FOLDER_TEST(test_one_at_a_time),
        FOLDER_TEST(test_cancelled),
        FOLDER_TEST(test_cut_short),
        FOLDER_TEST(test_peer_gone),
        FOLDER_TEST(test_closed_meanwhile),
        FOLDER_TEST(test_without_fallback),
        FOLDER_TEST(test_bad_arguments),
    };
    signal(SIGPIPE, SIG_DFL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
