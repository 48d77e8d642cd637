/* SPDX-License-Identifier: MIT */
/*
 * Made-up pages: what the server answers without --root.
 *
 *   /redirect/N    sends to /redirect/N-1, at last to /
 *   /status/NNN    that status, 200 to 599
 *   /bytes/N       N bytes
 *   /chunked       a body in chunks, without a length
 *   /missing       404
 *   anything else  a small page
 */
#ifndef HTTP_SERVER_PAGES_H
#define HTTP_SERVER_PAGES_H

#include "response.h"

/* Answers a request. Returns 0, or a negative code: the connection cannot be used any more. */
int pages_answer(const response_t *response);

#endif
