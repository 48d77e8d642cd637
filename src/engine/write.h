/* SPDX-License-Identifier: MIT */
/*
 * write(2) and sendfile(2) that never raise SIGPIPE. Neither has a MSG_NOSIGNAL, and a library must
 * not change the signal handling of its process.
 */
#ifndef ASYNCIO__ENGINE_WRITE_H
#define ASYNCIO__ENGINE_WRITE_H

#include <stddef.h>
#include <sys/types.h>

/* As write(2) at the current position: -1 with errno EPIPE when no reader is left. */
ssize_t asyncio__write_without_signal(int fd, const void *buffer, size_t size);

/* As sendfile(2): -1 with errno EPIPE when the peer has ended the connection. */
ssize_t asyncio__sendfile_without_signal(int socket, int file, off_t *offset, size_t size);

#endif
