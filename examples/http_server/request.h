/* SPDX-License-Identifier: MIT */
/*
 * Requests: read from a connection one after another, each within a time limit.
 */
#ifndef HTTP_SERVER_REQUEST_H
#define HTTP_SERVER_REQUEST_H

#include <asyncio.h>
#include <http_parser.h>

#define REQUEST_TARGET_BYTES 4096
#define REQUEST_HEADER_BYTES 65536

/* How long a client may take, in seconds. Without limits, clients that send nothing would hold
 * their connections, and thus the server's file descriptors, for ever. */
typedef struct request_limits {
    double idle;    /* until the first byte of the next request */
    double request; /* from its first byte to its last */
} request_limits_t;

/* A request, and the bytes received after it. Lives in the frame of its connection's task. */
typedef struct request {
    http_parser parser;                /* its state */
    request_limits_t limits;           /* how long the client may take */
    bool has_begun;                    /* its first byte has been received */
    bool is_complete;                  /* the request has been read */
    bool is_head;                      /* HEAD: the response has no body */
    bool is_allowed;                   /* GET or HEAD */
    bool keep_alive;                   /* another request may follow */
    int error;                         /* the status to refuse the request with; 0: none */
    size_t target_size;                /* of target */
    char target[REQUEST_TARGET_BYTES]; /* path and query, with a terminating NUL */
    size_t begin;                      /* begin of the bytes in buffer that are not parsed yet */
    size_t end;                        /* end of the bytes in buffer */
    char buffer[4096];                 /* received bytes */
} request_t;

void request_init(request_t *request, request_limits_t limits);

/*
 * Reads the next request. Returns 1 and the request, which request->error may refuse (408 if it
 * did not arrive in time); 0 at the end of the connection, or if no request began in time; or a
 * negative error code.
 */
int request_read(request_t *request, asyncio_stream_reader_t *reader);

#endif
