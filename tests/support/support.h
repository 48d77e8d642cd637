/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the core share: a loop on the virtual clock, one call that runs a coroutine
 * function on it, a trace of what happened in which order, and the accounts: at the end of each
 * test as many blocks and descriptors must be out as at its beginning, and every report to the
 * exception handler must have been expected.
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

/* What the exception handler was told last. */
typedef struct report {
    char message[96]; /* what happened */
    char place[160];  /* where what it is about was made */
    char name[48];    /* the task's name */
    int code;         /* the error's code */
} report_t;

/* What a loop still has to do. */
typedef struct work {
    size_t tasks;    /* pending */
    size_t timers;   /* set */
    long operations; /* in flight, and watches */
    long jobs;       /* in other threads */
} work_t;

typedef struct fixture {
    asyncio_loop_t *loop;    /* on the virtual clock */
    size_t reports;          /* how many came */
    size_t expected_reports; /* how many the test says are right */
    report_t last;           /* the latest */
    char trace[512];         /* what note() wrote */
    size_t trace_length;     /* of it */
    long blocks;             /* out at the beginning */
    work_t work;             /* of the loop at the beginning */
    bool leaves_work;        /* the close of the loop is meant to find work */
} fixture_t;

/* For cmocka: makes the loop; ends it and settles the accounts. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
#define FIXTURE_TEST(function) \
    cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

/* Runs a coroutine function on the loop to its end; returns its code. */
int run(fixture_t *fixture, asyncio_coroutine_function_t *fn, void *arg);

/* Runs the turns that it takes to call what is ready now: one. */
void run_turn_once(fixture_t *fixture);

/* That number of reports is right in debug mode, and none without it. */
void expect_reports_in_debug(fixture_t *fixture, size_t count);

/* Ends the loop now, for tests that look at what is told then. */
void close_loop(fixture_t *fixture);

/* Writes a letter to the trace; and the callbacks that do. */
void note(fixture_t *fixture, char letter);

/* The latest loop handed out by fixture_setup(): for callbacks whose argument is taken. */
fixture_t *the_fixture(void);

/* Skips the test where ThreadSanitizer looks on: it takes fibers for threads, and in a child that
 * was forked inside of one neither sees what is synchronized nor delivers signals. */
void skip_fork_under_tsan(void);

/* Skips the test under valgrind, and says what valgrind would make of it. */
void skip_on_valgrind(const char *why);

/* Skips the test where its forked child makes a loop on io_uring under valgrind, which dies of an
 * assertion of its own at the first mapping that such a child makes. */
void skip_loop_of_child_on_valgrind(void);

/* Skips the test where the engine has no descriptors. */
void skip_without_descriptors(const fixture_t *fixture);

/* A destructor that counts: value points to an int. */
void count_destruction(void *value);

#endif
