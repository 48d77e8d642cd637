/* SPDX-License-Identifier: MIT */
/* Running a program: its result, what is left at its end, and what is refused. */
#include "support/support.h"

#include "base/memory.h"

static int answer(void *arg, void **ret_result)
{
    return asyncio_return(ret_result, arg, count_destruction);
}

/* The result of the main coroutine moves to the caller, or is destroyed if it is not wanted. */
static void the_result_moves_to_the_caller(void **state)
{
    (void)state;
    int destroyed = 0;
    void *value = NULL;
    assert_int_equal(asyncio_run(asyncio_coroutine(answer, &destroyed), &value), 0);
    assert_ptr_equal(value, &destroyed);
    assert_int_equal(destroyed, 0);
    assert_int_equal(asyncio_run(asyncio_coroutine(answer, &destroyed), NULL), 0);
    assert_int_equal(destroyed, 1);
    assert_null(asyncio_get_running_loop());
}

static int fail_with_details(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_raise(ASYNCIO_EUSER - 1, "no luck");
}

/* The error of the main coroutine is answered, with its details. */
static void the_error_is_answered(void **state)
{
    (void)state;
    assert_int_equal(asyncio_run(asyncio_coroutine(fail_with_details, NULL), NULL),
                     ASYNCIO_EUSER - 1);
    asyncio_error_t *error = asyncio_error_last();
    assert_string_equal(asyncio_error_message(error), "no luck");
    asyncio_error_unref(error);
}

static int tell_end(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_sleep(1000);
    *(int *)arg = rc;
    asyncio__ignore(asyncio_sleep(0));
    return rc;
}

static int leave_tasks(void *arg, void **ret_result)
{
    (void)ret_result;
    int *seen = arg;
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            asyncio_task_detach(asyncio_create_task(asyncio_coroutine(tell_end, &seen[i]))), 0);
    return asyncio_sleep(0);
}

/* Tasks that are left at the end are cancelled, and waited for. */
static void what_is_left_is_cancelled(void **state)
{
    (void)state;
    int seen[3] = {0};
    assert_int_equal(asyncio_run(asyncio_coroutine(leave_tasks, seen), NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(seen[i], -ECANCELED);
}

static int run_inside(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_run(asyncio_coroutine(fail_with_details, NULL), NULL);
}

/* Inside a loop nothing can be run, and a coroutine object is taken all the same. */
static void a_running_loop_refuses(void **state)
{
    assert_int_equal(run(*state, run_inside, NULL), ASYNCIO_ERUNTIME);
}

/* What is no coroutine object is refused. */
static void bad_input_is_refused(void **state)
{
    fixture_t *fixture = *state;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    assert_int_equal(asyncio_run(NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_run(asyncio_coroutine(NULL, NULL), NULL), -EINVAL);
    assert_int_equal(asyncio_run((void *)future, NULL), -EINVAL);
    asyncio_future_unref(future);
}

static int await_arg(void *arg, void **ret_result)
{
    return asyncio_await(*(asyncio_awaitable_t **)arg, ret_result);
}

static void ignore_report(asyncio_loop_t *loop, const asyncio_exception_context_t *context,
                          void *arg)
{
    (void)loop, (void)context;
    ++*(int *)arg;
}

static asyncio_task_t *ring[2];
static int ring_reports;

static int leave_ring(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_loop_set_exception_handler(asyncio_get_running_loop(), ignore_report, &ring_reports);
    for (int i = 0; i < 2; i++)
        ring[i] = asyncio_create_task(asyncio_coroutine(await_arg, &ring[1 - i]));
    assert_int_equal(asyncio_sleep(0), 0);
    return 0;
}

/* Tasks that await each other do not keep a program from its end. */
static void a_ring_does_not_keep_the_end(void **state)
{
    (void)state;
    assert_int_equal(asyncio_run(asyncio_coroutine(leave_ring, NULL), NULL), 0);
    assert_int_equal(ring_reports, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(asyncio_future_result(ring[i], NULL), ASYNCIO_EGENERATOREXIT);
        asyncio_task_unref(ring[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(the_result_moves_to_the_caller),
        FIXTURE_TEST(the_error_is_answered),
        FIXTURE_TEST(what_is_left_is_cancelled),
        FIXTURE_TEST(a_running_loop_refuses),
        FIXTURE_TEST(bad_input_is_refused),
        FIXTURE_TEST(a_ring_does_not_keep_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
