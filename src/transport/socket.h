/* SPDX-License-Identifier: MIT */
/*
 * The record of a socket: a file descriptor with an owner, bound to the loop that first uses it.
 *
 *     program, channel, listener --ref--> asyncio_socket_t --owns--> fd
 *                                                          --owns--> file, the engine's record
 *
 * Closing goes through the engine, so that the fd number is not used again while an operation could
 * still mean the old descriptor. The program may close a socket under a channel: the channel's copy
 * of the file is cleared then.
 */
#ifndef ASYNCIO__TRANSPORT_SOCKET_H
#define ASYNCIO__TRANSPORT_SOCKET_H

#include <asyncio/socket.h>

#include "loop/loop.h"

struct asyncio_socket {
    unsigned refs;               /* references */
    int fd;                      /* the descriptor; -1 once it is closed */
    asyncio__file_t *file;       /* the engine's record, from the first use on a loop */
    asyncio__file_t **file_copy; /* a channel's copy of file, to be cleared at close; or NULL */
    asyncio_loop_t *loop;        /* whose engine that is; held */
};

/* Makes a record for a non-blocking fd, which is taken, but not on failure: NULL, out of memory. */
asyncio_socket_t *asyncio__socket_new(int fd);

/* Binds the socket to the loop, if it is not bound yet: 0, or an error with details. */
int asyncio__socket_bind_loop(asyncio_socket_t *sock, asyncio_loop_t *loop);

/* The same where the caller knows what the descriptor is, so that the engine need not ask. */
int asyncio__socket_bind_loop_as(asyncio_socket_t *sock, asyncio_loop_t *loop,
                                 asyncio__file_kind_t kind);

/* Whether the socket is open: closing a loop closes the descriptors of its sockets. */
static inline bool asyncio__socket_is_open(const asyncio_socket_t *sock)
{
    return sock->fd >= 0 && !(sock->loop && sock->loop->closed);
}

#endif
