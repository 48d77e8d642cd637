/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the program `peers` share. It is our side of a conversation with a program that
 * others wrote, and test_peers.py starts both; main.c lists the commands.
 */
#ifndef TESTS_PEERS_H
#define TESTS_PEERS_H

#include <asyncio.h>

typedef struct input {
    char *data;  /* allocated by malloc() */
    size_t size; /* in bytes */
} input_t;

/* Reads standard input to its end, before the loop runs. */
input_t read_input(void);

/* Appends bytes; exits when memory is out. */
void append(input_t *input, const void *data, size_t size);

/* Writes bytes to standard output, and flushes it. */
void print_bytes(const void *data, size_t size);

/* Each command runs as a coroutine. argv begins with the argument behind the command's name; the
 * number of arguments has been checked. Returns 0 or the code of what failed. */
int talk(char **argv, const input_t *input);
int datagrams(char **argv, const input_t *input);
int http(char **argv, const input_t *input);
int shell(char **argv, const input_t *input);

#endif
