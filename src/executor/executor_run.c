/* SPDX-License-Identifier: MIT */
/* loop.run_in_executor: a job whose outcome is a future of the loop. */
#include "executor/executor_run.h"

#include <asyncio/thread_pool.h>

#include "base/error.h"
#include "executor/executor_job.h"
#include "executor/posted_future.h"

typedef struct call {
    asyncio__posted_future_t posted; /* what the program has; first */
    asyncio_job_t job;               /* what the executor has */
    int32_t code;                    /* the outcome: the code of an error, or 0 */
    asyncio__result_t result;        /* the outcome: a value */
    asyncio_error_t *error;          /* the outcome: details of the error */
    bool is_cancelled;               /* the outcome: the executor has cancelled the job */
} call_t;

static call_t *call_of(asyncio_job_t *job)
{
    return ASYNCIO__CONTAINER(job, call_t, job);
}

/* --- in the executor's thread -------------------------------------------------------------- */

static void finish(asyncio_job_t *job, int code, asyncio__result_t result, asyncio_error_t *error)
{
    call_t *call = call_of(job);
    call->code = code;
    call->result = result;
    call->error = error;
    asyncio__posted_future_post(&call->posted);
}

static void cancel(asyncio_job_t *job)
{
    call_of(job)->is_cancelled = true;
    asyncio__posted_future_post(&call_of(job)->posted);
}

static void release(asyncio_job_t *job)
{
    asyncio__posted_future_drop_poster(&call_of(job)->posted);
}

static const asyncio__job_class_t job_class = {finish, cancel, release};

/* --- in the loop's thread ------------------------------------------------------------------ */

static void settle(asyncio__posted_future_t *posted, bool closed)
{
    call_t *call = ASYNCIO__CONTAINER(posted, call_t, posted);
    asyncio_future_t *future = &posted->future;
    if (closed || asyncio__future_is_done(future)) {
        if (call->result.destroy)
            call->result.destroy(call->result.value);
        asyncio_error_unref(call->error);
    } else if (call->is_cancelled) {
        asyncio__future_make_cancelled(future, NULL);
    } else if (call->code < 0) {
        asyncio__future_fail(future, call->code, call->error);
    } else {
        asyncio__future_finish(future, call->result.value, call->result.destroy);
    }
    asyncio_executor_unref(call->job.executor);
}

/* A job that has not begun never runs; one that has runs to its end, and its outcome is dropped. */
static int cancel_future(asyncio_future_t *future, asyncio_error_t *message)
{
    call_t *call = ASYNCIO__CONTAINER(asyncio__posted_future_of(future), call_t, posted);
    bool is_called_off = asyncio__job_call_off(&call->job);
    asyncio__future_make_cancelled(future, asyncio_error_ref(message));
    if (is_called_off)
        asyncio__posted_future_forget(&call->posted);
    return 1;
}

static const asyncio__future_class_t call_class = {.cancel = cancel_future,
                                                   .release = asyncio__posted_future_release,
                                                   .size_bytes = sizeof(call_t)};

/* The given executor, or the loop's default. Returns NULL with the error slot filled. */
static asyncio_executor_t *choose_executor(asyncio_loop_t *loop, asyncio_executor_t *executor)
{
    if (executor)
        return executor;
    if (asyncio__executor_state_is_shut_down(loop))
        return asyncio__fail_new(ASYNCIO_ERUNTIME, "Executor shutdown has been called");
    asyncio__executor_state_t *state = asyncio__executor_state(loop);
    if (!state)
        return asyncio__fail_new(-ENOMEM, NULL);
    if (ASYNCIO__UNLIKELY(!state->default_executor))
        state->default_executor = asyncio_thread_pool_executor_new(NULL);
    return state->default_executor;
}

static asyncio_future_t *fail(int rc)
{
    asyncio__thread.constructor_code = rc;
    return NULL;
}

static asyncio_future_t *submit(asyncio_loop_t *loop, asyncio_executor_t *executor,
                                asyncio_coroutine_function_t *fn, void *arg,
                                const asyncio_job_options_t *options, bool in_context)
{
    if (!loop && !(loop = asyncio_get_running_loop()))
        return asyncio__fail_new(ASYNCIO_ERUNTIME, "no running event loop");
    int rc = asyncio__loop_check(loop);
    if (rc < 0)
        return fail(rc);
    if (!fn)
        return asyncio__fail_new(-EINVAL, "\"fn\" must not be NULL");
    executor = choose_executor(loop, executor);
    if (!executor)
        return NULL;
    asyncio__posted_future_t *posted =
        asyncio__posted_future_new(loop, &call_class, settle, "asyncio_loop_run_in_executor");
    if (!posted)
        return asyncio__fail_new(-ENOMEM, NULL);
    call_t *call = ASYNCIO__CONTAINER(posted, call_t, posted);
    rc = asyncio__job_init(&call->job, &job_class, fn, arg, options, in_context);
    if (rc == 0) {
        asyncio__posted_future_expect(posted, /* is_job= */ true);
        rc = asyncio__job_submit(&call->job, executor);
        if (rc == 0)
            return &posted->future;
        asyncio__posted_future_drop_poster(posted);
        asyncio__posted_future_forget(posted);
    }
    asyncio_future_unref(&posted->future);
    return fail(rc);
}

asyncio_future_t *asyncio__run_in_executor(asyncio_loop_t *loop, asyncio_executor_t *executor,
                                           asyncio_coroutine_function_t *fn, void *arg,
                                           const asyncio_job_options_t *options, bool in_context)
{
    asyncio_future_t *future = submit(loop, executor, fn, arg, options, in_context);
    if (!future)
        asyncio__job_destroy_argument(arg, options);
    return future;
}

asyncio_future_t *asyncio_loop_run_in_executor_full(asyncio_loop_t *loop,
                                                    asyncio_executor_t *executor,
                                                    asyncio_coroutine_function_t *fn, void *arg,
                                                    const asyncio_job_options_t *options)
{
    return asyncio__run_in_executor(loop, executor, fn, arg, options, /* in_context= */ false);
}

asyncio_future_t *asyncio_loop_run_in_executor(asyncio_loop_t *loop, asyncio_executor_t *executor,
                                               asyncio_coroutine_function_t *fn, void *arg)
{
    return submit(loop, executor, fn, arg, /* options= */ NULL, /* in_context= */ false);
}

asyncio_job_t *asyncio__job_of_future(asyncio_future_t *future)
{
    if (!asyncio_isfuture(future) || future->class != &call_class)
        return NULL;
    return &ASYNCIO__CONTAINER(asyncio__posted_future_of(future), call_t, posted)->job;
}

int asyncio_executor_job_state(asyncio_future_t *future)
{
    asyncio_job_t *job = asyncio__job_of_future(future);
    if (!job)
        return asyncio__fail(-EINVAL, "\"future\" must be one of asyncio_loop_run_in_executor()");
    return (int)asyncio__job_state(job);
}
