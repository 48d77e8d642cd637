/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Locks: one task at a time, first come, first served.
 *
 * @code
 *     asyncio_lock_t lock;
 *     asyncio_lock_init(&lock);
 *     int rc = asyncio_lock_acquire(&lock);
 *     if (rc == 0) {
 *         rc = change_what_it_guards();
 *         asyncio_lock_release(&lock);
 *     }
 * @endcode
 *
 * A task that is cancelled while it waits passes its turn on. For tasks of one loop, not threads.
 */
#ifndef ASYNCIO_LOCK_H
#define ASYNCIO_LOCK_H

#include <asyncio/coroutine.h>

ASYNCIO_BEGIN_DECLS

/** A lock, in a frame or struct of the program; its content belongs to the library. */
typedef struct asyncio_lock {
    void *asyncio_reserved[8]; /**< the library's */
} asyncio_lock_t;

/**
 * Prepares a lock.
 *
 * @param lock  the lock
 * @return 0; -EINVAL: NULL.
 *
 * Ownership: lock must not move until its fini.
 * Context: loop thread.
 * Twin: `asyncio.Lock`.
 */
ASYNCIO_API int asyncio_lock_init(asyncio_lock_t *lock);

/**
 * Ends a lock, for which no task may be waiting.
 *
 * @param lock  NULL is allowed
 *
 * Ownership: the memory is the caller's again.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API void asyncio_lock_fini(asyncio_lock_t *lock);

/**
 * Waits until the lock is free, and takes it.
 *
 * @param lock  the lock
 * @return - 0: it is this task's.
 *   - -ECANCELED: the task was cancelled.
 *   - ASYNCIO_ERUNTIME: not inside a task, or bound to another loop.
 *   - -EINVAL: NULL.
 *
 * Ownership: lock is *borrowed*.
 * Context: inside a task.
 * Cancellation: ends the wait; nothing is lost.
 * Twin: `Lock.acquire`, `__aenter__`
 */
ASYNCIO_API int asyncio_lock_acquire(asyncio_lock_t *lock);

/** Makes the coroutine object of asyncio_lock_acquire(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_lock_acquire_coroutine(asyncio_lock_t *lock);

/**
 * Gives the lock up; the first that waits will take it.
 *
 * @param lock  the lock
 * @return 0; ASYNCIO_ERUNTIME: nobody holds it, or a waiter belongs to another thread's loop, or
 *   this is a forked child; -EINVAL: NULL.
 *
 * Ownership: lock is *borrowed*.
 * Context: loop thread.
 * Twin: `Lock.release`, `__aexit__`.
 */
ASYNCIO_API int asyncio_lock_release(asyncio_lock_t *lock);

/**
 * Returns whether a task holds the lock.
 *
 * @param lock  the lock
 * @return true if one does.
 *
 * Ownership: lock is *borrowed*.
 * Context: loop thread.
 * Twin: `Lock.locked`.
 */
ASYNCIO_API bool asyncio_lock_locked(const asyncio_lock_t *lock);

ASYNCIO_END_DECLS

#endif
