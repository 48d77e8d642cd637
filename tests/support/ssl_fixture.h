/* SPDX-License-Identifier: MIT */
/*
 * What the tests of TLS share: an authority, a server's certificate, contexts of both sides, and a
 * client connected to an echo server.
 *
 *     static int use(void *arg, void **ret_result) { pair_t pair; open_pair(&pair, NULL); … }
 *     run_ssl(use);                                        a test
 *     cmocka_run_group_tests(tests, ssl_setup, ssl_teardown)
 */
#ifndef TESTS_SSL_FIXTURE_H
#define TESTS_SSL_FIXTURE_H

#include <asyncio.h>

#include "support/certificates.h"

/* Made once for the program. */
extern certificate_t test_ca, test_server;

int ssl_setup(void **state);
int ssl_teardown(void **state);

/* A server's context with the certificate (NULL: test_server), and a client's that trusts
 * test_ca. */
asyncio_ssl_context_t *new_server_context(const certificate_t *certificate);
asyncio_ssl_context_t *new_client_context(void);

/* A client connected to a server of its own. */
typedef struct pair {
    asyncio_server_t *server;
    asyncio_ssl_context_t *server_ssl, *client_ssl;
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
} pair_t;

/* Contexts of the test (taken; NULL: the usual ones), and a handler (NULL: echo). */
typedef struct pair_options {
    asyncio_ssl_context_t *server_ssl, *client_ssl;
    asyncio_client_connected_t *handler;
    void *arg;
    const char *server_hostname; /* NULL: "localhost" */
} pair_options_t;

/* Starts the server only. */
void open_server(pair_t *pair, const pair_options_t *options);

/* Connects: 0 or the code. */
int connect_pair(pair_t *pair, const pair_options_t *options);

/* Both; the connection must succeed. */
void open_pair(pair_t *pair, const pair_options_t *options);

/* Closes both sides in order, and waits for that. */
void close_pair(pair_t *pair);

/* The handler of echo servers. */
int echo_client(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg);

/* Skips the test on an engine without sockets: to be called before the test allocates. */
void skip_without_sockets(void);

/* Runs a coroutine function in a loop; skips on an engine without sockets. */
void run_ssl(asyncio_coroutine_function_t *fn);
void run_ssl_with(asyncio_coroutine_function_t *fn, void *arg);

#endif
