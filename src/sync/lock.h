/* SPDX-License-Identifier: MIT */
/* The record of a lock, which conditions and barriers hold too. */
#ifndef ASYNCIO__SYNC_LOCK_H
#define ASYNCIO__SYNC_LOCK_H

#include <asyncio/api.h>

#include "base/list.h"

typedef struct __attribute__((may_alias)) asyncio__lock {
    bool is_locked;          /* a task holds it */
    asyncio_loop_t *loop;    /* whose tasks wait; NULL before the first wait */
    asyncio__list_t waiters; /* oldest first */
} asyncio__lock_t;

void asyncio__lock_init(asyncio__lock_t *lock);

/* Suspends until the lock is this task's: 0, -ECANCELED or ASYNCIO_ERUNTIME. */
int asyncio__lock_acquire(asyncio__lock_t *lock);

/* 0, or ASYNCIO_ERUNTIME: nobody holds it. */
int asyncio__lock_release(asyncio__lock_t *lock);

#endif
