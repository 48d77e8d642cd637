/* SPDX-License-Identifier: MIT */
/*
 * Reading from a connection. What a client has sent ahead (pipelining) stays in the buffer until
 * the request before it is done.
 */
#include "connection.h"

#include <stdlib.h>
#include <string.h>

/* What a client may still send when its request was refused. */
#define LINGER_SECONDS 2.0
#define LINGER_BYTES   1048576

void connection_init(connection_t *connection, worker_t *worker, asyncio_stream_reader_t *reader,
                     asyncio_stream_writer_t *writer)
{
    /* Field by field: an initializer would clear the whole buffer. */
    connection->worker = worker;
    connection->reader = reader;
    connection->writer = writer;
    connection->is_idle = false;
    connection->has_served = false;
    connection->request = (request_t){.method = METHOD_OTHER};
    connection->body = NULL;
    connection->body_size = 0;
    connection->begin = 0;
    connection->end = 0;
    LIST_INSERT_HEAD(&worker->connections, connection, link);
}

void connection_fini(connection_t *connection)
{
    LIST_REMOVE(connection, link);
    free(connection->body);
}

/* Receives at most `room` bytes behind `end`. Returns a number of bytes, 0 or a code. */
static ssize_t receive(connection_t *connection, size_t room)
{
    ssize_t size = asyncio_stream_reader_read(connection->reader,
                                              connection->buffer + connection->end, room);
    if (size > 0)
        connection->end += (size_t)size;
    return size;
}

/* Receives a piece of a body where there is none in the buffer. Returns 0 or a code. */
static int receive_body(connection_t *connection)
{
    if (connection->begin < connection->end)
        return 0;
    connection->begin = connection->end = connection->head_end;
    ssize_t size = receive(connection, HEAD_BYTES);
    return size > 0 ? 0 : size < 0 ? (int)size : -ECONNRESET;
}

/* Moves what is received and not used to the beginning of the buffer. */
static void move_to_front(connection_t *connection)
{
    connection->end -= connection->begin;
    memmove(connection->buffer, connection->buffer + connection->begin, connection->end);
    connection->begin = 0;
}

/*
 * Looks for the empty line that ends a head, in the received bytes from *scanned on, which is the
 * beginning of a line. Returns the size of the head; 0: it is not complete; -1: a line ends with a
 * bare LF.
 */
static ptrdiff_t find_end(const connection_t *connection, size_t *scanned)
{
    const char *begin = connection->buffer + connection->begin;
    const char *end = connection->buffer + connection->end;
    const char *line = begin + *scanned;
    const char *newline;
    while ((newline = memchr(line, '\n', (size_t)(end - line))) != NULL) {
        if (newline == line || newline[-1] != '\r')
            return -1;
        if (newline == line + 1)
            return newline + 1 - begin;
        line = newline + 1;
        *scanned = (size_t)(line - begin);
    }
    return 0;
}

/* Why a head that fills the buffer is refused: its first line is too long, or all of it. */
static int too_large(const connection_t *connection)
{
    return memchr(connection->buffer, '\n', connection->end) == NULL ? 414 : 431;
}

/* Receives until the head is complete, and moves the deadline when it has begun. Returns the same
 * as connection_read_head(), and the size of the head. */
static int receive_head(connection_t *connection, ptrdiff_t *ret_size)
{
    size_t scanned = 0;
    bool has_begun = connection->begin < connection->end;
    for (;;) {
        /* A client may send an empty line behind a body; RFC 9112, 2.2 wants it ignored. */
        while (scanned == 0 && connection->end - connection->begin >= 2 &&
               memcmp(connection->buffer + connection->begin, "\r\n", 2) == 0)
            connection->begin += 2;
        *ret_size = find_end(connection, &scanned);
        if (*ret_size != 0)
            return *ret_size > 0 ? 1 : 400;
        move_to_front(connection);
        if (connection->end == HEAD_BYTES)
            return too_large(connection);
        if (!has_begun && connection->end > 0) {
            double now = asyncio_loop_time(asyncio_get_running_loop());
            asyncio_timeout_reschedule(&connection->deadline,
                                       now + connection->worker->settings->head_timeout);
            connection->is_idle = false;
            has_begun = true;
        }
        ssize_t size = receive(connection, HEAD_BYTES - connection->end);
        if (size <= 0)
            return (int)size;
    }
}

/* Forgets the request before. */
static void begin_request(connection_t *connection)
{
    free(connection->body);
    connection->body = NULL;
    connection->body_size = 0;
    connection->status = 0;
    connection->sent = 0;
    connection->request = (request_t){.method = METHOD_OTHER};
    if (connection->end > HEAD_BYTES)
        move_to_front(connection); /* there is no more than HEAD_BYTES, of the last piece */
}

int connection_read_head(connection_t *connection)
{
    const settings_t *settings = connection->worker->settings;
    begin_request(connection);
    bool has_begun = connection->begin < connection->end;
    if (!has_begun && connection->worker->is_stopping && connection->has_served)
        return 0;
    int rc = asyncio_timeout_enter(&connection->deadline, has_begun ? settings->head_timeout
                                                                    : settings->idle_timeout);
    if (rc < 0)
        return rc;
    ptrdiff_t size;
    connection->is_idle = !has_begun;
    rc = receive_head(connection, &size);
    rc = asyncio_timeout_exit(&connection->deadline, rc);
    connection->is_idle = false;
    /* A client that sent nothing gets no response: it may be about to send the next request. */
    if (rc == -ETIMEDOUT)
        return connection->begin < connection->end ? 408 : 0;
    if (rc != 1)
        return rc;
    rc = request_parse(connection->buffer + connection->begin, (size_t)size, &connection->request);
    connection->begin += (size_t)size;
    connection->head_end = connection->begin;
    connection->has_served = true;
    return rc != 0 ? rc : 1;
}

/* Takes bytes of the body out of the buffer. Returns 0, a status or a code. */
static int take(connection_t *connection, size_t size, bool keep)
{
    size_t body_max = connection->worker->settings->body_max;
    if (size > body_max - connection->body_size)
        return 413;
    if (keep && size > 0) {
        char *grown = realloc(connection->body, connection->body_size + size);
        if (grown == NULL)
            return 503;
        memcpy(grown + connection->body_size, connection->buffer + connection->begin, size);
        connection->body = grown;
    }
    connection->body_size += size;
    connection->begin += size;
    return 0;
}

/* Reads a part of the body whose size is known. */
static int read_sized(connection_t *connection, uint64_t size, bool keep)
{
    if (size > connection->worker->settings->body_max - connection->body_size)
        return 413; /* before any of it is read */
    while (size > 0) {
        int rc = receive_body(connection);
        size_t there = connection->end - connection->begin;
        size_t piece = there < size ? there : (size_t)size;
        if (rc == 0)
            rc = take(connection, piece, keep);
        if (rc != 0)
            return rc;
        size -= piece;
    }
    return 0;
}

/* Reads a line within a chunked body, which must end with CR LF, and copies it without that. */
static int read_line(connection_t *connection, char *ret_line, size_t room)
{
    size_t size = 0;
    for (;;) {
        int rc = receive_body(connection);
        if (rc < 0)
            return rc;
        char c = connection->buffer[connection->begin++];
        if (c == '\n')
            break;
        if (size == room || (size > 0 && ret_line[size - 1] == '\r'))
            return 400;
        ret_line[size++] = c;
    }
    if (size == 0 || ret_line[size - 1] != '\r')
        return 400;
    ret_line[size - 1] = '\0';
    return 0;
}

/* A chunk's size in hexadecimal digits; extensions may follow, and are ignored. */
static int parse_chunk_size(const char *line, uint64_t *ret_size)
{
    size_t digits = strspn(line, "0123456789abcdefABCDEF");
    size_t blanks = strspn(line + digits, " \t");
    char next = line[digits + blanks];
    if (digits == 0 || digits > 15 || (next != ';' && (next != '\0' || blanks > 0)))
        return 400;
    *ret_size = strtoull(line, NULL, 16);
    return 0;
}

static int read_chunked(connection_t *connection, bool keep)
{
    char line[256];
    uint64_t size;
    int rc;
    do {
        rc = read_line(connection, line, sizeof(line));
        if (rc == 0)
            rc = parse_chunk_size(line, &size);
        if (rc == 0)
            rc = read_sized(connection, size, keep);
        if (rc == 0 && size > 0) {
            rc = read_line(connection, line, sizeof(line));
            if (rc == 0 && line[0] != '\0')
                rc = 400;
        }
    } while (rc == 0 && size > 0);
    /* Trailers: fields that nobody needs here. */
    for (int count = 0; rc == 0; count++) {
        rc = read_line(connection, line, sizeof(line));
        if (rc == 0 && line[0] == '\0')
            break;
        if (rc == 0 && count == REQUEST_FIELD_COUNT)
            rc = 431;
    }
    return rc;
}

int connection_read_body(connection_t *connection, bool keep)
{
    static const char go_ahead[] = "HTTP/1.1 100 Continue\r\n\r\n";
    request_t *request = &connection->request;
    if (request->length == 0 && !request->is_chunked)
        return 0;
    if (request->length > connection->worker->settings->body_max)
        return 413;
    if (request->expects_continue && request->minor_version > 0) {
        if (!keep) { /* the client sends the body or not, after the response: nobody can tell */
            request->keep_alive = false;
            return 0;
        }
        int rc = asyncio_stream_writer_write(connection->writer, go_ahead, sizeof(go_ahead) - 1);
        if (rc < 0)
            return rc;
    }
    int rc = asyncio_timeout_enter(&connection->deadline,
                                   connection->worker->settings->body_timeout);
    if (rc < 0)
        return rc;
    rc = request->is_chunked ? read_chunked(connection, keep)
                             : read_sized(connection, request->length, keep);
    rc = asyncio_timeout_exit(&connection->deadline, rc);
    return rc == -ETIMEDOUT ? 408 : rc;
}

void connection_stop_idle(connection_t *connection)
{
    if (connection->is_idle)
        asyncio_timeout_reschedule(&connection->deadline, 0.0);
}

void connection_linger(connection_t *connection)
{
    asyncio_timeout_t deadline;
    if (asyncio_stream_writer_write_eof(connection->writer) < 0) /* TLS cannot end one direction */
        return;
    if (asyncio_timeout_enter(&deadline, LINGER_SECONDS) < 0)
        return;
    ssize_t size;
    size_t dropped = 0;
    do {
        size = asyncio_stream_reader_read(connection->reader, connection->buffer,
                                          sizeof(connection->buffer));
        dropped += size > 0 ? (size_t)size : 0;
    } while (size > 0 && dropped < LINGER_BYTES);
    asyncio_timeout_exit(&deadline, size < 0 ? (int)size : 0);
}

int connection_drain(connection_t *connection)
{
    if (asyncio_stream_writer_get_write_buffer_size(connection->writer) == 0)
        return asyncio_stream_writer_drain(connection->writer);
    asyncio_timeout_t deadline;
    int rc = asyncio_timeout_enter(&deadline, connection->worker->settings->send_timeout);
    if (rc < 0)
        return rc;
    rc = asyncio_timeout_exit(&deadline, asyncio_stream_writer_drain(connection->writer));
    if (rc == -ETIMEDOUT)
        asyncio_stream_writer_abort(connection->writer);
    return rc;
}
