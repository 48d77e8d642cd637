/* SPDX-License-Identifier: MIT */
/*
 * Echo servers by TLS: a protocol for each connection, and a task for each. Like those of
 * work_echo.c they do not measure time: load_tls.c sends requests to them.
 */
#include "bench.h"

#include <stdlib.h>

const char *bench_cert, *bench_key;

enum { BUFFER_BYTES = 16384 };

typedef struct echo {
    asyncio_protocol_t protocol;
    asyncio_transport_t *transport;
} echo_t;

static void made(asyncio_protocol_t *protocol, asyncio_transport_t *transport)
{
    ((echo_t *)protocol)->transport = transport;
}

static void received(asyncio_protocol_t *protocol, const void *data, size_t size)
{
    asyncio_transport_write(((echo_t *)protocol)->transport, data, size);
}

static void destroy(asyncio_protocol_t *protocol)
{
    free(protocol);
}

static const asyncio_protocol_functions_t functions = {
    .size = sizeof(functions), .connection_made = made, .data_received = received,
    .destroy = destroy};

static asyncio_protocol_t *make_echo(void *arg)
{
    echo_t *echo = calloc(1, sizeof(*echo));
    (void)arg;
    if (!echo)
        return NULL;
    echo->protocol.functions = &functions;
    return &echo->protocol;
}

static int serve_streams(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer,
                         void *arg)
{
    (void)arg;
    char buffer[BUFFER_BYTES];
    ssize_t count;
    while ((count = asyncio_stream_reader_read(reader, buffer, sizeof(buffer))) > 0) {
        asyncio_stream_writer_write(writer, buffer, (size_t)count);
        if (asyncio_stream_writer_drain(writer) < 0)
            break;
    }
    return 0;
}

static int serve(uint16_t port, bool has_streams)
{
    asyncio_server_t *server;
    asyncio_ssl_context_t *ssl = asyncio_ssl_create_default_context(ASYNCIO_SSL_CLIENT_AUTH);
    if (!ssl)
        return asyncio_errno();
    int rc = asyncio_ssl_context_load_cert_chain(ssl, bench_cert, bench_key, NULL, NULL);
    asyncio_server_options_t options = {.size = sizeof(options), .backlog = 1024, .ssl = ssl};
    if (rc == 0)
        rc = has_streams ? asyncio_start_server("127.0.0.1", port, serve_streams, NULL, &options,
                                                &server)
                         : asyncio_loop_create_server(asyncio_get_running_loop(), make_echo, NULL,
                                                      "127.0.0.1", port, &options, &server);
    asyncio_ssl_context_unref(ssl);
    if (rc < 0)
        return rc;
    rc = asyncio_server_serve_forever(server);
    asyncio_server_unref(server);
    return rc;
}

int bench_tls(uint16_t port)
{
    return serve(port, false);
}

int bench_tls_streams(uint16_t port)
{
    return serve(port, true);
}
