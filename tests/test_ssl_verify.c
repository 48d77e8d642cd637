/* SPDX-License-Identifier: MIT */
/*
 * What clients and servers verify: each bad chain fails with its own code and words, on the side
 * that refuses it; and what switches that off says so in its name.
 */
#include <asyncio.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/ssl_fixture.h"

/* A connection that must fail, or succeed (code 0). */
typedef struct attempt {
    certificate_t server;       /* of the server; dropped */
    const char *chain;          /* PEM to send behind it; NULL: none */
    const char *host;           /* NULL: "localhost" */
    const char *crl;            /* loaded by the client; NULL: none */
    bool skips_verify, skips_hostname, trusts_nothing;
    bool is_weak;               /* the server's key, which its own context allows */
    int code;                   /* that the client gets */
    int verify_code;            /* and OpenSSL's */
    const char *words;          /* that its message holds */
} attempt_t;

static asyncio_ssl_context_t *server_context(attempt_t *attempt)
{
    asyncio_ssl_context_t *context = asyncio_ssl_create_default_context(ASYNCIO_SSL_CLIENT_AUTH);
    if (attempt->is_weak)
        SSL_CTX_set_security_level(asyncio_ssl_context_openssl(context), 0);
    size_t size = strlen(attempt->server.cert) + (attempt->chain ? strlen(attempt->chain) : 0);
    char *chain = malloc(size + 1);
    strcpy(chain, attempt->server.cert);
    if (attempt->chain)
        strcat(chain, attempt->chain);
    assert_int_equal(
        asyncio_ssl_context_load_cert_chain_pem(context, chain, size, attempt->server.key,
                                                strlen(attempt->server.key), NULL, NULL), 0);
    free(chain);
    return context;
}

static asyncio_ssl_context_t *client_context(const attempt_t *attempt)
{
    asyncio_ssl_context_t *context = attempt->trusts_nothing
        ? asyncio_ssl_create_default_context(ASYNCIO_SSL_SERVER_AUTH) : new_client_context();
    if (attempt->crl) {
        char *path = certificate_write("crl.pem", attempt->crl);
        assert_int_equal(asyncio_ssl_context_load_crl(context, path), 0);
        remove(path);
        free(path);
    }
    if (attempt->skips_verify)
        assert_int_equal(asyncio_ssl_context_insecure_skip_verify(context), 0);
    if (attempt->skips_hostname)
        assert_int_equal(asyncio_ssl_context_insecure_skip_hostname(context), 0);
    return context;
}

static int try_attempt(void *arg, void **ret_result)
{
    (void)ret_result;
    attempt_t *attempt = arg;
    pair_options_t options = {.server_ssl = server_context(attempt),
                              .client_ssl = client_context(attempt),
                              .server_hostname = attempt->host};
    pair_t pair;
    open_server(&pair, &options);
    int rc = connect_pair(&pair, &options);
    asyncio_error_t *error = rc < 0 ? asyncio_error_of(rc) : NULL;
    if (rc != attempt->code && error)
        asyncio_error_print(error, stderr);
    assert_int_equal(rc, attempt->code);
    assert_int_equal(asyncio_error_ssl_verify_code(error), attempt->verify_code);
    if (attempt->words && !strstr(asyncio_error_message(error), attempt->words))
        fail_msg("\"%s\" does not hold \"%s\"", asyncio_error_message(error), attempt->words);
    if (attempt->verify_code)
        assert_string_equal(asyncio_error_ssl_reason(error), "CERTIFICATE_VERIFY_FAILED");
    asyncio_error_unref(error);
    close_pair(&pair);
    return 0;
}

static void run_attempt(attempt_t attempt)
{
    run_ssl_with(try_attempt, &attempt);
    certificate_drop(&attempt.server);
}

#define LEAF(...) certificate_new(&(certificate_options_t){.name = "localhost", __VA_ARGS__})
#define REFUSED   .code = ASYNCIO_ESSLCERTVERIFICATION

/* A certificate is valid between two dates. */
static void test_dates(void **state)
{
    (void)state;
    skip_without_sockets();
    run_attempt((attempt_t){.server = LEAF(.names = "DNS:localhost", .issuer = &test_ca,
                                           .from_days = 20, .until_days = -1),
                            REFUSED, .verify_code = 10, .words = "certificate has expired"});
    run_attempt((attempt_t){.server = LEAF(.names = "DNS:localhost", .issuer = &test_ca,
                                           .from_days = -2),
                            REFUSED, .verify_code = 9, .words = "certificate is not yet valid"});
}

/* A certificate must be issued by an authority that is trusted, and all between must be sent. */
static void test_issuers(void **state)
{
    (void)state;
    skip_without_sockets();
    certificate_t other = certificate_new(
        &(certificate_options_t){.name = "another authority", .is_ca = true});
    certificate_t between = certificate_new(
        &(certificate_options_t){.name = "between", .is_ca = true, .issuer = &test_ca});
    run_attempt((attempt_t){.server = LEAF(.names = "DNS:localhost"), REFUSED, .verify_code = 18,
                            .words = "self-signed certificate"});
    run_attempt((attempt_t){.server = LEAF(.names = "DNS:localhost", .issuer = &other), REFUSED,
                            .verify_code = 20, .words = "unable to get local issuer certificate"});
    run_attempt((attempt_t){.server = LEAF(.names = "DNS:localhost", .issuer = &between), REFUSED,
                            .verify_code = 20, .words = "unable to get local issuer certificate"});
    run_attempt((attempt_t){.server = LEAF(.names = "DNS:localhost", .issuer = &between),
                            .chain = between.cert});
    run_attempt((attempt_t){.server = LEAF(.names = "DNS:localhost", .issuer = &test_ca),
                            .trusts_nothing = true, REFUSED, .verify_code = 20,
                            .words = "of 'localhost'"});
    certificate_drop(&between);
    certificate_drop(&other);
}

/* The name in the certificate must be the host's: of a wildcard one label, of an address itself. */
static void test_names(void **state)
{
    skip_without_sockets();
    static const struct {
        const char *names, *host;
        int code;
    } cases[] = {
        {"DNS:other.example", "localhost", 62},
        {"DNS:localhost.", "localhost", 62},
        {"DNS:localhost", "localhost.", 0},
        {"DNS:*.example.org", "www.example.org", 0},
        {"DNS:*.example.org", "a.www.example.org", 62},
        {"DNS:*.example.org", "example.org", 62},
        {"DNS:w*.example.org", "www.example.org", 62},
        {"IP:127.0.0.1", "127.0.0.1", 0},
        {"IP:127.0.0.2", "127.0.0.1", 64},
        {"DNS:127.0.0.1", "127.0.0.1", 64},
        {"IP:::1", "::1", 0},
        {NULL, "localhost", 0}, /* without other names OpenSSL takes the common name */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        run_attempt((attempt_t){
            .server = LEAF(.names = cases[i].names, .issuer = &test_ca), .host = cases[i].host,
            .code = cases[i].code ? ASYNCIO_ESSLCERTVERIFICATION : 0, .verify_code = cases[i].code,
            .words = cases[i].code ? "certificate is not valid for '" : NULL});
}

/* A certificate may be revoked; an authority without a list is refused once there is one. */
static void test_revoked(void **state)
{
    (void)state;
    skip_without_sockets();
    certificate_t bad = LEAF(.names = "DNS:localhost", .issuer = &test_ca);
    char *list = certificate_revoke(&test_ca, &bad);
    run_attempt((attempt_t){.server = bad, .crl = list, REFUSED, .verify_code = 23,
                            .words = "certificate revoked"});
    run_attempt((attempt_t){.server = LEAF(.names = "DNS:localhost", .issuer = &test_ca),
                            .crl = list});
    free(list);
}

/* A key that can be broken is refused, one's own and the peer's. */
static void test_weak_key(void **state)
{
    (void)state;
    skip_without_sockets();
    run_attempt((attempt_t){.server = LEAF(.names = "DNS:localhost", .issuer = &test_ca,
                                           .rsa_bits = 1024),
                            .is_weak = true, REFUSED, .verify_code = 66,
                            .words = "EE certificate key too weak"});
    asyncio_ssl_context_t *context = asyncio_ssl_create_default_context(ASYNCIO_SSL_CLIENT_AUTH);
    certificate_t weak = LEAF(.names = "DNS:localhost", .issuer = &test_ca, .rsa_bits = 1024);
    int rc = asyncio_ssl_context_load_cert_chain_pem(context, weak.cert, strlen(weak.cert),
                                                     weak.key, strlen(weak.key), NULL, NULL);
    assert_int_equal(rc, ASYNCIO_ESSL);
    asyncio_error_t *error = asyncio_error_of(rc);
    assert_non_null(strstr(asyncio_error_message(error), "ee key too small"));
    asyncio_error_unref(error);
    asyncio_error_clear();
    certificate_drop(&weak);
    asyncio_ssl_context_unref(context);
}

/* Verification is switched off by functions that say so, and by nothing else. */
static void test_insecure(void **state)
{
    (void)state;
    skip_without_sockets();
    run_attempt((attempt_t){.server = LEAF(.names = "DNS:other.example"), .skips_verify = true});
    run_attempt((attempt_t){.server = LEAF(.names = "DNS:other.example", .issuer = &test_ca),
                            .skips_hostname = true});
    run_attempt((attempt_t){.server = LEAF(.names = "DNS:other.example"), .skips_hostname = true,
                            REFUSED, .verify_code = 18});
}

/* --- certificates of clients --------------------------------------------------------------- */

typedef struct client_attempt {
    asyncio_ssl_verify_mode_t mode;
    certificate_t client; /* cert NULL: none */
    int code;             /* with which the first read fails; 0: it succeeds */
    const char *reason;   /* OpenSSL's, of what the server said */
} client_attempt_t;

static int try_client(void *arg, void **ret_result)
{
    (void)ret_result;
    client_attempt_t *attempt = arg;
    pair_options_t options = {.server_ssl = new_server_context(NULL),
                              .client_ssl = new_client_context()};
    assert_int_equal(asyncio_ssl_context_load_verify_pem(options.server_ssl, test_ca.cert,
                                                         strlen(test_ca.cert)), 0);
    assert_int_equal(asyncio_ssl_context_set_verify_mode(options.server_ssl, attempt->mode), 0);
    if (attempt->client.cert)
        assert_int_equal(
            asyncio_ssl_context_load_cert_chain_pem(
                options.client_ssl, attempt->client.cert, strlen(attempt->client.cert),
                attempt->client.key, strlen(attempt->client.key), NULL, NULL), 0);
    pair_t pair;
    char byte;
    open_server(&pair, &options);
    assert_int_equal(connect_pair(&pair, &options), 0); /* TLS 1.3: the refusal comes later */
    asyncio_stream_writer_write(pair.writer, "x", 1);
    ssize_t rc = asyncio_stream_reader_read(pair.reader, &byte, 1);
    assert_int_equal(rc, attempt->code ? attempt->code : 1);
    asyncio_error_t *error = rc < 0 ? asyncio_error_of((int)rc) : NULL;
    if (attempt->reason)
        assert_string_equal(asyncio_error_ssl_reason(error), attempt->reason);
    asyncio_error_unref(error);
    asyncio_stream_writer_close(pair.writer);
    asyncio_stream_writer_wait_closed(pair.writer);
    asyncio_stream_reader_unref(pair.reader);
    asyncio_stream_writer_unref(pair.writer);
    pair.writer = NULL;
    close_pair(&pair);
    return 0;
}

/* A server may ask for a certificate, or insist on one; a client learns of the refusal when it
 * reads. */
static void test_client_certificates(void **state)
{
    (void)state;
    skip_without_sockets();
    certificate_t good = LEAF(.issuer = &test_ca), wrong = LEAF(.is_ca = false);
    client_attempt_t attempts[] = {
        {ASYNCIO_SSL_CERT_NONE, {.cert = NULL}, 0, NULL},
        {ASYNCIO_SSL_CERT_OPTIONAL, {.cert = NULL}, 0, NULL},
        {ASYNCIO_SSL_CERT_REQUIRED, {.cert = NULL}, ASYNCIO_ESSL,
         "TLSV13_ALERT_CERTIFICATE_REQUIRED"},
        {ASYNCIO_SSL_CERT_REQUIRED, good, 0, NULL},
        {ASYNCIO_SSL_CERT_REQUIRED, wrong, ASYNCIO_ESSL, "TLSV1_ALERT_UNKNOWN_CA"},
        {ASYNCIO_SSL_CERT_OPTIONAL, wrong, ASYNCIO_ESSL, "TLSV1_ALERT_UNKNOWN_CA"},
    };
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
        run_ssl_with(try_client, &attempts[i]);
    certificate_drop(&good);
    certificate_drop(&wrong);
}

/* --- what contexts refuse ------------------------------------------------------------------ */

static int use_wrongly(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_ssl_context_t *client = new_client_context();
    asyncio_ssl_context_t *server = asyncio_ssl_create_default_context(ASYNCIO_SSL_CLIENT_AUTH);
    asyncio_server_t *started;
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    asyncio_server_options_t serving = {.size = sizeof(serving), .ssl = server};
    assert_int_equal(asyncio_start_server("127.0.0.1", 0, echo_client, NULL, &serving, &started),
                     -EINVAL); /* without a certificate */
    serving.ssl = client;
    assert_int_equal(asyncio_start_server("127.0.0.1", 0, echo_client, NULL, &serving, &started),
                     -EINVAL);
    asyncio_connection_options_t wanted = {.size = sizeof(wanted), .ssl = server};
    assert_int_equal(asyncio_open_connection("127.0.0.1", 1, &wanted, &reader, &writer), -EINVAL);
    wanted.ssl = client;
    wanted.server_hostname = "";
    assert_int_equal(asyncio_open_connection("127.0.0.1", 1, &wanted, &reader, &writer), -EINVAL);
    assert_int_equal(asyncio_open_unix_connection("/none", &wanted, &reader, &writer), -EINVAL);
    wanted.server_hostname = NULL;
    wanted.ssl_handshake_timeout = -1;
    assert_int_equal(asyncio_open_connection("127.0.0.1", 1, &wanted, &reader, &writer), -EINVAL);
    wanted = (asyncio_connection_options_t){.size = sizeof(wanted), .server_hostname = "x"};
    assert_int_equal(asyncio_open_connection("127.0.0.1", 1, &wanted, &reader, &writer), -EINVAL);
    asyncio_ssl_context_unref(client);
    asyncio_ssl_context_unref(server);
    return 0;
}

/* A context that cannot be used so is refused before anything is connected. */
static void test_wrong_contexts(void **state)
{
    (void)state;
    skip_without_sockets();
    run_ssl(use_wrongly);
}

static int use_frozen(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    pair_t pair;
    open_pair(&pair, NULL);
    assert_int_equal(asyncio_ssl_context_insecure_skip_verify(pair.client_ssl), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_ssl_context_set_num_tickets(pair.server_ssl, 0), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_ssl_context_load_default_certs(pair.client_ssl), ASYNCIO_ERUNTIME);
    close_pair(&pair);
    return 0;
}

/* A context that is in use does not change any more. */
static void test_frozen(void **state)
{
    (void)state;
    skip_without_sockets();
    run_ssl(use_frozen);
}

static int give_password(char *ret_password, size_t size, void *arg)
{
    if (!arg)
        return -EPERM;
    assert_true(strlen(arg) <= size);
    memcpy(ret_password, arg, strlen(arg));
    return (int)strlen(arg);
}

/* Files, passwords and lists that cannot be used are told apart. */
static void test_settings(void **state)
{
    static const char *const names[] = {"h2", "http/1.1"}, *const bad[] = {""};
    (void)state;
    asyncio_ssl_context_t *context = asyncio_ssl_create_default_context(ASYNCIO_SSL_CLIENT_AUTH);
    char *encrypted = certificate_encrypt(&test_server, "secret");
    const char *cert = test_server.cert;
#define LOAD(key, password, arg) \
    asyncio_ssl_context_load_cert_chain_pem(context, cert, strlen(cert), key, strlen(key), \
                                            password, (void *)(arg))
    assert_int_equal(LOAD(encrypted, give_password, "secret"), 0);
    assert_int_equal(LOAD(encrypted, give_password, "wrong"), ASYNCIO_ESSL);
    assert_int_equal(LOAD(encrypted, give_password, NULL), -EPERM);
    assert_int_equal(LOAD(encrypted, NULL, NULL), ASYNCIO_ESSL);
    assert_int_equal(LOAD("nothing", NULL, NULL), ASYNCIO_ESSL);
    assert_int_equal(LOAD(test_ca.key, NULL, NULL), ASYNCIO_ESSL); /* another one's */
    free(encrypted);
    assert_int_equal(asyncio_ssl_context_load_cert_chain(context, "/none", NULL, NULL, NULL),
                     -ENOENT);
    assert_int_equal(asyncio_ssl_context_load_cert_chain(context, "/tmp", NULL, NULL, NULL),
                     -EISDIR);
    assert_int_equal(asyncio_ssl_context_load_verify_locations(context, "/none", NULL), -ENOENT);
    assert_int_equal(asyncio_ssl_context_load_verify_locations(context, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_ssl_context_load_verify_pem(context, "x", 1), ASYNCIO_ESSL);
    assert_int_equal(asyncio_ssl_context_load_crl(context, "/dev/null"), ASYNCIO_ESSL);
    assert_int_equal(asyncio_ssl_context_set_ciphers(context, "none of these"), -EINVAL);
    assert_int_equal(asyncio_ssl_context_set_ciphersuites(context, "x"), -EINVAL);
    assert_int_equal(asyncio_ssl_context_set_groups(context, "x"), -EINVAL);
    assert_int_equal(asyncio_ssl_context_set_groups(context, "X25519:P-256"), 0);
    assert_int_equal(asyncio_ssl_context_set_alpn_protocols(context, names, 2), 0);
    assert_int_equal(asyncio_ssl_context_set_alpn_protocols(context, bad, 1), -EINVAL);
    assert_int_equal(asyncio_ssl_context_set_minimum_version(context, (asyncio_tls_version_t)1),
                     -EINVAL);
    assert_int_equal(asyncio_ssl_context_insecure_skip_verify(context), -EINVAL);
    assert_int_equal(asyncio_ssl_context_set_session_cache(context, 1), -EINVAL);
    asyncio_ssl_context_unref(context);
    context = new_client_context();
    assert_int_equal(asyncio_ssl_context_set_verify_mode(context, ASYNCIO_SSL_CERT_NONE), -EINVAL);
    assert_int_equal(asyncio_ssl_context_set_sni_callback(context, NULL, NULL), -EINVAL);
    asyncio_ssl_context_unref(context);
    asyncio_error_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates),    cmocka_unit_test(test_issuers),
        cmocka_unit_test(test_names),    cmocka_unit_test(test_revoked),
        cmocka_unit_test(test_weak_key), cmocka_unit_test(test_insecure),
        cmocka_unit_test(test_client_certificates), cmocka_unit_test(test_wrong_contexts),
        cmocka_unit_test(test_frozen),   cmocka_unit_test(test_settings),
    };
    return cmocka_run_group_tests(tests, ssl_setup, ssl_teardown);
}
