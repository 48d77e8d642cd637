/* SPDX-License-Identifier: MIT */
/* What stream writers and transports have in common; see channel_info.h. */
#include "net/channel_info.h"

#include <string.h>

#include "transport/address.h"

int asyncio__channel_name(asyncio__channel_t *channel, const char *name, char *ret_text,
                          size_t size)
{
    asyncio__channel_info_t info = {0};
    if (strcmp(name, "peername") != 0 && strcmp(name, "sockname") != 0)
        return asyncio__fail(-EINVAL, "\"name\" must be \"peername\" or \"sockname\"");
    int rc = channel->class->info(channel, name, &info);
    if (rc < 0 || info.size == 0)
        return asyncio__fail(-ENOTCONN, "the name was not known when the connection was made");
    struct sockaddr_storage address = {0}; /* the channel packs them */
    memcpy(&address, info.data, info.size);
    return asyncio__address_describe((const struct sockaddr *)&address, (socklen_t)info.size,
                                     ret_text, size);
}

asyncio_socket_t *asyncio__channel_socket(asyncio__channel_t *channel)
{
    asyncio__channel_info_t info = {0};
    if (channel->class->info(channel, "socket", &info) < 0)
        asyncio__ignore(channel->class->info(channel, "pipe", &info));
    return (asyncio_socket_t *)info.data;
}

int asyncio__check_pieces(const struct iovec *pieces, size_t count)
{
    if (count && !pieces)
        return asyncio__fail(-EINVAL, "\"pieces\" must not be NULL");
    for (size_t i = 0; i < count; i++)
        if (pieces[i].iov_len && !pieces[i].iov_base)
            return asyncio__fail(-EINVAL, "no piece of \"pieces\" may be NULL");
    return 0;
}

int asyncio__water_marks(size_t *high_bytes, size_t *low_bytes)
{
    if (*high_bytes == SIZE_MAX)
        *high_bytes = *low_bytes == SIZE_MAX ? ASYNCIO__HIGH_WATER_BYTES : 4 * *low_bytes;
    if (*low_bytes == SIZE_MAX)
        *low_bytes = *high_bytes / 4;
    if (*low_bytes > *high_bytes)
        return asyncio__fail(-EINVAL, "\"low_bytes\" must not be above \"high_bytes\"");
    return 0;
}
