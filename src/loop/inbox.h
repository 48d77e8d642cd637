/* SPDX-License-Identifier: MIT */
/*
 * The inbox: the one way from other threads, and from signal handlers, to a loop.
 *
 * A node is posted by one exchange and waits in a chain until the loop takes the whole chain; the
 * loop is woken once, however many were posted while it had not looked. The inbox is counted
 * atomically and outlives its loop: a late poster finds it closed.
 *
 *     node.deliver = on_delivery;                           called in the loop's thread, once
 *     rc = asyncio__inbox_post(inbox, &node);               0, or ASYNCIO_ERUNTIME: closed
 *
 * A shared node has room for several posts. While it is the newest, any thread may join it: how
 * many have is counted in the chain's head itself, so that a join is one compare-and-exchange, and
 * who takes the chain knows how many there are.
 */
#ifndef ASYNCIO__LOOP_INBOX_H
#define ASYNCIO__LOOP_INBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/thread.h"
#include "base/patience.h"
#include "engine/engine.h"

typedef struct asyncio__inbox_node {
    _Atomic uint64_t next; /* a link to what was posted before it; see inbox.c */
    /* Called in the loop's thread; closed: the loop has ended, only let go. */
    void (*deliver)(struct asyncio__inbox_node *node, bool closed);
} asyncio__inbox_node_t;

/* A node that others may join. */
typedef struct asyncio__inbox_shared {
    asyncio__inbox_node_t node; /* first, so that both are one address */
    uint32_t joined;            /* posts in it, its own among them; known once it is delivered */
} asyncio__inbox_shared_t;

typedef struct asyncio__inbox {
    char apart[64];            /* what stands before this record must not share the head's line */
    _Atomic uint64_t newest;   /* a link: the head of the chain, latest first */
    atomic_bool asleep;        /* the loop waits, or is about to: wake it */
    atomic_bool closed;        /* nothing is taken any more */
    atomic_uint posters;       /* threads inside a post: the engine must not go away */
    asyncio__engine_t *engine; /* to wake; valid while not closed or posters > 0 */
    unsigned fork_generation;  /* of the process that made it */
    char own[64];              /* what is below is the loop's, but for the count */
    atomic_uint refs;          /* references to this record */
    asyncio__patience_t patience; /* the loop's, before it waits */
    bool is_stream;            /* many posts came at once lately, and more may be coming */
} asyncio__inbox_t;

/* One reference, or NULL. */
asyncio__inbox_t *asyncio__inbox_new(asyncio__engine_t *engine);
asyncio__inbox_t *asyncio__inbox_ref(asyncio__inbox_t *inbox);
void asyncio__inbox_unref(asyncio__inbox_t *inbox);

/* Any thread, signal handlers. The node is the inbox's until it is delivered. */
int asyncio__inbox_post(asyncio__inbox_t *inbox, asyncio__inbox_node_t *node);

/* Posts one that others may join; memory that asyncio__inbox_can_share() allows. */
int asyncio__inbox_post_shared(asyncio__inbox_t *inbox, asyncio__inbox_shared_t *shared);

/* Joins the newest post, if it is a shared one with fewer than `most` posts in it; answers it, and
 * the index of this post; else NULL. The loop waits for what a post that joined promised. */
asyncio__inbox_shared_t *asyncio__inbox_join(asyncio__inbox_t *inbox, uint32_t most,
                                             uint32_t *ret_index);

/* Whether an address leaves room in a link for a count. */
static inline bool asyncio__inbox_can_share(const void *address)
{
    return (uint64_t)(uintptr_t)address >> 48 == 0;
}

/* Whether a post could succeed: not closed, and not a forked child's. Any thread. */
static inline bool asyncio__inbox_is_open(asyncio__inbox_t *inbox)
{
    return inbox->fork_generation == asyncio__fork_generation &&
           !atomic_load_explicit(&inbox->closed, memory_order_relaxed);
}

/* Delivers what was posted, oldest first. Loop thread. */
void asyncio__inbox_take(asyncio__inbox_t *inbox);

/* Takes what is about to come: looks for it a short while, if that was of use lately. */
void asyncio__inbox_expect(asyncio__inbox_t *inbox);

/* Lets a stream of posts come in for a moment, then takes it: what is taken in handfuls costs both
 * threads the time to hand it over, what is taken by the hundred next to nothing. */
void asyncio__inbox_gather(asyncio__inbox_t *inbox);

/* Says that the loop is about to wait: false if there is something to take first. */
bool asyncio__inbox_sleep(asyncio__inbox_t *inbox);
void asyncio__inbox_awake(asyncio__inbox_t *inbox);

/* Refuses posts from now on, waits for those under way, and lets go of what was posted. */
void asyncio__inbox_close(asyncio__inbox_t *inbox);

static inline bool asyncio__inbox_is_empty(asyncio__inbox_t *inbox)
{
    return atomic_load_explicit(&inbox->newest, memory_order_relaxed) == 0;
}

#endif
