/* SPDX-License-Identifier: MIT */
/* run: a loop for one main coroutine; what is left at its end is cancelled and waited for. */
#include <asyncio/async_generator.h>
#include <asyncio/executor.h>
#include <asyncio/gather.h>
#include <asyncio/runner.h>

#include "base/memory.h"
#include "loop/loop.h"
#include "task/task.h"

#define LONGEST_SHUTDOWN 300.0 /* seconds that the default executor's jobs are given */

/* Reports what failed although nobody waits for it any more. */
static void report_failures(asyncio_loop_t *loop, asyncio_task_t **tasks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        asyncio_error_t *error = NULL;
        if (!asyncio_future_done(tasks[i]) || asyncio_future_exception(tasks[i], &error) < 0 ||
            !error)
            continue;
        asyncio__loop_report(loop, "unhandled exception during asyncio.run() shutdown",
                             asyncio_error_code(error), error, tasks[i], tasks[i]->place,
                             asyncio_task_get_name(tasks[i]));
        asyncio_error_unref(error);
    }
}

/* The tasks that were cancelled, as a coroutine's argument. */
struct left {
    asyncio_awaitable_t **tasks; /* count of them, borrowed */
    size_t count;                /* of tasks */
};

static int gather_left(void *arg, void **ret_result)
{
    (void)ret_result;
    struct left *left = arg;
    asyncio_gather_options_t options = {.size = sizeof(options), .return_exceptions = true};
    return asyncio_await_unref(asyncio_gather(left->tasks, left->count, &options), NULL);
}

static void cancel_all_tasks(asyncio_loop_t *loop)
{
    long count = asyncio_all_tasks(loop, NULL, 0);
    if (count <= 0)
        return;
    size_t size = (size_t)count * sizeof(asyncio_task_t *);
    asyncio_task_t **tasks = asyncio__malloc(size);
    asyncio_awaitable_t **waited = asyncio__malloc(size);
    if (tasks && waited) {
        struct left left = {waited, 0};
        asyncio__ignore(asyncio_all_tasks(loop, tasks, (size_t)count));
        for (long i = 0; i < count; i++)
            /* Tasks in a ring cannot be cancelled: the close of the loop ends them. */
            if (asyncio_task_cancel(tasks[i], NULL) >= 0)
                waited[left.count++] = tasks[i];
        asyncio__ignore(asyncio_loop_run_until_complete(
            loop, asyncio_coroutine(gather_left, &left), NULL));
        report_failures(loop, tasks, (size_t)count);
        for (long i = 0; i < count; i++)
            asyncio_task_unref(tasks[i]);
    }
    asyncio__free(tasks, size);
    asyncio__free(waited, size);
}

int asyncio_run(asyncio_coroutine_t *coroutine, void **ret_result)
{
    if (!coroutine)
        return asyncio__fail_null();
    int rc = 0;
    if (!asyncio_iscoroutine(coroutine))
        return asyncio__fail(-EINVAL, "a coroutine was expected");
    if (asyncio_get_running_loop())
        rc = asyncio__fail(ASYNCIO_ERUNTIME,
                           "asyncio.run() cannot be called from a running event loop");
    asyncio_loop_t *loop = rc == 0 ? asyncio_new_event_loop() : NULL;
    if (!loop) {
        asyncio__discard(coroutine);
        return rc < 0 ? rc : asyncio_errno();
    }
    rc = asyncio_loop_run_until_complete(loop, coroutine, ret_result);
    asyncio_error_t *error = rc < 0 ? asyncio__error_take_of(rc) : NULL;
    cancel_all_tasks(loop);
    asyncio__ignore(asyncio_loop_run_until_complete(
        loop, asyncio_loop_shutdown_asyncgens_coroutine(loop), NULL));
    asyncio__ignore(asyncio_loop_run_until_complete(
        loop, asyncio_loop_shutdown_default_executor_coroutine(loop, LONGEST_SHUTDOWN), NULL));
    asyncio__ignore(asyncio_loop_close(loop));
    asyncio_loop_unref(loop);
    return rc < 0 ? asyncio__fail_with(rc, error) : rc;
}
