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
 * A reader receives only when a task reads, so a peer that sends faster is slowed down by the
 * kernel's buffers. One task reads at a time. What is written is sent in the background.
 *
 * A connection that was lost (reset by the peer, or failed in a write) returns its error from every
 * read, drain and wait_closed after the loss was noticed, also where bytes were received before: an
 * end that is an end and one that is a failure cannot be mistaken for each other. Where the read
 * itself notices the loss, it returns the bytes that it has, and the next one returns the error.
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
/** The default limit of a line or a search, in bytes. */
#define ASYNCIO_STREAM_LIMIT_BYTES 65536

/** Options of a connection; zero is the default of each. */
typedef struct asyncio_connection_options {
    size_t size;            /**< sizeof(asyncio_connection_options_t) */
    size_t limit_bytes;     /**< of a line, and of what a separator is searched in; 0: 64 KiB */
    int family;             /**< AF_INET, AF_INET6; 0: both */
    const char *local_host; /**< the address to connect from, literal or a name; NULL: any */
    uint16_t local_port;    /**< the port to connect from; 0: any */
    double linger;          /**< seconds that a close waits for a peer that takes no bytes; 0: 30;
                                 on io_uring up to twice that */
    bool end_on_overrun;    /**< a line or separator beyond the limit ends reading; see
                                 asyncio_stream_reader_readline() */
    double happy_eyeballs_delay; /**< seconds after which the next address is tried beside those
                                      that have not answered yet (0.25 is recommended); 0: one
                                      address after another; negative is -EINVAL */
    int interleave;         /**< above 0: that many addresses of the first family, then the families
                                 in turn; below 0: as the look-up returns them; 0: 1 with a
                                 happy_eyeballs_delay, else as the look-up returns them */
    bool all_errors;        /**< fail with a group of the errors of all addresses */
    asyncio_socket_t *sock; /**< *shared*: a connected stream socket, instead of host and port or a
                                 path; NULL: connect */
    asyncio_ssl_context_t *ssl;   /**< *shared*: speak TLS, see <asyncio/ssl.h>; NULL: plain */
    const char *server_hostname;  /**< with ssl: the name in the server's certificate; NULL: host;
                                       without a host it must be set */
    double ssl_handshake_timeout; /**< seconds; 0: 60 */
    double ssl_shutdown_timeout;  /**< seconds that a close waits for the peer's close_notify;
                                       0: 30 */
} asyncio_connection_options_t;

/** Options of start_tls; zero is the default of each. */
typedef struct asyncio_start_tls_options {
    size_t size;                  /**< sizeof(asyncio_start_tls_options_t) */
    bool server_side;             /**< this side is the server; that of a connection which a server
                                       has accepted for a task is so anyway */
    const char *server_hostname;  /**< of a client: the name in the server's certificate */
    double ssl_handshake_timeout; /**< seconds; 0: 60 */
    double ssl_shutdown_timeout;  /**< seconds that a close waits for the peer's close_notify;
                                       0: 30 */
} asyncio_start_tls_options_t;

/**
 * Connects to a host by TCP; the addresses that the name has are tried until one accepts.
 *
 * When none does and their errors differ, the error has the code of the last one and the messages
 * of all, and its cause is a group of them.
 *
 * @param host        a name or a literal address; NULL with options->sock
 * @param port        of the peer, 1 to 65535
 * @param options     NULL for the defaults
 * @param ret_reader  receives the reader
 * @param ret_writer  receives the writer
 * @return - 0: connected.
 *   - ASYNCIO_EGAI: the host cannot be resolved; the message says why.
 *   - -ECONNREFUSED, -ENETUNREACH, -EHOSTUNREACH or any other -errno: of the last address tried;
 *     the message names it. -EADDRNOTAVAIL: local_host has no address of the peer's family.
 *   - ASYNCIO_EGROUP: with all_errors, the errors of all addresses.
 *   - ASYNCIO_ESSLCERTVERIFICATION: with ssl, the certificate is not acceptable; the message says
 *     why. ASYNCIO_ESSL: the handshake failed otherwise. -ECONNABORTED: it took longer than
 *     ssl_handshake_timeout. -ECONNRESET: the peer closed the connection meanwhile.
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
 * Connects to a Unix socket. A name in the abstract namespace, which begins with a NUL and so is no
 * C string, goes by options->sock: a socket that the program has connected.
 *
 * @param path        of the socket; at most 107 bytes; NULL with options->sock
 * @param options     NULL for the defaults
 * @param ret_reader  receives the reader
 * @param ret_writer  receives the writer
 * @return as asyncio_open_connection(); also -ENOENT and -ENAMETOOLONG for the path.
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
 * Makes a reader and a writer for a connected socket.
 *
 * @param sock        connected, and without streams
 * @param options     NULL for the defaults; family and the local address are ignored
 * @param ret_reader  receives the reader
 * @param ret_writer  receives the writer
 * @return - 0: the streams are made.
 *   - ASYNCIO_ERUNTIME: no loop is running, or the socket has streams or another loop already.
 *   - -EBADF: the socket is closed.
 *   - -ENOMEM: out of memory.
 *   - -EINVAL: NULL, or bad options.
 *
 * Ownership: sock is *shared*: the streams take a reference, and close it; reader and writer are
 * *new*.
 * Context: loop thread.
 * Twin: `open_connection(sock=sock)`.
 */
ASYNCIO_API int asyncio_streams_of_socket(asyncio_socket_t *sock,
                                          const asyncio_connection_options_t *options,
                                          asyncio_stream_reader_t **ret_reader,
                                          asyncio_stream_writer_t **ret_writer);

/**
 * Takes a reference.
 *
 * @param reader  NULL is allowed
 * @return reader.
 *
 * Ownership: the reference is *new*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_stream_reader_t *asyncio_stream_reader_ref(asyncio_stream_reader_t *reader);

/**
 * Drops a reference.
 *
 * @param reader  NULL is allowed; in another thread or a forked child the reference is leaked
 *
 * Ownership: reader is *taken*.
 * Context: loop thread.
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
 *   - -ECANCELED: the task was cancelled; no byte was lost.
 *   - -EINVAL: reader or buffer is NULL.
 *   - -ENOMEM: out of memory.
 *   - -ECONNRESET, -EPIPE or any other -errno: the connection was lost.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: inside a task.
 * Cancellation: ends the wait; received bytes stay in the reader.
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
 * @param ret_data  receives a pointer to the bytes, which a 0 follows
 * @return - the number of bytes.
 *   - ASYNCIO_ERUNTIME: not inside a task, or another task is reading.
 *   - -ECANCELED: the task was cancelled; no byte was lost.
 *   - -EINVAL: reader or ret_data is NULL.
 *   - -ENOMEM: out of memory.
 *   - -ECONNRESET, -EPIPE or any other -errno: the connection was lost.
 *
 * Ownership: the bytes are *borrowed* from the reader until the next call on it.
 * Context: inside a task.
 * Cancellation: ends the wait; received bytes stay in the reader.
 * Twin: `StreamReader.read(-1)`.
 */
ASYNCIO_API ssize_t asyncio_stream_reader_read_all(asyncio_stream_reader_t *reader,
                                                   const char **ret_data);

/** Makes the coroutine object of asyncio_stream_reader_read_all(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_stream_reader_read_all_coroutine(asyncio_stream_reader_t *reader, const char **ret_data);

/**
 * Reads exactly size bytes.
 *
 * @param reader       the reader
 * @param buffer       room for size bytes
 * @param size         in bytes
 * @param ret_partial  receives how many bytes came before the end; may be NULL
 * @return - size.
 *   - ASYNCIO_EINCOMPLETEREAD: the stream ended before; buffer holds the bytes that came.
 *   - ASYNCIO_ERUNTIME: not inside a task, or another task is reading.
 *   - -ECANCELED: the task was cancelled; no byte was lost.
 *   - -EINVAL: reader or buffer is NULL.
 *   - -ENOMEM: out of memory.
 *   - -ECONNRESET, -EPIPE or any other -errno: the connection was lost.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: inside a task.
 * Cancellation: ends the wait; received bytes stay in the reader.
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
 * @param ret_line  receives a pointer to the line, which no 0 follows
 * @return - the number of bytes; 0 at the end of the stream.
 *   - -EINVAL: reader or ret_line is NULL, or a line is longer than the limit; see below.
 *   - ASYNCIO_ELIMITOVERRUN: a line was too long before, with the option end_on_overrun.
 *   - ASYNCIO_ERUNTIME: not inside a task, or another task is reading.
 *   - -ECANCELED: the task was cancelled; no byte was lost.
 *   - -ENOMEM: out of memory.
 *   - -ECONNRESET, -EPIPE or any other -errno: the connection was lost.
 *
 * Ownership: the line is *borrowed* from the reader until the next call on it.
 * Context: inside a task.
 * Cancellation: ends the wait; received bytes stay in the reader.
 * Twin: `StreamReader.readline`.
 */
ASYNCIO_API ssize_t asyncio_stream_reader_readline(asyncio_stream_reader_t *reader,
                                                   const char **ret_line);

/** Makes the coroutine object of asyncio_stream_reader_readline(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_stream_reader_readline_coroutine(asyncio_stream_reader_t *reader, const char **ret_line);

/**
 * Reads up to a separator, and the separator with it.
 *
 * @param reader          the reader
 * @param separator       its bytes
 * @param separator_size  in bytes; 0 is -EINVAL
 * @param ret_data        receives a pointer to the bytes, which no 0 follows
 * @return - the number of bytes, including the separator.
 *   - ASYNCIO_EINCOMPLETEREAD: the stream ended before; *ret_data points to the bytes that came,
 *     asyncio_stream_reader_partial() of them.
 *   - ASYNCIO_ELIMITOVERRUN: not within the limit. The bytes stay in the reader, unless the option
 *     end_on_overrun was set: then nothing can be read any more.
 *   - ASYNCIO_ERUNTIME: not inside a task, or another task is reading.
 *   - -ECANCELED: the task was cancelled; no byte was lost.
 *   - -EINVAL: NULL.
 *   - -ENOMEM: out of memory.
 *   - -ECONNRESET, -EPIPE or any other -errno: the connection was lost.
 *
 * Ownership: the bytes are *borrowed* from the reader until the next call on it.
 * Context: inside a task.
 * Cancellation: ends the wait; received bytes stay in the reader.
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
 * Returns how many bytes the last ASYNCIO_EINCOMPLETEREAD came with.
 *
 * @param reader  the reader
 * @return the number of bytes.
 *
 * Ownership: reader is *borrowed*.
 * Context: loop thread.
 * Twin: `IncompleteReadError.partial`.
 */
ASYNCIO_API size_t asyncio_stream_reader_partial(const asyncio_stream_reader_t *reader);

/**
 * Returns whether the stream has ended and all of it was read. Looks at the socket if need be, so
 * that an end is seen before it is read.
 *
 * @param reader  the reader
 * @return true at the end of the stream; false when the connection was lost.
 *
 * Ownership: reader is *borrowed*.
 * Context: loop thread.
 * Twin: `StreamReader.at_eof`.
 */
ASYNCIO_API bool asyncio_stream_reader_at_eof(const asyncio_stream_reader_t *reader);

/**
 * Takes a reference.
 *
 * @param writer  NULL is allowed
 * @return writer.
 *
 * Ownership: the reference is *new*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_stream_writer_t *asyncio_stream_writer_ref(asyncio_stream_writer_t *writer);

/**
 * Drops a reference; the last one closes the connection, which sends what is unsent.
 *
 * @param writer  NULL is allowed; in another thread or a forked child the reference is leaked
 *
 * Ownership: writer is *taken*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API void asyncio_stream_writer_unref(asyncio_stream_writer_t *writer);

/**
 * Writes bytes: sends them now, or copies them to be sent in the background.
 *
 * Once the connection is closing or lost, bytes are dropped, and drain() fails.
 *
 * @param writer  the writer
 * @param data    size bytes, copied
 * @param size    in bytes
 * @return - 0: the bytes are written, or dropped.
 *   - ASYNCIO_ERUNTIME: write_eof() was called before, or this is another thread.
 *   - -ENOMEM: out of memory; nothing is written.
 *   - -EINVAL: writer or data is NULL.
 *
 * Ownership: data is *borrowed* for the call.
 * Context: loop thread.
 * Cancellation: does not suspend; see asyncio_stream_writer_drain().
 * Twin: `StreamWriter.write`.
 */
ASYNCIO_API int asyncio_stream_writer_write(asyncio_stream_writer_t *writer, const void *data,
                                            size_t size);

/**
 * Writes several pieces, in order.
 *
 * @param writer  the writer
 * @param pieces  copied
 * @param count   the number of pieces
 * @return as asyncio_stream_writer_write(); -ENOMEM also where the sum of the sizes overflows.
 *
 * Ownership: pieces are *borrowed* for the call.
 * Context: loop thread.
 * Twin: `StreamWriter.writelines`.
 */
ASYNCIO_API int asyncio_stream_writer_writelines(asyncio_stream_writer_t *writer,
                                                 const struct iovec *pieces, size_t count);

/**
 * Waits while more than the high-water mark is unsent, until no more than the low-water mark is.
 *
 * @param writer  the writer
 * @return - 0: more can be written.
 *   - -ECONNRESET, -EPIPE or any other -errno: the connection was lost; -ECONNRESET also if this
 *     side has closed it.
 *   - -ECANCELED: the task was cancelled.
 *   - ASYNCIO_ERUNTIME: not inside a task.
 *   - -EINVAL: NULL.
 *
 * Ownership: writer is *borrowed*.
 * Context: inside a task.
 * Cancellation: ends the wait; the bytes are sent nevertheless.
 * Twin: `StreamWriter.drain`.
 */
ASYNCIO_API int asyncio_stream_writer_drain(asyncio_stream_writer_t *writer);

/** Makes the coroutine object of asyncio_stream_writer_drain(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_stream_writer_drain_coroutine(asyncio_stream_writer_t *writer);

/**
 * Ends the writing direction once all is sent: the peer reads the end of the stream. A no-op when
 * it has ended.
 *
 * @param writer  the writer; NULL is -EINVAL
 * @return 0; -EINVAL; -EOPNOTSUPP: a connection by TLS; ASYNCIO_ERUNTIME: another thread's, or the
 *   loop is closed.
 *
 * Ownership: writer is *borrowed*.
 * Context: loop thread.
 * Twin: `StreamWriter.write_eof`.
 */
ASYNCIO_API int asyncio_stream_writer_write_eof(asyncio_stream_writer_t *writer);

/**
 * Closes the connection once all is sent. Reads that begin later return the end of the stream. A
 * no-op when it is closing.
 *
 * A peer that takes no bytes for the time of the option linger ends the connection with -ETIMEDOUT.
 * Input that nobody has read would make the kernel reset the connection, so that the peer loses
 * what is on its way: it is read and dropped first, at most 1 MiB and for at most 2 seconds.
 *
 * @param writer  the writer; NULL is -EINVAL
 * @return 0; -EINVAL; ASYNCIO_ERUNTIME: another thread's, or a forked child.
 *
 * Ownership: writer is *borrowed*.
 * Context: loop thread.
 * Twin: `StreamWriter.close`.
 */
ASYNCIO_API int asyncio_stream_writer_close(asyncio_stream_writer_t *writer);

/**
 * Closes the connection now; what is unsent is dropped. A no-op when it is closed.
 *
 * @param writer  the writer; NULL is -EINVAL
 * @return 0; -EINVAL; ASYNCIO_ERUNTIME: another thread's, or a forked child.
 *
 * Ownership: writer is *borrowed*.
 * Context: loop thread.
 * Twin: `StreamWriter.transport.abort`.
 */
ASYNCIO_API int asyncio_stream_writer_abort(asyncio_stream_writer_t *writer);

/**
 * Returns whether the connection is closed or closing. Looks at the socket if need be, so that a
 * reset is seen before it is read.
 *
 * @param writer  the writer
 * @return true after close(), abort(), or when the connection was lost.
 *
 * Ownership: writer is *borrowed*.
 * Context: loop thread.
 * Twin: `StreamWriter.is_closing`.
 */
ASYNCIO_API bool asyncio_stream_writer_is_closing(const asyncio_stream_writer_t *writer);

/**
 * Waits until the connection is closed.
 *
 * @param writer  the writer
 * @return - 0: closed.
 *   - -ETIMEDOUT: the peer took no bytes for too long; see asyncio_stream_writer_close().
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
 * Sets the water marks of drain().
 *
 * @param writer      the writer
 * @param high_bytes  drain() waits when more than that is unsent; SIZE_MAX: 64 KiB
 * @param low_bytes   until no more than that is unsent; SIZE_MAX: a quarter of high_bytes
 * @return 0; -EINVAL: writer is NULL, or low_bytes is above high_bytes; ASYNCIO_ERUNTIME: another
 *   thread's, or a forked child.
 *
 * Ownership: writer is *borrowed*.
 * Context: loop thread.
 * Twin: `transport.set_write_buffer_limits`.
 */
ASYNCIO_API int asyncio_stream_writer_set_write_buffer_limits(asyncio_stream_writer_t *writer,
                                                              size_t high_bytes,
                                                              size_t low_bytes);

/**
 * Returns how many bytes are written and not yet sent.
 *
 * @param writer  the writer
 * @return the number of bytes; 0 for NULL.
 *
 * Ownership: writer is *borrowed*.
 * Context: loop thread.
 * Twin: `transport.get_write_buffer_size`.
 */
ASYNCIO_API size_t
asyncio_stream_writer_get_write_buffer_size(const asyncio_stream_writer_t *writer);

/**
 * Describes an end of the connection as text, as it was when the connection was made, or its TLS.
 *
 * @param writer    the writer
 * @param name      "peername" or "sockname": "127.0.0.1:80", "[::1]:80", a path, "@abstract"; "" is
 *                  a Unix socket without a name; of a connection by TLS also "cipher",
 *                  "ssl_version", "alpn" (the protocol that was negotiated), "server_hostname" and
 *                  "peercert" (subject, other names and end of validity of the certificate)
 * @param ret_text  room for size bytes; the text is cut off where it does not fit
 * @param size      in bytes
 * @return the length of the whole text; -EINVAL: NULL, or an unknown name; -ENOTCONN: the kernel
 *   did not know the name when the connection was made.
 *
 * Ownership: all is *borrowed*.
 * Context: loop thread.
 * Twin: `StreamWriter.get_extra_info`.
 */
ASYNCIO_API int asyncio_stream_writer_get_extra_info(const asyncio_stream_writer_t *writer,
                                                     const char *name, char *ret_text,
                                                     size_t size);

/**
 * Returns the socket of a connection. A program that closes it ends the connection.
 *
 * @param writer  the writer
 * @return the socket; NULL for NULL.
 *
 * Ownership: the socket is *borrowed* as long as writer lives.
 * Context: loop thread.
 * Twin: `get_extra_info('socket')`.
 */
ASYNCIO_API asyncio_socket_t *
asyncio_stream_writer_get_socket(const asyncio_stream_writer_t *writer);

/**
 * Begins to speak TLS on a connection, and waits for the handshake. The reader and the writer stay.
 *
 * What was written before is sent first, in plain. What the peer has sent before, and nobody has
 * read, never becomes data: where this side is the server and it looks like the beginning of a
 * handshake it is part of that, and else the connection is aborted.
 *
 * @param writer   the writer
 * @param ssl      the context; see <asyncio/ssl.h>
 * @param options  NULL for the defaults
 * @return - 0: the handshake has succeeded.
 *   - ASYNCIO_ESSL: it failed, or bytes in plain were received before it.
 *   - ASYNCIO_ESSLCERTVERIFICATION: the certificate of the peer is not acceptable.
 *   - -ECONNABORTED: it took longer than ssl_handshake_timeout.
 *   - -ECONNRESET or any other -errno: the connection was lost.
 *   - -ECANCELED: the task was cancelled; the connection is aborted.
 *   - -EBUSY: another task is reading.
 *   - ASYNCIO_ERUNTIME: not inside a task, or write_eof() was called.
 *   - -EINVAL: NULL, bad options, or a context that does not fit. -ENOMEM.
 *
 * Ownership: ssl is *shared*; the rest is *borrowed*.
 * Context: inside a task.
 * Cancellation: aborts the connection.
 * Twin: `StreamWriter.start_tls`.
 */
ASYNCIO_API int asyncio_stream_writer_start_tls(asyncio_stream_writer_t *writer,
                                                asyncio_ssl_context_t *ssl,
                                                const asyncio_start_tls_options_t *options);

/** Makes the coroutine object of asyncio_stream_writer_start_tls(); options are copied. */
ASYNCIO_API asyncio_coroutine_t *
asyncio_stream_writer_start_tls_coroutine(asyncio_stream_writer_t *writer,
                                          asyncio_ssl_context_t *ssl,
                                          const asyncio_start_tls_options_t *options);

/**
 * Returns what is known of the TLS of a connection; see asyncio_ssl_object_version() and others.
 *
 * @param writer  the writer
 * @return the object; NULL for a plain connection, and for NULL.
 *
 * Ownership: the object is *borrowed* as long as writer lives.
 * Context: loop thread.
 * Twin: `get_extra_info('ssl_object')`.
 */
ASYNCIO_API const asyncio_ssl_object_t *
asyncio_stream_writer_get_ssl_object(const asyncio_stream_writer_t *writer);

ASYNCIO_END_DECLS

#endif
