/* SPDX-License-Identifier: MIT */
/* Waiting in a task until a file descriptor of the program's own is ready. */
#include <asyncio/embed.h>
#include <asyncio/task.h>

#include "base/error.h"
#include "loop/loop.h"
#include "task/future.h"
#include "task/twin.h"

typedef struct waiter {
    asyncio_future_t *future; /* finished by the watch */
    unsigned came;            /* the events that it told */
} waiter_t;

static void on_events(int fd, unsigned events, void *arg)
{
    waiter_t *waiter = arg;
    (void)fd;
    waiter->came |= events;
    if (!asyncio_future_done(waiter->future))
        asyncio__ignore(asyncio_future_set_result(waiter->future, NULL));
}

int asyncio_loop_wait_fd(int fd, unsigned events)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    if (!loop)
        return asyncio__fail(ASYNCIO_ERUNTIME, "no running event loop");
    if (fd >= 0 && asyncio__watch_exists(loop, fd, ASYNCIO__WATCH_EVENTS))
        return asyncio__fail(-EALREADY, "the file descriptor is being watched already");
    waiter_t waiter = {.future = asyncio_loop_create_future(loop)};
    if (!waiter.future)
        return asyncio_errno();
    int rc = asyncio_loop_watch_fd(loop, fd, events, on_events, &waiter);
    if (rc == 0) {
        rc = asyncio_await(waiter.future, NULL);
        asyncio__ignore(asyncio_loop_unwatch_fd(loop, fd));
    }
    asyncio_future_unref(waiter.future);
    return rc < 0 ? rc : (int)waiter.came;
}

ASYNCIO__TWIN(COUNT, asyncio_loop_wait_fd, (int, fd), (unsigned, events))
