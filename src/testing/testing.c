/* SPDX-License-Identifier: MIT */
/*
 * The test fixture for programs that use the library.
 *
 * One runner runs setup, test, teardown and cleanups. The fixture allocates everything it needs
 * for itself before it opens the accounts, and the error slot is empty when they are opened and
 * closed, so that the accounts show only what the test leaves behind.
 */
#include <asyncio/sleep.h>
#include <asyncio/task.h>
#include <asyncio/testing.h>
#include <pthread.h>

#include "base/error.h"
#include "base/memory.h"
#include "coroutine/coroutine.h"
#include "coroutine/stack.h"
#include "loop/loop.h"
#include "run/runner.h"
#include "task/task.h"
#include "testing/accounts.h"
#include "testing/text.h"

#define ALL_LEFTOVERS                                                        \
    (ASYNCIO_TESTING_TASKS | ASYNCIO_TESTING_REPORTS | ASYNCIO_TESTING_MEMORY | \
     ASYNCIO_TESTING_DESCRIPTORS)

/* A function to run at the end of the test. */
typedef struct cleanup {
    asyncio_coroutine_function_t *fn; /* the function */
    void *arg;                        /* its argument */
    const char *place;                /* the source location that added it */
    struct cleanup *next;             /* the one that was added before it */
} cleanup_t;

struct asyncio_testing {
    asyncio_testing_options_t options;
    asyncio_runner_t *runner;        /* of the running test; NULL: no test runs */
    asyncio_loop_t *loop;            /* its loop, a reference */
    asyncio__thread_t *thread;       /* the thread that began the test */
    cleanup_t *cleanups;             /* the latest first */
    int code;                        /* of the first part of the test that failed */
    bool is_warm;                    /* the library's once-per-process objects exist */
    bool is_set_up;                  /* setup succeeded: teardown is due */
    asyncio__text_t faults;          /* of this test, or of the previous one */
    pthread_mutex_t lock;            /* protects reports, which any thread may add */
    asyncio__text_t reports;         /* reports that the test has not taken */
    asyncio__accounts_t accounts;    /* opened at the beginning of the test */
    asyncio_exception_handler_t *process_handler; /* the former one, and its argument */
    void *process_arg;
};

/* --- lines --------------------------------------------------------------------------------- */

static void add_report(asyncio_testing_t *testing, const asyncio_exception_context_t *context)
{
    const char *name = context->name ? context->name : "";
    const char *place = context->place ? context->place : "";
    const char *error = context->code < 0 ? asyncio_error_message(context->error) : "";
    if (context->code < 0 && !*error)
        error = asyncio_strerror(context->code);
    asyncio__text_add(&testing->reports, "report: %s%s%s%s%s%s%s%s%s%s",
                      context->message ? context->message : "unhandled error",
                      *name ? ": " : "", name, *place ? " (made at " : "", place,
                      *place ? ")" : "", context->code < 0 ? ": " : "",
                      context->code < 0 ? asyncio_error_name(context->code) : "",
                      *error ? ": " : "", error);
}

static void on_report(asyncio_loop_t *loop, const asyncio_exception_context_t *context, void *arg)
{
    asyncio_testing_t *testing = arg;
    pthread_mutex_lock(&testing->lock);
    add_report(testing, context);
    pthread_mutex_unlock(&testing->lock);
    if (testing->options.on_report)
        testing->options.on_report(loop, context, testing->options.report_arg);
}

/* Adds a line for a part of the test that failed; the details are in the error slot. */
static void add_failure(asyncio_testing_t *testing, const char *part, const char *place, int code)
{
    asyncio_error_t *error = asyncio__error_take_of(code);
    const char *message = asyncio_error_message(error);
    const char *raised = asyncio_error_place(error);
    asyncio__text_add(&testing->faults, "%s failed%s%s%s: %s: %s%s%s", part,
                      *place ? " (" : "", place, *place ? ")" : "", asyncio_error_name(code),
                      *message ? message : asyncio_strerror(code), *raised ? " at " : "", raised);
    asyncio__error_drop(error);
    if (testing->code == 0)
        testing->code = code;
}

/* --- the parts of a test ------------------------------------------------------------------- */

/* Runs one part; records its code and returns it. */
static int run_part(asyncio_testing_t *testing, const char *part,
                    asyncio_coroutine_function_t *fn, void *arg, const char *place)
{
    const char *made_at = *place ? place : part;
    int rc = asyncio_runner_run(testing->runner,
                                asyncio_coroutine_full_at(fn, arg, NULL, made_at), NULL);
    if (rc < 0)
        add_failure(testing, part, place, rc);
    return rc;
}

static void run_cleanups(asyncio_testing_t *testing)
{
    cleanup_t *first;
    while ((first = testing->cleanups)) {
        cleanup_t cleanup = *first;
        testing->cleanups = cleanup.next;
        asyncio__free(first, sizeof(*first));
        asyncio__ignore(run_part(testing, "a cleanup", cleanup.fn, cleanup.arg, cleanup.place));
    }
}

static int do_nothing(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_sleep(0);
}

static asyncio_runner_t *make_runner(const asyncio_testing_t *testing)
{
    const asyncio_testing_options_t *given = &testing->options;
    asyncio_loop_options_t loop_options = {
        .size = sizeof(loop_options),
        .engine = given->engine,
        .clock = given->real_clock ? ASYNCIO_CLOCK_MONOTONIC : ASYNCIO_CLOCK_VIRTUAL,
        .stack_bytes = given->stack_bytes,
    };
    asyncio_runner_options_t options = {.size = sizeof(options),
                                        .debug = given->no_debug ? -1 : 1,
                                        .loop_options = &loop_options};
    return asyncio_runner_new(&options);
}

/* Turns reports of slow callbacks off: the time depends on the machine, not on the test. */
static int quieten(asyncio_loop_t *loop)
{
    return asyncio_loop_set_slow_callback_duration(loop, ASYNCIO_FOREVER);
}

/* Creates the objects that the library keeps for the process or the thread, so that they do not
 * count as leaks of the first test. */
static int warm_up(asyncio_testing_t *testing)
{
    if (testing->is_warm)
        return 0;
    asyncio_runner_t *runner = make_runner(testing);
    if (!runner)
        return asyncio_errno();
    asyncio_loop_t *loop = asyncio_runner_get_loop(runner);
    int rc = loop ? quieten(loop) : asyncio_errno();
    if (rc == 0)
        rc = asyncio_runner_run(runner, asyncio_coroutine(do_nothing, NULL), NULL);
    asyncio_runner_unref(runner);
    testing->is_warm = rc == 0;
    return rc;
}

/* --- what was left behind ------------------------------------------------------------------ */

static void list_tasks(asyncio_testing_t *testing)
{
    long count = asyncio_all_tasks(testing->loop, NULL, 0);
    if (count <= 0 || testing->options.allowed & ASYNCIO_TESTING_TASKS)
        return;
    size_t size = (size_t)count * sizeof(asyncio_task_t *);
    asyncio_task_t **tasks = asyncio__malloc(size);
    if (!tasks) {
        asyncio__text_add(&testing->faults, "%ld tasks are pending", count);
        return;
    }
    asyncio__ignore(asyncio_all_tasks(testing->loop, tasks, (size_t)count));
    for (long i = 0; i < count; i++) {
        asyncio__text_add(&testing->faults, "pending task: %s (made at %s)",
                          asyncio_task_get_name(tasks[i]), tasks[i]->place);
        asyncio_task_unref(tasks[i]);
    }
    asyncio__free(tasks, size);
}

static void list_accounts(asyncio_testing_t *testing)
{
    unsigned allowed = testing->options.allowed;
    asyncio_error_clear();
    long blocks = allowed & ASYNCIO_TESTING_MEMORY
                      ? 0
                      : asyncio__accounts_blocks(&testing->accounts);
    if (blocks > 0)
        asyncio__text_add(&testing->faults, "%ld %s not given back", blocks,
                          blocks == 1 ? "block of memory was" : "blocks of memory were");
    if (!(allowed & ASYNCIO_TESTING_DESCRIPTORS))
        asyncio__accounts_descriptors(&testing->accounts, &testing->faults);
}

static void list_reports(asyncio_testing_t *testing)
{
    pthread_mutex_lock(&testing->lock);
    if (testing->options.allowed & ASYNCIO_TESTING_REPORTS)
        asyncio__text_clear(&testing->reports);
    asyncio__text_move(&testing->faults, &testing->reports);
    pthread_mutex_unlock(&testing->lock);
}

/* --- beginning and end --------------------------------------------------------------------- */

static void begin_capture(asyncio_testing_t *testing)
{
    testing->process_handler = on_report;
    testing->process_arg = testing;
    asyncio__swap_process_handler(&testing->process_handler, &testing->process_arg);
}

static void end_capture(asyncio_testing_t *testing)
{
    asyncio__swap_process_handler(&testing->process_handler, &testing->process_arg);
}

/* Creates the runner and its loop: both, or on failure neither. */
static int open_runner(asyncio_testing_t *testing)
{
    testing->runner = make_runner(testing);
    if (!testing->runner)
        return asyncio_errno();
    asyncio_loop_t *loop = asyncio_runner_get_loop(testing->runner);
    if (!loop) {
        int rc = asyncio_errno();
        asyncio_runner_unref(testing->runner);
        testing->runner = NULL;
        return rc;
    }
    testing->loop = asyncio_loop_ref(loop);
    asyncio_loop_set_exception_handler(loop, on_report, testing);
    return quieten(loop);
}

static void close_runner(asyncio_testing_t *testing)
{
    asyncio_runner_unref(testing->runner);
    /* A loop that outlives the fixture must not report to it. */
    asyncio_loop_set_exception_handler(testing->loop, NULL, NULL);
    asyncio_loop_unref(testing->loop);
    testing->runner = NULL;
    testing->loop = NULL;
}

/* Whether the test left a coroutine of this loop by longjmp(): it counts as running, but this is
 * not its stack. */
static bool was_left_by_jump(const asyncio_testing_t *testing)
{
    const asyncio_coroutine_t *coroutine = asyncio__thread.coroutine;
    if (asyncio__thread.running_loop != testing->loop || !coroutine || !coroutine->stack)
        return false;
    const char *here = __builtin_frame_address(0);
    return here < coroutine->stack->bottom || here >= coroutine->stack->top;
}

/* Gives up a loop in which nothing can run any more; nothing of it can be freed. */
static void abandon(asyncio_testing_t *testing)
{
    size_t count = 0;
    asyncio__runner_abandon(testing->runner);
    asyncio_loop_set_exception_handler(testing->loop, NULL, NULL);
    testing->runner = NULL;
    testing->loop = NULL;
    for (cleanup_t *next; testing->cleanups; testing->cleanups = next, count++) {
        next = testing->cleanups->next;
        asyncio__free(testing->cleanups, sizeof(cleanup_t));
    }
    asyncio__text_add(&testing->faults,
                      "a coroutine was left by a jump: its loop is lost, and %s%zu cleanups "
                      "did not run",
                      testing->is_set_up && testing->options.teardown ? "teardown and " : "",
                      count);
}

static int check(asyncio_testing_t *testing)
{
    if (!testing)
        return asyncio__fail(-EINVAL, "\"testing\" must not be NULL");
    if (!testing->runner)
        return asyncio__fail(ASYNCIO_ERUNTIME, "no test is under way");
    if (testing->thread != &asyncio__thread)
        return asyncio__fail(ASYNCIO_ERUNTIME, "the test is another thread's");
    return asyncio__loop_check_thread(testing->loop);
}

/* Ends a test after its body has run, or after its setup failed. */
static int end(asyncio_testing_t *testing)
{
    if (was_left_by_jump(testing)) {
        abandon(testing);
    } else {
        if (testing->is_set_up && testing->options.teardown)
            asyncio__ignore(run_part(testing, "teardown", testing->options.teardown,
                                     testing->options.arg, ""));
        run_cleanups(testing);
        list_tasks(testing);
        close_runner(testing);
        list_accounts(testing);
    }
    asyncio_error_clear();
    end_capture(testing);
    list_reports(testing);
    asyncio__accounts_close(&testing->accounts);
    testing->is_set_up = false;
    if (testing->code == 0 && testing->faults.lines > 0)
        testing->code = -EUCLEAN;
    return testing->code == 0 ? 0
                              : asyncio_raise_at(testing->code, "", "%s", testing->faults.text);
}

int asyncio_testing_begin(asyncio_testing_t *testing)
{
    if (!testing)
        return asyncio__fail(-EINVAL, "\"testing\" must not be NULL");
    if (testing->runner && was_left_by_jump(testing))
        asyncio__ignore(end(testing)); /* the test framework has its result already */
    if (testing->runner)
        return asyncio__fail(ASYNCIO_ERUNTIME, "a test is under way");
    if (asyncio_get_running_loop())
        return asyncio__fail(ASYNCIO_ERUNTIME, "a test cannot begin in a running event loop");
    asyncio__text_clear(&testing->faults);
    asyncio__text_clear(&testing->reports);
    testing->code = 0;
    int rc = warm_up(testing);
    if (rc < 0)
        return rc;
    asyncio_error_clear();
    rc = asyncio__accounts_open(&testing->accounts);
    if (rc < 0)
        return asyncio__fail(rc, NULL);
    rc = open_runner(testing);
    if (rc < 0) {
        asyncio__accounts_close(&testing->accounts);
        return rc;
    }
    testing->thread = &asyncio__thread;
    begin_capture(testing);
    if (testing->options.setup)
        rc = run_part(testing, "setup", testing->options.setup, testing->options.arg, "");
    testing->is_set_up = rc == 0;
    return rc < 0 ? end(testing) : 0;
}

int asyncio_testing_end(asyncio_testing_t *testing)
{
    int rc = check(testing);
    if (rc < 0)
        return rc;
    if (asyncio_get_running_loop() && !was_left_by_jump(testing))
        return asyncio__fail(ASYNCIO_ERUNTIME, "a test cannot end in a running event loop");
    return end(testing);
}

int asyncio_testing_run_at(asyncio_testing_t *testing, asyncio_coroutine_function_t *fn, void *arg,
                           const char *place)
{
    if (!fn)
        return asyncio__fail(-EINVAL, "\"fn\" must not be NULL");
    int rc = asyncio_testing_begin(testing);
    if (rc < 0)
        return rc;
    asyncio__ignore(run_part(testing, "the test", fn, arg, place ? place : ""));
    return end(testing);
}

/* --- during a test ------------------------------------------------------------------------- */

asyncio_loop_t *asyncio_testing_get_loop(asyncio_testing_t *testing)
{
    return testing ? testing->loop : NULL;
}

int asyncio_testing_call(asyncio_testing_t *testing, asyncio_coroutine_t *coroutine,
                         void **ret_result)
{
    if (!coroutine)
        return asyncio__fail_null();
    if (!asyncio_iscoroutine(coroutine))
        return asyncio__fail(-EINVAL, "a coroutine was expected");
    int rc = check(testing);
    if (rc < 0) {
        asyncio__discard(coroutine);
        return rc;
    }
    return asyncio_runner_run(testing->runner, coroutine, ret_result);
}

int asyncio_testing_add_cleanup_at(asyncio_testing_t *testing, asyncio_coroutine_function_t *fn,
                                   void *arg, const char *place)
{
    int rc = check(testing);
    if (rc < 0)
        return rc;
    if (!fn)
        return asyncio__fail(-EINVAL, "\"fn\" must not be NULL");
    cleanup_t *cleanup = asyncio__malloc(sizeof(*cleanup));
    if (!cleanup)
        return asyncio__fail(-ENOMEM, NULL);
    *cleanup = (cleanup_t){fn, arg, place ? place : "", testing->cleanups};
    testing->cleanups = cleanup;
    return 0;
}

size_t asyncio_testing_take_reports(asyncio_testing_t *testing)
{
    if (!testing)
        return 0;
    pthread_mutex_lock(&testing->lock);
    size_t count = testing->reports.lines;
    asyncio__text_clear(&testing->reports);
    pthread_mutex_unlock(&testing->lock);
    return count;
}

const char *asyncio_testing_report(const asyncio_testing_t *testing)
{
    if (!testing)
        return "";
    return testing->runner ? testing->reports.text : testing->faults.text;
}

/* --- the fixture --------------------------------------------------------------------------- */

static void free_fixture(asyncio_testing_t *testing)
{
    asyncio__text_fini(&testing->faults);
    asyncio__text_fini(&testing->reports);
    pthread_mutex_destroy(&testing->lock);
    asyncio__free(testing, sizeof(*testing));
}

asyncio_testing_t *asyncio_testing_new(const asyncio_testing_options_t *options)
{
    if (options && options->size < sizeof(*options))
        return asyncio__fail_new(-EINVAL, "the options' size is not set");
    if (options && options->allowed & ~(unsigned)ALL_LEFTOVERS)
        return asyncio__fail_new(-EINVAL, "no such leftover");
    asyncio_testing_t *testing = asyncio__malloc(sizeof(*testing));
    if (!testing)
        return asyncio__fail_new(-ENOMEM, NULL);
    *testing = (asyncio_testing_t){.lock = PTHREAD_MUTEX_INITIALIZER};
    if (options)
        testing->options = *options;
    if (asyncio__text_init(&testing->faults) == 0 && asyncio__text_init(&testing->reports) == 0)
        return testing;
    free_fixture(testing);
    return asyncio__fail_new(-ENOMEM, NULL);
}

void asyncio_testing_unref(asyncio_testing_t *testing)
{
    if (!testing)
        return;
    if (testing->runner)
        asyncio__ignore(asyncio_testing_end(testing));
    /* In a forked child, or while its loop runs, the runner is leaked: it is still in use. */
    if (!testing->runner)
        free_fixture(testing);
}

/* --- the macros as functions --------------------------------------------------------------- */

int (asyncio_testing_run)(asyncio_testing_t *testing, asyncio_coroutine_function_t *fn, void *arg)
{
    return asyncio_testing_run_at(testing, fn, arg, /* place= */ NULL);
}

int (asyncio_testing_add_cleanup)(asyncio_testing_t *testing, asyncio_coroutine_function_t *fn,
                                  void *arg)
{
    return asyncio_testing_add_cleanup_at(testing, fn, arg, /* place= */ NULL);
}
