/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Concurrent futures: results that cross threads.
 *
 * One is pending, then running, then once and for ever finished (a value), failed (an error) or
 * cancelled. Any thread may ask, wait and cancel; references are counted atomically. Between a
 * thread and a loop they go in both directions:
 *
 * @code
 *     int rc = asyncio_await_unref(asyncio_wrap_future(concurrent), &value);      inside a task
 *
 *     asyncio_concurrent_future_t *concurrent =
 *         asyncio_run_coroutine_threadsafe(fetch_coroutine(url), loop);           another thread
 *     int rc = asyncio_concurrent_future_result(concurrent, 5.0, &value);         blocks
 *     asyncio_concurrent_future_unref(concurrent);
 * @endcode
 */
#ifndef ASYNCIO_CONCURRENT_FUTURE_H
#define ASYNCIO_CONCURRENT_FUTURE_H

#include <asyncio/executor.h>

ASYNCIO_BEGIN_DECLS

/** Called once when the future is done, in the thread that finished it; future is *borrowed*. */
typedef void asyncio_concurrent_callback_t(asyncio_concurrent_future_t *future, void *arg);

/**
 * Makes a pending future, for who finishes it himself.
 *
 * @return a *new* reference, or NULL; then asyncio_errno() is -ENOMEM.
 *
 * Ownership: the future is *new*.
 * Context: any thread.
 * Cancellation: does not suspend.
 * Twin: `concurrent.futures.Future`.
 */
ASYNCIO_API asyncio_concurrent_future_t *asyncio_concurrent_future_new(void);

/**
 * Takes another reference.
 *
 * @param future  NULL is allowed.
 * @return future.
 *
 * Ownership: the reference is *new*.
 * Context: any thread.
 * Cancellation: does not suspend.
 * Twin: none.
 */
ASYNCIO_API asyncio_concurrent_future_t *
asyncio_concurrent_future_ref(asyncio_concurrent_future_t *future);

/**
 * Gives a reference up. The last one destroys a value that has a destructor; a job goes on.
 *
 * @param future  NULL is allowed.
 *
 * Ownership: future is *taken*.
 * Context: any thread.
 * Cancellation: does not suspend.
 * Twin: `del future`.
 */
ASYNCIO_API void asyncio_concurrent_future_unref(asyncio_concurrent_future_t *future);

/**
 * Waits until the future is done, and answers its value or its error. It blocks the thread: inside
 * a coroutine use asyncio_wrap_future().
 *
 * @param future     the future; NULL is -EINVAL.
 * @param timeout    seconds; 0 or less does not wait; ASYNCIO_FOREVER: no limit; NaN is -EINVAL.
 * @param ret_value  where to put the value; NULL drops it.
 * @return
 *   - 0: *ret_value is the value.
 *   - -ETIMEDOUT: the time was over (or the job answered that).
 *   - -ECANCELED: it was cancelled.
 *   - -EINVAL: NULL, or NaN.
 *   - any other: the code that it failed with; the details are in the slot.
 *
 * Ownership: the value is *borrowed* as long as the future lives.
 * Context: any thread.
 * Cancellation: does not suspend.
 * Twin: `concurrent.futures.Future.result`.
 */
ASYNCIO_API int asyncio_concurrent_future_result(asyncio_concurrent_future_t *future,
                                                 double timeout, void **ret_value);

/**
 * Waits until the future is done, and answers its error.
 *
 * @param future     the future; NULL is -EINVAL.
 * @param timeout    seconds, as for asyncio_concurrent_future_result().
 * @param ret_error  where to put the error, or NULL where it has none; NULL drops it.
 * @return 0; -ETIMEDOUT; -ECANCELED; -EINVAL.
 *
 * Ownership: the error is *new*.
 * Context: any thread.
 * Cancellation: does not suspend.
 * Twin: `concurrent.futures.Future.exception`.
 */
ASYNCIO_API int asyncio_concurrent_future_exception(asyncio_concurrent_future_t *future,
                                                    double timeout, asyncio_error_t **ret_error);

/**
 * Cancels a future that is pending: its job never runs, its coroutine's task is cancelled.
 *
 * @param future  the future; NULL is -EINVAL.
 * @return
 *   - 1: cancelled, now or before.
 *   - 0: it is running or done.
 *   - -EINVAL: NULL.
 *
 * Ownership: future is *borrowed*.
 * Context: any thread; its callbacks are called in this one.
 * Cancellation: does not suspend.
 * Twin: `concurrent.futures.Future.cancel`.
 */
ASYNCIO_API int asyncio_concurrent_future_cancel(asyncio_concurrent_future_t *future);

/**
 * Answers whether a future is finished, failed or cancelled.
 *
 * @param future  NULL is false.
 * @return true once it is neither pending nor running.
 *
 * Ownership: future is *borrowed*.
 * Context: any thread.
 * Cancellation: does not suspend.
 * Twin: `concurrent.futures.Future.done`.
 */
ASYNCIO_API bool asyncio_concurrent_future_done(asyncio_concurrent_future_t *future);

/**
 * Answers whether a future was cancelled.
 *
 * @param future  NULL is false.
 * @return true if it is done by a cancel.
 *
 * Ownership: future is *borrowed*.
 * Context: any thread.
 * Cancellation: does not suspend.
 * Twin: `concurrent.futures.Future.cancelled`.
 */
ASYNCIO_API bool asyncio_concurrent_future_cancelled(asyncio_concurrent_future_t *future);

/**
 * Answers whether a future is running: it can no longer be cancelled, and is not done.
 *
 * @param future  NULL is false.
 * @return true while its job runs.
 *
 * Ownership: future is *borrowed*.
 * Context: any thread.
 * Cancellation: does not suspend.
 * Twin: `concurrent.futures.Future.running`.
 */
ASYNCIO_API bool asyncio_concurrent_future_running(asyncio_concurrent_future_t *future);

/**
 * Adds a callback for when the future is done; if it is, it is called before this call returns.
 *
 * @param future  the future.
 * @param fn      the callback; NULL is -EINVAL.
 * @param arg     passed to it.
 * @return 0; -EINVAL; -ENOMEM: not added.
 *
 * Ownership: arg is *borrowed* until it was called.
 * Context: any thread; the callback is called in the thread that finishes the future.
 * Cancellation: does not suspend.
 * Twin: `concurrent.futures.Future.add_done_callback`.
 */
ASYNCIO_API int asyncio_concurrent_future_add_done_callback(asyncio_concurrent_future_t *future,
                                                            asyncio_concurrent_callback_t *fn,
                                                            void *arg);

/**
 * Says that the work begins: the future is running, and can no longer be cancelled.
 *
 * @param future  of asyncio_concurrent_future_new().
 * @return
 *   - 1: it is running.
 *   - 0: it was cancelled: leave the work undone.
 *   - ASYNCIO_EINVALIDSTATE: it is running or done already, or is not the caller's to finish.
 *   - -EINVAL: NULL.
 *
 * Ownership: future is *borrowed*.
 * Context: any thread.
 * Cancellation: does not suspend.
 * Twin: `concurrent.futures.Future.set_running_or_notify_cancel`.
 */
ASYNCIO_API int
asyncio_concurrent_future_set_running_or_notify_cancel(asyncio_concurrent_future_t *future);

/**
 * Finishes a future with a value.
 *
 * @param future   of asyncio_concurrent_future_new().
 * @param value    the value.
 * @param destroy  run when the last reference goes; NULL for none.
 * @return
 *   - 0: finished; its callbacks were called.
 *   - ASYNCIO_EINVALIDSTATE: it is done, or is not the caller's to finish; value is not taken.
 *   - -EINVAL: NULL.
 *
 * Ownership: value is *taken* if there is a destructor, else *borrowed*.
 * Context: any thread.
 * Cancellation: does not suspend.
 * Twin: `concurrent.futures.Future.set_result`.
 */
ASYNCIO_API int asyncio_concurrent_future_set_result(asyncio_concurrent_future_t *future,
                                                     void *value, asyncio_destroy_t *destroy);

/**
 * Finishes a future with an error; details of that code in the slot go with it.
 *
 * @param future  of asyncio_concurrent_future_new().
 * @param code    a negative code; 0 or more is -EINVAL.
 * @return as asyncio_concurrent_future_set_result().
 *
 * Ownership: nothing is taken.
 * Context: any thread.
 * Cancellation: does not suspend.
 * Twin: `concurrent.futures.Future.set_exception`.
 */
ASYNCIO_API int asyncio_concurrent_future_set_exception(asyncio_concurrent_future_t *future,
                                                        int code);

/**
 * Makes a concurrent future awaitable: a future of the running loop that ends as it does.
 *
 * Cancelling the one cancels the other, unless that is running.
 *
 * @param future  the concurrent future; NULL is answered as the code of asyncio_errno().
 * @return a *new* reference, or NULL; then asyncio_errno() is -EINVAL, -ENOMEM, or
 *   ASYNCIO_ERUNTIME (no running loop).
 *
 * Ownership: future is *borrowed*, the answer is *new*; it keeps the concurrent one, whose value
 *   it borrows, alive.
 * Context: loop thread, with the loop running.
 * Cancellation: does not suspend.
 * Twin: `asyncio.wrap_future`.
 */
ASYNCIO_API asyncio_future_t *asyncio_wrap_future(asyncio_concurrent_future_t *future);

/**
 * Runs a coroutine as a task of a loop in another thread.
 *
 * Cancelling the answer cancels the task. If the loop closes first, it fails with
 * ASYNCIO_ERUNTIME.
 *
 * @param coroutine  the object; NULL is answered as the code of asyncio_errno().
 * @param loop       the loop; it must not be freed during the call.
 * @return a *new* reference, or NULL; then asyncio_errno() is -EINVAL, -ENOMEM, or
 *   ASYNCIO_ERUNTIME (the loop is closed, or this is a forked child).
 *
 * Ownership: coroutine is *taken*, also on failure; the answer is *new*.
 * Context: any thread; the coroutine belongs to the loop's from then on.
 * Cancellation: does not suspend.
 * Twin: `asyncio.run_coroutine_threadsafe`.
 */
ASYNCIO_API asyncio_concurrent_future_t *
asyncio_run_coroutine_threadsafe(asyncio_coroutine_t *coroutine, asyncio_loop_t *loop);

ASYNCIO_END_DECLS

#endif
