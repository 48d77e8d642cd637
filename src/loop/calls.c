/* SPDX-License-Identifier: MIT */
/*
 * Rows of calls from other threads; see calls.h.
 *
 * A row goes round: a poster takes a spare one, or makes it; it is posted with the first call in
 * it; others join; the loop takes it, runs it as one item of the ready queue, and leaves it empty
 * as a spare. All its calls became ready at once, and nothing stands between them: so one item
 * keeps the order that an item each would have.
 */
#include "loop/calls.h"

#include "base/context.h"
#include "base/memory.h"
#include "base/patience.h"

#define CALLS_MOST  252 /* so that a row is a page */
#define AHEAD_BYTES 256 /* so far ahead a line is fetched: the other processor has it last */

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

static void put_spare(asyncio_loop_t *loop, calls_t *row)
{
    for (size_t i = 0; row && i < ASYNCIO__SPARE_CALLS; i++)
        /* Release and acquire: the next poster finds it empty. */
        row = atomic_exchange_explicit(&loop->spare_calls[i], row, memory_order_acq_rel);
    asyncio__free(row, sizeof(*row));
}

static calls_t *get_spare(asyncio_loop_t *loop)
{
    for (size_t i = 0; i < ASYNCIO__SPARE_CALLS; i++) {
        if (!atomic_load_explicit(&loop->spare_calls[i], memory_order_relaxed))
            continue;
        calls_t *row =
            atomic_exchange_explicit(&loop->spare_calls[i], NULL, memory_order_acquire);
        if (row)
            return row;
    }
    return NULL;
}

void asyncio__calls_fini(asyncio_loop_t *loop)
{
    for (calls_t *row; (row = get_spare(loop));)
        asyncio__free(row, sizeof(*row));
}

/* Takes a call out of its row, once whoever joined has filled it in. */
static asyncio_callback_t *take(struct call *call, void **ret_arg)
{
    asyncio_callback_t *fn;
    uint32_t rounds = 0;
    /* Acquire, for the release in fill(): the argument is there too. */
    while (!(fn = atomic_load_explicit(&call->fn, memory_order_acquire)))
        asyncio__pause_or_yield(&rounds);
    *ret_arg = call->arg;
    atomic_store_explicit(&call->fn, NULL, memory_order_relaxed);
    return fn;
}

static void run(asyncio__ready_t *self)
{
    calls_t *row = ASYNCIO__CONTAINER(self, calls_t, ready);
    asyncio_loop_t *loop = row->loop;
    uint32_t count = row->shared.joined;
    asyncio__loop_release(loop, 1);
    for (uint32_t i = 0; i < count; i++) {
        void *arg;
        asyncio_callback_t *fn = take(&row->calls[i], &arg);
        asyncio__fetch_to_write((char *)&row->calls[i] + AHEAD_BYTES);
        if (ASYNCIO__UNLIKELY(loop->closed))
            continue;
        fn(arg);
        if (ASYNCIO__UNLIKELY(loop->fork_generation != asyncio__fork_generation))
            return; /* a child was forked in it, and runs nothing more */
    }
    asyncio__context_forget();
    put_spare(loop, row);
}

static void drop(calls_t *row)
{
    void *arg;
    for (uint32_t i = 0; i < row->shared.joined; i++)
        asyncio__ignore(take(&row->calls[i], &arg) == NULL);
    put_spare(row->loop, row);
}

static void deliver(asyncio__inbox_node_t *node, bool closed)
{
    calls_t *row = (calls_t *)node;
    asyncio_loop_t *loop = row->loop;
    if (closed) {
        drop(row);
    } else if (asyncio__loop_reserve(loop, 1) < 0) {
        asyncio__loop_report(loop, "callbacks were lost", -ENOMEM, NULL, NULL, NULL, NULL);
        drop(row);
    } else {
        asyncio__loop_schedule(loop, &row->ready);
    }
}

static void fill(struct call *call, asyncio_callback_t *fn, void *arg)
{
    call->arg = arg;
    /* Release, for the acquire in take(). */
    atomic_store_explicit(&call->fn, fn, memory_order_release);
}

static calls_t *make(asyncio_loop_t *loop)
{
    calls_t *row = asyncio__calloc(sizeof(*row));
    if (!row)
        return NULL;
    if (!asyncio__inbox_can_share(row)) {
        asyncio__free(row, sizeof(*row));
        return NULL;
    }
    row->shared.node.deliver = deliver;
    row->ready.run = run;
    row->loop = loop;
    return row;
}

static int post_row(asyncio_loop_t *loop, asyncio_callback_t *fn, void *arg)
{
    calls_t *row = get_spare(loop);
    if (!row && !(row = make(loop)))
        return -ENOMEM;
    fill(&row->calls[0], fn, arg);
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
    fill(&row->calls[index], fn, arg);
    return 0;
}
