/* SPDX-License-Identifier: MIT */
/* Conditions: a waiter releases the lock and acquires it again whatever happens; no notify is lost.
 * */
#include "support/contend.h"
#include "support/faults.h"

static asyncio_condition_t condition;
static int work; /* what the predicate looks at */

static bool has_work(void *arg)
{
    (void)arg;
    return work > 0;
}

/* Waits once with the lock, notes the result, and releases the lock. */
static int wait_and_note(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_condition_acquire(&condition);
    if (rc < 0)
        return rc;
    rc = asyncio_condition_wait(&condition);
    assert_true(asyncio_condition_locked(&condition));
    note(the_fixture(), rc == 0 ? *(const char *)arg : '-');
    assert_int_equal(asyncio_condition_release(&condition), 0);
    return rc;
}

static asyncio_task_t *start(const char *letter)
{
    return start_noting(wait_and_note, letter);
}

/* Notifies while holding the lock. */
static void notify(size_t count)
{
    assert_int_equal(asyncio_condition_acquire(&condition), 0);
    assert_int_equal(asyncio_condition_notify(&condition, count), 0);
    assert_int_equal(asyncio_condition_release(&condition), 0);
}

static int setup(void **state)
{
    work = 0;
    return asyncio_condition_init(&condition) < 0 ? -1 : fixture_setup(state);
}

static int teardown(void **state)
{
    asyncio_condition_fini(&condition);
    return fixture_teardown(state);
}

#define CONDITION_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

/* A wait releases the lock while it lasts, and holds it again when it returns. */
static void a_wait_gives_the_lock_up(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_t *task = start("a");
    run_turn_once(fixture);
    assert_false(asyncio_condition_locked(&condition));
    notify(1);
    assert_int_equal(end_of_task(task), 0);
    assert_string_equal(fixture->trace, "a");
    assert_false(asyncio_condition_locked(&condition));
}

/* A notify wakes that many waiters, the oldest first; notify_all wakes all. */
static void a_notify_wakes_the_first(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_t *tasks[] = {start("a"), start("b"), start("c"), start("d"), start("e")};
    run_turn_once(fixture);
    notify(0);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "");
    notify(2);
    assert_int_equal(end_of_task(tasks[1]), 0);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "ab");
    assert_int_equal(asyncio_condition_acquire(&condition), 0);
    assert_int_equal(asyncio_condition_notify_all(&condition), 0);
    assert_int_equal(asyncio_condition_release(&condition), 0);
    assert_int_equal(end_of_task(tasks[4]), 0);
    assert_string_equal(fixture->trace, "abcde");
    assert_int_equal(end_of_task(tasks[0]) | end_of_task(tasks[2]) | end_of_task(tasks[3]), 0);
}

/* A notify without a waiter has no effect later. */
static void a_notify_is_not_kept(void **state)
{
    fixture_t *fixture = *state;
    notify(5);
    asyncio_task_t *task = start("a");
    run_turn_once(fixture);
    run_turn_once(fixture);
    assert_false(asyncio_future_done(task));
    notify(1);
    assert_int_equal(end_of_task(task), 0);
}

static int cancelled_code(asyncio_task_t *task, const char *message)
{
    int rc = asyncio_loop_run_until_complete(the_fixture()->loop, task, NULL);
    asyncio_error_t *error = asyncio_error_last();
    assert_string_equal(asyncio_error_message(error), message);
    asyncio_error_unref(error);
    asyncio_task_unref(task);
    return rc;
}

/* A cancelled wait holds the lock before it returns, even if it is cancelled again meanwhile; it
 * raises the latest cancel. */
static void a_cancel_waits_for_the_lock(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_t *task = start("a");
    run_turn_once(fixture);
    assert_int_equal(asyncio_condition_acquire(&condition), 0);
    assert_int_equal(asyncio_task_cancel(task, "first"), 1);
    run_turn_once(fixture);
    assert_int_equal(asyncio_task_cancel(task, "second"), 1);
    run_turn_once(fixture);
    run_turn_once(fixture);
    assert_false(asyncio_future_done(task));
    assert_string_equal(fixture->trace, "");
    assert_int_equal(asyncio_condition_release(&condition), 0);
    assert_int_equal(cancelled_code(task, "second"), -ECANCELED);
    assert_string_equal(fixture->trace, "-");
    assert_false(asyncio_condition_locked(&condition));
}

/* A task that was notified and is cancelled in the same turn passes the notification on. */
static void a_notification_is_passed_on(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_t *first = start("a"), *second = start("b");
    run_turn_once(fixture);
    notify(1);
    assert_int_equal(asyncio_task_cancel(first, NULL), 1);
    assert_int_equal(end_of_task(second), 0);
    assert_int_equal(end_of_task(first), -ECANCELED);
    assert_string_equal(fixture->trace, "-b");
}

/* A task that is cancelled without having been notified wakes the next one all the same. */
static void a_cancelled_wait_notifies_the_next(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_t *first = start("a"), *second = start("b");
    run_turn_once(fixture);
    assert_int_equal(asyncio_task_cancel(first, NULL), 1);
    assert_int_equal(end_of_task(second), 0);
    assert_int_equal(end_of_task(first), -ECANCELED);
    assert_string_equal(fixture->trace, "-b");
}

static int hold_for_two_seconds(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_int_equal(asyncio_condition_acquire(&condition), 0);
    int rc = asyncio_sleep(2);
    note(the_fixture(), 'h');
    assert_int_equal(asyncio_condition_release(&condition), 0);
    return rc;
}

static int wait_for_one_second(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_int_equal(asyncio_condition_acquire(&condition), 0);
    int rc = asyncio_wait_for(asyncio_condition_wait_coroutine(&condition), 1, NULL);
    assert_true(asyncio_condition_locked(&condition));
    note(the_fixture(), 'w');
    assert_int_equal(asyncio_condition_release(&condition), 0);
    return rc;
}

/* A wait that times out holds the lock before it returns, however long that takes. */
static void a_limit_waits_for_the_lock(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_t *waiter =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(wait_for_one_second, NULL));
    asyncio_task_t *holder =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(hold_for_two_seconds, NULL));
    assert_int_equal(end_of_task(waiter), -ETIMEDOUT);
    assert_int_equal(end_of_task(holder), 0);
    assert_string_equal(fixture->trace, "hw");
    assert_true(asyncio_loop_time(fixture->loop) == 2);
}

static int wait_for_work(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = asyncio_condition_acquire(&condition);
    if (rc < 0)
        return rc;
    rc = asyncio_condition_wait_for(&condition, has_work, NULL);
    if (rc == 0)
        work--;
    assert_int_equal(asyncio_condition_release(&condition), 0);
    return rc;
}

/* wait_for() calls its predicate first, and again after each notification. */
static void wait_for_looks_again(void **state)
{
    fixture_t *fixture = *state;
    work = 1;
    assert_int_equal(run(fixture, wait_for_work, NULL), 0);
    assert_int_equal(work, 0);
    asyncio_task_t *task =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(wait_for_work, NULL));
    run_turn_once(fixture);
    notify(1);
    for (int i = 0; i < 3; i++)
        run_turn_once(fixture);
    assert_false(asyncio_future_done(task));
    work = 1;
    notify(1);
    assert_int_equal(end_of_task(task), 0);
    assert_int_equal(work, 0);
}

/* Without the lock neither wait nor notify is allowed. */
static void the_lock_must_be_held(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(asyncio_condition_notify(&condition, 1), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_condition_notify_all(&condition), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_condition_release(&condition), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_loop_run_until_complete(
                         fixture->loop, asyncio_condition_wait_coroutine(&condition), NULL),
                     ASYNCIO_ERUNTIME);
}

/* The first wait binds a condition to its loop: a wait on another loop is an error. */
static void another_loop_is_refused(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_t *waiter = start("a");
    run_turn_once(fixture);
    assert_int_equal(asyncio_condition_acquire(&condition), 0);
    asyncio_loop_t *other = asyncio_new_event_loop();
    assert_int_equal(asyncio_loop_run_until_complete(
                         other, asyncio_condition_wait_coroutine(&condition), NULL),
                     ASYNCIO_ERUNTIME);
    asyncio_loop_unref(other);
    assert_true(asyncio_condition_locked(&condition));
    assert_int_equal(asyncio_condition_notify(&condition, 1), 0);
    assert_int_equal(asyncio_condition_release(&condition), 0);
    assert_int_equal(end_of_task(waiter), 0);
}

/* NULL is refused, and so is a wait outside a task; fini takes NULL. */
static void bad_inputs_are_refused(void **state)
{
    (void)state;
    assert_int_equal(asyncio_condition_init(NULL), -EINVAL);
    assert_int_equal(asyncio_condition_acquire(NULL), -EINVAL);
    assert_int_equal(asyncio_condition_release(NULL), -EINVAL);
    assert_int_equal(asyncio_condition_wait(NULL), -EINVAL);
    assert_int_equal(asyncio_condition_wait_for(NULL, has_work, NULL), -EINVAL);
    assert_int_equal(asyncio_condition_wait_for(&condition, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_condition_notify(NULL, 1), -EINVAL);
    assert_int_equal(asyncio_condition_notify_all(NULL), -EINVAL);
    assert_false(asyncio_condition_locked(NULL));
    asyncio_condition_fini(NULL);
    assert_int_equal(asyncio_condition_acquire(&condition), 0);
    assert_int_equal(asyncio_condition_acquire(&condition), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_condition_wait(&condition), ASYNCIO_ERUNTIME);
    assert_true(asyncio_condition_locked(&condition));
    assert_int_equal(asyncio_condition_release(&condition), 0);
}

/* The coroutine objects do the same when they run; without memory there are none. */
static void the_objects_do_the_same(void **state)
{
    fixture_t *fixture = *state;
    asyncio_loop_t *loop = fixture->loop;
    assert_int_equal(asyncio_loop_run_until_complete(
                         loop, asyncio_condition_acquire_coroutine(&condition), NULL),
                     0);
    work = 1;
    assert_int_equal(
        asyncio_loop_run_until_complete(
            loop, asyncio_condition_wait_for_coroutine(&condition, has_work, NULL), NULL),
        0);
    assert_int_equal(asyncio_condition_release(&condition), 0);
    faults_arm(&(fault_t){FAULT_MEMORY, ENOMEM, 1, true});
    const asyncio_coroutine_t *acquire = asyncio_condition_acquire_coroutine(&condition);
    const asyncio_coroutine_t *wait = asyncio_condition_wait_coroutine(&condition);
    const asyncio_coroutine_t *wait_for =
        asyncio_condition_wait_for_coroutine(&condition, has_work, NULL);
    int code = asyncio_errno();
    faults_disarm();
    assert_null(acquire);
    assert_null(wait);
    assert_null(wait_for);
    assert_int_equal(code, -ENOMEM);
}

static int use(void *arg, int who)
{
    int *rounds = arg;
    int rc = asyncio_condition_acquire(&condition);
    if (rc < 0)
        return rc;
    if (who > 0 && *rounds < 95) {
        rc = asyncio_condition_wait(&condition);
    } else {
        *rounds += who == 0;
        assert_int_equal(asyncio_condition_notify_all(&condition), 0);
    }
    assert_int_equal(asyncio_condition_release(&condition), 0);
    return rc < 0 ? rc : asyncio_sleep(0);
}

/* In the steady state, waiting and notifying allocate nothing. */
static void nothing_is_allocated_once_warm(void **state)
{
    int rounds = 0;
    assert_int_equal(allocations_once_warm(*state, use, &rounds), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONDITION_TEST(a_wait_gives_the_lock_up),
        CONDITION_TEST(a_notify_wakes_the_first),
        CONDITION_TEST(a_notify_is_not_kept),
        CONDITION_TEST(a_cancel_waits_for_the_lock),
        CONDITION_TEST(a_limit_waits_for_the_lock),
        CONDITION_TEST(a_notification_is_passed_on),
        CONDITION_TEST(a_cancelled_wait_notifies_the_next),
        CONDITION_TEST(wait_for_looks_again),
        CONDITION_TEST(the_lock_must_be_held),
        CONDITION_TEST(another_loop_is_refused),
        CONDITION_TEST(bad_inputs_are_refused),
        CONDITION_TEST(the_objects_do_the_same),
        CONDITION_TEST(nothing_is_allocated_once_warm),
    };
    if (!faults_install())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
