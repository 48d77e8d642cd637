/* SPDX-License-Identifier: MIT */
/* Sends a line to echo_server and prints the reply. */
#include <asyncio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* async def tcp_echo_client(message): */
static int tcp_echo_client(int port, const char *message, void **ret_result)
{
    (void)ret_result;
    asyncio_stream_reader_t *reader = NULL;
    asyncio_stream_writer_t *writer = NULL;
    /* reader, writer = await open_connection( */
    int rc = asyncio_open_connection("127.0.0.1", (uint16_t)port, NULL, &reader, &writer);
    if (rc < 0)
        return rc;
    printf("Send: %s\n", message);                      /*     print(f'Send: {message}') */
    /* writer.write(message.encode()) */
    rc = asyncio_stream_writer_write(writer, message, strlen(message));
    if (rc >= 0)
        rc = asyncio_stream_writer_write(writer, "\n", 1);
    if (rc >= 0)
        rc = asyncio_stream_writer_drain(writer);       /*     await writer.drain() */
    if (rc >= 0) {
        const char *line = NULL;
        /* line = await reader.readline() */
        ssize_t size = asyncio_stream_reader_readline(reader, &line);
        if (size > 0)
            printf("Received: %.*s", (int)size, line); /*     print(f'Received: {line.decode()}') */
        rc = size < 0 ? (int)size : 0;
    }
    puts("Close the connection");                       /*     print('Close the connection') */
    asyncio_stream_writer_close(writer);                /*     writer.close() */
    if (rc >= 0)
        rc = asyncio_stream_writer_wait_closed(writer); /*     await writer.wait_closed() */
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
    return rc;
}
ASYNCIO_COROUTINE(tcp_echo_client, (int, port), (const char *, message));

int main(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 8888;
    const char *message = argc > 2 ? argv[2] : "Hello World!";
    /* asyncio.run(tcp_echo_client('Hello World!')) */
    int rc = asyncio_run(tcp_echo_client_coroutine(port, message), NULL);
    if (rc < 0)
        fprintf(stderr, "%s: %s\n", asyncio_error_name(rc), asyncio_strerror(rc));
    return rc < 0;
}
