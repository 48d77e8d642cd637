/* SPDX-License-Identifier: MIT */
/*
 * Connections and servers by TLS: handshakes, what is verified, data, and how connections end. On
 * every engine that has sockets.
 */
#include <asyncio.h>
#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/ssl_fixture.h"

/* --- data ---------------------------------------------------------------------------------- */

static int echo_some(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    pair_t pair;
    open_pair(&pair, NULL);
    const char *line;
    assert_int_equal(asyncio_stream_writer_write(pair.writer, "hello\n", 6), 0);
    assert_int_equal(asyncio_stream_reader_readline(pair.reader, &line), 6);
    assert_memory_equal(line, "hello\n", 6);
    const asyncio_ssl_object_t *object = asyncio_stream_writer_get_ssl_object(pair.writer);
    assert_string_equal(asyncio_ssl_object_version(object), "TLSv1.3");
    close_pair(&pair);
    return 0;
}

/* A client verifies the server, and what is written comes back. */
static void test_echo(void **state)
{
    (void)state;
    run_ssl(echo_some);
}

#define MUCH_BYTES 3000000

static int echo_much(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    pair_t pair;
    open_pair(&pair, NULL);
    unsigned char *sent = malloc(MUCH_BYTES), *received = malloc(MUCH_BYTES);
    for (size_t i = 0; i < MUCH_BYTES; i++)
        sent[i] = (unsigned char)(i * 31 + i / 4096);
    struct iovec pieces[3] = {
        {sent, 10}, {sent + 10, 100000}, {sent + 100010, MUCH_BYTES - 100010}};
    assert_int_equal(asyncio_stream_writer_writelines(pair.writer, pieces, 3), 0);
    assert_int_equal(asyncio_stream_reader_readexactly(pair.reader, received, MUCH_BYTES, NULL),
                     MUCH_BYTES);
    assert_memory_equal(sent, received, MUCH_BYTES);
    free(sent);
    free(received);
    close_pair(&pair);
    return 0;
}

/* Three million bytes go there and back, through full buffers on both sides. */
static void test_echo_much(void **state)
{
    (void)state;
    run_ssl(echo_much);
}

/* --- the error queue ----------------------------------------------------------------------- */

static int poison(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    pair_t pair;
    char data[4];
    ERR_raise(ERR_LIB_USER, 1);
    open_pair(&pair, NULL);
    for (int i = 0; i < 10; i++) {
        ERR_raise(ERR_LIB_USER, 1); /* of other code in this thread, which forgot it */
        assert_int_equal(asyncio_stream_writer_write(pair.writer, "ping", 4), 0);
        assert_int_equal(asyncio_stream_reader_readexactly(pair.reader, data, 4, NULL), 4);
    }
    close_pair(&pair);
    return 0;
}

/* Errors that other code has left in OpenSSL's queue change nothing. */
static void test_foreign_errors(void **state)
{
    (void)state;
    run_ssl(poison);
    ERR_clear_error();
}

/* --- what is negotiated -------------------------------------------------------------------- */

static asyncio_ssl_context_t *choose(const char *name, void *arg)
{
    return name && strcmp(name, "other.example") == 0 ? arg : NULL;
}

static int negotiate(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    static const char *const both[] = {"h2", "http/1.1"}, *const one[] = {"http/1.1"};
    certificate_t certificate = certificate_new(&(certificate_options_t){
        .name = "other.example", .names = "DNS:other.example", .issuer = &test_ca});
    asyncio_ssl_context_t *other = new_server_context(&certificate);
    pair_options_t options = {.server_ssl = new_server_context(NULL),
                              .client_ssl = new_client_context(),
                              .server_hostname = "other.example"};
    assert_int_equal(asyncio_ssl_context_set_sni_callback(options.server_ssl, choose, other), 0);
    assert_int_equal(asyncio_ssl_context_set_alpn_protocols(other, both, 2), 0);
    assert_int_equal(asyncio_ssl_context_set_alpn_protocols(options.server_ssl, both, 2), 0);
    assert_int_equal(asyncio_ssl_context_set_alpn_protocols(options.client_ssl, one, 1), 0);
    pair_t pair;
    char text[256];
    open_pair(&pair, &options);
    const asyncio_ssl_object_t *object = asyncio_stream_writer_get_ssl_object(pair.writer);
    assert_int_equal(asyncio_ssl_object_selected_alpn_protocol(object, text, sizeof(text)), 8);
    assert_string_equal(text, "http/1.1");
    assert_string_equal(asyncio_ssl_object_server_hostname(object), "other.example");
    assert_int_equal(asyncio_ssl_object_peercert_count(object), 1);
    assert_true(asyncio_ssl_object_peercert_subject(object, 0, text, sizeof(text)) > 0);
    assert_string_equal(text, "CN=other.example");
    assert_true(asyncio_ssl_object_peercert_issuer(object, 0, text, sizeof(text)) > 0);
    assert_string_equal(text, "CN=asyncio test authority");
    assert_int_equal(asyncio_ssl_object_peercert_fingerprint_sha256(object, 0, text, 256), 64);
    assert_true(asyncio_ssl_object_peercert_serial(object, 0, text, sizeof(text)) > 0);
    assert_true(asyncio_ssl_object_getpeercert_der(object, 0, NULL, 0) > 100);
    assert_int_equal(asyncio_ssl_object_getpeercert_der(object, 1, NULL, 0), ASYNCIO_ELOOKUP);
    assert_true(asyncio_ssl_object_peercert_matches(object, "other.example"));
    assert_false(asyncio_ssl_object_peercert_matches(object, "localhost"));
    assert_true(asyncio_ssl_object_peercert_not_before(object, 0) <
                asyncio_ssl_object_peercert_not_after(object, 0));
    assert_int_equal(asyncio_ssl_object_get_channel_binding(object, "tls-exporter", text, 256), 32);
    assert_int_equal(
        asyncio_ssl_object_get_channel_binding(object, "tls-server-end-point", text, 256), 32);
    assert_non_null(asyncio_ssl_object_openssl(object));
    assert_true(asyncio_stream_writer_get_extra_info(pair.writer, "peercert", text, 256) > 0);
    assert_non_null(strstr(text, "CN=other.example; DNS:other.example; not after "));
    assert_true(asyncio_stream_writer_get_extra_info(pair.writer, "cipher", text, 256) > 0);
    assert_string_equal(text, asyncio_ssl_object_cipher(object));
    assert_int_equal(asyncio_stream_writer_get_extra_info(pair.writer, "alpn", text, 256), 8);
    close_pair(&pair);
    asyncio_ssl_context_unref(other);
    certificate_drop(&certificate);
    return 0;
}

/* A server chooses certificate and protocol by what the client says; both sides can be asked. */
static void test_negotiation(void **state)
{
    (void)state;
    run_ssl(negotiate);
}

static int reuse(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    pair_options_t options = {.client_ssl = new_client_context()};
    assert_int_equal(asyncio_ssl_context_set_session_cache(options.client_ssl, 4), 0);
    pair_t pair;
    char byte;
    open_server(&pair, &options);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(connect_pair(&pair, &options), 0);
        asyncio_stream_writer_write(pair.writer, "x", 1);
        assert_int_equal(asyncio_stream_reader_read(pair.reader, &byte, 1), 1);
        assert_int_equal(asyncio_ssl_object_session_reused(
                             asyncio_stream_writer_get_ssl_object(pair.writer)), i > 0);
        asyncio_stream_writer_close(pair.writer);
        assert_int_equal(asyncio_stream_writer_wait_closed(pair.writer), 0);
        asyncio_stream_reader_unref(pair.reader);
        asyncio_stream_writer_unref(pair.writer);
        pair.writer = NULL;
    }
    close_pair(&pair);
    return 0;
}

/* A client that keeps sessions connects again by a short handshake. */
static void test_sessions(void **state)
{
    (void)state;
    run_ssl(reuse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_echo_much),
        cmocka_unit_test(test_foreign_errors),
        cmocka_unit_test(test_negotiation),
        cmocka_unit_test(test_sessions),
    };
    return cmocka_run_group_tests(tests, ssl_setup, ssl_teardown);
}
