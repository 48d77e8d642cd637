/* SPDX-License-Identifier: MIT */
/*
 * Accounts: what a test function took, it must have given back at its end: blocks of memory,
 * descriptors, stacks, threads, children, and the marks of this thread (a running loop, a task).
 * Tasks, timers and operations belong to a loop, whose memory is among the blocks.
 *
 * The build includes this file first in every test program, so that no test function is without:
 * cmocka_run_group_tests() becomes accounted_run().
 *
 * With ASYNCIO_TEST_SWEEP=allocations (or =calls) in the environment, each test function is run
 * again and again instead, in children, each time with another allocation (or system call) that
 * fails: its assertions may fail then, but it must not crash, hang, or leak.
 */
#ifndef TESTS_ACCOUNTS_H
#define TESTS_ACCOUNTS_H

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef struct accounts {
    long blocks;       /* of memory, out */
    size_t stacks;     /* of coroutines, in use by this thread */
    int descriptors;   /* open */
    int threads;       /* of this process; those of the kernel and of the resolver not counted */
    int has_children;  /* 1 if there are any, also dead ones that nobody waited for */
    int marks;         /* what this thread is left in: a running loop, task or coroutine */
} accounts_t;

void accounts_take(accounts_t *ret_accounts);

/* Says what differs now, once other threads had some time to end: true if nothing. */
bool accounts_hold(const accounts_t *before, char *ret_text, size_t size);

/* How often that is looked at, a millisecond apart after the first 200. */
extern int accounts_patience_rounds;

/* Fails the test unless that number of blocks is live once other threads had that time. */
void await_blocks(long blocks);

/* Said by a test of what the library abandons on purpose: that number of stacks is never freed. */
void accounts_expect_kept_stacks(size_t count);

/* Descriptors of this process that are open now. */
int open_descriptors(void);

int accounted_run(const char *group, const struct CMUnitTest *tests, size_t count,
                  CMFixtureFunction group_setup, CMFixtureFunction group_teardown);

#undef cmocka_run_group_tests
#undef cmocka_run_group_tests_name
#define cmocka_run_group_tests_name(name, tests, group_setup, group_teardown) \
    accounted_run(name, tests, sizeof(tests) / sizeof((tests)[0]), group_setup, group_teardown)
#define cmocka_run_group_tests(tests, group_setup, group_teardown) \
    accounted_run(#tests, tests, sizeof(tests) / sizeof((tests)[0]), group_setup, group_teardown)

/* What accounted_run() makes of a test, for the sweep: the test between accounts, with the faults
 * armed around it if wanted. Returns cmocka's: how many failed. */
int accounted_run_one(const char *group, const struct CMUnitTest *test,
                      CMFixtureFunction group_setup, CMFixtureFunction group_teardown,
                      void (*begin)(void), void (*end)(void), void (*on_difference)(void));

/* Runs the tests as ASYNCIO_TEST_SWEEP says; returns how many functions did not survive. */
int sweep_run(const char *kind, const char *group, const struct CMUnitTest *tests, size_t count,
              CMFixtureFunction group_setup, CMFixtureFunction group_teardown);

/* What a thread asserts: cmocka's assertions are for the thread of the test alone. */
#define assert_in_thread(condition) \
    ((condition) ? (void)0 : accounts_end(#condition, __FILE__, __LINE__))
_Noreturn void accounts_end(const char *what, const char *file, int line);

/* A test that waits for another thread in vain fails; it does not hang. */
int accounts_sem_wait(sem_t *semaphore, const char *file, int line);
#define sem_wait(semaphore) accounts_sem_wait((semaphore), __FILE__, __LINE__)
extern int accounts_wait_seconds;

/* Set by programs that wait in real time, for sockets or signals: where they do not look at an
 * error, they may wait for what never comes. In a sweep such a run is cut short and counted; one
 * that spins still fails. */
extern bool sweep_may_wait;

/* True in a sweep: what is only large may be smaller, since it is run a hundred times. */
extern bool sweep_is_on;

/* In a child of the sweep an assertion that fails ends it: quietly, and at once. */
extern void (*accounts_on_failure)(const char *file, int line);

#endif
