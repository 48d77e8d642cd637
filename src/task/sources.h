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
    uint32_t *places;           /* of each source: the index of its future */
    bool has_coroutines;        /* some were coroutine objects */
} asyncio__sources_t;

/* 0, or -EINVAL, -ENOMEM, ASYNCIO_ERUNTIME with the slot filled. */
int asyncio__sources_collect(asyncio_loop_t *loop, asyncio_awaitable_t *const *awaitables,
                             size_t count, asyncio__sources_t *ret_sources);

void asyncio__sources_fini(asyncio__sources_t *sources);

#endif
