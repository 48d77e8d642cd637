/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Files that are sent by a connection, from the kernel's cache straight to the socket where that is
 * possible.
 *
 * @code
 *     asyncio_file_t *file;
 *     int rc = asyncio_open("image.png", "rb", &file);
 *     if (rc == 0) {
 *         ssize_t sent = asyncio_stream_writer_sendfile(writer, file, NULL);
 *         rc = sent < 0 ? (int)sent : 0;
 *         asyncio_file_unref(file);
 *     }
 * @endcode
 *
 * sendfile(2) is used on plain sockets, in steps of at most 1 MiB. What it needs of the file and is
 * not in the page cache it reads from the disk, and the loop waits for that. By TLS, and for files
 * that sendfile(2) refuses, the file is read in pieces of at most 256 KiB and written, with no more
 * than two of them in memory.
 *
 * After each of these calls, whether it has succeeded or not, the file's position is behind what
 * was sent, if anything was: asyncio_file_tell() says how much. A file that is cut meanwhile ends
 * early, which is no error.
 */
#ifndef ASYNCIO_SENDFILE_H
#define ASYNCIO_SENDFILE_H

#include <asyncio/file.h>
#include <asyncio/socket.h>
#include <asyncio/stream.h>
#include <asyncio/transport.h>

ASYNCIO_BEGIN_DECLS

/** Options of sending a file; zero is the default of each. */
typedef struct asyncio_sendfile_options {
    size_t size;      /**< sizeof(asyncio_sendfile_options_t) */
    int64_t offset;   /**< where to begin, in bytes; the file's position does not matter */
    int64_t count;    /**< how many bytes to send at most; 0: to the end of the file */
    bool no_fallback; /**< Python's `fallback=False`: fail where sendfile(2) cannot be used */
} asyncio_sendfile_options_t;

/**
 * Sends a file by a transport.
 *
 * What was written before is sent first. Until the call returns, the transport reads nothing, and
 * writes of others fail with ASYNCIO_ERUNTIME. It returns when the kernel has the bytes, or by TLS
 * when all but the low-water mark is sent.
 *
 * @param loop       the running loop
 * @param transport  of a connection, plain or by TLS
 * @param file       open for reading
 * @param options    NULL for the defaults
 * @return - the number of bytes that were sent.
 *   - ASYNCIO_ESENDFILENOTAVAILABLE: sendfile(2) has failed at once, for the reason that is the
 *     error's cause; with no_fallback only.
 *   - ASYNCIO_ERUNTIME: the transport is closing, has sent its end, is a pipe, or sends a file
 *     already; another task uses the file; by TLS with no_fallback; or not inside a task of loop.
 *   - -ECONNRESET, -EPIPE or what else has ended the connection meanwhile.
 *   - -EIO or any other -errno of reading the file; -EBADF: it is closed, or not open for reading.
 *   - -EINVAL: transport or file is NULL, or options has a bad size, offset or count.
 *   - -ENOMEM.
 *   - -ECANCELED: the task was cancelled.
 *
 * Ownership: transport and file are *borrowed* during the call.
 * Context: inside a task.
 * Cancellation: asyncio_file_tell() says how much was sent.
 * Twin: `loop.sendfile`.
 */
ASYNCIO_API ssize_t asyncio_loop_sendfile(asyncio_loop_t *loop, asyncio_transport_t *transport,
                                          asyncio_file_t *file,
                                          const asyncio_sendfile_options_t *options);

/** Makes the coroutine object of asyncio_loop_sendfile(); options are copied. */
ASYNCIO_API asyncio_coroutine_t *
asyncio_loop_sendfile_coroutine(asyncio_loop_t *loop, asyncio_transport_t *transport,
                                asyncio_file_t *file, const asyncio_sendfile_options_t *options);

/**
 * Sends a file by a stream: what asyncio_loop_sendfile() is for transports. The reader may be read
 * meanwhile.
 *
 * @param writer   of a connection, plain or by TLS
 * @param file     open for reading
 * @param options  NULL for the defaults
 * @return as asyncio_loop_sendfile().
 *
 * Ownership: writer and file are *borrowed* during the call.
 * Context: inside a task.
 * Cancellation: asyncio_file_tell() says how much was sent.
 * Twin: `loop.sendfile(writer.transport, file)`.
 */
ASYNCIO_API ssize_t asyncio_stream_writer_sendfile(asyncio_stream_writer_t *writer,
                                                   asyncio_file_t *file,
                                                   const asyncio_sendfile_options_t *options);

/** Makes the coroutine object of asyncio_stream_writer_sendfile(); options are copied. */
ASYNCIO_API asyncio_coroutine_t *
asyncio_stream_writer_sendfile_coroutine(asyncio_stream_writer_t *writer, asyncio_file_t *file,
                                         const asyncio_sendfile_options_t *options);

/**
 * Sends a file by a connected socket.
 *
 * @param loop     the running loop
 * @param sock     a connected stream socket
 * @param file     open for reading
 * @param options  NULL for the defaults
 * @return as asyncio_loop_sendfile(), without what it says of transports; -EBADF: also, the socket
 *   is closed; -EINVAL: also, sock is no stream socket; -EOPNOTSUPP: the engine has no sockets
 *   (sim).
 *
 * Ownership: sock and file are *borrowed* during the call.
 * Context: inside a task.
 * Cancellation: asyncio_file_tell() says how much was sent.
 * Twin: `loop.sock_sendfile`.
 */
ASYNCIO_API ssize_t asyncio_loop_sock_sendfile(asyncio_loop_t *loop, asyncio_socket_t *sock,
                                               asyncio_file_t *file,
                                               const asyncio_sendfile_options_t *options);

/** Makes the coroutine object of asyncio_loop_sock_sendfile(); options are copied. */
ASYNCIO_API asyncio_coroutine_t *
asyncio_loop_sock_sendfile_coroutine(asyncio_loop_t *loop, asyncio_socket_t *sock,
                                     asyncio_file_t *file,
                                     const asyncio_sendfile_options_t *options);

ASYNCIO_END_DECLS

#endif
