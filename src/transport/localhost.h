/* SPDX-License-Identifier: MIT */
/*
 * The addresses of "localhost", without a thread and without the network.
 *
 * They are those of /etc/hosts, as getaddrinfo() would find them there; where the file does not
 * name localhost, the loopback addresses (RFC 6761, 6.3).
 */
#ifndef ASYNCIO__TRANSPORT_LOCALHOST_H
#define ASYNCIO__TRANSPORT_LOCALHOST_H

#include <netdb.h>
#include <stdbool.h>

bool asyncio__is_localhost(const char *host);

/* As getaddrinfo("localhost", service, hints, ret_addresses). */
int asyncio__localhost_addresses(const char *service, const struct addrinfo *hints,
                                 struct addrinfo **ret_addresses);

#endif
