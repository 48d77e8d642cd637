/* SPDX-License-Identifier: MIT */
/* Semaphores, bounded or not: up to n tasks at a time, in order; no release is lost. */
#include "support/contend.h"
#include "support/faults.h"

#include <limits.h>

static asyncio_semaphore_t semaphore;

static int hold_for_a_turn(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_semaphore_acquire(&semaphore);
    if (rc < 0)
        return rc;
    note(the_fixture(), *(const char *)arg);
    rc = asyncio_sleep(0);
    assert_int_equal(asyncio_semaphore_release(&semaphore), 0);
    return rc;
}

static asyncio_task_t *start(const char *letter)
{
    return start_noting(hold_for_a_turn, letter);
}

static void begin(long value)
{
    assert_int_equal(asyncio_semaphore_init(&semaphore, value), 0);
}

/* A semaphore is acquired without suspending as often as its value says; then it is locked. */
static void slots_are_taken_at_once(void **state)
{
    (void)state;
    begin(2);
    assert_false(asyncio_semaphore_locked(&semaphore));
    assert_int_equal(asyncio_semaphore_acquire(&semaphore), 0);
    assert_false(asyncio_semaphore_locked(&semaphore));
    assert_int_equal(asyncio_semaphore_acquire(&semaphore), 0);
    assert_true(asyncio_semaphore_locked(&semaphore));
    assert_int_equal(asyncio_semaphore_release(&semaphore), 0);
    assert_false(asyncio_semaphore_locked(&semaphore));
    asyncio_semaphore_fini(&semaphore);
}

/* Waiters get their permits in the order in which they arrived, several at once if there are
 * several. */
static void first_come_first_served(void **state)
{
    fixture_t *fixture = *state;
    begin(2);
    asyncio_task_t *tasks[] = {start("a"), start("b"), start("c"), start("d"), start("e")};
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "ab");
    for (int i = 0; i < 5; i++)
        assert_int_equal(end_of_task(tasks[i]), 0);
    assert_string_equal(fixture->trace, "abcde");
}

/* Without a bound, releases add permits; a release wakes the first waiter. */
static void releases_add_slots(void **state)
{
    fixture_t *fixture = *state;
    begin(0);
    asyncio_task_t *first = start("a"), *second = start("b");
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "");
    assert_int_equal(asyncio_semaphore_release(&semaphore), 0);
    assert_int_equal(end_of_task(second), 0);
    assert_int_equal(end_of_task(first), 0);
    assert_string_equal(fixture->trace, "ab");
    assert_int_equal(asyncio_semaphore_release(&semaphore), 0);
    assert_int_equal(asyncio_semaphore_acquire(&semaphore), 0);
    assert_int_equal(asyncio_semaphore_acquire(&semaphore), 0);
    assert_true(asyncio_semaphore_locked(&semaphore));
}

/* A release takes the permit for the waiter that it wakes: until that runs, the semaphore is
 * locked, and nobody overtakes it. */
static void a_newcomer_queues_behind_the_woken(void **state)
{
    fixture_t *fixture = *state;
    begin(1);
    assert_int_equal(asyncio_semaphore_acquire(&semaphore), 0);
    asyncio_task_t *first = start("a");
    run_turn_once(fixture);
    asyncio_task_t *newcomer = start("n");
    assert_int_equal(asyncio_semaphore_release(&semaphore), 0);
    assert_true(asyncio_semaphore_locked(&semaphore));
    assert_int_equal(end_of_task(newcomer), 0);
    assert_int_equal(end_of_task(first), 0);
    assert_string_equal(fixture->trace, "an");
}

/* A waiter that was given a permit and is cancelled before it runs releases it, and the next is
 * woken. */
static void a_cancel_gives_the_slot_back(void **state)
{
    fixture_t *fixture = *state;
    begin(1);
    assert_int_equal(asyncio_semaphore_acquire(&semaphore), 0);
    asyncio_task_t *first = start("a"), *second = start("b");
    run_turn_once(fixture);
    assert_int_equal(asyncio_semaphore_release(&semaphore), 0);
    assert_int_equal(asyncio_task_cancel(first, NULL), 1);
    assert_int_equal(end_of_task(second), 0);
    assert_int_equal(end_of_task(first), -ECANCELED);
    assert_string_equal(fixture->trace, "b");
    assert_false(asyncio_semaphore_locked(&semaphore));
}

/* A release skips a waiter that is cancelled and has not run yet. */
static void a_release_passes_over_the_cancelled(void **state)
{
    fixture_t *fixture = *state;
    begin(1);
    assert_int_equal(asyncio_semaphore_acquire(&semaphore), 0);
    asyncio_task_t *first = start("a"), *second = start("b");
    run_turn_once(fixture);
    assert_int_equal(asyncio_task_cancel(first, NULL), 1);
    assert_int_equal(asyncio_semaphore_release(&semaphore), 0);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "b");
    assert_int_equal(end_of_task(second), 0);
    assert_int_equal(end_of_task(first), -ECANCELED);
}

/* Several permits that are released while the woken waiter is cancelled all reach waiters. */
static void no_slot_waits_while_a_task_does(void **state)
{
    fixture_t *fixture = *state;
    begin(0);
    asyncio_task_t *tasks[] = {start("a"), start("b"), start("c")};
    run_turn_once(fixture);
    for (int i = 0; i < 2; i++)
        assert_int_equal(asyncio_semaphore_release(&semaphore), 0);
    assert_int_equal(asyncio_task_cancel(tasks[0], NULL), 1);
    run_turn_once(fixture);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "bc");
    assert_int_equal(end_of_task(tasks[0]), -ECANCELED);
    assert_int_equal(end_of_task(tasks[1]) | end_of_task(tasks[2]), 0);
}

/* A bounded semaphore refuses a release above its bound; an ordinary one allows it. */
static void a_bound_is_kept(void **state)
{
    (void)state;
    assert_int_equal(asyncio_bounded_semaphore_init(&semaphore, 1), 0);
    assert_int_equal(asyncio_semaphore_release(&semaphore), -EINVAL);
    assert_int_equal(asyncio_semaphore_acquire(&semaphore), 0);
    assert_int_equal(asyncio_semaphore_release(&semaphore), 0);
    assert_int_equal(asyncio_semaphore_release(&semaphore), -EINVAL);
    assert_int_equal(asyncio_bounded_semaphore_init(&semaphore, 0), 0);
    assert_true(asyncio_semaphore_locked(&semaphore));
    assert_int_equal(asyncio_semaphore_release(&semaphore), -EINVAL);
    begin(1);
    assert_int_equal(asyncio_semaphore_release(&semaphore), 0);
}

/* The first wait binds a semaphore to its loop: a wait on another loop is an error. */
static void another_loop_is_refused(void **state)
{
    fixture_t *fixture = *state;
    begin(0);
    asyncio_task_t *waiter = start("a");
    run_turn_once(fixture);
    asyncio_loop_t *other = asyncio_new_event_loop();
    assert_int_equal(asyncio_loop_run_until_complete(
                         other, asyncio_semaphore_acquire_coroutine(&semaphore), NULL),
                     ASYNCIO_ERUNTIME);
    asyncio_loop_unref(other);
    assert_int_equal(asyncio_semaphore_release(&semaphore), 0);
    assert_int_equal(end_of_task(waiter), 0);
}

/* NULL and values below 0 are refused, and so is a wait outside a task; fini takes NULL. */
static void bad_inputs_are_refused(void **state)
{
    (void)state;
    assert_int_equal(asyncio_semaphore_init(NULL, 1), -EINVAL);
    assert_int_equal(asyncio_bounded_semaphore_init(NULL, 1), -EINVAL);
    assert_int_equal(asyncio_semaphore_init(&semaphore, -1), -EINVAL);
    assert_int_equal(asyncio_bounded_semaphore_init(&semaphore, LONG_MIN), -EINVAL);
    assert_int_equal(asyncio_semaphore_acquire(NULL), -EINVAL);
    assert_int_equal(asyncio_semaphore_release(NULL), -EINVAL);
    assert_false(asyncio_semaphore_locked(NULL));
    asyncio_semaphore_fini(NULL);
    begin(0);
    assert_int_equal(asyncio_semaphore_acquire(&semaphore), ASYNCIO_ERUNTIME);
}

/* The coroutine object acquires when it runs; without memory there is none. */
static void the_object_does_the_same(void **state)
{
    fixture_t *fixture = *state;
    begin(1);
    assert_int_equal(asyncio_loop_run_until_complete(
                         fixture->loop, asyncio_semaphore_acquire_coroutine(&semaphore), NULL),
                     0);
    assert_true(asyncio_semaphore_locked(&semaphore));
    faults_arm(&(fault_t){FAULT_MEMORY, ENOMEM, 1, true});
    asyncio_coroutine_t *object = asyncio_semaphore_acquire_coroutine(&semaphore);
    int code = asyncio_errno();
    faults_disarm();
    assert_null(object);
    assert_int_equal(code, -ENOMEM);
}

static int use(void *arg, int who)
{
    (void)arg, (void)who;
    int rc = asyncio_semaphore_acquire(&semaphore);
    if (rc == 0)
        rc = asyncio_sleep(0);
    assert_int_equal(asyncio_semaphore_release(&semaphore), 0);
    return rc;
}

/* In the steady state, acquiring, waiting and waking allocate nothing, bounded or not. */
static void nothing_is_allocated_once_warm(void **state)
{
    begin(2);
    assert_int_equal(allocations_once_warm(*state, use, NULL), 0);
    assert_int_equal(asyncio_bounded_semaphore_init(&semaphore, 1), 0);
    assert_int_equal(allocations_once_warm(*state, use, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(slots_are_taken_at_once),
        FIXTURE_TEST(first_come_first_served),
        FIXTURE_TEST(releases_add_slots),
        FIXTURE_TEST(a_newcomer_queues_behind_the_woken),
        FIXTURE_TEST(a_cancel_gives_the_slot_back),
        FIXTURE_TEST(a_release_passes_over_the_cancelled),
        FIXTURE_TEST(no_slot_waits_while_a_task_does),
        FIXTURE_TEST(a_bound_is_kept),
        FIXTURE_TEST(another_loop_is_refused),
        FIXTURE_TEST(bad_inputs_are_refused),
        FIXTURE_TEST(the_object_does_the_same),
        FIXTURE_TEST(nothing_is_allocated_once_warm),
    };
    if (!faults_install())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
