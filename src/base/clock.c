/* SPDX-License-Identifier: MIT */
/*
 * The monotonic clock, and conversion between seconds and nanoseconds; see base/clock.h.
 */
#define _GNU_SOURCE 1

#include "base/clock.h"

#include <math.h>

#include "base/syscalls.h"
#include "base/ticks.h"

#define SECOND_NS INT64_C(1000000000)

const uint64_t *asyncio__ticks_fake;

int64_t asyncio__clock_now(void)
{
    struct timespec now = {0, 0};
    /* CLOCK_MONOTONIC is there on every Linux, so this cannot fail. */
    (void)asyncio__sys.clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

double asyncio__seconds(int64_t time_ns)
{
    if (time_ns == ASYNCIO__NANOSECONDS_FOREVER)
        return (double)INFINITY;
    return (double)time_ns / 1e9;
}

int64_t asyncio__nanoseconds(double seconds)
{
    if (isnan(seconds))
        return 0;
    if (isinf(seconds))
        return seconds > 0 ? ASYNCIO__NANOSECONDS_FOREVER : -ASYNCIO__NANOSECONDS_LIMIT;
    double time_ns = seconds * 1e9;
    if (time_ns >= (double)ASYNCIO__NANOSECONDS_LIMIT)
        return ASYNCIO__NANOSECONDS_LIMIT;
    if (time_ns <= -(double)ASYNCIO__NANOSECONDS_LIMIT)
        return -ASYNCIO__NANOSECONDS_LIMIT;
    /* By hand and not by llround(), so that programs need no -lm. */
    return (int64_t)(time_ns < 0 ? time_ns - 0.5 : time_ns + 0.5);
}
