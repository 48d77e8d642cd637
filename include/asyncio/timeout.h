/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Timeouts: a scope that is cancelled when its time is over, and a wait with a limit.
 *
 * @code
 *     asyncio_timeout_t scope;
 *     int rc = asyncio_timeout_enter(&scope, 10.0);
 *     if (rc == 0) {
 *         rc = long_running_operation();
 *         rc = asyncio_timeout_exit(&scope, rc);       -ETIMEDOUT if it took too long
 *     }
 * @endcode
 *
 * The scope must not move while it is entered, and every enter needs its exit;
 * ASYNCIO_AUTO(timeout) before its declaration exits it on an early return (the code that is
 * returned stays as it is).
 */
#ifndef ASYNCIO_TIMEOUT_H
#define ASYNCIO_TIMEOUT_H

#include <asyncio/task.h>

ASYNCIO_BEGIN_DECLS

/** A timeout scope, in the frame of its user; its fields are private. */
typedef struct asyncio_timeout {
    void *asyncio_reserved[32]; /**< the library's */
} asyncio_timeout_t;

#if defined(__GNUC__)
/** Exits a scope when its variable goes out of scope: `ASYNCIO_AUTO(timeout) asyncio_timeout_t t;`
 *  A scope that was exited, or is zero, is left alone. */
#define ASYNCIO_AUTO(scope) __attribute__((cleanup(asyncio_##scope##_cleanup)))
#endif

/**
 * Begins a scope that is cancelled after a delay.
 *
 * @param scope  the caller's memory.
 * @param delay  seconds from now; 0 and less: at the first suspension; ASYNCIO_FOREVER: never.
 * @return 0; -EINVAL (scope is NULL, delay is NaN); ASYNCIO_ERUNTIME (not inside a task, or in a
 *   forked child); -ENOMEM (no timer).
 *
 * Ownership: scope is *borrowed* until the exit.
 * Context: inside a task.
 * Cancellation: does not suspend.
 * Twin: `asyncio.timeout`, `__aenter__`.
 */
ASYNCIO_API int asyncio_timeout_enter(asyncio_timeout_t *scope, double delay);

/**
 * Begins a scope that is cancelled at a time.
 *
 * @param scope  the caller's memory.
 * @param when   seconds on the loop's clock; ASYNCIO_FOREVER: never.
 * @return as asyncio_timeout_enter().
 *
 * Ownership: scope is *borrowed* until the exit.
 * Context: inside a task.
 * Cancellation: does not suspend.
 * Twin: `asyncio.timeout_at`, `__aenter__`.
 */
ASYNCIO_API int asyncio_timeout_enter_at(asyncio_timeout_t *scope, double when);

/**
 * Ends a scope: turns the cancel that the timeout caused into -ETIMEDOUT.
 *
 * @param scope  the scope; ending it twice is harmless.
 * @param rc     what leaves the body: 0 or more, or an error's code.
 * @return
 *   - -ETIMEDOUT: the time was over, and the body was cancelled for that alone.
 *   - -EINVAL: NULL.
 *   - ASYNCIO_ERUNTIME: the scope is another thread's, or this is a forked child; it is not left.
 *   - rc: otherwise.
 *
 * Ownership: scope is the caller's again.
 * Context: inside the task that entered it.
 * Cancellation: does not suspend.
 * Twin: `Timeout.__aexit__`.
 */
ASYNCIO_API int asyncio_timeout_exit(asyncio_timeout_t *scope, int rc);

/**
 * Moves the deadline.
 *
 * @param scope  entered, and not expired.
 * @param when   seconds on the loop's clock; ASYNCIO_FOREVER: never; NaN is -EINVAL.
 * @return 0; ASYNCIO_ERUNTIME (expired, or not entered; another thread's, or a forked child);
 *   -EINVAL; -ENOMEM (no deadline is set).
 *
 * Ownership: scope is *borrowed*.
 * Context: loop thread.
 * Twin: `Timeout.reschedule`.
 */
ASYNCIO_API int asyncio_timeout_reschedule(asyncio_timeout_t *scope, double when);

/**
 * Returns the deadline.
 *
 * @param scope  entered or exited.
 * @return seconds on the loop's clock, or ASYNCIO_FOREVER.
 *
 * Ownership: scope is *borrowed*.
 * Context: loop thread.
 * Twin: `Timeout.when`.
 */
ASYNCIO_API double asyncio_timeout_when(const asyncio_timeout_t *scope);

/**
 * Returns whether the time was over before the scope was exited.
 *
 * @param scope  entered or exited.
 * @return true if it expired.
 *
 * Ownership: scope is *borrowed*.
 * Context: loop thread.
 * Twin: `Timeout.expired`.
 */
ASYNCIO_API bool asyncio_timeout_expired(const asyncio_timeout_t *scope);

/**
 * Exits a scope that is still entered; ASYNCIO_AUTO(timeout) calls it.
 *
 * @param scope  the scope.
 *
 * Ownership: scope is the caller's again.
 * Context: inside the task that entered it.
 * Cancellation: does not suspend.
 * Twin: none.
 */
ASYNCIO_API void asyncio_timeout_cleanup(asyncio_timeout_t *scope);

/**
 * Waits for an awaitable, at most so long; at the timeout it is cancelled.
 *
 * A coroutine object runs in this task; for a timeout of 0 or less it never runs.
 *
 * @param awaitable   future, task or coroutine object.
 * @param timeout     seconds; ASYNCIO_FOREVER: no limit; NaN is -EINVAL.
 * @param ret_result  where to put the result; NULL drops it.
 * @return -ETIMEDOUT when the time was over; else as asyncio_await(); -EINVAL, -ENOMEM.
 *
 * Ownership: as asyncio_await().
 * Context: inside a task.
 * Cancellation: cancels the awaitable.
 * Twin: `asyncio.wait_for`.
 */
ASYNCIO_API int asyncio_wait_for(asyncio_awaitable_t *awaitable, double timeout,
                                 void **ret_result);
#if defined(ASYNCIO_CHECKED)
#define asyncio_wait_for(awaitable, timeout, ret_result) \
    asyncio_wait_for(ASYNCIO_CHECKED(awaitable), (timeout), (ret_result))
#endif

/**
 * Waits for a future for a limited time, gives the reference up, and moves its result out.
 *
 * `asyncio_wait_for_unref(asyncio_create_task(x), 1.0, &result)` is
 * `await wait_for(create_task(x), 1.0)`.
 *
 * @param future      the future or task.
 * @param timeout     seconds; ASYNCIO_FOREVER: no limit; NaN is -EINVAL.
 * @param ret_result  where to put the result; NULL destroys it.
 * @return as asyncio_wait_for(); -EINVAL for a coroutine object.
 *
 * Ownership: future is *taken*, also on failure; the result moves to the caller.
 * Context: inside a task.
 * Cancellation: cancels the future.
 * Twin: `asyncio.wait_for`.
 */
ASYNCIO_API int asyncio_wait_for_unref(asyncio_future_t *future, double timeout,
                                       void **ret_result);

/** Makes the coroutine object of asyncio_wait_for(); it holds a reference to a future. */
ASYNCIO_API asyncio_coroutine_t *asyncio_wait_for_coroutine(asyncio_awaitable_t *awaitable,
                                                            double timeout);

ASYNCIO_END_DECLS

#endif
