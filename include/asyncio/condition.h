/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Conditions: tasks that wait for what others tell them, holding a lock.
 *
 * @code
 *     asyncio_condition_acquire(&condition);
 *     while (!something_to_do)
 *         rc = asyncio_condition_wait(&condition);
 *     asyncio_condition_release(&condition);
 * @endcode
 */
#ifndef ASYNCIO_CONDITION_H
#define ASYNCIO_CONDITION_H

#include <asyncio/coroutine.h>

ASYNCIO_BEGIN_DECLS

/** A condition, with its lock, in a frame or struct of the program; opaque. */
typedef struct asyncio_condition {
    void *asyncio_reserved[16]; /**< the library's */
} asyncio_condition_t;

/** Returns whether what is waited for has come. */
typedef bool asyncio_condition_predicate_t(void *arg);

/**
 * Prepares a condition.
 *
 * @param condition  the condition
 * @return 0; -EINVAL: NULL.
 *
 * Ownership: condition must not move until its fini.
 * Context: loop thread.
 * Twin: `asyncio.Condition`.
 */
ASYNCIO_API int asyncio_condition_init(asyncio_condition_t *condition);

/**
 * Ends a condition, for which no task may be waiting.
 *
 * @param condition  NULL is allowed
 *
 * Ownership: the memory is the caller's again.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API void asyncio_condition_fini(asyncio_condition_t *condition);

/**
 * Waits until its lock is free, and takes it.
 *
 * @param condition  the condition
 * @return - 0: it is this task's.
 *   - -ECANCELED: the task was cancelled.
 *   - ASYNCIO_ERUNTIME: not inside a task, or bound to another loop.
 *   - -EINVAL: NULL.
 *
 * Ownership: condition is *borrowed*.
 * Context: inside a task.
 * Cancellation: ends the wait; nothing is lost.
 * Twin: `Condition.acquire`, `__aenter__`.
 */
ASYNCIO_API int asyncio_condition_acquire(asyncio_condition_t *condition);

/** Makes the coroutine object of asyncio_condition_acquire(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_condition_acquire_coroutine(asyncio_condition_t *condition);

/**
 * Gives its lock up.
 *
 * @param condition  the condition
 * @return as asyncio_lock_release().
 *
 * Ownership: condition is *borrowed*.
 * Context: loop thread.
 * Twin: `Condition.release`, `__aexit__`.
 */
ASYNCIO_API int asyncio_condition_release(asyncio_condition_t *condition);

/**
 * Returns whether a task holds its lock.
 *
 * @param condition  the condition
 * @return true if one does.
 *
 * Ownership: condition is *borrowed*.
 * Context: loop thread.
 * Twin: `Condition.locked`.
 */
ASYNCIO_API bool asyncio_condition_locked(const asyncio_condition_t *condition);

/**
 * Gives the lock up, waits to be notified, and takes the lock again.
 *
 * @param condition  the condition
 * @return - 0: notified.
 *   - -ECANCELED: the task was cancelled.
 *   - ASYNCIO_ERUNTIME: nobody holds the lock, not inside a task, or bound to another loop.
 *   - -EINVAL: NULL.
 *     The task holds the lock again when the call returns, except with ASYNCIO_ERUNTIME.
 *
 * Ownership: condition is *borrowed*.
 * Context: inside a task.
 * Cancellation: ends the wait once the lock is held again, and passes the notification on.
 * Twin: `Condition.wait`.
 */
ASYNCIO_API int asyncio_condition_wait(asyncio_condition_t *condition);

/** Makes the coroutine object of asyncio_condition_wait(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_condition_wait_coroutine(asyncio_condition_t *condition);

/**
 * Waits, again and again, until a predicate holds.
 *
 * @param condition  the condition
 * @param predicate  asked first, and after each notification
 * @param arg        passed to it
 * @return as asyncio_condition_wait().
 *
 * Ownership: condition is *borrowed*.
 * Context: inside a task.
 * Cancellation: as asyncio_condition_wait().
 * Twin: `Condition.wait_for`.
 */
ASYNCIO_API int asyncio_condition_wait_for(asyncio_condition_t *condition,
                                           asyncio_condition_predicate_t *predicate, void *arg);

/** Makes the coroutine object of asyncio_condition_wait_for(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_condition_wait_for_coroutine(asyncio_condition_t *condition,
                                     asyncio_condition_predicate_t *predicate, void *arg);

/**
 * Wakes the first that wait.
 *
 * @param condition  the condition
 * @param count      how many
 * @return 0; ASYNCIO_ERUNTIME: nobody holds the lock, or a waiter belongs to another thread's loop,
 *   or this is a forked child; -EINVAL: condition is NULL.
 *
 * Ownership: condition is *borrowed*.
 * Context: loop thread.
 * Twin: `Condition.notify`.
 */
ASYNCIO_API int asyncio_condition_notify(asyncio_condition_t *condition, size_t count);

/**
 * Wakes all that wait.
 *
 * @param condition  the condition
 * @return as asyncio_condition_notify().
 *
 * Ownership: condition is *borrowed*.
 * Context: loop thread.
 * Twin: `Condition.notify_all`.
 */
ASYNCIO_API int asyncio_condition_notify_all(asyncio_condition_t *condition);

ASYNCIO_END_DECLS

#endif
