/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Events: a flag that tasks wait for.
 *
 * @code
 *     asyncio_event_wait(&event);      in many tasks
 *     asyncio_event_set(&event);       wakes them all
 * @endcode
 */
#ifndef ASYNCIO_EVENT_H
#define ASYNCIO_EVENT_H

#include <asyncio/coroutine.h>

ASYNCIO_BEGIN_DECLS

/** An event, in a frame or struct of the program; its content belongs to the library. */
typedef struct asyncio_event {
    void *asyncio_reserved[8]; /**< the library's */
} asyncio_event_t;

/**
 * Prepares a event.
 *
 * @param event  the event
 * @return 0; -EINVAL: NULL.
 *
 * Ownership: event must not move until its fini.
 * Context: loop thread.
 * Twin: `asyncio.Event`.
 */
ASYNCIO_API int asyncio_event_init(asyncio_event_t *event);

/**
 * Ends an event, for which no task may be waiting.
 *
 * @param event  NULL is allowed
 *
 * Ownership: the memory is the caller's again.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API void asyncio_event_fini(asyncio_event_t *event);

/**
 * Waits until the event is set.
 *
 * @param event  the event
 * @return - 0: it is, or was.
 *   - -ECANCELED: the task was cancelled.
 *   - ASYNCIO_ERUNTIME: not inside a task, or bound to another loop.
 *   - -EINVAL: NULL.
 *
 * Ownership: event is *borrowed*.
 * Context: inside a task.
 * Cancellation: ends the wait; nothing is lost.
 * Twin: `Event.wait`.
 */
ASYNCIO_API int asyncio_event_wait(asyncio_event_t *event);

/** Makes the coroutine object of asyncio_event_wait(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_event_wait_coroutine(asyncio_event_t *event);

/**
 * Sets the event, and wakes every task that waits for it.
 *
 * @param event  the event
 * @return 0; -EINVAL: NULL; ASYNCIO_ERUNTIME: a waiter belongs to another thread's loop, or this is
 *   a forked child.
 *
 * Ownership: event is *borrowed*.
 * Context: loop thread.
 * Twin: `Event.set`.
 */
ASYNCIO_API int asyncio_event_set(asyncio_event_t *event);

/**
 * Clears the event. Tasks that were woken before return from their wait all the same.
 *
 * @param event  the event
 * @return 0; -EINVAL: NULL.
 *
 * Ownership: event is *borrowed*.
 * Context: loop thread.
 * Twin: `Event.clear`.
 */
ASYNCIO_API int asyncio_event_clear(asyncio_event_t *event);

/**
 * Returns whether the event is set.
 *
 * @param event  the event
 * @return true if it is.
 *
 * Ownership: event is *borrowed*.
 * Context: loop thread.
 * Twin: `Event.is_set`.
 */
ASYNCIO_API bool asyncio_event_is_set(const asyncio_event_t *event);

ASYNCIO_END_DECLS

#endif
