/* SPDX-License-Identifier: MIT */
/*
 * Returns: headers and bodies written to a connection.
 */
#ifndef HTTP_SERVER_RESPONSE_H
#define HTTP_SERVER_RESPONSE_H

#include "request.h"

/* The response to one request; lives in the frame of the connection's task. */
typedef struct response {
    asyncio_stream_writer_t *writer; /* of the connection */
    const request_t *request;        /* the request */
} response_t;

/* Writes the header. bytes < 0: the body is sent in chunks. extra: more lines, or "". */
int response_begin(const response_t *response, int status, const char *type, long long bytes,
                   const char *extra);

/* Writes a whole response with a text as its body, which HEAD, 204 and 304 omit. */
int response_text(const response_t *response, int status, const char *type, const char *text,
                  const char *extra);

/* Writes a small page that shows the status. */
int response_status(const response_t *response, int status);

/* Returns the reason phrase of a status. */
const char *response_reason(int status);

#endif
