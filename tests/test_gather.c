/* SPDX-License-Identifier: MIT */
/* Gathering: results in order, the first error, cancels that reach every child, and bad input. */
#include "support/support.h"

#include <stdlib.h>

static int value_after(double delay, int number, void **ret_result)
{
    int rc = asyncio_sleep(delay);
    if (rc < 0)
        return rc;
    note(the_fixture(), (char)('a' + number));
    *ret_result = ASYNCIO_INT(number);
    return 0;
}
ASYNCIO_COROUTINE(value_after, (double, delay), (int, number));

static int fail_after(double delay, int code, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_sleep(delay);
    return rc < 0 ? rc : asyncio_raise(code, "after %g", delay);
}
ASYNCIO_COROUTINE(fail_after, (double, delay), (int, code));

static int gather_in_order(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    void *values[3];
    asyncio_awaitable_t *children[] = {value_after_coroutine(3, 0), value_after_coroutine(1, 1),
                                       value_after_coroutine(2, 2)};
    assert_int_equal(asyncio_gather_await(children, 3, values), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(asyncio_int(values[i]), i);
    return 0;
}

/* Values are in the order of the awaitables, not in that of completion. */
static void values_come_in_order(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, gather_in_order, NULL), 0);
    assert_string_equal(fixture->trace, "bca");
    assert_true(asyncio_loop_time(fixture->loop) == 3);
}

static int gather_nothing(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_future_t *future = asyncio_gather(NULL, 0, NULL);
    assert_true(asyncio_future_done(future));
    assert_int_equal(asyncio_await_unref(future, NULL), 0);
    future = asyncio_gather_of(0);
    assert_int_equal(asyncio_gather_result(future, 0, NULL), -EINVAL);
    asyncio_future_unref(future);
    return asyncio_gather_await(NULL, 0, NULL);
}

/* Nothing to gather is done at once. */
static void gathering_nothing_is_done(void **state)
{
    assert_int_equal(run(*state, gather_nothing, NULL), 0);
}

static int gather_first_error(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_future_t *future =
        asyncio_gather_of(3, value_after_coroutine(3, 0), fail_after_coroutine(1, -EIO),
                          fail_after_coroutine(2, -EPIPE));
    assert_int_equal(asyncio_await(future, NULL), -EIO);
    asyncio_error_t *error = asyncio_error_last();
    assert_string_equal(asyncio_error_message(error), "after 1");
    asyncio_error_unref(error);
    assert_int_equal(asyncio_gather_result(future, 0, NULL), ASYNCIO_EINVALIDSTATE);
    assert_int_equal(asyncio_sleep(5), 0);
    assert_int_equal(asyncio_gather_result(future, 0, NULL), 0);
    assert_int_equal(asyncio_gather_result(future, 2, NULL), -EPIPE);
    assert_int_equal(asyncio_gather_result(future, 3, NULL), -EINVAL);
    asyncio_future_unref(future);
    return 0;
}

/* The first error ends the gathering; the other children continue, and their errors are not
 * reported. */
static void the_first_error_ends_it(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, gather_first_error, NULL), 0);
    assert_string_equal(fixture->trace, "a");
}

static int gather_exceptions(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    void *value = NULL;
    asyncio_gather_options_t options = {.size = sizeof(options), .return_exceptions = true};
    asyncio_awaitable_t *children[] = {value_after_coroutine(1, 4), fail_after_coroutine(2, -EIO),
                                       asyncio_create_task(asyncio_sleep_coroutine(100))};
    asyncio_future_t *future = asyncio_gather(children, 3, &options);
    assert_int_equal(asyncio_sleep(0), 0);
    assert_int_equal(asyncio_task_cancel(children[2], NULL), 1);
    assert_int_equal(asyncio_await(future, NULL), 0);
    assert_int_equal(asyncio_gather_result(future, 0, &value), 0);
    assert_int_equal(asyncio_int(value), 4);
    assert_int_equal(asyncio_gather_result(future, 1, NULL), -EIO);
    assert_int_equal(asyncio_gather_result(future, 2, NULL), -ECANCELED);
    asyncio_future_unref(future);
    asyncio_task_unref(children[2]);
    return 0;
}

/* With return_exceptions errors and cancels are results in their positions. */
static void errors_can_stay_in_their_places(void **state)
{
    assert_int_equal(run(*state, gather_exceptions, NULL), 0);
}

static int gather_twice(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    void *values[3];
    asyncio_task_t *task = asyncio_create_task(value_after_coroutine(1, 7));
    asyncio_awaitable_t *children[] = {task, value_after_coroutine(1, 2), task};
    assert_int_equal(asyncio_gather_await(children, 3, values), 0);
    assert_int_equal(asyncio_int(values[0]), 7);
    assert_int_equal(asyncio_int(values[2]), 7);
    asyncio_task_unref(task);
    asyncio_coroutine_t *coroutine = value_after_coroutine(1, 3);
    asyncio_awaitable_t *same[] = {coroutine, asyncio_coroutine_ref(coroutine)};
    assert_int_equal(asyncio_gather_await(same, 2, values), 0);
    assert_int_equal(asyncio_int(values[0]), 3);
    assert_int_equal(asyncio_int(values[1]), 3);
    return 0;
}

/* An awaitable that is given twice is one child with two positions. */
static void one_child_may_stand_twice(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, gather_twice, NULL), 0);
    assert_string_equal(fixture->trace, "hcd");
}

static int wait_for_gathering(void *arg, void **ret_result)
{
    return asyncio_await(arg, ret_result);
}

static int cancel_gathering(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_t *first = asyncio_create_task(asyncio_sleep_coroutine(100));
    asyncio_task_t *second = asyncio_create_task(asyncio_sleep_coroutine(100));
    asyncio_future_t *future = asyncio_gather_of(2, first, second);
    asyncio_task_t *waiter = asyncio_create_task(asyncio_coroutine(wait_for_gathering, future));
    assert_int_equal(asyncio_sleep(0), 0);
    assert_int_equal(asyncio_task_cancel(waiter, NULL), 1);
    assert_false(asyncio_future_done(future));
    assert_int_equal(asyncio_await_unref(waiter, NULL), -ECANCELED);
    assert_true(asyncio_future_cancelled(first));
    assert_true(asyncio_future_cancelled(second));
    assert_true(asyncio_future_done(future));
    assert_false(asyncio_future_cancelled(future));
    assert_int_equal(asyncio_future_result(future, NULL), -ECANCELED);
    assert_int_equal(asyncio_future_cancel(future, NULL), 0);
    asyncio_future_unref(first);
    asyncio_future_unref(second);
    asyncio_future_unref(future);
    return 0;
}

/* A cancel cancels every child; the gathering fails with CancelledError once all have ended. */
static void a_cancel_reaches_every_child(void **state)
{
    assert_int_equal(run(*state, cancel_gathering, NULL), 0);
}

static int gather_values(void *arg, void **ret_result)
{
    (void)ret_result;
    int *destroyed = arg;
    void *values[1] = {NULL};
    asyncio_future_t *future = asyncio_loop_create_future(NULL);
    assert_int_equal(asyncio_future_set_result_full(future, destroyed, count_destruction), 0);
    asyncio_awaitable_t *children[] = {future};
    assert_int_equal(asyncio_gather_await(children, 1, values), 0);
    assert_ptr_equal(values[0], destroyed);
    assert_int_equal(*destroyed, 0);
    asyncio_future_unref(future);
    assert_int_equal(*destroyed, 1);
    return 0;
}

/* The value of a future that was passed in stays with that future. */
static void values_of_futures_stay_theirs(void **state)
{
    int destroyed = 0;
    assert_int_equal(run(*state, gather_values, &destroyed), 0);
}

static int count_one(void *arg, void **ret_result)
{
    (void)ret_result;
    ++*(long *)arg;
    return 0;
}

#define MANY 100000

static int gather_many(void *arg, void **ret_result)
{
    (void)ret_result;
    size_t many = sweep_is_on ? 300 : MANY;
    asyncio_awaitable_t **children = calloc(many, sizeof(*children));
    assert_non_null(children);
    for (size_t i = 0; i < many; i++)
        children[i] = asyncio_coroutine(count_one, arg);
    int rc = asyncio_gather_await(children, many, NULL);
    free(children);
    return rc;
}

/* A hundred thousand children are gathered in time that grows with their number alone. */
static void many_children_are_gathered(void **state)
{
    long count = 0;
    assert_int_equal(run(*state, gather_many, &count), 0);
    assert_int_equal(count, sweep_is_on ? 300 : MANY);
}

static int gather_badly(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int no_awaitable[64] = {0};
    asyncio_gather_options_t options = {.size = 1};
    asyncio_awaitable_t *one[] = {value_after_coroutine(0, 0)};
    assert_null(asyncio_gather(one, 1, &options));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_gather(NULL, 3, NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    asyncio_awaitable_t *with_null[] = {value_after_coroutine(0, 0), NULL,
                                        value_after_coroutine(0, 1)};
    assert_null(asyncio_gather(with_null, 3, NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    asyncio_awaitable_t *stranger[] = {value_after_coroutine(0, 2), no_awaitable};
    assert_int_equal(asyncio_gather_await(stranger, 2, NULL), -EINVAL);
    assert_int_equal(asyncio_gather_await(NULL, SIZE_MAX, NULL), -EINVAL);
    assert_null(asyncio_gather_await_coroutine(NULL, 1, NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_int_equal(asyncio_gather_result(NULL, 0, NULL), -EINVAL);
    assert_int_equal(asyncio_gather_result(asyncio_current_task(), 0, NULL), -EINVAL);
    return asyncio_sleep(1);
}

/* Bad awaitables and options are refused; coroutine objects among them are taken even then. */
static void bad_input_is_refused(void **state)
{
    fixture_t *fixture = *state;
    asyncio_awaitable_t *outside[] = {value_after_coroutine(0, 0)};
    assert_null(asyncio_gather(outside, 1, NULL));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    outside[0] = value_after_coroutine(0, 0);
    assert_int_equal(asyncio_gather_await(outside, 1, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(run(fixture, gather_badly, NULL), 0);
}

static int drop_gathering(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_future_unref(
        asyncio_gather_of(2, value_after_coroutine(1, 0), value_after_coroutine(2, 1)));
    asyncio_coroutine_t *twin = asyncio_gather_await_coroutine(
        (asyncio_awaitable_t *[]){value_after_coroutine(1, 2)}, 1, NULL);
    assert_int_equal(asyncio_coroutine_close(twin), 0);
    return asyncio_sleep(3);
}

/* A gathering whose last reference is dropped releases its children, which continue. */
static void a_dropped_gathering_lets_go(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, drop_gathering, NULL), 0);
    assert_string_equal(fixture->trace, "ab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(values_come_in_order),
        FIXTURE_TEST(gathering_nothing_is_done),
        FIXTURE_TEST(the_first_error_ends_it),
        FIXTURE_TEST(errors_can_stay_in_their_places),
        FIXTURE_TEST(one_child_may_stand_twice),
        FIXTURE_TEST(a_cancel_reaches_every_child),
        FIXTURE_TEST(values_of_futures_stay_theirs),
        FIXTURE_TEST(many_children_are_gathered),
        FIXTURE_TEST(bad_input_is_refused),
        FIXTURE_TEST(a_dropped_gathering_lets_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
