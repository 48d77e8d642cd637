/* SPDX-License-Identifier: MIT */
/* Socket addresses in Python's form; see address.h. */
#include "python/address.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

void asyncio__py_name_set(asyncio__py_name_t *name, const struct sockaddr *address, socklen_t size)
{
    name->size = 0;
    if (!address || size > sizeof(name->address) ||
        (address->sa_family != AF_INET && address->sa_family != AF_INET6))
        return;
    memcpy(&name->address, address, size);
    name->size = (uint8_t)size;
}

void asyncio__py_name_ask(asyncio__py_name_t *name, asyncio__py_ask_t ask, int fd)
{
    struct sockaddr_storage room;
    socklen_t size = sizeof(room);
    if (ask(fd, (struct sockaddr *)&room, &size) == 0)
        asyncio__py_name_set(name, (struct sockaddr *)&room, size);
}

static PyObject *unix_address(const struct sockaddr_un *address, socklen_t size)
{
    size_t most = size > offsetof(struct sockaddr_un, sun_path)
                      ? size - offsetof(struct sockaddr_un, sun_path)
                      : 0;
    const char *path = address->sun_path;
    if (most > 0 && path[0] == 0) /* an abstract one */
        return PyBytes_FromStringAndSize(path, (Py_ssize_t)most);
    return PyUnicode_DecodeFSDefaultAndSize(path, (Py_ssize_t)strnlen(path, most));
}

PyObject *asyncio__py_address(const struct sockaddr *address, socklen_t size)
{
    char text[INET6_ADDRSTRLEN];
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
    switch (address->sa_family) {
    case AF_INET:
        if (size < sizeof(*in) || !inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)))
            break;
        return Py_BuildValue("(si)", text, ntohs(in->sin_port));
    case AF_INET6:
        if (size < sizeof(*in6) || !inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text)))
            break;
        return Py_BuildValue("(siII)", text, ntohs(in6->sin6_port), ntohl(in6->sin6_flowinfo),
                             in6->sin6_scope_id);
    case AF_UNIX:
        return unix_address((const struct sockaddr_un *)(const void *)address, size);
    default:
        break;
    }
    Py_RETURN_NONE;
}

PyObject *asyncio__py_ask_address(asyncio__py_ask_t ask, int fd)
{
    struct sockaddr_storage room;
    socklen_t size = sizeof(room);
    if (ask(fd, (struct sockaddr *)&room, &size) < 0)
        return NULL;
    if (size == 0)
        Py_RETURN_NONE;
    return asyncio__py_address((struct sockaddr *)&room, size);
}

/* An item of a tuple as a number up to most, or -1. */
static long long number_of(PyObject *tuple, Py_ssize_t at, long long most)
{
    int overflow = 0;
    PyObject *item = PyTuple_GET_ITEM(tuple, at);
    long long value = PyLong_CheckExact(item) ? PyLong_AsLongLongAndOverflow(item, &overflow) : -1;
    return overflow || value < 0 || value > most ? -1 : value;
}

static int parse_in6(PyObject *address, Py_ssize_t count, struct sockaddr_in6 *in)
{
    long long flow = count > 2 ? number_of(address, 2, 0xfffff) : 0;
    long long scope = count > 3 ? number_of(address, 3, UINT32_MAX) : 0;
    if (flow < 0 || scope < 0)
        return 0;
    in->sin6_flowinfo = htonl((uint32_t)flow);
    in->sin6_scope_id = (uint32_t)scope;
    return 1;
}

static int parse_unix(PyObject *address, struct sockaddr_un *un, socklen_t *ret_size)
{
    Py_ssize_t size = 0;
    const char *path =
        PyUnicode_CheckExact(address) ? PyUnicode_AsUTF8AndSize(address, &size) : NULL;
    if (!path) {
        PyErr_Clear();
        return 0;
    }
    if (size == 0 || (size_t)size >= sizeof(un->sun_path) || strlen(path) != (size_t)size)
        return 0;
    memset(un, 0, sizeof(*un));
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, (size_t)size);
    *ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)size + 1);
    return 1;
}

int asyncio__py_parse_address(int family, PyObject *address, struct sockaddr_storage *ret_address,
                              socklen_t *ret_size)
{
    if (family == AF_UNIX)
        return parse_unix(address, (struct sockaddr_un *)(void *)ret_address, ret_size);
    if (!PyTuple_CheckExact(address) || (family != AF_INET && family != AF_INET6))
        return 0;
    Py_ssize_t count = PyTuple_GET_SIZE(address);
    if (count < 2 || count > (family == AF_INET ? 2 : 4) ||
        !PyUnicode_CheckExact(PyTuple_GET_ITEM(address, 0)))
        return 0;
    long long port = number_of(address, 1, 0xffff);
    const char *host = PyUnicode_AsUTF8(PyTuple_GET_ITEM(address, 0));
    if (!host || port < 0) {
        PyErr_Clear();
        return 0;
    }
    memset(ret_address, 0, sizeof(*ret_address));
    ret_address->ss_family = (sa_family_t)family;
    if (family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)(void *)ret_address;
        in->sin_port = htons((uint16_t)port);
        *ret_size = sizeof(*in);
        return inet_pton(AF_INET, host, &in->sin_addr) == 1;
    }
    struct sockaddr_in6 *in = (struct sockaddr_in6 *)(void *)ret_address;
    in->sin6_port = htons((uint16_t)port);
    *ret_size = sizeof(*in);
    return inet_pton(AF_INET6, host, &in->sin6_addr) == 1 && parse_in6(address, count, in);
}
