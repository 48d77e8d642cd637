/* SPDX-License-Identifier: MIT */
/* Timeouts: what expires, what is told from other cancels, and waits with a limit. */
#include <stdlib.h>
#include <string.h>
#include "support/support.h"

#include <math.h>

static int sleep_within(double limit, double sleep, void **ret_result)
{
    (void)ret_result;
    asyncio_timeout_t scope;
    int rc = asyncio_timeout_enter(&scope, limit);
    if (rc < 0)
        return rc;
    rc = asyncio_timeout_exit(&scope, asyncio_sleep(sleep));
    assert_int_equal(asyncio_timeout_expired(&scope), rc == -ETIMEDOUT);
    assert_int_equal(asyncio_timeout_exit(&scope, rc), rc);
    assert_int_equal(asyncio_task_cancelling(asyncio_current_task()), rc == -ECANCELED);
    return rc;
}
ASYNCIO_COROUTINE(sleep_within, (double, limit), (double, sleep));

static int sleep_within_limits(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_int_equal(sleep_within(2, 1, NULL), 0);
    assert_int_equal(sleep_within(1, 2, NULL), -ETIMEDOUT);
    assert_int_equal(sleep_within(0, 1, NULL), -ETIMEDOUT);
    assert_int_equal(sleep_within(-INFINITY, 1, NULL), -ETIMEDOUT);
    assert_int_equal(sleep_within(ASYNCIO_FOREVER, 1e6, NULL), 0);
    assert_int_equal(sleep_within((double)NAN, 1, NULL), -EINVAL);
    return asyncio_sleep(1);
}

/* The body is cancelled when the time is over, and only that cancel becomes -ETIMEDOUT. */
static void a_timeout_ends_its_body(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, sleep_within_limits, NULL), 0);
    assert_true(asyncio_loop_time(fixture->loop) == 1e6 + 3);
}

static int cancel_within(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_t *task = asyncio_create_task(sleep_within_coroutine(10, 100));
    assert_int_equal(asyncio_sleep(1), 0);
    assert_int_equal(asyncio_task_cancel(task, NULL), 1);
    return asyncio_await_unref(task, NULL);
}

/* A cancel from outside stays a cancel. */
static void another_cancel_stays_one(void **state)
{
    assert_int_equal(run(*state, cancel_within, NULL), -ECANCELED);
}

static int nest(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_timeout_t outer, inner;
    assert_int_equal(asyncio_timeout_enter(&outer, 1), 0);
    assert_int_equal(asyncio_timeout_enter(&inner, 5), 0);
    int rc = asyncio_sleep(100);
    assert_int_equal(asyncio_timeout_exit(&inner, rc), -ECANCELED);
    assert_int_equal(asyncio_timeout_exit(&outer, rc), -ETIMEDOUT);
    assert_int_equal(asyncio_timeout_enter(&outer, 5), 0);
    assert_int_equal(asyncio_timeout_enter(&inner, 1), 0);
    rc = asyncio_timeout_exit(&inner, asyncio_sleep(100));
    assert_int_equal(rc, -ETIMEDOUT);
    assert_int_equal(asyncio_timeout_exit(&outer, rc), -ETIMEDOUT);
    assert_false(asyncio_timeout_expired(&outer));
    return asyncio_sleep(10);
}

/* Of nested scopes the one whose time is over times out, inner or outer. */
static void scopes_nest(void **state)
{
    assert_int_equal(run(*state, nest, NULL), 0);
}

static int reschedule(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_timeout_t scope;
    assert_int_equal(asyncio_timeout_enter_at(&scope, 5), 0);
    assert_true(asyncio_timeout_when(&scope) == 5);
    assert_int_equal(asyncio_timeout_reschedule(&scope, NAN), -EINVAL);
    assert_int_equal(asyncio_timeout_reschedule(&scope, ASYNCIO_FOREVER), 0);
    assert_true(isinf(asyncio_timeout_when(&scope)));
    assert_int_equal(asyncio_sleep(20), 0);
    assert_int_equal(asyncio_timeout_reschedule(&scope, 30), 0);
    assert_int_equal(asyncio_sleep(100), -ECANCELED);
    assert_true(asyncio_loop_time(asyncio_get_running_loop()) == 30);
    assert_true(asyncio_timeout_expired(&scope));
    assert_int_equal(asyncio_timeout_reschedule(&scope, 50), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_timeout_exit(&scope, -ECANCELED), -ETIMEDOUT);
    assert_int_equal(asyncio_timeout_reschedule(&scope, 50), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_timeout_enter_at(&scope, -1), 0);
    assert_int_equal(asyncio_timeout_exit(&scope, asyncio_sleep(0)), -ETIMEDOUT);
    return 0;
}

/* A deadline can be moved until it has expired. */
static void a_deadline_can_be_moved(void **state)
{
    assert_int_equal(run(*state, reschedule, NULL), 0);
}

static int return_early(void)
{
    ASYNCIO_AUTO(timeout) asyncio_timeout_t scope;
    assert_int_equal(asyncio_timeout_enter(&scope, 5), 0);
    return asyncio_sleep(1);
}

static int leave_early(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_int_equal(return_early(), 0);
    return asyncio_sleep(100);
}

/* A scope is exited when its function returns early, and cancels nothing afterwards. */
static void a_scope_is_left_on_an_early_return(void **state)
{
    assert_int_equal(run(*state, leave_early, NULL), 0);
}

static int swallow(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_timeout_t scope;
    assert_int_equal(asyncio_timeout_enter(&scope, 1), 0);
    assert_int_equal(asyncio_sleep(5), -ECANCELED);
    assert_int_equal(asyncio_timeout_exit(&scope, 0), 0);
    assert_true(asyncio_timeout_expired(&scope));
    assert_int_equal(asyncio_task_cancelling(asyncio_current_task()), 0);
    assert_int_equal(asyncio_timeout_enter(&scope, 1), 0);
    assert_int_equal(asyncio_sleep(5), -ECANCELED);
    assert_int_equal(asyncio_timeout_exit(&scope, -EIO), -EIO);
    return asyncio_sleep(1);
}

/* If the body swallows the cancel, or fails otherwise, its own result counts. */
static void a_body_may_swallow_the_timeout(void **state)
{
    assert_int_equal(run(*state, swallow, NULL), 0);
}

static int expire_at_one_moment(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_t *task = asyncio_current_task();
    asyncio_timeout_t outer, inner;
    assert_int_equal(asyncio_timeout_enter_at(&outer, 5), 0);
    assert_int_equal(asyncio_timeout_enter_at(&inner, 5), 0);
    int rc = asyncio_sleep(100);
    assert_int_equal(rc, -ECANCELED);
    assert_int_equal(asyncio_task_cancelling(task), 2);
    /* The inner scope undoes its own request, sees the outer one's, and passes the cancel on. */
    assert_int_equal(asyncio_timeout_exit(&inner, rc), -ECANCELED);
    assert_int_equal(asyncio_task_cancelling(task), 1);
    assert_int_equal(asyncio_timeout_exit(&outer, rc), -ETIMEDOUT);
    assert_true(asyncio_timeout_expired(&inner) && asyncio_timeout_expired(&outer));
    assert_int_equal(asyncio_task_cancelling(task), 0);
    return asyncio_sleep(1);
}

/* Of two scopes that expire at the same moment the outer one times out, and no request is left. */
static void scopes_may_end_together(void **state)
{
    assert_int_equal(run(*state, expire_at_one_moment, NULL), 0);
}

static void cancel_task(void *arg)
{
    assert_int_equal(asyncio_task_cancel(arg, NULL), 1);
}

static int cancel_as_it_expires(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_t *task = asyncio_current_task();
    asyncio_timeout_t scope;
    assert_int_equal(
        asyncio_loop_call_at(asyncio_get_running_loop(), 5, cancel_task, task, NULL), 0);
    assert_int_equal(asyncio_timeout_enter_at(&scope, 5), 0);
    assert_int_equal(asyncio_timeout_exit(&scope, asyncio_sleep(100)), -ECANCELED);
    assert_true(asyncio_timeout_expired(&scope));
    assert_int_equal(asyncio_task_cancelling(task), 1);
    return asyncio_sleep(1);
}

/* A cancel from outside at the moment of the deadline stays a cancel. */
static void a_cancel_at_the_deadline_stays_one(void **state)
{
    assert_int_equal(run(*state, cancel_as_it_expires, NULL), 0);
}

static int expire_below_a_request(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_t *task = asyncio_current_task();
    assert_int_equal(asyncio_task_cancel(task, NULL), 1);
    assert_int_equal(asyncio_sleep(0), -ECANCELED);
    assert_int_equal(asyncio_task_cancelling(task), 1);
    asyncio_timeout_t scope;
    assert_int_equal(asyncio_timeout_enter(&scope, 5), 0);
    assert_int_equal(asyncio_timeout_exit(&scope, asyncio_sleep(100)), -ETIMEDOUT);
    assert_int_equal(asyncio_task_cancelling(task), 1);
    /* After one request is undone, the cancel is raised as long as another one stands ... */
    assert_int_equal(asyncio_task_cancel(task, NULL), 1);
    assert_int_equal(asyncio_task_uncancel(task), 1);
    assert_int_equal(asyncio_sleep(0), -ECANCELED);
    /* ... and not when it was the last. */
    assert_int_equal(asyncio_task_uncancel(task), 0);
    assert_int_equal(asyncio_task_cancel(task, NULL), 1);
    assert_int_equal(asyncio_task_uncancel(task), 0);
    return asyncio_sleep(0);
}

/* A scope does not count requests from before it; undoing the last request prevents the cancel. */
static void a_scope_counts_from_where_it_began(void **state)
{
    assert_int_equal(run(*state, expire_below_a_request, NULL), 0);
}

static int later(double delay, int number, void **ret_result)
{
    int rc = asyncio_sleep(delay);
    note(the_fixture(), rc == 0 ? 'd' : 'c');
    *ret_result = ASYNCIO_INT(number);
    return rc;
}
ASYNCIO_COROUTINE(later, (double, delay), (int, number));

static int wait_with_limit(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    void *value = NULL;
    assert_int_equal(asyncio_wait_for(later_coroutine(1, 5), 2, &value), 0);
    assert_int_equal(asyncio_int(value), 5);
    assert_int_equal(asyncio_wait_for(later_coroutine(3, 5), 2, NULL), -ETIMEDOUT);
    assert_int_equal(asyncio_wait_for(later_coroutine(3, 5), 0, NULL), -ETIMEDOUT);
    assert_int_equal(asyncio_wait_for(later_coroutine(3, 5), -INFINITY, NULL), -ETIMEDOUT);
    assert_string_equal(the_fixture()->trace, "dc");
    asyncio_task_t *task = asyncio_create_task(later_coroutine(3, 6));
    assert_int_equal(asyncio_wait_for(task, 1, NULL), -ETIMEDOUT);
    assert_true(asyncio_future_cancelled(task));
    asyncio_task_unref(task);
    task = asyncio_create_task(later_coroutine(1, 6));
    assert_int_equal(asyncio_wait_for(task, ASYNCIO_FOREVER, &value), 0);
    assert_int_equal(asyncio_wait_for(task, 0, &value), 0);
    assert_int_equal(asyncio_int(value), 6);
    assert_int_equal(asyncio_await(asyncio_wait_for_coroutine(task, 1), &value), 0);
    asyncio_task_unref(task);
    assert_int_equal(asyncio_await(asyncio_wait_for_coroutine(later_coroutine(9, 1), 1), NULL),
                     -ETIMEDOUT);
    assert_int_equal(asyncio_coroutine_close(
                         asyncio_wait_for_coroutine(later_coroutine(9, 1), 1)), 0);
    return asyncio_sleep(100);
}

/* A wait with a limit cancels an awaitable that takes too long; with a limit of 0 only a done one
 * has a result. */
static void a_wait_may_have_a_limit(void **state)
{
    assert_int_equal(run(*state, wait_with_limit, NULL), 0);
}

static int await_arg(void *arg, void **ret_result)
{
    return asyncio_await(arg, ret_result);
}

static int limit_arg(void *arg, void **ret_result)
{
    return asyncio_wait_for(arg, 10, ret_result);
}

/* A cancel is raised although the awaited task ends in the same turn, or the one before. */
static void a_cancel_is_not_lost_to_the_result(void **state)
{
    fixture_t *fixture = *state;
    for (int turns = 0; turns < 2; turns++) {
        asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
        asyncio_task_t *inner =
            asyncio_loop_create_task(fixture->loop, asyncio_coroutine(await_arg, future));
        asyncio_task_t *outer =
            asyncio_loop_create_task(fixture->loop, asyncio_coroutine(limit_arg, inner));
        run_turn_once(fixture);
        assert_int_equal(asyncio_future_set_result(future, NULL), 0);
        if (turns)
            run_turn_once(fixture);
        assert_int_equal(asyncio_future_done(inner), turns);
        assert_int_equal(asyncio_task_cancel(outer, NULL), 1);
        assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, outer, NULL), -ECANCELED);
        asyncio_task_unref(inner);
        asyncio_task_unref(outer);
        asyncio_future_unref(future);
    }
}

static int misuse(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_int_equal(asyncio_timeout_enter(NULL, 1), -EINVAL);
    assert_int_equal(asyncio_timeout_enter_at(NULL, 1), -EINVAL);
    assert_int_equal(asyncio_wait_for(NULL, 1, NULL), -EINVAL);
    assert_int_equal(asyncio_wait_for(later_coroutine(1, 1), NAN, NULL), -EINVAL);
    int numbers[64] = {0};
    void *no_awaitable = numbers; /* the compiler refuses the array itself */
    assert_int_equal(asyncio_wait_for(no_awaitable, 1, NULL), -EINVAL);
    assert_int_equal(asyncio_wait_for(no_awaitable, 0, NULL), -EINVAL);
    return 0;
}

/* Bad input is refused, and a coroutine object is taken even then. */
static void bad_input_is_refused(void **state)
{
    asyncio_timeout_t scope = {{NULL}};
    assert_int_equal(asyncio_timeout_enter(&scope, 1), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_timeout_enter_at(&scope, 1), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_timeout_exit(&scope, -EIO), -EIO);
    assert_int_equal(asyncio_timeout_reschedule(&scope, 1), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_timeout_exit(NULL, 0), -EINVAL);
    assert_int_equal(asyncio_timeout_reschedule(NULL, 1), -EINVAL);
    assert_true(isinf(asyncio_timeout_when(NULL)));
    assert_false(asyncio_timeout_expired(NULL));
    asyncio_timeout_cleanup(NULL);
    asyncio_timeout_cleanup(&scope);
    assert_int_equal(asyncio_wait_for(later_coroutine(1, 1), 1, NULL), ASYNCIO_ERUNTIME);
    assert_null(asyncio_wait_for_coroutine(NULL, 1));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_int_equal(run(*state, misuse, NULL), 0);
}

static int do_nothing(void *arg, void **ret_result)
{
    (void)ret_result;
    ++*(int *)arg;
    return 0;
}

#define ROUNDS 200

/* Between scopes whose time is over at once, creates tasks that must all run. */
static int enter_and_make_tasks(void *arg, void **ret_result)
{
    (void)ret_result;
    for (int i = 0; i < ROUNDS; i++) {
        asyncio_timeout_t scope;
        assert_int_equal(asyncio_timeout_enter(&scope, 0), 0);
        assert_int_equal(asyncio_timeout_exit(&scope, 0), 0);
        asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(do_nothing, arg));
        assert_non_null(task);
        assert_int_equal(asyncio_task_detach(task), 0);
    }
    return asyncio_sleep(1);
}

/* A cancelled timer that was due takes no entry of the ready queue from others. */
static void what_is_called_off_takes_no_room(void **state)
{
    int ran = 0;
    assert_int_equal(run(*state, enter_and_make_tasks, &ran), 0);
    assert_int_equal(ran, ROUNDS);
}

static int give_block(void *arg, void **ret_result)
{
    (void)arg;
    int rc = asyncio_sleep(1);
    return rc < 0 ? rc : asyncio_return(ret_result, malloc(1), free);
}

static int wait_and_move(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    void *value = NULL;
    asyncio_coroutine_t *object = asyncio_coroutine(give_block, NULL);
    assert_int_equal(asyncio_wait_for_unref(asyncio_create_task(object), 2, &value), 0);
    free(value);
    object = asyncio_coroutine(give_block, NULL);
    assert_int_equal(asyncio_wait_for_unref(asyncio_create_task(object), 2, NULL), 0);
    object = asyncio_coroutine(give_block, NULL);
    assert_int_equal(asyncio_wait_for_unref(asyncio_create_task(object), 0.5, &value), -ETIMEDOUT);
    assert_int_equal(asyncio_wait_for_unref(NULL, 1, &value), -EINVAL);
    return 0;
}

/* A wait with a limit can take the reference, and move the result to the caller. */
static void a_wait_with_a_limit_moves_the_result(void **state)
{
    assert_int_equal(run(*state, wait_and_move, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_wait_with_a_limit_moves_the_result),
        FIXTURE_TEST(a_timeout_ends_its_body),
        FIXTURE_TEST(another_cancel_stays_one),
        FIXTURE_TEST(scopes_nest),
        FIXTURE_TEST(scopes_may_end_together),
        FIXTURE_TEST(a_cancel_at_the_deadline_stays_one),
        FIXTURE_TEST(a_scope_counts_from_where_it_began),
        FIXTURE_TEST(a_deadline_can_be_moved),
        FIXTURE_TEST(a_scope_is_left_on_an_early_return),
        FIXTURE_TEST(a_body_may_swallow_the_timeout),
        FIXTURE_TEST(a_wait_may_have_a_limit),
        FIXTURE_TEST(a_cancel_is_not_lost_to_the_result),
        FIXTURE_TEST(what_is_called_off_takes_no_room),
        FIXTURE_TEST(bad_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
