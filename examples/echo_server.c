/* SPDX-License-Identifier: MIT */
/* A server that sends every line back: each connection is a task that reads like a thread. */
#include <asyncio.h>
#include <stdio.h>
#include <stdlib.h>

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

static int serve(int port, void **ret_result)                   /* async def serve(port): */
{
    (void)ret_result;
    asyncio_server_t *server = NULL;
    /* server = await start_server( */
    int rc = asyncio_start_server("127.0.0.1", (uint16_t)port, handle_echo,
                                  /* arg= */ NULL, /* options= */ NULL, &server);
    if (rc < 0)
        return rc;
    printf("serving on 127.0.0.1:%d\n", asyncio_server_port(server, 0));
    fflush(stdout);
    rc = asyncio_server_serve_forever(server);                /*     await server.serve_forever() */
    asyncio_server_unref(server);
    return rc;
}
ASYNCIO_COROUTINE(serve, (int, port));

int main(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 8888;
    int rc = asyncio_run(serve_coroutine(port), NULL);          /* asyncio.run(serve(port)) */
    if (rc < 0)
        fprintf(stderr, "%s: %s\n", asyncio_error_name(rc), asyncio_strerror(rc));
    return rc < 0;
}
