/* SPDX-License-Identifier: MIT */
/* Cancels what takes too long: by a scope around any statements, or by wait_for(). */
#include <asyncio.h>
#include <stdio.h>

static int eternity(void **ret_result)                          /* async def eternity(): */
{
    (void)ret_result;
    int rc = asyncio_sleep(3600.0);                             /*     await asyncio.sleep(3600) */
    if (rc == 0)
        puts("yay!");                                           /*     print('yay!') */
    return rc;
}
ASYNCIO_COROUTINE(eternity);

static int run(void *arg, void **ret_result)                    /* async def main(): */
{
    (void)arg, (void)ret_result;
    asyncio_timeout_t scope;
    int rc = asyncio_timeout_enter(&scope, 0.2);     /*     try: async with asyncio.timeout(0.2): */
    if (rc < 0)
        return rc;
    void *nothing = NULL;
    rc = eternity(&nothing);                                    /*         await eternity() */
    rc = asyncio_timeout_exit(&scope, rc);
    if (rc == -ETIMEDOUT)                                       /*     except TimeoutError: */
        puts("timeout!");                                       /*         print('timeout!') */

    /* try: await wait_for(eternity(), 0.2) */
    rc = asyncio_wait_for(eternity_coroutine(), 0.2, NULL);
    if (rc == -ETIMEDOUT)                                       /*     except TimeoutError: */
        puts("timeout again!");                                /*         print('timeout again!') */
    return 0;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0; /* asyncio.run(main()) */
}
