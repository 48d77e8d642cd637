/* SPDX-License-Identifier: MIT */
/* What the tests of TLS share; see ssl_fixture.h. */
#include "ssl_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

certificate_t test_ca, test_server;

int ssl_setup(void **state)
{
    (void)state;
    test_ca = certificate_new(
        &(certificate_options_t){.name = "asyncio test authority", .is_ca = true});
    test_server = certificate_new(&(certificate_options_t){
        .name = "localhost", .names = "DNS:localhost,IP:127.0.0.1", .issuer = &test_ca});
    /* What OpenSSL makes once for the process is not a leak of a test. */
    asyncio_ssl_context_t *context = new_server_context(NULL);
    asyncio_ssl_context_unref(context);
    return 0;
}

int ssl_teardown(void **state)
{
    (void)state;
    certificate_drop(&test_server);
    certificate_drop(&test_ca);
    return 0;
}

asyncio_ssl_context_t *new_server_context(const certificate_t *certificate)
{
    asyncio_ssl_context_t *context = asyncio_ssl_create_default_context(ASYNCIO_SSL_CLIENT_AUTH);
    certificate = certificate ? certificate : &test_server;
    assert_non_null(context);
    assert_int_equal(
        asyncio_ssl_context_load_cert_chain_pem(context, certificate->cert,
                                                strlen(certificate->cert), certificate->key,
                                                strlen(certificate->key), NULL, NULL),
        0);
    return context;
}

asyncio_ssl_context_t *new_client_context(void)
{
    asyncio_ssl_context_t *context = asyncio_ssl_create_default_context(ASYNCIO_SSL_SERVER_AUTH);
    assert_non_null(context);
    assert_int_equal(
        asyncio_ssl_context_load_verify_pem(context, test_ca.cert, strlen(test_ca.cert)), 0);
    return context;
}

int echo_client(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    char buffer[8192];
    ssize_t size;
    (void)arg;
    while ((size = asyncio_stream_reader_read(reader, buffer, sizeof(buffer))) > 0) {
        asyncio_stream_writer_write(writer, buffer, (size_t)size);
        int rc = asyncio_stream_writer_drain(writer);
        if (rc < 0)
            return rc;
    }
    return (int)size;
}

void open_server(pair_t *pair, const pair_options_t *options)
{
    static const pair_options_t none;
    options = options ? options : &none;
    *pair = (pair_t){.server_ssl = options->server_ssl, .client_ssl = options->client_ssl};
    if (!pair->server_ssl)
        pair->server_ssl = new_server_context(NULL);
    if (!pair->client_ssl)
        pair->client_ssl = new_client_context();
    asyncio_server_options_t wanted = {.size = sizeof(wanted), .ssl = pair->server_ssl};
    assert_int_equal(asyncio_start_server("127.0.0.1", 0,
                                          options->handler ? options->handler : echo_client,
                                          options->arg, &wanted, &pair->server),
                     0);
}

int connect_pair(pair_t *pair, const pair_options_t *options)
{
    asyncio_connection_options_t wanted = {.size = sizeof(wanted), .ssl = pair->client_ssl,
                                           .server_hostname = "localhost"};
    if (options && options->server_hostname)
        wanted.server_hostname = options->server_hostname;
    return asyncio_open_connection("127.0.0.1", asyncio_server_port(pair->server, 0), &wanted,
                                   &pair->reader, &pair->writer);
}

void open_pair(pair_t *pair, const pair_options_t *options)
{
    open_server(pair, options);
    int rc = connect_pair(pair, options);
    if (rc < 0) {
        asyncio_error_t *error = asyncio_error_of(rc);
        asyncio_error_print(error, stderr);
        asyncio_error_unref(error);
    }
    assert_int_equal(rc, 0);
}

void close_pair(pair_t *pair)
{
    if (pair->writer) {
        assert_int_equal(asyncio_stream_writer_close(pair->writer), 0);
        assert_int_equal(asyncio_stream_writer_wait_closed(pair->writer), 0);
        asyncio_stream_reader_unref(pair->reader);
        asyncio_stream_writer_unref(pair->writer);
    }
    assert_int_equal(asyncio_server_close(pair->server), 0);
    assert_int_equal(asyncio_server_wait_closed(pair->server), 0);
    asyncio_server_unref(pair->server);
    asyncio_ssl_context_unref(pair->server_ssl);
    asyncio_ssl_context_unref(pair->client_ssl);
}

void skip_without_sockets(void)
{
    const char *engine = getenv("ASYNCIO_ENGINE");
    if (engine && strcmp(engine, "sim") == 0)
        skip();
}

void run_ssl_with(asyncio_coroutine_function_t *fn, void *arg)
{
    skip_without_sockets();
    assert_int_equal(asyncio_run(asyncio_coroutine_full(fn, arg, NULL), NULL), 0);
    asyncio_error_clear();
}

void run_ssl(asyncio_coroutine_function_t *fn)
{
    run_ssl_with(fn, NULL);
}
