/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Gathering: many awaitables at once, their results in the order in which they were given.
 *
 * @code
 *     asyncio_awaitable_t *aws[] = {factorial_coroutine("A", 2), factorial_coroutine("B", 3)};
 *     void *values[2];
 *     int rc = asyncio_gather_await(aws, 2, values);
 * @endcode
 *
 * The first error ends the gathering, and the others continue; with return_exceptions each error is
 * in the list of results. Cancelling the gathering cancels every child.
 */
#ifndef ASYNCIO_GATHER_H
#define ASYNCIO_GATHER_H

#include <asyncio/future.h>

ASYNCIO_BEGIN_DECLS

/** Options of a gathering; zero is the default of each. */
typedef struct asyncio_gather_options {
    size_t size;            /**< sizeof(asyncio_gather_options_t) */
    bool return_exceptions; /**< errors are kept in their places instead of ending it */
} asyncio_gather_options_t;

/**
 * Makes tasks of the coroutine objects, and a future that is done when all are.
 *
 * The same awaitable twice is one child in two places. Without awaitables the future is done.
 *
 * @param awaitables  count of them; a NULL among them is answered as its code.
 * @param count       0 and more.
 * @param options     NULL for the defaults.
 * @return a *new* reference, or NULL; then asyncio_errno() is -EINVAL (one of awaitables is none,
 *   or of another loop; options has a wrong size), -ENOMEM or ASYNCIO_ERUNTIME (no running loop). A
 *   coroutine object that was used before becomes a child that fails with ASYNCIO_ERUNTIME.
 *
 * Ownership: coroutine objects are *taken*, also on failure; futures are *borrowed*, and the
 *   gathering keeps a reference to each. Its value is the array of values, *borrowed*.
 * Context: loop thread, with the loop running.
 * Cancellation: asyncio_future_cancel() of the result cancels every child.
 * Twin: `asyncio.gather`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_future_t *
asyncio_gather(asyncio_awaitable_t *const *awaitables, size_t count,
               const asyncio_gather_options_t *options);

/**
 * The same for a short list: `asyncio_gather_of(3, a, b, c)`.
 *
 * @param count  how many awaitables follow.
 * @return as asyncio_gather().
 *
 * Ownership: as asyncio_gather().
 * Context: loop thread, with the loop running.
 * Cancellation: as asyncio_gather().
 * Twin: `asyncio.gather`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_future_t *asyncio_gather_of(size_t count, ...);

/**
 * Returns the result of one of the gathered awaitables.
 *
 * @param gathering  what asyncio_gather() answered.
 * @param index      from 0.
 * @param ret_value  where to put the value; NULL drops it.
 * @return
 *   - 0: *ret_value is the value.
 *   - ASYNCIO_EINVALIDSTATE: that one is not done yet.
 *   - -EINVAL: no gathering, or no such index.
 *   - any other: the code that it failed with; the details are in the slot.
 *
 * Ownership: the value is *borrowed* as long as the gathering lives.
 * Context: loop thread.
 * Twin: `results[index]`.
 */
ASYNCIO_API int asyncio_gather_result(asyncio_future_t *gathering, size_t index, void **ret_value);

/**
 * Gathers and waits in one call.
 *
 * @param awaitables  count of them.
 * @param count       0 and more.
 * @param ret_values  room for count values; NULL drops them.
 * @return
 *   - 0: all are there.
 *   - -ECANCELED: this task, or the first that failed, was cancelled.
 *   - as asyncio_gather() where it fails; any other: the code of the first error.
 *
 * Ownership: coroutine objects are *taken*, also on failure, and their values move to the caller;
 *   futures and their values are *borrowed*.
 * Context: inside a task.
 * Cancellation: cancels every child.
 * Twin: `await asyncio.gather`.
 */
ASYNCIO_API int asyncio_gather_await(asyncio_awaitable_t *const *awaitables, size_t count,
                                     void **ret_values);

/** Makes the coroutine object of asyncio_gather_await(); the array is copied. */
ASYNCIO_API asyncio_coroutine_t *
asyncio_gather_await_coroutine(asyncio_awaitable_t *const *awaitables, size_t count,
                               void **ret_values);

ASYNCIO_END_DECLS

#endif
