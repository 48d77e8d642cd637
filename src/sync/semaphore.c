/* SPDX-License-Identifier: MIT */
/*
 * Semaphore: up to a number of tasks at a time, in the order in which they came.
 *
 * release() decrements the value for the task that it wakes; if that task is cancelled before it
 * runs, it increments the value again.
 */
#include <asyncio/semaphore.h>
#include <assert.h>

#include "task/budget.h"
#include "task/twin.h"
#include "task/waiter_list.h"

typedef struct __attribute__((may_alias)) semaphore {
    long value;              /* tasks that may still acquire it */
    long bound;              /* value may not go above; -1: no bound */
    asyncio_loop_t *loop;    /* whose tasks wait; NULL before the first wait */
    asyncio__list_t waiters; /* oldest first */
} semaphore_t;
static_assert(sizeof(semaphore_t) <= sizeof(asyncio_semaphore_t), "the public type has room");

static int check_semaphore(const asyncio_semaphore_t *semaphore)
{
    return semaphore ? 0 : asyncio__fail(-EINVAL, "\"semaphore\" must not be NULL");
}

static int init_semaphore(asyncio_semaphore_t *memory, long value, long bound)
{
    semaphore_t *semaphore = (semaphore_t *)memory;
    int rc = check_semaphore(memory);
    if (rc < 0)
        return rc;
    if (value < 0)
        return asyncio__fail(-EINVAL, "Semaphore initial value must be >= 0");
    semaphore->value = value;
    semaphore->bound = bound;
    semaphore->loop = NULL;
    asyncio__list_init(&semaphore->waiters);
    return 0;
}

int asyncio_semaphore_init(asyncio_semaphore_t *semaphore, long value)
{
    return init_semaphore(semaphore, value, -1);
}

int asyncio_bounded_semaphore_init(asyncio_semaphore_t *semaphore, long value)
{
    return init_semaphore(semaphore, value, value);
}

void asyncio_semaphore_fini(asyncio_semaphore_t *semaphore)
{
    (void)semaphore;
}

static bool is_locked(const semaphore_t *semaphore)
{
    return semaphore->value == 0 || !asyncio__waiters_are_cancelled(&semaphore->waiters);
}

bool asyncio_semaphore_locked(const asyncio_semaphore_t *semaphore)
{
    return semaphore && is_locked((const semaphore_t *)semaphore);
}

/* Decrements the value for the first pending waiter and wakes it; false: there is none. */
static bool wake_next(semaphore_t *semaphore)
{
    if (!asyncio__waiters_wake(&semaphore->waiters, 1))
        return false;
    semaphore->value--;
    return true;
}

int asyncio_semaphore_acquire(asyncio_semaphore_t *memory)
{
    semaphore_t *semaphore = (semaphore_t *)memory;
    int rc = check_semaphore(memory);
    if (rc == 0)
        rc = asyncio__budget_spend();
    if (rc < 0)
        return rc;
    if (!is_locked(semaphore)) {
        semaphore->value--;
        return 0;
    }
    rc = asyncio__waiters_bind(&semaphore->loop);
    if (rc < 0)
        return rc;
    asyncio__waiter_t waiter;
    asyncio__waiter_enter(&waiter, semaphore->loop, &semaphore->waiters,
                          "asyncio_semaphore_acquire");
    rc = asyncio__waiter_wait(&waiter);
    bool was_woken = asyncio__waiter_was_woken(&waiter);
    asyncio__waiter_leave(&waiter);
    if (rc < 0 && was_woken)
        semaphore->value++;
    while (semaphore->value > 0 && wake_next(semaphore))
        ;
    return rc;
}

ASYNCIO__TWIN(CODE, asyncio_semaphore_acquire, (asyncio_semaphore_t *, semaphore))

int asyncio_semaphore_release(asyncio_semaphore_t *memory)
{
    semaphore_t *semaphore = (semaphore_t *)memory;
    int rc = check_semaphore(memory);
    if (rc < 0)
        return rc;
    if (semaphore->bound >= 0 && semaphore->value >= semaphore->bound)
        return asyncio__fail(-EINVAL, "BoundedSemaphore released too many times");
    rc = asyncio__waiters_check(&semaphore->waiters);
    if (rc < 0)
        return rc;
    semaphore->value++;
    asyncio__ignore(wake_next(semaphore));
    return 0;
}
