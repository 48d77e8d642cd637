/* SPDX-License-Identifier: MIT */
/* How a task that never has to wait lets others run: sleep(0), and a budget of awaits. */
#include <asyncio.h>
#include <stdio.h>

/* Computes for long. */
static int add_up(int count, void **ret_result)
{
    int sum = 0, rc = 0;
    for (int i = 0; rc == 0 && i < count; i++) {
        sum += i;
        if (i % 100 == 99)
            rc = asyncio_sleep(0);
    }
    *ret_result = ASYNCIO_INT(sum);
    return rc;
}
ASYNCIO_COROUTINE(add_up, (int, count));

/* Gets items that are all there, so that no get() has to wait. */
static int drain(asyncio_queue_t *queue, void **ret_result)
{
    (void)ret_result;
    void *item = NULL;
    int rc = 0;
    while (rc == 0 && !asyncio_queue_empty(queue))
        rc = asyncio_queue_get(queue, &item);
    return rc;
}
ASYNCIO_COROUTINE(drain, (asyncio_queue_t *, queue));

/* Counts how often it runs. */
static int count_turns(int *turns, void **ret_result)
{
    (void)ret_result;
    int rc = 0;
    while ((rc = asyncio_sleep(0)) == 0)
        ++*turns;
    return rc;
}
ASYNCIO_COROUTINE(count_turns, (int *, turns));

/* Runs a task beside one that counts, and prints the count. */
static int beside(const char *what, asyncio_coroutine_t *work)
{
    int turns = 0;
    asyncio_task_t *counter = asyncio_create_task(count_turns_coroutine(&turns));
    int rc = asyncio_await_unref(asyncio_create_task(work), NULL);
    asyncio_task_cancel(counter, /* message= */ NULL);
    asyncio_await_unref(counter, NULL);
    printf("%s: the other task ran %d times\n", what, turns);
    return rc;
}

static int run(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = beside("adding up 1,000 numbers", add_up_coroutine(1000));
    if (rc < 0)
        return rc;
    asyncio_queue_t *queue = asyncio_queue_new(0);
    for (int i = 0; i < 1000; i++)
        asyncio_queue_put_nowait(queue, ASYNCIO_INT(i));
    rc = beside("getting 1,000 items", drain_coroutine(queue));
    asyncio_queue_unref(queue);
    return rc;
}

int main(void)
{
    asyncio_loop_options_t options = {.size = sizeof(options), .await_budget = 128};
    asyncio_loop_t *loop = asyncio_new_event_loop_full(&options);
    int rc = asyncio_loop_run_until_complete(loop, asyncio_coroutine(run, NULL), NULL);
    asyncio_loop_close(loop);
    asyncio_loop_unref(loop);
    return rc < 0;
}
