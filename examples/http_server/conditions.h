/* SPDX-License-Identifier: MIT */
/*
 * Conditional requests and ranges (RFC 9110, 13 and 14): whether the client needs the file, and
 * which part of it.
 */
#ifndef HTTP_SERVER_CONDITIONS_H
#define HTTP_SERVER_CONDITIONS_H

#include "request.h"

#include <sys/stat.h>

/* What identifies the content of a file. */
typedef struct validators {
    char etag[40];      /* with its quotes: the time of the last change, and the size */
    char modified[30];  /* the time of the last change, to the second */
    time_t time;        /* the same */
} validators_t;

/* A part of a file. */
typedef struct part {
    int64_t offset; /* of its first byte */
    int64_t size;   /* in bytes */
} part_t;

validators_t validators_of(const struct stat *status);

/*
 * Decides what to send of a file of that many bytes. Returns 200: all of it; 206: the part; 304:
 * nothing, the client has it; 416: nothing, the range is behind its end. A range that is not
 * understood, and more than one range, are ignored, as HTTP allows.
 */
int conditions_check(const request_t *request, const validators_t *validators, int64_t size,
                     part_t *ret_part);

#endif
