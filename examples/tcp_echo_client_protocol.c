/* SPDX-License-Identifier: MIT */
/* A TCP echo client by a protocol, which tells a future when the server has closed. */
#include <asyncio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char message[] = "Hello World!";

typedef struct echo_client {                              /* class EchoClientProtocol(Protocol): */
    asyncio_protocol_t protocol;
    asyncio_future_t *on_con_lost;
} echo_client_t;

/* def connection_made(self, transport): */
static void connection_made(asyncio_protocol_t *protocol, asyncio_transport_t *transport)
{
    (void)protocol;
    asyncio_transport_write(transport, message, strlen(message)); /* transport.write(…) */
    printf("Data sent: %s\n", message);
}

static void data_received(asyncio_protocol_t *protocol, const void *data, size_t size)
{
    (void)protocol;                                         /* def data_received(self, data): */
    printf("Data received: %.*s\n", (int)size, (const char *)data);
}

static void connection_lost(asyncio_protocol_t *protocol, int code, asyncio_error_t *error)
{
    (void)code, (void)error;                                /* def connection_lost(self, exc): */
    puts("The server closed the connection");
    /* self.on_con_lost.set_result(True) */
    asyncio_future_set_result(((echo_client_t *)protocol)->on_con_lost, NULL);
}

static void destroy(asyncio_protocol_t *protocol)
{
    asyncio_future_unref(((echo_client_t *)protocol)->on_con_lost);
    free(protocol);
}

static asyncio_protocol_t *make_client(void *on_con_lost)   /* lambda: EchoClientProtocol(…) */
{
    static const asyncio_protocol_functions_t functions = {
        .size = sizeof(functions),
        .connection_made = connection_made,
        .data_received = data_received,
        .connection_lost = connection_lost,
        .destroy = destroy,
    };
    echo_client_t *client = malloc(sizeof(*client));
    if (client)
        *client = (echo_client_t){{&functions}, asyncio_future_ref(on_con_lost)};
    return client ? &client->protocol : NULL;
}

static int run_client(int port, void **ret_result)          /* async def main(): */
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_future_t *on_con_lost = asyncio_loop_create_future(loop);
    asyncio_transport_t *transport = NULL;
    if (!on_con_lost)
        return asyncio_errno();
    /* transport, protocol = await loop.create_connection(lambda: …, '127.0.0.1', 8888) */
    int rc = asyncio_loop_create_connection(loop, make_client, on_con_lost, "127.0.0.1",
                                            (uint16_t)port, /* options= */ NULL, &transport);
    if (rc >= 0)
        rc = asyncio_await(on_con_lost, ret_result);        /*     await on_con_lost */
    asyncio_transport_close(transport);                     /*     transport.close() */
    asyncio_transport_unref(transport);
    asyncio_future_unref(on_con_lost);
    return rc;
}
ASYNCIO_COROUTINE(run_client, (int, port));

int main(int argc, char **argv)
{
    return asyncio_run(run_client_coroutine(argc > 1 ? atoi(argv[1]) : 8888), NULL) < 0;
}
