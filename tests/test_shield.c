/* SPDX-License-Identifier: MIT */
/* Shields: a cancel of the outer one stops there; all else is passed on. */
#include "support/support.h"

static int work(double delay, int code, void **ret_result)
{
    int rc = asyncio_sleep(delay);
    note(the_fixture(), rc == 0 ? 'd' : 'c');
    *ret_result = ASYNCIO_INT(9);
    return rc < 0 ? rc : code;
}
ASYNCIO_COROUTINE(work, (double, delay), (int, code));

static int await_arg(void *arg, void **ret_result)
{
    return asyncio_await(arg, ret_result);
}

static int cancel_outer(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    void *value = NULL;
    asyncio_task_t *inner = asyncio_create_task(work_coroutine(5, 0));
    asyncio_future_t *outer = asyncio_shield(inner);
    asyncio_task_t *waiter = asyncio_create_task(asyncio_coroutine(await_arg, outer));
    assert_int_equal(asyncio_sleep(1), 0);
    assert_int_equal(asyncio_task_cancel(waiter, NULL), 1);
    assert_int_equal(asyncio_await_unref(waiter, NULL), -ECANCELED);
    assert_true(asyncio_future_cancelled(outer));
    asyncio_future_unref(outer);
    assert_int_equal(asyncio_await(inner, &value), 0);
    assert_int_equal(asyncio_int(value), 9);
    asyncio_task_unref(inner);
    return 0;
}

/* A cancel of the waiting task ends the shield, and not the shielded task. */
static void a_cancel_stops_at_the_shield(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, cancel_outer, NULL), 0);
    assert_string_equal(fixture->trace, "d");
}

static int pass_on(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    void *value = NULL;
    assert_int_equal(asyncio_await_unref(asyncio_shield(work_coroutine(1, 0)), &value), 0);
    assert_int_equal(asyncio_int(value), 9);
    assert_int_equal(asyncio_await_unref(asyncio_shield(work_coroutine(1, -EIO)), NULL), -EIO);
    asyncio_task_t *inner = asyncio_create_task(work_coroutine(5, 0));
    asyncio_future_t *outer = asyncio_shield(inner);
    assert_int_equal(asyncio_sleep(1), 0);
    assert_int_equal(asyncio_task_cancel(inner, "inner"), 1);
    assert_int_equal(asyncio_await(outer, NULL), -ECANCELED);
    assert_true(asyncio_future_cancelled(outer));
    asyncio_future_unref(outer);
    outer = asyncio_shield(inner);
    assert_ptr_equal(outer, inner);
    asyncio_future_unref(outer);
    asyncio_task_unref(inner);
    return 0;
}

/* Value, error and cancel of the shielded future are passed on; a done future needs no shield. */
static void outcomes_are_passed_on(void **state)
{
    assert_int_equal(run(*state, pass_on, NULL), 0);
}

static int drop_outer(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_future_unref(asyncio_shield(work_coroutine(1, 0)));
    asyncio_future_t *outer = asyncio_shield(work_coroutine(2, -EIO));
    assert_int_equal(asyncio_future_cancel(outer, NULL), 1);
    asyncio_future_unref(outer);
    return asyncio_sleep(5);
}

/* A shield whose last reference is dropped releases its future, which continues. A later error is
 * reported like that of any task that nobody awaits. */
static void a_dropped_shield_lets_go(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, drop_outer, NULL), 0);
    assert_string_equal(fixture->trace, "dd");
    fixture->expected_reports = 1;
}

/* Bad input is refused, and a coroutine object is taken even then. */
static void bad_input_is_refused(void **state)
{
    (void)state;
    assert_null(asyncio_shield(NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_shield(work_coroutine(1, 0)));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_cancel_stops_at_the_shield),
        FIXTURE_TEST(outcomes_are_passed_on),
        FIXTURE_TEST(a_dropped_shield_lets_go),
        FIXTURE_TEST(bad_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
