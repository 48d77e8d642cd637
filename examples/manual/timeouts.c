/* SPDX-License-Identifier: MIT */
/* Limits in time: around one call, around a block, moved while it runs. */
#include <asyncio.h>
#include <stdio.h>

static int work(double duration, void **ret_result)
{
    (void)ret_result;
    return asyncio_sleep(duration);
}
ASYNCIO_COROUTINE(work, (double, duration));

static int run(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    /* One awaitable. */
    int rc = asyncio_wait_for(work_coroutine(3600.0), 0.05, NULL);
    printf("one call: %s\n", asyncio_error_name(rc));

    /* A block of statements: the exit tells a timeout from other errors. */
    asyncio_timeout_t scope;
    rc = asyncio_timeout_enter(&scope, 0.05);
    for (int i = 0; rc == 0 && i < 100; i++)
        rc = asyncio_sleep(0.01);
    rc = asyncio_timeout_exit(&scope, rc);
    printf("a block: %s\n", asyncio_error_name(rc));

    /* A limit that starts over whenever there is progress. */
    double now = asyncio_loop_time(asyncio_get_running_loop());
    int steps = 0;
    rc = asyncio_timeout_enter(&scope, 1.0);
    while (rc == 0 && steps < 5) {
        rc = asyncio_sleep(0.05);
        now = asyncio_loop_time(asyncio_get_running_loop());
        if (rc == 0 && ++steps < 5)
            rc = asyncio_timeout_reschedule(&scope, now + 1.0);
    }
    rc = asyncio_timeout_exit(&scope, rc);
    printf("%d steps, each within a second: %s\n", steps, asyncio_error_name(rc));

    /* Left early: ASYNCIO_AUTO exits the scope when the block ends. */
    for (int i = 0; i < 1; i++) {
        ASYNCIO_AUTO(timeout) asyncio_timeout_t inner;
        rc = asyncio_timeout_enter(&inner, 1.0);
        if (rc == 0)
            break;
    }
    printf("left early: %s\n", asyncio_error_name(rc));
    return 0;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0;
}
