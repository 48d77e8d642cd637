/* SPDX-License-Identifier: MIT */
/* wrap_future: a future of the running loop with the outcome of a concurrent future. */
#include "executor/concurrent_future.h"
#include "executor/posted_future.h"
#include "task/task.h"

typedef struct wrapper {
    asyncio__posted_future_t posted;         /* what the program has; first */
    asyncio__concurrent_callback_t callback; /* in the source: posts its outcome */
    asyncio_concurrent_future_t *source;     /* a reference, as long as the future lives */
} wrapper_t;

static wrapper_t *wrapper_of(asyncio_future_t *future)
{
    return ASYNCIO__CONTAINER(asyncio__posted_future_of(future), wrapper_t, posted);
}

static void on_source_done(asyncio__concurrent_callback_t *self,
                           asyncio_concurrent_future_t *source, bool is_freed)
{
    (void)source;
    wrapper_t *wrapper = ASYNCIO__CONTAINER(self, wrapper_t, callback);
    if (is_freed)
        asyncio__posted_future_drop_poster(&wrapper->posted);
    else
        asyncio__posted_future_post(&wrapper->posted);
}

static void settle(asyncio__posted_future_t *posted, bool closed)
{
    asyncio_future_t *future = &posted->future;
    if (closed || asyncio__future_is_done(future))
        return;
    asyncio_concurrent_future_t *source = wrapper_of(future)->source;
    switch (asyncio__concurrent_state(source)) {
    case ASYNCIO__CONCURRENT_CANCELLED:
        asyncio__future_make_cancelled(future, NULL);
        break;
    case ASYNCIO__CONCURRENT_FAILED:
        asyncio__future_fail(future, source->code, asyncio_error_ref(source->error));
        break;
    default:
        asyncio__future_finish(future, source->result.value, NULL);
    }
}

static int cancel(asyncio_future_t *future, asyncio_error_t *message)
{
    asyncio__future_make_cancelled(future, asyncio_error_ref(message));
    asyncio__ignore(asyncio_concurrent_future_cancel(wrapper_of(future)->source));
    return 1;
}

static void finalize(asyncio_future_t *future)
{
    asyncio_concurrent_future_unref(wrapper_of(future)->source);
}

static const asyncio__future_class_t wrapper_class = {.cancel = cancel,
                                                      .finalize = finalize,
                                                      .release = asyncio__posted_future_release,
                                                      .size_bytes = sizeof(wrapper_t)};

asyncio_future_t *asyncio_wrap_future(asyncio_concurrent_future_t *source)
{
    if (!source) {
        asyncio__thread.constructor_code = asyncio__fail_null();
        return NULL;
    }
    if (!asyncio__is_concurrent(source))
        return asyncio__fail_new(-EINVAL, "\"future\" must be a concurrent future");
    asyncio_loop_t *loop = asyncio_get_running_loop();
    if (!loop)
        return asyncio__fail_new(ASYNCIO_ERUNTIME, "no running event loop");
    asyncio__posted_future_t *posted =
        asyncio__posted_future_new(loop, &wrapper_class, settle, "asyncio_wrap_future");
    if (!posted)
        return asyncio__fail_new(-ENOMEM, NULL);
    wrapper_t *wrapper = wrapper_of(&posted->future);
    wrapper->source = asyncio_concurrent_future_ref(source);
    wrapper->callback.run = on_source_done;
    asyncio__posted_future_expect(posted, /* is_job= */ source->class->is_running != NULL);
    asyncio__concurrent_add_callback(source, &wrapper->callback);
    return &posted->future;
}
