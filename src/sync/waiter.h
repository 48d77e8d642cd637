/* SPDX-License-Identifier: MIT */
/*
 * Waiters: futures in the frames of tasks that wait for a primitive, in the order of arrival.
 *
 *     asyncio__waiter_t waiter;
 *     rc = asyncio__waiter_enter(&waiter, &lock->loop, &lock->waiters, "asyncio_lock_acquire");
 *                                                                          it is in the queue
 *     rc = asyncio__waiter_wait(&waiter);                                  until woken
 *     asyncio__waiter_leave(&waiter);                                      it is in no queue
 *
 * A task that was woken and then cancelled finds both: rc < 0, and the waiter finished. It must
 * pass on what it was woken for.
 */
#ifndef ASYNCIO__SYNC_WAITER_H
#define ASYNCIO__SYNC_WAITER_H

#include "base/error.h"
#include "task/suspend.h"

typedef struct asyncio__waiter {
    asyncio_future_t future; /* finished by the wake-up, cancelled with its task */
    asyncio__list_t link;    /* in the queue */
} asyncio__waiter_t;

static inline asyncio__waiter_t *asyncio__waiter_of(asyncio__list_t *link)
{
    return ASYNCIO__CONTAINER(link, asyncio__waiter_t, link);
}

/* Binds the primitive to the running loop at its first wait, and joins the queue: 0, or
 * ASYNCIO_ERUNTIME (not inside a task, or another loop's). The call is what the task is said to
 * wait for. */
static inline int asyncio__waiter_enter(asyncio__waiter_t *waiter, asyncio_loop_t **loop,
                                        asyncio__list_t *queue, const char *call)
{
    asyncio_loop_t *running = asyncio__thread.running_loop;
    if (ASYNCIO__UNLIKELY(!running || !asyncio__thread.coroutine))
        return asyncio__fail(ASYNCIO_ERUNTIME, "not inside a task");
    if (ASYNCIO__UNLIKELY(*loop != running)) {
        if (*loop)
            return asyncio__fail(ASYNCIO_ERUNTIME, "bound to a different event loop");
        *loop = running;
    }
    asyncio__future_init(&waiter->future, running, NULL);
    waiter->future.place = call;
    asyncio__list_append(queue, &waiter->link);
    return 0;
}

/* Before those of a queue are woken, and anything is changed: may this thread use their loop. */
static inline int asyncio__waiters_check(const asyncio__list_t *queue)
{
    if (asyncio__list_is_empty(queue))
        return 0;
    return asyncio__loop_check_here(asyncio__waiter_of(queue->next)->future.loop);
}

static inline __attribute__((always_inline)) int
asyncio__waiter_wait(asyncio__waiter_t *waiter)
{
    return asyncio__future_wait_alone(&waiter->future);
}

static inline void asyncio__waiter_leave(asyncio__waiter_t *waiter)
{
    asyncio__list_remove(&waiter->link);
    asyncio__future_fini(&waiter->future);
}

static inline bool asyncio__waiter_was_woken(const asyncio__waiter_t *waiter)
{
    return waiter->future.state == ASYNCIO__FINISHED;
}

/* Is every waiter of the queue cancelled: so nobody is ahead of a newcomer. */
static inline bool asyncio__waiters_are_cancelled(const asyncio__list_t *queue)
{
    for (asyncio__list_t *at = queue->next; at != queue; at = at->next)
        if (asyncio__waiter_of(at)->future.state != ASYNCIO__CANCELLED)
            return false;
    return true;
}

/* Wakes the first that is not done; it stays in the queue until it has run. False: none. */
static inline bool asyncio__waiters_wake_next(asyncio__list_t *queue)
{
    for (asyncio__list_t *at = queue->next; at != queue; at = at->next) {
        asyncio_future_t *future = &asyncio__waiter_of(at)->future;
        if (future->state == ASYNCIO__PENDING) {
            asyncio__future_finish(future, NULL, NULL);
            return true;
        }
    }
    return false;
}

#endif
