/* SPDX-License-Identifier: MIT */
/*
 * Jobs: a function for an executor, embedded in the object that gets its outcome.
 *
 * Two owners need a job's memory: the object that gets the outcome, and, after a successful submit,
 * the executor. The executor's use ends with exactly one call of finish, cancel or release. A job
 * is pending, and then either runs or is cancelled; whoever changes its state decides:
 *
 *     pending ── asyncio_job_run() ────→ running ──→ finished    then finish
 *     pending ── asyncio_job_cancel() ─→ cancelled               then cancel
 *     pending ── call_off() ───────────→ cancelled               then release, once the executor
 *                                                                has dropped it
 *
 * The argument ends as soon as the function has returned or will never run: its destructor is
 * called, and a copy is freed.
 */
#ifndef ASYNCIO__EXECUTOR_EXECUTOR_JOB_H
#define ASYNCIO__EXECUTOR_EXECUTOR_JOB_H

#include <asyncio/executor.h>
#include <stdatomic.h>

#include "coroutine/coroutine.h"
#include "worker/worker.h"

/* The object that gets a job's outcome; its functions are called in any thread. */
typedef struct asyncio__job_class {
    /* The job ran: a negative code with details (handed over, or NULL), or a result. Drops the
     * job's reference to the executor. */
    void (*finish)(asyncio_job_t *job, int code, asyncio__result_t result, asyncio_error_t *error);
    /* The executor has cancelled the job. Drops the job's reference to the executor. */
    void (*cancel)(asyncio_job_t *job);
    /* The job was called off, and the executor has dropped it. */
    void (*release)(asyncio_job_t *job);
} asyncio__job_class_t;

struct asyncio_job {
    asyncio__work_t work;              /* in the queue of an executor of the library; executors
                                        * of the program use its link */
    asyncio_coroutine_function_t *fn;  /* what to call */
    void *arg;                         /* passed to it */
    asyncio_destroy_t *destroy;        /* of arg; or NULL */
    size_t copy_bytes;                 /* arg is a copy of this size; 0: it is the caller's */
    void *context;                     /* in which fn runs, if in_context; see context.h */
    bool in_context;                   /* else fn runs in the context of its thread */
    const asyncio__job_class_t *class; /* of the object that gets the outcome */
    asyncio_executor_t *executor;      /* a reference, until the job has ended */
    atomic_uint state;                 /* asyncio_job_state_t */
};

/* Initializes a job in zeroed memory. Returns 0, or a negative code with the error slot filled;
 * then the argument is the caller's. options may be NULL. With in_context, fn runs in a copy of
 * the current context. */
int asyncio__job_init(asyncio_job_t *job, const asyncio__job_class_t *class,
                      asyncio_coroutine_function_t *fn, void *arg,
                      const asyncio_job_options_t *options, bool in_context);

/* Hands a job to an executor. Returns 0, or a negative code with the error slot filled; then the
 * executor has not kept the job, the argument is the caller's, and its copy was freed. */
int asyncio__job_submit(asyncio_job_t *job, asyncio_executor_t *executor);

/* For a call with options that fails before a job has the argument: calls the destructor. */
void asyncio__job_destroy_argument(void *arg, const asyncio_job_options_t *options);

/* Cancels a job for the object that gets its outcome. Returns false if the job has begun or was
 * cancelled before. */
bool asyncio__job_call_off(asyncio_job_t *job);

static inline asyncio_job_state_t asyncio__job_state(asyncio_job_t *job)
{
    /* Acquire, for the release in asyncio_job_run(): a caller that sees a finished job may use what
     * its function has written. */
    return (asyncio_job_state_t)atomic_load_explicit(&job->state, memory_order_acquire);
}

#endif
