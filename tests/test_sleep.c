/* SPDX-License-Identifier: MIT */
/* Sleeping: turns for 0 and less, the virtual clock for more, and bad delays. */
#include "support/support.h"

#include <math.h>

static int sleep_in_order(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_loop_t *loop = arg;
    double before = asyncio_loop_time(loop);
    assert_int_equal(asyncio_sleep(0), 0);
    assert_int_equal(asyncio_sleep(-1), 0);
    assert_int_equal(asyncio_sleep(-INFINITY), 0);
    assert_true(asyncio_loop_time(loop) == before);
    assert_int_equal(asyncio_sleep((double)NAN), -EINVAL);
    assert_int_equal(asyncio_sleep(1.5), 0);
    assert_true(asyncio_loop_time(loop) == before + 1.5);
    assert_int_equal(asyncio_sleep(1e-9), 0);
    assert_true(asyncio_loop_time(loop) > before + 1.5);
    assert_int_equal(asyncio_await(asyncio_sleep_coroutine(1e8), NULL), 0);
    assert_true(asyncio_loop_time(loop) >= before + 1e8);
    return asyncio_await(asyncio_sleep_coroutine((double)NAN), NULL);
}

/* A delay passes on the loop's clock; 0 and less pass no time, and NaN is refused. */
static void time_passes_on_the_loops_clock(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, sleep_in_order, fixture->loop), -EINVAL);
}

static int note_turns(void *arg, void **ret_result)
{
    (void)ret_result;
    for (int i = 0; i < 3; i++) {
        note(the_fixture(), *(const char *)arg);
        assert_int_equal(asyncio_sleep(0), 0);
    }
    return 0;
}

static int give_way(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_awaitable_t *tasks[] = {asyncio_coroutine(note_turns, "a"),
                                    asyncio_coroutine(note_turns, "b")};
    return asyncio_gather_await(tasks, 2, NULL);
}

/* Tasks that sleep for 0 seconds take turns. */
static void giving_way_takes_turns(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, give_way, NULL), 0);
    assert_string_equal(fixture->trace, "ababab");
}

static int sleep_for_ever(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_sleep(ASYNCIO_FOREVER);
}

/* An infinite sleep ends only by a cancel; alone it is a deadlock of the loop. */
static void a_sleep_for_ever_can_be_cancelled(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_t *task =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(sleep_for_ever, NULL));
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, task, NULL),
                     ASYNCIO_EDEADLOOP);
    assert_int_equal(asyncio_task_cancel(task, NULL), 1);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, task, NULL), -ECANCELED);
    asyncio_task_unref(task);
}

/* A sleep outside a task is refused. */
static void a_sleep_needs_a_task(void **state)
{
    (void)state;
    assert_int_equal(asyncio_sleep(0), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_sleep(1), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_sleep((double)NAN), -EINVAL);
    assert_int_equal(asyncio_coroutine_close(asyncio_sleep_coroutine(1)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(time_passes_on_the_loops_clock),
        FIXTURE_TEST(giving_way_takes_turns),
        FIXTURE_TEST(a_sleep_for_ever_can_be_cancelled),
        FIXTURE_TEST(a_sleep_needs_a_task),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
