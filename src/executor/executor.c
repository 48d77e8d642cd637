/* SPDX-License-Identifier: MIT */
/* run_in_executor and to_thread: jobs whose outcome is a future of the loop. */
#include <asyncio/task.h>
#include <asyncio/thread_pool.h>

#include "base/context.h"
#include "base/memory.h"
#include "executor/flight.h"
#include "executor/job.h"
#include "task/task.h"
#include "task/twin.h"

typedef struct call {
    asyncio__flight_t flight; /* the future, and how its outcome comes */
    asyncio_job_t job;        /* what the executor has */
    asyncio_coroutine_function_t *fn; /* of to_thread(): what runs in the context */
    void *arg;                        /* passed to it */
    int32_t code;             /* the outcome: an error's code, or 0 */
    asyncio__result_t result; /* the outcome: a value */
    asyncio_error_t *error;   /* the outcome: details of the error */
    bool is_cancelled;        /* the outcome: the executor has cancelled the job */
} call_t;

/* --- in the executor's thread -------------------------------------------------------------- */

static void finish(asyncio_job_t *job, int code, asyncio__result_t result, asyncio_error_t *error)
{
    call_t *call = ASYNCIO__CONTAINER(job, call_t, job);
    call->code = code;
    call->result = result;
    call->error = error;
    asyncio__flight_post(&call->flight);
}

static void cancel(asyncio_job_t *job)
{
    call_t *call = ASYNCIO__CONTAINER(job, call_t, job);
    call->is_cancelled = true;
    asyncio__flight_post(&call->flight);
}

static void release(asyncio_job_t *job)
{
    asyncio__flight_let_go(&ASYNCIO__CONTAINER(job, call_t, job)->flight);
}

/* A function that is called in a context. */
struct inner {
    call_t *call;      /* says which */
    void **ret_result; /* passed to it */
};

static int run_inner(void *arg)
{
    struct inner *inner = arg;
    return inner->call->fn(inner->call->arg, inner->ret_result);
}

/* What to_thread() has run in the place of its function; the thread may be a task's. */
static int run_in_context(void *arg, void **ret_result)
{
    call_t *call = arg;
    struct inner inner = {call, ret_result};
    asyncio_context_t *context =
        asyncio__context_object(&call->flight.context, /* locals= */ NULL);
    return context ? asyncio_context_run(context, run_inner, &inner) : asyncio_errno();
}

static const asyncio__job_class_t job_class = {finish, cancel, release};

/* --- in the loop's thread ------------------------------------------------------------------ */

static void land(asyncio__flight_t *flight, bool closed)
{
    call_t *call = ASYNCIO__CONTAINER(flight, call_t, flight);
    asyncio_future_t *future = &flight->future;
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

/* A job that has not begun is taken back; one that has goes on, and what it brings is dropped. */
static int cancel_future(asyncio_future_t *future, asyncio_error_t *message)
{
    call_t *call = ASYNCIO__CONTAINER(asyncio__flight_of(future), call_t, flight);
    bool is_taken_back = asyncio__job_call_off(&call->job);
    asyncio__future_make_cancelled(future, asyncio_error_ref(message));
    if (is_taken_back)
        asyncio__flight_end(&call->flight);
    return 1;
}

static const asyncio__future_class_t call_class = {.cancel = cancel_future,
                                                   .release = asyncio__flight_release,
                                                   .size_bytes = sizeof(call_t)};

/* The executor that is meant; NULL with the slot filled. */
static asyncio_executor_t *choose(asyncio_loop_t *loop, asyncio_executor_t *executor)
{
    if (executor)
        return executor;
    if (loop->executor_shut_down)
        return asyncio__fail_new(ASYNCIO_ERUNTIME, "Executor shutdown has been called");
    asyncio__executor_state_t *state = asyncio__executor_state(loop);
    if (!state)
        return asyncio__fail_new(-ENOMEM, NULL);
    if (ASYNCIO__UNLIKELY(!state->executor))
        state->executor = asyncio_thread_pool_executor_new(NULL);
    return state->executor;
}

static asyncio_future_t *submit(asyncio_loop_t *loop, asyncio_executor_t *executor,
                                asyncio_coroutine_function_t *fn, void *arg, bool in_context)
{
    if (!loop && !(loop = asyncio_get_running_loop()))
        return asyncio__fail_new(ASYNCIO_ERUNTIME, "no running event loop");
    int rc = asyncio__loop_check(loop);
    if (rc == 0 && !fn)
        rc = asyncio__fail(-EINVAL, "no function was given");
    if (rc < 0) {
        asyncio__thread.constructor_code = rc;
        return NULL;
    }
    executor = choose(loop, executor);
    if (!executor)
        return NULL;
    asyncio__flight_t *flight =
        asyncio__flight_new(loop, &call_class, land, "asyncio_loop_run_in_executor");
    if (!flight)
        return asyncio__fail_new(-ENOMEM, NULL);
    call_t *call = ASYNCIO__CONTAINER(flight, call_t, flight);
    asyncio__job_init(&call->job, &job_class, fn, arg);
    if (in_context) {
        call->fn = fn;
        call->arg = arg;
        flight->context = asyncio__context_inherit(/* given= */ NULL);
        asyncio__job_init(&call->job, &job_class, run_in_context, call);
    }
    asyncio__flight_begin(flight, /* is_job= */ true);
    rc = asyncio__job_submit(&call->job, executor);
    if (rc < 0) {
        asyncio__thread.constructor_code = rc;
        asyncio__flight_let_go(flight);
        asyncio__flight_end(flight);
        asyncio_future_unref(&flight->future);
        return NULL;
    }
    return &flight->future;
}

asyncio_future_t *asyncio_loop_run_in_executor(asyncio_loop_t *loop, asyncio_executor_t *executor,
                                               asyncio_coroutine_function_t *fn, void *arg)
{
    return submit(loop, executor, fn, arg, /* in_context= */ false);
}

/* --- to_thread ----------------------------------------------------------------------------- */

static asyncio_future_t *submit_in_context(asyncio_coroutine_function_t *fn, void *arg)
{
    return submit(/* loop= */ NULL, /* executor= */ NULL, fn, arg,
                  asyncio__uses(ASYNCIO__USES_CONTEXTS));
}

int asyncio_to_thread(asyncio_coroutine_function_t *fn, void *arg, void **ret_result)
{
    if (!asyncio__thread.coroutine)
        return asyncio__fail(ASYNCIO_ERUNTIME, "await outside a coroutine");
    asyncio_future_t *future = submit_in_context(fn, arg);
    return future ? asyncio_await_unref(future, ret_result) : asyncio_errno();
}

/* The arguments of the twin. */
struct arguments {
    asyncio_coroutine_function_t *fn; /* what to call */
    void *arg;                        /* passed to it */
};

static int run_to_thread(void *arg, void **ret_result)
{
    struct arguments *arguments = arg;
    asyncio_future_t *future = submit_in_context(arguments->fn, arguments->arg);
    if (!future)
        return asyncio_errno();
    int rc = asyncio_await(future, NULL);
    if (rc == 0) {
        /* The destructor moves on with the value. */
        asyncio_destroy_t *destroy = future->destroy;
        rc = asyncio_return(ret_result, asyncio__future_move_value(future), destroy);
    }
    asyncio_future_unref(future);
    return rc;
}

asyncio_coroutine_t *asyncio_to_thread_coroutine(asyncio_coroutine_function_t *fn, void *arg)
{
    struct arguments arguments = {fn, arg};
    return asyncio__twin(run_to_thread, &arguments, sizeof(arguments), NULL, "asyncio_to_thread");
}
