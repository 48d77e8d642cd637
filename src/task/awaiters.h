/* SPDX-License-Identifier: MIT */
/*
 * Who waits for a future: read from its callbacks when it is asked for. Nothing is recorded while
 * tasks run: whose a callback is, is known by the function that it runs.
 */
#ifndef ASYNCIO__TASK_AWAITERS_H
#define ASYNCIO__TASK_AWAITERS_H

#include "task/task.h"

/* Of each kind of callback: what goes on, or may, when it has been called; NULL where it is of
 * another kind, or nothing goes on. */
asyncio_future_t *asyncio__gather_follower(const asyncio__callback_t *callback);
asyncio_future_t *asyncio__shield_follower(const asyncio__callback_t *callback);
asyncio_future_t *asyncio__wait_follower(const asyncio__callback_t *callback);
asyncio_future_t *asyncio__wait_for_follower(const asyncio__callback_t *callback);
asyncio_future_t *asyncio__as_completed_follower(const asyncio__callback_t *callback);
asyncio_future_t *asyncio__task_group_follower(const asyncio__callback_t *callback);

/* Called with each that waits for a future; false ends the walk. */
typedef bool asyncio__awaiter_visit_t(asyncio_future_t *awaiter, void *arg);

/* Visits all of them, in the order in which they began to wait; who waits in two ways, twice. */
void asyncio__awaiters_visit(asyncio_future_t *future, asyncio__awaiter_visit_t *visit, void *arg);

/* It stands in the frame of who waits for it, and cannot be kept. */
static inline bool asyncio__future_is_in_frame(const asyncio_future_t *future)
{
    return !future->class || future->class->size_bytes == 0;
}

#endif
