/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Datagrams: endpoints that send and receive them, and the protocols that they call.
 *
 * @code
 *     typedef struct echo {
 *         asyncio_datagram_protocol_t protocol;
 *         asyncio_datagram_transport_t *transport;
 *     } echo_t;
 *
 *     static void connection_made(asyncio_datagram_protocol_t *protocol,
 *                                 asyncio_datagram_transport_t *transport)
 *     {
 *         ((echo_t *)protocol)->transport = transport;
 *     }
 *
 *     static void datagram_received(asyncio_datagram_protocol_t *protocol, const void *data,
 *                                   size_t size, const struct sockaddr *address,
 *                                   socklen_t address_size)
 *     {
 *         asyncio_datagram_transport_sendto(((echo_t *)protocol)->transport, data, size, address,
 *                                           address_size);
 *     }
 *
 *     static const asyncio_datagram_protocol_functions_t echo_functions = {
 *         .size = sizeof(echo_functions),
 *         .connection_made = connection_made,
 *         .datagram_received = datagram_received,
 *     };
 *
 *     asyncio_datagram_endpoint_options_t options = {
 *         .size = sizeof(options), .local_host = "127.0.0.1", .local_port = 9999};
 *     rc = asyncio_loop_create_datagram_endpoint(loop, make_echo, NULL, &options,
 *                                                &transport, NULL);
 * @endcode
 *
 * Order: connection_made once, then datagram_received and error_received any number of times, then
 * connection_lost once. pause_writing and resume_writing come in pairs in between. connection_lost
 * is not called when the loop is closed while the endpoint is open; destroy always is.
 *
 * The loop calls these functions from its ready queue, outside of tasks, all of an endpoint in one
 * copy of the context in which it was made, so they must not call what suspends. Only
 * pause_writing, and error_received for a datagram that cannot be sent, are called inside the call
 * that sends, in the caller's context, as in asyncio. Up to 64 datagrams that are there already are
 * delivered in a row; then others run.
 *
 * No error ends an endpoint: error_received is called, and it sends and receives as before.
 */
#ifndef ASYNCIO_DATAGRAM_H
#define ASYNCIO_DATAGRAM_H

#include <asyncio/socket.h>
#include <sys/uio.h>

ASYNCIO_BEGIN_DECLS

/** An endpoint: a socket of datagrams, and what is queued to be sent. */
typedef struct asyncio_datagram_transport asyncio_datagram_transport_t;
/** A protocol: the first field of a struct of the program. */
typedef struct asyncio_datagram_protocol asyncio_datagram_protocol_t;

/** The functions of a protocol, asyncio's `DatagramProtocol`; each may be NULL. */
typedef struct asyncio_datagram_protocol_functions {
    size_t size; /**< sizeof(asyncio_datagram_protocol_functions_t) */

    /** The endpoint is there. transport is *borrowed* until connection_lost has returned. */
    void (*connection_made)(asyncio_datagram_protocol_t *protocol,
                            asyncio_datagram_transport_t *transport);

    /** A datagram has come; size may be 0. data and address are *borrowed* for the call. address is
     *  the sender's; NULL: it has none (a Unix socket without a name). */
    void (*datagram_received)(asyncio_datagram_protocol_t *protocol, const void *data, size_t size,
                              const struct sockaddr *address, socklen_t address_size);

    /** A send or a receive has failed with a negative code. error (*borrowed*, or NULL) has the
     *  details: with report_icmp it names the address that cannot be reached. */
    void (*error_received)(asyncio_datagram_protocol_t *protocol, int code,
                           asyncio_error_t *error);

    /** The endpoint has ended: code is 0 by close() or abort(), or -EBADF because its socket was
     *  closed. error (*borrowed*, or NULL) has the details. */
    void (*connection_lost)(asyncio_datagram_protocol_t *protocol, int code,
                            asyncio_error_t *error);

    /** More is queued than the high-water mark allows. Called inside the send. */
    void (*pause_writing)(asyncio_datagram_protocol_t *protocol);

    /** No more is queued than the low-water mark allows. */
    void (*resume_writing)(asyncio_datagram_protocol_t *protocol);

    /** Frees the protocol: its transport has ended, and the last reference to that was dropped. */
    void (*destroy)(asyncio_datagram_protocol_t *protocol);
} asyncio_datagram_protocol_functions_t;

/** The first field of a protocol of the program. */
struct asyncio_datagram_protocol {
    const asyncio_datagram_protocol_functions_t
        *functions; /**< *borrowed* as long as the protocol lives */
};

/** Makes the protocol of an endpoint; *taken* by the transport, which calls destroy. NULL: memory
 *  is out. */
typedef asyncio_datagram_protocol_t *asyncio_datagram_protocol_factory_t(void *arg);

/** Options of an endpoint; zero is the default of each. */
typedef struct asyncio_datagram_endpoint_options {
    size_t size;             /**< sizeof(asyncio_datagram_endpoint_options_t) */
    const char *local_host;  /**< to bind to: a literal address or a name; with AF_UNIX a path,
                                  whose socket is replaced if nobody receives there; NULL or ""
                                  with local_port: every interface */
    uint16_t local_port;     /**< to bind to; 0: any free one */
    const char *remote_host; /**< the only peer; with AF_UNIX a path; NULL with remote_port: the own
                                  host */
    uint16_t remote_port;    /**< of the only peer */
    int family;              /**< AF_INET, AF_INET6, AF_UNIX; 0: the first of the addresses */
    int proto;               /**< 0: the default */
    int flags;               /**< AI_…, of look-ups */
    bool reuse_port;         /**< share the port with other sockets (SO_REUSEPORT) */
    bool allow_broadcast;    /**< may send to broadcast addresses; the socket is not connected to
                                  the remote address, so that any address may reply to it */
    bool pktinfo;            /**< tell to which address each datagram was sent; see
                                  asyncio_datagram_transport_get_datagram_info() */
    bool gro;                /**< have the kernel receive several datagrams of a sender at once
                                  (UDP); the protocol gets them one by one */
    bool report_icmp;        /**< report errors from the network with their address, also when there
                                  is no remote address (IPv4, IPv6) */
    size_t max_size;         /**< bytes of a datagram that is received whole, a longer one is cut
                                  off, at most INT_MAX; 0: 64 KiB, of a Unix socket 256 KiB */
    asyncio_socket_t *sock;  /**< *shared*: a socket of datagrams, whose options and addresses are
                                  set; the transport closes it; NULL: make one */
} asyncio_datagram_endpoint_options_t;

/** What is known of a datagram beside its data and its sender. */
typedef struct asyncio_datagram_info {
    size_t size;                   /**< sizeof(asyncio_datagram_info_t) */
    bool is_truncated;             /**< it was longer than max_size */
    unsigned interface_index;      /**< by which it came, with pktinfo; 0: not known */
    struct sockaddr_storage local; /**< the address that it was sent to, with pktinfo, without a
                                        port */
    socklen_t local_size;          /**< of local; 0: not known */
} asyncio_datagram_info_t;

/** A datagram of asyncio_datagram_transport_sendmany(). */
typedef struct asyncio_datagram {
    const void *data;               /**< size bytes */
    size_t size;                    /**< in bytes; may be 0 */
    const struct sockaddr *address; /**< of the receiver; NULL: the remote address */
    socklen_t address_size;         /**< of address */
} asyncio_datagram_t;

/**
 * Makes an endpoint: a socket, bound to the local address and connected to the remote one, and the
 * protocol whose functions it calls. Returns after connection_made.
 *
 * @param loop              the running loop
 * @param protocol_factory  makes the protocol, once the socket is there
 * @param arg               passed to it
 * @param options           at least a local address, a remote one, a family or a socket; a socket
 *                          only together with pktinfo, gro, report_icmp and max_size
 * @param ret_transport     receives the transport
 * @param ret_protocol      receives the protocol, *borrowed*; may be NULL
 * @return - 0: the endpoint is there.
 *   - -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -ENETUNREACH or any other -errno: the first address
 *     cannot be bound or connected to; the error's message names it.
 *   - ASYNCIO_EGAI: a host cannot be resolved.
 *   - -EINVAL: NULL, bad options, no family in common, or the socket is none of datagrams.
 *   - -ENAMETOOLONG: a path is longer than 107 bytes.
 *   - -ENOPROTOOPT, -EOPNOTSUPP: the kernel or the family does not have an option.
 *   - -ENOMEM, -EMFILE, -ENFILE, -ENOSPC: out of memory, descriptors or epoll watches.
 *   - -EOPNOTSUPP: the engine has no sockets (sim).
 *   - -ECANCELED: the task was cancelled; the endpoint, if there is one, is closed.
 *   - ASYNCIO_ERUNTIME: not inside a task, or the socket belongs to another loop or transport.
 *
 * Ownership: arg is *borrowed* for the call; the protocol is *taken* from the factory; the
 * transport is *new*.
 * Context: inside a task.
 * Cancellation: ends the look-ups and the wait for connection_made.
 * Twin: `loop.create_datagram_endpoint`.
 */
ASYNCIO_API int asyncio_loop_create_datagram_endpoint(
    asyncio_loop_t *loop, asyncio_datagram_protocol_factory_t *protocol_factory, void *arg,
    const asyncio_datagram_endpoint_options_t *options,
    asyncio_datagram_transport_t **ret_transport, asyncio_datagram_protocol_t **ret_protocol);

/** Makes the coroutine object of asyncio_loop_create_datagram_endpoint(); options are copied. */
ASYNCIO_API asyncio_coroutine_t *asyncio_loop_create_datagram_endpoint_coroutine(
    asyncio_loop_t *loop, asyncio_datagram_protocol_factory_t *protocol_factory, void *arg,
    const asyncio_datagram_endpoint_options_t *options,
    asyncio_datagram_transport_t **ret_transport, asyncio_datagram_protocol_t **ret_protocol);

/**
 * Takes a reference.
 *
 * @param transport  NULL is allowed
 * @return transport.
 *
 * Ownership: the reference is *new*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_datagram_transport_t *
asyncio_datagram_transport_ref(asyncio_datagram_transport_t *transport);

/**
 * Drops a reference. An endpoint is open until it is closed, with or without references.
 *
 * @param transport  NULL is allowed; in another thread or a forked child the reference is leaked
 *
 * Ownership: transport is *taken*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API void asyncio_datagram_transport_unref(asyncio_datagram_transport_t *transport);

/**
 * Sends a datagram at once, or queues a copy if the kernel has no room for it. A system error of
 * the datagram is passed to error_received, inside this call if it is known by then. What is sent
 * after close() or abort() is dropped.
 *
 * @param transport     the endpoint
 * @param data          size bytes
 * @param size          in bytes; 0 sends an empty datagram
 * @param address       of the receiver; NULL, or the same, with a remote address
 * @param address_size  of address, in bytes
 * @return - 0: sent, queued, dropped or passed to error_received.
 *   - -EINVAL: NULL, or another address than the remote one.
 *   - -ENOMEM: it cannot be queued.
 *   - ASYNCIO_ERUNTIME: the loop is closed or another thread's.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: loop thread.
 * Twin: `DatagramTransport.sendto`.
 */
ASYNCIO_API int asyncio_datagram_transport_sendto(asyncio_datagram_transport_t *transport,
                                                  const void *data, size_t size,
                                                  const struct sockaddr *address,
                                                  socklen_t address_size);

/**
 * Sends a datagram from an address of this host, such as the one that a request was sent to: local
 * of asyncio_datagram_transport_get_datagram_info().
 *
 * @param transport     the endpoint, of IPv4 or IPv6
 * @param data          size bytes
 * @param size          in bytes
 * @param address       of the receiver; NULL, or the same, with a remote address
 * @param address_size  of address, in bytes
 * @param local         an address of IPv4 or IPv6; its port is ignored
 * @param local_size    of local, in bytes
 * @return as asyncio_datagram_transport_sendto().
 *
 * Ownership: all is *borrowed* for the call.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API int asyncio_datagram_transport_sendto_from(asyncio_datagram_transport_t *transport,
                                                       const void *data, size_t size,
                                                       const struct sockaddr *address,
                                                       socklen_t address_size,
                                                       const struct sockaddr *local,
                                                       socklen_t local_size);

/**
 * Sends datagrams in order. Those in a row that have one receiver and one size (the last may be
 * smaller) take one system call for up to 64 of them, where the kernel can do that (UDP).
 *
 * @param transport  the endpoint
 * @param datagrams  count of them
 * @param count      of datagrams
 * @return as asyncio_datagram_transport_sendto(); on failure those before the one that is wrong
 *   were sent or queued.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API int asyncio_datagram_transport_sendmany(asyncio_datagram_transport_t *transport,
                                                    const asyncio_datagram_t *datagrams,
                                                    size_t count);

/**
 * Tells what is known of the datagram whose datagram_received runs.
 *
 * @param transport  the endpoint
 * @param ret_info   its size is set before the call; receives the rest
 * @return 0; -EINVAL: transport or ret_info is NULL, or ret_info has a wrong size;
 *   ASYNCIO_ERUNTIME: not inside datagram_received.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API int
asyncio_datagram_transport_get_datagram_info(const asyncio_datagram_transport_t *transport,
                                             asyncio_datagram_info_t *ret_info);

/**
 * Joins a multicast group.
 *
 * @param transport        the endpoint, of IPv4 or IPv6; NULL is -EINVAL
 * @param group            address of the group; its port is ignored; NULL is -EINVAL
 * @param group_size       of group, in bytes
 * @param interface_index  as of if_nametoindex(); 0: the kernel chooses
 * @return 0, -EINVAL, -EBADF, or -errno of setsockopt(2).
 *
 * Ownership: all is *borrowed* for the call.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API int asyncio_datagram_transport_join_group(asyncio_datagram_transport_t *transport,
                                                      const struct sockaddr *group,
                                                      socklen_t group_size,
                                                      unsigned interface_index);

/**
 * Leaves a multicast group.
 *
 * @param transport        the endpoint
 * @param group            address of the group
 * @param group_size       of group, in bytes
 * @param interface_index  as when it was joined
 * @return as asyncio_datagram_transport_join_group(); -EADDRNOTAVAIL: it was not joined.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API int asyncio_datagram_transport_leave_group(asyncio_datagram_transport_t *transport,
                                                       const struct sockaddr *group,
                                                       socklen_t group_size,
                                                       unsigned interface_index);

/**
 * Closes an endpoint once all that is queued is sent: no datagram is delivered any more, and
 * connection_lost is called later. A no-op when it is closing.
 *
 * @param transport  the endpoint
 * @return 0; -EINVAL for NULL; ASYNCIO_ERUNTIME: the loop is another thread's.
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `BaseTransport.close`.
 */
ASYNCIO_API int asyncio_datagram_transport_close(asyncio_datagram_transport_t *transport);

/**
 * Closes an endpoint now: what is queued is dropped, and connection_lost is called later.
 *
 * @param transport  the endpoint
 * @return as asyncio_datagram_transport_close().
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `DatagramTransport.abort`.
 */
ASYNCIO_API int asyncio_datagram_transport_abort(asyncio_datagram_transport_t *transport);

/**
 * Whether an endpoint is closed or closing.
 *
 * @param transport  the endpoint
 * @return true, also for NULL.
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `BaseTransport.is_closing`.
 */
ASYNCIO_API bool
asyncio_datagram_transport_is_closing(const asyncio_datagram_transport_t *transport);

/**
 * Returns the protocol of an endpoint.
 *
 * @param transport  the endpoint
 * @return the protocol, or NULL for NULL.
 *
 * Ownership: the protocol is *borrowed* as long as the transport lives.
 * Context: loop thread.
 * Twin: `BaseTransport.get_protocol`.
 */
ASYNCIO_API asyncio_datagram_protocol_t *
asyncio_datagram_transport_get_protocol(const asyncio_datagram_transport_t *transport);

/**
 * Sets the marks of the queue: pause_writing is called when more than high_bytes are queued, and
 * resume_writing when no more than low_bytes are left. A datagram counts 8 bytes more than it has.
 *
 * @param transport   the endpoint
 * @param high_bytes  SIZE_MAX: four times low_bytes, or 64 KiB
 * @param low_bytes   SIZE_MAX: a quarter of high_bytes
 * @return 0; -EINVAL: NULL, or low_bytes is above high_bytes; ASYNCIO_ERUNTIME: the loop is another
 *   thread's.
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `WriteTransport.set_write_buffer_limits`.
 */
ASYNCIO_API int
asyncio_datagram_transport_set_write_buffer_limits(asyncio_datagram_transport_t *transport,
                                                   size_t high_bytes, size_t low_bytes);

/**
 * Returns the marks of the queue.
 *
 * @param transport  the endpoint
 * @param ret_high   receives the high-water mark in bytes; may be NULL
 * @param ret_low    receives the low-water mark in bytes; may be NULL
 * @return 0; -EINVAL: transport is NULL.
 *
 * Ownership: all is *borrowed*.
 * Context: loop thread.
 * Twin: `WriteTransport.get_write_buffer_limits`.
 */
ASYNCIO_API int
asyncio_datagram_transport_get_write_buffer_limits(const asyncio_datagram_transport_t *transport,
                                                   size_t *ret_high, size_t *ret_low);

/**
 * Returns how much is queued.
 *
 * @param transport  the endpoint
 * @return bytes, 8 more for each datagram; 0 for NULL.
 *
 * Ownership: transport is *borrowed*.
 * Context: loop thread.
 * Twin: `WriteTransport.get_write_buffer_size`.
 */
ASYNCIO_API size_t
asyncio_datagram_transport_get_write_buffer_size(const asyncio_datagram_transport_t *transport);

/**
 * Writes an address of an endpoint as text: "127.0.0.1:80", "[::1]:80", or the path of a Unix
 * socket. The addresses are those at the time when the endpoint was made.
 *
 * @param transport  the endpoint
 * @param name       "sockname", or "peername": the connected address
 * @param ret_text   room for size bytes; what does not fit is cut off
 * @param size       in bytes
 * @return the length of the whole text, as snprintf() does; -ENOTCONN: there is no such address;
 *   -EINVAL: NULL or another name.
 *
 * Ownership: all is *borrowed*.
 * Context: loop thread.
 * Twin: `BaseTransport.get_extra_info`.
 */
ASYNCIO_API int
asyncio_datagram_transport_get_extra_info(const asyncio_datagram_transport_t *transport,
                                          const char *name, char *ret_text, size_t size);

/**
 * Returns the socket of an endpoint, to set options of it. Closing it ends the endpoint.
 *
 * @param transport  the endpoint
 * @return the socket, or NULL for NULL.
 *
 * Ownership: the socket is *borrowed* as long as the transport lives.
 * Context: loop thread.
 * Twin: `transport.get_extra_info('socket')`.
 */
ASYNCIO_API asyncio_socket_t *
asyncio_datagram_transport_get_socket(const asyncio_datagram_transport_t *transport);

ASYNCIO_END_DECLS

#endif
