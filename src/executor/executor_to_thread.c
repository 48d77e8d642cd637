/* SPDX-License-Identifier: MIT */
/* to_thread: a job of the default executor, in the context of the task that waits for it. */
#include <asyncio/task.h>

#include "base/context.h"
#include "base/error.h"
#include "executor/executor_job.h"
#include "executor/executor_run.h"
#include "task/task.h"
#include "task/twin.h"

static asyncio_future_t *submit(asyncio_coroutine_function_t *fn, void *arg,
                                const asyncio_job_options_t *options)
{
    if (!asyncio__thread.coroutine) {
        asyncio__job_destroy_argument(arg, options);
        return asyncio__fail_new(ASYNCIO_ERUNTIME, "await outside a coroutine");
    }
    return asyncio__run_in_executor(/* loop= */ NULL, /* executor= */ NULL, fn, arg, options,
                                    asyncio__uses(ASYNCIO__USES_CONTEXTS));
}

int asyncio_to_thread_full(asyncio_coroutine_function_t *fn, void *arg,
                           const asyncio_job_options_t *options, void **ret_result)
{
    asyncio_future_t *future = submit(fn, arg, options);
    return future ? asyncio_await_unref(future, ret_result) : asyncio_errno();
}

int asyncio_to_thread(asyncio_coroutine_function_t *fn, void *arg, void **ret_result)
{
    return asyncio_to_thread_full(fn, arg, /* options= */ NULL, ret_result);
}

ASYNCIO__TWIN(OWN, asyncio_to_thread, (asyncio_coroutine_function_t *, fn), (void *, arg))

static int run_asyncio_to_thread(void *arguments, void **ret_result)
{
    struct asyncio_to_thread_arguments *a = arguments;
    asyncio_future_t *future = submit(a->fn, a->arg, /* options= */ NULL);
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
