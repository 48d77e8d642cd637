/* SPDX-License-Identifier: MIT */
/* What a fuzz target and who calls it have in common. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* The two that libFuzzer calls; replay.c does too. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A scenario of any bytes: a new reference. */
json_t *decode(const uint8_t *data, size_t size);

#endif
