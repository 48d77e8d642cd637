/* SPDX-License-Identifier: MIT */
/*
 * Runners: a loop that runs one main coroutine after another. Closing a runner cancels the tasks
 * that are left and waits for them, shuts the default executor down, and closes the loop.
 *
 * The loop is created on first use. The close follows asyncio step by step, because traces show
 * how many turns of the loop each step takes.
 */
#include <asyncio/async_generator.h>
#include <asyncio/executor.h>
#include <asyncio/gather.h>
#include <asyncio/runner.h>

#include "base/context.h"
#include "base/memory.h"
#include "coroutine/overflow.h"
#include "loop/loop.h"
#include "run/interrupt.h"
#include "run/runner.h"
#include "task/task.h"
#include "task/twin.h"

#define LONGEST_SHUTDOWN 300.0 /* seconds that the close waits for the default executor's jobs */

/* --- tasks that are left at the close ------------------------------------------------------ */

/* Reports the tasks that failed while they were cancelled: nobody awaits them any more. */
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

/* The cancelled tasks, as the argument of a coroutine. On the heap, because the coroutine may start
 * after its run has ended, when the loop has failed meanwhile. */
struct left {
    asyncio_awaitable_t **tasks; /* references */
    size_t size;                 /* of the array, in bytes */
    size_t count;                /* of tasks */
};

static void give_up_left(void *arg)
{
    struct left *left = arg;
    for (size_t i = 0; i < left->count; i++)
        asyncio_task_unref(left->tasks[i]);
    asyncio__free(left->tasks, left->size);
}

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
    struct left left = {asyncio__malloc(size), size, 0};
    asyncio_coroutine_t *gathering = NULL;
    if (tasks && left.tasks) {
        asyncio__ignore(asyncio_all_tasks(loop, tasks, (size_t)count));
        for (long i = 0; i < count; i++)
            /* Tasks that await each other in a ring cannot be cancelled: the loop's close ends
             * them. */
            if (asyncio_task_cancel(tasks[i], NULL) >= 0)
                left.tasks[left.count++] = asyncio_task_ref(tasks[i]);
        gathering = asyncio__twin(gather_left, &left, sizeof(left), give_up_left, "asyncio_run");
        asyncio__ignore(asyncio_loop_run_until_complete(loop, gathering, NULL));
        report_failures(loop, tasks, (size_t)count);
        for (long i = 0; i < count; i++)
            asyncio_task_unref(tasks[i]);
    }
    if (!gathering)
        give_up_left(&left);
    asyncio__free(tasks, size);
}

/* --- a runner ------------------------------------------------------------------------------ */

struct asyncio_runner {
    long refs;                           /* references */
    asyncio_loop_t *loop;                /* a reference; NULL before first use and after close */
    bool is_closed;                      /* the runner was closed */
    bool is_set;                         /* its loop was set as the thread's */
    int debug;                           /* as in the options */
    bool has_loop_options;               /* loop_options are the caller's */
    asyncio_loop_options_t loop_options; /* of the loop that it makes */
    asyncio_loop_factory_t *factory;     /* creates the loop, or NULL */
    void *factory_arg;                   /* passed to the factory */
    asyncio_context_t *context;          /* of its main tasks; valid while there is a loop */
    asyncio__interrupt_t interrupt;      /* Ctrl-C; initialized while there is a loop */
};

static int init(asyncio_runner_t *runner, const asyncio_runner_options_t *options)
{
    *runner = (asyncio_runner_t){.refs = 1};
    if (!options)
        return 0;
    const asyncio_loop_options_t *loop_options = options->loop_options;
    if (options->size < sizeof(*options) ||
        (loop_options && loop_options->size < sizeof(*loop_options)))
        return asyncio__fail(-EINVAL, "the options' size is not set");
    if (loop_options && options->loop_factory)
        return asyncio__fail(-EINVAL, "options for a loop that a factory makes");
    runner->debug = options->debug;
    runner->factory = options->loop_factory;
    runner->factory_arg = options->factory_arg;
    runner->has_loop_options = loop_options != NULL;
    if (loop_options)
        runner->loop_options = *loop_options;
    return 0;
}

static int make_loop(asyncio_runner_t *runner, asyncio_loop_t **ret_loop)
{
    asyncio_loop_t *loop;
    if (runner->factory)
        loop = runner->factory(runner->factory_arg);
    else
        loop = asyncio_new_event_loop_full(runner->has_loop_options ? &runner->loop_options
                                                                    : NULL);
    if (!loop) {
        int rc = asyncio_errno();
        return rc < 0 ? rc : asyncio__fail(-EINVAL, "the loop factory gave no loop");
    }
    *ret_loop = loop;
    return 0;
}

/* Creates the loop if there is none yet. Returns 0 or a negative code. */
static int begin(asyncio_runner_t *runner)
{
    if (runner->is_closed)
        return asyncio__fail(ASYNCIO_ERUNTIME, "Runner is closed");
    if (runner->loop)
        return 0;
    asyncio_loop_t *loop = NULL;
    int rc = make_loop(runner, &loop);
    if (rc < 0)
        return rc;
    runner->context = asyncio__context_copy_current();
    rc = runner->context ? asyncio__interrupt_init(&runner->interrupt, loop) : -ENOMEM;
    if (rc < 0) {
        asyncio_context_unref(runner->context);
        runner->context = NULL;
        asyncio_loop_unref(loop);
        return rc;
    }
    runner->loop = loop;
    if (!runner->factory) {
        asyncio_set_event_loop(loop);
        runner->is_set = true;
    }
    if (runner->debug)
        asyncio_loop_set_debug(loop, runner->debug > 0);
    return 0;
}

/* Returns 0 if the runner may run on this thread now, else raises ASYNCIO_ERUNTIME. */
static int check(const asyncio_runner_t *runner, const char *message)
{
    if (asyncio_get_running_loop())
        return asyncio__fail(ASYNCIO_ERUNTIME, message);
    const asyncio_loop_t *loop = runner->loop;
    int rc = loop ? asyncio__loop_check_thread(loop) : 0;
    if (rc == 0 && loop && loop->thread && loop->thread != &asyncio__thread)
        rc = asyncio__fail(ASYNCIO_ERUNTIME, "the loop belongs to the thread that ran it first");
    return rc;
}

/* Runs a coroutine, which is taken, as the main task; returns its code. */
static int run(asyncio_runner_t *runner, asyncio_coroutine_t *coroutine,
               asyncio_context_t *context, void **ret_result)
{
    int rc = begin(runner);
    if (rc < 0) {
        asyncio__discard(coroutine);
        return rc;
    }
    asyncio_task_options_t options = {.size = sizeof(options),
                                      .context = context ? context : runner->context};
    asyncio_task_t *task = asyncio__task_new_full(runner->loop, coroutine, &options, NULL);
    if (!task)
        return asyncio_errno();
    asyncio__interrupt_begin(&runner->interrupt, task);
    rc = asyncio_loop_run_until_complete(runner->loop, task, NULL);
    rc = asyncio__interrupt_end(&runner->interrupt, rc);
    if (rc == 0 && ret_result)
        *ret_result = asyncio__future_move_value(task);
    asyncio_task_unref(task);
    return rc;
}

static void end(asyncio_runner_t *runner)
{
    asyncio_loop_t *loop = runner->loop;
    asyncio_error_t *kept = asyncio__error_take(); /* of the run: the caller may ask for it */
    runner->is_closed = true;
    cancel_all_tasks(loop);
    asyncio__ignore(asyncio_loop_run_until_complete(
        loop, asyncio_loop_shutdown_asyncgens_coroutine(loop), NULL));
    asyncio__ignore(asyncio_loop_run_until_complete(
        loop, asyncio_loop_shutdown_default_executor_coroutine(loop, LONGEST_SHUTDOWN), NULL));
    if (runner->is_set)
        asyncio_set_event_loop(NULL);
    asyncio__ignore(asyncio_loop_close(loop));
    asyncio__interrupt_fini(&runner->interrupt);
    asyncio_context_unref(runner->context);
    runner->context = NULL;
    runner->loop = NULL;
    asyncio_loop_unref(loop);
    asyncio__ignore(asyncio__fail_with(asyncio_error_code(kept), kept));
}

asyncio_runner_t *asyncio_runner_new(const asyncio_runner_options_t *options)
{
    asyncio_runner_t *runner = asyncio__malloc(sizeof(*runner));
    if (!runner)
        return asyncio__fail_new(-ENOMEM, NULL);
    int rc = init(runner, options);
    if (rc == 0)
        return runner;
    asyncio__free(runner, sizeof(*runner));
    return asyncio__fail_new(rc, "bad options of a runner");
}

asyncio_runner_t *asyncio_runner_ref(asyncio_runner_t *runner)
{
    if (runner)
        runner->refs++;
    return runner;
}

void asyncio_runner_unref(asyncio_runner_t *runner)
{
    if (!runner || --runner->refs > 0)
        return;
    /* In a forked child, or while its loop runs, the runner is leaked: it is still in use. */
    if (asyncio_runner_close(runner) == 0)
        asyncio__free(runner, sizeof(*runner));
}

asyncio_loop_t *asyncio_runner_get_loop(asyncio_runner_t *runner)
{
    if (!runner)
        return asyncio__fail_new(-EINVAL, "\"runner\" must not be NULL");
    int rc = begin(runner);
    if (rc < 0) {
        asyncio__thread.constructor_code = rc;
        return NULL;
    }
    return runner->loop;
}

int asyncio_runner_run_full(asyncio_runner_t *runner, asyncio_coroutine_t *coroutine,
                            asyncio_context_t *context, void **ret_result)
{
    if (!coroutine)
        return asyncio__fail_null();
    if (!asyncio_iscoroutine(coroutine))
        return asyncio__fail(-EINVAL, "a coroutine was expected");
    int rc = runner ? check(runner, "Runner.run() cannot be called from a running event loop")
                    : asyncio__fail(-EINVAL, "\"runner\" must not be NULL");
    if (rc < 0) {
        asyncio__discard(coroutine);
        return rc;
    }
    return run(runner, coroutine, context, ret_result);
}

int asyncio_runner_run(asyncio_runner_t *runner, asyncio_coroutine_t *coroutine,
                       void **ret_result)
{
    return asyncio_runner_run_full(runner, coroutine, /* context= */ NULL, ret_result);
}

int asyncio_runner_close(asyncio_runner_t *runner)
{
    if (!runner)
        return asyncio__fail(-EINVAL, "\"runner\" must not be NULL");
    if (!runner->loop)
        return 0;
    int rc = check(runner, "Runner.close() cannot be called from a running event loop");
    if (rc == 0)
        end(runner);
    return rc;
}

void asyncio__runner_abandon(asyncio_runner_t *runner)
{
    asyncio__overflow_leave(runner->loop->overflow);
    asyncio__thread.running_loop = NULL;
    asyncio__thread.task = NULL;
    asyncio__thread.coroutine = NULL;
    asyncio__thread.locals = NULL;
    asyncio__thread.quarantine = NULL; /* it stood in a stack frame that longjmp() discarded */
    asyncio__ignore(asyncio__interrupt_end(&runner->interrupt, 0));
    if (runner->is_set)
        asyncio_set_event_loop(NULL);
}

/* --- one run ------------------------------------------------------------------------------- */

int asyncio_run_full(asyncio_coroutine_t *coroutine, const asyncio_runner_options_t *options,
                     void **ret_result)
{
    asyncio_runner_t runner;
    if (!coroutine)
        return asyncio__fail_null();
    if (!asyncio_iscoroutine(coroutine))
        return asyncio__fail(-EINVAL, "a coroutine was expected");
    int rc = init(&runner, options);
    if (rc == 0)
        rc = check(&runner, "asyncio.run() cannot be called from a running event loop");
    if (rc < 0) {
        asyncio__discard(coroutine);
        return rc;
    }
    rc = run(&runner, coroutine, /* context= */ NULL, ret_result);
    if (runner.loop)
        end(&runner);
    return rc;
}

int asyncio_run(asyncio_coroutine_t *coroutine, void **ret_result)
{
    return asyncio_run_full(coroutine, NULL, ret_result);
}
