/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Running a program: a loop for one main coroutine, made, run and closed; and runners, which keep
 * the loop for several.
 *
 * @code
 *     int main(void)
 *     {
 *         return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0;
 *     }
 * @endcode
 *
 * A runner does the same step by step:
 *
 * @code
 *     asyncio_runner_t *runner = asyncio_runner_new(NULL);     nothing is made yet
 *     asyncio_runner_run(runner, first_coroutine(), NULL);     makes the loop
 *     asyncio_runner_run(runner, second_coroutine(), NULL);    in the same loop
 *     asyncio_runner_unref(runner);                            cancels what is left, and closes
 * @endcode
 *
 * Closing a runner cancels every task that is left and waits for them (what fails then goes to the
 * exception handler), gives the default executor 300 seconds to end, and closes the loop.
 *
 * Ctrl-C: while a runner runs in the initial thread of the process, and SIGINT has its default
 * disposition, the runner takes it. What asyncio does by an exception is done here so:
 *
 * - The first one wakes the loop, which cancels the main task. If that ends with -ECANCELED, and
 *   nobody else had cancelled it, the run returns ASYNCIO_EKEYBOARDINTERRUPT; if it continues or
 *   ends otherwise, that stands.
 * - The second one (or the first, when the main task is done already) stops the loop: the run
 *   returns ASYNCIO_EKEYBOARDINTERRUPT at the end of this turn, whatever the main task is about;
 *   closing the runner then cancels it once more. C cannot leave a function that does not return:
 *   if the loop has not even come round to the first one, since a callback or a coroutine computes
 *   or blocks, the second one has its default action, and the process ends by SIGINT.
 * - From the second one on the default disposition is in force: the third one ends the process.
 *
 * The default disposition is back when the run ends. A program that has a handler of its own for
 * SIGINT, ignores it, or watches it by asyncio_loop_add_signal_handler(), keeps that.
 */
#ifndef ASYNCIO_RUNNER_H
#define ASYNCIO_RUNNER_H

#include <asyncio/loop.h>
#include <asyncio/task.h>

ASYNCIO_BEGIN_DECLS

/** A loop that runs one main coroutine after another. */
typedef struct asyncio_runner asyncio_runner_t;

/** Makes the loop of a runner: a *new* reference, or NULL with asyncio_errno() set. */
typedef asyncio_loop_t *asyncio_loop_factory_t(void *arg);

/** Options of a runner; zero is the default of each. */
typedef struct asyncio_runner_options {
    size_t size;                                /**< sizeof(asyncio_runner_options_t) */
    int debug;                                  /**< 1: on; -1: off; 0: as the loop has it */
    const asyncio_loop_options_t *loop_options; /**< of the loop that it makes; copied */
    asyncio_loop_factory_t *loop_factory;       /**< makes the loop instead */
    void *factory_arg;                          /**< passed to it */
} asyncio_runner_options_t;

/**
 * Makes a loop, runs a coroutine as its main task, cancels what is left, and closes the loop.
 *
 * What is left is cancelled and waited for; what fails then goes to the exception handler. The
 * default executor is shut down. As a runner that is made, run once and closed.
 *
 * @param coroutine   the object; NULL is answered as the code of asyncio_errno().
 * @param ret_result  where to put the result; NULL drops it.
 * @return
 *   - 0: *ret_result is the result.
 *   - ASYNCIO_ERUNTIME: a loop is running in this thread.
 *   - ASYNCIO_EKEYBOARDINTERRUPT: ended by Ctrl-C; see above.
 *   - -EINVAL: no coroutine object.
 *   - -ENOMEM, -EMFILE, …: no loop could be made.
 *   - any other: the code that the coroutine ended with; the details are in the slot.
 *
 * Ownership: coroutine is *taken*, also on failure; the result moves to the caller.
 * Context: outside tasks and loops.
 * Twin: `asyncio.run`.
 */
ASYNCIO_API int asyncio_run(asyncio_coroutine_t *coroutine, void **ret_result);

/**
 * The same with the options of a runner.
 *
 * @param coroutine   as for asyncio_run().
 * @param options     NULL for the defaults; its size must be set.
 * @param ret_result  as for asyncio_run().
 * @return as asyncio_run(); also -EINVAL for bad options.
 *
 * Ownership: coroutine is *taken*, also on failure; the result moves to the caller.
 * Context: outside tasks and loops.
 * Twin: `asyncio.run`.
 */
ASYNCIO_API int asyncio_run_full(asyncio_coroutine_t *coroutine,
                                 const asyncio_runner_options_t *options, void **ret_result);

/**
 * Makes a runner. Its loop is made by the first call that needs it, and is set as this thread's
 * (asyncio_set_event_loop()) until the runner is closed, unless a factory has made it.
 *
 * @param options  NULL for the defaults; its size, and that of loop_options, must be set.
 * @return a *new* reference, or NULL; then asyncio_errno() is -ENOMEM, or -EINVAL (a size is not
 *   set; options for the loop beside a factory).
 *
 * Ownership: the runner is *new*; options are copied, factory_arg is *borrowed*.
 * Context: the thread that will run it.
 * Twin: `asyncio.Runner`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_runner_t *
asyncio_runner_new(const asyncio_runner_options_t *options);

/**
 * Takes another reference.
 *
 * @param runner  NULL is allowed.
 * @return runner.
 *
 * Ownership: the reference is *new*.
 * Context: the runner's thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_runner_t *asyncio_runner_ref(asyncio_runner_t *runner);

/**
 * Gives a reference up; the last one closes the runner, if it is open.
 *
 * @param runner  NULL is allowed.
 *
 * Ownership: runner is *taken*.
 * Context: the runner's thread, outside tasks and loops.
 * Twin: `del runner`.
 */
ASYNCIO_API void asyncio_runner_unref(asyncio_runner_t *runner);

/**
 * Returns the loop of a runner, which is made if there is none yet.
 *
 * @param runner  the runner.
 * @return the loop, or NULL; then asyncio_errno() is ASYNCIO_ERUNTIME ("Runner is closed"), -EINVAL
 *   (NULL, or the factory gave nothing and no code), or why no loop could be made.
 *
 * Ownership: the result is *borrowed* until the runner is closed.
 * Context: the runner's thread.
 * Twin: `Runner.get_loop`.
 */
ASYNCIO_API asyncio_loop_t *asyncio_runner_get_loop(asyncio_runner_t *runner);

/**
 * Runs a coroutine as the main task of the runner's loop, to its end.
 *
 * @param runner      the runner.
 * @param coroutine   the object; NULL is answered as the code of asyncio_errno().
 * @param ret_result  where to put the result; NULL drops it.
 * @return
 *   - 0: *ret_result is the result.
 *   - ASYNCIO_ERUNTIME: a loop is running in this thread; the runner is closed, another thread's or
 *     a forked child's; the loop was stopped before the main task's end, which stays pending.
 *   - ASYNCIO_EKEYBOARDINTERRUPT: ended by Ctrl-C; see above.
 *   - -EINVAL: no runner, or no coroutine object.
 *   - -ENOMEM, -EMFILE, …: no loop could be made.
 *   - any other: the code that the coroutine ended with; the details are in the slot.
 *
 * Ownership: coroutine is *taken*, also on failure; the result moves to the caller.
 * Context: the runner's thread, outside tasks and loops.
 * Twin: `Runner.run`.
 */
ASYNCIO_API int asyncio_runner_run(asyncio_runner_t *runner, asyncio_coroutine_t *coroutine,
                                   void **ret_result);

/**
 * Runs a coroutine as the main task of the runner's loop, in a context that is given.
 *
 * @param runner      the runner.
 * @param coroutine   the object; NULL is answered as the code of asyncio_errno().
 * @param context     of the main task; NULL: the runner's, a copy of the one that was current when
 *   its loop was made, which all its main tasks share: what one has set the next one sees.
 * @param ret_result  where to put the result; NULL drops it.
 * @return as asyncio_runner_run().
 *
 * Ownership: coroutine is *taken*, also on failure; the context is *shared*; the result moves to
 *   the caller.
 * Context: the runner's thread, outside tasks and loops.
 * Twin: `Runner.run`, `context`.
 */
ASYNCIO_API int asyncio_runner_run_full(asyncio_runner_t *runner, asyncio_coroutine_t *coroutine,
                                        asyncio_context_t *context, void **ret_result);

/**
 * Closes a runner: cancels what is left and waits for it, shuts the default executor down, closes
 * the loop. One that has not made its loop yet stays as it is; closing twice is harmless.
 *
 * @param runner  the runner.
 * @return 0; -EINVAL: NULL; ASYNCIO_ERUNTIME: a loop is running in this thread, or the runner is
 *   another thread's or a forked child's: nothing was done.
 *
 * Ownership: runner is *borrowed*.
 * Context: the runner's thread, outside tasks and loops.
 * Twin: `Runner.close`.
 */
ASYNCIO_API int asyncio_runner_close(asyncio_runner_t *runner);

ASYNCIO_END_DECLS

#endif
