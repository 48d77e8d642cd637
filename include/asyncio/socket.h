/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Sockets: file descriptors that tasks wait for.
 *
 * @code
 *     char buffer[1024];
 *     ssize_t n = asyncio_loop_sock_recv(loop, sock, buffer, sizeof(buffer));
 *     if (n > 0)
 *         rc = asyncio_loop_sock_sendall(loop, sock, buffer, (size_t)n, NULL);
 * @endcode
 *
 * A socket owns its descriptor and belongs to the loop that first uses it. Closing it ends every
 * wait for it. Several tasks may wait for one socket; where the order of bytes matters, one task
 * reads and one writes. Writing to a peer that has closed fails with -EPIPE or -ECONNRESET, and
 * raises no signal.
 */
#ifndef ASYNCIO_SOCKET_H
#define ASYNCIO_SOCKET_H

#include <asyncio/loop.h>
#include <sys/socket.h>
#include <sys/types.h>

ASYNCIO_BEGIN_DECLS

/** A socket; it owns its descriptor. */
typedef struct asyncio_socket asyncio_socket_t;
/** What connections by TLS have in common: certificates, keys, what is verified; see ssl.h. */
typedef struct asyncio_ssl_context asyncio_ssl_context_t;
/** What is known of one connection by TLS; see ssl.h. */
typedef struct asyncio_ssl_object asyncio_ssl_object_t;

/**
 * Makes a socket, non-blocking and close-on-exec.
 *
 * @param family    AF_INET, AF_INET6, AF_UNIX, …
 * @param type      SOCK_STREAM or SOCK_DGRAM
 * @param protocol  0 for the default of the type
 * @return a *new* reference, or NULL; then asyncio_errno() is -errno of socket(2) or -ENOMEM.
 *
 * Ownership: the socket is *new*.
 * Context: any thread; it belongs to the loop that first uses it.
 * Twin: `socket.socket`.
 */
ASYNCIO_API asyncio_socket_t *asyncio_socket(int family, int type, int protocol);

/**
 * Makes a socket from an open descriptor, and makes that non-blocking.
 *
 * @param fd  an open socket, pipe or terminal
 * @return a *new* reference, or NULL; then asyncio_errno() is -EBADF, -EINVAL or -ENOMEM, and the
 *   caller keeps fd.
 *
 * Ownership: fd is *taken*; the socket is *new*.
 * Context: any thread.
 * Twin: `socket.socket(fileno=fd)`.
 */
ASYNCIO_API asyncio_socket_t *asyncio_socket_from_fd(int fd);

/**
 * Takes a reference.
 *
 * @param sock  NULL is allowed
 * @return sock.
 *
 * Ownership: the reference is *new*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_socket_t *asyncio_socket_ref(asyncio_socket_t *sock);

/**
 * Drops a reference; the last one closes the socket.
 *
 * @param sock  NULL is allowed; once a loop has used the socket, the reference is leaked in another
 *              thread or a forked child
 *
 * Ownership: sock is *taken*.
 * Context: loop thread.
 * Twin: `del sock`.
 */
ASYNCIO_API void asyncio_socket_unref(asyncio_socket_t *sock);

/**
 * Closes a socket now: calls that wait for it fail with -EBADF. A no-op when it is closed.
 *
 * @param sock  the socket
 * @return 0; -EINVAL for NULL; ASYNCIO_ERUNTIME: the loop that uses it is another thread's, or
 *   this is a forked child, which closes its copy of asyncio_socket_fileno() by close(2).
 *
 * Ownership: sock is *borrowed*; its descriptor is closed as soon as no operation of the kernel
 * uses it.
 * Context: loop thread.
 * Twin: `sock.close`.
 */
ASYNCIO_API int asyncio_socket_close(asyncio_socket_t *sock);

/**
 * Returns the descriptor of a socket.
 *
 * @param sock  the socket
 * @return the descriptor, or -1 once it is closed.
 *
 * Ownership: the descriptor is *borrowed*.
 * Context: any thread.
 * Twin: `sock.fileno`.
 */
ASYNCIO_API int asyncio_socket_fileno(const asyncio_socket_t *sock);

/**
 * Binds a socket to an address.
 *
 * @param sock     the socket; NULL is -EINVAL
 * @param address  the address; NULL is -EINVAL
 * @param size     of it, in bytes
 * @return 0, -EINVAL, -EBADF, or -errno of bind(2).
 *
 * Ownership: all is *borrowed*.
 * Context: any thread.
 * Twin: `sock.bind`.
 */
ASYNCIO_API int asyncio_socket_bind(asyncio_socket_t *sock, const struct sockaddr *address,
                                    socklen_t size);

/**
 * Has a socket accept connections.
 *
 * @param sock     the socket; NULL is -EINVAL
 * @param backlog  how many may wait; 0 or less: 100
 * @return 0, -EINVAL, -EBADF, or -errno of listen(2).
 *
 * Ownership: sock is *borrowed*.
 * Context: any thread.
 * Twin: `sock.listen`.
 */
ASYNCIO_API int asyncio_socket_listen(asyncio_socket_t *sock, int backlog);

/**
 * Ends sending, receiving or both. Sends that wait fail with -EPIPE.
 *
 * @param sock  the socket; NULL is -EINVAL
 * @param how   SHUT_RD, SHUT_WR or SHUT_RDWR
 * @return 0; -EINVAL; -EBADF; -errno of shutdown(2); ASYNCIO_ERUNTIME: the loop that uses it is
 *   another thread's.
 *
 * Ownership: sock is *borrowed*.
 * Context: loop thread.
 * Twin: `sock.shutdown`.
 */
ASYNCIO_API int asyncio_socket_shutdown(asyncio_socket_t *sock, int how);

/**
 * Sets an option whose value is an int.
 *
 * @param sock   the socket; NULL is -EINVAL
 * @param level  SOL_SOCKET, IPPROTO_TCP, …
 * @param name   of the option
 * @param value  its value
 * @return 0, -EINVAL, -EBADF, or -errno of setsockopt(2).
 *
 * Ownership: sock is *borrowed*.
 * Context: any thread.
 * Twin: `sock.setsockopt`.
 */
ASYNCIO_API int asyncio_socket_setsockopt(asyncio_socket_t *sock, int level, int name, int value);

/**
 * Sets an option of any type, such as a struct linger or the name of a network interface.
 *
 * @param sock   the socket
 * @param level  SOL_SOCKET, IPPROTO_TCP, …
 * @param name   of the option
 * @param value  its value; NULL if size is 0
 * @param size   of the value in bytes
 * @return 0; -EINVAL: sock or value is NULL, or the kernel refuses the value; -EBADF: sock is
 *   closed; or -errno of setsockopt(2).
 *
 * Ownership: sock and value are *borrowed*.
 * Context: any thread.
 * Twin: `sock.setsockopt`.
 */
ASYNCIO_API int asyncio_socket_setsockopt_bytes(asyncio_socket_t *sock, int level, int name,
                                                const void *value, size_t size);

/**
 * Asks the kernel for an option, of any type.
 *
 * @param sock       the socket
 * @param level      SOL_SOCKET, IPPROTO_TCP, …
 * @param name       of the option
 * @param ret_value  where to put its value
 * @param size       in: the room at ret_value in bytes; out: the size of the value
 * @return 0; -EINVAL: sock, ret_value or size is NULL; -EBADF: sock is closed; or -errno of
 *   getsockopt(2).
 *
 * Ownership: sock is *borrowed*.
 * Context: any thread.
 * Twin: `sock.getsockopt`.
 */
ASYNCIO_API int asyncio_socket_getsockopt(const asyncio_socket_t *sock, int level, int name,
                                          void *ret_value, size_t *size);

/**
 * Asks the kernel for the own address of a socket.
 *
 * @param sock         the socket; NULL is -EINVAL
 * @param ret_address  receives the address; NULL is -EINVAL
 * @param size         in bytes: of the room before, of the address after the call; NULL is -EINVAL
 * @return 0, -EINVAL, -EBADF, or -errno of getsockname(2).
 *
 * Ownership: all is *borrowed*.
 * Context: any thread.
 * Twin: `sock.getsockname`.
 */
ASYNCIO_API int asyncio_socket_getsockname(const asyncio_socket_t *sock,
                                           struct sockaddr *ret_address, socklen_t *size);

/**
 * Asks the kernel for the peer's address of a socket. Of a stream, use
 * asyncio_stream_writer_get_extra_info(), which knows it after the end of the connection too.
 *
 * @param sock         the socket; NULL is -EINVAL
 * @param ret_address  receives the address; NULL is -EINVAL
 * @param size         in bytes: of the room before, of the address after the call; NULL is -EINVAL
 * @return 0, -EINVAL, -EBADF, or -errno of getpeername(2).
 *
 * Ownership: all is *borrowed*.
 * Context: any thread.
 * Twin: `sock.getpeername`.
 */
ASYNCIO_API int asyncio_socket_getpeername(const asyncio_socket_t *sock,
                                           struct sockaddr *ret_address, socklen_t *size);

/**
 * Receives at least one byte into a buffer.
 *
 * @param loop    the running loop
 * @param sock    the socket
 * @param buffer  room for size bytes
 * @param size    in bytes
 * @return - the number of bytes; 0 at the end of the stream (or for a size of 0).
 *   - -EBADF: the socket is closed, or was closed during the wait.
 *   - -ECANCELED: the task was cancelled; no byte was lost.
 *   - ASYNCIO_ERUNTIME: not inside a task, or the socket belongs to another loop.
 *   - -EOPNOTSUPP: the engine has no sockets (sim).
 *   - -EINVAL: loop, sock or buffer is NULL.
 *   - -ENOMEM: out of memory.
 *   - any other -errno of the system.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: inside a task.
 * Cancellation: ends the wait. If the operation is done by then, its result is returned, and the
 * cancellation stays pending until the next suspension of the task.
 * Twin: `loop.sock_recv_into`.
 */
ASYNCIO_API ssize_t asyncio_loop_sock_recv_into(asyncio_loop_t *loop, asyncio_socket_t *sock,
                                                void *buffer, size_t size);

/** Makes the coroutine object of asyncio_loop_sock_recv_into(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_loop_sock_recv_into_coroutine(asyncio_loop_t *loop, asyncio_socket_t *sock, void *buffer,
                                      size_t size);

/**
 * Receives bytes: the same as asyncio_loop_sock_recv_into(), because C has no bytes object.
 *
 * @param loop    the running loop
 * @param sock    the socket
 * @param buffer  room for size bytes
 * @param size    in bytes
 * @return as asyncio_loop_sock_recv_into().
 *
 * Ownership: all is *borrowed* for the call.
 * Context: inside a task.
 * Cancellation: as asyncio_loop_sock_recv_into().
 * Twin: `loop.sock_recv`.
 */
ASYNCIO_API ssize_t asyncio_loop_sock_recv(asyncio_loop_t *loop, asyncio_socket_t *sock,
                                           void *buffer, size_t size);

/** Makes the coroutine object of asyncio_loop_sock_recv(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_loop_sock_recv_coroutine(asyncio_loop_t *loop,
                                                                  asyncio_socket_t *sock,
                                                                  void *buffer, size_t size);

/**
 * Sends all bytes.
 *
 * @param loop      the running loop
 * @param sock      the socket
 * @param data      size bytes
 * @param size      in bytes
 * @param ret_sent  receives how many bytes were sent, also on failure; may be NULL
 * @return - 0: all were sent.
 *   - -EBADF: the socket is closed, or was closed during the wait.
 *   - -ECANCELED: the task was cancelled; no byte was lost.
 *   - ASYNCIO_ERUNTIME: not inside a task, or the socket belongs to another loop.
 *   - -EOPNOTSUPP: the engine has no sockets (sim).
 *   - -EINVAL: loop, sock or data is NULL.
 *   - -ENOMEM: out of memory.
 *   - any other -errno of the system.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: inside a task.
 * Cancellation: ends the wait. If the operation is done by then, its result is returned, and the
 * cancellation stays pending until the next suspension of the task.
 * Twin: `loop.sock_sendall`.
 */
ASYNCIO_API int asyncio_loop_sock_sendall(asyncio_loop_t *loop, asyncio_socket_t *sock,
                                          const void *data, size_t size, size_t *ret_sent);

/** Makes the coroutine object of asyncio_loop_sock_sendall(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_loop_sock_sendall_coroutine(asyncio_loop_t *loop, asyncio_socket_t *sock,
                                    const void *data, size_t size, size_t *ret_sent);

/**
 * Accepts a connection.
 *
 * @param loop          the running loop
 * @param sock          the socket
 * @param ret_sock      receives the new socket
 * @param ret_address   receives the peer's address; may be NULL
 * @param address_size  in bytes: of the room before, of the address after the call; NULL with it
 * @return - 0: *ret_sock is the connection.
 *   - -EBADF: the socket is closed, or was closed during the wait.
 *   - -ECANCELED: the task was cancelled; no byte was lost.
 *   - ASYNCIO_ERUNTIME: not inside a task, or the socket belongs to another loop.
 *   - -EOPNOTSUPP: the engine has no sockets (sim).
 *   - -EINVAL: loop, sock or ret_sock is NULL, or address_size beside a ret_address.
 *   - -ENOMEM: out of memory.
 *   - any other -errno of the system.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: inside a task.
 * Cancellation: ends the wait. If the operation is done by then, its result is returned, and the
 * cancellation stays pending until the next suspension of the task.
 * Twin: `loop.sock_accept`.
 */
ASYNCIO_API int asyncio_loop_sock_accept(asyncio_loop_t *loop, asyncio_socket_t *sock,
                                         asyncio_socket_t **ret_sock, struct sockaddr *ret_address,
                                         socklen_t *address_size);

/** Makes the coroutine object of asyncio_loop_sock_accept(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_loop_sock_accept_coroutine(asyncio_loop_t *loop, asyncio_socket_t *sock,
                                   asyncio_socket_t **ret_sock, struct sockaddr *ret_address,
                                   socklen_t *address_size);

/**
 * Connects a socket.
 *
 * @param loop     the running loop
 * @param sock     the socket
 * @param address  of the peer
 * @param size     of it, in bytes
 * @return - 0: connected.
 *   - -EBADF: the socket is closed, or was closed during the wait.
 *   - -ECANCELED: the task was cancelled; no byte was lost.
 *   - ASYNCIO_ERUNTIME: not inside a task, or the socket belongs to another loop.
 *   - -EOPNOTSUPP: the engine has no sockets (sim).
 *   - -EINVAL: loop, sock or address is NULL.
 *   - -ENOMEM: out of memory.
 *   - any other -errno of the system.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: inside a task.
 * Cancellation: ends the wait. If the operation is done by then, its result is returned, and the
 * cancellation stays pending until the next suspension of the task.
 * Twin: `loop.sock_connect`.
 */
ASYNCIO_API int asyncio_loop_sock_connect(asyncio_loop_t *loop, asyncio_socket_t *sock,
                                          const struct sockaddr *address, socklen_t size);

/** Makes the coroutine object of asyncio_loop_sock_connect(); the address is copied. */
ASYNCIO_API asyncio_coroutine_t *
asyncio_loop_sock_connect_coroutine(asyncio_loop_t *loop, asyncio_socket_t *sock,
                                    const struct sockaddr *address, socklen_t size);

/**
 * Receives a datagram and the address of its sender.
 *
 * @param loop          the running loop
 * @param sock          the socket
 * @param buffer        room for size bytes; what does not fit is cut off
 * @param size          in bytes
 * @param ret_address   receives the sender's address; may be NULL
 * @param address_size  in bytes: of the room before, of the address after the call; NULL with it
 * @return - the number of bytes, which may be 0.
 *   - -EBADF: the socket is closed, or was closed during the wait.
 *   - -ECANCELED: the task was cancelled; no byte was lost.
 *   - ASYNCIO_ERUNTIME: not inside a task, or the socket belongs to another loop.
 *   - -EOPNOTSUPP: the engine has no sockets (sim).
 *   - -EINVAL: loop, sock or buffer is NULL, or address_size beside a ret_address.
 *   - -ENOMEM: out of memory.
 *   - any other -errno of the system.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: inside a task.
 * Cancellation: ends the wait. If the operation is done by then, its result is returned, and the
 * cancellation stays pending until the next suspension of the task.
 * Twin: `loop.sock_recvfrom`.
 */
ASYNCIO_API ssize_t asyncio_loop_sock_recvfrom(asyncio_loop_t *loop, asyncio_socket_t *sock,
                                               void *buffer, size_t size,
                                               struct sockaddr *ret_address,
                                               socklen_t *address_size);

/** Makes the coroutine object of asyncio_loop_sock_recvfrom(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_loop_sock_recvfrom_coroutine(asyncio_loop_t *loop, asyncio_socket_t *sock, void *buffer,
                                     size_t size, struct sockaddr *ret_address,
                                     socklen_t *address_size);

/**
 * Sends a datagram.
 *
 * @param loop          the running loop
 * @param sock          the socket
 * @param data          size bytes
 * @param size          in bytes
 * @param address       of the receiver; NULL on a connected socket
 * @param address_size  of it, in bytes
 * @return - the number of bytes sent.
 *   - -EBADF: the socket is closed, or was closed during the wait.
 *   - -ECANCELED: the task was cancelled; no byte was lost.
 *   - ASYNCIO_ERUNTIME: not inside a task, or the socket belongs to another loop.
 *   - -EOPNOTSUPP: the engine has no sockets (sim).
 *   - -EINVAL: loop, sock or data is NULL.
 *   - -ENOMEM: out of memory.
 *   - any other -errno of the system.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: inside a task.
 * Cancellation: ends the wait. If the operation is done by then, its result is returned, and the
 * cancellation stays pending until the next suspension of the task.
 * Twin: `loop.sock_sendto`.
 */
ASYNCIO_API ssize_t asyncio_loop_sock_sendto(asyncio_loop_t *loop, asyncio_socket_t *sock,
                                             const void *data, size_t size,
                                             const struct sockaddr *address,
                                             socklen_t address_size);

/** Makes the coroutine object of asyncio_loop_sock_sendto(); the address is copied. */
ASYNCIO_API asyncio_coroutine_t *
asyncio_loop_sock_sendto_coroutine(asyncio_loop_t *loop, asyncio_socket_t *sock, const void *data,
                                   size_t size, const struct sockaddr *address,
                                   socklen_t address_size);

ASYNCIO_END_DECLS

#endif
