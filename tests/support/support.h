/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the core share: a loop on the virtual clock, one call that runs a coroutine
 * function on it, a trace of what happened in which order, and the accounts: at the end of a test
 * as many blocks must be allocated and as many descriptors open as at its beginning, and every
 * report to the exception handler must have been expected.
 *
 *     static void sleeps(void **state)
 *     {
 *         fixture_t *fixture = *state;
 *         assert_int_equal(run(fixture, sleeper, fixture), 0);
 *     }
 *     ... FIXTURE_TEST(sleeps)
 */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <asyncio.h>

#include "accounts.h"

/* The latest report to the exception handler. */
typedef struct report {
    char message[96]; /* what happened */
    char place[160];  /* where the object that it concerns was created */
    char name[48];    /* the task's name */
    int code;         /* the error's code */
} report_t;

/* The pending work of a loop. */
typedef struct work {
    size_t tasks;    /* pending tasks */
    size_t timers;   /* timers that are set */
    long operations; /* operations in flight, and watches */
    long jobs;       /* jobs in other threads */
} work_t;

typedef struct fixture {
    asyncio_loop_t *loop;    /* on the virtual clock */
    size_t reports;          /* number of reports to the exception handler */
    size_t expected_reports; /* the number that the test expects */
    report_t last;           /* the latest report */
    char trace[512];         /* the letters that note() wrote */
    size_t trace_length;     /* their number */
    long blocks;             /* blocks allocated at the beginning */
    work_t work;             /* of the loop at the beginning */
    bool leaves_work;        /* the test leaves work to the close of the loop */
} fixture_t;

/* For cmocka: the setup creates the loop; the teardown closes it and compares the accounts. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
#define FIXTURE_TEST(function) \
    cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

/* Runs a coroutine function on the loop to its end; returns its code. */
int run(fixture_t *fixture, asyncio_coroutine_function_t *fn, void *arg);

/* Runs one turn of the loop, which calls everything that is ready now. */
void run_turn_once(fixture_t *fixture);

/* Expects that number of reports in debug mode, and none without it. */
void expect_reports_in_debug(fixture_t *fixture, size_t count);

/* Closes the loop now, for tests that check what it reports then. */
void close_loop(fixture_t *fixture);

/* Writes a letter to the trace; and callbacks that do so. */
void note(fixture_t *fixture, char letter);

/* Returns the fixture of the running test, for callbacks whose argument is something else. */
fixture_t *the_fixture(void);

/* Skips the test under ThreadSanitizer, which treats fibers as threads: in a child that was forked
 * inside a fiber it neither sees synchronization nor delivers signals. */
void skip_fork_under_tsan(void);

/* Skips the test under valgrind, and prints the reason. */
void skip_on_valgrind(const char *why);

/* Skips a test whose forked child creates a loop on io_uring, under valgrind: valgrind fails an
 * assertion of its own at the first mapping that such a child makes. */
void skip_loop_of_child_on_valgrind(void);

/* Skips the test on an engine that refuses descriptors. */
void skip_without_descriptors(const fixture_t *fixture);

/* A destructor that counts: value points to an int. */
void count_destruction(void *value);

#endif
