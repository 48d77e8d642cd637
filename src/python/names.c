/* SPDX-License-Identifier: MIT */
/* Which names need no look-up, and so no thread. */
#include "python/loop.h"

#include <arpa/inet.h>

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

PyMethodDef asyncio__py_name_methods[] = {
    ASYNCIO__PY_METHOD("_is_literal", is_literal, METH_FASTCALL, NULL),
    {0},
};
