/* SPDX-License-Identifier: MIT */
/*
 * Where small blocks come from, and where those go that a thread has too many of.
 *
 *     block = asyncio__region_cut(&region, 64);             a new one, zeroed, or NULL
 *     asyncio__depot_put(&depot, chain);                    a chain of blocks of one size
 *     chain = asyncio__depot_take(&depot);                  one of them, or NULL
 *
 * A region belongs to a thread. It is mapped piece by piece, each twice as large as the one before,
 * and large pieces are made of huge pages, where the system allows it: the first touch of a page
 * costs more than all that is then done with the tasks in it. Pieces are never given back: what a
 * peak of tasks has needed waits for the next one, as their stacks do. Depots are shared by all
 * threads, without a lock that a fork could leave held.
 */
#ifndef ASYNCIO__BASE_POOL_H
#define ASYNCIO__BASE_POOL_H

#include <stdatomic.h>
#include <stddef.h>

/* The least size of a block, so that it can carry a chain. */
#define ASYNCIO__BLOCK_LEAST_BYTES ((size_t)32)

/* From this size on a block begins with a line of the cache. */
#define ASYNCIO__BLOCK_LARGE_BYTES ((size_t)256)

typedef struct asyncio__region {
    char *at;          /* where the next block is cut */
    char *end;         /* of the present piece */
    size_t next_bytes; /* size of the next piece; 0: none was mapped yet */
} asyncio__region_t;

/* A block of that size, a multiple of 16, or NULL. */
void *asyncio__region_cut(asyncio__region_t *region, size_t size);

/* Free blocks of one size; stands in the first of them. */
typedef struct asyncio__chain {
    void *second;                /* the next block, linked by their first words; NULL: no other */
    struct asyncio__chain *next; /* in the depot */
    size_t count;                /* of blocks */
} asyncio__chain_t;

typedef _Atomic(asyncio__chain_t *) asyncio__depot_t;

void asyncio__depot_put(asyncio__depot_t *depot, asyncio__chain_t *chain);
asyncio__chain_t *asyncio__depot_take(asyncio__depot_t *depot);

#endif
