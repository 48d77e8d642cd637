/* SPDX-License-Identifier: MIT */
/* Three factorials at the same time; gather() returns the results in the order of its arguments. */
#include <asyncio.h>
#include <stdio.h>

/* async def factorial(name, number): */
static int factorial(const char *name, int number, void **ret_result)
{
    int f = 1;                                                  /*     f = 1 */
    for (int i = 2; i <= number; i++) {                     /*     for i in range(2, number + 1): */
        printf("Task %s: Compute factorial(%d), currently i=%d...\n", name, number, i);
        int rc = asyncio_sleep(1.0);                            /*         await asyncio.sleep(1) */
        if (rc < 0)
            return rc;
        f *= i;                                                 /*         f *= i */
    }
    printf("Task %s: factorial(%d) = %d\n", name, number, f);   /*     print(f'Task {name}: …') */
    *ret_result = ASYNCIO_INT(f);                               /*     return f */
    return 0;
}
ASYNCIO_COROUTINE(factorial, (const char *, name), (int, number));

static int run(void *arg, void **ret_result)                    /* async def main(): */
{
    (void)arg, (void)ret_result;
    void *L[3];
    asyncio_awaitable_t *aws[] = {                              /*     L = await asyncio.gather( */
        factorial_coroutine("A", 2),                            /*         factorial('A', 2), */
        factorial_coroutine("B", 3),                            /*         factorial('B', 3), */
        factorial_coroutine("C", 4),                            /*         factorial('C', 4)) */
    };
    int rc = asyncio_gather_await(aws, 3, L);
    if (rc < 0)
        return rc;
    printf("[%d, %d, %d]\n", (int)asyncio_int(L[0]),            /*     print(L) */
           (int)asyncio_int(L[1]), (int)asyncio_int(L[2]));
    return 0;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0; /* asyncio.run(main()) */
}
