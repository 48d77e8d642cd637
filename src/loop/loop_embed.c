/* SPDX-License-Identifier: MIT */
/*
 * A loop inside another one: the other one polls a file descriptor, sleeps until a deadline, and
 * runs one turn.
 */
#include <asyncio/embed.h>
#include <math.h>

#include "base/error.h"
#include "loop/loop.h"

int asyncio_loop_fileno(asyncio_loop_t *loop)
{
    int rc = asyncio__loop_check(loop);
    if (rc < 0)
        return rc;
    int fd = loop->engine->class->poll_fd(loop->engine);
    return fd < 0 ? asyncio__fail(fd, "the engine has no file descriptor to poll") : fd;
}

int asyncio_loop_run_once(asyncio_loop_t *loop)
{
    int rc = asyncio__loop_check(loop);
    if (rc < 0)
        return rc;
    if (loop->running)
        return asyncio__fail(ASYNCIO_ERUNTIME, "This event loop is already running");
    loop->stopping = true; /* for one turn that does not wait */
    rc = asyncio_loop_run_forever(loop);
    if (!loop->running)
        loop->stopping = false;
    return rc;
}

/*
 * Whatever the program has done since the last turn must show in the file descriptor before the
 * other loop sleeps on it: operations are handed to the kernel here, and posts of other threads
 * wake the engine from now on.
 */
double asyncio_loop_next_deadline(asyncio_loop_t *loop)
{
    if (asyncio__loop_check(loop) < 0)
        return (double)NAN;
    if (loop->engine->in_flight > 0 && !loop->running)
        asyncio__ignore(loop->engine->class->wait(loop->engine, 0));
    if (asyncio__ring_count(&loop->ready) > 0 || !asyncio__list_is_empty(&loop->flushes) ||
        !asyncio__inbox_sleep(loop->inbox))
        return asyncio_loop_time(loop);
    const struct asyncio__heap_entry *first = asyncio__heap_first(&loop->timers);
    return first ? asyncio__seconds(first->when_ns) : (double)INFINITY;
}
