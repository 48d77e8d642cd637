/* SPDX-License-Identifier: MIT */
/* Cancel: what it reaches, what it leaves alone, how requests are counted, and how deep it goes. */
#include "support/support.h"

#include <stdlib.h>

#include "base/sanitizer.h"

static int answer_seven(void *arg, void **ret_result)
{
    (void)arg;
    *ret_result = ASYNCIO_INT(7);
    return 0;
}

static int sleep_and_tell(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_sleep(1000);
    *(int *)arg = rc;
    return rc;
}

static int count_start(void *arg, void **ret_result)
{
    (void)ret_result;
    ++*(int *)arg;
    return 0;
}

/* A task that is cancelled before its first step never runs its body. */
static void a_cancel_before_the_start_runs_nothing(void **state)
{
    fixture_t *fixture = *state;
    int started = 0;
    asyncio_task_t *task =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(count_start, &started));
    assert_int_equal(asyncio_task_cancel(task, NULL), 1);
    assert_int_equal(asyncio_task_cancel(task, NULL), 1);
    assert_int_equal(asyncio_task_cancelling(task), 2);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, task, NULL), -ECANCELED);
    assert_true(asyncio_future_cancelled(task));
    assert_int_equal(started, 0);
    assert_int_equal(asyncio_task_cancel(task, NULL), 0);
    assert_int_equal(asyncio_task_cancelling(task), 2);
    asyncio_task_unref(task);
}

static int cancel_sleeper(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int seen = 0;
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(sleep_and_tell, &seen));
    assert_int_equal(asyncio_sleep(0), 0);
    assert_int_equal(asyncio_task_cancel(task, "enough"), 1);
    assert_int_equal(asyncio_await(task, NULL), -ECANCELED);
    asyncio_error_t *error = asyncio_error_last();
    assert_string_equal(asyncio_error_message(error), "enough");
    asyncio_error_unref(error);
    assert_int_equal(seen, -ECANCELED);
    assert_true(asyncio_future_cancelled(task));
    assert_false(asyncio_future_cancelled(asyncio_current_task()));
    asyncio_task_unref(task);
    return 0;
}

/* A cancel is raised where the task waits, and its message reaches the task's awaiter. */
static void a_cancel_is_raised_at_the_wait(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, cancel_sleeper, NULL), 0);
    assert_true(asyncio_loop_time(fixture->loop) < 1);
}

static int catch_and_answer(void *arg, void **ret_result)
{
    (void)arg;
    assert_int_equal(asyncio_sleep(1000), -ECANCELED);
    assert_int_equal(asyncio_sleep(1), 0);
    *ret_result = ASYNCIO_INT(3);
    return 0;
}

/* A task that catches its cancel continues and ends finished, not cancelled; the request is
 * counted. */
static void a_cancel_can_be_caught(void **state)
{
    fixture_t *fixture = *state;
    void *value = NULL;
    asyncio_task_t *task =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(catch_and_answer, NULL));
    run_turn_once(fixture);
    assert_int_equal(asyncio_task_cancel(task, NULL), 1);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, task, &value), 0);
    assert_int_equal(asyncio_int(value), 3);
    assert_int_equal(asyncio_task_cancelling(task), 1);
    assert_int_equal(asyncio_task_uncancel(task), 0);
    assert_int_equal(asyncio_task_uncancel(task), 0);
    asyncio_task_unref(task);
}

static int cancel_self(void *arg, void **ret_result)
{
    bool uncancels = arg != NULL;
    assert_int_equal(asyncio_task_cancel(asyncio_current_task(), "self"), 1);
    if (uncancels)
        assert_int_equal(asyncio_task_uncancel(asyncio_current_task()), 0);
    assert_int_equal(asyncio_sleep(0), uncancels ? 0 : -ECANCELED);
    assert_int_equal(asyncio_sleep(0), 0);
    *ret_result = ASYNCIO_INT(1);
    return 0;
}

/* A task that cancels itself is cancelled at its next wait, unless it undoes the request. */
static void a_task_may_cancel_itself(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, cancel_self, NULL), 0);
    assert_int_equal(run(fixture, cancel_self, fixture), 0);
}

static int cancel_self_and_return(void *arg, void **ret_result)
{
    assert_int_equal(asyncio_task_cancel(asyncio_current_task(), NULL), 1);
    return asyncio_return(ret_result, arg, count_destruction);
}

/* A task that was cancelled in its last step ends cancelled, and its value is destroyed. */
static void a_cancel_in_the_last_step_counts(void **state)
{
    fixture_t *fixture = *state;
    int destroyed = 0;
    assert_int_equal(run(fixture, cancel_self_and_return, &destroyed), -ECANCELED);
    assert_int_equal(destroyed, 1);
}

static int return_cancelled(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_raise(-ECANCELED, "by itself");
}

/* A task that ends with CancelledError is cancelled even if nobody cancelled it. */
static void cancelled_error_ends_a_task_cancelled(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_t *task =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(return_cancelled, NULL));
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, task, NULL), -ECANCELED);
    assert_true(asyncio_future_cancelled(task));
    asyncio_task_unref(task);
}

static int await_arg(void *arg, void **ret_result)
{
    return asyncio_await(arg, ret_result);
}

/* A cancel reaches the end of a chain of tasks at once, and comes back turn by turn. */
static void a_cancel_goes_down_a_chain(void **state)
{
    fixture_t *fixture = *state;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    asyncio_task_t *inner =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(await_arg, future));
    asyncio_task_t *outer =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(await_arg, inner));
    run_turn_once(fixture);
    assert_int_equal(asyncio_task_cancel(outer, NULL), 1);
    assert_true(asyncio_future_cancelled(future));
    assert_false(asyncio_future_done(inner));
    assert_int_equal(asyncio_task_cancelling(inner), 1);
    assert_int_equal(asyncio_task_cancelling(outer), 1);
    run_turn_once(fixture);
    assert_true(asyncio_future_cancelled(inner));
    assert_false(asyncio_future_done(outer));
    run_turn_once(fixture);
    assert_true(asyncio_future_cancelled(outer));
    asyncio_task_unref(inner);
    asyncio_task_unref(outer);
    asyncio_future_unref(future);
}

/* A cancel between the end of the awaited future and the task's step is raised instead of the
 * value. */
static void a_cancel_wins_over_a_value_on_its_way(void **state)
{
    fixture_t *fixture = *state;
    int value = 0;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    asyncio_task_t *task =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(await_arg, future));
    run_turn_once(fixture);
    assert_int_equal(asyncio_future_set_result(future, &value), 0);
    assert_int_equal(asyncio_task_cancel(task, NULL), 1);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, task, NULL), -ECANCELED);
    assert_int_equal(asyncio_future_result(future, NULL), 0);
    asyncio_task_unref(task);
    asyncio_future_unref(future);
}

static int gather_level(void *arg, void **ret_result)
{
    (void)ret_result;
    intptr_t level = (intptr_t)arg;
    asyncio_awaitable_t *children[3];
    for (int i = 0; i < 3; i++)
        children[i] = level ? asyncio_coroutine(gather_level, ASYNCIO_INT(level - 1))
                            : asyncio_sleep_coroutine(1000);
    int rc = asyncio_gather_await(children, 3, NULL);
    if (rc == -ECANCELED)
        note(the_fixture(), (char)('0' + level));
    return rc;
}

/* A cancel reaches every leaf of gatherings three levels deep, the leaves' parents first. */
static void a_cancel_reaches_deep_gatherings(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_t *task = asyncio_loop_create_task(
        fixture->loop, asyncio_coroutine(gather_level, ASYNCIO_INT(2)));
    for (int i = 0; i < 4; i++)
        run_turn_once(fixture);
    assert_int_equal(asyncio_all_tasks(fixture->loop, NULL, 0), 1 + 3 + 9 + 27);
    assert_int_equal(asyncio_task_cancel(task, NULL), 1);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, task, NULL), -ECANCELED);
    assert_string_equal(fixture->trace, "0000000001112");
    assert_int_equal(asyncio_all_tasks(fixture->loop, NULL, 0), 0);
    assert_true(asyncio_loop_time(fixture->loop) < 1);
    asyncio_task_unref(task);
}

/* Two gatherings of the same task: each level doubles the number of paths to the sleeping task. */
static int gather_twice(void *arg, void **ret_result)
{
    (void)ret_result;
    intptr_t level = (intptr_t)arg;
    asyncio_awaitable_t *below = asyncio_create_task(
        level ? asyncio_coroutine(gather_twice, ASYNCIO_INT(level - 1))
              : asyncio_sleep_coroutine(1000));
    asyncio_awaitable_t *both[] = {asyncio_gather(&below, 1, NULL),
                                   asyncio_gather(&below, 1, NULL)};
    int rc = asyncio_gather_await(both, 2, NULL);
    for (int i = 0; i < 2; i++)
        asyncio_future_unref(both[i]);
    asyncio_task_unref(below);
    return rc;
}

/* A ring through a gathering: its second child awaits the gathering. */
struct ring {
    asyncio_future_t *plain;     /* its first child */
    asyncio_future_t *gathering; /* of both */
    asyncio_task_t *child;       /* the second */
    asyncio_task_t *awaits;      /* awaits the gathering too, from outside */
};

static int await_gathering(void *arg, void **ret_result)
{
    (void)ret_result;
    struct ring *ring = arg;
    int rc = asyncio_sleep(0); /* until there is one */
    return rc < 0 ? rc : asyncio_await(ring->gathering, NULL);
}

static int make_ring(void *arg, void **ret_result)
{
    (void)ret_result;
    struct ring *ring = arg;
    ring->plain = asyncio_loop_create_future(NULL);
    ring->child = asyncio_create_task(asyncio_coroutine(await_gathering, ring));
    ring->gathering = asyncio_gather_of(2, ring->plain, ring->child);
    ring->awaits = asyncio_create_task(asyncio_coroutine(await_gathering, ring));
    assert_int_equal(asyncio_sleep(1), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(asyncio_task_cancel(ring->awaits, NULL), -EDEADLK);
        assert_int_equal(asyncio_future_cancel(ring->gathering, NULL), -EDEADLK);
    }
    /* Nothing was cancelled, not even the child before the ring. */
    assert_false(asyncio_future_done(ring->plain));
    assert_int_equal(asyncio_task_cancelling(ring->awaits), 0);
    assert_int_equal(asyncio_task_cancelling(ring->child), 0);
    /* It ends with the first child's error, which the gathering passes on. */
    assert_int_equal(asyncio_future_set_exception(ring->plain, -EIO), 0);
    assert_int_equal(asyncio_await_unref(ring->awaits, NULL), -EIO);
    assert_int_equal(asyncio_await_unref(ring->child, NULL), -EIO);
    asyncio_future_unref(ring->gathering);
    asyncio_future_unref(ring->plain);
    return 0;
}

/* A cancel of a ring through a gathering cancels nothing, wherever the ring is. */
static void a_ring_through_a_gathering_cancels_nothing(void **state)
{
    struct ring ring;
    assert_int_equal(run(*state, make_ring, &ring), 0);
}

/* A cancel with 2 to the power of 60 paths returns -EDEADLK instead of following them all. */
static void a_cancel_of_too_many_ways_ends(void **state)
{
    fixture_t *fixture = *state;
    for (intptr_t level = 10; level <= 60; level += 50) {
        asyncio_task_t *task = asyncio_loop_create_task(
            fixture->loop, asyncio_coroutine(gather_twice, ASYNCIO_INT(level)));
        for (int i = 0; i < level + 3; i++)
            run_turn_once(fixture);
        assert_int_equal(asyncio_all_tasks(fixture->loop, NULL, 0), level + 2);
        assert_int_equal(asyncio_task_cancel(task, NULL), level == 10 ? 1 : -EDEADLK);
        /* The task at the end was reached, by the first path. */
        assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, task, NULL), -ECANCELED);
        asyncio_task_unref(task);
    }
}

/* The length of the chain. TSan counts fibers as threads and supports 8,128; valgrind has a limited
 * table of mappings, which stacks and guards fill. */
static size_t chain_length(void)
{
#if defined(ASYNCIO__TSAN)
    return 5000;
#endif
    if (sweep_is_on)
        return 500;
    return asyncio__on_valgrind() ? 2000 : 100000;
}

struct link {
    asyncio_task_t *awaited; /* NULL: the last, which sleeps */
    int code;                /* what it was answered */
};

static int await_link(void *arg, void **ret_result)
{
    (void)ret_result;
    struct link *link = arg;
    link->code = link->awaited ? asyncio_await(link->awaited, NULL) : asyncio_sleep(1000);
    return link->code;
}

/* A chain of 100,000 tasks that await each other can be cancelled at its head, without
 * recursion. */
static void a_long_chain_can_be_cancelled(void **state)
{
    fixture_t *fixture = *state;
    size_t length = chain_length();
    struct link *links = calloc(length, sizeof(*links));
    asyncio_coroutine_options_t options = {.size = sizeof(options), .stack_bytes = 16384};
    asyncio_task_t *task = NULL;
    assert_non_null(links);
    for (size_t i = 0; i < length; i++) {
        links[i].awaited = task;
        task = asyncio_loop_create_task(fixture->loop,
                                        asyncio_coroutine_full(await_link, &links[i], &options));
        assert_non_null(task);
    }
    run_turn_once(fixture);
    assert_int_equal(asyncio_task_cancel(task, NULL), 1);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, task, NULL), -ECANCELED);
    asyncio_task_unref(task);
    for (size_t i = 0; i < length; i++) {
        assert_int_equal(links[i].code, -ECANCELED);
        asyncio_task_unref(links[i].awaited);
    }
    free(links);
}

static int await_done(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_future_t *future = arg;
    void *value = NULL;
    assert_int_equal(asyncio_task_cancel(asyncio_current_task(), NULL), 1);
    assert_int_equal(asyncio_await(future, &value), 0);
    assert_ptr_equal(value, future);
    assert_int_equal(asyncio_await(asyncio_coroutine(answer_seven, NULL), &value), 0);
    assert_int_equal(asyncio_int(value), 7);
    return asyncio_sleep(0);
}

/* Awaiting a done future does not suspend, so that a pending cancel is raised by the next wait that
 * does. */
static void what_is_done_is_not_cancelled(void **state)
{
    fixture_t *fixture = *state;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    assert_int_equal(asyncio_future_set_result(future, future), 0);
    assert_int_equal(run(fixture, await_done, future), -ECANCELED);
    asyncio_future_unref(future);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_cancel_before_the_start_runs_nothing),
        FIXTURE_TEST(a_cancel_is_raised_at_the_wait),
        FIXTURE_TEST(a_cancel_can_be_caught),
        FIXTURE_TEST(a_task_may_cancel_itself),
        FIXTURE_TEST(a_cancel_in_the_last_step_counts),
        FIXTURE_TEST(cancelled_error_ends_a_task_cancelled),
        FIXTURE_TEST(a_cancel_goes_down_a_chain),
        FIXTURE_TEST(a_cancel_wins_over_a_value_on_its_way),
        FIXTURE_TEST(a_cancel_reaches_deep_gatherings),
        FIXTURE_TEST(a_ring_through_a_gathering_cancels_nothing),
        FIXTURE_TEST(a_cancel_of_too_many_ways_ends),
        FIXTURE_TEST(a_long_chain_can_be_cancelled),
        FIXTURE_TEST(what_is_done_is_not_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
