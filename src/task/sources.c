/* SPDX-License-Identifier: MIT */
/* Awaitables made futures, each once; see sources.h. */
#include "task/sources.h"

#include "base/memory.h"
#include "coroutine/coroutine.h"
#include "task/task.h"

/* An array of so many awaitables would not fit any memory. */
#define SOURCES_MOST ((size_t)1 << 30)

void asyncio__sources_fini(asyncio__sources_t *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        asyncio_future_unref(sources->futures[i]);
    asyncio__free(sources->futures, sources->source_count * sizeof(*sources->futures));
    asyncio__free(sources->places, sources->source_count * sizeof(*sources->places));
    *sources = (asyncio__sources_t){0};
}

/* Where the same coroutine object stood before. */
static size_t find_same(asyncio_awaitable_t *const *awaitables, size_t at)
{
    size_t i = 0;
    while (awaitables[i] != awaitables[at])
        i++;
    return i;
}

static size_t find_future(const asyncio__sources_t *sources, const asyncio_future_t *future)
{
    size_t i = 0;
    while (sources->futures[i] != future)
        i++;
    return i;
}

static int add(asyncio_loop_t *loop, asyncio_awaitable_t *const *awaitables, size_t at,
               asyncio__sources_t *sources)
{
    asyncio_awaitable_t *awaitable = awaitables[at];
    bool is_coroutine = asyncio_iscoroutine(awaitable);
    if (is_coroutine && ((asyncio_coroutine_t *)awaitable)->is_marked) {
        asyncio_coroutine_unref(awaitable);
        sources->places[at] = sources->places[find_same(awaitables, at)];
        return 0;
    }
    if (!awaitable)
        return asyncio__fail_null();
    asyncio_future_t *future = asyncio__ensure_future(loop, awaitable);
    if (!future) {
        int rc = asyncio_errno();
        return rc < 0 ? rc : -EINVAL;
    }
    if (future->is_marked) {
        sources->places[at] = (uint32_t)find_future(sources, future);
        asyncio_future_unref(future);
        return 0;
    }
    future->is_marked = true;
    sources->places[at] = (uint32_t)sources->count;
    sources->futures[sources->count++] = future;
    if (is_coroutine) { /* which its task holds until it has run */
        ((asyncio_coroutine_t *)awaitable)->is_marked = true;
        sources->has_coroutines = true;
    }
    return 0;
}

int asyncio__sources_collect(asyncio_loop_t *loop, asyncio_awaitable_t *const *awaitables,
                             size_t count, asyncio__sources_t *ret_sources)
{
    asyncio__sources_t sources = {.source_count = count};
    int rc = 0;
    if (count > SOURCES_MOST || (count && !awaitables))
        return asyncio__fail(-EINVAL, "bad awaitables");
    size_t at = 0;
    if (count) {
        sources.futures = asyncio__malloc(count * sizeof(*sources.futures));
        sources.places = asyncio__malloc(count * sizeof(*sources.places));
        if (!sources.futures || !sources.places)
            rc = asyncio__fail(-ENOMEM, NULL);
    }
    for (; rc == 0 && at < count; at++)
        rc = add(loop, awaitables, at, &sources);
    for (size_t i = 0; i < sources.count; i++) {
        asyncio_future_t *future = sources.futures[i];
        future->is_marked = false;
        if (sources.has_coroutines && asyncio_task_get_coro(future))
            asyncio_task_get_coro(future)->is_marked = false;
    }
    if (rc < 0) {
        for (; at < count; at++)
            asyncio__discard(awaitables[at]);
        asyncio__sources_fini(&sources);
        return rc;
    }
    *ret_sources = sources;
    return 0;
}
