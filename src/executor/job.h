/* SPDX-License-Identifier: MIT */
/*
 * Jobs: a function for an executor, embedded in who waits for its outcome.
 *
 * Two sides hold a job's memory: who waits for it, and, from a successful submit on, the executor.
 * The executor's hold ends by exactly one call of finish, cancel or release. A job waits, and then
 * either runs or is cancelled; whoever changes its state decides:
 *
 *     waiting ── run() ────────────→ running         then finish
 *     waiting ── by the executor ──→ cancelled       then cancel
 *     waiting ── call_off() ───────→ cancelled       then release, once the executor let go of it
 */
#ifndef ASYNCIO__EXECUTOR_JOB_H
#define ASYNCIO__EXECUTOR_JOB_H

#include <asyncio/executor.h>
#include <stdatomic.h>

#include "coroutine/coroutine.h"
#include "worker/worker.h"

typedef enum asyncio__job_state {
    ASYNCIO__JOB_WAITING,
    ASYNCIO__JOB_RUNNING, /* or it has run */
    ASYNCIO__JOB_CANCELLED,
} asyncio__job_state_t;

/* What a job's end means to who waits for it; called in any thread. */
typedef struct asyncio__job_class {
    /* It ran: a code below 0 with details (handed over, or NULL), or a result. Gives the job's
     * reference to the executor up. */
    void (*finish)(asyncio_job_t *job, int code, asyncio__result_t result, asyncio_error_t *error);
    /* The executor has cancelled it. Gives the job's reference to the executor up. */
    void (*cancel)(asyncio_job_t *job);
    /* It was called off, and the executor has let go of it. */
    void (*release)(asyncio_job_t *job);
} asyncio__job_class_t;

struct asyncio_job {
    asyncio__work_t work;              /* in the queue of an executor of the library's own; the
                                        * program's executors use its link */
    asyncio_coroutine_function_t *fn;  /* what to call */
    void *arg;                         /* passed to it */
    const asyncio__job_class_t *class; /* who waits */
    asyncio_executor_t *executor;      /* a reference, until it has ended */
    atomic_uint state;                 /* asyncio__job_state_t */
};

void asyncio__job_init(asyncio_job_t *job, const asyncio__job_class_t *class,
                       asyncio_coroutine_function_t *fn, void *arg);

/* Hands a job to an executor: 0, or a code with the slot filled; then the executor has no hold. */
int asyncio__job_submit(asyncio_job_t *job, asyncio_executor_t *executor);

/* Cancels a job for who waits for it: false if it has begun or was cancelled before. */
bool asyncio__job_call_off(asyncio_job_t *job);

#endif
