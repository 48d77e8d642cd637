/* SPDX-License-Identifier: MIT */
/*
 * Works of timers: many deadlines of which most are cancelled, and a timeout round a short thing.
 */
#include "bench.h"

#include <stdlib.h>

/** A step of a generator that is good enough to scatter deadlines, and the same in each run. */
static uint64_t scatter(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void nothing(void *arg)
{
    (void)arg;
}

/** What the work needs, made before the stopwatch starts. */
typedef struct timers {
    asyncio_timer_handle_t **handles; /**< a reference to each timer */
    double *delays;                   /**< of each, in seconds */
    uint32_t *order;                  /**< the timers in the order in which they are cancelled */
} timers_t;

static void timers_fini(timers_t *timers)
{
    free(timers->handles);
    free(timers->delays);
    free(timers->order);
}

static int timers_init(timers_t *timers, long count)
{
    timers->handles = calloc((size_t)count, sizeof(asyncio_timer_handle_t *));
    timers->delays = calloc((size_t)count, sizeof(double));
    timers->order = calloc((size_t)count, sizeof(uint32_t));
    if (!timers->handles || !timers->delays || !timers->order) {
        timers_fini(timers);
        return -ENOMEM;
    }
    uint64_t state = 88172645463325252u;
    for (long i = 0; i < count; i++) {
        timers->delays[i] = 1.0 + 59.0 * (double)(scatter(&state) >> 11) / 9007199254740992.0;
        timers->order[i] = (uint32_t)i;
    }
    for (long i = count - 1; i > 0; i--) {
        long other = (long)(scatter(&state) % (uint64_t)(i + 1));
        uint32_t swapped = timers->order[i];
        timers->order[i] = timers->order[other];
        timers->order[other] = swapped;
    }
    return 0;
}

int bench_timers(long count, bench_result_t *result)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    timers_t timers;
    int rc = timers_init(&timers, count);
    if (rc < 0)
        return rc;
    long cancelled = count / 10 * 9;

    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < count && rc == 0; i++)
        rc = asyncio_loop_call_later(loop, timers.delays[i], nothing, NULL, &timers.handles[i]);
    for (long i = 0; i < cancelled && rc == 0; i++) {
        asyncio_timer_handle_t **handle = &timers.handles[timers.order[i]];
        asyncio_handle_cancel(*handle);
        asyncio_handle_unref(*handle);
        *handle = NULL;
    }
    result->elapsed_ns = bench_now_ns() - begin_ns;

    for (long i = 0; i < count; i++) {
        if (timers.handles[i])
            asyncio_handle_cancel(timers.handles[i]);
        asyncio_handle_unref(timers.handles[i]);
    }
    timers_fini(&timers);
    return rc;
}

int bench_timeout(long count, bench_result_t *result)
{
    int rc = 0;
    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < count && rc == 0; i++) {
        asyncio_timeout_t scope;
        rc = asyncio_timeout_enter(&scope, 10.0);
        if (rc == 0)
            rc = asyncio_timeout_exit(&scope, asyncio_sleep(0));
    }
    result->elapsed_ns = bench_now_ns() - begin_ns;
    return rc;
}
