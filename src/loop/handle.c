/* SPDX-License-Identifier: MIT */
/* Handles: how a scheduled callback runs, and how it is cancelled; see handle.h. */
#include "loop/handle.h"

#include <math.h>

#include "base/clock.h"
#include "base/context.h"
#include "base/error.h"
#include "base/memory.h"
#include "loop/callback.h"
#include "loop/check.h"
#include "loop/debug.h"
#include "loop/report.h"

asyncio_handle_t *asyncio_handle_ref(asyncio_handle_t *handle)
{
    if (handle)
        atomic_fetch_add_explicit(&handle->refs, 1, memory_order_relaxed);
    return handle;
}

static ASYNCIO__COLD void free_with_context(asyncio_handle_t *handle)
{
    asyncio__context_drop(handle->context);
    asyncio__free(handle, sizeof(*handle));
}

static inline __attribute__((always_inline)) void drop_reference(asyncio_handle_t *handle)
{
    /* The last reference needs no atomic write, because no other thread can have one. Acquire, for
     * what the thread that dropped the reference before has written. */
    if (atomic_load_explicit(&handle->refs, memory_order_acquire) == 1 ||
        atomic_fetch_sub_explicit(&handle->refs, 1, memory_order_acq_rel) == 1) {
        if (ASYNCIO__UNLIKELY(handle->context != NULL))
            free_with_context(handle);
        else
            asyncio__free(handle, sizeof(*handle));
    }
}

void asyncio_handle_unref(asyncio_handle_t *handle)
{
    if (handle)
        drop_reference(handle);
}

static ASYNCIO__COLD void call_in_context(asyncio_handle_t *handle)
{
    void *former;
    if (!asyncio__loop_enter(handle->loop, &handle->context, &former))
        return;
    handle->fn(handle->arg);
    asyncio__context_end(&handle->context, former);
}

static void call_handle(asyncio_handle_t *handle)
{
    bool closed = handle->loop->closed;
    atomic_store_explicit(&handle->over, true, memory_order_relaxed);
    if (!closed && !atomic_load_explicit(&handle->cancelled, memory_order_relaxed)) {
        if (ASYNCIO__UNLIKELY(asyncio__uses(ASYNCIO__USES_CONTEXTS)))
            call_in_context(handle);
        else
            handle->fn(handle->arg);
    }
    drop_reference(handle);
}

static void run_soon(asyncio__ready_t *self)
{
    asyncio_handle_t *handle = ASYNCIO__CONTAINER(self, asyncio_handle_t, ready);
    asyncio__loop_release(handle->loop, 1);
    call_handle(handle);
}

static void run_timed(asyncio__ready_t *self)
{
    asyncio_handle_t *handle = ASYNCIO__CONTAINER(self, asyncio_handle_t, timer.ready);
    asyncio__timer_begin(handle->loop, &handle->timer);
    call_handle(handle);
}

/* The loop took the handle out of its inbox: schedules it, or drops it. */
static void deliver(asyncio__inbox_node_t *node, bool closed)
{
    asyncio_handle_t *handle = ASYNCIO__CONTAINER(node, asyncio_handle_t, node);
    if (closed || asyncio__loop_reserve(handle->loop, 1) < 0) {
        if (!closed)
            asyncio__loop_report(handle->loop, "a callback was lost", -ENOMEM, NULL, NULL, NULL,
                                 NULL);
        atomic_store_explicit(&handle->over, true, memory_order_relaxed);
        asyncio_handle_unref(handle);
        return;
    }
    asyncio__loop_schedule(handle->loop, &handle->ready);
}

asyncio_handle_t *asyncio__handle_new(asyncio_loop_t *loop, asyncio__handle_kind_t kind,
                                      asyncio_callback_t *fn, void *arg, const char *place)
{
    asyncio_handle_t *handle = asyncio__malloc(sizeof(*handle));
    if (!handle)
        return NULL;
    handle->place = place;
    atomic_init(&handle->refs, 1);
    atomic_init(&handle->cancelled, false);
    atomic_init(&handle->over, false);
    handle->kind = (uint8_t)kind;
    handle->fn = fn;
    handle->arg = arg;
    handle->loop = loop;
    handle->context = NULL;
    if (kind == ASYNCIO__HANDLE_TIMED) {
        asyncio__timer_init(&handle->timer, run_timed);
    } else if (kind == ASYNCIO__HANDLE_POSTED) {
        handle->posted.run = run_soon;
        handle->node.deliver = deliver;
    } else {
        handle->ready.run = run_soon;
    }
    return handle;
}

void asyncio_handle_cancel(asyncio_handle_t *handle)
{
    /* No atomic exchange: only handles of call_soon_threadsafe() may be cancelled by several
     * threads at once, and cancelling those twice is harmless. */
    if (!handle || atomic_load_explicit(&handle->cancelled, memory_order_relaxed))
        return;
    atomic_store_explicit(&handle->cancelled, true, memory_order_relaxed);
    /* A timer is removed from the heap, so that it neither keeps memory nor moves the virtual
     * clock. */
    if (handle->kind != ASYNCIO__HANDLE_TIMED ||
        atomic_load_explicit(&handle->over, memory_order_relaxed))
        return;
    if (ASYNCIO__UNLIKELY(asyncio__loop_check_here(handle->loop) < 0))
        return; /* another thread: the timer stays in the heap until it is due, and is not called */
    asyncio__timer_cancel(handle->loop, &handle->timer);
    atomic_store_explicit(&handle->over, true, memory_order_relaxed);
    asyncio_handle_unref(handle);
}

bool asyncio_handle_cancelled(const asyncio_handle_t *handle)
{
    return handle && atomic_load_explicit(&handle->cancelled, memory_order_relaxed);
}

asyncio_context_t *asyncio_handle_get_context(asyncio_handle_t *handle)
{
    if (!handle)
        return asyncio__fail_new(-EINVAL, "\"handle\" must not be NULL");
    return asyncio__context_object(&handle->context, /* locals= */ NULL);
}

double asyncio_timer_handle_when(const asyncio_timer_handle_t *handle)
{
    bool is_timed = handle && handle->kind == ASYNCIO__HANDLE_TIMED;
    return is_timed ? asyncio__seconds(handle->when_ns) : (double)NAN;
}

/* --- for debug mode ------------------------------------------------------------------------ */

static void describe(const asyncio_handle_t *handle, asyncio__description_t *description)
{
    description->place = handle->place;
}

static void describe_soon(asyncio__ready_t *item, asyncio__description_t *description)
{
    describe(ASYNCIO__CONTAINER(item, asyncio_handle_t, ready), description);
}

static void describe_timed(asyncio__ready_t *item, asyncio__description_t *description)
{
    describe(ASYNCIO__CONTAINER(item, asyncio_handle_t, timer.ready), description);
}

static asyncio__describer_t soon = {.run = run_soon, .describe = describe_soon};
static asyncio__describer_t timed = {.run = run_timed, .describe = describe_timed};

__attribute__((constructor)) static void describe_handles(void)
{
    asyncio__describe_by(&soon);
    asyncio__describe_by(&timed);
}
