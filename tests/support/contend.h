/* SPDX-License-Identifier: MIT */
/*
 * Tasks that contend for one thing: begun and ended one by one; and three that use it again and
 * again: how much memory do they ask for once warm.
 *
 *     int main(void) { faults_install(); ... }                      so that it is counted
 *     assert_int_equal(allocations_once_warm(fixture, use_lock, &lock), 0);
 */
#ifndef TESTS_CONTEND_H
#define TESTS_CONTEND_H

#include "support/support.h"

/* A task of that function on the fixture's loop. */
asyncio_task_t *start_task(asyncio_coroutine_function_t *fn, void *arg);

/* The same with a letter to note. */
asyncio_task_t *start_noting(asyncio_coroutine_function_t *fn, const char *letter);

/* How a task ended, which ends now; its reference is given up. */
int end_of_task(asyncio_task_t *task);

#define CONTENDERS 3

/* One use by task number who: 0, or a code, which fails the test. */
typedef int contend_use_t(void *arg, int who);

/* The allocations of the later rounds: -1 if it did not come so far. */
long allocations_once_warm(fixture_t *fixture, contend_use_t *use, void *arg);

#endif
