/* SPDX-License-Identifier: MIT */
/* Which names need no look-up, and so no thread. */
#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>

#include "python/address.h"
#include "python/network.h"

/* Whether a host is a literal address, or none at all. */
static bool is_literal_host(PyObject *host)
{
    if (host == Py_None)
        return true;
    const char *text = PyUnicode_Check(host)  ? PyUnicode_AsUTF8(host)
                       : PyBytes_Check(host) ? PyBytes_AS_STRING(host)
                                             : NULL;
    unsigned char address[sizeof(struct in6_addr)];
    PyErr_Clear();
    return text && (inet_pton(AF_INET, text, address) == 1 ||
                    inet_pton(AF_INET6, text, address) == 1);
}

/* Whether a port is a number, or none at all. */
static bool is_literal_port(PyObject *port)
{
    if (port == Py_None || PyLong_Check(port))
        return true;
    const char *text = PyUnicode_Check(port)  ? PyUnicode_AsUTF8(port)
                       : PyBytes_Check(port) ? PyBytes_AS_STRING(port)
                                             : NULL;
    PyErr_Clear();
    return text && *text && strspn(text, "0123456789") == strlen(text);
}

/* (host, port): whether getaddrinfo() needs neither a file nor the network for them. */
static PyObject *is_literal(asyncio__py_loop_t *self, PyObject *const *args, Py_ssize_t count)
{
    (void)self;
    return PyBool_FromLong(count == 2 && is_literal_host(args[0]) && is_literal_port(args[1]));
}

/* A whole number from 0 to most; -1 for anything else. */
static long number_of(PyObject *object, long most)
{
    int overflow = 0;
    long value = PyLong_Check(object) ? PyLong_AsLongAndOverflow(object, &overflow) : -1;
    return overflow || value < 0 || value > most ? -1 : value;
}

/* Reads a literal address; false: it is none. */
static bool read_literal(const char *text, uint16_t port, struct sockaddr_in6 *in6)
{
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)in6;
    memset(in6, 0, sizeof(*in6));
    in6->sin6_port = htons(port); /* where sockaddr_in has it as well */
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1)
        in->sin_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
        in6->sin6_family = AF_INET6;
    return in6->sin6_family != 0;
}

/* (host, port, family, type, proto, flags) of getaddrinfo(), for the most frequent case: a literal
 * address, a port, and a type of sockets. Returns the list that getaddrinfo() would, or None. */
static PyObject *find_literal(asyncio__py_loop_t *self, PyObject *const *args, Py_ssize_t count)
{
    const long known_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV;
    const asyncio__py_network_t *network = self->state->network;
    struct sockaddr_in6 address;
    if (count != 6 || !PyUnicode_CheckExact(args[0]) || !PyUnicode_IS_COMPACT_ASCII(args[0]))
        Py_RETURN_NONE;
    long port = number_of(args[1], UINT16_MAX), family = number_of(args[2], INT16_MAX);
    long type = number_of(args[3], INT16_MAX), proto = number_of(args[4], INT16_MAX);
    long flags = number_of(args[5], known_flags), wanted = type == SOCK_STREAM ? IPPROTO_TCP
                                                                               : IPPROTO_UDP;
    if (port < 0 || family < 0 || (type != SOCK_STREAM && type != SOCK_DGRAM) ||
        (proto != 0 && proto != wanted) || flags < 0 || (flags & ~known_flags) ||
        !read_literal(PyUnicode_AsUTF8(args[0]), (uint16_t)port, &address) ||
        (family != 0 && family != address.sin6_family))
        Py_RETURN_NONE;
    if (PySys_Audit("socket.getaddrinfo", "OOlll", args[0], args[1], family, type, proto) < 0)
        return NULL;
    bool is_v6 = address.sin6_family == AF_INET6;
    PyObject *name = asyncio__py_address(
        (struct sockaddr *)&address, is_v6 ? sizeof(address) : sizeof(struct sockaddr_in));
    PyObject *found = name ? Py_BuildValue("[(OOlsO)]", network->families[is_v6],
                                           network->kinds[type == SOCK_DGRAM], wanted, "", name)
                           : NULL;
    Py_XDECREF(name);
    return found;
}

PyMethodDef asyncio__py_name_methods[] = {
    ASYNCIO__PY_METHOD("_find_literal", find_literal, METH_FASTCALL, NULL),
    ASYNCIO__PY_METHOD("_is_literal", is_literal, METH_FASTCALL, NULL),
    {0},
};
