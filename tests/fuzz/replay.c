/* SPDX-License-Identifier: MIT */
/*
 * Gives files to a fuzz target without a fuzzer, each a test.
 *
 *     test_fuzz_scenario FOLDER            runs what a fuzzer has found worth keeping
 *     test_fuzz_scenario --json FOLDER     prints the scenarios that those files are
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define FILE_MOST 65536

static size_t read_file(const char *path, uint8_t *data)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    size_t size = fread(data, 1, FILE_MOST, file);
    fclose(file);
    return size;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int for_each_file(const char *folder,
                  void (*use)(const char *name, const uint8_t *data, size_t size))
{
    static uint8_t data[FILE_MOST];
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_visible, alphasort);
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        size_t size = read_file(path, data);
        use(entries[i]->d_name, data, size);
        free(entries[i]);
    }
    free(entries);
    return count;
}

static void replay(const char *name, const uint8_t *data, size_t size)
{
    printf("[ RUN      ] %s\n", name);
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, size);
    printf("[       OK ] %s\n", name);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--json") == 0 && print_json) {
        print_json(argv[2]);
        return 0;
    }
    LLVMFuzzerInitialize(&argc, &argv);
    if (argc != 2 || for_each_file(argv[1], replay) <= 0) {
        fprintf(stderr, "usage: %s [--json] FOLDER, with files in it\n", argv[0]);
        return 1;
    }
    return 0;
}
