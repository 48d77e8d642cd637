/* SPDX-License-Identifier: MIT */
/* The inbox of a loop; see inbox.h. */
#include "loop/inbox.h"

#include <asyncio/error.h>
#include <sched.h>

#include "base/memory.h"
#include "base/thread.h"

/* Stands in a node's next while its poster has not yet linked it. */
static asyncio__inbox_node_t unlinked;

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

int asyncio__inbox_post(asyncio__inbox_t *inbox, asyncio__inbox_node_t *node)
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
    atomic_store_explicit(&node->next, &unlinked, memory_order_relaxed);
    asyncio__inbox_node_t *before = atomic_exchange(&inbox->newest, node);
    /* Release, for the acquire in take(): whoever sees the link sees the node before it. */
    atomic_store_explicit(&node->next, before, memory_order_release);
    /* Sequentially consistent with sleep(): it says asleep, then looks; we post, then look. */
    if (atomic_load(&inbox->asleep) && atomic_exchange(&inbox->asleep, false))
        inbox->engine->class->wake(inbox->engine);
    atomic_fetch_sub(&inbox->posters, 1);
    return 0;
}

/* The chain, oldest first. */
static asyncio__inbox_node_t *take_chain(asyncio__inbox_t *inbox)
{
    asyncio__inbox_node_t *node = atomic_exchange(&inbox->newest, NULL);
    asyncio__inbox_node_t *oldest = NULL;
    while (node) {
        asyncio__inbox_node_t *before;
        /* A poster is between its two stores: it will be done in a moment. */
        while ((before = atomic_load_explicit(&node->next, memory_order_acquire)) == &unlinked)
            sched_yield();
        atomic_store_explicit(&node->next, oldest, memory_order_relaxed);
        oldest = node;
        node = before;
    }
    return oldest;
}

static void deliver_all(asyncio__inbox_t *inbox, bool closed)
{
    asyncio__inbox_node_t *node = take_chain(inbox);
    while (node) {
        /* Delivered, a node may be posted again or freed. */
        asyncio__inbox_node_t *next = atomic_load_explicit(&node->next, memory_order_relaxed);
        node->deliver(node, closed);
        node = next;
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

bool asyncio__inbox_sleep(asyncio__inbox_t *inbox)
{
    atomic_store(&inbox->asleep, true);
    if (atomic_load(&inbox->newest) == NULL)
        return true;
    atomic_store_explicit(&inbox->asleep, false, memory_order_relaxed);
    return false;
}

void asyncio__inbox_awake(asyncio__inbox_t *inbox)
{
    atomic_store_explicit(&inbox->asleep, false, memory_order_relaxed);
}

void asyncio__inbox_close(asyncio__inbox_t *inbox)
{
    atomic_store(&inbox->closed, true);
    while (atomic_load(&inbox->posters) > 0)
        sched_yield();
    deliver_all(inbox, /* closed= */ true);
}
