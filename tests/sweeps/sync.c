/* SPDX-License-Identifier: MIT */
/* Locks, events, semaphores, barriers, conditions and queues, held while others wait. */
#include "sweep.h"

#include <stdlib.h>

/* The argument of the helper tasks of a scenario. */
typedef struct shared {
    asyncio_lock_t lock;           /* each of these is used by one scenario */
    asyncio_event_t event;         /* set by the scenario */
    asyncio_semaphore_t semaphore; /* of one */
    asyncio_barrier_t barrier;     /* of two */
    asyncio_condition_t condition; /* for is_ready */
    bool is_ready;                 /* what is waited for */
    asyncio_queue_t *queue;        /* of one */
} shared_t;

static int hold_all(void *arg, void **ret_result)
{
    (void)ret_result;
    shared_t *shared = arg;
    if (may(asyncio_lock_acquire(&shared->lock)) < 0)
        return -ENOMEM;
    if (may(asyncio_semaphore_acquire(&shared->semaphore)) >= 0) {
        may(asyncio_event_wait(&shared->event));
        must(asyncio_semaphore_release(&shared->semaphore) == 0);
    }
    must(asyncio_lock_release(&shared->lock) == 0);
    return 0;
}

static void use_held(shared_t *shared)
{
    asyncio_task_t *holder = asyncio_create_task(asyncio_coroutine(hold_all, shared));
    if (is_there(holder))
        may(asyncio_sleep(0));
    must(asyncio_lock_locked(&shared->lock) == asyncio_semaphore_locked(&shared->semaphore) ||
         shared->lock.asyncio_reserved[0] == NULL);
    asyncio_task_t *second = asyncio_create_task(asyncio_coroutine(hold_all, shared));
    if (is_there(second))
        may(asyncio_sleep(0));
    must(asyncio_event_set(&shared->event) == 0 && asyncio_event_is_set(&shared->event));
    if (may(asyncio_await(asyncio_lock_acquire_coroutine(&shared->lock), NULL)) == 0)
        must(asyncio_lock_release(&shared->lock) == 0);
    if (may(asyncio_await(asyncio_semaphore_acquire_coroutine(&shared->semaphore), NULL)) == 0)
        must(asyncio_semaphore_release(&shared->semaphore) == 0);
    may(asyncio_await(asyncio_event_wait_coroutine(&shared->event), NULL));
    must(asyncio_event_clear(&shared->event) == 0 && asyncio_event_set(&shared->event) == 0);
    sweep_end_task(holder, 0);
    sweep_end_task(second, 0);
}

static void use_locks(asyncio_loop_t *loop)
{
    (void)loop;
    shared_t shared;
    must(asyncio_lock_init(&shared.lock) == 0 && asyncio_event_init(&shared.event) == 0);
    must(asyncio_semaphore_init(&shared.semaphore, 1) == 0);
    use_held(&shared);
    asyncio_semaphore_fini(&shared.semaphore);
    must(asyncio_bounded_semaphore_init(&shared.semaphore, 1) == 0);
    must(asyncio_event_clear(&shared.event) == 0);
    use_held(&shared);
    asyncio_semaphore_fini(&shared.semaphore);
    asyncio_event_fini(&shared.event);
    asyncio_lock_fini(&shared.lock);
}

static bool is_ready(void *arg)
{
    return *(bool *)arg;
}

static int wait_until_ready(void *arg, void **ret_result)
{
    (void)ret_result;
    shared_t *shared = arg;
    if (may(asyncio_condition_acquire(&shared->condition)) < 0)
        return -ENOMEM;
    int rc = (int)may(asyncio_condition_wait_for(&shared->condition, is_ready, &shared->is_ready));
    if (rc == 0)
        rc = (int)may(asyncio_await(asyncio_condition_wait_for_coroutine(
                                        &shared->condition, is_ready, &shared->is_ready),
                                    NULL));
    must(asyncio_condition_release(&shared->condition) == 0);
    return rc;
}

static int wait_twice(void *arg, void **ret_result)
{
    (void)ret_result;
    shared_t *shared = arg;
    if (may(asyncio_await(asyncio_condition_acquire_coroutine(&shared->condition), NULL)) < 0)
        return -ENOMEM;
    may_be(asyncio_condition_wait(&shared->condition), -ECANCELED);
    may_be(asyncio_await(asyncio_condition_wait_coroutine(&shared->condition), NULL), -ECANCELED);
    must(asyncio_condition_release(&shared->condition) == 0);
    return 0;
}

static int meet(void *arg, void **ret_result)
{
    (void)ret_result;
    return (int)may_be(asyncio_barrier_wait(arg), ASYNCIO_EBROKENBARRIER);
}

static void notify(shared_t *shared)
{
    if (may(asyncio_condition_acquire(&shared->condition)) < 0)
        return;
    must(asyncio_condition_locked(&shared->condition));
    shared->is_ready = true;
    must(asyncio_condition_notify(&shared->condition, 1) == 0);
    must(asyncio_condition_notify_all(&shared->condition) == 0);
    must(asyncio_condition_release(&shared->condition) == 0);
}

static void use_barriers(asyncio_barrier_t *barrier)
{
    must(asyncio_barrier_parties(barrier) == 2);
    asyncio_task_t *other = asyncio_create_task(asyncio_coroutine(meet, barrier));
    if (is_there(other))
        may_be(asyncio_wait_for(asyncio_barrier_wait_coroutine(barrier), 5, NULL), -ETIMEDOUT);
    may(asyncio_barrier_n_waiting(barrier) ? asyncio_barrier_reset(barrier) : 0);
    may(asyncio_await(asyncio_barrier_reset_coroutine(barrier), NULL));
    may(asyncio_await(asyncio_barrier_abort_coroutine(barrier), NULL));
    if (may(asyncio_barrier_abort(barrier)) == 0)
        must(asyncio_barrier_broken(barrier));
    sweep_end_task(other, ASYNCIO_EBROKENBARRIER);
}

static void use_conditions(asyncio_loop_t *loop)
{
    (void)loop;
    shared_t shared = {.is_ready = false};
    must(asyncio_condition_init(&shared.condition) == 0);
    asyncio_task_t *one = asyncio_create_task(asyncio_coroutine(wait_until_ready, &shared));
    asyncio_task_t *two = asyncio_create_task(asyncio_coroutine(wait_twice, &shared));
    may(asyncio_sleep(1));
    notify(&shared);
    may(asyncio_sleep(1));
    notify(&shared);
    asyncio_awaitable_t *both[] = {one, two};
    for (int i = 0; i < 2; i++) {
        if (both[i]) {
            may_be(asyncio_wait_for(both[i], 5, NULL), -ETIMEDOUT);
            asyncio_task_cancel(both[i], NULL);
        }
        sweep_end_task(both[i], -ECANCELED);
    }
    asyncio_condition_fini(&shared.condition);
    must(asyncio_barrier_init(&shared.barrier, 2) == 0);
    use_barriers(&shared.barrier);
    asyncio_barrier_fini(&shared.barrier);
}

static int feed(void *arg, void **ret_result)
{
    (void)ret_result;
    for (int i = 0; i < 2; i++)
        may_be(asyncio_queue_put(arg, ASYNCIO_INT(1)), ASYNCIO_EQUEUESHUTDOWN);
    may_be(asyncio_await(asyncio_queue_put_coroutine(arg, ASYNCIO_INT(1)), NULL),
           ASYNCIO_EQUEUESHUTDOWN);
    return 0;
}

static int join(void *arg, void **ret_result)
{
    (void)ret_result;
    may(asyncio_queue_join(arg));
    return (int)may(asyncio_await(asyncio_queue_join_coroutine(arg), NULL));
}

static int compare(const void *a, const void *b, void *arg)
{
    (void)arg;
    return (a > b) - (a < b);
}

static void use_queue(asyncio_queue_t *queue)
{
    void *item = NULL;
    asyncio_task_t *feeder = asyncio_create_task(asyncio_coroutine(feed, queue));
    asyncio_task_t *joiner = asyncio_create_task(asyncio_coroutine(join, queue));
    may(asyncio_sleep(0));
    if (asyncio_queue_empty(queue))
        may_be(asyncio_queue_put_nowait(queue, ASYNCIO_INT(2)), ASYNCIO_EQUEUEFULL);
    must(asyncio_queue_maxsize(queue) == 1 && asyncio_queue_qsize(queue) <= 1);
    if (asyncio_queue_full(queue) && may(asyncio_queue_get(queue, &item)) == 0)
        must(asyncio_queue_task_done(queue) == 0);
    may(asyncio_sleep(0));
    if (asyncio_queue_full(queue) &&
        may(asyncio_await(asyncio_queue_get_coroutine(queue), &item)) == 0)
        must(asyncio_queue_task_done(queue) == 0);
    may(asyncio_sleep(0));
    if (may_be(asyncio_queue_get_nowait(queue, &item), ASYNCIO_EQUEUEEMPTY) == 0)
        must(asyncio_queue_task_done(queue) == 0);
    must(asyncio_queue_shutdown(queue, true, NULL) == 0);
    sweep_end_task(feeder, 0);
    sweep_end_task(joiner, 0);
}

static void use_queues(asyncio_loop_t *loop)
{
    (void)loop;
    asyncio_queue_t *queues[] = {asyncio_queue_new(1), asyncio_lifo_queue_new(1),
                                 asyncio_priority_queue_new(1, compare, NULL)};
    for (int i = 0; i < 3; i++) {
        if (queues[i]) {
            use_queue(asyncio_queue_ref(queues[i]));
            asyncio_queue_unref(queues[i]);
        }
        asyncio_queue_unref(queues[i]);
    }
}

const scenario_t sweep_locks = {.name = "locks, events, semaphores", .use = use_locks};
const scenario_t sweep_conditions = {.name = "conditions and barriers", .use = use_conditions};
const scenario_t sweep_queues = {.name = "queues", .use = use_queues};
