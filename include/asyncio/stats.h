/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Statistics of a loop: what it has done, and how long its turns took.
 *
 * @code
 *     asyncio_loop_stats_t stats = {.size = sizeof(stats)};
 *     asyncio_loop_get_stats(loop, &stats);
 *     printf("%g s: %s\n", stats.longest_turn, stats.longest_turn_names);
 * @endcode
 *
 * A turn may be long though none of its steps is: many tasks that never suspend, for example,
 * because data is always there. Meanwhile no timer and no other descriptor is served.
 */
#ifndef ASYNCIO_STATS_H
#define ASYNCIO_STATS_H

#include <asyncio/loop.h>

ASYNCIO_BEGIN_DECLS

/** What a loop has done since it was made. Times are in seconds, and 0 unless they are measured: in
 * debug mode, or after asyncio_loop_set_timing(). */
typedef struct asyncio_loop_stats {
    size_t size;         /**< sizeof(asyncio_loop_stats_t); set by the caller */
    uint64_t polls;      /**< looks at the kernel, other threads and timers */
    uint64_t waits;      /**< polls that waited */
    uint64_t turns;      /**< turns, up to the last poll */
    uint64_t steps;      /**< callbacks, and steps of tasks */
    double poll_time;    /**< time in polls, waits included */
    double run_time;     /**< time in turns */
    double longest_turn; /**< the longest turn */
    double longest_lag;  /**< the longest delay of a timer behind its deadline */
    char longest_turn_names[128]; /**< its three longest steps, by the names of their tasks */
} asyncio_loop_stats_t;

/**
 * Returns what a loop has done so far.
 *
 * @param loop       the loop.
 * @param ret_stats  where to put it; its size must be set.
 * @return 0; -EINVAL: loop or ret_stats is NULL, or ret_stats has a wrong size; ASYNCIO_ERUNTIME:
 *   another thread's loop, forked child.
 *
 * Ownership: nothing.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API int asyncio_loop_get_stats(asyncio_loop_t *loop, asyncio_loop_stats_t *ret_stats);

/**
 * Has a loop measure the times of asyncio_loop_get_stats(), which debug mode does too. Each step
 * then costs two readings of the clock.
 *
 * @param loop       the loop.
 * @param is_wanted  whether to measure.
 * @return 0; -EINVAL: loop is NULL; ASYNCIO_ERUNTIME: another thread's loop, or a forked child.
 *
 * Ownership: loop is *borrowed*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API int asyncio_loop_set_timing(asyncio_loop_t *loop, bool is_wanted);

ASYNCIO_END_DECLS

#endif
