/* SPDX-License-Identifier: MIT */
/*
 * conformance [--count] SCENARIO.json...: runs scenarios on libasyncio under a virtual clock and
 * prints their traces, line for line as conformance/oracle.py does on CPython.
 *
 * A file holds one scenario or a list of them; "-" is standard input. The engine is the one that
 * ASYNCIO_ENGINE names in the environment. With --count the number of times that each statement
 * was executed is written to the standard error at the end.
 */
#include <stdio.h>
#include <string.h>

#include "scenario.h"

static void run_one(json_t *program, size_t number)
{
    json_t *name = json_object_get(program, "name");
    if (json_is_string(name))
        printf("== %s\n", json_string_value(name));
    else
        printf("== %zu\n", number);
    fflush(stdout); /* so that a crash is seen to be this one's */
    run_scenario(program);
}

static int run_file(const char *name)
{
    json_error_t error;
    json_t *data = strcmp(name, "-") == 0 ? json_loadf(stdin, 0, &error)
                                          : json_load_file(name, 0, &error);
    if (!data) {
        fprintf(stderr, "conformance: %s:%d: %s\n", name, error.line, error.text);
        return 1;
    }
    if (!json_is_array(data))
        run_one(data, 0);
    for (size_t i = 0; i < json_array_size(data); i++)
        run_one(json_array_get(data, i), i);
    json_decref(data);
    return 0;
}

int main(int argc, char **argv)
{
    int failed = 0;
    bool is_counted = argc > 1 && strcmp(argv[1], "--count") == 0;
    if (argc < 2)
        return run_file("-");
    for (int i = 1 + is_counted; i < argc; i++)
        failed |= run_file(argv[i]);
    if (is_counted)
        print_counts();
    return failed;
}
