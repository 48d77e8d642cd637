/* SPDX-License-Identifier: MIT */
/* Three workers process the items of one queue until all are done. */
#include <asyncio.h>
#include <stdio.h>

/* async def worker(name, queue): */
static int worker(const char *name, asyncio_queue_t *queue, void **ret_result)
{
    (void)ret_result;
    for (;;) {                                                  /*     while True: */
        void *item = NULL;
        int rc = asyncio_queue_get(queue, &item);             /*         item = await queue.get() */
        if (rc == 0)
            rc = asyncio_sleep(0);                  /*         await asyncio.sleep(0)  # the work */
        if (rc < 0)
            return rc;
        asyncio_queue_task_done(queue);                         /*         queue.task_done() */
        /* print(f'{name} has done {item}') */
        printf("%s has done %d\n", name, (int)asyncio_int(item));
    }
}
ASYNCIO_COROUTINE(worker, (const char *, name), (asyncio_queue_t *, queue));

static int run(void *arg, void **ret_result)                    /* async def main(): */
{
    (void)arg, (void)ret_result;
    asyncio_queue_t *queue = asyncio_queue_new(0);              /*     queue = asyncio.Queue() */
    if (queue == NULL)
        return asyncio_errno();
    const int items[] = {3, 7, 17, 5, 8};
    for (int i = 0; i < 5; i++)                                /*     for item in 3, 7, 17, 5, 8: */
        asyncio_queue_put_nowait(queue, ASYNCIO_INT(items[i])); /*         queue.put_nowait(item) */
    asyncio_task_t *workers[3];                                 /*     workers = [ */
    /* create_task(worker('first', queue)), */
    workers[0] = asyncio_create_task(worker_coroutine("first", queue));
    /* create_task(worker('second', queue)), */
    workers[1] = asyncio_create_task(worker_coroutine("second", queue));
    /* create_task(worker('third', queue))] */
    workers[2] = asyncio_create_task(worker_coroutine("third", queue));
    int rc = asyncio_queue_join(queue);                         /*     await queue.join() */
    for (int i = 0; i < 3; i++) {                               /*     for task in workers: */
        asyncio_task_cancel(workers[i], NULL);                  /*         task.cancel() */
        asyncio_await_unref(workers[i], NULL);         /*         await task, which was cancelled */
    }
    puts("all is done");                                        /*     print('all is done') */
    asyncio_queue_unref(queue);
    return rc;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0; /* asyncio.run(main()) */
}
