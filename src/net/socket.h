/* SPDX-License-Identifier: MIT */
/*
 * The record of a socket, for the streams and servers above it.
 */
#ifndef ASYNCIO__NET_SOCKET_H
#define ASYNCIO__NET_SOCKET_H

#include <asyncio/socket.h>

#include "loop/loop.h"

struct asyncio_socket {
    unsigned refs;         /* references */
    int fd;                /* the descriptor; -1 once it is closed */
    asyncio__file_t *file; /* the engine's view, from the first use on a loop */
    asyncio_loop_t *loop;  /* whose engine that is; held */
};

/* Binds it to the loop, if it is not yet: 0, or an error with the slot filled. */
int asyncio__socket_bind_loop(asyncio_socket_t *sock, asyncio_loop_t *loop);

/* Is it open: the descriptor may have gone with its loop. */
static inline bool asyncio__socket_is_open(const asyncio_socket_t *sock)
{
    return sock->fd >= 0 && !(sock->loop && sock->loop->closed);
}

#endif
