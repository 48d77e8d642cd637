/* SPDX-License-Identifier: MIT */
/* Jobs in other threads, concurrent futures, tasks that threads start, executors of a program. */
#include "sweep.h"

#include <stdlib.h>

static int return_block(void *arg, void **ret_result)
{
    (void)arg;
    return asyncio_return(ret_result, malloc(8), free);
}

static int run_task_of_loop(void *loop, void **ret_result)
{
    (void)ret_result;
    asyncio_coroutine_t *coroutine = asyncio_coroutine(sweep_work, NULL);
    asyncio_concurrent_future_t *future = asyncio_run_coroutine_threadsafe(coroutine, loop);
    if (!future)
        return asyncio_errno();
    int rc = asyncio_concurrent_future_result(future, ASYNCIO_FOREVER, NULL);
    asyncio_concurrent_future_unref(future);
    return rc;
}

static void do_nothing(asyncio_concurrent_future_t *future, void *arg)
{
    (void)future, (void)arg;
}

static void use_pool(asyncio_executor_t *pool)
{
    asyncio_concurrent_future_t *future = asyncio_executor_submit(pool, return_block, NULL);
    if (is_there(future)) {
        may(asyncio_concurrent_future_add_done_callback(future, do_nothing, NULL));
        asyncio_future_t *wrapper = asyncio_wrap_future(future);
        if (is_there(wrapper))
            may(asyncio_await_unref(wrapper, NULL));
        may(asyncio_concurrent_future_result(future, ASYNCIO_FOREVER, NULL));
    }
    asyncio_concurrent_future_unref(future);
    asyncio_future_t *cancelled = asyncio_loop_run_in_executor(NULL, pool, return_block, NULL);
    if (is_there(cancelled))
        must(asyncio_future_cancel(cancelled, "enough") == 1);
    asyncio_future_unref(cancelled);
}

/* An executor that queues its jobs until it is told to run them. */
typedef struct row {
    asyncio_executor_t executor; /* the first field */
    asyncio_job_t *first;        /* of the row: the job submitted last */
} row_t;

static int take(asyncio_executor_t *executor, asyncio_job_t *job)
{
    row_t *row = (row_t *)executor;
    asyncio_job_set_next(job, row->first);
    row->first = job;
    return 0;
}

static void run_row(row_t *row)
{
    for (int i = 0; row->first; i++) {
        asyncio_job_t *job = row->first;
        row->first = asyncio_job_next(job);
        if (i == 0)
            asyncio_job_cancel(job);
        else
            asyncio_job_run(job);
    }
}

static void use_row(void)
{
    static const asyncio_executor_class_t methods = {.size = sizeof(methods), .submit = take};
    row_t row = {.first = NULL};
    asyncio_concurrent_future_t *futures[2];
    must(asyncio_executor_init(&row.executor, &methods) == 0);
    for (int i = 0; i < 2; i++) {
        futures[i] = asyncio_executor_submit(asyncio_executor_ref(&row.executor), return_block,
                                             NULL);
        is_there(futures[i]);
        asyncio_executor_unref(&row.executor);
    }
    run_row(&row);
    for (int i = 0; i < 2; i++) {
        if (futures[i])
            may_be(asyncio_concurrent_future_result(futures[i], ASYNCIO_FOREVER, NULL),
                   -ECANCELED);
        asyncio_concurrent_future_unref(futures[i]);
    }
    must(asyncio_executor_shutdown(&row.executor, true, true) == 0);
    asyncio_executor_unref(&row.executor);
}

/* The block is freed whatever becomes of the job; the copy is of a pointer to it. */
static void free_pointed(void *arg)
{
    free(*(void **)arg);
}

static void use_arguments(asyncio_loop_t *loop, asyncio_executor_t *pool)
{
    const asyncio_job_options_t owned = {.size = sizeof(owned), .destroy = free};
    const asyncio_job_options_t copied = {
        .size = sizeof(copied), .destroy = free_pointed, .copy_bytes = sizeof(void *)};
    asyncio_concurrent_future_t *submitted =
        asyncio_executor_submit_full(pool, return_block, malloc(8), &owned);
    if (is_there(submitted))
        may(asyncio_concurrent_future_result(submitted, ASYNCIO_FOREVER, NULL));
    asyncio_concurrent_future_unref(submitted);
    void *block = malloc(8);
    asyncio_future_t *future =
        asyncio_loop_run_in_executor_full(loop, pool, return_block, &block, &copied);
    if (is_there(future)) {
        must(asyncio_executor_job_state(future) >= ASYNCIO_JOB_PENDING);
        may(asyncio_await_unref(future, NULL));
    }
    block = malloc(8);
    may(asyncio_to_thread_full(return_block, &block, &copied, NULL));
    may(asyncio_await(
        asyncio_loop_shutdown_executor_coroutine(loop, pool, false, ASYNCIO_FOREVER), NULL));
    may(asyncio_loop_shutdown_executor(loop, pool, true, ASYNCIO_FOREVER));
}

static void use_executors(asyncio_loop_t *loop)
{
    asyncio_thread_pool_options_t options = {.size = sizeof(options), .max_workers = 2};
    asyncio_executor_t *pool = asyncio_thread_pool_executor_new(&options);
    if (is_there(pool)) {
        use_pool(pool);
        use_arguments(loop, pool);
        must(asyncio_thread_pool_executor_shutdown(pool, true, false) == 0);
        asyncio_executor_unref(pool);
    }
    use_row();
    pool = asyncio_thread_pool_executor_new(NULL);
    if (is_there(pool)) {
        may(asyncio_loop_set_default_executor(loop, pool));
        asyncio_executor_unref(pool);
    }
    void *value = NULL;
    if (may(asyncio_to_thread(return_block, NULL, &value)) == 0)
        free(value);
    may_be(asyncio_to_thread(sweep_fail, NULL, NULL), -ENOMEM);
    may(asyncio_await(asyncio_to_thread_coroutine(return_block, NULL), NULL));
    if (!sweep_loop_cannot_wait()) /* the thread holds no reference to the loop */
        may(asyncio_to_thread(run_task_of_loop, loop, NULL));
    may(asyncio_await(asyncio_loop_shutdown_default_executor_coroutine(loop, ASYNCIO_FOREVER),
                      NULL));
    may(asyncio_loop_shutdown_default_executor(loop, ASYNCIO_FOREVER));
}

static void use_concurrent_futures(asyncio_loop_t *loop)
{
    (void)loop;
    asyncio_error_t *error = NULL;
    asyncio_concurrent_future_t *future = asyncio_concurrent_future_new();
    if (is_there(future)) {
        must(asyncio_concurrent_future_set_running_or_notify_cancel(future) == 1);
        must(asyncio_concurrent_future_running(future));
        must(asyncio_concurrent_future_set_exception(future, asyncio_raise(-EIO, "x")) == 0);
        must(asyncio_concurrent_future_done(asyncio_concurrent_future_ref(future)));
        if (may_be(asyncio_concurrent_future_exception(future, 1, &error), -EIO) >= 0)
            asyncio_error_unref(error);
        asyncio_concurrent_future_unref(future);
    }
    asyncio_concurrent_future_unref(future);
    future = asyncio_concurrent_future_new();
    if (is_there(future))
        must(asyncio_concurrent_future_cancel(future) == 1 &&
             asyncio_concurrent_future_cancelled(future));
    asyncio_concurrent_future_unref(future);
    future = asyncio_concurrent_future_new();
    if (is_there(future)) {
        asyncio_future_t *wrapper = asyncio_wrap_future(future);
        must(asyncio_concurrent_future_set_result(future, malloc(8), free) == 0);
        if (is_there(wrapper))
            may(asyncio_await_unref(wrapper, NULL));
    }
    asyncio_concurrent_future_unref(future);
}

const scenario_t sweep_executors = {
    .name = "executors", .use = use_executors, .in_real_time = true};
const scenario_t sweep_concurrent_futures = {
    .name = "concurrent futures", .use = use_concurrent_futures, .in_real_time = true};
