/* SPDX-License-Identifier: MIT */
/*
 * call_soon_threadsafe with an argument that has a destructor: a record of its own for each call,
 * which ends exactly once, whether the callback runs or the loop is closed first.
 */
#include <asyncio/loop.h>

#include "base/context.h"
#include "base/error.h"
#include "base/memory.h"
#include "loop/loop.h"

typedef struct owned_call {
    asyncio__inbox_node_t node; /* in the inbox */
    asyncio__ready_t ready;     /* in the ready queue after that */
    asyncio_loop_t *loop;       /* used in its thread only */
    asyncio_callback_t *fn;     /* what to call */
    void *arg;                  /* passed to it */
    asyncio_destroy_t *destroy; /* of arg; or NULL */
    void *context;              /* in which fn runs: a word of context.h */
} owned_call_t;

static void end_call(owned_call_t *call)
{
    if (call->destroy)
        call->destroy(call->arg);
    asyncio__context_drop(call->context);
    asyncio__free(call, sizeof(*call));
}

static void run_call(asyncio__ready_t *self)
{
    owned_call_t *call = ASYNCIO__CONTAINER(self, owned_call_t, ready);
    void *former;
    asyncio__loop_release(call->loop, 1);
    if (call->loop->closed) {
        end_call(call);
        return;
    }
    if (!asyncio__uses(ASYNCIO__USES_CONTEXTS)) {
        call->fn(call->arg);
    } else if (asyncio__loop_enter(call->loop, &call->context, &former)) {
        call->fn(call->arg);
        asyncio__context_end(&call->context, former);
    }
    end_call(call);
}

static void deliver(asyncio__inbox_node_t *node, bool closed)
{
    owned_call_t *call = ASYNCIO__CONTAINER(node, owned_call_t, node);
    if (!closed && asyncio__loop_reserve(call->loop, 1) == 0) {
        asyncio__loop_schedule(call->loop, &call->ready);
        return;
    }
    if (!closed)
        asyncio__loop_report(call->loop, "a callback was lost", -ENOMEM, NULL, NULL, NULL, NULL);
    end_call(call);
}

/* In the loop's own thread the call keeps its order among the other calls of that thread. */
static int post(asyncio_loop_t *loop, owned_call_t *call)
{
    if (asyncio__thread.running_loop != loop)
        return asyncio__inbox_post(loop->inbox, &call->node);
    int rc = asyncio__loop_check(loop);
    if (rc == 0)
        rc = asyncio__loop_reserve(loop, 1);
    if (rc == 0)
        asyncio__loop_schedule(loop, &call->ready);
    return rc;
}

static int call_soon(asyncio_loop_t *loop, asyncio_callback_t *fn, void *arg,
                     asyncio_destroy_t *destroy)
{
    if (!loop)
        return asyncio__fail(-EINVAL, "\"loop\" must not be NULL");
    if (!fn)
        return asyncio__fail(-EINVAL, "\"fn\" must not be NULL");
    owned_call_t *call = asyncio__calloc(sizeof(*call));
    if (!call)
        return asyncio__fail(-ENOMEM, NULL);
    *call = (owned_call_t){.node.deliver = deliver, .ready.run = run_call, .loop = loop, .fn = fn,
                           .arg = arg, .destroy = destroy};
    if (asyncio__uses(ASYNCIO__USES_CONTEXTS))
        call->context = asyncio__context_inherit(/* given= */ NULL);
    int rc = post(loop, call);
    if (rc == 0)
        return 0;
    call->destroy = NULL; /* the caller of this function calls it */
    end_call(call);
    return asyncio__fail(rc, rc == -ENOMEM ? NULL : "Event loop is closed");
}

int asyncio_loop_call_soon_threadsafe_owned(asyncio_loop_t *loop, asyncio_callback_t *fn,
                                            void *arg, asyncio_destroy_t *destroy)
{
    int rc = call_soon(loop, fn, arg, destroy);
    if (rc < 0 && destroy)
        destroy(arg);
    return rc;
}

/* --- the macros as functions --------------------------------------------------------------- */

int (asyncio_loop_call_soon_threadsafe)(asyncio_loop_t *loop, asyncio_callback_t *fn, void *arg,
                                        asyncio_handle_t **ret_handle)
{
    return asyncio_loop_call_soon_threadsafe_at(loop, fn, arg, /* place= */ NULL, ret_handle);
}

int (asyncio_loop_call_soon_threadsafe_full)(asyncio_loop_t *loop, asyncio_callback_t *fn,
                                             void *arg, asyncio_context_t *context,
                                             asyncio_handle_t **ret_handle)
{
    return asyncio_loop_call_soon_threadsafe_full_at(loop, fn, arg, context, /* place= */ NULL,
                                                     ret_handle);
}
