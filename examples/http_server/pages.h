/* SPDX-License-Identifier: MIT */
/*
 * Generated pages, which the server serves without --root.
 *
 *   /redirect/N    redirects to /redirect/N-1, finally to /
 *   /status/NNN    that status, 200 to 599
 *   /bytes/N       N bytes
 *   /chunked       a body in chunks, without a length
 *   /missing       404
 *   anything else  a small page
 */
#ifndef HTTP_SERVER_PAGES_H
#define HTTP_SERVER_PAGES_H

#include "response.h"

/* Responds to a request. Returns 0, or a negative code: the connection cannot be used any more. */
int pages_respond(const response_t *response);

#endif
