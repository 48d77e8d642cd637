/* SPDX-License-Identifier: MIT */
/*
 * Generated pages, which the server serves without --root.
 *
 *   /redirect/N    redirects to /redirect/N-1, finally to /
 *   /status/NNN    that status, 200 to 599
 *   /bytes/N       N bytes
 *   /chunked       a body in chunks, without a length
 *   /plaintext     "Hello, World!"
 *   /echo          to POST: the body of the request
 *   /missing       404
 *   anything else  a small page
 */
#ifndef HTTP_SERVER_PAGES_H
#define HTTP_SERVER_PAGES_H

#include "connection.h"

/* Whether the page of this request wants POST, and the request's body. */
bool pages_wants_body(const request_t *request);

/* Responds to a request. Returns 0, or a negative code: the connection is lost. */
int pages_respond(connection_t *connection);

#endif
