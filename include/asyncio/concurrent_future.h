/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Concurrent futures: results that cross threads.
 *
 * A concurrent future is pending, then running, and finally finished (with a value), failed (with
 * an error) or cancelled. Any thread may query it, wait for it and cancel it; references are
 * counted atomically. It carries results between threads and loops in both directions:
 *
 * @code
 *     int rc = asyncio_await_unref(asyncio_wrap_future(concurrent), &value);      inside a task
 *
 *     asyncio_concurrent_future_t *concurrent =
 *         asyncio_run_coroutine_threadsafe(fetch_coroutine(url), loop);           another thread
 *     rc = asyncio_concurrent_future_result(concurrent, 5.0, &value);             blocks
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
 * Makes a pending future, which the program finishes itself.
 *
 * @return a *new* reference, or NULL; then asyncio_errno() is -ENOMEM.
 *
 * Ownership: the future is *new*.
 * Context: any thread.
 * Twin: `concurrent.futures.Future`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_concurrent_future_t *asyncio_concurrent_future_new(void);

/**
 * Takes another reference.
 *
 * @param future  NULL is a no-op.
 * @return future.
 *
 * Ownership: the reference is *new*.
 * Context: any thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_concurrent_future_t *
asyncio_concurrent_future_ref(asyncio_concurrent_future_t *future);

/**
 * Drops a reference. The last one destroys a value that has a destructor; a job is not stopped.
 *
 * @param future  NULL is a no-op.
 *
 * Ownership: future is *taken*.
 * Context: any thread.
 * Twin: `del future`.
 */
ASYNCIO_API void asyncio_concurrent_future_unref(asyncio_concurrent_future_t *future);

/**
 * Waits until the future is done, and returns its value or its error. It blocks the thread: inside
 * a coroutine use asyncio_wrap_future().
 *
 * @param future     the future; NULL is -EINVAL.
 * @param timeout    seconds; 0 or less does not wait; ASYNCIO_FOREVER: no limit; NaN is -EINVAL.
 * @param ret_value  where to put the value; NULL drops it.
 * @return
 *   - 0: *ret_value is the value.
 *   - -ETIMEDOUT: the timeout was over (or the job returned that code).
 *   - -ECANCELED: it was cancelled.
 *   - -EINVAL: NULL, or NaN.
 *   - any other: the code that it failed with; the details are in the error slot.
 *
 * Ownership: the value is *borrowed* as long as the future lives.
 * Context: any thread.
 * Twin: `concurrent.futures.Future.result`.
 */
ASYNCIO_API int asyncio_concurrent_future_result(asyncio_concurrent_future_t *future,
                                                 double timeout, void **ret_value);

/**
 * Waits until the future is done, and returns its error.
 *
 * @param future     the future; NULL is -EINVAL.
 * @param timeout    seconds, as for asyncio_concurrent_future_result().
 * @param ret_error  where to put the error (NULL if the future has none); NULL drops it.
 * @return 0; -ETIMEDOUT; -ECANCELED; -EINVAL.
 *
 * Ownership: the error is *new*.
 * Context: any thread.
 * Twin: `concurrent.futures.Future.exception`.
 */
ASYNCIO_API int asyncio_concurrent_future_exception(asyncio_concurrent_future_t *future,
                                                    double timeout, asyncio_error_t **ret_error);

/**
 * Cancels a pending future: its job never runs, or the task of its coroutine is cancelled.
 *
 * @param future  the future; NULL is -EINVAL.
 * @return
 *   - 1: cancelled, now or before.
 *   - 0: it is running or done.
 *   - -EINVAL: NULL.
 *
 * Ownership: future is *borrowed*.
 * Context: any thread; its callbacks are called in this one.
 * Twin: `concurrent.futures.Future.cancel`.
 */
ASYNCIO_API int asyncio_concurrent_future_cancel(asyncio_concurrent_future_t *future);

/**
 * Returns whether a future is finished, failed or cancelled.
 *
 * @param future  NULL is false.
 * @return true once it is neither pending nor running.
 *
 * Ownership: future is *borrowed*.
 * Context: any thread.
 * Twin: `concurrent.futures.Future.done`.
 */
ASYNCIO_API bool asyncio_concurrent_future_done(asyncio_concurrent_future_t *future);

/**
 * Returns whether a future was cancelled.
 *
 * @param future  NULL is false.
 * @return true if it was cancelled.
 *
 * Ownership: future is *borrowed*.
 * Context: any thread.
 * Twin: `concurrent.futures.Future.cancelled`.
 */
ASYNCIO_API bool asyncio_concurrent_future_cancelled(asyncio_concurrent_future_t *future);

/**
 * Returns whether a future is running: it can no longer be cancelled, and is not done.
 *
 * After asyncio_concurrent_future_cancel() has returned 0 for the future of a job, this tells a job
 * that still runs from one that has ended.
 *
 * @param future  NULL is false.
 * @return true while its job runs.
 *
 * Ownership: future is *borrowed*.
 * Context: any thread.
 * Twin: `concurrent.futures.Future.running`.
 */
ASYNCIO_API bool asyncio_concurrent_future_running(asyncio_concurrent_future_t *future);

/**
 * Adds a callback for when the future is done. If it is done already, the callback is called before
 * this call returns.
 *
 * @param future  the future.
 * @param fn      the callback; NULL is -EINVAL.
 * @param arg     passed to it.
 * @return 0; -EINVAL; -ENOMEM: not added.
 *
 * Ownership: arg is *borrowed* until the callback has been called, or the future is freed.
 * Context: any thread; the callback is called in the thread that finishes the future.
 * Twin: `concurrent.futures.Future.add_done_callback`.
 */
ASYNCIO_API int asyncio_concurrent_future_add_done_callback(asyncio_concurrent_future_t *future,
                                                            asyncio_concurrent_callback_t *fn,
                                                            void *arg);

/**
 * Marks the future as running, when its work begins: it can no longer be cancelled.
 *
 * @param future  of asyncio_concurrent_future_new().
 * @return
 *   - 1: it is running.
 *   - 0: it was cancelled: the work must not be done.
 *   - ASYNCIO_EINVALIDSTATE: it is running or done already, or not of
 *     asyncio_concurrent_future_new().
 *   - -EINVAL: NULL.
 *
 * Ownership: future is *borrowed*.
 * Context: any thread.
 * Twin: `concurrent.futures.Future.set_running_or_notify_cancel`.
 */
ASYNCIO_API int
asyncio_concurrent_future_set_running_or_notify_cancel(asyncio_concurrent_future_t *future);

/**
 * Finishes a future with a value.
 *
 * @param future   of asyncio_concurrent_future_new().
 * @param value    the value.
 * @param destroy  called with value when the last reference is dropped; NULL for none.
 * @return
 *   - 0: finished; its callbacks were called.
 *   - ASYNCIO_EINVALIDSTATE: it is done already, or not of asyncio_concurrent_future_new();
 *     value is not taken.
 *   - -EINVAL: future is NULL.
 *
 * Ownership: value is *taken* if there is a destructor, else *borrowed*.
 * Context: any thread.
 * Twin: `concurrent.futures.Future.set_result`.
 */
ASYNCIO_API int asyncio_concurrent_future_set_result(asyncio_concurrent_future_t *future,
                                                     void *value, asyncio_destroy_t *destroy);

/**
 * Finishes a future with an error; details of that code in the error slot move to it.
 *
 * @param future  of asyncio_concurrent_future_new().
 * @param code    a negative code; 0 or more is -EINVAL.
 * @return as asyncio_concurrent_future_set_result().
 *
 * Ownership: nothing is taken.
 * Context: any thread.
 * Twin: `concurrent.futures.Future.set_exception`.
 */
ASYNCIO_API int asyncio_concurrent_future_set_exception(asyncio_concurrent_future_t *future,
                                                        int code);

/**
 * Makes a concurrent future awaitable: a future of the running loop with the same outcome.
 *
 * Cancelling the new future cancels the concurrent one too, unless that is running.
 *
 * @param future  the concurrent future; for NULL the result is NULL, with the code that
 *                asyncio_errno() has already.
 * @return a *new* reference, or NULL; then asyncio_errno() is -EINVAL, -ENOMEM, or
 *   ASYNCIO_ERUNTIME (no running loop).
 *
 * Ownership: future is *borrowed*; the result is *new* and holds a reference to the concurrent
 *   future, whose value it borrows.
 * Context: loop thread, with the loop running.
 * Twin: `asyncio.wrap_future`.
 */
ASYNCIO_API asyncio_future_t *asyncio_wrap_future(asyncio_concurrent_future_t *future);

/**
 * Runs a coroutine as a task of a loop in another thread.
 *
 * Cancelling the returned future cancels the task. If the loop closes first, the future fails with
 * ASYNCIO_ERUNTIME.
 *
 * @param coroutine  the object; for NULL the result is NULL, with the code that asyncio_errno() has
 *                   already.
 * @param loop       the loop; it must not be freed during the call; NULL is -EINVAL.
 * @return a *new* reference, or NULL; then asyncio_errno() is -EINVAL, -ENOMEM, or
 *   ASYNCIO_ERUNTIME (the loop is closed, or this is a forked child).
 *
 * Ownership: coroutine is *taken*, also on failure; the result is *new*.
 * Context: any thread; the coroutine belongs to the loop's from then on.
 * Twin: `asyncio.run_coroutine_threadsafe`.
 */
ASYNCIO_API asyncio_concurrent_future_t *
asyncio_run_coroutine_threadsafe(asyncio_coroutine_t *coroutine, asyncio_loop_t *loop);

ASYNCIO_END_DECLS

#endif
