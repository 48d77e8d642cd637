/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Processes: children of this process, whose pipes are streams and whose end tasks wait for.
 *
 * @code
 *     const char *const argv[] = {"sort", "-n", NULL};
 *     asyncio_process_options_t options = {.size = sizeof(options),
 *                                          .stdin_kind = ASYNCIO_PROCESS_PIPE,
 *                                          .stdout_kind = ASYNCIO_PROCESS_PIPE};
 *     asyncio_process_t *process;
 *     asyncio_process_output_t output;
 *     int rc = asyncio_create_subprocess_exec(argv, &options, &process);
 *     if (rc == 0) {
 *         rc = asyncio_process_communicate(process, "2\n1\n", 4, &output);     "1\n2\n"
 *         asyncio_process_unref(process);
 *     }
 * @endcode
 *
 * A start does not copy the memory of this process, so that it takes the same short time however
 * large the process is. It blocks the loop until the child executes its program; a program on a
 * network file system that does not respond blocks it for that long, and belongs in an executor.
 * Every file descriptor of this process is closed in the child, except 0, 1, 2 and those of
 * pass_fds. Signals reach a child through its pidfd, never a process that has taken its ID since.
 * SIGCHLD is left to the program. A child starts with no signal blocked; in Python it inherits the
 * mask.
 */
#ifndef ASYNCIO_PROCESS_H
#define ASYNCIO_PROCESS_H

#include <asyncio/stream.h>
#include <sys/types.h>

ASYNCIO_BEGIN_DECLS

/** A child process. */
typedef struct asyncio_process asyncio_process_t;

/** What one of the three standard streams of a child is. */
typedef enum asyncio_process_stream {
    ASYNCIO_PROCESS_INHERIT, /**< the one of this process */
    ASYNCIO_PROCESS_PIPE,    /**< a pipe to this process: `subprocess.PIPE` */
    ASYNCIO_PROCESS_DEVNULL, /**< /dev/null: `subprocess.DEVNULL` */
    ASYNCIO_PROCESS_STDOUT,  /**< of stderr: where stdout goes: `subprocess.STDOUT` */
    ASYNCIO_PROCESS_FD,      /**< a file descriptor, *borrowed* during the call */
} asyncio_process_stream_t;

/** Options of a child; zero is the default of each. */
typedef struct asyncio_process_options {
    size_t size;                           /**< sizeof(asyncio_process_options_t) */
    asyncio_process_stream_t stdin_kind;   /**< what standard input is */
    asyncio_process_stream_t stdout_kind;  /**< what standard output is */
    asyncio_process_stream_t stderr_kind;  /**< what standard error is */
    int stdin_fd, stdout_fd, stderr_fd;    /**< for ASYNCIO_PROCESS_FD */
    size_t limit_bytes;                    /**< of each reader; 0: 64 KiB */
    const char *executable;                /**< the file to execute; NULL: argv[0] */
    const char *cwd;                       /**< working directory; NULL: that of this process */
    const char *const *env;                /**< NAME=VALUE strings, ends with NULL; NULL: the
                                                environment of this process */
    const int *pass_fds;                   /**< file descriptors that stay open in the child */
    size_t pass_fd_count;                  /**< of pass_fds */
    bool has_umask;                        /**< umask counts */
    mode_t umask;                          /**< the child's file mode creation mask */
    bool start_new_session;                /**< the child leads a new session (setsid) */
    bool has_process_group;                /**< process_group counts */
    pid_t process_group;                   /**< the group to join; 0: a new one */
    bool keep_signals;                     /**< Python's `restore_signals=False`: SIGPIPE and
                                                SIGXFSZ stay ignored if they are ignored here */
    bool has_user;                         /**< user counts */
    uid_t user;                            /**< the child's user ID */
    bool has_group;                        /**< group counts */
    gid_t group;                           /**< the child's group ID */
    const gid_t *extra_groups;             /**< supplementary groups; NULL: of this process */
    size_t extra_group_count;              /**< of extra_groups */
} asyncio_process_options_t;

/** What a child has written; *borrowed* from the process, until its streams are read again or its
 *  last reference is dropped. */
typedef struct asyncio_process_output {
    const char *stdout_data; /**< standard output, followed by a NUL; NULL: no pipe */
    size_t stdout_size;      /**< of it, in bytes */
    const char *stderr_data; /**< standard error, followed by a NUL; NULL: no pipe */
    size_t stderr_size;      /**< of it, in bytes */
} asyncio_process_output_t;

/**
 * Starts a child process that runs a program.
 *
 * A program without a slash in its name is searched in the PATH of the child's environment.
 *
 * @param argv         the arguments, argv[0] being the program; ends with NULL
 * @param options      NULL for the defaults
 * @param ret_process  where to put the process
 * @return - 0: the child executes the program.
 *   - -ENOENT, -EACCES, -ENOEXEC or any other -errno: the program cannot be executed, or cwd, user
 *     or a descriptor cannot be set; the error's message says which.
 *   - -EAGAIN, -EMFILE, -ENFILE, -ENOMEM: out of processes, file descriptors or memory.
 *   - -EINVAL: NULL, no program, or bad options.
 *   - -EOPNOTSUPP: the engine has no file descriptors (sim).
 *   - ASYNCIO_ERUNTIME: no running event loop.
 *
 * Ownership: everything in argv and options is *borrowed* during the call; the process is *new*.
 * Context: inside a task or callback of the running loop.
 * Cancellation: does not suspend.
 * Twin: `asyncio.create_subprocess_exec`.
 */
ASYNCIO_API int asyncio_create_subprocess_exec(const char *const *argv,
                                               const asyncio_process_options_t *options,
                                               asyncio_process_t **ret_process);

/**
 * Starts a child process that runs a command of the shell, `/bin/sh -c command`.
 *
 * A command that is made of foreign text is an invitation to run anything:
 * asyncio_create_subprocess_exec() passes arguments as they are.
 *
 * @param command      of the shell
 * @param options      NULL for the defaults; executable: another shell, also as its argv[0]
 * @param ret_process  where to put the process
 * @return as asyncio_create_subprocess_exec().
 *
 * Ownership: as asyncio_create_subprocess_exec().
 * Context: inside a task or callback of the running loop.
 * Cancellation: does not suspend.
 * Twin: `asyncio.create_subprocess_shell`.
 */
ASYNCIO_API int asyncio_create_subprocess_shell(const char *command,
                                                const asyncio_process_options_t *options,
                                                asyncio_process_t **ret_process);

/**
 * Takes another reference.
 *
 * @param process  NULL is allowed
 * @return process.
 *
 * Ownership: the reference is *new*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_process_t *asyncio_process_ref(asyncio_process_t *process);

/**
 * Drops a reference. The last one closes the pipes, that of standard input once what was written is
 * sent or nobody reads it any more, and kills a child that still runs (SIGKILL), as asyncio does;
 * the loop reaps it.
 *
 * @param process  NULL is allowed
 *
 * Ownership: the reference is *taken*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API void asyncio_process_unref(asyncio_process_t *process);

/**
 * The process ID of the child. Once the child has ended, another process may have it.
 *
 * @param process  the process
 * @return the ID; 0 for NULL.
 *
 * Ownership: nothing.
 * Context: loop thread.
 * Twin: `Process.pid`.
 */
ASYNCIO_API pid_t asyncio_process_pid(const asyncio_process_t *process);

/**
 * The stream that writes to the child's standard input. Once the child has exited or closed its
 * input, asyncio_stream_writer_drain() fails with -ECONNRESET; what is written then is dropped.
 *
 * @param process  the process
 * @return the writer; NULL if standard input is no pipe.
 *
 * Ownership: the writer is *borrowed* as long as the process lives.
 * Context: loop thread.
 * Twin: `Process.stdin`.
 */
ASYNCIO_API asyncio_stream_writer_t *asyncio_process_stdin(const asyncio_process_t *process);

/**
 * The stream that reads the child's standard output.
 *
 * @param process  the process
 * @return the reader; NULL if standard output is no pipe.
 *
 * Ownership: the reader is *borrowed* as long as the process lives.
 * Context: loop thread.
 * Twin: `Process.stdout`.
 */
ASYNCIO_API asyncio_stream_reader_t *asyncio_process_stdout(const asyncio_process_t *process);

/**
 * The stream that reads the child's standard error.
 *
 * @param process  the process
 * @return the reader; NULL if standard error is no pipe.
 *
 * Ownership: the reader is *borrowed* as long as the process lives.
 * Context: loop thread.
 * Twin: `Process.stderr`.
 */
ASYNCIO_API asyncio_stream_reader_t *asyncio_process_stderr(const asyncio_process_t *process);

/**
 * How the child has ended.
 *
 * @param process   the process
 * @param ret_code  its exit status; minus the number of the signal that ended it; or 255 if
 *                  something else in this process has reaped it and the kernel cannot tell (before
 *                  Linux 6.15)
 * @return - 0: it has ended.
 *   - ASYNCIO_EINVALIDSTATE: it runs.
 *   - -EINVAL: process or ret_code is NULL.
 *
 * Ownership: nothing.
 * Context: loop thread.
 * Twin: `Process.returncode`.
 */
ASYNCIO_API int asyncio_process_returncode(const asyncio_process_t *process, int *ret_code);

/**
 * Waits until the child has ended.
 *
 * A child that writes more than a pipe holds (64 KiB) waits for its reader, and does not end before
 * it is read: asyncio_process_communicate() reads and waits. Unlike in Python, pipes that a
 * grandchild still holds do not delay this call.
 *
 * @param process   the process
 * @param ret_code  how it has ended, as asyncio_process_returncode(); or NULL
 * @return - 0: it has ended.
 *   - -ECANCELED: the task was cancelled; the child runs on.
 *   - -EINVAL: NULL.
 *   - ASYNCIO_ERUNTIME: not inside a task of the process's loop.
 *
 * Ownership: nothing.
 * Context: inside a task.
 * Cancellation: ends the wait, not the child.
 * Twin: `Process.wait`.
 */
ASYNCIO_API int asyncio_process_wait(asyncio_process_t *process, int *ret_code);

/** Makes the coroutine object of asyncio_process_wait(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_process_wait_coroutine(asyncio_process_t *process,
                                                                int *ret_code);

/**
 * Writes to standard input and closes it, reads standard output and error to their ends, and waits
 * until the child has ended. That the child does not read its input is no error.
 *
 * @param process     the process
 * @param input       what to write; ignored if standard input is no pipe
 * @param input_size  its size in bytes
 * @param ret_output  what the child has written; or NULL
 * @return - 0: the child has ended; see asyncio_process_returncode().
 *   - -ECANCELED: the task was cancelled; what was read can be read again from the streams.
 *   - -ENOMEM: out of memory, or -errno of reading.
 *   - -EINVAL: NULL.
 *   - ASYNCIO_ERUNTIME: not inside a task of the process's loop, or a stream is being read.
 *
 * Ownership: input is *borrowed* during the call; the output is *borrowed* from the process.
 * Context: inside a task.
 * Cancellation: ends the call, not the child.
 * Twin: `Process.communicate`.
 */
ASYNCIO_API int asyncio_process_communicate(asyncio_process_t *process, const void *input,
                                            size_t input_size,
                                            asyncio_process_output_t *ret_output);

/** Makes the coroutine object of asyncio_process_communicate(); input must live as long as it. */
ASYNCIO_API asyncio_coroutine_t *
asyncio_process_communicate_coroutine(asyncio_process_t *process, const void *input,
                                      size_t input_size, asyncio_process_output_t *ret_output);

/**
 * Sends a signal to the child.
 *
 * @param process  the process
 * @param signo    the signal, such as SIGHUP
 * @return - 0: sent.
 *   - -ESRCH: the child has ended (Python's ProcessLookupError).
 *   - -EPERM: the child runs as another user.
 *   - -EINVAL: process is NULL, or signo is not the number of a signal.
 *
 * Ownership: nothing.
 * Context: loop thread.
 * Twin: `Process.send_signal`.
 */
ASYNCIO_API int asyncio_process_send_signal(asyncio_process_t *process, int signo);

/**
 * Asks the child to end (SIGTERM).
 *
 * @param process  the process
 * @return as asyncio_process_send_signal().
 *
 * Ownership: nothing.
 * Context: loop thread.
 * Twin: `Process.terminate`.
 */
ASYNCIO_API int asyncio_process_terminate(asyncio_process_t *process);

/**
 * Kills the child (SIGKILL).
 *
 * @param process  the process
 * @return as asyncio_process_send_signal().
 *
 * Ownership: nothing.
 * Context: loop thread.
 * Twin: `Process.kill`.
 */
ASYNCIO_API int asyncio_process_kill(asyncio_process_t *process);

ASYNCIO_END_DECLS

#endif
