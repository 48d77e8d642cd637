/* SPDX-License-Identifier: MIT */
/*
 * Datagram endpoints over the loopback: one that receives what it has sent itself. What a failure
 * has kept back is not waited for: the protocol counts, and the scenario turns a few times.
 */
#include "sweep.h"

#include <netinet/in.h>
#include <sys/socket.h>

typedef struct node {
    asyncio_datagram_protocol_t protocol;
    int lost;      /* calls of connection_lost */
    int destroyed; /* calls of destroy */
} node_t;

static node_t *node_of(asyncio_datagram_protocol_t *protocol)
{
    return (node_t *)protocol;
}

static void datagram_received(asyncio_datagram_protocol_t *protocol, const void *data, size_t size,
                              const struct sockaddr *address, socklen_t address_size)
{
    (void)protocol, (void)data, (void)size, (void)address, (void)address_size;
}

static void error_received(asyncio_datagram_protocol_t *protocol, int code, asyncio_error_t *error)
{
    (void)protocol, (void)error;
    must(code < 0);
}

static void connection_lost(asyncio_datagram_protocol_t *protocol, int code, asyncio_error_t *error)
{
    (void)code, (void)error;
    must(node_of(protocol)->lost++ == 0);
}

static void destroy(asyncio_datagram_protocol_t *protocol)
{
    must(node_of(protocol)->destroyed++ == 0);
}

static const asyncio_datagram_protocol_functions_t functions = {
    .size = sizeof(functions),
    .datagram_received = datagram_received,
    .error_received = error_received,
    .connection_lost = connection_lost,
    .destroy = destroy,
};

static asyncio_datagram_protocol_t *make_node(void *arg)
{
    *(node_t *)arg = (node_t){.protocol = {&functions}};
    return arg;
}

static void send_all_ways(asyncio_datagram_transport_t *transport, const struct sockaddr *to,
                          socklen_t size)
{
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    asyncio_datagram_t several[2] = {{"ab", 2, to, size}, {"cd", 2, to, size}};
    may(asyncio_datagram_transport_sendto(transport, "x", 1, to, size));
    may(asyncio_datagram_transport_sendto_from(transport, "y", 1, to, size,
                                               (struct sockaddr *)&local, sizeof(local)));
    may(asyncio_datagram_transport_sendmany(transport, several, 2));
    for (int i = 0; i < 20; i++)
        may(asyncio_sleep(0));
}

static void ask(asyncio_datagram_transport_t *transport)
{
    char name[64];
    size_t high, low;
    asyncio_datagram_info_t info = {.size = sizeof(info)};
    must(asyncio_datagram_transport_get_write_buffer_limits(transport, &high, &low) == 0);
    may(asyncio_datagram_transport_set_write_buffer_limits(transport, high, low));
    asyncio_datagram_transport_get_write_buffer_size(transport);
    may_be(asyncio_datagram_transport_get_extra_info(transport, "sockname", name, sizeof(name)),
           -ENOTCONN);
    must(asyncio_datagram_transport_get_datagram_info(transport, &info) == ASYNCIO_ERUNTIME);
    must(asyncio_datagram_transport_get_protocol(transport) != NULL);
    asyncio_datagram_transport_unref(asyncio_datagram_transport_ref(transport));
}

static void use_transport(asyncio_datagram_transport_t *transport)
{
    struct sockaddr_in address;
    struct sockaddr_in group = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xef010203)};
    socklen_t size = sizeof(address);
    asyncio_socket_t *sock = asyncio_datagram_transport_get_socket(transport);
    ask(transport);
    if (may_be(asyncio_socket_getsockname(sock, (struct sockaddr *)&address, &size), -EBADF) == 0)
        send_all_ways(transport, (struct sockaddr *)&address, size);
    may_be(asyncio_datagram_transport_join_group(transport, (struct sockaddr *)&group,
                                                 sizeof(group), 1),
           -EBADF);
    (void)!asyncio_datagram_transport_leave_group(transport, (struct sockaddr *)&group,
                                                  sizeof(group), 1);
    may(asyncio_datagram_transport_close(transport));
    may(asyncio_datagram_transport_abort(transport));
    must(asyncio_datagram_transport_is_closing(transport));
}

static void use_datagrams(asyncio_loop_t *loop)
{
    static node_t nodes[2];
    asyncio_datagram_transport_t *transport = NULL;
    asyncio_datagram_endpoint_options_t options = {.size = sizeof(options),
                                                   .local_host = "127.0.0.1",
                                                   .pktinfo = true,
                                                   .report_icmp = true,
                                                   .max_size = 64};
    int other = asyncio_loop_get_engine(loop) == ASYNCIO_ENGINE_SIM ? -EOPNOTSUPP : ASYNCIO_EGAI;
    if (may_be(asyncio_loop_create_datagram_endpoint(loop, make_node, &nodes[0], &options,
                                                     &transport, NULL),
               other) == 0)
        use_transport(transport);
    asyncio_datagram_transport_unref(transport);
    transport = NULL;
    asyncio_coroutine_t *object = asyncio_loop_create_datagram_endpoint_coroutine(
        loop, make_node, &nodes[1], &options, &transport, NULL);
    if (is_there(object) && may_be(asyncio_await(object, NULL), other) == 0)
        may(asyncio_datagram_transport_abort(transport));
    asyncio_datagram_transport_unref(transport);
    for (int i = 0; i < 4; i++)
        may(asyncio_sleep(0));
}

const scenario_t sweep_datagrams = {
    .name = "datagrams", .use = use_datagrams, .has_sockets = true};
