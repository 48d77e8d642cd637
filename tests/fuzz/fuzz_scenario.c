/* SPDX-License-Identifier: MIT */
/*
 * Runs any bytes as a scenario, on the virtual clock and the engine sim, and holds what must hold
 * for each: it ends, and its trace is complete; nothing is left behind, neither a block nor a
 * descriptor; and its trace in debug mode, in which each step goes through the loop, is the same as
 * in that in which tasks switch to each other directly.
 */
#include "fuzz.h"

#include "decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../scenarios/scenario.h"
#include "base/memory.h"

/* The line that a slow step adds to a trace in debug mode: on a busy machine any step may be
 * slow. */
#define SLOW " handler a callback or a step took"

static FILE *terminal; /* where standard output went before */

static void fail(const char *what, const char *first, const char *second)
{
    fprintf(stderr, "fuzz_scenario: %s\n%s\n%s\n", what, first, second);
    abort();
}

/* Returns the trace of a scenario; to be freed. */
static char *trace_of(json_t *program, const char *debug)
{
    char *trace = NULL;
    size_t length = 0;
    setenv("ASYNCIO_DEBUG", debug, /* overwrite= */ 1);
    stdout = open_memstream(&trace, &length);
    if (!stdout)
        abort();
    run_scenario(program);
    fclose(stdout);
    stdout = terminal;
    return trace;
}

static void drop_slow_lines(char *trace)
{
    char *slow;
    while ((slow = strstr(trace, SLOW))) {
        char *begin = slow, *end = strchr(slow, '\n') + 1;
        while (begin > trace && begin[-1] != '\n')
            begin--;
        memmove(begin, end, strlen(end) + 1);
    }
}

/* Returns the lowest free descriptor: a leaked one would occupy it. */
static int free_descriptor(void)
{
    int descriptor = dup(STDERR_FILENO);
    close(descriptor);
    return descriptor;
}

/* Whether the last line is that of a task's end, or says why there is none. */
static bool is_complete(const char *trace)
{
    size_t length = strlen(trace);
    if (length == 0 || trace[length - 1] != '\n')
        return false;
    const char *last = trace + length - 1;
    while (last > trace && last[-1] != '\n')
        last--;
    return strstr(last, " end ") || strncmp(last, "out of fuel", 11) == 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    terminal = stdout;
    setenv("ASYNCIO_ENGINE", "sim", /* overwrite= */ 0);
    /* Creates the objects that the library keeps for the whole process. */
    return LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_warm;
    json_t *program = decode(data, size);
    long blocks = asyncio__live_blocks();
    int descriptor = free_descriptor();
    char *direct = trace_of(program, "0"), *turn_by_turn = trace_of(program, "1");
    drop_slow_lines(turn_by_turn);
    if (!is_complete(direct))
        fail("the trace is not complete", direct, "");
    if (strcmp(direct, turn_by_turn) != 0)
        fail("debug mode changes the trace", direct, turn_by_turn);
    asyncio_error_clear();
    if (is_warm && asyncio__live_blocks() != blocks)
        fail("blocks are left behind", direct, "");
    if (is_warm && free_descriptor() != descriptor)
        fail("a descriptor is left open", direct, "");
    is_warm = true;
    free(direct);
    free(turn_by_turn);
    json_decref(program);
    return 0;
}
