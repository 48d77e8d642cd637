/* SPDX-License-Identifier: MIT */
/*
 * Gives files to a fuzz target without a fuzzer, each a test.
 *
 *     test_fuzz_scenario FOLDER            runs what a fuzzer has found worth keeping
 *     test_fuzz_scenario --json FOLDER     prints the scenarios that those files are
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define FILE_MOST 65536

static uint8_t data[FILE_MOST];

static size_t read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    size_t size = fread(data, 1, sizeof(data), file);
    fclose(file);
    return size;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    bool as_json = argc > 2 && strcmp(argv[1], "--json") == 0;
    struct dirent **entries = NULL;
    int count = argc > 1 ? scandir(argv[argc - 1], &entries, is_visible, alphasort) : -1;
    if (count <= 0) {
        fprintf(stderr, "usage: %s [--json] FOLDER, with files in it\n", argv[0]);
        return 1;
    }
    json_t *scenarios = json_array();
    if (!as_json)
        LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", argv[argc - 1], entries[i]->d_name);
        size_t size = read_file(path);
        if (as_json) {
            json_t *scenario = decode(data, size);
            json_object_set_new(scenario, "name", json_string(entries[i]->d_name));
            json_array_append_new(scenarios, scenario);
        } else {
            printf("[ RUN      ] %s\n", entries[i]->d_name);
            fflush(stdout);
            LLVMFuzzerTestOneInput(data, size);
            printf("[       OK ] %s\n", entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
    if (as_json)
        json_dumpf(scenarios, stdout, 0);
    json_decref(scenarios);
    return 0;
}
