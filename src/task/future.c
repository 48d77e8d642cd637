/* SPDX-License-Identifier: MIT */
/*
 * Futures: a result that is not there yet, and who is called when it is; see future.h.
 *
 * Finishing cannot fail: what is called has its slot in the ready queue already. A scheduled
 * callback holds a reference to its future until it has run.
 */
#include "task/future.h"

#include <asyncio/task.h>
#include <string.h>

#include "base/context.h"
#include "base/memory.h"
#include "base/quarantine.h"
#include "loop/debug.h"

/* --- making and ending --------------------------------------------------------------------- */

static const asyncio__future_class_t plain = {.size_bytes = sizeof(asyncio_future_t)};

asyncio_future_t *asyncio__future_new(asyncio_loop_t *loop, const asyncio__future_class_t *class,
                                      const char *place)
{
    if (!class)
        return asyncio__future_make(loop, &plain, sizeof(asyncio_future_t), place);
    return asyncio__future_make(loop, class, class->size_bytes, place);
}

asyncio_future_t *asyncio_loop_create_future_at(asyncio_loop_t *loop, const char *place)
{
    if (!loop && !(loop = asyncio_get_running_loop()))
        return asyncio__fail_new(ASYNCIO_ERUNTIME, "no running event loop");
    if (ASYNCIO__UNLIKELY(loop != asyncio__thread.running_loop || loop->closed)) {
        int rc = asyncio__loop_check(loop);
        if (rc < 0) {
            asyncio__thread.constructor_code = rc;
            return NULL;
        }
    }
    asyncio_future_t *future =
        asyncio__future_make(loop, &plain, sizeof(asyncio_future_t), place);
    return ASYNCIO__LIKELY(future != NULL) ? future : asyncio__fail_new(-ENOMEM, NULL);
}

asyncio_future_t *asyncio_future_ref(asyncio_future_t *future)
{
    if (future)
        future->refs++;
    return future;
}

/* Nobody asked for the error, and now nobody can. */
static ASYNCIO__COLD void report_unread(asyncio_future_t *future)
{
    future->refs = 1; /* for the handler */
    asyncio__loop_report(future->loop,
                         asyncio__is_task(future) ? "Task exception was never retrieved"
                                                  : "Future exception was never retrieved",
                         future->code, future->error, future, future->place,
                         asyncio__is_task(future) ? asyncio_task_get_name(future) : NULL);
    future->refs = 0;
}

/* Apart, for most have none left. */
static __attribute__((noinline)) void free_callbacks(asyncio_future_t *future);

void asyncio_future_unref(asyncio_future_t *future)
{
    if (!future || --future->refs > 0)
        return;
    if (future->state == ASYNCIO__FAILED && !future->is_reported)
        report_unread(future);
    if (future->state == ASYNCIO__PENDING)
        free_callbacks(future);
    else if (future->destroy && !future->is_moved)
        future->destroy(future->value);
    asyncio__error_drop(future->error);
    asyncio_loop_t *loop = future->loop;
    if (future->class == &plain) {
        future->tag = ASYNCIO__TAG_FREED;
        asyncio__free_object(future, sizeof(*future));
        asyncio__loop_drop_object(loop);
        return;
    }
    if (future->class->finalize)
        future->class->finalize(future);
    future->tag = ASYNCIO__TAG_FREED;
    if (ASYNCIO__UNLIKELY(future->class->release != NULL))
        future->class->release(future);
    else
        asyncio__free_object(future, future->class->size_bytes);
    asyncio__loop_drop_object(loop);
}

/* --- finishing ----------------------------------------------------------------------------- */

/* It is done now: the value takes the place of the callbacks, and each of them goes to the ready
 * queue, in the order in which they were added. */
static inline void settle(asyncio_future_t *future, asyncio__future_state_t state, void *value,
                          asyncio_destroy_t *destroy)
{
    asyncio__callback_t *callback = future->callbacks;
    future->state = (uint8_t)state;
    future->value = value;
    future->destroy = destroy;
    while (callback) {
        asyncio__callback_t *next = callback->next;
        future->refs++; /* until it has run */
        callback->position = asyncio__loop_schedule(future->loop, &callback->ready);
        callback = next;
    }
}

void asyncio__future_finish(asyncio_future_t *future, void *value, asyncio_destroy_t *destroy)
{
    settle(future, ASYNCIO__FINISHED, value, destroy);
}

void asyncio__future_fail(asyncio_future_t *future, int code, asyncio_error_t *error)
{
    future->code = code;
    future->error = error;
    settle(future, ASYNCIO__FAILED, NULL, NULL);
}

void asyncio__future_make_cancelled(asyncio_future_t *future, asyncio_error_t *error)
{
    future->is_reported = true;
    future->error = error;
    settle(future, ASYNCIO__CANCELLED, NULL, NULL);
}

void asyncio__future_wake(asyncio_future_t *future)
{
    if (future->state == ASYNCIO__PENDING)
        asyncio__future_finish(future, NULL, NULL);
}

/* --- callbacks ----------------------------------------------------------------------------- */

void asyncio__future_add_callback(asyncio_future_t *future, asyncio__callback_t *callback)
{
    if (future->state == ASYNCIO__PENDING) {
        asyncio__future_append_callback(future, callback);
        return;
    }
    callback->future = future;
    future->refs++;
    callback->position = asyncio__loop_schedule(future->loop, &callback->ready);
}

/* Unlinks what `at` points to; before is the one ahead of it, or NULL. */
static void unlink_callback(asyncio_future_t *future, asyncio__callback_t **at,
                            asyncio__callback_t *before)
{
    asyncio__callback_t *callback = *at;
    *at = callback->next;
    if (future->last_callback == callback)
        future->last_callback = before;
    callback->next = NULL;
}

bool asyncio__future_remove_callback(asyncio_future_t *future, asyncio__callback_t *callback)
{
    asyncio__callback_t *before = NULL;
    if (future->state != ASYNCIO__PENDING)
        return false;
    for (asyncio__callback_t **at = &future->callbacks; *at; at = &(*at)->next) {
        if (*at == callback) {
            unlink_callback(future, at, before);
            return true;
        }
        before = *at;
    }
    return false;
}

void asyncio__future_drop_callback(asyncio__callback_t *callback)
{
    asyncio_future_t *future = callback->future;
    if (!future)
        return;
    callback->future = NULL;
    if (!asyncio__future_remove_callback(future, callback)) {
        asyncio__loop_unschedule(future->loop, callback->position);
        asyncio_future_unref(future);
    }
}

/* A callback of the program's, in memory of its own. */
typedef struct done_callback {
    asyncio__callback_t callback; /* in a future, or in the ready queue */
    asyncio_done_callback_t *fn;  /* what to call */
    void *arg;                    /* passed to it */
    void *context;                /* in which it runs: a word of context.h */
} done_callback_t;

/* In debug mode it is a little larger, and has a run() of its own. */
typedef struct placed_callback {
    done_callback_t done; /* first, so that both are one address */
    const char *place;    /* where it was added */
} placed_callback_t;

static void run_done_callback(asyncio__ready_t *self);
static void run_placed_callback(asyncio__ready_t *self);

static bool is_programs(const asyncio__callback_t *callback)
{
    return callback->ready.run == run_done_callback || callback->ready.run == run_placed_callback;
}

static void free_done_callback(asyncio_loop_t *loop, done_callback_t *done)
{
    asyncio__loop_release(loop, 1);
    asyncio__context_drop(done->context);
    if (ASYNCIO__UNLIKELY(done->callback.ready.run == run_placed_callback))
        asyncio__free(done, sizeof(placed_callback_t));
    else
        asyncio__free(done, sizeof(*done));
}

static ASYNCIO__COLD void run_in_context(asyncio_future_t *future, done_callback_t *done)
{
    void *context = done->context, *former;
    asyncio_done_callback_t *fn = done->fn;
    void *arg = done->arg;
    done->context = NULL;
    free_done_callback(future->loop, done);
    if (asyncio__loop_enter(future->loop, &context, &former)) {
        fn(future, arg);
        asyncio__context_end(&context, former);
    }
    asyncio__context_drop(context);
}

static void run_done_callback(asyncio__ready_t *self)
{
    done_callback_t *done = ASYNCIO__CONTAINER(self, done_callback_t, callback.ready);
    asyncio_future_t *future = asyncio__callback_begin(&done->callback);
    asyncio_done_callback_t *fn = done->fn;
    void *arg = done->arg;
    if (ASYNCIO__UNLIKELY(asyncio__uses(ASYNCIO__USES_CONTEXTS)) && !future->loop->closed) {
        run_in_context(future, done);
    } else {
        free_done_callback(future->loop, done);
        if (!future->loop->closed)
            fn(future, arg);
    }
    asyncio_future_unref(future);
}

static void run_placed_callback(asyncio__ready_t *self)
{
    run_done_callback(self);
}

static __attribute__((noinline)) void free_callbacks(asyncio_future_t *future)
{
    while (future->callbacks) {
        asyncio__callback_t *callback = future->callbacks;
        future->callbacks = callback->next;
        callback->future = NULL; /* the library's own find out by that */
        if (is_programs(callback))
            free_done_callback(future->loop,
                               ASYNCIO__CONTAINER(callback, done_callback_t, callback));
    }
}

int asyncio__future_check(const asyncio_future_t *future)
{
    if (ASYNCIO__UNLIKELY(!asyncio__is_future(future)))
        return asyncio__fail_kind(future, "\"future\" must be a future or a task");
    return asyncio__loop_check_here(future->loop);
}

int asyncio_future_add_done_callback_full_at(asyncio_future_t *future,
                                             asyncio_done_callback_t *fn, void *arg,
                                             asyncio_context_t *context, const char *place)
{
    int rc = asyncio__future_check(future);
    if (rc == 0)
        rc = asyncio__loop_check(future->loop);
    if (rc < 0)
        return rc;
    if (!fn)
        return asyncio__fail(-EINVAL, "\"fn\" must not be NULL");
    bool is_placed = future->loop->debug;
    size_t size = is_placed ? sizeof(placed_callback_t) : sizeof(done_callback_t);
    done_callback_t *done = asyncio__malloc(size);
    if (!done || asyncio__loop_reserve(future->loop, 1) < 0) {
        asyncio__free(done, size);
        return asyncio__fail(-ENOMEM, NULL);
    }
    done->callback.ready.run = is_placed ? run_placed_callback : run_done_callback;
    if (ASYNCIO__UNLIKELY(is_placed))
        ((placed_callback_t *)done)->place = place;
    done->fn = fn;
    done->arg = arg;
    done->context = NULL;
    if (ASYNCIO__UNLIKELY(asyncio__uses(ASYNCIO__USES_CONTEXTS)))
        done->context = asyncio__context_inherit(context);
    asyncio__future_add_callback(future, &done->callback);
    return 0;
}

int asyncio_future_add_done_callback_at(asyncio_future_t *future, asyncio_done_callback_t *fn,
                                        void *arg, const char *place)
{
    return asyncio_future_add_done_callback_full_at(future, fn, arg, /* context= */ NULL, place);
}

int asyncio_future_remove_done_callback(asyncio_future_t *future, asyncio_done_callback_t *fn,
                                        void *arg)
{
    int rc = asyncio__future_check(future);
    if (rc < 0)
        return rc;
    int count = 0;
    asyncio__callback_t *before = NULL, **at = &future->callbacks;
    while (future->state == ASYNCIO__PENDING && *at) {
        done_callback_t *done = ASYNCIO__CONTAINER(*at, done_callback_t, callback);
        if (is_programs(*at) && done->fn == fn && done->arg == arg) {
            unlink_callback(future, at, before);
            free_done_callback(future->loop, done);
            count++;
        } else {
            before = *at;
            at = &(*at)->next;
        }
    }
    return count;
}

/* --- outcomes ------------------------------------------------------------------------------ */

int asyncio__future_outcome(asyncio_future_t *future, asyncio_error_t **ret_error)
{
    *ret_error = NULL;
    if (future->state == ASYNCIO__FINISHED)
        return 0;
    future->is_reported = true;
    if (future->is_stored) {
        *ret_error = future->error;
        future->error = NULL;
        future->is_stored = false;
    } else {
        *ret_error = asyncio_error_ref(future->error);
    }
    return future->state == ASYNCIO__CANCELLED ? -ECANCELED : future->code;
}

int asyncio__future_raise(asyncio_future_t *future)
{
    asyncio_error_t *error;
    int code = asyncio__future_outcome(future, &error);
    return code < 0 ? asyncio__fail_with(code, error) : 0;
}

void *asyncio__future_move_value(asyncio_future_t *future)
{
    if (future->destroy)
        future->is_moved = true;
    return future->value;
}

int asyncio_future_result(asyncio_future_t *future, void **ret_value)
{
    if (!asyncio__is_future(future))
        return asyncio__fail_kind(future, "\"future\" must be a future or a task");
    if (!asyncio__future_is_done(future))
        return asyncio__fail(ASYNCIO_EINVALIDSTATE, "Result is not ready.");
    if (future->state != ASYNCIO__FINISHED)
        return asyncio__future_raise(future);
    if (future->is_moved)
        return asyncio__fail(ASYNCIO_EINVALIDSTATE, "the result was moved out");
    if (ret_value)
        *ret_value = future->value;
    return 0;
}

int asyncio_future_exception(asyncio_future_t *future, asyncio_error_t **ret_error)
{
    if (!asyncio__is_future(future))
        return asyncio__fail_kind(future, "\"future\" must be a future or a task");
    if (!asyncio__future_is_done(future))
        return asyncio__fail(ASYNCIO_EINVALIDSTATE, "Exception is not set.");
    if (future->state == ASYNCIO__CANCELLED)
        return asyncio__future_raise(future);
    asyncio_error_t *error;
    int code = asyncio__future_outcome(future, &error);
    if (code < 0 && !error)
        error = asyncio__error_new_static(code, NULL, NULL);
    if (ret_error)
        *ret_error = error;
    else
        asyncio_error_unref(error);
    return 0;
}

static ASYNCIO__COLD int refuse_to_set(asyncio_future_t *future)
{
    int rc = asyncio__future_check(future);
    if (rc < 0)
        return rc;
    if (asyncio__is_task(future))
        return asyncio__fail(ASYNCIO_ERUNTIME, "Task does not support set_result operation");
    if (asyncio__future_is_done(future))
        return asyncio__fail(ASYNCIO_EINVALIDSTATE, "invalid state");
    return 0;
}

static inline int check_settable(asyncio_future_t *future)
{
    return ASYNCIO__LIKELY(asyncio__tag_of(future) == ASYNCIO__TAG_FUTURE &&
                           asyncio__thread.running_loop == future->loop &&
                           !asyncio__future_is_done(future))
               ? 0
               : refuse_to_set(future);
}

int asyncio_future_set_result_full(asyncio_future_t *future, void *value,
                                   asyncio_destroy_t *destroy)
{
    int rc = check_settable(future);
    if (rc == 0)
        asyncio__future_finish(future, value, destroy);
    return rc;
}

int asyncio_future_set_result(asyncio_future_t *future, void *value)
{
    return asyncio_future_set_result_full(future, value, NULL);
}

int asyncio_future_set_exception(asyncio_future_t *future, int code)
{
    asyncio_error_t *error = asyncio__error_take_of(code);
    int rc = check_settable(future);
    if (rc == 0 && code >= 0)
        rc = asyncio__fail(-EINVAL, "\"code\" must be negative");
    if (rc < 0) {
        asyncio_error_unref(error);
        return rc;
    }
    asyncio__future_fail(future, code, error);
    return 0;
}

int asyncio_future_cancel(asyncio_future_t *future, const char *message)
{
    int rc = asyncio__future_check(future);
    if (rc < 0)
        return rc;
    asyncio_error_t *error = message ? asyncio__error_new_cancelled(message) : NULL;
    rc = asyncio__future_cancel(future, error);
    asyncio__error_drop(error);
    if (rc == -EDEADLK)
        return asyncio__fail(rc, "tasks await each other in a ring");
    return rc;
}

/* --- questions ----------------------------------------------------------------------------- */

bool asyncio_future_done(const asyncio_future_t *future)
{
    return asyncio__is_future(future) && asyncio__future_is_done(future);
}

bool asyncio_future_cancelled(const asyncio_future_t *future)
{
    return asyncio__is_future(future) && future->state == ASYNCIO__CANCELLED;
}

asyncio_loop_t *asyncio_future_get_loop(const asyncio_future_t *future)
{
    return asyncio__is_future(future) ? future->loop : NULL;
}

bool asyncio_isfuture(const asyncio_awaitable_t *awaitable)
{
    return asyncio__is_future(awaitable);
}

/* --- for debug mode ------------------------------------------------------------------------ */

static void describe(asyncio__ready_t *item, asyncio__description_t *description)
{
    description->place =
        ((placed_callback_t *)ASYNCIO__CONTAINER(item, done_callback_t, callback.ready))->place;
}

static asyncio__describer_t describer = {.run = run_placed_callback, .describe = describe};

__attribute__((constructor)) static void say_what_it_is(void)
{
    asyncio__describe_by(&describer);
}

/* --- the macros as functions --------------------------------------------------------------- */

asyncio_future_t *(asyncio_loop_create_future)(asyncio_loop_t *loop)
{
    return asyncio_loop_create_future_at(loop, /* place= */ NULL);
}

int (asyncio_future_add_done_callback)(asyncio_future_t *future, asyncio_done_callback_t *fn,
                                       void *arg)
{
    return asyncio_future_add_done_callback_at(future, fn, arg, /* place= */ NULL);
}

int (asyncio_future_add_done_callback_full)(asyncio_future_t *future, asyncio_done_callback_t *fn,
                                            void *arg, asyncio_context_t *context)
{
    return asyncio_future_add_done_callback_full_at(future, fn, arg, context, /* place= */ NULL);
}
