/* SPDX-License-Identifier: MIT */
/*
 * Calls from other threads of which nobody keeps a handle: many share one record.
 *
 *     rc = asyncio__calls_post(loop, fn, arg);              0, -ENOMEM, ASYNCIO_ERUNTIME
 *
 * A call is two words in a row of calls. Threads fill the row that is newest in the inbox, the loop
 * runs it from front to back: so nothing is allocated, few lines of the cache go from one processor
 * to the other, and the next one is fetched before it is needed.
 */
#ifndef ASYNCIO__LOOP_CALLS_H
#define ASYNCIO__LOOP_CALLS_H

#include "loop/loop.h"

/* Has fn(arg) called in the loop's thread. Any thread. */
int asyncio__calls_post(asyncio_loop_t *loop, asyncio_callback_t *fn, void *arg);

/* Gives back what is kept for the next calls. */
void asyncio__calls_fini(asyncio_loop_t *loop);

#endif
