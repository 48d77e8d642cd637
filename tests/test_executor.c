/* SPDX-License-Identifier: MIT */
/* Executors: jobs in other threads, their outcomes, their arguments, cancellation, lifetimes. */
#include "support/executor_fixture.h"

#include <sched.h>

#include "base/memory.h"
#include "loop/loop.h"

static int return_argument(void *arg, void **ret_result)
{
    *ret_result = arg;
    return 0;
}

static int count_run(void *arg, void **ret_result)
{
    (void)ret_result;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static int fail_with_details(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_raise(-EIO, "disk %d", 7);
}

static int fail_plainly(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_raise(-EIO, "of something else");
    return (int)asyncio_int(arg);
}

static void assert_message(const char *message)
{
    asyncio_error_t *error = asyncio_error_last();
    assert_string_equal(asyncio_error_message(error), message);
    asyncio_error_unref(error);
}

/* --- outcomes ------------------------------------------------------------------------------ */

static int return_thread(void *arg, void **ret_result)
{
    *(pthread_t *)arg = pthread_self();
    *ret_result = ASYNCIO_INT(42);
    return 0;
}

static int run_to_thread(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    pthread_t thread = pthread_self();
    void *value = NULL;
    assert_int_equal(asyncio_to_thread(return_thread, &thread, &value), 0);
    assert_int_equal(asyncio_int(value), 42);
    assert_false(pthread_equal(thread, pthread_self()));
    assert_int_equal(asyncio_await(asyncio_to_thread_coroutine(return_thread, &thread), &value),
                     0);
    assert_int_equal(asyncio_int(value), 42);
    return asyncio_loop_shutdown_default_executor(asyncio_get_running_loop(), ASYNCIO_FOREVER);
}

/* to_thread() runs the function in another thread, and returns its result. */
static void a_job_runs_in_another_thread(void **state)
{
    assert_int_equal(run(*state, run_to_thread, NULL), 0);
}

static int run_errors(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_int_equal(asyncio_to_thread(fail_with_details, NULL, NULL), -EIO);
    assert_message("disk 7");
    assert_int_equal(asyncio_to_thread(fail_plainly, ASYNCIO_INT(-ENOENT), NULL), -ENOENT);
    assert_message("");
    assert_int_equal(asyncio_to_thread(fail_plainly, ASYNCIO_INT(3), NULL), 0);
    return asyncio_loop_shutdown_default_executor(asyncio_get_running_loop(), ASYNCIO_FOREVER);
}

/* The details of an error are returned with it, those of another error are not. */
static void an_error_keeps_its_details(void **state)
{
    assert_int_equal(run(*state, run_errors, NULL), 0);
}

static int make_destroyable(void *arg, void **ret_result)
{
    return asyncio_return(ret_result, arg, count_destruction);
}

static int run_values(void *arg, void **ret_result)
{
    (void)ret_result;
    int *destroyed = arg;
    void *value = NULL;
    assert_int_equal(asyncio_to_thread(make_destroyable, destroyed, &value), 0);
    assert_ptr_equal(value, destroyed);
    assert_int_equal(*destroyed, 0);
    assert_int_equal(asyncio_to_thread(make_destroyable, destroyed, NULL), 0);
    assert_int_equal(*destroyed, 1);
    asyncio_task_t *task =
        asyncio_create_task(asyncio_to_thread_coroutine(make_destroyable, destroyed));
    assert_int_equal(asyncio_await(task, NULL), 0);
    assert_int_equal(*destroyed, 1);
    asyncio_task_unref(task);
    assert_int_equal(*destroyed, 2);
    return asyncio_loop_shutdown_default_executor(asyncio_get_running_loop(), ASYNCIO_FOREVER);
}

/* A value with a destructor moves to the task that awaits the job, or is destroyed. */
static void a_value_moves_or_is_destroyed(void **state)
{
    int destroyed = 0;
    assert_int_equal(run(*state, run_values, &destroyed), 0);
    assert_int_equal(destroyed, 2);
}

static int run_dropped_error(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_future_unref(
        asyncio_loop_run_in_executor(NULL, arg, fail_with_details, NULL));
    return asyncio_await_unref(asyncio_loop_run_in_executor(NULL, arg, return_argument, NULL),
                               NULL);
}

/* An error of a job whose future has no reference is reported to the exception handler. */
static void an_error_nobody_reads_is_reported(void **state)
{
    fixture_t *fixture = *state;
    asyncio_executor_t *pool = new_pool(1);
    assert_int_equal(run(fixture, run_dropped_error, pool), 0);
    fixture->expected_reports = 1;
    assert_int_equal(fixture->last.code, -EIO);
    end_pool(pool);
}

/* --- cancellation -------------------------------------------------------------------------- */

/* Cancelling a waiting job removes it from the queue: it never runs. */
static void a_job_cancelled_before_it_begins_never_runs(void **state)
{
    fixture_t *fixture = *state;
    held_t held;
    held_init(&held);
    atomic_int runs = 0;
    asyncio_executor_t *pool = new_pool(1);
    asyncio_future_t *first =
        asyncio_loop_run_in_executor(fixture->loop, pool, wait_at_gate, &held);
    sem_wait(&held.begun);
    asyncio_future_t *second =
        asyncio_loop_run_in_executor(fixture->loop, pool, count_run, &runs);
    assert_int_equal(fixture->loop->jobs, 2);
    assert_int_equal(asyncio_future_cancel(second, "no"), 1);
    assert_true(asyncio_future_cancelled(second));
    assert_int_equal(fixture->loop->jobs, 1);
    assert_int_equal(asyncio_future_cancel(second, NULL), 0);
    asyncio_future_unref(second);
    sem_post(&held.gate);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, first, NULL), 0);
    asyncio_future_unref(first);
    end_pool(pool);
    assert_int_equal(runs, 0);
    assert_int_equal(held.destroyed, 1);
    held_fini(&held);
}

/* Cancelling the future of a running job does not stop the job; its result is dropped. */
static void a_running_job_is_not_stopped_by_a_cancel(void **state)
{
    fixture_t *fixture = *state;
    held_t held;
    held_init(&held);
    asyncio_executor_t *pool = new_pool(1);
    asyncio_future_t *future =
        asyncio_loop_run_in_executor(fixture->loop, pool, wait_at_gate, &held);
    sem_wait(&held.begun);
    assert_int_equal(asyncio_future_cancel(future, NULL), 1);
    assert_true(asyncio_future_cancelled(future));
    assert_int_equal(fixture->loop->jobs, 1);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, future, NULL), -ECANCELED);
    asyncio_future_unref(future);
    sem_post(&held.gate);
    assert_int_equal(asyncio_executor_shutdown(pool, true, false), 0);
    run_turn_once(fixture);
    assert_int_equal(held.runs, 1);
    assert_int_equal(held.destroyed, 1);
    assert_int_equal(fixture->loop->jobs, 0);
    asyncio_executor_unref(pool);
    held_fini(&held);
}

static int await_job(void *arg, void **ret_result)
{
    (void)ret_result;
    return asyncio_to_thread(wait_at_gate, arg, NULL);
}

static int run_cancelled_await(void *arg, void **ret_result)
{
    (void)ret_result;
    held_t *held = arg;
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(await_job, held));
    assert_int_equal(asyncio_sleep(0), 0);
    sem_wait(&held->begun);
    assert_int_equal(asyncio_task_cancel(task, NULL), 1);
    assert_int_equal(asyncio_await_unref(task, NULL), -ECANCELED);
    assert_int_equal(held->runs, 0);
    sem_post(&held->gate);
    return asyncio_loop_shutdown_default_executor(asyncio_get_running_loop(), ASYNCIO_FOREVER);
}

/* Cancelling a task that awaits a job ends the wait at once. */
static void a_cancel_ends_the_await_of_a_job(void **state)
{
    held_t held;
    held_init(&held);
    assert_int_equal(run(*state, run_cancelled_await, &held), 0);
    assert_int_equal(held.runs, 1);
    assert_int_equal(held.destroyed, 1);
    held_fini(&held);
}

/* A shutdown that cancels does not touch running jobs; the others end as cancelled. */
static void a_shutdown_can_cancel_what_waits(void **state)
{
    fixture_t *fixture = *state;
    held_t held;
    held_init(&held);
    atomic_int runs = 0;
    asyncio_executor_t *pool = new_pool(1);
    asyncio_future_t *first =
        asyncio_loop_run_in_executor(fixture->loop, pool, wait_at_gate, &held);
    sem_wait(&held.begun);
    asyncio_future_t *second =
        asyncio_loop_run_in_executor(fixture->loop, pool, count_run, &runs);
    asyncio_concurrent_future_t *third = asyncio_executor_submit(pool, count_run, &runs);
    assert_int_equal(asyncio_executor_shutdown(pool, false, true), 0);
    assert_true(asyncio_concurrent_future_cancelled(third));
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, second, NULL), -ECANCELED);
    sem_post(&held.gate);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, first, NULL), 0);
    end_pool(pool);
    assert_int_equal(runs, 0);
    asyncio_future_unref(first);
    asyncio_future_unref(second);
    asyncio_concurrent_future_unref(third);
    held_fini(&held);
}

/* --- the loop's clock ---------------------------------------------------------------------- */

static int yield_often(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    for (int i = 0; i < 1000; i++)
        sched_yield();
    return 0;
}

static int run_beside_timer(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_task_t *sleeper = asyncio_create_task(asyncio_sleep_coroutine(1000));
    assert_int_equal(asyncio_sleep(0), 0);
    double before = asyncio_loop_time(loop);
    assert_int_equal(asyncio_to_thread(yield_often, NULL, NULL), 0);
    assert_true(asyncio_loop_time(loop) == before);
    assert_int_equal(asyncio_await_unref(sleeper, NULL), 0);
    assert_true(asyncio_loop_time(loop) >= before + 1000);
    return asyncio_loop_shutdown_default_executor(loop, 5.0);
}

/* The virtual clock stands still while a job runs, and advances again after it. */
static void the_virtual_clock_waits_for_jobs(void **state)
{
    assert_int_equal(run(*state, run_beside_timer, NULL), 0);
}

/* --- shutting down ------------------------------------------------------------------------- */

static int run_shutdown(void *arg, void **ret_result)
{
    (void)ret_result;
    atomic_int *runs = arg;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    for (int i = 0; i < 100; i++)
        asyncio_future_unref(asyncio_loop_run_in_executor(loop, NULL, count_run, runs));
    assert_int_equal(asyncio_loop_shutdown_default_executor(loop, 60.0), 0);
    assert_int_equal(*runs, 100);
    assert_int_equal(
        asyncio_await(asyncio_loop_shutdown_default_executor_coroutine(loop, 60.0), NULL), 0);
    assert_int_equal(asyncio_to_thread(count_run, runs, NULL), ASYNCIO_ERUNTIME);
    assert_message("Executor shutdown has been called");
    return 0;
}

/* Shutting the default executor down waits for its jobs; from then on the loop refuses jobs. */
static void the_default_executor_is_shut_down_once(void **state)
{
    atomic_int runs = 0;
    assert_int_equal(run(*state, run_shutdown, &runs), 0);
    assert_int_equal(runs, 100);
}

static int run_impatient(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_future_unref(asyncio_loop_run_in_executor(loop, NULL, wait_at_gate, arg));
    return asyncio_loop_shutdown_default_executor(loop, 0);
}

/* A shutdown whose timeout expires reports that, and the jobs continue. */
static void a_shutdown_does_not_wait_longer_than_asked(void **state)
{
    fixture_t *fixture = *state;
    held_t held;
    held_init(&held);
    asyncio_executor_t *pool = new_pool(1);
    assert_int_equal(asyncio_loop_set_default_executor(fixture->loop, pool), 0);
    assert_int_equal(run(fixture, run_impatient, &held), 0);
    assert_int_equal(fixture->reports, 1);
    fixture->expected_reports = 1;
    assert_null(asyncio_executor_submit(pool, return_argument, NULL));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    sem_post(&held.gate);
    end_pool(pool);
    close_loop(fixture);
    assert_int_equal(held.runs, 1);
    assert_int_equal(held.destroyed, 1);
    asyncio_error_clear();
    await_blocks(fixture->blocks);
    held_fini(&held);
}

/* A loop, an executor, and a job of that executor. */
typedef struct ending {
    asyncio_executor_t *pool; /* of one thread */
    held_t held;              /* its first job */
    atomic_int runs;          /* of its second job */
} ending_t;

static void open_gate(void *arg)
{
    sem_post(&((ending_t *)arg)->held.gate);
}

static int run_awaited_shutdown(void *arg, void **ret_result)
{
    (void)ret_result;
    ending_t *ending = arg;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_future_t *first =
        asyncio_loop_run_in_executor(loop, ending->pool, wait_at_gate, &ending->held);
    sem_wait(&ending->held.begun);
    asyncio_future_t *second =
        asyncio_loop_run_in_executor(loop, ending->pool, count_run, &ending->runs);
    assert_int_equal(asyncio_loop_shutdown_executor(loop, ending->pool, false, 0), -ETIMEDOUT);
    assert_null(asyncio_loop_run_in_executor(loop, ending->pool, count_run, &ending->runs));
    /* The loop runs meanwhile: one of its callbacks lets the job end. */
    assert_int_equal(asyncio_loop_call_soon(loop, open_gate, ending, NULL), 0);
    assert_int_equal(asyncio_await(asyncio_loop_shutdown_executor_coroutine(
                                       loop, ending->pool, true, ASYNCIO_FOREVER),
                                   NULL),
                     0);
    assert_int_equal(ending->held.runs, 1);
    assert_int_equal(ending->runs, 0);
    assert_int_equal(asyncio_await_unref(first, NULL), 0);
    assert_int_equal(asyncio_await_unref(second, NULL), -ECANCELED);
    return 0;
}

/* An executor is shut down and awaited while the loop runs on; the wait ends with its timeout. */
static void an_executor_is_shut_down_without_blocking(void **state)
{
    ending_t ending = {.pool = new_pool(1)};
    held_init(&ending.held);
    assert_int_equal(run(*state, run_awaited_shutdown, &ending), 0);
    end_pool(ending.pool);
    held_fini(&ending.held);
}

static int leave_jobs(void *arg, void **ret_result)
{
    (void)ret_result;
    for (int i = 0; i < 20; i++)
        asyncio_future_unref(asyncio_loop_run_in_executor(NULL, NULL, count_run, arg));
    return 0;
}

/* asyncio_run() ends after the jobs of the default executor have ended. */
static void run_waits_for_the_default_executor(void **state)
{
    (void)state;
    atomic_int runs = 0;
    assert_int_equal(asyncio_run(asyncio_coroutine(leave_jobs, &runs), NULL), 0);
    assert_int_equal(runs, 20);
}

/* --- lifetimes ----------------------------------------------------------------------------- */

/* A job that ends after its loop was closed and freed does not use the loop. */
static void a_job_outlives_its_loop(void **state)
{
    fixture_t *fixture = *state;
    held_t held;
    held_init(&held);
    atomic_int runs = 0;
    asyncio_executor_t *pool = new_pool(1);
    assert_int_equal(asyncio_loop_set_default_executor(fixture->loop, pool), 0);
    asyncio_future_unref(
        asyncio_loop_run_in_executor(fixture->loop, NULL, wait_at_gate, &held));
    sem_wait(&held.begun);
    asyncio_future_unref(asyncio_loop_run_in_executor(fixture->loop, NULL, count_run, &runs));
    close_loop(fixture);
    sem_post(&held.gate);
    end_pool(pool);
    assert_int_equal(held.runs, 1);
    assert_int_equal(held.destroyed, 1);
    assert_int_equal(runs, 1);
    held_fini(&held);
}

/* The future of a job stays pending when its loop is closed, and may still be cancelled. */
static void a_future_outlives_its_loop(void **state)
{
    fixture_t *fixture = *state;
    held_t held;
    held_init(&held);
    asyncio_executor_t *pool = new_pool(1);
    atomic_int runs = 0;
    asyncio_future_t *first =
        asyncio_loop_run_in_executor(fixture->loop, pool, wait_at_gate, &held);
    sem_wait(&held.begun);
    asyncio_future_t *second =
        asyncio_loop_run_in_executor(fixture->loop, pool, count_run, &runs);
    asyncio_future_t *third =
        asyncio_loop_run_in_executor(fixture->loop, pool, return_argument, NULL);
    assert_int_equal(asyncio_loop_close(fixture->loop), 0);
    assert_int_equal(asyncio_future_cancel(second, NULL), 1);
    sem_post(&held.gate);
    end_pool(pool);
    assert_false(asyncio_future_done(first));
    assert_true(asyncio_future_cancelled(second));
    assert_false(asyncio_future_done(third));
    assert_int_equal(runs, 0);
    asyncio_future_unref(first);
    asyncio_future_unref(second);
    asyncio_future_unref(third);
    assert_int_equal(held.destroyed, 1);
    held_fini(&held);
}

/* Results that were posted but not delivered when the loop closes are destroyed. */
static void results_in_the_inbox_are_destroyed(void **state)
{
    fixture_t *fixture = *state;
    int destroyed = 0;
    asyncio_executor_t *pool = new_pool(1);
    asyncio_future_unref(
        asyncio_loop_run_in_executor(fixture->loop, pool, make_destroyable, &destroyed));
    asyncio_future_t *kept =
        asyncio_loop_run_in_executor(fixture->loop, pool, make_destroyable, &destroyed);
    asyncio_future_unref(
        asyncio_loop_run_in_executor(fixture->loop, pool, fail_with_details, NULL));
    end_pool(pool);
    close_loop(fixture);
    assert_int_equal(destroyed, 2);
    assert_false(asyncio_future_done(kept));
    asyncio_future_unref(kept);
}

/* --- executors of the program -------------------------------------------------------------- */

/* An executor that keeps its jobs until it is told to run them. */
typedef struct keeper {
    asyncio_executor_t base; /* the interface */
    asyncio_job_t *newest;   /* the jobs, latest first */
    int refusal;             /* what submit returns, if negative */
    int destroyed;           /* how often it was destroyed */
} keeper_t;

static int keep(asyncio_executor_t *executor, asyncio_job_t *job)
{
    keeper_t *keeper = (keeper_t *)(void *)executor;
    if (keeper->refusal < 0)
        return keeper->refusal;
    asyncio_job_set_next(job, keeper->newest);
    keeper->newest = job;
    return 0;
}

static void keeper_destroy(asyncio_executor_t *executor)
{
    ((keeper_t *)(void *)executor)->destroyed++;
}

static const asyncio_executor_class_t keeper_methods = {
    .size = sizeof(keeper_methods), .submit = keep, .destroy = keeper_destroy};

static asyncio_job_t *take_kept(keeper_t *keeper)
{
    asyncio_job_t *job = keeper->newest;
    assert_non_null(job);
    keeper->newest = asyncio_job_next(job);
    return job;
}

/* An executor of the program runs and cancels jobs; it lives as long as it has jobs. */
static void a_program_can_have_its_own_executor(void **state)
{
    fixture_t *fixture = *state;
    atomic_int runs = 0;
    keeper_t keeper = {.refusal = 0};
    assert_int_equal(asyncio_executor_init(&keeper.base, &keeper_methods), 0);
    asyncio_future_t *run_one =
        asyncio_loop_run_in_executor(fixture->loop, &keeper.base, count_run, &runs);
    asyncio_future_t *cancelled =
        asyncio_loop_run_in_executor(fixture->loop, &keeper.base, count_run, &runs);
    asyncio_future_t *called_off =
        asyncio_loop_run_in_executor(fixture->loop, &keeper.base, count_run, &runs);
    asyncio_concurrent_future_t *unwanted = asyncio_executor_submit(&keeper.base, count_run, &runs);
    asyncio_executor_unref(&keeper.base);
    assert_int_equal(asyncio_concurrent_future_cancel(unwanted), 1);
    asyncio_job_run(take_kept(&keeper)); /* unwanted */
    assert_int_equal(asyncio_future_cancel(called_off, NULL), 1);
    asyncio_job_cancel(take_kept(&keeper)); /* called_off */
    asyncio_job_cancel(take_kept(&keeper)); /* cancelled */
    assert_int_equal(runs, 0);
    assert_int_equal(keeper.destroyed, 0);
    asyncio_job_run(take_kept(&keeper)); /* run_one */
    assert_int_equal(runs, 1);
    assert_null(keeper.newest);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, run_one, NULL), 0);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, cancelled, NULL), -ECANCELED);
    assert_int_equal(keeper.destroyed, 1);
    asyncio_future_unref(run_one);
    asyncio_future_unref(cancelled);
    asyncio_future_unref(called_off);
    asyncio_concurrent_future_unref(unwanted);
    assert_int_equal(fixture->loop->jobs, 0);
}

/* The code with which an executor refuses a job is the code that the caller gets. */
static void a_refused_job_leaves_nothing_behind(void **state)
{
    fixture_t *fixture = *state;
    keeper_t keeper = {.refusal = -EBUSY};
    assert_int_equal(asyncio_executor_init(&keeper.base, &keeper_methods), 0);
    assert_null(asyncio_loop_run_in_executor(fixture->loop, &keeper.base, return_argument, NULL));
    assert_int_equal(asyncio_errno(), -EBUSY);
    assert_null(asyncio_executor_submit(&keeper.base, return_argument, NULL));
    assert_int_equal(asyncio_errno(), -EBUSY);
    assert_int_equal(asyncio_executor_shutdown(&keeper.base, true, true), 0);
    asyncio_executor_unref(&keeper.base);
    assert_int_equal(keeper.destroyed, 1);
}

static int run_at_once(asyncio_executor_t *executor, asyncio_job_t *job)
{
    (void)executor;
    asyncio_job_run(job);
    return 0;
}

static int run_inline(void *arg, void **ret_result)
{
    (void)ret_result;
    void *value = NULL;
    int destroyed = 0;
    assert_int_equal(asyncio_await_unref(asyncio_loop_run_in_executor(NULL, arg, return_argument,
                                                                      ASYNCIO_INT(5)),
                                         &value),
                     0);
    assert_int_equal(asyncio_int(value), 5);
    assert_int_equal(
        asyncio_await_unref(
            asyncio_loop_run_in_executor(NULL, arg, make_destroyable, &destroyed), NULL),
        0);
    assert_int_equal(destroyed, 1);
    assert_int_equal(
        asyncio_await_unref(asyncio_loop_run_in_executor(NULL, arg, fail_with_details, NULL),
                            NULL),
        -EIO);
    return 0;
}

/* An executor may run a job inside its submit, in the thread of the loop. */
static void an_executor_may_run_jobs_at_once(void **state)
{
    static const asyncio_executor_class_t methods = {.size = sizeof(methods),
                                                     .submit = run_at_once};
    asyncio_executor_t executor;
    assert_int_equal(asyncio_executor_init(&executor, &methods), 0);
    assert_int_equal(run(*state, run_inline, &executor), 0);
    asyncio_executor_unref(&executor);
}

/* --- misuse -------------------------------------------------------------------------------- */

static int use_foreign_loop(void *arg, void **ret_result)
{
    (void)ret_result;
    fixture_t *fixture = arg;
    assert_null(asyncio_loop_run_in_executor(fixture->loop, NULL, return_argument, NULL));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    assert_null(asyncio_loop_run_in_executor(NULL, NULL, return_argument, NULL));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    return 0;
}

static int run_misuse(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    assert_int_equal(asyncio_to_thread(use_foreign_loop, arg, NULL), 0);
    assert_int_equal(asyncio_to_thread(NULL, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_loop_shutdown_default_executor(NULL, 1.0), -EINVAL);
    assert_int_equal(asyncio_loop_shutdown_default_executor(loop, (double)NAN), -EINVAL);
    assert_int_equal(asyncio_loop_shutdown_executor(loop, NULL, false, 1.0), -EINVAL);
    return asyncio_loop_shutdown_default_executor(loop, ASYNCIO_FOREVER);
}

/* A loop is used by its own thread only; a missing argument is -EINVAL. */
static void misuse_inside_a_loop_is_refused(void **state)
{
    assert_int_equal(run(*state, run_misuse, *state), 0);
    expect_reports_in_debug(*state, 1);
}

/* NULL, bad options and closed loops are refused with a code. */
static void bad_arguments_are_refused(void **state)
{
    fixture_t *fixture = *state;
    asyncio_executor_t executor, *pool = new_pool(1);
    asyncio_executor_class_t empty = {.size = sizeof(empty)};
    assert_int_equal(asyncio_executor_init(NULL, &keeper_methods), -EINVAL);
    assert_int_equal(asyncio_executor_init(&executor, NULL), -EINVAL);
    assert_int_equal(asyncio_executor_init(&executor, &empty), -EINVAL);
    assert_null(asyncio_executor_ref(NULL));
    asyncio_executor_unref(NULL);
    assert_int_equal(asyncio_executor_shutdown(NULL, true, true), -EINVAL);
    assert_null(asyncio_executor_submit(NULL, return_argument, NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_executor_submit(pool, NULL, NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    asyncio_job_run(NULL);
    asyncio_job_cancel(NULL);
    asyncio_job_set_next(NULL, NULL);
    assert_null(asyncio_job_next(NULL));
    assert_null(asyncio_loop_run_in_executor(fixture->loop, pool, NULL, NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_loop_run_in_executor(NULL, pool, return_argument, NULL));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_loop_set_default_executor(NULL, pool), -EINVAL);
    assert_int_equal(asyncio_loop_set_default_executor(fixture->loop, NULL), -EINVAL);
    assert_int_equal(asyncio_to_thread(return_argument, NULL, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_loop_shutdown_default_executor(fixture->loop, 1.0),
                     ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_loop_close(fixture->loop), 0);
    assert_null(asyncio_loop_run_in_executor(fixture->loop, pool, return_argument, NULL));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    assert_message("Event loop is closed");
    assert_int_equal(asyncio_loop_set_default_executor(fixture->loop, pool), ASYNCIO_ERUNTIME);
    end_pool(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_job_runs_in_another_thread),
        FIXTURE_TEST(an_error_keeps_its_details),
        FIXTURE_TEST(a_value_moves_or_is_destroyed),
        FIXTURE_TEST(an_error_nobody_reads_is_reported),
        FIXTURE_TEST(a_job_cancelled_before_it_begins_never_runs),
        FIXTURE_TEST(a_running_job_is_not_stopped_by_a_cancel),
        FIXTURE_TEST(a_cancel_ends_the_await_of_a_job),
        FIXTURE_TEST(a_shutdown_can_cancel_what_waits),
        FIXTURE_TEST(the_virtual_clock_waits_for_jobs),
        FIXTURE_TEST(the_default_executor_is_shut_down_once),
        FIXTURE_TEST(a_shutdown_does_not_wait_longer_than_asked),
        FIXTURE_TEST(an_executor_is_shut_down_without_blocking),
        FIXTURE_TEST(run_waits_for_the_default_executor),
        FIXTURE_TEST(a_job_outlives_its_loop),
        FIXTURE_TEST(a_future_outlives_its_loop),
        FIXTURE_TEST(results_in_the_inbox_are_destroyed),
        FIXTURE_TEST(a_program_can_have_its_own_executor),
        FIXTURE_TEST(a_refused_job_leaves_nothing_behind),
        FIXTURE_TEST(an_executor_may_run_jobs_at_once),
        FIXTURE_TEST(misuse_inside_a_loop_is_refused),
        FIXTURE_TEST(bad_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
