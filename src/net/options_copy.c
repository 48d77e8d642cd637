/* SPDX-License-Identifier: MIT */
/* Copies of options; see options_copy.h. */
#include "net/options_copy.h"

#include "base/error.h"
#include "base/memory.h"
#include "transport/ssl_class.h"

int asyncio__copy_string(const char **text)
{
    if (*text && !(*text = asyncio__strdup(*text)))
        return asyncio__fail(-ENOMEM, NULL);
    return 0;
}

int asyncio__copy_connection_options(const asyncio_connection_options_t **options)
{
    const asyncio_connection_options_t *given = *options;
    *options = NULL;
    if (!given)
        return 0;
    if (given->size < sizeof(*given))
        return asyncio__fail(-EINVAL, "\"options->size\" must be sizeof(*options)");
    asyncio_connection_options_t *copy = asyncio__malloc(sizeof(*copy));
    if (!copy)
        return asyncio__fail(-ENOMEM, NULL);
    *copy = *given;
    copy->server_hostname = NULL;
    asyncio_socket_ref(copy->sock);
    asyncio__ssl_ref(copy->ssl);
    int rc = asyncio__copy_string(&copy->local_host);
    if (rc == 0) {
        copy->server_hostname = given->server_hostname;
        rc = asyncio__copy_string(&copy->server_hostname);
    }
    if (rc == 0)
        *options = copy;
    else
        asyncio__free_connection_options(copy);
    return rc;
}

void asyncio__free_connection_options(const asyncio_connection_options_t *options)
{
    if (!options)
        return;
    asyncio__free_string((char *)options->local_host);
    asyncio__free_string((char *)options->server_hostname);
    asyncio_socket_unref(options->sock);
    asyncio__ssl_unref(options->ssl);
    asyncio__free((void *)options, sizeof(*options));
}

int asyncio__copy_server_options(const asyncio_server_options_t **options)
{
    const asyncio_server_options_t *given = *options;
    *options = NULL;
    if (!given)
        return 0;
    if (given->size < sizeof(*given))
        return asyncio__fail(-EINVAL, "\"options->size\" must be sizeof(*options)");
    asyncio_server_options_t *copy = asyncio__malloc(sizeof(*copy));
    if (!copy)
        return asyncio__fail(-ENOMEM, NULL);
    *copy = *given;
    asyncio_socket_ref(copy->sock);
    asyncio__ssl_ref(copy->ssl);
    int rc = asyncio__copy_string(&copy->listen_name);
    if (rc == 0)
        *options = copy;
    else
        asyncio__free_server_options(copy);
    return rc;
}

void asyncio__free_server_options(const asyncio_server_options_t *options)
{
    if (!options)
        return;
    asyncio__free_string((char *)options->listen_name);
    asyncio_socket_unref(options->sock);
    asyncio__ssl_unref(options->ssl);
    asyncio__free((void *)options, sizeof(*options));
}

int asyncio__copy_accepted_socket_options(const asyncio_accepted_socket_options_t **options)
{
    const asyncio_accepted_socket_options_t *given = *options;
    *options = NULL;
    if (!given)
        return 0;
    if (given->size < sizeof(*given))
        return asyncio__fail(-EINVAL, "\"options->size\" must be sizeof(*options)");
    asyncio_accepted_socket_options_t *copy = asyncio__malloc(sizeof(*copy));
    if (!copy)
        return asyncio__fail(-ENOMEM, NULL);
    *copy = *given;
    asyncio__ssl_ref(copy->ssl);
    *options = copy;
    return 0;
}

void asyncio__free_accepted_socket_options(const asyncio_accepted_socket_options_t *options)
{
    if (!options)
        return;
    asyncio__ssl_unref(options->ssl);
    asyncio__free((void *)options, sizeof(*options));
}

int asyncio__copy_start_tls_options(const asyncio_start_tls_options_t **options)
{
    const asyncio_start_tls_options_t *given = *options;
    *options = NULL;
    if (!given)
        return 0;
    if (given->size < sizeof(*given))
        return asyncio__fail(-EINVAL, "\"options->size\" must be sizeof(*options)");
    asyncio_start_tls_options_t *copy = asyncio__malloc(sizeof(*copy));
    if (!copy)
        return asyncio__fail(-ENOMEM, NULL);
    *copy = *given;
    int rc = asyncio__copy_string(&copy->server_hostname);
    if (rc == 0)
        *options = copy;
    else
        asyncio__free(copy, sizeof(*copy));
    return rc;
}

void asyncio__free_start_tls_options(const asyncio_start_tls_options_t *options)
{
    if (!options)
        return;
    asyncio__free_string((char *)options->server_hostname);
    asyncio__free((void *)options, sizeof(*options));
}
