/* SPDX-License-Identifier: MIT */
/*
 * How every engine ends an operation: finish() sets its result and queues it, deliver() calls
 * its complete. No callback runs while an engine walks through the kernel's events, so a callback
 * may submit, cancel, close and end whatever it likes.
 *
 *     asyncio__finish(engine, operation, -ECANCELED);     anywhere
 *     asyncio__deliver(engine);                           last thing in wait()
 *
 * What a callback finishes is delivered by the next wait(), never by the present one.
 */
#ifndef ASYNCIO__ENGINE_COMPLETION_H
#define ASYNCIO__ENGINE_COMPLETION_H

#include "engine/engine.h"

/* operation->state: where an operation is. */
enum {
    ASYNCIO__IDLE,      /* the owner's: not submitted, or delivered */
    ASYNCIO__QUEUED,    /* in its file's list, waiting for its turn or for the descriptor */
    ASYNCIO__IN_KERNEL, /* the same, and the kernel holds it and its buffer */
    ASYNCIO__POLLED,    /* the same, but the kernel only watches the descriptor for it */
    ASYNCIO__FINISHED,  /* its result is set; it is in done or in delivering */
};

/* operation->note: what else is known. */
#define ASYNCIO__CONNECTING    1u  /* connect(2) has begun: now its outcome is awaited */
#define ASYNCIO__CANCEL_WANTED 2u  /* cancel() was called, and the kernel is to be told */
#define ASYNCIO__CANCEL_SENT   4u  /* the kernel was told */
#define ASYNCIO__LENT          8u  /* a RECV without a buffer: the engine lends one */
#define ASYNCIO__STARVED       16u /* its last try found every lent buffer out */
#define ASYNCIO__RETRY_WANTED  32u /* cancelled in the kernel only to be tried once more */

/* The first note of an operation that is submitted. */
static inline uint16_t asyncio__first_note(const asyncio__operation_t *operation)
{
    return operation->kind == ASYNCIO__RECV && !operation->buffer ? ASYNCIO__LENT : 0;
}

/* After this many operations of one file have completed at once, the next one goes through wait(),
 * so that a peer that never pauses cannot starve all others. */
#define ASYNCIO__INLINE_LIMIT 16

static inline asyncio__operation_t *asyncio__operation_of(asyncio__list_t *link)
{
    return ASYNCIO__CONTAINER(link, asyncio__operation_t, link);
}

static inline void asyncio__engine_init(asyncio__engine_t *engine,
                                        const asyncio__engine_class_t *class)
{
    engine->class = class;
    asyncio__list_init(&engine->done);
    asyncio__list_init(&engine->delivering);
}

/*
 * Prefetches what the completion of an operation touches: its record and, if that lies in the
 * frame of a suspended coroutine, the frames below it, which continue, and the first bytes of the
 * buffer above it. With 1,000 connections all of that has left the cache by then.
 */
static inline void asyncio__fetch_operation(const asyncio__operation_t *operation)
{
    for (int line = -2; line < 6; line++)
        __builtin_prefetch((const char *)operation + line * 64, 1);
}

/* Queues an operation that is in no list and is counted as in flight. */
static inline void asyncio__finish(asyncio__engine_t *engine, asyncio__operation_t *operation,
                                   int result)
{
    operation->result = result;
    operation->state = ASYNCIO__FINISHED;
    asyncio__list_append(&engine->done, &operation->link);
    if (engine->is_foreign && !engine->is_waiting)
        engine->class->wake(engine);
}

static inline void asyncio__deliver(asyncio__engine_t *engine)
{
    asyncio__list_t *link;
    engine->is_waiting = false;
    asyncio__list_move(&engine->done, &engine->delivering);
    while ((link = asyncio__list_pop(&engine->delivering)) != NULL) {
        asyncio__operation_t *operation = asyncio__operation_of(link);
        operation->state = ASYNCIO__IDLE;
        engine->in_flight--;
        operation->complete(operation);
    }
}

#endif
