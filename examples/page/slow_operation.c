/* SPDX-License-Identifier: MIT */
/* A task, a callback for when it is done, and a loop that runs until the callback stops it. */
#include <asyncio.h>
#include <stdio.h>

static int slow_operation(void **ret_result)                  /* async def slow_operation(): */
{
    int rc = asyncio_sleep(1.0);                              /*     await asyncio.sleep(1) */
    if (rc < 0)
        return rc;
    *ret_result = (void *)"Future is done!";                  /*     return 'Future is done!' */
    return 0;
}
ASYNCIO_COROUTINE(slow_operation);

static void got_result(asyncio_future_t *future, void *loop)  /* def got_result(future): */
{
    void *result = NULL;
    if (asyncio_future_result(future, &result) == 0)
        puts((const char *)result);                           /*     print(future.result()) */
    asyncio_loop_stop(loop);                                  /*     loop.stop() */
}

int main(void)
{
    asyncio_loop_t *loop = asyncio_new_event_loop();          /* loop = asyncio.new_event_loop() */
    asyncio_task_t *task = asyncio_loop_create_task(          /* task = loop.create_task( */
        loop, slow_operation_coroutine());                    /*     slow_operation()) */
    asyncio_future_add_done_callback(task, got_result, loop); /* task.add_done_callback(…) */
    asyncio_loop_run_forever(loop);                           /* loop.run_forever() */
    asyncio_task_unref(task);
    asyncio_loop_unref(loop);                                 /* loop.close() */
    return 0;
}
