/* SPDX-License-Identifier: MIT */
/* The inbox of a loop; see inbox.h. */
#include "loop/inbox.h"

#include <asyncio/error.h>
#include <sched.h>

#include "base/memory.h"
#include "base/thread.h"

/*
 * A link: the address of a node, or 0. Of a shared one: with the lowest bit set, and in the upper
 * sixteen how many posts are in it.
 */
#define SHARED      ((uint64_t)1)
#define JOINED_UNIT ((uint64_t)1 << 48)

/* Stands in a node's next while its poster has not yet linked it. */
#define UNLINKED ((uint64_t)2)

/* So many posts in one node are a stream, for which the loop waits so many rounds: some
 * microseconds, less than it would take to sleep and be woken. */
#define STREAM_LEAST  8
#define GATHER_ROUNDS 400

static asyncio__inbox_node_t *node_of(uint64_t link)
{
    if (link & SHARED)
        link &= JOINED_UNIT - 2;
    return (asyncio__inbox_node_t *)(uintptr_t)link;
}

static uint32_t joined_of(uint64_t link)
{
    return (uint32_t)(link / JOINED_UNIT);
}

asyncio__inbox_t *asyncio__inbox_new(asyncio__engine_t *engine)
{
    asyncio__inbox_t *inbox = asyncio__calloc(sizeof(*inbox));
    if (!inbox)
        return NULL;
    atomic_init(&inbox->refs, 1);
    inbox->engine = engine;
    inbox->fork_generation = asyncio__fork_generation;
    return inbox;
}

asyncio__inbox_t *asyncio__inbox_ref(asyncio__inbox_t *inbox)
{
    atomic_fetch_add_explicit(&inbox->refs, 1, memory_order_relaxed);
    return inbox;
}

void asyncio__inbox_unref(asyncio__inbox_t *inbox)
{
    /* Release here, acquire in the last one: it frees what the others have written. */
    if (inbox && atomic_fetch_sub_explicit(&inbox->refs, 1, memory_order_acq_rel) == 1)
        asyncio__free(inbox, sizeof(*inbox));
}

/* The node, and the link to it. */
static int post(asyncio__inbox_t *inbox, asyncio__inbox_node_t *node, uint64_t link)
{
    if (inbox->fork_generation != asyncio__fork_generation)
        return ASYNCIO_ERUNTIME;
    /* Sequentially consistent with closed below: either the closer sees this poster, or the
     * poster sees that it is closed. */
    atomic_fetch_add(&inbox->posters, 1);
    if (atomic_load(&inbox->closed)) {
        atomic_fetch_sub(&inbox->posters, 1);
        return ASYNCIO_ERUNTIME;
    }
    atomic_store_explicit(&node->next, UNLINKED, memory_order_relaxed);
    uint64_t before = atomic_exchange(&inbox->newest, link);
    /* Release, for the acquire in take(): whoever sees the link sees the node before it. */
    atomic_store_explicit(&node->next, before, memory_order_release);
    /* Sequentially consistent with sleep(): it says asleep, then looks; we post, then look. */
    if (atomic_load(&inbox->asleep) && atomic_exchange(&inbox->asleep, false))
        inbox->engine->class->wake(inbox->engine);
    atomic_fetch_sub(&inbox->posters, 1);
    return 0;
}

int asyncio__inbox_post(asyncio__inbox_t *inbox, asyncio__inbox_node_t *node)
{
    return post(inbox, node, (uintptr_t)node);
}

int asyncio__inbox_post_shared(asyncio__inbox_t *inbox, asyncio__inbox_shared_t *shared)
{
    return post(inbox, &shared->node, (uintptr_t)shared | SHARED | JOINED_UNIT);
}

asyncio__inbox_shared_t *asyncio__inbox_join(asyncio__inbox_t *inbox, uint32_t most,
                                             uint32_t *ret_index)
{
    uint64_t newest = atomic_load_explicit(&inbox->newest, memory_order_relaxed);
    while ((newest & SHARED) && joined_of(newest) < most) {
        /* Acquire: the room in it is as its poster left it. No wake: whoever finds the chain
         * empty behind its own look wakes, and this chain was not. Nothing of it is touched
         * before the exchange, so that it does not matter whose memory it was a moment ago. */
        if (atomic_compare_exchange_weak_explicit(&inbox->newest, &newest, newest + JOINED_UNIT,
                                                  memory_order_acq_rel, memory_order_relaxed)) {
            *ret_index = joined_of(newest);
            return (asyncio__inbox_shared_t *)node_of(newest);
        }
    }
    return NULL;
}

/* The chain, oldest first: its nodes are linked by their plain addresses. */
static asyncio__inbox_node_t *take_chain(asyncio__inbox_t *inbox)
{
    uint64_t link = atomic_exchange(&inbox->newest, 0);
    asyncio__inbox_node_t *oldest = NULL;
    uint32_t rounds = 0;
    while (link) {
        asyncio__inbox_node_t *node = node_of(link);
        if (link & SHARED) {
            ((asyncio__inbox_shared_t *)node)->joined = joined_of(link);
            inbox->is_stream = inbox->is_stream || joined_of(link) >= STREAM_LEAST;
        }
        /* A poster is between its two stores: it will be done in a moment. */
        while ((link = atomic_load_explicit(&node->next, memory_order_acquire)) == UNLINKED)
            asyncio__pause_or_yield(&rounds);
        atomic_store_explicit(&node->next, (uintptr_t)oldest, memory_order_relaxed);
        oldest = node;
    }
    return oldest;
}

static void deliver_all(asyncio__inbox_t *inbox, bool closed)
{
    asyncio__inbox_node_t *node = take_chain(inbox);
    while (node) {
        /* Delivered, a node may be posted again or freed. */
        uint64_t next = atomic_load_explicit(&node->next, memory_order_relaxed);
        node->deliver(node, closed);
        node = node_of(next);
    }
}

void asyncio__inbox_take(asyncio__inbox_t *inbox)
{
    if (!asyncio__inbox_is_empty(inbox))
        deliver_all(inbox, /* closed= */ false);
}

void asyncio__inbox_expect(asyncio__inbox_t *inbox)
{
    uint32_t rounds = asyncio__patience_rounds(&inbox->patience);
    if (rounds == 0)
        return;
    for (; rounds > 0 && asyncio__inbox_is_empty(inbox); rounds--)
        asyncio__pause();
    asyncio__patience_learn(&inbox->patience, rounds > 0);
    asyncio__inbox_take(inbox);
}

void asyncio__inbox_gather(asyncio__inbox_t *inbox)
{
    /* Without a look at the chain, which would fetch it away from who posts. */
    for (int rounds = 0; rounds < GATHER_ROUNDS; rounds++)
        asyncio__pause();
    inbox->is_stream = false; /* unless the chain is one again */
    asyncio__inbox_take(inbox);
}

bool asyncio__inbox_sleep(asyncio__inbox_t *inbox)
{
    atomic_store(&inbox->asleep, true);
    if (atomic_load(&inbox->newest) == 0)
        return true;
    atomic_store_explicit(&inbox->asleep, false, memory_order_relaxed);
    return false;
}

void asyncio__inbox_awake(asyncio__inbox_t *inbox)
{
    /* Mostly it is not set: then who posts keeps the line of the head. */
    if (atomic_load_explicit(&inbox->asleep, memory_order_relaxed))
        atomic_store_explicit(&inbox->asleep, false, memory_order_relaxed);
}

void asyncio__inbox_close(asyncio__inbox_t *inbox)
{
    atomic_store(&inbox->closed, true);
    while (atomic_load(&inbox->posters) > 0)
        sched_yield();
    deliver_all(inbox, /* closed= */ true);
}
