/* SPDX-License-Identifier: MIT */
/* A TCP echo server by a protocol: each connection is an object with callbacks, and no task. */
#include <asyncio.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct echo_server {                              /* class EchoServerProtocol(Protocol): */
    asyncio_protocol_t protocol;
    asyncio_transport_t *transport;
} echo_server_t;

/* def connection_made(self, transport): */
static void connection_made(asyncio_protocol_t *protocol, asyncio_transport_t *transport)
{
    char peername[64] = "?";                  /* peername = transport.get_extra_info('peername') */
    asyncio_transport_get_extra_info(transport, "peername", peername, sizeof(peername));
    fprintf(stderr, "Connection from %s\n", peername);
    ((echo_server_t *)protocol)->transport = transport;     /* self.transport = transport */
}

/* def data_received(self, data): */
static void data_received(asyncio_protocol_t *protocol, const void *data, size_t size)
{
    asyncio_transport_t *transport = ((echo_server_t *)protocol)->transport;
    printf("Data received: %.*s\n", (int)size, (const char *)data);
    printf("Send: %.*s\n", (int)size, (const char *)data);
    if (asyncio_transport_write(transport, data, size) < 0) /* self.transport.write(data) */
        asyncio_transport_abort(transport);
    puts("Close the client socket");
    fflush(stdout);
    asyncio_transport_close(transport);                     /* self.transport.close() */
}

static void destroy(asyncio_protocol_t *protocol)
{
    free(protocol);
}

static asyncio_protocol_t *make_echo_server(void *arg)      /* lambda: EchoServerProtocol() */
{
    static const asyncio_protocol_functions_t functions = {
        .size = sizeof(functions),
        .connection_made = connection_made,
        .data_received = data_received,
        .destroy = destroy,
    };
    (void)arg;
    echo_server_t *echo = calloc(1, sizeof(*echo));
    if (!echo)
        return NULL;
    echo->protocol.functions = &functions;
    return &echo->protocol;
}

static int serve(int port, void **ret_result)               /* async def main(): */
{
    (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();      /*     loop = get_running_loop() */
    asyncio_server_t *server = NULL;
    /* server = await loop.create_server(lambda: EchoServerProtocol(), '127.0.0.1', 8888) */
    int rc = asyncio_loop_create_server(loop, make_echo_server, /* arg= */ NULL, "127.0.0.1",
                                        (uint16_t)port, /* options= */ NULL, &server);
    if (rc < 0)
        return rc;
    printf("serving on 127.0.0.1:%d\n", asyncio_server_port(server, 0));
    fflush(stdout);
    rc = asyncio_server_serve_forever(server);              /*     await server.serve_forever() */
    asyncio_server_unref(server);
    return rc;
}
ASYNCIO_COROUTINE(serve, (int, port));

int main(int argc, char **argv)
{
    int rc = asyncio_run(serve_coroutine(argc > 1 ? atoi(argv[1]) : 8888), NULL);
    if (rc < 0)
        fprintf(stderr, "%s: %s\n", asyncio_error_name(rc), asyncio_strerror(rc));
    return rc < 0;
}
