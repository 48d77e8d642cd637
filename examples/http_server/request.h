/* SPDX-License-Identifier: MIT */
/*
 * Requests: read from a connection one after another.
 */
#ifndef HTTP_SERVER_REQUEST_H
#define HTTP_SERVER_REQUEST_H

#include <asyncio.h>
#include <http_parser.h>

#define REQUEST_TARGET_BYTES 4096
#define REQUEST_HEADER_BYTES 65536

/* A request, and what has been read behind it. Lives in the frame of its connection's task. */
typedef struct request {
    http_parser parser;                /* its state */
    bool is_complete;                  /* the request has been read */
    bool is_head;                      /* HEAD: answered without a body */
    bool is_allowed;                   /* GET or HEAD */
    bool keep_alive;                   /* another may follow */
    int error;                         /* the status to refuse it with; 0: none */
    size_t target_size;                /* of target */
    char target[REQUEST_TARGET_BYTES]; /* path and query, followed by a 0 */
    size_t begin;                      /* of what is unparsed in buffer */
    size_t end;                        /* of what was read into buffer */
    char buffer[4096];                 /* what was read */
} request_t;

void request_init(request_t *request);

/*
 * Reads the next request. Answers 1 and the request (which request->error may refuse), 0 at the
 * end of the connection, or -errno.
 */
int request_read(request_t *request, asyncio_stream_reader_t *reader);

#endif
