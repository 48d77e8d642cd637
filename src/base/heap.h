/* SPDX-License-Identifier: MIT */
/*
 * A heap of deadlines: the earliest first, and among equals the one that was set first.
 *
 *     asyncio__heap_node_t node = ASYNCIO__HEAP_NODE;
 *     rc = asyncio__heap_insert(&heap, &node, when_ns);     0 or -ENOMEM
 *     asyncio__heap_remove(&heap, &node);                   harmless if it is not in
 *     first = asyncio__heap_first(&heap);                   NULL if empty
 *
 * Four children a node, with the keys in the array and a back index in the node: a removal moves
 * few cache lines and leaves nothing behind.
 */
#ifndef ASYNCIO__BASE_HEAP_H
#define ASYNCIO__BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is in a heap: part of the object that has the deadline. */
typedef struct asyncio__heap_node {
    uint32_t index; /* its place in the array, plus 1; 0: in no heap */
} asyncio__heap_node_t;

#define ASYNCIO__HEAP_NODE {0}

struct asyncio__heap_entry {
    int64_t when_ns;            /* the deadline */
    uint64_t sequence;          /* how many were inserted before */
    asyncio__heap_node_t *node; /* whose it is */
};

typedef struct asyncio__heap {
    struct asyncio__heap_entry *entries; /* capacity of them; the first is the earliest */
    uint32_t count;                      /* entries in use */
    uint32_t capacity;                   /* entries there is room for */
    uint64_t sequence;                   /* of the next insert */
} asyncio__heap_t;

int asyncio__heap_insert(asyncio__heap_t *heap, asyncio__heap_node_t *node, int64_t when_ns);
void asyncio__heap_remove(asyncio__heap_t *heap, asyncio__heap_node_t *node);
void asyncio__heap_fini(asyncio__heap_t *heap);

static inline bool asyncio__heap_contains(const asyncio__heap_node_t *node)
{
    return node->index != 0;
}

static inline const struct asyncio__heap_entry *asyncio__heap_first(const asyncio__heap_t *heap)
{
    return heap->count ? &heap->entries[0] : NULL;
}

#endif
