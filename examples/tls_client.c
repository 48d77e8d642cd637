/* SPDX-License-Identifier: MIT */
/* Sends a line to a server by TLS and prints the reply, and what is known of the connection.
 *
 *     tls_client HOST PORT MESSAGE [CAFILE]
 */
#include <asyncio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int talk(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer,
                const char *message)
{
    const char *line = NULL;
    char cert[512] = "?";
    /* writer.get_extra_info('peercert') */
    asyncio_stream_writer_get_extra_info(writer, "peercert", cert, sizeof(cert));
    const asyncio_ssl_object_t *object = asyncio_stream_writer_get_ssl_object(writer);
    fprintf(stderr, "%s, %s\n", asyncio_ssl_object_version(object), cert);
    int rc = asyncio_stream_writer_write(writer, message, strlen(message));
    if (rc == 0)
        rc = asyncio_stream_writer_write(writer, "\n", 1);
    if (rc == 0)
        rc = asyncio_stream_writer_drain(writer);               /* await writer.drain() */
    if (rc < 0)
        return rc;
    ssize_t size = asyncio_stream_reader_readline(reader, &line); /* await reader.readline() */
    if (size > 0)
        printf("Received: %.*s", (int)size, line);
    return size < 0 ? (int)size : 0;
}

/* async def tls_client(host, port, message, ssl): */
static int tls_client(char **arguments, asyncio_ssl_context_t *ssl, void **ret_result)
{
    (void)ret_result;
    asyncio_stream_reader_t *reader = NULL;
    asyncio_stream_writer_t *writer = NULL;
    asyncio_connection_options_t options = {.size = sizeof(options), .ssl = ssl};
    /* reader, writer = await open_connection(host, port, ssl=ssl) */
    int rc = asyncio_open_connection(arguments[1], (uint16_t)atoi(arguments[2]), &options,
                                     &reader, &writer);
    if (rc < 0)
        return rc;
    rc = talk(reader, writer, arguments[3]);
    asyncio_stream_writer_close(writer);                        /* writer.close() */
    if (rc == 0)
        rc = asyncio_stream_writer_wait_closed(writer);         /* await writer.wait_closed() */
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
    return rc;
}
ASYNCIO_COROUTINE(tls_client, (char **, arguments), (asyncio_ssl_context_t *, ssl));

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    /* ssl = create_default_context(cafile=…) */
    asyncio_ssl_context_t *ssl = asyncio_ssl_create_default_context(ASYNCIO_SSL_SERVER_AUTH);
    int rc = argc > 4 ? asyncio_ssl_context_load_verify_locations(ssl, argv[4], NULL) : 0;
    if (rc == 0)
        rc = asyncio_run(tls_client_coroutine(argv, ssl), NULL);
    asyncio_error_t *error = rc < 0 ? asyncio_error_of(rc) : NULL;
    if (error)
        asyncio_error_print(error, stderr);
    asyncio_error_unref(error);
    asyncio_ssl_context_unref(ssl);
    return rc < 0;
}
