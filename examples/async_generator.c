/* SPDX-License-Identifier: MIT */
/* An asynchronous generator awaits between the values that it yields, and while it cleans up. */
#include <asyncio.h>
#include <stdio.h>

static int ticker(double delay, int to, void **ret_result) /* async def ticker(delay, to): */
{
    (void)ret_result;
    int rc = 0;
    puts("open");                                         /*     print('open') */
    for (int i = 0; rc == 0 && i < to; i++) {             /*     try: for i in range(to): */
        rc = asyncio_yield(ASYNCIO_INT(i), NULL);         /*         yield i */
        if (rc == 0)
            rc = asyncio_sleep(delay);                    /*         await asyncio.sleep(delay) */
    }
    int rc2 = asyncio_sleep(0);                           /*     finally: await asyncio.sleep(0) */
    puts("closed");                                       /*         print('closed') */
    return rc < 0 ? rc : rc2;
}
ASYNCIO_COROUTINE(ticker, (double, delay), (int, to));

static int show_all(void)
{
    void *value;
    asyncio_coroutine_t *ticks = ticker_coroutine(0.01, 3);
    int rc = asyncio_coroutine_anext(ticks, &value);
    while (rc == 0) {                                     /* async for i in ticker(0.01, 3): */
        printf("tick %d\n", (int)asyncio_int(value));     /*     print(f'tick {i}') */
        rc = asyncio_coroutine_anext(ticks, &value);
    }
    asyncio_coroutine_unref(ticks);
    return rc == ASYNCIO_ESTOPASYNCITERATION ? 0 : rc;
}

static int show_first(void)
{
    void *value;
    asyncio_coroutine_t *ticks = ticker_coroutine(10, 1000);/* ticks = ticker(10, 1000) */
    int rc = asyncio_coroutine_anext(ticks, &value);      /* i = await anext(ticks) */
    if (rc == 0)
        printf("only tick %d\n", (int)asyncio_int(value)); /* print(f'only tick {i}') */
    if (rc == 0)
        rc = asyncio_coroutine_aclose(ticks);             /* await ticks.aclose() */
    asyncio_coroutine_unref(ticks);
    return rc;
}

static int run(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = show_all();
    return rc < 0 ? rc : show_first();
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0;
}
