/* SPDX-License-Identifier: MIT */
/* Debug mode: what ready items are, and which were slow; see debug.h. */
#include "loop/debug.h"

#include <stdio.h>

#include "base/clock.h"
#include "loop/report.h"

static asyncio__describer_t *describers;

void asyncio__describe_by(asyncio__describer_t *describer)
{
    describer->next = describers;
    describers = describer;
}

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
