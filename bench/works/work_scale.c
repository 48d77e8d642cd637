/* SPDX-License-Identifier: MIT */
/*
 * Works of scale, whose count is the number of tasks: the cost of a yield, a lock, a queue and a
 * gathering that count tasks share. A cost that grows comes from a search or from cache misses.
 */
#include "bench.h"

#include <stdlib.h>

/** Creates the coroutine of each task of a crowd. */
typedef asyncio_awaitable_t *make_t(void *shared, long rounds);

/** Runs a crowd of tasks to its end; measures the time from the first start to the last end. */
static int run_crowd(make_t *make, make_t *make_odd, void *shared, long tasks,
                     bench_result_t *result)
{
    long rounds = bench_rounds(tasks);
    asyncio_awaitable_t **awaitables = calloc((size_t)tasks, sizeof(*awaitables));
    if (!awaitables)
        return -ENOMEM;
    for (long i = 0; i < tasks; i++)
        awaitables[i] = (i % 2 ? make_odd : make)(shared, rounds);
    int64_t begin_ns = bench_now_ns();
    int rc = asyncio_gather_await(awaitables, (size_t)tasks, NULL);
    result->elapsed_ns = bench_now_ns() - begin_ns;
    result->operations = tasks * rounds;
    free(awaitables);
    return rc;
}

static int give_way(long rounds, void **ret_result)
{
    (void)ret_result;
    int rc = 0;
    for (long i = 0; i < rounds && rc == 0; i++)
        rc = asyncio_sleep(0);
    return rc;
}
ASYNCIO_COROUTINE(give_way, (long, rounds));

static asyncio_awaitable_t *make_give_way(void *shared, long rounds)
{
    (void)shared;
    return give_way_coroutine(rounds);
}

int bench_yield_tasks(long count, bench_result_t *result)
{
    return run_crowd(make_give_way, make_give_way, NULL, count, result);
}

static int take_turns(asyncio_lock_t *lock, long rounds, void **ret_result)
{
    (void)ret_result;
    int rc = 0;
    for (long i = 0; i < rounds && rc == 0; i++) {
        rc = asyncio_lock_acquire(lock);
        if (rc < 0)
            break;
        rc = asyncio_sleep(0);
        asyncio_lock_release(lock);
    }
    return rc;
}
ASYNCIO_COROUTINE(take_turns, (asyncio_lock_t *, lock), (long, rounds));

static asyncio_awaitable_t *make_take_turns(void *shared, long rounds)
{
    return take_turns_coroutine(shared, rounds);
}

int bench_lock_tasks(long count, bench_result_t *result)
{
    asyncio_lock_t lock;
    int rc = asyncio_lock_init(&lock);
    if (rc < 0)
        return rc;
    rc = run_crowd(make_take_turns, make_take_turns, &lock, count, result);
    asyncio_lock_fini(&lock);
    return rc;
}

static int produce(asyncio_queue_t *queue, long rounds, void **ret_result)
{
    (void)ret_result;
    int rc = 0;
    for (long i = 0; i < rounds && rc == 0; i++)
        rc = asyncio_queue_put(queue, ASYNCIO_INT(i));
    return rc;
}
ASYNCIO_COROUTINE(produce, (asyncio_queue_t *, queue), (long, rounds));

static int consume(asyncio_queue_t *queue, long rounds, void **ret_result)
{
    (void)ret_result;
    int rc = 0;
    for (long i = 0; i < rounds && rc == 0; i++) {
        void *item;
        rc = asyncio_queue_get(queue, &item);
    }
    return rc;
}
ASYNCIO_COROUTINE(consume, (asyncio_queue_t *, queue), (long, rounds));

static asyncio_awaitable_t *make_produce(void *shared, long rounds)
{
    return produce_coroutine(shared, rounds);
}

static asyncio_awaitable_t *make_consume(void *shared, long rounds)
{
    return consume_coroutine(shared, rounds);
}

/** Half of the tasks produce, half consume; the time is per item. */
int bench_queue_tasks(long count, bench_result_t *result)
{
    asyncio_queue_t *queue = asyncio_queue_new(1);
    if (!queue)
        return asyncio_errno();
    long pairs = count > 1 ? count / 2 : 1;
    int rc = run_crowd(make_produce, make_consume, queue, 2 * pairs, result);
    result->operations /= 2;
    asyncio_queue_unref(queue);
    return rc;
}

/** The argument of the task that resolves the futures. */
typedef struct crowd {
    asyncio_future_t **futures; /**< all of them */
    long count;                 /**< their number */
} crowd_t;

static int resolve_all(crowd_t *crowd, void **ret_result)
{
    (void)ret_result;
    int rc = 0;
    for (long i = 0; i < crowd->count && rc == 0; i++)
        rc = asyncio_future_set_result(crowd->futures[i], NULL);
    return rc;
}
ASYNCIO_COROUTINE(resolve_all, (crowd_t *, crowd));

/** A gathering of count pending futures, which another task resolves; the time is per future. */
int bench_gather(long count, bench_result_t *result)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    crowd_t crowd = {.futures = calloc((size_t)count, sizeof(*crowd.futures))};
    if (!crowd.futures)
        return -ENOMEM;
    int rc = 0;
    for (; crowd.count < count && rc == 0; crowd.count++) {
        crowd.futures[crowd.count] = asyncio_loop_create_future(loop);
        if (!crowd.futures[crowd.count])
            rc = asyncio_errno();
    }
    if (rc == 0) {
        int64_t begin_ns = bench_now_ns();
        asyncio_task_t *resolver = asyncio_create_task(resolve_all_coroutine(&crowd));
        rc = asyncio_gather_await((asyncio_awaitable_t **)crowd.futures, (size_t)count, NULL);
        result->elapsed_ns = bench_now_ns() - begin_ns;
        int resolved = asyncio_await_unref(resolver, NULL);
        rc = rc < 0 ? rc : resolved;
    }
    for (long i = 0; i < crowd.count; i++)
        asyncio_future_unref(crowd.futures[i]);
    free(crowd.futures);
    return rc;
}
