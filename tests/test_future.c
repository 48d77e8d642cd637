/* SPDX-License-Identifier: MIT */
/* Futures: finished once, callbacks in order and exactly once, values, errors and owners. */
#include "support/support.h"

#include <string.h>

struct noted {
    fixture_t *fixture; /* whose trace */
    char letter;        /* to note */
};

static void note_done(asyncio_future_t *future, void *arg)
{
    struct noted *noted = arg;
    assert_true(asyncio_future_done(future));
    note(noted->fixture, noted->letter);
}

/* A future is finished once: a second outcome is ASYNCIO_EINVALIDSTATE and changes nothing. */
static void the_first_outcome_stands(void **state)
{
    fixture_t *fixture = *state;
    int one = 1, two = 2, destroyed = 0;
    void *value = NULL;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    assert_false(asyncio_future_done(future));
    assert_int_equal(asyncio_future_result(future, &value), ASYNCIO_EINVALIDSTATE);
    assert_int_equal(asyncio_future_exception(future, NULL), ASYNCIO_EINVALIDSTATE);
    assert_int_equal(asyncio_future_set_result(future, &one), 0);
    assert_int_equal(asyncio_future_set_result(future, &two), ASYNCIO_EINVALIDSTATE);
    assert_int_equal(asyncio_future_set_result_full(future, &destroyed, count_destruction),
                     ASYNCIO_EINVALIDSTATE);
    assert_int_equal(destroyed, 0);
    assert_int_equal(asyncio_future_set_exception(future, -EIO), ASYNCIO_EINVALIDSTATE);
    assert_int_equal(asyncio_future_cancel(future, "late"), 0);
    assert_int_equal(asyncio_future_result(future, &value), 0);
    assert_ptr_equal(value, &one);
    assert_false(asyncio_future_cancelled(future));
    asyncio_future_unref(future);
}

/* A cancelled future returns -ECANCELED with the message of the cancel, and stays cancelled. */
static void a_cancelled_future_stays_so(void **state)
{
    fixture_t *fixture = *state;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    assert_int_equal(asyncio_future_cancel(future, "enough"), 1);
    assert_int_equal(asyncio_future_cancel(future, "again"), 0);
    assert_true(asyncio_future_cancelled(future));
    assert_true(asyncio_future_done(future));
    assert_int_equal(asyncio_future_set_result(future, NULL), ASYNCIO_EINVALIDSTATE);
    assert_int_equal(asyncio_future_exception(future, NULL), -ECANCELED);
    assert_int_equal(asyncio_future_result(future, NULL), -ECANCELED);
    asyncio_error_t *error = asyncio_error_last();
    assert_string_equal(asyncio_error_message(error), "enough");
    asyncio_error_unref(error);
    asyncio_future_unref(future);
}

/* Callbacks are called in the order in which they were added, each once, and never inside
 * set_result(). */
static void callbacks_run_in_order_and_once(void **state)
{
    fixture_t *fixture = *state;
    struct noted noted[] = {{fixture, 'a'}, {fixture, 'b'}, {fixture, 'c'}};
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(asyncio_future_add_done_callback(future, note_done, &noted[i]), 0);
    assert_int_equal(asyncio_future_set_result(future, NULL), 0);
    assert_string_equal(fixture->trace, "");
    run_turn_once(fixture);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "abc");
    asyncio_future_unref(future);
}

/* A callback that is added to a done future is called in the next turn. */
static void a_late_callback_runs_in_the_next_turn(void **state)
{
    fixture_t *fixture = *state;
    struct noted noted = {fixture, 'a'};
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    assert_int_equal(asyncio_future_cancel(future, NULL), 1);
    assert_int_equal(asyncio_future_add_done_callback(future, note_done, &noted), 0);
    assert_string_equal(fixture->trace, "");
    asyncio_future_unref(future); /* the schedule keeps it */
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "a");
}

/* All additions of a callback with that argument are removed; the others stay in order. */
static void callbacks_can_be_removed(void **state)
{
    fixture_t *fixture = *state;
    struct noted a = {fixture, 'a'}, b = {fixture, 'b'}, c = {fixture, 'c'};
    struct noted *const order[] = {&a, &b, &a, &c, &a};
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(asyncio_future_add_done_callback(future, note_done, order[i]), 0);
    assert_int_equal(asyncio_future_remove_done_callback(future, note_done, &a), 3);
    assert_int_equal(asyncio_future_remove_done_callback(future, note_done, &a), 0);
    assert_int_equal(asyncio_future_add_done_callback(future, note_done, &a), 0);
    assert_int_equal(asyncio_future_set_result(future, NULL), 0);
    assert_int_equal(asyncio_future_remove_done_callback(future, note_done, &b), 0);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "bca");
    asyncio_future_unref(future);
}

struct chain {
    fixture_t *fixture;        /* whose trace */
    struct noted noted;        /* of the callback that is added */
    asyncio_future_t *other;   /* whose callback is removed */
    struct noted *other_noted; /* with that argument */
};

static void add_and_remove(asyncio_future_t *future, void *arg)
{
    struct chain *chain = arg;
    note(chain->fixture, 'x');
    assert_int_equal(asyncio_future_add_done_callback(future, note_done, &chain->noted), 0);
    assert_int_equal(
        asyncio_future_remove_done_callback(chain->other, note_done, chain->other_noted), 1);
}

/* A callback may add callbacks to its own future and remove those of others while it runs. */
static void callbacks_may_add_and_remove(void **state)
{
    fixture_t *fixture = *state;
    struct noted never = {fixture, '!'}, after = {fixture, 'y'};
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    struct chain chain = {.fixture = fixture,
                          .noted = {fixture, 'z'},
                          .other = asyncio_loop_create_future(fixture->loop),
                          .other_noted = &never};
    assert_int_equal(asyncio_future_add_done_callback(chain.other, note_done, &never), 0);
    assert_int_equal(asyncio_future_add_done_callback(future, add_and_remove, &chain), 0);
    assert_int_equal(asyncio_future_add_done_callback(future, note_done, &after), 0);
    assert_int_equal(asyncio_future_set_result(future, NULL), 0);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "xy");
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "xyz");
    asyncio_future_unref(future);
    asyncio_future_unref(chain.other);
}

static void finish_another(asyncio_future_t *future, void *arg)
{
    (void)future;
    assert_int_equal(asyncio_future_set_result(arg, NULL), 0);
}

/* Of two futures finished one by the other, the callbacks run one turn apart. */
static void callbacks_of_a_chain_run_turn_by_turn(void **state)
{
    fixture_t *fixture = *state;
    struct noted noted = {fixture, 'a'};
    asyncio_future_t *first = asyncio_loop_create_future(fixture->loop);
    asyncio_future_t *second = asyncio_loop_create_future(fixture->loop);
    assert_int_equal(asyncio_future_add_done_callback(first, finish_another, second), 0);
    assert_int_equal(asyncio_future_add_done_callback(second, note_done, &noted), 0);
    assert_int_equal(asyncio_future_set_result(first, NULL), 0);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "");
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "a");
    asyncio_future_unref(first);
    asyncio_future_unref(second);
}

/* A value that nobody retrieves is destroyed once, with the last reference and not before. */
static void a_value_is_destroyed_with_its_future(void **state)
{
    fixture_t *fixture = *state;
    int destroyed = 0;
    void *value = NULL;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    assert_int_equal(asyncio_future_set_result_full(future, &destroyed, count_destruction), 0);
    assert_int_equal(asyncio_future_result(future, &value), 0);
    assert_int_equal(asyncio_future_result(future, &value), 0);
    assert_ptr_equal(value, &destroyed);
    asyncio_future_unref(asyncio_future_ref(future));
    assert_int_equal(destroyed, 0);
    asyncio_future_unref(future);
    assert_int_equal(destroyed, 1);
}

static int take_value(void *arg, void **ret_result)
{
    void *value = NULL;
    asyncio_future_t *future = arg;
    assert_int_equal(asyncio_await_unref(asyncio_future_ref(future), &value), 0);
    assert_int_equal(asyncio_future_result(future, NULL), ASYNCIO_EINVALIDSTATE);
    assert_int_equal(asyncio_await(future, NULL), ASYNCIO_EINVALIDSTATE);
    *ret_result = value;
    return 0;
}

/* A value that was moved out belongs to its receiver: nobody else gets it, and the future does not
 * destroy it. */
static void a_value_is_moved_out_once(void **state)
{
    fixture_t *fixture = *state;
    int destroyed = 0;
    void *value = NULL;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    assert_int_equal(asyncio_future_set_result_full(future, &destroyed, count_destruction), 0);
    assert_int_equal(asyncio_loop_run_until_complete(
                         fixture->loop, asyncio_coroutine(take_value, future), &value),
                     0);
    assert_ptr_equal(value, &destroyed);
    asyncio_future_unref(future);
    assert_int_equal(destroyed, 0);
}

static int drop_value(void *arg, void **ret_result)
{
    (void)ret_result;
    return asyncio_await_unref(arg, NULL);
}

/* A value that the awaiter does not take is destroyed when the awaiter drops the future. */
static void a_value_not_wanted_is_destroyed(void **state)
{
    fixture_t *fixture = *state;
    int destroyed = 0;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    assert_int_equal(asyncio_future_set_result_full(future, &destroyed, count_destruction), 0);
    assert_int_equal(run(fixture, drop_value, future), 0);
    assert_int_equal(destroyed, 1);
}

/* An error keeps its details, and every caller gets them. */
static void an_error_keeps_its_details(void **state)
{
    fixture_t *fixture = *state;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    assert_int_equal(asyncio_future_set_exception(future, asyncio_raise(-EPROTO, "no. %d", 7)), 0);
    for (int i = 0; i < 2; i++) {
        asyncio_error_t *error = NULL;
        asyncio_error_clear();
        assert_int_equal(asyncio_future_result(future, NULL), -EPROTO);
        error = asyncio_error_last();
        assert_string_equal(asyncio_error_message(error), "no. 7");
        assert_non_null(strstr(asyncio_error_place(error), "test_future.c"));
        asyncio_error_unref(error);
        assert_int_equal(asyncio_future_exception(future, &error), 0);
        assert_int_equal(asyncio_error_code(error), -EPROTO);
        asyncio_error_unref(error);
    }
    asyncio_future_unref(future);
}

/* A code without details is returned all the same, and exception() makes an object of it. */
static void an_error_needs_no_details(void **state)
{
    fixture_t *fixture = *state;
    asyncio_error_t *error = NULL;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    asyncio_error_clear();
    assert_int_equal(asyncio_future_set_exception(future, 0), -EINVAL);
    assert_int_equal(asyncio_future_set_exception(future, 5), -EINVAL);
    assert_false(asyncio_future_done(future));
    assert_int_equal(asyncio_future_set_exception(future, ASYNCIO_EUSER - 3), 0);
    assert_int_equal(asyncio_future_exception(future, &error), 0);
    assert_int_equal(asyncio_error_code(error), ASYNCIO_EUSER - 3);
    asyncio_error_unref(error);
    asyncio_future_unref(future);
}

/* A future that failed with CancelledError is failed, not cancelled. */
static void failing_with_cancelled_error_is_not_a_cancel(void **state)
{
    fixture_t *fixture = *state;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    assert_int_equal(asyncio_future_set_exception(future, -ECANCELED), 0);
    assert_false(asyncio_future_cancelled(future));
    assert_int_equal(asyncio_future_result(future, NULL), -ECANCELED);
    asyncio_future_unref(future);
}

/* An error that nobody retrieved is reported once, with its source location, when the future is
 * freed. */
static void an_unread_error_is_reported_once(void **state)
{
    fixture_t *fixture = *state;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    assert_int_equal(asyncio_future_set_exception(future, -EIO), 0);
    asyncio_future_unref(asyncio_future_ref(future));
    assert_int_equal(fixture->reports, 0);
    asyncio_future_unref(future);
    assert_int_equal(fixture->reports, 1);
    assert_int_equal(fixture->last.code, -EIO);
    assert_non_null(strstr(fixture->last.message, "never retrieved"));
    assert_non_null(strstr(fixture->last.place, "test_future.c"));
    fixture->expected_reports = 1;
}

/* A pending future may be freed with callbacks on it, which are then never called. */
static void a_pending_future_may_go(void **state)
{
    fixture_t *fixture = *state;
    struct noted noted = {fixture, 'a'};
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    assert_int_equal(asyncio_future_add_done_callback(future, note_done, &noted), 0);
    asyncio_future_unref(future);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "");
}

/* A done callback that is ready when the loop closes is dropped, and its future is freed. */
static void closing_drops_done_callbacks(void **state)
{
    fixture_t *fixture = *state;
    struct noted noted = {fixture, 'a'};
    int destroyed = 0;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    assert_int_equal(asyncio_future_add_done_callback(future, note_done, &noted), 0);
    assert_int_equal(asyncio_future_set_result_full(future, &destroyed, count_destruction), 0);
    asyncio_future_unref(future);
    close_loop(fixture);
    assert_string_equal(fixture->trace, "");
    assert_int_equal(destroyed, 1);
}

static int make_without_loop(void *arg, void **ret_result)
{
    (void)arg;
    asyncio_future_t *future = asyncio_loop_create_future(NULL);
    assert_non_null(future);
    assert_ptr_equal(asyncio_future_get_loop(future), asyncio_get_running_loop());
    asyncio_future_unref(future);
    (void)ret_result;
    return 0;
}

/* A future is created on the running loop if none is named; without a running loop that fails. */
static void a_future_needs_a_loop(void **state)
{
    fixture_t *fixture = *state;
    assert_null(asyncio_loop_create_future(NULL));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_errno(), 0);
    assert_int_equal(run(fixture, make_without_loop, NULL), 0);
}

/* Every call accepts NULL and objects that are no futures without harm. */
static void null_is_harmless(void **state)
{
    fixture_t *fixture = *state;
    int no_awaitable[64] = {0};
    void *const strangers[] = {NULL, no_awaitable};
    for (size_t i = 0; i < 2; i++) {
        asyncio_future_t *stranger = strangers[i];
        assert_int_equal(asyncio_future_result(stranger, NULL), -EINVAL);
        assert_int_equal(asyncio_future_exception(stranger, NULL), -EINVAL);
        assert_int_equal(asyncio_future_set_result(stranger, NULL), -EINVAL);
        assert_int_equal(asyncio_future_set_result_full(stranger, NULL, NULL), -EINVAL);
        assert_int_equal(asyncio_future_set_exception(stranger, -EIO), -EINVAL);
        assert_int_equal(asyncio_future_cancel(stranger, NULL), -EINVAL);
        assert_int_equal(asyncio_future_add_done_callback(stranger, note_done, NULL), -EINVAL);
        assert_int_equal(asyncio_future_remove_done_callback(stranger, note_done, NULL), -EINVAL);
        assert_false(asyncio_future_done(stranger));
        assert_false(asyncio_future_cancelled(stranger));
        assert_null(asyncio_future_get_loop(stranger));
        assert_false(asyncio_isfuture(stranger));
        assert_false(asyncio_istask(stranger));
        assert_false(asyncio_iscoroutine(stranger));
        assert_null(asyncio_ensure_future(stranger));
        assert_int_equal(asyncio_errno(), -EINVAL);
    }
    assert_null(asyncio_future_ref(NULL));
    asyncio_future_unref(NULL);
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    assert_int_equal(asyncio_future_add_done_callback(future, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_future_remove_done_callback(future, NULL, NULL), 0);
    assert_int_equal(asyncio_future_set_result_full(future, NULL, NULL), 0);
    assert_int_equal(asyncio_future_result(future, NULL), 0);
    asyncio_error_t *error = (asyncio_error_t *)&error;
    assert_int_equal(asyncio_future_exception(future, &error), 0);
    assert_null(error);
    asyncio_future_unref(future);
}

/* ensure_future() of a future returns that future, with one more reference. */
static void ensure_future_keeps_a_future(void **state)
{
    fixture_t *fixture = *state;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    assert_ptr_equal(asyncio_ensure_future(future), future);
    asyncio_future_unref(future);
    assert_true(asyncio_isfuture(future));
    assert_false(asyncio_istask(future));
    asyncio_future_unref(future);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(the_first_outcome_stands),
        FIXTURE_TEST(a_cancelled_future_stays_so),
        FIXTURE_TEST(callbacks_run_in_order_and_once),
        FIXTURE_TEST(a_late_callback_runs_in_the_next_turn),
        FIXTURE_TEST(callbacks_can_be_removed),
        FIXTURE_TEST(callbacks_may_add_and_remove),
        FIXTURE_TEST(callbacks_of_a_chain_run_turn_by_turn),
        FIXTURE_TEST(a_value_is_destroyed_with_its_future),
        FIXTURE_TEST(a_value_is_moved_out_once),
        FIXTURE_TEST(a_value_not_wanted_is_destroyed),
        FIXTURE_TEST(an_error_keeps_its_details),
        FIXTURE_TEST(an_error_needs_no_details),
        FIXTURE_TEST(failing_with_cancelled_error_is_not_a_cancel),
        FIXTURE_TEST(an_unread_error_is_reported_once),
        FIXTURE_TEST(a_pending_future_may_go),
        FIXTURE_TEST(closing_drops_done_callbacks),
        FIXTURE_TEST(a_future_needs_a_loop),
        FIXTURE_TEST(null_is_harmless),
        FIXTURE_TEST(ensure_future_keeps_a_future),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
