/* SPDX-License-Identifier: MIT */
/* The debug mode of a loop, as the program sets it; see debug.h. */
#include <math.h>

#include "base/error.h"
#include "loop/check.h"

int asyncio_loop_set_slow_callback_duration(asyncio_loop_t *loop, double seconds)
{
    if (!loop || isnan(seconds))
        return asyncio__fail(-EINVAL, loop ? "\"seconds\" must not be NaN"
                                         : "\"loop\" must not be NULL");
    int rc = asyncio__loop_check_thread(loop);
    if (rc < 0)
        return rc;
    loop->slow_ns = asyncio__nanoseconds(seconds);
    return 0;
}

double asyncio_loop_get_slow_callback_duration(const asyncio_loop_t *loop)
{
    return loop ? asyncio__seconds(loop->slow_ns) : (double)NAN;
}

bool asyncio_loop_get_debug(const asyncio_loop_t *loop)
{
    return loop && loop->debug;
}

void asyncio_loop_set_debug(asyncio_loop_t *loop, bool debug)
{
    if (asyncio__loop_check_thread(loop) < 0)
        return;
    loop->debug = debug;
    loop->is_observed = debug || loop->times.is_wanted;
    atomic_store_explicit(&loop->debug_elsewhere, debug, memory_order_relaxed);
}
