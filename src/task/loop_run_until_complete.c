/* SPDX-License-Identifier: MIT */
/*
 * run_until_complete: runs a loop until an awaitable is done. It stands above the loop, which knows
 * no futures.
 */
#include "loop/debug.h"
#include "task/switch.h"

/* The callback that stops the loop when the future is done. */
static void run_stopper(asyncio__ready_t *self)
{
    asyncio_future_t *future =
        asyncio__callback_begin(ASYNCIO__CONTAINER(self, asyncio__callback_t, ready));
    future->loop->stopping = true;
    asyncio_future_unref(future);
}

/* Runs until the future is done: 0, or why not. */
static int run_until_done(asyncio_loop_t *loop, asyncio_future_t *future)
{
    asyncio__callback_t stopper = {.ready.run = run_stopper};
    int rc = asyncio__loop_reserve(loop, 1);
    if (rc < 0)
        return asyncio__fail(rc, NULL);
    asyncio__future_add_callback(future, &stopper);
    rc = asyncio_loop_run_forever(loop);
    asyncio__future_drop_callback(&stopper);
    asyncio__loop_release(loop, 1);
    if (rc < 0)
        return rc;
    if (!asyncio__future_is_done(future))
        return asyncio__fail(ASYNCIO_ERUNTIME, "Event loop stopped before Future completed.");
    return 0;
}

int asyncio_loop_run_until_complete(asyncio_loop_t *loop, asyncio_awaitable_t *awaitable,
                                    void **ret_result)
{
    if (!awaitable)
        return asyncio__fail_null();
    bool is_ours = asyncio_iscoroutine(awaitable);
    int rc = asyncio__loop_check(loop);
    if (rc == 0 && loop->running)
        rc = asyncio__fail(ASYNCIO_ERUNTIME, "This event loop is already running");
    else if (rc == 0 && asyncio_get_running_loop())
        rc = asyncio__fail(ASYNCIO_ERUNTIME,
                           "Cannot run the event loop while another loop is running");
    if (rc < 0) {
        asyncio__discard(awaitable);
        return rc;
    }
    asyncio_future_t *future = asyncio__ensure_future(loop, awaitable);
    if (!future) {
        rc = asyncio_errno();
        return rc < 0 ? rc : -EINVAL;
    }
    rc = run_until_done(loop, future);
    if (rc == 0) {
        void *value = NULL;
        rc = asyncio_future_result(future, &value);
        if (rc == 0 && ret_result)
            *ret_result = is_ours ? asyncio__future_move_value(future) : value;
    }
    asyncio_future_unref(future);
    return rc;
}
