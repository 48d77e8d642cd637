/* SPDX-License-Identifier: MIT */
/* A UDP server that sends every datagram back to its sender. */
#include <asyncio.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct echo_server {                          /* class EchoServerProtocol: */
    asyncio_datagram_protocol_t protocol;
    asyncio_datagram_transport_t *transport;
} echo_server_t;

static void connection_made(asyncio_datagram_protocol_t *self,
                            asyncio_datagram_transport_t *transport)
{
    ((echo_server_t *)self)->transport = transport;   /*     self.transport = transport */
}

static void datagram_received(asyncio_datagram_protocol_t *self, const void *data, size_t size,
                              const struct sockaddr *address, socklen_t address_size)
{
    printf("Received %.*s\n", (int)size, (const char *)data);
    fflush(stdout);
    asyncio_datagram_transport_sendto(((echo_server_t *)self)->transport, data, size, address,
                                      address_size);  /*     self.transport.sendto(data, addr) */
}

static const asyncio_datagram_protocol_functions_t functions = {
    .size = sizeof(functions),
    .connection_made = connection_made,
    .datagram_received = datagram_received,
};

static asyncio_datagram_protocol_t *make_protocol(void *arg)
{
    (void)arg;
    static echo_server_t server = {.protocol = {&functions}};
    return &server.protocol;
}

static int serve(int port, void **ret_result)         /* async def main(): */
{
    (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_datagram_transport_t *transport = NULL;
    char name[64] = "?";
    asyncio_datagram_endpoint_options_t options = {
        .size = sizeof(options), .local_host = "127.0.0.1", .local_port = (uint16_t)port};
    /* transport, protocol = await loop.create_datagram_endpoint( */
    int rc = asyncio_loop_create_datagram_endpoint(loop, make_protocol, /* arg= */ NULL, &options,
                                                   &transport, /* ret_protocol= */ NULL);
    if (rc < 0)
        return rc;
    asyncio_datagram_transport_get_extra_info(transport, "sockname", name, sizeof(name));
    printf("serving on %s\n", name);
    fflush(stdout);
    rc = asyncio_sleep(3600);                         /*     await asyncio.sleep(3600) */
    asyncio_datagram_transport_close(transport);      /*     transport.close() */
    asyncio_datagram_transport_unref(transport);
    return rc;
}
ASYNCIO_COROUTINE(serve, (int, port));

int main(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 9999;
    int rc = asyncio_run(serve_coroutine(port), NULL); /* asyncio.run(main()) */
    if (rc < 0)
        fprintf(stderr, "%s: %s\n", asyncio_error_name(rc), asyncio_strerror(rc));
    return rc < 0;
}
