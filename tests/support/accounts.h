/* SPDX-License-Identifier: MIT */
/*
 * Accounts: at its end a test function must have released everything that it acquired: blocks of
 * memory, descriptors, stacks, threads, children, and the marks of this thread (a running loop, a
 * task). Tasks, timers and operations belong to a loop, whose memory is among the blocks.
 *
 * The build includes this file first in every test program, so that every test function has
 * accounts: cmocka_run_group_tests() becomes accounted_run().
 *
 * With ASYNCIO_TEST_SWEEP=allocations (or =calls) in the environment, each test function runs many
 * times, in child processes, each time with another allocation (or system call) that fails: its
 * assertions may fail then, but it must not crash, hang, or leak.
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
    long blocks;       /* allocated blocks of memory */
    size_t stacks;     /* coroutine stacks that this thread uses */
    int descriptors;   /* open descriptors */
    int threads;       /* of this process, without those of io_uring and idle workers */
    int has_children;  /* 1: there are children, running or not yet waited for */
    int marks;         /* whether this thread has a running loop, task or coroutine */
} accounts_t;

void accounts_take(accounts_t *ret_accounts);

/* Gives other threads some time to end; then returns whether the accounts are as before, and if not
 * describes the difference. */
bool accounts_hold(const accounts_t *before, char *ret_text, size_t size);

/* How many times the accounts are compared, a millisecond apart after the first 200. */
extern int accounts_patience_rounds;

/* Fails the test unless that number of blocks is allocated after other threads had that time. */
void await_blocks(long blocks);

/* Declares that the library abandons that number of stacks on purpose: they are never freed. */
void accounts_expect_kept_stacks(size_t count);

/* Returns the number of descriptors that this process has open. */
int open_descriptors(void);

int accounted_run(const char *group, const struct CMUnitTest *tests, size_t count,
                  CMFixtureFunction group_setup, CMFixtureFunction group_teardown);

#undef cmocka_run_group_tests
#undef cmocka_run_group_tests_name
#define cmocka_run_group_tests_name(name, tests, group_setup, group_teardown) \
    accounted_run(name, tests, sizeof(tests) / sizeof((tests)[0]), group_setup, group_teardown)
#define cmocka_run_group_tests(tests, group_setup, group_teardown) \
    accounted_run(#tests, tests, sizeof(tests) / sizeof((tests)[0]), group_setup, group_teardown)

/* Runs one test between accounts, with the faults armed around it if wanted; for the sweep. Returns
 * what cmocka returns: the number of failed tests. */
int accounted_run_one(const char *group, const struct CMUnitTest *test,
                      CMFixtureFunction group_setup, CMFixtureFunction group_teardown,
                      void (*begin)(void), void (*end)(void), void (*on_difference)(void));

/* Runs the tests as ASYNCIO_TEST_SWEEP says; returns the number of functions that failed. */
int sweep_run(const char *kind, const char *group, const struct CMUnitTest *tests, size_t count,
              CMFixtureFunction group_setup, CMFixtureFunction group_teardown);

/* An assertion for other threads: cmocka's work only on the thread of the test. */
#define assert_in_thread(condition) \
    ((condition) ? (void)0 : accounts_end(#condition, __FILE__, __LINE__))
_Noreturn void accounts_end(const char *what, const char *file, int line);

/* sem_wait() with a limit: a test whose other thread never posts fails, and does not hang. */
int accounts_sem_wait(sem_t *semaphore, const char *file, int line);
#define sem_wait(semaphore) accounts_sem_wait((semaphore), __FILE__, __LINE__)
extern int accounts_wait_seconds;

/* Set by programs that wait in real time, for sockets or signals: if they ignore an error, they may
 * wait for an event that never comes. A sweep ends such a run early and counts it; a run that spins
 * still fails. */
extern bool sweep_may_wait;

/* Whether this is a sweep: tests may use smaller sizes then, since each runs a hundred times. */
extern bool sweep_is_on;

/* Called when an assertion fails in a child of the sweep: ends the child without a message. */
extern void (*accounts_on_failure)(const char *file, int line);

#endif
