/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets that the process got from its parent, by the protocol of systemd: LISTEN_PID
 * is this process, LISTEN_FDS the number of descriptors, which begin at 3, and LISTEN_FDNAMES their
 * names, separated by colons. A process that reloads itself adds ASYNCIO_READY_FD: a pipe to which
 * the new process writes a byte when it serves.
 */
#ifndef ASYNCIO__TRANSPORT_INHERITED_H
#define ASYNCIO__TRANSPORT_INHERITED_H

#include <sys/socket.h>

#define ASYNCIO__INHERITED_FIRST_FD    3
#define ASYNCIO__INHERITED_NAME_BYTES  256 /* of a name, with a terminating NUL */
#define ASYNCIO__INHERITED_READY       "ASYNCIO_READY_FD"

/* One of them. */
typedef struct asyncio__inherited_socket {
    int fd;                                   /* owned */
    struct sockaddr_storage own;              /* its address */
    socklen_t own_size;                       /* of own; 0: not known */
    char name[ASYNCIO__INHERITED_NAME_BYTES]; /* "unknown" without one */
} asyncio__inherited_socket_t;

typedef struct asyncio__inherited {
    asyncio__inherited_socket_t *sockets; /* count of them; NULL: none */
    size_t count;                         /* of sockets */
    int ready_fd;                         /* where the parent waits; owned; -1: nowhere */
} asyncio__inherited_t;

/* Reads the environment, and has the descriptors closed when a program is executed. 0, or an error
 * with the slot filled: -EINVAL when a number is no number, -EBADF when a descriptor is not open.
 * To be called once in a process: the descriptors belong to the result. */
int asyncio__inherited_read(asyncio__inherited_t *ret_inherited);

/* Closes the descriptors, but ready_fd, and frees the record. */
void asyncio__inherited_close(asyncio__inherited_t *inherited);

#endif
