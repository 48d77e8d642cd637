/* SPDX-License-Identifier: MIT */
/*
 * Works of timers: many deadlines, most of which are cancelled, and a timeout around a switch.
 */
#include "bench.h"

#include <stdlib.h>

static void nothing(void *arg)
{
    (void)arg;
}

int bench_timers(long count, bench_result_t *result)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    bench_deadlines_t deadlines;
    if (!bench_deadlines_init(&deadlines, count))
        return -ENOMEM;
    asyncio_timer_handle_t **handles = calloc((size_t)count, sizeof(*handles));
    int rc = handles ? 0 : -ENOMEM;
    long cancelled = rc == 0 ? bench_cancelled(count) : 0;

    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < count && rc == 0; i++)
        rc = asyncio_loop_call_later(loop, deadlines.delays[i], nothing, NULL, &handles[i]);
    for (long i = 0; i < cancelled && rc == 0; i++) {
        asyncio_timer_handle_t **handle = &handles[deadlines.order[i]];
        asyncio_handle_cancel(*handle);
        asyncio_handle_unref(*handle);
        *handle = NULL;
    }
    result->elapsed_ns = bench_now_ns() - begin_ns;

    for (long i = 0; handles && i < count; i++) {
        if (handles[i])
            asyncio_handle_cancel(handles[i]);
        asyncio_handle_unref(handles[i]);
    }
    free(handles);
    bench_deadlines_fini(&deadlines);
    return rc;
}

int bench_timeout(long count, bench_result_t *result)
{
    int rc = 0;
    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < count && rc == 0; i++) {
        asyncio_timeout_t scope;
        rc = asyncio_timeout_enter(&scope, 10.0);
        if (rc == 0)
            rc = asyncio_timeout_exit(&scope, asyncio_sleep(0));
    }
    result->elapsed_ns = bench_now_ns() - begin_ns;
    return rc;
}
