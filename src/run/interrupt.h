/* SPDX-License-Identifier: MIT */
/*
 * Ctrl-C during a run: what the handler of SIGINT and the loop tell each other.
 *
 *     asyncio__interrupt_begin(&interrupt, task);     takes SIGINT, if that is allowed
 *     rc = run until the task is done
 *     rc = asyncio__interrupt_end(&interrupt, rc);    gives it back; what the run returns
 */
#ifndef ASYNCIO__RUN_INTERRUPT_H
#define ASYNCIO__RUN_INTERRUPT_H

#include <asyncio/remote.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct asyncio__interrupt {
    asyncio_remote_t remote; /* rings the loop */
    asyncio_loop_t *loop;    /* which; NULL: not prepared */
    asyncio_task_t *task;    /* the main task of the present run */
    atomic_uint came;        /* how many there were in this run */
    atomic_uint seen;        /* how many of them the loop has acted on */
    bool is_taken;           /* SIGINT is ours */
    bool is_raised;          /* the run returns ASYNCIO_EKEYBOARDINTERRUPT */
} asyncio__interrupt_t;

/* 0, or -ENOMEM. */
int asyncio__interrupt_init(asyncio__interrupt_t *interrupt, asyncio_loop_t *loop);
void asyncio__interrupt_fini(asyncio__interrupt_t *interrupt);

void asyncio__interrupt_begin(asyncio__interrupt_t *interrupt, asyncio_task_t *task);
int asyncio__interrupt_end(asyncio__interrupt_t *interrupt, int rc);

#endif
