/* SPDX-License-Identifier: MIT */
/*
 * Handles inside the library: the record, and how a new one is made.
 *
 * The loop holds one reference while the callback is pending. The reference count is atomic because
 * other threads have handles too.
 */
#ifndef ASYNCIO__LOOP_HANDLE_H
#define ASYNCIO__LOOP_HANDLE_H

#include <asyncio/handle.h>
#include <stdatomic.h>

#include "loop/timer.h"

typedef enum asyncio__handle_kind {
    ASYNCIO__HANDLE_SOON,   /* call_soon() */
    ASYNCIO__HANDLE_TIMED,  /* call_later(), call_at() */
    ASYNCIO__HANDLE_POSTED, /* call_soon_threadsafe() */
} asyncio__handle_kind_t;

struct asyncio_handle {
    union {
        asyncio__ready_t ready; /* SOON; the others begin with one too */
        struct {
            asyncio__timer_t timer; /* TIMED */
            int64_t when_ns;        /* its deadline */
        };
        struct {
            asyncio__ready_t posted;    /* POSTED, once delivered */
            asyncio__inbox_node_t node; /* in the inbox before that */
        };
    };
    atomic_uint refs;           /* references, including the loop's */
    uint8_t kind;               /* asyncio__handle_kind_t */
    atomic_bool cancelled;      /* asyncio_handle_cancel() was called */
    atomic_bool over;           /* it ran or was dropped: it can no longer be cancelled */
    asyncio_callback_t *fn;     /* what to call */
    void *arg;                  /* passed to it */
    asyncio_loop_t *loop;       /* its loop; valid while not over */
    const char *place;          /* where it was made, for debug mode */
    void *context;              /* the context it runs in: a word of context.h */
};

/* Returns a new handle with the loop's reference and no context, not scheduled; or NULL. */
asyncio_handle_t *asyncio__handle_new(asyncio_loop_t *loop, asyncio__handle_kind_t kind,
                                      asyncio_callback_t *fn, void *arg, const char *place);

#endif
