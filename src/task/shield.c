/* SPDX-License-Identifier: MIT */
/*
 * shield: a future that ends as its inner one does, and keeps cancels to itself.
 *
 * The outer one holds a reference to the inner one; the inner one knows it by a callback only,
 * which is taken out when the outer one is done or gone.
 */
#include <asyncio/shield.h>

#include "task/future_awaiters.h"
#include "task/task.h"

typedef struct shield {
    asyncio_future_t future;         /* the outer one */
    asyncio_future_t *inner;         /* a reference */
    asyncio__callback_t inner_done;  /* in the inner one */
    asyncio__callback_t outer_done;  /* in the outer one, its first */
} shield_t;

static void finalize(asyncio_future_t *future)
{
    shield_t *shield = (shield_t *)(void *)future;
    asyncio__future_drop_callback(&shield->inner_done);
    asyncio__loop_release(future->loop, 2);
    asyncio_future_unref(shield->inner);
}

static const asyncio__future_class_t shield_class = {.finalize = finalize,
                                                     .size_bytes = sizeof(shield_t)};

static void mirror(asyncio_future_t *outer, asyncio_future_t *inner)
{
    if (outer->state == ASYNCIO__CANCELLED) {
        inner->is_reported = true;
    } else if (inner->state == ASYNCIO__CANCELLED) {
        asyncio__ignore(asyncio__future_cancel(outer, NULL));
    } else if (asyncio__future_is_done(outer)) {
        asyncio__loop_report(outer->loop, "a shield was finished by other hands",
                             ASYNCIO_EINVALIDSTATE, NULL, outer, outer->place, NULL);
    } else if (inner->state == ASYNCIO__FAILED) {
        asyncio_error_t *error;
        int code = asyncio__future_outcome(inner, &error);
        asyncio__future_fail(outer, code, error);
    } else {
        asyncio__future_finish(outer, inner->value, NULL);
    }
}

static void on_inner_done(asyncio__ready_t *self)
{
    shield_t *shield = ASYNCIO__CONTAINER(self, shield_t, inner_done.ready);
    asyncio_future_t *inner = asyncio__callback_begin(&shield->inner_done);
    if (!shield->future.loop->closed)
        mirror(&shield->future, inner);
    asyncio_future_unref(inner);
}

asyncio_future_t *asyncio__shield_follower(const asyncio__callback_t *callback)
{
    if (callback->ready.run != on_inner_done)
        return NULL;
    return &ASYNCIO__CONTAINER(callback, shield_t, inner_done)->future;
}

static void on_outer_done(asyncio__ready_t *self)
{
    shield_t *shield = ASYNCIO__CONTAINER(self, shield_t, outer_done.ready);
    asyncio_future_t *outer = asyncio__callback_begin(&shield->outer_done);
    if (!asyncio__future_is_done(shield->inner))
        asyncio__future_drop_callback(&shield->inner_done);
    asyncio_future_unref(outer);
}

asyncio_future_t *(asyncio_shield)(asyncio_awaitable_t *awaitable)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_future_t *inner = asyncio__ensure_future(loop, awaitable);
    if (!inner || asyncio__future_is_done(inner))
        return inner;
    loop = inner->loop;
    if (asyncio__loop_reserve(loop, 2) < 0) {
        asyncio_future_unref(inner);
        return asyncio__fail_new(-ENOMEM, NULL);
    }
    asyncio_future_t *future = asyncio__future_new(loop, &shield_class, "asyncio_shield");
    if (!future) {
        asyncio__loop_release(loop, 2);
        asyncio_future_unref(inner);
        return asyncio__fail_new(-ENOMEM, NULL);
    }
    shield_t *shield = (shield_t *)(void *)future;
    shield->inner = inner;
    shield->inner_done.ready.run = on_inner_done;
    shield->outer_done.ready.run = on_outer_done;
    asyncio__future_add_callback(inner, &shield->inner_done);
    asyncio__future_add_callback(future, &shield->outer_done);
    return future;
}
