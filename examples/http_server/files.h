/* SPDX-License-Identifier: MIT */
/*
 * The files of a folder, which the server serves with --root.
 */
#ifndef HTTP_SERVER_FILES_H
#define HTTP_SERVER_FILES_H

#include "response.h"

/* Opens the folder. Returns its descriptor, or -errno. */
int files_open(const char *root);

/* Responds to a request with a file of the folder. Returns the same as pages_respond(). */
int files_respond(const response_t *response, int root);

#endif
