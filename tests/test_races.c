/* SPDX-License-Identifier: MIT */
/*
 * Every order of wake-ups and cancels around each primitive: three tasks wait, and then each
 * sequence of moves of a given length is made. A move is a turn of the loop, a wake-up, its
 * opposite, or the cancel of one of the three. After each sequence no task may wait for something
 * that is available, and no permit, item or turn may be lost.
 *
 * ASYNCIO_TEST_RACE_MOVES in the environment makes the sequences longer.
 */
#include "support/support.h"

#include <stdlib.h>
#include <string.h>

#define WORKERS 3
#define PENDING 1 /* as a result: the call has not returned */

enum move { TURN, WAKE, OPPOSE, CANCEL, MOVES = CANCEL + WORKERS };

typedef struct race {
    const struct kind *kind;       /* of primitive */
    asyncio_loop_t *loop;          /* of the workers */
    asyncio_task_t *tasks[WORKERS];
    int results[WORKERS];          /* of the waits, or PENDING */
    bool is_cancelled[WORKERS];    /* asked to end */
    bool is_owed[WORKERS];         /* was to be woken before it was cancelled */
    int held;                      /* slots that the test itself has */
    int given;                     /* wake-ups, slots or items that were handed out */
    int inside;                    /* workers that hold the thing now */
    int got[8];                    /* items in the order in which they came */
    int got_count;                 /* of them */
    asyncio_lock_t lock;
    asyncio_event_t event;
    asyncio_condition_t condition;
    asyncio_semaphore_t semaphore;
    asyncio_barrier_t barrier;
    asyncio_queue_t *queue;
} race_t;

typedef struct kind {
    const char *name;
    void (*begin)(race_t *race);        /* the primitive, with nothing to be had */
    int (*wait)(race_t *race, int who); /* the call of a worker; its result */
    void (*wake)(race_t *race);         /* one more to be had, if that can be */
    void (*oppose)(race_t *race);       /* undoes that, or NULL */
    void (*check)(race_t *race);        /* when nothing moves any more */
} kind_t;

typedef struct worker {
    race_t *race;
    int who;
} worker_t;

static int work(void *arg, void **ret_result)
{
    (void)ret_result;
    worker_t *worker = arg;
    int rc = worker->race->kind->wait(worker->race, worker->who);
    worker->race->results[worker->who] = rc;
    return rc < 0 ? rc : 0;
}

static void turn(race_t *race)
{
    asyncio_loop_stop(race->loop);
    assert_int_equal(asyncio_loop_run_forever(race->loop), 0);
}

static int pending(const race_t *race)
{
    int count = 0;
    for (int i = 0; i < WORKERS; i++)
        count += race->results[i] == PENDING && !asyncio_future_done(race->tasks[i]);
    return count;
}

static int with_result(const race_t *race, int result)
{
    int count = 0;
    for (int i = 0; i < WORKERS; i++)
        count += race->results[i] == result;
    return count;
}

/* Every worker that waits now, and was not cancelled, must be woken by the next event. */
static void owe_all(race_t *race)
{
    for (int i = 0; i < WORKERS; i++)
        if (race->results[i] == PENDING && !race->is_cancelled[i])
            race->is_owed[i] = true;
}

static void check_owed(race_t *race)
{
    for (int i = 0; i < WORKERS; i++)
        if (race->is_owed[i])
            assert_true(race->results[i] == 0 ||
                        (race->is_cancelled[i] && race->results[i] == -ECANCELED));
}

/* --- lock ---------------------------------------------------------------------------------- */

static void begin_lock(race_t *race)
{
    assert_int_equal(asyncio_lock_init(&race->lock), 0);
    assert_int_equal(asyncio_lock_acquire(&race->lock), 0);
    race->held = 1;
}

static int wait_lock(race_t *race, int who)
{
    (void)who;
    int rc = asyncio_lock_acquire(&race->lock);
    if (rc < 0)
        return rc;
    assert_int_equal(++race->inside, 1);
    rc = asyncio_sleep(0);
    race->inside--;
    assert_int_equal(asyncio_lock_release(&race->lock), 0);
    return rc;
}

static void wake_lock(race_t *race)
{
    if (race->held)
        assert_int_equal(asyncio_lock_release(&race->lock), 0);
    race->held = 0;
}

static void check_lock(race_t *race)
{
    assert_true(race->held || pending(race) == 0);
    assert_int_equal(asyncio_lock_locked(&race->lock), race->held);
}

/* --- event --------------------------------------------------------------------------------- */

static void begin_event(race_t *race)
{
    assert_int_equal(asyncio_event_init(&race->event), 0);
}

static int wait_event(race_t *race, int who)
{
    (void)who;
    return asyncio_event_wait(&race->event);
}

static void wake_event(race_t *race)
{
    owe_all(race);
    assert_int_equal(asyncio_event_set(&race->event), 0);
}

static void oppose_event(race_t *race)
{
    assert_int_equal(asyncio_event_clear(&race->event), 0);
}

static void check_event(race_t *race)
{
    check_owed(race);
    assert_true(pending(race) == 0 || !asyncio_event_is_set(&race->event));
}

/* --- condition ----------------------------------------------------------------------------- */

static void begin_condition(race_t *race)
{
    assert_int_equal(asyncio_condition_init(&race->condition), 0);
}

static int wait_condition(race_t *race, int who)
{
    (void)who;
    int rc = asyncio_condition_acquire(&race->condition);
    if (rc < 0)
        return rc;
    assert_int_equal(++race->inside, 1);
    race->inside--;
    rc = asyncio_condition_wait(&race->condition);
    assert_int_equal(++race->inside, 1);
    race->inside--;
    assert_int_equal(asyncio_condition_release(&race->condition), 0);
    return rc;
}

/* A notification counts if it finds a waiter that was not woken yet. Between the wake-up of a
 * waiter and its step the lock cannot be taken from here: then nothing is notified. */
static void wake_condition(race_t *race)
{
    bool was_locked = asyncio_condition_locked(&race->condition);
    if (!was_locked && asyncio_condition_acquire(&race->condition) < 0)
        return;
    int open = 0;
    for (int i = 0; i < WORKERS; i++)
        open += race->results[i] == PENDING && !race->is_cancelled[i];
    if (open > race->given - with_result(race, 0))
        race->given++;
    assert_int_equal(asyncio_condition_notify(&race->condition, 1), 0);
    if (!was_locked)
        assert_int_equal(asyncio_condition_release(&race->condition), 0);
}

static void check_condition(race_t *race)
{
    assert_true(pending(race) == 0 || with_result(race, 0) >= race->given);
    assert_false(asyncio_condition_locked(&race->condition));
}

/* --- semaphores ---------------------------------------------------------------------------- */

static void begin_semaphore(race_t *race)
{
    assert_int_equal(asyncio_semaphore_init(&race->semaphore, 0), 0);
}

static int wait_semaphore(race_t *race, int who)
{
    (void)who;
    return asyncio_semaphore_acquire(&race->semaphore);
}

static void wake_semaphore(race_t *race)
{
    race->given++;
    assert_int_equal(asyncio_semaphore_release(&race->semaphore), 0);
}

static void check_semaphore(race_t *race)
{
    int left = race->given - with_result(race, 0);
    assert_true(left >= 0);
    assert_true(pending(race) == 0 || left == 0);
    if (pending(race) > 0)
        return;
    for (; left > 0; left--) {
        assert_int_equal(asyncio_semaphore_acquire(&race->semaphore), 0);
        race->given--;
    }
    assert_true(asyncio_semaphore_locked(&race->semaphore));
}

static void begin_bounded(race_t *race)
{
    assert_int_equal(asyncio_bounded_semaphore_init(&race->semaphore, 2), 0);
    for (race->held = 0; race->held < 2; race->held++)
        assert_int_equal(asyncio_semaphore_acquire(&race->semaphore), 0);
}

static int wait_bounded(race_t *race, int who)
{
    (void)who;
    int rc = asyncio_semaphore_acquire(&race->semaphore);
    if (rc < 0)
        return rc;
    assert_in_range(++race->inside, 1, 2 - race->held);
    rc = asyncio_sleep(0);
    race->inside--;
    assert_int_equal(asyncio_semaphore_release(&race->semaphore), 0);
    return rc;
}

static void wake_bounded(race_t *race)
{
    if (race->held > 0) {
        race->held--;
        assert_int_equal(asyncio_semaphore_release(&race->semaphore), 0);
    }
}

static void check_bounded(race_t *race)
{
    assert_true(pending(race) == 0 || race->held == 2);
    assert_int_equal(asyncio_semaphore_locked(&race->semaphore), race->held == 2);
    if (race->held == 0)
        assert_int_equal(asyncio_semaphore_release(&race->semaphore), -EINVAL);
}

/* --- barrier ------------------------------------------------------------------------------- */

static void begin_barrier(race_t *race)
{
    assert_int_equal(asyncio_barrier_init(&race->barrier, 2), 0);
}

static int wait_barrier(race_t *race, int who)
{
    (void)who;
    int rc = asyncio_barrier_wait(&race->barrier);
    return rc > 0 ? 0 : rc;
}

static void run_aside(race_t *race, asyncio_coroutine_t *object)
{
    assert_int_equal(asyncio_task_detach(asyncio_loop_create_task(race->loop, object)), 0);
}

/* Only at the end: one party too few is left, and the abort ends its wait. */
static void wake_barrier(race_t *race)
{
    if (race->given++ > 4)
        run_aside(race, asyncio_barrier_abort_coroutine(&race->barrier));
}

static void oppose_barrier(race_t *race)
{
    run_aside(race, asyncio_barrier_reset_coroutine(&race->barrier));
}

static void check_barrier(race_t *race)
{
    assert_in_range(pending(race), 0, 1);
    if (!asyncio_barrier_broken(&race->barrier))
        assert_int_equal(asyncio_barrier_n_waiting(&race->barrier), pending(race));
}

/* --- queues -------------------------------------------------------------------------------- */

static void take(race_t *race)
{
    void *item = NULL;
    if (asyncio_queue_get_nowait(race->queue, &item) == 0)
        race->got[race->got_count++] = (int)(intptr_t)item;
    else
        asyncio_error_clear();
}

static void begin_getters(race_t *race)
{
    race->queue = asyncio_queue_new(0);
    assert_non_null(race->queue);
}

static int wait_getters(race_t *race, int who)
{
    (void)who;
    void *item = NULL;
    int rc = asyncio_queue_get(race->queue, &item);
    if (rc == 0)
        race->got[race->got_count++] = (int)(intptr_t)item;
    return rc;
}

static void wake_getters(race_t *race)
{
    if (race->given < 8)
        assert_int_equal(asyncio_queue_put_nowait(race->queue, (void *)(intptr_t)++race->given),
                         0);
}

static void check_getters(race_t *race)
{
    assert_int_equal(race->got_count + (int)asyncio_queue_qsize(race->queue), race->given);
    for (int i = 0; i < race->got_count; i++)
        assert_int_equal(race->got[i], i + 1);
    assert_true(pending(race) == 0 || asyncio_queue_empty(race->queue));
}

static void begin_putters(race_t *race)
{
    race->queue = asyncio_queue_new(1);
    assert_non_null(race->queue);
    assert_int_equal(asyncio_queue_put_nowait(race->queue, (void *)(intptr_t)WORKERS), 0);
}

static int wait_putters(race_t *race, int who)
{
    return asyncio_queue_put(race->queue, (void *)(intptr_t)who);
}

/* Every item that was put is returned once, and no other item is. */
static void check_putters(race_t *race)
{
    int came[WORKERS + 1] = {0}, in = (int)asyncio_queue_qsize(race->queue), known = 0;
    assert_true(pending(race) == 0 || asyncio_queue_full(race->queue));
    for (int i = 0; i < race->got_count; i++)
        assert_int_equal(++came[race->got[i]], 1);
    for (int i = 0; i < WORKERS; i++) {
        assert_true(race->results[i] == 0 || came[i] == 0);
        known += race->results[i] == 0;
    }
    assert_int_equal(race->got_count + in, known + 1);
}

static void begin_joiners(race_t *race)
{
    race->queue = asyncio_queue_new(0);
    assert_non_null(race->queue);
    assert_int_equal(asyncio_queue_put_nowait(race->queue, NULL), 0);
    race->held = 1;
}

static int wait_joiners(race_t *race, int who)
{
    (void)who;
    return asyncio_queue_join(race->queue);
}

static void wake_joiners(race_t *race)
{
    if (race->held == 0)
        return;
    assert_int_equal(asyncio_queue_task_done(race->queue), 0);
    if (--race->held == 0)
        owe_all(race);
}

static void oppose_joiners(race_t *race)
{
    assert_int_equal(asyncio_queue_put_nowait(race->queue, NULL), 0);
    race->held++;
}

static void check_joiners(race_t *race)
{
    check_owed(race);
    assert_true(pending(race) == 0 || race->held > 0);
}

static const kind_t kinds[] = {
    {"lock", begin_lock, wait_lock, wake_lock, NULL, check_lock},
    {"event", begin_event, wait_event, wake_event, oppose_event, check_event},
    {"condition", begin_condition, wait_condition, wake_condition, NULL, check_condition},
    {"semaphore", begin_semaphore, wait_semaphore, wake_semaphore, NULL, check_semaphore},
    {"bounded", begin_bounded, wait_bounded, wake_bounded, NULL, check_bounded},
    {"barrier", begin_barrier, wait_barrier, wake_barrier, oppose_barrier, check_barrier},
    {"get", begin_getters, wait_getters, wake_getters, NULL, check_getters},
    {"put", begin_putters, wait_putters, take, NULL, check_putters},
    {"join", begin_joiners, wait_joiners, wake_joiners, oppose_joiners, check_joiners},
};

/* --- the orders ---------------------------------------------------------------------------- */

static void make(race_t *race, int move)
{
    int who = move - CANCEL;
    if (move == TURN) {
        turn(race);
    } else if (move == WAKE) {
        race->kind->wake(race);
    } else if (move == OPPOSE) {
        if (race->kind->oppose)
            race->kind->oppose(race);
    } else if (!asyncio_future_done(race->tasks[who])) {
        race->is_cancelled[who] = true;
        assert_int_equal(asyncio_task_cancel(race->tasks[who], NULL), 1);
    }
}

static void settle(race_t *race)
{
    for (int i = 0; i < 14; i++)
        turn(race);
    race->kind->check(race);
}

/* Makes the moves, whose number in base MOVES is `order`, and then lets every worker end. */
static void play(const kind_t *kind, asyncio_loop_t *loop, long order, int length)
{
    /* Static, because workers outlive this frame when an assertion fails. */
    static race_t race;
    static worker_t workers[WORKERS];
    race = (race_t){.kind = kind, .loop = loop};
    kind->begin(&race);
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (worker_t){&race, i};
        race.results[i] = PENDING;
        race.tasks[i] = asyncio_loop_create_task(loop, asyncio_coroutine(work, &workers[i]));
        assert_non_null(race.tasks[i]);
    }
    turn(&race);
    for (int i = 0; i < length; i++, order /= MOVES)
        make(&race, (int)(order % MOVES));
    settle(&race);
    for (int i = 0; i < 12 && pending(&race) > 0; i++) {
        kind->wake(&race);
        settle(&race);
    }
    assert_int_equal(pending(&race), 0);
    for (int i = 0; i < WORKERS; i++) {
        int rc = asyncio_future_exception(race.tasks[i], NULL);
        assert_true(rc >= 0 || rc == -ECANCELED || rc == ASYNCIO_EBROKENBARRIER);
        asyncio_task_unref(race.tasks[i]);
    }
    asyncio_queue_unref(race.queue);
    asyncio_error_clear();
}

static void play_all(fixture_t *fixture, const char *name)
{
    const char *longer = getenv("ASYNCIO_TEST_RACE_MOVES");
    int length = longer && *longer ? atoi(longer) : 4;
    const kind_t *kind = kinds;
    long orders = 1;
    while (strcmp(kind->name, name) != 0)
        kind++;
    for (int i = 0; i < length; i++)
        orders *= MOVES;
    for (long order = 0; order < orders; order++) {
        bool makes_sense = true;
        long rest = order;
        for (int i = 0; i < length; i++, rest /= MOVES)
            makes_sense = makes_sense && (rest % MOVES != OPPOSE || kind->oppose);
        if (makes_sense)
            play(kind, fixture->loop, order, length);
    }
}

/* No order of releases and cancels strands a waiter of a lock, or lets two tasks hold it. */
static void a_lock_survives_every_order(void **state)
{
    play_all(*state, "lock");
}

/* No order of sets, clears and cancels lets a waiter of an event miss a set. */
static void an_event_survives_every_order(void **state)
{
    play_all(*state, "event");
}

/* No order of notifications and cancels loses a notification while somebody waits. */
static void a_condition_survives_every_order(void **state)
{
    play_all(*state, "condition");
}

/* No order of releases and cancels loses a permit of a semaphore, or creates one. */
static void a_semaphore_survives_every_order(void **state)
{
    play_all(*state, "semaphore");
}

/* Nor of a bounded semaphore, which is never above its bound. */
static void a_bounded_semaphore_survives_every_order(void **state)
{
    play_all(*state, "bounded");
}

/* No order of arrivals, resets and cancels keeps two parties of two from meeting. */
static void a_barrier_survives_every_order(void **state)
{
    play_all(*state, "barrier");
}

/* No order of puts and cancelled gets loses an item or its position, or strands a getter. */
static void getters_survive_every_order(void **state)
{
    play_all(*state, "get");
}

/* No order of gets and cancelled puts loses an item, adds one, or strands a putter. */
static void putters_survive_every_order(void **state)
{
    play_all(*state, "put");
}

/* No order of task_done, puts and cancels lets a joiner miss the moment when all items are done. */
static void joiners_survive_every_order(void **state)
{
    play_all(*state, "join");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_lock_survives_every_order),
        FIXTURE_TEST(an_event_survives_every_order),
        FIXTURE_TEST(a_condition_survives_every_order),
        FIXTURE_TEST(a_semaphore_survives_every_order),
        FIXTURE_TEST(a_bounded_semaphore_survives_every_order),
        FIXTURE_TEST(a_barrier_survives_every_order),
        FIXTURE_TEST(getters_survive_every_order),
        FIXTURE_TEST(putters_survive_every_order),
        FIXTURE_TEST(joiners_survive_every_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
