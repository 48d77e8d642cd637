/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The event loop: the queue of what is ready, the timers, and the engine that waits for the kernel.
 *
 * @code
 *     asyncio_loop_t *loop = asyncio_new_event_loop();
 *     asyncio_loop_call_soon(loop, hello, NULL, NULL);
 *     asyncio_loop_run_forever(loop);          until asyncio_loop_stop()
 *     asyncio_loop_unref(loop);                closes it, if it is open
 * @endcode
 *
 * One turn of the loop: wait once for the kernel (not at all if something is ready); what
 * completed becomes ready, then the timers that are due, by deadline and then by the order in
 * which they were set; then exactly what is ready now runs, first in, first out. What that
 * schedules runs in the next turn.
 *
 * A loop belongs to the thread that runs it. Another thread reaches it by
 * asyncio_loop_call_soon_threadsafe() and what is built on it. While it runs, every other call of
 * another thread that would change what it does, on the loop or on its futures, tasks, scopes,
 * servers, streams, sockets, or on a lock or queue that its tasks wait for, returns
 * ASYNCIO_ERUNTIME and changes nothing; in debug mode that is reported too. In a forked child
 * every such call does, whether the loop runs or not. Reference counts are plain: of a server,
 * stream or socket a reference that is given up by such a thread is kept, rather than the loop
 * harmed; other counts are not looked after. While the loop does not run, one thread at a time may
 * use it, whichever that is.
 */
#ifndef ASYNCIO_LOOP_H
#define ASYNCIO_LOOP_H

#include <asyncio/error.h>
#include <asyncio/future.h>
#include <asyncio/handle.h>

ASYNCIO_BEGIN_DECLS

/** How a loop waits for the kernel. */
typedef enum asyncio_engine {
    ASYNCIO_ENGINE_AUTO = 0,  /**< ASYNCIO_ENGINE of the environment, else the best there is */
    ASYNCIO_ENGINE_EPOLL = 1, /**< epoll(7) */
    ASYNCIO_ENGINE_URING = 2, /**< io_uring(7) */
    ASYNCIO_ENGINE_SIM = 3    /**< simulated: timers and threads, no sockets yet */
} asyncio_engine_t;

/** What a loop takes for the time. */
typedef enum asyncio_clock {
    ASYNCIO_CLOCK_MONOTONIC = 0, /**< CLOCK_MONOTONIC */
    ASYNCIO_CLOCK_VIRTUAL = 1    /**< begins at 0 and jumps to the next deadline when idle; I/O in
                                      flight is waited for 5 ms before each jump: see testing.h */
} asyncio_clock_t;

/** Options of a loop; zero is the default of each. */
typedef struct asyncio_loop_options {
    size_t size;             /**< sizeof(asyncio_loop_options_t) */
    asyncio_engine_t engine; /**< how it waits */
    asyncio_clock_t clock;   /**< what it takes for the time */
    size_t stack_bytes;      /**< of a coroutine's stack; 0: 256 KiB; 64 KiB to 64 MiB */
    bool debug;              /**< see asyncio_loop_set_debug(); also by ASYNCIO_DEBUG=1 */
    bool report_overflow;    /**< stack overflows are; also by ASYNCIO_REPORT_OVERFLOW=1 */
    unsigned await_budget;   /**< awaits that a task may complete in a row without suspending,
                                  before other tasks get a turn; 0: no limit. For awaits of locks,
                                  semaphores, streams, and queues made after this loop */
} asyncio_loop_options_t;

/** What an exception handler is told; fields that do not apply are NULL or 0. */
typedef struct asyncio_exception_context {
    size_t size;                    /**< sizeof(asyncio_exception_context_t) */
    const char *message;            /**< what happened */
    int code;                       /**< the error's code */
    asyncio_error_t *error;         /**< its details */
    asyncio_future_t *future;       /**< the future or task that it is about */
    asyncio_coroutine_t *coroutine; /**< the coroutine object that it is about */
    const char *place;              /**< where that was made, "file:line name" */
    const char *name;               /**< the task's name */
} asyncio_exception_context_t;

/** Called for what would else be lost; everything is *borrowed* for the call. loop may be NULL. */
typedef void asyncio_exception_handler_t(asyncio_loop_t *loop,
                                         const asyncio_exception_context_t *context, void *arg);

/**
 * Makes an event loop with the default options.
 *
 * @return a *new* reference, or NULL; then asyncio_errno() is -ENOMEM, -EMFILE or -ENFILE (no
 *   descriptor for the engine), or -EINVAL (ASYNCIO_ENGINE of the environment names none).
 *
 * Ownership: the loop is *new*.
 * Context: any thread.
 * Twin: `asyncio.new_event_loop`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_loop_t *asyncio_new_event_loop(void);

/**
 * Makes an event loop with options.
 *
 * An engine that is asked for by name and not to be had is an error; AUTO falls back quietly.
 *
 * With report_overflow the loop puts up a handler of SIGSEGV and SIGBUS until it is closed, and
 * runs with a stack for signals if its thread has none. A fault in the guard of a coroutine's
 * stack writes one line to stderr: the task's name, where it was made, its stack's size and what
 * it needed. All faults then go to the handler that was there before, or end the process as
 * without; the environment is not asked where a program runs with more rights than its user.
 *
 * @param options  NULL for the defaults; its size must be set.
 * @return as asyncio_new_event_loop(); also -EINVAL for an unknown engine, clock or stack size,
 *   and -ENOSYS or -EPERM where the engine asked for is refused by the system.
 *
 * Ownership: the loop is *new*.
 * Context: any thread.
 * Twin: `asyncio.new_event_loop`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_loop_t *
asyncio_new_event_loop_full(const asyncio_loop_options_t *options);

/**
 * Takes another reference.
 *
 * @param loop  NULL is allowed.
 * @return loop.
 *
 * Ownership: the reference is *new*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_loop_t *asyncio_loop_ref(asyncio_loop_t *loop);

/**
 * Gives a reference up; the last one closes the loop, if it is open. Its memory lives until the
 * last of its futures, handles and coroutines has gone too.
 *
 * @param loop  NULL is allowed.
 *
 * Ownership: loop is *taken*.
 * Context: loop thread.
 * Twin: `del loop`.
 */
ASYNCIO_API void asyncio_loop_unref(asyncio_loop_t *loop);

/**
 * Ends a loop's work: what is ready or set for later is dropped; tasks that are pending are
 * reported and ended with ASYNCIO_EGENERATOREXIT at what they wait for.
 *
 * @param loop  the loop; closing twice is harmless.
 * @return
 *   - 0: closed.
 *   - ASYNCIO_ERUNTIME: it is running, or this is a forked child.
 *   - -EINVAL: NULL.
 *
 * Ownership: loop is *borrowed*.
 * Context: loop thread.
 * Twin: `loop.close`.
 */
ASYNCIO_API int asyncio_loop_close(asyncio_loop_t *loop);

/**
 * Runs the loop until asyncio_loop_stop().
 *
 * @param loop  the loop.
 * @return
 *   - 0: it was stopped.
 *   - ASYNCIO_ERUNTIME: closed, running, another loop runs in this thread, the loop is bound to
 *     another thread, or this is a forked child.
 *   - ASYNCIO_EDEADLOOP: on the virtual clock, nothing is left that could wake it.
 *   - -EINVAL: NULL.
 *   - any other: the engine failed with that code.
 *
 * Ownership: loop is *borrowed*.
 * Context: outside tasks; the thread becomes the loop's.
 * Twin: `loop.run_forever`.
 */
ASYNCIO_API int asyncio_loop_run_forever(asyncio_loop_t *loop);

/**
 * Runs the loop until an awaitable is done, and returns its result.
 *
 * @param loop        the loop.
 * @param awaitable   a future or task of this loop, or a coroutine object.
 * @param ret_result  where to put the result; NULL drops it.
 * @return
 *   - 0: *ret_result is the result.
 *   - ASYNCIO_ERUNTIME: as asyncio_loop_run_forever(), or stopped before the future was done.
 *   - ASYNCIO_EDEADLOOP: as there.
 *   - -EINVAL: no awaitable, or of another loop.
 *   - -ENOMEM: no task could be made.
 *   - any other: the code of the error; the details are in the slot.
 *
 * Ownership: a coroutine object is *taken*, also on failure, and its result moves to the caller;
 *   a future is *borrowed*, and so is its result.
 * Context: outside tasks; the thread becomes the loop's.
 * Twin: `loop.run_until_complete`.
 */
ASYNCIO_API int asyncio_loop_run_until_complete(asyncio_loop_t *loop,
                                                asyncio_awaitable_t *awaitable,
                                                void **ret_result);

/**
 * Makes the loop return from run_forever() at the end of this turn; before it runs, of its first.
 *
 * @param loop  NULL is ignored; so is the call in another thread or a forked child.
 *
 * Ownership: loop is *borrowed*.
 * Context: loop thread.
 * Twin: `loop.stop`.
 */
ASYNCIO_API void asyncio_loop_stop(asyncio_loop_t *loop);

/**
 * Returns whether the loop is running.
 *
 * @param loop  NULL is false.
 * @return true inside run_forever() and run_until_complete().
 *
 * Ownership: loop is *borrowed*.
 * Context: any thread.
 * Twin: `loop.is_running`.
 */
ASYNCIO_API bool asyncio_loop_is_running(const asyncio_loop_t *loop);

/**
 * Returns whether the loop was closed.
 *
 * @param loop  NULL is true.
 * @return true after asyncio_loop_close().
 *
 * Ownership: loop is *borrowed*.
 * Context: loop thread.
 * Twin: `loop.is_closed`.
 */
ASYNCIO_API bool asyncio_loop_is_closed(const asyncio_loop_t *loop);

/**
 * Returns the time on the loop's clock.
 *
 * @param loop  NULL: the monotonic clock.
 * @return seconds since some moment in the past; of the virtual clock, since the loop was made.
 *
 * Ownership: loop is *borrowed*.
 * Context: loop thread.
 * Twin: `loop.time`.
 */
ASYNCIO_API double asyncio_loop_time(const asyncio_loop_t *loop);

/**
 * Has a callback run in the next turn. Like every callback it runs in a context of its own, a copy
 * of the one that is current now; see context.h.
 *
 * @param loop        the loop.
 * @param fn          the callback; NULL is -EINVAL.
 * @param arg         passed to it.
 * @param place       the place for reports; the macro passes it.
 * @param ret_handle  where to put the handle; NULL if it is not wanted.
 * @return
 *   - 0: scheduled.
 *   - ASYNCIO_ERUNTIME: closed, another thread's, or this is a forked child.
 *   - -ENOMEM: not scheduled.
 *   - -EINVAL: NULL.
 *
 * Ownership: arg is *borrowed* until the callback has run; the handle is *new*.
 * Context: loop thread.
 * Twin: `loop.call_soon`.
 */
ASYNCIO_API int asyncio_loop_call_soon_at(asyncio_loop_t *loop, asyncio_callback_t *fn, void *arg,
                                          const char *place, asyncio_handle_t **ret_handle);
#define asyncio_loop_call_soon(loop, fn, arg, ret_handle) \
    asyncio_loop_call_soon_at((loop), (fn), (arg), ASYNCIO_PLACE, (ret_handle))

/**
 * Has a callback run in the next turn, in a context that is given.
 *
 * @param loop        the loop.
 * @param fn          the callback; NULL is -EINVAL.
 * @param arg         passed to it.
 * @param context     the context in which it runs; NULL: a copy of the current one.
 * @param place       the place for reports; the macro passes it.
 * @param ret_handle  where to put the handle; NULL if it is not wanted.
 * @return as asyncio_loop_call_soon().
 *
 * Ownership: arg is *borrowed* until the callback has run, context is *shared*: what the callback
 *   sets stays in it; the handle is *new*.
 * Context: loop thread.
 * Twin: `loop.call_soon`, `context`.
 */
ASYNCIO_API int asyncio_loop_call_soon_full_at(asyncio_loop_t *loop, asyncio_callback_t *fn,
                                               void *arg, asyncio_context_t *context,
                                               const char *place, asyncio_handle_t **ret_handle);
#define asyncio_loop_call_soon_full(loop, fn, arg, context, ret_handle) \
    asyncio_loop_call_soon_full_at((loop), (fn), (arg), (context), ASYNCIO_PLACE, (ret_handle))

/**
 * Has a callback run after a delay.
 *
 * @param loop        the loop.
 * @param delay       seconds from now; less than 0 counts as past; NaN is -EINVAL.
 * @param fn          the callback; NULL is -EINVAL.
 * @param arg         passed to it.
 * @param place       the place for reports; the macro passes it.
 * @param ret_handle  where to put the handle; NULL if it is not wanted.
 * @return as asyncio_loop_call_soon().
 *
 * Ownership: arg is *borrowed* until the callback has run; the handle is *new*.
 * Context: loop thread.
 * Twin: `loop.call_later`.
 */
ASYNCIO_API int asyncio_loop_call_later_at(asyncio_loop_t *loop, double delay,
                                           asyncio_callback_t *fn, void *arg, const char *place,
                                           asyncio_timer_handle_t **ret_handle);
#define asyncio_loop_call_later(loop, delay, fn, arg, ret_handle) \
    asyncio_loop_call_later_at((loop), (delay), (fn), (arg), ASYNCIO_PLACE, (ret_handle))

/**
 * Has a callback run after a delay, in a context that is given.
 *
 * @param loop        the loop.
 * @param delay       seconds from now, as there.
 * @param fn          the callback; NULL is -EINVAL.
 * @param arg         passed to it.
 * @param context     the context in which it runs; NULL: a copy of the current one.
 * @param place       the place for reports; the macro passes it.
 * @param ret_handle  where to put the handle; NULL if it is not wanted.
 * @return as asyncio_loop_call_later().
 *
 * Ownership: arg is *borrowed* until the callback has run, context is *shared*: what the callback
 *   sets stays in it; the handle is *new*.
 * Context: loop thread.
 * Twin: `loop.call_later`, `context`.
 */
ASYNCIO_API int asyncio_loop_call_later_full_at(asyncio_loop_t *loop, double delay,
                                                asyncio_callback_t *fn, void *arg,
                                                asyncio_context_t *context, const char *place,
                                                asyncio_timer_handle_t **ret_handle);
#define asyncio_loop_call_later_full(loop, delay, fn, arg, context, ret_handle)                \
    asyncio_loop_call_later_full_at((loop), (delay), (fn), (arg), (context), ASYNCIO_PLACE,    \
                                    (ret_handle))

/**
 * Has a callback run at a time.
 *
 * @param loop        the loop.
 * @param when        seconds on the loop's clock; NaN is -EINVAL.
 * @param fn          the callback; NULL is -EINVAL.
 * @param arg         passed to it.
 * @param place       the place for reports; the macro passes it.
 * @param ret_handle  where to put the handle; NULL if it is not wanted.
 * @return as asyncio_loop_call_soon().
 *
 * Ownership: arg is *borrowed* until the callback has run; the handle is *new*.
 * Context: loop thread.
 * Twin: `loop.call_at`.
 */
ASYNCIO_API int asyncio_loop_call_at_at(asyncio_loop_t *loop, double when, asyncio_callback_t *fn,
                                        void *arg, const char *place,
                                        asyncio_timer_handle_t **ret_handle);
#define asyncio_loop_call_at(loop, when, fn, arg, ret_handle) \
    asyncio_loop_call_at_at((loop), (when), (fn), (arg), ASYNCIO_PLACE, (ret_handle))

/**
 * Has a callback run at a time, in a context that is given.
 *
 * @param loop        the loop.
 * @param when        seconds on the loop's clock, as there.
 * @param fn          the callback; NULL is -EINVAL.
 * @param arg         passed to it.
 * @param context     the context in which it runs; NULL: a copy of the current one.
 * @param place       the place for reports; the macro passes it.
 * @param ret_handle  where to put the handle; NULL if it is not wanted.
 * @return as asyncio_loop_call_at().
 *
 * Ownership: arg is *borrowed* until the callback has run, context is *shared*: what the callback
 *   sets stays in it; the handle is *new*.
 * Context: loop thread.
 * Twin: `loop.call_at`, `context`.
 */
ASYNCIO_API int asyncio_loop_call_at_full_at(asyncio_loop_t *loop, double when,
                                             asyncio_callback_t *fn, void *arg,
                                             asyncio_context_t *context, const char *place,
                                             asyncio_timer_handle_t **ret_handle);
#define asyncio_loop_call_at_full(loop, when, fn, arg, context, ret_handle)                    \
    asyncio_loop_call_at_full_at((loop), (when), (fn), (arg), (context), ASYNCIO_PLACE,        \
                                 (ret_handle))

/**
 * Has a callback run in the loop's thread, soon; any thread may ask, and the loop wakes up.
 *
 * @param loop        the loop; the caller must know that it is not freed meanwhile.
 * @param fn          the callback; NULL is -EINVAL.
 * @param arg         passed to it.
 * @param place       the place for reports; the macro passes it.
 * @param ret_handle  where to put the handle; NULL if it is not wanted.
 * @return as asyncio_loop_call_soon(), without "another thread's".
 *
 * Ownership: arg is *borrowed* until the callback has run; the handle is *new*.
 * Context: any thread, no signal handler (see remote.h for those).
 * Twin: `loop.call_soon_threadsafe`.
 */
ASYNCIO_API int asyncio_loop_call_soon_threadsafe_at(asyncio_loop_t *loop, asyncio_callback_t *fn,
                                                     void *arg, const char *place,
                                                     asyncio_handle_t **ret_handle);
#define asyncio_loop_call_soon_threadsafe(loop, fn, arg, ret_handle) \
    asyncio_loop_call_soon_threadsafe_at((loop), (fn), (arg), ASYNCIO_PLACE, (ret_handle))

/**
 * Has a callback run in the loop's thread, soon, in a context that is given.
 *
 * @param loop        the loop.
 * @param fn          the callback; NULL is -EINVAL.
 * @param arg         passed to it.
 * @param context     the context in which it runs; NULL: a copy of the current one.
 * @param place       the place for reports; the macro passes it.
 * @param ret_handle  where to put the handle; NULL if it is not wanted.
 * @return as asyncio_loop_call_soon_threadsafe().
 *
 * Ownership: arg is *borrowed* until the callback has run, context is *shared*: what the callback
 *   sets stays in it; the handle is *new*.
 * Context: any thread, no signal handler; context must not be in use elsewhere when it runs.
 * Twin: `loop.call_soon_threadsafe`, `context`.
 */
ASYNCIO_API int asyncio_loop_call_soon_threadsafe_full_at(asyncio_loop_t *loop,
                                                          asyncio_callback_t *fn, void *arg,
                                                          asyncio_context_t *context,
                                                          const char *place,
                                                          asyncio_handle_t **ret_handle);
#define asyncio_loop_call_soon_threadsafe_full(loop, fn, arg, context, ret_handle)             \
    asyncio_loop_call_soon_threadsafe_full_at((loop), (fn), (arg), (context), ASYNCIO_PLACE,   \
                                              (ret_handle))

/**
 * Runs a callback in the loop's thread, soon, with an argument that has a destructor.
 *
 * The destructor is called exactly once: after the callback has returned, when the loop is closed
 * before the callback has run, or when this call fails.
 *
 * @param loop     the loop; NULL is -EINVAL.
 * @param fn       the callback; NULL is -EINVAL. It runs in a copy of the current context.
 * @param arg      passed to it.
 * @param destroy  called with arg; NULL for none.
 * @return as asyncio_loop_call_soon_threadsafe().
 *
 * Ownership: arg is *taken*, also on failure.
 * Context: any thread, no signal handler. The destructor runs in the loop's thread, or in the
 *   thread that closes the loop or makes this call.
 * Twin: `loop.call_soon_threadsafe`.
 */
ASYNCIO_API int asyncio_loop_call_soon_threadsafe_owned(asyncio_loop_t *loop,
                                                        asyncio_callback_t *fn, void *arg,
                                                        asyncio_destroy_t *destroy);

/**
 * Watches a descriptor for input: the callback runs once a turn while it can be read.
 *
 * A second call for the same descriptor replaces the callback. It runs in a copy of the context
 * that is current now, the same each time.
 *
 * Remove the watch before you close the descriptor. Otherwise, if a copy of the descriptor is still
 * open (by dup(2) or fork(2)), the callback may run a few more times. When the loop notices, it
 * ends the watch and calls the exception handler with -EBADF and the place. Removing a watch too
 * late is harmless, and a later watch of the same number reports the new file.
 *
 * @param loop   the loop.
 * @param fd     an open descriptor that can be polled and is not an asyncio_socket_t's.
 * @param fn     the callback; NULL is -EINVAL.
 * @param arg    passed to it.
 * @param place  the place for reports; the macro passes it.
 * @return
 *   - 0: watched.
 *   - -EINVAL: NULL, or a negative descriptor.
 *   - -EBADF: not open.
 *   - -EPERM: a file or folder, which cannot be polled.
 *   - -EOPNOTSUPP: the engine has no descriptors (sim).
 *   - ASYNCIO_ERUNTIME: closed, another thread's, forked child, or used by a socket.
 *   - -ENOMEM, -ENOSPC: not watched.
 *
 * Ownership: fd and arg are *borrowed* until the watch ends.
 * Context: loop thread.
 * Twin: `loop.add_reader`.
 */
ASYNCIO_API int asyncio_loop_add_reader_at(asyncio_loop_t *loop, int fd, asyncio_callback_t *fn,
                                           void *arg, const char *place);
#define asyncio_loop_add_reader(loop, fd, fn, arg) \
    asyncio_loop_add_reader_at((loop), (fd), (fn), (arg), ASYNCIO_PLACE)

/**
 * Ends a watch for input; do so before the descriptor is closed: see asyncio_loop_add_reader().
 *
 * @param loop  the loop.
 * @param fd    the descriptor.
 * @return 1 if it was watched, else 0; -EINVAL: loop is NULL; ASYNCIO_ERUNTIME in another thread.
 *
 * Ownership: nothing.
 * Context: loop thread.
 * Twin: `loop.remove_reader`.
 */
ASYNCIO_API int asyncio_loop_remove_reader(asyncio_loop_t *loop, int fd);

/**
 * Watches a descriptor for output: the callback runs once a turn while it can be written.
 *
 * @param loop   the loop.
 * @param fd     as for asyncio_loop_add_reader().
 * @param fn     the callback; NULL is -EINVAL.
 * @param arg    passed to it.
 * @param place  the place for reports; the macro passes it.
 * @return as asyncio_loop_add_reader().
 *
 * Ownership: fd and arg are *borrowed* until the watch ends.
 * Context: loop thread.
 * Twin: `loop.add_writer`.
 */
ASYNCIO_API int asyncio_loop_add_writer_at(asyncio_loop_t *loop, int fd, asyncio_callback_t *fn,
                                           void *arg, const char *place);
#define asyncio_loop_add_writer(loop, fd, fn, arg) \
    asyncio_loop_add_writer_at((loop), (fd), (fn), (arg), ASYNCIO_PLACE)

/**
 * Ends a watch for output.
 *
 * @param loop  the loop.
 * @param fd    the descriptor.
 * @return as asyncio_loop_remove_reader().
 *
 * Ownership: nothing.
 * Context: loop thread.
 * Twin: `loop.remove_writer`.
 */
ASYNCIO_API int asyncio_loop_remove_writer(asyncio_loop_t *loop, int fd);

/**
 * Returns the loop that is running in this thread.
 *
 * @return the loop, or NULL; in a forked child always NULL.
 *
 * Ownership: the result is *borrowed*.
 * Context: any thread.
 * Twin: `asyncio.get_running_loop`.
 */
ASYNCIO_API asyncio_loop_t *asyncio_get_running_loop(void);

/**
 * Returns the running loop, else the one that was set for this thread, else makes and sets one.
 *
 * @return the loop, or NULL; then asyncio_errno() is as for asyncio_new_event_loop().
 *
 * Ownership: the result is *borrowed*; the thread holds the reference, and drops it when it ends.
 * Context: any thread.
 * Twin: `asyncio.get_event_loop`.
 */
ASYNCIO_API asyncio_loop_t *asyncio_get_event_loop(void);

/**
 * Sets the loop of this thread.
 *
 * @param loop  NULL for none.
 *
 * Ownership: the thread takes a reference of its own and drops it when another loop is set, or when
 *   the thread ends.
 * Context: any thread; each has its own.
 * Twin: `asyncio.set_event_loop`.
 */
ASYNCIO_API void asyncio_set_event_loop(asyncio_loop_t *loop);

/**
 * Sets who is told of what would else be lost; the default writes to stderr.
 *
 * @param loop     the loop; NULL sets the handler for what belongs to no loop, process-wide. In
 *                 another thread or a forked child nothing is set.
 * @param handler  NULL restores the default.
 * @param arg      passed to it.
 *
 * Ownership: arg is *borrowed*.
 * Context: loop thread.
 * Twin: `loop.set_exception_handler`.
 */
ASYNCIO_API void asyncio_loop_set_exception_handler(asyncio_loop_t *loop,
                                                    asyncio_exception_handler_t *handler,
                                                    void *arg);

/**
 * Returns the exception handler of the loop.
 *
 * @param loop     the loop; NULL: the handler for what belongs to no loop.
 * @param ret_arg  where to put what is passed to it; NULL if that is not wanted.
 * @return the handler that was set, or NULL for the default.
 *
 * Ownership: *ret_arg is *borrowed*.
 * Context: loop thread.
 * Twin: `loop.get_exception_handler`.
 */
ASYNCIO_API asyncio_exception_handler_t *asyncio_loop_get_exception_handler(
    const asyncio_loop_t *loop, void **ret_arg);

/**
 * Tells the exception handler; of a task, in the context of that task.
 *
 * @param loop     the loop; NULL: what belongs to no loop.
 * @param context  what happened; NULL is ignored.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: loop thread.
 * Twin: `loop.call_exception_handler`.
 */
ASYNCIO_API void asyncio_loop_call_exception_handler(asyncio_loop_t *loop,
                                                     const asyncio_exception_context_t *context);

/**
 * Does what the default exception handler does: writes to stderr.
 *
 * @param loop     the loop; may be NULL.
 * @param context  what happened; NULL is ignored.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: any thread.
 * Twin: `loop.default_exception_handler`.
 */
ASYNCIO_API void asyncio_loop_default_exception_handler(asyncio_loop_t *loop,
                                                        const asyncio_exception_context_t *context);

/**
 * Returns which engine a loop runs on.
 *
 * @param loop  NULL is ASYNCIO_ENGINE_AUTO.
 * @return EPOLL, URING or SIM.
 *
 * Ownership: loop is *borrowed*.
 * Context: any thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_engine_t asyncio_loop_get_engine(const asyncio_loop_t *loop);

/**
 * Returns the name of an engine: "epoll", "uring", "sim" or "auto".
 *
 * @param engine  which.
 * @return a static string; "?" for what is none.
 *
 * Ownership: the string is *borrowed*, for ever.
 * Context: any thread.
 * Twin: none.
 */
ASYNCIO_API const char *asyncio_engine_name(asyncio_engine_t engine);

/**
 * Returns why a loop runs on its engine, such as "asked for" or "io_uring was refused: EPERM".
 *
 * @param loop  NULL is "".
 * @return a string.
 *
 * Ownership: the string is *borrowed* as long as the loop lives.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API const char *asyncio_loop_get_engine_reason(const asyncio_loop_t *loop);

/**
 * Returns whether a loop is in debug mode.
 *
 * @param loop  NULL is false.
 * @return true if it is.
 *
 * Ownership: loop is *borrowed*.
 * Context: loop thread.
 * Twin: `loop.get_debug`.
 */
ASYNCIO_API bool asyncio_loop_get_debug(const asyncio_loop_t *loop);

/**
 * Sets the debug mode, in which a loop tells its exception handler more.
 *
 * It reports, with the place where it was made:
 *
 * - a callback or a step of a task that took asyncio_loop_get_slow_callback_duration() or longer,
 *   with the task's name; and a turn that took as long without them, with the names of its tasks;
 * - the use of a running loop by another thread (to the handler of the process, for the loop's own
 *   belongs to its thread), beside the ASYNCIO_ERUNTIME that the call returns;
 * - the use of a future, task or coroutine object that was freed a short time ago, as far as that
 *   can be seen, beside the -EINVAL that the call returns.
 *
 * What is lost is reported in any mode: coroutine objects that never ran, errors that were
 * never retrieved, tasks that are pending when a loop is closed.
 *
 * It changes no order of what runs. It is on from the start where ASYNCIO_DEBUG of the environment
 * is neither empty nor 0 (not heeded in a program that runs with others' rights, AT_SECURE).
 *
 * @param loop   NULL is ignored; so is the call in another thread or a forked child.
 * @param debug  on or off.
 *
 * Ownership: loop is *borrowed*.
 * Context: loop thread.
 * Twin: `loop.set_debug`.
 */
ASYNCIO_API void asyncio_loop_set_debug(asyncio_loop_t *loop, bool debug);

/**
 * Sets how long a callback or a step may take until debug mode reports it; 0.1 s at first.
 *
 * @param loop     the loop.
 * @param seconds  on the monotonic clock, also where the loop has the virtual one; 0 or less: each;
 *                 ASYNCIO_FOREVER: none.
 * @return 0; -EINVAL: loop is NULL, or seconds is NaN; ASYNCIO_ERUNTIME: another thread's loop, or
 *   a forked child.
 *
 * Ownership: loop is *borrowed*.
 * Context: loop thread.
 * Twin: `loop.slow_callback_duration`.
 */
ASYNCIO_API int asyncio_loop_set_slow_callback_duration(asyncio_loop_t *loop, double seconds);

/**
 * Returns how long a callback or a step may take until debug mode reports it.
 *
 * @param loop  NULL: NaN.
 * @return seconds.
 *
 * Ownership: loop is *borrowed*.
 * Context: loop thread.
 * Twin: `loop.slow_callback_duration`.
 */
ASYNCIO_API double asyncio_loop_get_slow_callback_duration(const asyncio_loop_t *loop);

/*
 * The macros above, which pass the place of the call, as functions, which pass none: for function
 * pointers and other languages.
 */
ASYNCIO_API int (asyncio_loop_call_soon)(asyncio_loop_t *loop, asyncio_callback_t *fn, void *arg,
                                         asyncio_handle_t **ret_handle);
ASYNCIO_API int (asyncio_loop_call_soon_full)(asyncio_loop_t *loop, asyncio_callback_t *fn,
                                              void *arg, asyncio_context_t *context,
                                              asyncio_handle_t **ret_handle);
ASYNCIO_API int (asyncio_loop_call_later)(asyncio_loop_t *loop, double delay,
                                          asyncio_callback_t *fn, void *arg,
                                          asyncio_timer_handle_t **ret_handle);
ASYNCIO_API int (asyncio_loop_call_later_full)(asyncio_loop_t *loop, double delay,
                                               asyncio_callback_t *fn, void *arg,
                                               asyncio_context_t *context,
                                               asyncio_timer_handle_t **ret_handle);
ASYNCIO_API int (asyncio_loop_call_at)(asyncio_loop_t *loop, double when, asyncio_callback_t *fn,
                                       void *arg, asyncio_timer_handle_t **ret_handle);
ASYNCIO_API int (asyncio_loop_call_at_full)(asyncio_loop_t *loop, double when,
                                            asyncio_callback_t *fn, void *arg,
                                            asyncio_context_t *context,
                                            asyncio_timer_handle_t **ret_handle);
ASYNCIO_API int (asyncio_loop_call_soon_threadsafe)(asyncio_loop_t *loop, asyncio_callback_t *fn,
                                                    void *arg, asyncio_handle_t **ret_handle);
ASYNCIO_API int (asyncio_loop_call_soon_threadsafe_full)(asyncio_loop_t *loop,
                                                         asyncio_callback_t *fn, void *arg,
                                                         asyncio_context_t *context,
                                                         asyncio_handle_t **ret_handle);
ASYNCIO_API int (asyncio_loop_add_reader)(asyncio_loop_t *loop, int fd, asyncio_callback_t *fn,
                                          void *arg);
ASYNCIO_API int (asyncio_loop_add_writer)(asyncio_loop_t *loop, int fd, asyncio_callback_t *fn,
                                          void *arg);

ASYNCIO_END_DECLS

#endif
