/* SPDX-License-Identifier: MIT */
/*
 * A connection: reads requests one after another, each part within its limits of size and time.
 */
#ifndef HTTP_SERVER_CONNECTION_H
#define HTTP_SERVER_CONNECTION_H

#include "request.h"
#include "server.h"

/* The longest head of a request, in bytes. */
#define HEAD_BYTES 16384

/* A connection, in the frame of its task. */
typedef struct connection {
    worker_t *worker;                /* that it belongs to */
    asyncio_stream_reader_t *reader; /* borrowed */
    asyncio_stream_writer_t *writer; /* borrowed */
    asyncio_timeout_t deadline;      /* of what is waited for */
    bool is_idle;                    /* waits for a request, and deadline is entered */
    LIST_ENTRY(connection) link;     /* in worker->connections */
    bool has_served;                 /* a request before the present one */
    request_t request;               /* the one that is served */
    char *body;                      /* of the request, owned; NULL: none, or it was dropped */
    size_t body_size;                /* its size, also of one that was dropped */
    int status;                      /* of the response; 0: there is none yet */
    uint64_t sent;                   /* bytes of the response's body */
    size_t head_end;                 /* behind the head in buffer, to which request points */
    size_t begin, end;               /* the part of buffer that is received and not used yet */
    char buffer[2 * HEAD_BYTES];     /* the head, and pieces of the body behind it; the last field,
                                        so that idle connections touch one page of it */
} connection_t;

void connection_init(connection_t *connection, worker_t *worker, asyncio_stream_reader_t *reader,
                     asyncio_stream_writer_t *writer);

/* Frees what it owns; the streams stay open. */
void connection_fini(connection_t *connection);

/*
 * Reads the head of the next request into connection->request. Returns 1: there is one; 0: the
 * client has closed the connection, or has not begun a request in time; a status of 400 and more:
 * the request is to be refused; or a negative code: the connection is lost.
 */
int connection_read_head(connection_t *connection);

/*
 * Reads the body of the request, and keeps it in connection->body if `keep` is set. Returns 0; a
 * status of 400 and more: the request is to be refused; or a negative code: the connection is lost.
 */
int connection_read_body(connection_t *connection, bool keep);

/* Ends the wait of a connection for its next request, if that is what it does. */
void connection_stop_idle(connection_t *connection);

/* Reads and drops what the client of a refused request still sends, for a while. A close at once
 * would reset the connection, and the client could lose the response. */
void connection_linger(connection_t *connection);

/* Waits until the client has taken enough of what was written, at most settings->send_timeout
 * seconds; the client has lost its connection then. Returns 0 or a negative code. */
int connection_drain(connection_t *connection);

#endif
