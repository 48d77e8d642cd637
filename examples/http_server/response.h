/* SPDX-License-Identifier: MIT */
/*
 * Responses: heads and bodies written to a connection.
 */
#ifndef HTTP_SERVER_RESPONSE_H
#define HTTP_SERVER_RESPONSE_H

#include "connection.h"

/* For response_begin(): the body is sent in chunks, and its size is not known. */
#define RESPONSE_CHUNKED (-1)

/*
 * Writes the head of a response. `size` is that of the body in bytes, or RESPONSE_CHUNKED; `fields`
 * are more lines, each with its CR LF, or "". The caller writes the body, unless
 * response_has_body() is false. Returns 0 or a negative code: the connection is lost.
 */
int response_begin(connection_t *connection, int status, const char *type, int64_t size,
                   const char *fields);

/* Writes a response whose body is in memory, and waits as connection_drain(). */
int response_send(connection_t *connection, int status, const char *type, const char *body,
                  size_t size, const char *fields);

/* Writes a small page that shows the status. */
int response_status(connection_t *connection, int status, const char *fields);

/* Writes a piece of the body, and waits as connection_drain(). */
int response_write(connection_t *connection, const char *data, size_t size);

/* Returns whether the response to this request has a body: not of HEAD, 204, 304. */
bool response_has_body(const connection_t *connection, int status);

/* Writes a date as HTTP has it, such as "Sun, 06 Nov 1994 08:49:37 GMT". */
void response_date(time_t time, char ret_text[static 30]);

#endif
