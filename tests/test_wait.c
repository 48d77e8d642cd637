/* SPDX-License-Identifier: MIT */
/* wait: what satisfies it, what it leaves alone, and what becomes of its array. */
#include "support/support.h"

#include <math.h>

#include "base/memory.h"

static int fail_after(double delay, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_sleep(delay);
    return rc < 0 ? rc : -EIO;
}
ASYNCIO_COROUTINE(fail_after, (double, delay));

/* Waits for sleeps of 1, 2 and 3 seconds, of which the second fails. */
static int wait_once(double timeout, asyncio_return_when_t return_when, bool *ret_done,
                     void **ret_result)
{
    (void)ret_result;
    asyncio_awaitable_t *awaitables[] = {asyncio_sleep_coroutine(1), fail_after_coroutine(2),
                                         asyncio_sleep_coroutine(3)};
    int count = asyncio_wait(awaitables, 3, timeout, return_when, ret_done);
    for (int i = 0; i < 3; i++) {
        assert_true(asyncio_istask(awaitables[i]));
        if (asyncio_future_done(awaitables[i]))
            asyncio__ignore(asyncio_future_exception(awaitables[i], NULL));
        else
            assert_int_equal(asyncio_task_cancel(awaitables[i], NULL), 1);
        asyncio_future_unref(awaitables[i]);
    }
    return count;
}

static int wait_in_all_ways(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    bool done[3];
    assert_int_equal(wait_once(ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED, done, NULL), 3);
    assert_true(done[0] && done[1] && done[2]);
    assert_int_equal(wait_once(ASYNCIO_FOREVER, ASYNCIO_FIRST_COMPLETED, done, NULL), 1);
    assert_true(done[0] && !done[1] && !done[2]);
    assert_int_equal(wait_once(ASYNCIO_FOREVER, ASYNCIO_FIRST_EXCEPTION, done, NULL), 2);
    assert_true(done[0] && done[1] && !done[2]);
    assert_int_equal(wait_once(1.5, ASYNCIO_ALL_COMPLETED, done, NULL), 1);
    assert_int_equal(wait_once(0, ASYNCIO_ALL_COMPLETED, done, NULL), 0);
    assert_int_equal(wait_once(-1, ASYNCIO_FIRST_COMPLETED, NULL, NULL), 0);
    return asyncio_sleep(10);
}

/* Each of the three conditions, and the timeout, ends a wait; it cancels nothing. */
static void a_wait_ends_when_it_is_satisfied(void **state)
{
    assert_int_equal(run(*state, wait_in_all_ways, NULL), 0);
}

static int wait_for_done(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    bool done[3] = {false};
    asyncio_future_t *future = asyncio_loop_create_future(NULL);
    asyncio_task_t *cancelled = asyncio_create_task(asyncio_sleep_coroutine(9));
    assert_int_equal(asyncio_future_set_result(future, NULL), 0);
    assert_int_equal(asyncio_task_cancel(cancelled, NULL), 1);
    asyncio_awaitable_t *awaitables[] = {future, cancelled, future};
    assert_int_equal(asyncio_wait(awaitables, 3, ASYNCIO_FOREVER, ASYNCIO_FIRST_EXCEPTION, done),
                     3);
    assert_ptr_equal(awaitables[0], future);
    assert_ptr_equal(awaitables[1], cancelled);
    assert_true(done[0] && done[1] && done[2]);
    asyncio_future_unref(future);
    asyncio_task_unref(cancelled);
    return 0;
}

/* Futures stay in the array; a cancelled one does not count as an exception. */
static void futures_stay_in_the_array(void **state)
{
    assert_int_equal(run(*state, wait_for_done, NULL), 0);
}

static int wait_for_arg(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_awaitable_t *awaitables[] = {arg};
    return asyncio_wait(awaitables, 1, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED, NULL);
}

static int cancel_waiter(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_t *inner = asyncio_create_task(asyncio_sleep_coroutine(5));
    asyncio_task_t *waiter = asyncio_create_task(asyncio_coroutine(wait_for_arg, inner));
    assert_int_equal(asyncio_sleep(1), 0);
    assert_int_equal(asyncio_task_cancel(waiter, NULL), 1);
    assert_int_equal(asyncio_await_unref(waiter, NULL), -ECANCELED);
    assert_false(asyncio_future_done(inner));
    return asyncio_await_unref(inner, NULL);
}

/* A cancel of the waiting task does not cancel what it waits for. */
static void a_cancel_leaves_the_awaited_alone(void **state)
{
    assert_int_equal(run(*state, cancel_waiter, NULL), 0);
}

static int use_twin(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    void *count = NULL;
    bool done[2];
    asyncio_awaitable_t *awaitables[] = {asyncio_sleep_coroutine(1), asyncio_sleep_coroutine(5)};
    asyncio_awaitable_t *const before[] = {awaitables[0], awaitables[1]};
    asyncio_coroutine_t *twin =
        asyncio_wait_coroutine(awaitables, 2, 2, ASYNCIO_ALL_COMPLETED, done);
    assert_memory_equal(awaitables, before, sizeof(before));
    assert_int_equal(asyncio_await(twin, &count), 0);
    assert_int_equal(asyncio_int(count), 1);
    assert_true(done[0] && !done[1]);
    asyncio_awaitable_t *unused[] = {asyncio_sleep_coroutine(1)};
    assert_int_equal(asyncio_coroutine_close(asyncio_wait_coroutine(
                         unused, 1, 1, ASYNCIO_ALL_COMPLETED, NULL)),
                     0);
    return asyncio_sleep(5);
}

/* The coroutine object copies the array and keeps references to its contents. */
static void the_twin_copies_the_array(void **state)
{
    assert_int_equal(run(*state, use_twin, NULL), 0);
}

static int wait_for_same(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_coroutine_t *coroutine = asyncio_sleep_coroutine(1);
    asyncio_awaitable_t *awaitables[] = {coroutine, asyncio_coroutine_ref(coroutine)};
    assert_int_equal(asyncio_wait(awaitables, 2, 5, ASYNCIO_ALL_COMPLETED, NULL), 2);
    assert_ptr_equal(awaitables[0], awaitables[1]);
    asyncio_future_unref(awaitables[0]);
    asyncio_future_unref(awaitables[1]);
    return 0;
}

/* The same object twice is the same task, with a reference for each entry. */
static void one_object_may_stand_twice(void **state)
{
    assert_int_equal(run(*state, wait_for_same, NULL), 0);
}

static int wait_badly(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int no_awaitable[64] = {0};
    asyncio_awaitable_t *awaitables[2] = {asyncio_sleep_coroutine(1), no_awaitable};
    assert_int_equal(asyncio_wait(NULL, 0, 1, ASYNCIO_ALL_COMPLETED, NULL), -EINVAL);
    assert_int_equal(asyncio_wait(awaitables, 0, 1, ASYNCIO_ALL_COMPLETED, NULL), -EINVAL);
    assert_int_equal(asyncio_wait(awaitables, 2, 1, ASYNCIO_ALL_COMPLETED, NULL), -EINVAL);
    assert_null(awaitables[0]);
    assert_ptr_equal(awaitables[1], no_awaitable);
    awaitables[0] = asyncio_sleep_coroutine(1);
    assert_int_equal(asyncio_wait(awaitables, 1, NAN, ASYNCIO_ALL_COMPLETED, NULL), -EINVAL);
    assert_null(awaitables[0]);
    awaitables[0] = asyncio_sleep_coroutine(1);
    assert_int_equal(asyncio_wait(awaitables, 1, 1, (asyncio_return_when_t)3, NULL), -EINVAL);
    assert_null(awaitables[0]);
    assert_int_equal(asyncio_wait(awaitables, 1, 1, ASYNCIO_ALL_COMPLETED, NULL), -EINVAL);
    assert_int_equal(
        asyncio_await(asyncio_wait_coroutine(NULL, 3, 1, ASYNCIO_ALL_COMPLETED, NULL), NULL),
        -EINVAL);
    return asyncio_sleep(2); /* a task that was created before the bad input continues */
}

/* Bad input is refused; coroutine objects are taken, and their entries are NULL afterwards. */
static void bad_input_is_refused(void **state)
{
    asyncio_awaitable_t *outside[] = {asyncio_sleep_coroutine(1)};
    assert_int_equal(asyncio_wait(outside, 1, 1, ASYNCIO_ALL_COMPLETED, NULL), ASYNCIO_ERUNTIME);
    assert_null(outside[0]);
    assert_int_equal(run(*state, wait_badly, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_wait_ends_when_it_is_satisfied),
        FIXTURE_TEST(futures_stay_in_the_array),
        FIXTURE_TEST(a_cancel_leaves_the_awaited_alone),
        FIXTURE_TEST(the_twin_copies_the_array),
        FIXTURE_TEST(one_object_may_stand_twice),
        FIXTURE_TEST(bad_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
