/* SPDX-License-Identifier: MIT */
/* What the fuzz targets and their callers share. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* The two functions that libFuzzer calls, and replay.c. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Calls a function with the name and the bytes of each file of a folder, in the order of their
 * names; returns how many files there are. */
int for_each_file(const char *folder,
                  void (*use)(const char *name, const uint8_t *data, size_t size));

/* Prints the files of a folder as JSON: of the targets that can. */
void print_json(const char *folder) __attribute__((weak));

/* An input that is read byte by byte: 0 behind its end. */
typedef struct fuzz_bytes {
    const uint8_t *at, *end; /* what is left */
} fuzz_bytes_t;

static inline uint8_t fuzz_byte(fuzz_bytes_t *bytes)
{
    return bytes->at < bytes->end ? *bytes->at++ : 0;
}

#endif
