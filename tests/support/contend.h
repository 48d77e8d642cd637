/* SPDX-License-Identifier: MIT */
/*
 * Three tasks that use one thing again and again: how much memory do they ask for once warm.
 *
 *     int main(void) { faults_install(); ... }                      so that it is counted
 *     assert_int_equal(allocations_once_warm(fixture, use_lock, &lock), 0);
 */
#ifndef TESTS_CONTEND_H
#define TESTS_CONTEND_H

#include "support/support.h"

#define CONTENDERS 3

/* One use by task number who: 0, or a code, which fails the test. */
typedef int contend_use_t(void *arg, int who);

/* The allocations of the later rounds: -1 if it did not come so far. */
long allocations_once_warm(fixture_t *fixture, contend_use_t *use, void *arg);

#endif
