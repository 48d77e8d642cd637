/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1: one request and its answer on a connection.
 */
#ifndef FETCH_HTTP_H
#define FETCH_HTTP_H

#include "pool.h"

/* The longest header that is accepted, in bytes. */
#define HTTP_HEADER_BYTES_MAX 65536

/* The answer to a request, as far as it came. */
typedef struct http_response {
    int status;      /* 0 before the header is complete */
    uint64_t bytes;  /* of the body that have come */
    bool is_started; /* a byte has come */
    bool keep_alive; /* the connection may serve another request */
    char *location;  /* of a redirect; NULL otherwise */
} http_response_t;

/* Is handed the body piece by piece; must not suspend. A negative answer ends the request. */
typedef int http_body_t(void *arg, const http_response_t *response, const char *data, size_t size);

/*
 * Asks for a URL and reads the whole answer; the body of a redirect is read and dropped.
 * Raises FETCH_EPROTOCOL, FETCH_EHEADER, FETCH_ECLOSED; -errno of the connection; the sink's code.
 * *response is filled in as far as the answer came, also on failure; http_response_fini() it.
 */
int http_get(connection_t *connection, const url_t *url, http_body_t *body, void *arg,
             http_response_t *response);

/* Returns whether an answer sends elsewhere: a redirect with a Location. */
bool http_is_redirect(const http_response_t *response);

void http_response_fini(http_response_t *response);

#endif
