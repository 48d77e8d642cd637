/* SPDX-License-Identifier: MIT */
/*
 * Works of the executor: trivial jobs for its threads, one at a time and 64 at the same time.
 */
#include "bench.h"

static int nothing(void *arg, void **ret_result)
{
    (void)arg;
    (void)ret_result;
    return 0;
}

static int hand_over(long count, void **ret_result)
{
    (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    int rc = 0;
    for (long i = 0; i < count && rc == 0; i++)
        rc = asyncio_await_unref(asyncio_loop_run_in_executor(loop, NULL, nothing, NULL), NULL);
    return rc;
}
ASYNCIO_COROUTINE(hand_over, (long, count));

int bench_executor(long count, bench_result_t *result)
{
    int64_t begin_ns = bench_now_ns();
    int rc = hand_over(count, NULL);
    result->elapsed_ns = bench_now_ns() - begin_ns;
    return rc;
}

int bench_executor64(long count, bench_result_t *result)
{
    asyncio_awaitable_t *awaitables[64];
    for (long i = 0; i < 64; i++)
        awaitables[i] = hand_over_coroutine(count / 64 + (i < count % 64));
    int64_t begin_ns = bench_now_ns();
    int rc = asyncio_gather_await(awaitables, 64, NULL);
    result->elapsed_ns = bench_now_ns() - begin_ns;
    return rc;
}
