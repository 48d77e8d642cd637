/* SPDX-License-Identifier: MIT */
/*
 * A ring of pointers, first in, first out, whose room is reserved beforehand.
 *
 *     if (asyncio__ring_reserve(&ring, 1) < 0) …           may fail
 *     asyncio__ring_push(&ring, item);                     cannot
 *     item = asyncio__ring_pop(&ring);                     only when count is not 0
 *
 * Each reservation is room for one item at a time; its owner may push whenever its item is not
 * in the ring. An array, so that what comes next can be fetched ahead.
 */
#ifndef ASYNCIO__BASE_RING_H
#define ASYNCIO__BASE_RING_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "base/compiler.h"

typedef struct asyncio__ring {
    void **items;      /* capacity of them; a power of two */
    uint32_t mask;     /* capacity - 1; items is NULL while it is 0 */
    uint32_t head;     /* where the next pop is, modulo capacity */
    uint32_t tail;     /* where the next push goes, modulo capacity */
    uint32_t reserved; /* how many items may be in it at once */
} asyncio__ring_t;

static inline uint32_t asyncio__ring_count(const asyncio__ring_t *ring)
{
    return ring->tail - ring->head;
}

/* Keeps head and tail, so that a position stays good: an item either stays in its place, or moves
 * into the new part. Large arrays grow without a copy. */
static inline int asyncio__ring_grow(asyncio__ring_t *ring, uint64_t wanted)
{
    uint64_t capacity = ring->items ? (uint64_t)ring->mask + 1 : 64;
    while (capacity < wanted)
        capacity *= 2;
    if (capacity > UINT32_MAX / 2)
        return -ENOMEM;
    size_t old_bytes = ring->items ? ((size_t)ring->mask + 1) * sizeof(*ring->items) : 0;
    void **items = asyncio__realloc(ring->items, old_bytes, capacity * sizeof(*items));
    if (!items)
        return -ENOMEM;
    uint32_t mask = (uint32_t)capacity - 1;
    for (uint32_t at = ring->head; at != ring->tail; at++)
        if ((at & mask) != (at & ring->mask))
            items[at & mask] = items[at & ring->mask];
    ring->items = items;
    ring->mask = mask;
    return 0;
}

/* Room for count more items: 0 or -ENOMEM. */
static inline int asyncio__ring_reserve(asyncio__ring_t *ring, uint32_t count)
{
    uint64_t wanted = (uint64_t)ring->reserved + count;
    if (ASYNCIO__UNLIKELY(!ring->items || wanted > (uint64_t)ring->mask + 1)) {
        int rc = asyncio__ring_grow(ring, wanted);
        if (rc < 0)
            return rc;
    }
    ring->reserved += count;
    return 0;
}

/* Whether one more can be reserved without memory. */
static inline bool asyncio__ring_has_room(const asyncio__ring_t *ring)
{
    return ring->items && ring->reserved <= ring->mask;
}

/* Reserves one more, where there is room. */
static inline void asyncio__ring_claim(asyncio__ring_t *ring)
{
    ring->reserved++;
}

static inline void asyncio__ring_release(asyncio__ring_t *ring, uint32_t count)
{
    ring->reserved -= count;
}

/* Returns the item's position, by which it can be replaced while it is in the ring. */
static inline uint32_t asyncio__ring_push(asyncio__ring_t *ring, void *item)
{
    assert(asyncio__ring_count(ring) < ring->reserved);
    uint32_t position = ring->tail++;
    ring->items[position & ring->mask] = item;
    return position;
}

static inline void asyncio__ring_replace(asyncio__ring_t *ring, uint32_t position, void *item)
{
    ring->items[position & ring->mask] = item;
}

static inline void *asyncio__ring_pop(asyncio__ring_t *ring)
{
    return ring->items[ring->head++ & ring->mask];
}

/* Puts the item that was popped last back to the head. */
static inline void asyncio__ring_unpop(asyncio__ring_t *ring)
{
    ring->head--;
}

/* The item that many behind the head; it may be none that was pushed: only to fetch ahead. */
static inline void *asyncio__ring_ahead(const asyncio__ring_t *ring, uint32_t distance)
{
    return ring->items[(ring->head + distance) & ring->mask];
}

static inline void asyncio__ring_fini(asyncio__ring_t *ring)
{
    if (ring->items)
        asyncio__free(ring->items, ((size_t)ring->mask + 1) * sizeof(*ring->items));
    memset(ring, 0, sizeof(*ring));
}

#endif
