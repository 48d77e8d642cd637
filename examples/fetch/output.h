/* SPDX-License-Identifier: MIT */
/*
 * The files for --output: one for each URL, in one folder, named after the URL's path.
 *
 * A file is open only while a piece is written to it: ten thousand fetches at once need their
 * descriptors for connections.
 */
#ifndef FETCH_OUTPUT_H
#define FETCH_OUTPUT_H

#include <stddef.h>

/* The folder and the names that are in use. */
typedef struct output {
    int folder;  /* its descriptor */
    void *names; /* a tree of the names that this run uses */
} output_t;

/* Opens the folder, and creates it if it is missing. Returns 0 or -errno. */
int output_init(output_t *output, const char *folder);

/*
 * Returns a name that no other URL of this run has: the path with '_' for '/', and ".1", ".2" …
 * for more of the same. A file of that name from an earlier run is replaced. NULL: out of memory.
 * The string is *borrowed* from the output.
 */
const char *output_name(output_t *output, const char *url);

/* Creates the file, or empties it. Raises -errno. */
int output_create(const output_t *output, const char *name);

/* Appends to the file. Raises -errno. */
int output_append(const output_t *output, const char *name, const char *data, size_t size);

/* Removes the file of a fetch that failed, if there is one. */
void output_remove(const output_t *output, const char *name);

void output_fini(output_t *output);

#endif
