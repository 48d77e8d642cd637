/* SPDX-License-Identifier: MIT */
/* The inbox of a loop; see inbox.h. */
#include "loop/inbox.h"

#include <asyncio/error.h>

#include "base/memory.h"
#include "base/thread.h"

/*
 * A link is the address of a node, or 0. A link to a shared node has its lowest bit set, and the
 * number of posts in the node in its upper sixteen bits.
 */
#define SHARED      ((uint64_t)1)
#define JOINED_UNIT ((uint64_t)1 << 48)

/* The next of a node that is in the chain while its poster has not yet linked it. */
#define UNLINKED ((uint64_t)2)

/* STREAM_LEAST posts in one node are a stream. The loop then waits for more for GATHER_ROUNDS, some
 * microseconds: less than it would take to sleep and be woken. */
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
    if (!inbox || atomic_fetch_sub_explicit(&inbox->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (asyncio__inbox_shared_t *spare; (spare = asyncio__inbox_get_spare(inbox));)
        asyncio__free(spare, spare->bytes);
    asyncio__free(inbox, sizeof(*inbox));
}

void asyncio__inbox_put_spare(asyncio__inbox_t *inbox, asyncio__inbox_shared_t *shared)
{
    for (size_t i = 0; shared && i < ASYNCIO__INBOX_SPARES; i++)
        /* Release and acquire: the next poster finds it empty. */
        shared = atomic_exchange_explicit(&inbox->spares[i], shared, memory_order_acq_rel);
    if (shared)
        asyncio__free(shared, shared->bytes);
}

asyncio__inbox_shared_t *asyncio__inbox_get_spare(asyncio__inbox_t *inbox)
{
    for (size_t i = 0; i < ASYNCIO__INBOX_SPARES; i++) {
        if (!atomic_load_explicit(&inbox->spares[i], memory_order_relaxed))
            continue;
        asyncio__inbox_shared_t *spare =
            atomic_exchange_explicit(&inbox->spares[i], NULL, memory_order_acquire);
        if (spare)
            return spare;
    }
    return NULL;
}

static int post(asyncio__inbox_t *inbox, asyncio__inbox_node_t *node, uint64_t link)
{
    if (inbox->fork_generation != asyncio__fork_generation)
        return ASYNCIO_ERUNTIME;
    /* Sequentially consistent with asyncio__inbox_close(): either the closer sees this poster, or
     * this poster sees that the inbox is closed. */
    atomic_fetch_add(&inbox->posters, 1);
    if (atomic_load(&inbox->closed)) {
        atomic_fetch_sub(&inbox->posters, 1);
        return ASYNCIO_ERUNTIME;
    }
    atomic_store_explicit(&node->next, UNLINKED, memory_order_relaxed);
    uint64_t before = atomic_exchange(&inbox->newest, link);
    /* Release, for the acquire in take_chain(): a thread that sees the link sees the node. */
    atomic_store_explicit(&node->next, before, memory_order_release);
    /* Sequentially consistent with asyncio__inbox_sleep(): the loop sets asleep, then looks at the
     * chain; the poster changes the chain, then looks at asleep. */
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
        /* Acquire: the entries are as the first poster left them. No wake-up is needed, because
         * the poster of the node has made it. The node itself is not read before the exchange,
         * so it may have been freed and used again meanwhile. */
        if (atomic_compare_exchange_weak_explicit(&inbox->newest, &newest, newest + JOINED_UNIT,
                                                  memory_order_acq_rel, memory_order_relaxed)) {
            *ret_index = joined_of(newest);
            return (asyncio__inbox_shared_t *)node_of(newest);
        }
    }
    return NULL;
}

/* Takes the whole chain and returns its oldest node; the nodes are linked by plain addresses. */
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
        /* The poster is between its two stores, and will be done in a moment. */
        while ((link = atomic_load_explicit(&node->next, memory_order_acquire)) == UNLINKED)
            asyncio__pause_or_sleep(&rounds);
        atomic_store_explicit(&node->next, (uintptr_t)oldest, memory_order_relaxed);
        oldest = node;
    }
    return oldest;
}

static void deliver_all(asyncio__inbox_t *inbox, bool closed)
{
    asyncio__inbox_node_t *node = take_chain(inbox);
    while (node) {
        /* After its delivery a node may be posted again or freed. */
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
    /* The chain's head is not read meanwhile, so that its cache line stays with the posters. */
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
    /* It is rarely set; a write would take the line of the head from the posters. */
    if (atomic_load_explicit(&inbox->asleep, memory_order_relaxed))
        atomic_store_explicit(&inbox->asleep, false, memory_order_relaxed);
}

void asyncio__inbox_close(asyncio__inbox_t *inbox)
{
    atomic_store(&inbox->closed, true);
    uint32_t rounds = 0;
    while (atomic_load(&inbox->posters) > 0)
        asyncio__pause_or_sleep(&rounds);
    deliver_all(inbox, /* closed= */ true);
}
