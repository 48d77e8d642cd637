/* SPDX-License-Identifier: MIT */
/*
 * await and ensure_future: how awaitables become results and futures.
 */
#include <stdio.h>

#include "base/context.h"
#include "base/memory.h"
#include "loop/debug.h"
#include "task/switch.h"

static const char not_awaitable[] =
    "\"awaitable\" must be a future, a task or a coroutine object";

int asyncio__fail_null(void)
{
    int code = asyncio_errno();
    return asyncio__fail(code < 0 ? code : -EINVAL, "\"awaitable\" must not be NULL");
}

void asyncio__discard(asyncio_awaitable_t *awaitable)
{
    if (!asyncio_iscoroutine(awaitable))
        return;
    asyncio_coroutine_t *coroutine = awaitable;
    if (coroutine->state == ASYNCIO__COROUTINE_CREATED)
        asyncio__coroutine_end(coroutine);
    asyncio_coroutine_unref(coroutine);
}

/* --- await --------------------------------------------------------------------------------- */

/* The object runs now, on this stack; its value moves to the caller. */
static int await_coroutine(asyncio_coroutine_t *coroutine, void **ret_result)
{
    int rc;
    if (!asyncio__thread.coroutine)
        rc = asyncio__fail(ASYNCIO_ERUNTIME, "await outside a coroutine");
    else
        rc = asyncio__coroutine_check(coroutine);
    if (rc < 0) {
        asyncio__discard(coroutine);
        return rc;
    }
    asyncio__result_t result;
    rc = asyncio__coroutine_call(coroutine, &result);
    asyncio_coroutine_unref(coroutine);
    if (rc < 0)
        return rc;
    if (ret_result)
        *ret_result = result.value;
    else if (result.destroy)
        result.destroy(result.value);
    return 0;
}

static int await_done(asyncio_future_t *future, void **ret_result)
{
    if (!asyncio__thread.coroutine)
        return asyncio__fail(ASYNCIO_ERUNTIME, "await outside a coroutine");
    return asyncio_future_result(future, ret_result);
}

/* Waits, with a reference that the caller has. Inline in both that call it; see switch.h. */
static inline __attribute__((always_inline)) int await_pending(asyncio_future_t *future)
{
    int rc = asyncio__future_wait_here(future);
    if (ASYNCIO__UNLIKELY(rc == 0 && future->is_moved))
        rc = asyncio__fail(ASYNCIO_EINVALIDSTATE, "the result was moved out");
    return rc;
}

/* Apart from what does not wait, which returns as ever. */
static ASYNCIO__RETURNS_ANEW __attribute__((noinline)) int await_future(asyncio_future_t *future,
                                                                        void **ret_result)
{
    future->refs++; /* others may give theirs up meanwhile */
    int rc = await_pending(future);
    if (rc == 0 && ret_result)
        *ret_result = future->value;
    asyncio_future_unref(future);
    return rc;
}

int (asyncio_await)(asyncio_awaitable_t *awaitable, void **ret_result)
{
    switch (asyncio__tag_of(awaitable)) {
    case ASYNCIO__TAG_COROUTINE:
        return await_coroutine(awaitable, ret_result);
    case ASYNCIO__TAG_FUTURE:
    case ASYNCIO__TAG_TASK:
        return asyncio__future_is_done(awaitable) ? await_done(awaitable, ret_result)
                                                  : await_future(awaitable, ret_result);
    default:
        return awaitable ? asyncio__fail_kind(awaitable, not_awaitable) : asyncio__fail_null();
    }
}

ASYNCIO__RETURNS_ANEW int asyncio_await_unref(asyncio_future_t *future, void **ret_result)
{
    if (ASYNCIO__UNLIKELY(!asyncio__is_future(future)))
        return future ? asyncio__fail_kind(future, "\"future\" must be a future or a task")
                      : asyncio__fail_null();
    int rc = asyncio__future_is_done(future) ? await_done(future, NULL) : await_pending(future);
    if (rc == 0 && ret_result)
        *ret_result = asyncio__future_move_value(future);
    asyncio_future_unref(future);
    return rc;
}

/* --- making tasks -------------------------------------------------------------------------- */

asyncio_future_t *asyncio__ensure_future(asyncio_loop_t *loop, asyncio_awaitable_t *awaitable)
{
    if (!asyncio__is_future(awaitable)) {
        if (awaitable && !asyncio_iscoroutine(awaitable))
            return asyncio__fail_new_kind(awaitable, not_awaitable);
        return asyncio__task_new(loop, awaitable, NULL);
    }
    asyncio_future_t *future = awaitable;
    if (loop && future->loop != loop)
        return asyncio__fail_new(-EINVAL, "the future belongs to another loop");
    return asyncio_future_ref(future);
}

asyncio_future_t *(asyncio_ensure_future)(asyncio_awaitable_t *awaitable)
{
    return asyncio__ensure_future(asyncio_get_running_loop(), awaitable);
}

/* --- coroutine objects that nobody used ---------------------------------------------------- */

static void report_unused(asyncio_coroutine_t *coroutine)
{
    asyncio_exception_context_t context = {.size = sizeof(context),
                                           .message = "coroutine was never awaited",
                                           .coroutine = coroutine,
                                           .place = coroutine->place};
    coroutine->refs++; /* for the handler */
    asyncio_loop_call_exception_handler(asyncio_get_running_loop(), &context);
    coroutine->refs--;
}

/* In which the exception handler is told of a future: that of its task, or NULL. */
static asyncio_context_t *context_of(asyncio_future_t *future)
{
    return asyncio__is_task(future) ? asyncio_task_get_context(future) : NULL;
}

__attribute__((constructor)) static void begin(void)
{
    asyncio__context_of_future = context_of;
    asyncio__coroutine_on_unused = report_unused;
}
