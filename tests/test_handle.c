/* SPDX-License-Identifier: MIT */
/* Handles: called off before they run, harmless afterwards, and counted. */
#include "support/support.h"

#include <math.h>

static void note_letter(void *arg)
{
    note(the_fixture(), *(const char *)arg);
}

/* A cancelled callback does not run; the others do. */
static void a_callback_can_be_called_off(void **state)
{
    fixture_t *fixture = *state;
    asyncio_handle_t *handle = NULL;
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, note_letter, "a", NULL), 0);
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, note_letter, "x", &handle), 0);
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, note_letter, "b", NULL), 0);
    assert_false(asyncio_handle_cancelled(handle));
    asyncio_handle_cancel(handle);
    asyncio_handle_cancel(handle);
    assert_true(asyncio_handle_cancelled(handle));
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "ab");
    asyncio_handle_unref(handle);
}

/* Cancelling a callback that has run is a no-op. */
static void calling_off_too_late_is_harmless(void **state)
{
    fixture_t *fixture = *state;
    asyncio_handle_t *soon = NULL, *timed = NULL;
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, note_letter, "a", &soon), 0);
    assert_int_equal(asyncio_loop_call_later(fixture->loop, 0, note_letter, "b", &timed), 0);
    run_turn_once(fixture);
    asyncio_handle_cancel(soon);
    asyncio_handle_cancel(timed);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "ab");
    close_loop(fixture);
    asyncio_handle_cancel(soon);
    asyncio_handle_unref(asyncio_handle_ref(soon));
    asyncio_handle_unref(soon);
    asyncio_handle_unref(timed);
}

static void cancel_itself(void *arg)
{
    asyncio_handle_t **handle = arg;
    note(the_fixture(), 'a');
    asyncio_handle_cancel(*handle);
    asyncio_handle_unref(*handle);
}

/* A callback may cancel itself and drop its last reference while it runs. */
static void a_callback_may_cancel_itself(void **state)
{
    fixture_t *fixture = *state;
    asyncio_handle_t *soon = NULL, *timed = NULL;
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, cancel_itself, &soon, &soon), 0);
    assert_int_equal(asyncio_loop_call_later(fixture->loop, 0, cancel_itself, &timed, &timed), 0);
    run_turn_once(fixture);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "aa");
}

/* Dropping the handle does not cancel the callback. */
static void giving_up_a_handle_is_no_cancel(void **state)
{
    fixture_t *fixture = *state;
    asyncio_handle_t *handle = NULL;
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, note_letter, "a", &handle), 0);
    asyncio_handle_unref(handle);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "a");
}

/* The handle of a cancelled callback may outlive its loop. */
static void a_handle_outlives_its_loop(void **state)
{
    fixture_t *fixture = *state;
    asyncio_handle_t *soon = NULL, *timed = NULL, *pending = NULL;
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, note_letter, "x", &soon), 0);
    assert_int_equal(asyncio_loop_call_later(fixture->loop, 1, note_letter, "x", &timed), 0);
    assert_int_equal(asyncio_loop_call_later(fixture->loop, 1, note_letter, "x", &pending), 0);
    asyncio_handle_cancel(soon);
    asyncio_handle_cancel(timed);
    close_loop(fixture);
    assert_true(asyncio_handle_cancelled(soon));
    assert_true(asyncio_handle_cancelled(timed));
    assert_false(asyncio_handle_cancelled(pending));
    asyncio_handle_cancel(pending);
    asyncio_handle_unref(soon);
    asyncio_handle_unref(timed);
    asyncio_handle_unref(pending);
    assert_string_equal(fixture->trace, "");
}

/* A handle counts more references than fit in a small integer. */
static void references_are_many(void **state)
{
    fixture_t *fixture = *state;
    asyncio_handle_t *handle = NULL;
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, note_letter, "a", &handle), 0);
    for (int i = 0; i < 100000; i++)
        assert_ptr_equal(asyncio_handle_ref(handle), handle);
    run_turn_once(fixture);
    for (int i = 0; i < 100000; i++)
        asyncio_handle_unref(handle);
    assert_false(asyncio_handle_cancelled(handle));
    asyncio_handle_unref(handle);
    assert_string_equal(fixture->trace, "a");
}

/* Every call accepts NULL without harm; only timers have a time. */
static void null_is_harmless(void **state)
{
    fixture_t *fixture = *state;
    asyncio_handle_t *handle = NULL;
    assert_null(asyncio_handle_ref(NULL));
    asyncio_handle_unref(NULL);
    asyncio_handle_cancel(NULL);
    assert_false(asyncio_handle_cancelled(NULL));
    assert_true(isnan(asyncio_timer_handle_when(NULL)));
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, note_letter, "a", &handle), 0);
    assert_true(isnan(asyncio_timer_handle_when(handle)));
    asyncio_handle_unref(handle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_callback_can_be_called_off),
        FIXTURE_TEST(calling_off_too_late_is_harmless),
        FIXTURE_TEST(a_callback_may_cancel_itself),
        FIXTURE_TEST(giving_up_a_handle_is_no_cancel),
        FIXTURE_TEST(a_handle_outlives_its_loop),
        FIXTURE_TEST(references_are_many),
        FIXTURE_TEST(null_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
