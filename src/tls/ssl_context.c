/* SPDX-License-Identifier: MIT */
/* Contexts: how they are made, frozen and freed; see ssl_context.h and <asyncio/ssl.h>. */
#include "tls/ssl_context.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <unistd.h>

#include "base/memory.h"
#include "tls/ssl_session.h"

/* --- failures ------------------------------------------------------------------------------ */

int asyncio__ssl_context_fail(const char *what)
{
    char text[256];
    unsigned long error = ERR_peek_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    int code = ASYNCIO_ESSL;
    if (error && ERR_GET_LIB(error) == ERR_LIB_SYS)
        code = -ERR_GET_REASON(error);
    else if (error && ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
        code = -ENOMEM;
    snprintf(text, sizeof(text), "%s: %s", what, reason ? reason : asyncio_strerror(code));
    ERR_clear_error();
    return asyncio__fail_with(code, asyncio__error_new_ssl(code, text, NULL, 0));
}

/* --- frozen -------------------------------------------------------------------------------- */

int asyncio__ssl_context_change(asyncio_ssl_context_t *context)
{
    if (!context)
        return asyncio__fail(-EINVAL, "\"context\" must not be NULL");
    if (atomic_load_explicit(&context->is_frozen, memory_order_acquire))
        return asyncio__fail(ASYNCIO_ERUNTIME,
                             "the context is in use, and cannot be changed any more");
    ERR_clear_error();
    return 0;
}

/* Release here and acquire in a thread that finds it frozen: that sees the authorities. */
int asyncio__ssl_context_freeze(asyncio_ssl_context_t *context)
{
    if (atomic_load_explicit(&context->is_frozen, memory_order_acquire))
        return 0;
    int rc = 0;
    pthread_mutex_lock(&context->lock);
    bool wants_system = context->is_client && !context->is_foreign && !context->has_authorities &&
                        SSL_CTX_get_verify_mode(context->ctx) != SSL_VERIFY_NONE;
    if (!atomic_load_explicit(&context->is_frozen, memory_order_relaxed)) {
        ERR_clear_error();
        if (wants_system && SSL_CTX_set_default_verify_paths(context->ctx) != 1)
            rc = asyncio__ssl_context_fail("the system's authorities cannot be loaded");
        ERR_clear_error();
        if (rc == 0)
            atomic_store_explicit(&context->is_frozen, true, memory_order_release);
    }
    pthread_mutex_unlock(&context->lock);
    return rc;
}

/* --- made and freed ------------------------------------------------------------------------ */

/* Notes which certificate of the chain was refused, for the message. */
static int on_verify(int is_good, X509_STORE_CTX *store)
{
    if (is_good)
        return 1;
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    asyncio__tls_channel_t *channel = ssl ? BIO_get_data(SSL_get_rbio(ssl)) : NULL;
    if (channel && channel->verify_depth < 0)
        channel->verify_depth = X509_STORE_CTX_get_error_depth(store);
    return 0;
}

/* Takes ctx; NULL: no memory. */
static asyncio_ssl_context_t *new_context(SSL_CTX *ctx)
{
    asyncio_ssl_context_t *context = ctx ? asyncio__calloc(sizeof(*context)) : NULL;
    if (!context || pthread_mutex_init(&context->lock, NULL) != 0) {
        asyncio__free(context, sizeof(*context));
        SSL_CTX_free(ctx);
        ERR_clear_error();
        return asyncio__fail_new(-ENOMEM, NULL);
    }
    context->class = &asyncio__ssl_linked_class;
    atomic_init(&context->refs, 1);
    atomic_init(&context->is_frozen, false);
    context->ctx = ctx;
    context->keylog_fd = -1;
    return context;
}

/* Ciphers of TLS 1.2: forward secrecy, no SHA-1, and what OpenSSL calls level 2 also where its own
 * default is lower. */
#define CIPHERS "@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:" \
                "!SHA1:!AESCCM"

/* What Python 3.13's create_default_context() sets. */
static bool set_defaults(SSL_CTX *ctx)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_CTX_set_cipher_list(ctx, CIPHERS) == 1 &&
           SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"asyncio", 7) == 1 &&
           X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_TRUSTED_FIRST |
                                                  X509_V_FLAG_PARTIAL_CHAIN |
                                                  X509_V_FLAG_X509_STRICT) == 1;
}

asyncio_ssl_context_t *asyncio_ssl_create_default_context(asyncio_ssl_purpose_t purpose)
{
    if (purpose != ASYNCIO_SSL_SERVER_AUTH && purpose != ASYNCIO_SSL_CLIENT_AUTH)
        return asyncio__fail_new(-EINVAL, "\"purpose\" must be ASYNCIO_SSL_SERVER_AUTH or "
                                          "ASYNCIO_SSL_CLIENT_AUTH");
    bool is_client = purpose == ASYNCIO_SSL_SERVER_AUTH;
    SSL_CTX *ctx = SSL_CTX_new(is_client ? TLS_client_method() : TLS_server_method());
    if (ctx && !set_defaults(ctx)) {
        SSL_CTX_free(ctx);
        ctx = NULL;
    }
    asyncio_ssl_context_t *context = new_context(ctx);
    if (!context)
        return NULL;
    context->is_client = context->checks_hostname = is_client;
    context->is_server = !is_client;
    SSL_CTX_set_verify(ctx, is_client ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, on_verify);
    return context;
}

static asyncio_ssl_context_t *default_client;
static pthread_mutex_t default_client_lock = PTHREAD_MUTEX_INITIALIZER;

asyncio_ssl_context_t *asyncio_ssl_default_client_context(void)
{
    pthread_mutex_lock(&default_client_lock);
    if (!default_client) {
        asyncio_ssl_context_t *made = asyncio_ssl_create_default_context(ASYNCIO_SSL_SERVER_AUTH);
        if (made && asyncio__ssl_context_freeze(made) < 0) {
            asyncio_ssl_context_unref(made);
            made = asyncio__fail_new(-ENOMEM, NULL);
        }
        default_client = made;
    }
    pthread_mutex_unlock(&default_client_lock);
    return default_client;
}

asyncio_ssl_context_t *asyncio_ssl_context_from_openssl(struct ssl_ctx_st *ctx)
{
    if (!ctx)
        return asyncio__fail_new(-EINVAL, "\"ctx\" must not be NULL");
    if (SSL_CTX_up_ref(ctx) != 1)
        return asyncio__fail_new(-ENOMEM, NULL);
    asyncio_ssl_context_t *context = new_context(ctx);
    if (!context)
        return NULL;
    context->is_client = context->is_server = context->is_foreign = true;
    context->checks_hostname = SSL_CTX_get_verify_mode(ctx) != SSL_VERIFY_NONE;
    return context;
}

struct ssl_ctx_st *asyncio_ssl_context_openssl(const asyncio_ssl_context_t *context)
{
    return context ? context->ctx : NULL;
}

asyncio_ssl_context_t *asyncio_ssl_context_ref(asyncio_ssl_context_t *context)
{
    if (context)
        atomic_fetch_add_explicit(&context->refs, 1, memory_order_relaxed);
    return context;
}

void asyncio_ssl_context_unref(asyncio_ssl_context_t *context)
{
    /* Release here and acquire in the last one: its thread sees what the others wrote. */
    if (!context || atomic_fetch_sub_explicit(&context->refs, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(context->ctx);
    asyncio__ssl_sessions_free(context->sessions);
    asyncio__free(context->alpn, context->alpn_bytes);
    if (context->keylog_fd >= 0)
        close(context->keylog_fd);
    pthread_mutex_destroy(&context->lock);
    asyncio__free(context, sizeof(*context));
}
