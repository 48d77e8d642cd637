/* SPDX-License-Identifier: MIT */
/* Protocols; see protocol.h and <asyncio/protocol.h>. */
#include "net/protocol.h"

#include <errno.h>

#include "base/error.h"

int asyncio__protocol_check(const asyncio_protocol_t *protocol)
{
    const asyncio_protocol_functions_t *functions = protocol->functions;
    if (!functions || functions->size < sizeof(*functions))
        return asyncio__fail(-EINVAL, "\"protocol->functions\" must be a table that begins with "
                                      "sizeof(asyncio_protocol_functions_t)");
    if (!functions->get_buffer != !functions->buffer_updated)
        return asyncio__fail(-EINVAL,
                             "\"get_buffer\" and \"buffer_updated\" must both be set, or none");
    return 0;
}

int asyncio__protocol_make(asyncio_protocol_factory_t *factory, void *arg,
                           asyncio_protocol_t **ret_protocol)
{
    asyncio_protocol_t *protocol = factory(arg);
    if (!protocol)
        return asyncio__fail(-ENOMEM, "\"factory\" returned no protocol");
    int rc = asyncio__protocol_check(protocol);
    if (rc == 0)
        *ret_protocol = protocol;
    return rc;
}

void asyncio__protocol_destroy(asyncio_protocol_t *protocol)
{
    if (protocol && protocol->functions->destroy)
        protocol->functions->destroy(protocol);
}
