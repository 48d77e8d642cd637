/* SPDX-License-Identifier: MIT */
/* Checks of callers and objects; see check.h. */
#include "loop/check.h"

#include "base/error.h"
#include "base/tag.h"
#include "loop/report.h"

/* The loop's own handler cannot be called in another thread. */
static ASYNCIO__COLD void report_thread(const asyncio_loop_t *loop)
{
    if (loop->debug)
        asyncio__loop_report(NULL,
                             "Non-thread-safe operation invoked on an event loop other than the "
                             "current one",
                             ASYNCIO_ERUNTIME, NULL, NULL, NULL, NULL);
}

int asyncio__loop_check_thread(const asyncio_loop_t *loop)
{
    if (ASYNCIO__UNLIKELY(!loop))
        return asyncio__fail(-EINVAL, "\"loop\" must not be NULL");
    if (ASYNCIO__UNLIKELY(loop->fork_generation != asyncio__fork_generation))
        return asyncio__fail(ASYNCIO_ERUNTIME, "the loop is used in a forked child");
    if (ASYNCIO__UNLIKELY(loop->running && loop->thread != &asyncio__thread)) {
        report_thread(loop);
        return asyncio__fail(ASYNCIO_ERUNTIME, "the loop belongs to another thread");
    }
    return 0;
}

int asyncio__loop_check(const asyncio_loop_t *loop)
{
    int rc = asyncio__loop_check_thread(loop);
    if (rc == 0 && ASYNCIO__UNLIKELY(loop->closed))
        return asyncio__fail(ASYNCIO_ERUNTIME, "Event loop is closed");
    return rc;
}

int asyncio__fail_kind(const asyncio_awaitable_t *given, const char *static_message)
{
    asyncio_loop_t *loop = asyncio__running_loop();
    if (loop && loop->debug && asyncio__tag_of(given) == ASYNCIO__TAG_FREED) {
        static_message = "an object was used after its last reference had been given up";
        asyncio__loop_report(loop, static_message, -EINVAL, NULL, NULL, NULL, NULL);
    }
    return asyncio__fail(-EINVAL, static_message);
}

void *asyncio__fail_new_kind(const asyncio_awaitable_t *given, const char *static_message)
{
    asyncio__thread.constructor_code = asyncio__fail_kind(given, static_message);
    return NULL;
}
