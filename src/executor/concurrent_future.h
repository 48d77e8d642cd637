/* SPDX-License-Identifier: MIT */
/*
 * Concurrent futures inside the library: the record, kinds of them, callbacks without allocation.
 *
 * All that changes is under the future's lock, but the state is atomic so that it can be asked
 * for without. Callbacks are called without the lock, once, by whoever finishes the future; its
 * caller holds a reference meanwhile.
 */
#ifndef ASYNCIO__EXECUTOR_CONCURRENT_FUTURE_H
#define ASYNCIO__EXECUTOR_CONCURRENT_FUTURE_H

#include <asyncio/concurrent_future.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/tag.h"
#include "executor/job.h"

typedef enum asyncio__concurrent_state {
    ASYNCIO__CONCURRENT_PENDING,
    ASYNCIO__CONCURRENT_RUNNING, /* of one that has a job, the job says so */
    ASYNCIO__CONCURRENT_FINISHED,
    ASYNCIO__CONCURRENT_FAILED,
    ASYNCIO__CONCURRENT_CANCELLED,
} asyncio__concurrent_state_t;

/* What is called when a future is done; embedded in its owner. */
typedef struct asyncio__concurrent_callback {
    struct asyncio__concurrent_callback *next; /* added later to the same future */
    /* The future is done; or with is_gone, it was freed before it ever was. */
    void (*run)(struct asyncio__concurrent_callback *self, asyncio_concurrent_future_t *future,
                bool is_gone);
} asyncio__concurrent_callback_t;

/* A kind of concurrent future. */
typedef struct asyncio__concurrent_class {
    size_t size_bytes; /* of the whole record */
    /* Cancels one that is pending: 1 or 0. NULL: the future alone. */
    int (*cancel)(asyncio_concurrent_future_t *future);
    /* The last reference went: lets go of what the kind holds. NULL: nothing. */
    void (*finalize)(asyncio_concurrent_future_t *future);
    bool is_job;       /* an executor works on it */
    bool is_settable;  /* the program finishes it */
} asyncio__concurrent_class_t;

struct asyncio_concurrent_future {
    uint32_t tag;                              /* ASYNCIO__TAG_CONCURRENT */
    atomic_uint refs;                          /* references */
    atomic_uint state;                         /* asyncio__concurrent_state_t */
    int32_t code;                              /* why it failed */
    const asyncio__concurrent_class_t *class;  /* its kind */
    asyncio__result_t result;                  /* once finished */
    asyncio_error_t *error;                    /* details, or NULL */
    asyncio__concurrent_callback_t *callbacks; /* in order; NULL once done */
    asyncio__concurrent_callback_t **end;      /* where the next callback goes */
    pthread_mutex_t lock;                      /* of what changes */
    pthread_cond_t done;                       /* who waits for the end */
};

static inline bool asyncio__is_concurrent(const void *future)
{
    return asyncio__tag_of(future) == ASYNCIO__TAG_CONCURRENT;
}

static inline unsigned asyncio__concurrent_state(asyncio_concurrent_future_t *future)
{
    /* Acquire, for the release in settle(): who sees it done sees its outcome. */
    return atomic_load_explicit(&future->state, memory_order_acquire);
}

static inline bool asyncio__concurrent_is_done(asyncio_concurrent_future_t *future)
{
    return asyncio__concurrent_state(future) >= ASYNCIO__CONCURRENT_FINISHED;
}

/* A pending one with one reference, zero behind the record; NULL: no memory. */
asyncio_concurrent_future_t *asyncio__concurrent_new(const asyncio__concurrent_class_t *class);

/* Finishes it, unless it is done: then what was brought is given back. Whether it did. The code
 * is below 0 for FAILED. */
bool asyncio__concurrent_settle(asyncio_concurrent_future_t *future,
                                asyncio__concurrent_state_t state, int code,
                                asyncio__result_t result, asyncio_error_t *error);

/* Adds a callback; it is called at once if the future is done. */
void asyncio__concurrent_add_callback(asyncio_concurrent_future_t *future,
                                      asyncio__concurrent_callback_t *callback);

#endif
