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

/* What has become of a URL. */
typedef struct page {
    const char *url;  /* as it was given; borrowed */
    const char *file; /* for the body, the output's; NULL without --output */
    int status;       /* of the last answer; 0: none */
    uint64_t bytes;   /* of the last answer's body */
    double seconds;   /* from its start to its end, with every attempt */
    bool has_ended;   /* fetched or failed */
    bool has_failed;  /* no answer, an incomplete one, or a status of 400 and more */
    char *error;      /* why it failed, its own; NULL if it did not, or memory was out */
} page_t;

/* The whole run. */
typedef struct fetcher {
    const options_t *options; /* borrowed */
    output_t *output;         /* borrowed; NULL without --output */
    page_t *pages;            /* count of them, in the order given */
    size_t count;             /* of pages */
    size_t next;              /* the first that no worker has taken */
    size_t done;              /* how many have ended */
    size_t failed;            /* how many of them failed */
    uint64_t bytes;           /* of all bodies so far */
    pool_t pool;              /* the connections */
} fetcher_t;

/* Takes one page after another until none is left. Returns 0 or -ECANCELED. */
int page_worker(fetcher_t *fetcher, void **ret_result);

/* The coroutine object of page_worker(). */
asyncio_coroutine_t *page_worker_new(fetcher_t *fetcher);

#endif
