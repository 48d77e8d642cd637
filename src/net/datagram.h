/* SPDX-License-Identifier: MIT */
/*
 * Datagram transports: an endpoint of the transport layer, with a protocol of the program, whose
 * functions it calls in one context, and the marks of its queue.
 */
#ifndef ASYNCIO__NET_DATAGRAM_H
#define ASYNCIO__NET_DATAGRAM_H

#include <asyncio/datagram.h>

#include "transport/datagram.h"

#define ASYNCIO__DATAGRAM_HIGH_BYTES 65536

struct asyncio_datagram_transport {
    asyncio__datagram_t endpoint;          /* first; its owner's references are the program's */
    asyncio_datagram_protocol_t *protocol; /* owned, or NULL while it is made */
    void *context;                         /* in which its functions are called: a word */
    asyncio__list_t starters;              /* tasks that wait for connection_made */
    const asyncio__datagram_received_t *received; /* during datagram_received, else NULL */
    size_t high_bytes, low_bytes;          /* the marks of the queue */
    struct sockaddr_storage own, remote;   /* the addresses, as they were at first */
    socklen_t own_size, remote_size;       /* of them; 0: there is none */
    bool is_connected;                     /* the kernel knows remote */
    bool is_made;                          /* connection_made was called */
    bool is_in_send;                       /* inside a call that sends */
    bool is_paused;                        /* pause_writing was called */
};

/* Makes the transport of a socket, which is not started yet: 0, or an error with the slot filled.
 * Takes a reference to the socket. */
int asyncio__datagram_transport_new(asyncio_loop_t *loop, asyncio_socket_t *sock,
                                    size_t max_bytes, asyncio_datagram_transport_t **ret_transport);

#endif
