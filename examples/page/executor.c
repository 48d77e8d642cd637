/* SPDX-License-Identifier: MIT */
/* Five jobs that block go to a pool of two threads: three rounds of 0.2 s, and the loop is free. */
#include <asyncio.h>
#include <stdio.h>
#include <time.h>

static int blocking(void *arg, void **ret_result)               /* def blocking(number): */
{
    int number = (int)asyncio_int(arg);
    struct timespec delay = {.tv_sec = 0, .tv_nsec = 200000000};
    nanosleep(&delay, NULL);                                    /*     time.sleep(0.2) */
    *ret_result = ASYNCIO_INT(number * number);                 /*     return number * number */
    return 0;
}

static int run(void *arg, void **ret_result)                    /* async def main(): */
{
    (void)arg, (void)ret_result;
    int rc = 0;
    asyncio_loop_t *loop = asyncio_get_running_loop();   /*     loop = asyncio.get_running_loop() */
    asyncio_thread_pool_options_t two = {.size = sizeof(two), .max_workers = 2};
    asyncio_executor_t *pool =
        asyncio_thread_pool_executor_new(&two);               /*     pool = ThreadPoolExecutor(2) */
    double begin = asyncio_loop_time(loop);                     /*     begin = loop.time() */
    asyncio_future_t *jobs[5];
    for (int i = 0; i < 5; i++)                              /*     jobs = [loop.run_in_executor( */
        jobs[i] = asyncio_loop_run_in_executor(                 /*         pool, blocking, i) */
            loop, pool, blocking, ASYNCIO_INT(i));              /*         for i in range(5)] */
    for (int i = 0; i < 5; i++) {                           /*     for i, job in enumerate(jobs): */
        void *result = NULL;
        int rc2 = asyncio_await_unref(jobs[i], &result);        /*         result = await job */
        if (rc2 == 0)
            printf("job %d: %d\n", i, (int)asyncio_int(result)); /*         print(f'job {i}: …') */
        rc = rc < 0 ? rc : rc2;
    }
    int tenths = (int)((asyncio_loop_time(loop) - begin) * 10); /*     … loop.time() - begin … */
    printf("%d tenths of a second\n", tenths);         /*     print(tenths, 'tenths of a second') */
    asyncio_executor_shutdown(pool, /* wait= */ true, false); /* pool.shutdown() */
    asyncio_executor_unref(pool);
    return rc;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0; /* asyncio.run(main()) */
}
