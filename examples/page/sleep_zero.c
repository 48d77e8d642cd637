/* SPDX-License-Identifier: MIT */
/*
 * A sleep of zero seconds still lets every other task run once: the line of the task is printed
 * first, and that of the awaited coroutine right after it.
 */
#include <asyncio.h>
#include <stdio.h>
#include <time.h>

static double now(void)
{
    struct timespec time;
    timespec_get(&time, TIME_UTC);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int p(const char *word, void **ret_result)               /* async def p(word): */
{
    (void)ret_result;
    printf("%f - %s\n", now(), word);                     /*     print(f'{time.time()} - {word}') */
    return 0;
}
ASYNCIO_COROUTINE(p, (const char *, word));

static int run(void *arg, void **ret_result)                    /* async def main(): */
{
    (void)arg, (void)ret_result;
    asyncio_coroutine_t *coro = p_coroutine("await");           /*     coro = p('await') */
    asyncio_task_t *task2 = asyncio_create_task(              /*     task2 = asyncio.create_task( */
        p_coroutine("create_task"));                            /*         p('create_task')) */
    int rc = asyncio_sleep(0);                                  /*     await asyncio.sleep(0) */
    if (rc < 0)
        return rc;
    rc = asyncio_await(coro, NULL);                             /*     await coro */
    int rc2 = asyncio_await_unref(task2, NULL);                 /*     await task2 */
    return rc < 0 ? rc : rc2;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0; /* asyncio.run(main()) */
}
