/* SPDX-License-Identifier: MIT */
/*
 * The default executor of a loop, and shutdowns of executors that do not block the loop: what
 * blocks, the wait for the executor's jobs, is itself a job of the shared worker threads.
 */
#include <asyncio/task.h>
#include <asyncio/timeout.h>
#include <math.h>

#include "executor/executor_state.h"
#include "executor/executor_job.h"
#include "executor/executor_run.h"
#include "executor/shared_executor.h"
#include "task/task.h"
#include "task/twin.h"

int asyncio_loop_set_default_executor(asyncio_loop_t *loop, asyncio_executor_t *executor)
{
    int rc = asyncio__loop_check(loop);
    if (rc < 0)
        return rc;
    if (!executor)
        return asyncio__fail(-EINVAL, "\"executor\" must not be NULL");
    if (asyncio__executor_state_is_shut_down(loop))
        return asyncio__fail(ASYNCIO_ERUNTIME, "Executor shutdown has been called");
    asyncio__executor_state_t *state = asyncio__executor_state(loop);
    if (!state)
        return asyncio__fail(-ENOMEM, NULL);
    asyncio_executor_t *former = state->default_executor;
    state->default_executor = asyncio_executor_ref(executor);
    asyncio_executor_unref(former);
    return 0;
}

/* --- shutdowns ----------------------------------------------------------------------------- */

static int join_executor(void *arg, void **ret_result)
{
    (void)ret_result;
    return asyncio_executor_shutdown(arg, /* wait= */ true, /* cancel_futures= */ false);
}

static void drop_executor(void *arg)
{
    asyncio_executor_unref(arg);
}

/* Shuts an executor down, whose reference is taken, and waits for its jobs. */
static int shut_down(asyncio_loop_t *loop, asyncio_executor_t *executor, bool cancel_futures,
                     double timeout)
{
    asyncio__ignore(asyncio_executor_shutdown(executor, /* wait= */ false, cancel_futures));
    const asyncio_job_options_t options = {.size = sizeof(options), .destroy = drop_executor};
    asyncio_future_t *future = asyncio__run_in_executor(
        loop, asyncio__shared_executor(), join_executor, executor, &options,
        /* in_context= */ false);
    if (!future)
        return asyncio_errno(); /* the reference was dropped */
    int rc = asyncio_wait_for(future, timeout, NULL);
    if (rc < 0)
        asyncio__shared_executor_abandon(asyncio__job_of_future(future));
    asyncio_future_unref(future);
    return rc;
}

static int check_shutdown(asyncio_loop_t *loop, double timeout)
{
    if (!loop)
        return asyncio__fail(-EINVAL, "\"loop\" must not be NULL");
    if (isnan(timeout))
        return asyncio__fail(-EINVAL, "\"timeout\" must not be NaN");
    if (loop != asyncio_get_running_loop() || !asyncio__thread.task)
        return asyncio__fail(ASYNCIO_ERUNTIME, "not inside a task of that loop");
    return 0;
}

int asyncio_loop_shutdown_executor(asyncio_loop_t *loop, asyncio_executor_t *executor,
                                   bool cancel_futures, double timeout)
{
    int rc = check_shutdown(loop, timeout);
    if (rc < 0)
        return rc;
    if (!executor)
        return asyncio__fail(-EINVAL, "\"executor\" must not be NULL");
    return shut_down(loop, asyncio_executor_ref(executor), cancel_futures, timeout);
}

int asyncio_loop_shutdown_default_executor(asyncio_loop_t *loop, double timeout)
{
    int rc = check_shutdown(loop, timeout);
    if (rc < 0)
        return rc;
    asyncio_executor_t *executor = asyncio__executor_state_shut_down(loop);
    if (!executor)
        return 0;
    rc = shut_down(loop, executor, /* cancel_futures= */ false, timeout);
    if (rc != -ETIMEDOUT)
        return rc;
    asyncio__loop_report(loop, "The executor did not finish joining its threads in time", 0, NULL,
                         NULL, NULL, NULL);
    asyncio_error_clear();
    return 0;
}

ASYNCIO__TWIN(CODE, asyncio_loop_shutdown_default_executor, (asyncio_loop_t *, loop),
              (double, timeout))

static void drop_arguments(void *arguments);

static int keep_arguments(void *arguments);

ASYNCIO__TWIN_KEPT(CODE, asyncio_loop_shutdown_executor, keep_arguments, drop_arguments,
                   (asyncio_loop_t *, loop), (asyncio_executor_t *, executor),
                   (bool, cancel_futures), (double, timeout))

static int keep_arguments(void *arguments)
{
    struct asyncio_loop_shutdown_executor_arguments *a = arguments;
    asyncio_executor_ref(a->executor);
    return 0;
}

static void drop_arguments(void *arguments)
{
    struct asyncio_loop_shutdown_executor_arguments *a = arguments;
    asyncio_executor_unref(a->executor);
}
