/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets: created, bound to the addresses of a server, and listening.
 *
 *     rc = asyncio__bind_all(addresses, &options, fds, &count);
 *
 * What accepted sockets inherit is set on the listening one (TCP_NODELAY, SO_KEEPALIVE), so that no
 * accept pays for it. Nothing here waits.
 */
#ifndef ASYNCIO__TRANSPORT_BIND_H
#define ASYNCIO__TRANSPORT_BIND_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

typedef struct asyncio__bind_options {
    int backlog;         /* connections that the kernel keeps for accept; 0: 100 */
    bool reuse_address;  /* SO_REUSEADDR */
    bool reuse_port;     /* SO_REUSEPORT */
    bool keep_alive;     /* SO_KEEPALIVE, of the accepted sockets */
} asyncio__bind_options_t;

/* The file of a Unix socket, and which one it is. */
typedef struct asyncio__unix_path {
    char *path;             /* owned; NULL: none */
    uint64_t device, inode; /* of the file that bind() made */
} asyncio__unix_path_t;

/*
 * Makes a listening socket of each address, of an address that is listed twice only one. Addresses
 * that this machine does not have are left out, unless there is no other. With port 0 all get the
 * same port, which the kernel chooses.
 *
 * ret_fds has room for one descriptor for each address. 0, or an error with the slot filled and no
 * socket left; it names the address.
 */
int asyncio__bind_all(const struct addrinfo *addresses, const asyncio__bind_options_t *options,
                      int *ret_fds, size_t *ret_count);

/*
 * Makes a listening Unix socket that only its owner can connect to. A socket file on which nobody
 * listens any more is replaced; -EADDRINUSE: somebody does, or it is no socket. The error's slot is
 * filled on failure.
 */
int asyncio__bind_unix(const struct sockaddr_un *address, const asyncio__bind_options_t *options,
                       int *ret_fd, asyncio__unix_path_t *ret_path);

/* Removes the file, unless another one has taken its path, and forgets it. */
void asyncio__unix_path_remove(asyncio__unix_path_t *path);

/* Makes a socket of the program, which is bound, a listening one, if it is not, and sets what
 * accepted sockets inherit. 0, or an error with the slot filled: -EINVAL when it is no stream
 * socket. */
int asyncio__bind_adopt(int fd, const asyncio__bind_options_t *options);

#endif
