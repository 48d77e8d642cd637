/* SPDX-License-Identifier: MIT */
/* Five coroutines wait at the same time: the whole takes one second, not five. */
#include <asyncio.h>
#include <stdio.h>
#include <time.h>

static double now(void)
{
    struct timespec time;
    timespec_get(&time, TIME_UTC);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int hello(int number, void **ret_result)      /* async def hello(number): */
{
    (void)ret_result;
    printf("%f - hello %d\n", now(), number);     /*     print(f'{time.time()} - hello {number}') */
    int rc = asyncio_sleep(1.0);                     /*     await asyncio.sleep(1) */
    if (rc < 0)
        return rc;
    printf("%f - goodbye %d\n", now(), number); /*     print(f'{time.time()} - goodbye {number}') */
    return 0;
}
ASYNCIO_COROUTINE(hello, (int, number));

int main(void)
{
    asyncio_awaitable_t *coros[5];
    for (int i = 0; i < 5; i++)
        coros[i] = hello_coroutine(i);               /* coros = [hello(i) for i in range(5)] */
    asyncio_loop_t *loop = asyncio_new_event_loop(); /* loop = asyncio.new_event_loop() */
    int rc = asyncio_loop_run_until_complete(     /* loop.run_until_complete(asyncio.wait(coros)) */
        loop, asyncio_wait_coroutine(coros, 5, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED, NULL), NULL);
    asyncio_loop_unref(loop);                        /* loop.close() */
    return rc < 0;
}
