/* SPDX-License-Identifier: MIT */
/*
 * Futures inside the library: the record, callbacks without allocation, and kinds of futures that
 * handle a cancel in their own way.
 *
 * A future may stand in the stack frame of its waiter, as most waiters of the library do:
 *
 *     asyncio_future_t waiter;
 *     asyncio__future_init(&waiter, loop, NULL);
 *     rc = asyncio__future_wait(&waiter);              suspends until someone finishes it
 *     asyncio__future_fini(&waiter);
 *
 * A callback is embedded in who is called. When the future is done each goes to the ready queue;
 * its slot there was reserved by its owner.
 */
#ifndef ASYNCIO__TASK_FUTURE_H
#define ASYNCIO__TASK_FUTURE_H

#include <asyncio/future.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/tag.h"
#include "loop/loop.h"

typedef enum asyncio__future_state {
    ASYNCIO__PENDING,
    ASYNCIO__FINISHED,
    ASYNCIO__FAILED,
    ASYNCIO__CANCELLED,
} asyncio__future_state_t;

/* What is called when a future is done: run() finds its owner around it. */
typedef struct asyncio__callback {
    asyncio__ready_t ready;         /* run() in the loop */
    union {
        struct asyncio__callback *next; /* while the future is pending: the one added after it */
        uint32_t position;              /* once it is done: in the ready queue */
    };
    asyncio_future_t *future; /* what it is or was added to */
} asyncio__callback_t;

/* A kind of future. */
typedef struct asyncio__future_class {
    /* In the place of a plain cancel; 1 accepted, 0 not. NULL: a plain one. */
    int (*cancel)(asyncio_future_t *future, asyncio_error_t *message);
    /* The last reference went: lets go of what the kind holds. NULL: nothing. */
    void (*finalize)(asyncio_future_t *future);
    /* Then: gives the memory back, if others may need it still. NULL: it is freed. */
    void (*release)(asyncio_future_t *future);
    size_t size_bytes; /* of the whole record */
    /* A value wins against a cancel: the wait returns it, and the cancel is raised by the next. */
    bool keeps_value;
    /* Of one that gathers: the child at an index, NULL behind the last. */
    asyncio_future_t *(*child)(asyncio_future_t *future, size_t index);
    /* Of one that gathers: what a cancel under way keeps in it. */
    struct asyncio__cancel_frame *(*cancel_frame)(asyncio_future_t *future);
} asyncio__future_class_t;

/* What a cancel keeps in a gathering while it walks through its children; see cancel.c. */
typedef struct asyncio__cancel_frame {
    asyncio_future_t *above; /* the gathering that this one was reached from, or NULL */
    asyncio_future_t *first; /* the first of the tasks that led here, or NULL */
    asyncio_future_t *last;  /* the one of them that awaits this gathering */
    size_t next;             /* index of the next child */
    bool any;                /* a child accepted */
    bool is_active;          /* it is on the path */
    bool requested;          /* out: cancelled at least once; the gathering reads it */
} asyncio__cancel_frame_t;

struct asyncio_future {
    uint32_t tag;                         /* ASYNCIO__TAG_FUTURE or _TASK */
    uint32_t refs;                        /* references */
    uint8_t state;                        /* asyncio__future_state_t */
    bool is_reported;                     /* its error was asked for, or needs no asking */
    bool is_stored;                       /* error is a CancelledError that is given once */
    bool is_moved;                        /* its value was moved out */
    bool is_marked;                       /* used while awaitables are collected; see sources.c */
    int32_t code;                         /* why it failed */
    uint32_t requests;                    /* of a task: cancels not undone */
    asyncio_loop_t *loop;                 /* whose; NULL for what is done and has none */
    const asyncio__future_class_t *class; /* NULL: a plain future */
    union {
        asyncio__callback_t *callbacks;   /* while pending, in order */
        void *value;                      /* once finished */
    };
    union {
        asyncio__callback_t *last_callback; /* while pending: the newest, if there are any */
        asyncio_destroy_t *destroy;         /* once finished: of value; else NULL */
    };
    asyncio_error_t *error;               /* details; of a cancelled one, what goes with it */
    const char *place;                    /* where it was made */
};

/* Those who wait for it; NULL once it is done. */
static inline asyncio__callback_t *asyncio__future_callbacks(const asyncio_future_t *future)
{
    return future->state == ASYNCIO__PENDING ? future->callbacks : NULL;
}

/* A plain future in memory of the caller's, with one reference that is never given up. */
static inline void asyncio__future_init(asyncio_future_t *future, asyncio_loop_t *loop,
                                        const asyncio__future_class_t *class)
{
    asyncio__clear(future, sizeof(*future));
    future->tag = ASYNCIO__TAG_FUTURE;
    future->refs = 1;
    future->is_reported = true;
    future->loop = loop;
    future->class = class;
}

/* Releases what such a future holds. Nobody waits for it by now. */
static inline void asyncio__future_fini(asyncio_future_t *future)
{
    asyncio__error_drop(future->error);
}

/* A new future in memory that the caller has: zeroes, or NULL. */
static inline __attribute__((always_inline)) asyncio_future_t *
asyncio__future_fill(void *memory, asyncio_loop_t *loop, const asyncio__future_class_t *class,
                     const char *place)
{
    asyncio_future_t *future = memory;
    if (!future)
        return NULL;
    future->tag = ASYNCIO__TAG_FUTURE;
    future->refs = 1;
    future->loop = loop;
    future->class = class;
    future->place = place;
    loop->objects++;
    return future;
}

/* asyncio__future_new(), in the caller, which knows the size of the kind. */
static inline __attribute__((always_inline)) asyncio_future_t *
asyncio__future_make(asyncio_loop_t *loop, const asyncio__future_class_t *class, size_t size_bytes,
                     const char *place)
{
    return asyncio__future_fill(asyncio__calloc(size_bytes), loop, class, place);
}

/* A future of a kind in memory of its own (zero behind the record), or NULL. */
asyncio_future_t *asyncio__future_new(asyncio_loop_t *loop, const asyncio__future_class_t *class,
                                      const char *place);

static inline bool asyncio__future_is_done(const asyncio_future_t *future)
{
    return future->state != ASYNCIO__PENDING;
}

static inline bool asyncio__is_future(const asyncio_awaitable_t *awaitable)
{
    uint32_t tag = asyncio__tag_of(awaitable);
    return tag == ASYNCIO__TAG_FUTURE || tag == ASYNCIO__TAG_TASK;
}

static inline bool asyncio__is_task(const asyncio_awaitable_t *awaitable)
{
    return asyncio__tag_of(awaitable) == ASYNCIO__TAG_TASK;
}

/* Finish a pending future; its callbacks go to the ready queue. An error is handed over. */
void asyncio__future_finish(asyncio_future_t *future, void *value, asyncio_destroy_t *destroy);
void asyncio__future_fail(asyncio_future_t *future, int code, asyncio_error_t *error);
void asyncio__future_make_cancelled(asyncio_future_t *future, asyncio_error_t *error);

/* Finishes it with no value unless it is done: what wakes a waiter. */
void asyncio__future_wake(asyncio_future_t *future);

/* Adds a callback to the list of a pending future. */
static inline void asyncio__future_append_callback(asyncio_future_t *future,
                                                   asyncio__callback_t *callback)
{
    callback->future = future;
    callback->next = NULL;
    if (future->callbacks)
        future->last_callback->next = callback;
    else
        future->callbacks = callback;
    future->last_callback = callback;
}

/* Adds a callback to the list, or to the ready queue if the future is done. */
void asyncio__future_add_callback(asyncio_future_t *future, asyncio__callback_t *callback);

/* The first thing that run() does: the future, with the schedule's reference to give up. */
static inline asyncio_future_t *asyncio__callback_begin(asyncio__callback_t *callback)
{
    asyncio_future_t *future = callback->future;
    callback->future = NULL;
    return future;
}

/* It will not be called, whether it is in a list, in the ready queue, or in neither. */
void asyncio__future_drop_callback(asyncio__callback_t *callback);

/* Takes it out of the list: false if it is not there (it is in the ready queue, or has run). */
bool asyncio__future_remove_callback(asyncio_future_t *future, asyncio__callback_t *callback);

/* Cancels in the way of its kind: 1, 0 or -EDEADLK; message is borrowed. */
int asyncio__future_cancel(asyncio_future_t *future, asyncio_error_t *message);

/* The outcome of one that is done: 0, or its code and details. A stored CancelledError is given
 * once; the error counts as asked for. *ret_error is a new reference, or NULL. */
int asyncio__future_outcome(asyncio_future_t *future, asyncio_error_t **ret_error);

/* The same with the details put into the slot. */
int asyncio__future_raise(asyncio_future_t *future);

/* Moves the value of a finished future out, if it has a destructor; else copies it. */
void *asyncio__future_move_value(asyncio_future_t *future);

/* Checks that it is a future of the running loop: 0, -EINVAL or ASYNCIO_ERUNTIME. */
int asyncio__future_check(const asyncio_future_t *future);

#endif
