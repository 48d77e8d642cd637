/* SPDX-License-Identifier: MIT */
/*
 * The command line.
 */
#ifndef HTTP_SERVER_OPTIONS_H
#define HTTP_SERVER_OPTIONS_H

#include "server.h"

/* Reads the settings. Returns 0; or else prints a message, and returns the exit status plus 1. */
int options_read(int argc, char **argv, settings_t *ret_settings);

#endif
