/* SPDX-License-Identifier: MIT */
/*
 * fetch: fetches many URLs at once. Reads the command line, raises the limit of descriptors, runs
 * the workers, and reports.
 */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Descriptors for the standard streams, the loop, the resolver and one file. */
#define DESCRIPTORS_BESIDE 32

/* Raises the limit of descriptors as far as needed; if it cannot, says how to raise it. Returns the
 * number of URLs that can be fetched at once. */
static size_t fit_concurrency(size_t concurrency)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return concurrency;
    rlim_t needed = concurrency + DESCRIPTORS_BESIDE;
    if (limit.rlim_cur < needed) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= needed)
        return concurrency;
    size_t possible = limit.rlim_cur > DESCRIPTORS_BESIDE + 1
                          ? (size_t)limit.rlim_cur - DESCRIPTORS_BESIDE : 1;
    fprintf(stderr, "fetch: %zu at once need %zu open files, and the limit is %zu; going on with "
            "%zu at once (raise it with: ulimit -Hn %zu; ulimit -n %zu)\n", concurrency,
            (size_t)needed, (size_t)limit.rlim_cur, possible, (size_t)needed, (size_t)needed);
    return possible;
}

/* Starts a worker for each URL that may be in flight, and waits for all workers. */
static int run_workers(fetcher_t *fetcher)
{
    asyncio_task_group_t group;
    int rc = asyncio_task_group_enter(&group);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < fetcher->pool.limit && rc == 0; i++)
        if (asyncio_task_group_create_task(&group, page_worker_new(fetcher)) == NULL)
            rc = asyncio_errno();
    return asyncio_task_group_exit(&group, rc);
}

static int run(fetcher_t *fetcher, void **ret_result)
{
    asyncio_task_t *progress = NULL;
    if (isatty(STDERR_FILENO))
        progress = asyncio_create_task(progress_new(fetcher));
    int rc = fetcher->options->is_sequential ? page_worker(fetcher, ret_result)
                                             : run_workers(fetcher);
    if (progress != NULL) {
        asyncio_task_cancel(progress, NULL);
        asyncio_await_unref(progress, NULL);
    }
    pool_fini(&fetcher->pool);
    return rc;
}

ASYNCIO_COROUTINE(run, (fetcher_t *, fetcher));

/* Makes the pages, with names for their files in the order given. */
static bool prepare(fetcher_t *fetcher, const url_list_t *list)
{
    fetcher->count = list->count;
    fetcher->pages = calloc(list->count + 1, sizeof(*fetcher->pages));
    for (size_t i = 0; fetcher->pages != NULL && i < list->count; i++) {
        page_t *page = &fetcher->pages[i];
        page->url = list->urls[i];
        if (fetcher->output == NULL)
            continue;
        page->file = output_name(fetcher->output, page->url);
        if (page->file == NULL)
            return false;
    }
    return fetcher->pages != NULL;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Prints why the whole run was stopped, and marks each unfinished page as failed. */
static void stop(fetcher_t *fetcher, int rc)
{
    asyncio_error_t *error = asyncio_error_of(rc);
    const char *message = asyncio_error_message(error);
    fprintf(stderr, "fetch: stopped: %s\n", message[0] != '\0' ? message : asyncio_strerror(rc));
    asyncio_error_unref(error);
    for (size_t i = 0; i < fetcher->count; i++) {
        page_t *page = &fetcher->pages[i];
        if (page->has_ended)
            continue;
        page->has_failed = true;
        page->error = strdup("the run was stopped before it was fetched");
        fetcher->done++;
        fetcher->failed++;
    }
}

/* Fetches and reports; returns the exit status. */
static int fetch(fetcher_t *fetcher, const url_list_t *list)
{
    if (!prepare(fetcher, list)) {
        fprintf(stderr, "fetch: out of memory for %zu URLs\n", list->count);
        return 1;
    }
    size_t limit = fetcher->options->is_sequential ? 1 : fetcher->options->concurrency;
    if (limit > list->count)
        limit = list->count > 0 ? list->count : 1;
    pool_init(&fetcher->pool, fit_concurrency(limit));
    fetcher->pool.ssl = fetcher->ssl;
    double start = now();
    int rc = asyncio_run(run_coroutine(fetcher), NULL);
    double seconds = now() - start;
    if (rc < 0)
        stop(fetcher, rc);
    if (list->count == 0)
        fprintf(stderr, "fetch: no URLs given\n");
    report_summary(fetcher, seconds);
    if (fetcher->options->is_json)
        report_json(fetcher);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "fetch: cannot write the report: %s\n", strerror(errno));
        return 1;
    }
    return rc < 0 || fetcher->failed > 0 || list->count == 0;
}

/* Makes the context of https; 0, or a code. */
static int make_ssl(const options_t *options, asyncio_ssl_context_t **ret_ssl)
{
    *ret_ssl = NULL;
#ifdef FETCH_HAS_SSL
    asyncio_ssl_context_t *ssl = asyncio_ssl_create_default_context(ASYNCIO_SSL_SERVER_AUTH);
    int rc = ssl == NULL ? asyncio_errno() : 0;
    if (rc == 0 && options->cacert != NULL)
        rc = asyncio_ssl_context_load_verify_locations(ssl, options->cacert, NULL);
    if (rc == 0 && options->is_insecure)
        rc = asyncio_ssl_context_insecure_skip_verify(ssl);
    *ret_ssl = ssl;
    return rc;
#else
    (void)options;
    return 0;
#endif
}

static void drop_ssl(asyncio_ssl_context_t *ssl)
{
#ifdef FETCH_HAS_SSL
    asyncio_ssl_context_unref(ssl);
#else
    (void)ssl;
#endif
}

int main(int argc, char **argv)
{
    options_t options;
    url_list_t list;
    int next = options_read(argc, argv, &options, &list);
    if (next != OPTIONS_GO)
        return next == OPTIONS_HELP ? 0 : 2;
    output_t output;
    fetcher_t fetcher = {.options = &options};
    int status = 2, ssl_rc = make_ssl(&options, &fetcher.ssl);
    if (ssl_rc < 0) {
        asyncio_error_t *error = asyncio_error_of(ssl_rc);
        fprintf(stderr, "fetch: cannot use the certificates: %s\n", asyncio_error_message(error));
        asyncio_error_unref(error);
        goto out;
    }
    if (options.output != NULL) {
        int rc = output_init(&output, options.output);
        if (rc < 0) {
            fprintf(stderr, "fetch: cannot use the folder %s: %s\n", options.output,
                    strerror(-rc));
            goto out;
        }
        fetcher.output = &output;
    }
    status = fetch(&fetcher, &list);
    for (size_t i = 0; fetcher.pages != NULL && i < fetcher.count; i++)
        free(fetcher.pages[i].error);
    free(fetcher.pages);
    if (fetcher.output != NULL)
        output_fini(&output);
out:
    drop_ssl(fetcher.ssl);
    url_list_fini(&list);
    return status;
}
