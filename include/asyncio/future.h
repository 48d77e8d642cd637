/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Futures: results that do not exist yet.
 *
 * A future is pending, then once and for ever finished (a value), failed (an error) or cancelled.
 * Its callbacks are called by the loop, in the order in which they were added, each exactly once,
 * never from inside the call that finished it. A task is a future.
 *
 * @code
 *     asyncio_future_t *future = asyncio_loop_create_future(loop);
 *     asyncio_future_set_result(future, value);       elsewhere
 *     int rc = asyncio_await(future, &value);         inside a task
 *     asyncio_future_unref(future);
 * @endcode
 *
 * The reference count is a plain integer: only the loop's thread may touch a future. When the last
 * reference to a failed future is dropped and its error was never retrieved, the loop's exception
 * handler is called.
 */
#ifndef ASYNCIO_FUTURE_H
#define ASYNCIO_FUTURE_H

#include <asyncio/coroutine.h>
#include <asyncio/error.h>

ASYNCIO_BEGIN_DECLS

/** Called by the loop when the future is done; future is *borrowed* for the call. */
typedef void asyncio_done_callback_t(asyncio_future_t *future, void *arg);

/**
 * Makes a pending future.
 *
 * @param loop   the loop; NULL means the running one.
 * @param place  the place for reports; asyncio_loop_create_future() passes it.
 * @return a *new* reference, or NULL; then asyncio_errno() is -ENOMEM, or ASYNCIO_ERUNTIME (no
 *   loop is running, it is closed, another thread's, or this is a forked child).
 *
 * Ownership: the future is *new*; the loop's memory lives at least as long.
 * Context: loop thread.
 * Twin: `loop.create_future`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_future_t *
asyncio_loop_create_future_at(asyncio_loop_t *loop, const char *place);
#define asyncio_loop_create_future(loop) asyncio_loop_create_future_at((loop), ASYNCIO_PLACE)

/**
 * Takes another reference.
 *
 * @param future  NULL is allowed.
 * @return future.
 *
 * Ownership: the reference is *new*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_future_t *asyncio_future_ref(asyncio_future_t *future);

/**
 * Gives a reference up. The last one destroys a value that was not moved out, and reports an error
 * that was never retrieved.
 *
 * @param future  NULL is allowed.
 *
 * Ownership: future is *taken*.
 * Context: loop thread.
 * Cancellation: does not suspend; a pending task continues all the same.
 * Twin: `del future`.
 */
ASYNCIO_API void asyncio_future_unref(asyncio_future_t *future);

/**
 * Returns the value or the error of a future that is done.
 *
 * @param future     the future; NULL is -EINVAL.
 * @param ret_value  where to put the value; NULL drops it.
 * @return
 *   - 0: *ret_value is the value.
 *   - ASYNCIO_EINVALIDSTATE: pending, or its value was moved out.
 *   - -ECANCELED: it was cancelled.
 *   - any other: the code that it failed with; the details are in the slot.
 *
 * Ownership: the value is *borrowed* as long as the future lives.
 * Context: loop thread, or any thread once the loop has ended.
 * Twin: `Future.result`.
 */
ASYNCIO_API int asyncio_future_result(asyncio_future_t *future, void **ret_value);

/**
 * Returns the error of a future that is done.
 *
 * @param future     the future; NULL is -EINVAL.
 * @param ret_error  where to put the error, or NULL where it has none; NULL drops it.
 * @return
 *   - 0: done, with a value or with *ret_error.
 *   - ASYNCIO_EINVALIDSTATE: pending.
 *   - -ECANCELED: it was cancelled.
 *   - -EINVAL: NULL, or no future.
 *
 * Ownership: the error is *new*.
 * Context: loop thread.
 * Twin: `Future.exception`.
 */
ASYNCIO_API int asyncio_future_exception(asyncio_future_t *future, asyncio_error_t **ret_error);

/**
 * Finishes a future with a value.
 *
 * @param future  a future that is no task.
 * @param value   the value; what it points to must live as long as it is read.
 * @return
 *   - 0: finished; its callbacks run in the next turn.
 *   - ASYNCIO_EINVALIDSTATE: it was done.
 *   - ASYNCIO_ERUNTIME: it is a task, or another thread's, or this is a forked child.
 *   - -EINVAL: NULL, or no future.
 *
 * Ownership: value is *borrowed*.
 * Context: loop thread.
 * Twin: `Future.set_result`.
 */
ASYNCIO_API int asyncio_future_set_result(asyncio_future_t *future, void *value);

/**
 * Finishes a future with a value that has a destructor.
 *
 * The destructor runs when the last reference is dropped and the value was not moved out.
 *
 * @param future   a future that is no task.
 * @param value    the value.
 * @param destroy  its destructor; NULL for none.
 * @return as asyncio_future_set_result(); on failure value is the caller's still.
 *
 * Ownership: value is *taken*.
 * Context: loop thread.
 * Twin: `Future.set_result`.
 */
ASYNCIO_API int asyncio_future_set_result_full(asyncio_future_t *future, void *value,
                                               asyncio_destroy_t *destroy);

/**
 * Finishes a future with an error.
 *
 * If the slot holds details of that code they go with it:
 * `asyncio_future_set_exception(future, asyncio_raise(code, "…"))`.
 *
 * @param future  a future that is no task.
 * @param code    a negative code; 0 or more is -EINVAL. -ECANCELED makes it fail with
 *                CancelledError, which is not the same as cancelled.
 * @return as asyncio_future_set_result().
 *
 * Ownership: nothing is taken.
 * Context: loop thread.
 * Twin: `Future.set_exception`.
 */
ASYNCIO_API int asyncio_future_set_exception(asyncio_future_t *future, int code);

/**
 * Cancels a future; of a task, asks it to end (see asyncio_task_cancel()).
 *
 * @param future   the future; NULL is -EINVAL.
 * @param message  goes with the CancelledError; copied as memory allows; NULL for none.
 * @return
 *   - 1: cancelled, or asked to be.
 *   - 0: it was done.
 *   - -EDEADLK: it waits in a ring of tasks that await each other; nothing was done.
 *   - -EINVAL: NULL, or no future.
 *   - ASYNCIO_ERUNTIME: another thread's, or this is a forked child.
 *
 * Ownership: future is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend; allocates nothing that it cannot do without.
 * Twin: `Future.cancel`.
 */
ASYNCIO_API int asyncio_future_cancel(asyncio_future_t *future, const char *message);

/**
 * Returns whether a future is finished, failed or cancelled.
 *
 * @param future  NULL is false.
 * @return true once it is no longer pending.
 *
 * Ownership: future is *borrowed*.
 * Context: loop thread.
 * Twin: `Future.done`.
 */
ASYNCIO_API bool asyncio_future_done(const asyncio_future_t *future);

/**
 * Returns whether a future was cancelled.
 *
 * @param future  NULL is false.
 * @return true if it is done by a cancel.
 *
 * Ownership: future is *borrowed*.
 * Context: loop thread.
 * Twin: `Future.cancelled`.
 */
ASYNCIO_API bool asyncio_future_cancelled(const asyncio_future_t *future);

/**
 * Adds a callback for when the future is done; if it is, the loop calls it in the next turn.
 *
 * @param future  the future.
 * @param fn      the callback; NULL is -EINVAL.
 * @param arg     passed to it.
 * @param place   the place for reports; the macro passes it.
 * @return
 *   - 0: added.
 *   - -ENOMEM: not added.
 *   - -EINVAL: NULL, or no future.
 *   - ASYNCIO_ERUNTIME: the loop is closed, or another thread's, or this is a forked child.
 *
 * Ownership: arg is *borrowed* until it was called; the future stays alive for the call.
 * Context: loop thread.
 * Twin: `Future.add_done_callback`.
 */
ASYNCIO_API int asyncio_future_add_done_callback_at(asyncio_future_t *future,
                                                    asyncio_done_callback_t *fn, void *arg,
                                                    const char *place);
#define asyncio_future_add_done_callback(future, fn, arg) \
    asyncio_future_add_done_callback_at((future), (fn), (arg), ASYNCIO_PLACE)

/**
 * Adds a callback for when the future is done, which runs in a context that is given.
 *
 * @param future   the future.
 * @param fn       the callback; NULL is -EINVAL.
 * @param arg      passed to it.
 * @param context  the context in which it runs; NULL: a copy of the current one.
 * @param place    the place for reports; the macro passes it.
 * @return as asyncio_future_add_done_callback().
 *
 * Ownership: arg is *borrowed* until it was called; context is *shared*: what the callback sets
 *   stays in it.
 * Context: loop thread.
 * Twin: `Future.add_done_callback`, `context`.
 */
ASYNCIO_API int asyncio_future_add_done_callback_full_at(asyncio_future_t *future,
                                                         asyncio_done_callback_t *fn, void *arg,
                                                         asyncio_context_t *context,
                                                         const char *place);
#define asyncio_future_add_done_callback_full(future, fn, arg, context) \
    asyncio_future_add_done_callback_full_at((future), (fn), (arg), (context), ASYNCIO_PLACE)

/**
 * Removes a callback, as often as it was added; one that is about to run will run.
 *
 * @param future  the future.
 * @param fn      the callback that was added.
 * @param arg     the argument that it was added with.
 * @return how many were removed; -EINVAL: NULL, or no future; ASYNCIO_ERUNTIME: another thread's,
 *   or this is a forked child.
 *
 * Ownership: nothing.
 * Context: loop thread.
 * Twin: `Future.remove_done_callback`.
 */
ASYNCIO_API int asyncio_future_remove_done_callback(asyncio_future_t *future,
                                                    asyncio_done_callback_t *fn, void *arg);

/**
 * Returns the loop of a future.
 *
 * @param future  NULL is NULL.
 * @return the loop.
 *
 * Ownership: the result is *borrowed* as long as future lives.
 * Context: loop thread.
 * Twin: `Future.get_loop`.
 */
ASYNCIO_API asyncio_loop_t *asyncio_future_get_loop(const asyncio_future_t *future);

/**
 * Returns whether an object is a future or a task.
 *
 * @param awaitable  any awaitable; NULL is false.
 * @return true for futures and tasks.
 *
 * Ownership: awaitable is *borrowed*.
 * Context: any thread.
 * Twin: `asyncio.isfuture`.
 */
ASYNCIO_API bool asyncio_isfuture(const asyncio_awaitable_t *awaitable);

/**
 * Makes a future of any awaitable: a coroutine object becomes a task, a future stays itself.
 *
 * @param awaitable  future, task or coroutine object.
 * @return a *new* reference, or NULL; then asyncio_errno() says why: -EINVAL (no awaitable, or a
 *   future of another loop), -ENOMEM, ASYNCIO_ERUNTIME (no running loop). A coroutine object that
 *   was used before becomes a task that fails with ASYNCIO_ERUNTIME.
 *
 * Ownership: a coroutine object is *taken*, a future *borrowed*; the result is *new*.
 * Context: loop thread, with the loop running.
 * Twin: `asyncio.ensure_future`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_future_t *
asyncio_ensure_future(asyncio_awaitable_t *awaitable);
#if defined(ASYNCIO_CHECKED)
#define asyncio_ensure_future(awaitable) asyncio_ensure_future(ASYNCIO_CHECKED(awaitable))
#endif

/*
 * The macros above, which pass the place of the call, as functions, which pass none: for function
 * pointers and other languages.
 */
ASYNCIO_API asyncio_future_t *(asyncio_loop_create_future)(asyncio_loop_t *loop);
ASYNCIO_API int (asyncio_future_add_done_callback)(asyncio_future_t *future,
                                                   asyncio_done_callback_t *fn, void *arg);
ASYNCIO_API int (asyncio_future_add_done_callback_full)(asyncio_future_t *future,
                                                        asyncio_done_callback_t *fn, void *arg,
                                                        asyncio_context_t *context);

ASYNCIO_END_DECLS

#endif
