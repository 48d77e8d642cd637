/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Shielding: the awaited task continues when its awaiter is cancelled.
 *
 * @code
 *     asyncio_future_t *outer = asyncio_shield(task);
 *     int rc = asyncio_await_unref(outer, &value);     a cancel ends this, not the task
 * @endcode
 */
#ifndef ASYNCIO_SHIELD_H
#define ASYNCIO_SHIELD_H

#include <asyncio/future.h>

ASYNCIO_BEGIN_DECLS

/**
 * Makes a future that ends as an awaitable does, and whose cancel does not reach it.
 *
 * @param awaitable  future, task or coroutine object.
 * @return a *new* reference: to a new future, or to the awaitable itself where it is done; NULL:
 *   asyncio_errno() is as for asyncio_ensure_future().
 *
 * Ownership: a coroutine object is *taken*, a future *borrowed*; the result is *new* and keeps a
 *   reference to what it shields. Its value is the inner one's, *borrowed*.
 * Context: loop thread, with the loop running.
 * Cancellation: of the result does not reach the awaitable; of the awaitable cancels the result.
 * Twin: `asyncio.shield`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_future_t *asyncio_shield(asyncio_awaitable_t *awaitable);
#if defined(ASYNCIO_CHECKED)
#define asyncio_shield(awaitable) asyncio_shield(ASYNCIO_CHECKED(awaitable))
#endif

ASYNCIO_END_DECLS

#endif
