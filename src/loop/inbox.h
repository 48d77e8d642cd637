/* SPDX-License-Identifier: MIT */
/*
 * The inbox: the one way from other threads, and from signal handlers, to a loop.
 *
 *     other threads and signal handlers                     the loop's thread
 *
 *     call_soon_threadsafe, handle wanted   loop_call.c      deliver(): handle.c  \
 *     call_soon_threadsafe, no handle       calls.c          deliver(): calls.c    > ready queue
 *     asyncio_remote_post, signals          remote.c         deliver(): remote.c  /
 *         |                                                      ^
 *         v                                                      |
 *     post() or join()  --->  newest -> node -> node  ---------> take()
 *                             and, once for all posts until the loop looks again:
 *                             asleep? engine->wake() ---------> wait() returns
 *
 * A node is posted by one exchange and waits in a chain until the loop takes the whole chain. The
 * loop is woken once for all posts that come while it has not looked. The inbox has an atomic
 * reference count and outlives its loop: a late post fails.
 *
 *     node.deliver = on_delivery;                           called in the loop's thread, once
 *     rc = asyncio__inbox_post(inbox, &node);               0, or ASYNCIO_ERUNTIME: closed
 *
 * A shared node has room for several posts. While it is the newest, any thread may join it. The
 * number of posts in it is part of the chain's head, so that a join is one compare-and-exchange
 * and the loop learns the number when it takes the chain.
 */
#ifndef ASYNCIO__LOOP_INBOX_H
#define ASYNCIO__LOOP_INBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/patience.h"
#include "base/thread.h"
#include "engine/engine.h"

typedef struct asyncio__inbox_node {
    _Atomic uint64_t next; /* a link to the node that was posted before; see inbox.c */
    /* Called in the loop's thread. closed: the loop has ended, only free what the node holds. */
    void (*deliver)(struct asyncio__inbox_node *node, bool closed);
} asyncio__inbox_node_t;

/* A node that others may join. */
typedef struct asyncio__inbox_shared {
    asyncio__inbox_node_t node; /* first, so that both are one address */
    uint32_t joined;            /* posts in it, the first one included; set at delivery */
    uint32_t bytes;             /* of the whole record, for asyncio__free() */
} asyncio__inbox_shared_t;

#define ASYNCIO__INBOX_SPARES 4 /* empty shared nodes that an inbox keeps */

typedef struct asyncio__inbox {
    char apart[64];            /* keeps the head off the cache line of the block before */
    _Atomic uint64_t newest;   /* a link: the head of the chain, latest first */
    atomic_bool asleep;        /* the loop waits, or is about to: wake it */
    atomic_bool closed;        /* posts fail */
    atomic_uint posters;       /* threads inside a post: the engine must stay open */
    asyncio__engine_t *engine; /* to wake; valid while not closed or posters > 0 */
    unsigned fork_generation;  /* of the process that made it */
    char own[64];              /* the fields below are the loop's, except where atomic */
    _Atomic(asyncio__inbox_shared_t *) spares[ASYNCIO__INBOX_SPARES];
    atomic_uint refs;          /* references to this record */
    asyncio__patience_t patience; /* the loop's, before it waits */
    bool is_stream;            /* many posts came at once lately: more may be coming */
} asyncio__inbox_t;

/* Returns a new inbox with one reference, or NULL. */
asyncio__inbox_t *asyncio__inbox_new(asyncio__engine_t *engine);
asyncio__inbox_t *asyncio__inbox_ref(asyncio__inbox_t *inbox);
void asyncio__inbox_unref(asyncio__inbox_t *inbox);

/* Posts a node, which belongs to the inbox until it is delivered. Any thread, signal handlers. */
int asyncio__inbox_post(asyncio__inbox_t *inbox, asyncio__inbox_node_t *node);

/* Posts a node that others may join, in memory that asyncio__inbox_can_share() accepts. */
int asyncio__inbox_post_shared(asyncio__inbox_t *inbox, asyncio__inbox_shared_t *shared);

/* Joins the newest post, if it is a shared one with fewer than `most` posts in it. Returns it and
 * the index of this post, or NULL. The caller must fill its entry soon: the loop waits for it. */
asyncio__inbox_shared_t *asyncio__inbox_join(asyncio__inbox_t *inbox, uint32_t most,
                                             uint32_t *ret_index);

/* Keeps an empty shared node for a later post, or frees it; returns a kept one, or NULL. */
void asyncio__inbox_put_spare(asyncio__inbox_t *inbox, asyncio__inbox_shared_t *shared);
asyncio__inbox_shared_t *asyncio__inbox_get_spare(asyncio__inbox_t *inbox);

/* Whether an address leaves room in a link for a count. */
static inline bool asyncio__inbox_can_share(const void *address)
{
    return (uint64_t)(uintptr_t)address >> 48 == 0;
}

/* Whether a post would succeed: the inbox is not closed and this is no forked child. Any thread. */
static inline bool asyncio__inbox_is_open(asyncio__inbox_t *inbox)
{
    return inbox->fork_generation == asyncio__fork_generation &&
           !atomic_load_explicit(&inbox->closed, memory_order_relaxed);
}

/* Delivers everything that was posted, oldest first. Loop thread. */
void asyncio__inbox_take(asyncio__inbox_t *inbox);

/* Looks for posts for some microseconds, if that was useful lately, and delivers them. */
void asyncio__inbox_expect(asyncio__inbox_t *inbox);

/* Lets posts collect for a moment, then delivers them: many at once cost both threads far less for
 * each post than a few at a time. */
void asyncio__inbox_gather(asyncio__inbox_t *inbox);

/* Called before the loop waits. Returns false if there are posts to take first. */
bool asyncio__inbox_sleep(asyncio__inbox_t *inbox);
void asyncio__inbox_awake(asyncio__inbox_t *inbox);

/* Refuses posts from now on, waits for those under way, and delivers the rest as closed. */
void asyncio__inbox_close(asyncio__inbox_t *inbox);

static inline bool asyncio__inbox_is_empty(asyncio__inbox_t *inbox)
{
    return atomic_load_explicit(&inbox->newest, memory_order_relaxed) == 0;
}

#endif
