/* SPDX-License-Identifier: MIT */
/* Scenarios of the conformance language made of bytes; see decode.c. */
#ifndef TESTS_FUZZ_DECODE_H
#define TESTS_FUZZ_DECODE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes any bytes to a scenario: a new reference. */
json_t *decode(const uint8_t *data, size_t size);

#endif
