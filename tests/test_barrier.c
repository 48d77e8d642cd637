/* SPDX-License-Identifier: MIT */
/* Barriers: n tasks meet, round after round; resets, aborts and cancels strand no task. */
#include "support/contend.h"
#include "support/faults.h"

static asyncio_barrier_t barrier;

typedef struct visitor {
    asyncio_task_t *task; /* that waits */
    int rc;               /* of the wait */
} visitor_t;

static int visit(void *arg, void **ret_result)
{
    (void)ret_result;
    visitor_t *visitor = arg;
    visitor->rc = asyncio_barrier_wait(&barrier);
    return visitor->rc < 0 ? visitor->rc : 0;
}

static void start(visitor_t *visitor)
{
    visitor->rc = -1;
    visitor->task = start_task(visit, visitor);
}

static int end_of(visitor_t *visitor)
{
    return end_of_task(visitor->task);
}

static int run_object(asyncio_coroutine_t *object)
{
    return asyncio_loop_run_until_complete(the_fixture()->loop, object, NULL);
}

static void begin(size_t parties)
{
    assert_int_equal(asyncio_barrier_init(&barrier, parties), 0);
}

/* All parties wait until the last has arrived, and each gets a number of its own. */
static void all_wait_for_the_last(void **state)
{
    fixture_t *fixture = *state;
    visitor_t visitors[3];
    begin(3);
    assert_int_equal(asyncio_barrier_parties(&barrier), 3);
    start(&visitors[0]);
    start(&visitors[1]);
    run_turn_once(fixture);
    run_turn_once(fixture);
    assert_int_equal(asyncio_barrier_n_waiting(&barrier), 2);
    start(&visitors[2]);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(end_of(&visitors[i]), 0);
        assert_int_equal(visitors[i].rc, i);
    }
    assert_int_equal(asyncio_barrier_n_waiting(&barrier), 0);
    asyncio_barrier_fini(&barrier);
}

/* A barrier of one holds nobody up. */
static void one_party_passes_at_once(void **state)
{
    (void)state;
    visitor_t visitor;
    begin(1);
    for (int i = 0; i < 3; i++) {
        start(&visitor);
        assert_int_equal(end_of(&visitor), 0);
        assert_int_equal(visitor.rc, 0);
    }
}

/* A party that arrives while the others leave waits for the next round. */
static void a_newcomer_waits_for_the_next_round(void **state)
{
    fixture_t *fixture = *state;
    visitor_t visitors[4];
    begin(2);
    for (int i = 0; i < 3; i++)
        start(&visitors[i]);
    for (int i = 0; i < 6; i++)
        run_turn_once(fixture);
    assert_true(asyncio_future_done(visitors[0].task) && asyncio_future_done(visitors[1].task));
    assert_false(asyncio_future_done(visitors[2].task));
    assert_int_equal(asyncio_barrier_n_waiting(&barrier), 1);
    start(&visitors[3]);
    for (int i = 0; i < 4; i++)
        assert_int_equal(end_of(&visitors[i]), 0);
    assert_int_equal(visitors[2].rc + visitors[3].rc, 1);
}

/* A reset breaks the current waits; the barrier can be used again after it. */
static void a_reset_breaks_those_who_wait(void **state)
{
    fixture_t *fixture = *state;
    visitor_t visitors[2];
    begin(3);
    start(&visitors[0]);
    start(&visitors[1]);
    run_turn_once(fixture);
    assert_int_equal(run_object(asyncio_barrier_reset_coroutine(&barrier)), 0);
    assert_int_equal(end_of(&visitors[0]), ASYNCIO_EBROKENBARRIER);
    assert_int_equal(end_of(&visitors[1]), ASYNCIO_EBROKENBARRIER);
    assert_false(asyncio_barrier_broken(&barrier));
    assert_int_equal(asyncio_barrier_n_waiting(&barrier), 0);
    visitor_t three[3];
    for (int i = 0; i < 3; i++)
        start(&three[i]);
    for (int i = 0; i < 3; i++)
        assert_int_equal(end_of(&three[i]), 0);
}

/* An abort breaks current and later waits, until a reset. */
static void an_abort_breaks_until_a_reset(void **state)
{
    fixture_t *fixture = *state;
    visitor_t visitors[2];
    begin(2);
    start(&visitors[0]);
    run_turn_once(fixture);
    assert_int_equal(run_object(asyncio_barrier_abort_coroutine(&barrier)), 0);
    assert_true(asyncio_barrier_broken(&barrier));
    assert_int_equal(end_of(&visitors[0]), ASYNCIO_EBROKENBARRIER);
    start(&visitors[1]);
    assert_int_equal(end_of(&visitors[1]), ASYNCIO_EBROKENBARRIER);
    assert_int_equal(run_object(asyncio_barrier_reset_coroutine(&barrier)), 0);
    assert_false(asyncio_barrier_broken(&barrier));
    start(&visitors[0]);
    start(&visitors[1]);
    assert_int_equal(end_of(&visitors[0]) | end_of(&visitors[1]), 0);
}

/* A party that is cancelled while it waits is not counted any more. */
static void a_cancelled_waiter_is_not_counted(void **state)
{
    fixture_t *fixture = *state;
    visitor_t visitors[3];
    begin(2);
    start(&visitors[0]);
    run_turn_once(fixture);
    assert_int_equal(asyncio_task_cancel(visitors[0].task, NULL), 1);
    assert_int_equal(end_of(&visitors[0]), -ECANCELED);
    assert_int_equal(asyncio_barrier_n_waiting(&barrier), 0);
    start(&visitors[1]);
    run_turn_once(fixture);
    assert_false(asyncio_future_done(visitors[1].task));
    start(&visitors[2]);
    assert_int_equal(end_of(&visitors[1]) | end_of(&visitors[2]), 0);
}

/* A party that is cancelled while it leaves does not block the next round. */
static void a_cancel_while_draining_opens_the_next_round(void **state)
{
    fixture_t *fixture = *state;
    visitor_t visitors[4];
    begin(2);
    start(&visitors[0]);
    run_turn_once(fixture);
    start(&visitors[1]);
    run_turn_once(fixture);
    assert_int_equal(asyncio_task_cancel(visitors[0].task, NULL), 1);
    assert_int_equal(end_of(&visitors[0]), -ECANCELED);
    assert_int_equal(end_of(&visitors[1]), 0);
    start(&visitors[2]);
    start(&visitors[3]);
    assert_int_equal(end_of(&visitors[2]) | end_of(&visitors[3]), 0);
}

/* The first wait binds a barrier to its loop: a wait on another loop is an error. */
static void another_loop_is_refused(void **state)
{
    fixture_t *fixture = *state;
    visitor_t visitors[2];
    begin(3);
    start(&visitors[0]);
    run_turn_once(fixture);
    asyncio_loop_t *other = asyncio_new_event_loop();
    assert_int_equal(
        asyncio_loop_run_until_complete(other, asyncio_barrier_wait_coroutine(&barrier), NULL),
        ASYNCIO_ERUNTIME);
    asyncio_loop_unref(other);
    assert_int_equal(asyncio_barrier_n_waiting(&barrier), 1);
    assert_int_equal(asyncio_task_cancel(visitors[0].task, NULL), 1);
    assert_int_equal(end_of(&visitors[0]), -ECANCELED);
}

/* NULL and no parties are refused, and so is a wait outside a task; fini takes NULL. */
static void bad_inputs_are_refused(void **state)
{
    (void)state;
    assert_int_equal(asyncio_barrier_init(NULL, 1), -EINVAL);
    assert_int_equal(asyncio_barrier_init(&barrier, 0), -EINVAL);
    assert_int_equal(asyncio_barrier_wait(NULL), -EINVAL);
    assert_int_equal(asyncio_barrier_reset(NULL), -EINVAL);
    assert_int_equal(asyncio_barrier_abort(NULL), -EINVAL);
    assert_int_equal(asyncio_barrier_parties(NULL), 0);
    assert_int_equal(asyncio_barrier_n_waiting(NULL), 0);
    assert_false(asyncio_barrier_broken(NULL));
    asyncio_barrier_fini(NULL);
    begin(2);
    assert_int_equal(asyncio_barrier_wait(&barrier), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_barrier_n_waiting(&barrier), 0);
}

/* The coroutine object returns the party's number; without memory there is none. */
static void the_objects_do_the_same(void **state)
{
    fixture_t *fixture = *state;
    void *place = NULL;
    begin(1);
    assert_int_equal(asyncio_loop_run_until_complete(
                         fixture->loop, asyncio_barrier_wait_coroutine(&barrier), &place),
                     0);
    assert_int_equal(asyncio_int(place), 0);
    faults_arm(&(fault_t){FAULT_MEMORY, ENOMEM, 1, true});
    const asyncio_coroutine_t *wait = asyncio_barrier_wait_coroutine(&barrier);
    const asyncio_coroutine_t *reset = asyncio_barrier_reset_coroutine(&barrier);
    const asyncio_coroutine_t *abort = asyncio_barrier_abort_coroutine(&barrier);
    int code = asyncio_errno();
    faults_disarm();
    assert_null(wait);
    assert_null(reset);
    assert_null(abort);
    assert_int_equal(code, -ENOMEM);
}

static int use(void *arg, int who)
{
    (void)arg, (void)who;
    int rc = asyncio_barrier_wait(&barrier);
    return rc < 0 ? rc : 0;
}

/* In the steady state, waiting and passing allocate nothing. */
static void nothing_is_allocated_once_warm(void **state)
{
    begin(CONTENDERS);
    assert_int_equal(allocations_once_warm(*state, use, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(all_wait_for_the_last),
        FIXTURE_TEST(one_party_passes_at_once),
        FIXTURE_TEST(a_newcomer_waits_for_the_next_round),
        FIXTURE_TEST(a_reset_breaks_those_who_wait),
        FIXTURE_TEST(an_abort_breaks_until_a_reset),
        FIXTURE_TEST(a_cancelled_waiter_is_not_counted),
        FIXTURE_TEST(a_cancel_while_draining_opens_the_next_round),
        FIXTURE_TEST(another_loop_is_refused),
        FIXTURE_TEST(bad_inputs_are_refused),
        FIXTURE_TEST(the_objects_do_the_same),
        FIXTURE_TEST(nothing_is_allocated_once_warm),
    };
    if (!faults_install())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
