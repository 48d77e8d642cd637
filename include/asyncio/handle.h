/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Handles: callbacks that the loop will run, soon or at a time, and how to call them off.
 *
 * @code
 *     asyncio_handle_t *handle = NULL;
 *     asyncio_loop_call_later(loop, 5.0, give_up, connection, &handle);
 *     ...
 *     asyncio_handle_cancel(handle);       it will not be called
 *     asyncio_handle_unref(handle);
 * @endcode
 *
 * Who does not want the handle passes NULL. A timer handle is a handle with a deadline.
 */
#ifndef ASYNCIO_HANDLE_H
#define ASYNCIO_HANDLE_H

#include <asyncio/api.h>

ASYNCIO_BEGIN_DECLS

/** What the loop calls. */
typedef void asyncio_callback_t(void *arg);

/**
 * Takes another reference.
 *
 * @param handle  NULL is allowed.
 * @return handle.
 *
 * Ownership: the reference is *new*.
 * Context: any thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_handle_t *asyncio_handle_ref(asyncio_handle_t *handle);

/**
 * Gives a reference up; the callback is called all the same.
 *
 * @param handle  NULL is allowed.
 *
 * Ownership: handle is *taken*.
 * Context: any thread.
 * Twin: `del handle`.
 */
ASYNCIO_API void asyncio_handle_unref(asyncio_handle_t *handle);

/**
 * Calls a callback off; one that has run, or was called off before, stays as it is.
 *
 * @param handle  NULL is allowed.
 *
 * Ownership: handle is *borrowed*.
 * Context: loop thread; of call_soon_threadsafe(), any thread (a callback that is about to begin
 *   may still run). In another thread a timer is called off too, but stays set until it is due.
 * Twin: `Handle.cancel`.
 */
ASYNCIO_API void asyncio_handle_cancel(asyncio_handle_t *handle);

/**
 * Returns whether a callback was cancelled.
 *
 * @param handle  NULL is false.
 * @return true after asyncio_handle_cancel().
 *
 * Ownership: handle is *borrowed*.
 * Context: any thread.
 * Twin: `Handle.cancelled`.
 */
ASYNCIO_API bool asyncio_handle_cancelled(const asyncio_handle_t *handle);

/**
 * Returns when a timer is due.
 *
 * @param handle  of call_later() or call_at(); of others the result is NaN.
 * @return seconds on the loop's clock.
 *
 * Ownership: handle is *borrowed*.
 * Context: loop thread.
 * Twin: `TimerHandle.when`.
 */
ASYNCIO_API double asyncio_timer_handle_when(const asyncio_timer_handle_t *handle);

/**
 * Returns the context in which a callback runs.
 *
 * @param handle  the handle.
 * @return the context, or NULL; then asyncio_errno() is -EINVAL (NULL) or -ENOMEM.
 *
 * Ownership: the result is *borrowed* as long as handle lives.
 * Context: loop thread.
 * Twin: `Handle.get_context`.
 */
ASYNCIO_API asyncio_context_t *asyncio_handle_get_context(asyncio_handle_t *handle);

ASYNCIO_END_DECLS

#endif
