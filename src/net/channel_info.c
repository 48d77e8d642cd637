/* SPDX-License-Identifier: MIT */
/* What stream writers and transports have in common; see channel_info.h. */
#include "net/channel_info.h"

#include <string.h>

#include "transport/address.h"

/* Whether that is a fact of TLS, which is a text already. */
static bool is_text(const char *name)
{
    static const char *const names[] = {"cipher", "ssl_version", "alpn", "server_hostname",
                                        "peercert"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static int copy_text(const asyncio__channel_info_t *info, char *ret_text, size_t size)
{
    if (size > 0) {
        size_t part = info->size < size - 1 ? info->size : size - 1;
        if (part)
            memcpy(ret_text, info->data, part);
        ret_text[part] = '\0';
    }
    return (int)info->size;
}

int asyncio__channel_name(asyncio__channel_t *channel, const char *name, char *ret_text,
                          size_t size)
{
    asyncio__channel_info_t info = {0};
    if (is_text(name)) {
        int rc = channel->class->info(channel, name, &info);
        if (rc < 0)
            return asyncio__fail(rc, rc == -EINVAL ? "only a connection by TLS has that" : NULL);
        return copy_text(&info, ret_text, size);
    }
    if (strcmp(name, "peername") != 0 && strcmp(name, "sockname") != 0)
        return asyncio__fail(-EINVAL,
                             "\"name\" must be \"peername\" or \"sockname\", or of a connection "
                             "by TLS \"cipher\", \"ssl_version\", \"alpn\", \"server_hostname\" or "
                             "\"peercert\"");
    int rc = channel->class->info(channel, name, &info);
    if (rc < 0 || info.size == 0)
        return asyncio__fail(-ENOTCONN, "the name was not known when the connection was made");
    struct sockaddr_storage address = {0}; /* the channel packs them */
    memcpy(&address, info.data, info.size);
    return asyncio__address_describe((const struct sockaddr *)&address, (socklen_t)info.size,
                                     ret_text, size);
}

const asyncio_ssl_object_t *asyncio__channel_ssl_object(asyncio__channel_t *channel)
{
    asyncio__channel_info_t info = {0};
    asyncio__ignore(channel->class->info(channel, "ssl_object", &info));
    return info.data;
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
