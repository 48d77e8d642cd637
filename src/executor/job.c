/* SPDX-License-Identifier: MIT */
/* Executors as an interface, and the life of a job; see job.h and <asyncio/executor.h>. */
#include "executor/job.h"

#include "base/error.h"
#include "base/thread.h"

/* --- executors ----------------------------------------------------------------------------- */

int asyncio_executor_init(asyncio_executor_t *executor, const asyncio_executor_class_t *methods)
{
    if (!executor || !methods || methods->size < sizeof(*methods) || !methods->submit)
        return asyncio__fail(-EINVAL, "no executor, or none of its functions, was given");
    executor->methods = methods;
    executor->asyncio_refs = 1;
    return 0;
}

asyncio_executor_t *asyncio_executor_ref(asyncio_executor_t *executor)
{
    if (executor)
        __atomic_fetch_add(&executor->asyncio_refs, 1, __ATOMIC_RELAXED);
    return executor;
}

void asyncio_executor_unref(asyncio_executor_t *executor)
{
    /* Release here, acquire in the last one: it destroys what the others have written. */
    if (executor && __atomic_fetch_sub(&executor->asyncio_refs, 1, __ATOMIC_ACQ_REL) == 1 &&
        executor->methods->destroy)
        executor->methods->destroy(executor);
}

int asyncio_executor_shutdown(asyncio_executor_t *executor, bool wait, bool cancel_futures)
{
    if (!executor)
        return asyncio__fail(-EINVAL, "no executor was given");
    if (executor->methods->shutdown)
        executor->methods->shutdown(executor, wait, cancel_futures);
    return 0;
}

/* --- jobs ---------------------------------------------------------------------------------- */

static void run_work(asyncio__work_t *work)
{
    asyncio_job_run(ASYNCIO__CONTAINER(work, asyncio_job_t, work));
}

void asyncio__job_init(asyncio_job_t *job, const asyncio__job_class_t *class,
                       asyncio_coroutine_function_t *fn, void *arg)
{
    asyncio__work_init(&job->work, run_work, /* class_index= */ 0);
    job->fn = fn;
    job->arg = arg;
    job->class = class;
    job->executor = NULL;
    atomic_init(&job->state, ASYNCIO__JOB_WAITING);
}

int asyncio__job_submit(asyncio_job_t *job, asyncio_executor_t *executor)
{
    job->executor = asyncio_executor_ref(executor);
    int rc = executor->methods->submit(executor, job);
    if (rc >= 0)
        return 0;
    asyncio_executor_unref(executor);
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
static bool leave_waiting(asyncio_job_t *job, unsigned state)
{
    unsigned waiting = ASYNCIO__JOB_WAITING;
    /* Its contents were handed over by the executor's own synchronization. */
    return atomic_compare_exchange_strong(&job->state, &waiting, state);
}

void asyncio_job_run(asyncio_job_t *job)
{
    if (!job)
        return;
    if (!leave_waiting(job, ASYNCIO__JOB_RUNNING)) {
        job->class->release(job);
        return;
    }
    asyncio__result_t result = {NULL, NULL}, *outer = asyncio__thread.job_result;
    asyncio__thread.job_result = &result;
    int code = job->fn(job->arg, &result.value);
    asyncio__thread.job_result = outer;
    asyncio_error_t *error = NULL;
    if (code < 0) {
        error = asyncio__error_take_of(code);
        /* A value beside an error belongs to nobody. */
        if (result.destroy)
            result.destroy(result.value);
        result = (asyncio__result_t){NULL, NULL};
    }
    asyncio_error_clear(); /* of a failure that the job has dealt with */
    job->class->finish(job, code < 0 ? code : 0, result, error);
}

void asyncio_job_cancel(asyncio_job_t *job)
{
    if (!job)
        return;
    if (leave_waiting(job, ASYNCIO__JOB_CANCELLED))
        job->class->cancel(job);
    else
        job->class->release(job);
}

bool asyncio__job_call_off(asyncio_job_t *job)
{
    asyncio_executor_t *executor = job->executor;
    if (!leave_waiting(job, ASYNCIO__JOB_CANCELLED))
        return false;
    if (executor->methods->withdraw && executor->methods->withdraw(executor, job))
        job->class->release(job);
    /* Not before: until here nobody else gives the job's reference up. */
    asyncio_executor_unref(executor);
    return true;
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
