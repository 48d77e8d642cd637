/* SPDX-License-Identifier: MIT */
/* Debug mode: slow callbacks, wrong threads, freed objects; see debug.h. */
#include "loop/debug.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/tag.h"

static asyncio__describer_t *describers;

void asyncio__describe_by(asyncio__describer_t *describer)
{
    describer->next = describers;
    describers = describer;
}

/* --- slow callbacks ------------------------------------------------------------------------ */

static void report_if_slow(asyncio_loop_t *loop, int64_t spent_ns,
                           const asyncio__description_t *description)
{
    if (spent_ns < loop->slow_ns)
        return;
    char message[64];
    snprintf(message, sizeof(message), "%s took %.3f seconds", description->what,
             asyncio__seconds(spent_ns));
    asyncio__loop_report(loop, message, 0, NULL, NULL, description->place,
                         *description->name ? description->name : NULL);
}

void asyncio__run_timed(asyncio_loop_t *loop, asyncio__ready_t *item)
{
    asyncio__description_t description = {.what = "a callback"};
    for (asyncio__describer_t *at = describers; at; at = at->next)
        if (at->run == item->run)
            at->describe(item, &description);
    int64_t told_ns = loop->told_ns, before_ns = asyncio__clock_now();
    item->run(item);
    int64_t spent_ns = asyncio__clock_now() - before_ns - (loop->told_ns - told_ns);
    report_if_slow(loop, spent_ns, &description);
}

void asyncio__call_timed(asyncio_loop_t *loop, asyncio_callback_t *fn, void *arg,
                         const char *place)
{
    asyncio__description_t description = {.what = "a callback", .place = place};
    int64_t before_ns = asyncio__clock_now();
    fn(arg);
    int64_t spent_ns = asyncio__clock_now() - before_ns;
    loop->told_ns += spent_ns;
    report_if_slow(loop, spent_ns, &description);
}

int asyncio_loop_set_slow_callback_duration(asyncio_loop_t *loop, double seconds)
{
    if (!loop || isnan(seconds))
        return asyncio__fail(-EINVAL, "no loop, or no duration, was given");
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
    atomic_store_explicit(&loop->debug_elsewhere, debug, memory_order_relaxed);
}

/* --- misuse -------------------------------------------------------------------------------- */

void asyncio__report_thread(const asyncio_loop_t *loop)
{
    if (loop->debug)
        asyncio__loop_report(NULL,
                             "Non-thread-safe operation invoked on an event loop other than the "
                             "current one",
                             ASYNCIO_ERUNTIME, NULL, NULL, NULL, NULL);
}

int asyncio__fail_kind(const asyncio_awaitable_t *given, const char *static_message)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    if (loop && loop->debug && asyncio__tag_of(given) == ASYNCIO__TAG_FREED) {
        static_message = "an object was used after its last reference had been given up";
        asyncio__loop_report(loop, static_message, -EINVAL, NULL, NULL, NULL, NULL);
    }
    return asyncio__fail(-EINVAL, static_message);
}

void *asyncio__fail_new_kind(const asyncio_awaitable_t *given, const char *static_message)
{
    asyncio__thread.constructor_code = asyncio__fail_kind(given, static_message);
    return NULL;
}
