/* SPDX-License-Identifier: MIT */
/* The life of a job; see executor_job.h. */
#include "executor/executor_job.h"

#include <string.h>

#include "base/context.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"

/* --- the argument -------------------------------------------------------------------------- */

/* Ends the library's use of the argument. With destroy, the argument itself ends too. */
static void release_argument(asyncio_job_t *job, bool destroy)
{
    if (destroy && job->destroy)
        job->destroy(job->arg);
    if (job->copy_bytes > 0)
        asyncio__free(job->arg, job->copy_bytes);
    asyncio__context_drop(job->context);
    job->context = NULL;
}

void asyncio__job_destroy_argument(void *arg, const asyncio_job_options_t *options)
{
    if (options && options->size >= sizeof(*options) && options->destroy)
        options->destroy(arg);
}

static void run_work(asyncio__work_t *work)
{
    asyncio_job_run(ASYNCIO__CONTAINER(work, asyncio_job_t, work));
}

int asyncio__job_init(asyncio_job_t *job, const asyncio__job_class_t *class,
                      asyncio_coroutine_function_t *fn, void *arg,
                      const asyncio_job_options_t *options, bool in_context)
{
    asyncio__work_init(&job->work, run_work, /* class_index= */ 0);
    job->fn = fn;
    job->arg = arg;
    job->class = class;
    if (options) {
        if (options->size < sizeof(*options))
            return asyncio__fail(-EINVAL, "\"options->size\" must be sizeof(*options)");
        if (options->copy_bytes > 0 && !arg)
            return asyncio__fail(-EINVAL, "\"arg\" must not be NULL where it is to be copied");
        if (options->copy_bytes > 0 && !(job->arg = asyncio__malloc(options->copy_bytes)))
            return asyncio__fail(-ENOMEM, NULL);
        if (options->copy_bytes > 0)
            memcpy(job->arg, arg, options->copy_bytes);
        job->copy_bytes = options->copy_bytes;
        job->destroy = options->destroy;
    }
    if (in_context) {
        job->in_context = true;
        job->context = asyncio__context_inherit(/* given= */ NULL);
    }
    return 0;
}

/* --- to the executor ----------------------------------------------------------------------- */

int asyncio__job_submit(asyncio_job_t *job, asyncio_executor_t *executor)
{
    job->executor = asyncio_executor_ref(executor);
    int rc = executor->methods->submit(executor, job);
    if (rc >= 0)
        return 0;
    asyncio_executor_unref(executor);
    release_argument(job, /* destroy= */ false);
    switch (rc) {
    case ASYNCIO_ERUNTIME:
        return asyncio__fail(rc, "cannot schedule new futures after shutdown");
    case -EAGAIN:
        return asyncio__fail(rc, "can't start new thread");
    default:
        return asyncio__fail(rc, "the executor refused the job");
    }
}

/* Whoever succeeds decides what becomes of the job. */
static bool leave_pending(asyncio_job_t *job, asyncio_job_state_t state)
{
    unsigned pending = ASYNCIO_JOB_PENDING;
    /* Its contents were handed over by the executor's own synchronization. */
    return atomic_compare_exchange_strong(&job->state, &pending, state);
}

bool asyncio__job_call_off(asyncio_job_t *job)
{
    asyncio_executor_t *executor = job->executor;
    if (!leave_pending(job, ASYNCIO_JOB_CANCELLED))
        return false;
    release_argument(job, /* destroy= */ true);
    if (executor->methods->withdraw && executor->methods->withdraw(executor, job))
        job->class->release(job);
    /* Not before: until here nobody else drops the job's reference. */
    asyncio_executor_unref(executor);
    return true;
}

/* --- by the executor ----------------------------------------------------------------------- */

/* A function that is called in a context. */
typedef struct call {
    asyncio_job_t *job; /* which function */
    void **ret_result;  /* passed to it */
} call_t;

static int run_call(void *arg)
{
    call_t *call = arg;
    return call->job->fn(call->job->arg, call->ret_result);
}

static ASYNCIO__COLD int run_in_context(asyncio_job_t *job, void **ret_result)
{
    call_t call = {job, ret_result};
    asyncio_context_t *context = asyncio__context_object(&job->context, /* locals= */ NULL);
    return context ? asyncio_context_run(context, run_call, &call) : asyncio_errno();
}

void asyncio_job_run(asyncio_job_t *job)
{
    if (!job)
        return;
    if (!leave_pending(job, ASYNCIO_JOB_RUNNING)) {
        job->class->release(job);
        return;
    }
    asyncio__result_t result = {NULL, NULL}, *outer = asyncio__thread.job_result;
    asyncio__thread.job_result = &result;
    int code = ASYNCIO__UNLIKELY(job->in_context) ? run_in_context(job, &result.value)
                                                  : job->fn(job->arg, &result.value);
    asyncio__thread.job_result = outer;
    asyncio_error_t *error = NULL;
    if (code < 0) {
        error = asyncio__error_take_of(code);
        /* A value beside an error belongs to nobody. */
        if (result.destroy)
            result.destroy(result.value);
        result = (asyncio__result_t){NULL, NULL};
    }
    asyncio_error_clear(); /* of a failure that the function has handled */
    release_argument(job, /* destroy= */ true);
    atomic_store_explicit(&job->state, ASYNCIO_JOB_FINISHED, memory_order_release);
    job->class->finish(job, code < 0 ? code : 0, result, error);
}

void asyncio_job_cancel(asyncio_job_t *job)
{
    if (!job)
        return;
    if (leave_pending(job, ASYNCIO_JOB_CANCELLED)) {
        release_argument(job, /* destroy= */ true);
        job->class->cancel(job);
    } else {
        job->class->release(job);
    }
}

void asyncio_job_set_next(asyncio_job_t *job, asyncio_job_t *next)
{
    if (job)
        job->work.link.next = next ? &next->work.link : NULL;
}

asyncio_job_t *asyncio_job_next(const asyncio_job_t *job)
{
    asyncio__list_t *next = job ? job->work.link.next : NULL;
    return next ? ASYNCIO__CONTAINER(next, asyncio_job_t, work.link) : NULL;
}
