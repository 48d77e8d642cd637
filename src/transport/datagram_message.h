/* SPDX-License-Identifier: MIT */
/*
 * The control messages of datagrams: which address a datagram was sent to, how long the segments
 * of a coalesced one are, which address an error is about.
 */
#ifndef ASYNCIO__TRANSPORT_DATAGRAM_MESSAGE_H
#define ASYNCIO__TRANSPORT_DATAGRAM_MESSAGE_H

#include "transport/datagram.h"

#define ASYNCIO__DATAGRAM_CONTROL_BYTES 256 /* room for all of a datagram */

/* Reads the control messages into the record. Returns the size of a segment, or 0: it is one
 * datagram. */
size_t asyncio__datagram_parse(struct msghdr *message, asyncio__datagram_received_t *ret_datagram);

/* Writes the control messages of a packet: local and segment_bytes. room is at least 64 bytes. */
void asyncio__datagram_compose(struct msghdr *message, const asyncio__datagram_packet_t *packet,
                               char *room);

/* The code of an error in a message of the error queue, or 0. */
int asyncio__datagram_error_of(struct msghdr *message);

#endif
