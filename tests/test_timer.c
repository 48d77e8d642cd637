/* SPDX-License-Identifier: MIT */
/* Timers: their order, their clock, and how they are called off. */
#include "support/support.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

static void note_letter(void *arg)
{
    note(the_fixture(), *(const char *)arg);
}

static void stop(void *arg)
{
    asyncio_loop_stop(arg);
}

static void later(fixture_t *fixture, double delay, const char *letter,
                  asyncio_timer_handle_t **ret_handle)
{
    assert_int_equal(
        asyncio_loop_call_later(fixture->loop, delay, note_letter, (void *)letter, ret_handle), 0);
}

static void run_until(fixture_t *fixture, double when)
{
    assert_int_equal(asyncio_loop_call_at(fixture->loop, when, stop, fixture->loop, NULL), 0);
    assert_int_equal(asyncio_loop_run_forever(fixture->loop), 0);
}

/* Timers run by deadline, and equal ones in the order in which they were set. */
static void timers_come_in_order(void **state)
{
    fixture_t *fixture = *state;
    later(fixture, 3, "e", NULL);
    later(fixture, 1, "a", NULL);
    later(fixture, 2, "c", NULL);
    later(fixture, 1, "b", NULL);
    later(fixture, 2, "d", NULL);
    assert_int_equal(asyncio_loop_call_at(fixture->loop, 3, note_letter, "f", NULL), 0);
    run_until(fixture, 10);
    assert_string_equal(fixture->trace, "abcdef");
    assert_true(asyncio_loop_time(fixture->loop) == 10);
}

/* The virtual clock stops at each deadline in turn, and advances for nothing else. */
static void the_virtual_clock_jumps(void **state)
{
    fixture_t *fixture = *state;
    assert_true(asyncio_loop_time(fixture->loop) == 0);
    run_turn_once(fixture);
    assert_true(asyncio_loop_time(fixture->loop) == 0);
    run_until(fixture, 0.25);
    assert_true(asyncio_loop_time(fixture->loop) == 0.25);
    run_until(fixture, 1e9);
    assert_true(asyncio_loop_time(fixture->loop) == 1e9);
}

/* A deadline in the past runs in the next turn, after what was ready before. */
static void past_deadlines_run_in_the_next_turn(void **state)
{
    fixture_t *fixture = *state;
    later(fixture, 0, "b", NULL);
    later(fixture, -5, "a", NULL);
    later(fixture, -INFINITY, "A", NULL);
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, note_letter, "0", NULL), 0);
    assert_int_equal(asyncio_loop_call_at(fixture->loop, -1e300, note_letter, "B", NULL), 0);
    run_turn_once(fixture);
    assert_int_equal(fixture->trace_length, 5);
    assert_int_equal(fixture->trace[0], '0');
    assert_int_equal(fixture->trace[3], 'a');
    assert_int_equal(fixture->trace[4], 'b');
}

/* NaN delays are refused; timers with infinite and huge delays never run. */
static void odd_delays_are_understood(void **state)
{
    fixture_t *fixture = *state;
    asyncio_timer_handle_t *handle = NULL;
    assert_int_equal(asyncio_loop_call_later(fixture->loop, NAN, note_letter, "x", &handle),
                     -EINVAL);
    assert_int_equal(asyncio_loop_call_at(fixture->loop, NAN, note_letter, "x", &handle),
                     -EINVAL);
    assert_null(handle);
    later(fixture, ASYNCIO_FOREVER, "x", &handle);
    assert_true(isinf(asyncio_timer_handle_when(handle)));
    asyncio_handle_unref(handle);
    later(fixture, 1e300, "x", NULL);
    assert_int_equal(asyncio_loop_call_at(fixture->loop, INFINITY, note_letter, "x", NULL), 0);
    run_until(fixture, 1e6);
    assert_string_equal(fixture->trace, "");
    fixture->leaves_work = true;
}

/* A cancelled timer neither runs nor advances the clock. */
static void a_timer_can_be_called_off(void **state)
{
    fixture_t *fixture = *state;
    asyncio_timer_handle_t *handle = NULL;
    later(fixture, 1, "x", &handle);
    assert_true(asyncio_timer_handle_when(handle) == 1);
    asyncio_handle_cancel(handle);
    asyncio_handle_cancel(handle);
    assert_true(asyncio_handle_cancelled(handle));
    assert_int_equal(asyncio_loop_run_forever(fixture->loop), ASYNCIO_EDEADLOOP);
    assert_true(asyncio_loop_time(fixture->loop) == 0);
    assert_true(asyncio_timer_handle_when(handle) == 1);
    asyncio_handle_unref(handle);
}

/* Cancelled timers are freed at once, not when they would be due. */
static void what_is_called_off_is_gone(void **state)
{
    fixture_t *fixture = *state;
    long most = 0;
    for (int i = 0; i < 100000; i++) {
        asyncio_timer_handle_t *handle = NULL;
        later(fixture, 1e6 + i, "x", &handle);
        asyncio_handle_cancel(handle);
        asyncio_handle_unref(handle);
        if (i == 0)
            most = asyncio__live_blocks();
    }
    assert_int_equal(asyncio__live_blocks(), most);
}

struct pair {
    asyncio_timer_handle_t *other; /* called off by the first */
};

static void cancel_other(void *arg)
{
    struct pair *pair = arg;
    note(the_fixture(), 'a');
    asyncio_handle_cancel(pair->other);
}

/* A timer that is due can still be cancelled by another one that runs before it in the same
 * turn. */
static void a_due_timer_can_be_called_off(void **state)
{
    fixture_t *fixture = *state;
    struct pair pair = {NULL};
    assert_int_equal(asyncio_loop_call_later(fixture->loop, 1, cancel_other, &pair, NULL), 0);
    later(fixture, 1, "x", &pair.other);
    later(fixture, 1, "b", NULL);
    run_until(fixture, 2);
    asyncio_handle_unref(pair.other);
    assert_string_equal(fixture->trace, "ab");
}

static void set_again(void *arg)
{
    fixture_t *fixture = arg;
    note(fixture, 't');
    if (fixture->trace_length < 5)
        assert_int_equal(asyncio_loop_call_later(fixture->loop, 1, set_again, fixture, NULL), 0);
}

/* A timer may set the next one: each runs at its own time. */
static void a_timer_may_set_the_next(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(asyncio_loop_call_later(fixture->loop, 1, set_again, fixture, NULL), 0);
    run_until(fixture, 3.5);
    assert_string_equal(fixture->trace, "ttt");
    run_until(fixture, 10);
    assert_string_equal(fixture->trace, "ttttt");
}

#define MANY 5000

/* Of many timers set and cancelled at random, the remaining ones run, in order. */
static void many_timers_come_in_order(void **state)
{
    fixture_t *fixture = *state;
    static asyncio_timer_handle_t *handles[MANY];
    static char unused;
    for (int i = 0; i < MANY; i++)
        assert_int_equal(asyncio_loop_call_later(fixture->loop, 1 + i * 7919 % MANY, note_letter,
                                                 &unused, &handles[i]),
                         0);
    unused = 'n';
    for (int i = 0; i < MANY; i++) {
        if (i % 25)
            asyncio_handle_cancel(handles[i]);
        asyncio_handle_unref(handles[i]);
    }
    run_until(fixture, MANY + 2);
    assert_int_equal(fixture->trace_length, MANY / 25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(timers_come_in_order),
        FIXTURE_TEST(the_virtual_clock_jumps),
        FIXTURE_TEST(past_deadlines_run_in_the_next_turn),
        FIXTURE_TEST(odd_delays_are_understood),
        FIXTURE_TEST(a_timer_can_be_called_off),
        FIXTURE_TEST(what_is_called_off_is_gone),
        FIXTURE_TEST(a_due_timer_can_be_called_off),
        FIXTURE_TEST(a_timer_may_set_the_next),
        FIXTURE_TEST(many_timers_come_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
