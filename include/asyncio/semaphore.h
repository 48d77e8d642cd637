/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Semaphores: up to a number of tasks at a time, in the order in which they came.
 *
 * @code
 *     asyncio_semaphore_t semaphore;
 *     asyncio_semaphore_init(&semaphore, 10);
 *     int rc = asyncio_semaphore_acquire(&semaphore);       ten tasks hold it at most
 *     ...
 *     asyncio_semaphore_release(&semaphore);
 * @endcode
 */
#ifndef ASYNCIO_SEMAPHORE_H
#define ASYNCIO_SEMAPHORE_H

#include <asyncio/coroutine.h>

ASYNCIO_BEGIN_DECLS

/** A semaphore, bounded or not, in a frame or struct of the program; opaque. */
typedef struct asyncio_semaphore {
    void *asyncio_reserved[12]; /**< the library's */
} asyncio_semaphore_t;

/**
 * Prepares a semaphore.
 *
 * @param semaphore  the semaphore
 * @param value      how many may hold it; less than 0 is -EINVAL
 * @return 0; -EINVAL: NULL, or less than 0.
 *
 * Ownership: semaphore must not move until its fini.
 * Context: loop thread.
 * Twin: `asyncio.Semaphore`.
 */
ASYNCIO_API int asyncio_semaphore_init(asyncio_semaphore_t *semaphore, long value);

/**
 * Prepares a semaphore that refuses to be released more often than it was acquired.
 *
 * @param semaphore  the semaphore
 * @param value      how many may hold it; less than 0 is -EINVAL
 * @return 0; -EINVAL: NULL, or less than 0.
 *
 * Ownership: semaphore must not move until its fini.
 * Context: loop thread.
 * Twin: `asyncio.BoundedSemaphore`.
 */
ASYNCIO_API int asyncio_bounded_semaphore_init(asyncio_semaphore_t *semaphore, long value);

/**
 * Ends a semaphore, for which no task may be waiting.
 *
 * @param semaphore  NULL is allowed
 *
 * Ownership: the memory is the caller's again.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API void asyncio_semaphore_fini(asyncio_semaphore_t *semaphore);

/**
 * Waits until a slot is free, and takes it.
 *
 * @param semaphore  the semaphore
 * @return - 0: this task has it.
 *   - -ECANCELED: the task was cancelled.
 *   - ASYNCIO_ERUNTIME: not inside a task, or bound to another loop.
 *   - -EINVAL: NULL.
 *
 * Ownership: semaphore is *borrowed*.
 * Context: inside a task.
 * Cancellation: ends the wait; nothing is lost.
 * Twin: `Semaphore.acquire`, `__aenter__`.
 */
ASYNCIO_API int asyncio_semaphore_acquire(asyncio_semaphore_t *semaphore);

/** Makes the coroutine object of asyncio_semaphore_acquire(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_semaphore_acquire_coroutine(asyncio_semaphore_t *semaphore);

/**
 * Gives a slot up; the first that waits gets it.
 *
 * @param semaphore  the semaphore
 * @return 0; -EINVAL: NULL, or a bounded one released too often; ASYNCIO_ERUNTIME: a waiter is
 *   another thread's, or this is a forked child.
 *
 * Ownership: semaphore is *borrowed*.
 * Context: loop thread.
 * Twin: `Semaphore.release`, `__aexit__`.
 */
ASYNCIO_API int asyncio_semaphore_release(asyncio_semaphore_t *semaphore);

/**
 * Returns whether an acquire would wait.
 *
 * @param semaphore  the semaphore
 * @return true if it would.
 *
 * Ownership: semaphore is *borrowed*.
 * Context: loop thread.
 * Twin: `Semaphore.locked`.
 */
ASYNCIO_API bool asyncio_semaphore_locked(const asyncio_semaphore_t *semaphore);

ASYNCIO_END_DECLS

#endif
