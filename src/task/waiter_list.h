/* SPDX-License-Identifier: MIT */
/*
 * Waiter lists: the tasks that wait for the same object (a lock, a connection), oldest first.
 *
 * The list is a plain asyncio__list_t in the object. A waiter is a future in the frame of the task
 * that waits. Nothing here allocates, and waking cannot fail. An object that needs nothing but
 * "wait until woken" calls asyncio__waiters_wait(). One that hands something over to the task that
 * it wakes takes the three steps itself:
 *
 *     asyncio__waiter_t waiter;
 *     asyncio__waiter_enter(&waiter, loop, &lock->waiters, "asyncio_lock_acquire");
 *     rc = asyncio__waiter_wait(&waiter);              suspends until woken or cancelled
 *     asyncio__waiter_leave(&waiter);                  removes it from the list
 *
 * A task that is cancelled after it was woken sees both: rc < 0, and asyncio__waiter_was_woken().
 * It must hand on what it was woken for, or that is lost.
 */
#ifndef ASYNCIO__TASK_WAITER_LIST_H
#define ASYNCIO__TASK_WAITER_LIST_H

#include "base/error.h"
#include "task/switch.h"

typedef struct asyncio__waiter {
    asyncio_future_t future; /* finished by the wake-up, cancelled together with its task */
    asyncio__list_t link;    /* in the list; not a member once it was popped */
} asyncio__waiter_t;

static inline asyncio__waiter_t *asyncio__waiter_of(asyncio__list_t *link)
{
    return ASYNCIO__CONTAINER(link, asyncio__waiter_t, link);
}

/* --- waiting ------------------------------------------------------------------------------- */

/* Binds an object without a loop to the running loop, at its first wait. Returns 0, or
 * ASYNCIO_ERUNTIME outside a task and where the object is bound to another loop. */
static inline int asyncio__waiters_bind(asyncio_loop_t **loop)
{
    asyncio_loop_t *running = asyncio__thread.running_loop;
    if (ASYNCIO__UNLIKELY(!running || !asyncio__thread.coroutine))
        return asyncio__fail(ASYNCIO_ERUNTIME, "not inside a task");
    if (ASYNCIO__UNLIKELY(*loop != running)) {
        if (*loop)
            return asyncio__fail(ASYNCIO_ERUNTIME, "bound to a different event loop");
        *loop = running;
    }
    return 0;
}

/* Appends a waiter of the running task, whose loop this is. Stack listings show the task as
 * waiting in call. */
static inline void asyncio__waiter_enter(asyncio__waiter_t *waiter, asyncio_loop_t *loop,
                                         asyncio__list_t *waiters, const char *call)
{
    asyncio__future_init(&waiter->future, loop, NULL);
    waiter->future.place = call;
    asyncio__list_append(waiters, &waiter->link);
}

/* Suspends until the waiter is woken: 0, -ECANCELED or another error thrown into the task. */
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

/* Enters, waits and leaves: for an object that hands nothing over. Fails with ASYNCIO_ERUNTIME
 * where the running loop is not the given one. */
static inline __attribute__((always_inline)) int
asyncio__waiters_wait(asyncio_loop_t *loop, asyncio__list_t *waiters, const char *call)
{
    asyncio__waiter_t waiter;
    asyncio__waiter_enter(&waiter, loop, waiters, call);
    int rc = asyncio__future_wait_here(&waiter.future);
    asyncio__waiter_leave(&waiter);
    return rc;
}

/* --- waking -------------------------------------------------------------------------------- */

/* Whether this thread may wake the waiters: 0, or ASYNCIO_ERUNTIME where their loop belongs to
 * another thread. To be called before anything is changed. */
static inline int asyncio__waiters_check(const asyncio__list_t *waiters)
{
    if (asyncio__list_is_empty(waiters))
        return 0;
    return asyncio__loop_check_here(asyncio__waiter_of(waiters->next)->future.loop);
}

/* Whether every waiter is cancelled, so that no task is ahead of a newcomer. */
static inline bool asyncio__waiters_are_cancelled(const asyncio__list_t *waiters)
{
    for (asyncio__list_t *at = waiters->next; at != waiters; at = at->next)
        if (asyncio__waiter_of(at)->future.state != ASYNCIO__CANCELLED)
            return false;
    return true;
}

/* Wakes the oldest pending waiters, at most count of them. They stay in the list until their tasks
 * have run. Returns how many were woken. */
static inline size_t asyncio__waiters_wake(asyncio__list_t *waiters, size_t count)
{
    size_t woken = 0;
    for (asyncio__list_t *at = waiters->next; woken < count && at != waiters; at = at->next) {
        asyncio_future_t *future = &asyncio__waiter_of(at)->future;
        if (future->state == ASYNCIO__PENDING) {
            asyncio__future_finish(future, NULL, NULL);
            woken++;
        }
    }
    return woken;
}

/* Removes waiters from the head up to the first pending one, and wakes that one. */
static inline void asyncio__waiters_pop(asyncio__list_t *waiters)
{
    asyncio__list_t *link;
    while ((link = asyncio__list_pop(waiters))) {
        asyncio_future_t *future = &asyncio__waiter_of(link)->future;
        if (future->state == ASYNCIO__PENDING) {
            asyncio__future_finish(future, NULL, NULL);
            return;
        }
    }
}

/* Removes and wakes all waiters. */
static inline void asyncio__waiters_wake_all(asyncio__list_t *waiters)
{
    asyncio__list_t *link;
    while ((link = asyncio__list_pop(waiters)))
        asyncio__future_wake(&asyncio__waiter_of(link)->future);
}

#endif
