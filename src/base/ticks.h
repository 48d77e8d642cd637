/* SPDX-License-Identifier: MIT */
/*
 * The processor's time-stamp counter: a clock that costs less than half of clock_gettime(), and
 * whose frequency is not known exactly.
 *
 * It only bounds how long something is put off: the counters of two processors may differ, and a
 * thread may move between them. Whoever needs the time uses base/clock.h. A counter that seems to
 * have run backwards reads as a very long time, because the difference is unsigned.
 *
 *     uint64_t begin = asyncio__ticks_now();
 *     ... asyncio__ticks_now() - begin >= budget_ticks
 */
#ifndef ASYNCIO__BASE_TICKS_H
#define ASYNCIO__BASE_TICKS_H

#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"

/* For tests: where this is not NULL, the counter is read from there. */
extern const uint64_t *asyncio__ticks_fake;

static inline uint64_t asyncio__ticks_now(void)
{
    if (ASYNCIO__UNLIKELY(asyncio__ticks_fake != NULL))
        return *asyncio__ticks_fake;
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t now;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(now));
    return now;
#else
    return (uint64_t)asyncio__clock_now();
#endif
}

/* A count that the counter reaches within half a millisecond. On x86-64, where the counter runs at
 * 1 to 5 GHz, that takes 0.1 ms on the fastest machine. */
static inline uint64_t asyncio__ticks_of_half_millisecond(void)
{
#if defined(__aarch64__)
    uint64_t frequency;
    __asm__("mrs %0, cntfrq_el0" : "=r"(frequency));
    return frequency / 2000 + 1;
#else
    return 500000;
#endif
}

#endif
