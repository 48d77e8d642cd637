/* SPDX-License-Identifier: MIT */
/* Locks: one at a time, first come, first served; what a cancel passes on; what is refused. */
#include "support/contend.h"
#include "support/faults.h"

static asyncio_lock_t lock;

/* Takes the lock, notes it, holds it for a turn, and releases it. */
static int hold_for_a_turn(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_lock_acquire(&lock);
    if (rc < 0)
        return rc;
    note(the_fixture(), *(const char *)arg);
    rc = asyncio_sleep(0);
    assert_int_equal(asyncio_lock_release(&lock), 0);
    return rc;
}

static asyncio_task_t *start(const char *letter)
{
    return start_noting(hold_for_a_turn, letter);
}

static int setup(void **state)
{
    return asyncio_lock_init(&lock) < 0 ? -1 : fixture_setup(state);
}

static int teardown(void **state)
{
    asyncio_lock_fini(&lock);
    return fixture_teardown(state);
}

#define LOCK_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

/* A free lock is taken without suspending, even outside a task, and is not bound to a loop. */
static void a_free_lock_is_taken_at_once(void **state)
{
    (void)state;
    assert_false(asyncio_lock_locked(&lock));
    assert_int_equal(asyncio_lock_acquire(&lock), 0);
    assert_true(asyncio_lock_locked(&lock));
    assert_int_equal(asyncio_lock_release(&lock), 0);
    assert_false(asyncio_lock_locked(&lock));
    assert_int_equal(end_of_task(start("a")), 0);
}

/* Waiters get the lock in the order in which they arrived. */
static void first_come_first_served(void **state)
{
    const fixture_t *fixture = *state;
    asyncio_task_t *tasks[] = {start("a"), start("b"), start("c"), start("d")};
    for (int i = 0; i < 4; i++)
        assert_int_equal(end_of_task(tasks[i]), 0);
    assert_string_equal(fixture->trace, "abcd");
    assert_false(asyncio_lock_locked(&lock));
}

/* A release wakes only the first waiter; until that has run, the lock is free but cannot be
 * taken. */
static void a_newcomer_queues_behind_the_woken(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(asyncio_lock_acquire(&lock), 0);
    asyncio_task_t *first = start("a"), *second = start("b");
    run_turn_once(fixture);
    asyncio_task_t *newcomer = start("n");
    assert_int_equal(asyncio_lock_release(&lock), 0);
    assert_false(asyncio_lock_locked(&lock));
    assert_int_equal(end_of_task(newcomer), 0);
    assert_string_equal(fixture->trace, "abn");
    assert_int_equal(end_of_task(first) | end_of_task(second), 0);
}

/* Releasing a lock that nobody holds is an error. */
static void a_release_without_a_holder_is_refused(void **state)
{
    (void)state;
    assert_int_equal(asyncio_lock_release(&lock), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_lock_acquire(&lock), 0);
    assert_int_equal(asyncio_lock_release(&lock), 0);
    assert_int_equal(asyncio_lock_release(&lock), ASYNCIO_ERUNTIME);
}

/* A waiter that is cancelled leaves the queue, and those behind it are served. */
static void a_cancelled_waiter_leaves(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(asyncio_lock_acquire(&lock), 0);
    asyncio_task_t *first = start("a"), *second = start("b");
    run_turn_once(fixture);
    assert_int_equal(asyncio_task_cancel(first, NULL), 1);
    run_turn_once(fixture);
    assert_int_equal(asyncio_lock_release(&lock), 0);
    assert_int_equal(end_of_task(second), 0);
    assert_int_equal(end_of_task(first), -ECANCELED);
    assert_string_equal(fixture->trace, "b");
}

/* A waiter that was woken and is cancelled before it runs wakes the next one: the wake-up is not
 * lost. */
static void a_woken_waiter_that_is_cancelled_wakes_the_next(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(asyncio_lock_acquire(&lock), 0);
    asyncio_task_t *first = start("a"), *second = start("b");
    run_turn_once(fixture);
    assert_int_equal(asyncio_lock_release(&lock), 0);
    assert_int_equal(asyncio_task_cancel(first, NULL), 1);
    assert_int_equal(end_of_task(second), 0);
    assert_int_equal(end_of_task(first), -ECANCELED);
    assert_string_equal(fixture->trace, "b");
}

/* If the first waiter is cancelled and has not run yet, a release leaves it to that waiter to wake
 * the next. */
static void a_cancelled_head_wakes_the_next_itself(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(asyncio_lock_acquire(&lock), 0);
    asyncio_task_t *first = start("a"), *second = start("b");
    run_turn_once(fixture);
    assert_int_equal(asyncio_task_cancel(first, NULL), 1);
    assert_int_equal(asyncio_lock_release(&lock), 0);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "");
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "b");
    assert_int_equal(end_of_task(second), 0);
    assert_int_equal(end_of_task(first), -ECANCELED);
}

/* When all waiters are cancelled, another task takes a free lock at once. */
static void cancelled_waiters_hold_nobody_up(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(asyncio_lock_acquire(&lock), 0);
    asyncio_task_t *first = start("a"), *second = start("b");
    run_turn_once(fixture);
    assert_int_equal(asyncio_task_cancel(first, NULL), 1);
    assert_int_equal(asyncio_task_cancel(second, NULL), 1);
    assert_int_equal(asyncio_lock_release(&lock), 0);
    assert_int_equal(asyncio_lock_acquire(&lock), 0);
    assert_true(asyncio_lock_locked(&lock));
    assert_int_equal(end_of_task(first), -ECANCELED);
    assert_int_equal(end_of_task(second), -ECANCELED);
    assert_int_equal(asyncio_lock_release(&lock), 0);
}

static int acquire_held(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_lock_acquire(&lock);
}

/* The first wait binds a lock to its loop: a wait on another loop is an error. */
static void another_loop_is_refused(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(asyncio_lock_acquire(&lock), 0);
    asyncio_task_t *waiter = start("a");
    run_turn_once(fixture);
    asyncio_loop_t *other = asyncio_new_event_loop();
    assert_int_equal(
        asyncio_loop_run_until_complete(other, asyncio_coroutine(acquire_held, NULL), NULL),
        ASYNCIO_ERUNTIME);
    asyncio_loop_unref(other);
    assert_int_equal(asyncio_lock_release(&lock), 0);
    assert_int_equal(end_of_task(waiter), 0);
}

/* NULL is refused, and so is a wait outside a task; fini takes NULL. */
static void bad_inputs_are_refused(void **state)
{
    (void)state;
    assert_int_equal(asyncio_lock_init(NULL), -EINVAL);
    assert_int_equal(asyncio_lock_acquire(NULL), -EINVAL);
    assert_int_equal(asyncio_lock_release(NULL), -EINVAL);
    assert_false(asyncio_lock_locked(NULL));
    asyncio_lock_fini(NULL);
    assert_int_equal(asyncio_lock_acquire(&lock), 0);
    assert_int_equal(asyncio_lock_acquire(&lock), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_lock_release(&lock), 0);
}

/* The coroutine object takes the lock when it runs; without memory there is none. */
static void the_object_does_the_same(void **state)
{
    fixture_t *fixture = *state;
    asyncio_coroutine_t *object = asyncio_lock_acquire_coroutine(&lock);
    assert_false(asyncio_lock_locked(&lock));
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, object, NULL), 0);
    assert_true(asyncio_lock_locked(&lock));
    assert_int_equal(asyncio_loop_run_until_complete(
                         fixture->loop, asyncio_lock_acquire_coroutine(NULL), NULL),
                     -EINVAL);
    faults_arm(&(fault_t){FAULT_MEMORY, ENOMEM, 1, true});
    object = asyncio_lock_acquire_coroutine(&lock);
    int code = asyncio_errno();
    faults_disarm();
    assert_null(object);
    assert_int_equal(code, -ENOMEM);
}

static int use(void *arg, int who)
{
    (void)arg, (void)who;
    int rc = asyncio_lock_acquire(&lock);
    if (rc == 0)
        rc = asyncio_sleep(0);
    assert_int_equal(asyncio_lock_release(&lock), 0);
    return rc;
}

/* In the steady state, taking, waiting and waking allocate nothing. */
static void nothing_is_allocated_once_warm(void **state)
{
    assert_int_equal(allocations_once_warm(*state, use, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOCK_TEST(a_free_lock_is_taken_at_once),
        LOCK_TEST(first_come_first_served),
        LOCK_TEST(a_newcomer_queues_behind_the_woken),
        LOCK_TEST(a_release_without_a_holder_is_refused),
        LOCK_TEST(a_cancelled_waiter_leaves),
        LOCK_TEST(a_woken_waiter_that_is_cancelled_wakes_the_next),
        LOCK_TEST(a_cancelled_head_wakes_the_next_itself),
        LOCK_TEST(cancelled_waiters_hold_nobody_up),
        LOCK_TEST(another_loop_is_refused),
        LOCK_TEST(bad_inputs_are_refused),
        LOCK_TEST(the_object_does_the_same),
        LOCK_TEST(nothing_is_allocated_once_warm),
    };
    if (!faults_install())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
