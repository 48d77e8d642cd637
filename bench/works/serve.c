/* SPDX-License-Identifier: MIT */
/*
 * serve PORT LOOPS MICROSECONDS: an echo server by asyncio_serve() with that number of loops, which
 * computes that long for each request. A signal ends it; harness/serve.py measures it.
 */
#include <asyncio.h>
#include <stdio.h>
#include <stdlib.h>

#include "measure.h"

enum { BUFFER_BYTES = 16384 };

static uint16_t port;
static int64_t compute_ns; /* for each request */

static int echo(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)arg;
    char buffer[BUFFER_BYTES];
    ssize_t count;
    while ((count = asyncio_stream_reader_read(reader, buffer, sizeof(buffer))) > 0) {
        if (compute_ns > 0)
            for (int64_t end_ns = bench_now_ns() + compute_ns; bench_now_ns() < end_ns;)
                continue;
        asyncio_stream_writer_write(writer, buffer, (size_t)count);
        if (asyncio_stream_writer_drain(writer) < 0)
            break;
    }
    return 0;
}

static int set_up(void *arg, size_t index)
{
    (void)arg, (void)index;
    asyncio_server_options_t options = {
        .size = sizeof(options), .backlog = 1024, .listen_name = "echo"};
    asyncio_server_t *server;
    int rc = asyncio_start_server("127.0.0.1", port, echo, NULL, &options, &server);
    if (rc < 0)
        return rc;
    asyncio_server_unref(server);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: serve PORT LOOPS MICROSECONDS\n");
        return 2;
    }
    port = (uint16_t)atoi(argv[1]);
    compute_ns = (int64_t)(atof(argv[3]) * 1e3);
    asyncio_serve_options_t options = {
        .size = sizeof(options), .loops = atoi(argv[2]), .drain_timeout = 0.1};
    return asyncio_serve(set_up, NULL, &options) < 0;
}
