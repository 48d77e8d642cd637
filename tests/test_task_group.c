/* SPDX-License-Identifier: MIT */
/* Task groups: they end when all tasks have, fail as one, and pass cancels on. */
#include "support/support.h"

static int work(double delay, int code, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_sleep(delay);
    note(the_fixture(), rc == 0 ? 'd' : 'c');
    if (rc < 0)
        return rc;
    return code < 0 ? asyncio_raise(code, "after %g", delay) : 0;
}
ASYNCIO_COROUTINE(work, (double, delay), (int, code));

static int wait_for_all(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_group_t group;
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    for (int i = 1; i <= 3; i++)
        assert_non_null(asyncio_task_group_create_task(&group, work_coroutine(i, 0)));
    assert_int_equal(asyncio_task_group_exit(&group, 0), 0);
    assert_int_equal(asyncio_all_tasks(NULL, NULL, 0), 1);
    assert_int_equal(asyncio_task_group_exit(&group, 3), 3);
    assert_null(asyncio_task_group_create_task(&group, work_coroutine(1, 0)));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    return 0;
}

/* The exit waits for all tasks; afterwards the group takes no more. */
static void the_exit_waits_for_all(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, wait_for_all, NULL), 0);
    assert_string_equal(fixture->trace, "ddd");
    assert_true(asyncio_loop_time(fixture->loop) == 3);
}

static int fail_one(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_group_t group;
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    asyncio_task_group_create_task(&group, work_coroutine(10, 0));
    asyncio_task_group_create_task(&group, work_coroutine(1, -EIO));
    asyncio_task_group_create_task(&group, work_coroutine(20, 0));
    assert_int_equal(asyncio_task_group_exit(&group, 0), ASYNCIO_EGROUP);
    asyncio_error_t *error = asyncio_error_last();
    assert_int_equal(asyncio_error_child_count(error), 1);
    assert_int_equal(asyncio_error_code(asyncio_error_child(error, 0)), -EIO);
    assert_string_equal(asyncio_error_message(asyncio_error_child(error, 0)), "after 1");
    assert_null(asyncio_error_child(error, 1));
    asyncio_error_unref(error);
    assert_int_equal(asyncio_task_cancelling(asyncio_current_task()), 0);
    return asyncio_sleep(1);
}

/* One task that fails ends the others; the errors leave as a group, and nobody stays cancelled. */
static void one_failure_ends_the_others(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, fail_one, NULL), 0);
    assert_string_equal(fixture->trace, "dcc");
}

static int fail_body_and_tasks(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_group_t group;
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    asyncio_task_group_create_task(&group, work_coroutine(1, -EIO));
    asyncio_task_group_create_task(&group, work_coroutine(1, -EPIPE));
    assert_int_equal(asyncio_sleep(5), -ECANCELED);
    int rc = asyncio_raise(ASYNCIO_EUSER, "the body");
    assert_int_equal(asyncio_task_group_exit(&group, rc), ASYNCIO_EGROUP);
    asyncio_error_t *error = asyncio_error_last();
    assert_int_equal(asyncio_error_child_count(error), 3);
    assert_int_equal(asyncio_error_code(asyncio_error_child(error, 0)), -EIO);
    assert_int_equal(asyncio_error_code(asyncio_error_child(error, 1)), -EPIPE);
    assert_int_equal(asyncio_error_code(asyncio_error_child(error, 2)), ASYNCIO_EUSER);
    asyncio_error_unref(error);
    assert_int_equal(asyncio_task_cancelling(asyncio_current_task()), 0);
    return asyncio_sleep(0);
}

/* A task that fails cancels the body; its own error joins those of the tasks, at the end. */
static void errors_of_body_and_tasks_are_one(void **state)
{
    assert_int_equal(run(*state, fail_body_and_tasks, NULL), 0);
}

static int group_alone(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_group_t group;
    int rc = asyncio_task_group_enter(&group);
    if (rc == 0) {
        asyncio_task_group_create_task(&group, work_coroutine(100, 0));
        asyncio_task_group_create_task(&group, work_coroutine(100, 0));
        rc = asyncio_task_group_exit(&group, 0);
    }
    note(the_fixture(), 'x');
    return rc;
}

static int cancel_group(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(group_alone, NULL));
    assert_int_equal(asyncio_sleep(1), 0);
    assert_int_equal(asyncio_task_cancel(task, NULL), 1);
    assert_int_equal(asyncio_await(task, NULL), -ECANCELED);
    assert_true(asyncio_future_cancelled(task));
    asyncio_task_unref(task);
    return 0;
}

/* A cancel of who waits at the exit ends the tasks, and leaves when they have ended. */
static void a_cancel_is_passed_on(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, cancel_group, NULL), 0);
    assert_string_equal(fixture->trace, "ccx");
}

static int add_more(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_sleep(1);
    assert_non_null(asyncio_task_group_create_task(arg, work_coroutine(1, 0)));
    return rc;
}

static int add_while_exiting(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_group_t group;
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    asyncio_task_group_create_task(&group, asyncio_coroutine(add_more, &group));
    return asyncio_task_group_exit(&group, 0);
}

/* A task of the group may add more while the group exits. */
static void tasks_may_add_tasks(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, add_while_exiting, NULL), 0);
    assert_string_equal(fixture->trace, "d");
    assert_true(asyncio_loop_time(fixture->loop) == 2);
}

static int leave_at_once(void)
{
    ASYNCIO_AUTO(task_group) asyncio_task_group_t group;
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    asyncio_task_group_create_task(&group, work_coroutine(100, 0));
    assert_int_equal(asyncio_sleep(0), 0);
    return -EBUSY;
}

static int leave_early(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_int_equal(leave_at_once(), -EBUSY);
    assert_int_equal(asyncio_all_tasks(NULL, NULL, 0), 1);
    return asyncio_sleep(1);
}

/* A group that its function leaves early ends its tasks and waits for them. */
static void an_early_return_ends_the_tasks(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, leave_early, NULL), 0);
    assert_string_equal(fixture->trace, "c");
}

static int nest(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_task_group_t outer, inner;
    assert_int_equal(asyncio_task_group_enter(&outer), 0);
    asyncio_task_group_create_task(&outer, work_coroutine(50, 0));
    assert_int_equal(asyncio_task_group_enter(&inner), 0);
    asyncio_task_group_create_task(&inner, work_coroutine(1, arg ? -EIO : 0));
    int rc = asyncio_task_group_exit(&inner, 0);
    return asyncio_task_group_exit(&outer, rc);
}

/* A group that fails inside another fails the outer one, as a group in a group. */
static void groups_nest(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, nest, NULL), 0);
    assert_int_equal(run(fixture, nest, fixture), ASYNCIO_EGROUP);
    asyncio_error_t *error = asyncio_error_last();
    assert_int_equal(asyncio_error_child_count(error), 1);
    assert_int_equal(asyncio_error_code(asyncio_error_child(error, 0)), ASYNCIO_EGROUP);
    asyncio_error_unref(error);
    assert_string_equal(fixture->trace, "dddc");
}

static int fail_both(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_group_t outer, inner;
    assert_int_equal(asyncio_task_group_enter(&outer), 0);
    asyncio_task_group_create_task(&outer, work_coroutine(1, -EIO));
    assert_int_equal(asyncio_task_group_enter(&inner), 0);
    asyncio_task_group_create_task(&inner, work_coroutine(1, -EPIPE));
    assert_int_equal(asyncio_task_group_exit(&inner, 0), ASYNCIO_EGROUP);
    assert_int_equal(asyncio_sleep(100), -ECANCELED);
    assert_int_equal(asyncio_task_group_exit(&outer, -ECANCELED), ASYNCIO_EGROUP);
    assert_int_equal(asyncio_task_cancelling(asyncio_current_task()), 0);
    return asyncio_sleep(1);
}

/* Where both fail in one turn the inner group does not swallow the cancel of the outer one. */
static void an_inner_group_leaves_the_outers_cancel(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, fail_both, NULL), 0);
    assert_true(asyncio_loop_time(fixture->loop) == 2);
}

static int add_too_late(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_group_t group;
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    asyncio_task_group_create_task(&group, work_coroutine(1, -EIO));
    assert_int_equal(asyncio_sleep(100), -ECANCELED);
    assert_null(asyncio_task_group_create_task(&group, work_coroutine(100, 0)));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    return asyncio_task_group_exit(&group, -ECANCELED);
}

/* A group that ends its tasks makes no more, which nobody would end. */
static void a_failed_group_makes_no_task(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, add_too_late, NULL), ASYNCIO_EGROUP);
    assert_true(asyncio_loop_time(fixture->loop) == 1);
}

/* A loop that closes ends a group's tasks and who waits for them. */
static void closing_ends_a_group(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_t *task =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(group_alone, NULL));
    run_turn_once(fixture);
    run_turn_once(fixture);
    assert_int_equal(asyncio_loop_close(fixture->loop), 0);
    assert_int_equal(asyncio_future_result(task, NULL), ASYNCIO_EGENERATOREXIT);
    asyncio_task_unref(task);
    fixture->expected_reports = 3;
}

static int misuse(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_group_t group;
    assert_int_equal(asyncio_task_group_enter(NULL), -EINVAL);
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    assert_null(asyncio_task_group_create_task(&group, NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    return asyncio_task_group_exit(&group, 0);
}

/* Bad input is refused, and a coroutine object is taken all the same. */
static void bad_input_is_refused(void **state)
{
    asyncio_task_group_t group;
    assert_int_equal(asyncio_task_group_enter(&group), ASYNCIO_ERUNTIME);
    assert_null(asyncio_task_group_create_task(&group, work_coroutine(1, 0)));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    assert_null(asyncio_task_group_create_task(NULL, work_coroutine(1, 0)));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_task_group_exit(&group, -EIO), -EIO);
    assert_int_equal(asyncio_task_group_exit(NULL, 0), -EINVAL);
    asyncio_task_group_cleanup(&group);
    asyncio_task_group_cleanup(NULL);
    assert_int_equal(run(*state, misuse, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(the_exit_waits_for_all),
        FIXTURE_TEST(one_failure_ends_the_others),
        FIXTURE_TEST(errors_of_body_and_tasks_are_one),
        FIXTURE_TEST(a_cancel_is_passed_on),
        FIXTURE_TEST(tasks_may_add_tasks),
        FIXTURE_TEST(an_early_return_ends_the_tasks),
        FIXTURE_TEST(groups_nest),
        FIXTURE_TEST(an_inner_group_leaves_the_outers_cancel),
        FIXTURE_TEST(a_failed_group_makes_no_task),
        FIXTURE_TEST(closing_ends_a_group),
        FIXTURE_TEST(bad_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
