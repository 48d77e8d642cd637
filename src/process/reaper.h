/* SPDX-License-Identifier: MIT */
/*
 * Reapers: a loop waits for the end of a child process, by its pidfd.
 *
 *     process --ref--> reaper --owns--> pidfd, the engine's record of it
 *                        ^
 *                        '-- a reference of its own, from the start until the child is reaped
 *
 * The reaper outlives the program's interest in the child, so that no zombie stays. A loop that
 * closes kills the children that it still has. Where the kernel has no pidfds (before 5.3), a
 * worker thread waits for the child. SIGCHLD, its handler and wait(-1) are left to the program.
 */
#ifndef ASYNCIO__PROCESS_REAPER_H
#define ASYNCIO__PROCESS_REAPER_H

#include "loop/loop.h"
#include "spawn/spawn.h"

typedef struct asyncio__reaper {
    asyncio_loop_t *loop;       /* held */
    asyncio__child_t child;     /* its pidfd belongs to file, once there is one */
    unsigned refs;              /* references */
    bool has_exited;            /* the child is reaped; return_code is set */
    int return_code;            /* as asyncio__child_reap() says */
    void (*exited)(void *arg);  /* called once the child is reaped, from wait(); or NULL */
    void *arg;                  /* passed to it */
    asyncio__file_t *file;      /* the engine's record of the pidfd; NULL without pidfds */
    asyncio__operation_t poll;  /* pending until the child ends */
} asyncio__reaper_t;

/* A record without a child, with one reference; NULL: out of memory. */
asyncio__reaper_t *asyncio__reaper_new(asyncio_loop_t *loop);
void asyncio__reaper_unref(asyncio__reaper_t *reaper);

/* Begins to wait for a child, whose pidfd it takes: 0 or -errno. On failure the child is killed and
 * reaped. */
int asyncio__reaper_start(asyncio__reaper_t *reaper, const asyncio__child_t *child);

/* Sends a signal to the child: 0, -ESRCH once it is reaped, or -errno. */
int asyncio__reaper_kill(asyncio__reaper_t *reaper, int signo);

/* The same with the slot filled on failure. */
int asyncio__reaper_send_signal(asyncio__reaper_t *reaper, int signo);

/* Stores the return code of the child: 0; ASYNCIO_EINVALIDSTATE with details while it runs. */
int asyncio__reaper_return_code(const asyncio__reaper_t *reaper, int *ret_code);

#endif
