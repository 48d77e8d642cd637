/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1: one request and its response on a connection.
 */
#ifndef FETCH_HTTP_H
#define FETCH_HTTP_H

#include "pool.h"

/* The longest header that is accepted, in bytes. */
#define HTTP_HEADER_BYTES_MAX 65536

/* The response to a request, as far as it was received. */
typedef struct http_response {
    int status;      /* 0 before the header is complete */
    uint64_t bytes;  /* bytes of the body so far, decoded */
    bool is_started; /* the first byte was received */
    bool keep_alive; /* the connection may serve another request */
    char *location;  /* of a redirect; NULL otherwise */
} http_response_t;

/* Called with each decoded piece of the body; must not suspend. A negative result ends the
 * request. */
typedef int http_body_t(void *arg, const http_response_t *response, const char *data, size_t size);

/*
 * Requests a URL and reads the whole response; the body of a redirect is read and dropped.
 * Raises FETCH_EPROTOCOL, FETCH_EHEADER, FETCH_ECLOSED, FETCH_EGZIP; -errno of the
 * connection; the sink's code.
 * *response is filled in as far as it was received, also on failure; http_response_fini() it.
 */
int http_get(connection_t *connection, const url_t *url, http_body_t *body, void *arg,
             http_response_t *response);

/* Returns whether a response is a redirect with a Location. */
bool http_is_redirect(const http_response_t *response);

void http_response_fini(http_response_t *response);

#endif
