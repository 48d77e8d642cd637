/* SPDX-License-Identifier: MIT */
/* Events: a flag that tasks wait for; a woken task returns whatever follows. */
#include "support/contend.h"
#include "support/faults.h"

static asyncio_event_t event;

static int wait_and_note(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_event_wait(&event);
    if (rc == 0)
        note(the_fixture(), *(const char *)arg);
    return rc;
}

static asyncio_task_t *start(const char *letter)
{
    return start_noting(wait_and_note, letter);
}

static int setup(void **state)
{
    return asyncio_event_init(&event) < 0 ? -1 : fixture_setup(state);
}

static int teardown(void **state)
{
    asyncio_event_fini(&event);
    return fixture_teardown(state);
}

#define EVENT_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

/* An event begins unset, can be set and cleared any number of times, and a wait for a set one
 * returns at once. */
static void a_set_event_holds_nobody_up(void **state)
{
    const fixture_t *fixture = *state;
    assert_false(asyncio_event_is_set(&event));
    assert_int_equal(asyncio_event_set(&event), 0);
    assert_int_equal(asyncio_event_set(&event), 0);
    assert_true(asyncio_event_is_set(&event));
    assert_int_equal(asyncio_event_wait(&event), 0);
    assert_int_equal(end_of_task(start("a")), 0);
    assert_string_equal(fixture->trace, "a");
    assert_int_equal(asyncio_event_clear(&event), 0);
    assert_false(asyncio_event_is_set(&event));
}

/* A set wakes all waiters in the order in which they arrived. */
static void a_set_wakes_all_in_order(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_t *tasks[] = {start("a"), start("b"), start("c")};
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "");
    assert_int_equal(asyncio_event_set(&event), 0);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "abc");
    for (int i = 0; i < 3; i++)
        assert_int_equal(end_of_task(tasks[i]), 0);
}

/* A clear right after the set does not undo the wake-up; a later wait blocks. */
static void a_clear_takes_no_wake_up_back(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_t *first = start("a");
    run_turn_once(fixture);
    assert_int_equal(asyncio_event_set(&event), 0);
    assert_int_equal(asyncio_event_clear(&event), 0);
    asyncio_task_t *late = start("b");
    assert_int_equal(end_of_task(first), 0);
    assert_string_equal(fixture->trace, "a");
    assert_false(asyncio_future_done(late));
    assert_int_equal(asyncio_event_set(&event), 0);
    assert_int_equal(end_of_task(late), 0);
}

/* A cancel, before the wake-up or after it, removes one waiter; the others are woken. */
static void a_cancel_takes_one_waiter_out(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_t *tasks[] = {start("a"), start("b"), start("c")};
    run_turn_once(fixture);
    assert_int_equal(asyncio_task_cancel(tasks[0], NULL), 1);
    assert_int_equal(asyncio_event_set(&event), 0);
    assert_int_equal(asyncio_task_cancel(tasks[1], NULL), 1);
    assert_int_equal(end_of_task(tasks[2]), 0);
    assert_int_equal(end_of_task(tasks[0]), -ECANCELED);
    assert_int_equal(end_of_task(tasks[1]), -ECANCELED);
    assert_string_equal(fixture->trace, "c");
}

/* The first wait binds an event to its loop: a wait on another loop is an error. */
static void another_loop_is_refused(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_t *waiter = start("a");
    run_turn_once(fixture);
    asyncio_loop_t *other = asyncio_new_event_loop();
    assert_int_equal(
        asyncio_loop_run_until_complete(other, asyncio_event_wait_coroutine(&event), NULL),
        ASYNCIO_ERUNTIME);
    asyncio_loop_unref(other);
    assert_int_equal(asyncio_event_set(&event), 0);
    assert_int_equal(end_of_task(waiter), 0);
}

/* NULL is refused, and so is a wait outside a task; fini takes NULL. */
static void bad_inputs_are_refused(void **state)
{
    (void)state;
    assert_int_equal(asyncio_event_init(NULL), -EINVAL);
    assert_int_equal(asyncio_event_wait(NULL), -EINVAL);
    assert_int_equal(asyncio_event_set(NULL), -EINVAL);
    assert_int_equal(asyncio_event_clear(NULL), -EINVAL);
    assert_false(asyncio_event_is_set(NULL));
    asyncio_event_fini(NULL);
    assert_int_equal(asyncio_event_wait(&event), ASYNCIO_ERUNTIME);
}

/* The coroutine object waits when it runs; without memory there is none. */
static void the_object_does_the_same(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_t *task =
        asyncio_loop_create_task(fixture->loop, asyncio_event_wait_coroutine(&event));
    run_turn_once(fixture);
    assert_int_equal(asyncio_event_set(&event), 0);
    assert_int_equal(end_of_task(task), 0);
    faults_arm(&(fault_t){FAULT_MEMORY, ENOMEM, 1, true});
    asyncio_coroutine_t *object = asyncio_event_wait_coroutine(&event);
    int code = asyncio_errno();
    faults_disarm();
    assert_null(object);
    assert_int_equal(code, -ENOMEM);
}

static int use(void *arg, int who)
{
    (void)arg;
    if (who > 0)
        return asyncio_event_is_set(&event) ? asyncio_sleep(0) : asyncio_event_wait(&event);
    int rc = asyncio_sleep(0);
    assert_int_equal(asyncio_event_set(&event), 0);
    assert_int_equal(asyncio_event_clear(&event), 0);
    return rc;
}

static int use_and_release(void *arg, int who)
{
    int rc = use(arg, who);
    int *uses = arg;
    if (who == 0 && ++*uses == 100)
        assert_int_equal(asyncio_event_set(&event), 0); /* nobody is left behind */
    return rc;
}

/* In the steady state, waiting, setting and waking allocate nothing. */
static void nothing_is_allocated_once_warm(void **state)
{
    int uses = 0;
    assert_int_equal(allocations_once_warm(*state, use_and_release, &uses), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EVENT_TEST(a_set_event_holds_nobody_up),
        EVENT_TEST(a_set_wakes_all_in_order),
        EVENT_TEST(a_clear_takes_no_wake_up_back),
        EVENT_TEST(a_cancel_takes_one_waiter_out),
        EVENT_TEST(another_loop_is_refused),
        EVENT_TEST(bad_inputs_are_refused),
        EVENT_TEST(the_object_does_the_same),
        EVENT_TEST(nothing_is_allocated_once_warm),
    };
    if (!faults_install())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
