/* SPDX-License-Identifier: MIT */
/*
 * Debug mode: what a ready item is and where it was made, for the report of a slow one.
 *
 * The loop does not know what it runs. Each layer describes its own kinds of item, registered in
 * a constructor:
 *
 *     static void describe(asyncio__ready_t *item, asyncio__description_t *description);
 *     static asyncio__describer_t describer = {.run = run_mine, .describe = describe};
 *     __attribute__((constructor)) static void begin(void) { asyncio__describe_by(&describer); }
 *
 * Nothing here runs while debug mode is off.
 */
#ifndef ASYNCIO__LOOP_DEBUG_H
#define ASYNCIO__LOOP_DEBUG_H

#include "loop/core.h"

/* A ready item, described before it runs, because running may free it. */
typedef struct asyncio__description {
    const char *what;  /* "a callback", "a step" */
    const char *place; /* where it was made, a static string; or NULL */
    char name[64];     /* of the task; "" for others */
} asyncio__description_t;

/* Describes the items that have a certain run(). */
typedef struct asyncio__describer {
    void (*run)(asyncio__ready_t *item);
    void (*describe)(asyncio__ready_t *item, asyncio__description_t *description);
    struct asyncio__describer *next; /* registered before it */
} asyncio__describer_t;

/* Registers a describer. Called in constructors, before there are threads. */
void asyncio__describe_by(asyncio__describer_t *describer);

/* Runs an item of an observed loop; in debug mode reports it if it was slow. */
void asyncio__run_timed(asyncio_loop_t *loop, asyncio__ready_t *item);

/* Around the items of one turn of an observed loop; in debug mode reports a long turn. begin
 * returns the time that end is given. */
int64_t asyncio__turn_begin(asyncio_loop_t *loop);
void asyncio__turn_end(asyncio_loop_t *loop, int64_t begin_ns, uint32_t items);

/* Calls one callback of an item that stands for several. The callback is reported if it was slow,
 * and its time is not counted as the item's. */
void asyncio__call_timed(asyncio_loop_t *loop, asyncio_callback_t *fn, void *arg,
                         const char *place);

#endif
