/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Tests of one's own: a fixture with a loop for each test, and a list of what the test left behind.
 *
 * @code
 *     static int waits_a_day(void *arg, void **ret_result)          a test is a coroutine function
 *     {
 *         (void)arg, (void)ret_result;
 *         return asyncio_sleep(86400.0);                            takes no time: the clock jumps
 *     }
 *
 *     asyncio_testing_t *testing = asyncio_testing_new(NULL);
 *     if (asyncio_testing_run(testing, waits_a_day, NULL) < 0)
 *         fputs(asyncio_testing_report(testing), stderr);
 *     asyncio_testing_unref(testing);
 * @endcode
 *
 * The virtual clock jumps to the next timer when nothing is ready, no job runs in another thread,
 * and the kernel has had nothing to report for 5 ms of real time. So a server and its clients in
 * one loop, with an hour of timeouts between them, run at once. A peer outside of the loop, in
 * another thread or process or on another machine, may take longer than that: then a timeout may
 * pass before it replies. A test with such a peer uses real_clock. On the engine sim there
 * are no file descriptors.
 *
 * Setup, test, teardown and cleanups are coroutine functions that one runner runs, one after
 * another and in one context. The loop is on the virtual clock and in debug mode, unless the
 * options say otherwise.
 * Behind the cleanups the loop is closed, and these count as faults of the test:
 *
 * - tasks that are pending then: "pending task: NAME (made at PLACE)";
 * - what came to the exception handler of the loop or of the process: coroutine objects that were
 *   never awaited, errors that nobody retrieved, what debug mode notices;
 * - blocks of memory and descriptors that are out at the end, and were not at the beginning.
 *
 * Works in any test framework, and in none. One that calls functions of its own before and after
 * each test calls asyncio_testing_begin() and asyncio_testing_end() there, and in between
 * asyncio_testing_call() as often as it likes. A framework whose assertions leave a coroutine by
 * longjmp() may continue: the end of that test, or the beginning of the next, abandons the loop and
 * everything that belongs to it, and the next test has a new one. (Not under the address and thread
 * sanitizers, which do not follow such a jump from one stack to another.)
 *
 * Memory and descriptors are counted for the whole process: one test at a time. What the program
 * takes from malloc() itself is not counted, nor what the library keeps for the next time.
 */
#ifndef ASYNCIO_TESTING_H
#define ASYNCIO_TESTING_H

#include <asyncio/coroutine.h>
#include <asyncio/loop.h>

ASYNCIO_BEGIN_DECLS

/** A fixture: made once, used for one test after another. */
typedef struct asyncio_testing asyncio_testing_t;

/** What a test may leave behind without a fault; bits. */
enum asyncio_testing_leftover {
    ASYNCIO_TESTING_TASKS = 1,      /**< tasks that are pending; they are cancelled */
    ASYNCIO_TESTING_REPORTS = 2,    /**< reports to the exception handler */
    ASYNCIO_TESTING_MEMORY = 4,     /**< blocks of memory */
    ASYNCIO_TESTING_DESCRIPTORS = 8 /**< descriptors */
};

/** Options of a fixture; zero is the default of each. */
typedef struct asyncio_testing_options {
    size_t size;             /**< sizeof(asyncio_testing_options_t) */
    asyncio_engine_t engine; /**< of the loop */
    size_t stack_bytes;      /**< of a coroutine's stack, as for a loop */
    bool real_clock;         /**< the monotonic clock, not the virtual one */
    bool no_debug;           /**< debug mode is off, whatever the environment says */
    unsigned allowed;        /**< what is no fault: of asyncio_testing_leftover */
    asyncio_coroutine_function_t *setup;    /**< runs before each test */
    asyncio_coroutine_function_t *teardown; /**< runs after each test whose setup succeeded */
    void *arg;                              /**< passed to both */
    asyncio_exception_handler_t *on_report; /**< told of each report too */
    void *report_arg;                       /**< passed to it */
} asyncio_testing_options_t;

/**
 * Makes a fixture.
 *
 * @param options  NULL for the defaults; its size must be set.
 * @return a *new* reference, or NULL; then asyncio_errno() is -ENOMEM, or -EINVAL (the size is not
 *   set, or a bit of allowed is unknown).
 *
 * Ownership: the fixture is *new*; options are copied, arg and report_arg are *borrowed*.
 * Context: any thread.
 * Twin: `unittest.IsolatedAsyncioTestCase`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_testing_t *
asyncio_testing_new(const asyncio_testing_options_t *options);

/**
 * Gives a fixture up; a test that is under way is ended first.
 *
 * @param testing  NULL is allowed.
 *
 * Ownership: testing is *taken*.
 * Context: the thread of the test, outside tasks and loops.
 * Twin: none.
 */
ASYNCIO_API void asyncio_testing_unref(asyncio_testing_t *testing);

/**
 * Runs a whole test: setup, the test, teardown, cleanups, the list of what was left behind.
 *
 * A setup that fails skips test and teardown; the cleanups run always, and teardown after a test
 * that failed too.
 *
 * @param testing  the fixture.
 * @param fn       the test, a coroutine function; its result is dropped.
 * @param arg      passed to it.
 * @param place    the place for reports; the macro passes it.
 * @return
 *   - 0: all is well.
 *   - -EUCLEAN: nothing failed, but something was left behind; asyncio_testing_report() says what.
 *   - -EINVAL: testing or fn is NULL.
 *   - ASYNCIO_ERUNTIME: a loop is running in this thread, or a test is under way.
 *   - -ENOMEM, -EMFILE, …: no loop could be made.
 *   - any other: the first code with which setup, test, teardown or a cleanup ended.
 *
 * Ownership: arg is *borrowed*.
 * Context: outside tasks and loops.
 * Twin: `IsolatedAsyncioTestCase.run`.
 */
ASYNCIO_API int asyncio_testing_run_at(asyncio_testing_t *testing,
                                       asyncio_coroutine_function_t *fn, void *arg,
                                       const char *place);
#define asyncio_testing_run(testing, fn, arg) \
    asyncio_testing_run_at((testing), (fn), (arg), ASYNCIO_PLACE " " #fn)

/**
 * Begins a test: memory and descriptors are counted, a loop is made, setup runs.
 *
 * @param testing  the fixture.
 * @return
 *   - 0: a test is under way.
 *   - -EINVAL: no fixture, or the options were refused by the loop.
 *   - ASYNCIO_ERUNTIME: a loop is running in this thread, or a test is under way already.
 *   - -ENOMEM, -EMFILE, …: no loop could be made.
 *   - any other: the code with which setup ended; the cleanups have run, and the test has ended.
 *
 * Ownership: testing is *borrowed*.
 * Context: outside tasks and loops; the thread becomes the test's.
 * Twin: `IsolatedAsyncioTestCase.asyncSetUp`.
 */
ASYNCIO_API int asyncio_testing_begin(asyncio_testing_t *testing);

/**
 * Ends a test: teardown and cleanups run, the loop is closed, what was left behind is listed.
 *
 * @param testing  the fixture.
 * @return
 *   - 0: all is well.
 *   - -EUCLEAN: something was left behind, or the test left its coroutine by a jump.
 *   - -EINVAL: no fixture.
 *   - ASYNCIO_ERUNTIME: no test is under way; a loop is running in this thread, or the test is
 *     another thread's or was begun before a fork: nothing was done.
 *   - any other: the first code with which the test (of asyncio_testing_run()), teardown or a
 *     cleanup ended.
 *
 * Ownership: testing is *borrowed*.
 * Context: the thread of the test, outside tasks and loops.
 * Twin: `IsolatedAsyncioTestCase.asyncTearDown`.
 */
ASYNCIO_API int asyncio_testing_end(asyncio_testing_t *testing);

/**
 * Returns the loop of the test that is under way.
 *
 * @param testing  the fixture.
 * @return the loop, or NULL if no test is under way.
 *
 * Ownership: the result is *borrowed* until the test ends.
 * Context: the thread of the test.
 * Twin: `asyncio.get_running_loop`.
 */
ASYNCIO_API asyncio_loop_t *asyncio_testing_get_loop(asyncio_testing_t *testing);

/**
 * Runs a coroutine in the loop of the test that is under way, to its end.
 *
 * A code that it ends with is for the caller to judge: it is no fault of the test by itself.
 *
 * @param testing     the fixture.
 * @param coroutine   the object; NULL is answered as the code of asyncio_errno().
 * @param ret_result  where to put the result; NULL drops it.
 * @return as asyncio_runner_run(); also -EINVAL if testing is NULL, and ASYNCIO_ERUNTIME if no test
 *   is under way. ASYNCIO_EDEADLOOP: on the virtual clock, it waits for what cannot come.
 *
 * Ownership: coroutine is *taken*, also on failure; the result moves to the caller.
 * Context: the thread of the test, outside tasks and loops.
 * Twin: `Runner.run`.
 */
ASYNCIO_API int asyncio_testing_call(asyncio_testing_t *testing, asyncio_coroutine_t *coroutine,
                                     void **ret_result);

/**
 * Has a coroutine function run when the test ends, behind teardown: last in, first out.
 *
 * It runs whatever failed before. A cleanup may add cleanups.
 *
 * @param testing  the fixture; a test must be under way.
 * @param fn       the coroutine function.
 * @param arg      passed to it.
 * @param place    the place for reports; the macro passes it.
 * @return 0; -EINVAL: testing or fn is NULL; ASYNCIO_ERUNTIME: no test is under way; -ENOMEM.
 *
 * Ownership: arg is *borrowed* until the cleanup has run.
 * Context: the thread of the test, also inside its coroutines.
 * Twin: `IsolatedAsyncioTestCase.addAsyncCleanup`.
 */
ASYNCIO_API int asyncio_testing_add_cleanup_at(asyncio_testing_t *testing,
                                               asyncio_coroutine_function_t *fn, void *arg,
                                               const char *place);
#define asyncio_testing_add_cleanup(testing, fn, arg) \
    asyncio_testing_add_cleanup_at((testing), (fn), (arg), ASYNCIO_PLACE " " #fn)

/**
 * Returns how many reports came to the exception handler since the last call, and forgets them: a
 * test that expects them takes them, and they are no fault.
 *
 * @param testing  NULL has none.
 * @return how many.
 *
 * Ownership: testing is *borrowed*.
 * Context: the thread of the test, also inside its coroutines.
 * Twin: `TestCase.assertLogs`.
 */
ASYNCIO_API size_t asyncio_testing_take_reports(asyncio_testing_t *testing);

/**
 * Returns in words what was wrong with the latest test, a line for each fault.
 *
 * While a test is under way these are the reports that came so far and were not taken. A fault
 * for whose line there was no memory is left out; the code of the test shows it all the same.
 *
 * @param testing  NULL has none.
 * @return the text; "" if nothing was wrong.
 *
 * Ownership: the text is *borrowed* until the next call on the fixture, or report.
 * Context: the thread of the test.
 * Twin: `unittest.TestResult.errors`.
 */
ASYNCIO_API const char *asyncio_testing_report(const asyncio_testing_t *testing);

/*
 * The macros above, which pass the place of the call, as functions, which pass none: for function
 * pointers and other languages.
 */
ASYNCIO_API int (asyncio_testing_run)(asyncio_testing_t *testing, asyncio_coroutine_function_t *fn,
                                      void *arg);
ASYNCIO_API int (asyncio_testing_add_cleanup)(asyncio_testing_t *testing,
                                              asyncio_coroutine_function_t *fn, void *arg);

ASYNCIO_END_DECLS

#endif
