/* SPDX-License-Identifier: MIT */
/*
 * A program for a debugger: a task that is suspended three functions deep, one that never started,
 * and a running one that calls stop_here().
 */
#include <asyncio.h>
#include <stdio.h>
#include <unistd.h>

/* The function of the breakpoint. */
__attribute__((noinline)) void stop_here(int number);

void stop_here(int number)
{
    printf("%d\n", number);
}

static __attribute__((noinline)) int innermost(double seconds)
{
    int rc = asyncio_sleep(seconds);
    stop_here(rc);
    return rc;
}

static __attribute__((noinline)) int middle(int depth)
{
    int rc = innermost(3600.0 + depth);
    stop_here(rc);
    return rc;
}

static int outermost(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = middle(*(int *)arg);
    stop_here(rc);
    return rc;
}

static int run_all(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int depth = 3;
    asyncio_task_t *sleeper = asyncio_create_task(asyncio_coroutine(outermost, &depth));
    asyncio_task_set_name(sleeper, "the sleeper");
    int rc = asyncio_sleep(0);
    asyncio_task_t *unborn = asyncio_create_task(asyncio_coroutine(outermost, &depth));
    stop_here(42);
    asyncio_task_cancel(unborn, NULL);
    asyncio_task_cancel(sleeper, NULL);
    asyncio_await_unref(unborn, NULL);
    asyncio_await_unref(sleeper, NULL);
    return rc;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run_all, NULL), NULL) < 0;
}
