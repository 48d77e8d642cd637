/* SPDX-License-Identifier: MIT */
/*
 * Sending files: the loop of sendfile(2), which sockets and channels share, and sending by a
 * channel.
 *
 * While a file is sent by a channel, this layer is the channel's owner in the place of the stream
 * or transport: it waits for the buffers to drain, and passes on that the channel was closed.
 *
 * sendfile(2) reads what is not in the page cache from the disk, and the loop waits for that; a
 * step is at most 1 MiB.
 */
#ifndef ASYNCIO__FILE_SENDFILE_H
#define ASYNCIO__FILE_SENDFILE_H

#include <asyncio/sendfile.h>

#include "file/file.h"
#include "transport/channel.h"

/* What is sent, and how much of it was. */
typedef struct asyncio__sendfile {
    asyncio_file_t *file; /* begun, and its buffer is settled */
    int64_t offset;       /* of the first byte that is not sent yet */
    int64_t left;         /* bytes that are to be sent; INT64_MAX: to the end */
    int64_t sent;         /* bytes that were sent */
    int64_t size_hint;    /* of the file, when the call began */
    char *buffer;         /* of reads; NULL until the first */
    size_t buffer_bytes;  /* its size */
    bool no_fallback;     /* fail where sendfile(2) cannot be used */
} asyncio__sendfile_t;

/* Begins, inside a coroutine of the file's loop: 0, or an error. finish() ends it: moves the file's
 * position behind what was sent, and returns the number of bytes, or rc if that is an error. */
int asyncio__sendfile_begin(asyncio__sendfile_t *sendfile, asyncio_file_t *file,
                            const asyncio_sendfile_options_t *options);
ssize_t asyncio__sendfile_finish(asyncio__sendfile_t *sendfile, int rc);

/* Sends by sendfile(2) to a socket, until channel (or NULL) is closing: 0; an error; or
 * ASYNCIO_ESENDFILENOTAVAILABLE before anything was sent: read and write instead. */
int asyncio__sendfile_native(asyncio__sendfile_t *sendfile, asyncio_socket_t *sock,
                             const asyncio__channel_t *channel);

/* Reads the next piece into buffer: a count, 0 at the end, or an error. sent() says that count
 * bytes more were sent. */
int asyncio__sendfile_read(asyncio__sendfile_t *sendfile);
void asyncio__sendfile_sent(asyncio__sendfile_t *sendfile, int64_t count);

/* Sends by a channel, whose owner sees to it that nothing else is written: 0 or an error. */
int asyncio__sendfile_by_channel(asyncio__sendfile_t *sendfile, asyncio__channel_t *channel);

#endif
