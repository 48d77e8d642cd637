/* SPDX-License-Identifier: MIT */
/*
 * Returns: headers and bodies written to a connection.
 */
#ifndef HTTP_SERVER_RESPONSE_H
#define HTTP_SERVER_RESPONSE_H

#include "request.h"

/* What an answer needs to know; the task's, for one request. */
typedef struct response {
    asyncio_stream_writer_t *writer; /* where it goes */
    const request_t *request;        /* what is answered */
} response_t;

/* Writes the header. bytes < 0: the body comes in chunks. extra: more lines, or "". */
int response_begin(const response_t *response, int status, const char *type, long long bytes,
                   const char *extra);

/* Writes a whole answer with a text as its body; HEAD and 204, 304 leave the body out. */
int response_text(const response_t *response, int status, const char *type, const char *text,
                  const char *extra);

/* Writes a small page that says the status and nothing more. */
int response_status(const response_t *response, int status);

/* The words that go with a status. */
const char *response_reason(int status);

#endif
