/* SPDX-License-Identifier: MIT */
/*
 * What stream writers and transports have in common above a channel: its two ends as text, its
 * socket, and the checks of what a program gives them.
 */
#ifndef ASYNCIO__NET_CHANNEL_INFO_H
#define ASYNCIO__NET_CHANNEL_INFO_H

#include <asyncio/socket.h>

#include "transport/channel.h"

#define ASYNCIO__HIGH_WATER_BYTES 65536 /* the default */

/* Writes the "peername" or "sockname" or a fact of TLS as text: the length of the whole, or an
 * error. */
int asyncio__channel_name(asyncio__channel_t *channel, const char *name, char *ret_text,
                          size_t size);

/* What is known of its TLS, borrowed from the channel; NULL: it is plain. */
const asyncio_ssl_object_t *asyncio__channel_ssl_object(asyncio__channel_t *channel);

/* The socket or pipe below, borrowed from the channel; NULL: it has none. */
asyncio_socket_t *asyncio__channel_socket(asyncio__channel_t *channel);

/* Whether the pieces of writelines() can be written: 0, or -EINVAL with details. */
int asyncio__check_pieces(const struct iovec *pieces, size_t count);

/* Puts the defaults in place of SIZE_MAX. -EINVAL with details: low is above high. */
int asyncio__water_marks(size_t *high_bytes, size_t *low_bytes);

#endif
