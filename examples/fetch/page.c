/* SPDX-License-Identifier: MIT */
/*
 * Fetching one URL. Each attempt runs in a timeout scope and follows redirects; an idle connection
 * that turns out to be closed is replaced without counting as an attempt.
 */
#include "page.h"

#include "errors.h"
#include "http.h"

#include <stdio.h>

#define REDIRECTS_MAX 10

/* Seconds before the first retry; doubled for each further one. */
#define RETRY_DELAY 0.1

/* The argument of take_body(). */
typedef struct target {
    fetcher_t *fetcher; /* the run */
    page_t *page;       /* the page */
} target_t;

/* Whether to try again: failures of the network may be temporary, those of the URL or of the
 * response are not. */
static bool is_worth_retry(int rc)
{
    switch (rc) {
    case FETCH_ECLOSED:
    case -ETIMEDOUT:
    case -ECONNREFUSED:
    case -ECONNRESET:
    case -ECONNABORTED:
    case -EPIPE:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
    case -EADDRNOTAVAIL:
        return true;
    default:
        return false;
    }
}

/* Called with each piece of a body: counts it, and writes it to the file if there is one. */
static int take_body(void *arg, const http_response_t *response, const char *data, size_t size)
{
    target_t *target = arg;
    target->fetcher->bytes += size;
    if (target->page->file == NULL || response->status >= 400)
        return 0;
    return output_append(target->fetcher->output, target->page->file, data, size);
}

/* Sends one request to one server, on a connection of the pool. */
static int ask(fetcher_t *fetcher, page_t *page, const url_t *url, http_response_t *response)
{
    target_t target = {.fetcher = fetcher, .page = page};
    for (bool may_reuse = true;; may_reuse = false) {
        connection_t *connection;
        int rc = pool_get(&fetcher->pool, url, may_reuse, &connection);
        if (rc < 0)
            return rc;
        rc = http_get(connection, url, take_body, &target, response);
        bool is_stale = connection->is_reused && !response->is_started &&
                        (rc == FETCH_ECLOSED || rc == -ECONNRESET || rc == -EPIPE);
        pool_put(&fetcher->pool, connection, rc == 0 && response->keep_alive);
        if (!is_stale)
            return rc;
        http_response_fini(response);
    }
}

/* Sends the request and follows redirects. */
static int follow(fetcher_t *fetcher, page_t *page, const url_t *start)
{
    url_t moved = {0};
    const url_t *url = start;
    int rc = page->file != NULL ? output_create(fetcher->output, page->file) : 0;
    for (int hop = 0; rc == 0; hop++) {
        http_response_t response = {0};
        rc = ask(fetcher, page, url, &response);
        page->status = response.status;
        page->bytes = response.bytes;
        if (rc < 0 || !http_is_redirect(&response)) {
            http_response_fini(&response);
            break;
        }
        url_t next;
        if (hop == REDIRECTS_MAX)
            rc = asyncio_raise(FETCH_EREDIRECT, "more than %d redirects", REDIRECTS_MAX);
        else
            rc = url_join(url, response.location, &next);
        http_response_fini(&response);
        if (rc == 0) {
            url_fini(&moved);
            moved = next;
            url = &moved;
        }
    }
    url_fini(&moved);
    return rc;
}

static int attempt(fetcher_t *fetcher, page_t *page, const url_t *url)
{
    page->status = 0;
    page->bytes = 0;
    double timeout = fetcher->options->timeout;
    asyncio_timeout_t scope;
    int rc = asyncio_timeout_enter(&scope, timeout);
    if (rc < 0)
        return rc;
    rc = asyncio_timeout_exit(&scope, follow(fetcher, page, url));
    if (rc == -ETIMEDOUT && asyncio_timeout_expired(&scope))
        rc = asyncio_raise(-ETIMEDOUT, "timed out after %g s", timeout);
    return rc;
}

/* Stores a copy of the message why the page failed. */
static void set_error(page_t *page, int rc)
{
    asyncio_error_t *error = asyncio_error_of(rc);
    const char *message = asyncio_error_message(error);
    const char *words = message[0] != '\0' ? message : asyncio_strerror(rc);
    const char *beginning = rc == ASYNCIO_EGAI ? "the host cannot be resolved: " : "";
    if (asprintf(&page->error, "%s%s", beginning, words) < 0)
        page->error = NULL;
    asyncio_error_unref(error);
}

/* Returns 0 also when the page failed: the page records its failure. */
static int fetch_page(fetcher_t *fetcher, page_t *page)
{
    url_t url = {0};
    int rc = url_parse(page->url, &url);
    if (rc == 0)
        rc = attempt(fetcher, page, &url);
    for (unsigned retry = 0; retry < fetcher->options->retries && is_worth_retry(rc); retry++) {
        int woken = asyncio_sleep(RETRY_DELAY * (double)(1u << (retry < 6 ? retry : 6)));
        rc = woken < 0 ? woken : attempt(fetcher, page, &url);
    }
    url_fini(&url);
    if (rc == 0 && page->status >= 400)
        rc = asyncio_raise(FETCH_ESTATUS, "the server returned %d", page->status);
    if (rc == 0)
        return 0;
    if (page->file != NULL)
        output_remove(fetcher->output, page->file);
    if (rc == -ECANCELED)
        return rc;
    page->has_failed = true;
    set_error(page, rc);
    return 0;
}

int page_worker(fetcher_t *fetcher, void **ret_result)
{
    (void)ret_result;
    while (fetcher->next < fetcher->count) {
        page_t *page = &fetcher->pages[fetcher->next++];
        asyncio_loop_t *loop = asyncio_get_running_loop();
        double start = asyncio_loop_time(loop);
        int rc = fetch_page(fetcher, page);
        if (rc < 0)
            return rc;
        page->seconds = asyncio_loop_time(loop) - start;
        page->has_ended = true;
        fetcher->done++;
        fetcher->failed += page->has_failed;
    }
    return 0;
}

ASYNCIO_COROUTINE(page_worker, (fetcher_t *, fetcher));

asyncio_coroutine_t *page_worker_new(fetcher_t *fetcher)
{
    return page_worker_coroutine(fetcher);
}
