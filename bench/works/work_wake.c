/* SPDX-License-Identifier: MIT */
/*
 * The work of waking: another thread posts callbacks to the loop.
 */
#include "bench.h"

#include <pthread.h>

/** The state that the posting thread and the loop share. */
typedef struct wakes {
    asyncio_loop_t *loop;   /**< *borrowed*; outlives the thread */
    asyncio_future_t *done; /**< resolved by the last callback */
    long count;             /**< callbacks to post */
    int rc;                 /**< why the thread stopped posting, or 0 */
    /** callbacks that have run; the loop's thread only, hence apart from what the other reads */
    _Alignas(64) long ran;
} wakes_t;

static void woken(void *arg)
{
    wakes_t *wakes = arg;
    if (++wakes->ran == wakes->count)
        asyncio_future_set_result(wakes->done, NULL);
}

static void *post(void *arg)
{
    wakes_t *wakes = arg;
    bench_run_beside();
    /* A local variable: the loop's thread reads the cache line of `count` each time. */
    int rc = 0;
    for (long i = 0; i < wakes->count && rc == 0; i++)
        rc = asyncio_loop_call_soon_threadsafe(wakes->loop, woken, wakes, NULL);
    wakes->rc = rc;
    return NULL;
}

int bench_wake(long count, bench_result_t *result)
{
    wakes_t wakes = {.loop = asyncio_get_running_loop(), .count = count};
    wakes.done = asyncio_loop_create_future(wakes.loop);
    if (!wakes.done)
        return asyncio_errno();
    pthread_t thread;
    int64_t begin_ns = bench_now_ns();
    int rc = -pthread_create(&thread, NULL, post, &wakes);
    if (rc < 0) {
        asyncio_future_unref(wakes.done);
        return rc;
    }
    rc = asyncio_await_unref(wakes.done, NULL);
    result->elapsed_ns = bench_now_ns() - begin_ns;
    pthread_join(thread, NULL);
    return rc < 0 ? rc : wakes.rc;
}
