/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets of TLS share: their start, contexts, and a random generator for OpenSSL
 * that gives the same numbers in each run, so that an input always does the same.
 */
#ifndef TESTS_FUZZ_SSL_H
#define TESTS_FUZZ_SSL_H

#include <asyncio.h>

#include "fuzz.h"
#include "wire_channel.h"

/* Before each run: OpenSSL's random numbers begin again. */
void fuzz_ssl_restart(void);

/* Contexts whose certificates fit each other, *borrowed*. The server's asks for a certificate of
 * the client where is_mutual is set, and the client's has one. */
asyncio_ssl_context_t *fuzz_ssl_server(bool is_tls_1_2, bool is_mutual);
asyncio_ssl_context_t *fuzz_ssl_client(bool is_mutual);

/* Whether a connection by TLS may end with that code when somebody meddles with it. */
bool fuzz_ssl_is_known(int code);

/* Cuts the connection, or changes or inserts bytes, as number and the following bytes say. */
void fuzz_ssl_meddle(wire_t *wire, uint8_t number, fuzz_bytes_t *bytes);

#endif
