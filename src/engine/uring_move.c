/* SPDX-License-Identifier: MIT */
/*
 * A loop that continues on another thread: the kernel ties a ring to one thread, so the engine
 * replaces it. The kernel cannot hand over what it holds: so a loop that may move rests between
 * its runs, which takes everything back while the thread is still the ring's.
 */
#include <errno.h>

#include "base/compiler.h"
#include "engine/uring_engine.h"

/*
 * Replaces the ring by one for this thread and moves the entries that are not yet submitted to
 * it. Fails with -EXDEV while the kernel holds operations of the old ring.
 */
ASYNCIO__COLD int asyncio__uring_move(asyncio__uring_engine_t *engine)
{
    asyncio__uring_t *old = &engine->ring, ring;
    asyncio__uring_t moved;
    uint32_t head = atomic_load_explicit(old->sq_head, memory_order_acquire);
    long unsubmitted = 0;
    asyncio__uring_reap_all(engine);
    for (uint32_t i = head; i != old->tail; i++) {
        unsigned tag = old->sqes[i & old->sq_mask].user_data & ASYNCIO__TAG_MASK;
        unsubmitted += tag != ASYNCIO__TAG_IGNORED && tag != ASYNCIO__TAG_WAKE;
    }
    if (unsubmitted != engine->kernel_count)
        return -EXDEV;
    int rc = asyncio__uring_init(&ring, old->sq_mask + 1, old->cq_mask + 1);
    if (rc < 0)
        return rc;
    for (uint32_t i = head; i != old->tail; i++) {
        const asyncio__uring_sqe_t *sqe = &old->sqes[i & old->sq_mask];
        if ((sqe->user_data & ASYNCIO__TAG_MASK) != ASYNCIO__TAG_WAKE)
            ring.sqes[ring.tail++ & ring.sq_mask] = *sqe;
    }
    /* A program that polls the event descriptor keeps the same one. */
    if (old->event_fd >= 0)
        rc = asyncio__uring_adopt_event_fd(&ring, old);
    moved = *old;
    *old = ring;
    asyncio__uring_fini(&moved);
    engine->is_wake_armed = false;
    engine->buffers.is_registered = false; /* the next receive that needs one registers them */
    return rc < 0 ? rc : asyncio__uring_enable(old);
}

/* Asks the kernel to let go of what it was not asked for yet. */
static void take_all_back(asyncio__uring_engine_t *engine)
{
    asyncio__list_t *link;
    for (link = engine->files.next; link != &engine->files; link = link->next)
        asyncio__uring_take_back(engine,
                                 ASYNCIO__CONTAINER(link, asyncio__uring_file_t, link));
    asyncio__uring_take_watches_back(engine);
}

/* It cannot let go of a file that is being read from a disk: for that this waits five seconds. */
void asyncio__uring_rest(asyncio__engine_t *base)
{
    asyncio__uring_engine_t *engine = asyncio__uring_of(base);
    int idle = engine->is_abandoned ? 5 : 0;
    engine->is_resting = true;
    while (engine->kernel_count > 0 && idle < 5) {
        long before = engine->kernel_count;
        take_all_back(engine);
        int rc = asyncio__uring_submit_and_wait(
            engine, !asyncio__uring_has_completion(&engine->ring), 1000000000);
        asyncio__uring_reap_all(engine);
        if (rc < 0 && rc != -EBUSY && rc != -EAGAIN && rc != -ENOMEM)
            return;
        idle = engine->kernel_count < before ? 0 : idle + 1;
    }
}
