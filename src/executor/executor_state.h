/* SPDX-License-Identifier: MIT */
/*
 * What the executor layer keeps for a loop, in a slot of the loop: the default executor, and a list
 * of everything that must hear of the loop's close.
 *
 * The state is made when it is first needed, and freed when the loop closes.
 */
#ifndef ASYNCIO__EXECUTOR_EXECUTOR_STATE_H
#define ASYNCIO__EXECUTOR_EXECUTOR_STATE_H

#include <asyncio/executor.h>

#include "loop/loop.h"

/* An entry of the list, embedded in its owner. */
typedef struct asyncio__executor_entry {
    asyncio__list_t link; /* in the loop's list */
    /* The loop closes: the owner must remove its entry. */
    void (*close)(struct asyncio__executor_entry *entry);
} asyncio__executor_entry_t;

typedef struct asyncio__executor_state {
    asyncio__loop_hook_t hook;            /* ends this state at the close of the loop */
    asyncio_executor_t *default_executor; /* a reference; NULL until it is needed or set */
    bool is_shut_down;                    /* the default executor was shut down */
    asyncio__list_t entries;              /* asyncio__executor_entry_t */
} asyncio__executor_state_t;

/* Returns the state of a loop that is not closed, or NULL if there is no memory. */
asyncio__executor_state_t *asyncio__executor_state(asyncio_loop_t *loop);

/* Refuses jobs for the default executor from now on. Returns the default executor, whose reference
 * becomes the caller's, or NULL if there is none. Allocates nothing. */
asyncio_executor_t *asyncio__executor_state_shut_down(asyncio_loop_t *loop);

/* Whether asyncio__executor_state_shut_down() was called. */
bool asyncio__executor_state_is_shut_down(const asyncio_loop_t *loop);

#endif
