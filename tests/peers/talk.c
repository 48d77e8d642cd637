/* SPDX-License-Identifier: MIT */
/*
 * One connection, as a client or a server, by streams or by a protocol, over TCP or a Unix socket.
 *
 * Who speaks sends its input, ends its writing direction, and prints what it receives until the end
 * of the stream. Who replies receives until the end of the stream and then sends all that back. So
 * each side of a conversation is half closed by one of its ends while the other one still writes.
 */
#include "peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct connection {
    asyncio_protocol_t protocol;
    asyncio_transport_t *transport; /* borrowed until connection_lost */
    asyncio_future_t *ended;        /* finished when the connection has ended */
    const input_t *input;           /* what to speak; NULL: this end replies */
    input_t received;               /* all that was received */
    bool stays_open;                /* what eof_received returns */
    int code;                       /* how the connection ended */
    char buffer[1000];              /* of a buffered protocol */
} connection_t;

/* --- by streams ---------------------------------------------------------------------------- */

static int speak(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer,
                 const input_t *input)
{
    const char *data;
    int rc = asyncio_stream_writer_write(writer, input->data, input->size);
    if (rc >= 0)
        rc = asyncio_stream_writer_drain(writer);
    if (rc >= 0)
        rc = asyncio_stream_writer_write_eof(writer);
    if (rc < 0)
        return rc;
    ssize_t size = asyncio_stream_reader_read_all(reader, &data);
    if (size > 0)
        print_bytes(data, (size_t)size);
    return size < 0 ? (int)size : 0;
}

static int reply(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer)
{
    const char *data;
    ssize_t size = asyncio_stream_reader_read_all(reader, &data);
    if (size < 0)
        return (int)size;
    int rc = asyncio_stream_writer_write(writer, data, (size_t)size);
    return rc < 0 ? rc : asyncio_stream_writer_drain(writer);
}

/* Runs for the one connection of a server too; then the future of `arg` takes its result. */
static int converse(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    connection_t *connection = arg;
    int rc = connection->input ? speak(reader, writer, connection->input) : reply(reader, writer);
    asyncio_stream_writer_close(writer);
    int closed = asyncio_stream_writer_wait_closed(writer);
    connection->code = rc < 0 ? rc : closed;
    asyncio_future_set_result(connection->ended, NULL);
    return 0;
}

static int connect_streams(connection_t *connection, bool is_unix, const char *address)
{
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    int rc = is_unix ? asyncio_open_unix_connection(address, NULL, &reader, &writer)
                     : asyncio_open_connection("127.0.0.1", (uint16_t)atoi(address), NULL, &reader,
                                               &writer);
    if (rc < 0)
        return rc;
    converse(reader, writer, connection);
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
    return 0;
}

/* --- by a protocol ------------------------------------------------------------------------- */

static void connection_made(asyncio_protocol_t *protocol, asyncio_transport_t *transport)
{
    connection_t *connection = (connection_t *)protocol;
    connection->transport = transport;
    if (!connection->input)
        return;
    asyncio_transport_write(transport, connection->input->data, connection->input->size);
    asyncio_transport_write_eof(transport);
}

static void data_received(asyncio_protocol_t *protocol, const void *data, size_t size)
{
    append(&((connection_t *)protocol)->received, data, size);
}

static size_t get_buffer(asyncio_protocol_t *protocol, size_t size_hint, void **ret_buffer)
{
    (void)size_hint;
    *ret_buffer = ((connection_t *)protocol)->buffer;
    return sizeof(((connection_t *)protocol)->buffer);
}

static void buffer_updated(asyncio_protocol_t *protocol, size_t size)
{
    append(&((connection_t *)protocol)->received, ((connection_t *)protocol)->buffer, size);
}

static bool eof_received(asyncio_protocol_t *protocol)
{
    connection_t *connection = (connection_t *)protocol;
    if (!connection->input)
        asyncio_transport_write(connection->transport, connection->received.data,
                                connection->received.size);
    if (connection->stays_open)
        asyncio_transport_close(connection->transport);
    return connection->stays_open;
}

static void connection_lost(asyncio_protocol_t *protocol, int code, asyncio_error_t *error)
{
    (void)error;
    connection_t *connection = (connection_t *)protocol;
    connection->code = code;
    if (connection->input)
        print_bytes(connection->received.data, connection->received.size);
    asyncio_future_set_result(connection->ended, NULL);
}

static const asyncio_protocol_functions_t by_data = {
    .size = sizeof(by_data),
    .connection_made = connection_made,
    .data_received = data_received,
    .eof_received = eof_received,
    .connection_lost = connection_lost,
};

static const asyncio_protocol_functions_t by_buffer = {
    .size = sizeof(by_buffer),
    .connection_made = connection_made,
    .get_buffer = get_buffer,
    .buffer_updated = buffer_updated,
    .eof_received = eof_received,
    .connection_lost = connection_lost,
};

static asyncio_protocol_t *make_protocol(void *arg)
{
    return &((connection_t *)arg)->protocol;
}

/* --- both ---------------------------------------------------------------------------------- */

static int connect_now(connection_t *connection, bool is_unix, const char *address)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    if (!connection->protocol.functions)
        return connect_streams(connection, is_unix, address);
    return is_unix ? asyncio_loop_create_unix_connection(loop, make_protocol, connection, address,
                                                         NULL, NULL)
                   : asyncio_loop_create_connection(loop, make_protocol, connection, "127.0.0.1",
                                                    (uint16_t)atoi(address), NULL, NULL);
}

static int serve(connection_t *connection, bool is_unix, const char *address,
                 asyncio_server_t **ret_server)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    int rc;
    if (connection->protocol.functions && is_unix)
        rc = asyncio_loop_create_unix_server(loop, make_protocol, connection, address, NULL,
                                             ret_server);
    else if (connection->protocol.functions)
        rc = asyncio_loop_create_server(loop, make_protocol, connection, "127.0.0.1",
                                        (uint16_t)atoi(address), NULL, ret_server);
    else if (is_unix)
        rc = asyncio_start_unix_server(address, converse, connection, NULL, ret_server);
    else
        rc = asyncio_start_server("127.0.0.1", (uint16_t)atoi(address), converse, connection, NULL,
                                  ret_server);
    if (rc >= 0)
        printf("ready %d\n", asyncio_server_port(*ret_server, 0));
    fflush(stdout);
    return rc;
}

int talk(char **argv, const input_t *input)
{
    bool serves = strcmp(argv[0], "serve") == 0, is_unix = strcmp(argv[2], "unix") == 0;
    connection_t connection = {.ended = asyncio_loop_create_future(asyncio_get_running_loop())};
    asyncio_server_t *server = NULL;
    if (strcmp(argv[1], "protocol") == 0)
        connection.protocol.functions = &by_data;
    if (strcmp(argv[1], "buffered") == 0) {
        connection.protocol.functions = &by_buffer;
        connection.stays_open = true;
    }
    if (strcmp(argv[4], "speak") == 0)
        connection.input = input;
    int rc = serves ? serve(&connection, is_unix, argv[3], &server)
                    : connect_now(&connection, is_unix, argv[3]);
    if (rc >= 0)
        rc = asyncio_await(connection.ended, NULL);
    if (server) {
        asyncio_server_close(server);
        asyncio_server_wait_closed(server);
        asyncio_server_unref(server);
    }
    asyncio_future_unref(connection.ended);
    free(connection.received.data);
    return rc < 0 ? rc : connection.code;
}
