/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Tasks: coroutine objects wrapped in futures, run by the loop.
 *
 * A task makes progress whenever its creator awaits something else, awaited or not. The loop
 * holds a reference to every pending task: none vanishes because nobody kept it.
 *
 * @code
 *     asyncio_task_t *task = asyncio_create_task(say_coroutine("hello"));   runs next turn
 *     ...
 *     int rc = asyncio_await_unref(task, NULL);
 * @endcode
 *
 * Everything that takes a future takes a task.
 */
#ifndef ASYNCIO_TASK_H
#define ASYNCIO_TASK_H

#include <asyncio/future.h>

ASYNCIO_BEGIN_DECLS

/** Options of a task; zero is the default of each. */
typedef struct asyncio_task_options {
    size_t size;                /**< sizeof(asyncio_task_options_t) */
    const char *name;           /**< copied; NULL: "Task-N" */
    asyncio_context_t *context; /**< *shared*: its context; NULL: a copy of the current one */
    int eager_start;            /**< above 0: its first step runs at once; below 0: next turn; 0:
                                     next turn, or as the loop's task factory has it */
} asyncio_task_options_t;

/**
 * Makes a task of a coroutine object; its first step runs in the next turn of the running loop.
 *
 * @param coroutine  the object; a NULL returns NULL and leaves asyncio_errno() as it is.
 * @param place      the place for reports; asyncio_create_task() passes it.
 * @return a *new* reference, or NULL; then asyncio_errno() is -ENOMEM, -EINVAL (no coroutine
 *   object) or ASYNCIO_ERUNTIME (no loop is running here, or it is closed). A coroutine that was
 *   used before becomes a task that fails with ASYNCIO_ERUNTIME.
 *
 * Ownership: coroutine is *taken*, also on failure; the task is *new*.
 * Context: loop thread, with the loop running.
 * Twin: `asyncio.create_task`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_task_t *
asyncio_create_task_at(asyncio_coroutine_t *coroutine, const char *place);
#define asyncio_create_task(coroutine) asyncio_create_task_at((coroutine), ASYNCIO_PLACE)

/**
 * Makes a task with a name, a context or an eager start.
 *
 * With `eager_start` the body runs at once, as the new task, up to its first suspension: what need
 * not wait ends before this call returns, and never goes through the loop. So the order changes in
 * which things happen, and what the body does happens inside its creator. On a loop that does not
 * run, such a task begins in the first turn.
 *
 * @param coroutine  the object.
 * @param options    NULL for the defaults.
 * @param place      the place for reports; the macro passes it.
 * @return as asyncio_create_task(); -EINVAL for bad options; ASYNCIO_ERUNTIME for an eager start in
 *   the context that is current.
 *
 * Ownership: coroutine is *taken*, also on failure; the context is *shared*; the task is *new*.
 * Context: loop thread, with the loop running.
 * Twin: `asyncio.create_task`, `name`, `context`, `eager_start`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_task_t *
asyncio_create_task_full_at(asyncio_coroutine_t *coroutine, const asyncio_task_options_t *options,
                            const char *place);
#define asyncio_create_task_full(coroutine, options) \
    asyncio_create_task_full_at((coroutine), (options), ASYNCIO_PLACE)

/**
 * Makes a task on a loop, which need not run yet.
 *
 * @param loop       the loop; NULL is -EINVAL.
 * @param coroutine  the object.
 * @param options    NULL for the defaults.
 * @param place      the place for reports; the macros pass it.
 * @return as asyncio_create_task_full().
 *
 * Ownership: coroutine is *taken*, also on failure; the task is *new*.
 * Context: loop thread.
 * Twin: `loop.create_task`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_task_t *
asyncio_loop_create_task_full_at(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine,
                                 const asyncio_task_options_t *options, const char *place);
#define asyncio_loop_create_task(loop, coroutine) \
    asyncio_loop_create_task_full_at((loop), (coroutine), NULL, ASYNCIO_PLACE)
#define asyncio_loop_create_task_full(loop, coroutine, options) \
    asyncio_loop_create_task_full_at((loop), (coroutine), (options), ASYNCIO_PLACE)

/**
 * Makes a task itself, whatever task factory the loop has: what a factory calls.
 *
 * @param loop       the loop; NULL means the running one.
 * @param coroutine  the object.
 * @param options    NULL for the defaults.
 * @param place      the place for reports; the macro passes it.
 * @return as asyncio_create_task_full().
 *
 * Ownership: coroutine is *taken*, also on failure; the task is *new*.
 * Context: loop thread.
 * Twin: `asyncio.Task`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_task_t *
asyncio_task_new_at(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine,
                    const asyncio_task_options_t *options, const char *place);
#define asyncio_task_new(loop, coroutine, options) \
    asyncio_task_new_at((loop), (coroutine), (options), ASYNCIO_PLACE)

/**
 * Waits for an awaitable and returns its result. A coroutine object runs now, in this task.
 *
 * What is done does not suspend.
 *
 * @param awaitable   future, task or coroutine object.
 * @param ret_result  where to put the result; NULL drops it.
 * @return
 *   - 0: *ret_result is the result.
 *   - -ECANCELED: the awaited was cancelled, or this task was.
 *   - ASYNCIO_ERUNTIME: not inside a task, its own task, another loop's future, or a coroutine
 *     object that was used before.
 *   - -EINVAL: no awaitable, or a coroutine object from inside its own body; the code of
 *     asyncio_errno() for a NULL that a constructor answered.
 *   - any other: the code of the error; the details are in the slot.
 *
 * Ownership: a coroutine object is *taken* and its result moves to the caller; a future is
 *   *borrowed* and so is its result.
 * Context: inside a task, or a coroutine driven by hand.
 * Cancellation: a cancel of this task cancels what it waits for.
 * Twin: `await`.
 */
ASYNCIO_API int asyncio_await(asyncio_awaitable_t *awaitable, void **ret_result);
#if defined(ASYNCIO_CHECKED)
#define asyncio_await(awaitable, ret_result) \
    asyncio_await(ASYNCIO_CHECKED(awaitable), (ret_result))
#endif

/**
 * Waits for a future, gives the reference up, and moves its result to the caller.
 *
 * `asyncio_await_unref(asyncio_create_task(x), &result)` is `await create_task(x)`.
 *
 * @param future      the future or task.
 * @param ret_result  where to put the result; NULL destroys it.
 * @return as asyncio_await().
 *
 * Ownership: future is *taken*, also on failure; the result moves to the caller.
 * Context: inside a task, or a coroutine driven by hand.
 * Cancellation: a cancel of this task cancels what it waits for.
 * Twin: `await`.
 */
ASYNCIO_API int asyncio_await_unref(asyncio_future_t *future, void **ret_result);

/**
 * Asks a task to end: CancelledError is raised in it at what it waits for.
 *
 * A task may catch it, clean up, and continue; asyncio_task_cancelling() counts the requests.
 *
 * @param task     the task.
 * @param message  goes with the CancelledError; copied as memory allows; NULL for none.
 * @return
 *   - 1: it was asked.
 *   - 0: it was done.
 *   - -EDEADLK: it waits in a ring of tasks that await each other; nothing was done.
 *   - -EINVAL: NULL, or no task.
 *   - ASYNCIO_ERUNTIME: another thread's.
 *
 * Ownership: task is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend; allocates nothing that it cannot do without.
 * Twin: `Task.cancel`.
 */
ASYNCIO_API int asyncio_task_cancel(asyncio_task_t *task, const char *message);

/**
 * Takes one request to cancel back.
 *
 * @param task  the task; NULL is -EINVAL.
 * @return how many requests remain; -EINVAL; ASYNCIO_ERUNTIME: the task is another thread's, or
 *   this is a forked child.
 *
 * Ownership: task is *borrowed*.
 * Context: loop thread.
 * Twin: `Task.uncancel`.
 */
ASYNCIO_API int asyncio_task_uncancel(asyncio_task_t *task);

/**
 * Returns the number of requests to cancel a task that were not undone.
 *
 * @param task  the task; NULL is -EINVAL.
 * @return the count, or -EINVAL.
 *
 * Ownership: task is *borrowed*.
 * Context: loop thread.
 * Twin: `Task.cancelling`.
 */
ASYNCIO_API int asyncio_task_cancelling(const asyncio_task_t *task);

/**
 * Returns whether an object is a task.
 *
 * @param awaitable  any awaitable; NULL is false.
 * @return true for tasks.
 *
 * Ownership: awaitable is *borrowed*.
 * Context: any thread.
 * Twin: `isinstance(x, asyncio.Task)`.
 */
ASYNCIO_API bool asyncio_istask(const asyncio_awaitable_t *awaitable);

/**
 * Takes another reference; the same as asyncio_future_ref().
 *
 * @param task  NULL is allowed.
 * @return task.
 *
 * Ownership: the reference is *new*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_task_t *asyncio_task_ref(asyncio_task_t *task);

/**
 * Gives a reference up; a pending task continues all the same.
 *
 * @param task  NULL is allowed.
 *
 * Ownership: task is *taken*.
 * Context: loop thread.
 * Twin: `del task`.
 */
ASYNCIO_API void asyncio_task_unref(asyncio_task_t *task);

/**
 * Gives a reference up and lets the task run on its own; an error goes to the exception handler.
 *
 * @param task  NULL (and the code of asyncio_errno()) is answered as that code.
 * @return 0, or the code why there is no task; ASYNCIO_ERUNTIME: it is another thread's, or this
 *   is a forked child: then the reference stays.
 *
 * Ownership: task is *taken*.
 * Context: loop thread.
 * Twin: `create_task` without keeping the task.
 */
ASYNCIO_API int asyncio_task_detach(asyncio_task_t *task);

/**
 * Returns the name of a task.
 *
 * @param task  NULL is "".
 * @return its name: as given, or "Task-N": a number of its own, which grows in each thread.
 *
 * Ownership: the string is *borrowed* until the name is set or the task ends.
 * Context: loop thread.
 * Twin: `Task.get_name`.
 */
ASYNCIO_API const char *asyncio_task_get_name(asyncio_task_t *task);

/**
 * Gives a task a name.
 *
 * @param task  the task.
 * @param name  copied; NULL is -EINVAL.
 * @return 0; or, and the old name stands, -EINVAL, -ENOMEM or ASYNCIO_ERUNTIME (the task is another
 *   thread's, or this is a forked child).
 *
 * Ownership: name is *borrowed*.
 * Context: loop thread.
 * Twin: `Task.set_name`.
 */
ASYNCIO_API int asyncio_task_set_name(asyncio_task_t *task, const char *name);

/**
 * Returns the coroutine object that a task runs.
 *
 * @param task  the task; NULL is NULL.
 * @return the object, or NULL once the task is done.
 *
 * Ownership: the result is *borrowed* while the task is pending.
 * Context: loop thread.
 * Twin: `Task.get_coro`.
 */
ASYNCIO_API asyncio_coroutine_t *asyncio_task_get_coro(const asyncio_task_t *task);

/**
 * Returns the context in which a task runs.
 *
 * @param task  the task, done or not.
 * @return the context, or NULL; then asyncio_errno() is -EINVAL (NULL, or no task) or -ENOMEM.
 *
 * Ownership: the result is *borrowed* as long as task lives.
 * Context: loop thread.
 * Twin: `Task.get_context`.
 */
ASYNCIO_API asyncio_context_t *asyncio_task_get_context(asyncio_task_t *task);

/**
 * Returns the task that is running in this thread.
 *
 * @return the task, or NULL outside tasks.
 *
 * Ownership: the result is *borrowed*.
 * Context: any thread.
 * Twin: `asyncio.current_task`.
 */
ASYNCIO_API asyncio_task_t *asyncio_current_task(void);

/**
 * Returns the tasks of a loop that are not done, in order of creation.
 *
 * @param loop       the loop; NULL means the running one.
 * @param ret_tasks  room for capacity tasks; each gets a reference; may be NULL if capacity is 0.
 * @param capacity   of ret_tasks.
 * @return how many there are, which may be more than capacity; ASYNCIO_ERUNTIME without a loop.
 *
 * Ownership: each reference in ret_tasks is *new*.
 * Context: loop thread.
 * Twin: `asyncio.all_tasks`.
 */
ASYNCIO_API long asyncio_all_tasks(asyncio_loop_t *loop, asyncio_task_t **ret_tasks,
                                   size_t capacity);

/* ---- Task factories. ---- */

/** Makes the tasks of a loop: returns a *new* reference to a task of that loop, or NULL and leaves
 *  the code in asyncio_errno(). Coroutine is *taken*, also on failure; options are never NULL. */
typedef asyncio_task_t *asyncio_task_factory_t(asyncio_loop_t *loop,
                                               asyncio_coroutine_t *coroutine,
                                               const asyncio_task_options_t *options, void *arg);

/** An eager factory over another one; see asyncio_create_eager_task_factory(). */
typedef struct asyncio_eager_task_factory asyncio_eager_task_factory_t;

/**
 * Sets who makes the tasks of a loop: those of create_task(), of task groups, and those that
 * gather() and the others make of coroutine objects.
 *
 * `asyncio_loop_set_task_factory(loop, asyncio_eager_task_factory, NULL)` begins all tasks at once.
 *
 * @param loop     the loop.
 * @param factory  calls asyncio_task_new() as a rule; NULL restores the default.
 * @param arg      passed to it.
 * @return 0; -EINVAL (NULL loop); ASYNCIO_ERUNTIME (closed, or another thread's); -ENOMEM.
 *
 * Ownership: arg is *borrowed*.
 * Context: loop thread.
 * Twin: `loop.set_task_factory`.
 */
ASYNCIO_API int asyncio_loop_set_task_factory(asyncio_loop_t *loop,
                                              asyncio_task_factory_t *factory, void *arg);

/**
 * Returns the task factory of a loop.
 *
 * @param loop     NULL is NULL.
 * @param ret_arg  where to put what is passed to it; NULL if that is not wanted.
 * @return the factory that was set, or NULL.
 *
 * Ownership: *ret_arg is *borrowed*.
 * Context: loop thread.
 * Twin: `loop.get_task_factory`.
 */
ASYNCIO_API asyncio_task_factory_t *asyncio_loop_get_task_factory(const asyncio_loop_t *loop,
                                                                  void **ret_arg);

/**
 * A task factory: the first step of each task runs at once, unless its options say otherwise.
 *
 * @param loop       the loop.
 * @param coroutine  the object.
 * @param options    of the task.
 * @param arg        NULL, or what asyncio_create_eager_task_factory() answered.
 * @return as asyncio_create_task_full().
 *
 * Ownership: coroutine is *taken*, also on failure; the task is *new*.
 * Context: loop thread.
 * Twin: `asyncio.eager_task_factory`.
 */
ASYNCIO_API asyncio_task_t *asyncio_eager_task_factory(asyncio_loop_t *loop,
                                                       asyncio_coroutine_t *coroutine,
                                                       const asyncio_task_options_t *options,
                                                       void *arg);

/**
 * Makes an eager task factory over a constructor: the constructor is called with `eager_start` set.
 *
 * @code
 *     asyncio_eager_task_factory_t *factory = asyncio_create_eager_task_factory(make_task, state);
 *     asyncio_loop_set_task_factory(loop, asyncio_eager_task_factory, factory);
 * @endcode
 *
 * @param constructor  makes the tasks, by asyncio_task_new() as a rule; NULL is -EINVAL.
 * @param arg          passed to it.
 * @return a *new* object, which is the argument of asyncio_eager_task_factory(); or NULL; then
 *   asyncio_errno() is -ENOMEM or -EINVAL.
 *
 * Ownership: arg is *borrowed*; the object is *new*, and is needed as long as the loop uses it.
 * Context: any thread.
 * Twin: `asyncio.create_eager_task_factory`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_eager_task_factory_t *
asyncio_create_eager_task_factory(asyncio_task_factory_t *constructor, void *arg);

/**
 * Gives an eager task factory up.
 *
 * @param factory  NULL is allowed.
 *
 * Ownership: factory is *taken*.
 * Context: any thread.
 * Twin: `del factory`.
 */
ASYNCIO_API void asyncio_eager_task_factory_unref(asyncio_eager_task_factory_t *factory);

/*
 * The macros above, which pass the place of the call, as functions, which pass none: for function
 * pointers and other languages.
 */
ASYNCIO_API asyncio_task_t *(asyncio_create_task)(asyncio_coroutine_t *coroutine);
ASYNCIO_API asyncio_task_t *(asyncio_create_task_full)(asyncio_coroutine_t *coroutine,
                                                       const asyncio_task_options_t *options);
ASYNCIO_API asyncio_task_t *(asyncio_loop_create_task)(asyncio_loop_t *loop,
                                                       asyncio_coroutine_t *coroutine);
ASYNCIO_API asyncio_task_t *(asyncio_loop_create_task_full)(asyncio_loop_t *loop,
                                                            asyncio_coroutine_t *coroutine,
                                                            const asyncio_task_options_t *options);
ASYNCIO_API asyncio_task_t *(asyncio_task_new)(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine,
                                               const asyncio_task_options_t *options);

ASYNCIO_END_DECLS

#endif
