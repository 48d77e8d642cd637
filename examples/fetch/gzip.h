/* SPDX-License-Identifier: MIT */
/*
 * Bodies that a server has compressed (Content-Encoding: gzip), decoded piece by piece by zlib.
 */
#ifndef FETCH_GZIP_H
#define FETCH_GZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest decoded body: a few kilobytes of gzip can stand for gigabytes. */
#define GZIP_BYTES_MAX (UINT64_C(1) << 30)

/* Called with each decoded piece. A negative result ends the decoding. */
typedef int gzip_output_t(void *arg, const char *data, size_t size);

/* A decoder. */
typedef struct gzip gzip_t;

/* What the field Accept-Encoding says: with its CR LF; "" if there is no zlib. */
extern const char gzip_accept[];

/* Makes a decoder. Returns 0 or a negative code: out of memory, or there is no zlib. */
int gzip_new(gzip_t **ret_gzip);

void gzip_free(gzip_t *gzip);

/* Decodes a piece. Raises FETCH_EGZIP: it is corrupt, or the decoded body is too large; or returns
 * the code of the output. */
int gzip_decode(gzip_t *gzip, const char *data, size_t size, gzip_output_t *output, void *arg);

/* Checks that the body ends where gzip says. Raises FETCH_EGZIP: something is missing. */
int gzip_finish(const gzip_t *gzip);

#endif
