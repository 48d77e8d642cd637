/* SPDX-License-Identifier: MIT */
/*
 * Waiting for an operation of the engine, from a coroutine: its record and its buffer are in the
 * caller's frame, which stays until the operation has completed.
 *
 *     asyncio__operation_t op = {.kind = ASYNCIO__RECV, .file = file, .buffer = b, .size = n};
 *     int n = asyncio__operation_await(loop, &op);        a count, or a code with the slot filled
 *
 * Data that wins the race against a cancel is answered, and the cancel waits for the next
 * suspension: no byte is lost.
 */
#ifndef ASYNCIO__NET_OPERATION_H
#define ASYNCIO__NET_OPERATION_H

#include "loop/loop.h"

/* The loop must be the running one. */
int asyncio__operation_await(asyncio_loop_t *loop, asyncio__operation_t *operation);

/* Is the call inside a coroutine on that running loop: 0, or an error. */
int asyncio__operation_check(asyncio_loop_t *loop);

#endif
