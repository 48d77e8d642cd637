/* SPDX-License-Identifier: MIT */
/*
 * The command line and the list of URLs. Blank lines are skipped; whether the others are valid URLs
 * is checked when they are fetched.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: fetch [OPTION]... [URL]...\n"
    "Fetches http and https URLs over HTTP/1.1, many at once. Without URLs they are read from\n"
    "standard input, one a line.\n"
    "\n"
    "  --file FILE      read URLs from FILE, one a line (- for standard input)\n"
    "  --concurrency N  at most N at once (default 100)\n"
    "  --sequential     one after another\n"
    "  --timeout S      give each attempt S seconds (default 30)\n"
    "  --retries N      try again up to N times after a failed connection (default 2)\n"
    "  --output DIR     write each body to a file in DIR, named after the URL's path\n"
    "  --cacert FILE    for https trust the certificates in FILE instead of the system's\n"
    "  --insecure       for https trust any server\n"
    "  --json           print a JSON list, an object for each URL\n"
    "  --help           print this\n"
    "\n"
    "The exit status is 0 if every URL was fetched, 1 if one failed or answered 400 or more,\n"
    "and 2 if the command line is wrong.\n";

static const struct option long_options[] = {
    {"file", required_argument, NULL, 'f'},    {"concurrency", required_argument, NULL, 'c'},
    {"sequential", no_argument, NULL, 's'},    {"timeout", required_argument, NULL, 't'},
    {"retries", required_argument, NULL, 'r'}, {"output", required_argument, NULL, 'o'},
    {"json", no_argument, NULL, 'j'},          {"help", no_argument, NULL, 'h'},
    {"cacert", required_argument, NULL, 'a'},  {"insecure", no_argument, NULL, 'i'},
    {NULL, 0, NULL, 0},
};

/* Reads a number from low to high; prints what is wrong otherwise. */
static bool read_number(const char *name, const char *text, double low, double high,
                        bool is_whole, double *ret_number)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || *end != '\0' || !(number >= low && number <= high) ||
        (is_whole && number != floor(number))) {
        fprintf(stderr, "fetch: %s takes a %s from %g to %g, not \"%s\"\n", name,
                is_whole ? "whole number" : "number", low, high, text);
        return false;
    }
    *ret_number = number;
    return true;
}

static bool read_option(int letter, const char *text, options_t *options)
{
    double number = 0.0;
    bool is_right = true;
    switch (letter) {
    case 'f':
        options->file = text;
        break;
    case 'c':
        is_right = read_number("--concurrency", text, 1, 1000000, true, &number);
        options->concurrency = (size_t)number;
        break;
    case 's':
        options->is_sequential = true;
        break;
    case 't':
        is_right = read_number("--timeout", text, 0.001, 86400, false, &number);
        options->timeout = number;
        break;
    case 'r':
        is_right = read_number("--retries", text, 0, 100, true, &number);
        options->retries = (unsigned)number;
        break;
    case 'o':
        options->output = text;
        break;
    case 'a':
        options->cacert = text;
        break;
    case 'i':
        options->is_insecure = true;
        break;
    case 'j':
        options->is_json = true;
        break;
    default: /* getopt has printed what is wrong */
        is_right = false;
    }
    return is_right;
}

static bool add_url(url_list_t *list, const char *text, size_t size)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        char **grown = realloc(list->urls, capacity * sizeof(*grown));
        if (grown == NULL)
            goto no_memory;
        list->urls = grown;
        list->capacity = capacity;
    }
    list->urls[list->count] = strndup(text, size);
    if (list->urls[list->count] == NULL)
        goto no_memory;
    list->count++;
    return true;
no_memory:
    fprintf(stderr, "fetch: out of memory for the list of URLs\n");
    return false;
}

static bool add_lines(url_list_t *list, FILE *stream, const char *name)
{
    char *line = NULL;
    size_t capacity = 0;
    bool is_right = true;
    while (is_right && getline(&line, &capacity, stream) >= 0) {
        const char *text = line + strspn(line, " \t");
        size_t size = strlen(text);
        while (size > 0 && strchr(" \t\r\n", text[size - 1]) != NULL)
            size--;
        if (size > 0)
            is_right = add_url(list, text, size);
    }
    if (ferror(stream)) {
        fprintf(stderr, "fetch: cannot read %s: %s\n", name, strerror(errno));
        is_right = false;
    }
    free(line);
    return is_right;
}

static bool add_file(url_list_t *list, const char *name)
{
    if (strcmp(name, "-") == 0)
        return add_lines(list, stdin, "standard input");
    FILE *stream = fopen(name, "r");
    if (stream == NULL) {
        fprintf(stderr, "fetch: cannot open %s: %s\n", name, strerror(errno));
        return false;
    }
    bool is_right = add_lines(list, stream, name);
    fclose(stream);
    return is_right;
}

int options_read(int argc, char **argv, options_t *ret_options, url_list_t *ret_list)
{
    options_t options = {.concurrency = 100, .timeout = 30.0, .retries = 2};
    int letter;
    while ((letter = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (letter == 'h') {
            fputs(help, stdout);
            return OPTIONS_HELP;
        }
        if (!read_option(letter, optarg, &options)) {
            fprintf(stderr, "fetch: --help says how it is used\n");
            return OPTIONS_WRONG;
        }
    }
    url_list_t list = {0};
    bool is_right = true;
    for (int i = optind; i < argc && is_right; i++)
        is_right = add_url(&list, argv[i], strlen(argv[i]));
    if (is_right && (options.file != NULL || optind == argc))
        is_right = add_file(&list, options.file != NULL ? options.file : "-");
    if (!is_right) {
        url_list_fini(&list);
        return OPTIONS_WRONG;
    }
    *ret_options = options;
    *ret_list = list;
    return OPTIONS_GO;
}

void url_list_fini(url_list_t *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->urls[i]);
    free(list->urls);
    *list = (url_list_t){0};
}
