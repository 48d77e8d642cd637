/* SPDX-License-Identifier: MIT */
/*
 * A slab: one mapping, from which stacks of one size are cut from low to high.
 *
 *     if (asyncio__slab_map(slab, size_class, most_bytes) == 0)
 *         while ((stack = asyncio__slab_cut(slab)))
 *             ...
 *     asyncio__slab_unmap(slab);
 *
 * Guards are put up in batches just ahead of the stacks that are cut: the first stack is cheap,
 * and so is the millionth. Records of slabs are never freed but used again, so that a handler of
 * SIGSEGV can walk over them at any moment: what it reads is atomic, and base is written last.
 */
#ifndef ASYNCIO__COROUTINE_SLAB_H
#define ASYNCIO__COROUTINE_SLAB_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "coroutine/stack.h"

#define ASYNCIO__SLAB_LEAST_BYTES ((size_t)1024 * 1024)
#define ASYNCIO__SLAB_MOST_BYTES  ((size_t)64 * 1024 * 1024)

typedef struct asyncio__slab {
    _Atomic uintptr_t base;         /* the lowest address; 0: this record is not in use */
    _Atomic size_t stride_bytes;    /* of one stack, guard and all */
    _Atomic size_t cut;             /* stacks made so far */
    size_t slots;                   /* stacks that there is room for */
    size_t guarded;                 /* guards put up so far, at least as many as cut */
    size_t batch;                   /* how many guards to put up next: doubles */
    size_t mprotected;              /* of the guards, those of that kind */
    size_t unguarded;               /* of the stacks cut, those whose guard is only looked at */
    size_t free;                    /* scratch of asyncio__stack_trim(): stacks in free lists */
    struct asyncio__stack_pool *pool; /* whose slab it is */
    uint8_t size_class;             /* of its stacks */
    uint8_t guard;                  /* asyncio__guard_t of the latest batch */
} asyncio__slab_t;

/* Maps at most so many bytes (less when memory is scarce, but at least one stack). Answers 0 or
 * -ENOMEM. */
int asyncio__slab_map(asyncio__slab_t *slab, unsigned size_class, size_t most_bytes);

/* The next stack that was never used, or NULL when all are cut. */
asyncio__stack_t *asyncio__slab_cut(asyncio__slab_t *slab);

/* Gives the memory back; no stack of it is in use. */
void asyncio__slab_unmap(asyncio__slab_t *slab);

/* The stack of the slab in whose guard the address lies, or NULL. Async-signal-safe. */
asyncio__stack_t *asyncio__slab_find_guard(asyncio__slab_t *slab, uintptr_t address);

/* The bytes of its stacks that have memory; guards do not count. */
size_t asyncio__slab_resident(const asyncio__slab_t *slab);

/* The size of a stack of that class on this machine. */
size_t asyncio__slab_stride(unsigned size_class);

#endif
