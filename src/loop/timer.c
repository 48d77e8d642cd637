/* SPDX-License-Identifier: MIT */
/* Timers of a loop; see timer.h. */
#include "loop/timer.h"

#include "base/clock.h"

int64_t asyncio__moment_after(int64_t now_ns, int64_t delay_ns)
{
    if (delay_ns > 0 && delay_ns >= ASYNCIO__NANOSECONDS_FOREVER - now_ns)
        return ASYNCIO__NANOSECONDS_FOREVER;
    return now_ns + delay_ns;
}

int asyncio__timer_start(asyncio_loop_t *loop, asyncio__timer_t *timer, int64_t when_ns)
{
    if (when_ns == ASYNCIO__NANOSECONDS_FOREVER)
        return 0;
    int rc = asyncio__loop_reserve(loop, 1);
    if (rc < 0)
        return rc;
    rc = asyncio__heap_insert(&loop->timers, &timer->node, when_ns);
    if (rc < 0)
        asyncio__loop_release(loop, 1);
    return rc;
}

void asyncio__timer_cancel(asyncio_loop_t *loop, asyncio__timer_t *timer)
{
    if (asyncio__heap_contains(&timer->node)) {
        asyncio__heap_remove(&loop->timers, &timer->node);
        asyncio__loop_release(loop, 1);
    } else if (timer->is_due) {
        asyncio__loop_unschedule(loop, timer->position);
        asyncio__timer_begin(loop, timer);
    }
}

void asyncio__timer_begin(asyncio_loop_t *loop, asyncio__timer_t *timer)
{
    timer->is_due = false;
    asyncio__loop_release(loop, 1);
}

void asyncio__timers_expire(asyncio_loop_t *loop)
{
    const struct asyncio__heap_entry *first;
    while ((first = asyncio__heap_first(&loop->timers)) && first->when_ns <= loop->now_ns) {
        asyncio__timer_t *timer = ASYNCIO__CONTAINER(first->node, asyncio__timer_t, node);
        asyncio__heap_remove(&loop->timers, &timer->node);
        timer->is_due = true;
        timer->position = asyncio__loop_schedule(loop, &timer->ready);
    }
}
