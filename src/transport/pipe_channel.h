/* SPDX-License-Identifier: MIT */
/*
 * The channels of pipes: one reads, or one writes.
 *
 * They take what a socket takes in one direction: pipes, FIFOs, terminals and sockets. A write pipe
 * watches for its reader: once that has closed, the channel ends, with -EPIPE if bytes are unsent.
 * SIGPIPE is never raised. shutdown() of a write pipe is its close(). info() knows "pipe", which is
 * the asyncio_socket_t of the descriptor.
 */
#ifndef ASYNCIO__TRANSPORT_PIPE_CHANNEL_H
#define ASYNCIO__TRANSPORT_PIPE_CHANNEL_H

#include "transport/channel.h"
#include "transport/socket.h"

/* Makes the channel of a descriptor that is bound to a loop (asyncio__socket_bind_loop). The record
 * is shared: the channel takes a reference, and closes it at its end. 0, -ENOMEM, ASYNCIO_ERUNTIME
 * when the record has a channel already, or -errno of the watch. */
int asyncio__read_pipe_channel_new(asyncio_socket_t *sock, asyncio__channel_t **ret_channel);
int asyncio__write_pipe_channel_new(asyncio_socket_t *sock, asyncio__channel_t **ret_channel);

#endif
