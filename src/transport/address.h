/* SPDX-License-Identifier: MIT */
/*
 * Socket addresses as text, and errors that name the address that they are about.
 *
 *     char text[ASYNCIO__ADDRESS_TEXT_BYTES];
 *     asyncio__address_describe(address, size, text, sizeof(text));      "127.0.0.1:80"
 */
#ifndef ASYNCIO__TRANSPORT_ADDRESS_H
#define ASYNCIO__TRANSPORT_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/error.h"

/* Room for the longest text: a Unix socket's path. */
#define ASYNCIO__ADDRESS_TEXT_BYTES 112

/* Writes "127.0.0.1:80", "[::1]:80", the path of a Unix socket, "@name" for an abstract one (each 0
 * in it is shown as "@", as ss(8) does); other families are "". Returns the length, as snprintf()
 * does. */
int asyncio__address_describe(const struct sockaddr *address, socklen_t size, char *ret_text,
                              size_t text_size);

/* Whether both are the same address, port and scope. */
bool asyncio__address_equal(const struct sockaddr *a, socklen_t a_size, const struct sockaddr *b,
                            socklen_t b_size);

/* The port, in the host's byte order; 0: it has none. */
uint16_t asyncio__address_port(const struct sockaddr *address);

/* Sets the port, in network byte order, of an address of TCP or UDP. */
void asyncio__address_set_port(struct sockaddr *address, in_port_t port);

/* Whether it stands for every address of its family: 0.0.0.0 or [::]. */
bool asyncio__address_is_wildcard(const struct sockaddr *address);

/* A new error "WHAT ADDRESS: MEANING OF CODE"; never NULL (see asyncio_error_new). */
asyncio_error_t *asyncio__address_error(int code, const char *what, const struct sockaddr *address,
                                        socklen_t size);

#endif
