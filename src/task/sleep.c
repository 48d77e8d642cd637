/* SPDX-License-Identifier: MIT */
/* sleep: suspend for one turn, or wait for a timer. */
#include <asyncio/sleep.h>
#include <math.h>

#include "base/clock.h"
#include "loop/timer.h"
#include "task/switch.h"
#include "task/twin.h"

typedef struct sleeper {
    asyncio__timer_t timer;  /* set while it sleeps */
    asyncio_future_t waiter; /* finished by the timer */
} sleeper_t;

static void on_timer(asyncio__ready_t *self)
{
    sleeper_t *sleeper = ASYNCIO__CONTAINER(self, sleeper_t, timer.ready);
    asyncio__timer_begin(sleeper->waiter.loop, &sleeper->timer);
    asyncio__future_wake(&sleeper->waiter);
}

/* Apart, so that giving way does not carry its frame. */
static ASYNCIO__RETURNS_ANEW __attribute__((noinline)) int sleep_until(asyncio_loop_t *loop,
                                                                       int64_t when_ns)
{
    sleeper_t sleeper;
    asyncio__timer_init(&sleeper.timer, on_timer);
    asyncio__future_init(&sleeper.waiter, loop, NULL);
    sleeper.waiter.place = "asyncio_sleep";
    int rc = asyncio__timer_start(loop, &sleeper.timer, when_ns);
    if (rc < 0)
        return asyncio__fail(rc, NULL);
    rc = asyncio__future_wait_alone(&sleeper.waiter);
    asyncio__timer_cancel(loop, &sleeper.timer);
    asyncio__future_fini(&sleeper.waiter);
    return rc;
}

int asyncio_sleep(double delay)
{
    if (delay <= 0)
        return asyncio__give_way();
    if (isnan(delay))
        return asyncio__fail(-EINVAL, "Invalid delay: NaN (not a number)");
    asyncio_loop_t *loop = asyncio_get_running_loop();
    if (!loop)
        return asyncio__fail(ASYNCIO_ERUNTIME, "no running event loop");
    return sleep_until(loop, asyncio__moment_after(asyncio__loop_now(loop),
                                                   asyncio__nanoseconds(delay)));
}

ASYNCIO__TWIN(CODE, asyncio_sleep, (double, delay))
