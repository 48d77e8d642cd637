/* SPDX-License-Identifier: MIT */
/*
 * A heap of deadlines: the earliest first, and among equals the one that was set first.
 *
 *     asyncio__heap_node_t node = ASYNCIO__HEAP_NODE;
 *     rc = asyncio__heap_insert(&heap, &node, when_ns);     0 or -ENOMEM
 *     asyncio__heap_remove(&heap, &node);                   harmless if it is not in
 *     first = asyncio__heap_first(&heap);                   NULL if empty
 *
 * Each node has four children, which fill one cache line: the array holds the deadlines, and the
 * node holds its index in the array and its sequence number, which is needed only between equal
 * deadlines. Most deadlines are removed before they come: a removal only empties its entry and
 * touches no other node. Empty entries are dropped when they reach the top, or all at once when
 * they outnumber the rest.
 */
#ifndef ASYNCIO__BASE_HEAP_H
#define ASYNCIO__BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A node, embedded in the object that has the deadline. */
typedef struct asyncio__heap_node {
    uint32_t index;    /* its index in the array, plus 1; 0: in no heap */
    uint32_t sequence; /* number of inserts before it, modulo 2^32 */
} asyncio__heap_node_t;

#define ASYNCIO__HEAP_NODE                                                                         \
    {                                                                                              \
        0, 0                                                                                       \
    }

struct asyncio__heap_entry {
    int64_t when_ns;            /* the deadline */
    asyncio__heap_node_t *node; /* the node with this deadline; NULL: removed */
};

typedef struct asyncio__heap {
    struct asyncio__heap_entry *entries; /* the array; the first entry is the earliest */
    uint32_t count;                      /* entries in use, including removed ones */
    uint32_t removed;                    /* removed entries among them */
    uint32_t capacity;                   /* length of the array */
    uint32_t sequence;                   /* of the next insert */
} asyncio__heap_t;

int asyncio__heap_insert(asyncio__heap_t *heap, asyncio__heap_node_t *node, int64_t when_ns);
void asyncio__heap_remove(asyncio__heap_t *heap, asyncio__heap_node_t *node);
void asyncio__heap_fini(asyncio__heap_t *heap);

static inline bool asyncio__heap_contains(const asyncio__heap_node_t *node)
{
    return node->index != 0;
}

/* Drops removed entries: those at the top always, the others if they are many. */
void asyncio__heap_settle(asyncio__heap_t *heap);

static inline const struct asyncio__heap_entry *asyncio__heap_first(asyncio__heap_t *heap)
{
    if (heap->removed)
        asyncio__heap_settle(heap);
    return heap->count ? &heap->entries[0] : NULL;
}

#endif
