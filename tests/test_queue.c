/* SPDX-License-Identifier: MIT */
/* Queues of the three kinds: order, limits, waiting, joining, shutting down; no item is lost. */
#include "support/contend.h"
#include "support/faults.h"

static asyncio_queue_t *queue;
static char items[] = "0123456789abcdefghijklmnopqrstuvwxyz";

static void *item(int i)
{
    return &items[i];
}

/* A task that puts or gets an item and notes the result. */
typedef struct party {
    asyncio_task_t *task; /* that waits */
    int i;                /* the item to put */
} party_t;

static int get_and_note(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    void *got = NULL;
    int rc = asyncio_queue_get(queue, &got);
    if (rc == 0)
        note(the_fixture(), *(char *)got);
    return rc;
}

static int put_one(void *arg, void **ret_result)
{
    (void)ret_result;
    return asyncio_queue_put(queue, item(((party_t *)arg)->i));
}

static int join_and_note(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = asyncio_queue_join(queue);
    if (rc == 0)
        note(the_fixture(), 'J');
    return rc;
}

static void start(party_t *party, asyncio_coroutine_function_t *fn, int i)
{
    party->i = i;
    party->task = start_task(fn, party);
}

static int end_of(party_t *party)
{
    return end_of_task(party->task);
}

static int cancelled_end_of(party_t *party)
{
    assert_int_equal(asyncio_task_cancel(party->task, NULL), 1);
    return end_of(party);
}

static void put(int i)
{
    assert_int_equal(asyncio_queue_put_nowait(queue, item(i)), 0);
}

static char get(void)
{
    void *got = NULL;
    assert_int_equal(asyncio_queue_get_nowait(queue, &got), 0);
    return *(char *)got;
}

static int setup(void **state)
{
    int rc = fixture_setup(state);
    queue = asyncio_queue_new(0);
    return rc < 0 || !queue ? -1 : 0;
}

static int teardown(void **state)
{
    int rc = fixture_teardown(state);
    asyncio_queue_unref(queue);
    return rc;
}

/* Makes the test use a queue of another kind. */
static void use_instead(asyncio_queue_t *other)
{
    assert_non_null(other);
    asyncio_queue_unref(queue);
    queue = other;
}

#define QUEUE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

/* --- order and limits ---------------------------------------------------------------------- */

/* A queue returns the oldest item first, over any number of items. */
static void first_in_first_out(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 30; i++)
            put(i);
        assert_int_equal(asyncio_queue_qsize(queue), 30);
        for (int i = 0; i < 30; i++)
            assert_int_equal(get(), items[i]);
    }
    assert_true(asyncio_queue_empty(queue));
}

/* A last-in-first-out queue returns the newest item first. */
static void last_in_first_out(void **state)
{
    (void)state;
    use_instead(asyncio_lifo_queue_new(0));
    for (int i = 0; i < 30; i++)
        put(i);
    for (int i = 30; i-- > 0;)
        assert_int_equal(get(), items[i]);
}

static int by_letter(const void *a, const void *b, void *arg)
{
    ++*(int *)arg;
    return *(const char *)a - *(const char *)b;
}

/* A priority queue returns the smallest item first, whatever was put in between. */
static void the_least_comes_first(void **state)
{
    (void)state;
    int compared = 0;
    use_instead(asyncio_priority_queue_new(0, by_letter, &compared));
    for (int i = 0; i < 30; i++)
        put(i * 7 % 30);
    for (int i = 0; i < 30; i++)
        assert_int_equal(get(), items[i]);
    put(5), put(3);
    assert_int_equal(get(), items[3]);
    put(1);
    assert_int_equal(get(), items[1]);
    assert_int_equal(get(), items[5]);
    assert_true(compared > 0);
}

/* The order is kept while the queue wraps around and grows. */
static void the_order_outlives_growth(void **state)
{
    (void)state;
    asyncio_queue_t *growing = asyncio_queue_new(0);
    int in = 0, out = 0;
    while (in < 400 || out < in) {
        for (int i = 0; i < 7 && in < 400; i++)
            assert_int_equal(asyncio_queue_put_nowait(growing, ASYNCIO_INT(in++)), 0);
        for (int i = 0; i < 5 && out < in; i++) {
            void *found = NULL;
            assert_int_equal(asyncio_queue_get_nowait(growing, &found), 0);
            assert_int_equal(asyncio_int(found), out++);
        }
    }
    asyncio_queue_unref(growing);
}

/* An item is its number and, in the hundreds, its priority. */
static int by_hundreds(const void *a, const void *b, void *arg)
{
    (void)arg;
    return (int)(asyncio_int(a) / 100 - asyncio_int(b) / 100);
}

/* Items of equal priority are returned in the order of Python's heapq, which is not the order in
 * which they were put. */
static void equal_items_come_as_in_python(void **state)
{
    (void)state;
    static const int priorities[] = {3, 1, 2, 1, 3, 2, 1, 2, 3, 1, 2, 3, 1, 1, 2, 2};
    static const int wanted[] = {1, 6, 13, 12, 3, 9, 14, 2, 5, 10, 7, 15, 11, 4, 0, 8};
    asyncio_queue_t *equal = asyncio_priority_queue_new(0, by_hundreds, NULL);
    for (int i = 0; i < 16; i++)
        assert_int_equal(asyncio_queue_put_nowait(equal, ASYNCIO_INT(priorities[i] * 100 + i)), 0);
    for (int i = 0; i < 16; i++) {
        void *found = NULL;
        assert_int_equal(asyncio_queue_get_nowait(equal, &found), 0);
        assert_int_equal(asyncio_int(found) % 100, wanted[i]);
    }
    asyncio_queue_unref(equal);
}

/* put_nowait() on a full queue and get_nowait() on an empty one fail without waiting; 0 is no
 * limit. */
static void limits_are_kept(void **state)
{
    (void)state;
    void *got = queue;
    assert_int_equal(asyncio_queue_maxsize(queue), 0);
    assert_false(asyncio_queue_full(queue));
    assert_int_equal(asyncio_queue_get_nowait(queue, &got), ASYNCIO_EQUEUEEMPTY);
    assert_ptr_equal(got, queue);
    use_instead(asyncio_queue_new(2));
    assert_int_equal(asyncio_queue_maxsize(queue), 2);
    put(0);
    assert_false(asyncio_queue_full(queue));
    put(1);
    assert_true(asyncio_queue_full(queue));
    assert_int_equal(asyncio_queue_put_nowait(queue, item(2)), ASYNCIO_EQUEUEFULL);
    assert_int_equal(asyncio_queue_qsize(queue), 2);
    assert_int_equal(asyncio_queue_get_nowait(queue, NULL), 0);
    assert_int_equal(get(), '1');
}

/* --- waiting ------------------------------------------------------------------------------- */

/* Waiting getters are served in the order in which they arrived, one for each item. */
static void getters_are_served_in_order(void **state)
{
    fixture_t *fixture = *state;
    party_t getters[3];
    for (int i = 0; i < 3; i++)
        start(&getters[i], get_and_note, 0);
    run_turn_once(fixture);
    put(0);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "0");
    put(1), put(2);
    for (int i = 0; i < 3; i++)
        assert_int_equal(end_of(&getters[i]), 0);
    assert_string_equal(fixture->trace, "012");
}

/* Waiting putters are served in the order in which they arrived. */
static void putters_are_served_in_order(void **state)
{
    fixture_t *fixture = *state;
    party_t putters[3];
    use_instead(asyncio_queue_new(1));
    put(0);
    for (int i = 0; i < 3; i++)
        start(&putters[i], put_one, i + 1);
    run_turn_once(fixture);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(get(), items[i]);
        run_turn_once(fixture);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(end_of(&putters[i]), 0);
}

/* Nothing is reserved for a woken task: if another one was quicker, it waits again. */
static void the_woken_looks_again(void **state)
{
    fixture_t *fixture = *state;
    party_t getter, putter;
    start(&getter, get_and_note, 0);
    run_turn_once(fixture);
    put(0);
    assert_int_equal(get(), '0');
    run_turn_once(fixture);
    run_turn_once(fixture);
    assert_false(asyncio_future_done(getter.task));
    put(1);
    assert_int_equal(end_of(&getter), 0);
    assert_string_equal(fixture->trace, "1");
    use_instead(asyncio_queue_new(1));
    put(2);
    start(&putter, put_one, 3);
    run_turn_once(fixture);
    assert_int_equal(get(), '2');
    put(4);
    run_turn_once(fixture);
    run_turn_once(fixture);
    assert_false(asyncio_future_done(putter.task));
    assert_int_equal(get(), '4');
    assert_int_equal(end_of(&putter), 0);
    assert_int_equal(get(), '3');
}

/* A woken getter that is cancelled passes the wake-up on, and the item stays. */
static void a_cancelled_getter_loses_no_item(void **state)
{
    fixture_t *fixture = *state;
    party_t getters[3];
    for (int i = 0; i < 3; i++)
        start(&getters[i], get_and_note, 0);
    run_turn_once(fixture);
    put(0);
    assert_int_equal(cancelled_end_of(&getters[0]), -ECANCELED);
    assert_int_equal(end_of(&getters[1]), 0);
    assert_string_equal(fixture->trace, "0");
    assert_int_equal(cancelled_end_of(&getters[2]), -ECANCELED);
    put(1);
    assert_int_equal(get(), '1');
}

static int get_within_a_second(void *arg, void **ret_result)
{
    (void)arg;
    return asyncio_wait_for(asyncio_queue_get_coroutine(queue), 1, ret_result);
}

static void put_first(void *arg)
{
    (void)arg;
    put(0);
}

/* An item that is put when a get times out is either returned or still in the queue. */
static void a_get_without_time_loses_no_item(void **state)
{
    fixture_t *fixture = *state;
    for (int i = 0; i < 4; i++) {
        if (i % 2)
            assert_int_equal(asyncio_loop_call_later(fixture->loop, 1, put_first, NULL, NULL), 0);
        asyncio_task_t *task = asyncio_loop_create_task(
            fixture->loop, asyncio_coroutine(get_within_a_second, NULL));
        run_turn_once(fixture);
        if (i % 2 == 0)
            assert_int_equal(
                asyncio_loop_call_later(fixture->loop, i / 2 * 0.5 + 0.5, put_first, NULL, NULL),
                0);
        void *got = NULL;
        int rc = asyncio_loop_run_until_complete(fixture->loop, task, &got);
        assert_true(rc == 0 || rc == -ETIMEDOUT);
        assert_int_equal(rc == 0 ? *(char *)got : get(), '0');
        assert_true(asyncio_queue_empty(queue));
        asyncio_task_unref(task);
    }
}

/* A woken putter that is cancelled passes the room on, and its item is not put. */
static void a_cancelled_putter_loses_no_room(void **state)
{
    fixture_t *fixture = *state;
    party_t putters[3];
    use_instead(asyncio_queue_new(1));
    put(0);
    for (int i = 0; i < 3; i++)
        start(&putters[i], put_one, i + 1);
    run_turn_once(fixture);
    assert_int_equal(get(), '0');
    assert_int_equal(cancelled_end_of(&putters[0]), -ECANCELED);
    assert_int_equal(end_of(&putters[1]), 0);
    assert_int_equal(get(), '2');
    assert_int_equal(end_of(&putters[2]), 0);
    assert_int_equal(get(), '3');
    assert_true(asyncio_queue_empty(queue));
}

/* --- joining ------------------------------------------------------------------------------- */

/* join() waits until task_done() was called for each item that was put, and no longer. */
static void join_waits_for_all_that_was_put(void **state)
{
    fixture_t *fixture = *state;
    party_t joiners[2];
    assert_int_equal(asyncio_queue_join(queue), 0);
    put(0), put(1);
    start(&joiners[0], join_and_note, 0);
    start(&joiners[1], join_and_note, 0);
    run_turn_once(fixture);
    (void)get(), (void)get();
    assert_int_equal(asyncio_queue_task_done(queue), 0);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "");
    assert_int_equal(asyncio_queue_task_done(queue), 0);
    assert_int_equal(end_of(&joiners[0]) | end_of(&joiners[1]), 0);
    assert_string_equal(fixture->trace, "JJ");
    assert_int_equal(asyncio_queue_task_done(queue), -EINVAL);
}

/* A join that is cancelled does not affect other joins. */
static void a_cancelled_join_leaves_alone(void **state)
{
    fixture_t *fixture = *state;
    party_t joiners[2];
    put(0);
    start(&joiners[0], join_and_note, 0);
    start(&joiners[1], join_and_note, 0);
    run_turn_once(fixture);
    assert_int_equal(cancelled_end_of(&joiners[0]), -ECANCELED);
    assert_int_equal(asyncio_queue_task_done(queue), 0);
    assert_int_equal(end_of(&joiners[1]), 0);
    assert_string_equal(fixture->trace, "J");
}

/* --- shutting down ------------------------------------------------------------------------- */

/* After a shutdown puts are refused; the remaining items can be got; then gets are refused. */
static void a_shutdown_lets_items_out(void **state)
{
    (void)state;
    void *got;
    party_t getter;
    put(0), put(1);
    assert_int_equal(asyncio_queue_shutdown(queue, /* immediate= */ false, NULL), 0);
    assert_int_equal(asyncio_queue_put_nowait(queue, item(2)), ASYNCIO_EQUEUESHUTDOWN);
    assert_int_equal(asyncio_queue_put(queue, item(2)), ASYNCIO_EQUEUESHUTDOWN);
    assert_int_equal(get(), '0');
    start(&getter, get_and_note, 0);
    assert_int_equal(end_of(&getter), 0);
    assert_int_equal(asyncio_queue_get_nowait(queue, &got), ASYNCIO_EQUEUESHUTDOWN);
    start(&getter, get_and_note, 0);
    assert_int_equal(end_of(&getter), ASYNCIO_EQUEUESHUTDOWN);
}

/* A shutdown wakes all waiters, whose calls fail. */
static void a_shutdown_wakes_all(void **state)
{
    fixture_t *fixture = *state;
    party_t getters[2], putters[2];
    start(&getters[0], get_and_note, 0);
    start(&getters[1], get_and_note, 0);
    run_turn_once(fixture);
    assert_int_equal(asyncio_queue_shutdown(queue, false, NULL), 0);
    assert_int_equal(end_of(&getters[0]), ASYNCIO_EQUEUESHUTDOWN);
    assert_int_equal(end_of(&getters[1]), ASYNCIO_EQUEUESHUTDOWN);
    use_instead(asyncio_queue_new(1));
    put(0);
    start(&putters[0], put_one, 1);
    start(&putters[1], put_one, 2);
    run_turn_once(fixture);
    assert_int_equal(asyncio_queue_shutdown(queue, false, NULL), 0);
    assert_int_equal(end_of(&putters[0]), ASYNCIO_EQUEUESHUTDOWN);
    assert_int_equal(end_of(&putters[1]), ASYNCIO_EQUEUESHUTDOWN);
    assert_int_equal(get(), '0');
}

static int dropped;

static void drop(void *value)
{
    (void)value;
    dropped++;
}

/* An immediate shutdown drops the items, and join does not wait for them. */
static void an_immediate_shutdown_drops_items(void **state)
{
    fixture_t *fixture = *state;
    party_t joiner;
    put(0), put(1), put(2);
    (void)get();
    start(&joiner, join_and_note, 0);
    run_turn_once(fixture);
    dropped = 0;
    assert_int_equal(asyncio_queue_shutdown(queue, /* immediate= */ true, drop), 0);
    assert_int_equal(dropped, 2);
    assert_true(asyncio_queue_empty(queue));
    run_turn_once(fixture);
    assert_false(asyncio_future_done(joiner.task));
    assert_int_equal(asyncio_queue_task_done(queue), 0);
    assert_int_equal(end_of(&joiner), 0);
    assert_int_equal(asyncio_queue_shutdown(queue, true, drop), 0);
}

/* --- refusals ------------------------------------------------------------------------------ */

/* The first wait binds a queue to its loop: a wait on another loop is an error. */
static void another_loop_is_refused(void **state)
{
    fixture_t *fixture = *state;
    party_t getter;
    start(&getter, get_and_note, 0);
    run_turn_once(fixture);
    asyncio_loop_t *other = asyncio_new_event_loop();
    assert_int_equal(
        asyncio_loop_run_until_complete(other, asyncio_queue_get_coroutine(queue), NULL),
        ASYNCIO_ERUNTIME);
    asyncio_loop_unref(other);
    put(0);
    assert_int_equal(end_of(&getter), 0);
}

/* NULL is refused, and so is a wait outside a task; unref takes NULL. */
static void bad_inputs_are_refused(void **state)
{
    (void)state;
    void *got;
    assert_null(asyncio_priority_queue_new(0, NULL, NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_int_equal(asyncio_queue_put(NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_queue_get(NULL, &got), -EINVAL);
    assert_int_equal(asyncio_queue_put_nowait(NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_queue_get_nowait(NULL, &got), -EINVAL);
    assert_int_equal(asyncio_queue_task_done(NULL), -EINVAL);
    assert_int_equal(asyncio_queue_join(NULL), -EINVAL);
    assert_int_equal(asyncio_queue_shutdown(NULL, true, NULL), -EINVAL);
    assert_int_equal(asyncio_queue_qsize(NULL) + asyncio_queue_maxsize(NULL), 0);
    assert_true(asyncio_queue_empty(NULL));
    assert_false(asyncio_queue_full(NULL));
    asyncio_queue_unref(NULL);
    assert_null(asyncio_queue_ref(NULL));
    asyncio_queue_unref(asyncio_queue_ref(queue));
    assert_int_equal(asyncio_queue_get(queue, &got), ASYNCIO_ERUNTIME);
    put(0);
    assert_int_equal(asyncio_queue_join(queue), ASYNCIO_ERUNTIME);
}

/* Without memory creating a queue or an object and putting an item fail; the items stay. */
static void out_of_memory_is_answered(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++)
        put(i);
    faults_arm(&(fault_t){FAULT_MEMORY, ENOMEM, 1, true});
    const void *made[] = {asyncio_queue_new(0), asyncio_lifo_queue_new(0),
                          asyncio_queue_get_coroutine(queue),
                          asyncio_queue_put_coroutine(queue, item(9)),
                          asyncio_queue_join_coroutine(queue)};
    int code = asyncio_errno(), rc = asyncio_queue_put_nowait(queue, item(8));
    faults_disarm();
    for (int i = 0; i < 5; i++)
        assert_null(made[i]);
    assert_int_equal(code, -ENOMEM);
    assert_int_equal(rc, -ENOMEM);
    put(8);
    for (int i = 0; i < 9; i++)
        assert_int_equal(get(), items[i]);
}

/* The coroutine objects do the same when they run. */
static void the_objects_do_the_same(void **state)
{
    fixture_t *fixture = *state;
    void *got = NULL;
    assert_int_equal(asyncio_loop_run_until_complete(
                         fixture->loop, asyncio_queue_put_coroutine(queue, item(3)), NULL),
                     0);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop,
                                                     asyncio_queue_get_coroutine(queue), &got),
                     0);
    assert_ptr_equal(got, item(3));
    assert_int_equal(asyncio_queue_task_done(queue), 0);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop,
                                                     asyncio_queue_join_coroutine(queue), NULL),
                     0);
}

static int use(void *arg, int who)
{
    (void)arg;
    void *got;
    if (who == 0) {
        int rc = asyncio_queue_put(queue, item(1));
        return rc == 0 ? asyncio_queue_put(queue, item(2)) : rc;
    }
    int rc = asyncio_queue_get(queue, &got);
    if (rc == 0)
        rc = asyncio_queue_task_done(queue);
    return rc < 0 ? rc : asyncio_queue_join(queue);
}

/* In the steady state, putting, getting, joining and their waits allocate nothing: on all three
 * kinds. */
static void nothing_is_allocated_once_warm(void **state)
{
    int compared = 0;
    use_instead(asyncio_queue_new(1));
    assert_int_equal(allocations_once_warm(*state, use, NULL), 0);
    use_instead(asyncio_lifo_queue_new(1));
    assert_int_equal(allocations_once_warm(*state, use, NULL), 0);
    use_instead(asyncio_priority_queue_new(1, by_letter, &compared));
    assert_int_equal(allocations_once_warm(*state, use, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_TEST(first_in_first_out),
        QUEUE_TEST(last_in_first_out),
        QUEUE_TEST(the_least_comes_first),
        QUEUE_TEST(the_order_outlives_growth),
        QUEUE_TEST(equal_items_come_as_in_python),
        QUEUE_TEST(limits_are_kept),
        QUEUE_TEST(getters_are_served_in_order),
        QUEUE_TEST(putters_are_served_in_order),
        QUEUE_TEST(the_woken_looks_again),
        QUEUE_TEST(a_cancelled_getter_loses_no_item),
        QUEUE_TEST(a_get_without_time_loses_no_item),
        QUEUE_TEST(a_cancelled_putter_loses_no_room),
        QUEUE_TEST(join_waits_for_all_that_was_put),
        QUEUE_TEST(a_cancelled_join_leaves_alone),
        QUEUE_TEST(a_shutdown_lets_items_out),
        QUEUE_TEST(a_shutdown_wakes_all),
        QUEUE_TEST(an_immediate_shutdown_drops_items),
        QUEUE_TEST(another_loop_is_refused),
        QUEUE_TEST(bad_inputs_are_refused),
        QUEUE_TEST(out_of_memory_is_answered),
        QUEUE_TEST(the_objects_do_the_same),
        QUEUE_TEST(nothing_is_allocated_once_warm),
    };
    if (!faults_install())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
