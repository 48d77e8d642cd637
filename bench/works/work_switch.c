/* SPDX-License-Identifier: MIT */
/*
 * Works of switching: tasks that yield to each other, and tasks that wait for a future.
 */
#include "bench.h"

#include <stdlib.h>

/** The state that yielding tasks share: a stopwatch, which the first starts and the last stops. */
typedef struct turns {
    long each;        /**< yields of each task */
    long rest;        /**< additional yields of the first task */
    long started;     /**< tasks that have started */
    long ended;       /**< tasks that have done all their yields */
    long tasks;       /**< number of tasks */
    int64_t begin_ns; /**< when the first began */
    int64_t end_ns;   /**< when the last ended */
} turns_t;

static int give_way(turns_t *turns, void **ret_result)
{
    (void)ret_result;
    long count = turns->each;
    if (turns->started++ == 0) {
        count += turns->rest;
        turns->begin_ns = bench_now_ns();
    }
    for (long i = 0; i < count; i++) {
        int rc = asyncio_sleep(0);
        if (rc < 0)
            return rc;
    }
    if (++turns->ended == turns->tasks)
        turns->end_ns = bench_now_ns();
    return 0;
}
ASYNCIO_COROUTINE(give_way, (turns_t *, turns));

static int run_turns(long tasks, long count, bench_result_t *result)
{
    turns_t turns = {.each = count / tasks, .rest = count % tasks, .tasks = tasks};
    asyncio_awaitable_t **awaitables = calloc((size_t)tasks, sizeof(*awaitables));
    if (!awaitables)
        return -ENOMEM;
    for (long i = 0; i < tasks; i++)
        awaitables[i] = give_way_coroutine(&turns);
    int rc = asyncio_gather_await(awaitables, (size_t)tasks, NULL);
    free(awaitables);
    result->elapsed_ns = turns.end_ns - turns.begin_ns;
    return rc;
}

int bench_yield(long count, bench_result_t *result)
{
    return run_turns(2, count, result);
}

int bench_yield1000(long count, bench_result_t *result)
{
    return run_turns(1000, count, result);
}

/** Through which one task passes the future that it awaits to the one that resolves it. */
typedef struct meeting {
    asyncio_future_t *future; /**< *borrowed* from the task that awaits it; NULL: none */
    long count;               /**< round trips */
} meeting_t;

static int wait_for_other(meeting_t *meeting, void **ret_result)
{
    (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    for (long i = 0; i < meeting->count; i++) {
        meeting->future = asyncio_loop_create_future(loop);
        int rc = asyncio_await_unref(meeting->future, NULL);
        if (rc < 0)
            return rc;
    }
    return 0;
}
ASYNCIO_COROUTINE(wait_for_other, (meeting_t *, meeting));

static int resolve_other(meeting_t *meeting, void **ret_result)
{
    (void)ret_result;
    for (long done = 0; done < meeting->count;) {
        if (meeting->future) {
            asyncio_future_t *future = meeting->future;
            meeting->future = NULL;
            int rc = asyncio_future_set_result(future, NULL);
            if (rc < 0)
                return rc;
            done++;
        }
        int rc = asyncio_sleep(0);
        if (rc < 0)
            return rc;
    }
    return 0;
}
ASYNCIO_COROUTINE(resolve_other, (meeting_t *, meeting));

int bench_future(long count, bench_result_t *result)
{
    meeting_t meeting = {.count = count};
    asyncio_awaitable_t *awaitables[] = {
        wait_for_other_coroutine(&meeting),
        resolve_other_coroutine(&meeting),
    };
    int64_t begin_ns = bench_now_ns();
    int rc = asyncio_gather_await(awaitables, 2, NULL);
    result->elapsed_ns = bench_now_ns() - begin_ns;
    return rc;
}
