/* SPDX-License-Identifier: MIT */
/* Copies of options; see options_copy.h. */
#include "net/options_copy.h"

#include "base/error.h"
#include "base/memory.h"

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
    if (asyncio__copy_string(&copy->local_host) < 0) {
        asyncio__free(copy, sizeof(*copy));
        return -ENOMEM;
    }
    asyncio_socket_ref(copy->sock);
    *options = copy;
    return 0;
}

void asyncio__free_connection_options(const asyncio_connection_options_t *options)
{
    if (!options)
        return;
    asyncio__free_string((char *)options->local_host);
    asyncio_socket_unref(options->sock);
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
    *options = copy;
    return 0;
}

void asyncio__free_server_options(const asyncio_server_options_t *options)
{
    if (!options)
        return;
    asyncio_socket_unref(options->sock);
    asyncio__free((void *)options, sizeof(*options));
}
