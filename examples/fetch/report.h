/* SPDX-License-Identifier: MIT */
/*
 * The output for the user: a progress bar during the run, then a summary or a JSON list.
 */
#ifndef FETCH_REPORT_H
#define FETCH_REPORT_H

#include "page.h"

/* The coroutine object that draws the bar on standard error until it is cancelled. */
asyncio_coroutine_t *progress_new(fetcher_t *fetcher);

/* Prints the pages and the summary, to standard output, or with JSON to standard error. */
void report_summary(const fetcher_t *fetcher, double seconds);

/* Prints the JSON list to standard output. */
void report_json(const fetcher_t *fetcher);

#endif
