/* SPDX-License-Identifier: MIT */
/*
 * The progress bar and the summary. Reads the pages and changes nothing.
 */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BAR_WIDTH 30

/* The number of pages, or of failures, that are listed one by one. */
#define LISTED_MAX 20

static void draw(const fetcher_t *fetcher)
{
    size_t filled = fetcher->count > 0 ? fetcher->done * BAR_WIDTH / fetcher->count : BAR_WIDTH;
    char bar[BAR_WIDTH + 1];
    for (size_t i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < filled ? '#' : '-';
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r[%s] %zu/%zu  %.1f MB  %zu failed\033[K", bar, fetcher->done,
            fetcher->count, (double)fetcher->bytes / 1e6, fetcher->failed);
}

static int progress(fetcher_t *fetcher, void **ret_result)
{
    (void)ret_result;
    int rc;
    do {
        draw(fetcher);
        rc = asyncio_sleep(0.1);
    } while (rc == 0);
    fprintf(stderr, "\r\033[K");
    return rc;
}

ASYNCIO_COROUTINE(progress, (fetcher_t *, fetcher));

asyncio_coroutine_t *progress_new(fetcher_t *fetcher)
{
    return progress_coroutine(fetcher);
}

static const char *error_of(const page_t *page)
{
    return page->error != NULL ? page->error : "out of memory";
}

/* Lists all pages if they are few, else the failures, at most LISTED_MAX. */
static void list_pages(const fetcher_t *fetcher, FILE *stream)
{
    bool is_short = fetcher->count <= LISTED_MAX;
    size_t failures = 0;
    for (size_t i = 0; i < fetcher->count; i++) {
        const page_t *page = &fetcher->pages[i];
        if (page->has_failed && failures++ < LISTED_MAX)
            fprintf(stderr, "fetch: %s: %s\n", page->url, error_of(page));
        else if (!page->has_failed && is_short)
            fprintf(stream, "%3d %10" PRIu64 " bytes %8.3f s  %s\n", page->status, page->bytes,
                    page->seconds, page->url);
    }
    if (failures > LISTED_MAX)
        fprintf(stderr, "fetch: ... and %zu more that failed\n", failures - LISTED_MAX);
    fflush(stderr);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Returns the smallest time that the given percentage of the pages did not exceed. */
static double percentile(const double *sorted, size_t count, size_t percent)
{
    size_t rank = (count * percent + 99) / 100;
    return sorted[rank > 0 ? rank - 1 : 0];
}

static void print_times(const fetcher_t *fetcher, FILE *stream)
{
    double *times = malloc((fetcher->count + 1) * sizeof(*times));
    if (times == NULL || fetcher->count == 0) {
        free(times);
        return;
    }
    for (size_t i = 0; i < fetcher->count; i++)
        times[i] = fetcher->pages[i].seconds;
    qsort(times, fetcher->count, sizeof(*times), compare_doubles);
    fprintf(stream, "time each: p50 %.4f s, p99 %.4f s, longest %.4f s\n",
            percentile(times, fetcher->count, 50), percentile(times, fetcher->count, 99),
            times[fetcher->count - 1]);
    free(times);
}

static void print_statuses(const fetcher_t *fetcher, FILE *stream)
{
    size_t counts[1000] = {0};
    for (size_t i = 0; i < fetcher->count; i++)
        counts[fetcher->pages[i].status % 1000]++;
    const char *separator = "status: ";
    for (int status = 999; status >= 0; status--) {
        if (counts[status] == 0)
            continue;
        if (status > 0)
            fprintf(stream, "%s%d x %zu", separator, status, counts[status]);
        else
            fprintf(stream, "%sno response x %zu", separator, counts[status]);
        separator = ", ";
    }
    fprintf(stream, "\n");
}

void report_summary(const fetcher_t *fetcher, double seconds)
{
    FILE *stream = fetcher->options->is_json ? stderr : stdout;
    list_pages(fetcher, stream);
    if (fetcher->count == 0)
        return;
    fprintf(stream, "%zu fetched, %zu failed, %" PRIu64 " bytes in %.3f s: %.0f requests/s, "
            "%zu connections\n", fetcher->done - fetcher->failed, fetcher->failed,
            fetcher->bytes, seconds, seconds > 0 ? (double)fetcher->done / seconds : 0.0,
            fetcher->pool.made_count);
    print_statuses(fetcher, stream);
    print_times(fetcher, stream);
}

/* Returns the length of the UTF-8 sequence that begins here, or 0 if it is not valid. */
static size_t utf8_length(const unsigned char *text)
{
    size_t length = text[0] < 0x80 ? 1 : text[0] < 0xc2 ? 0 : text[0] < 0xe0 ? 2
                  : text[0] < 0xf0 ? 3 : text[0] < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    bool is_overlong = (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
    bool is_surrogate = text[0] == 0xed && text[1] >= 0xa0;
    bool is_beyond = text[0] == 0xf4 && text[1] >= 0x90;
    return is_overlong || is_surrogate || is_beyond ? 0 : length;
}

/* Prints a JSON string. Bytes that are not UTF-8 become U+FFFD, since JSON must be UTF-8. */
static void print_string(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    putchar('"');
    while (*c != '\0') {
        size_t length = utf8_length(c);
        if (length == 0)
            fputs("\\ufffd", stdout);
        else if (*c == '"' || *c == '\\')
            printf("\\%c", *c);
        else if (*c < ' ' || *c == 0x7f)
            printf("\\u%04x", *c);
        else
            fwrite(c, 1, length, stdout);
        c += length > 0 ? length : 1;
    }
    putchar('"');
}

void report_json(const fetcher_t *fetcher)
{
    putchar('[');
    for (size_t i = 0; i < fetcher->count; i++) {
        const page_t *page = &fetcher->pages[i];
        printf("%s\n  {\"url\": ", i > 0 ? "," : "");
        print_string(page->url);
        printf(", \"status\": %d, \"bytes\": %" PRIu64 ", \"seconds\": %.6f", page->status,
               page->bytes, page->seconds);
        if (page->has_failed) {
            printf(", \"error\": ");
            print_string(error_of(page));
        } else if (page->file != NULL) {
            printf(", \"file\": ");
            print_string(page->file);
        }
        putchar('}');
    }
    printf("%s]\n", fetcher->count > 0 ? "\n" : "");
}
