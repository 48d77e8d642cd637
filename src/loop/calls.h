/* SPDX-License-Identifier: MIT */
/*
 * Calls from other threads whose caller wants no handle: many share one record.
 *
 *     rc = asyncio__calls_post(loop, fn, arg);              0, -ENOMEM, ASYNCIO_ERUNTIME
 *
 * A call is two words in a row of calls. Posters fill the newest row of the inbox, and the loop
 * runs it from front to back. So a call allocates nothing, few cache lines move between processors,
 * and the next line is fetched before it is needed. The work `wake` of the benchmark needs this:
 * with a record of its own for each call it takes 1.4 to 1.9 times as long.
 */
#ifndef ASYNCIO__LOOP_CALLS_H
#define ASYNCIO__LOOP_CALLS_H

#include "loop/core.h"

/* Has fn(arg) called in the loop's thread. Any thread. */
int asyncio__calls_post(asyncio_loop_t *loop, asyncio_callback_t *fn, void *arg);

#endif
