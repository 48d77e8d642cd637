/* SPDX-License-Identifier: MIT */
/*
 * What the tests of servers share: a loop for each test with the accounts of descriptors and memory
 * before and after, servers and clients over loopback.
 */
#ifndef TESTS_SERVER_FIXTURE_H
#define TESTS_SERVER_FIXTURE_H

#include <asyncio.h>
#include <dirent.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/syscalls.h"

static inline bool is_engine(const char *name)
{
    const char *engine = getenv("ASYNCIO_ENGINE");
    return engine && strcmp(engine, name) == 0;
}

static inline int count_descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* Runs a coroutine function on a loop with that clock; then compares open descriptors and allocated
 * blocks with those before. */
static inline void run_with_clock(asyncio_coroutine_function_t *fn, asyncio_clock_t clock)
{
    if (is_engine("sim"))
        skip(); /* it has no sockets */
    asyncio_error_clear();
    const asyncio__syscalls_t saved = asyncio__sys;
    int descriptors = count_descriptors();
    long blocks = asyncio__live_blocks();
    asyncio_loop_options_t options = {.size = sizeof(options), .clock = clock};
    asyncio_loop_t *loop = asyncio_new_event_loop_full(&options);
    assert_non_null(loop);
    int rc = asyncio_loop_run_until_complete(loop, asyncio_coroutine_full(fn, NULL, NULL), NULL);
    asyncio_loop_unref(loop);
    if (memcmp(&asyncio__sys, &saved, sizeof(saved)) != 0) /* other threads read it */
        asyncio__sys = saved;
    assert_int_equal(rc, 0);
    asyncio_error_clear();
    assert_int_equal(count_descriptors(), descriptors);
    await_blocks(blocks);
}

static inline void run_clean(asyncio_coroutine_function_t *fn, void *arg)
{
    assert_null(arg);
    run_with_clock(fn, ASYNCIO_CLOCK_MONOTONIC);
}

/* --- servers and clients used below -------------------------------------------------------- */

static inline int echo(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)arg;
    char buffer[64];
    ssize_t size;
    while ((size = asyncio_stream_reader_read(reader, buffer, sizeof(buffer))) > 0)
        asyncio_stream_writer_write(writer, buffer, (size_t)size);
    return (int)size;
}

static inline asyncio_server_t *start_with(const char *host, asyncio_client_connected_t *fn,
                                           void *arg, const asyncio_server_options_t *options)
{
    asyncio_server_t *server = NULL;
    assert_int_equal(asyncio_start_server(host, 0, fn, arg, options, &server), 0);
    return server;
}

static inline asyncio_server_t *start(asyncio_client_connected_t *fn, void *arg)
{
    return start_with("127.0.0.1", fn, arg, NULL);
}

static inline void stop(asyncio_server_t *server)
{
    assert_int_equal(asyncio_server_close(server), 0);
    assert_int_equal(asyncio_server_wait_closed(server), 0);
    asyncio_server_unref(server);
}

typedef struct peer {
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
} peer_t;

static inline peer_t open_to_host(const char *host, asyncio_server_t *server)
{
    peer_t peer;
    assert_int_equal(asyncio_open_connection(host, asyncio_server_port(server, 0), NULL,
                                             &peer.reader, &peer.writer),
                     0);
    return peer;
}

static inline peer_t open_to(asyncio_server_t *server, size_t limit_bytes)
{
    assert_int_equal(limit_bytes, 0);
    return open_to_host("127.0.0.1", server);
}

/* Sends a byte and reads it back. */
static inline void exchange(peer_t peer)
{
    char byte = 0;
    assert_int_equal(asyncio_stream_writer_write(peer.writer, "x", 1), 0);
    assert_int_equal(asyncio_stream_reader_readexactly(peer.reader, &byte, 1, NULL), 1);
    assert_int_equal(byte, 'x');
}

static inline void expect_end(peer_t peer)
{
    char byte;
    assert_int_equal(asyncio_stream_reader_read(peer.reader, &byte, 1), 0);
}

static inline void end(peer_t peer)
{
    asyncio_stream_writer_close(peer.writer);
    asyncio_stream_writer_wait_closed(peer.writer);
    asyncio_stream_reader_unref(peer.reader);
    asyncio_stream_writer_unref(peer.writer);
}

/* Connects an ordinary blocking client; the kernel completes the connection without the server. */
static inline int connect_plainly(asyncio_server_t *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(asyncio_server_port(server, 0)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static inline void turn_often(void)
{
    for (int i = 0; i < 400; i++)
        assert_int_equal(asyncio_sleep(0), 0);
}

#endif
