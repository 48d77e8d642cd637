/* SPDX-License-Identifier: MIT */
/*
 * Rows of calls from other threads; see calls.h.
 *
 * A row is used in a cycle: a poster takes a spare row or allocates one and posts it with its call
 * in it; other posters join; the loop takes the row, runs it as one item of the ready queue, and
 * keeps it empty as a spare. All calls of a row become ready at once with nothing between them, so
 * one item runs them in the same order as one item each would.
 */
#include "loop/calls.h"

#include "base/context.h"
#include "base/memory.h"
#include "base/patience.h"
#include "loop/report.h"

#define CALLS_MOST  252 /* makes a row one page */
#define AHEAD_BYTES 256 /* how far ahead a cache line is fetched from the other processor */

struct call {
    _Atomic(asyncio_callback_t *) fn; /* what to call; NULL: not filled in. Written last */
    void *arg;                        /* passed to it */
};

typedef struct asyncio__calls {
    asyncio__inbox_shared_t shared; /* in the inbox; counts the calls */
    asyncio__ready_t ready;         /* in the ready queue after that */
    asyncio_loop_t *loop;           /* whose; used in its thread only */
    struct call calls[CALLS_MOST];  /* in order */
} calls_t;
_Static_assert(sizeof(calls_t) <= 4096, "a row is one page");

/* Takes a call out of its row; waits until the poster that joined has filled it in. */
static asyncio_callback_t *take_call(struct call *call, void **ret_arg)
{
    asyncio_callback_t *fn;
    uint32_t rounds = 0;
    /* Acquire, for the release in fill_call(): the argument is there too. */
    while (!(fn = atomic_load_explicit(&call->fn, memory_order_acquire)))
        asyncio__pause_or_sleep(&rounds);
    *ret_arg = call->arg;
    atomic_store_explicit(&call->fn, NULL, memory_order_relaxed);
    return fn;
}

static void run_row(asyncio__ready_t *self)
{
    calls_t *row = ASYNCIO__CONTAINER(self, calls_t, ready);
    asyncio_loop_t *loop = row->loop;
    uint32_t count = row->shared.joined;
    asyncio__loop_release(loop, 1);
    for (uint32_t i = 0; i < count; i++) {
        void *arg;
        asyncio_callback_t *fn = take_call(&row->calls[i], &arg);
        asyncio__fetch_to_write((char *)&row->calls[i] + AHEAD_BYTES);
        if (ASYNCIO__UNLIKELY(loop->closed))
            continue;
        fn(arg);
        if (ASYNCIO__UNLIKELY(loop->fork_generation != asyncio__fork_generation))
            return; /* a child was forked in the callback, and runs nothing more */
    }
    asyncio__context_forget();
    asyncio__inbox_put_spare(loop->inbox, &row->shared);
}

static void drop_row(calls_t *row)
{
    void *arg;
    for (uint32_t i = 0; i < row->shared.joined; i++)
        asyncio__ignore(take_call(&row->calls[i], &arg) == NULL);
    asyncio__inbox_put_spare(row->loop->inbox, &row->shared);
}

static void deliver_row(asyncio__inbox_node_t *node, bool closed)
{
    calls_t *row = (calls_t *)node;
    asyncio_loop_t *loop = row->loop;
    if (closed) {
        drop_row(row);
    } else if (asyncio__loop_reserve(loop, 1) < 0) {
        asyncio__loop_report(loop, "callbacks were lost", -ENOMEM, NULL, NULL, NULL, NULL);
        drop_row(row);
    } else {
        asyncio__loop_schedule(loop, &row->ready);
    }
}

static void fill_call(struct call *call, asyncio_callback_t *fn, void *arg)
{
    call->arg = arg;
    /* Release, for the acquire in take_call(). */
    atomic_store_explicit(&call->fn, fn, memory_order_release);
}

static calls_t *make_row(asyncio_loop_t *loop)
{
    calls_t *row = asyncio__calloc(sizeof(*row));
    if (!row)
        return NULL;
    if (!asyncio__inbox_can_share(row)) {
        asyncio__free(row, sizeof(*row));
        return NULL;
    }
    row->shared.bytes = sizeof(*row);
    row->shared.node.deliver = deliver_row;
    row->ready.run = run_row;
    row->loop = loop;
    return row;
}

static int post_row(asyncio_loop_t *loop, asyncio_callback_t *fn, void *arg)
{
    calls_t *row = (calls_t *)asyncio__inbox_get_spare(loop->inbox);
    if (!row && !(row = make_row(loop)))
        return -ENOMEM;
    fill_call(&row->calls[0], fn, arg);
    int rc = asyncio__inbox_post_shared(loop->inbox, &row->shared);
    if (rc < 0)
        asyncio__free(row, sizeof(*row));
    return rc;
}

int asyncio__calls_post(asyncio_loop_t *loop, asyncio_callback_t *fn, void *arg)
{
    uint32_t index;
    calls_t *row = (calls_t *)asyncio__inbox_join(loop->inbox, CALLS_MOST, &index);
    if (ASYNCIO__UNLIKELY(!row))
        return post_row(loop, fn, arg);
    asyncio__fetch_to_write((char *)&row->calls[index] + AHEAD_BYTES);
    fill_call(&row->calls[index], fn, arg);
    return 0;
}
