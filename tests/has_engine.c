/* SPDX-License-Identifier: MIT */
/*
 * Tells by its exit status whether a loop can use the engine that ASYNCIO_ENGINE names:
 * tools/run_tests.py asks it before it runs the tests of that engine.
 */
#include <asyncio.h>
#include <stdio.h>

int main(void)
{
    asyncio_loop_t *loop = asyncio_new_event_loop();
    if (loop == NULL) {
        printf("%s\n", asyncio_strerror(asyncio_errno()));
        return 1;
    }
    asyncio_loop_unref(loop);
    return 0;
}
