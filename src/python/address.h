/* SPDX-License-Identifier: MIT */
/* Socket addresses, from and to the form that Python's socket module gives them. */
#ifndef ASYNCIO__PYTHON_ADDRESS_H
#define ASYNCIO__PYTHON_ADDRESS_H

#include "python/compat.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* An internet address that is kept; others are not. */
typedef struct asyncio__py_name {
    uint8_t size; /* 0: none */
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } address;
} asyncio__py_name_t;

typedef int (*asyncio__py_ask_t)(int fd, struct sockaddr *ret_address, socklen_t *size);

void asyncio__py_name_set(asyncio__py_name_t *name, const struct sockaddr *address, socklen_t size);

/* Asks the kernel: ask is getsockname or getpeername. */
void asyncio__py_name_ask(asyncio__py_name_t *name, asyncio__py_ask_t ask, int fd);

/* A tuple for an internet address, str or bytes for a Unix one, None for any other. NULL with an
 * exception set. */
PyObject *asyncio__py_address(const struct sockaddr *address, socklen_t size);

/* The name of a descriptor as Python has it; NULL, perhaps without an exception: it has none. */
PyObject *asyncio__py_ask_address(asyncio__py_ask_t ask, int fd);

/* Reads an address of Python's with a literal host, or a Unix path. 1; 0: it is in another form,
 * which Python's own socket understands or refuses; no exception is set. */
int asyncio__py_parse_address(int family, PyObject *address, struct sockaddr_storage *ret_address,
                              socklen_t *ret_size);

#endif
