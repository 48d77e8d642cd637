/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Streams: connections that are read and written as bytes and lines.
 *
 * @code
 *     asyncio_stream_reader_t *reader;
 *     asyncio_stream_writer_t *writer;
 *     int rc = asyncio_open_connection("127.0.0.1", 8888, NULL, &reader, &writer);
 *     asyncio_stream_writer_write(writer, "hello\n", 6);
 *     rc = asyncio_stream_writer_drain(writer);
 *     const char *line;
 *     ssize_t size = asyncio_stream_reader_readline(reader, &line);
 *     asyncio_stream_writer_close(writer);
 *     asyncio_stream_reader_unref(reader);
 *     asyncio_stream_writer_unref(writer);
 * @endcode
 *
 * A reader takes from the kernel when it is asked to: a peer is slowed down by the kernel's own
 * buffers. One task reads at a time. What is written is sent in the background.
 */
#ifndef ASYNCIO_STREAM_H
#define ASYNCIO_STREAM_H

#include <asyncio/socket.h>
#include <sys/uio.h>

ASYNCIO_BEGIN_DECLS

/** The receiving side of a connection. */
typedef struct asyncio_stream_reader asyncio_stream_reader_t;
/** The sending side of a connection. */
typedef struct asyncio_stream_writer asyncio_stream_writer_t;
/** The limit of a reader's buffer, unless another is asked for, in bytes. */
#define ASYNCIO_STREAM_LIMIT_BYTES 65536

/** Options of a connection; zero is the default of each. */
typedef struct asyncio_connection_options {
    size_t size;            /**< sizeof(asyncio_connection_options_t) */
    size_t limit_bytes;     /**< of a line, and of what is searched; 0: 64 KiB */
    int family;             /**< AF_INET, AF_INET6; 0: both */
    const char *local_host; /**< a literal address to connect from; NULL: any */
    uint16_t local_port;    /**< to connect from; 0: any */
    double linger;          /**< seconds that a close waits for a peer that takes no bytes; 0: 30 */
    bool end_on_overrun;    /**< a line or separator beyond the limit ends reading; see
                                 asyncio_stream_reader_readline() */
} asyncio_connection_options_t;

/**
 * Connects to a host by TCP; every address that the name has is tried in order.
 *
 * @param host        a name or a literal address
 * @param port        of the peer, 1 to 65535
 * @param options     NULL for the defaults
 * @param ret_reader  where to put the reader
 * @param ret_writer  where to put the writer
 * @return - 0: connected.
 *   - ASYNCIO_EGAI: the host cannot be resolved; the message says why.
 *   - -ECONNREFUSED, -ENETUNREACH, -EHOSTUNREACH or any other -errno: of the last address tried.
 *   - -ECANCELED: the task was cancelled.
 *   - -EINVAL: NULL, or bad options.
 *   - -ENOMEM, -EMFILE, -ENFILE: out of memory or descriptors.
 *   - -EOPNOTSUPP: the engine has no sockets (sim).
 *   - ASYNCIO_ERUNTIME: not inside a task.
 *
 * Ownership: reader and writer are *new*.
 * Context: inside a task.
 * Cancellation: ends the attempt; nothing is leaked.
 * Twin: `asyncio.open_connection`.
 */
ASYNCIO_API int asyncio_open_connection(const char *host, uint16_t port,
                                        const asyncio_connection_options_t *options,
                                        asyncio_stream_reader_t **ret_reader,
                                        asyncio_stream_writer_t **ret_writer);

/** Makes the coroutine object of asyncio_open_connection(); host and options are copied. */
ASYNCIO_API asyncio_coroutine_t *asyncio_open_connection_coroutine(
    const char *host, uint16_t port, const asyncio_connection_options_t *options,
    asyncio_stream_reader_t **ret_reader, asyncio_stream_writer_t **ret_writer);

/**
 * Connects to a Unix socket.
 *
 * @param path        of the socket; at most 107 bytes
 * @param options     NULL for the defaults
 * @param ret_reader  where to put the reader
 * @param ret_writer  where to put the writer
 * @return as asyncio_open_connection(); -ENOENT and -ENAMETOOLONG of the path.
 *
 * Ownership: reader and writer are *new*.
 * Context: inside a task.
 * Cancellation: ends the attempt; nothing is leaked.
 * Twin: `asyncio.open_unix_connection`.
 */
ASYNCIO_API int asyncio_open_unix_connection(const char *path,
                                             const asyncio_connection_options_t *options,
                                             asyncio_stream_reader_t **ret_reader,
                                             asyncio_stream_writer_t **ret_writer);

/** Makes the coroutine object of asyncio_open_unix_connection(); path and options are copied. */
ASYNCIO_API asyncio_coroutine_t *asyncio_open_unix_connection_coroutine(
    const char *path, const asyncio_connection_options_t *options,
    asyncio_stream_reader_t **ret_reader, asyncio_stream_writer_t **ret_writer);

/**
 * Makes streams of a connected socket.
 *
 * @param sock        connected
 * @param options     NULL for the defaults
 * @param ret_reader  where to put the reader
 * @param ret_writer  where to put the writer
 * @return 0, -EINVAL, -ENOMEM, -EBADF, or ASYNCIO_ERUNTIME (no loop is running).
 *
 * Ownership: the streams keep a reference to sock, and close it; reader and writer are *new*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: `open_connection(sock=sock)`.
 */
ASYNCIO_API int asyncio_streams_of_socket(asyncio_socket_t *sock,
                                          const asyncio_connection_options_t *options,
                                          asyncio_stream_reader_t **ret_reader,
                                          asyncio_stream_writer_t **ret_writer);

/**
 * Takes another reference.
 *
 * @param reader  NULL is allowed
 * @return reader.
 *
 * Ownership: the reference is *new*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: none.
 */
ASYNCIO_API asyncio_stream_reader_t *asyncio_stream_reader_ref(asyncio_stream_reader_t *reader);

/**
 * Gives a reference up.
 *
 * @param reader  NULL is allowed; in another thread or a forked child it stays
 *
 * Ownership: reader is *taken*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: none.
 */
ASYNCIO_API void asyncio_stream_reader_unref(asyncio_stream_reader_t *reader);

/**
 * Reads at least one byte, at most size.
 *
 * @param reader  the reader
 * @param buffer  room for size bytes
 * @param size    in bytes; 0 reads nothing
 * @return - the number of bytes; 0 at the end of the stream.
 *   - ASYNCIO_ERUNTIME: not inside a task, or another task is reading.
 *   - -ECANCELED: the task was cancelled; nothing was lost.
 *   - -EINVAL: NULL.
 *   - -ENOMEM: out of memory.
 *   - -ECONNRESET or any other -errno: the connection failed.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: inside a task.
 * Cancellation: leaves the buffer as it is.
 * Twin: `StreamReader.read`.
 */
ASYNCIO_API ssize_t asyncio_stream_reader_read(asyncio_stream_reader_t *reader, void *buffer,
                                               size_t size);

/** Makes the coroutine object of asyncio_stream_reader_read(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_stream_reader_read_coroutine(asyncio_stream_reader_t *reader, void *buffer, size_t size);

/**
 * Reads to the end of the stream.
 *
 * @param reader    the reader
 * @param ret_data  where to put the bytes, followed by a 0
 * @return - the number of bytes.
 *   - ASYNCIO_ERUNTIME: not inside a task, or another task is reading.
 *   - -ECANCELED: the task was cancelled; nothing was lost.
 *   - -EINVAL: NULL.
 *   - -ENOMEM: out of memory.
 *   - -ECONNRESET or any other -errno: the connection failed.
 *
 * Ownership: the bytes are *borrowed*: the reader's, until the next call on it.
 * Context: inside a task.
 * Cancellation: leaves the buffer as it is.
 * Twin: `StreamReader.read(-1)`.
 */
ASYNCIO_API ssize_t asyncio_stream_reader_read_all(asyncio_stream_reader_t *reader,
                                                   const char **ret_data);

/** Makes the coroutine object of asyncio_stream_reader_read_all(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_stream_reader_read_all_coroutine(asyncio_stream_reader_t *reader, const char **ret_data);

/**
 * Reads exactly so many bytes.
 *
 * @param reader       the reader
 * @param buffer       room for size bytes
 * @param size         in bytes
 * @param ret_partial  where to put how many there were before the end; NULL drops it
 * @return - size.
 *   - ASYNCIO_EINCOMPLETEREAD: the stream ended before; the bytes there were are in buffer.
 *   - ASYNCIO_ERUNTIME: not inside a task, or another task is reading.
 *   - -ECANCELED: the task was cancelled; nothing was lost.
 *   - -EINVAL: NULL.
 *   - -ENOMEM: out of memory.
 *   - -ECONNRESET or any other -errno: the connection failed.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: inside a task.
 * Cancellation: leaves the buffer as it is.
 * Twin: `StreamReader.readexactly`.
 */
ASYNCIO_API ssize_t asyncio_stream_reader_readexactly(asyncio_stream_reader_t *reader,
                                                      void *buffer, size_t size,
                                                      size_t *ret_partial);

/** Makes the coroutine object of asyncio_stream_reader_readexactly(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_stream_reader_readexactly_coroutine(asyncio_stream_reader_t *reader, void *buffer,
                                            size_t size, size_t *ret_partial);

/**
 * Reads a line with its newline; at the end of the stream, what is left.
 *
 * Of a line that is longer than the limit, what has been received is dropped. The rest of it, which
 * has not, will be read as a line of its own, as in asyncio: a peer can make a command out of the
 * tail of a long line. The option end_on_overrun refuses every later read instead.
 *
 * @param reader    the reader
 * @param ret_line  where to put the line, not followed by a 0
 * @return - the number of bytes; 0 at the end of the stream.
 *   - -EINVAL: also a line longer than the limit; see below.
 *   - ASYNCIO_ELIMITOVERRUN: a line was too long before, with the option end_on_overrun.
 *   - ASYNCIO_ERUNTIME: not inside a task, or another task is reading.
 *   - -ECANCELED: the task was cancelled; nothing was lost.
 *   - -EINVAL: NULL.
 *   - -ENOMEM: out of memory.
 *   - -ECONNRESET or any other -errno: the connection failed.
 *
 * Ownership: the line is *borrowed*: the reader's, until the next call on it.
 * Context: inside a task.
 * Cancellation: leaves the buffer as it is.
 * Twin: `StreamReader.readline`.
 */
ASYNCIO_API ssize_t asyncio_stream_reader_readline(asyncio_stream_reader_t *reader,
                                                   const char **ret_line);

/** Makes the coroutine object of asyncio_stream_reader_readline(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_stream_reader_readline_coroutine(asyncio_stream_reader_t *reader, const char **ret_line);

/**
 * Reads up to and with a separator.
 *
 * @param reader          the reader
 * @param separator       its bytes
 * @param separator_size  1 and more, in bytes; 0 is -EINVAL
 * @param ret_data        where to put the bytes, not followed by a 0
 * @return - the number of bytes, the separator with them.
 *   - ASYNCIO_EINCOMPLETEREAD: the stream ended before; *ret_data is what there was, as many bytes
 *     as asyncio_stream_reader_partial() says.
 *   - ASYNCIO_ELIMITOVERRUN: not within the limit; the bytes stay in the buffer.
 *   - ASYNCIO_ERUNTIME: not inside a task, or another task is reading.
 *   - -ECANCELED: the task was cancelled; nothing was lost.
 *   - -EINVAL: NULL.
 *   - -ENOMEM: out of memory.
 *   - -ECONNRESET or any other -errno: the connection failed.
 *
 * Ownership: the bytes are *borrowed*: the reader's, until the next call on it.
 * Context: inside a task.
 * Cancellation: leaves the buffer as it is.
 * Twin: `StreamReader.readuntil`.
 */
ASYNCIO_API ssize_t asyncio_stream_reader_readuntil(asyncio_stream_reader_t *reader,
                                                    const void *separator,
                                                    size_t separator_size,
                                                    const char **ret_data);

/** Makes the coroutine object of asyncio_stream_reader_readuntil(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_stream_reader_readuntil_coroutine(
    asyncio_stream_reader_t *reader, const void *separator, size_t separator_size,
    const char **ret_data);

/**
 * Answers how many bytes the last ASYNCIO_EINCOMPLETEREAD came with.
 *
 * @param reader  the reader
 * @return the number of bytes.
 *
 * Ownership: reader is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: `IncompleteReadError.partial`.
 */
ASYNCIO_API size_t asyncio_stream_reader_partial(const asyncio_stream_reader_t *reader);

/**
 * Answers whether the stream has ended and all was read.
 *
 * @param reader  the reader
 * @return true at the end.
 *
 * Ownership: reader is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: `StreamReader.at_eof`.
 */
ASYNCIO_API bool asyncio_stream_reader_at_eof(const asyncio_stream_reader_t *reader);

/**
 * Takes another reference.
 *
 * @param writer  NULL is allowed
 * @return writer.
 *
 * Ownership: the reference is *new*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: none.
 */
ASYNCIO_API asyncio_stream_writer_t *asyncio_stream_writer_ref(asyncio_stream_writer_t *writer);

/**
 * Gives a reference up; the last one closes the connection, if it is open.
 *
 * @param writer  NULL is allowed; in another thread or a forked child it stays
 *
 * Ownership: writer is *taken*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: none.
 */
ASYNCIO_API void asyncio_stream_writer_unref(asyncio_stream_writer_t *writer);

/**
 * Sends bytes; what the kernel does not take at once waits in a buffer.
 *
 * After the connection was lost the bytes are dropped: drain() says so.
 *
 * @param writer  the writer
 * @param data    size bytes, copied
 * @param size    in bytes
 * @return - 0: taken over; it will be sent.
 *   - ASYNCIO_ERUNTIME: after write_eof().
 *   - -ENOMEM: nothing was taken over.
 *   - -EINVAL: NULL.
 *
 * Ownership: data is *borrowed* for the call.
 * Context: loop thread.
 * Cancellation: does not suspend; see asyncio_stream_writer_drain().
 * Twin: `StreamWriter.write`.
 */
ASYNCIO_API int asyncio_stream_writer_write(asyncio_stream_writer_t *writer, const void *data,
                                            size_t size);

/**
 * Sends several pieces.
 *
 * @param writer  the writer
 * @param pieces  count of them, copied
 * @param count   of pieces
 * @return as asyncio_stream_writer_write(); on -ENOMEM none was taken over.
 *
 * Ownership: pieces are *borrowed* for the call.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: `StreamWriter.writelines`.
 */
ASYNCIO_API int asyncio_stream_writer_writelines(asyncio_stream_writer_t *writer,
                                                 const struct iovec *pieces, size_t count);

/**
 * Waits while more than the high-water mark is unsent, until at most the low one is.
 *
 * @param writer  the writer
 * @return - 0: go on writing.
 *   - -ECONNRESET, -EPIPE or any other -errno: the connection was lost; -ECONNRESET also if it
 *     was closed here.
 *   - -ECANCELED: the task was cancelled.
 *   - ASYNCIO_ERUNTIME: not inside a task.
 *   - -EINVAL: NULL.
 *
 * Ownership: writer is *borrowed*.
 * Context: inside a task.
 * Cancellation: ends the wait; the bytes are sent all the same.
 * Twin: `StreamWriter.drain`.
 */
ASYNCIO_API int asyncio_stream_writer_drain(asyncio_stream_writer_t *writer);

/** Makes the coroutine object of asyncio_stream_writer_drain(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_stream_writer_drain_coroutine(asyncio_stream_writer_t *writer);

/**
 * Ends the sending side once all is sent; the peer reads the end of the stream.
 *
 * @param writer  the writer
 * @return 0, or -EINVAL; twice is harmless.
 *
 * Ownership: writer is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: `StreamWriter.write_eof`.
 */
ASYNCIO_API int asyncio_stream_writer_write_eof(asyncio_stream_writer_t *writer);

/**
 * Closes the connection once all is sent; reading ends at once.
 *
 * @param writer  the writer
 * @return 0; -EINVAL; ASYNCIO_ERUNTIME: another thread's, or a forked child; twice is harmless.
 *
 * Ownership: writer is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: `StreamWriter.close`.
 */
ASYNCIO_API int asyncio_stream_writer_close(asyncio_stream_writer_t *writer);

/**
 * Closes the connection now; what is unsent is dropped.
 *
 * @param writer  the writer
 * @return 0; -EINVAL; ASYNCIO_ERUNTIME: another thread's, or a forked child; twice is harmless.
 *
 * Ownership: writer is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: `StreamWriter.transport.abort`.
 */
ASYNCIO_API int asyncio_stream_writer_abort(asyncio_stream_writer_t *writer);

/**
 * Answers whether the connection is closed or closing.
 *
 * @param writer  the writer
 * @return true after close(), abort(), or when it was lost.
 *
 * Ownership: writer is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: `StreamWriter.is_closing`.
 */
ASYNCIO_API bool asyncio_stream_writer_is_closing(const asyncio_stream_writer_t *writer);

/**
 * Waits until the connection is closed.
 *
 * @param writer  the writer
 * @return - 0: closed.
 *   - -errno: it was lost with that error.
 *   - -ECANCELED: the task was cancelled.
 *   - ASYNCIO_ERUNTIME: not inside a task.
 *   - -EINVAL: NULL.
 *
 * Ownership: writer is *borrowed*.
 * Context: inside a task.
 * Cancellation: ends the wait only.
 * Twin: `StreamWriter.wait_closed`.
 */
ASYNCIO_API int asyncio_stream_writer_wait_closed(asyncio_stream_writer_t *writer);

/** Makes the coroutine object of asyncio_stream_writer_wait_closed(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_stream_writer_wait_closed_coroutine(asyncio_stream_writer_t *writer);

/**
 * Sets the marks between which drain() waits.
 *
 * @param writer      the writer
 * @param high_bytes  more than that unsent makes drain() wait; SIZE_MAX: 64 KiB
 * @param low_bytes   down to that; SIZE_MAX: a quarter of high
 * @return 0; -EINVAL: NULL, or low above high; ASYNCIO_ERUNTIME: another thread's, or a forked
 *   child.
 *
 * Ownership: writer is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: `transport.set_write_buffer_limits`.
 */
ASYNCIO_API int asyncio_stream_writer_set_write_buffer_limits(asyncio_stream_writer_t *writer,
                                                              size_t high_bytes,
                                                              size_t low_bytes);

/**
 * Answers how many bytes are unsent.
 *
 * @param writer  the writer
 * @return the number of bytes; 0 for NULL.
 *
 * Ownership: writer is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: `transport.get_write_buffer_size`.
 */
ASYNCIO_API size_t
asyncio_stream_writer_get_write_buffer_size(const asyncio_stream_writer_t *writer);

/**
 * Answers something about the connection as text.
 *
 * @param writer    the writer
 * @param name      "peername" or "sockname": "127.0.0.1:80", "[::1]:80", a path
 * @param ret_text  room for size bytes; cut off where it does not fit
 * @param size      in bytes
 * @return the length of the whole text; -EINVAL: NULL, or an unknown name; -errno of the system.
 *
 * Ownership: all is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: `StreamWriter.get_extra_info`.
 */
ASYNCIO_API int asyncio_stream_writer_get_extra_info(const asyncio_stream_writer_t *writer,
                                                     const char *name, char *ret_text,
                                                     size_t size);

/**
 * Answers the socket of a connection.
 *
 * @param writer  the writer
 * @return the socket; NULL for NULL.
 *
 * Ownership: the answer is *borrowed* as long as writer lives.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: `get_extra_info('socket')`.
 */
ASYNCIO_API asyncio_socket_t *
asyncio_stream_writer_get_socket(const asyncio_stream_writer_t *writer);

ASYNCIO_END_DECLS

#endif
