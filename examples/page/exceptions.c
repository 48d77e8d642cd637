/* SPDX-License-Identifier: MIT */
/* A task ends with a value, with an error or by a cancel; its future says which. */
#include <asyncio.h>
#include <stdio.h>

static int number(void **ret_result)                            /* async def number(): */
{
    *ret_result = ASYNCIO_INT(42);                              /*     return 42 */
    return 0;
}
ASYNCIO_COROUTINE(number);

static int bad_luck(void **ret_result)                          /* async def bad_luck(): */
{
    (void)ret_result;
    return asyncio_raise(ASYNCIO_ERUNTIME, "bad luck");     /*     raise RuntimeError('bad luck') */
}
ASYNCIO_COROUTINE(bad_luck);

static int for_ever(void **ret_result)                          /* async def for_ever(): */
{
    (void)ret_result;
    return asyncio_sleep(3600.0);                               /*     await asyncio.sleep(3600) */
}
ASYNCIO_COROUTINE(for_ever);

static void show(asyncio_task_t *task)                          /* def show(task): */
{
    void *value = NULL;
    asyncio_error_t *error = NULL;
    if (asyncio_future_cancelled(task)) {                       /*     if task.cancelled(): */
        puts("cancelled");                                      /*         print('cancelled') */
        return;
    }
    asyncio_future_exception(task, &error);                     /*     error = task.exception() */
    if (error != NULL) {                                        /*     if error is not None: */
        printf("%s: %s\n",                             /*         print(f'{type(error).__name__}: */
               asyncio_error_name(asyncio_error_code(error)),
               asyncio_error_message(error));                   /*             {error}') */
        asyncio_error_unref(error);
    } else if (asyncio_future_result(task, &value) == 0) {      /*     else: */
        printf("value: %d\n", (int)asyncio_int(value)); /*         print('value:', task.result()) */
    }
}

static int run(void *arg, void **ret_result)                    /* async def main(): */
{
    (void)arg, (void)ret_result;
    asyncio_task_t *tasks[3];                                   /*     tasks = [ */
    tasks[0] = asyncio_create_task(number_coroutine());         /*         create_task(number()), */
    tasks[1] = asyncio_create_task(bad_luck_coroutine());     /*         create_task(bad_luck()), */
    tasks[2] = asyncio_create_task(for_ever_coroutine());     /*         create_task(for_ever())] */
    int rc = asyncio_sleep(0);                                  /*     await asyncio.sleep(0) */
    asyncio_task_cancel(tasks[2], NULL);                        /*     tasks[2].cancel() */
    asyncio_awaitable_t *waited[] = {tasks[0], tasks[1], tasks[2]};
    if (rc == 0)
        rc = asyncio_wait(waited, 3, ASYNCIO_FOREVER,           /*     await asyncio.wait(tasks) */
                          ASYNCIO_ALL_COMPLETED, /* ret_done= */ NULL);
    for (int i = 0; i < 3; i++) {                               /*     for task in tasks: */
        show(tasks[i]);                                         /*         show(task) */
        asyncio_task_unref(tasks[i]);
    }
    return rc;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0; /* asyncio.run(main()) */
}
