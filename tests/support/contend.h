/* SPDX-License-Identifier: MIT */
/*
 * Tasks that contend for one object: helpers that start and end single tasks, and a measure of the
 * allocations of three tasks that use the object again and again.
 *
 *     int main(void) { faults_install(); ... }                      so that it is counted
 *     assert_int_equal(allocations_once_warm(fixture, use_lock, &lock), 0);
 */
#ifndef TESTS_CONTEND_H
#define TESTS_CONTEND_H

#include "support/support.h"

/* Creates a task of a coroutine function on the running loop. */
asyncio_task_t *start_task(asyncio_coroutine_function_t *fn, void *arg);

/* The same; its argument is a letter that the function notes. */
asyncio_task_t *start_noting(asyncio_coroutine_function_t *fn, const char *letter);

/* Waits for a task and drops its reference; returns the code that it ended with. */
int end_of_task(asyncio_task_t *task);

#define CONTENDERS 3

/* Uses the object once, in task number `who`. Returns 0, or a code, which fails the test. */
typedef int contend_use_t(void *arg, int who);

/* Returns the number of allocations in the later rounds; -1: they were not reached. */
long allocations_once_warm(fixture_t *fixture, contend_use_t *use, void *arg);

#endif
