/* SPDX-License-Identifier: MIT */
/*
 * Works of tasks that share something: a queue between two, and a lock among ten.
 */
#include "bench.h"

enum { TASKS_OF_LOCK = 10 };

static int produce(asyncio_queue_t *queue, long count, void **ret_result)
{
    (void)ret_result;
    int rc = 0;
    for (long i = 0; i < count && rc == 0; i++)
        rc = asyncio_queue_put(queue, ASYNCIO_INT(i));
    return rc;
}
ASYNCIO_COROUTINE(produce, (asyncio_queue_t *, queue), (long, count));

static int consume(asyncio_queue_t *queue, long count, void **ret_result)
{
    (void)ret_result;
    for (long i = 0; i < count; i++) {
        void *item;
        int rc = asyncio_queue_get(queue, &item);
        if (rc < 0)
            return rc;
        if (item != ASYNCIO_INT(i))
            return -EPROTO;
    }
    return 0;
}
ASYNCIO_COROUTINE(consume, (asyncio_queue_t *, queue), (long, count));

static int run_queue(size_t most_items, long count, bench_result_t *result)
{
    asyncio_queue_t *queue = asyncio_queue_new(most_items);
    if (!queue)
        return asyncio_errno();
    asyncio_awaitable_t *awaitables[] = {
        produce_coroutine(queue, count),
        consume_coroutine(queue, count),
    };
    int64_t begin_ns = bench_now_ns();
    int rc = asyncio_gather_await(awaitables, 2, NULL);
    result->elapsed_ns = bench_now_ns() - begin_ns;
    asyncio_queue_unref(queue);
    return rc;
}

int bench_queue(long count, bench_result_t *result)
{
    return run_queue(1, count, result);
}

int bench_queue1000(long count, bench_result_t *result)
{
    return run_queue(1000, count, result);
}

static int take_turns(asyncio_lock_t *lock, long count, void **ret_result)
{
    (void)ret_result;
    for (long i = 0; i < count; i++) {
        int rc = asyncio_lock_acquire(lock);
        if (rc < 0)
            return rc;
        rc = asyncio_sleep(0);
        asyncio_lock_release(lock);
        if (rc < 0)
            return rc;
    }
    return 0;
}
ASYNCIO_COROUTINE(take_turns, (asyncio_lock_t *, lock), (long, count));

int bench_lock(long count, bench_result_t *result)
{
    asyncio_lock_t lock;
    int rc = asyncio_lock_init(&lock);
    if (rc < 0)
        return rc;
    asyncio_awaitable_t *awaitables[TASKS_OF_LOCK];
    for (long i = 0; i < TASKS_OF_LOCK; i++) {
        long more = i < count % TASKS_OF_LOCK;
        awaitables[i] = take_turns_coroutine(&lock, count / TASKS_OF_LOCK + more);
    }
    int64_t begin_ns = bench_now_ns();
    rc = asyncio_gather_await(awaitables, TASKS_OF_LOCK, NULL);
    result->elapsed_ns = bench_now_ns() - begin_ns;
    asyncio_lock_fini(&lock);
    return rc;
}
