/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Awaitables in the order in which they complete.
 *
 * @code
 *     asyncio_as_completed_t *it = asyncio_as_completed(aws, count, ASYNCIO_FOREVER);
 *     asyncio_future_t *future;
 *     while ((rc = asyncio_as_completed_next(it, &future)) > 0)
 *         rc = asyncio_future_result(future, &value);
 *     asyncio_as_completed_unref(it);
 * @endcode
 */
#ifndef ASYNCIO_AS_COMPLETED_H
#define ASYNCIO_AS_COMPLETED_H

#include <asyncio/future.h>

ASYNCIO_BEGIN_DECLS

/** The iteration; opaque. */
typedef struct asyncio_as_completed asyncio_as_completed_t;

/**
 * Begins an iteration over awaitables in the order in which they complete.
 *
 * @param awaitables  count of them; coroutine objects become tasks, in order; one listed twice
 *                    counts once.
 * @param count       0 and more.
 * @param timeout     seconds for the whole; ASYNCIO_FOREVER: no limit; NaN is -EINVAL.
 * @return a *new* iteration, or NULL; then asyncio_errno() is as for asyncio_gather().
 *
 * Ownership: coroutine objects are *taken*, also on failure; futures are *borrowed*, and the
 *   iteration keeps a reference to each.
 * Context: loop thread, with the loop running.
 * Twin: `asyncio.as_completed`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_as_completed_t *
asyncio_as_completed(asyncio_awaitable_t *const *awaitables, size_t count, double timeout);

/**
 * Waits for the next one to complete.
 *
 * @param iteration   the iteration.
 * @param ret_future  where to put the future, which is done.
 * @return
 *   - 1: *ret_future is done.
 *   - 0: there are no more.
 *   - -ETIMEDOUT: the time is over for the rest, which continue.
 *   - -ECANCELED: this task was cancelled; the awaitables continue.
 *   - -EINVAL: iteration or ret_future is NULL.
 *   - ASYNCIO_ERUNTIME: not inside a task.
 *
 * Ownership: the future is *borrowed* as long as the iteration lives.
 * Context: inside a task.
 * Cancellation: leaves the awaitables alone.
 * Twin: `__anext__`.
 */
ASYNCIO_API int asyncio_as_completed_next(asyncio_as_completed_t *iteration,
                                          asyncio_future_t **ret_future);

/** Makes the coroutine object of asyncio_as_completed_next(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_as_completed_next_coroutine(asyncio_as_completed_t *iteration,
                                    asyncio_future_t **ret_future);

/**
 * Ends the iteration; what has not completed continues.
 *
 * @param iteration  NULL is allowed.
 *
 * Ownership: iteration is *taken*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API void asyncio_as_completed_unref(asyncio_as_completed_t *iteration);

ASYNCIO_END_DECLS

#endif
