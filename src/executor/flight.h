/* SPDX-License-Identifier: MIT */
/*
 * Flights: futures of a loop whose outcome comes from another thread.
 *
 * The memory of a flight has two owners: the loop's thread, until the future's last reference
 * goes, and whoever brings the outcome, until that is delivered. Neither needs the other to be
 * there still: a loop may be closed and freed while a job runs, which then finds the inbox closed.
 *
 *     future = asyncio__flight_new(loop, &class, land);        in the loop's thread: one allocation
 *     asyncio__flight_begin(flight, is_job);
 *     asyncio__flight_post(flight);                            any thread, once: land() is called
 *     asyncio__flight_let_go(flight);                          or this, if nothing will come
 *
 * land() is called in the loop's thread and settles the future, or with closed = true, in any
 * thread, when there is no loop any more: then it only gives back what it was brought.
 */
#ifndef ASYNCIO__EXECUTOR_FLIGHT_H
#define ASYNCIO__EXECUTOR_FLIGHT_H

#include <asyncio/executor.h>

#include "task/future.h"

typedef struct asyncio__flight {
    asyncio_future_t future;     /* what the program has; first, so that both are one address */
    asyncio__inbox_node_t node;  /* brings the outcome */
    asyncio__inbox_t *inbox;     /* of the loop: a reference */
    asyncio__list_t link;        /* in the loop's list from begin to end */
    void (*land)(struct asyncio__flight *flight, bool closed); /* settles the future */
    atomic_uint owners;          /* who needs the memory: 2, 1 or 0 */
    bool is_job;                 /* counted in loop->jobs */
    void *context;               /* in which a job runs, if not in its thread's: see context.h */
} asyncio__flight_t;

/* What the executor layer keeps for a loop: made when first needed, freed at its close. */
typedef struct asyncio__executor_state {
    asyncio__loop_hook_t hook;    /* ends it */
    asyncio_executor_t *executor; /* the default one: a reference; or NULL */
    asyncio__list_t flights;      /* asyncio__flight_t: those under way */
    asyncio__list_t visitors;     /* tasks that other threads have started; see threadsafe.c */
} asyncio__executor_state_t;

/* It, or NULL for lack of memory. */
asyncio__executor_state_t *asyncio__executor_state(asyncio_loop_t *loop);

/* Ends those tasks' futures at the close of the loop; of threadsafe.c. */
void asyncio__visitors_close(asyncio__executor_state_t *state);

/* The release of a flight's class. */
void asyncio__flight_release(asyncio_future_t *future);

/* A pending one with a reference for the program and no outcome to come; NULL: no memory. */
asyncio__flight_t *asyncio__flight_new(asyncio_loop_t *loop, const asyncio__future_class_t *class,
                                       void (*land)(asyncio__flight_t *flight, bool closed),
                                       const char *place);

/* Somebody will bring the outcome; until then the future stays alive by a reference of its own.
 * is_job: it keeps the loop waiting, and the virtual clock still. */
void asyncio__flight_begin(asyncio__flight_t *flight, bool is_job);

/* Nothing will come, or it has come: ends what begin began. Loop thread; harmless twice. */
void asyncio__flight_end(asyncio__flight_t *flight);

/* The outcome is there. Any thread. */
void asyncio__flight_post(asyncio__flight_t *flight);

/* Who would bring the outcome needs the memory no more. Any thread. */
void asyncio__flight_let_go(asyncio__flight_t *flight);

static inline asyncio__flight_t *asyncio__flight_of(asyncio_future_t *future)
{
    return (asyncio__flight_t *)(void *)future;
}

#endif
