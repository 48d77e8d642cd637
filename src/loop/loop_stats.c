/* SPDX-License-Identifier: MIT */
/* What a loop has done, and how long its turns took. */
#include <asyncio/stats.h>

#include "base/error.h"
#include "loop/check.h"

int asyncio_loop_get_stats(asyncio_loop_t *loop, asyncio_loop_stats_t *ret_stats)
{
    int rc = asyncio__loop_check_thread(loop);
    if (rc < 0)
        return rc;
    if (!ret_stats || ret_stats->size < sizeof(*ret_stats))
        return asyncio__fail(-EINVAL, "\"ret_stats->size\" must be sizeof(asyncio_loop_stats_t)");
    const asyncio__counts_t *counts = &loop->counts;
    const asyncio__times_t *times = &loop->times;
    *ret_stats = (asyncio_loop_stats_t){
        .size = ret_stats->size,
        .polls = counts->polls,
        .waits = counts->waits,
        .turns = counts->turns,
        .steps = counts->steps + (loop->ready.head - counts->last_head),
        .poll_time = asyncio__seconds(times->wait_ns),
        .run_time = asyncio__seconds(times->run_ns),
        .longest_turn = asyncio__seconds(times->longest_turn_ns),
        .longest_lag = asyncio__seconds(times->longest_lag_ns),
    };
    _Static_assert(sizeof(times->longest_names) <= sizeof(ret_stats->longest_turn_names), "fits");
    for (size_t i = 0; i < sizeof(times->longest_names); i++)
        ret_stats->longest_turn_names[i] = times->longest_names[i];
    return 0;
}

int asyncio_loop_set_timing(asyncio_loop_t *loop, bool is_wanted)
{
    int rc = asyncio__loop_check_thread(loop);
    if (rc < 0)
        return rc;
    loop->times.is_wanted = is_wanted;
    loop->is_observed = loop->debug || is_wanted;
    return 0;
}
