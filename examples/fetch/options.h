/* SPDX-License-Identifier: MIT */
/*
 * The options of the command line, and the list of URLs.
 */
#ifndef FETCH_OPTIONS_H
#define FETCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* The options, with their defaults filled in. */
typedef struct options {
    size_t concurrency;   /* number of URLs at once, at least 1 */
    double timeout;       /* seconds for each attempt */
    unsigned retries;     /* attempts after the first */
    bool is_sequential;   /* one after another */
    bool is_json;         /* print a JSON list instead of lines */
    const char *output;   /* the folder for the bodies; NULL: they are dropped */
    const char *cacert;   /* a file of the authorities to trust; NULL: the system's */
    bool is_insecure;     /* trust any server */
    const char *file;     /* a file of URLs, "-" for standard input; NULL: none */
} options_t;

/* The URLs to fetch, in order. */
typedef struct url_list {
    char **urls;     /* an array of count URLs */
    size_t count;    /* the number of URLs */
    size_t capacity; /* the length of the array */
} url_list_t;

/* What to do after the command line was read. */
enum options_next {
    OPTIONS_GO = 0,    /* fetch */
    OPTIONS_HELP = 1,  /* exit: help was requested and printed */
    OPTIONS_WRONG = -1 /* exit with an error: a message was printed */
};

/*
 * Reads the command line and the URLs: the arguments and those of the file, or from standard input
 * if there are neither. Returns one of options_next.
 */
int options_read(int argc, char **argv, options_t *ret_options, url_list_t *ret_list);

void url_list_fini(url_list_t *list);

#endif
