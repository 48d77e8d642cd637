/* SPDX-License-Identifier: MIT */
/*
 * gather: a future over many, whose cancel reaches each of them.
 *
 * The gathering holds its children; they know it only by its callbacks, which it takes out when
 * it goes. Cancelled, it does not become cancelled: it fails with CancelledError once all
 * children are done.
 */
#include <asyncio/gather.h>
#include <stdarg.h>
#include <string.h>

#include "base/memory.h"
#include "task/future_awaiters.h"
#include "task/sources.h"
#include "task/task.h"
#include "task/twin.h"

typedef struct gathering gathering_t;

/* One child's callback. */
struct child {
    asyncio__callback_t callback; /* in the child */
    gathering_t *gathering;       /* whose */
};

struct gathering {
    asyncio_future_t future;       /* what others see */
    asyncio__cancel_frame_t frame; /* of a cancel under way */
    asyncio__sources_t sources;    /* the children, with a reference each */
    struct child *children;        /* a callback for each child */
    void **values;                 /* in order of the sources; the future's value; or NULL */
    size_t finished;               /* children whose callback was called */
    bool return_exceptions;        /* errors are kept in their places */
    bool has_errors;               /* and there were some */
};

static gathering_t *gathering_of(asyncio_future_t *future)
{
    return (gathering_t *)(void *)future;
}

static asyncio_future_t *child_at(asyncio_future_t *future, size_t index)
{
    const asyncio__sources_t *sources = &gathering_of(future)->sources;
    return index < sources->source_count ? asyncio__sources_at(sources, index) : NULL;
}

static asyncio__cancel_frame_t *frame_of(asyncio_future_t *future)
{
    return &gathering_of(future)->frame;
}

static void finalize(asyncio_future_t *future)
{
    gathering_t *gathering = gathering_of(future);
    size_t count = gathering->sources.count;
    /* Those that have called have nothing to take out, and were looked at then. */
    bool is_over = gathering->finished == count && !gathering->has_errors;
    if (gathering->children) {
        for (size_t i = 0; !is_over && i < count; i++) {
            /* The gathering was done: later errors of its children are nobody's. */
            if (asyncio__future_is_done(future))
                gathering->sources.futures[i]->is_reported = true;
            asyncio__future_drop_callback(&gathering->children[i].callback);
        }
        asyncio__loop_release(future->loop, (uint32_t)count);
    }
    asyncio__free(gathering->children, count * sizeof(*gathering->children));
    asyncio__free(gathering->values,
                  gathering->sources.source_count * sizeof(*gathering->values));
    asyncio__sources_fini(&gathering->sources);
}

static const asyncio__future_class_t gathering_class = {
    .finalize = finalize,
    .size_bytes = sizeof(gathering_t),
    .child = child_at,
    .cancel_frame = frame_of,
};

/* A CancelledError as the last source's future would make it. */
static asyncio_error_t *cancelled_error_of_last(gathering_t *gathering)
{
    asyncio_future_t *last = child_at(&gathering->future, gathering->sources.source_count - 1);
    asyncio_error_t *error = NULL;
    if (last->state == ASYNCIO__CANCELLED)
        asyncio__ignore(asyncio__future_outcome(last, &error));
    else if (asyncio__is_task(last)) /* cancelled too late, or it caught the cancel */
        error = asyncio_error_ref(asyncio__task_of(last)->cancel_message);
    return error;
}

static void finish(gathering_t *gathering)
{
    if (gathering->frame.requested) {
        asyncio__future_fail(&gathering->future, -ECANCELED, cancelled_error_of_last(gathering));
        return;
    }
    /* Where each source is a child of its own, and all went well, the values are there already. */
    size_t count = gathering->sources.source_count;
    bool is_ready = !gathering->values ||
                    (count == gathering->sources.count && !gathering->has_errors);
    for (size_t i = 0; !is_ready && i < count; i++) {
        asyncio_future_t *child = child_at(&gathering->future, i);
        child->is_reported = true;
        gathering->values[i] = child->state == ASYNCIO__FINISHED ? child->value : NULL;
    }
    asyncio__future_finish(&gathering->future, gathering->values, NULL);
}

static void child_done(gathering_t *gathering, asyncio_future_t *child, size_t index)
{
    gathering->finished++;
    if (asyncio__future_is_done(&gathering->future)) {
        child->is_reported = true;
        return;
    }
    if (child->state == ASYNCIO__FINISHED) {
        if (gathering->values)
            gathering->values[index] = child->value;
    } else if (gathering->return_exceptions) {
        gathering->values[index] = NULL;
        gathering->has_errors = true;
    } else {
        asyncio_error_t *error;
        int code = asyncio__future_outcome(child, &error);
        asyncio__future_fail(&gathering->future, code, error);
        return;
    }
    if (gathering->finished == gathering->sources.count)
        finish(gathering);
}

static void on_child_done(asyncio__ready_t *self)
{
    struct child *child = ASYNCIO__CONTAINER(self, struct child, callback.ready);
    asyncio_future_t *future = asyncio__callback_begin(&child->callback);
    gathering_t *gathering = child->gathering;
    child_done(gathering, future, (size_t)(child - gathering->children));
    asyncio_future_unref(future); /* last: its destructor may give the gathering up */
}

asyncio_future_t *asyncio__gather_follower(const asyncio__callback_t *callback)
{
    if (callback->ready.run != on_child_done)
        return NULL;
    return &ASYNCIO__CONTAINER(callback, struct child, callback)->gathering->future;
}

/* Registers with the children; those that are done already count at once, after the others. */
static void begin(gathering_t *gathering)
{
    size_t count = gathering->sources.count;
    for (size_t i = 0; i < count; i++) {
        asyncio_future_t *child = gathering->sources.futures[i];
        child->is_marked = false;
        gathering->children[i] = (struct child){.callback.ready.run = on_child_done,
                                                .gathering = gathering};
        if (!asyncio__future_is_done(child))
            asyncio__future_add_callback(child, &gathering->children[i].callback);
    }
    for (size_t i = 0; i < count; i++)
        if (!gathering->children[i].callback.future)
            child_done(gathering, gathering->sources.futures[i], i);
    if (count == 0)
        asyncio__future_finish(&gathering->future, gathering->values, NULL);
}

/* Errors are kept in their places only where values are wanted. */
static asyncio_future_t *gather(asyncio_loop_t *loop, asyncio_awaitable_t *const *awaitables,
                                size_t count, bool return_exceptions, bool wants_values)
{
    asyncio__sources_t sources;
    int rc = asyncio__sources_collect_marked(loop, awaitables, count, &sources);
    if (rc < 0) {
        asyncio__thread.constructor_code = rc;
        return NULL;
    }
    asyncio_future_t *future = asyncio__future_new(loop, &gathering_class, "asyncio_gather");
    if (!future) {
        asyncio__sources_unmark(&sources);
        asyncio__sources_fini(&sources);
        return asyncio__fail_new(-ENOMEM, NULL);
    }
    gathering_t *gathering = gathering_of(future);
    gathering->sources = sources;
    gathering->return_exceptions = return_exceptions;
    if (wants_values)
        gathering->values = asyncio__malloc(count * sizeof(*gathering->values));
    gathering->children = asyncio__malloc(sources.count * sizeof(*gathering->children));
    if ((wants_values && !gathering->values) || !gathering->children ||
        asyncio__loop_reserve(loop, (uint32_t)sources.count) < 0) {
        asyncio__sources_unmark(&sources);
        asyncio__free(gathering->children, sources.count * sizeof(*gathering->children));
        gathering->children = NULL;
        asyncio_future_unref(future);
        return asyncio__fail_new(-ENOMEM, NULL);
    }
    begin(gathering);
    return future;
}

asyncio_future_t *asyncio_gather(asyncio_awaitable_t *const *awaitables, size_t count,
                                 const asyncio_gather_options_t *options)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    bool is_bad = options && options->size < sizeof(*options);
    if (loop && !is_bad)
        return gather(loop, awaitables, count, options && options->return_exceptions,
                      /* wants_values= */ true);
    for (size_t i = 0; awaitables && i < count; i++)
        asyncio__discard(awaitables[i]);
    return loop ? asyncio__fail_new(-EINVAL, "\"size\" must be sizeof(asyncio_gather_options_t)")
                : asyncio__fail_new(ASYNCIO_ERUNTIME, "no running event loop");
}

/* Out of memory before the list could be read: its coroutine objects are taken all the same. */
static ASYNCIO__COLD void discard_list(size_t count, va_list arguments)
{
    for (size_t i = 0; i < count; i++)
        asyncio__discard(va_arg(arguments, asyncio_awaitable_t *));
}

asyncio_future_t *asyncio_gather_of(size_t count, ...)
{
    asyncio_awaitable_t *few[16], **awaitables = few;
    if (count > 16)
        awaitables = asyncio__malloc(count * sizeof(*awaitables));
    va_list arguments;
    va_start(arguments, count);
    if (!awaitables)
        discard_list(count, arguments);
    for (size_t i = 0; awaitables && i < count; i++)
        awaitables[i] = va_arg(arguments, asyncio_awaitable_t *);
    va_end(arguments);
    if (!awaitables)
        return asyncio__fail_new(-ENOMEM, NULL);
    asyncio_future_t *future = asyncio_gather(awaitables, count, NULL);
    if (awaitables != few)
        asyncio__free(awaitables, count * sizeof(*awaitables));
    return future;
}

int asyncio_gather_result(asyncio_future_t *future, size_t index, void **ret_value)
{
    if (!asyncio__is_future(future) || future->class != &gathering_class)
        return asyncio__fail(-EINVAL, "\"gathering\" must be a result of asyncio_gather()");
    asyncio_future_t *child = child_at(future, index);
    if (!child)
        return asyncio__fail(-EINVAL, "\"index\" must be below the number of awaitables");
    if (child->state != ASYNCIO__CANCELLED)
        return asyncio_future_result(child, ret_value);
    /* The stored CancelledError stays for callers that ask the child itself. */
    return asyncio__fail_with(-ECANCELED,
                              child->is_stored ? NULL : asyncio_error_ref(child->error));
}

/* --- in one call --------------------------------------------------------------------------- */

int asyncio_gather_await(asyncio_awaitable_t *const *awaitables, size_t count, void **ret_values)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    if (!asyncio__thread.coroutine || !loop) {
        for (size_t i = 0; awaitables && i < count; i++)
            asyncio__discard(awaitables[i]);
        return asyncio__fail(ASYNCIO_ERUNTIME, "await outside a coroutine");
    }
    asyncio_future_t *future = gather(loop, awaitables, count, /* return_exceptions= */ false,
                                      /* wants_values= */ ret_values != NULL);
    if (!future)
        return asyncio_errno();
    int rc = asyncio_await(future, NULL);
    gathering_t *gathering = gathering_of(future);
    for (size_t i = 0; rc == 0 && ret_values && i < count; i++) {
        asyncio_future_t *child = child_at(future, i);
        /* Of a coroutine object nobody else can have the task: its value moves. */
        bool is_ours = (const void *)child != (const void *)awaitables[i];
        ret_values[i] = is_ours ? asyncio__future_move_value(child) : gathering->values[i];
    }
    asyncio_future_unref(future);
    return rc;
}

static int run_asyncio_gather_await(void *arguments, void **ret_result);

ASYNCIO__TWIN_KEPT(OWN, asyncio_gather_await, asyncio__awaitables_keep, asyncio__awaitables_drop,
                   (asyncio_awaitable_t *const *, awaitables), (size_t, count),
                   (void **, ret_values))

static int run_asyncio_gather_await(void *arguments, void **ret_result)
{
    (void)ret_result;
    const struct asyncio_gather_await_arguments *a = arguments;
    int rc = asyncio_gather_await(a->awaitables, a->count, a->ret_values);
    asyncio__awaitables_taken(arguments);
    return rc;
}
