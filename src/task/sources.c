/* SPDX-License-Identifier: MIT */
/* Awaitables made futures, each once; see sources.h. */
#include "task/sources.h"

#include <string.h>

#include "base/memory.h"
#include "coroutine/coroutine.h"
#include "task/task.h"

/* An array of more awaitables than that would not fit in memory. */
#define SOURCES_MOST ((size_t)1 << 30)

void asyncio__sources_fini(asyncio__sources_t *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        asyncio_future_unref(sources->futures[i]);
    asyncio__free(sources->futures, sources->source_count * sizeof(*sources->futures));
    asyncio__free(sources->places, sources->source_count * sizeof(*sources->places));
    *sources = (asyncio__sources_t){0};
}

/* The source at that index stood there before. Until one does, each has a place of its own, and
 * the places are not written down. */
static int place_again(asyncio__sources_t *sources, size_t at, const asyncio_awaitable_t *awaitable)
{
    if (!sources->places) {
        sources->places = asyncio__malloc(sources->source_count * sizeof(*sources->places));
        if (!sources->places)
            return asyncio__fail(-ENOMEM, NULL);
        for (size_t i = 0; i < at; i++)
            sources->places[i] = (uint32_t)i;
    }
    uint32_t place = 0;
    while ((const void *)sources->futures[place] != awaitable)
        place++;
    sources->places[at] = place;
    return 0;
}

/* Where the source at that index stands among those that are different, and whether it can be one.
 * Nothing is started yet: what is marked is known to nobody else. */
static int place(asyncio_loop_t *loop, asyncio_awaitable_t *const *awaitables, size_t at,
                 asyncio__sources_t *sources)
{
    asyncio_awaitable_t *awaitable = awaitables[at];
    if (asyncio_iscoroutine(awaitable)) {
        asyncio_coroutine_t *coroutine = awaitable;
        if (coroutine->is_marked) {
            int rc = place_again(sources, at, coroutine);
            asyncio_coroutine_unref(coroutine);
            return rc;
        }
        coroutine->is_marked = true;
        sources->has_coroutines = true;
    } else {
        if (!awaitable)
            return asyncio__fail_null();
        asyncio_future_t *future = asyncio__ensure_future(loop, awaitable);
        if (!future) {
            int rc = asyncio_errno();
            return rc < 0 ? rc : -EINVAL;
        }
        if (future->is_marked) {
            int rc = place_again(sources, at, future);
            asyncio_future_unref(future);
            return rc;
        }
        future->is_marked = true;
    }
    if (sources->places)
        sources->places[at] = (uint32_t)sources->count;
    sources->futures[sources->count++] = awaitable;
    return 0;
}

void asyncio__sources_unmark(const asyncio__sources_t *sources)
{
    for (size_t i = 0; i < sources->count; i++) {
        asyncio_awaitable_t *source = sources->futures[i];
        if (sources->has_coroutines && asyncio_iscoroutine(source))
            ((asyncio_coroutine_t *)source)->is_marked = false;
        else
            ((asyncio_future_t *)source)->is_marked = false;
    }
}

/* Makes tasks of the coroutine objects, in order. Those that begin at once may do anything, so none
 * of the marks is left. On failure what is behind is given up. */
static int start(asyncio_loop_t *loop, asyncio__sources_t *sources)
{
    size_t count = sources->count;
    for (size_t i = 0; i < count; i++) {
        if (!asyncio_iscoroutine(sources->futures[i]))
            continue;
        sources->futures[i] = asyncio__ensure_future(loop, sources->futures[i]);
        if (sources->futures[i])
            continue;
        int rc = asyncio_errno();
        sources->count = i;
        for (size_t behind = i + 1; behind < count; behind++) {
            if (asyncio_iscoroutine(sources->futures[behind]))
                asyncio__discard(sources->futures[behind]);
            else
                asyncio_future_unref(sources->futures[behind]);
        }
        return rc < 0 ? rc : -EINVAL;
    }
    return 0;
}

int asyncio__sources_collect(asyncio_loop_t *loop, asyncio_awaitable_t *const *awaitables,
                             size_t count, asyncio__sources_t *ret_sources)
{
    int rc = asyncio__sources_collect_marked(loop, awaitables, count, ret_sources);
    if (rc == 0)
        asyncio__sources_unmark(ret_sources);
    return rc;
}

int asyncio__sources_collect_marked(asyncio_loop_t *loop, asyncio_awaitable_t *const *awaitables,
                                    size_t count, asyncio__sources_t *ret_sources)
{
    asyncio__sources_t sources = {.source_count = count};
    int rc = 0;
    if (count > SOURCES_MOST || (count && !awaitables))
        return asyncio__fail(-EINVAL, awaitables ? "\"count\" must not exceed 1 << 30"
                                                 : "\"awaitables\" must not be NULL");
    size_t at = 0;
    if (count) {
        sources.futures = asyncio__malloc(count * sizeof(*sources.futures));
        if (!sources.futures)
            rc = asyncio__fail(-ENOMEM, NULL);
    }
    while (rc == 0 && at < count)
        rc = place(loop, awaitables, at++, &sources);
    if (rc < 0 || sources.has_coroutines)
        asyncio__sources_unmark(&sources);
    /* What stands before a bad one is started all the same, as in asyncio. */
    asyncio_error_t *error = rc < 0 ? asyncio__error_take() : NULL;
    int started = sources.has_coroutines ? start(loop, &sources) : 0;
    if (rc < 0)
        asyncio__ignore(asyncio__fail_with(rc, error));
    else
        rc = started;
    if (rc < 0) {
        for (; at < count; at++)
            asyncio__discard(awaitables[at]);
        asyncio__sources_fini(&sources);
        return rc;
    }
    *ret_sources = sources;
    return 0;
}

/* --- arrays of awaitables that coroutine objects hold -------------------------------------- */

struct array {
    asyncio_awaitable_t **awaitables; /* the caller's; once they are kept, a copy */
    size_t count;                     /* of awaitables */
};

int asyncio__awaitables_keep(void *arguments)
{
    struct array *array = arguments;
    asyncio_awaitable_t **given = array->awaitables;
    if (!given && array->count) {
        array->count = 0;
        return asyncio__fail(-EINVAL, "\"awaitables\" must not be NULL");
    }
    size_t size = array->count * sizeof(*given);
    array->awaitables = asyncio__malloc(size);
    if (array->awaitables && size)
        memcpy(array->awaitables, given, size);
    for (size_t i = 0; !array->awaitables && i < array->count; i++)
        asyncio__discard(given[i]);
    return array->awaitables ? 0 : asyncio__fail(-ENOMEM, NULL);
}

void asyncio__awaitables_drop(void *arguments)
{
    struct array *array = arguments;
    for (size_t i = 0; array->awaitables && i < array->count; i++)
        asyncio__discard(array->awaitables[i]);
    asyncio__awaitables_taken(arguments);
}

void asyncio__awaitables_taken(void *arguments)
{
    struct array *array = arguments;
    asyncio__free(array->awaitables, array->count * sizeof(*array->awaitables));
    array->awaitables = NULL;
}
