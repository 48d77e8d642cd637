/* SPDX-License-Identifier: MIT */
/*
 * A slab: one mapping, from which stacks of one size class are cut from low to high.
 *
 *     if (asyncio__slab_map(slab, size_class, most_bytes) == 0)
 *         while ((stack = asyncio__slab_cut(slab)))
 *             ...
 *     asyncio__slab_unmap(slab);
 *
 * The stacks of a slab have indices from 0. Those below `cut` exist; the others were never used. A
 * stack that exists may be vacant: all its memory was returned to the kernel, also that of its
 * record. Its guard remains installed.
 *
 * Guards are installed in batches ahead of the stacks that are cut, and with large batches the
 * first page of each stack is populated: the first stack of a program is cheap, and so is the
 * millionth. Slab records are never freed but reused, so that a handler of SIGSEGV can walk over
 * them at any time: what it reads is atomic, and base is written last.
 */
#ifndef ASYNCIO__COROUTINE_SLAB_H
#define ASYNCIO__COROUTINE_SLAB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coroutine/stack.h"

#define ASYNCIO__SLAB_MOST_BYTES  ((size_t)64 * 1024 * 1024) /* of a slab with several stacks */
#define ASYNCIO__SLAB_FIRST_COUNT 16  /* stacks of the first slab of a size class */
#define ASYNCIO__SLAB_MOST_COUNT  256 /* more stacks than fit in ASYNCIO__SLAB_MOST_BYTES */

typedef struct asyncio__slab {
    _Atomic uintptr_t base;      /* the lowest address; 0: this record is not in use */
    _Atomic size_t stride_bytes; /* from one stack to the next */
    _Atomic size_t cut;          /* stacks that exist */
    size_t capacity;             /* stacks that the mapping has room for */
    size_t guarded;              /* guards installed, at least as many as cut */
    size_t batch;                /* how many guards to install next: doubles */
    size_t mprotected;           /* guards that were made by mprotect() */
    size_t unguarded;            /* stacks that have a canary */
    size_t vacant;               /* stacks that are vacant */
    _Atomic uint64_t vacant_set[ASYNCIO__SLAB_MOST_COUNT / 64]; /* bit i: stack i is vacant */
    uint64_t canary_set[ASYNCIO__SLAB_MOST_COUNT / 64];         /* bit i: it has a canary */
    struct asyncio__stack_pool *pool; /* the pool that owns it */
    uint8_t size_class;               /* of its stacks */
    uint8_t guard;                    /* asyncio__guard_t of the latest batch */
    bool is_changed;                  /* scratch of the pool: stacks of it became vacant */
} asyncio__slab_t;

/* Maps room for `count` stacks, for fewer when memory is scarce, but at least for one. Returns 0 or
 * -ENOMEM. */
int asyncio__slab_map(asyncio__slab_t *slab, unsigned size_class, size_t count);

/* How many stacks of that class a slab has at most. */
size_t asyncio__slab_most(unsigned size_class);

/* A stack that was never used or is vacant, or NULL if the slab has none. */
asyncio__stack_t *asyncio__slab_cut(asyncio__slab_t *slab);

/* Makes a stack of the slab vacant; nothing runs on it and no list holds it. Its memory is returned
 * by the next asyncio__slab_flush(). */
void asyncio__slab_vacate(asyncio__stack_t *stack);

/* Returns the memory of vacant stacks to the kernel. */
void asyncio__slab_flush(asyncio__slab_t *slab);

/* Unmaps the slab; no stack of it is in use. */
void asyncio__slab_unmap(asyncio__slab_t *slab);

/* The stack of the slab in whose guard the address lies, or NULL. Async-signal-safe. */
asyncio__stack_t *asyncio__slab_find_guard(asyncio__slab_t *slab, uintptr_t address);

/* Bytes of its stacks that have memory. */
size_t asyncio__slab_resident(const asyncio__slab_t *slab);

/* Address space of one stack of that class: the stack, its guard, and three pages. */
size_t asyncio__slab_stride(unsigned size_class);

#endif
