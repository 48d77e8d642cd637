/* SPDX-License-Identifier: MIT */
/*
 * Our side of conversations with programs that others wrote; test_peers.py starts both sides.
 *
 *     peers talk connect|serve streams|protocol|buffered tcp|unix ADDRESS speak|reply
 *     peers datagrams echo|ask endpoint|socket inet|unix ADDRESS COUNT
 *     peers http PATH
 *     peers shell SHELL COMMAND
 *
 * ADDRESS is a port of 127.0.0.1 or a path. A server prints "ready", and its port if it has one,
 * once it can be reached. Every command ends by itself when its conversation has ended.
 */
#include "peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    int argument_count;
    bool reads_input;
    int (*run)(char **argv, const input_t *input);
} commands[] = {
    {"talk", 5, true, talk},
    {"datagrams", 5, true, datagrams},
    {"http", 1, false, http},
    {"shell", 2, true, shell},
};
#define COMMANDS (int)(sizeof(commands) / sizeof(*commands))

void append(input_t *input, const void *data, size_t size)
{
    if (!size)
        return;
    input->data = realloc(input->data, input->size + size);
    if (!input->data)
        abort();
    memcpy(input->data + input->size, data, size);
    input->size += size;
}

input_t read_input(void)
{
    static char piece[1 << 16];
    input_t input = {0};
    ssize_t size;
    while ((size = read(STDIN_FILENO, piece, sizeof(piece))) > 0)
        append(&input, piece, (size_t)size);
    return input;
}

void print_bytes(const void *data, size_t size)
{
    if (size == 0) /* then there may be no data */
        return;
    if (fwrite(data, 1, size, stdout) != size || fflush(stdout) != 0)
        abort();
}

static int run(int command, char **argv, void **ret_result)
{
    (void)ret_result;
    input_t input = {0};
    if (commands[command].reads_input)
        input = read_input();
    int rc = commands[command].run(argv, &input);
    free(input.data);
    return rc;
}
ASYNCIO_COROUTINE(run, (int, command), (char **, argv));

int main(int argc, char **argv)
{
    int command = 0;
    while (command < COMMANDS && argc > 1 && strcmp(argv[1], commands[command].name) != 0)
        command++;
    if (argc < 2 || command == COMMANDS || argc - 2 != commands[command].argument_count) {
        fprintf(stderr, "usage: see the head of tests/peers/main.c\n");
        return 2;
    }
    int rc = asyncio_run(run_coroutine(command, argv + 2), NULL);
    if (rc < 0)
        fprintf(stderr, "%s: %s\n", asyncio_error_name(rc), asyncio_strerror(rc));
    return rc < 0;
}
