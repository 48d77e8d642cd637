/* SPDX-License-Identifier: MIT */
/* The awaiters of a future, and what a task waits for; see future_awaiters.h. */
#include "task/future_awaiters.h"

#include <asyncio/call_graph.h>

#include "base/error.h"

/* Gatherings of gatherings are followed to this depth; a deeper one is itself an awaiter. */
#define DEPTH_MOST 32

static asyncio_future_t *follower_of(asyncio__callback_t *callback)
{
    if (callback->ready.run == asyncio__task_step)
        return &ASYNCIO__CONTAINER(callback, asyncio__task_t, wait)->future;
    asyncio_future_t *follower = asyncio__gather_follower(callback);
    if (!follower)
        follower = asyncio__shield_follower(callback);
    if (!follower)
        follower = asyncio__wait_follower(callback);
    if (!follower)
        follower = asyncio__wait_for_follower(callback);
    if (!follower)
        follower = asyncio__as_completed_follower(callback);
    if (!follower)
        follower = asyncio__task_group_follower(callback);
    return follower && !asyncio__future_is_done(follower) ? follower : NULL;
}

/* A walk over the awaiters of a future. */
struct walk {
    asyncio__awaiter_visit_t *visit; /* called with each awaiter */
    void *arg;                       /* passed to it */
    bool has_ended;                  /* visit() has returned false */
};

/* Returns whether anyone waits. */
static bool visit_from(asyncio_future_t *future, unsigned depth, struct walk *walk)
{
    bool any = false;
    asyncio__callback_t *at = asyncio__future_callbacks(future);
    for (; at && !walk->has_ended; at = at->next) {
        asyncio_future_t *follower = follower_of(at);
        if (!follower)
            continue;
        bool is_through = !asyncio__is_task(follower) && depth < DEPTH_MOST &&
                          visit_from(follower, depth + 1, walk);
        any = any || is_through;
        if (is_through || asyncio__future_is_in_frame(follower))
            continue;
        any = true;
        walk->has_ended = !walk->visit(follower, walk->arg);
    }
    return any;
}

void asyncio__awaiters_visit(asyncio_future_t *future, asyncio__awaiter_visit_t *visit, void *arg)
{
    struct walk walk = {visit, arg, false};
    visit_from(future, 0, &walk);
}

/* --- public -------------------------------------------------------------------------------- */

/* Where the awaiters are put. */
struct room {
    asyncio_future_t **futures; /* NULL: they are only counted */
    size_t capacity;            /* of futures */
    size_t count;               /* of awaiters */
};

static bool put(asyncio_future_t *awaiter, void *arg)
{
    struct room *room = arg;
    if (room->futures && room->count < room->capacity)
        room->futures[room->count] = asyncio_future_ref(awaiter);
    room->count++;
    return true;
}

long asyncio_future_awaited_by(asyncio_future_t *future, asyncio_future_t **ret_futures,
                               size_t capacity)
{
    int rc = asyncio__future_check(future);
    if (rc < 0)
        return rc;
    struct room room = {ret_futures, capacity, 0};
    asyncio__awaiters_visit(future, put, &room);
    return (long)room.count;
}
