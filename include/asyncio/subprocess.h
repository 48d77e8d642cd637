/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Child processes with protocols: a child whose pipes and whose end call the functions of a
 * protocol, without a task for each.
 *
 * @code
 *     static void pipe_data_received(asyncio_subprocess_protocol_t *protocol, int fd,
 *                                    const void *data, size_t size)
 *     {
 *         (void)protocol;
 *         if (fd == 1)
 *             fwrite(data, 1, size, stdout);
 *     }
 *
 *     static const asyncio_subprocess_protocol_functions_t functions = {
 *         .size = sizeof(functions),
 *         .pipe_data_received = pipe_data_received,
 *     };
 *
 *     const char *const argv[] = {"date", NULL};
 *     asyncio_subprocess_transport_t *transport;
 *     rc = asyncio_loop_subprocess_exec(loop, make_protocol, NULL, argv, NULL, &transport);
 * @endcode
 *
 * Tasks have it easier with <asyncio/process.h>, whose options and rules these calls share.
 *
 * Order: connection_made once; then pipe_data_received any number of times for each pipe that the
 * child writes to, and pipe_connection_lost once for each pipe; process_exited once; and at the end
 * connection_lost once, when the child has exited and all pipes are closed. As in asyncio,
 * process_exited may come before or after what the pipes have to say: a child may close its pipes
 * early, and its own children may hold them longer. When the loop is closed first, the child is
 * killed, and none of these is called any more; destroy always is.
 *
 * The loop calls these functions from its ready queue, outside of tasks, all of a child in one copy
 * of the context in which it was started, so they must not call what suspends. pause_writing alone
 * is called inside the write that goes above the mark.
 */
#ifndef ASYNCIO_SUBPROCESS_H
#define ASYNCIO_SUBPROCESS_H

#include <asyncio/process.h>
#include <asyncio/transport.h>

ASYNCIO_BEGIN_DECLS

/** A child process as a protocol sees it: its pipes and its end. */
typedef struct asyncio_subprocess_transport asyncio_subprocess_transport_t;
/** A protocol: the first field of a struct of the program. */
typedef struct asyncio_subprocess_protocol asyncio_subprocess_protocol_t;

/** The functions of a protocol, asyncio's `SubprocessProtocol`; each may be NULL. fd is 0, 1 or 2:
 *  the child's standard input, output or error. */
typedef struct asyncio_subprocess_protocol_functions {
    size_t size; /**< sizeof(asyncio_subprocess_protocol_functions_t) */

    /** The child runs, and its pipes can be used. transport is *borrowed* until connection_lost
     *  has returned. */
    void (*connection_made)(asyncio_subprocess_protocol_t *protocol,
                            asyncio_subprocess_transport_t *transport);

    /** The child has written to standard output (1) or error (2): size is above 0. data is
     *  *borrowed* for the call. */
    void (*pipe_data_received)(asyncio_subprocess_protocol_t *protocol, int fd, const void *data,
                               size_t size);

    /** A pipe is closed. code is 0 after its end, close() or abort(); -EPIPE: the child has closed
     *  its input before all that was written was read; or another negative code. error (*borrowed*,
     *  or NULL) has the details. */
    void (*pipe_connection_lost)(asyncio_subprocess_protocol_t *protocol, int fd, int code,
                                 asyncio_error_t *error);

    /** The child has exited; see asyncio_subprocess_transport_get_returncode(). */
    void (*process_exited)(asyncio_subprocess_protocol_t *protocol);

    /** The child has exited, and all pipes are closed. code is 0, and error is NULL. */
    void (*connection_lost)(asyncio_subprocess_protocol_t *protocol, int code,
                            asyncio_error_t *error);

    /** More bytes for standard input are unsent than the high-water mark of its pipe allows. Called
     *  inside the write. */
    void (*pause_writing)(asyncio_subprocess_protocol_t *protocol);

    /** No more bytes are unsent than the low-water mark allows. */
    void (*resume_writing)(asyncio_subprocess_protocol_t *protocol);

    /** Frees the protocol: its transport has ended, and the last reference to that was dropped. */
    void (*destroy)(asyncio_subprocess_protocol_t *protocol);
} asyncio_subprocess_protocol_functions_t;

struct asyncio_subprocess_protocol {
    /** *borrowed* as long as the protocol lives */
    const asyncio_subprocess_protocol_functions_t *functions;
};

/** Makes the protocol of a child; *taken* by the transport, which calls destroy. NULL: memory is
 *  out, or none is wanted; then no child is started. */
typedef asyncio_subprocess_protocol_t *asyncio_subprocess_protocol_factory_t(void *arg);

/**
 * Starts a child process that runs a program, with a protocol.
 *
 * The transport keeps itself until its protocol's connection_lost has returned. Dropping a
 * reference never closes it, and never kills the child: asyncio_subprocess_transport_close() does.
 *
 * @param loop           the running loop
 * @param factory        makes the protocol; NULL is -EINVAL
 * @param arg            passed to it
 * @param argv           the arguments, argv[0] being the program; ends with NULL
 * @param options        as asyncio_create_subprocess_exec(); NULL: all three streams are pipes, as
 *                       is asyncio's default here; limit_bytes means nothing
 * @param ret_transport  where to put the transport; NULL: it is not wanted
 * @return - 0: the child executes the program, and connection_made has been called.
 *   - any code of asyncio_create_subprocess_exec().
 *   - -ENOMEM: also the factory returned NULL.
 *   - -EINVAL: NULL, or the protocol's table has no valid size.
 *   - -ECANCELED: the task was cancelled.
 *   - ASYNCIO_ERUNTIME: not inside a task of loop.
 *
 * Ownership: everything in argv and options is *borrowed* during the call; the transport is *new*.
 * Context: inside a task.
 * Cancellation: closes the transport, which kills the child; the loop reaps it.
 * Twin: `loop.subprocess_exec`.
 */
ASYNCIO_API int asyncio_loop_subprocess_exec(asyncio_loop_t *loop,
                                             asyncio_subprocess_protocol_factory_t *factory,
                                             void *arg, const char *const *argv,
                                             const asyncio_process_options_t *options,
                                             asyncio_subprocess_transport_t **ret_transport);

/** Makes the coroutine object of asyncio_loop_subprocess_exec(); argv and options are copied. */
ASYNCIO_API asyncio_coroutine_t *asyncio_loop_subprocess_exec_coroutine(
    asyncio_loop_t *loop, asyncio_subprocess_protocol_factory_t *factory, void *arg,
    const char *const *argv, const asyncio_process_options_t *options,
    asyncio_subprocess_transport_t **ret_transport);

/**
 * Starts a child process that runs a command of the shell, `/bin/sh -c command`, with a protocol.
 *
 * A command that is made of foreign text is an invitation to run anything:
 * asyncio_loop_subprocess_exec() passes arguments as they are.
 *
 * @param loop           the running loop
 * @param factory        makes the protocol; NULL is -EINVAL
 * @param arg            passed to it
 * @param command        of the shell
 * @param options        as asyncio_loop_subprocess_exec(); executable: another shell
 * @param ret_transport  where to put the transport; NULL: it is not wanted
 * @return as asyncio_loop_subprocess_exec().
 *
 * Ownership: as asyncio_loop_subprocess_exec().
 * Context: inside a task.
 * Cancellation: as asyncio_loop_subprocess_exec().
 * Twin: `loop.subprocess_shell`.
 */
ASYNCIO_API int asyncio_loop_subprocess_shell(asyncio_loop_t *loop,
                                              asyncio_subprocess_protocol_factory_t *factory,
                                              void *arg, const char *command,
                                              const asyncio_process_options_t *options,
                                              asyncio_subprocess_transport_t **ret_transport);

/** Makes the coroutine object of asyncio_loop_subprocess_shell(); arguments are copied. */
ASYNCIO_API asyncio_coroutine_t *asyncio_loop_subprocess_shell_coroutine(
    asyncio_loop_t *loop, asyncio_subprocess_protocol_factory_t *factory, void *arg,
    const char *command, const asyncio_process_options_t *options,
    asyncio_subprocess_transport_t **ret_transport);

/**
 * Takes another reference.
 *
 * @param transport  NULL is allowed
 * @return transport.
 *
 * Ownership: the reference is *new*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_subprocess_transport_t *
asyncio_subprocess_transport_ref(asyncio_subprocess_transport_t *transport);

/**
 * Drops a reference. That closes nothing; the last one frees the transport and its protocol.
 *
 * @param transport  NULL is allowed; in another thread or a forked child the reference is leaked
 *
 * Ownership: transport is *taken*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API void asyncio_subprocess_transport_unref(asyncio_subprocess_transport_t *transport);

/**
 * Returns the process ID of the child. Once the child has exited, another process may have it.
 *
 * @param transport  the transport
 * @return the ID; 0 for NULL.
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `SubprocessTransport.get_pid`.
 */
ASYNCIO_API pid_t
asyncio_subprocess_transport_get_pid(const asyncio_subprocess_transport_t *transport);

/**
 * Returns how the child has ended.
 *
 * @param transport  the transport
 * @param ret_code   its exit status; minus the number of the signal that ended it; or 255 if
 *                   something else in this process has reaped it and the kernel cannot tell (before
 *                   Linux 6.15)
 * @return - 0: it has exited.
 *   - ASYNCIO_EINVALIDSTATE: it runs.
 *   - -EINVAL: transport or ret_code is NULL.
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `SubprocessTransport.get_returncode`.
 */
ASYNCIO_API int
asyncio_subprocess_transport_get_returncode(const asyncio_subprocess_transport_t *transport,
                                            int *ret_code);

/**
 * Returns the transport of one of the child's pipes, to write to standard input, or to pause
 * reading. Its protocol belongs to the subprocess transport: asyncio_transport_set_protocol() fails
 * with ASYNCIO_ERUNTIME.
 *
 * @param transport  the transport
 * @param fd         0: standard input, which can be written to; 1: standard output and 2: standard
 *                   error, which are read
 * @return the pipe's transport; NULL for NULL, and where that stream is no pipe.
 *
 * Ownership: the pipe's transport is *borrowed* as long as transport lives.
 * Context: loop thread.
 * Twin: `SubprocessTransport.get_pipe_transport`.
 */
ASYNCIO_API asyncio_transport_t *
asyncio_subprocess_transport_get_pipe_transport(const asyncio_subprocess_transport_t *transport,
                                                int fd);

/**
 * Sends a signal to the child.
 *
 * @param transport  the transport
 * @param signo      the signal, such as SIGHUP
 * @return - 0: sent.
 *   - -ESRCH: the child has exited (Python's ProcessLookupError).
 *   - -EPERM: the child runs as another user.
 *   - -EINVAL: transport is NULL, or signo is not the number of a signal.
 *   - ASYNCIO_ERUNTIME: another thread's.
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `SubprocessTransport.send_signal`.
 */
ASYNCIO_API int
asyncio_subprocess_transport_send_signal(asyncio_subprocess_transport_t *transport, int signo);

/**
 * Asks the child to end (SIGTERM).
 *
 * @param transport  the transport
 * @return as asyncio_subprocess_transport_send_signal().
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `SubprocessTransport.terminate`.
 */
ASYNCIO_API int
asyncio_subprocess_transport_terminate(asyncio_subprocess_transport_t *transport);

/**
 * Kills the child (SIGKILL).
 *
 * @param transport  the transport
 * @return as asyncio_subprocess_transport_send_signal().
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `SubprocessTransport.kill`.
 */
ASYNCIO_API int asyncio_subprocess_transport_kill(asyncio_subprocess_transport_t *transport);

/**
 * Closes all pipes, that of standard input once what was written is read, and kills the child
 * (SIGKILL) unless it has exited. connection_lost is called from the ready queue after that. A
 * no-op when it is closing.
 *
 * @param transport  the transport
 * @return 0; -EINVAL: NULL; ASYNCIO_ERUNTIME: another thread's, or a forked child.
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `BaseTransport.close`.
 */
ASYNCIO_API int asyncio_subprocess_transport_close(asyncio_subprocess_transport_t *transport);

/**
 * Returns whether asyncio_subprocess_transport_close() was called, or connection_lost.
 *
 * @param transport  the transport
 * @return true also for NULL. A child that has exited does not close the transport.
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `BaseTransport.is_closing`.
 */
ASYNCIO_API bool
asyncio_subprocess_transport_is_closing(const asyncio_subprocess_transport_t *transport);

/**
 * Returns the protocol of a transport.
 *
 * @param transport  the transport
 * @return the protocol; NULL for NULL.
 *
 * Ownership: the protocol is *borrowed* as long as transport lives.
 * Context: loop thread.
 * Twin: `BaseTransport.get_protocol`.
 */
ASYNCIO_API asyncio_subprocess_protocol_t *
asyncio_subprocess_transport_get_protocol(const asyncio_subprocess_transport_t *transport);

ASYNCIO_END_DECLS

#endif
