/* SPDX-License-Identifier: MIT */
/* A server that sends every line back: each connection is a task that reads like a thread.
 *
 *     echo_server [PORT] [--tls-cert FILE] [--tls-key FILE]
 */
#include <asyncio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int handle_echo(asyncio_stream_reader_t *reader, /* async def handle_echo(reader, writer): */
                       asyncio_stream_writer_t *writer, void *arg)
{
    (void)arg;
    const char *line = NULL;
    char peer[64] = "?";
    asyncio_stream_writer_get_extra_info(writer, "peername", peer, sizeof(peer)); /*     peer = … */
    fprintf(stderr, "connection from %s\n", peer);
    /* line = await reader.readline() */
    ssize_t size = asyncio_stream_reader_readline(reader, &line);
    while (size > 0) {                                          /*     while line: */
        printf("received %.*s", (int)size, line);     /*         print('received', line.decode()) */
        fflush(stdout);
        /* writer.write(line) */
        int rc = asyncio_stream_writer_write(writer, line, (size_t)size);
        if (rc >= 0)
            rc = asyncio_stream_writer_drain(writer);           /*         await writer.drain() */
        if (rc < 0)
            return rc;
        /* line = await reader.readline() */
        size = asyncio_stream_reader_readline(reader, &line);
    }
    return (int)size;                                  /* the connection closes when this returns */
}

static int serve(int port, asyncio_ssl_context_t *ssl, void **ret_result) /* async def serve(…): */
{
    (void)ret_result;
    asyncio_server_t *server = NULL;
    asyncio_server_options_t options = {.size = sizeof(options), .ssl = ssl};
    /* server = await start_server( */
    int rc = asyncio_start_server("127.0.0.1", (uint16_t)port, handle_echo,
                                  /* arg= */ NULL, &options, &server);
    if (rc < 0)
        return rc;
    printf("serving on 127.0.0.1:%d\n", asyncio_server_port(server, 0));
    fflush(stdout);
    rc = asyncio_server_serve_forever(server);                /*     await server.serve_forever() */
    asyncio_server_unref(server);
    return rc;
}
ASYNCIO_COROUTINE(serve, (int, port), (asyncio_ssl_context_t *, ssl));

int main(int argc, char **argv)
{
    int port = 8888, rc = 0;
    const char *cert = NULL, *key = NULL;
    asyncio_ssl_context_t *ssl = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--tls-cert") == 0 && i + 1 < argc)
            cert = argv[++i];
        else if (strcmp(argv[i], "--tls-key") == 0 && i + 1 < argc)
            key = argv[++i];
        else
            port = atoi(argv[i]);
    }
#ifdef ECHO_SERVER_HAS_SSL
    if (cert) {                                     /* ssl = create_default_context(CLIENT_AUTH) */
        ssl = asyncio_ssl_create_default_context(ASYNCIO_SSL_CLIENT_AUTH);
        rc = asyncio_ssl_context_load_cert_chain(ssl, cert, key, NULL, NULL);
    }
#endif
    if (rc == 0)
        rc = asyncio_run(serve_coroutine(port, ssl), NULL);     /* asyncio.run(serve(port)) */
    if (rc < 0)
        fprintf(stderr, "%s: %s\n", asyncio_error_name(rc), asyncio_strerror(rc));
    return rc < 0;
}
