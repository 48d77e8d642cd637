/* SPDX-License-Identifier: MIT */
/* How the core makes channels of a context: its class table; see transport/ssl_class.h. */
#include <errno.h>
#include <openssl/err.h>

#include "tls/ssl_object.h"
#include "tls/ssl_session.h"

static void linked_ref(asyncio_ssl_context_t *context)
{
    asyncio_ssl_context_ref(context);
}

static void linked_unref(asyncio_ssl_context_t *context)
{
    asyncio_ssl_context_unref(context);
}

static int linked_check(const asyncio__ssl_options_t *options)
{
    asyncio_ssl_context_t *context = options->context;
    if (options->is_server && !context->is_server)
        return asyncio__fail(-EINVAL, "the context is a client's: make one for "
                                      "ASYNCIO_SSL_CLIENT_AUTH");
    if (options->is_server && !SSL_CTX_get0_certificate(context->ctx) && !context->is_foreign &&
        !context->sni)
        return asyncio__fail(-EINVAL, "the context has no certificate: call "
                                      "asyncio_ssl_context_load_cert_chain()");
    if (!options->is_server && !context->is_client)
        return asyncio__fail(-EINVAL, "the context is a server's: make one for "
                                      "ASYNCIO_SSL_SERVER_AUTH");
    if (!options->is_server && context->checks_hostname &&
        (!options->server_hostname || !*options->server_hostname))
        return asyncio__fail(-EINVAL, "\"server_hostname\" must be set, because the context "
                                      "verifies it");
    return asyncio__ssl_context_freeze(context);
}

static int linked_wrap(asyncio__channel_t *lower, const asyncio__ssl_options_t *options,
                       asyncio__channel_t **ret_channel)
{
    asyncio_ssl_context_t *context = options->context;
    int rc = linked_check(options);
    if (rc < 0)
        return rc;
    asyncio_coroutine_t *former = asyncio__tls_enter();
    asyncio__tls_options_t wanted = {.ssl = SSL_new(context->ctx),
                                     .checks_hostname = context->checks_hostname,
                                     .suppresses_ragged_eofs = context->suppresses_ragged_eofs,
                                     .describe = asyncio__ssl_describe,
                                     .common = options};
    rc = wanted.ssl ? asyncio__tls_channel_new(lower, &wanted, ret_channel)
                    : asyncio__fail(-ENOMEM, NULL);
    if (rc < 0)
        SSL_free(wanted.ssl);
    else if (!options->is_server)
        asyncio__ssl_sessions_use(context, wanted.ssl,
                                  asyncio__tls_channel_of(*ret_channel)->server_hostname,
                                  options->port);
    asyncio__tls_leave(former);
    return rc;
}

const asyncio__ssl_class_t asyncio__ssl_linked_class = {
    .ref = linked_ref, .unref = linked_unref, .check = linked_check, .wrap = linked_wrap};
