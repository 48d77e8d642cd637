/* SPDX-License-Identifier: MIT */
/*
 * Debug mode: what a ready item is and where it was made, for the report of a slow one.
 *
 * The loop does not know what it runs. Each layer says of its own kinds, once, at the start:
 *
 *     static void describe(asyncio__ready_t *item, asyncio__description_t *description);
 *     static asyncio__describer_t describer = {.run = run_mine, .describe = describe};
 *     __attribute__((constructor)) static void begin(void) { asyncio__describe_by(&describer); }
 *
 * Nothing here runs while debug mode is off.
 */
#ifndef ASYNCIO__LOOP_DEBUG_H
#define ASYNCIO__LOOP_DEBUG_H

#include "loop/loop.h"

/* What is known of a ready item; it is asked before the item runs, and may end. */
typedef struct asyncio__description {
    const char *what;  /* "a callback", "a step" */
    const char *place; /* where it was made, for ever; or NULL */
    char name[64];     /* of the task; "" for others */
} asyncio__description_t;

/* How items with a certain run() are described. */
typedef struct asyncio__describer {
    void (*run)(asyncio__ready_t *item);
    void (*describe)(asyncio__ready_t *item, asyncio__description_t *description);
    struct asyncio__describer *next; /* registered before it */
} asyncio__describer_t;

/* In a constructor: before there are threads. */
void asyncio__describe_by(asyncio__describer_t *describer);

/* Runs an item, and reports it if it was slow. */
void asyncio__run_timed(asyncio_loop_t *loop, asyncio__ready_t *item);

/* Calls a callback inside an item that stands for several; the item is not reported for it. */
void asyncio__call_timed(asyncio_loop_t *loop, asyncio_callback_t *fn, void *arg,
                         const char *place);

/* Another thread uses a loop that runs. The loop's own handler cannot be called there. */
void asyncio__report_thread(const asyncio_loop_t *loop);

/* Fails with -EINVAL where an object of a certain kind was expected; in debug mode it is said, and
 * reported, if it is one that was freed a short time ago. */
int asyncio__fail_kind(const asyncio_awaitable_t *given, const char *static_message);

/* The same for a constructor: answers NULL. */
void *asyncio__fail_new_kind(const asyncio_awaitable_t *given, const char *static_message);

#endif
