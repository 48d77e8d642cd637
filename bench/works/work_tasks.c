/* SPDX-License-Identifier: MIT */
/*
 * Works of creating tasks: one after the other, many at once, and tasks that are cancelled.
 */
#include "bench.h"

#include <stdlib.h>

static int nothing(void **ret_result)
{
    (void)ret_result;
    return 0;
}
ASYNCIO_COROUTINE(nothing);

int bench_spawn(long count, bench_result_t *result)
{
    int rc = 0;
    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < count && rc == 0; i++)
        rc = asyncio_await_unref(asyncio_create_task(nothing_coroutine()), NULL);
    result->elapsed_ns = bench_now_ns() - begin_ns;
    return rc;
}

int bench_spawn_batch(long count, bench_result_t *result)
{
    asyncio_awaitable_t **tasks = calloc((size_t)count, sizeof(*tasks));
    if (!tasks)
        return -ENOMEM;
    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < count; i++)
        tasks[i] = asyncio_create_task(nothing_coroutine());
    int rc = asyncio_gather_await(tasks, (size_t)count, NULL);
    for (long i = 0; i < count; i++)
        asyncio_task_unref(tasks[i]);
    result->elapsed_ns = bench_now_ns() - begin_ns;
    free(tasks);
    return rc;
}

static int wait_for_ever(void **ret_result)
{
    (void)ret_result;
    return asyncio_await_unref(asyncio_loop_create_future(asyncio_get_running_loop()), NULL);
}
ASYNCIO_COROUTINE(wait_for_ever);

int bench_cancel(long count, bench_result_t *result)
{
    int rc = 0;
    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < count && rc == 0; i++) {
        asyncio_task_t *task = asyncio_create_task(wait_for_ever_coroutine());
        rc = asyncio_sleep(0);
        if (rc < 0)
            return rc;
        asyncio_task_cancel(task, NULL);
        rc = asyncio_await_unref(task, NULL);
        rc = rc == -ECANCELED ? 0 : -EPROTO;
    }
    result->elapsed_ns = bench_now_ns() - begin_ns;
    return rc;
}
