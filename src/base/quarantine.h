/* SPDX-License-Identifier: MIT */
/*
 * Quarantine: while a loop in debug mode runs, the objects that a program may hold (futures, tasks,
 * coroutine objects) are not given back at once when they end, so that who uses one a short time
 * later finds the tag that says so, and not another object.
 *
 *     asyncio__free_object(future, size);        in the place of asyncio__free()
 *
 * Not used under sanitizers and valgrind, which see such a use themselves. What is in quarantine
 * counts as given back.
 */
#ifndef ASYNCIO__BASE_QUARANTINE_H
#define ASYNCIO__BASE_QUARANTINE_H

#include "base/memory.h"
#include "base/thread.h"

#define ASYNCIO__QUARANTINE_BLOCKS 64

typedef struct asyncio__quarantine {
    struct {
        void *block; /* NULL: none */
        size_t size; /* of it */
    } kept[ASYNCIO__QUARANTINE_BLOCKS]; /* a ring */
    unsigned next;                      /* where the next one goes, and the oldest is */
} asyncio__quarantine_t;

/* Begins one for this thread, if that makes sense; ends it and gives all of it back. */
void asyncio__quarantine_begin(asyncio__quarantine_t *quarantine);
void asyncio__quarantine_end(void);

void asyncio__quarantine_put(void *block, size_t size);

static inline __attribute__((always_inline)) void asyncio__free_object(void *object, size_t size)
{
    if (ASYNCIO__UNLIKELY(asyncio__thread.quarantine != NULL))
        asyncio__quarantine_put(object, size);
    else
        asyncio__free(object, size);
}

#endif
