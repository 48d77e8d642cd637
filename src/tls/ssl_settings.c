/* SPDX-License-Identifier: MIT */
/* What a context negotiates and verifies; see <asyncio/ssl.h>. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/memory.h"
#include "tls/ssl_context.h"

/* --- versions and ciphers ------------------------------------------------------------------ */

static int check_version(asyncio_ssl_context_t *context, asyncio_tls_version_t version)
{
    int rc = asyncio__ssl_context_change(context);
    if (rc == 0 && version != ASYNCIO_TLS_1_2 && version != ASYNCIO_TLS_1_3)
        rc = asyncio__fail(-EINVAL, "\"version\" must be ASYNCIO_TLS_1_2 or ASYNCIO_TLS_1_3");
    return rc;
}

int asyncio_ssl_context_set_minimum_version(asyncio_ssl_context_t *context,
                                            asyncio_tls_version_t version)
{
    int rc = check_version(context, version);
    if (rc == 0)
        SSL_CTX_set_min_proto_version(context->ctx, (int)version);
    return rc;
}

int asyncio_ssl_context_set_maximum_version(asyncio_ssl_context_t *context,
                                            asyncio_tls_version_t version)
{
    int rc = check_version(context, version);
    if (rc == 0)
        SSL_CTX_set_max_proto_version(context->ctx, (int)version);
    return rc;
}

/* Sets a list of names by a function of OpenSSL. */
static int set_list(asyncio_ssl_context_t *context, const char *list,
                    int (*set)(SSL_CTX *ctx, const char *list), const char *refusal)
{
    int rc = asyncio__ssl_context_change(context);
    if (rc < 0)
        return rc;
    if (!list)
        return asyncio__fail(-EINVAL, "the list must not be NULL");
    if (set(context->ctx, list) != 1)
        rc = asyncio__fail(-EINVAL, refusal);
    ERR_clear_error();
    return rc;
}

int asyncio_ssl_context_set_ciphers(asyncio_ssl_context_t *context, const char *ciphers)
{
    return set_list(context, ciphers, SSL_CTX_set_cipher_list, "No cipher can be selected.");
}

int asyncio_ssl_context_set_ciphersuites(asyncio_ssl_context_t *context, const char *ciphersuites)
{
    return set_list(context, ciphersuites, SSL_CTX_set_ciphersuites,
                    "\"ciphersuites\" must be names of ciphers of TLS 1.3");
}

static int set_groups(SSL_CTX *ctx, const char *list)
{
    return (int)SSL_CTX_set1_groups_list(ctx, list);
}

int asyncio_ssl_context_set_groups(asyncio_ssl_context_t *context, const char *groups)
{
    return set_list(context, groups, set_groups, "\"groups\" must be names of groups");
}

/* --- protocols and names ------------------------------------------------------------------- */

/* A server chooses the first of its own that the client has. */
static int on_alpn(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_size,
                   const unsigned char *theirs, unsigned size, void *arg)
{
    const asyncio_ssl_context_t *context = arg;
    (void)ssl;
    int rc = SSL_select_next_proto((unsigned char **)ret_name, ret_size, context->alpn,
                                   (unsigned)context->alpn_bytes, theirs, size);
    return rc == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int asyncio_ssl_context_set_alpn_protocols(asyncio_ssl_context_t *context,
                                           const char *const *names, size_t count)
{
    size_t size = 0;
    int rc = asyncio__ssl_context_change(context);
    if (rc < 0)
        return rc;
    if (count && !names)
        return asyncio__fail(-EINVAL, "\"names\" must not be NULL");
    for (size_t i = 0; i < count; i++) {
        size_t length = names[i] ? strlen(names[i]) : 0;
        if (length < 1 || length > 255)
            return asyncio__fail(-EINVAL, "each of \"names\" must have 1 to 255 bytes");
        size += 1 + length;
    }
    unsigned char *wire = size ? asyncio__malloc(size) : NULL, *at = wire;
    if (size && !wire)
        return asyncio__fail(-ENOMEM, NULL);
    for (size_t i = 0; i < count; i++) {
        *at++ = (unsigned char)strlen(names[i]);
        memcpy(at, names[i], strlen(names[i]));
        at += strlen(names[i]);
    }
    if (SSL_CTX_set_alpn_protos(context->ctx, wire, (unsigned)size) != 0) {
        asyncio__free(wire, size);
        return asyncio__fail(-ENOMEM, NULL);
    }
    asyncio__free(context->alpn, context->alpn_bytes);
    context->alpn = wire;
    context->alpn_bytes = size;
    SSL_CTX_set_alpn_select_cb(context->ctx, count ? on_alpn : NULL, context);
    return 0;
}

/* The client's hello has been read: another context may take the place of this one. */
static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    asyncio_ssl_context_t *context = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)alert;
    asyncio_ssl_context_t *other = context->sni ? context->sni(name, context->sni_arg) : NULL;
    if (!other || other == context)
        return SSL_TLSEXT_ERR_OK;
    if (asyncio__ssl_context_freeze(other) < 0 || !SSL_set_SSL_CTX(ssl, other->ctx))
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    SSL_set_verify(ssl, SSL_CTX_get_verify_mode(other->ctx),
                   SSL_CTX_get_verify_callback(other->ctx));
    return SSL_TLSEXT_ERR_OK;
}

int asyncio_ssl_context_set_sni_callback(asyncio_ssl_context_t *context,
                                         asyncio_ssl_sni_t *callback, void *arg)
{
    int rc = asyncio__ssl_context_change(context);
    if (rc < 0)
        return rc;
    if (!context->is_server)
        return asyncio__fail(-EINVAL, "\"context\" must be a server's");
    context->sni = callback;
    context->sni_arg = arg;
    SSL_CTX_set_tlsext_servername_callback(context->ctx, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(context->ctx, context);
    return 0;
}

/* --- verification -------------------------------------------------------------------------- */

static void set_verify(asyncio_ssl_context_t *context, int mode)
{
    mode &= ~SSL_VERIFY_POST_HANDSHAKE;
    if (context->asks_later && mode != SSL_VERIFY_NONE)
        mode |= SSL_VERIFY_POST_HANDSHAKE;
    SSL_CTX_set_verify(context->ctx, mode, SSL_CTX_get_verify_callback(context->ctx));
}

int asyncio_ssl_context_set_verify_mode(asyncio_ssl_context_t *context,
                                        asyncio_ssl_verify_mode_t mode)
{
    static const int modes[] = {SSL_VERIFY_NONE, SSL_VERIFY_PEER,
                                SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT};
    int rc = asyncio__ssl_context_change(context);
    if (rc < 0)
        return rc;
    if ((unsigned)mode >= sizeof(modes) / sizeof(modes[0]))
        return asyncio__fail(-EINVAL, "\"mode\" must be one of ASYNCIO_SSL_CERT_…");
    if (context->is_client && !context->is_server && mode != ASYNCIO_SSL_CERT_REQUIRED)
        return asyncio__fail(-EINVAL, "a client verifies the server: see "
                                      "asyncio_ssl_context_insecure_skip_verify()");
    set_verify(context, modes[mode]);
    return 0;
}

#define VERIFY_FLAGS \
    (ASYNCIO_SSL_VERIFY_CRL_CHECK_CHAIN | ASYNCIO_SSL_VERIFY_X509_STRICT | \
     ASYNCIO_SSL_VERIFY_X509_TRUSTED_FIRST | ASYNCIO_SSL_VERIFY_X509_PARTIAL_CHAIN)

unsigned asyncio_ssl_context_verify_flags(const asyncio_ssl_context_t *context)
{
    return context ? X509_VERIFY_PARAM_get_flags(SSL_CTX_get0_param(context->ctx)) & VERIFY_FLAGS
                   : 0;
}

int asyncio_ssl_context_set_verify_flags(asyncio_ssl_context_t *context, unsigned flags)
{
    int rc = asyncio__ssl_context_change(context);
    if (rc < 0)
        return rc;
    if (flags & ~(unsigned)VERIFY_FLAGS)
        return asyncio__fail(-EINVAL, "\"flags\" must be of ASYNCIO_SSL_VERIFY_…");
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(context->ctx);
    X509_VERIFY_PARAM_clear_flags(param, VERIFY_FLAGS);
    X509_VERIFY_PARAM_set_flags(param, flags);
    return 0;
}

int asyncio_ssl_context_set_post_handshake_auth(asyncio_ssl_context_t *context, bool is_allowed)
{
    int rc = asyncio__ssl_context_change(context);
    if (rc < 0)
        return rc;
    if (context->is_client)
        SSL_CTX_set_post_handshake_auth(context->ctx, is_allowed);
    if (context->is_server) {
        context->asks_later = is_allowed;
        set_verify(context, SSL_CTX_get_verify_mode(context->ctx));
    }
    return 0;
}

/* Begins a function that makes a client less strict: 0, or an error. */
static int check_client(asyncio_ssl_context_t *context)
{
    int rc = asyncio__ssl_context_change(context);
    if (rc == 0 && !context->is_client)
        rc = asyncio__fail(-EINVAL, "\"context\" must be a client's");
    return rc;
}

int asyncio_ssl_context_insecure_skip_verify(asyncio_ssl_context_t *context)
{
    int rc = check_client(context);
    if (rc < 0)
        return rc;
    context->checks_hostname = false;
    set_verify(context, SSL_VERIFY_NONE);
    return 0;
}

int asyncio_ssl_context_insecure_skip_hostname(asyncio_ssl_context_t *context)
{
    int rc = check_client(context);
    if (rc == 0)
        context->checks_hostname = false;
    return rc;
}

int asyncio_ssl_context_set_suppress_ragged_eofs(asyncio_ssl_context_t *context,
                                                 bool is_suppressed)
{
    int rc = asyncio__ssl_context_change(context);
    if (rc == 0)
        context->suppresses_ragged_eofs = is_suppressed;
    return rc;
}

/* --- tickets, and debugging ---------------------------------------------------------------- */

int asyncio_ssl_context_set_num_tickets(asyncio_ssl_context_t *context, size_t count)
{
    int rc = asyncio__ssl_context_change(context);
    if (rc < 0)
        return rc;
    SSL_CTX_set_num_tickets(context->ctx, count);
    if (count == 0)
        SSL_CTX_set_options(context->ctx, SSL_OP_NO_TICKET);
    else
        SSL_CTX_clear_options(context->ctx, SSL_OP_NO_TICKET);
    return 0;
}

/* Appends one line with one write, so that lines of several threads do not mix. */
static void on_secret(const SSL *ssl, const char *line)
{
    const asyncio__tls_channel_t *channel = BIO_get_data(SSL_get_rbio(ssl));
    const asyncio_ssl_context_t *context = channel ? channel->context : NULL;
    char text[512];
    int size = context && context->keylog_fd >= 0
                   ? snprintf(text, sizeof(text), "%s\n", line) : 0;
    if (size > 0 && (size_t)size < sizeof(text))
        asyncio__ignore(write(context->keylog_fd, text, (size_t)size));
}

int asyncio_ssl_context_set_keylog_filename(asyncio_ssl_context_t *context, const char *path)
{
    int fd = -1, rc = asyncio__ssl_context_change(context);
    if (rc < 0)
        return rc;
    if (path) {
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
        if (fd < 0)
            return asyncio__fail(-errno, NULL);
    }
    if (context->keylog_fd >= 0)
        close(context->keylog_fd);
    context->keylog_fd = fd;
    SSL_CTX_set_keylog_callback(context->ctx, path ? on_secret : NULL);
    return 0;
}

int asyncio_ssl_context_set_keylog_from_environment(asyncio_ssl_context_t *context)
{
    int rc = asyncio__ssl_context_change(context);
    const char *path = getauxval(AT_SECURE) ? NULL : getenv("SSLKEYLOGFILE");
    return rc < 0 || !path || !*path ? rc
                                     : asyncio_ssl_context_set_keylog_filename(context, path);
}
