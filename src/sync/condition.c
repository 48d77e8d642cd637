/* SPDX-License-Identifier: MIT */
/*
 * Condition: tasks that wait until another task, which holds the lock, notifies them.
 *
 * Every wait that fails notifies the next waiter, also if it was not notified itself, as in
 * CPython.
 */
#include <asyncio/condition.h>
#include <assert.h>

#include "sync/condition.h"
#include "task/twin.h"
#include "task/waiter_list.h"

static_assert(sizeof(asyncio__condition_t) <= sizeof(asyncio_condition_t),
              "the public type has room");

void asyncio__condition_init(asyncio__condition_t *condition)
{
    asyncio__lock_init(&condition->lock);
    condition->loop = NULL;
    asyncio__list_init(&condition->waiters);
}

int asyncio__condition_wait(asyncio__condition_t *condition)
{
    if (!condition->lock.is_locked)
        return asyncio__fail(ASYNCIO_ERUNTIME, "cannot wait on un-acquired lock");
    int rc = asyncio__waiters_check(&condition->lock.waiters);
    if (rc == 0)
        rc = asyncio__waiters_bind(&condition->loop);
    if (rc < 0)
        return rc;
    asyncio__waiter_t waiter;
    asyncio__waiter_enter(&waiter, condition->loop, &condition->waiters, "asyncio_condition_wait");
    asyncio__ignore(asyncio__lock_release(&condition->lock));
    rc = asyncio__waiter_wait(&waiter);
    asyncio__waiter_leave(&waiter);
    /* Of several cancels while the lock is acquired again, the latest is raised. */
    asyncio_error_t *error = rc < 0 ? asyncio__error_take_of(rc) : NULL;
    int again;
    while ((again = asyncio__lock_acquire(&condition->lock)) == -ECANCELED) {
        asyncio_error_unref(error);
        error = asyncio__error_take_of(again);
        rc = again;
    }
    if (again < 0) {
        /* The coroutine is being closed, so it cannot wait for the lock. */
        asyncio_error_unref(error);
        return again;
    }
    if (rc < 0) {
        asyncio__waiters_wake(&condition->waiters, 1);
        return asyncio__fail_with(rc, error);
    }
    return 0;
}

int asyncio__condition_notify(asyncio__condition_t *condition, size_t count)
{
    if (!condition->lock.is_locked)
        return asyncio__fail(ASYNCIO_ERUNTIME, "cannot notify on un-acquired lock");
    int rc = asyncio__waiters_check(&condition->waiters);
    if (rc == 0)
        asyncio__waiters_wake(&condition->waiters, count);
    return rc;
}

/* --- the public face ----------------------------------------------------------------------- */

static int check_condition(const asyncio_condition_t *condition)
{
    return condition ? 0 : asyncio__fail(-EINVAL, "\"condition\" must not be NULL");
}

int asyncio_condition_init(asyncio_condition_t *condition)
{
    int rc = check_condition(condition);
    if (rc == 0)
        asyncio__condition_init((asyncio__condition_t *)condition);
    return rc;
}

void asyncio_condition_fini(asyncio_condition_t *condition)
{
    (void)condition;
}

int asyncio_condition_acquire(asyncio_condition_t *condition)
{
    int rc = check_condition(condition);
    return rc < 0 ? rc : asyncio__lock_acquire(&((asyncio__condition_t *)condition)->lock);
}

int asyncio_condition_release(asyncio_condition_t *condition)
{
    int rc = check_condition(condition);
    return rc < 0 ? rc : asyncio__lock_release(&((asyncio__condition_t *)condition)->lock);
}

bool asyncio_condition_locked(const asyncio_condition_t *condition)
{
    return condition && ((const asyncio__condition_t *)condition)->lock.is_locked;
}

int asyncio_condition_wait(asyncio_condition_t *condition)
{
    int rc = check_condition(condition);
    return rc < 0 ? rc : asyncio__condition_wait((asyncio__condition_t *)condition);
}

int asyncio_condition_wait_for(asyncio_condition_t *condition,
                               asyncio_condition_predicate_t *predicate, void *arg)
{
    int rc = check_condition(condition);
    if (rc == 0 && !predicate)
        rc = asyncio__fail(-EINVAL, "\"predicate\" must not be NULL");
    while (rc == 0 && !predicate(arg))
        rc = asyncio__condition_wait((asyncio__condition_t *)condition);
    return rc;
}

int asyncio_condition_notify(asyncio_condition_t *condition, size_t count)
{
    int rc = check_condition(condition);
    return rc < 0 ? rc : asyncio__condition_notify((asyncio__condition_t *)condition, count);
}

int asyncio_condition_notify_all(asyncio_condition_t *condition)
{
    return asyncio_condition_notify(condition, SIZE_MAX);
}

ASYNCIO__TWIN(CODE, asyncio_condition_acquire, (asyncio_condition_t *, condition))
ASYNCIO__TWIN(CODE, asyncio_condition_wait, (asyncio_condition_t *, condition))
ASYNCIO__TWIN(CODE, asyncio_condition_wait_for, (asyncio_condition_t *, condition),
              (asyncio_condition_predicate_t *, predicate), (void *, arg))
