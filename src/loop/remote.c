/* SPDX-License-Identifier: MIT */
/* Remotes: wake-ups in memory of the caller, posted to the inbox of a loop; see
 * <asyncio/remote.h>. */
#include <asyncio/remote.h>
#include <assert.h>

#include "base/context.h"
#include "base/error.h"
#include "loop/loop.h"

/* The content of asyncio_remote_t. */
typedef struct __attribute__((may_alias)) remote {
    asyncio__inbox_node_t node; /* in the inbox while posted */
    asyncio__ready_t ready;     /* in the ready queue once delivered */
    asyncio__inbox_t *inbox;    /* a reference */
    asyncio_loop_t *loop;       /* its loop; used in the loop's thread only */
    asyncio_callback_t *fn;     /* what to call */
    void *arg;                  /* passed to it */
    asyncio_context_t *context; /* the context it runs in: a reference, or NULL */
    uint32_t position;          /* in the ready queue */
    bool is_ready;              /* in the ready queue */
    atomic_bool posted;         /* from post() until the callback begins */
} remote_t;
static_assert(sizeof(remote_t) <= sizeof(asyncio_remote_t), "the public type is large enough");

static void run_remote(asyncio__ready_t *self)
{
    remote_t *remote = ASYNCIO__CONTAINER(self, remote_t, ready);
    remote->is_ready = false;
    /* Sequentially consistent with post(): a post from now on is delivered again. */
    atomic_store(&remote->posted, false);
    if (remote->loop->closed)
        return;
    if (ASYNCIO__UNLIKELY(asyncio__uses(ASYNCIO__USES_CONTEXTS)))
        asyncio__loop_call_in(remote->loop, remote->context, remote->fn, remote->arg);
    else
        remote->fn(remote->arg);
}

static void deliver(asyncio__inbox_node_t *node, bool closed)
{
    remote_t *remote = ASYNCIO__CONTAINER(node, remote_t, node);
    if (closed)
        return;
    remote->is_ready = true;
    remote->position = asyncio__loop_schedule(remote->loop, &remote->ready);
}

int asyncio_remote_init(asyncio_remote_t *memory, asyncio_loop_t *loop, asyncio_callback_t *fn,
                        void *arg)
{
    remote_t *remote = (remote_t *)memory;
    if (!remote || !fn)
        return asyncio__fail(-EINVAL, remote ? "\"fn\" must not be NULL"
                                             : "\"remote\" must not be NULL");
    int rc = asyncio__loop_check(loop);
    if (rc < 0)
        return rc;
    asyncio_context_t *context = NULL;
    if (asyncio__uses(ASYNCIO__USES_CONTEXTS) && !(context = asyncio_copy_context()))
        return asyncio__fail(asyncio_errno(), NULL);
    rc = asyncio__loop_reserve(loop, 1);
    if (rc < 0) {
        asyncio_context_unref(context);
        return asyncio__fail(rc, NULL);
    }
    *remote = (remote_t){.node.deliver = deliver, .ready.run = run_remote, .loop = loop, .fn = fn,
                         .arg = arg, .context = context, .inbox = asyncio__inbox_ref(loop->inbox)};
    asyncio__loop_hold(loop);
    return 0;
}

int asyncio_remote_post(asyncio_remote_t *memory)
{
    remote_t *remote = (remote_t *)memory;
    if (!remote || !remote->inbox)
        return -EINVAL;
    /* First, because `posted` may still be set from before the close. */
    if (!asyncio__inbox_is_open(remote->inbox))
        return ASYNCIO_ERUNTIME;
    if (atomic_exchange(&remote->posted, true))
        return 0;
    return asyncio__inbox_post(remote->inbox, &remote->node);
}

void asyncio_remote_fini(asyncio_remote_t *memory)
{
    remote_t *remote = (remote_t *)memory;
    if (!remote || !remote->inbox)
        return;
    if (!remote->loop->closed)
        asyncio__inbox_take(remote->inbox); /* the node must not be in the chain */
    if (remote->is_ready)
        asyncio__loop_unschedule(remote->loop, remote->position);
    asyncio__loop_release(remote->loop, 1);
    asyncio__inbox_unref(remote->inbox);
    asyncio__loop_drop_object(remote->loop);
    asyncio_context_unref(remote->context);
    remote->inbox = NULL;
}
