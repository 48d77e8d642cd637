/* SPDX-License-Identifier: MIT */
/*
 * The clock, and the way between the seconds of the API and the nanoseconds inside.
 *
 *     int64_t deadline_ns = asyncio__clock_now() + asyncio__nanoseconds(delay);
 *
 * Conversion saturates at a quarter of what int64_t holds (73 years), so that a clock reading plus
 * a few delays never overflows. For ever is a value of its own: add to it only after comparing.
 */
#ifndef ASYNCIO__BASE_CLOCK_H
#define ASYNCIO__BASE_CLOCK_H

#include <stdint.h>

#include "base/compiler.h"

#define ASYNCIO__NANOSECONDS_LIMIT   (INT64_MAX / 4)
#define ASYNCIO__NANOSECONDS_FOREVER INT64_MAX

/* The monotonic clock; it never steps, and does not run while the machine is suspended. */
ASYNCIO__SHARED int64_t asyncio__clock_now(void);

/* Seconds; ASYNCIO__NANOSECONDS_FOREVER is infinity. */
ASYNCIO__SHARED double asyncio__seconds(int64_t time_ns);

/* Nanoseconds, to the nearest; infinity is ASYNCIO__NANOSECONDS_FOREVER, NaN counts as 0 (who
 * takes seconds from outside refuses it before). */
int64_t asyncio__nanoseconds(double seconds);

#endif
