/* SPDX-License-Identifier: MIT */
/* Futures whose outcome another thread posts; see posted_future.h. */
#include "executor/posted_future.h"

#include "base/memory.h"

static void drop_owner(asyncio__posted_future_t *posted)
{
    /* Release here, acquire in the last one: it frees what the other has written. */
    if (atomic_fetch_sub_explicit(&posted->owners, 1, memory_order_acq_rel) != 1)
        return;
    asyncio__inbox_unref(posted->inbox);
    asyncio__free(posted, posted->future.class->size_bytes);
}

void asyncio__posted_future_drop_poster(asyncio__posted_future_t *posted)
{
    drop_owner(posted);
}

void asyncio__posted_future_release(asyncio_future_t *future)
{
    drop_owner(asyncio__posted_future_of(future));
}

static void deliver(asyncio__inbox_node_t *node, bool closed)
{
    asyncio__posted_future_t *posted = ASYNCIO__CONTAINER(node, asyncio__posted_future_t, node);
    posted->settle(posted, closed);
    drop_owner(posted);
    if (!closed)
        asyncio__posted_future_forget(posted); /* else the close has done that before */
}

/* The job continues without the loop; its future stays pending. */
static void close_entry(asyncio__executor_entry_t *entry)
{
    asyncio__posted_future_forget(ASYNCIO__CONTAINER(entry, asyncio__posted_future_t, entry));
}

asyncio__posted_future_t *
asyncio__posted_future_new(asyncio_loop_t *loop, const asyncio__future_class_t *class,
                           void (*settle)(asyncio__posted_future_t *posted, bool closed),
                           const char *place)
{
    if (!asyncio__executor_state(loop))
        return NULL;
    asyncio_future_t *future = asyncio__future_new(loop, class, place);
    if (!future)
        return NULL;
    asyncio__posted_future_t *posted = asyncio__posted_future_of(future);
    posted->node.deliver = deliver;
    posted->inbox = asyncio__inbox_ref(loop->inbox);
    posted->entry.close = close_entry;
    posted->settle = settle;
    atomic_init(&posted->owners, 1);
    return posted;
}

void asyncio__posted_future_expect(asyncio__posted_future_t *posted, bool is_job)
{
    asyncio_loop_t *loop = posted->future.loop;
    asyncio__list_append(&loop->executors->entries, &posted->entry.link);
    posted->is_job = is_job;
    loop->jobs += is_job;
    posted->future.refs++;
    /* Relaxed: no other thread knows the future yet. */
    atomic_store_explicit(&posted->owners, 2, memory_order_relaxed);
}

void asyncio__posted_future_forget(asyncio__posted_future_t *posted)
{
    if (!asyncio__list_is_member(&posted->entry.link))
        return;
    asyncio__list_remove(&posted->entry.link);
    posted->future.loop->jobs -= posted->is_job;
    asyncio_future_unref(&posted->future);
}

void asyncio__posted_future_post(asyncio__posted_future_t *posted)
{
    /* After the post, the future and its reference to the inbox may have been freed; the loop's own
     * reference has not: its close waits for threads that are inside a post. */
    if (asyncio__inbox_post(posted->inbox, &posted->node) < 0) {
        posted->settle(posted, /* closed= */ true);
        drop_owner(posted);
    }
}
