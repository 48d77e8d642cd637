/* SPDX-License-Identifier: MIT */
/* What both sides of TLS choose: protocol, the client's certificate, the server's by name, and a
 * new one while the server runs.
 *
 *     tls_choices CAFILE CERTFILE KEYFILE OTHER-CERTFILE OTHER-KEYFILE
 */
#include <asyncio.h>
#include <stdio.h>
#include <string.h>

static const char *const protocols[] = {"h2", "http/1.1"};
enum { CA = 1, CERT, KEY, OTHER_CERT, OTHER_KEY };

/* --- contexts ------------------------------------------------------------------------------ */

static asyncio_ssl_context_t *choose_by_name(const char *name, void *other)
{
    return name && strcmp(name, "other.example") == 0 ? other : NULL;
}

static asyncio_ssl_context_t *server_context(char **files, int cert, asyncio_ssl_context_t *other)
{
    asyncio_ssl_context_t *ssl = asyncio_ssl_create_default_context(ASYNCIO_SSL_CLIENT_AUTH);
    asyncio_ssl_context_load_cert_chain(ssl, files[cert], files[cert + 1], NULL, NULL);
    /* ssl.load_verify_locations(ca); ssl.verify_mode = CERT_REQUIRED */
    asyncio_ssl_context_load_verify_locations(ssl, files[CA], NULL);
    asyncio_ssl_context_set_verify_mode(ssl, ASYNCIO_SSL_CERT_REQUIRED);
    asyncio_ssl_context_set_alpn_protocols(ssl, protocols, 2); /* ssl.set_alpn_protocols([…]) */
    if (other) /* ssl.sni_callback = choose_by_name */
        asyncio_ssl_context_set_sni_callback(ssl, choose_by_name, other);
    return ssl;
}

static asyncio_ssl_context_t *client_context(char **files)
{
    asyncio_ssl_context_t *ssl = asyncio_ssl_create_default_context(ASYNCIO_SSL_SERVER_AUTH);
    asyncio_ssl_context_load_verify_locations(ssl, files[CA], NULL);
    asyncio_ssl_context_load_cert_chain(ssl, files[CERT], files[KEY], NULL, NULL);
    asyncio_ssl_context_set_alpn_protocols(ssl, protocols + 1, 1);
    return ssl;
}

static int tell(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)reader, (void)arg;
    char client[64];
    const asyncio_ssl_object_t *tls = asyncio_stream_writer_get_ssl_object(writer);
    asyncio_ssl_object_peercert_subject(tls, 0, client, sizeof(client));
    return asyncio_stream_writer_write(writer, client, strlen(client));
}

static int visit(asyncio_server_t *server, const char *name, asyncio_ssl_context_t *ssl)
{
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    asyncio_connection_options_t options = {
        .size = sizeof(options), .ssl = ssl, .server_hostname = name};
    const char *said;
    char subject[64], protocol[16];
    int rc = asyncio_open_connection("127.0.0.1", asyncio_server_port(server, 0), &options, &reader,
                                     &writer);
    if (rc < 0)
        return rc;
    const asyncio_ssl_object_t *tls = asyncio_stream_writer_get_ssl_object(writer);
    asyncio_ssl_object_selected_alpn_protocol(tls, protocol, sizeof(protocol));
    asyncio_ssl_object_peercert_subject(tls, 0, subject, sizeof(subject));
    ssize_t size = asyncio_stream_reader_read_all(reader, &said);
    if (size >= 0)
        printf("%s by %s, and the server met %.*s\n", subject, protocol, (int)size, said);
    asyncio_stream_writer_close(writer);
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
    return size < 0 ? (int)size : 0;
}

static int run(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_ssl_context_t *other = server_context(arg, OTHER_CERT, NULL);
    asyncio_ssl_context_t *ssl = server_context(arg, CERT, other), *client = client_context(arg);
    asyncio_server_options_t options = {.size = sizeof(options), .ssl = ssl};
    asyncio_server_t *server;
    int rc = asyncio_start_server("127.0.0.1", 0, tell, NULL, &options, &server);
    if (rc == 0 && (rc = visit(server, "localhost", client)) == 0 &&
        (rc = visit(server, "other.example", client)) == 0 &&
        (rc = asyncio_server_set_ssl(server, other)) == 0) /* from the next connection on */
        rc = visit(server, "other.example", client);
    if (rc == 0)
        asyncio_server_unref(server);
    asyncio_ssl_context_unref(client);
    asyncio_ssl_context_unref(ssl);
    asyncio_ssl_context_unref(other);
    return rc;
}

int main(int argc, char **argv)
{
    return argc != OTHER_KEY + 1 || asyncio_run(asyncio_coroutine(run, argv), NULL) < 0;
}
