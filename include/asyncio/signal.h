/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Signals: callbacks that a loop runs when the process has got a signal.
 *
 * @code
 *     asyncio_loop_add_signal_handler(loop, SIGTERM, begin_to_stop, server);
 *     ...
 *     asyncio_loop_remove_signal_handler(loop, SIGTERM);     the former disposition is back
 * @endcode
 *
 * The callback runs in the loop's thread, like any other, and may do what any callback may. Any
 * number of loops, in any threads, may watch one signal: each is told. Which thread of the process
 * gets the signal does not matter, if only one of them does not block it.
 *
 * Signals of one number that come before the callback has begun are one, as they are for the
 * kernel; none is lost: after the last one there is a call. Those of one turn are called in the
 * order of their numbers.
 *
 * The first handler of a signal, of all loops, replaces its disposition. Removing the last one
 * restores the former disposition, unless the program has set another one since. System calls of
 * the program that are interrupted are restarted (SA_RESTART). A forked child begins with the
 * former dispositions, and its signals are not reported to its parent's loops.
 *
 * A signal is no reason for a loop on the virtual clock to wait: it cannot know that one may come.
 * A fault (SIGSEGV, …) cannot be watched with profit: returning from its handler repeats it.
 */
#ifndef ASYNCIO_SIGNAL_H
#define ASYNCIO_SIGNAL_H

#include <asyncio/handle.h>

ASYNCIO_BEGIN_DECLS

/**
 * Has a callback run in the loop whenever the process has got a signal.
 *
 * A second call for the same signal and loop replaces the callback. It runs in a copy of the
 * context that is current now, the same each time.
 *
 * @param loop   the loop.
 * @param signo  the signal, such as SIGTERM.
 * @param fn     the callback; NULL is -EINVAL.
 * @param arg    passed to it.
 * @param place  the place for reports; the macro passes it.
 * @return
 *   - 0: watched.
 *   - -EINVAL: NULL, or no number of a signal.
 *   - ASYNCIO_ERUNTIME: "sig N cannot be caught" (SIGKILL, SIGSTOP); or the loop is closed, another
 *     thread's, or this is a forked child.
 *   - -ENOMEM: not watched.
 *
 * Ownership: arg is *borrowed* until the watch ends.
 * Context: loop thread, which may be any thread.
 * Twin: `loop.add_signal_handler`.
 */
ASYNCIO_API int asyncio_loop_add_signal_handler_at(asyncio_loop_t *loop, int signo,
                                                   asyncio_callback_t *fn, void *arg,
                                                   const char *place);
#define asyncio_loop_add_signal_handler(loop, signo, fn, arg) \
    asyncio_loop_add_signal_handler_at((loop), (signo), (fn), (arg), ASYNCIO_PLACE)

/**
 * Ends a watch of a signal; what has come and was not called yet is dropped. Closing a loop ends
 * its watches.
 *
 * @param loop   the loop.
 * @param signo  the signal.
 * @return 1 if it was watched, else 0; -EINVAL: loop is NULL, or signo is not the number of a
 *   signal; ASYNCIO_ERUNTIME: another thread's loop, or a forked child.
 *
 * Ownership: nothing.
 * Context: loop thread.
 * Twin: `loop.remove_signal_handler`.
 */
ASYNCIO_API int asyncio_loop_remove_signal_handler(asyncio_loop_t *loop, int signo);

/* The macro above as a function, which passes no place: for pointers and other languages. */
ASYNCIO_API int (asyncio_loop_add_signal_handler)(asyncio_loop_t *loop, int signo,
                                                  asyncio_callback_t *fn, void *arg);

ASYNCIO_END_DECLS

#endif
