/* SPDX-License-Identifier: MIT */
/*
 * URLs: split into the parts that a connection and a request need, and joined with a Location.
 */
#ifndef FETCH_URL_H
#define FETCH_URL_H

#include <stdbool.h>
#include <stdint.h>

/* The longest URL that is accepted, in bytes. */
#define URL_SIZE_MAX 8192

/* The parts of an http or https URL; it owns its strings. */
typedef struct url {
    char *host;      /* a name or an address, without the brackets of IPv6 */
    char *authority; /* as it stands in the URL, for the Host header: "host:port" */
    char *target;    /* path and query, at least "/" */
    uint16_t port;   /* 80 or 443 where the URL has none */
    bool is_https;   /* speak TLS */
} url_t;

/* Splits a URL. Raises FETCH_EURL with a reason, or -ENOMEM; then *ret_url is untouched. */
int url_parse(const char *text, url_t *ret_url);

/* Resolves a Location against the URL whose response has it. Fails as url_parse(). */
int url_join(const url_t *base, const char *location, url_t *ret_url);

/* Frees the parts; a zeroed one is allowed, and it is zeroed afterwards. */
void url_fini(url_t *url);

#endif
