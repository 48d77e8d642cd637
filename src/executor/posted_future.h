/* SPDX-License-Identifier: MIT */
/*
 * Posted futures: futures of a loop whose outcome another thread posts to it.
 *
 * The memory of a posted future has two owners: the loop's thread, until the future's last
 * reference is dropped, and the poster, until the outcome has been delivered. Neither depends on
 * the other: a loop may be closed and freed while a job runs, which then finds the inbox closed.
 *
 *     posted = asyncio__posted_future_new(loop, &class, settle, place);      one allocation
 *     asyncio__posted_future_expect(posted, is_job);
 *     asyncio__posted_future_post(posted);                  any thread, once: settle() is called
 *     asyncio__posted_future_drop_poster(posted);           or this, if no outcome will come
 *
 * settle() is called in the loop's thread and settles the future. With closed = true the loop is
 * closed: it may be called in any thread, and only releases the outcome.
 */
#ifndef ASYNCIO__EXECUTOR_POSTED_FUTURE_H
#define ASYNCIO__EXECUTOR_POSTED_FUTURE_H

#include "executor/executor_state.h"
#include "task/future.h"

typedef struct asyncio__posted_future {
    asyncio_future_t future;         /* what the program has; first: both have the same address */
    asyncio__inbox_node_t node;      /* brings the outcome */
    asyncio__inbox_t *inbox;         /* of the loop: a reference */
    asyncio__executor_entry_t entry; /* in the loop's list while the outcome is expected */
    void (*settle)(struct asyncio__posted_future *posted, bool closed); /* see above */
    atomic_uint owners;              /* how many of the two owners are left */
    bool is_job;                     /* counted in loop->jobs */
} asyncio__posted_future_t;

/* The release function of the class of a posted future. */
void asyncio__posted_future_release(asyncio_future_t *future);

/* Makes a pending future with one reference, whose outcome is not yet expected. Returns NULL if
 * there is no memory. */
asyncio__posted_future_t *
asyncio__posted_future_new(asyncio_loop_t *loop, const asyncio__future_class_t *class,
                           void (*settle)(asyncio__posted_future_t *posted, bool closed),
                           const char *place);

/* A poster exists from now on; until the outcome is delivered the future holds a reference to
 * itself. With is_job, the outcome keeps the loop waiting and the virtual clock still. */
void asyncio__posted_future_expect(asyncio__posted_future_t *posted, bool is_job);

/* No outcome is expected any more: reverses expect() but for the poster. Loop thread; a no-op where
 * none is expected. */
void asyncio__posted_future_forget(asyncio__posted_future_t *posted);

/* Posts the outcome. Any thread. */
void asyncio__posted_future_post(asyncio__posted_future_t *posted);

/* The poster does not need the memory any more. Any thread. */
void asyncio__posted_future_drop_poster(asyncio__posted_future_t *posted);

static inline asyncio__posted_future_t *asyncio__posted_future_of(asyncio_future_t *future)
{
    return (asyncio__posted_future_t *)(void *)future;
}

#endif
