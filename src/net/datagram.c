/* SPDX-License-Identifier: MIT */
/* Datagram transports: calls of the protocol and of the program; see datagram.h. */
#include "net/datagram.h"

#include <netinet/in.h>
#include <string.h>

#include "base/context.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/syscalls.h"
#include "loop/callback.h"
#include "loop/check.h"
#include "task/waiter_list.h"
#include "transport/address.h"

#define SEGMENTS_MOST        64    /* that Linux takes at once, since 4.18 */
#define SEGMENTS_BYTES_MOST  65000 /* of all of them, with room for headers below 64 KiB */

static asyncio_datagram_transport_t *transport_of(asyncio__datagram_t *endpoint)
{
    return ASYNCIO__CONTAINER(endpoint, asyncio_datagram_transport_t, endpoint);
}

/* --- calling the protocol ------------------------------------------------------------------ */

typedef struct scope {
    bool is_entered; /* the context was entered */
    void *former;    /* what was current before */
} scope_t;

/* Enters the transport's context; false: that was refused, and reported. */
static bool enter(asyncio_datagram_transport_t *transport, scope_t *scope)
{
    scope->is_entered = asyncio__uses(ASYNCIO__USES_CONTEXTS);
    return !scope->is_entered ||
           asyncio__loop_enter(transport->endpoint.loop, &transport->context, &scope->former);
}

static void leave(asyncio_datagram_transport_t *transport, const scope_t *scope)
{
    if (scope->is_entered)
        asyncio__context_end(&transport->context, scope->former);
}

static void on_started(asyncio__datagram_t *endpoint)
{
    asyncio_datagram_transport_t *transport = transport_of(endpoint);
    asyncio_datagram_protocol_t *protocol = transport->protocol;
    scope_t scope;
    transport->is_made = true;
    if (protocol->functions->connection_made && enter(transport, &scope)) {
        protocol->functions->connection_made(protocol, transport);
        leave(transport, &scope);
    }
    asyncio__waiters_wake_all(&transport->starters);
}

static void on_received(asyncio__datagram_t *endpoint,
                        const asyncio__datagram_received_t *datagram)
{
    asyncio_datagram_transport_t *transport = transport_of(endpoint);
    asyncio_datagram_protocol_t *protocol = transport->protocol;
    scope_t scope;
    if (!protocol->functions->datagram_received || !enter(transport, &scope))
        return;
    transport->received = datagram;
    protocol->functions->datagram_received(protocol, datagram->data, datagram->size,
                                           datagram->address, datagram->address_size);
    transport->received = NULL;
    leave(transport, &scope);
}

/* Inside a send it is called in the caller's context: the transport's may be entered already. */
static void on_failed(asyncio__datagram_t *endpoint, int code, const struct sockaddr *address,
                      socklen_t address_size)
{
    asyncio_datagram_transport_t *transport = transport_of(endpoint);
    asyncio_datagram_protocol_t *protocol = transport->protocol;
    scope_t scope = {.is_entered = false};
    if (!protocol->functions->error_received)
        return;
    if (!transport->is_in_send && !enter(transport, &scope))
        return;
    asyncio_error_t *error =
        address ? asyncio__address_error(code, "a datagram did not reach", address, address_size)
                : NULL;
    protocol->functions->error_received(protocol, code, error);
    asyncio_error_unref(error);
    leave(transport, &scope);
}

static void resume_if_drained(asyncio_datagram_transport_t *transport)
{
    asyncio_datagram_protocol_t *protocol = transport->protocol;
    scope_t scope;
    if (!transport->is_paused || transport->endpoint.queued_bytes > transport->low_bytes)
        return;
    transport->is_paused = false;
    if (protocol->functions->resume_writing && enter(transport, &scope)) {
        protocol->functions->resume_writing(protocol);
        leave(transport, &scope);
    }
}

static void on_sent(asyncio__datagram_t *endpoint)
{
    resume_if_drained(transport_of(endpoint));
}

static void on_lost(asyncio__datagram_t *endpoint, int code)
{
    asyncio_datagram_transport_t *transport = transport_of(endpoint);
    asyncio_datagram_protocol_t *protocol = transport->protocol;
    scope_t scope;
    if (!protocol->functions->connection_lost || !enter(transport, &scope))
        return;
    asyncio_error_t *error =
        code < 0 ? asyncio__error_new_static(code, "the socket was closed", NULL) : NULL;
    protocol->functions->connection_lost(protocol, code, error);
    asyncio_error_unref(error);
    leave(transport, &scope);
}

static void on_free(asyncio__datagram_t *endpoint)
{
    asyncio_datagram_transport_t *transport = transport_of(endpoint);
    asyncio_datagram_protocol_t *protocol = transport->protocol;
    if (protocol && protocol->functions->destroy)
        protocol->functions->destroy(protocol);
    asyncio__context_drop(transport->context);
    asyncio__free(transport, sizeof(*transport));
}

static const asyncio__datagram_class_t endpoint_class = {.started = on_started,
                                                         .received = on_received,
                                                         .failed = on_failed,
                                                         .sent = on_sent,
                                                         .lost = on_lost,
                                                         .free = on_free};

/* --- life ---------------------------------------------------------------------------------- */

int asyncio__datagram_transport_new(asyncio_loop_t *loop, asyncio_socket_t *sock,
                                    size_t max_bytes, asyncio_datagram_transport_t **ret_transport)
{
    asyncio_datagram_transport_t *transport = asyncio__calloc(sizeof(*transport));
    if (!transport)
        return asyncio__fail(-ENOMEM, NULL);
    int rc = asyncio__datagram_init(&transport->endpoint, loop, sock, max_bytes, &endpoint_class);
    if (rc < 0) {
        asyncio__free(transport, sizeof(*transport));
        return rc;
    }
    asyncio__list_init(&transport->starters);
    transport->high_bytes = ASYNCIO__DATAGRAM_HIGH_BYTES;
    transport->low_bytes = ASYNCIO__DATAGRAM_HIGH_BYTES / 4;
    if (asyncio__uses(ASYNCIO__USES_CONTEXTS))
        transport->context = asyncio__context_inherit(/* given= */ NULL);
    socklen_t size = sizeof(transport->own);
    if (asyncio__sys.getsockname(sock->fd, (struct sockaddr *)&transport->own, &size) == 0)
        transport->own_size = size;
    size = sizeof(transport->remote);
    if (asyncio__sys.getpeername(sock->fd, (struct sockaddr *)&transport->remote, &size) == 0) {
        transport->remote_size = size;
        transport->is_connected = true;
    }
    *ret_transport = transport;
    return 0;
}

asyncio_datagram_transport_t *
asyncio_datagram_transport_ref(asyncio_datagram_transport_t *transport)
{
    if (transport)
        asyncio__datagram_ref(&transport->endpoint);
    return transport;
}

void asyncio_datagram_transport_unref(asyncio_datagram_transport_t *transport)
{
    if (transport && asyncio__loop_check_here(transport->endpoint.loop) == 0)
        asyncio__datagram_unref(&transport->endpoint);
}

/* Whether this thread may use the transport, whose loop may be closed: 0, or an error. */
static int check_thread(const asyncio_datagram_transport_t *transport)
{
    if (!transport)
        return asyncio__fail(-EINVAL, "\"transport\" must not be NULL");
    return asyncio__loop_check_here(transport->endpoint.loop);
}

int asyncio_datagram_transport_close(asyncio_datagram_transport_t *transport)
{
    int rc = check_thread(transport);
    if (rc == 0)
        asyncio__datagram_close(&transport->endpoint);
    return rc;
}

int asyncio_datagram_transport_abort(asyncio_datagram_transport_t *transport)
{
    int rc = check_thread(transport);
    if (rc == 0)
        asyncio__datagram_abort(&transport->endpoint, 0);
    return rc;
}

bool asyncio_datagram_transport_is_closing(const asyncio_datagram_transport_t *transport)
{
    return !transport || transport->endpoint.is_closing;
}

asyncio_datagram_protocol_t *
asyncio_datagram_transport_get_protocol(const asyncio_datagram_transport_t *transport)
{
    return transport ? transport->protocol : NULL;
}

/* --- sending ------------------------------------------------------------------------------- */

/* Whether an address of that size is long enough to be read: 0, or an error. */
static int check_address(const struct sockaddr *address, socklen_t size)
{
    size_t least = sizeof(sa_family_t);
    if (!address)
        return 0;
    if (size >= least && address->sa_family == AF_INET)
        least = sizeof(struct sockaddr_in);
    else if (size >= least && address->sa_family == AF_INET6)
        least = sizeof(struct sockaddr_in6);
    if (size < least || size > sizeof(struct sockaddr_storage))
        return asyncio__fail(-EINVAL, "\"address_size\" must be that of \"address\"");
    return 0;
}

/* Sets the receiver of a packet: 0, or an error. */
static int set_receiver(const asyncio_datagram_transport_t *transport,
                        asyncio__datagram_packet_t *packet, const struct sockaddr *address,
                        socklen_t size)
{
    const struct sockaddr *remote = (const void *)&transport->remote;
    int rc = check_address(address, size);
    if (rc < 0)
        return rc;
    if (transport->remote_size == 0) {
        if (!address)
            return asyncio__fail(-EINVAL,
                                 "\"address\" must not be NULL without a remote address");
        packet->address = address;
        packet->address_size = size;
        return 0;
    }
    if (address && !asyncio__address_equal(address, size, remote, transport->remote_size))
        return asyncio__fail(-EINVAL, "\"address\" must be NULL or the remote address");
    packet->address = transport->is_connected ? NULL : remote;
    packet->address_size = transport->remote_size;
    return 0;
}

static void pause_if_full(asyncio_datagram_transport_t *transport)
{
    asyncio_datagram_protocol_t *protocol = transport->protocol;
    if (transport->is_paused || transport->endpoint.queued_bytes <= transport->high_bytes)
        return;
    transport->is_paused = true;
    if (protocol->functions->pause_writing)
        protocol->functions->pause_writing(protocol);
}

static int send_packet(asyncio_datagram_transport_t *transport,
                       const asyncio__datagram_packet_t *packet)
{
    bool was_in_send = transport->is_in_send;
    asyncio__datagram_ref(&transport->endpoint);
    transport->is_in_send = true;
    int rc = asyncio__datagram_send(&transport->endpoint, packet);
    transport->is_in_send = was_in_send;
    pause_if_full(transport);
    asyncio__datagram_unref(&transport->endpoint);
    return rc;
}

static int check_send(const asyncio_datagram_transport_t *transport, const void *data, size_t size)
{
    if (!transport || (!data && size))
        return asyncio__fail(-EINVAL, "\"transport\" and \"data\" must not be NULL");
    return asyncio__loop_check(transport->endpoint.loop);
}

int asyncio_datagram_transport_sendto_from(asyncio_datagram_transport_t *transport,
                                           const void *data, size_t size,
                                           const struct sockaddr *address, socklen_t address_size,
                                           const struct sockaddr *local, socklen_t local_size)
{
    struct iovec piece = {(void *)data, size};
    asyncio__datagram_packet_t packet = {.pieces = &piece, .count = 1, .local = local};
    int rc = check_send(transport, data, size);
    if (rc == 0)
        rc = set_receiver(transport, &packet, address, address_size);
    if (rc == 0)
        rc = check_address(local, local_size);
    if (rc == 0 && local && local->sa_family != AF_INET && local->sa_family != AF_INET6)
        rc = asyncio__fail(-EINVAL, "\"local\" must be an address of IPv4 or IPv6");
    return rc < 0 ? rc : send_packet(transport, &packet);
}

int asyncio_datagram_transport_sendto(asyncio_datagram_transport_t *transport, const void *data,
                                      size_t size, const struct sockaddr *address,
                                      socklen_t address_size)
{
    return asyncio_datagram_transport_sendto_from(transport, data, size, address, address_size,
                                                  /* local= */ NULL, 0);
}

static bool have_one_receiver(const asyncio_datagram_t *one, const asyncio_datagram_t *two)
{
    if (!one->address || !two->address)
        return one->address == two->address;
    return one->address == two->address ||
           (one->address_size == two->address_size &&
            memcmp(one->address, two->address, one->address_size) == 0);
}

/* How many datagrams from the first on the kernel may take at once. */
static size_t count_segments(const asyncio_datagram_t *datagrams, size_t count)
{
    size_t segment = datagrams[0].size, total = segment, used = 1;
    if (segment == 0 || segment > UINT16_MAX)
        return 1;
    while (used < count && used < SEGMENTS_MOST && datagrams[used - 1].size == segment &&
           datagrams[used].size > 0 && datagrams[used].size <= segment &&
           total + datagrams[used].size <= SEGMENTS_BYTES_MOST &&
           have_one_receiver(&datagrams[0], &datagrams[used]))
        total += datagrams[used++].size;
    return used;
}

/* Tries to send datagrams at once: how many the kernel took. */
static size_t send_segments(asyncio_datagram_transport_t *transport,
                            const asyncio_datagram_t *datagrams, size_t count)
{
    struct iovec pieces[SEGMENTS_MOST];
    asyncio__datagram_packet_t packet = {.pieces = pieces};
    size_t used = count_segments(datagrams, count);
    if (used < 2 || set_receiver(transport, &packet, datagrams[0].address,
                                 datagrams[0].address_size) < 0)
        return 0;
    for (size_t i = 0; i < used; i++) {
        if (!datagrams[i].data)
            return 0;
        pieces[i] = (struct iovec){(void *)datagrams[i].data, datagrams[i].size};
    }
    packet.count = used;
    packet.segment_bytes = (uint16_t)datagrams[0].size;
    return asyncio__datagram_send_segments(&transport->endpoint, &packet) ? used : 0;
}

int asyncio_datagram_transport_sendmany(asyncio_datagram_transport_t *transport,
                                        const asyncio_datagram_t *datagrams, size_t count)
{
    if (!datagrams && count)
        return asyncio__fail(-EINVAL, "\"datagrams\" must not be NULL");
    int rc = check_send(transport, datagrams, 0);
    if (rc < 0)
        return rc;
    asyncio__datagram_ref(&transport->endpoint);
    size_t plain = 0; /* datagrams ahead that the kernel has refused to take at once */
    for (size_t i = 0; i < count && rc == 0;) {
        size_t taken = plain == 0 ? send_segments(transport, datagrams + i, count - i) : 0;
        i += taken;
        if (taken > 0)
            continue;
        if (plain == 0)
            plain = count_segments(datagrams + i, count - i);
        rc = asyncio_datagram_transport_sendto(transport, datagrams[i].data, datagrams[i].size,
                                               datagrams[i].address, datagrams[i].address_size);
        i++;
        plain--;
    }
    asyncio__datagram_unref(&transport->endpoint);
    return rc;
}

/* --- the marks of the queue ---------------------------------------------------------------- */

int asyncio_datagram_transport_set_write_buffer_limits(asyncio_datagram_transport_t *transport,
                                                       size_t high_bytes, size_t low_bytes)
{
    int rc = check_thread(transport);
    if (rc < 0)
        return rc;
    if (high_bytes == SIZE_MAX)
        high_bytes = low_bytes == SIZE_MAX ? ASYNCIO__DATAGRAM_HIGH_BYTES : 4 * low_bytes;
    if (low_bytes == SIZE_MAX)
        low_bytes = high_bytes / 4;
    if (low_bytes > high_bytes)
        return asyncio__fail(-EINVAL, "\"low_bytes\" must not be above \"high_bytes\"");
    transport->high_bytes = high_bytes;
    transport->low_bytes = low_bytes;
    pause_if_full(transport);
    return 0;
}

int asyncio_datagram_transport_get_write_buffer_limits(
    const asyncio_datagram_transport_t *transport, size_t *ret_high, size_t *ret_low)
{
    if (!transport)
        return asyncio__fail(-EINVAL, "\"transport\" must not be NULL");
    if (ret_high)
        *ret_high = transport->high_bytes;
    if (ret_low)
        *ret_low = transport->low_bytes;
    return 0;
}

size_t
asyncio_datagram_transport_get_write_buffer_size(const asyncio_datagram_transport_t *transport)
{
    return transport ? transport->endpoint.queued_bytes : 0;
}

/* --- what is known of it ------------------------------------------------------------------- */

int asyncio_datagram_transport_get_datagram_info(const asyncio_datagram_transport_t *transport,
                                                 asyncio_datagram_info_t *ret_info)
{
    if (!transport || !ret_info)
        return asyncio__fail(-EINVAL, "\"transport\" and \"ret_info\" must not be NULL");
    if (ret_info->size < sizeof(*ret_info))
        return asyncio__fail(-EINVAL, "\"ret_info->size\" must be sizeof(*ret_info)");
    const asyncio__datagram_received_t *received = transport->received;
    if (!received)
        return asyncio__fail(ASYNCIO_ERUNTIME, "not inside datagram_received");
    ret_info->is_truncated = received->is_truncated;
    ret_info->interface_index = received->interface;
    ret_info->local = received->local;
    ret_info->local_size = received->local_size;
    return 0;
}

int asyncio_datagram_transport_get_extra_info(const asyncio_datagram_transport_t *transport,
                                              const char *name, char *ret_text, size_t size)
{
    if (!transport || !name || (!ret_text && size))
        return asyncio__fail(-EINVAL, "\"transport\", \"name\" and \"ret_text\" must not be NULL");
    if (strcmp(name, "sockname") == 0 && transport->own_size)
        return asyncio__address_describe((const void *)&transport->own, transport->own_size,
                                         ret_text, size);
    if (strcmp(name, "peername") == 0 && transport->is_connected)
        return asyncio__address_describe((const void *)&transport->remote,
                                         transport->remote_size, ret_text, size);
    if (strcmp(name, "peername") == 0 || strcmp(name, "sockname") == 0)
        return asyncio__fail(-ENOTCONN, "the endpoint had no such address when it was made");
    return asyncio__fail(-EINVAL, "\"name\" must be \"peername\" or \"sockname\"");
}

asyncio_socket_t *
asyncio_datagram_transport_get_socket(const asyncio_datagram_transport_t *transport)
{
    return transport ? transport->endpoint.sock : NULL;
}

static int change_group(asyncio_datagram_transport_t *transport, const struct sockaddr *group,
                        socklen_t group_size, unsigned interface_index, int name)
{
    struct group_req request = {.gr_interface = interface_index};
    int rc = check_thread(transport);
    if (rc == 0 && !group)
        rc = asyncio__fail(-EINVAL, "\"group\" must not be NULL");
    if (rc == 0)
        rc = check_address(group, group_size);
    if (rc == 0 && group->sa_family != AF_INET && group->sa_family != AF_INET6)
        rc = asyncio__fail(-EINVAL, "\"group\" must be an address of IPv4 or IPv6");
    if (rc == 0 && !asyncio__socket_is_open(transport->endpoint.sock))
        rc = asyncio__fail(-EBADF, "the endpoint is closed");
    if (rc < 0)
        return rc;
    memcpy(&request.gr_group, group, group_size);
    int level = group->sa_family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
    rc = asyncio__sys.setsockopt(transport->endpoint.sock->fd, level, name, &request,
                                 sizeof(request));
    return rc < 0 ? asyncio__fail(-errno, NULL) : 0;
}

int asyncio_datagram_transport_join_group(asyncio_datagram_transport_t *transport,
                                          const struct sockaddr *group, socklen_t group_size,
                                          unsigned interface_index)
{
    return change_group(transport, group, group_size, interface_index, MCAST_JOIN_GROUP);
}

int asyncio_datagram_transport_leave_group(asyncio_datagram_transport_t *transport,
                                           const struct sockaddr *group, socklen_t group_size,
                                           unsigned interface_index)
{
    return change_group(transport, group, group_size, interface_index, MCAST_LEAVE_GROUP);
}
