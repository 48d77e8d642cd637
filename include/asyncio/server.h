/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Servers: listening sockets; each connection that they accept runs a task.
 *
 * @code
 *     static int echo(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
 *     {
 *         char buffer[1024];
 *         ssize_t n;
 *         while ((n = asyncio_stream_reader_read(reader, buffer, sizeof(buffer))) > 0) {
 *             asyncio_stream_writer_write(writer, buffer, (size_t)n);
 *             asyncio_stream_writer_drain(writer);
 *         }
 *         return (int)n;
 *     }
 *
 *     asyncio_server_t *server;
 *     int rc = asyncio_start_server("127.0.0.1", 8888, echo, NULL, NULL, &server);
 *     rc = asyncio_server_serve_forever(server);
 * @endcode
 *
 * A server that runs out of file descriptors or memory reports that to the exception handler and
 * accepts again after one second.
 */
#ifndef ASYNCIO_SERVER_H
#define ASYNCIO_SERVER_H

#include <asyncio/stream.h>

ASYNCIO_BEGIN_DECLS

/** A server: listening sockets, and the connections that they accepted. */
typedef struct asyncio_server asyncio_server_t;

/** Runs as a task for each connection, in a copy of the context of the call that started the
 *  server. The streams are *borrowed*, and closed when it returns. */
typedef int asyncio_client_connected_t(asyncio_stream_reader_t *reader,
                                       asyncio_stream_writer_t *writer, void *arg);

/** Options of a server; zero is the default of each. */
typedef struct asyncio_server_options {
    size_t size;            /**< sizeof(asyncio_server_options_t) */
    size_t limit_bytes;     /**< of each reader; 0: 64 KiB */
    size_t stack_bytes;     /**< of each connection's task; 0: the loop's default */
    int backlog;            /**< connections that the kernel keeps for accept; 0: 100 */
    bool reuse_port;        /**< share the port with other sockets (SO_REUSEPORT) */
    bool is_paused;         /**< do not accept before asyncio_server_start_serving() */
    bool keep_alive;        /**< probe idle connections (SO_KEEPALIVE) */
    bool no_reuse_address;  /**< asyncio's `reuse_address=False`: while old connections of the port
                                 are in TIME_WAIT, bind fails with -EADDRINUSE */
    int family;             /**< AF_INET, AF_INET6; 0: both */
    size_t max_connections; /**< accept no more while that many are open; 0: no limit */
    double linger;          /**< seconds that a closing connection waits for a peer that takes no
                                 bytes; 0: 30 */
    bool end_on_overrun;    /**< of each reader; see asyncio_connection_options_t */
    asyncio_ssl_context_t *ssl;   /**< *shared*: speak TLS, see <asyncio/ssl.h>; NULL: plain */
    double ssl_handshake_timeout; /**< seconds; 0: 60 */
    double ssl_shutdown_timeout;  /**< seconds that a close waits for the peer's close_notify;
                                       0: 30 */
    asyncio_socket_t *sock; /**< *shared*: a bound socket, as of systemd's socket activation; the
                                 server closes it; NULL: bind to host and port */
    const char *listen_name; /**< of the listening sockets: those that the process has inherited
                                  under it are used instead of host and port, and asyncio_serve()
                                  has all its loops share them; see <asyncio/serve.h>. At most 255
                                  characters, no colon; NULL: none */
} asyncio_server_options_t;

/**
 * Starts a TCP server; each connection gets a task.
 *
 * The server listens on every address that host stands for, on an address that is listed twice
 * once. Addresses that this machine does not have (IPv6 may be off) are left out, unless there is
 * no other. With port 0 all addresses get the same port.
 *
 * @param host              a literal address or a name; NULL or "": every interface; NULL with
 *                          options->sock
 * @param port              0: any free one; 0 with options->sock
 * @param client_connected  what each connection runs; NULL is -EINVAL
 * @param arg               passed to it
 * @param options           NULL for the defaults
 * @param ret_server        where to put the server
 * @return - 0: it accepts connections.
 *   - -EADDRINUSE, -EADDRNOTAVAIL, -EACCES or any other -errno: an address cannot be bound; the
 *     error's message names it.
 *   - ASYNCIO_EGAI: the host cannot be resolved.
 *   - -EINVAL: NULL, or bad options.
 *   - -ENOMEM, -EMFILE, -ENFILE, -ENOSPC: out of memory, descriptors or epoll watches.
 *   - -EOPNOTSUPP: the engine has no sockets (sim).
 *   - -ECANCELED: the task was cancelled while the host was looked up.
 *   - ASYNCIO_ERUNTIME: not inside a task.
 *
 * Ownership: arg is *borrowed* until the server is closed and its connections have ended; the
 * server is *new*.
 * Context: inside a task.
 * Cancellation: ends the look-up; no server is started.
 * Twin: `asyncio.start_server`.
 */
ASYNCIO_API int asyncio_start_server(const char *host, uint16_t port,
                                     asyncio_client_connected_t *client_connected, void *arg,
                                     const asyncio_server_options_t *options,
                                     asyncio_server_t **ret_server);

/** Makes the coroutine object of asyncio_start_server(); host and options are copied. */
ASYNCIO_API asyncio_coroutine_t *
asyncio_start_server_coroutine(const char *host, uint16_t port,
                               asyncio_client_connected_t *client_connected, void *arg,
                               const asyncio_server_options_t *options,
                               asyncio_server_t **ret_server);

/**
 * Starts a server on a Unix socket that only processes of the same user can connect to. A name in
 * the abstract namespace, which begins with a NUL and so is no C string, goes by options->sock: a
 * socket that the program has bound.
 *
 * @param path              of the socket; at most 107 bytes; a socket file on which nobody listens
 *                          any more is replaced
 * @param client_connected  what each connection runs
 * @param arg               passed to it
 * @param options           NULL for the defaults
 * @param ret_server        where to put the server
 * @return as asyncio_start_server(); -EADDRINUSE: another process listens there, or the path is no
 *   socket; -ENAMETOOLONG.
 *
 * Ownership: as asyncio_start_server(); the path is removed at the close.
 * Context: inside a task.
 * Cancellation: does not suspend.
 * Twin: `asyncio.start_unix_server`.
 */
ASYNCIO_API int asyncio_start_unix_server(const char *path,
                                          asyncio_client_connected_t *client_connected, void *arg,
                                          const asyncio_server_options_t *options,
                                          asyncio_server_t **ret_server);

/** Makes the coroutine object of asyncio_start_unix_server(); path and options are copied. */
ASYNCIO_API asyncio_coroutine_t *
asyncio_start_unix_server_coroutine(const char *path,
                                    asyncio_client_connected_t *client_connected, void *arg,
                                    const asyncio_server_options_t *options,
                                    asyncio_server_t **ret_server);

/**
 * Takes another reference.
 *
 * @param server  NULL is allowed
 * @return server.
 *
 * Ownership: the reference is *new*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_server_t *asyncio_server_ref(asyncio_server_t *server);

/**
 * Gives a reference up. A server that accepts connections runs until it is closed, with or without
 * a reference of the program; one that does not is closed with its last reference.
 *
 * @param server  NULL is allowed; in another thread or a forked child the reference is leaked
 *
 * Ownership: server is *taken*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API void asyncio_server_unref(asyncio_server_t *server);

/**
 * Begins to accept connections; a no-op when the server does already.
 *
 * @param server  the server; NULL is -EINVAL
 * @return 0; ASYNCIO_ERUNTIME: it is closed, another thread's, or in a forked child; -ENOMEM;
 *   -ENOSPC: no more epoll watches; -EINVAL.
 *
 * Ownership: server is *borrowed*.
 * Context: loop thread.
 * Twin: `Server.start_serving`.
 */
ASYNCIO_API int asyncio_server_start_serving(asyncio_server_t *server);

/**
 * Stops accepting and closes the listening sockets; connections stay open. A no-op when closed.
 *
 * @param server  the server; NULL is -EINVAL
 * @return 0; -EINVAL; ASYNCIO_ERUNTIME: another thread's, or a forked child.
 *
 * Ownership: server is *borrowed*.
 * Context: loop thread.
 * Twin: `Server.close`.
 */
ASYNCIO_API int asyncio_server_close(asyncio_server_t *server);

/**
 * Closes every connection of the server, each once all that was written to it is sent.
 *
 * @param server  the server; NULL is -EINVAL
 * @return 0; -EINVAL; ASYNCIO_ERUNTIME: another thread's, or a forked child.
 *
 * Ownership: server is *borrowed*.
 * Context: loop thread.
 * Twin: `Server.close_clients`.
 */
ASYNCIO_API int asyncio_server_close_clients(asyncio_server_t *server);

/**
 * Closes every connection of the server at once; what is unsent is dropped.
 *
 * @param server  the server; NULL is -EINVAL
 * @return 0; -EINVAL; ASYNCIO_ERUNTIME: another thread's, or a forked child.
 *
 * Ownership: server is *borrowed*.
 * Context: loop thread.
 * Twin: `Server.abort_clients`.
 */
ASYNCIO_API int asyncio_server_abort_clients(asyncio_server_t *server);

/**
 * Cancels the task of every connection of the server. Each connection is closed when its task has
 * ended.
 *
 * @param server  the server; NULL is -EINVAL
 * @return 0; -EINVAL; ASYNCIO_ERUNTIME: another thread's, or a forked child.
 *
 * Ownership: server is *borrowed*.
 * Context: loop thread.
 * Twin: none; asyncio keeps no list of these tasks.
 */
ASYNCIO_API int asyncio_server_cancel_clients(asyncio_server_t *server);

/**
 * Waits until the server is closed and its last connection has ended.
 *
 * @param server  the server; NULL is -EINVAL
 * @return 0; -ECANCELED; ASYNCIO_ERUNTIME: not inside a task; -EINVAL.
 *
 * Ownership: server is *borrowed*.
 * Context: inside a task.
 * Cancellation: ends the wait only.
 * Twin: `Server.wait_closed`.
 */
ASYNCIO_API int asyncio_server_wait_closed(asyncio_server_t *server);

/** Makes the coroutine object of asyncio_server_wait_closed(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_server_wait_closed_coroutine(asyncio_server_t *server);

/**
 * Accepts connections until the server is closed or this task is cancelled.
 *
 * When the server is closed elsewhere, this waits until its connections have ended and returns 0
 * (on purpose not a CancelledError as in asyncio: a program that was asked to end has not failed).
 *
 * @param server  the server; NULL is -EINVAL
 * @return - 0: the server was closed, and its connections have ended.
 *   - -ECANCELED: the task was cancelled; the server and its connections are closed.
 *   - ASYNCIO_ERUNTIME: closed before, served by another task, or not inside a task.
 *   - -EINVAL, or any code of asyncio_server_start_serving().
 *
 * Ownership: server is *borrowed*.
 * Context: inside a task.
 * Cancellation: closes the server and its connections, and waits for these.
 * Twin: `Server.serve_forever`.
 */
ASYNCIO_API int asyncio_server_serve_forever(asyncio_server_t *server);

/** Makes the coroutine object of asyncio_server_serve_forever(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_server_serve_forever_coroutine(asyncio_server_t *server);

/**
 * Returns whether the server accepts connections.
 *
 * @param server  the server
 * @return true while it does.
 *
 * Ownership: server is *borrowed*.
 * Context: loop thread.
 * Twin: `Server.is_serving`.
 */
ASYNCIO_API bool asyncio_server_is_serving(const asyncio_server_t *server);

/**
 * Returns the port of a listening socket.
 *
 * @param server  the server
 * @param index   of the socket, from 0
 * @return the port; 0: index is too large, it is a Unix socket, or the server is closed.
 *
 * Ownership: server is *borrowed*.
 * Context: loop thread.
 * Twin: `server.sockets[index].getsockname()[1]`.
 */
ASYNCIO_API uint16_t asyncio_server_port(const asyncio_server_t *server, size_t index);

/**
 * Returns a listening socket: to ask for its address, or to set an option.
 *
 * @param server  the server
 * @param index   of the socket, from 0
 * @return the socket; NULL: index is too large, the server is closed, or for NULL.
 *
 * Ownership: the socket is *borrowed* until the server is closed.
 * Context: loop thread.
 * Twin: `Server.sockets`.
 */
ASYNCIO_API asyncio_socket_t *asyncio_server_socket(const asyncio_server_t *server, size_t index);

/**
 * Has later connections use another TLS context: for a new certificate, without a restart. The
 * connections that there are keep theirs.
 *
 * @param server   a server that was started with one
 * @param context  the new one, with a certificate
 * @return 0; -EINVAL: NULL, a server without TLS, or a context that cannot be a server's;
 *   ASYNCIO_ERUNTIME: another thread's, or a forked child.
 *
 * Ownership: context is *shared*.
 * Context: loop thread.
 * Twin: none; in Python a context is changed while it is used.
 */
ASYNCIO_API int asyncio_server_set_ssl(asyncio_server_t *server, asyncio_ssl_context_t *context);

ASYNCIO_END_DECLS

#endif
