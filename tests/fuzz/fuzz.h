/* SPDX-License-Identifier: MIT */
/* What a fuzz target and its caller share. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* The two functions that libFuzzer calls, and replay.c. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Decodes any bytes to a scenario: a new reference. */
json_t *decode(const uint8_t *data, size_t size);

#endif
