/* SPDX-License-Identifier: MIT */
/*
 * The ring of callbacks that are ready, with their arguments inline.
 *
 * The ring is cut into segments: each is run by one entry of the C loop's ready queue. The last
 * segment is open as long as its entry is the last one of that queue and belongs to a later turn;
 * items are appended to it without touching the queue.
 */
#ifndef ASYNCIO__PYTHON_ITEMS_H
#define ASYNCIO__PYTHON_ITEMS_H

#include "python/compat.h"

typedef enum asyncio__py_item_kind {
    ASYNCIO__PY_HANDLE, /* subject: a Handle, which has all the rest */
    ASYNCIO__PY_STEP,   /* subject: what a stock task passes for its next step */
    ASYNCIO__PY_WAKE,   /* the same for its wake-up; argument: the future */
} asyncio__py_item_kind_t;

/* One callback; each pointer is a reference. */
typedef struct asyncio__py_item {
    PyObject *subject;
    PyObject *argument; /* or NULL */
    PyObject *context;  /* or NULL */
    uintptr_t kind;     /* asyncio__py_item_kind_t */
} asyncio__py_item_t;

typedef struct asyncio__py_items {
    asyncio__py_item_t *ring; /* mask + 1 items */
    uint32_t mask;            /* a power of two minus 1; ring is NULL while it is 0 */
    uint32_t head;            /* of the item that runs next */
    uint32_t tail;            /* where the next one is put */
    uint64_t count;           /* of items that have run, or are about to in this segment */
    uint32_t open_position;   /* in the ready queue: the entry of the open segment */
    bool is_open;             /* there is an open segment */
    uint32_t *ends;           /* where each segment but the open one ends, a ring as well */
    uint32_t ends_mask;       /* of ends */
    uint32_t ends_head;       /* the oldest */
    uint32_t ends_tail;       /* behind the newest */
} asyncio__py_items_t;

struct asyncio__python_layer;
struct asyncio__ready;

/* Opens a segment for the next item. 0, or -1 with MemoryError. */
int asyncio__py_open_segment(struct asyncio__python_layer *self);

/* Grows the ring. 0, or -1 with MemoryError. */
int asyncio__py_grow_items(struct asyncio__python_layer *self);

/* Runs the segment whose turn it is: self->batch. */
void asyncio__py_run_batch(struct asyncio__ready *batch);

int asyncio__py_visit_items(struct asyncio__python_layer *self, visitproc visit, void *arg);

/* Frees the ring, and drops what is left in it. */
void asyncio__py_free_items(struct asyncio__python_layer *self);

#endif
