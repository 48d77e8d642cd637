/* SPDX-License-Identifier: MIT */
/* as_completed: futures in the order of their completion, a timeout for the rest. */
#include "support/support.h"

#include <math.h>

static int work(double delay, void **ret_result)
{
    int rc = asyncio_sleep(delay);
    *ret_result = ASYNCIO_INT((int)delay);
    return rc;
}
ASYNCIO_COROUTINE(work, (double, delay));

static int iterate(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_future_t *future = NULL;
    asyncio_awaitable_t *awaitables[] = {work_coroutine(3), work_coroutine(1), work_coroutine(2)};
    asyncio_as_completed_t *it = asyncio_as_completed(awaitables, 3, ASYNCIO_FOREVER);
    for (int i = 1; i <= 3; i++) {
        void *value = NULL;
        assert_int_equal(asyncio_as_completed_next(it, &future), 1);
        assert_int_equal(asyncio_future_result(future, &value), 0);
        assert_int_equal(asyncio_int(value), i);
    }
    assert_int_equal(asyncio_as_completed_next(it, &future), 0);
    assert_int_equal(asyncio_as_completed_next(it, &future), 0);
    asyncio_as_completed_unref(it);
    return 0;
}

/* The iteration yields futures in the order in which they complete, and then ends. */
static void they_come_as_they_complete(void **state)
{
    assert_int_equal(run(*state, iterate, NULL), 0);
}

static int run_out_of_time(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_future_t *future = NULL;
    asyncio_task_t *slow = asyncio_create_task(work_coroutine(9));
    asyncio_awaitable_t *awaitables[] = {slow, work_coroutine(1), work_coroutine(8), slow};
    asyncio_as_completed_t *it = asyncio_as_completed(awaitables, 4, 2);
    assert_int_equal(asyncio_as_completed_next(it, &future), 1);
    assert_int_equal(asyncio_as_completed_next(it, &future), -ETIMEDOUT);
    assert_int_equal(asyncio_as_completed_next(it, &future), -ETIMEDOUT);
    assert_int_equal(asyncio_as_completed_next(it, &future), 0);
    asyncio_as_completed_unref(it);
    assert_int_equal(asyncio_await_unref(slow, NULL), 0);
    return 0;
}

/* When the time is over each remaining one is -ETIMEDOUT, once, and keeps running. */
static void the_rest_times_out(void **state)
{
    assert_int_equal(run(*state, run_out_of_time, NULL), 0);
}

struct getting {
    asyncio_as_completed_t *it; /* shared by all */
    asyncio_future_t *future;   /* what this one got */
};

static int get(void *arg, void **ret_result)
{
    (void)ret_result;
    struct getting *getting = arg;
    int rc = asyncio_as_completed_next(getting->it, &getting->future);
    return rc < 0 ? rc : 0;
}

static int cancel_getter(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_future_t *first = asyncio_loop_create_future(NULL);
    asyncio_awaitable_t *awaitables[] = {first, work_coroutine(50)};
    struct getting getting[2];
    asyncio_task_t *getters[2];
    getting[0].it = getting[1].it = asyncio_as_completed(awaitables, 2, ASYNCIO_FOREVER);
    for (int i = 0; i < 2; i++)
        getters[i] = asyncio_create_task(asyncio_coroutine(get, &getting[i]));
    assert_int_equal(asyncio_sleep(1), 0);
    assert_int_equal(asyncio_future_set_result(first, NULL), 0);
    assert_int_equal(asyncio_sleep(0), 0);
    assert_int_equal(asyncio_task_cancel(getters[0], NULL), 1);
    assert_int_equal(asyncio_await_unref(getters[0], NULL), -ECANCELED);
    assert_int_equal(asyncio_await_unref(getters[1], NULL), 0);
    assert_ptr_equal(getting[1].future, first);
    assert_true(asyncio_loop_time(asyncio_get_running_loop()) == 1);
    asyncio_as_completed_unref(getting[0].it);
    asyncio_future_unref(first);
    return asyncio_sleep(100);
}

/* A waiter that is cancelled after its future completed passes the future on to the next waiter. */
static void a_cancelled_getter_passes_on(void **state)
{
    assert_int_equal(run(*state, cancel_getter, NULL), 0);
}

static int use_twin(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    void *more = NULL;
    asyncio_future_t *future = NULL;
    asyncio_awaitable_t *awaitables[] = {work_coroutine(1), work_coroutine(2)};
    asyncio_as_completed_t *it = asyncio_as_completed(awaitables, 2, ASYNCIO_FOREVER);
    assert_int_equal(asyncio_await(asyncio_as_completed_next_coroutine(it, &future), &more), 0);
    assert_int_equal(asyncio_int(more), 1);
    assert_true(asyncio_future_done(future));
    asyncio_as_completed_unref(it);
    return asyncio_sleep(3);
}

/* The coroutine object returns the same; an iteration may be dropped half way. */
static void the_twin_answers_the_same(void **state)
{
    assert_int_equal(run(*state, use_twin, NULL), 0);
}

static int misuse(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_future_t *future = NULL;
    asyncio_awaitable_t *one[] = {work_coroutine(1)};
    assert_null(asyncio_as_completed(one, 1, NAN));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_as_completed(NULL, 2, 1));
    assert_int_equal(asyncio_errno(), -EINVAL);
    asyncio_awaitable_t *with_null[] = {work_coroutine(1), NULL, work_coroutine(1)};
    assert_null(asyncio_as_completed(with_null, 3, 1));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_int_equal(asyncio_as_completed_next(NULL, &future), -EINVAL);
    asyncio_as_completed_t *it = asyncio_as_completed(NULL, 0, 1);
    assert_non_null(it);
    assert_int_equal(asyncio_as_completed_next(it, NULL), -EINVAL);
    assert_int_equal(asyncio_as_completed_next(it, &future), 0);
    asyncio_as_completed_unref(it);
    return asyncio_sleep(2);
}

/* Bad input is refused, and coroutine objects are taken even then. */
static void bad_input_is_refused(void **state)
{
    asyncio_awaitable_t *outside[] = {work_coroutine(1)};
    assert_null(asyncio_as_completed(outside, 1, 1));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    asyncio_as_completed_unref(NULL);
    assert_int_equal(run(*state, misuse, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(they_come_as_they_complete),
        FIXTURE_TEST(the_rest_times_out),
        FIXTURE_TEST(a_cancelled_getter_passes_on),
        FIXTURE_TEST(the_twin_answers_the_same),
        FIXTURE_TEST(bad_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
