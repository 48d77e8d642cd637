/* SPDX-License-Identifier: MIT */
/* Limits that slow a producer down: a queue with a maximum, and a semaphore. */
#include <asyncio.h>
#include <stdio.h>

/* put() waits while the queue is full, so that the producer is never more than two items ahead. */
static int produce(asyncio_queue_t *queue, void **ret_result)
{
    (void)ret_result;
    for (int i = 1; i <= 5; i++) {
        int rc = asyncio_queue_put(queue, ASYNCIO_INT(i));
        if (rc < 0)
            return rc;
        printf("put %d, %zu waiting\n", i, asyncio_queue_qsize(queue));
    }
    return asyncio_queue_shutdown(queue, /* immediate= */ false, /* drop= */ NULL);
}
ASYNCIO_COROUTINE(produce, (asyncio_queue_t *, queue));

static int consume(asyncio_queue_t *queue, void **ret_result)
{
    (void)ret_result;
    void *item = NULL;
    int rc;
    while ((rc = asyncio_queue_get(queue, &item)) == 0) {
        printf("got %d\n", (int)asyncio_int(item));
        rc = asyncio_sleep(0.01);
        if (rc < 0)
            break;
    }
    return rc == ASYNCIO_EQUEUESHUTDOWN ? 0 : rc; /* the end of the items */
}
ASYNCIO_COROUTINE(consume, (asyncio_queue_t *, queue));

typedef struct {
    asyncio_semaphore_t limit;
    int running, most;
} pool_t;

/* At most as many at once as the semaphore allows. */
static int limited(pool_t *pool, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_semaphore_acquire(&pool->limit);
    if (rc < 0)
        return rc;
    if (++pool->running > pool->most)
        pool->most = pool->running;
    rc = asyncio_sleep(0.01);
    pool->running--;
    asyncio_semaphore_release(&pool->limit);
    return rc;
}
ASYNCIO_COROUTINE(limited, (pool_t *, pool));

static int run(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_queue_t *queue = asyncio_queue_new(/* maxsize= */ 2);
    asyncio_awaitable_t *both[] = {produce_coroutine(queue), consume_coroutine(queue)};
    int rc = asyncio_gather_await(both, 2, NULL);
    asyncio_queue_unref(queue);

    pool_t pool = {.running = 0};
    asyncio_semaphore_init(&pool.limit, 3);
    asyncio_awaitable_t *tasks[10];
    for (int i = 0; i < 10; i++)
        tasks[i] = limited_coroutine(&pool);
    if (asyncio_gather_await(tasks, 10, NULL) == 0)
        printf("ten tasks, at most %d at once\n", pool.most);
    asyncio_semaphore_fini(&pool.limit);
    return rc;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0;
}
