/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Transports: connections that call a protocol, without a task for each.
 *
 * @code
 *     static asyncio_protocol_t *make_echo(void *arg)
 *     {
 *         echo_t *echo = calloc(1, sizeof(*echo));
 *         (void)arg;
 *         if (echo)
 *             echo->protocol.functions = &echo_functions;
 *         return echo ? &echo->protocol : NULL;
 *     }
 *
 *     asyncio_server_t *server;
 *     int rc = asyncio_loop_create_server(loop, make_echo, NULL, "127.0.0.1", 8888, NULL, &server);
 *     rc = asyncio_server_serve_forever(server);
 * @endcode
 *
 * <asyncio/protocol.h> says which functions are called, and in which order. A transport keeps
 * itself until its protocol's connection_lost has returned. A program that uses it, or its
 * protocol, after that holds a reference. Dropping a reference never closes a transport.
 *
 * A transport reads while its protocol takes what it reads; asyncio_transport_pause_reading()
 * leaves the bytes to the kernel, and slows the peer down.
 */
#ifndef ASYNCIO_TRANSPORT_H
#define ASYNCIO_TRANSPORT_H

#include <asyncio/protocol.h>
#include <asyncio/server.h>
#include <sys/uio.h>

ASYNCIO_BEGIN_DECLS

/**
 * Connects to a host by TCP, and makes a transport with a protocol of the connection.
 *
 * The addresses that the name has are tried as asyncio_open_connection() does. Of the options,
 * limit_bytes and end_on_overrun mean nothing here.
 *
 * @param loop           the running loop
 * @param factory        makes the protocol, once the connection is there; NULL is -EINVAL
 * @param arg            passed to it
 * @param host           a literal address or a name; NULL with options->sock
 * @param port           the port; 0 with options->sock
 * @param options        NULL for the defaults
 * @param ret_transport  where to put the transport; NULL: it is not wanted
 * @return - 0: connection_made has been called.
 *   - any code of asyncio_open_connection().
 *   - -EINVAL: NULL, both host and options->sock or neither, options->sock is no stream socket,
 *     or the protocol's table has no valid size.
 *   - -ENOMEM: also the factory returned NULL.
 *   - -ECANCELED: the task was cancelled.
 *   - ASYNCIO_ERUNTIME: not inside a task of loop.
 *
 * Ownership: the transport is *new*; options->sock is *shared*, and closed with the transport.
 * Context: inside a task.
 * Cancellation: ends the attempts; a connection that was made is closed.
 * Twin: `loop.create_connection`.
 */
ASYNCIO_API int asyncio_loop_create_connection(asyncio_loop_t *loop,
                                               asyncio_protocol_factory_t *factory, void *arg,
                                               const char *host, uint16_t port,
                                               const asyncio_connection_options_t *options,
                                               asyncio_transport_t **ret_transport);

/** Makes the coroutine object of asyncio_loop_create_connection(); host and options are copied. */
ASYNCIO_API asyncio_coroutine_t *asyncio_loop_create_connection_coroutine(
    asyncio_loop_t *loop, asyncio_protocol_factory_t *factory, void *arg, const char *host,
    uint16_t port, const asyncio_connection_options_t *options,
    asyncio_transport_t **ret_transport);

/**
 * Connects to a Unix socket, and makes a transport with a protocol of the connection. A name in the
 * abstract namespace goes by options->sock, as in asyncio_open_unix_connection().
 *
 * @param loop           the running loop
 * @param factory        makes the protocol; NULL is -EINVAL
 * @param arg            passed to it
 * @param path           of the socket; at most 107 bytes; NULL with options->sock
 * @param options        NULL for the defaults
 * @param ret_transport  where to put the transport; NULL: it is not wanted
 * @return as asyncio_loop_create_connection(); -ENAMETOOLONG.
 *
 * Ownership: as asyncio_loop_create_connection().
 * Context: inside a task.
 * Cancellation: as asyncio_loop_create_connection().
 * Twin: `loop.create_unix_connection`.
 */
ASYNCIO_API int asyncio_loop_create_unix_connection(asyncio_loop_t *loop,
                                                    asyncio_protocol_factory_t *factory, void *arg,
                                                    const char *path,
                                                    const asyncio_connection_options_t *options,
                                                    asyncio_transport_t **ret_transport);

/** Makes the coroutine object of asyncio_loop_create_unix_connection(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_loop_create_unix_connection_coroutine(
    asyncio_loop_t *loop, asyncio_protocol_factory_t *factory, void *arg, const char *path,
    const asyncio_connection_options_t *options, asyncio_transport_t **ret_transport);

/** Options of a socket that the program has accepted; zero is the default of each. */
typedef struct asyncio_accepted_socket_options {
    size_t size;                  /**< sizeof(asyncio_accepted_socket_options_t) */
    asyncio_ssl_context_t *ssl;   /**< *shared*: speak TLS as the server, see <asyncio/ssl.h>;
                                       NULL: plain */
    double ssl_handshake_timeout; /**< seconds; 0: 60 */
    double ssl_shutdown_timeout;  /**< seconds that a close waits for the peer's close_notify;
                                       0: 30 */
} asyncio_accepted_socket_options_t;

/**
 * Makes a transport with a protocol of a connected socket, which the program has accepted itself.
 *
 * With options->ssl this side is the server of TLS, and the call returns when the handshake is
 * over.
 *
 * @param loop           the running loop
 * @param factory        makes the protocol; NULL is -EINVAL
 * @param arg            passed to it
 * @param sock           a connected stream socket
 * @param options        NULL for the defaults
 * @param ret_transport  where to put the transport; NULL: it is not wanted
 * @return as asyncio_loop_create_connection(); -EBADF: sock is closed; ASYNCIO_ERUNTIME: also, it
 *   belongs to another loop, or to streams, a transport or a server. -EINVAL: also, a context that
 *   has no certificate or is a client's.
 *
 * Ownership: the transport is *new*; sock is *shared*, and closed with the transport.
 * Context: inside a task.
 * Cancellation: closes the transport.
 * Twin: `loop.connect_accepted_socket`.
 */
ASYNCIO_API int asyncio_loop_connect_accepted_socket(
    asyncio_loop_t *loop, asyncio_protocol_factory_t *factory, void *arg, asyncio_socket_t *sock,
    const asyncio_accepted_socket_options_t *options, asyncio_transport_t **ret_transport);

/** Makes the coroutine object of asyncio_loop_connect_accepted_socket(); options are copied. */
ASYNCIO_API asyncio_coroutine_t *asyncio_loop_connect_accepted_socket_coroutine(
    asyncio_loop_t *loop, asyncio_protocol_factory_t *factory, void *arg, asyncio_socket_t *sock,
    const asyncio_accepted_socket_options_t *options, asyncio_transport_t **ret_transport);

/**
 * Makes a transport that reads from a pipe, with a protocol.
 *
 * At the end of the pipe eof_received is called, and the transport is closed whatever it returns.
 *
 * @param loop           the running loop
 * @param factory        makes the protocol; NULL is -EINVAL
 * @param arg            passed to it
 * @param pipe           the reading end of a pipe, a FIFO, a terminal or a socket; see
 *                       asyncio_socket_from_fd()
 * @param ret_transport  where to put the transport; NULL: it is not wanted
 * @return as asyncio_loop_connect_accepted_socket(); -EINVAL: also, pipe is a regular file or a
 *   folder.
 *
 * Ownership: the transport is *new*; pipe is *shared*, and closed with the transport.
 * Context: inside a task.
 * Cancellation: closes the transport.
 * Twin: `loop.connect_read_pipe`.
 */
ASYNCIO_API int asyncio_loop_connect_read_pipe(asyncio_loop_t *loop,
                                               asyncio_protocol_factory_t *factory, void *arg,
                                               asyncio_socket_t *pipe,
                                               asyncio_transport_t **ret_transport);

/** Makes the coroutine object of asyncio_loop_connect_read_pipe(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_loop_connect_read_pipe_coroutine(
    asyncio_loop_t *loop, asyncio_protocol_factory_t *factory, void *arg, asyncio_socket_t *pipe,
    asyncio_transport_t **ret_transport);

/**
 * Makes a transport that writes to a pipe, with a protocol.
 *
 * The transport ends when the reader closes the pipe: connection_lost gets -EPIPE where bytes are
 * unsent, else 0.
 *
 * @param loop           the running loop
 * @param factory        makes the protocol; NULL is -EINVAL
 * @param arg            passed to it
 * @param pipe           the writing end of a pipe, a FIFO, a terminal or a socket
 * @param ret_transport  where to put the transport; NULL: it is not wanted
 * @return as asyncio_loop_connect_read_pipe().
 *
 * Ownership: as asyncio_loop_connect_read_pipe().
 * Context: inside a task.
 * Cancellation: closes the transport.
 * Twin: `loop.connect_write_pipe`.
 */
ASYNCIO_API int asyncio_loop_connect_write_pipe(asyncio_loop_t *loop,
                                                asyncio_protocol_factory_t *factory, void *arg,
                                                asyncio_socket_t *pipe,
                                                asyncio_transport_t **ret_transport);

/** Makes the coroutine object of asyncio_loop_connect_write_pipe(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_loop_connect_write_pipe_coroutine(
    asyncio_loop_t *loop, asyncio_protocol_factory_t *factory, void *arg, asyncio_socket_t *pipe,
    asyncio_transport_t **ret_transport);

/**
 * Starts a TCP server that makes a transport with a protocol of each connection.
 *
 * The server is that of <asyncio/server.h>; it waits for connection_lost of each connection where
 * asyncio_server_wait_closed() says so. Each connection has a copy of the context of this call. A
 * factory that returns NULL refuses the connection: it is closed, which is reported in debug mode
 * only. Of the options, limit_bytes, stack_bytes and end_on_overrun mean nothing here.
 *
 * @param loop        the running loop
 * @param factory     makes the protocol of each connection; NULL is -EINVAL
 * @param arg         passed to it
 * @param host        as asyncio_start_server()
 * @param port        as asyncio_start_server()
 * @param options     NULL for the defaults
 * @param ret_server  where to put the server
 * @return as asyncio_start_server().
 *
 * Ownership: arg is *borrowed* until the server is closed and its connections have ended; the
 * server is *new*.
 * Context: inside a task.
 * Cancellation: ends the look-up; no server is started.
 * Twin: `loop.create_server`.
 */
ASYNCIO_API int asyncio_loop_create_server(asyncio_loop_t *loop,
                                           asyncio_protocol_factory_t *factory, void *arg,
                                           const char *host, uint16_t port,
                                           const asyncio_server_options_t *options,
                                           asyncio_server_t **ret_server);

/** Makes the coroutine object of asyncio_loop_create_server(); host and options are copied. */
ASYNCIO_API asyncio_coroutine_t *asyncio_loop_create_server_coroutine(
    asyncio_loop_t *loop, asyncio_protocol_factory_t *factory, void *arg, const char *host,
    uint16_t port, const asyncio_server_options_t *options, asyncio_server_t **ret_server);

/**
 * Starts a server on a Unix socket that makes a transport with a protocol of each connection.
 *
 * @param loop        the running loop
 * @param factory     makes the protocol of each connection; NULL is -EINVAL
 * @param arg         passed to it
 * @param path        as asyncio_start_unix_server()
 * @param options     NULL for the defaults
 * @param ret_server  where to put the server
 * @return as asyncio_start_unix_server().
 *
 * Ownership: as asyncio_loop_create_server(); the path is removed at the close.
 * Context: inside a task.
 * Cancellation: does not suspend.
 * Twin: `loop.create_unix_server`.
 */
ASYNCIO_API int asyncio_loop_create_unix_server(asyncio_loop_t *loop,
                                                asyncio_protocol_factory_t *factory, void *arg,
                                                const char *path,
                                                const asyncio_server_options_t *options,
                                                asyncio_server_t **ret_server);

/** Makes the coroutine object of asyncio_loop_create_unix_server(); path and options are copied. */
ASYNCIO_API asyncio_coroutine_t *asyncio_loop_create_unix_server_coroutine(
    asyncio_loop_t *loop, asyncio_protocol_factory_t *factory, void *arg, const char *path,
    const asyncio_server_options_t *options, asyncio_server_t **ret_server);

/**
 * Begins to speak TLS on a transport, and waits for the handshake. The transport stays the same.
 *
 * While it lasts, what the protocol writes is kept, and sent by TLS when the handshake has
 * succeeded. What was received before is as in asyncio_stream_writer_start_tls(). connection_made
 * is not called again; a handshake that fails ends the transport.
 *
 * @param loop           the running loop
 * @param transport      of a connection
 * @param protocol       gets all later calls; NULL: the one that the transport has
 * @param ssl            the context; see <asyncio/ssl.h>
 * @param options        NULL for the defaults: this side is the client
 * @param ret_transport  receives the transport, which is the same one; NULL: it is not wanted
 * @return as asyncio_stream_writer_start_tls(); -EINVAL: also, the transport of a pipe; -EBUSY:
 *   another task calls this; ASYNCIO_ERUNTIME: also, another loop's.
 *
 * Ownership: protocol is *taken* as by asyncio_transport_set_protocol(), but not where the call
 * fails before the handshake; ssl is *shared*; the reference to the transport is *new*.
 * Context: inside a task.
 * Cancellation: aborts the transport.
 * Twin: `loop.start_tls`.
 */
ASYNCIO_API int asyncio_loop_start_tls(asyncio_loop_t *loop, asyncio_transport_t *transport,
                                       asyncio_protocol_t *protocol, asyncio_ssl_context_t *ssl,
                                       const asyncio_start_tls_options_t *options,
                                       asyncio_transport_t **ret_transport);

/** Makes the coroutine object of asyncio_loop_start_tls(); options are copied. */
ASYNCIO_API asyncio_coroutine_t *asyncio_loop_start_tls_coroutine(
    asyncio_loop_t *loop, asyncio_transport_t *transport, asyncio_protocol_t *protocol,
    asyncio_ssl_context_t *ssl, const asyncio_start_tls_options_t *options,
    asyncio_transport_t **ret_transport);

/**
 * Takes another reference.
 *
 * @param transport  NULL is allowed
 * @return transport.
 *
 * Ownership: the reference is *new*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_transport_t *asyncio_transport_ref(asyncio_transport_t *transport);

/**
 * Drops a reference. That closes nothing; the last one frees the transport and its protocol.
 *
 * @param transport  NULL is allowed; in another thread or a forked child the reference is leaked
 *
 * Ownership: transport is *taken*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API void asyncio_transport_unref(asyncio_transport_t *transport);

/**
 * Writes bytes: sends them now, or copies them to be sent in the background.
 *
 * Where that leaves more unsent than the high-water mark allows, pause_writing is called before
 * this returns. Once the transport is closing or lost, bytes are dropped.
 *
 * @param transport  the transport
 * @param data       size bytes, copied
 * @param size       in bytes
 * @return - 0: the bytes are written, or dropped.
 *   - ASYNCIO_ERUNTIME: write_eof() was called before, or this is another thread.
 *   - -EBADF: the transport of a pipe that only reads.
 *   - -ENOMEM: out of memory; nothing is written.
 *   - -EINVAL: transport or data is NULL.
 *
 * Ownership: data is *borrowed* for the call.
 * Context: loop thread.
 * Twin: `WriteTransport.write`.
 */
ASYNCIO_API int asyncio_transport_write(asyncio_transport_t *transport, const void *data,
                                        size_t size);

/**
 * Writes several pieces, in order.
 *
 * @param transport  the transport
 * @param pieces     copied
 * @param count      the number of pieces
 * @return as asyncio_transport_write(); -ENOMEM also where the sum of the sizes overflows.
 *
 * Ownership: pieces are *borrowed* for the call.
 * Context: loop thread.
 * Twin: `WriteTransport.writelines`.
 */
ASYNCIO_API int asyncio_transport_writelines(asyncio_transport_t *transport,
                                             const struct iovec *pieces, size_t count);

/**
 * Ends the writing direction once all is sent: the peer reads the end of the stream. Of a pipe, it
 * closes the transport. A no-op when it has ended.
 *
 * @param transport  the transport; NULL is -EINVAL
 * @return 0; -EINVAL; -EBADF: the transport of a pipe that only reads; -EOPNOTSUPP: a connection by
 *   TLS; ASYNCIO_ERUNTIME: another thread's, or the loop is closed.
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `WriteTransport.write_eof`.
 */
ASYNCIO_API int asyncio_transport_write_eof(asyncio_transport_t *transport);

/**
 * Returns whether asyncio_transport_write_eof() can end the writing direction.
 *
 * @param transport  the transport
 * @return true; false for NULL, for a pipe that only reads, and for TLS.
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `WriteTransport.can_write_eof`.
 */
ASYNCIO_API bool asyncio_transport_can_write_eof(const asyncio_transport_t *transport);

/**
 * Closes the transport once all is sent. No more data is received; connection_lost is called from
 * the ready queue after that. A no-op when it is closing.
 *
 * What the option linger says of a peer that takes no bytes, and what happens to input that nobody
 * has read, is as in asyncio_stream_writer_close().
 *
 * @param transport  the transport; NULL is -EINVAL
 * @return 0; -EINVAL; ASYNCIO_ERUNTIME: another thread's, or a forked child.
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `BaseTransport.close`.
 */
ASYNCIO_API int asyncio_transport_close(asyncio_transport_t *transport);

/**
 * Closes the transport now: what is unsent is dropped. connection_lost is called from the ready
 * queue. A no-op when it is closed.
 *
 * @param transport  the transport; NULL is -EINVAL
 * @return 0; -EINVAL; ASYNCIO_ERUNTIME: another thread's, or a forked child.
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `WriteTransport.abort`.
 */
ASYNCIO_API int asyncio_transport_abort(asyncio_transport_t *transport);

/**
 * Returns whether the transport is closed or closing.
 *
 * @param transport  the transport
 * @return true after close(), abort(), or when the connection was lost; true for NULL.
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `BaseTransport.is_closing`.
 */
ASYNCIO_API bool asyncio_transport_is_closing(const asyncio_transport_t *transport);

/**
 * Stops calling data_received, buffer_updated and eof_received. A no-op when paused or closing.
 *
 * @param transport  the transport; NULL is -EINVAL
 * @return 0; -EINVAL; ASYNCIO_ERUNTIME: another thread's, or the loop is closed.
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `ReadTransport.pause_reading`.
 */
ASYNCIO_API int asyncio_transport_pause_reading(asyncio_transport_t *transport);

/**
 * Calls data_received, buffer_updated and eof_received again. A no-op when not paused or closing.
 *
 * @param transport  the transport; NULL is -EINVAL
 * @return 0; -EINVAL; ASYNCIO_ERUNTIME: another thread's, or the loop is closed.
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `ReadTransport.resume_reading`.
 */
ASYNCIO_API int asyncio_transport_resume_reading(asyncio_transport_t *transport);

/**
 * Returns whether the transport receives.
 *
 * @param transport  the transport
 * @return false when paused or closing, for NULL and for a pipe that only writes.
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `ReadTransport.is_reading`.
 */
ASYNCIO_API bool asyncio_transport_is_reading(const asyncio_transport_t *transport);

/**
 * Sets the water marks of pause_writing and resume_writing.
 *
 * @param transport   the transport
 * @param high_bytes  pause_writing is called when more than that is unsent; SIZE_MAX: 64 KiB, or
 *                    four times low_bytes
 * @param low_bytes   resume_writing is called when no more than that is unsent; SIZE_MAX: a quarter
 *                    of high_bytes
 * @return 0; -EINVAL: transport is NULL, or low_bytes is above high_bytes; ASYNCIO_ERUNTIME:
 *   another thread's, or a forked child.
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `WriteTransport.set_write_buffer_limits`.
 */
ASYNCIO_API int asyncio_transport_set_write_buffer_limits(asyncio_transport_t *transport,
                                                          size_t high_bytes, size_t low_bytes);

/**
 * Returns the water marks.
 *
 * @param transport       the transport
 * @param ret_high_bytes  receives the high-water mark
 * @param ret_low_bytes   receives the low-water mark
 * @return 0; -EINVAL: an argument is NULL: transport, ret_high_bytes or ret_low_bytes.
 *
 * Ownership: all is *borrowed*.
 * Context: loop thread.
 * Twin: `WriteTransport.get_write_buffer_limits`.
 */
ASYNCIO_API int asyncio_transport_get_write_buffer_limits(const asyncio_transport_t *transport,
                                                          size_t *ret_high_bytes,
                                                          size_t *ret_low_bytes);

/**
 * Returns how many bytes are written and not yet sent.
 *
 * @param transport  the transport
 * @return the number of bytes; 0 for NULL.
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `WriteTransport.get_write_buffer_size`.
 */
ASYNCIO_API size_t asyncio_transport_get_write_buffer_size(const asyncio_transport_t *transport);

/**
 * Describes an end of the connection as text, as it was when the connection was made.
 *
 * @param transport  the transport
 * @param name       as asyncio_stream_writer_get_extra_info()
 * @param ret_text   room for size bytes; the text is cut off where it does not fit
 * @param size       in bytes
 * @return the length of the whole text; -EINVAL: NULL, or an unknown name; -ENOTCONN: the kernel
 *   did not know the name, or the transport is that of a pipe.
 *
 * Ownership: all is *borrowed*.
 * Context: loop thread.
 * Twin: `BaseTransport.get_extra_info`.
 */
ASYNCIO_API int asyncio_transport_get_extra_info(const asyncio_transport_t *transport,
                                                 const char *name, char *ret_text, size_t size);

/**
 * Returns the socket or the pipe of a transport. A program that closes it ends the connection.
 *
 * @param transport  the transport
 * @return the socket; NULL for NULL.
 *
 * Ownership: the socket is *borrowed* as long as transport lives.
 * Context: loop thread.
 * Twin: `get_extra_info('socket')`, `get_extra_info('pipe')`.
 */
ASYNCIO_API asyncio_socket_t *
asyncio_transport_get_socket(const asyncio_transport_t *transport);

/**
 * Returns what is known of the TLS of a connection; see asyncio_ssl_object_version() and others.
 *
 * @param transport  the transport
 * @return the object; NULL for a plain connection, and for NULL.
 *
 * Ownership: the object is *borrowed* as long as transport lives.
 * Context: loop thread.
 * Twin: `get_extra_info('ssl_object')`.
 */
ASYNCIO_API const asyncio_ssl_object_t *
asyncio_transport_get_ssl_object(const asyncio_transport_t *transport);

/**
 * Puts another protocol in place: it gets all later calls, and its connection_made is not called.
 *
 * It may be of the other kind: the next bytes that come go to its data_received, or into the buffer
 * of its get_buffer.
 *
 * @param transport  the transport
 * @param protocol   the new protocol
 * @return 0; -EINVAL: transport or protocol is NULL, or protocol has a wrong size;
 *   ASYNCIO_ERUNTIME: another thread's, a forked child, or the pipe of a child process.
 *
 * Ownership: protocol is *taken*, but not on failure; the former one belongs to the program again,
 * and its destroy is not called: so it may be exchanged by a function of its own.
 * Context: loop thread.
 * Twin: `BaseTransport.set_protocol`.
 */
ASYNCIO_API int asyncio_transport_set_protocol(asyncio_transport_t *transport,
                                               asyncio_protocol_t *protocol);

/**
 * Returns the protocol of a transport.
 *
 * @param transport  the transport
 * @return the protocol; NULL for NULL.
 *
 * Ownership: the protocol is *borrowed* as long as transport lives, or until another one is set.
 * Context: loop thread.
 * Twin: `BaseTransport.get_protocol`.
 */
ASYNCIO_API asyncio_protocol_t *
asyncio_transport_get_protocol(const asyncio_transport_t *transport);

ASYNCIO_END_DECLS

#endif
