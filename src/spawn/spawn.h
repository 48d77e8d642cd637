/* SPDX-License-Identifier: MIT */
/*
 * Starting a child process: one function that knows no loop, and the calls on the child's pidfd.
 *
 *     asyncio__spawn_t spawn;
 *     asyncio__spawn_init(&spawn);
 *     spawn.arguments = (const char *const[]){"sort", "-n", NULL};
 *     spawn.stdio[0] = read_end;                  the child's standard input
 *     rc = asyncio__spawn(&spawn, &child);        0, or -errno of the step child.stage
 *
 * The child shares the caller's memory until it executes its program, and the calling thread is
 * suspended meanwhile: no copy of page tables, however large the process is. A child that changes
 * its user or groups gets memory of its own (fork), since another user may trace it before it
 * executes. Every file descriptor of the caller is closed in the child, except 0, 1, 2 and those
 * that the caller passes on.
 */
#ifndef ASYNCIO__SPAWN_SPAWN_H
#define ASYNCIO__SPAWN_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define ASYNCIO__SPAWN_PID_BYTES 16 /* of a process ID in decimal, with a terminating NUL */
#define ASYNCIO__SPAWN_INHERIT (-1) /* of stdio: the child has the caller's descriptor */

/* How a child is started. Everything is borrowed during the call. */
typedef struct asyncio__spawn {
    const char *const *arguments;   /* argv, ends with NULL; arguments[0] is the program's name */
    const char *executable;         /* the file to execute instead of arguments[0]; or NULL */
    const char *const *environment; /* NAME=VALUE strings, ends with NULL; NULL: the caller's */
    const char *cwd;                /* working directory; NULL: the caller's */
    int stdio[3];                   /* descriptors that become 0, 1, 2, or INHERIT */
    const int *pass_fds;            /* descriptors that stay open under their numbers */
    size_t pass_fd_count;           /* of pass_fds */
    const int *listen_fds;          /* descriptors that become 3, 4, …; each has a higher number */
    size_t listen_fd_count;         /* of listen_fds */
    char *pid_text;                 /* where the child writes its process ID, in environment; it has
                                       room for ASYNCIO__SPAWN_PID_BYTES; or NULL */
    int umask;                      /* file mode creation mask; -1: the caller's */
    bool start_new_session;         /* setsid() */
    pid_t process_group;            /* setpgid(): 0 makes a new group; -1: the caller's */
    bool restore_signals;           /* SIGPIPE and SIGXFSZ get their default action */
    bool keep_signal_mask;          /* the calling thread's; else no signal is blocked */
    long user;                      /* user ID; -1: the caller's */
    long group;                     /* group ID; -1: the caller's */
    const gid_t *extra_groups;      /* supplementary groups; NULL: the caller's */
    size_t extra_group_count;       /* of extra_groups */
} asyncio__spawn_t;

/* Which step failed. */
typedef enum asyncio__spawn_stage {
    ASYNCIO__SPAWN_PREPARE, /* in the caller: memory, or the kernel refused another process */
    ASYNCIO__SPAWN_SESSION, /* setsid() or setpgid() */
    ASYNCIO__SPAWN_STDIO,   /* standard input, output or error, or a descriptor to pass on */
    ASYNCIO__SPAWN_USER,    /* user or groups */
    ASYNCIO__SPAWN_CWD,     /* the working directory */
    ASYNCIO__SPAWN_EXECUTE, /* the program */
} asyncio__spawn_stage_t;

typedef struct asyncio__child {
    pid_t pid;                    /* its process ID */
    int pidfd;                    /* refers to it, close-on-exec; -1: the kernel has no pidfds */
    asyncio__spawn_stage_t stage; /* of a failure */
} asyncio__child_t;

/* All fields at their defaults: everything is the caller's, restore_signals is set. */
void asyncio__spawn_init(asyncio__spawn_t *spawn);

/*
 * Starts a child. Blocks until it executes its program, which takes some 60 microseconds, and as
 * long as a dead network file system holds the program. 0; -EINVAL for an empty or NULL argument
 * list; or -errno of the step in ret_child->stage. The caller owns the pidfd, and must reap.
 */
int asyncio__spawn(const asyncio__spawn_t *spawn, asyncio__child_t *ret_child);

/*
 * Reaps a child that has ended, without waiting. 1 and its return code: its exit status, or minus
 * the number of the signal that ended it, or 255 if somebody else has reaped it and the kernel
 * does not tell. 0: it runs. -errno.
 */
int asyncio__child_reap(const asyncio__child_t *child, int *ret_code);

/* Blocks until a child has ended, and reaps it: for one that was killed, or could not execute its
 * program. Does not close the pidfd. */
void asyncio__child_wait(const asyncio__child_t *child);

/* Sends a signal: 0 or -errno. Only before the child is reaped: after that, its process ID may
 * belong to another process. */
int asyncio__child_kill(const asyncio__child_t *child, int signo);

#endif
