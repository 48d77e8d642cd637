/* SPDX-License-Identifier: MIT */
/* A line of C for each line of Python. */
#include <asyncio.h>
#include <stdio.h>

static int double_it(int n, void **ret_result)          /* async def double_it(n): */
{
    int rc = asyncio_sleep(0.01);                       /*     await asyncio.sleep(0.01) */
    if (rc < 0)
        return rc;                                      /*     (an exception leaves) */
    *ret_result = ASYNCIO_INT(2 * n);                   /*     return 2 * n */
    return 0;
}
ASYNCIO_COROUTINE(double_it, (int, n));

static int run(void *arg, void **ret_result)            /* async def main(): */
{
    (void)arg, (void)ret_result;
    void *value = NULL;
    int rc;
    asyncio_coroutine_t *coro = double_it_coroutine(1); /* coro = double_it(1) */
    rc = asyncio_await(coro, &value);                   /* value = await coro */

    asyncio_task_t *task =                              /* task = */
        asyncio_create_task(double_it_coroutine(2));    /*     create_task(double_it(2)) */
    rc = asyncio_await_unref(task, &value);             /* value = await task; del task */

    asyncio_awaitable_t *two[] = {double_it_coroutine(3), double_it_coroutine(4)};
    void *values[2];
    rc = asyncio_gather_await(two, 2, values);          /* values = await gather(*two) */

    rc = asyncio_wait_for(double_it_coroutine(5),       /* try: value = await wait_for( */
                          1.0, &value);                 /*     double_it(5), 1.0) */
    if (rc == -ETIMEDOUT)                               /* except TimeoutError: */
        puts("late");                                   /*     print('late') */

    asyncio_task_group_t group;
    asyncio_task_group_enter(&group);                   /* async with TaskGroup() as group: */
    asyncio_task_group_create_task(                     /*     group.create_task( */
        &group, double_it_coroutine(6));                /*         double_it(6)) */
    rc = asyncio_task_group_exit(&group, rc);

    asyncio_lock_t lock;
    asyncio_lock_init(&lock);                           /* lock = asyncio.Lock() */
    if ((rc = asyncio_lock_acquire(&lock)) == 0) {      /* async with lock: */
        puts("locked");                                 /*     print('locked') */
        asyncio_lock_release(&lock);
    }
    asyncio_lock_fini(&lock);

    asyncio_queue_t *queue = asyncio_queue_new(10);     /* queue = asyncio.Queue(10) */
    rc = asyncio_queue_put(queue, ASYNCIO_INT(7));      /* await queue.put(7) */
    rc = asyncio_queue_get(queue, &value);              /* value = await queue.get() */
    asyncio_queue_unref(queue);                         /* del queue */
    printf("%d\n", (int)asyncio_int(value));            /* print(value) */

    rc = asyncio_raise(-EPROTO, "bad byte %d", 255);    /* raise ProtocolError(f'bad byte {255}') */
    asyncio_error_t *error = asyncio_error_of(rc);      /* except ProtocolError as error: */
    printf("%s\n", asyncio_error_message(error));       /*     print(error) */
    asyncio_error_unref(error);
    return 0;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0; /* asyncio.run(main()) */
}
