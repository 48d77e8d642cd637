/* SPDX-License-Identifier: MIT */
/* Calls on files in worker threads; see file_thread.h. */
#include "file/file_thread.h"

#include <stdatomic.h>

#include "base/patience.h"
#include "task/switch.h"
#include "worker/worker.h"

/* A call, in the frame of the coroutine that waits for it. */
typedef struct job {
    asyncio__work_t work;        /* in the queue of the worker threads, or run by one */
    asyncio__inbox_node_t node;  /* brings it back to the loop */
    asyncio_loop_t *loop;        /* whose coroutine waits */
    asyncio__file_call_t *call;  /* what the thread calls */
    void *arg;                   /* passed to it */
    int result;                  /* what it has returned */
    atomic_bool has_ended;       /* the thread no longer uses this record */
    asyncio_future_t waiter;     /* done when the call has ended */
    asyncio__task_t *task;       /* the task that waits; NULL: a coroutine driven by hand */
    bool is_bound_to_run;        /* not taken out of the queue */
    bool is_cancelled;           /* the task was cancelled meanwhile */
} job_t;

/* In a worker thread. Once the node is posted, or has_ended is set, the record may be gone. */
static void run(asyncio__work_t *work)
{
    job_t *job = ASYNCIO__CONTAINER(work, job_t, work);
    job->result = job->call(job->arg);
    if (asyncio__inbox_post(job->loop->inbox, &job->node) < 0)
        /* Release, for the acquire in wait_for_end(): the loop's thread reads the result. */
        atomic_store_explicit(&job->has_ended, true, memory_order_release);
}

/* The call has ended after a cancellation: its result stands, and the task's next suspension
 * raises the cancellation, with its message. */
static void keep_cancellation(job_t *job)
{
    asyncio_error_unref(job->task->cancel_message);
    job->task->cancel_message = job->waiter.error;
    job->waiter.error = NULL;
    job->task->late_cancel = true;
}

/* In the loop's thread. */
static void deliver(asyncio__inbox_node_t *node, bool closed)
{
    job_t *job = ASYNCIO__CONTAINER(node, job_t, node);
    (void)closed; /* the frame that waits has to know in either case */
    job->loop->jobs--;
    atomic_store_explicit(&job->has_ended, true, memory_order_relaxed);
    if (job->is_cancelled && job->task)
        keep_cancellation(job);
    asyncio__future_finish(&job->waiter, NULL, NULL);
}

/* Takes a call that has not begun out of the queue. */
static bool withdraw(job_t *job)
{
    if (job->is_bound_to_run || !asyncio__workers_withdraw(asyncio__workers_shared(), &job->work))
        return false;
    job->loop->jobs--;
    atomic_store_explicit(&job->has_ended, true, memory_order_relaxed);
    return true;
}

static int cancel(asyncio_future_t *future, asyncio_error_t *message)
{
    job_t *job = ASYNCIO__CONTAINER(future, job_t, waiter);
    if (withdraw(job)) {
        asyncio__future_make_cancelled(future, asyncio_error_ref(message));
        return 1;
    }
    asyncio_error_unref(future->error);
    future->error = asyncio_error_ref(message);
    job->is_cancelled = true;
    return 1;
}

static const asyncio__future_class_t job_class = {.cancel = cancel, .keeps_value = true};

/* Something else than the end of the call has resumed the coroutine, whose frame may not end
 * before the thread is done with it. */
static ASYNCIO__COLD void wait_for_end(job_t *job)
{
    uint32_t rounds = 0;
    job->task = NULL;
    withdraw(job);
    while (!atomic_load_explicit(&job->has_ended, memory_order_acquire)) {
        asyncio__pause_or_sleep(&rounds);
        asyncio__inbox_take(job->loop->inbox);
    }
}

/* Hands the call to the worker threads: 0 or a negative code. */
static int submit(job_t *job)
{
    asyncio__work_init(&job->work, run, ASYNCIO__WORK_FILES);
    job->node.deliver = deliver;
    atomic_init(&job->has_ended, false);
    job->is_cancelled = false;
    asyncio__future_init(&job->waiter, job->loop, &job_class);
    job->waiter.place = "a file";
    job->task = asyncio__thread.task ? asyncio__task_of(asyncio__thread.task) : NULL;
    int rc = asyncio__workers_submit(asyncio__workers_shared(), &job->work);
    if (rc == 0)
        job->loop->jobs++;
    return rc;
}

/* Waits for the call that was submitted: its result, or a code with the error slot filled. */
static int await_result(job_t *job)
{
    int rc = asyncio__future_wait(&job->waiter);
    if (ASYNCIO__UNLIKELY(!asyncio__future_is_done(&job->waiter)))
        wait_for_end(job);
    asyncio__future_fini(&job->waiter);
    if (rc < 0)
        return rc;
    return job->result < 0 ? asyncio__fail(job->result, NULL) : job->result;
}

int asyncio__file_thread_call(asyncio_loop_t *loop, asyncio__file_call_t *call, void *arg)
{
    job_t job = {.loop = loop, .call = call, .arg = arg};
    int rc = asyncio__before_suspension(asyncio__thread.coroutine);
    if (rc < 0)
        return rc;
    rc = submit(&job);
    return rc < 0 ? asyncio__fail(rc, "can't start new thread") : await_result(&job);
}

int asyncio__file_thread_finish(asyncio_loop_t *loop, asyncio__file_call_t *call, void *arg)
{
    job_t job = {.loop = loop, .call = call, .arg = arg, .is_bound_to_run = true};
    asyncio_coroutine_t *coroutine = asyncio__thread.coroutine;
    asyncio_task_t *task = asyncio__thread.task;
    bool may_suspend = coroutine && !coroutine->is_closing && !loop->closed &&
                       !(task && asyncio__task_of(task)->late_cancel);
    if (may_suspend && submit(&job) == 0) {
        int rc = await_result(&job);
        return rc;
    }
    int rc = call(arg);
    return rc < 0 ? asyncio__fail(rc, NULL) : rc;
}
