/* SPDX-License-Identifier: MIT */
/*
 * Timers: a deadline that makes something ready, embedded in whatever waits for it.
 *
 *     asyncio__timer_init(&timer, run);
 *     rc = asyncio__timer_start(loop, &timer, when_ns);     0 or -ENOMEM
 *     asyncio__timer_cancel(loop, &timer);                  whether it is set, due, has run or not
 *
 * Timers that are due become ready by deadline, then in the order in which they were set.
 */
#ifndef ASYNCIO__LOOP_TIMER_H
#define ASYNCIO__LOOP_TIMER_H

#include "loop/core.h"

struct asyncio__timer {
    asyncio__ready_t ready;    /* what runs when it is due */
    asyncio__heap_node_t node; /* in loop->timers while it is set */
    uint32_t position;         /* in the ready queue while it is due */
    bool is_due;               /* scheduled and not run yet */
};

static inline void asyncio__timer_init(asyncio__timer_t *timer,
                                       void (*run)(asyncio__ready_t *ready))
{
    timer->ready.run = run;
    timer->node.index = 0;
    timer->position = 0;
    timer->is_due = false;
}

/* With a deadline of ASYNCIO__NANOSECONDS_FOREVER, start is a no-op. */
ASYNCIO__SHARED int asyncio__timer_start(asyncio_loop_t *loop, asyncio__timer_t *timer,
                                         int64_t when_ns);
ASYNCIO__SHARED void asyncio__timer_cancel(asyncio_loop_t *loop, asyncio__timer_t *timer);

/* Called first by run(): the timer is no longer due, and its slot is released. */
ASYNCIO__SHARED void asyncio__timer_begin(asyncio_loop_t *loop, asyncio__timer_t *timer);

/* Makes every timer ready that is due at loop->now_ns. */
void asyncio__timers_expire(asyncio_loop_t *loop);

/* now_ns + delay_ns; saturates at ASYNCIO__NANOSECONDS_FOREVER. */
ASYNCIO__SHARED int64_t asyncio__moment_after(int64_t now_ns, int64_t delay_ns);

#endif
