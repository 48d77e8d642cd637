/* SPDX-License-Identifier: MIT */
/* executor.submit: a job whose outcome is a concurrent future. */
#include "base/error.h"
#include "base/thread.h"
#include "executor/concurrent_future.h"
#include "executor/executor_job.h"

typedef struct submitted {
    asyncio_concurrent_future_t future; /* what the program has; the executor holds a reference */
    asyncio_job_t job;                  /* what the executor runs */
} submitted_t;

static const asyncio__result_t nothing = {NULL, NULL};

static submitted_t *submitted_of(asyncio_concurrent_future_t *future)
{
    return ASYNCIO__CONTAINER(future, submitted_t, future);
}

static asyncio_concurrent_future_t *future_of(asyncio_job_t *job)
{
    return &ASYNCIO__CONTAINER(job, submitted_t, job)->future;
}

/* --- by the executor ----------------------------------------------------------------------- */

/* The executor has dropped the job, and so its reference. */
static void release(asyncio_job_t *job)
{
    asyncio_concurrent_future_unref(future_of(job));
}

static void settle(asyncio_job_t *job, asyncio__concurrent_state_t state, int code,
                   asyncio__result_t result, asyncio_error_t *error)
{
    asyncio_executor_t *executor = job->executor;
    asyncio__concurrent_settle(future_of(job), state, code, result, error);
    release(job);
    asyncio_executor_unref(executor);
}

static void finish(asyncio_job_t *job, int code, asyncio__result_t result, asyncio_error_t *error)
{
    settle(job, code < 0 ? ASYNCIO__CONCURRENT_FAILED : ASYNCIO__CONCURRENT_FINISHED, code, result,
           error);
}

static void cancel(asyncio_job_t *job)
{
    settle(job, ASYNCIO__CONCURRENT_CANCELLED, 0, nothing, NULL);
}

static const asyncio__job_class_t job_class = {finish, cancel, release};

/* --- by any thread ------------------------------------------------------------------------- */

static int cancel_future(asyncio_concurrent_future_t *future)
{
    asyncio_job_t *job = &submitted_of(future)->job;
    asyncio_concurrent_future_ref(future); /* a callback may drop the caller's */
    bool is_called_off = asyncio__job_call_off(job);
    /* Cancelled before: whoever did that is about to finish the future. */
    bool is_cancelled = is_called_off || asyncio__job_state(job) == ASYNCIO_JOB_CANCELLED;
    if (is_called_off)
        asyncio__concurrent_settle(future, ASYNCIO__CONCURRENT_CANCELLED, 0, nothing, NULL);
    asyncio_concurrent_future_unref(future);
    return is_cancelled;
}

static bool is_running(asyncio_concurrent_future_t *future)
{
    asyncio_job_state_t state = asyncio__job_state(&submitted_of(future)->job);
    return state == ASYNCIO_JOB_RUNNING || state == ASYNCIO_JOB_FINISHED; /* about to be done */
}

static const asyncio__concurrent_class_t submitted_class = {.size_bytes = sizeof(submitted_t),
                                                            .cancel = cancel_future,
                                                            .is_running = is_running};

static asyncio_concurrent_future_t *submit(asyncio_executor_t *executor,
                                           asyncio_coroutine_function_t *fn, void *arg,
                                           const asyncio_job_options_t *options)
{
    if (!executor)
        return asyncio__fail_new(-EINVAL, "\"executor\" must not be NULL");
    if (!fn)
        return asyncio__fail_new(-EINVAL, "\"fn\" must not be NULL");
    asyncio_concurrent_future_t *future = asyncio__concurrent_new(&submitted_class);
    if (!future)
        return asyncio__fail_new(-ENOMEM, NULL);
    asyncio_job_t *job = &submitted_of(future)->job;
    int rc = asyncio__job_init(job, &job_class, fn, arg, options, /* in_context= */ false);
    if (rc == 0) {
        asyncio_concurrent_future_ref(future); /* the executor's */
        rc = asyncio__job_submit(job, executor);
        if (rc < 0)
            release(job);
    }
    if (rc == 0)
        return future;
    asyncio__thread.constructor_code = rc;
    asyncio_concurrent_future_unref(future);
    return NULL;
}

asyncio_concurrent_future_t *asyncio_executor_submit_full(asyncio_executor_t *executor,
                                                          asyncio_coroutine_function_t *fn,
                                                          void *arg,
                                                          const asyncio_job_options_t *options)
{
    asyncio_concurrent_future_t *future = submit(executor, fn, arg, options);
    if (!future)
        asyncio__job_destroy_argument(arg, options);
    return future;
}

asyncio_concurrent_future_t *asyncio_executor_submit(asyncio_executor_t *executor,
                                                     asyncio_coroutine_function_t *fn, void *arg)
{
    return submit(executor, fn, arg, /* options= */ NULL);
}
