/* SPDX-License-Identifier: MIT */
/*
 * What the library keeps for each thread, in one place, so that one address is computed once.
 * The types of upper layers are only named here.
 */
#ifndef ASYNCIO__BASE_THREAD_H
#define ASYNCIO__BASE_THREAD_H

#include <asyncio/api.h>
#include <stdbool.h>

#include "base/compiler.h"

/* What a task has for itself, and a thread for what runs outside tasks. */
typedef struct asyncio__locals {
    asyncio_error_t *error; /* the slot of the latest failing call */
    void *context;          /* the context that is current: a word of context.h */
} asyncio__locals_t;

typedef struct asyncio__thread {
    asyncio_loop_t *running_loop;          /* the loop that runs here, or NULL */
    asyncio_task_t *task;                  /* the task that runs here, or NULL */
    asyncio_coroutine_t *coroutine;        /* whose stack this is; NULL: the thread's own */
    asyncio__locals_t *locals;             /* the running task's; NULL: own below */
    const void *returns_to;                /* who suspended last; see coroutine/fiber_return.h */
    struct asyncio__exceptions *exceptions; /* the C++ runtime's; NULL without one */
    asyncio__locals_t own;                 /* outside tasks */
    asyncio_loop_t *set_loop;              /* from asyncio_set_event_loop(): a reference */
    int constructor_code;                  /* what asyncio_errno() returns */
    bool is_end_watched;                   /* freed at its end; see asyncio__thread_watch_end() */
    struct asyncio__quarantine *quarantine; /* in debug mode; see quarantine.h */
    struct asyncio__result *job_result;    /* where the job that runs here puts its own */
} asyncio__thread_t;

extern ASYNCIO__SHARED ASYNCIO__THREAD_LOCAL asyncio__thread_t asyncio__thread;

/* Has what this thread keeps freed when the thread ends: its error, its context and, by the hook
 * of the loop layer, its loop. A no-op after the first call. */
void asyncio__thread_watch_end(void);
extern void (*asyncio__thread_end_hook)(void);

/* Those of what runs here. */
static inline asyncio__locals_t *asyncio__locals(void)
{
    return asyncio__thread.locals ? asyncio__thread.locals : &asyncio__thread.own;
}

/* Grows by one in a forked child: whoever remembers an older number is used across a fork. */
extern unsigned asyncio__fork_generation;

/* Called in a forked child, in the thread that forked; the loop layer sets it. */
extern void (*asyncio__fork_hook)(void);

/* Counts forks from now on; calling it again is harmless. */
void asyncio__fork_watch(void);

#endif
