/* SPDX-License-Identifier: MIT */
/*
 * Every allocation and every system call of TLS fails: see sweeps/sweep.h. Then every allocation of
 * OpenSSL's, in a handshake and in a conversation: each ends with a code, and leaves nothing.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sanitizer.h"
#include "support/ssl_fixture.h"
#include "sweeps/ssl.h"

struct ssl_ctx_st *sweep_ctx;

/* --- OpenSSL's allocations ----------------------------------------------------------------- */

static struct {
    long count;    /* since it was armed */
    long fails_at; /* 0: never */
    bool for_good; /* and every later one */
    bool was_met;
    long live;     /* blocks of OpenSSL */
} openssl;

static bool strikes(void)
{
    if (openssl.fails_at == 0)
        return false;
    openssl.count++;
    bool is_struck = openssl.for_good ? openssl.count >= openssl.fails_at
                                      : openssl.count == openssl.fails_at;
    openssl.was_met |= is_struck;
    return is_struck;
}

static void *allocate(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    void *block = strikes() ? NULL : malloc(size);
    openssl.live += block != NULL;
    return block;
}

static void release(void *block, const char *file, int line)
{
    (void)file, (void)line;
    openssl.live -= block != NULL;
    free(block);
}

static void *reallocate(void *block, size_t size, const char *file, int line)
{
    if (!block)
        return allocate(size, file, line);
    if (size == 0) {
        release(block, file, line);
        return NULL;
    }
    return strikes() ? NULL : realloc(block, size);
}

static bool is_known(int code)
{
    return code == 0 || code == -ENOMEM || code == ASYNCIO_ESSL || code == ASYNCIO_ESSLEOF ||
           code == ASYNCIO_ESSLCERTVERIFICATION || code == -ECONNRESET || code == -EPIPE ||
           code == ASYNCIO_EINCOMPLETEREAD;
}

static void expect_known(int code)
{
    if (!is_known(code))
        fail_msg("allocation %ld%s: %s", openssl.fails_at, openssl.for_good ? " and on" : "",
                 asyncio_error_name(code));
}

static void ignore(asyncio_loop_t *loop, const asyncio_exception_context_t *context, void *arg)
{
    (void)loop, (void)context, (void)arg;
}

/* A handshake and a few words. */
static int converse(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    pair_options_t options = {.server_ssl = asyncio_ssl_context_ref(sweep_server_ssl),
                              .client_ssl = asyncio_ssl_context_ref(sweep_client_ssl)};
    pair_t pair;
    char word[8] = "";
    asyncio_loop_set_exception_handler(asyncio_get_running_loop(), ignore, NULL);
    open_server(&pair, &options);
    int rc = connect_pair(&pair, &options);
    if (rc == 0) {
        rc = asyncio_stream_writer_write(pair.writer, "words", 5);
        if (rc == 0)
            rc = (int)asyncio_stream_reader_readexactly(pair.reader, word, 5, NULL);
        if (rc == 5)
            assert_string_equal(word, "words");
        asyncio_stream_writer_close(pair.writer);
        asyncio_stream_writer_wait_closed(pair.writer);
        asyncio_stream_reader_unref(pair.reader);
        asyncio_stream_writer_unref(pair.writer);
    }
    pair.writer = NULL;
    openssl.fails_at = 0;
    expect_known(rc < 0 ? rc : 0);
    close_pair(&pair);
    return 0;
}

/* Makes a context with a certificate and an authority, as far as that goes. */
static int configure(void)
{
    asyncio_ssl_context_t *context = asyncio_ssl_create_default_context(ASYNCIO_SSL_CLIENT_AUTH);
    int rc = context ? 0 : asyncio_errno();
    if (context)
        rc = asyncio_ssl_context_load_cert_chain_pem(
            context, test_server.cert, strlen(test_server.cert), test_server.key,
            strlen(test_server.key), NULL, NULL);
    expect_known(rc);
    if (rc == 0)
        rc = asyncio_ssl_context_load_verify_pem(context, test_ca.cert, strlen(test_ca.cert));
    expect_known(rc);
    if (rc == 0)
        rc = asyncio_ssl_context_load_crl(context, sweep_crl_path);
    asyncio_ssl_context_unref(context);
    return rc;
}

static void try_with_fault(bool is_conversation)
{
    openssl.count = 0;
    openssl.was_met = false;
    if (is_conversation)
        assert_int_equal(asyncio_run(asyncio_coroutine(converse, NULL), NULL), 0);
    else
        expect_known(configure());
    openssl.fails_at = 0;
    asyncio_error_clear();
}

static long following(long at)
{
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
    return at < 4 ? at + 1 : at + at / 4;
#else
    return at < 60 && !asyncio__on_valgrind() ? at + 1 : at + at / 12 + 1;
#endif
}

static void sweep_openssl(bool is_conversation)
{
    long runs = 0, blocks = asyncio__live_blocks();
    for (int i = 0; i < 3; i++)
        try_with_fault(is_conversation);
    for (int for_good = 0; for_good < 2; for_good++) {
        bool was_met = true;
        for (long at = 1; was_met; at = following(at), runs++) {
            openssl.fails_at = at;
            openssl.for_good = for_good;
            try_with_fault(is_conversation);
            was_met = openssl.was_met;
            assert_int_equal(asyncio__live_blocks(), blocks);
        }
    }
    try_with_fault(is_conversation);
    long live = openssl.live;
    for (int i = 0; i < 3; i++)
        try_with_fault(is_conversation);
    assert_int_equal(openssl.live, live);
    print_message("%ld runs\n", runs);
}

/* A handshake in which OpenSSL is out of memory fails, on whichever side, and nothing else does. */
static void test_openssl_in_conversation(void **state)
{
    (void)state;
    skip_without_sockets();
    sweep_openssl(true);
}

/* So does a context that is made then. */
static void test_openssl_in_contexts(void **state)
{
    (void)state;
    sweep_openssl(false);
}

/* --- what the scenarios need --------------------------------------------------------------- */

static int set_up(void **state)
{
    ssl_setup(state);
    certificate_t own = certificate_new(&(certificate_options_t){
        .name = "client", .issuer = &test_ca});
    sweep_server_ssl = new_server_context(NULL);
    sweep_client_ssl = new_client_context();
    asyncio_ssl_context_load_verify_pem(sweep_server_ssl, test_ca.cert, strlen(test_ca.cert));
    asyncio_ssl_context_set_verify_mode(sweep_server_ssl, ASYNCIO_SSL_CERT_REQUIRED);
    asyncio_ssl_context_load_cert_chain_pem(sweep_client_ssl, own.cert, strlen(own.cert), own.key,
                                            strlen(own.key), NULL, NULL);
    char *list = certificate_revoke(&test_ca, NULL);
    sweep_cert_path = certificate_write("sweep-cert.pem", test_server.cert);
    sweep_key_path = certificate_write("sweep-key.pem", test_server.key);
    sweep_crl_path = certificate_write("sweep-crl.pem", list);
    sweep_ctx = SSL_CTX_new(TLS_method());
    asyncio_ssl_default_client_context(); /* it stays */
    free(list);
    certificate_drop(&own);
    return 0;
}

static int tear_down(void **state)
{
    char *paths[] = {sweep_cert_path, sweep_key_path, sweep_crl_path};
    for (int i = 0; i < 3; i++) {
        remove(paths[i]);
        free(paths[i]);
    }
    SSL_CTX_free(sweep_ctx);
    asyncio_ssl_context_unref(sweep_server_ssl);
    asyncio_ssl_context_unref(sweep_client_ssl);
    return ssl_teardown(state);
}

#define SWEEPS(scenario)                                                                   \
    {"memory for " #scenario, sweep_memory, NULL, NULL, (void *)(uintptr_t)&sweep_##scenario}, \
    {"calls by " #scenario, sweep_calls, NULL, NULL, (void *)(uintptr_t)&sweep_##scenario}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SWEEPS(ssl_contexts), SWEEPS(tls), SWEEPS(start_tls),
        cmocka_unit_test(test_openssl_in_conversation),
        cmocka_unit_test(test_openssl_in_contexts),
    };
    unsetenv("ASYNCIO_TEST_SWEEP"); /* these are sweeps already */
    if (CRYPTO_set_mem_functions(allocate, reallocate, release) != 1 || !faults_install())
        return 1;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
