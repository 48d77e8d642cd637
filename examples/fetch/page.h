/* SPDX-License-Identifier: MIT */
/*
 * One URL from beginning to end: redirects, timeout, retries; and the workers that take one URL
 * after another.
 */
#ifndef FETCH_PAGE_H
#define FETCH_PAGE_H

#include "options.h"
#include "output.h"
#include "pool.h"

/* A URL and the result of fetching it. */
typedef struct page {
    const char *url;  /* as the user gave it; borrowed */
    const char *file; /* for the body; borrowed from the output; NULL without --output */
    int status;       /* of the last response; 0: none */
    uint64_t bytes;   /* of the body of the last response */
    double seconds;   /* from its start to its end, with every attempt */
    bool has_ended;   /* fetched or failed */
    bool has_failed;  /* no response, an incomplete one, or a status of 400 and more */
    char *error;      /* why it failed, owned; NULL if it did not, or memory ran out */
} page_t;

/* The whole run. */
typedef struct fetcher {
    const options_t *options; /* borrowed */
    output_t *output;         /* borrowed; NULL without --output */
    page_t *pages;            /* an array of count pages, in the order given */
    size_t count;             /* the number of pages */
    size_t next;              /* index of the first page that no worker has taken */
    size_t done;              /* number of pages that have ended */
    size_t failed;            /* number of pages that failed */
    uint64_t bytes;           /* of all bodies so far */
    pool_t pool;              /* the connections */
    asyncio_ssl_context_t *ssl; /* for https; NULL: there is none */
} fetcher_t;

/* Takes one page after another until none is left. Returns 0 or -ECANCELED. */
int page_worker(fetcher_t *fetcher, void **ret_result);

/* The coroutine object of page_worker(). */
asyncio_coroutine_t *page_worker_new(fetcher_t *fetcher);

#endif
