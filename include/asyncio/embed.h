/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Living with other libraries: a loop inside a foreign one, such as GLib's, and tasks that wait for
 * the file descriptor of a library, such as libpq's.
 *
 * The foreign loop polls the loop's descriptor for input. It sleeps no longer than until
 * asyncio_loop_next_deadline(), which it asks each time before it sleeps, and calls
 * asyncio_loop_run_once() when either has come:
 *
 * @code
 *     struct pollfd poll_fd = {.fd = asyncio_loop_fileno(loop), .events = POLLIN};
 *     for (;;) {
 *         double left = asyncio_loop_next_deadline(loop) - asyncio_loop_time(loop);
 *         poll(&poll_fd, 1, left > 1e6 ? -1 : left <= 0 ? 0 : (int)(left * 1000) + 1);
 *         asyncio_loop_run_once(loop);
 *     }
 * @endcode
 */
#ifndef ASYNCIO_EMBED_H
#define ASYNCIO_EMBED_H

#include <asyncio/loop.h>

ASYNCIO_BEGIN_DECLS

/** What is ready, or watched, of a file descriptor; errors and hang-ups count as both. */
enum {
    ASYNCIO_FD_READ = 1, /**< it can be read */
    ASYNCIO_FD_WRITE = 2 /**< it can be written */
};

/** Called with what is ready of a file descriptor: ASYNCIO_FD_READ, ASYNCIO_FD_WRITE or both. */
typedef void asyncio_fd_callback_t(int fd, unsigned events, void *arg);

/**
 * Returns the file descriptor by which another event loop learns that this loop has work.
 *
 * @param loop  the loop; on the virtual clock nothing moves the clock then.
 * @return the file descriptor; -EINVAL: NULL; ASYNCIO_ERUNTIME: closed, another thread's, forked
 *   child; -EMFILE, -ENFILE, -ENOMEM: there is none.
 *
 * Ownership: the file descriptor is *borrowed* until the loop is closed.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API int asyncio_loop_fileno(asyncio_loop_t *loop);

/**
 * Runs one turn without waiting: what is ready now runs.
 *
 * @param loop  the loop.
 * @return as asyncio_loop_run_forever().
 *
 * Ownership: loop is *borrowed*.
 * Context: outside tasks; the thread becomes the loop's.
 * Twin: none; `loop.stop`, then `loop.run_forever`.
 */
ASYNCIO_API int asyncio_loop_run_once(asyncio_loop_t *loop);

/**
 * Returns when asyncio_loop_run_once() must be called at the latest, if the file descriptor of
 * asyncio_loop_fileno() reports nothing before. To be asked each time before the other loop sleeps:
 * it hands pending operations to the kernel, and from then on other threads wake the descriptor.
 *
 * @param loop  the loop.
 * @return seconds on the loop's clock: the present time or an earlier one if there is something to
 *   run now; ASYNCIO_FOREVER without timers; NaN for a loop that cannot be used.
 *
 * Ownership: loop is *borrowed*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API double asyncio_loop_next_deadline(asyncio_loop_t *loop);

/**
 * Watches a file descriptor for input, output or both, with one callback that is told which of
 * them is ready. It runs once a turn while one of them is.
 *
 * The watch is independent of asyncio_loop_add_reader() and asyncio_loop_add_writer(); what is said
 * there of closing the descriptor holds here. A second call for the same descriptor replaces
 * events and callback.
 *
 * @param loop    the loop.
 * @param fd      as for asyncio_loop_add_reader().
 * @param events  ASYNCIO_FD_READ, ASYNCIO_FD_WRITE or both.
 * @param fn      the callback; NULL is -EINVAL.
 * @param arg     passed to it.
 * @param place   the place for reports; the macro passes it.
 * @return as asyncio_loop_add_reader(); also -EINVAL for other events.
 *
 * Ownership: fd and arg are *borrowed* until the watch ends.
 * Context: loop thread.
 * Twin: none; `loop.add_reader` and `loop.add_writer` in one.
 */
ASYNCIO_API int asyncio_loop_watch_fd_at(asyncio_loop_t *loop, int fd, unsigned events,
                                         asyncio_fd_callback_t *fn, void *arg, const char *place);
#define asyncio_loop_watch_fd(loop, fd, events, fn, arg) \
    asyncio_loop_watch_fd_at((loop), (fd), (events), (fn), (arg), ASYNCIO_PLACE)

/* The macro above as a function, which passes no place: for pointers and other languages. */
ASYNCIO_API int (asyncio_loop_watch_fd)(asyncio_loop_t *loop, int fd, unsigned events,
                                        asyncio_fd_callback_t *fn, void *arg);

/**
 * Ends a watch of asyncio_loop_watch_fd().
 *
 * @param loop  the loop.
 * @param fd    the file descriptor.
 * @return as asyncio_loop_remove_reader().
 *
 * Ownership: nothing.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API int asyncio_loop_unwatch_fd(asyncio_loop_t *loop, int fd);

/**
 * Waits until a file descriptor of the program's own is ready, such as the socket of libpq.
 *
 * @param fd      an open file descriptor that can be polled; one task at a time may wait for it.
 * @param events  ASYNCIO_FD_READ, ASYNCIO_FD_WRITE or both.
 * @return
 *   - more than 0: what is ready, ASYNCIO_FD_READ, ASYNCIO_FD_WRITE or both.
 *   - -EALREADY: another task waits for it, or asyncio_loop_watch_fd() watches it.
 *   - -EINVAL, -EBADF, -EPERM, -EOPNOTSUPP, -ENOMEM, -ENOSPC: as asyncio_loop_watch_fd().
 *   - ASYNCIO_ERUNTIME: not inside a task.
 *   - -ECANCELED: this task was cancelled.
 *
 * Ownership: fd is *borrowed*.
 * Context: inside a task.
 * Cancellation: ends the wait; nothing is lost.
 * Twin: none; `loop.add_reader` with a future.
 */
ASYNCIO_API int asyncio_loop_wait_fd(int fd, unsigned events);

/** Makes the coroutine object of asyncio_loop_wait_fd(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_loop_wait_fd_coroutine(int fd, unsigned events);

ASYNCIO_END_DECLS

#endif
