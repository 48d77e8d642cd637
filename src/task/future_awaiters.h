/* SPDX-License-Identifier: MIT */
/*
 * The awaiters of a future: read from its callbacks on demand. Nothing is recorded while tasks run:
 * the function that a callback runs tells what kind of object it belongs to.
 */
#ifndef ASYNCIO__TASK_FUTURE_AWAITERS_H
#define ASYNCIO__TASK_FUTURE_AWAITERS_H

#include "task/task.h"

/* One for each kind of callback: the future that may become done once it has been called; NULL if
 * it is of another kind, or if there is no such future. */
asyncio_future_t *asyncio__gather_follower(const asyncio__callback_t *callback);
asyncio_future_t *asyncio__shield_follower(const asyncio__callback_t *callback);
asyncio_future_t *asyncio__wait_follower(const asyncio__callback_t *callback);
asyncio_future_t *asyncio__wait_for_follower(const asyncio__callback_t *callback);
asyncio_future_t *asyncio__as_completed_follower(const asyncio__callback_t *callback);
asyncio_future_t *asyncio__task_group_follower(const asyncio__callback_t *callback);

/* Called with each awaiter of a future; false ends the walk. */
typedef bool asyncio__awaiter_visit_t(asyncio_future_t *awaiter, void *arg);

/* Visits all awaiters in the order in which they began to wait; one that waits in two ways is
 * visited twice. */
void asyncio__awaiters_visit(asyncio_future_t *future, asyncio__awaiter_visit_t *visit, void *arg);

/* Whether it lies in the frame of its awaiter, so that nobody may keep it. */
static inline bool asyncio__future_is_in_frame(const asyncio_future_t *future)
{
    return !future->class || future->class->size_bytes == 0;
}

#endif
