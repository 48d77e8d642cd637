/* SPDX-License-Identifier: MIT */
/*
 * The record of a coroutine object, and how its body is run.
 *
 * An object is used once. It runs in one of three ways: on the stack of who awaits it
 * (asyncio__coroutine_call), on a stack of its own driven by hand (send, throw, close), or on a
 * stack of its own driven by a task. The arguments that were copied stand behind the record.
 */
#ifndef ASYNCIO__COROUTINE_COROUTINE_H
#define ASYNCIO__COROUTINE_COROUTINE_H

#include <asyncio/coroutine.h>

#include "base/quarantine.h"
#include "base/tag.h"
#include "base/thread.h"
#include "coroutine/fiber.h"
#include "coroutine/fiber_return.h"

typedef enum asyncio__coroutine_state {
    ASYNCIO__COROUTINE_CREATED, /* nothing has run */
    ASYNCIO__COROUTINE_RUNNING, /* on the processor, or has called what is */
    ASYNCIO__COROUTINE_WAITING, /* away: its fiber says where */
    ASYNCIO__COROUTINE_ENDED,   /* returned, closed, or abandoned */
} asyncio__coroutine_state_t;

/* What a coroutine is to who drives it as an asynchronous generator. */
enum {
    ASYNCIO__AGEN = 1,         /* one it is, or was */
    ASYNCIO__AGEN_RUNNING = 2, /* it goes on, or what it awaits is awaited */
    ASYNCIO__AGEN_CLOSED = 4,  /* it has ended, or was told to */
};

/* A place of the library's for a result: what asyncio_return() recognises. */
typedef struct asyncio__result {
    void *value;                /* what the function put here */
    asyncio_destroy_t *destroy; /* gives it back; NULL for none */
} asyncio__result_t;

struct asyncio_coroutine {
    uint32_t tag;                     /* ASYNCIO__TAG_COROUTINE */
    uint32_t refs;                    /* references */
    asyncio_coroutine_function_t *fn; /* the body */
    void *arg;                        /* passed to it */
    asyncio_destroy_t *destroy;       /* of arg, when the object ends; then NULL */
    const char *place;                /* "file:line name" */
    asyncio__stack_t *stack;          /* while it has one of its own */
    asyncio__fiber_t fiber;           /* where it goes on */
    asyncio__fiber_t *back;           /* where a yield goes: who drives it by hand; else NULL */
    union {
        asyncio__result_t *result;      /* the innermost place of the library's on this stack */
        struct asyncio__taker *takers;  /* awaited: tasks that go on with it; see take_over.c */
    };
    union {
        void *transfer;            /* driven: a value on its way in or out */
        asyncio_coroutine_t *host; /* awaited: on whose stack it runs */
    };
    int32_t code;                     /* thrown in, or answered to who drives it */
    uint8_t state;                    /* asyncio__coroutine_state_t */
    bool is_marked : 1;               /* seen by who collects awaitables */
    bool is_closing : 1;              /* every await answers ASYNCIO_EGENERATOREXIT */
    uint8_t agen : 3;                 /* ASYNCIO__AGEN… */
    uint16_t refusals;                /* how often one did since */
    uint32_t copy_bytes;              /* of arguments behind the record */
    uint32_t stack_bytes;             /* wanted; 0: the default */
};

/* Of an asynchronous generator, from its start to its end; its `back` leads here. */
typedef struct asyncio__driver {
    asyncio__fiber_t fiber;    /* where who drives it stands; first, so that both are one address */
    asyncio_coroutine_t *host; /* on whose stack that is, while it runs */
    void (*ended)(struct asyncio__driver *driver);   /* it has ended, or was abandoned */
    bool (*dropped)(struct asyncio__driver *driver); /* nobody holds it: is it kept all the same? */
} asyncio__driver_t;

static inline asyncio__driver_t *asyncio__coroutine_driver(const asyncio_coroutine_t *coroutine)
{
    return coroutine->agen && coroutine->back ? (asyncio__driver_t *)(void *)coroutine->back : NULL;
}

/* Called with an object whose last reference went and that never ran; the task layer sets it. */
extern void (*asyncio__coroutine_on_unused)(asyncio_coroutine_t *coroutine);

/* May it be started: 0, ASYNCIO_ERUNTIME if it was, or -EINVAL from inside its own body. */
int asyncio__coroutine_check(asyncio_coroutine_t *coroutine);

/* A value beside an error belongs to nobody. */
void asyncio__result_discard(asyncio__result_t *result);

/* Runs the body here, on the present stack, to its end; answers its code. Inline: behind a switch
 * each return is predicted wrongly, so the body shall return right to who goes on. */
static inline __attribute__((always_inline)) int
asyncio__coroutine_run(asyncio_coroutine_t *coroutine, asyncio__result_t *ret_result);

/* The same for `await coroutine`: on the stack of the running one, whose place it borrows. */
int asyncio__coroutine_call(asyncio_coroutine_t *coroutine, asyncio__result_t *ret_result);

/* It has ended, whether or not it ran: its argument is given back. */
static inline void asyncio__coroutine_end(asyncio_coroutine_t *coroutine)
{
    asyncio_destroy_t *destroy = coroutine->destroy;
    coroutine->state = ASYNCIO__COROUTINE_ENDED;
    coroutine->destroy = NULL;
    if (destroy)
        destroy(coroutine->arg);
}

/* asyncio_coroutine_unref() of one that has ended. */
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
    asyncio__coroutine_end(coroutine);
    if (code >= 0)
        return 0;
    asyncio__result_discard(ret_result);
    return code;
}

/* Gives one that has not started a stack to be driven on: 0 or -ENOMEM. */
int asyncio__coroutine_prepare(asyncio_coroutine_t *coroutine);

/* Goes on in one that is driven until it yields, awaits or ends; as asyncio_coroutine_send(). */
int asyncio__coroutine_resume(asyncio_coroutine_t *coroutine, void *value, int code,
                              void **ret_out);

/* Hands `transfer` and an answer (ASYNCIO_YIELDED, ASYNCIO_AWAITING) to who drives the running
 * coroutine by hand, and waits for the next send: 0, or the code that was thrown in. */
int asyncio__coroutine_hand_out(asyncio_coroutine_t *coroutine, void *value, int answer);

/* How often a coroutine that is being closed may await once more before it is abandoned. */
#define ASYNCIO__REFUSALS_MOST 1000

#endif
