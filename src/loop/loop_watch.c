/* SPDX-License-Identifier: MIT */
/* Readers, writers and watches of both, as the program sets them; see watches.h. */
#include "base/error.h"
#include "loop/watches.h"

_Static_assert(ASYNCIO_FD_READ == ASYNCIO__WATCH_READ && ASYNCIO_FD_WRITE == ASYNCIO__WATCH_WRITE,
               "the engine's events are the program's");

int asyncio_loop_add_reader_at(asyncio_loop_t *loop, int fd, asyncio_callback_t *fn, void *arg,
                               const char *place)
{
    const asyncio__watch_call_t call = {
        .fn = fn, .arg = arg, .place = place, .events = ASYNCIO__WATCH_READ};
    return asyncio__watch_add(loop, fd, ASYNCIO__WATCH_INPUT, &call);
}

int asyncio_loop_remove_reader(asyncio_loop_t *loop, int fd)
{
    return asyncio__watch_remove(loop, fd, ASYNCIO__WATCH_INPUT);
}

int asyncio_loop_add_writer_at(asyncio_loop_t *loop, int fd, asyncio_callback_t *fn, void *arg,
                               const char *place)
{
    const asyncio__watch_call_t call = {
        .fn = fn, .arg = arg, .place = place, .events = ASYNCIO__WATCH_WRITE};
    return asyncio__watch_add(loop, fd, ASYNCIO__WATCH_OUTPUT, &call);
}

int asyncio_loop_remove_writer(asyncio_loop_t *loop, int fd)
{
    return asyncio__watch_remove(loop, fd, ASYNCIO__WATCH_OUTPUT);
}

int asyncio_loop_watch_fd_at(asyncio_loop_t *loop, int fd, unsigned events,
                             asyncio_fd_callback_t *fn, void *arg, const char *place)
{
    if (!events || (events & ~(unsigned)(ASYNCIO_FD_READ | ASYNCIO_FD_WRITE)))
        return asyncio__fail(-EINVAL,
                             "\"events\" must be ASYNCIO_FD_READ, ASYNCIO_FD_WRITE or both");
    const asyncio__watch_call_t call = {
        .fd_fn = fn, .arg = arg, .place = place, .events = events};
    return asyncio__watch_add(loop, fd, ASYNCIO__WATCH_EVENTS, &call);
}

int asyncio_loop_unwatch_fd(asyncio_loop_t *loop, int fd)
{
    return asyncio__watch_remove(loop, fd, ASYNCIO__WATCH_EVENTS);
}

/* --- the macros as functions --------------------------------------------------------------- */

int (asyncio_loop_add_reader)(asyncio_loop_t *loop, int fd, asyncio_callback_t *fn, void *arg)
{
    return asyncio_loop_add_reader_at(loop, fd, fn, arg, /* place= */ NULL);
}

int (asyncio_loop_add_writer)(asyncio_loop_t *loop, int fd, asyncio_callback_t *fn, void *arg)
{
    return asyncio_loop_add_writer_at(loop, fd, fn, arg, /* place= */ NULL);
}

int (asyncio_loop_watch_fd)(asyncio_loop_t *loop, int fd, unsigned events,
                            asyncio_fd_callback_t *fn, void *arg)
{
    return asyncio_loop_watch_fd_at(loop, fd, events, fn, arg, /* place= */ NULL);
}
