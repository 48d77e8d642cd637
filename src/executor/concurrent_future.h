/* SPDX-License-Identifier: MIT */
/*
 * Concurrent futures inside the library: the record, its classes, callbacks without allocation.
 *
 * Everything that changes is under the future's lock; the state is atomic too, so that it can be
 * read without the lock. Callbacks are called without the lock, once, by the thread that finishes
 * the future; its caller holds a reference meanwhile.
 */
#ifndef ASYNCIO__EXECUTOR_CONCURRENT_FUTURE_H
#define ASYNCIO__EXECUTOR_CONCURRENT_FUTURE_H

#include <asyncio/concurrent_future.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/tag.h"
#include "coroutine/coroutine.h"

typedef enum asyncio__concurrent_state {
    ASYNCIO__CONCURRENT_PENDING,
    ASYNCIO__CONCURRENT_RUNNING, /* that of a job is in the job; see is_running */
    ASYNCIO__CONCURRENT_FINISHED,
    ASYNCIO__CONCURRENT_FAILED,
    ASYNCIO__CONCURRENT_CANCELLED,
} asyncio__concurrent_state_t;

/* What is called when a future is done; embedded in its owner. */
typedef struct asyncio__concurrent_callback {
    struct asyncio__concurrent_callback *next; /* added later to the same future */
    /* The future is done; or with is_freed, it was freed before it was done. */
    void (*run)(struct asyncio__concurrent_callback *self, asyncio_concurrent_future_t *future,
                bool is_freed);
} asyncio__concurrent_callback_t;

/* A class of concurrent futures. */
typedef struct asyncio__concurrent_class {
    size_t size_bytes; /* of the whole record */
    /* Cancels a pending future: returns 1 or 0. NULL: only the future itself is cancelled. */
    int (*cancel)(asyncio_concurrent_future_t *future);
    /* The last reference was dropped: releases what the class holds. NULL: nothing. */
    void (*finalize)(asyncio_concurrent_future_t *future);
    /* Whether the job of a pending future has begun. NULL: no executor works for the future. */
    bool (*is_running)(asyncio_concurrent_future_t *future);
    bool is_settable; /* the program finishes it */
} asyncio__concurrent_class_t;

struct asyncio_concurrent_future {
    uint32_t tag;                              /* ASYNCIO__TAG_CONCURRENT */
    atomic_uint refs;                          /* references */
    atomic_uint state;                         /* asyncio__concurrent_state_t */
    int32_t code;                              /* why it failed */
    const asyncio__concurrent_class_t *class;  /* its class */
    asyncio__result_t result;                  /* once finished */
    asyncio_error_t *error;                    /* details of the error, or NULL */
    asyncio__concurrent_callback_t *callbacks; /* in order; NULL once done */
    asyncio__concurrent_callback_t **end;      /* where the next callback is stored */
    pthread_mutex_t lock;                      /* protects everything that changes */
    pthread_cond_t done;                       /* signalled when it is done */
};

static inline bool asyncio__is_concurrent(const void *future)
{
    return asyncio__tag_of(future) == ASYNCIO__TAG_CONCURRENT;
}

static inline unsigned asyncio__concurrent_state(asyncio_concurrent_future_t *future)
{
    /* Acquire, for the release in settle(): a caller that sees it done sees its outcome. */
    return atomic_load_explicit(&future->state, memory_order_acquire);
}

static inline bool asyncio__concurrent_is_done(asyncio_concurrent_future_t *future)
{
    return asyncio__concurrent_state(future) >= ASYNCIO__CONCURRENT_FINISHED;
}

/* Makes a pending future with one reference; the rest of the record is zeroed. Returns NULL if
 * there is no memory. */
asyncio_concurrent_future_t *asyncio__concurrent_new(const asyncio__concurrent_class_t *class);

/* Finishes a future unless it is done; then what was passed is released. Returns whether it has
 * finished the future. The code of FAILED is negative. */
bool asyncio__concurrent_settle(asyncio_concurrent_future_t *future,
                                asyncio__concurrent_state_t state, int code,
                                asyncio__result_t result, asyncio_error_t *error);

/* Adds a callback; it is called at once if the future is done. */
void asyncio__concurrent_add_callback(asyncio_concurrent_future_t *future,
                                      asyncio__concurrent_callback_t *callback);

#endif
