/* SPDX-License-Identifier: MIT */
/*
 * What the tests share that shrink.py prints: a loop on the virtual clock, the log of what their
 * coroutines and callbacks do, and the run from the first task to the states of all at the end.
 *
 * Such a test is a scenario (LANGUAGE.md) in calls of the library:
 *
 *     begin_replay();
 *     replay(scenario_main_coroutine());
 *     end_replay(expected);
 *
 * Every object that it makes lives to end_replay(): nothing is reported because it was dropped.
 * Here and there only what the public headers declare is used.
 */
#ifndef CONFORMANCE_REPLAY_H
#define CONFORMANCE_REPLAY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <asyncio.h>

#define TICK (1.0 / 64.0) /* seconds; a power of two, so that clock arithmetic is exact */
#define RETURNED 1        /* the code of a body that a return leaves, on its way through scopes */
#define SOURCES 16        /* of one gather, wait or as_completed, at most */

/* A value is a string, NULL for None; or the list of a gathering, which belongs to the library. */

/* --- the run ------------------------------------------------------------------------------- */

/* The loop of the running test. */
extern asyncio_loop_t *loop;

/* Creates the loop, and begins the log. */
void begin_replay(void);

/* Runs a coroutine as the first task, ends the tasks that are left, and closes the loop. */
void replay(asyncio_coroutine_t *coroutine);

/* Drops all objects; the log must equal that trace. */
void end_replay(const char *expected);

/* A scenario may run 1,000 statements: the first one without fuel ends it with this error. */
int burn_fuel(void);

/* --- the log: lines of time, running task and words ----------------------------------------- */

void log_line(const char *format, ...) ASYNCIO_PRINTF(1, 2);
void log_value(const char *words, void *value);
void log_state(const char *words, asyncio_future_t *future);
/* Logs an error and drops it; NULL is None. */
void log_error(const char *words, asyncio_error_t *error);
/* Logs the error that a handler has caught. */
void log_caught(int rc);
const char *truth(int result);

/* Returns the number of tasks that are not done, without the hidden one. */
long count_all_tasks(void);

/* --- objects -------------------------------------------------------------------------------- */

/* These keep a reference until the end, and return the object; NULL stays NULL. */
asyncio_future_t *keep(asyncio_future_t *future);
asyncio_coroutine_t *keep_coroutine(asyncio_coroutine_t *coroutine);
asyncio_handle_t *keep_handle(asyncio_handle_t *handle);
asyncio_as_completed_t *keep_iteration(asyncio_as_completed_t *iteration);

/* Keeps a task, named NAME#NUMBER from now on; the number is the number of tasks before it. */
asyncio_task_t *keep_task(const char *name, asyncio_task_t *task);

/* Keeps a gathering of count sources: its value is logged as a list. */
asyncio_future_t *keep_gathering(asyncio_future_t *future, size_t count);
/* A gathering that was finished by hand has a value like any other future. */
void forget_gathering(const asyncio_future_t *future);
extern const asyncio_gather_options_t return_exceptions;

/* The newest done callback of a label, which off_done removes; each one is a new object. */
typedef struct newest {
    asyncio_done_callback_t *fn; /* NULL before the first */
    void *arg;                   /* tells it from older ones */
} newest_t;

newest_t make_newest(asyncio_done_callback_t *fn);
int remove_newest(asyncio_future_t *future, newest_t newest);

/* The order of a priority queue. */
int compare_numbers(const void *a, const void *b, void *arg);

/* Returns a reference for a call that takes coroutine objects and borrows futures; ours stays. */
asyncio_awaitable_t *share(asyncio_awaitable_t *awaitable);

/* --- many at once --------------------------------------------------------------------------- */

typedef struct sources {
    asyncio_awaitable_t *items[SOURCES]; /* each once */
    const char *names[SOURCES];          /* of their variables */
    bool done[SOURCES];                  /* for asyncio_wait() */
    size_t count;                        /* of all three */
} sources_t;

/* Adds the object of a variable, unless there is none or it is listed already. */
void add_source(sources_t *sources, const char *name, asyncio_awaitable_t *awaitable);
/* Makes a future of each, in order; they are kept. */
int make_futures(sources_t *sources);
void leave_done_out(sources_t *sources);

/* Logs which are done, if asyncio_wait() succeeded. Returns 0, or its error. */
int log_wait(const sources_t *sources, int rc);
/* Logs the value of a completed future, or the error of a raise; returns 0, or any other error. */
int log_completed(asyncio_future_t *future);

/* --- errors --------------------------------------------------------------------------------- */

/* Whether `except Exception` catches it; whether `except (Exception, CancelledError)` does. */
bool is_exception(int rc);
bool is_any(int rc);

/* What leaves a body, held while its `finally` runs. */
typedef struct leaving {
    int rc;                 /* 0, RETURNED or an error */
    asyncio_error_t *error; /* its details, or NULL */
} leaving_t;

leaving_t hold(int rc);
/* Returns what leaves in the end: an error of the `finally`, or what was held. */
int let_go(leaving_t leaving, int rc);

/* Passes the error that left a callback to the loop's exception handler. */
void report(int rc);

#endif
