/* SPDX-License-Identifier: MIT */
/*
 * pour MEBIBYTES STOPS: that much goes through a connection whose reader stops that often, until
 * the writer waits for it. Memory stays bounded by the water marks, and no byte is lost: the
 * SHA-256 of both ends are equal. By streams, then by protocols with half of the bytes each.
 */
#include "proofs.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES  (64 << 10)
#define GROWTH_KIB   4096
#define HIGH_BYTES   (64 << 10) /* the high-water mark, of which a write may exceed a piece */
#define DIGEST_BYTES 32

static struct {
    long total, stops;         /* bytes, and how often the reader stops */
    EVP_MD_CTX *sent, *taken;  /* the digests */
    bool is_waiting;           /* the writer waits for the reader */
    bool is_written;           /* the writer has written all */
    long waits;                /* how often it did */
    long received, stopped;    /* bytes, and stops until now */
    size_t most_unsent;        /* bytes */
    asyncio_transport_t *from; /* protocols: of the writer */
    asyncio_transport_t *to;   /* and of the reader */
    asyncio_future_t *resumed; /* protocols: the writer may write */
    asyncio_future_t *ended;   /* all is received */
} pour;

static char piece[PIECE_BYTES];

static void start_digests(void)
{
    pour.sent = EVP_MD_CTX_new();
    pour.taken = EVP_MD_CTX_new();
    PROVE(EVP_DigestInit_ex(pour.sent, EVP_sha256(), NULL) &&
              EVP_DigestInit_ex(pour.taken, EVP_sha256(), NULL),
          "SHA-256");
    pour.received = pour.stopped = pour.waits = 0;
    pour.most_unsent = 0;
    pour.is_written = false;
}

static void next_piece(long number)
{
    for (size_t i = 0; i < PIECE_BYTES; i += sizeof(number)) {
        long word = (number * 2654435761L + (long)i) ^ (number << 17);
        memcpy(piece + i, &word, sizeof(word));
    }
    PROVE(EVP_DigestUpdate(pour.sent, piece, PIECE_BYTES), "SHA-256");
}

static void note_unsent(size_t unsent)
{
    if (unsent > pour.most_unsent)
        pour.most_unsent = unsent;
}

/* Whether the reader has come to one of its stops. */
static bool has_stop(void)
{
    return pour.stopped < pour.stops &&
           pour.received >= (pour.stopped + 1) * (pour.total / (pour.stops + 1));
}

/* Waits until the writer waits for the reader, which takes nothing meanwhile; near the end the
 * kernel's buffers may hold all that is left. */
static void stop_reading(void)
{
    long former;
    do {
        former = pour.waits;
        PROVE(asyncio_sleep(0.005) == 0, "a stop");
    } while (!pour.is_written && (!pour.is_waiting || pour.waits != former));
    pour.stopped++;
}

static void compare(const char *face, long resident)
{
    unsigned char sent[DIGEST_BYTES], taken[DIGEST_BYTES];
    PROVE(EVP_DigestFinal_ex(pour.sent, sent, NULL) && EVP_DigestFinal_ex(pour.taken, taken, NULL),
          "SHA-256");
    EVP_MD_CTX_free(pour.sent);
    EVP_MD_CTX_free(pour.taken);
    long growth = resident_kib() - resident;
    printf("pour, %s: %ld MiB, reader stopped %ld times, at most %zu bytes unsent, %ld KiB more, "
           "SHA-256 %02x%02x%02x%02x... %s\n",
           face, pour.received >> 20, pour.stopped, pour.most_unsent, growth, taken[0], taken[1],
           taken[2], taken[3], memcmp(sent, taken, DIGEST_BYTES) ? "DIFFERS" : "equal");
    PROVE(pour.received == pour.total, "%ld bytes", pour.received);
    PROVE(memcmp(sent, taken, DIGEST_BYTES) == 0, "the digests");
    PROVE(pour.stopped == pour.stops, "%ld stops", pour.stopped);
    PROVE(pour.most_unsent <= HIGH_BYTES + PIECE_BYTES, "%zu bytes unsent", pour.most_unsent);
    PROVE(growth < GROWTH_KIB, "%ld KiB", growth);
}

/* --- by streams ---------------------------------------------------------------------------- */

static int take(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    char buffer[PIECE_BYTES / 4];
    ssize_t size;
    (void)arg, (void)writer;
    while ((size = asyncio_stream_reader_read(reader, buffer, sizeof(buffer))) > 0) {
        PROVE(EVP_DigestUpdate(pour.taken, buffer, (size_t)size), "SHA-256");
        pour.received += size;
        if (has_stop())
            stop_reading();
    }
    asyncio_future_set_result(pour.ended, NULL);
    return (int)size;
}

static void pour_by_streams(void)
{
    asyncio_server_t *server;
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    start_digests();
    pour.ended = asyncio_loop_create_future(asyncio_get_running_loop());
    PROVE(asyncio_start_server("127.0.0.1", 0, take, NULL, NULL, &server) == 0, "a server");
    PROVE(asyncio_open_connection("127.0.0.1", asyncio_server_port(server, 0), NULL, &reader,
                                  &writer) == 0, "a connection");
    long resident = resident_kib();
    for (long i = 0; i < pour.total / PIECE_BYTES; i++) {
        next_piece(i);
        PROVE(asyncio_stream_writer_write(writer, piece, PIECE_BYTES) == 0, "a write");
        note_unsent(asyncio_stream_writer_get_write_buffer_size(writer));
        pour.is_waiting = true;
        PROVE(asyncio_stream_writer_drain(writer) == 0, "a drain");
        pour.is_waiting = false;
        pour.waits++;
    }
    pour.is_written = true;
    asyncio_stream_writer_close(writer);
    PROVE(asyncio_await_unref(pour.ended, NULL) == 0, "the end");
    PROVE(asyncio_stream_writer_wait_closed(writer) == 0, "the writer's end");
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
    asyncio_server_close(server);
    asyncio_server_wait_closed(server);
    asyncio_server_unref(server);
    compare("streams", resident);
}

/* --- by protocols -------------------------------------------------------------------------- */

static void source_made(asyncio_protocol_t *protocol, asyncio_transport_t *transport)
{
    (void)protocol;
    pour.from = transport;
}

static void pause_writing(asyncio_protocol_t *protocol)
{
    (void)protocol;
    pour.is_waiting = true;
    pour.resumed = asyncio_loop_create_future(asyncio_get_running_loop());
}

static void resume_writing(asyncio_protocol_t *protocol)
{
    (void)protocol;
    pour.is_waiting = false;
    pour.waits++;
    asyncio_future_set_result(pour.resumed, NULL);
}

static void sink_made(asyncio_protocol_t *protocol, asyncio_transport_t *transport)
{
    (void)protocol;
    pour.to = transport;
}

static int resume_later(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    stop_reading();
    return asyncio_transport_resume_reading(pour.to);
}

static void sink_received(asyncio_protocol_t *protocol, const void *data, size_t size)
{
    (void)protocol;
    PROVE(EVP_DigestUpdate(pour.taken, data, size), "SHA-256");
    pour.received += (long)size;
    if (!has_stop() || !asyncio_transport_is_reading(pour.to))
        return;
    asyncio_transport_pause_reading(pour.to);
    asyncio_task_t *task = asyncio_loop_create_task(asyncio_get_running_loop(),
                                                    asyncio_coroutine(resume_later, NULL));
    PROVE(task, "a task");
    asyncio_task_unref(task);
}

static void sink_lost(asyncio_protocol_t *protocol, int code, asyncio_error_t *error)
{
    (void)protocol, (void)error;
    PROVE(code == 0, "%s", asyncio_error_name(code));
    asyncio_future_set_result(pour.ended, NULL);
}

static asyncio_protocol_t *make_protocol(void *functions)
{
    static asyncio_protocol_t source, sink;
    const asyncio_protocol_functions_t *table = functions;
    asyncio_protocol_t *protocol = table->data_received ? &sink : &source;
    protocol->functions = table;
    return protocol;
}

static void pour_by_protocols(void)
{
    static asyncio_protocol_functions_t from = {
        .size = sizeof(from), .connection_made = source_made, .pause_writing = pause_writing,
        .resume_writing = resume_writing};
    static asyncio_protocol_functions_t to = {
        .size = sizeof(to), .connection_made = sink_made, .data_received = sink_received,
        .connection_lost = sink_lost};
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_server_t *server;
    asyncio_transport_t *transport;
    start_digests();
    pour.ended = asyncio_loop_create_future(loop);
    PROVE(asyncio_loop_create_server(loop, make_protocol, &to, "127.0.0.1", 0, NULL, &server) == 0,
          "a server");
    PROVE(asyncio_loop_create_connection(loop, make_protocol, &from, "127.0.0.1",
                                         asyncio_server_port(server, 0), NULL, &transport) == 0,
          "a connection");
    long resident = resident_kib();
    for (long i = 0; i < pour.total / PIECE_BYTES; i++) {
        next_piece(i);
        PROVE(asyncio_transport_write(pour.from, piece, PIECE_BYTES) == 0, "a write");
        note_unsent(asyncio_transport_get_write_buffer_size(pour.from));
        if (pour.is_waiting)
            PROVE(asyncio_await(pour.resumed, NULL) == 0, "a pause");
        asyncio_future_unref(pour.resumed);
        pour.resumed = NULL;
        if (i % 16 == 0)
            PROVE(asyncio_sleep(0) == 0, "the reader's turn");
    }
    pour.is_written = true;
    asyncio_transport_close(pour.from);
    PROVE(asyncio_await_unref(pour.ended, NULL) == 0, "the end");
    asyncio_transport_unref(transport);
    asyncio_server_close(server);
    asyncio_server_wait_closed(server);
    asyncio_server_unref(server);
    compare("protocols", resident);
}

static int prove(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    pour_by_streams();
    pour_by_protocols();
    return 0;
}

int main(int argc, char **argv)
{
    pour.total = (argument(argc, argv, 1, 16) << 20) / 2;
    pour.stops = argument(argc, argv, 2, 3);
    prove_run(prove, NULL);
    return 0;
}
