/* SPDX-License-Identifier: MIT */
/* Waits for five futures together, and reads their results afterwards. */
#include <asyncio.h>
#include <stdio.h>

static int square(int number, void **ret_result)                /* async def square(number): */
{
    int rc = asyncio_sleep(1.0);                                /*     await asyncio.sleep(1) */
    if (rc < 0)
        return rc;
    *ret_result = ASYNCIO_INT(number * number);                 /*     return number * number */
    return 0;
}
ASYNCIO_COROUTINE(square, (int, number));

static int run(void *arg, void **ret_result)                    /* async def main(): */
{
    (void)arg, (void)ret_result;
    asyncio_awaitable_t *futures[5];                            /*     futures = [ */
    for (int i = 0; i < 5; i++)
        futures[i] = asyncio_ensure_future(                     /*         ensure_future( */
            square_coroutine(i));                    /*             square(i)) for i in range(5)] */
    int rc = asyncio_wait(futures, 5, ASYNCIO_FOREVER,         /*     await asyncio.wait(futures) */
                          ASYNCIO_ALL_COMPLETED, /* ret_done= */ NULL);
    for (int i = 0; i < 5; i++) {                               /*     for future in futures: */
        void *result = NULL;
        if (asyncio_future_result(futures[i], &result) == 0)
            printf("result: %d\n", (int)asyncio_int(result));   /*         print('result:', …) */
        asyncio_future_unref(futures[i]);
    }
    return rc;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0; /* asyncio.run(main()) */
}
