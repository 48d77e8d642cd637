/* SPDX-License-Identifier: MIT */
/*
 * The record of a coroutine object, and how its body is run.
 *
 * An object is used once. It runs in one of three ways: on the stack of the coroutine that awaits
 * it (asyncio__coroutine_call), on a stack of its own driven by hand (send, throw, close), or on a
 * stack of its own driven by a task. Arguments that were copied follow the record, whose size is
 * a multiple of 16 bytes so that they are aligned for any type.
 */
#ifndef ASYNCIO__COROUTINE_COROUTINE_H
#define ASYNCIO__COROUTINE_COROUTINE_H

#include <asyncio/coroutine.h>

#include "base/quarantine.h"
#include "base/tag.h"
#include "base/thread.h"
#include "coroutine/exceptions.h"
#include "coroutine/fiber.h"
#include "coroutine/fiber_return.h"

typedef enum asyncio__coroutine_state {
    ASYNCIO__COROUTINE_CREATED, /* nothing has run */
    ASYNCIO__COROUTINE_RUNNING, /* it runs, or has called what runs */
    ASYNCIO__COROUTINE_WAITING, /* suspended in its fiber */
    ASYNCIO__COROUTINE_ENDED,   /* returned, closed, or abandoned */
} asyncio__coroutine_state_t;

/* States of a coroutine that is driven as an asynchronous generator. */
enum {
    ASYNCIO__AGEN = 1,         /* it is one, or was one */
    ASYNCIO__AGEN_RUNNING = 2, /* it runs, or what it awaits is being awaited */
    ASYNCIO__AGEN_CLOSED = 4,  /* it has ended, or was told to end */
};

/* Where a coroutine function puts its result: asyncio_return() recognises it by its address. */
typedef struct asyncio__result {
    void *value;                /* what the function put here */
    asyncio_destroy_t *destroy; /* frees value; NULL for none */
} asyncio__result_t;

struct asyncio_coroutine {
    _Alignas(16) uint32_t tag;        /* ASYNCIO__TAG_COROUTINE */
    uint32_t refs;                    /* references */
    asyncio_coroutine_function_t *fn; /* the body */
    void *arg;                        /* passed to it */
    asyncio_destroy_t *destroy;       /* called with arg when the object ends; then NULL */
    const char *place;                /* "file:line name" */
    asyncio__stack_t *stack;          /* its own stack, while it has one */
    asyncio__fiber_t fiber;           /* where it resumes */
    asyncio__fiber_t *back;           /* driven by hand: the driver's fiber; else NULL */
    asyncio__result_t *result;        /* the innermost result on this stack */
    union {
        void *transfer;            /* driven: the value that is passed in or out */
        asyncio_coroutine_t *host; /* awaited: the coroutine on whose stack it runs */
    };
    int32_t code;                     /* driven: the code thrown in, or the result for the driver */
    uint8_t state;                    /* asyncio__coroutine_state_t */
    bool is_marked : 1;               /* scratch of functions that collect awaitables */
    bool is_closing : 1;              /* every await fails with ASYNCIO_EGENERATOREXIT */
    uint8_t agen : 3;                 /* ASYNCIO__AGEN… */
    uint16_t refusals;                /* number of awaits that failed so */
    uint32_t copy_bytes;              /* size of the arguments that follow the record */
    uint32_t stack_bytes;             /* stack size asked for; 0: the default */
};

/* The driver of an asynchronous generator, from its start to its end; its `back` points here. */
typedef struct asyncio__driver {
    asyncio__fiber_t fiber;    /* the driver's; first, so that both have one address */
    asyncio_coroutine_t *host; /* the coroutine on whose stack the driver runs, while it does */
    void (*ended)(struct asyncio__driver *driver);   /* called when it has ended or is abandoned */
    bool (*dropped)(struct asyncio__driver *driver); /* called at the last unref; true: keep it */
} asyncio__driver_t;

static inline asyncio__driver_t *asyncio__coroutine_driver(const asyncio_coroutine_t *coroutine)
{
    return coroutine->agen && coroutine->back ? (asyncio__driver_t *)(void *)coroutine->back : NULL;
}

/* Called at the last unref of an object that never ran. The task layer sets it. */
extern void (*asyncio__coroutine_on_unused)(asyncio_coroutine_t *coroutine);

/* Whether it can be started: 0; ASYNCIO_ERUNTIME if it was started before; -EINVAL from inside its
 * own body. */
int asyncio__coroutine_check(asyncio_coroutine_t *coroutine);

/* Frees the value of a function that failed: nobody receives it. */
void asyncio__result_discard(asyncio__result_t *result);

/* Runs the body to its end on the present stack. Returns its code. Inline, because after a switch
 * each return is mispredicted: the body returns directly to the function that continues. */
static inline __attribute__((always_inline)) int
asyncio__coroutine_run(asyncio_coroutine_t *coroutine, asyncio__result_t *ret_result);

/* The same for `await coroutine`: runs it on the stack of the running coroutine, its host. */
int asyncio__coroutine_call(asyncio_coroutine_t *coroutine, asyncio__result_t *ret_result);

/* Marks it as ended, whether or not it ran, and frees its argument. */
static inline void asyncio__coroutine_end(asyncio_coroutine_t *coroutine)
{
    asyncio_destroy_t *destroy = coroutine->destroy;
    coroutine->state = ASYNCIO__COROUTINE_ENDED;
    coroutine->destroy = NULL;
    if (destroy)
        destroy(coroutine->arg);
}

/* asyncio_coroutine_unref() for an object that has ended. */
static inline __attribute__((always_inline)) void
asyncio__coroutine_unref_ended(asyncio_coroutine_t *coroutine)
{
    if (--coroutine->refs > 0)
        return;
    coroutine->tag = ASYNCIO__TAG_FREED;
    asyncio__free_object(coroutine, sizeof(*coroutine) + coroutine->copy_bytes);
}

static inline __attribute__((always_inline)) int
asyncio__coroutine_run(asyncio_coroutine_t *coroutine, asyncio__result_t *ret_result)
{
    *ret_result = (asyncio__result_t){NULL, NULL};
    coroutine->state = ASYNCIO__COROUTINE_RUNNING;
    int code = coroutine->fn(coroutine->arg, &ret_result->value);
    ASYNCIO__STOP_EXCEPTIONS();
    asyncio__coroutine_end(coroutine);
    if (code >= 0)
        return 0;
    asyncio__result_discard(ret_result);
    return code;
}

/* Gives an object that has not started a stack to be driven on: 0, -ENOMEM or -ENOTSUP. */
int asyncio__coroutine_prepare(asyncio_coroutine_t *coroutine);

/* Runs a driven object until it yields, awaits or ends; returns as asyncio_coroutine_send(). */
int asyncio__coroutine_resume(asyncio_coroutine_t *coroutine, void *value, int code,
                              void **ret_out);

/* Passes a value and a result (ASYNCIO_YIELDED, ASYNCIO_AWAITING) to the driver of the running
 * coroutine, and suspends until the next send: 0, or the code that was thrown in. */
int asyncio__coroutine_hand_out(asyncio_coroutine_t *coroutine, void *value, int outcome);

/* A coroutine that is being closed is abandoned after this number of further awaits. */
#define ASYNCIO__REFUSALS_MOST 1000

#endif
