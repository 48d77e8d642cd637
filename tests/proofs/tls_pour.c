/* SPDX-License-Identifier: MIT */
/*
 * tls_pour MEBIBYTES STOPS: that much goes by TLS through a connection whose reader stops that
 * often, until the writer waits for it. Memory stays bounded by the water marks, and every byte
 * arrives, in order.
 */
#include "proofs.h"

#include <asyncio/ssl.h>
#include <stdio.h>
#include <string.h>

#include "../support/certificates.h"

#define PIECE_BYTES (64 << 10)
#define GROWTH_KIB  4096
#define HIGH_BYTES  (64 << 10) /* the high-water mark, which a write may exceed by its records */

static struct {
    long total, stops;      /* bytes, and how often the reader stops */
    bool is_waiting;        /* the writer waits for the reader */
    bool is_written;        /* the writer has written all */
    long waits;             /* how often it did */
    long received, stopped; /* bytes, and stops until now */
    size_t most_unsent;     /* bytes */
    asyncio_future_t *ended; /* all is received */
} pour;

static uint32_t word_at(long place)
{
    uint64_t z = (uint64_t)place * 0x9e3779b97f4a7c15u;
    return (uint32_t)(z ^ (z >> 29));
}

static void check_piece(const char *data, size_t size)
{
    for (size_t i = 0; i < size; i += sizeof(uint32_t)) {
        uint32_t word;
        memcpy(&word, data + i, sizeof(word));
        PROVE(word == word_at(pour.received + (long)i), "the bytes at %ld",
              pour.received + (long)i);
    }
    pour.received += (long)size;
}

/* Waits until the writer waits for the reader, which takes nothing meanwhile. */
static void stop_reading(void)
{
    long former;
    do {
        former = pour.waits;
        PROVE(asyncio_sleep(0.005) == 0, "a stop");
    } while (!pour.is_written && (!pour.is_waiting || pour.waits != former));
    pour.stopped++;
}

static int take(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    static char buffer[PIECE_BYTES / 4];
    ssize_t size;
    (void)arg, (void)writer;
    while ((size = asyncio_stream_reader_readexactly(reader, buffer, sizeof(buffer), NULL)) > 0) {
        check_piece(buffer, (size_t)size);
        if (pour.stopped < pour.stops &&
            pour.received >= (pour.stopped + 1) * (pour.total / (pour.stops + 1)))
            stop_reading();
    }
    PROVE(size == ASYNCIO_EINCOMPLETEREAD && asyncio_stream_reader_partial(reader) == 0, "%zd",
          size);
    asyncio_future_set_result(pour.ended, NULL);
    return 0;
}

static void write_all(asyncio_stream_writer_t *writer)
{
    static char piece[PIECE_BYTES];
    for (long at = 0; at < pour.total; at += PIECE_BYTES) {
        for (long i = 0; i < PIECE_BYTES; i += (long)sizeof(uint32_t)) {
            uint32_t word = word_at(at + i);
            memcpy(piece + i, &word, sizeof(word));
        }
        PROVE(asyncio_stream_writer_write(writer, piece, PIECE_BYTES) == 0, "a write");
        size_t unsent = asyncio_stream_writer_get_write_buffer_size(writer);
        if (unsent > pour.most_unsent)
            pour.most_unsent = unsent;
        pour.is_waiting = true;
        PROVE(asyncio_stream_writer_drain(writer) == 0, "a drain");
        pour.is_waiting = false;
        pour.waits++;
    }
    pour.is_written = true;
}

/* The contexts of both sides. */
static void make_contexts(asyncio_ssl_context_t *ret_contexts[2])
{
    certificate_t own = certificate_new(
        &(certificate_options_t){.name = "localhost", .names = "DNS:localhost"});
    ret_contexts[0] = asyncio_ssl_create_default_context(ASYNCIO_SSL_SERVER_AUTH);
    ret_contexts[1] = asyncio_ssl_create_default_context(ASYNCIO_SSL_CLIENT_AUTH);
    PROVE(asyncio_ssl_context_load_verify_pem(ret_contexts[0], own.cert, strlen(own.cert)) == 0,
          "an authority");
    PROVE(asyncio_ssl_context_load_cert_chain_pem(ret_contexts[1], own.cert, strlen(own.cert),
                                                  own.key, strlen(own.key), NULL, NULL) == 0,
          "a certificate");
    certificate_drop(&own);
}

static int run(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server;
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    asyncio_ssl_context_t *contexts[2];
    make_contexts(contexts);
    asyncio_server_options_t serving = {.size = sizeof(serving), .ssl = contexts[1]};
    asyncio_connection_options_t options = {.size = sizeof(options), .ssl = contexts[0],
                                            .server_hostname = "localhost"};
    pour.ended = asyncio_loop_create_future(asyncio_get_running_loop());
    PROVE(asyncio_start_server("127.0.0.1", 0, take, NULL, &serving, &server) == 0, "a server");
    PROVE(asyncio_open_connection("127.0.0.1", asyncio_server_port(server, 0), &options, &reader,
                                  &writer) == 0, "a connection");
    long resident = resident_kib();
    write_all(writer);
    asyncio_stream_writer_close(writer);
    PROVE(asyncio_await_unref(pour.ended, NULL) == 0, "the end");
    PROVE(asyncio_stream_writer_wait_closed(writer) == 0, "the writer's end");
    long growth = resident_kib() - resident;
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
    asyncio_server_close(server);
    asyncio_server_wait_closed(server);
    asyncio_server_unref(server);
    asyncio_ssl_context_unref(contexts[0]);
    asyncio_ssl_context_unref(contexts[1]);
    printf("tls_pour: %ld MiB, reader stopped %ld times, at most %zu bytes unsent, %ld KiB more\n",
           pour.received >> 20, pour.stopped, pour.most_unsent, growth);
    PROVE(pour.received == pour.total, "%ld bytes", pour.received);
    PROVE(pour.stopped == pour.stops, "%ld stops", pour.stopped);
    PROVE(pour.most_unsent <= HIGH_BYTES + PIECE_BYTES + 1024, "%zu bytes", pour.most_unsent);
    PROVE(growth < GROWTH_KIB, "%ld KiB", growth);
    return 0;
}

int main(int argc, char **argv)
{
    pour.total = argument(argc, argv, 1, 64) << 20;
    pour.stops = argument(argc, argv, 2, 10);
    prove_run(run, NULL);
    return 0;
}
