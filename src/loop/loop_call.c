/* SPDX-License-Identifier: MIT */
/* Scheduling callbacks: call_soon, call_later, call_at and call_soon_threadsafe. */
#include <math.h>

#include "base/clock.h"
#include "base/context.h"
#include "base/error.h"
#include "loop/calls.h"
#include "loop/check.h"
#include "loop/handle.h"

/* Gives a new handle (or NULL) its context: the one given, or a copy of the current one. */
static inline void keep_context(asyncio_handle_t *handle, asyncio_context_t *given)
{
    if (ASYNCIO__UNLIKELY(asyncio__uses(ASYNCIO__USES_CONTEXTS)) && handle)
        handle->context = asyncio__context_inherit(given);
}

/* Returns a reference to the caller, if it wants one. No other thread knows the handle yet. */
static int hand_out(asyncio_handle_t *handle, asyncio_handle_t **ret_handle)
{
    if (ret_handle) {
        ASYNCIO__OWNER_ADD(&handle->refs, 1);
        *ret_handle = handle;
    }
    return 0;
}

/* Inline in both callers, so that the one without a context passes none. */
static inline __attribute__((always_inline)) int call_soon(asyncio_loop_t *loop,
                                                           asyncio_callback_t *fn, void *arg,
                                                           asyncio_context_t *context,
                                                           const char *place,
                                                           asyncio_handle_t **ret_handle)
{
    int rc = asyncio__loop_check(loop);
    if (rc < 0)
        return rc;
    if (!fn)
        return asyncio__fail(-EINVAL, "\"fn\" must not be NULL");
    asyncio_handle_t *handle = asyncio__handle_new(loop, ASYNCIO__HANDLE_SOON, fn, arg, place);
    keep_context(handle, context);
    if (!handle || asyncio__loop_reserve(loop, 1) < 0) {
        asyncio_handle_unref(handle);
        return asyncio__fail(-ENOMEM, NULL);
    }
    asyncio__loop_schedule(loop, &handle->ready);
    return hand_out(handle, ret_handle);
}

int asyncio_loop_call_soon_at(asyncio_loop_t *loop, asyncio_callback_t *fn, void *arg,
                              const char *place, asyncio_handle_t **ret_handle)
{
    return call_soon(loop, fn, arg, /* context= */ NULL, place, ret_handle);
}

int asyncio_loop_call_soon_full_at(asyncio_loop_t *loop, asyncio_callback_t *fn, void *arg,
                                   asyncio_context_t *context, const char *place,
                                   asyncio_handle_t **ret_handle)
{
    return call_soon(loop, fn, arg, context, place, ret_handle);
}

static inline __attribute__((always_inline)) int call_at(
    asyncio_loop_t *loop, int64_t when_ns, asyncio_callback_t *fn, void *arg,
    asyncio_context_t *context, const char *place, asyncio_timer_handle_t **ret_handle)
{
    asyncio_handle_t *handle = asyncio__handle_new(loop, ASYNCIO__HANDLE_TIMED, fn, arg, place);
    if (!handle)
        return asyncio__fail(-ENOMEM, NULL);
    keep_context(handle, context);
    handle->when_ns = when_ns;
    /* A timer that is never due is in the heap too, so that it can be cancelled and dropped. */
    if (when_ns == ASYNCIO__NANOSECONDS_FOREVER)
        when_ns--;
    if (asyncio__timer_start(loop, &handle->timer, when_ns) < 0) {
        asyncio_handle_unref(handle);
        return asyncio__fail(-ENOMEM, NULL);
    }
    return hand_out(handle, ret_handle);
}

static int check_time(asyncio_loop_t *loop, double seconds, asyncio_callback_t *fn)
{
    int rc = asyncio__loop_check(loop);
    if (rc < 0)
        return rc;
    if (!fn)
        return asyncio__fail(-EINVAL, "\"fn\" must not be NULL");
    if (isnan(seconds))
        return asyncio__fail(-EINVAL, "the time must not be NaN");
    return 0;
}

static inline __attribute__((always_inline)) int call_later(
    asyncio_loop_t *loop, double delay, asyncio_callback_t *fn, void *arg,
    asyncio_context_t *context, const char *place, asyncio_timer_handle_t **ret_handle)
{
    int rc = check_time(loop, delay, fn);
    if (rc < 0)
        return rc;
    int64_t when_ns = asyncio__moment_after(asyncio__loop_now(loop), asyncio__nanoseconds(delay));
    return call_at(loop, when_ns, fn, arg, context, place, ret_handle);
}

int asyncio_loop_call_later_at(asyncio_loop_t *loop, double delay, asyncio_callback_t *fn,
                               void *arg, const char *place, asyncio_timer_handle_t **ret_handle)
{
    return call_later(loop, delay, fn, arg, /* context= */ NULL, place, ret_handle);
}

int asyncio_loop_call_later_full_at(asyncio_loop_t *loop, double delay, asyncio_callback_t *fn,
                                    void *arg, asyncio_context_t *context, const char *place,
                                    asyncio_timer_handle_t **ret_handle)
{
    return call_later(loop, delay, fn, arg, context, place, ret_handle);
}

int asyncio_loop_call_at_full_at(asyncio_loop_t *loop, double when, asyncio_callback_t *fn,
                                 void *arg, asyncio_context_t *context, const char *place,
                                 asyncio_timer_handle_t **ret_handle)
{
    int rc = check_time(loop, when, fn);
    if (rc < 0)
        return rc;
    return call_at(loop, asyncio__nanoseconds(when), fn, arg, context, place, ret_handle);
}

int asyncio_loop_call_at_at(asyncio_loop_t *loop, double when, asyncio_callback_t *fn, void *arg,
                            const char *place, asyncio_timer_handle_t **ret_handle)
{
    return asyncio_loop_call_at_full_at(loop, when, fn, arg, /* context= */ NULL, place,
                                        ret_handle);
}

int asyncio_loop_call_soon_threadsafe_full_at(asyncio_loop_t *loop, asyncio_callback_t *fn,
                                              void *arg, asyncio_context_t *context,
                                              const char *place, asyncio_handle_t **ret_handle)
{
    /* In the loop's own thread the call is ordered among its other calls. */
    if (loop && asyncio__thread.running_loop == loop)
        return asyncio_loop_call_soon_full_at(loop, fn, arg, context, place, ret_handle);
    if (!loop || !fn)
        return asyncio__fail(-EINVAL, loop ? "\"fn\" must not be NULL"
                                           : "\"loop\" must not be NULL");
    if (loop->fork_generation != asyncio__fork_generation)
        return asyncio__fail(ASYNCIO_ERUNTIME, "the loop is used in a forked child");
    /* In debug mode a call keeps its place, and with contexts its context: that takes a handle. */
    bool is_debugged = atomic_load_explicit(&loop->debug_elsewhere, memory_order_relaxed);
    if (!ret_handle && !is_debugged && !asyncio__uses(ASYNCIO__USES_CONTEXTS)) {
        int rc = asyncio__calls_post(loop, fn, arg);
        if (rc != -ENOMEM)
            return rc < 0 ? asyncio__fail(rc, "Event loop is closed") : 0;
    }
    asyncio_handle_t *handle = asyncio__handle_new(loop, ASYNCIO__HANDLE_POSTED, fn, arg, place);
    if (!handle)
        return asyncio__fail(-ENOMEM, NULL);
    keep_context(handle, context);
    hand_out(handle, ret_handle); /* before the post, after which the loop may free it */
    int rc = asyncio__inbox_post(loop->inbox, &handle->node);
    if (rc < 0) {
        if (ret_handle) {
            *ret_handle = NULL;
            asyncio_handle_unref(handle);
        }
        asyncio_handle_unref(handle);
        return asyncio__fail(rc, "Event loop is closed");
    }
    return 0;
}

int asyncio_loop_call_soon_threadsafe_at(asyncio_loop_t *loop, asyncio_callback_t *fn, void *arg,
                                         const char *place, asyncio_handle_t **ret_handle)
{
    return asyncio_loop_call_soon_threadsafe_full_at(loop, fn, arg, /* context= */ NULL, place,
                                                     ret_handle);
}

/* --- the macros as functions --------------------------------------------------------------- */

int (asyncio_loop_call_soon)(asyncio_loop_t *loop, asyncio_callback_t *fn, void *arg,
                             asyncio_handle_t **ret_handle)
{
    return asyncio_loop_call_soon_at(loop, fn, arg, /* place= */ NULL, ret_handle);
}

int (asyncio_loop_call_soon_full)(asyncio_loop_t *loop, asyncio_callback_t *fn, void *arg,
                                  asyncio_context_t *context, asyncio_handle_t **ret_handle)
{
    return asyncio_loop_call_soon_full_at(loop, fn, arg, context, /* place= */ NULL, ret_handle);
}

int (asyncio_loop_call_later)(asyncio_loop_t *loop, double delay, asyncio_callback_t *fn, void *arg,
                              asyncio_timer_handle_t **ret_handle)
{
    return asyncio_loop_call_later_at(loop, delay, fn, arg, /* place= */ NULL, ret_handle);
}

int (asyncio_loop_call_later_full)(asyncio_loop_t *loop, double delay, asyncio_callback_t *fn,
                                   void *arg, asyncio_context_t *context,
                                   asyncio_timer_handle_t **ret_handle)
{
    return asyncio_loop_call_later_full_at(loop, delay, fn, arg, context, /* place= */ NULL,
                                           ret_handle);
}

int (asyncio_loop_call_at)(asyncio_loop_t *loop, double when, asyncio_callback_t *fn, void *arg,
                           asyncio_timer_handle_t **ret_handle)
{
    return asyncio_loop_call_at_at(loop, when, fn, arg, /* place= */ NULL, ret_handle);
}

int (asyncio_loop_call_at_full)(asyncio_loop_t *loop, double when, asyncio_callback_t *fn,
                                void *arg, asyncio_context_t *context,
                                asyncio_timer_handle_t **ret_handle)
{
    return asyncio_loop_call_at_full_at(loop, when, fn, arg, context, /* place= */ NULL,
                                        ret_handle);
}
