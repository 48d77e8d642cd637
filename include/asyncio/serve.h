/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Servers on all CPUs: one thread with an event loop for each, which share their ports.
 *
 * @code
 *     static int setup(void *arg, size_t index)       runs in each loop, as a task
 *     {
 *         asyncio_server_options_t options = {.size = sizeof(options), .listen_name = "http"};
 *         asyncio_server_t *server;
 *         int rc = asyncio_start_server(NULL, 8080, handle, arg, &options, &server);
 *         if (rc == 0)
 *             asyncio_server_unref(server);           it runs until the stop
 *         return rc;
 *     }
 *
 *     int main(void)
 *     {
 *         return asyncio_serve(setup, NULL, NULL) < 0;
 *     }
 * @endcode
 *
 * Start: each loop runs setup. A server that is started there listens, and accepts once setup has
 * returned in every loop. An error of one loop ends all, and is the result.
 *
 * Names: servers of several loops that have the same `listen_name` share their port. The first loop
 * that starts one binds a socket for each loop (SO_REUSEPORT), and the kernel spreads connections
 * over them. With port 0 all get the same port. A Unix socket is shared by all loops. Every loop
 * must start the same names: sockets that a loop has not used when its setup returns are closed.
 * Without a name, set `reuse_port`.
 *
 * Stop: by SIGTERM, SIGINT or asyncio_serve_stop(). Each loop accepts what the kernel has already
 * established, closes its listening sockets, and waits for its connections, at most `drain_timeout`
 * seconds. Then it cancels the tasks of those that are left, a second later it closes them. A
 * second signal ends the wait at once, and a third one has its default action. Connections that
 * begin while a socket of SO_REUSEPORT is closed may be reset, unless the system sets
 * net.ipv4.tcp_migrate_req to 1; none is lost if another process has the same socket.
 *
 * Inherited sockets: those that systemd passes to a service (LISTEN_FDS, LISTEN_PID) are used by
 * servers whose `listen_name` is that of the socket unit (FileDescriptorName=). So are those that
 * asyncio_serve_reload() passes to the next process. Each is assigned to at least one loop.
 *
 * TLS contexts may be shared by all loops, and so are their session tickets: a client can resume a
 * session in another loop than the one that began it.
 */
#ifndef ASYNCIO_SERVE_H
#define ASYNCIO_SERVE_H

#include <asyncio/server.h>

ASYNCIO_BEGIN_DECLS

/** Runs as a task in each loop; index counts the loops from 0. Returns 0 or a negative code. */
typedef int asyncio_serve_setup_t(void *arg, size_t index);

/** Called in each loop when it begins to stop; index counts the loops from 0. */
typedef void asyncio_serve_stopping_t(void *arg, size_t index);

/** Options of asyncio_serve(); zero is the default of each. */
typedef struct asyncio_serve_options {
    size_t size;                /**< sizeof(asyncio_serve_options_t) */
    int loops;                  /**< how many, at most 1024; 0: one for each CPU that this thread
                                     may run on (sched_getaffinity) */
    bool pin;                   /**< each loop runs on a CPU of its own; no more loops than CPUs */
    bool no_signals;            /**< leave SIGTERM and SIGINT alone */
    double drain_timeout;       /**< seconds that a stop waits for connections; 0: 30;
                                     ASYNCIO_FOREVER: no limit */
    asyncio_serve_stopping_t *stopping; /**< called before the listening sockets are closed: to end
                                             idle connections; must not suspend; NULL: nothing */
    asyncio_serve_setup_t *teardown; /**< runs as a task in each loop whose setup returned 0, when
                                          its connections have ended; NULL: nothing */
    const asyncio_loop_options_t *loop_options; /**< of each loop; copied; NULL: the defaults */
    asyncio_exception_handler_t *exception_handler; /**< of all loops, called by one thread at a
                                                         time; NULL: the default */
    void *exception_arg;        /**< passed to it */
} asyncio_serve_options_t;

/**
 * Runs servers in several loops, each in a thread of its own, until they are told to stop.
 *
 * The first loop runs in the calling thread. With one loop this is asyncio_run() of a program that
 * serves.
 *
 * @param setup    starts the servers of a loop, and returns; NULL is -EINVAL
 * @param arg      passed to setup, stopping and teardown
 * @param options  NULL for the defaults; its size must be set
 * @return
 *   - 0: stopped by a signal or asyncio_serve_stop().
 *   - ASYNCIO_ERUNTIME: a loop is running in this thread, or asyncio_serve() in this process.
 *   - ASYNCIO_EKEYBOARDINTERRUPT: ended by Ctrl-C, where no_signals is set.
 *   - -EINVAL: no setup, or bad options; several loops on the sim engine or the virtual clock,
 *     which run one.
 *   - -EBADF, -EINVAL: the environment names inherited sockets that there are not.
 *   - -ENOMEM, -EMFILE, -EAGAIN, …: a loop or a thread could not be made.
 *   - any other: the first code that setup, teardown or a loop failed with; the details are in the
 *     slot.
 *
 * Ownership: arg is *borrowed* until it returns; loop_options are copied.
 * Context: outside tasks and loops.
 * Twin: none; asyncio has one loop, and servers of several processes.
 */
ASYNCIO_API int asyncio_serve(asyncio_serve_setup_t *setup, void *arg,
                              const asyncio_serve_options_t *options);

/**
 * Asks asyncio_serve() to stop, as SIGTERM does; a no-op when it stops already.
 *
 * @return 0; ASYNCIO_ERUNTIME: it does not run in this process.
 *
 * Ownership: nothing.
 * Context: any thread, signal handler.
 * Twin: none.
 */
ASYNCIO_API int asyncio_serve_stop(void);

/**
 * Starts another program, or this one with a new configuration, which takes over the listening
 * sockets that have a `listen_name`, and asks asyncio_serve() to stop once that one serves. No
 * connection is lost: both processes have the same sockets meanwhile.
 *
 * The new process must use asyncio_serve() and the same names. When it ends before it serves, this
 * process continues as if nothing had happened. It is not told of a stop: to bound its start, use a
 * timeout.
 *
 * @param executable  the path of the program, which also may be a name in PATH
 * @param arguments   its argv, ends with NULL
 * @return
 *   - 0: the other process serves, and this one stops.
 *   - -ECHILD: the new process ended before it served.
 *   - ASYNCIO_ERUNTIME: not in a loop of asyncio_serve(), or a reload is under way.
 *   - -EINVAL: NULL, or no arguments.
 *   - -ECANCELED: cancelled.
 *   - -ENOENT, -EACCES, -EMFILE, -ENOMEM, …: the program could not be started.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: inside a task.
 * Cancellation: ends the new process.
 * Twin: none.
 */
ASYNCIO_API int asyncio_serve_reload(const char *executable, const char *const *arguments);

/** Makes the coroutine object of asyncio_serve_reload(); its arguments must live until it ends. */
ASYNCIO_API asyncio_coroutine_t *
asyncio_serve_reload_coroutine(const char *executable, const char *const *arguments);

ASYNCIO_END_DECLS

#endif
