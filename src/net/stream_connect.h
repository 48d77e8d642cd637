/* SPDX-License-Identifier: MIT */
/*
 * Connecting from a task: look the host up, connect to one of its addresses, and make a channel of
 * that. Streams and transports are made of the channel.
 */
#ifndef ASYNCIO__NET_STREAM_CONNECT_H
#define ASYNCIO__NET_STREAM_CONNECT_H

#include <asyncio/transport.h>

#include "transport/channel.h"

/* Connects to a host, or takes options->sock; checks the arguments, and that the call is inside a
 * task of the loop. options->linger is for the caller to set. 0, or an error with the slot
 * filled. */
int asyncio__connect_tcp(asyncio_loop_t *loop, const char *host, uint16_t port,
                         const asyncio_connection_options_t *options,
                         asyncio__channel_t **ret_channel);

/* The same for the path of a Unix socket. */
int asyncio__connect_unix(asyncio_loop_t *loop, const char *path,
                          const asyncio_connection_options_t *options,
                          asyncio__channel_t **ret_channel);

/* Makes a channel of a socket that the program has accepted; checks as above. */
int asyncio__connect_accepted(asyncio_loop_t *loop, asyncio_socket_t *sock,
                              const asyncio_accepted_socket_options_t *options,
                              asyncio__channel_t **ret_channel);

#endif
