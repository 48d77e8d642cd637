/* SPDX-License-Identifier: MIT */
/* Regions, from which blocks are cut, and depots of free ones; see pool.h. */
#include "base/pool.h"

#include <stdint.h>
#include <sys/mman.h>

#include "base/memory.h"
#include "base/syscalls.h"

#define PIECE_LEAST_BYTES ((size_t)64 * 1024)
#define PIECE_MOST_BYTES  ((size_t)8 * 1024 * 1024)
#define LINE_BYTES        ((size_t)64)
#define HUGE_PAGE_BYTES   ((size_t)2 * 1024 * 1024)

_Static_assert(sizeof(asyncio__chain_t) <= ASYNCIO__BLOCK_LEAST_BYTES, "a chain fits any block");

static char *map(size_t size)
{
    void *memory = asyncio__sys.mmap(NULL, size, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* The same, from a border between huge pages to another. */
static char *map_huge(size_t size)
{
    char *memory = map(size + HUGE_PAGE_BYTES);
    if (!memory)
        return NULL;
    size_t before = -(uintptr_t)memory % HUGE_PAGE_BYTES;
    if (before > 0)
        asyncio__ignore(asyncio__sys.munmap(memory, before));
    if (before < HUGE_PAGE_BYTES)
        asyncio__ignore(
            asyncio__sys.munmap(memory + before + size, HUGE_PAGE_BYTES - before));
    asyncio__ignore(asyncio__sys.madvise(memory + before, size, MADV_HUGEPAGE));
    return memory + before;
}

void *asyncio__region_cut(asyncio__region_t *region, size_t size)
{
    /* What is large is rare and may be shared between threads: it begins with a line of its own. */
    if (size >= ASYNCIO__BLOCK_LARGE_BYTES && region->at)
        region->at += -(uintptr_t)region->at % LINE_BYTES;
    if (region->end < region->at || (size_t)(region->end - region->at) < size) {
        size_t bytes = region->next_bytes ? region->next_bytes : PIECE_LEAST_BYTES;
        char *piece = bytes >= HUGE_PAGE_BYTES ? map_huge(bytes) : map(bytes);
        if (!piece)
            return NULL;
        region->at = piece;
        region->end = piece + bytes;
        region->next_bytes = bytes < PIECE_MOST_BYTES ? bytes * 2 : bytes;
    }
    void *block = region->at;
    region->at += size;
    return block;
}

/* Puts a list of chains, first to last, before what is there. */
static void put_list(asyncio__depot_t *depot, asyncio__chain_t *first, asyncio__chain_t *last)
{
    last->next = atomic_load_explicit(depot, memory_order_relaxed);
    /* Release, for the acquire in take(). That the head may have gone and come back meanwhile does
     * no harm: chains are only ever taken all at once. */
    while (!atomic_compare_exchange_weak_explicit(depot, &last->next, first, memory_order_release,
                                                  memory_order_relaxed)) {
    }
}

void asyncio__depot_put(asyncio__depot_t *depot, asyncio__chain_t *chain)
{
    put_list(depot, chain, chain);
}

asyncio__chain_t *asyncio__depot_take(asyncio__depot_t *depot)
{
    if (!atomic_load_explicit(depot, memory_order_relaxed))
        return NULL;
    asyncio__chain_t *chain = atomic_exchange_explicit(depot, NULL, memory_order_acquire);
    if (!chain || !chain->next)
        return chain;
    asyncio__chain_t *rest = chain->next, *nobody = NULL;
    /* Mostly nobody has put anything meanwhile, and the rest need not be walked through. */
    if (atomic_compare_exchange_strong_explicit(depot, &nobody, rest, memory_order_release,
                                                memory_order_relaxed))
        return chain;
    asyncio__chain_t *last = rest;
    while (last->next)
        last = last->next;
    put_list(depot, rest, last);
    return chain;
}
