/* SPDX-License-Identifier: MIT */
/*
 * The awaitables that gather, wait and as_completed are given: each once, as futures.
 *
 * Coroutine objects become tasks, in order; they are taken, also on failure.
 */
#ifndef ASYNCIO__TASK_SOURCES_H
#define ASYNCIO__TASK_SOURCES_H

#include "task/future.h"

typedef struct asyncio__sources {
    size_t source_count;        /* as given */
    size_t count;               /* of different futures */
    asyncio_future_t **futures; /* each with a reference; in order of first appearance */
    uint32_t *places;           /* of each source: the index of its future; NULL: its own */
    bool has_coroutines;        /* some were coroutine objects */
} asyncio__sources_t;

/* The future of a source. */
static inline asyncio_future_t *asyncio__sources_at(const asyncio__sources_t *sources, size_t index)
{
    return sources->futures[sources->places ? sources->places[index] : index];
}

/* 0, or -EINVAL, -ENOMEM, ASYNCIO_ERUNTIME with the slot filled. */
int asyncio__sources_collect(asyncio_loop_t *loop, asyncio_awaitable_t *const *awaitables,
                             size_t count, asyncio__sources_t *ret_sources);

/* The same for a caller that visits each of them next, and clears its mark (is_marked) then: that
 * saves a pass over records that are not in the cache. */
int asyncio__sources_collect_marked(asyncio_loop_t *loop, asyncio_awaitable_t *const *awaitables,
                                    size_t count, asyncio__sources_t *ret_sources);
void asyncio__sources_unmark(const asyncio__sources_t *sources);

void asyncio__sources_fini(asyncio__sources_t *sources);

/* For ASYNCIO__TWIN_KEPT() where the arguments begin with an array of awaitables and its count. The
 * object has a copy of the array, and takes the coroutine objects in it, also on failure. */
int asyncio__awaitables_keep(void *arguments);
void asyncio__awaitables_drop(void *arguments);

/* The call that the object makes has taken them. */
void asyncio__awaitables_taken(void *arguments);

#endif
