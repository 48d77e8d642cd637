/* SPDX-License-Identifier: MIT */
/*
 * The channel of a connected stream socket.
 *
 *     an accepted descriptor:  asyncio__socket_channel_accept(loop, fd, kind, &names, &channel)
 *     a connected socket:      asyncio__socket_channel_new(sock, &names, &channel)
 *     a socket of the program: asyncio__socket_channel_new(sock, NULL, &channel)
 *
 * With names the caller says that the socket was prepared by the library: TCP_NODELAY is set, on
 * the socket or on the listener that it was inherited from, and the kernel is not asked what the
 * caller knows. So an accept costs one system call more than the kernel's accept: getsockname(),
 * and not even that where the listener is bound to one address.
 */
#ifndef ASYNCIO__TRANSPORT_SOCKET_CHANNEL_H
#define ASYNCIO__TRANSPORT_SOCKET_CHANNEL_H

#include "transport/channel.h"
#include "transport/socket.h"

/* The names of the two ends. They are copied, and are those of info() for as long as the channel
 * lives, whatever becomes of the socket. */
typedef struct asyncio__socket_names {
    const struct sockaddr *peer; /* as accept4() or connect() had it; NULL: the kernel is asked */
    socklen_t peer_size;         /* in bytes */
    const struct sockaddr *own;  /* NULL: the kernel is asked */
    socklen_t own_size;          /* in bytes */
} asyncio__socket_names_t;

/* Makes the channel of a socket that is bound to a loop (asyncio__socket_bind_loop) and connected.
 * The socket is shared: the channel takes a reference, and closes it at its end. 0, -ENOMEM, or
 * ASYNCIO_ERUNTIME when the socket has a channel already. */
int asyncio__socket_channel_new(asyncio_socket_t *sock, const asyncio__socket_names_t *names,
                                asyncio__channel_t **ret_channel);

/* The same for a descriptor that accept4(SOCK_NONBLOCK | SOCK_CLOEXEC) has returned. The descriptor
 * is taken, also on failure; its kind is that of the listener. 0, -ENOMEM. */
int asyncio__socket_channel_accept(asyncio_loop_t *loop, int fd, asyncio__file_kind_t kind,
                                   const asyncio__socket_names_t *names,
                                   asyncio__channel_t **ret_channel);

#endif
