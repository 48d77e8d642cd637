/* SPDX-License-Identifier: MIT */
/*
 * What contexts can be told: secrets for debugging, OpenSSL's own contexts, certificates that are
 * exchanged while a server runs, tickets, versions, flags, and certificates that are asked for
 * after the handshake.
 */
#include <asyncio.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/ssl_fixture.h"

/* Closes the client's side of a pair, whose server stays. */
static void close_client(pair_t *pair)
{
    asyncio_stream_writer_close(pair->writer);
    asyncio_stream_writer_wait_closed(pair->writer);
    asyncio_stream_reader_unref(pair->reader);
    asyncio_stream_writer_unref(pair->writer);
    pair->writer = NULL;
}

/* One byte to the echo server and back: what the server said behind its handshake has been read
 * then. */
static int exchange(pair_t *pair)
{
    char byte;
    assert_int_equal(asyncio_stream_writer_write(pair->writer, "x", 1), 0);
    return (int)asyncio_stream_reader_read(pair->reader, &byte, 1);
}

static const asyncio_ssl_object_t *object_of(const pair_t *pair)
{
    return asyncio_stream_writer_get_ssl_object(pair->writer);
}

/* --- secrets ------------------------------------------------------------------------------- */

static size_t count_lines(const char *path, const char *label)
{
    char line[512];
    size_t count = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file))
        count += strncmp(line, label, strlen(label)) == 0;
    fclose(file);
    return count;
}

static int log_secrets(void *arg, void **ret_result)
{
    (void)ret_result;
    char *path = certificate_write("keylog", "");
    assert_int_equal(unlink(path), 0);
    pair_options_t options = {.client_ssl = new_client_context()};
    if (arg) {
        assert_int_equal(setenv("SSLKEYLOGFILE", path, 1), 0);
        assert_int_equal(asyncio_ssl_context_set_keylog_from_environment(options.client_ssl), 0);
        assert_int_equal(unsetenv("SSLKEYLOGFILE"), 0);
    } else {
        assert_int_equal(asyncio_ssl_context_set_keylog_filename(options.client_ssl, path), 0);
    }
    pair_t pair;
    struct stat status;
    open_server(&pair, &options);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(connect_pair(&pair, &options), 0);
        close_client(&pair);
    }
    assert_int_equal(count_lines(path, "CLIENT_TRAFFIC_SECRET_0 "), 2);
    assert_int_equal(count_lines(path, "SERVER_HANDSHAKE_TRAFFIC_SECRET "), 2);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    close_pair(&pair);
    unlink(path);
    free(path);
    return 0;
}

/* The secrets of each connection are appended to the file, which nobody else can read. */
static void test_keylog(void **state)
{
    (void)state;
    run_ssl(log_secrets);
    run_ssl_with(log_secrets, "by the environment");
}

/* A file that cannot be opened is an error; none is asked for, and nothing in the environment, are
 * not. */
static void test_keylog_refuses(void **state)
{
    (void)state;
    asyncio_ssl_context_t *context = asyncio_ssl_create_default_context(ASYNCIO_SSL_SERVER_AUTH);
    assert_int_equal(asyncio_ssl_context_set_keylog_filename(context, "/none/keylog"), -ENOENT);
    assert_int_equal(asyncio_ssl_context_set_keylog_filename(context, NULL), 0);
    assert_int_equal(unsetenv("SSLKEYLOGFILE"), 0);
    assert_int_equal(asyncio_ssl_context_set_keylog_from_environment(context), 0);
    assert_int_equal(asyncio_ssl_context_set_keylog_from_environment(NULL), -EINVAL);
    asyncio_ssl_context_unref(context);
    asyncio_error_clear();
}

/* --- OpenSSL's own contexts ---------------------------------------------------------------- */

static int use_foreign(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    SSL_CTX *server = SSL_CTX_new(TLS_method()), *client = SSL_CTX_new(TLS_method());
    assert_int_equal(SSL_CTX_use_certificate(server, test_server.x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(server, test_server.private_key), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION), 1);
    SSL_CTX_set_mode(client, SSL_MODE_ASYNC); /* which would suspend inside OpenSSL */
    SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
    pair_options_t options = {.server_ssl = asyncio_ssl_context_from_openssl(server),
                              .client_ssl = asyncio_ssl_context_from_openssl(client)};
    assert_ptr_equal(asyncio_ssl_context_openssl(options.client_ssl), client);
    pair_t pair;
    open_server(&pair, &options);
    /* It has no authorities: the system's are not added to it. */
    assert_int_equal(connect_pair(&pair, &options), ASYNCIO_ESSLCERTVERIFICATION);
    assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(client), test_ca.x509), 1);
    options.server_hostname = "other.example";
    assert_int_equal(connect_pair(&pair, &options), ASYNCIO_ESSLCERTVERIFICATION);
    options.server_hostname = NULL;
    assert_int_equal(connect_pair(&pair, &options), 0);
    assert_string_equal(asyncio_ssl_object_version(object_of(&pair)), "TLSv1.2");
    assert_int_equal(exchange(&pair), 1);
    close_pair(&pair);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    return 0;
}

/* A context that was made by OpenSSL's functions verifies what it was told to, and the name. */
static void test_foreign_context(void **state)
{
    (void)state;
    run_ssl(use_foreign);
}

/* --- certificates that are exchanged ------------------------------------------------------- */

static int reload(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    pair_t before, after;
    char first[65], second[65];
    certificate_t other = certificate_new(&(certificate_options_t){
        .name = "localhost", .names = "DNS:localhost", .issuer = &test_ca});
    asyncio_ssl_context_t *renewed = new_server_context(&other);
    open_pair(&before, NULL);
    after = before;
    assert_int_equal(asyncio_server_set_ssl(before.server, renewed), 0);
    assert_int_equal(connect_pair(&after, NULL), 0);
    asyncio_ssl_object_peercert_fingerprint_sha256(object_of(&before), 0, first, sizeof(first));
    asyncio_ssl_object_peercert_fingerprint_sha256(object_of(&after), 0, second, sizeof(second));
    assert_string_not_equal(first, second);
    /* The connection that was there keeps its context, also without other references to it. */
    asyncio_ssl_context_unref(before.server_ssl);
    before.server_ssl = after.server_ssl = renewed;
    assert_int_equal(exchange(&before), 1);
    assert_int_equal(exchange(&after), 1);
    assert_int_equal(asyncio_server_set_ssl(after.server, after.client_ssl), -EINVAL);
    assert_int_equal(asyncio_server_set_ssl(after.server, NULL), -EINVAL);
    close_client(&before);
    close_pair(&after);
    certificate_drop(&other);
    return 0;
}

/* A server that gets a new certificate shows it to the next client, and keeps those that it has. */
static void test_reload(void **state)
{
    (void)state;
    run_ssl(reload);
}

static int reload_plain(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server;
    asyncio_ssl_context_t *ssl = new_server_context(NULL);
    assert_int_equal(asyncio_start_server("127.0.0.1", 0, echo_client, NULL, NULL, &server), 0);
    assert_int_equal(asyncio_server_set_ssl(server, ssl), -EINVAL);
    asyncio_server_close(server);
    asyncio_server_wait_closed(server);
    asyncio_server_unref(server);
    asyncio_ssl_context_unref(ssl);
    return 0;
}

/* A server in plain does not begin to speak TLS. */
static void test_reload_plain(void **state)
{
    (void)state;
    run_ssl(reload_plain);
}

/* --- tickets and sessions ------------------------------------------------------------------ */

/* A connection of each client; returns whether the second had a session of the first. */
static bool is_resumed(pair_options_t *options)
{
    pair_t pair;
    bool is_reused = false;
    open_server(&pair, options);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(connect_pair(&pair, options), 0);
        assert_int_equal(exchange(&pair), 1);
        is_reused = asyncio_ssl_object_session_reused(object_of(&pair));
        close_client(&pair);
    }
    close_pair(&pair);
    return is_reused;
}

static int use_tickets(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    static const struct {
        size_t tickets, cached;
        asyncio_tls_version_t version;
        bool is_resumed;
    } cases[] = {
        {2, 4, ASYNCIO_TLS_1_3, true},  {1, 1, ASYNCIO_TLS_1_3, true},
        {0, 4, ASYNCIO_TLS_1_3, false}, {2, 0, ASYNCIO_TLS_1_3, false},
        {2, 4, ASYNCIO_TLS_1_2, true},  {0, 4, ASYNCIO_TLS_1_2, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pair_options_t options = {.server_ssl = new_server_context(NULL),
                                  .client_ssl = new_client_context()};
        assert_int_equal(
            asyncio_ssl_context_set_num_tickets(options.server_ssl, cases[i].tickets), 0);
        assert_int_equal(
            asyncio_ssl_context_set_session_cache(options.client_ssl, cases[i].cached), 0);
        assert_int_equal(
            asyncio_ssl_context_set_maximum_version(options.client_ssl, cases[i].version), 0);
        assert_int_equal(is_resumed(&options), cases[i].is_resumed);
    }
    return 0;
}

/* A client that keeps sessions resumes them, in both versions, where the server gives tickets. */
static void test_tickets(void **state)
{
    (void)state;
    run_ssl(use_tickets);
}

/* --- versions and ciphers ------------------------------------------------------------------ */

static int agree(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    pair_options_t options = {.server_ssl = new_server_context(NULL),
                              .client_ssl = new_client_context()};
    assert_int_equal(
        asyncio_ssl_context_set_maximum_version(options.client_ssl, ASYNCIO_TLS_1_2), 0);
    assert_int_equal(asyncio_ssl_context_set_ciphers(options.client_ssl,
                                                     "ECDHE-ECDSA-CHACHA20-POLY1305"), 0);
    pair_t pair;
    open_pair(&pair, &options);
    assert_string_equal(asyncio_ssl_object_version(object_of(&pair)), "TLSv1.2");
    assert_string_equal(asyncio_ssl_object_cipher(object_of(&pair)),
                        "ECDHE-ECDSA-CHACHA20-POLY1305");
    assert_int_equal(exchange(&pair), 1);
    close_pair(&pair);

    options = (pair_options_t){.server_ssl = new_server_context(NULL),
                               .client_ssl = new_client_context()};
    assert_int_equal(
        asyncio_ssl_context_set_minimum_version(options.server_ssl, ASYNCIO_TLS_1_3), 0);
    assert_int_equal(
        asyncio_ssl_context_set_maximum_version(options.client_ssl, ASYNCIO_TLS_1_2), 0);
    open_server(&pair, &options);
    int rc = connect_pair(&pair, &options);
    asyncio_error_t *error = asyncio_error_of(rc);
    assert_int_equal(rc, ASYNCIO_ESSL);
    assert_string_equal(asyncio_error_ssl_reason(error), "TLSV1_ALERT_PROTOCOL_VERSION");
    asyncio_error_unref(error);
    pair.writer = NULL;
    close_pair(&pair);
    return 0;
}

/* Both sides keep to the versions and ciphers that they were told, and say when they do not
 * meet. */
static void test_versions(void **state)
{
    (void)state;
    run_ssl(agree);
}

/* Ciphers without forward secrecy, or with SHA-1, are not among the defaults, as in Python. */
static void test_default_ciphers(void **state)
{
    (void)state;
    asyncio_ssl_context_t *context = asyncio_ssl_create_default_context(ASYNCIO_SSL_CLIENT_AUTH);
    SSL_CTX *ctx = asyncio_ssl_context_openssl(context);
    STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(ctx);
    assert_true(sk_SSL_CIPHER_num(ciphers) > 5);
    assert_true(SSL_CTX_get_security_level(ctx) >= 2);
    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ciphers, i);
        int exchange_nid = SSL_CIPHER_get_kx_nid(cipher);
        assert_true(exchange_nid == NID_kx_any || exchange_nid == NID_kx_ecdhe ||
                    exchange_nid == NID_kx_dhe);
        assert_int_not_equal(SSL_CIPHER_get_digest_nid(cipher), NID_sha1);
    }
    asyncio_ssl_context_unref(context);
}

/* --- what is verified ---------------------------------------------------------------------- */

/* The flags are those of Python's create_default_context(), and each can be set and cleared. */
static void test_verify_flags(void **state)
{
    (void)state;
    const unsigned defaults = ASYNCIO_SSL_VERIFY_X509_STRICT |
                              ASYNCIO_SSL_VERIFY_X509_TRUSTED_FIRST |
                              ASYNCIO_SSL_VERIFY_X509_PARTIAL_CHAIN;
    asyncio_ssl_context_t *context = asyncio_ssl_create_default_context(ASYNCIO_SSL_SERVER_AUTH);
    assert_int_equal(asyncio_ssl_context_verify_flags(context), defaults);
    assert_int_equal(asyncio_ssl_context_set_verify_flags(
                         context, defaults & ~(unsigned)ASYNCIO_SSL_VERIFY_X509_STRICT), 0);
    assert_int_equal(asyncio_ssl_context_verify_flags(context),
                     defaults & ~(unsigned)ASYNCIO_SSL_VERIFY_X509_STRICT);
    assert_int_equal(asyncio_ssl_context_set_verify_flags(context,
                                                          ASYNCIO_SSL_VERIFY_CRL_CHECK_CHAIN), 0);
    assert_int_equal(asyncio_ssl_context_verify_flags(context), ASYNCIO_SSL_VERIFY_CRL_CHECK_CHAIN);
    assert_int_equal(asyncio_ssl_context_set_verify_flags(context, 0x1), -EINVAL);
    assert_int_equal(asyncio_ssl_context_set_verify_flags(NULL, 0), -EINVAL);
    assert_int_equal(asyncio_ssl_context_verify_flags(NULL), 0);
    asyncio_ssl_context_unref(context);
    asyncio_error_clear();
}

static int check_flags(void *arg, void **ret_result)
{
    (void)ret_result;
    unsigned flags = *(unsigned *)arg;
    pair_options_t options = {.client_ssl = new_client_context()};
    assert_int_equal(asyncio_ssl_context_set_verify_flags(options.client_ssl, flags), 0);
    pair_t pair;
    open_server(&pair, &options);
    int rc = connect_pair(&pair, &options);
    asyncio_error_t *error = rc < 0 ? asyncio_error_of(rc) : NULL;
    bool wants_list = flags & ASYNCIO_SSL_VERIFY_CRL_CHECK_LEAF;
    assert_int_equal(rc, wants_list ? ASYNCIO_ESSLCERTVERIFICATION : 0);
    assert_int_equal(asyncio_error_ssl_verify_code(error),
                     wants_list ? X509_V_ERR_UNABLE_TO_GET_CRL : 0);
    asyncio_error_unref(error);
    close_pair(&pair);
    return 0;
}

/* A client that wants a list of revoked certificates refuses a server without one. */
static void test_flags_are_used(void **state)
{
    (void)state;
    unsigned flags = ASYNCIO_SSL_VERIFY_DEFAULT;
    run_ssl_with(check_flags, &flags);
    flags = ASYNCIO_SSL_VERIFY_CRL_CHECK_LEAF;
    run_ssl_with(check_flags, &flags);
}

/* --- after the handshake ------------------------------------------------------------------- */

typedef struct later {
    bool has_certificate; /* the client */
    bool is_willing;      /* the client allows the question */
    int asked;            /* what asking returned */
    int read;             /* what the server's next read returned */
    char subject[64];     /* of the client, then */
} later_t;

static int ask_later(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    later_t *later = arg;
    char byte;
    const asyncio_ssl_object_t *object = asyncio_stream_writer_get_ssl_object(writer);
    assert_int_equal(asyncio_stream_reader_read(reader, &byte, 1), 1);
    assert_int_equal(asyncio_ssl_object_peercert_count(object), 0);
    later->asked = asyncio_ssl_object_verify_client_post_handshake(object);
    asyncio_error_clear();
    assert_int_equal(asyncio_stream_writer_write(writer, &byte, 1), 0);
    later->read = (int)asyncio_stream_reader_read(reader, &byte, 1);
    if (later->read == 1)
        asyncio_ssl_object_peercert_subject(object, 0, later->subject, sizeof(later->subject));
    asyncio_error_clear();
    return 0;
}

static int meet_later(void *arg, void **ret_result)
{
    (void)ret_result;
    later_t *later = arg;
    pair_options_t options = {.server_ssl = new_server_context(NULL),
                              .client_ssl = new_client_context(), .handler = ask_later,
                              .arg = later};
    assert_int_equal(asyncio_ssl_context_set_post_handshake_auth(options.server_ssl, true), 0);
    assert_int_equal(
        asyncio_ssl_context_set_verify_mode(options.server_ssl, ASYNCIO_SSL_CERT_REQUIRED), 0);
    assert_int_equal(asyncio_ssl_context_load_verify_pem(options.server_ssl, test_ca.cert,
                                                         strlen(test_ca.cert)), 0);
    if (later->is_willing)
        assert_int_equal(asyncio_ssl_context_set_post_handshake_auth(options.client_ssl, true), 0);
    certificate_t own = certificate_new(
        &(certificate_options_t){.name = "a client", .issuer = &test_ca});
    if (later->has_certificate)
        assert_int_equal(asyncio_ssl_context_load_cert_chain_pem(
                             options.client_ssl, own.cert, strlen(own.cert), own.key,
                             strlen(own.key), NULL, NULL), 0);
    pair_t pair;
    open_pair(&pair, &options);
    assert_int_equal(asyncio_ssl_object_verify_client_post_handshake(object_of(&pair)), -EINVAL);
    exchange(&pair);
    assert_int_equal(asyncio_stream_writer_write(pair.writer, "y", 1), 0);
    char byte;
    asyncio_stream_reader_read(pair.reader, &byte, 1); /* the end, or the refusal */
    asyncio_error_clear();
    close_client(&pair);
    close_pair(&pair);
    certificate_drop(&own);
    return 0;
}

/* A server asks for the certificate in the middle of the connection, and refuses a client without
 * one; a client that does not allow that is not asked. */
static void test_post_handshake(void **state)
{
    (void)state;
    later_t later = {.has_certificate = true, .is_willing = true};
    run_ssl_with(meet_later, &later);
    assert_int_equal(later.asked, 0);
    assert_int_equal(later.read, 1);
    assert_string_equal(later.subject, "CN=a client");
    later = (later_t){.is_willing = true};
    run_ssl_with(meet_later, &later);
    assert_int_equal(later.asked, 0);
    assert_int_equal(later.read, ASYNCIO_ESSL);
    later = (later_t){.has_certificate = true};
    run_ssl_with(meet_later, &later);
    assert_int_equal(later.asked, ASYNCIO_ESSL);
    assert_int_equal(later.read, 1);
    assert_string_equal(later.subject, "");
}

/* What is known of nothing is nothing. */
static void test_null(void **state)
{
    (void)state;
    assert_false(asyncio_ssl_object_server_side(NULL));
    assert_null(asyncio_ssl_object_context(NULL));
    assert_null(asyncio_ssl_context_openssl(NULL));
    assert_int_equal(asyncio_ssl_object_verify_client_post_handshake(NULL), -EINVAL);
    assert_int_equal(asyncio_ssl_context_set_post_handshake_auth(NULL, true), -EINVAL);
    asyncio_error_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keylog),          cmocka_unit_test(test_keylog_refuses),
        cmocka_unit_test(test_foreign_context), cmocka_unit_test(test_reload),
        cmocka_unit_test(test_reload_plain),    cmocka_unit_test(test_tickets),
        cmocka_unit_test(test_versions),        cmocka_unit_test(test_default_ciphers),
        cmocka_unit_test(test_verify_flags),
        cmocka_unit_test(test_flags_are_used),  cmocka_unit_test(test_post_handshake),
        cmocka_unit_test(test_null),
    };
    return cmocka_run_group_tests(tests, ssl_setup, ssl_teardown);
}
