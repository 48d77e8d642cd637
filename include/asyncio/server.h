/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Servers: listening sockets whose connections each run a task.
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
 * Out of descriptors or memory, a server pauses for one second and tells the exception handler
 * once.
 */
#ifndef ASYNCIO_SERVER_H
#define ASYNCIO_SERVER_H

#include <asyncio/stream.h>

ASYNCIO_BEGIN_DECLS

/** A server: listening sockets, and the connections that they accepted. */
typedef struct asyncio_server asyncio_server_t;

/** Runs as a task for each connection; its streams are *borrowed*, and closed when it returns. */
typedef int asyncio_client_connected_t(asyncio_stream_reader_t *reader,
                                       asyncio_stream_writer_t *writer, void *arg);

/** Options of a server; zero is the default of each. */
typedef struct asyncio_server_options {
    size_t size;         /**< sizeof(asyncio_server_options_t) */
    size_t limit_bytes;  /**< of each reader; 0: 64 KiB */
    size_t stack_bytes;  /**< of each connection's task; 0: the loop's default */
    int backlog;         /**< connections that may wait to be accepted; 0: 100 */
    bool reuse_port;     /**< several servers share the port (SO_REUSEPORT) */
    bool is_paused;      /**< do not accept before asyncio_server_start_serving() */
} asyncio_server_options_t;

/**
 * Starts a TCP server; each connection gets a task.
 *
 * @param host              a literal address or a name; NULL: every interface
 * @param port              0: any free one
 * @param client_connected  what each connection runs; NULL is -EINVAL
 * @param arg               passed to it
 * @param options           NULL for the defaults
 * @param ret_server        where to put the server
 * @return - 0: it accepts connections.
 *   - -EADDRINUSE, -EACCES or any other -errno: the address cannot be had.
 *   - ASYNCIO_EGAI: the host cannot be resolved.
 *   - -EINVAL: NULL, or bad options.
 *   - -ENOMEM, -EMFILE, -ENFILE: out of memory or descriptors.
 *   - -EOPNOTSUPP: the engine has no sockets (sim).
 *   - ASYNCIO_ERUNTIME: not inside a task.
 *
 * Ownership: arg is *borrowed* until the server is closed and its connections have ended; the
 * server is *new*.
 * Context: inside a task.
 * Cancellation: starts nothing.
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
 * Starts a server on a Unix socket, which nobody but its owner can reach.
 *
 * @param path              of the socket; at most 107 bytes; a stale socket there is removed
 * @param client_connected  what each connection runs
 * @param arg               passed to it
 * @param options           NULL for the defaults
 * @param ret_server        where to put the server
 * @return as asyncio_start_server(); -EADDRINUSE: somebody answers there, or it is no socket.
 *
 * Ownership: as asyncio_start_server(); the path is removed at the close.
 * Context: inside a task.
 * Cancellation: starts nothing.
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
 * Cancellation: does not suspend.
 * Twin: none.
 */
ASYNCIO_API asyncio_server_t *asyncio_server_ref(asyncio_server_t *server);

/**
 * Gives a reference up; the last one closes the server, if it is open.
 *
 * @param server  NULL is allowed; in another thread or a forked child it stays
 *
 * Ownership: server is *taken*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: none.
 */
ASYNCIO_API void asyncio_server_unref(asyncio_server_t *server);

/**
 * Begins to accept; twice is harmless.
 *
 * @param server  the server
 * @return 0; ASYNCIO_ERUNTIME: it is closed, another thread's, or in a forked child; -ENOMEM;
 *   -EINVAL.
 *
 * Ownership: server is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: `Server.start_serving`.
 */
ASYNCIO_API int asyncio_server_start_serving(asyncio_server_t *server);

/**
 * Stops accepting and closes the listening sockets; connections go on.
 *
 * @param server  the server
 * @return 0; -EINVAL; ASYNCIO_ERUNTIME: another thread's, or a forked child; twice is harmless.
 *
 * Ownership: server is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: `Server.close`.
 */
ASYNCIO_API int asyncio_server_close(asyncio_server_t *server);

/**
 * Closes every connection of the server, once what it wrote is sent.
 *
 * @param server  the server
 * @return 0; -EINVAL; ASYNCIO_ERUNTIME: another thread's, or a forked child.
 *
 * Ownership: server is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: `Server.close_clients`.
 */
ASYNCIO_API int asyncio_server_close_clients(asyncio_server_t *server);

/**
 * Closes every connection of the server now.
 *
 * @param server  the server
 * @return 0; -EINVAL; ASYNCIO_ERUNTIME: another thread's, or a forked child.
 *
 * Ownership: server is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: `Server.abort_clients`.
 */
ASYNCIO_API int asyncio_server_abort_clients(asyncio_server_t *server);

/**
 * Waits until the server is closed and its last connection has ended.
 *
 * @param server  the server
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
 * Serves until this task is cancelled or the server closed; then closes it.
 *
 * @param server  the server
 * @return -ECANCELED: as soon as the server is closed and its connections have ended;
 *   ASYNCIO_ERUNTIME: closed before, served by another task, or not inside a task; -EINVAL.
 *
 * Ownership: server is *borrowed*.
 * Context: inside a task.
 * Cancellation: closes the server.
 * Twin: `Server.serve_forever`.
 */
ASYNCIO_API int asyncio_server_serve_forever(asyncio_server_t *server);

/** Makes the coroutine object of asyncio_server_serve_forever(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_server_serve_forever_coroutine(asyncio_server_t *server);

/**
 * Answers whether the server accepts connections.
 *
 * @param server  the server
 * @return true while it does.
 *
 * Ownership: server is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: `Server.is_serving`.
 */
ASYNCIO_API bool asyncio_server_is_serving(const asyncio_server_t *server);

/**
 * Answers the port of a listening socket.
 *
 * @param server  the server
 * @param index   from 0
 * @return the port; 0 behind the last, for a Unix socket, or once it is closed.
 *
 * Ownership: server is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: `server.sockets[index].getsockname()[1]`.
 */
ASYNCIO_API uint16_t asyncio_server_port(const asyncio_server_t *server, size_t index);

ASYNCIO_END_DECLS

#endif
