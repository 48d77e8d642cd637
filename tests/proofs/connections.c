/* SPDX-License-Identifier: MIT */
/*
 * connections COUNT [CLIENTS]: that many connections are opened and closed, descriptors and memory
 * stay flat.
 *
 * Each connection sends a byte and gets it back, by streams or by protocols on both sides in turn.
 * The servers have several loopback addresses, since each address and port of a closed connection
 * stays reserved for a minute.
 */
#include "proofs.h"

#include <stdio.h>
#include <stdlib.h>

#define ADDRESSES     32
#define GROWTH_KIB    2048 /* of memory after the first fifth */

static long remaining, done, served;
static uint16_t ports[ADDRESSES];
static asyncio_server_t *servers[ADDRESSES];

/* --- the servers --------------------------------------------------------------------------- */

static int echo(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    char byte;
    (void)arg;
    while (asyncio_stream_reader_read(reader, &byte, 1) == 1)
        PROVE(asyncio_stream_writer_write(writer, &byte, 1) == 0, "a reply");
    served++;
    return 0;
}

typedef struct end {
    asyncio_protocol_t protocol;
    asyncio_transport_t *transport;
    asyncio_future_t *lost; /* of a client; finished by connection_lost */
    int received;           /* bytes */
} end_t;

static void made(asyncio_protocol_t *protocol, asyncio_transport_t *transport)
{
    end_t *end = (end_t *)protocol;
    end->transport = transport;
    if (end->lost)
        PROVE(asyncio_transport_write(transport, "x", 1) == 0, "a request");
}

static void received(asyncio_protocol_t *protocol, const void *data, size_t size)
{
    end_t *end = (end_t *)protocol;
    end->received += (int)size;
    if (end->lost)
        asyncio_transport_close(end->transport);
    else
        PROVE(asyncio_transport_write(end->transport, data, size) == 0, "a reply");
}

static void lost(asyncio_protocol_t *protocol, int code, asyncio_error_t *error)
{
    end_t *end = (end_t *)protocol;
    (void)error;
    PROVE(code == 0, "%s", asyncio_error_name(code));
    if (end->lost)
        asyncio_future_set_result(end->lost, NULL);
    else
        served++;
}

static void destroy(asyncio_protocol_t *protocol)
{
    if (!((end_t *)protocol)->lost)
        free(protocol);
}

static const asyncio_protocol_functions_t functions = {
    .size = sizeof(functions),
    .connection_made = made,
    .data_received = received,
    .connection_lost = lost,
    .destroy = destroy,
};

static asyncio_protocol_t *make_end(void *arg)
{
    end_t *end = arg ? arg : calloc(1, sizeof(*end));
    if (end)
        end->protocol.functions = &functions;
    return end ? &end->protocol : NULL;
}

static void start_servers(void)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    for (int i = 0; i < ADDRESSES; i++) {
        char host[32];
        snprintf(host, sizeof(host), "127.0.0.%d", i + 1);
        int rc = i % 2 ? asyncio_loop_create_server(loop, make_end, NULL, host, 0, NULL,
                                                    &servers[i])
                       : asyncio_start_server(host, 0, echo, NULL, NULL, &servers[i]);
        PROVE(rc == 0, "%s: %s", host, asyncio_strerror(rc));
        ports[i] = asyncio_server_port(servers[i], 0);
    }
}

static void stop_servers(void)
{
    for (int i = 0; i < ADDRESSES; i++) {
        asyncio_server_close(servers[i]);
        PROVE(asyncio_server_wait_closed(servers[i]) == 0, "the end of a server");
        asyncio_server_unref(servers[i]);
    }
}

/* --- the clients --------------------------------------------------------------------------- */

static void talk_by_streams(const char *host, uint16_t port)
{
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    char byte = 0;
    int rc = asyncio_open_connection(host, port, NULL, &reader, &writer);
    PROVE(rc == 0, "%s: %s", asyncio_error_name(rc), asyncio_strerror(rc));
    PROVE(asyncio_stream_writer_write(writer, "x", 1) == 0, "a request");
    PROVE(asyncio_stream_reader_readexactly(reader, &byte, 1, NULL) == 1 && byte == 'x', "a reply");
    asyncio_stream_writer_close(writer);
    PROVE(asyncio_stream_writer_wait_closed(writer) == 0, "its end");
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
}

static void talk_by_protocols(const char *host, uint16_t port)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    end_t end = {.lost = asyncio_loop_create_future(loop)};
    asyncio_transport_t *transport = NULL;
    int rc = asyncio_loop_create_connection(loop, make_end, &end, host, port, NULL, &transport);
    PROVE(rc == 0, "%s: %s", asyncio_error_name(rc), asyncio_strerror(rc));
    PROVE(asyncio_await(end.lost, NULL) == 0 && end.received == 1, "a reply");
    asyncio_transport_unref(transport);
    asyncio_future_unref(end.lost);
}

static int client(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    while (remaining > 0) {
        long number = remaining--;
        char host[32];
        snprintf(host, sizeof(host), "127.0.0.%ld", number % ADDRESSES + 1);
        if (number % 3)
            talk_by_streams(host, ports[number % ADDRESSES]);
        else
            talk_by_protocols(host, ports[number % ADDRESSES]);
        done++;
    }
    return 0;
}

static void run_clients(long connections, long clients)
{
    asyncio_task_group_t group;
    remaining = connections;
    asyncio_task_group_enter(&group);
    for (long i = 0; i < clients; i++)
        PROVE(asyncio_task_group_create_task(&group, asyncio_coroutine(client, NULL)), "a task");
    PROVE(asyncio_task_group_exit(&group, 0) == 0, "the clients");
}

typedef struct sizes {
    long connections, clients;
} sizes_t;

static int prove(void *arg, void **ret_result)
{
    const sizes_t *sizes = arg;
    (void)ret_result;
    start_servers();
    int descriptors = open_descriptors();
    run_clients(sizes->connections / 5, sizes->clients);
    long resident = resident_kib();
    run_clients(sizes->connections - sizes->connections / 5, sizes->clients);
    long growth = resident_kib() - resident;
    while (served < done)
        PROVE(asyncio_sleep(0.001) == 0, "the servers' ends");
    int left = open_descriptors() - descriptors;
    printf("connections: %ld opened and closed, %d descriptors more, %ld KiB more than after a "
           "fifth of them (%ld KiB), %.1f us of processor time each\n",
           done, left, growth, resident, processor_seconds() * 1e6 / (double)done);
    PROVE(done == sizes->connections && served == done, "%ld served", served);
    PROVE(left == 0, "%d descriptors", left);
    PROVE(growth < GROWTH_KIB, "%ld KiB", growth);
    stop_servers();
    return 0;
}

int main(int argc, char **argv)
{
    sizes_t sizes = {argument(argc, argv, 1, 1000), argument(argc, argv, 2, 100)};
    prove_run(prove, &sizes);
    return 0;
}
