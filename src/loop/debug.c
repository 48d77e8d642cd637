/* SPDX-License-Identifier: MIT */
/* Debug mode: what ready items are, and which were slow; see debug.h. */
#include "loop/debug.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "loop/report.h"

static asyncio__describer_t *describers;

void asyncio__describe_by(asyncio__describer_t *describer)
{
    describer->next = describers;
    describers = describer;
}

/* Returns whether it was reported. */
static bool report_if_slow(asyncio_loop_t *loop, int64_t spent_ns,
                           const asyncio__description_t *description)
{
    if (!loop->debug || spent_ns < loop->slow_ns)
        return false;
    char message[64];
    snprintf(message, sizeof(message), "%s took %.3f seconds", description->what,
             asyncio__seconds(spent_ns));
    asyncio__loop_report(loop, message, 0, NULL, NULL, description->place,
                         *description->name ? description->name : NULL);
    return true;
}

/* Keeps the longest items of this turn, the longest first. */
static void keep_longest(asyncio__times_t *times, int64_t spent_ns,
                         const asyncio__description_t *description)
{
    size_t at = ASYNCIO__TURN_NAMES;
    while (at > 0 && spent_ns > times->top[at - 1].spent_ns) {
        if (at < ASYNCIO__TURN_NAMES)
            times->top[at] = times->top[at - 1];
        at--;
    }
    if (at == ASYNCIO__TURN_NAMES)
        return;
    const char *name = *description->name ? description->name : description->what;
    times->top[at].spent_ns = spent_ns;
    snprintf(times->top[at].name, sizeof(times->top[at].name), "%s", name);
}

void asyncio__run_timed(asyncio_loop_t *loop, asyncio__ready_t *item)
{
    asyncio__description_t description = {.what = "a callback"};
    for (asyncio__describer_t *at = describers; at; at = at->next)
        if (at->run == item->run)
            at->describe(item, &description);
    int64_t told_ns = loop->told_ns, before_ns = asyncio__clock_now();
    item->run(item);
    int64_t spent_ns = asyncio__clock_now() - before_ns;
    keep_longest(&loop->times, spent_ns, &description);
    spent_ns -= loop->told_ns - told_ns;
    if (report_if_slow(loop, spent_ns, &description))
        loop->times.item_ns += spent_ns;
}

int64_t asyncio__turn_begin(asyncio_loop_t *loop)
{
    loop->times.item_ns = 0;
    memset(loop->times.top, 0, sizeof(loop->times.top));
    return asyncio__clock_now();
}

static void print_names(const asyncio__times_t *times, char *text, size_t size)
{
    *text = '\0';
    for (size_t i = 0, used = 0; i < ASYNCIO__TURN_NAMES && used < size; i++)
        if (times->top[i].spent_ns > 0)
            used += (size_t)snprintf(text + used, size - used, "%s%s %.3f s", i ? ", " : "",
                                     times->top[i].name, asyncio__seconds(times->top[i].spent_ns));
}

void asyncio__turn_end(asyncio_loop_t *loop, int64_t begin_ns, uint32_t items)
{
    asyncio__times_t *times = &loop->times;
    int64_t spent_ns = asyncio__clock_now() - begin_ns;
    char message[64], names[sizeof(times->longest_names)];
    times->run_ns += spent_ns;
    bool is_long = loop->debug && items > 1 && spent_ns - times->item_ns >= loop->slow_ns;
    if (spent_ns > times->longest_turn_ns || is_long)
        print_names(times, names, sizeof(names));
    if (spent_ns > times->longest_turn_ns) {
        times->longest_turn_ns = spent_ns;
        memcpy(times->longest_names, names, sizeof(names));
    }
    if (!is_long)
        return;
    snprintf(message, sizeof(message), "a turn of %u steps took %.3f seconds", (unsigned)items,
             asyncio__seconds(spent_ns));
    asyncio__loop_report(loop, message, 0, NULL, NULL, NULL, names);
}

void asyncio__call_timed(asyncio_loop_t *loop, asyncio_callback_t *fn, void *arg,
                         const char *place)
{
    asyncio__description_t description = {.what = "a callback", .place = place};
    int64_t before_ns = asyncio__clock_now();
    fn(arg);
    int64_t spent_ns = asyncio__clock_now() - before_ns;
    loop->told_ns += spent_ns;
    asyncio__ignore(report_if_slow(loop, spent_ns, &description));
}
