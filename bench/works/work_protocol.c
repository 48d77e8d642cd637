/* SPDX-License-Identifier: MIT */
/*
 * The echo servers by protocols, over TCP and UDP: callbacks, and no task for a connection. They do
 * not measure time: load.c sends requests to them, and a signal ends the process.
 */
#include "bench.h"

/** A connection. */
typedef struct echo {
    asyncio_protocol_t protocol;    /**< first, so that a pointer to it is one to the connection */
    asyncio_transport_t *transport; /**< its transport */
} echo_t;

static void connection_made(asyncio_protocol_t *protocol, asyncio_transport_t *transport)
{
    ((echo_t *)protocol)->transport = transport;
}

static void data_received(asyncio_protocol_t *protocol, const void *data, size_t size)
{
    asyncio_transport_t *transport = ((echo_t *)protocol)->transport;
    if (asyncio_transport_write(transport, data, size) < 0)
        asyncio_transport_abort(transport);
}

static void pause_writing(asyncio_protocol_t *protocol)
{
    asyncio_transport_pause_reading(((echo_t *)protocol)->transport);
}

static void resume_writing(asyncio_protocol_t *protocol)
{
    asyncio_transport_resume_reading(((echo_t *)protocol)->transport);
}

static void destroy(asyncio_protocol_t *protocol)
{
    free(protocol);
}

static asyncio_protocol_t *make_echo(void *arg)
{
    static const asyncio_protocol_functions_t functions = {
        .size = sizeof(functions),
        .connection_made = connection_made,
        .data_received = data_received,
        .pause_writing = pause_writing,
        .resume_writing = resume_writing,
        .destroy = destroy,
    };
    (void)arg;
    echo_t *echo = calloc(1, sizeof(*echo));
    if (!echo)
        return NULL;
    echo->protocol.functions = &functions;
    return &echo->protocol;
}

int bench_echo_protocol(uint16_t port)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_server_options_t options = {.size = sizeof(options), .backlog = 1024};
    asyncio_server_t *server;
    int rc = asyncio_loop_create_server(loop, make_echo, /* arg= */ NULL, "127.0.0.1", port,
                                        &options, &server);
    if (rc < 0)
        return rc;
    rc = asyncio_server_serve_forever(server);
    asyncio_server_unref(server);
    return rc;
}

/** The endpoint of the UDP server. */
typedef struct endpoint {
    asyncio_datagram_protocol_t protocol;    /**< first, as in echo_t */
    asyncio_datagram_transport_t *transport; /**< its transport */
} endpoint_t;

static void endpoint_made(asyncio_datagram_protocol_t *protocol,
                          asyncio_datagram_transport_t *transport)
{
    ((endpoint_t *)protocol)->transport = transport;
}

static void datagram_received(asyncio_datagram_protocol_t *protocol, const void *data, size_t size,
                              const struct sockaddr *address, socklen_t address_size)
{
    asyncio_datagram_transport_sendto(((endpoint_t *)protocol)->transport, data, size, address,
                                      address_size);
}

static asyncio_datagram_protocol_t *make_endpoint(void *arg)
{
    static const asyncio_datagram_protocol_functions_t functions = {
        .size = sizeof(functions),
        .connection_made = endpoint_made,
        .datagram_received = datagram_received,
    };
    static endpoint_t endpoint = {.protocol = {&functions}};
    (void)arg;
    return &endpoint.protocol;
}

int bench_udp(uint16_t port)
{
    asyncio_datagram_transport_t *transport;
    asyncio_datagram_endpoint_options_t options = {
        .size = sizeof(options), .local_host = "127.0.0.1", .local_port = port};
    int rc = asyncio_loop_create_datagram_endpoint(asyncio_get_running_loop(), make_endpoint,
                                                   /* arg= */ NULL, &options, &transport,
                                                   /* ret_protocol= */ NULL);
    while (rc == 0)
        rc = asyncio_sleep(3600.0);
    return rc;
}
