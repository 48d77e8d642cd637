/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Waiting for some or all of many awaitables, without raising what they raised.
 *
 * @code
 *     bool done[2];
 *     asyncio_awaitable_t *aws[] = {first, second};
 *     int count = asyncio_wait(aws, 2, 5.0, ASYNCIO_FIRST_COMPLETED, done);
 * @endcode
 */
#ifndef ASYNCIO_WAIT_H
#define ASYNCIO_WAIT_H

#include <asyncio/future.h>

ASYNCIO_BEGIN_DECLS

/** When asyncio_wait() is satisfied. */
typedef enum asyncio_return_when {
    ASYNCIO_ALL_COMPLETED = 0,   /**< when all are done */
    ASYNCIO_FIRST_COMPLETED = 1, /**< when one is done */
    ASYNCIO_FIRST_EXCEPTION = 2  /**< when one has failed (not cancelled), or all are done */
} asyncio_return_when_t;

/**
 * Waits until all, or the first, of some awaitables are done, or the time is over.
 *
 * Coroutine objects are made tasks and replaced in the array. Nothing is cancelled at the timeout.
 *
 * @param awaitables   count of them; where a coroutine object was, its task is afterwards: a new
 *                     reference (the same object twice: the same task, a reference each). On
 *                     failure such slots become NULL; when this task is cancelled the tasks stay.
 * @param count        1 and more; 0 is -EINVAL.
 * @param timeout      seconds, or ASYNCIO_FOREVER; NaN is -EINVAL.
 * @param return_when  which.
 * @param ret_done     room for count flags: whether each is done now; NULL drops them.
 * @return
 *   - 0 and more: how many are done.
 *   - -ECANCELED: this task was cancelled; the awaitables continue.
 *   - -EINVAL: none given, no awaitable, of another loop, a bad timeout or return_when.
 *   - -ENOMEM: out of memory.
 *   - ASYNCIO_ERUNTIME: not inside a task.
 *
 * Ownership: coroutine objects are *taken*, also on failure; futures are *borrowed*.
 * Context: inside a task.
 * Cancellation: leaves the awaitables alone.
 * Twin: `asyncio.wait`.
 */
ASYNCIO_API int asyncio_wait(asyncio_awaitable_t **awaitables, size_t count, double timeout,
                             asyncio_return_when_t return_when, bool *ret_done);

/** Makes the coroutine object of asyncio_wait(); the array is copied. */
ASYNCIO_API asyncio_coroutine_t *asyncio_wait_coroutine(asyncio_awaitable_t *const *awaitables,
                                                        size_t count, double timeout,
                                                        asyncio_return_when_t return_when,
                                                        bool *ret_done);

ASYNCIO_END_DECLS

#endif
