/* SPDX-License-Identifier: MIT */
/*
 * The files of a folder, which the server serves with --root.
 */
#ifndef HTTP_SERVER_FILES_H
#define HTTP_SERVER_FILES_H

#include "connection.h"

/* Opens the folder. Returns its descriptor, or -errno. */
int files_open_root(const char *root);

/*
 * Responds to GET and HEAD with a file of the folder, a part of it, or that the client has it
 * already. No path leads out of the folder, not by "..", however encoded, nor by a symbolic link.
 * Returns 0, or a negative code: the connection is lost.
 */
int files_respond(connection_t *connection, int root);

#endif
