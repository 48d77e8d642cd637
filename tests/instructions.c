/* SPDX-License-Identifier: MIT */
/*
 * Runs works under callgrind, each alone in its counts: test_instructions.py reads them. Most works
 * are the benchmark's; what it has no work for is here.
 */
#include <asyncio.h>
#include <stdio.h>
#include <sys/socket.h>
#include <valgrind/callgrind.h>

#include "base/memory.h"
#include "bench.h"

static int do_nothing(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return 0;
}

static int await_coroutines(long count, bench_result_t *result)
{
    (void)result;
    int rc = 0;
    for (long i = 0; i < count && rc == 0; i++)
        rc = asyncio_await(asyncio_coroutine(do_nothing, NULL), NULL);
    return rc;
}

static int await_done(long count, bench_result_t *result)
{
    (void)result;
    asyncio_future_t *future = asyncio_loop_create_future(asyncio_get_running_loop());
    int rc = asyncio_future_set_result(future, NULL);
    for (long i = 0; i < count && rc == 0; i++)
        rc = asyncio_await(future, NULL);
    asyncio_future_unref(future);
    return rc;
}

static void count_down(void *arg)
{
    --*(long *)arg;
}

/* A thousand callbacks per turn. */
static int call_soon(long count, bench_result_t *result)
{
    (void)result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    long left = 0;
    int rc = 0;
    for (long done = 0; done < count && rc == 0; done += 1000) {
        for (int i = 0; i < 1000 && rc == 0; i++, left++)
            rc = asyncio_loop_call_soon(loop, count_down, &left, NULL);
        if (rc == 0)
            rc = asyncio_sleep(0);
    }
    return rc;
}

static int serve(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    char buffer[64];
    ssize_t got;
    while ((got = asyncio_loop_sock_recv(loop, arg, buffer, sizeof(buffer))) > 0)
        if (asyncio_loop_sock_sendall(loop, arg, buffer, (size_t)got, NULL) < 0)
            break;
    return 0;
}

/* Two tasks on a pair of sockets: a message there and back is two requests. */
static int echo(long count, bench_result_t *result)
{
    (void)result;
    int fds[2];
    char buffer[64] = "";
    asyncio_loop_t *loop = asyncio_get_running_loop();
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        return -errno;
    asyncio_socket_t *near = asyncio_socket_from_fd(fds[0]), *far = asyncio_socket_from_fd(fds[1]);
    asyncio_task_t *server = asyncio_create_task(asyncio_coroutine(serve, far));
    int rc = 0;
    for (long i = 0; i < count && rc == 0; i += 2) {
        rc = asyncio_loop_sock_sendall(loop, near, buffer, 32, NULL);
        if (rc == 0 && asyncio_loop_sock_recv(loop, near, buffer, sizeof(buffer)) != 32)
            rc = -EPROTO;
    }
    asyncio_socket_unref(near);
    asyncio__ignore(asyncio_await_unref(server, NULL));
    asyncio_socket_unref(far);
    return rc;
}

static int serve_stream(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    char buffer[64];
    ssize_t got;
    int rc = asyncio_streams_of_socket(arg, NULL, &reader, &writer);
    if (rc < 0)
        return rc;
    while ((got = asyncio_stream_reader_read(reader, buffer, sizeof(buffer))) > 0) {
        asyncio__ignore(asyncio_stream_writer_write(writer, buffer, (size_t)got));
        asyncio__ignore(asyncio_stream_writer_drain(writer));
    }
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
    return (int)got;
}

/* The same over streams. */
static int echo_stream(long count, bench_result_t *result)
{
    (void)result;
    int fds[2];
    char buffer[64] = "";
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        return -errno;
    asyncio_socket_t *near = asyncio_socket_from_fd(fds[0]), *far = asyncio_socket_from_fd(fds[1]);
    asyncio_task_t *server = asyncio_create_task(asyncio_coroutine(serve_stream, far));
    int rc = asyncio_streams_of_socket(near, NULL, &reader, &writer);
    if (rc < 0)
        return rc;
    for (long i = 0; i < count && rc == 0; i += 2) {
        rc = asyncio_stream_writer_write(writer, buffer, 32);
        if (rc == 0)
            rc = asyncio_stream_writer_drain(writer);
        if (rc == 0 && asyncio_stream_reader_read(reader, buffer, sizeof(buffer)) != 32)
            rc = -EPROTO;
    }
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
    asyncio_socket_unref(near);
    asyncio__ignore(asyncio_await_unref(server, NULL));
    asyncio_socket_unref(far);
    return rc;
}

static const struct {
    const char *name;   /* in the table of test_instructions.py */
    bench_work_t *work; /* does it so often */
} works[] = {
    {"yield", bench_yield},
    {"yield1000", bench_yield1000},
    {"spawn", bench_spawn},
    {"spawn_batch", bench_spawn_batch},
    {"await_coroutine", await_coroutines},
    {"await_done", await_done},
    {"future", bench_future},
    {"call_soon", call_soon},
    {"timers", bench_timers},
    {"timeout", bench_timeout},
    {"cancel", bench_cancel},
    {"queue", bench_queue},
    {"queue1000", bench_queue1000},
    {"lock", bench_lock},
    {"echo", echo},
    {"echo_stream", echo_stream},
};

enum { COUNT = 10000 };

static int run_all(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
        bench_result_t result = {0};
        asyncio_trim(); /* else a loop that waits returns the memory of the work before */
        int rc = works[i].work(COUNT, &result); /* warm */
        CALLGRIND_ZERO_STATS;
        if (rc == 0)
            rc = works[i].work(COUNT, &result);
        CALLGRIND_DUMP_STATS_AT(works[i].name);
        if (rc < 0) {
            fprintf(stderr, "%s: %s\n", works[i].name, asyncio_error_name(rc));
            return rc;
        }
    }
    printf("%d\n", COUNT);
    return 0;
}

int main(void)
{
    asyncio__cache_on_valgrind = true;
    return asyncio_run(asyncio_coroutine(run_all, NULL), NULL) < 0;
}
