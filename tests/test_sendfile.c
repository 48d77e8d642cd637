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
    size_t first;  /* the place of the first byte */
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
    const asyncio__syscalls_t saved = asyncio__sys;
    (void)state;
    asyncio__sys.sendfile = refuse_sendfile;
    run_clean(parts, NULL);
    asyncio__sys = saved;
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
    const asyncio__syscalls_t saved = asyncio__sys;
    (void)state;
    asyncio__sys.sendfile = refuse_sendfile;
    run_clean(order, NULL);
    asyncio__sys = saved;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(test_parts),
        FOLDER_TEST(test_parts_by_reading),
        FOLDER_TEST(test_order),
        FOLDER_TEST(test_order_by_reading),
    };
    signal(SIGPIPE, SIG_DFL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
