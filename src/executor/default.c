/* SPDX-License-Identifier: MIT */
/*
 * The default executor of a loop: set, and shut down without holding the loop up.
 *
 * A shutdown that waits blocks; so it is a job, of an executor that starts one thread for it.
 */
#include <asyncio/task.h>
#include <asyncio/timeout.h>

#include "base/memory.h"
#include "executor/flight.h"
#include "executor/job.h"
#include "executor/thread.h"
#include "task/task.h"
#include "task/twin.h"

int asyncio_loop_set_default_executor(asyncio_loop_t *loop, asyncio_executor_t *executor)
{
    int rc = asyncio__loop_check(loop);
    if (rc < 0)
        return rc;
    if (!executor)
        return asyncio__fail(-EINVAL, "no executor was given");
    if (loop->executor_shut_down)
        return asyncio__fail(ASYNCIO_ERUNTIME, "Executor shutdown has been called");
    asyncio__executor_state_t *state = asyncio__executor_state(loop);
    if (!state)
        return asyncio__fail(-ENOMEM, NULL);
    asyncio_executor_t *former = state->executor;
    state->executor = asyncio_executor_ref(executor);
    asyncio_executor_unref(former);
    return 0;
}

/* --- an executor of one thread for one job ------------------------------------------------- */

typedef struct closer {
    asyncio_executor_t base;    /* the interface */
    asyncio_executor_t *target; /* what is to be shut down: a reference */
    asyncio_job_t *job;         /* the job */
    pthread_t thread;           /* which runs it */
} closer_t;

static closer_t *closer_of(asyncio_executor_t *executor)
{
    return ASYNCIO__CONTAINER(executor, closer_t, base);
}

static void *run_closer(void *arg)
{
    closer_t *closer = arg;
    asyncio_job_run(closer->job);
    asyncio_executor_unref(&closer->base);
    return NULL;
}

static int submit(asyncio_executor_t *executor, asyncio_job_t *job)
{
    closer_t *closer = closer_of(executor);
    closer->job = job;
    asyncio_executor_ref(executor); /* the thread's */
    int rc = asyncio__thread_start(&closer->thread, NULL, run_closer, closer);
    if (rc < 0)
        asyncio_executor_unref(executor);
    return rc;
}

static void destroy(asyncio_executor_t *executor)
{
    closer_t *closer = closer_of(executor);
    asyncio_executor_unref(closer->target);
    asyncio__free(closer, sizeof(*closer));
}

static const asyncio_executor_class_t closer_methods = {
    .size = sizeof(closer_methods), .submit = submit, .destroy = destroy};

static int shut_target_down(void *arg, void **ret_result)
{
    (void)ret_result;
    closer_t *closer = arg;
    return asyncio_executor_shutdown(closer->target, /* wait= */ true,
                                     /* cancel_futures= */ false);
}

/* --- the shutdown -------------------------------------------------------------------------- */

static int await_closer(asyncio_loop_t *loop, closer_t *closer, double timeout)
{
    asyncio_future_t *future =
        asyncio_loop_run_in_executor(loop, &closer->base, shut_target_down, closer);
    if (!future) {
        asyncio__ignore(asyncio_executor_shutdown(closer->target, /* wait= */ false,
                                                  /* cancel_futures= */ false));
        return asyncio_errno();
    }
    int rc = asyncio_wait_for(future, timeout, NULL);
    asyncio_future_unref(future);
    if (rc == 0) {
        pthread_join(closer->thread, NULL);
        return 0;
    }
    pthread_detach(closer->thread);
    /* It may have been called off before it began. */
    asyncio__ignore(asyncio_executor_shutdown(closer->target, /* wait= */ false,
                                              /* cancel_futures= */ false));
    if (rc != -ETIMEDOUT)
        return rc;
    asyncio__loop_report(loop, "The executor did not finish joining its threads in time", 0, NULL,
                         NULL, NULL, NULL);
    asyncio_error_clear();
    return 0;
}

int asyncio_loop_shutdown_default_executor(asyncio_loop_t *loop, double timeout)
{
    if (!loop || isnan(timeout))
        return asyncio__fail(-EINVAL, "no loop was given, or no timeout");
    if (loop != asyncio_get_running_loop() || !asyncio__thread.task)
        return asyncio__fail(ASYNCIO_ERUNTIME, "not inside a task of that loop");
    loop->executor_shut_down = true;
    asyncio__executor_state_t *state = loop->default_executor;
    if (!state || !state->executor)
        return 0;
    asyncio_executor_t *target = state->executor;
    state->executor = NULL;
    closer_t *closer = asyncio__calloc(sizeof(*closer));
    if (!closer) {
        asyncio__ignore(asyncio_executor_shutdown(target, /* wait= */ false,
                                                  /* cancel_futures= */ false));
        asyncio_executor_unref(target);
        return asyncio__fail(-ENOMEM, NULL);
    }
    asyncio__ignore(asyncio_executor_init(&closer->base, &closer_methods));
    closer->target = target;
    int rc = await_closer(loop, closer, timeout);
    asyncio_executor_unref(&closer->base);
    return rc;
}

/* The arguments of the twin. */
struct arguments {
    asyncio_loop_t *loop; /* whose */
    double timeout;       /* seconds */
};

static int run_shutdown(void *arg, void **ret_result)
{
    (void)ret_result;
    struct arguments *arguments = arg;
    return asyncio_loop_shutdown_default_executor(arguments->loop, arguments->timeout);
}

asyncio_coroutine_t *asyncio_loop_shutdown_default_executor_coroutine(asyncio_loop_t *loop,
                                                                      double timeout)
{
    struct arguments arguments = {loop, timeout};
    return asyncio__twin(run_shutdown, &arguments, sizeof(arguments), NULL,
                         "asyncio_loop_shutdown_default_executor");
}
