/* SPDX-License-Identifier: MIT */
/*
 * The codes with which a fetch fails, beside those of the system and of asyncio.
 */
#ifndef FETCH_ERRORS_H
#define FETCH_ERRORS_H

#include <asyncio.h>

enum fetch_error {
    FETCH_EURL = ASYNCIO_EUSER,          /* not a URL that can be fetched */
    FETCH_EPROTOCOL = ASYNCIO_EUSER - 1, /* the response is not HTTP */
    FETCH_EHEADER = ASYNCIO_EUSER - 2,   /* the header is longer than the limit */
    FETCH_ECLOSED = ASYNCIO_EUSER - 3,   /* the server closed before the response was complete */
    FETCH_EREDIRECT = ASYNCIO_EUSER - 4, /* too many redirects */
    FETCH_ESTATUS = ASYNCIO_EUSER - 5,   /* the response has a status of 400 or more */
    FETCH_EGZIP = ASYNCIO_EUSER - 6      /* the body cannot be decoded */
};

#endif
