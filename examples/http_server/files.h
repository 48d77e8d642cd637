/* SPDX-License-Identifier: MIT */
/*
 * Files of a folder: what the server answers with --root.
 */
#ifndef HTTP_SERVER_FILES_H
#define HTTP_SERVER_FILES_H

#include "response.h"

/* Opens the folder. Returns its descriptor, or -errno. */
int files_open(const char *root);

/* Answers a request with a file of the folder. Returns the same as pages_answer(). */
int files_answer(const response_t *response, int root);

#endif
