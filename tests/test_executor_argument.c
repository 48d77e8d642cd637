/* SPDX-License-Identifier: MIT */
/* The arguments of jobs: destructors and copies; and what is known of a job after a cancel. */
#include "support/executor_fixture.h"

static int return_argument(void *arg, void **ret_result)
{
    *ret_result = arg;
    return 0;
}

/* An argument with a destructor. */
typedef struct owned {
    held_t held;          /* the job can be held up */
    atomic_int destroyed; /* how often it was destroyed */
} owned_t;

static void destroy_owned(void *arg)
{
    atomic_fetch_add(&((owned_t *)arg)->destroyed, 1);
}

static const asyncio_job_options_t owning = {.size = sizeof(owning), .destroy = destroy_owned};

static int hold_owned(void *arg, void **ret_result)
{
    owned_t *owned = arg;
    (void)ret_result;
    pass_gate(&owned->held);
    assert_int_equal(owned->destroyed, 0);
    return 0;
}

static asyncio_future_t *run_owned(fixture_t *fixture, asyncio_executor_t *executor,
                                   owned_t *owned)
{
    return asyncio_loop_run_in_executor_full(fixture->loop, executor, hold_owned, owned, &owning);
}

/* The destructor of an argument is called once: when the function has returned, even if its future
 * was cancelled; or as soon as it is certain that the function will never run. */
static void an_argument_is_destroyed_once(void **state)
{
    fixture_t *fixture = *state;
    owned_t running = {.destroyed = 0}, cancelled = running, in_shutdown = running;
    held_init(&running.held);
    asyncio_executor_t *pool = new_pool(1);
    asyncio_future_t *first = run_owned(fixture, pool, &running);
    asyncio_future_t *second = run_owned(fixture, pool, &cancelled);
    asyncio_concurrent_future_t *third =
        asyncio_executor_submit_full(pool, hold_owned, &in_shutdown, &owning);
    sem_wait(&running.held.begun);
    assert_int_equal(asyncio_future_cancel(second, NULL), 1);
    assert_int_equal(cancelled.destroyed, 1);
    assert_int_equal(asyncio_future_cancel(first, NULL), 1);
    assert_int_equal(running.destroyed, 0);
    assert_int_equal(asyncio_executor_shutdown(pool, false, true), 0);
    assert_int_equal(in_shutdown.destroyed, 1);
    sem_post(&running.held.gate);
    end_pool(pool);
    run_turn_once(fixture); /* the outcome arrives */
    assert_int_equal(running.destroyed, 1);
    asyncio_future_unref(first);
    asyncio_future_unref(second);
    asyncio_concurrent_future_unref(third);
    assert_int_equal(cancelled.destroyed, 1);
    assert_int_equal(in_shutdown.destroyed, 1);
    held_fini(&running.held);
}

/* If the loop is closed before the function runs, the argument is destroyed after the function has
 * run. */
static void an_argument_outlives_the_loop(void **state)
{
    fixture_t *fixture = *state;
    owned_t running = {.destroyed = 0}, waiting = running;
    held_init(&running.held);
    held_init(&waiting.held);
    asyncio_executor_t *pool = new_pool(1);
    asyncio_future_unref(run_owned(fixture, pool, &running));
    asyncio_future_unref(run_owned(fixture, pool, &waiting));
    sem_wait(&running.held.begun);
    close_loop(fixture);
    assert_int_equal(running.destroyed + waiting.destroyed, 0);
    sem_post(&running.held.gate);
    sem_post(&waiting.held.gate);
    end_pool(pool);
    assert_int_equal(running.destroyed, 1);
    assert_int_equal(waiting.destroyed, 1);
    held_fini(&running.held);
    held_fini(&waiting.held);
}

/* The argument is destroyed if the job is refused, for whatever reason. */
static void an_argument_is_destroyed_on_failure(void **state)
{
    fixture_t *fixture = *state;
    owned_t owned = {.destroyed = 0};
    asyncio_executor_t *pool = new_pool(1);
    assert_null(asyncio_loop_run_in_executor_full(fixture->loop, pool, NULL, &owned, &owning));
    assert_int_equal(owned.destroyed, 1);
    assert_null(asyncio_executor_submit_full(NULL, hold_owned, &owned, &owning));
    assert_int_equal(owned.destroyed, 2);
    assert_int_equal(asyncio_to_thread_full(hold_owned, &owned, &owning, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(owned.destroyed, 3);
    assert_int_equal(asyncio_executor_shutdown(pool, true, false), 0);
    assert_null(run_owned(fixture, pool, &owned));
    assert_int_equal(owned.destroyed, 4);
    assert_null(asyncio_executor_submit_full(pool, hold_owned, &owned, &owning));
    assert_int_equal(owned.destroyed, 5);
    asyncio_executor_unref(pool);
    asyncio_job_options_t bad = {.size = 1}, copied = {.size = sizeof(copied), .copy_bytes = 1};
    assert_null(asyncio_loop_run_in_executor_full(fixture->loop, NULL, hold_owned, NULL, &bad));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_loop_run_in_executor_full(fixture->loop, NULL, hold_owned, NULL, &copied));
    assert_int_equal(asyncio_errno(), -EINVAL);
}

/* An argument that is copied. */
typedef struct request {
    owned_t *owned; /* of the test */
    int number;     /* 7, in the copy too */
} request_t;

static void destroy_request(void *arg)
{
    request_t *request = arg;
    assert_int_equal(request->number, 7);
    atomic_fetch_add(&request->owned->destroyed, 1);
}

static int use_request(void *arg, void **ret_result)
{
    request_t *request = arg;
    (void)ret_result;
    pass_gate(&request->owned->held);
    assert_int_equal(request->number, 7);
    return 0;
}

static int await_copied(void *arg, void **ret_result)
{
    request_t request = {.owned = arg, .number = 7};
    const asyncio_job_options_t copied = {
        .size = sizeof(copied), .copy_bytes = sizeof(request), .destroy = destroy_request};
    int rc = asyncio_to_thread_full(use_request, &request, &copied, ret_result);
    request.number = 0;
    return rc;
}

static int run_copied(void *arg, void **ret_result)
{
    (void)ret_result;
    owned_t *owned = arg;
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(await_copied, owned));
    assert_int_equal(asyncio_sleep(0), 0);
    sem_wait(&owned->held.begun);
    assert_int_equal(asyncio_task_cancel(task, NULL), 1);
    assert_int_equal(asyncio_await_unref(task, NULL), -ECANCELED); /* its frame has ended */
    assert_int_equal(owned->destroyed, 0);
    sem_post(&owned->held.gate);
    return asyncio_loop_shutdown_default_executor(asyncio_get_running_loop(), ASYNCIO_FOREVER);
}

/* The copy of a local variable lives until the function has returned, even if the waiting task was
 * cancelled and its frame has ended. */
static void a_copied_argument_outlives_the_caller(void **state)
{
    owned_t owned = {.destroyed = 0};
    held_init(&owned.held);
    assert_int_equal(run(*state, run_copied, &owned), 0);
    assert_int_equal(owned.destroyed, 1);
    assert_int_equal(owned.held.runs, 1);
    held_fini(&owned.held);
}

/* After a cancel the caller can tell whether the function never runs, runs, or has returned. */
static void the_state_of_a_job_is_known(void **state)
{
    fixture_t *fixture = *state;
    held_t held;
    held_init(&held);
    asyncio_executor_t *pool = new_pool(1);
    asyncio_future_t *first =
        asyncio_loop_run_in_executor(fixture->loop, pool, wait_at_gate, &held);
    asyncio_future_t *second =
        asyncio_loop_run_in_executor(fixture->loop, pool, return_argument, NULL);
    sem_wait(&held.begun);
    assert_int_equal(asyncio_executor_job_state(second), ASYNCIO_JOB_PENDING);
    assert_int_equal(asyncio_future_cancel(first, NULL), 1);
    assert_int_equal(asyncio_future_cancel(second, NULL), 1);
    assert_int_equal(asyncio_executor_job_state(first), ASYNCIO_JOB_RUNNING);
    assert_int_equal(asyncio_executor_job_state(second), ASYNCIO_JOB_CANCELLED);
    sem_post(&held.gate);
    end_pool(pool);
    run_turn_once(fixture); /* the outcome arrives */
    assert_int_equal(asyncio_executor_job_state(first), ASYNCIO_JOB_FINISHED);
    asyncio_future_unref(first);
    asyncio_future_unref(second);
    asyncio_future_t *other = asyncio_loop_create_future(fixture->loop);
    assert_int_equal(asyncio_executor_job_state(other), -EINVAL);
    assert_int_equal(asyncio_executor_job_state(NULL), -EINVAL);
    asyncio_future_unref(other);
    held_fini(&held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(an_argument_is_destroyed_once),
        FIXTURE_TEST(an_argument_outlives_the_loop),
        FIXTURE_TEST(an_argument_is_destroyed_on_failure),
        FIXTURE_TEST(a_copied_argument_outlives_the_caller),
        FIXTURE_TEST(the_state_of_a_job_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
