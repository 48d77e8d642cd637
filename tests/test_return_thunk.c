/* SPDX-License-Identifier: MIT */
/*
 * A program that is built with -mfunction-return=thunk and links the static library first. Its
 * functions return by the thunk that gcc puts into its own objects, not by code of the library.
 */
#include <asyncio.h>
#include <stdio.h>
#include <string.h>

extern const unsigned char __x86_return_thunk[];

static int return_number(void *arg, void **ret_result)
{
    (void)arg;
    *ret_result = ASYNCIO_INT(7);
    return asyncio_sleep(0);
}

int main(void)
{
    void *value = NULL;
    int rc = asyncio_run(asyncio_coroutine(return_number, NULL), &value);
    if (rc < 0 || asyncio_int(value) != 7)
        return 1;
    /* gcc's thunk begins with a call, which keeps the processor from predicting the return. */
    if (__x86_return_thunk[0] != 0xe8) {
        printf("__x86_return_thunk is not gcc's: it begins with %02x\n", __x86_return_thunk[0]);
        return 1;
    }
    return 0;
}
