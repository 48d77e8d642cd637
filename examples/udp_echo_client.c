/* SPDX-License-Identifier: MIT */
/* Sends a datagram to udp_echo_server and prints what comes back. */
#include <asyncio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct echo_client {                        /* class EchoClientProtocol: */
    asyncio_datagram_protocol_t protocol;
    asyncio_datagram_transport_t *transport;
    const char *message;
    asyncio_future_t *on_con_lost;
} echo_client_t;

static void connection_made(asyncio_datagram_protocol_t *protocol,
                            asyncio_datagram_transport_t *transport)
{
    echo_client_t *self = (echo_client_t *)protocol;
    self->transport = transport;                    /*     self.transport = transport */
    printf("Send: %s\n", self->message);            /*     print('Send:', self.message) */
    asyncio_datagram_transport_sendto(transport, self->message, strlen(self->message), NULL, 0);
}

static void datagram_received(asyncio_datagram_protocol_t *protocol, const void *data, size_t size,
                              const struct sockaddr *address, socklen_t address_size)
{
    (void)address, (void)address_size;
    printf("Received: %.*s\n", (int)size, (const char *)data);
    puts("Close the socket");
    asyncio_datagram_transport_close(((echo_client_t *)protocol)->transport);
}

static void error_received(asyncio_datagram_protocol_t *protocol, int code, asyncio_error_t *error)
{
    (void)error;
    printf("Error received: %s\n", asyncio_strerror(code));
    asyncio_datagram_transport_close(((echo_client_t *)protocol)->transport);
}

static void connection_lost(asyncio_datagram_protocol_t *protocol, int code, asyncio_error_t *error)
{
    (void)code, (void)error;
    puts("Connection closed");                      /*     self.on_con_lost.set_result(True) */
    asyncio_future_set_result(((echo_client_t *)protocol)->on_con_lost, NULL);
}

static const asyncio_datagram_protocol_functions_t functions = {
    sizeof(functions), connection_made, datagram_received, error_received, connection_lost,
    .destroy = NULL,
};

static asyncio_datagram_protocol_t *make_protocol(void *client)
{
    return &((echo_client_t *)client)->protocol;
}

static int echo(int port, void **ret_result)        /* async def main(): */
{
    (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    echo_client_t client = {.protocol = {&functions}, .message = "Hello World!"};
    asyncio_datagram_transport_t *transport = NULL;
    asyncio_datagram_endpoint_options_t options = {
        .size = sizeof(options), .remote_host = "127.0.0.1", .remote_port = (uint16_t)port};
    client.on_con_lost = asyncio_loop_create_future(loop);
    int rc = asyncio_loop_create_datagram_endpoint(loop, make_protocol, &client, &options,
                                                   &transport, NULL);
    if (rc >= 0)
        rc = asyncio_await(client.on_con_lost, NULL); /*     await on_con_lost */
    asyncio_datagram_transport_unref(transport);
    asyncio_future_unref(client.on_con_lost);
    return rc;
}
ASYNCIO_COROUTINE(echo, (int, port));

int main(int argc, char **argv)
{
    return asyncio_run(echo_coroutine(argc > 1 ? atoi(argv[1]) : 9999), NULL) < 0;
}
