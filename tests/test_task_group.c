/* SPDX-License-Identifier: MIT */
/* Task groups: they end when all tasks have, fail as one, and pass cancels on. */
#include <stdlib.h>
#include <string.h>

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

/* The exit waits for all tasks; afterwards the group refuses tasks. */
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

/* A task that fails cancels the others; the errors are raised as a group, and no task stays
 * cancelled. */
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

/* A task that fails cancels the body; the body's own error joins those of the tasks, at the end. */
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

/* A cancel of the task that waits at the exit cancels the group's tasks, and is raised when they
 * have ended. */
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

/* A task of the group may add more tasks while the group exits. */
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

/* If its function returns early, the group cancels its tasks and waits for them. */
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

/* A group that fails inside another one fails the outer one: a group in a group. */
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

/* If both fail in one turn the inner group does not swallow the cancel of the outer one. */
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

/* A group that cancels its tasks refuses new ones, which nobody would cancel. */
static void a_failed_group_makes_no_task(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, add_too_late, NULL), ASYNCIO_EGROUP);
    assert_true(asyncio_loop_time(fixture->loop) == 1);
}

/* Closing a loop ends the tasks of a group and the task that waits for them. */
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

/* Bad input is refused, and a coroutine object is taken even then. */
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
    assert_int_equal(asyncio_task_group_init(NULL), -EINVAL);
    assert_int_equal(asyncio_task_group_aenter(NULL), -EINVAL);
    assert_int_equal(asyncio_task_group_cancel(NULL), -EINVAL);
    asyncio_task_group_cleanup(&group);
    asyncio_task_group_cleanup(NULL);
    /* A zeroed group, such as a variable that ASYNCIO_AUTO() exits, was never entered. */
    memset(&group, 0, sizeof(group));
    assert_int_equal(asyncio_task_group_exit(&group, -EIO), -EIO);
    asyncio_task_group_cleanup(&group);
    asyncio_timeout_t timeout = {{0}};
    assert_int_equal(asyncio_timeout_exit(&timeout, -EIO), -EIO);
    asyncio_timeout_cleanup(&timeout);
    assert_int_equal(run(*state, misuse, NULL), 0);
}

/* --- cancel: the traces are those of CPython's group, with cancel() as in 3.15 --------------- */

static void say_letter(char letter)
{
    note(the_fixture(), letter);
}

/* Notes a letter, waits, and notes the letter in upper case when it is cancelled. */
static int wait_aloud(char letter, void **ret_result)
{
    (void)ret_result;
    say_letter(letter);
    int rc = asyncio_sleep(10);
    say_letter(rc == -ECANCELED ? (char)(letter - 'a' + 'A') : '?');
    return rc;
}
ASYNCIO_COROUTINE(wait_aloud, (char, letter));

static void say_requests(void)
{
    say_letter((char)('0' + asyncio_task_cancelling(asyncio_current_task())));
}

static int cancel_from_body(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_group_t group;
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    asyncio_task_group_create_task(&group, wait_aloud_coroutine('a'));
    asyncio_task_group_create_task(&group, wait_aloud_coroutine('b'));
    assert_int_equal(asyncio_sleep(0), 0);
    assert_int_equal(asyncio_task_group_cancel(&group), 0);
    assert_int_equal(asyncio_task_group_cancel(&group), 0);
    say_letter('c');
    say_requests();
    int rc = asyncio_sleep(1);
    assert_int_equal(rc, -ECANCELED);
    assert_int_equal(asyncio_task_group_exit(&group, rc), 0);
    say_letter('|');
    say_requests();
    assert_int_equal(asyncio_task_group_cancel(&group), 0);
    assert_int_equal(asyncio_sleep(0), 0);
    say_letter('o');
    /* A body that does not suspend any more, and a task that has not started. */
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    asyncio_task_group_create_task(&group, wait_aloud_coroutine('a'));
    assert_int_equal(asyncio_task_group_cancel(&group), 0);
    assert_int_equal(asyncio_task_group_exit(&group, 0), 0);
    say_requests();
    return asyncio_sleep(0);
}

/* A cancel of the group ends its tasks and its body, and is not raised by the exit; repeated, or
 * after the exit, it is a no-op. */
static void a_cancel_of_the_group_stays_in_it(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, cancel_from_body, NULL), 0);
    assert_string_equal(fixture->trace, "abc1AB|0o0");
}

static int enter_and_exit(void *arg, void **ret_result)
{
    (void)ret_result;
    assert_int_equal(asyncio_task_group_enter(arg), 0);
    return asyncio_task_group_exit(arg, 0);
}

/* A group may outlive the task that entered it: then its cancel is a no-op, and it refuses
 * tasks. */
static void a_group_outlives_its_task(void **state)
{
    asyncio_task_group_t group;
    assert_int_equal(run(*state, enter_and_exit, &group), 0);
    assert_int_equal(asyncio_task_group_cancel(&group), 0);
    assert_null(asyncio_task_group_create_task(&group, work_coroutine(1, 0)));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_task_group_exit(&group, 3), 3);
}

static int cancel_before(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_group_t group;
    assert_int_equal(asyncio_task_group_init(&group), 0);
    assert_int_equal(asyncio_task_group_cancel(&group), 0);
    assert_int_equal(asyncio_task_group_cancel(&group), 0);
    assert_int_equal(asyncio_task_group_aenter(&group), 0);
    assert_int_equal(asyncio_task_group_aenter(&group), ASYNCIO_ERUNTIME);
    assert_null(asyncio_task_group_create_task(&group, wait_aloud_coroutine('a')));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    say_letter('e');
    int rc = asyncio_sleep(0);
    assert_int_equal(rc, -ECANCELED);
    assert_int_equal(asyncio_task_group_exit(&group, rc), 0);
    say_requests();
    assert_int_equal(asyncio_task_group_aenter(&group), ASYNCIO_ERUNTIME);
    /* Initialized, and not cancelled. */
    assert_int_equal(asyncio_task_group_init(&group), 0);
    assert_int_equal(asyncio_task_group_aenter(&group), 0);
    return asyncio_task_group_exit(&group, asyncio_sleep(0));
}

/* A group that is initialized can be cancelled before it is entered: its body ends at once. */
static void a_group_can_be_cancelled_before_it_is_entered(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, cancel_before, NULL), 0);
    assert_string_equal(fixture->trace, "e0");
}

static int cancel_own_group(void *arg, void **ret_result)
{
    (void)ret_result;
    assert_int_equal(asyncio_sleep(1), 0);
    say_letter('k');
    assert_int_equal(asyncio_task_group_cancel(arg), 0);
    say_letter('l');
    int rc = asyncio_sleep(0);
    assert_int_equal(rc, -ECANCELED);
    return rc;
}

static int fail_when_cancelled(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_int_equal(asyncio_sleep(10), -ECANCELED);
    say_letter('e');
    return -EIO;
}

static int cancel_from_elsewhere(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_group_t group;
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    asyncio_task_group_create_task(&group, asyncio_coroutine(cancel_own_group, &group));
    asyncio_task_group_create_task(&group, wait_aloud_coroutine('a'));
    assert_int_equal(asyncio_task_group_exit(&group, 0), 0);
    say_letter('|');
    say_requests();
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    asyncio_task_group_create_task(&group, asyncio_coroutine(fail_when_cancelled, NULL));
    assert_int_equal(asyncio_sleep(0), 0);
    assert_int_equal(asyncio_task_group_cancel(&group), 0);
    int rc = asyncio_sleep(1);
    assert_int_equal(asyncio_task_group_exit(&group, rc), ASYNCIO_EGROUP);
    say_letter('x');
    say_requests();
    return 0;
}

/* A task of the group may cancel the group; errors that result are raised all the same. */
static void a_task_cancels_its_group(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, cancel_from_elsewhere, NULL), 0);
    assert_string_equal(fixture->trace, "aklA|0ex0");
}

static int cancel_both(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_group_t group;
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    asyncio_task_group_create_task(&group, wait_aloud_coroutine('a'));
    assert_int_equal(asyncio_sleep(0), 0);
    assert_int_equal(asyncio_task_group_cancel(&group), 0);
    assert_int_equal(asyncio_task_cancel(asyncio_current_task(), NULL), 1);
    return asyncio_task_group_exit(&group, asyncio_sleep(1));
}

/* A cancel of the task itself is not taken for a cancel of the group: it is raised. */
static void a_cancel_of_the_task_leaves_the_group(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, cancel_both, NULL), -ECANCELED);
    assert_string_equal(fixture->trace, "aA");
}

static int cancel_group_at_once(void *arg, void **ret_result)
{
    (void)ret_result;
    say_letter('s');
    assert_int_equal(asyncio_task_group_cancel(arg), 0);
    int rc = asyncio_sleep(1);
    say_letter(rc == -ECANCELED ? 'S' : '?');
    return rc;
}

static int begin_and_cancel(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_group_t group;
    asyncio_task_options_t options = {.size = sizeof(options), .eager_start = 1};
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    asyncio_task_t *task = asyncio_task_group_create_task_full(
        &group, asyncio_coroutine(cancel_group_at_once, &group), &options);
    say_letter(asyncio_future_done(task) ? 'D' : 'P');
    int rc = asyncio_sleep(1);
    assert_int_equal(rc, -ECANCELED);
    assert_int_equal(asyncio_task_group_exit(&group, rc), 0);
    say_requests();
    return 0;
}

/* An eager task that cancels the group in its first step is cancelled too. */
static void an_eager_task_cancels_its_group_and_itself(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, begin_and_cancel, NULL), 0);
    assert_string_equal(fixture->trace, "sPS0");
}

static int fail_at_once(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return -EIO;
}

static const asyncio_task_options_t eager = {.size = sizeof(eager), .eager_start = 1};

/* In its first step it creates a task that fails in its own first step. */
static int make_a_failure(void *arg, void **ret_result)
{
    (void)ret_result;
    assert_non_null(asyncio_task_group_create_task_full(
        arg, asyncio_coroutine(fail_at_once, NULL), &eager));
    say_letter('m');
    int rc = asyncio_sleep(10);
    say_letter(rc == -ECANCELED ? 'M' : '?');
    return rc;
}

static int fail_while_beginning(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_group_t group;
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    assert_non_null(asyncio_task_group_create_task_full(
        &group, asyncio_coroutine(make_a_failure, &group), &eager));
    assert_int_equal(asyncio_task_group_exit(&group, 0), ASYNCIO_EGROUP);
    say_requests();
    /* The exit has nothing to wait for: the cancel that the body was sent is not raised later. */
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    assert_non_null(asyncio_task_group_create_task_full(
        &group, asyncio_coroutine(fail_at_once, NULL), &eager));
    assert_int_equal(asyncio_task_group_exit(&group, 0), ASYNCIO_EGROUP);
    say_requests();
    return asyncio_sleep(1);
}

/* A group that fails while one of its tasks starts eagerly cancels that one too, and leaves no
 * cancel of its own after the exit. */
static void a_group_may_give_up_while_a_task_begins(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, fail_while_beginning, NULL), 0);
    assert_string_equal(fixture->trace, "mM00");
    assert_true(asyncio_loop_time(fixture->loop) == 1);
}

/* Ends only at the second cancel, or later. */
static int linger(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_int_equal(asyncio_sleep(10), -ECANCELED);
    say_letter('l');
    return asyncio_sleep(10);
}

static int cancel_at_2(void *arg, void **ret_result)
{
    (void)ret_result;
    assert_int_equal(asyncio_sleep(2), 0);
    return asyncio_task_group_cancel(arg);
}

static int cancel_below_a_timeout(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    for (double limit = 1; limit <= 3; limit += 2) {
        asyncio_timeout_t timeout;
        asyncio_task_group_t group;
        assert_int_equal(asyncio_timeout_enter(&timeout, limit), 0);
        assert_int_equal(asyncio_task_group_enter(&group), 0);
        asyncio_task_group_create_task(&group, asyncio_coroutine(linger, NULL));
        asyncio_task_t *other = asyncio_create_task(asyncio_coroutine(cancel_at_2, &group));
        int rc = asyncio_task_group_exit(&group, 0);
        say_requests();
        assert_int_equal(asyncio_timeout_exit(&timeout, rc), -ETIMEDOUT);
        say_requests();
        assert_int_equal(asyncio_await_unref(other, NULL), 0);
    }
    return 0;
}

/* The cancel of a timeout around a group is swallowed neither by a group that was cancelled before
 * and waits for its tasks, nor by one that is cancelled later. */
static void a_timeout_around_a_cancelled_group_is_heard(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, cancel_below_a_timeout, NULL), 0);
    assert_string_equal(fixture->trace, "l10l10");
}

static int give_text(void *arg, void **ret_result)
{
    return asyncio_return(ret_result, strdup(arg), free);
}

static int read_results(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    for (int round = 0; round < 2; round++) {
        void *value = NULL;
        asyncio_task_group_t group;
        assert_int_equal(asyncio_task_group_enter(&group), 0);
        asyncio_task_t *first =
            asyncio_task_group_create_task(&group, asyncio_coroutine(give_text, "first"));
        asyncio_task_t *second =
            asyncio_task_group_create_task(&group, asyncio_coroutine(give_text, "second"));
        assert_int_equal(asyncio_task_group_exit(&group, 0), 0);
        assert_int_equal(asyncio_sleep(1), 0);
        assert_int_equal(asyncio_future_result(first, &value), 0);
        assert_string_equal(value, "first");
        assert_int_equal(asyncio_future_result(second, &value), 0);
        assert_string_equal(value, "second");
    }
    return 0;
}

/* The results of a group's tasks can be read after its exit, until another group is exited. */
static void results_are_read_after_the_exit(void **state)
{
    assert_int_equal(run(*state, read_results, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(results_are_read_after_the_exit),
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
        FIXTURE_TEST(a_cancel_of_the_group_stays_in_it),
        FIXTURE_TEST(a_group_can_be_cancelled_before_it_is_entered),
        FIXTURE_TEST(a_group_outlives_its_task),
        FIXTURE_TEST(a_task_cancels_its_group),
        FIXTURE_TEST(a_cancel_of_the_task_leaves_the_group),
        FIXTURE_TEST(an_eager_task_cancels_its_group_and_itself),
        FIXTURE_TEST(a_group_may_give_up_while_a_task_begins),
        FIXTURE_TEST(a_timeout_around_a_cancelled_group_is_heard),
        FIXTURE_TEST(bad_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
