/* SPDX-License-Identifier: MIT */
/*
 * How long polls may be left out while something is ready, counted in turns on a clock and a
 * time-stamp counter that the test moves.
 */
#include "support/support.h"

#include <time.h>

#include "base/syscalls.h"
#include "base/ticks.h"

#define LONG_NS 10000000

typedef struct chain {
    asyncio_loop_t *loop; /* on the monotonic clock, which the test moves */
    int64_t quick_ns;     /* the length of a quick turn */
    long quick_turns;     /* quick turns that are left; then they take LONG_NS */
    long long_turns;      /* turns of LONG_NS that have run */
    long late;            /* of them, when the timer was called */
    long limit;           /* of them, after which the test has failed */
} chain_t;

static int64_t fake_ns;
static uint64_t fake_ticks; /* three a nanosecond on x86-64 */

static int fake_clock(clockid_t clock, struct timespec *ret_now)
{
    (void)clock;
    *ret_now = (struct timespec){fake_ns / 1000000000, fake_ns % 1000000000};
    return 0;
}

static void pass(int64_t time_ns)
{
    fake_ns += time_ns;
    fake_ticks = (uint64_t)fake_ns * 3 * asyncio__ticks_of_half_millisecond() / 500000;
}

static void on_time(void *arg)
{
    chain_t *chain = arg;
    chain->late = chain->long_turns - 1; /* not counting the turn that it is called in */
    asyncio_loop_stop(chain->loop);
}

/* One turn: lets time pass, and schedules the next turn. */
static void turn(void *arg)
{
    chain_t *chain = arg;
    if (chain->quick_turns > 0) {
        pass(chain->quick_ns);
        if (--chain->quick_turns == 0)
            asyncio_loop_call_later(chain->loop, 0.005, on_time, chain, NULL);
    } else {
        pass(LONG_NS);
        if (++chain->long_turns == chain->limit)
            asyncio_loop_stop(chain->loop);
    }
    asyncio_loop_call_soon(chain->loop, turn, chain, NULL);
}

static chain_t run_chain(int64_t quick_ns, long quick_turns, asyncio_loop_stats_t *ret_stats)
{
    chain_t chain = {
        .quick_ns = quick_ns, .quick_turns = quick_turns, .late = 1000, .limit = 300};
    int (*clock)(clockid_t, struct timespec *) = asyncio__sys.clock_gettime;
    asyncio__sys.clock_gettime = fake_clock;
    asyncio__ticks_fake = &fake_ticks;
    chain.loop = asyncio_new_event_loop();
    assert_non_null(chain.loop);
    asyncio_loop_set_debug(chain.loop, false);
    assert_int_equal(asyncio_loop_call_soon(chain.loop, turn, &chain, NULL), 0);
    assert_int_equal(asyncio_loop_run_forever(chain.loop), 0);
    asyncio_loop_get_stats(chain.loop, ret_stats);
    asyncio_loop_unref(chain.loop);
    asyncio__ticks_fake = NULL;
    asyncio__sys.clock_gettime = clock;
    return chain;
}

static long turns_late(int64_t quick_ns, long quick_turns)
{
    asyncio_loop_stats_t stats = {.size = sizeof(stats)};
    return run_chain(quick_ns, quick_turns, &stats).late;
}

/* When turns become long after quick ones, a timer is called at most 8 turns late: after turns that
 * are polled for every 64, and after shorter ones, polled for every 256. */
static void a_timer_is_at_most_eight_turns_late(void **state)
{
    (void)state;
    for (long quick_turns = 100000; quick_turns < 100070; quick_turns++)
        assert_in_range(turns_late(200, quick_turns), 1, 8);
    for (long quick_turns = 10000; quick_turns < 10260; quick_turns++)
        assert_in_range(turns_late(10, quick_turns), 1, 8);
}

static long turns_between_polls(int64_t quick_ns)
{
    asyncio_loop_stats_t stats = {.size = sizeof(stats)};
    run_chain(quick_ns, 100000, &stats);
    return (long)(stats.turns / stats.polls);
}

/* The loop polls every 64 turns, and every 256 while those take microseconds. */
static void polls_are_rarer_while_turns_are_short(void **state)
{
    (void)state;
    assert_in_range(turns_between_polls(200), 60, 64);
    assert_in_range(turns_between_polls(10), 240, 256);
}

/* That also holds for the first turns of a loop, whose counter has an unknown frequency. */
static void a_new_loop_is_not_late(void **state)
{
    (void)state;
    for (long quick_turns = 1; quick_turns < 20; quick_turns++)
        assert_in_range(turns_late(100, quick_turns), 1, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_timer_is_at_most_eight_turns_late),
        FIXTURE_TEST(polls_are_rarer_while_turns_are_short),
        FIXTURE_TEST(a_new_loop_is_not_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
