/* SPDX-License-Identifier: MIT */
/* The ring of callbacks that are ready, and how they run; see items.h. */
#include "python/items.h"

#include "python/handle.h"
#include "python/loop.h"

#define ITEMS_AT_FIRST 256
#define ENDS_AT_FIRST  16

int asyncio__py_grow_items(asyncio__py_loop_t *self)
{
    asyncio__py_items_t *items = &self->items;
    size_t old = items->ring ? (size_t)items->mask + 1 : 0;
    size_t count = old ? old * 2 : ITEMS_AT_FIRST;
    asyncio__py_item_t *ring =
        count <= UINT32_MAX / 2 ? PyMem_RawMalloc(count * sizeof(*ring)) : NULL;
    if (!ring) {
        PyErr_NoMemory();
        return -1;
    }
    uint32_t mask = (uint32_t)count - 1;
    for (uint32_t at = items->head; at != items->tail; at++)
        ring[at & mask] = items->ring[at & items->mask];
    PyMem_RawFree(items->ring);
    items->ring = ring;
    items->mask = mask;
    return 0;
}

/* Makes room for two more ends: the second one is for a segment that is put back. */
static int reserve_ends(asyncio__py_items_t *items)
{
    if (items->ends && items->ends_tail - items->ends_head + 1 < items->ends_mask)
        return 0;
    size_t count = items->ends ? ((size_t)items->ends_mask + 1) * 2 : ENDS_AT_FIRST;
    uint32_t *ends = PyMem_RawMalloc(count * sizeof(*ends));
    if (!ends)
        return -1;
    uint32_t mask = (uint32_t)count - 1;
    for (uint32_t at = items->ends_head; at != items->ends_tail; at++)
        ends[at & mask] = items->ends[at & items->ends_mask];
    PyMem_RawFree(items->ends);
    items->ends = ends;
    items->ends_mask = mask;
    return 0;
}

int asyncio__py_open_segment(asyncio__py_loop_t *self)
{
    asyncio__py_items_t *items = &self->items;
    if (ASYNCIO__UNLIKELY(reserve_ends(items) < 0 ||
                          asyncio__loop_reserve(self->loop, 1) < 0)) {
        PyErr_NoMemory();
        return -1;
    }
    if (items->is_open)
        items->ends[items->ends_tail++ & items->ends_mask] = items->tail;
    items->open_position = asyncio__loop_schedule(self->loop, &self->batch);
    items->is_open = true;
    return 0;
}

/* Returns where the segment ends whose entry was taken from the ready queue. */
static uint32_t take_segment(asyncio__py_items_t *items)
{
    if (items->ends_head != items->ends_tail)
        return items->ends[items->ends_head++ & items->ends_mask];
    items->is_open = false;
    return items->tail;
}

/* Puts the rest of a segment back to the front of the ready queue. */
static void put_segment_back(asyncio__py_loop_t *self, uint32_t end)
{
    asyncio__py_items_t *items = &self->items;
    asyncio__ring_t *ready = &self->loop->ready;
    asyncio__ring_unpop(ready);
    asyncio__ring_replace(ready, ready->head, &self->batch);
    items->ends[--items->ends_head & items->ends_mask] = end;
}

static void drop_item(asyncio__py_item_t *item)
{
    Py_DECREF(item->subject);
    Py_XDECREF(item->argument);
    Py_XDECREF(item->context);
}

/* A task's step or wake-up has raised: it is reported as the callback of a handle. */
static ASYNCIO__COLD void report_item(asyncio__py_loop_t *self, asyncio__py_item_t *item)
{
    if (asyncio__py_raise_from_turn(self))
        return;
    PyObject *error = asyncio__py_take_error();
    asyncio__py_handle_t *handle =
        asyncio__py_handle_new(self, item->subject, &item->argument, item->argument != NULL,
                               item->context);
    asyncio__py_report_callback(self, error, handle);
    Py_XDECREF(handle);
}

/* Runs what a stock task has passed to call_soon(). */
static inline void run_step(asyncio__py_loop_t *self, asyncio__py_item_t *item)
{
    asyncio__py_state_t *state = self->state;
    PyObject *result = NULL;
    if (ASYNCIO__LIKELY(PyContext_Enter(item->context) == 0)) {
        if (item->kind == ASYNCIO__PY_STEP)
            result = state->step_type->tp_call(item->subject, state->no_arguments, NULL);
        else if (state->wake && PyCFunction_CheckExact(item->subject))
            result = state->wake(PyCFunction_GET_SELF(item->subject), item->argument);
        else
            result = PyObject_CallOneArg(item->subject, item->argument);
        asyncio__ignore(PyContext_Exit(item->context));
    }
    if (ASYNCIO__UNLIKELY(!result))
        report_item(self, item);
    Py_XDECREF(result);
    drop_item(item);
}

static inline void run_item(asyncio__py_loop_t *self, asyncio__py_item_t *item)
{
    if (item->kind != ASYNCIO__PY_HANDLE) {
        run_step(self, item);
        return;
    }
    asyncio__py_handle_run((asyncio__py_handle_t *)item->subject);
    Py_DECREF(item->subject);
}

/* At close: drops the items of a segment. */
static void drop_segment(asyncio__py_loop_t *self, uint32_t end)
{
    asyncio__py_items_t *items = &self->items;
    while (items->head != end) {
        asyncio__py_item_t item = items->ring[items->head++ & items->mask];
        drop_item(&item);
    }
    asyncio__loop_release(self->loop, 1);
}

/* Begins the next turn if it may begin without a poll and consists of one segment. */
static inline bool begin_next_turn(asyncio__py_loop_t *self)
{
    asyncio_loop_t *loop = self->loop;
    if (loop->todo != 0 || asyncio__ring_count(&loop->ready) != 1 ||
        asyncio__ring_ahead(&loop->ready, 0) != &self->batch || loop->is_observed ||
        !asyncio__loop_next_turn_quickly(loop))
        return false;
    loop->todo--;
    asyncio__ignore(asyncio__ring_pop(&loop->ready) != NULL);
    return true;
}

void asyncio__py_run_batch(asyncio__ready_t *batch)
{
    asyncio__py_loop_t *self = ASYNCIO__CONTAINER(batch, asyncio__py_loop_t, batch);
    asyncio_loop_t *loop = self->loop;
    asyncio__py_items_t *items = &self->items;
    uint32_t end = take_segment(items);
    if (ASYNCIO__UNLIKELY(loop->closed)) {
        drop_segment(self, end);
        return;
    }
    self->in_batch = 1;
    do {
        /* The segment counts as one more: what aborts the turn sets todo to 0, in a forked child
         * as well. */
        loop->todo++;
        items->count += end - items->head;
        while (items->head != end) {
            asyncio__py_item_t item = items->ring[items->head++ & items->mask];
            run_item(self, &item);
            if (ASYNCIO__UNLIKELY(loop->todo == 0)) {
                self->in_batch = 0;
                items->count -= end - items->head;
                if (items->head != end)
                    put_segment_back(self, end);
                else
                    asyncio__loop_release(loop, 1);
                return;
            }
        }
        loop->todo--;
        asyncio__loop_release(loop, 1);
    } while (begin_next_turn(self) && (end = take_segment(items), true));
    self->in_batch = 0;
}

int asyncio__py_visit_items(asyncio__py_loop_t *self, visitproc visit, void *arg)
{
    const asyncio__py_items_t *items = &self->items;
    for (uint32_t at = items->head; at != items->tail; at++) {
        const asyncio__py_item_t *item = &items->ring[at & items->mask];
        if (item->kind == ASYNCIO__PY_HANDLE) {
            int rc = asyncio__py_visit_handle((asyncio__py_handle_t *)item->subject, visit, arg);
            if (rc != 0)
                return rc;
            continue;
        }
        Py_VISIT(item->subject);
        Py_VISIT(item->argument);
        Py_VISIT(item->context);
    }
    return 0;
}

void asyncio__py_free_items(asyncio__py_loop_t *self)
{
    asyncio__py_items_t *items = &self->items;
    while (items->head != items->tail) {
        asyncio__py_item_t item = items->ring[items->head++ & items->mask];
        drop_item(&item);
    }
    PyMem_RawFree(items->ring);
    PyMem_RawFree(items->ends);
    memset(items, 0, sizeof(*items));
}
