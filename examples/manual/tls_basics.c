/* SPDX-License-Identifier: MIT */
/* A server by TLS and its clients: one trusts the server's authority, one expects another name.
 *
 *     tls_basics CAFILE CERTFILE KEYFILE
 */
#include <asyncio.h>
#include <stdio.h>

typedef struct files {
    const char *ca, *cert, *key;
} files_t;

/* --- the server ---------------------------------------------------------------------------- */

static int echo_line(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)arg;
    const char *line;
    ssize_t size = asyncio_stream_reader_readline(reader, &line);
    return size < 0 ? (int)size : asyncio_stream_writer_write(writer, line, (size_t)size);
}

static int start(const files_t *files, asyncio_server_t **ret_server)
{
    /* ssl = create_default_context(Purpose.CLIENT_AUTH) */
    asyncio_ssl_context_t *ssl = asyncio_ssl_create_default_context(ASYNCIO_SSL_CLIENT_AUTH);
    /* ssl.load_cert_chain(cert, key) */
    int rc = asyncio_ssl_context_load_cert_chain(ssl, files->cert, files->key, NULL, NULL);
    asyncio_server_options_t options = {.size = sizeof(options), .ssl = ssl};
    if (rc == 0) /* server = await start_server(echo_line, "127.0.0.1", 0, ssl=ssl) */
        rc = asyncio_start_server("127.0.0.1", 0, echo_line, NULL, &options, ret_server);
    asyncio_ssl_context_unref(ssl); /* the server has a reference */
    return rc;
}

/* --- the client ---------------------------------------------------------------------------- */

static int say_hello(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer)
{
    const char *line;
    int rc = asyncio_stream_writer_write(writer, "hello\n", 6);
    if (rc < 0)
        return rc;
    ssize_t size = asyncio_stream_reader_readline(reader, &line);
    if (size < 0)
        return (int)size;
    printf("%s: %.*s", asyncio_ssl_object_version(asyncio_stream_writer_get_ssl_object(writer)),
           (int)size, line);
    return 0;
}

static int connect_to(uint16_t port, const char *name, asyncio_ssl_context_t *ssl)
{
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    asyncio_connection_options_t options = {
        .size = sizeof(options), .ssl = ssl, .server_hostname = name};
    /* reader, writer = await open_connection("127.0.0.1", port, ssl=ssl, server_hostname=name) */
    int rc = asyncio_open_connection("127.0.0.1", port, &options, &reader, &writer);
    if (rc == ASYNCIO_ESSLCERTVERIFICATION) { /* except SSLCertVerificationError as error: */
        asyncio_error_t *error = asyncio_error_of(rc);
        printf("%s (%d)\n%s\n", asyncio_error_ssl_reason(error),
               asyncio_error_ssl_verify_code(error), asyncio_error_message(error));
        asyncio_error_unref(error);
    }
    if (rc < 0)
        return rc;
    rc = say_hello(reader, writer);
    asyncio_stream_writer_close(writer);
    int closed = asyncio_stream_writer_wait_closed(writer); /* also for the server's end */
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
    return rc < 0 ? rc : closed;
}

static int run(void *arg, void **ret_result)
{
    (void)ret_result;
    const files_t *files = arg;
    asyncio_server_t *server;
    int rc = start(files, &server);
    if (rc < 0)
        return rc;
    asyncio_ssl_context_t *ssl = asyncio_ssl_create_default_context(ASYNCIO_SSL_SERVER_AUTH);
    rc = asyncio_ssl_context_load_verify_locations(ssl, files->ca, NULL); /* not the system's */
    if (rc == 0)
        rc = connect_to(asyncio_server_port(server, 0), "localhost", ssl);
    if (rc == 0 && connect_to(asyncio_server_port(server, 0), "other.example", ssl) == 0)
        rc = ASYNCIO_ERUNTIME; /* it must not succeed */
    asyncio_server_unref(server);
    asyncio_ssl_context_unref(ssl);
    return rc;
}

int main(int argc, char **argv)
{
    files_t files = {.ca = argv[1], .cert = argv[2], .key = argv[3]};
    return argc != 4 || asyncio_run(asyncio_coroutine(run, &files), NULL) < 0;
}
