/* SPDX-License-Identifier: MIT */
/*
 * A heap of deadlines: the earliest first, and among equals the one that was set first.
 *
 *     asyncio__heap_node_t node = ASYNCIO__HEAP_NODE;
 *     rc = asyncio__heap_insert(&heap, &node, when_ns);     0 or -ENOMEM
 *     asyncio__heap_remove(&heap, &node);                   harmless if it is not in
 *     first = asyncio__heap_first(&heap);                   NULL if empty
 *
 * Four children a node, which are one line of the cache: the deadlines are in the array, a back
 * index in the node; who was first among equals is in the node too, for that is rarely asked. Most
 * deadlines are removed before they come: a removal only empties its entry, which touches no other
 * node. What is empty goes when it comes to the top, or all of it at once when it is most.
 */
#ifndef ASYNCIO__BASE_HEAP_H
#define ASYNCIO__BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is in a heap: part of the object that has the deadline. */
typedef struct asyncio__heap_node {
    uint32_t index;    /* its place in the array, plus 1; 0: in no heap */
    uint32_t sequence; /* how many were inserted before, modulo 2^32 */
} asyncio__heap_node_t;

#define ASYNCIO__HEAP_NODE                                                                         \
    {                                                                                              \
        0, 0                                                                                       \
    }

struct asyncio__heap_entry {
    int64_t when_ns;            /* the deadline */
    asyncio__heap_node_t *node; /* whose it is; NULL: removed */
};

typedef struct asyncio__heap {
    struct asyncio__heap_entry *entries; /* capacity of them; the first is the earliest */
    uint32_t count;                      /* entries in use, with the removed ones */
    uint32_t removed;                    /* of them */
    uint32_t capacity;                   /* entries there is room for */
    uint32_t sequence;                   /* of the next insert */
} asyncio__heap_t;

int asyncio__heap_insert(asyncio__heap_t *heap, asyncio__heap_node_t *node, int64_t when_ns);
void asyncio__heap_remove(asyncio__heap_t *heap, asyncio__heap_node_t *node);
void asyncio__heap_fini(asyncio__heap_t *heap);

static inline bool asyncio__heap_contains(const asyncio__heap_node_t *node)
{
    return node->index != 0;
}

/* Puts away removed entries: at the top all, elsewhere if they are many. */
void asyncio__heap_settle(asyncio__heap_t *heap);

static inline const struct asyncio__heap_entry *asyncio__heap_first(asyncio__heap_t *heap)
{
    if (heap->removed)
        asyncio__heap_settle(heap);
    return heap->count ? &heap->entries[0] : NULL;
}

#endif
