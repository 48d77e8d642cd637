/* SPDX-License-Identifier: MIT */
/*
 * Barrier: a fixed number of tasks wait for each other, round after round.
 *
 * While those that met drain, newcomers wait for the next round. A reset breaks the round that
 * fills; an abort breaks the barrier until a reset.
 */
#include <asyncio/barrier.h>
#include <assert.h>

#include "base/error.h"
#include "sync/condition.h"
#include "task/task.h"
#include "task/twin.h"
#include "task/waiter_list.h"

enum state { FILLING, DRAINING, RESETTING, BROKEN };

typedef struct __attribute__((may_alias)) barrier {
    asyncio__condition_t condition; /* guards the rest */
    size_t parties;                 /* tasks that meet */
    size_t count;                   /* tasks that are inside */
    enum state state;               /* of the round */
} barrier_t;
static_assert(sizeof(barrier_t) <= sizeof(asyncio_barrier_t), "the public type has room");

static int check_barrier(const asyncio_barrier_t *barrier)
{
    return barrier ? 0 : asyncio__fail(-EINVAL, "\"barrier\" must not be NULL");
}

/* The same, and whether this thread may wake the waiters. */
static int check_waiters(const asyncio_barrier_t *barrier)
{
    int rc = check_barrier(barrier);
    return rc < 0 ? rc
                  : asyncio__waiters_check(&((const barrier_t *)barrier)->condition.waiters);
}

int asyncio_barrier_init(asyncio_barrier_t *memory, size_t parties)
{
    barrier_t *barrier = (barrier_t *)memory;
    int rc = check_barrier(memory);
    if (rc < 0)
        return rc;
    if (parties < 1)
        return asyncio__fail(-EINVAL, "parties must be >= 1");
    asyncio__condition_init(&barrier->condition);
    barrier->parties = parties;
    barrier->count = 0;
    barrier->state = FILLING;
    return 0;
}

void asyncio_barrier_fini(asyncio_barrier_t *barrier)
{
    (void)barrier;
}

static void notify_all(barrier_t *barrier)
{
    asyncio__ignore(asyncio__condition_notify(&barrier->condition, SIZE_MAX));
}

/* Waits until the round before has drained. The caller holds the lock. */
static int wait_for_round(barrier_t *barrier)
{
    int rc = 0;
    while (rc == 0 && (barrier->state == DRAINING || barrier->state == RESETTING))
        rc = asyncio__condition_wait(&barrier->condition);
    if (rc == 0 && barrier->state == BROKEN)
        rc = asyncio__fail(ASYNCIO_EBROKENBARRIER, "Barrier aborted");
    return rc;
}

/* Waits for the other tasks of the round. The caller holds the lock. */
static int wait_for_others(barrier_t *barrier, size_t index)
{
    if (index + 1 == barrier->parties) {
        barrier->state = DRAINING;
        notify_all(barrier);
        return 0;
    }
    int rc = 0;
    while (rc == 0 && barrier->state == FILLING)
        rc = asyncio__condition_wait(&barrier->condition);
    if (rc == 0 && (barrier->state == BROKEN || barrier->state == RESETTING))
        rc = asyncio__fail(ASYNCIO_EBROKENBARRIER, "Abort or reset of barrier");
    return rc;
}

static void leave(barrier_t *barrier)
{
    if (--barrier->count > 0)
        return;
    if (barrier->state == DRAINING || barrier->state == RESETTING)
        barrier->state = FILLING;
    notify_all(barrier);
}

int asyncio_barrier_wait(asyncio_barrier_t *memory)
{
    barrier_t *barrier = (barrier_t *)memory;
    int rc = check_waiters(memory);
    if (rc < 0)
        return rc;
    rc = asyncio__lock_acquire(&barrier->condition.lock);
    if (rc < 0)
        return rc;
    size_t index = 0;
    rc = wait_for_round(barrier);
    if (rc == 0) {
        index = barrier->count++;
        rc = wait_for_others(barrier, index);
        leave(barrier);
    }
    asyncio_error_t *error = rc < 0 ? asyncio__error_take_of(rc) : NULL;
    if (rc != ASYNCIO_EGENERATOREXIT)
        asyncio__ignore(asyncio__lock_release(&barrier->condition.lock));
    return rc < 0 ? asyncio__fail_with(rc, error) : (int)index;
}

static int set_state(asyncio_barrier_t *memory, bool is_abort)
{
    barrier_t *barrier = (barrier_t *)memory;
    int rc = check_waiters(memory);
    if (rc < 0)
        return rc;
    rc = asyncio__lock_acquire(&barrier->condition.lock);
    if (rc < 0)
        return rc;
    if (is_abort)
        barrier->state = BROKEN;
    else if (barrier->count > 0)
        barrier->state = RESETTING;
    else
        barrier->state = FILLING;
    notify_all(barrier);
    return asyncio__lock_release(&barrier->condition.lock);
}

int asyncio_barrier_reset(asyncio_barrier_t *barrier)
{
    return set_state(barrier, /* is_abort= */ false);
}

int asyncio_barrier_abort(asyncio_barrier_t *barrier)
{
    return set_state(barrier, /* is_abort= */ true);
}

size_t asyncio_barrier_parties(const asyncio_barrier_t *barrier)
{
    return barrier ? ((const barrier_t *)barrier)->parties : 0;
}

size_t asyncio_barrier_n_waiting(const asyncio_barrier_t *memory)
{
    const barrier_t *barrier = (const barrier_t *)memory;
    return barrier && barrier->state == FILLING ? barrier->count : 0;
}

bool asyncio_barrier_broken(const asyncio_barrier_t *barrier)
{
    return barrier && ((const barrier_t *)barrier)->state == BROKEN;
}

ASYNCIO__TWIN(COUNT, asyncio_barrier_wait, (asyncio_barrier_t *, barrier))
ASYNCIO__TWIN(CODE, asyncio_barrier_reset, (asyncio_barrier_t *, barrier))
ASYNCIO__TWIN(CODE, asyncio_barrier_abort, (asyncio_barrier_t *, barrier))
