/* SPDX-License-Identifier: MIT */
/* The smallest program: a coroutine that waits, and the loop that runs it. */
#include <asyncio.h>
#include <stdio.h>

static int run(void *arg, void **ret_result)                    /* async def main(): */
{
    (void)arg, (void)ret_result;
    puts("Hello ...");                                          /*     print('Hello ...') */
    int rc = asyncio_sleep(1.0);                                /*     await asyncio.sleep(1) */
    if (rc < 0)
        return rc;
    puts("... World!");                                         /*     print('... World!') */
    return 0;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0; /* asyncio.run(main()) */
}
