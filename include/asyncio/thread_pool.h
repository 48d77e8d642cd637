/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The thread pool: an executor whose jobs run in threads of its own.
 *
 * Threads are started as they are needed, up to max_workers, and kept until the shutdown; the
 * thread that became idle last is used first. All signals are blocked in them.
 *
 * @code
 *     asyncio_thread_pool_options_t options = {.size = sizeof(options), .max_workers = 4};
 *     asyncio_executor_t *pool = asyncio_thread_pool_executor_new(&options);
 *     asyncio_future_t *future = asyncio_loop_run_in_executor(loop, pool, work, arg);
 *     ...
 *     asyncio_executor_shutdown(pool, true, false);         waits for the jobs
 *     asyncio_executor_unref(pool);
 * @endcode
 *
 * Dropping the last reference without a shutdown does not wait: the submitted jobs still run, then
 * the threads end.
 */
#ifndef ASYNCIO_THREAD_POOL_H
#define ASYNCIO_THREAD_POOL_H

#include <asyncio/executor.h>

ASYNCIO_BEGIN_DECLS

/** Options of a thread pool; zero is the default of each. */
typedef struct asyncio_thread_pool_options {
    size_t size;                    /**< sizeof(asyncio_thread_pool_options_t) */
    size_t max_workers;             /**< the maximum of threads; 0: min(32, processors + 4) */
    const char *thread_name_prefix; /**< their name, cut at 15 bytes; NULL: "asyncio"; copied */
} asyncio_thread_pool_options_t;

/**
 * Makes a thread pool; no thread is started yet.
 *
 * @param options  NULL for the defaults; max_workers is at most 1,000,000.
 * @return a *new* reference, or NULL; then asyncio_errno() is -ENOMEM or -EINVAL.
 *
 * Ownership: the executor is *new*.
 * Context: any thread.
 * Twin: `concurrent.futures.ThreadPoolExecutor`.
 */
ASYNCIO_API asyncio_executor_t *
asyncio_thread_pool_executor_new(const asyncio_thread_pool_options_t *options);

/**
 * Shuts a thread pool down, as asyncio_executor_shutdown() does.
 *
 * @param executor        the pool; NULL, or an executor of another kind, is -EINVAL.
 * @param wait            block until the jobs and the threads have ended; a task uses
 *                        asyncio_loop_shutdown_executor() instead.
 * @param cancel_futures  cancel the jobs that have not begun; otherwise they run.
 * @return 0; -EINVAL.
 *
 * Ownership: executor is *borrowed*.
 * Context: any thread; with wait it blocks the thread, not just the task.
 * Twin: `ThreadPoolExecutor.shutdown`.
 */
ASYNCIO_API int asyncio_thread_pool_executor_shutdown(asyncio_executor_t *executor, bool wait,
                                                      bool cancel_futures);

ASYNCIO_END_DECLS

#endif
