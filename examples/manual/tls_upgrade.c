/* SPDX-License-Identifier: MIT */
/* A connection that begins in plain: the client asks for TLS, and both sides start it.
 *
 *     tls_upgrade CAFILE CERTFILE KEYFILE
 */
#include <asyncio.h>
#include <stdio.h>
#include <string.h>

enum { CA = 1, CERT, KEY };

/* --- the server's side --------------------------------------------------------------------- */

static int serve(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *ssl)
{
    const char *line;
    ssize_t size = asyncio_stream_reader_readline(reader, &line);
    if (size < 0)
        return (int)size;
    int rc = asyncio_stream_writer_write(writer, "go ahead\n", 9);
    if (rc == 0) /* await writer.start_tls(ssl): sends what was written first */
        rc = asyncio_stream_writer_start_tls(writer, ssl, NULL);
    if (rc == 0)
        rc = asyncio_stream_writer_write(writer, "secret\n", 7);
    return rc;
}

/* --- the client's side --------------------------------------------------------------------- */

static int print_line(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer)
{
    const char *line;
    ssize_t size = asyncio_stream_reader_readline(reader, &line);
    if (size > 0)
        printf("%s: %.*s", asyncio_stream_writer_get_ssl_object(writer) ? "TLS" : "plain",
               (int)size, line);
    return size < 0 ? (int)size : 0;
}

static int upgrade(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer,
                   asyncio_ssl_context_t *ssl)
{
    asyncio_start_tls_options_t options = {.size = sizeof(options), .server_hostname = "localhost"};
    int rc = asyncio_stream_writer_write(writer, "STARTTLS\n", 9);
    if (rc == 0)
        rc = print_line(reader, writer);
    if (rc == 0) /* await writer.start_tls(ssl, server_hostname="localhost") */
        rc = asyncio_stream_writer_start_tls(writer, ssl, &options);
    return rc < 0 ? rc : print_line(reader, writer);
}

/* --- both ---------------------------------------------------------------------------------- */

static int run(void *arg, void **ret_result)
{
    (void)ret_result;
    char **files = arg;
    asyncio_ssl_context_t *ssl = asyncio_ssl_create_default_context(ASYNCIO_SSL_CLIENT_AUTH);
    asyncio_ssl_context_t *client = asyncio_ssl_create_default_context(ASYNCIO_SSL_SERVER_AUTH);
    asyncio_server_t *server = NULL;
    asyncio_stream_reader_t *reader = NULL;
    asyncio_stream_writer_t *writer = NULL;
    int rc = asyncio_ssl_context_load_cert_chain(ssl, files[CERT], files[KEY], NULL, NULL);
    if (rc == 0)
        rc = asyncio_ssl_context_load_verify_locations(client, files[CA], NULL);
    if (rc == 0)
        rc = asyncio_start_server("127.0.0.1", 0, serve, ssl, NULL, &server);
    if (rc == 0)
        rc = asyncio_open_connection("127.0.0.1", asyncio_server_port(server, 0), NULL, &reader,
                                     &writer);
    if (rc == 0)
        rc = upgrade(reader, writer, client);
    asyncio_stream_writer_close(writer);
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
    asyncio_server_unref(server);
    asyncio_ssl_context_unref(client);
    asyncio_ssl_context_unref(ssl);
    return rc;
}

int main(int argc, char **argv)
{
    return argc != KEY + 1 || asyncio_run(asyncio_coroutine(run, argv), NULL) < 0;
}
