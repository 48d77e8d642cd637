/* SPDX-License-Identifier: MIT */
/*
 * tls_failures COUNT: that many handshakes fail, in turn because the client refuses the server's
 * certificate, the server the client's, the client speaks no TLS, or ends in the middle.
 * Descriptors, tasks and memory stay flat, and the server serves whoever comes then.
 *
 * The server has several loopback addresses, since each address and port of a closed connection
 * stays reserved for a minute.
 */
#include "proofs.h"

#include <asyncio/ssl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/certificates.h"

#define ADDRESSES  32
#define GROWTH_KIB 3072 /* of memory after the first fifth */

static struct {
    asyncio_server_t *servers[ADDRESSES];
    asyncio_ssl_context_t *serving;                      /* asks for a certificate */
    asyncio_ssl_context_t *good, *without_trust, *anonymous; /* of clients */
    long served;                                         /* clients whose handshake succeeded */
} world;

static int echo(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    char byte;
    (void)arg;
    world.served++;
    while (asyncio_stream_reader_read(reader, &byte, 1) == 1)
        asyncio_stream_writer_write(writer, &byte, 1);
    return 0;
}

static void ignore(asyncio_loop_t *loop, const asyncio_exception_context_t *context, void *arg)
{
    (void)loop, (void)context, (void)arg;
}

static asyncio_ssl_context_t *client_with(const certificate_t *trusted, const certificate_t *own)
{
    asyncio_ssl_context_t *context = asyncio_ssl_create_default_context(ASYNCIO_SSL_SERVER_AUTH);
    PROVE(context && asyncio_ssl_context_load_verify_pem(context, trusted->cert,
                                                         strlen(trusted->cert)) == 0, "a context");
    if (own)
        PROVE(asyncio_ssl_context_load_cert_chain_pem(context, own->cert, strlen(own->cert),
                                                      own->key, strlen(own->key), NULL,
                                                      NULL) == 0, "a certificate");
    return context;
}

static void make_contexts(void)
{
    certificate_t own = certificate_new(
        &(certificate_options_t){.name = "localhost", .names = "DNS:localhost"});
    certificate_t other = certificate_new(&(certificate_options_t){.name = "another"});
    world.serving = asyncio_ssl_create_default_context(ASYNCIO_SSL_CLIENT_AUTH);
    PROVE(asyncio_ssl_context_load_cert_chain_pem(world.serving, own.cert, strlen(own.cert),
                                                  own.key, strlen(own.key), NULL, NULL) == 0,
          "a certificate");
    PROVE(asyncio_ssl_context_load_verify_pem(world.serving, own.cert, strlen(own.cert)) == 0 &&
              asyncio_ssl_context_set_verify_mode(world.serving, ASYNCIO_SSL_CERT_REQUIRED) == 0,
          "a context");
    world.good = client_with(&own, &own);
    world.without_trust = client_with(&other, &own);
    world.anonymous = client_with(&own, NULL);
    certificate_drop(&own);
    certificate_drop(&other);
}

static void address_of(long number, char *ret_text, size_t size)
{
    snprintf(ret_text, size, "127.0.0.%ld", 1 + number % ADDRESSES);
}

/* Connects by TLS, and reads a byte of what it has written: 0, or the code of what failed. */
static int meet(long number, asyncio_ssl_context_t *ssl)
{
    char host[32], byte = 0;
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    asyncio_connection_options_t options = {.size = sizeof(options), .ssl = ssl,
                                            .server_hostname = "localhost"};
    address_of(number, host, sizeof(host));
    uint16_t port = asyncio_server_port(world.servers[number % ADDRESSES], 0);
    int rc = asyncio_open_connection(host, port, ssl ? &options : NULL, &reader, &writer);
    if (rc < 0)
        return rc;
    const char *words = number & 4 ? "GET / HTTP/1.1\r\n\r\n" : "\x16\x03\x01\x01";
    asyncio_stream_writer_write(writer, ssl ? "x" : words, ssl ? 1 : strlen(words));
    if (!ssl && !(number & 4))
        asyncio_stream_writer_write_eof(writer);
    ssize_t count;
    do
        count = asyncio_stream_reader_read(reader, &byte, 1);
    while (count == 1 && !ssl); /* an alert */
    asyncio_stream_writer_close(writer);
    asyncio_stream_writer_wait_closed(writer);
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
    return count == 1 ? 0 : count < 0 ? (int)count : -ECONNRESET;
}

static void fail_once(long number)
{
    int rc, wanted = ASYNCIO_ESSL;
    switch (number % 4) {
    case 0:
        rc = meet(number, world.without_trust);
        wanted = ASYNCIO_ESSLCERTVERIFICATION;
        break;
    case 1:
        rc = meet(number, world.anonymous);
        wanted = rc == -ECONNRESET || rc == ASYNCIO_ESSLEOF ? rc : wanted;
        break;
    default:
        rc = meet(number, NULL);
        wanted = -ECONNRESET;
    }
    PROVE(rc == wanted, "handshake %ld ends with %s", number, asyncio_error_name(rc));
    asyncio_error_clear();
}

/* How many tasks there are beside this one. Servers end a failed connection a moment after the
 * client. */
static long tasks_left(void)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    for (int i = 0; i < 2000 && asyncio_all_tasks(loop, NULL, 0) > 1; i++)
        asyncio_sleep(i < 1000 ? 0 : 0.01);
    return asyncio_all_tasks(loop, NULL, 0) - 1;
}

static int run(void *arg, void **ret_result)
{
    (void)ret_result;
    long count = *(long *)arg, resident = 0;
    int descriptors = 0;
    asyncio_loop_set_exception_handler(asyncio_get_running_loop(), ignore, NULL);
    make_contexts();
    asyncio_server_options_t options = {.size = sizeof(options), .ssl = world.serving};
    for (long i = 0; i < ADDRESSES; i++) {
        char host[32];
        address_of(i, host, sizeof(host));
        PROVE(asyncio_start_server(host, 0, echo, NULL, &options, &world.servers[i]) == 0,
              "a server");
    }
    PROVE(meet(0, world.good) == 0, "a good handshake before");
    for (long i = 0; i < count; i++) {
        if (i == count / 5) {
            PROVE(tasks_left() == 0, "tasks are left");
            resident = resident_kib();
            descriptors = open_descriptors();
        }
        fail_once(i);
    }
    long tasks = tasks_left();
    long growth = resident_kib() - resident;
    printf("tls_failures: %ld handshakes, %ld tasks, %d descriptors more, %ld KiB more\n", count,
           tasks, open_descriptors() - descriptors, growth);
    PROVE(tasks == 0, "%ld tasks", tasks);
    PROVE(open_descriptors() <= descriptors, "%d descriptors", open_descriptors() - descriptors);
    PROVE(growth < GROWTH_KIB, "%ld KiB", growth);
    PROVE(meet(1, world.good) == 0, "a good handshake behind");
    PROVE(world.served == 2, "%ld handshakes succeeded", world.served);
    for (long i = 0; i < ADDRESSES; i++) {
        asyncio_server_close(world.servers[i]);
        asyncio_server_wait_closed(world.servers[i]);
        asyncio_server_unref(world.servers[i]);
    }
    asyncio_ssl_context_unref(world.serving);
    asyncio_ssl_context_unref(world.good);
    asyncio_ssl_context_unref(world.without_trust);
    asyncio_ssl_context_unref(world.anonymous);
    return 0;
}

int main(int argc, char **argv)
{
    long count = argument(argc, argv, 1, 1000);
    prove_run(run, &count);
    return 0;
}
