/* SPDX-License-Identifier: MIT */
/*
 * Where small blocks come from, and where a thread puts those that it has too many of.
 *
 *     block = asyncio__region_cut(&region, 64);             a new one, zeroed, or NULL
 *     asyncio__depot_put(&depot, chain);                    a chain of blocks of one size
 *     chain = asyncio__depot_take(&depot);                  one of them, or NULL
 *
 * A region belongs to a thread. It cuts blocks from pieces of mapped memory, each twice as large as
 * the one before; large pieces are made of huge pages where the system has them, because the first
 * touch of a page costs more than everything else that is done with the tasks in it. Depots are
 * shared by all threads, without a lock that a fork could leave held.
 *
 * A trim finds the pieces of which every block is free and returns their memory to the kernel. Such
 * a piece keeps its address range and is cut from again before another one is mapped.
 */
#ifndef ASYNCIO__BASE_POOL_H
#define ASYNCIO__BASE_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* The smallest size of a block, so that it can carry a chain. */
#define ASYNCIO__BLOCK_MIN_BYTES ((size_t)32)

/* Blocks of at least this size begin at a cache line. */
#define ASYNCIO__BLOCK_LARGE_BYTES ((size_t)256)

/* Free blocks of one size; stands in the first of them. */
typedef struct asyncio__chain {
    void *second;                /* the next block, linked by their first words; NULL: no other */
    struct asyncio__chain *next; /* in the depot */
    size_t count;                /* of blocks */
} asyncio__chain_t;

typedef _Atomic(asyncio__chain_t *) asyncio__depot_t;

/* Puts one chain, or a list of chains linked by next, into a depot. */
void asyncio__depot_put(asyncio__depot_t *depot, asyncio__chain_t *chain);
asyncio__chain_t *asyncio__depot_take(asyncio__depot_t *depot);

/* All chains, linked by next, or NULL. */
asyncio__chain_t *asyncio__depot_take_all(asyncio__depot_t *depot);

/* The head of a mapping from which blocks are cut. */
typedef struct asyncio__piece {
    asyncio__chain_t spare;      /* in the depot of spare pieces */
    struct asyncio__piece *next; /* in the list of all pieces, which only grows */
    size_t bytes;                /* of the mapping, with this head */
    _Atomic size_t cut_bytes;    /* in blocks, once no more are cut; 0 before, and while spare */
    size_t free_bytes;           /* of them, during a trim: in free blocks */
} asyncio__piece_t;

typedef struct asyncio__region {
    char *at;                /* where the next block is cut */
    char *end;               /* of the current piece */
    asyncio__piece_t *piece; /* the current one, or NULL */
    size_t padding_bytes;    /* skipped in it so that blocks begin at a cache line */
    size_t next_bytes;       /* size of the next mapping; 0: none was made yet */
} asyncio__region_t;

/* A block of that size, a multiple of 16, or NULL. */
void *asyncio__region_cut(asyncio__region_t *region, size_t size);

/* One trim of the process at a time. */
typedef struct asyncio__trim {
    asyncio__piece_t **pieces; /* count of them, by address */
    size_t count;              /* of pieces */
    asyncio__region_t *region; /* the calling thread's */
} asyncio__trim_t;

/* Begins a trim; false if another thread is at it, or without memory. */
bool asyncio__trim_begin(asyncio__trim_t *trim, asyncio__region_t *region);

/* Counts the blocks of a chain as free. The caller has taken them out of every depot and cache. */
void asyncio__trim_count(asyncio__trim_t *trim, const asyncio__chain_t *chain, size_t block_bytes);

/* Once all are counted: chooses the pieces of which every block is free. */
void asyncio__trim_choose(asyncio__trim_t *trim);

/* Whether the block belongs to a chosen piece, so that it must not be used any more. */
bool asyncio__trim_drops(const asyncio__trim_t *trim, const void *block);

/* Returns the memory of the chosen pieces to the kernel; the result is its size in bytes. */
size_t asyncio__trim_end(asyncio__trim_t *trim);

#endif
