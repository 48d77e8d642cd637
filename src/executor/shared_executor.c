/* SPDX-License-Identifier: MIT */
/* An executor over the shared worker threads; see shared_executor.h. */
#include "executor/shared_executor.h"

#include "base/error.h"
#include "executor/executor_job.h"

static int submit(asyncio_executor_t *executor, asyncio_job_t *job)
{
    (void)executor;
    job->work.class_index = ASYNCIO__WORK_JOBS;
    return asyncio__workers_submit(asyncio__workers_shared(), &job->work);
}

static bool withdraw(asyncio_executor_t *executor, asyncio_job_t *job)
{
    (void)executor;
    return asyncio__workers_withdraw(asyncio__workers_shared(), &job->work);
}

static const asyncio_executor_class_t methods = {
    .size = sizeof(methods), .submit = submit, .withdraw = withdraw};
static asyncio_executor_t shared = {.methods = &methods, .asyncio_refs = 1};

asyncio_executor_t *asyncio__shared_executor(void)
{
    return &shared;
}

void asyncio__shared_executor_abandon(asyncio_job_t *job)
{
    if (asyncio__job_state(job) == ASYNCIO_JOB_RUNNING)
        asyncio__ignore(asyncio__workers_abandon(asyncio__workers_shared(), &job->work));
}
