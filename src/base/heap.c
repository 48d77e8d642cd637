/* SPDX-License-Identifier: MIT */
/* The heap of deadlines; see heap.h. */
#include "base/heap.h"

#include <errno.h>

#include "base/compiler.h"
#include "base/memory.h"

#define ARITY 4

/* Entries that are left out before the first. A large array comes from the system, and begins 16
 * bytes behind the border of a page: so children stand in one line of the cache. */
#define LEFT_OUT 2

typedef struct asyncio__heap_entry entry_t;

static bool is_before(const entry_t *a, const entry_t *b)
{
    if (ASYNCIO__LIKELY(a->when_ns != b->when_ns))
        return a->when_ns < b->when_ns;
    /* What was removed comes first: so it leaves the earlier, and between those that were not the
     * order stays right, for on each way down it only drops out. */
    if (!a->node || !b->node)
        return b->node != NULL;
    return (int32_t)(a->node->sequence - b->node->sequence) < 0;
}

static void place(asyncio__heap_t *heap, uint32_t index, entry_t entry)
{
    heap->entries[index] = entry;
    if (entry.node)
        entry.node->index = index + 1;
}

static void sift_up(asyncio__heap_t *heap, uint32_t index, entry_t entry)
{
    while (index > 0) {
        uint32_t parent = (index - 1) / ARITY;
        if (!is_before(&entry, &heap->entries[parent]))
            break;
        place(heap, index, heap->entries[parent]);
        index = parent;
    }
    place(heap, index, entry);
}

static void sift_down(asyncio__heap_t *heap, uint32_t index, entry_t entry)
{
    for (;;) {
        uint64_t first = (uint64_t)index * ARITY + 1;
        if (first >= heap->count)
            break;
        uint32_t end = first + ARITY < heap->count ? (uint32_t)first + ARITY : heap->count;
        uint32_t least = (uint32_t)first;
        for (uint32_t child = least + 1; child < end; child++)
            if (is_before(&heap->entries[child], &heap->entries[least]))
                least = child;
        if (!is_before(&heap->entries[least], &entry))
            break;
        place(heap, index, heap->entries[least]);
        index = least;
    }
    place(heap, index, entry);
}

/* Leaves out what was removed, and puts the rest in order from the leaves up. */
static void compact(asyncio__heap_t *heap)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < heap->count; i++)
        if (heap->entries[i].node)
            heap->entries[count++] = heap->entries[i];
    heap->count = count;
    heap->removed = 0;
    for (uint32_t i = count; i-- > 0;)
        sift_down(heap, i, heap->entries[i]);
}

static void *memory_of(asyncio__heap_t *heap)
{
    return heap->entries ? heap->entries - LEFT_OUT : NULL;
}

static size_t bytes_of(size_t capacity)
{
    return capacity ? (capacity + LEFT_OUT) * sizeof(entry_t) : 0;
}

void asyncio__heap_settle(asyncio__heap_t *heap)
{
    /* Half would do for the memory; but to move those that are left touches each of their nodes. */
    if (heap->removed > heap->count / 4 * 3)
        compact(heap);
    while (heap->count > 0 && !heap->entries[0].node) {
        heap->removed--;
        entry_t last = heap->entries[--heap->count];
        if (heap->count > 0)
            sift_down(heap, 0, last);
    }
}

/* Room for one entry more. */
static int grow(asyncio__heap_t *heap)
{
    if (heap->removed > heap->count / 2) {
        compact(heap);
        return 0;
    }
    size_t capacity = heap->capacity ? (size_t)heap->capacity * 2 : 64;
    if (capacity > UINT32_MAX - 1)
        return -ENOMEM;
    entry_t *memory = asyncio__realloc(memory_of(heap), bytes_of(heap->capacity),
                                       bytes_of(capacity));
    if (!memory)
        return -ENOMEM;
    heap->entries = memory + LEFT_OUT;
    heap->capacity = (uint32_t)capacity;
    return 0;
}

int asyncio__heap_insert(asyncio__heap_t *heap, asyncio__heap_node_t *node, int64_t when_ns)
{
    if (heap->count == heap->capacity && grow(heap) < 0)
        return -ENOMEM;
    entry_t entry = {when_ns, node};
    node->sequence = heap->sequence++;
    sift_up(heap, heap->count++, entry);
    return 0;
}

void asyncio__heap_remove(asyncio__heap_t *heap, asyncio__heap_node_t *node)
{
    if (!node->index)
        return;
    uint32_t index = node->index - 1;
    node->index = 0;
    heap->entries[index].node = NULL;
    heap->removed++;
    while (heap->count > 0 && !heap->entries[heap->count - 1].node) {
        heap->count--;
        heap->removed--;
    }
}

void asyncio__heap_fini(asyncio__heap_t *heap)
{
    asyncio__free(memory_of(heap), bytes_of(heap->capacity));
    *heap = (asyncio__heap_t){0};
}
