/* SPDX-License-Identifier: MIT */
/*
 * Handles: call_soon, call_later, call_at, call_soon_threadsafe, and how to call them off.
 *
 * The loop holds one reference while the callback is pending. A handle that another thread made
 * is scheduled when the loop takes it out of its inbox. The count is atomic, for those.
 */
#include <asyncio/handle.h>
#include <math.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/context.h"
#include "base/error.h"
#include "base/memory.h"
#include "loop/calls.h"
#include "loop/debug.h"
#include "loop/timer.h"

enum kind { SOON, TIMED, FROM_THREAD };

struct asyncio_handle {
    union {
        asyncio__ready_t ready; /* SOON; the others begin with one too */
        struct {
            asyncio__timer_t timer; /* TIMED */
            int64_t when_ns;        /* its deadline */
        };
        struct {
            asyncio__ready_t posted;    /* FROM_THREAD, once it was taken in */
            asyncio__inbox_node_t node; /* in the inbox before that */
        };
    };
    atomic_uint refs;           /* references, the loop's among them */
    uint8_t kind;               /* enum kind */
    atomic_bool cancelled;      /* called off */
    atomic_bool over;           /* it ran, or was dropped: nothing is left to call off */
    asyncio_callback_t *fn;     /* what to call */
    void *arg;                  /* passed to it */
    asyncio_loop_t *loop;       /* whose it is; valid while not over */
    const char *place;          /* where it was made, for debug mode */
    void *context;              /* in which it runs: a word of context.h */
};

asyncio_handle_t *asyncio_handle_ref(asyncio_handle_t *handle)
{
    if (handle)
        atomic_fetch_add_explicit(&handle->refs, 1, memory_order_relaxed);
    return handle;
}

static ASYNCIO__COLD void free_with_context(asyncio_handle_t *handle)
{
    asyncio__context_drop(handle->context);
    asyncio__free(handle, sizeof(*handle));
}

static inline __attribute__((always_inline)) void give_up(asyncio_handle_t *handle)
{
    /* The only reference needs no atomic write: nobody else can have one. Acquire, for what the
     * thread that gave its own up has written. */
    if (atomic_load_explicit(&handle->refs, memory_order_acquire) == 1 ||
        atomic_fetch_sub_explicit(&handle->refs, 1, memory_order_acq_rel) == 1) {
        if (ASYNCIO__UNLIKELY(handle->context != NULL))
            free_with_context(handle);
        else
            asyncio__free(handle, sizeof(*handle));
    }
}

void asyncio_handle_unref(asyncio_handle_t *handle)
{
    if (handle)
        give_up(handle);
}

bool asyncio__loop_enter(asyncio_loop_t *loop, void **word, void **ret_former)
{
    int rc = asyncio__context_begin(word, ret_former);
    if (rc == 0)
        return true;
    asyncio_error_t *error = asyncio__error_take_of(rc);
    asyncio__loop_report(loop, "a callback was not called", rc, error, NULL, NULL, NULL);
    asyncio_error_unref(error);
    return false;
}

void asyncio__loop_call_in(asyncio_loop_t *loop, asyncio_context_t *context,
                           asyncio_callback_t *fn, void *arg)
{
    void *word = asyncio_context_ref(context), *former;
    if (asyncio__loop_enter(loop, &word, &former)) {
        fn(arg);
        asyncio__context_end(&word, former);
    }
    asyncio__context_drop(word);
}

static ASYNCIO__COLD void call_in_context(asyncio_handle_t *handle)
{
    void *former;
    if (!asyncio__loop_enter(handle->loop, &handle->context, &former))
        return;
    handle->fn(handle->arg);
    asyncio__context_end(&handle->context, former);
}

static void call(asyncio_handle_t *handle)
{
    bool closed = handle->loop->closed;
    atomic_store_explicit(&handle->over, true, memory_order_relaxed);
    if (!closed && !atomic_load_explicit(&handle->cancelled, memory_order_relaxed)) {
        if (ASYNCIO__UNLIKELY(asyncio__uses(ASYNCIO__USES_CONTEXTS)))
            call_in_context(handle);
        else
            handle->fn(handle->arg);
    }
    give_up(handle);
}

static void run_soon(asyncio__ready_t *self)
{
    asyncio_handle_t *handle = ASYNCIO__CONTAINER(self, asyncio_handle_t, ready);
    asyncio__loop_release(handle->loop, 1);
    call(handle);
}

static void run_timed(asyncio__ready_t *self)
{
    asyncio_handle_t *handle = ASYNCIO__CONTAINER(self, asyncio_handle_t, timer.ready);
    asyncio__timer_begin(handle->loop, &handle->timer);
    call(handle);
}

/* The loop took it out of its inbox: it becomes ready, or is dropped. */
static void deliver(asyncio__inbox_node_t *node, bool closed)
{
    asyncio_handle_t *handle = ASYNCIO__CONTAINER(node, asyncio_handle_t, node);
    if (closed || asyncio__loop_reserve(handle->loop, 1) < 0) {
        if (!closed)
            asyncio__loop_report(handle->loop, "a callback was lost", -ENOMEM, NULL, NULL, NULL,
                                 NULL);
        atomic_store_explicit(&handle->over, true, memory_order_relaxed);
        asyncio_handle_unref(handle);
        return;
    }
    asyncio__loop_schedule(handle->loop, &handle->ready);
}

static asyncio_handle_t *make(asyncio_loop_t *loop, enum kind kind, asyncio_callback_t *fn,
                              void *arg, const char *place)
{
    asyncio_handle_t *handle = asyncio__malloc(sizeof(*handle));
    if (!handle)
        return NULL;
    handle->place = place;
    atomic_init(&handle->refs, 1);
    atomic_init(&handle->cancelled, false);
    atomic_init(&handle->over, false);
    handle->kind = (uint8_t)kind;
    handle->fn = fn;
    handle->arg = arg;
    handle->loop = loop;
    handle->context = NULL;
    if (kind == TIMED)
        asyncio__timer_init(&handle->timer, run_timed);
    else if (kind == FROM_THREAD)
        handle->posted.run = run_soon;
    else
        handle->ready.run = run_soon;
    return handle;
}

/* A new handle, or none, gets its context: the one that is given, or a copy of the current one. */
static inline void keep_context(asyncio_handle_t *handle, asyncio_context_t *given)
{
    if (ASYNCIO__UNLIKELY(asyncio__uses(ASYNCIO__USES_CONTEXTS)) && handle)
        handle->context = asyncio__context_inherit(given);
}

/* Hands a reference out, if one is wanted, of a handle that no other thread knows yet. */
static int done(asyncio_handle_t *handle, asyncio_handle_t **ret_handle)
{
    if (ret_handle) {
        ASYNCIO__OWNER_ADD(&handle->refs, 1);
        *ret_handle = handle;
    }
    return 0;
}

/* Inline in both that call it, so that who gives no context does not pass one. */
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
        return asyncio__fail(-EINVAL, "no callback was given");
    asyncio_handle_t *handle = make(loop, SOON, fn, arg, place);
    keep_context(handle, context);
    if (!handle || asyncio__loop_reserve(loop, 1) < 0) {
        asyncio_handle_unref(handle);
        return asyncio__fail(-ENOMEM, NULL);
    }
    asyncio__loop_schedule(loop, &handle->ready);
    return done(handle, ret_handle);
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
    asyncio_handle_t *handle = make(loop, TIMED, fn, arg, place);
    if (!handle)
        return asyncio__fail(-ENOMEM, NULL);
    keep_context(handle, context);
    handle->when_ns = when_ns;
    /* One that never comes is kept in the heap all the same: it can be asked for, and dropped. */
    if (when_ns == ASYNCIO__NANOSECONDS_FOREVER)
        when_ns--;
    if (asyncio__timer_start(loop, &handle->timer, when_ns) < 0) {
        asyncio_handle_unref(handle);
        return asyncio__fail(-ENOMEM, NULL);
    }
    return done(handle, ret_handle);
}

static int check_time(asyncio_loop_t *loop, double seconds, asyncio_callback_t *fn)
{
    int rc = asyncio__loop_check(loop);
    if (rc < 0)
        return rc;
    if (!fn)
        return asyncio__fail(-EINVAL, "no callback was given");
    if (isnan(seconds))
        return asyncio__fail(-EINVAL, "the time is not a number");
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
    /* In the loop's own thread the order among its other calls is kept. */
    if (loop && asyncio__thread.running_loop == loop)
        return asyncio_loop_call_soon_full_at(loop, fn, arg, context, place, ret_handle);
    if (!loop || !fn)
        return asyncio__fail(-EINVAL, "no loop, or no callback, was given");
    if (loop->fork_generation != asyncio__fork_generation)
        return asyncio__fail(ASYNCIO_ERUNTIME, "the loop is used in a forked child");
    /* In debug mode a call keeps its place, which takes a handle; so does a context. */
    bool is_debugged = atomic_load_explicit(&loop->debug_elsewhere, memory_order_relaxed);
    if (!ret_handle && !is_debugged && !asyncio__uses(ASYNCIO__USES_CONTEXTS)) {
        int rc = asyncio__calls_post(loop, fn, arg);
        if (rc != -ENOMEM)
            return rc < 0 ? asyncio__fail(rc, "Event loop is closed") : 0;
    }
    asyncio_handle_t *handle = make(loop, FROM_THREAD, fn, arg, place);
    if (!handle)
        return asyncio__fail(-ENOMEM, NULL);
    keep_context(handle, context);
    handle->node.deliver = deliver;
    done(handle, ret_handle); /* before the post: the loop may end it at once */
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

void asyncio_handle_cancel(asyncio_handle_t *handle)
{
    /* No exchange: in several threads at once only those of call_soon_threadsafe() are cancelled,
     * and for them twice is as good as once. */
    if (!handle || atomic_load_explicit(&handle->cancelled, memory_order_relaxed))
        return;
    atomic_store_explicit(&handle->cancelled, true, memory_order_relaxed);
    /* A timer leaves the heap, so that it neither keeps memory nor moves the virtual clock. */
    if (handle->kind != TIMED || atomic_load_explicit(&handle->over, memory_order_relaxed))
        return;
    if (ASYNCIO__UNLIKELY(asyncio__loop_check_here(handle->loop) < 0))
        return; /* the heap is not touched: it stays there until it is due, and is not called */
    asyncio__timer_cancel(handle->loop, &handle->timer);
    atomic_store_explicit(&handle->over, true, memory_order_relaxed);
    asyncio_handle_unref(handle);
}

bool asyncio_handle_cancelled(const asyncio_handle_t *handle)
{
    return handle && atomic_load_explicit(&handle->cancelled, memory_order_relaxed);
}

asyncio_context_t *asyncio_handle_get_context(asyncio_handle_t *handle)
{
    if (!handle)
        return asyncio__fail_new(-EINVAL, "no handle was given");
    return asyncio__context_object(&handle->context, /* locals= */ NULL);
}

double asyncio_timer_handle_when(const asyncio_timer_handle_t *handle)
{
    return handle && handle->kind == TIMED ? asyncio__seconds(handle->when_ns) : (double)NAN;
}

/* --- for debug mode ------------------------------------------------------------------------ */

static void describe(const asyncio_handle_t *handle, asyncio__description_t *description)
{
    description->place = handle->place;
}

static void describe_soon(asyncio__ready_t *item, asyncio__description_t *description)
{
    describe(ASYNCIO__CONTAINER(item, asyncio_handle_t, ready), description);
}

static void describe_timed(asyncio__ready_t *item, asyncio__description_t *description)
{
    describe(ASYNCIO__CONTAINER(item, asyncio_handle_t, timer.ready), description);
}

static asyncio__describer_t soon = {.run = run_soon, .describe = describe_soon};
static asyncio__describer_t timed = {.run = run_timed, .describe = describe_timed};

__attribute__((constructor)) static void say_what_they_are(void)
{
    asyncio__describe_by(&soon);
    asyncio__describe_by(&timed);
}
