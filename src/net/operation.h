/* SPDX-License-Identifier: MIT */
/*
 * Waiting from a coroutine for one completion: of a channel's read, or of an engine's operation.
 *
 *     int n = asyncio__channel_receive(channel, buffer, size);     a count, 0 at the end, or a code
 *
 *     asyncio__operation_t op = {.kind = ASYNCIO__RECV, .file = file, .buffer = b, .size = n};
 *     int n = asyncio__operation_await(loop, &op);                  its result
 *
 * The record is in the frame of the call, and the buffer in that of the caller. Both stay until the
 * one completion has come, also when the task is cancelled: then the call only asks for the end.
 * When data wins that race, the data is returned and the cancellation stays pending until the next
 * suspension of the task, so that no byte is lost.
 */
#ifndef ASYNCIO__NET_OPERATION_H
#define ASYNCIO__NET_OPERATION_H

#include "transport/channel.h"

/* Receives at least one byte. The call is inside a coroutine on the channel's loop, which runs; no
 * other read of the channel is pending. Fails with the error that ended the channel. */
int asyncio__channel_receive(asyncio__channel_t *channel, void *buffer, size_t size);

/* Submits an operation and waits for it; the loop is the running one. address_size is written. */
int asyncio__operation_await(asyncio_loop_t *loop, asyncio__operation_t *operation);

int asyncio__operation_refuse(const asyncio_loop_t *loop);

/* Whether the call is inside a coroutine on that running loop: 0, or an error with details. In a
 * forked child no loop runs. */
static inline int asyncio__operation_check(const asyncio_loop_t *loop)
{
    bool may_wait = loop && loop == asyncio__thread.running_loop && asyncio__thread.coroutine;
    return ASYNCIO__LIKELY(may_wait) ? 0 : asyncio__operation_refuse(loop);
}

#endif
