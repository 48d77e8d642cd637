/* SPDX-License-Identifier: MIT */
/*
 * Lock: one task at a time holds it; waiters get it in the order in which they came.
 *
 * From the wake-up to the step of the woken task the lock is free, but the queue holds a waiter
 * that is not cancelled: newcomers queue up behind it.
 */
#include <asyncio/lock.h>
#include <assert.h>

#include "sync/lock.h"
#include "task/budget.h"
#include "task/twin.h"
#include "task/waiter_list.h"

static_assert(sizeof(asyncio__lock_t) <= sizeof(asyncio_lock_t), "the public type has room");

void asyncio__lock_init(asyncio__lock_t *lock)
{
    lock->is_locked = false;
    lock->loop = NULL;
    asyncio__list_init(&lock->waiters);
}

/* Wakes the first waiter only. If that one is cancelled and has not run yet, it wakes the next. */
static void wake_first(asyncio__lock_t *lock)
{
    if (!asyncio__list_is_empty(&lock->waiters))
        asyncio__future_wake(&asyncio__waiter_of(lock->waiters.next)->future);
}

static ASYNCIO__RETURNS_ANEW __attribute__((noinline)) int wait_for_turn(asyncio__lock_t *lock)
{
    int rc = asyncio__waiters_bind(&lock->loop);
    if (rc < 0)
        return rc;
    asyncio__waiter_t waiter;
    asyncio__waiter_enter(&waiter, lock->loop, &lock->waiters, "asyncio_lock_acquire");
    rc = asyncio__waiter_wait(&waiter);
    asyncio__waiter_leave(&waiter);
    if (rc < 0) {
        if (!lock->is_locked)
            wake_first(lock);
        return rc;
    }
    lock->is_locked = true;
    return 0;
}

int asyncio__lock_acquire(asyncio__lock_t *lock)
{
    if (lock->is_locked || !asyncio__waiters_are_cancelled(&lock->waiters))
        return wait_for_turn(lock);
    lock->is_locked = true;
    return 0;
}

int asyncio__lock_release(asyncio__lock_t *lock)
{
    if (!lock->is_locked)
        return asyncio__fail(ASYNCIO_ERUNTIME, "Lock is not acquired.");
    int rc = asyncio__waiters_check(&lock->waiters);
    if (rc < 0)
        return rc;
    lock->is_locked = false;
    wake_first(lock);
    return 0;
}

/* --- the public face ----------------------------------------------------------------------- */

static int check_lock(const asyncio_lock_t *lock)
{
    return lock ? 0 : asyncio__fail(-EINVAL, "\"lock\" must not be NULL");
}

int asyncio_lock_init(asyncio_lock_t *lock)
{
    int rc = check_lock(lock);
    if (rc == 0)
        asyncio__lock_init((asyncio__lock_t *)lock);
    return rc;
}

void asyncio_lock_fini(asyncio_lock_t *lock)
{
    (void)lock;
}

int asyncio_lock_acquire(asyncio_lock_t *lock)
{
    int rc = check_lock(lock);
    if (rc == 0)
        rc = asyncio__budget_spend();
    return rc < 0 ? rc : asyncio__lock_acquire((asyncio__lock_t *)lock);
}

ASYNCIO__TWIN(CODE, asyncio_lock_acquire, (asyncio_lock_t *, lock))

int asyncio_lock_release(asyncio_lock_t *lock)
{
    int rc = check_lock(lock);
    return rc < 0 ? rc : asyncio__lock_release((asyncio__lock_t *)lock);
}

bool asyncio_lock_locked(const asyncio_lock_t *lock)
{
    return lock && ((const asyncio__lock_t *)lock)->is_locked;
}
