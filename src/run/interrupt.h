/* SPDX-License-Identifier: MIT */
/*
 * Ctrl-C during a run: the state that the handler of SIGINT and the loop share.
 *
 *     asyncio__interrupt_begin(&interrupt, task);     installs the handler, where it may
 *     rc = run until the task is done
 *     rc = asyncio__interrupt_end(&interrupt, rc);    removes it; returns the result of the run
 */
#ifndef ASYNCIO__RUN_INTERRUPT_H
#define ASYNCIO__RUN_INTERRUPT_H

#include <asyncio/remote.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct asyncio__interrupt {
    asyncio_remote_t remote; /* wakes the loop */
    asyncio_loop_t *loop;    /* the loop to wake; NULL: not initialized */
    asyncio_task_t *task;    /* the main task of the current run */
    atomic_uint came;        /* signals that arrived in this run */
    atomic_uint seen;        /* signals that the loop has acted on */
    bool is_taken;           /* our handler is installed */
    bool is_raised;          /* the run returns ASYNCIO_EKEYBOARDINTERRUPT */
} asyncio__interrupt_t;

/* 0, or -ENOMEM. */
int asyncio__interrupt_init(asyncio__interrupt_t *interrupt, asyncio_loop_t *loop);
void asyncio__interrupt_fini(asyncio__interrupt_t *interrupt);

void asyncio__interrupt_begin(asyncio__interrupt_t *interrupt, asyncio_task_t *task);
int asyncio__interrupt_end(asyncio__interrupt_t *interrupt, int rc);

#endif
