/* SPDX-License-Identifier: MIT */
/* The record of a condition, which barriers hold too. */
#ifndef ASYNCIO__SYNC_CONDITION_H
#define ASYNCIO__SYNC_CONDITION_H

#include "sync/lock.h"

typedef struct __attribute__((may_alias)) asyncio__condition {
    asyncio__lock_t lock;    /* its own */
    asyncio_loop_t *loop;    /* whose tasks wait; NULL before the first wait */
    asyncio__list_t waiters; /* oldest first */
} asyncio__condition_t;

void asyncio__condition_init(asyncio__condition_t *condition);

/* The lock is released, and taken again before it returns, whatever happens. */
int asyncio__condition_wait(asyncio__condition_t *condition);

/* Wakes up to count waiters. Returns 0, or ASYNCIO_ERUNTIME if nobody holds the lock. */
int asyncio__condition_notify(asyncio__condition_t *condition, size_t count);

#endif
