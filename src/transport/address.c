/* SPDX-License-Identifier: MIT */
/* Socket addresses as text; see address.h. */
#include "transport/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

int asyncio__address_describe(const struct sockaddr *address, socklen_t size, char *ret_text,
                              size_t text_size)
{
    char host[INET6_ADDRSTRLEN] = "";
    sa_family_t family = size >= sizeof(sa_family_t) ? address->sa_family : AF_UNSPEC;
    if (family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        return snprintf(ret_text, text_size, "%s:%u", host, ntohs(in->sin_port));
    }
    if (family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)address;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        return snprintf(ret_text, text_size, "[%s]:%u", host, ntohs(in6->sin6_port));
    }
    const struct sockaddr_un *un = (const void *)address;
    int length = (int)size - (int)offsetof(struct sockaddr_un, sun_path);
    if (family != AF_UNIX || length <= 0)
        return snprintf(ret_text, text_size, "%s", "");
    if (un->sun_path[0] == '\0') {
        char name[sizeof(un->sun_path) + 1] = "";
        memcpy(name, un->sun_path, (size_t)length);
        for (int i = 0; i < length; i++)
            if (!name[i])
                name[i] = '@';
        return snprintf(ret_text, text_size, "%s", name);
    }
    return snprintf(ret_text, text_size, "%.*s", length, un->sun_path);
}

bool asyncio__address_equal(const struct sockaddr *a, socklen_t a_size, const struct sockaddr *b,
                            socklen_t b_size)
{
    if (a->sa_family != b->sa_family)
        return false;
    if (a->sa_family == AF_INET) {
        const struct sockaddr_in *one = (const void *)a, *two = (const void *)b;
        return one->sin_port == two->sin_port && one->sin_addr.s_addr == two->sin_addr.s_addr;
    }
    if (a->sa_family == AF_INET6) {
        const struct sockaddr_in6 *one = (const void *)a, *two = (const void *)b;
        return one->sin6_port == two->sin6_port && one->sin6_scope_id == two->sin6_scope_id &&
               memcmp(&one->sin6_addr, &two->sin6_addr, sizeof(one->sin6_addr)) == 0;
    }
    return a_size == b_size && memcmp(a, b, a_size) == 0;
}

uint16_t asyncio__address_port(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
    if (address->sa_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
    return 0;
}

void asyncio__address_set_port(struct sockaddr *address, in_port_t port)
{
    if (address->sa_family == AF_INET)
        ((struct sockaddr_in *)(void *)address)->sin_port = port;
    else if (address->sa_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)address)->sin6_port = port;
}

bool asyncio__address_is_wildcard(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr == INADDR_ANY;
    if (address->sa_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
    return false;
}

asyncio_error_t *asyncio__address_error(int code, const char *what, const struct sockaddr *address,
                                        socklen_t size)
{
    char text[ASYNCIO__ADDRESS_TEXT_BYTES], message[sizeof(text) + 128];
    asyncio__address_describe(address, size, text, sizeof(text));
    snprintf(message, sizeof(message), "%s %s: %s", what, text, asyncio_strerror(code));
    return asyncio_error_new(code, message, /* cause= */ NULL);
}
