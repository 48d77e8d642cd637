/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Executors: where blocking work runs, so that the loop is not blocked.
 *
 * @warning A job cannot be stopped. When the task that waits for it is cancelled or its timeout is
 * over, the wait ends at once and the job runs on; so its argument must not be a local variable of
 * the waiting function. This writes into a stack that another task uses by then:
 *
 * @code
 *     asyncio_timeout_enter(&scope, 1.0);
 *     struct request request = {...};
 *     asyncio_to_thread(fetch, &request, NULL);            WRONG: fetch may outlive request
 * @endcode
 *
 * Pass a copy, or memory with a destructor, instead:
 *
 * @code
 *     asyncio_job_options_t copied = {.size = sizeof(copied), .copy_bytes = sizeof(request)};
 *     asyncio_to_thread_full(fetch, &request, &copied, &result);
 *     asyncio_job_options_t owned = {.size = sizeof(owned), .destroy = free};
 *     asyncio_to_thread_full(fetch, malloc(...), &owned, &result);
 * @endcode
 *
 * What runs is a function in the form of a coroutine function. It runs in another thread, may block
 * as long as it likes, and returns a code and a result:
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
 * program can write its own executor: it embeds an asyncio_executor_t as the first field, and calls
 * asyncio_job_run() or asyncio_job_cancel() once, in any thread, for each job that was submitted.
 *
 * @code
 *     static int submit(asyncio_executor_t *executor, asyncio_job_t *job)
 *     {
 *         (void)executor;
 *         asyncio_job_run(job);                            the simplest: at once, in the caller
 *         return 0;
 *     }
 * @endcode
 *
 * References to executors are counted atomically; each job holds one until it has ended.
 */
#ifndef ASYNCIO_EXECUTOR_H
#define ASYNCIO_EXECUTOR_H

#include <asyncio/coroutine.h>

ASYNCIO_BEGIN_DECLS

/** What runs jobs. */
typedef struct asyncio_executor asyncio_executor_t;
/** A function, its argument, and the future that gets its outcome. */
typedef struct asyncio_job asyncio_job_t;
/** The result of a job, for any thread; see concurrent_future.h. */
typedef struct asyncio_concurrent_future asyncio_concurrent_future_t;

/** What an executor does; the functions are called by any thread, several at a time. */
typedef struct asyncio_executor_class {
    size_t size; /**< sizeof(asyncio_executor_class_t) */
    /** Accepts a job, to run or cancel it once. Returns 0, or a negative code: then the executor
     * must not use the job any more. ASYNCIO_ERUNTIME after a shutdown. */
    int (*submit)(asyncio_executor_t *executor, asyncio_job_t *job);
    /** Refuses jobs from now on; with cancel_futures, cancels those that have not begun; with wait,
     * waits for the rest. It may be called again. NULL: nothing needs to be done. */
    void (*shutdown)(asyncio_executor_t *executor, bool wait, bool cancel_futures);
    /** The last reference was dropped, in whatever thread: frees the memory. NULL: nothing needs to
     * be done. */
    void (*destroy)(asyncio_executor_t *executor);
    /** A job was called off. Returns true if the job was waiting: the executor must not use it any
     * more. Returns false if the job will still be passed to asyncio_job_run(), which then only
     * releases it. NULL: always false. */
    bool (*withdraw)(asyncio_executor_t *executor, asyncio_job_t *job);
} asyncio_executor_class_t;

/** The first field of the implementation of an executor. */
struct asyncio_executor {
    const asyncio_executor_class_t *methods; /**< what it does */
    unsigned asyncio_refs;                   /**< the library's: references, atomic */
};

/** Options of a job; zero is the default of each. */
typedef struct asyncio_job_options {
    size_t size; /**< sizeof(asyncio_job_options_t) */
    /** The function gets a copy of this many bytes of arg, which is freed when the function has
     * returned or will never run; 0: the function gets arg itself. */
    size_t copy_bytes;
    /** Called once with the function's argument (the copy, if one was made), when the function has
     * returned or will never run: in the thread of the job, or in the thread that cancels it or
     * whose call fails. It is called before the outcome is delivered. NULL: none. */
    asyncio_destroy_t *destroy;
} asyncio_job_options_t;

/** What became of a job; see asyncio_executor_job_state(). */
typedef enum asyncio_job_state {
    ASYNCIO_JOB_PENDING,   /**< it has not begun */
    ASYNCIO_JOB_RUNNING,   /**< its function runs, whether or not its future was cancelled */
    ASYNCIO_JOB_FINISHED,  /**< its function has returned */
    ASYNCIO_JOB_CANCELLED, /**< it was cancelled before it began: its function never runs */
} asyncio_job_state_t;

/**
 * Initializes the embedded part of an executor of the program; it has one reference then.
 *
 * @param executor  the memory; NULL is -EINVAL.
 * @param methods   what it does; size must be set and submit must not be NULL.
 * @return 0; -EINVAL.
 *
 * Ownership: methods is *borrowed* as long as the executor lives; the one reference is the
 *   caller's.
 * Context: any thread.
 * Twin: `concurrent.futures.Executor.__init__`.
 */
ASYNCIO_API int asyncio_executor_init(asyncio_executor_t *executor,
                                      const asyncio_executor_class_t *methods);

/**
 * Takes another reference.
 *
 * @param executor  NULL is a no-op.
 * @return executor.
 *
 * Ownership: the reference is *new*.
 * Context: any thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_executor_t *asyncio_executor_ref(asyncio_executor_t *executor);

/**
 * Drops a reference; the last one destroys the executor.
 *
 * @param executor  NULL is a no-op.
 *
 * Ownership: executor is *taken*.
 * Context: any thread.
 * Twin: `del executor`.
 */
ASYNCIO_API void asyncio_executor_unref(asyncio_executor_t *executor);

/**
 * Lets an executor call `fn(arg, &result)`; the outcome is that of a concurrent future.
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
 * Twin: `Executor.submit`.
 */
ASYNCIO_API asyncio_concurrent_future_t *asyncio_executor_submit(asyncio_executor_t *executor,
                                                                 asyncio_coroutine_function_t *fn,
                                                                 void *arg);

/**
 * The same with options: a copy of the argument, a destructor.
 *
 * @param executor  as for asyncio_executor_submit().
 * @param fn        as for asyncio_executor_submit().
 * @param arg       what the function gets, or what is copied for it.
 * @param options   NULL for the defaults.
 * @return as asyncio_executor_submit().
 *
 * Ownership: the future is *new*; arg is *taken*, also on failure, if there is a destructor, and
 *   *borrowed* only during the call if there is a copy.
 * Context: any thread.
 * Twin: `Executor.submit`.
 */
ASYNCIO_API asyncio_concurrent_future_t *
asyncio_executor_submit_full(asyncio_executor_t *executor, asyncio_coroutine_function_t *fn,
                             void *arg, const asyncio_job_options_t *options);

/**
 * Refuses jobs from now on; calling it again is harmless.
 *
 * With wait it blocks the thread; a task uses asyncio_loop_shutdown_executor() instead.
 *
 * @param executor        the executor; NULL is -EINVAL.
 * @param wait            block until the jobs have ended. (A job that shuts down its own executor
 *                        does not wait for itself.)
 * @param cancel_futures  cancel the jobs that have not begun; otherwise they run.
 * @return 0; -EINVAL.
 *
 * Ownership: executor is *borrowed*.
 * Context: any thread.
 * Twin: `Executor.shutdown`.
 */
ASYNCIO_API int asyncio_executor_shutdown(asyncio_executor_t *executor, bool wait,
                                          bool cancel_futures);

/**
 * Runs a job in the calling thread, and passes its outcome on; for executors. A job that was
 * cancelled in the meantime is only released.
 *
 * @param job  the job; NULL is a no-op.
 *
 * Ownership: job is *taken*: the caller must not use it any more.
 * Context: any thread; inside a coroutine too, whose loop it then blocks.
 * Twin: `_WorkItem.run`.
 */
ASYNCIO_API void asyncio_job_run(asyncio_job_t *job);

/**
 * Cancels a job that was not run: its future is cancelled; for executors.
 *
 * @param job  the job; NULL is a no-op.
 *
 * Ownership: job is *taken*: the caller must not use it any more.
 * Context: any thread.
 * Twin: `work_item.future.cancel()`, as `shutdown(cancel_futures=True)` does.
 */
ASYNCIO_API void asyncio_job_cancel(asyncio_job_t *job);

/**
 * Stores a pointer in a job, so that an executor can have a queue that allocates nothing.
 *
 * @param job   the job; NULL is a no-op.
 * @param next  whatever the executor likes, such as the next job.
 *
 * Ownership: next is *borrowed*.
 * Context: the thread that holds the job, between its submit and its run or cancel.
 * Twin: none.
 */
ASYNCIO_API void asyncio_job_set_next(asyncio_job_t *job, asyncio_job_t *next);

/**
 * Returns the pointer that asyncio_job_set_next() has stored.
 *
 * @param job  the job; for NULL the result is NULL.
 * @return the pointer; NULL before it was set.
 *
 * Ownership: the result is *borrowed*.
 * Context: the thread that holds the job, between its submit and its run or cancel.
 * Twin: none.
 */
ASYNCIO_API asyncio_job_t *asyncio_job_next(const asyncio_job_t *job);

/**
 * Lets an executor call `fn(arg, &result)`; the outcome is that of a future of the loop.
 *
 * Cancelling the future of a job that has not begun cancels the job: it never runs. A job that has
 * begun runs to its end, and its outcome is dropped; asyncio_executor_job_state() tells the two
 * apart. A job may outlive its loop, which it then does not use.
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
 * Twin: `loop.run_in_executor`.
 */
ASYNCIO_API asyncio_future_t *asyncio_loop_run_in_executor(asyncio_loop_t *loop,
                                                           asyncio_executor_t *executor,
                                                           asyncio_coroutine_function_t *fn,
                                                           void *arg);

/**
 * The same with options: a copy of the argument, a destructor.
 *
 * The destructor is called exactly once, also where the call fails, or where the future is
 * cancelled or the loop is closed before the job begins or while it runs.
 *
 * @param loop      as for asyncio_loop_run_in_executor().
 * @param executor  as for asyncio_loop_run_in_executor().
 * @param fn        as for asyncio_loop_run_in_executor().
 * @param arg       what the function gets, or what is copied for it.
 * @param options   NULL for the defaults.
 * @return as asyncio_loop_run_in_executor().
 *
 * Ownership: the future is *new*; arg is *taken*, also on failure, if there is a destructor, and
 *   *borrowed* only during the call if there is a copy.
 * Context: loop thread.
 * Twin: `loop.run_in_executor`.
 */
ASYNCIO_API asyncio_future_t *
asyncio_loop_run_in_executor_full(asyncio_loop_t *loop, asyncio_executor_t *executor,
                                  asyncio_coroutine_function_t *fn, void *arg,
                                  const asyncio_job_options_t *options);

/**
 * Returns what became of the job of a future.
 *
 * After the future was cancelled this says whether the job never begins (ASYNCIO_JOB_CANCELLED),
 * still runs (ASYNCIO_JOB_RUNNING), or has returned (ASYNCIO_JOB_FINISHED); then the caller sees
 * what its function has written.
 *
 * @param future  of asyncio_loop_run_in_executor(); of a job of asyncio_executor_submit() use
 *                asyncio_concurrent_future_running().
 * @return a value of asyncio_job_state_t; -EINVAL: another future, or NULL.
 *
 * Ownership: future is *borrowed*.
 * Context: loop thread.
 * Twin: `concurrent.futures.Future.running` and `cancelled`.
 */
ASYNCIO_API int asyncio_executor_job_state(asyncio_future_t *future);

/**
 * Sets the default executor of a loop. The former one is not shut down.
 *
 * @param loop      the loop; NULL is -EINVAL.
 * @param executor  NULL is -EINVAL.
 * @return 0; -EINVAL; -ENOMEM; ASYNCIO_ERUNTIME: the loop is closed or another thread's, or its
 *   default executor was shut down.
 *
 * Ownership: the loop takes a reference of its own, and shuts the executor down when it closes.
 * Context: loop thread.
 * Twin: `loop.set_default_executor`.
 */
ASYNCIO_API int asyncio_loop_set_default_executor(asyncio_loop_t *loop,
                                                  asyncio_executor_t *executor);

/**
 * Shuts an executor down, and waits for its jobs without blocking the loop.
 *
 * The jobs are waited for in a thread of the library; the executor's shutdown method is called
 * twice: at once without wait, then with it. On the virtual clock the timeout is never over: the
 * clock stands still while a job runs.
 *
 * @param loop            the running loop; NULL is -EINVAL.
 * @param executor        the executor; NULL is -EINVAL.
 * @param cancel_futures  cancel the jobs that have not begun; otherwise they run.
 * @param timeout         seconds; ASYNCIO_FOREVER: no limit; NaN is -EINVAL.
 * @return
 *   - 0: all jobs have ended.
 *   - -ETIMEDOUT: jobs still run; the executor refuses new ones.
 *   - -ECANCELED: the task was cancelled; likewise.
 *   - -EINVAL: NULL, or NaN.
 *   - ASYNCIO_ERUNTIME: not inside a task of that loop.
 *   - -ENOMEM, -EAGAIN: the jobs were not waited for; the executor refuses new ones.
 *
 * Ownership: executor is *borrowed*.
 * Context: inside a task.
 * Cancellation: ends the wait at once; the jobs run on.
 * Twin: `Executor.shutdown`, awaited.
 */
ASYNCIO_API int asyncio_loop_shutdown_executor(asyncio_loop_t *loop, asyncio_executor_t *executor,
                                               bool cancel_futures, double timeout);

/** Makes the coroutine object of asyncio_loop_shutdown_executor(); it holds a reference. */
ASYNCIO_API asyncio_coroutine_t *
asyncio_loop_shutdown_executor_coroutine(asyncio_loop_t *loop, asyncio_executor_t *executor,
                                         bool cancel_futures, double timeout);

/**
 * Shuts the default executor down, and waits for its jobs without blocking the loop.
 *
 * From then on asyncio_loop_run_in_executor() without an executor is ASYNCIO_ERUNTIME. When the
 * timeout is over, the exception handler is called, and the jobs run on.
 *
 * On the virtual clock the timeout is never over: the clock stands still while a job runs, however
 * long that takes. A job that never ends blocks such a loop, as it blocks any other wait on it; a
 * test of that uses the real clock.
 *
 * @param loop     the running loop; NULL is -EINVAL.
 * @param timeout  seconds; ASYNCIO_FOREVER: no limit; NaN is -EINVAL.
 * @return
 *   - 0: shut down, there was none, or the timeout was over.
 *   - -ECANCELED: the task was cancelled; the jobs run on.
 *   - -EINVAL: NULL, or NaN.
 *   - ASYNCIO_ERUNTIME: not inside a task of that loop.
 *   - -ENOMEM, -EAGAIN: the jobs were not waited for; the executor is shut down all the same.
 *
 * Ownership: the loop drops its reference to the executor.
 * Context: inside a task.
 * Cancellation: ends the wait at once; the jobs run on.
 * Twin: `loop.shutdown_default_executor`.
 */
ASYNCIO_API int asyncio_loop_shutdown_default_executor(asyncio_loop_t *loop, double timeout);

/** Makes the coroutine object of asyncio_loop_shutdown_default_executor(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_loop_shutdown_default_executor_coroutine(asyncio_loop_t *loop, double timeout);

/**
 * Calls `fn(arg, &result)` in a thread of the default executor, and waits for it.
 *
 * If the task is cancelled or its timeout is over, fn may still run: see the warning at the top of
 * this header before passing the address of a local variable.
 *
 * @param fn          the function, as for asyncio_executor_submit(). It runs in a copy of the
 *                    current context.
 * @param arg         passed to it.
 * @param ret_result  where to put the result; NULL drops it.
 * @return
 *   - 0: *ret_result is the result.
 *   - -ECANCELED: the task was cancelled; fn never runs, or runs on and its result is dropped.
 *   - -EINVAL: no function.
 *   - -ENOMEM, -EAGAIN: it could not be started.
 *   - ASYNCIO_ERUNTIME: not inside a task, or the default executor was shut down.
 *   - any other: the code that fn returned; the details are in the error slot.
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

/**
 * The same with options: a copy of the argument, a destructor.
 *
 * @param fn          as for asyncio_to_thread().
 * @param arg         what the function gets, or what is copied for it.
 * @param options     NULL for the defaults.
 * @param ret_result  where to put the result; NULL drops it. It must not point into a copy of arg.
 * @return as asyncio_to_thread().
 *
 * Ownership: the result moves to the caller; arg is *taken*, also on failure, if there is a
 *   destructor, and *borrowed* only during the call if there is a copy.
 * Context: inside a task.
 * Cancellation: ends the wait at once; the copy and the destructor's argument live as long as fn.
 * Twin: `asyncio.to_thread`.
 */
ASYNCIO_API int asyncio_to_thread_full(asyncio_coroutine_function_t *fn, void *arg,
                                       const asyncio_job_options_t *options, void **ret_result);

ASYNCIO_END_DECLS

#endif
