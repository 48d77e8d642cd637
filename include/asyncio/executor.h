/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Executors: where blocking work goes, so that the loop goes on meanwhile.
 *
 * What is run is a function in the form of a coroutine function; it runs in another thread, may
 * block as long as it likes, and answers a code and a result:
 *
 * @code
 *     static int read_all(void *arg, void **ret_result)
 *     {
 *         char *text = read_whole_file(arg);               blocks a thread of the executor
 *         if (!text)
 *             return asyncio_raise(-errno, "cannot read %s", (char *)arg);
 *         return asyncio_return(ret_result, text, free);
 *     }
 *
 *     char *text;
 *     int rc = asyncio_to_thread(read_all, "/etc/motd", (void **)&text);      inside a task
 * @endcode
 *
 * Each loop makes a default executor when it is first needed: a thread pool (thread_pool.h). A
 * program can write its own: it embeds an asyncio_executor_t as the first field, and calls
 * asyncio_job_run() or asyncio_job_cancel() once, in any thread, for each job that was submitted.
 *
 * @code
 *     static int submit(asyncio_executor_t *executor, asyncio_job_t *job)
 *     {
 *         (void)executor;
 *         asyncio_job_run(job);                             the simplest: at once, in the caller
 *         return 0;
 *     }
 * @endcode
 *
 * References to executors are counted atomically; each job holds one until it has come to an end.
 */
#ifndef ASYNCIO_EXECUTOR_H
#define ASYNCIO_EXECUTOR_H

#include <asyncio/coroutine.h>

ASYNCIO_BEGIN_DECLS

/** What runs jobs. */
typedef struct asyncio_executor asyncio_executor_t;
/** A function, its argument, and who waits for its end. */
typedef struct asyncio_job asyncio_job_t;
/** The result of a job, for any thread; see concurrent_future.h. */
typedef struct asyncio_concurrent_future asyncio_concurrent_future_t;

/** What an executor does; the functions are called by any thread, several at a time. */
typedef struct asyncio_executor_class {
    size_t size; /**< sizeof(asyncio_executor_class_t) */
    /** Takes a job, to run or cancel it once. 0, or a negative code: then it was not taken, and
     * must not be touched any more. ASYNCIO_ERUNTIME after a shutdown. */
    int (*submit)(asyncio_executor_t *executor, asyncio_job_t *job);
    /** Refuses jobs from now on; cancels those that have not begun, if cancel_futures; waits for
     * the rest, if wait. It may be called again. NULL: nothing needs to be done. */
    void (*shutdown)(asyncio_executor_t *executor, bool wait, bool cancel_futures);
    /** The last reference went: gives the memory back, in whatever thread that happened. NULL:
     * nothing needs to be done. */
    void (*destroy)(asyncio_executor_t *executor);
    /** A job was called off: answers true if it was found waiting and is forgotten now; false if
     * it will be passed to asyncio_job_run() all the same, which then only lets go of it. NULL:
     * always false. */
    bool (*withdraw)(asyncio_executor_t *executor, asyncio_job_t *job);
} asyncio_executor_class_t;

/** The first field of what implements an executor. */
struct asyncio_executor {
    const asyncio_executor_class_t *methods; /**< what it does */
    unsigned asyncio_refs;                   /**< the library's: references, atomic */
};

/**
 * Prepares the embedded part of an executor of the program's own; it has one reference then.
 *
 * @param executor  the memory.
 * @param methods   what it does; submit must be there.
 * @return 0; -EINVAL: NULL, or its size is not set.
 *
 * Ownership: methods is *borrowed* as long as the executor lives; the one reference is the
 *   caller's.
 * Context: any thread.
 * Cancellation: does not suspend.
 * Twin: `concurrent.futures.Executor.__init__`.
 */
ASYNCIO_API int asyncio_executor_init(asyncio_executor_t *executor,
                                      const asyncio_executor_class_t *methods);

/**
 * Takes another reference.
 *
 * @param executor  NULL is allowed.
 * @return executor.
 *
 * Ownership: the reference is *new*.
 * Context: any thread.
 * Cancellation: does not suspend.
 * Twin: none.
 */
ASYNCIO_API asyncio_executor_t *asyncio_executor_ref(asyncio_executor_t *executor);

/**
 * Gives a reference up; the last one destroys the executor.
 *
 * @param executor  NULL is allowed.
 *
 * Ownership: executor is *taken*.
 * Context: any thread.
 * Cancellation: does not suspend.
 * Twin: `del executor`.
 */
ASYNCIO_API void asyncio_executor_unref(asyncio_executor_t *executor);

/**
 * Has an executor call `fn(arg, &result)`; the answer comes by a concurrent future.
 *
 * @param executor  the executor; NULL is -EINVAL.
 * @param fn        the function; NULL is -EINVAL. The details of an error that it raises and a
 *                  destructor that it passes to asyncio_return() go with its outcome.
 * @param arg       passed to it.
 * @return a *new* reference, or NULL; then asyncio_errno() is -EINVAL, -ENOMEM, -EAGAIN (no thread
 *   can be started), or ASYNCIO_ERUNTIME (the executor was shut down, or this is a forked child).
 *
 * Ownership: the future is *new*; arg is *borrowed* until the function has returned, or the job
 *   was cancelled before it began.
 * Context: any thread.
 * Cancellation: does not suspend.
 * Twin: `Executor.submit`.
 */
ASYNCIO_API asyncio_concurrent_future_t *asyncio_executor_submit(asyncio_executor_t *executor,
                                                                 asyncio_coroutine_function_t *fn,
                                                                 void *arg);

/**
 * Refuses jobs from now on; calling it again is harmless.
 *
 * @param executor        the executor; NULL is -EINVAL.
 * @param wait            block until the jobs have ended. (A job that shuts down its own executor
 *                        is not waited for.)
 * @param cancel_futures  cancel the jobs that have not begun; else they run.
 * @return 0; -EINVAL.
 *
 * Ownership: executor is *borrowed*.
 * Context: any thread; with wait it blocks the thread, not just the task.
 * Cancellation: does not suspend.
 * Twin: `Executor.shutdown`.
 */
ASYNCIO_API int asyncio_executor_shutdown(asyncio_executor_t *executor, bool wait,
                                          bool cancel_futures);

/**
 * Runs a job in the calling thread, and passes its outcome on; for executors.
 *
 * One that was cancelled meanwhile does not run.
 *
 * @param job  the job; NULL is ignored.
 *
 * Ownership: job is *taken*: it must not be touched afterwards.
 * Context: any thread; inside a coroutine too, whose loop it then holds up.
 * Cancellation: does not suspend.
 * Twin: `_WorkItem.run`.
 */
ASYNCIO_API void asyncio_job_run(asyncio_job_t *job);

/**
 * Cancels a job that was not run: who waits for it sees CancelledError; for executors.
 *
 * @param job  the job; NULL is ignored.
 *
 * Ownership: job is *taken*: it must not be touched afterwards.
 * Context: any thread.
 * Cancellation: does not suspend.
 * Twin: `work_item.future.cancel()`, as `shutdown(cancel_futures=True)` does.
 */
ASYNCIO_API void asyncio_job_cancel(asyncio_job_t *job);

/**
 * Keeps a pointer in a job, so that an executor can have a queue without memory of its own.
 *
 * @param job   the job; NULL is ignored.
 * @param next  whatever the executor likes, such as the next job.
 *
 * Ownership: next is *borrowed*.
 * Context: who holds the job, between its submit and its run or cancel.
 * Cancellation: does not suspend.
 * Twin: none.
 */
ASYNCIO_API void asyncio_job_set_next(asyncio_job_t *job, asyncio_job_t *next);

/**
 * Answers the pointer that asyncio_job_set_next() keeps.
 *
 * @param job  the job; NULL is NULL.
 * @return the pointer; NULL before it was set.
 *
 * Ownership: the answer is *borrowed*.
 * Context: who holds the job, between its submit and its run or cancel.
 * Cancellation: does not suspend.
 * Twin: none.
 */
ASYNCIO_API asyncio_job_t *asyncio_job_next(const asyncio_job_t *job);

/**
 * Has an executor call `fn(arg, &result)`; the answer comes by a future of the loop.
 *
 * Cancelling the future of a job that has not begun takes the job back: it never runs. One that
 * has begun goes on, and its outcome is dropped. A job may outlive its loop: it then touches
 * nothing of it.
 *
 * @param loop      the loop; NULL means the running one.
 * @param executor  NULL means the loop's default, which is made when it is first needed.
 * @param fn        the function, as for asyncio_executor_submit().
 * @param arg       passed to it.
 * @return a *new* reference, or NULL; then asyncio_errno() is -EINVAL (no function), -ENOMEM,
 *   -EAGAIN (no thread can be started), or ASYNCIO_ERUNTIME (the executor was shut down; the loop
 *   is closed or another thread's, or none runs).
 *
 * Ownership: the future is *new*; executor is *borrowed*; arg is *borrowed* until the function has
 *   returned, or the job was cancelled before it began.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: `loop.run_in_executor`.
 */
ASYNCIO_API asyncio_future_t *asyncio_loop_run_in_executor(asyncio_loop_t *loop,
                                                           asyncio_executor_t *executor,
                                                           asyncio_coroutine_function_t *fn,
                                                           void *arg);

/**
 * Sets the default executor of a loop. The former one is not shut down.
 *
 * @param loop      the loop; NULL is -EINVAL.
 * @param executor  NULL is -EINVAL.
 * @return 0; -EINVAL; -ENOMEM; ASYNCIO_ERUNTIME: the loop is closed or another thread's, or its
 *   default executor was shut down.
 *
 * Ownership: the loop takes a reference of its own, and shuts the executor down at its close.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: `loop.set_default_executor`.
 */
ASYNCIO_API int asyncio_loop_set_default_executor(asyncio_loop_t *loop,
                                                  asyncio_executor_t *executor);

/**
 * Shuts the default executor down, and waits for its jobs to end.
 *
 * From then on asyncio_loop_run_in_executor() without an executor is ASYNCIO_ERUNTIME. If the time
 * runs out, the exception handler is told, and the jobs are left to themselves.
 *
 * On the virtual clock the time does not run out: it stands still while a job is in flight, however
 * long that takes, so that a job takes no time at all. A job that never ends holds such a loop, as
 * it holds any other wait on it; who tests for that uses the real clock.
 *
 * @param loop     the running loop; NULL is -EINVAL.
 * @param timeout  seconds; ASYNCIO_FOREVER: no limit; NaN is -EINVAL.
 * @return
 *   - 0: shut down, there was none, or the time ran out.
 *   - -ECANCELED: the task was cancelled; the shutdown goes on.
 *   - -EINVAL: NULL, or NaN.
 *   - ASYNCIO_ERUNTIME: not inside a task of that loop.
 *   - -ENOMEM, -EAGAIN: nothing was waited for; it is shut down all the same.
 *
 * Ownership: the loop gives its reference to the executor up.
 * Context: inside a task.
 * Cancellation: ends the wait at once; the jobs go on.
 * Twin: `loop.shutdown_default_executor`.
 */
ASYNCIO_API int asyncio_loop_shutdown_default_executor(asyncio_loop_t *loop, double timeout);

/** Makes the coroutine object of asyncio_loop_shutdown_default_executor(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_loop_shutdown_default_executor_coroutine(asyncio_loop_t *loop, double timeout);

/**
 * Calls `fn(arg, &result)` in a thread of the default executor, and waits for it.
 *
 * @param fn          the function, as for asyncio_executor_submit().
 * @param arg         passed to it.
 * @param ret_result  where to put the result; NULL drops it.
 * @return
 *   - 0: *ret_result is the result.
 *   - -ECANCELED: the task was cancelled; fn never runs, or goes on and its result is dropped.
 *   - -EINVAL: no function.
 *   - -ENOMEM, -EAGAIN: it could not be started.
 *   - ASYNCIO_ERUNTIME: not inside a task, or the default executor was shut down.
 *   - any other: the code that fn answered; the details are in the slot.
 *
 * Ownership: the result moves to the caller; arg is *borrowed* until the function has returned
 *   (after a cancel that may be later than this call).
 * Context: inside a task.
 * Cancellation: ends the wait at once.
 * Twin: `asyncio.to_thread`.
 */
ASYNCIO_API int asyncio_to_thread(asyncio_coroutine_function_t *fn, void *arg, void **ret_result);

/** Makes the coroutine object of asyncio_to_thread(); its result is that of fn. */
ASYNCIO_API asyncio_coroutine_t *asyncio_to_thread_coroutine(asyncio_coroutine_function_t *fn,
                                                             void *arg);

ASYNCIO_END_DECLS

#endif
