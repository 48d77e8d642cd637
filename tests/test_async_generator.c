/* SPDX-License-Identifier: MIT */
/*
 * Asynchronous generators. What each scenario writes to its log is what the same program wrote
 * under CPython 3.13: "name=value" for a value, "name!Error" for an error.
 */
#include "support/support.h"

#include <asyncio/async_generator.h>
#include <stdio.h>
#include <string.h>

#define STOP ASYNCIO_ESTOPASYNCITERATION

static char text[1024];

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    size_t length = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + length, sizeof(text) - length, format, arguments);
    va_end(arguments);
}

/* Logs the outcome of a call, with the message of a RuntimeError and the cause of an error. */
static int came_out(const char *name, int rc, void *value)
{
    if (rc >= 0) {
        say("%s=%d ", name, value ? (int)asyncio_int(value) - 100 : -1);
        return rc;
    }
    asyncio_error_t *error = asyncio_error_of(rc), *cause = asyncio_error_cause(error);
    say("%s!%s", name, asyncio_error_name(rc));
    if (rc == ASYNCIO_ERUNTIME)
        say("(%s)", asyncio_error_message(error));
    if (cause)
        say("<%s", asyncio_error_name(asyncio_error_code(cause)));
    say(" ");
    asyncio_error_unref(error);
    return rc;
}

/* A number as a value that is not NULL; None is -1 in the log. */
static void *number(int n)
{
    return ASYNCIO_INT(n + 100);
}

static int next(const char *name, asyncio_coroutine_t *generator)
{
    void *value = NULL;
    int rc = asyncio_coroutine_anext(generator, &value);
    return came_out(name, rc, value);
}

static int throw(const char *name, asyncio_coroutine_t *generator, int code)
{
    void *value = NULL;
    int rc = asyncio_coroutine_athrow(generator, code, &value);
    return came_out(name, rc, value);
}

static int close_it(const char *name, asyncio_coroutine_t *generator)
{
    return came_out(name, asyncio_coroutine_aclose(generator), NULL);
}

static void scenario(void **state, asyncio_coroutine_function_t *fn, const char *wanted)
{
    text[0] = '\0';
    assert_int_equal(run(*state, fn, *state), 0);
    assert_string_equal(text, wanted);
    asyncio_error_clear();
}

/* --- the generators ------------------------------------------------------------------------- */

static int yield_number(int n)
{
    return asyncio_yield(number(n), NULL);
}

static int count_up(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = 0;
    for (int i = 0; rc == 0 && i < (int)asyncio_int(arg); i++) {
        void *sent = NULL;
        rc = asyncio_yield(number(i), &sent);
        if (sent)
            say("got%d ", (int)asyncio_int(sent));
    }
    say("finally ");
    return rc;
}

/* Yields that number of times after it was told to end, then ends. */
static int ignore_exit(void *arg, void **ret_result)
{
    (void)ret_result;
    for (int ignored = 0; ignored <= (int)asyncio_int(arg);) {
        int rc = yield_number(1);
        if (rc == ASYNCIO_EGENERATOREXIT)
            ignored++, say("ignored ");
        else if (rc < 0)
            return rc;
    }
    return 0;
}

/* Awaits for a second while it cleans up. */
static int slow(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = yield_number(0);
    if (rc == 0)
        rc = asyncio_sleep(10);
    if (rc == 0)
        rc = yield_number(1);
    if (rc < 0)
        say("in:%s ", asyncio_error_name(rc));
    int rc2 = asyncio_sleep(1);
    if (rc2 < 0)
        return rc2;
    say("cleaned ");
    return rc;
}

static int stop_itself(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = yield_number(1);
    return rc < 0 ? rc : asyncio_raise(STOP, "mine");
}

static int return_at_exit(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = yield_number(1);
    return rc == ASYNCIO_EGENERATOREXIT ? 0 : rc;
}

static int fail_at_exit(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = yield_number(1);
    return rc < 0 ? asyncio_raise((int)asyncio_int(arg), "bad close") : 0;
}

static asyncio_coroutine_t *generator_of(asyncio_coroutine_function_t *fn)
{
    return asyncio_coroutine(fn, NULL);
}

/* --- scenarios ------------------------------------------------------------------------------ */

static int iterate(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_coroutine_t *generator = asyncio_coroutine(count_up, ASYNCIO_INT(2));
    void *value = NULL;
    next("anext", generator);
    int rc = asyncio_coroutine_asend(generator, ASYNCIO_INT(7), &value);
    came_out("asend", rc, value);
    next("anext", generator);
    next("again", generator);
    throw("athrow", generator, -EIO);
    close_it("aclose", generator);
    came_out("asend", asyncio_coroutine_asend(generator, ASYNCIO_INT(5), NULL), NULL);
    asyncio_coroutine_unref(generator);
    return 0;
}

/* Values are yielded and sent; a generator that has ended stays ended. */
static void values_come_out_and_go_in(void **state)
{
    scenario(state, iterate, "anext=0 got7 asend=1 finally anext!StopAsyncIteration "
                             "again!StopAsyncIteration athrow=-1 aclose=-1 "
                             "asend!StopAsyncIteration ");
}

static int throw_in(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_coroutine_t *generator = asyncio_coroutine(count_up, ASYNCIO_INT(3));
    came_out("asend", asyncio_coroutine_asend(generator, ASYNCIO_INT(5), NULL), NULL);
    next("anext", generator);
    throw("athrow", generator, -EIO);
    next("anext", generator);
    close_it("aclose", generator);
    asyncio_coroutine_unref(generator);
    generator = asyncio_coroutine(ignore_exit, ASYNCIO_INT(2));
    next("anext", generator);
    throw("exit", generator, ASYNCIO_EGENERATOREXIT);
    asyncio_coroutine_unref(generator);
    generator = generator_of(slow);
    next("anext", generator);
    throw("exit", generator, ASYNCIO_EGENERATOREXIT);
    next("anext", generator);
    asyncio_coroutine_unref(generator);
    return asyncio_sleep(2); /* in which the one that was dropped is closed */
}

/* An error that is thrown in is raised at its yield; the first send takes no value. */
static void errors_go_in_at_the_yield(void **state)
{
    fixture_t *fixture = *state;
    fixture->expected_reports = 1; /* of the one that ignores */
    scenario(state, throw_in, "asend!ValueError anext=0 finally athrow!EIO "
                              "anext!StopAsyncIteration aclose=-1 "
                              "anext=1 ignored exit=1 "
                              "anext=0 in:GeneratorExit ignored ignored cleaned exit!GeneratorExit "
                              "anext!StopAsyncIteration ");
    assert_string_equal(fixture->last.message, "Task exception was never retrieved");
}

static int use_unstarted(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_coroutine_t *generator = generator_of(slow);
    throw("athrow", generator, -EIO);
    next("anext", generator);
    asyncio_coroutine_unref(generator);
    generator = generator_of(slow);
    close_it("aclose", generator);
    next("anext", generator);
    close_it("aclose", generator);
    throw("athrow", generator, -EPIPE);
    asyncio_coroutine_unref(generator);
    generator = generator_of(slow);
    throw("stop", generator, STOP);
    asyncio_coroutine_unref(generator);
    return 0;
}

/* A generator that has not started ends without running. */
static void what_has_not_started_ends_without_running(void **state)
{
    scenario(state, use_unstarted, "athrow!EIO anext!StopAsyncIteration "
                                   "aclose=-1 anext!StopAsyncIteration aclose=-1 athrow=-1 "
                                   "stop!StopAsyncIteration ");
}

static int close_the_unwilling(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_coroutine_t *generator = asyncio_coroutine(ignore_exit, ASYNCIO_INT(1));
    next("anext", generator);
    close_it("aclose", generator);
    next("anext", generator);
    close_it("aclose", generator);
    throw("athrow", generator, -EIO);
    asyncio_coroutine_unref(generator);
    return 0;
}

/* A yield after GeneratorExit is a RuntimeError; the generator may continue, but is not closed
 * again. */
static void a_yield_behind_the_exit_is_an_error(void **state)
{
    scenario(state, close_the_unwilling,
             "anext=1 ignored aclose!RuntimeError(async generator ignored GeneratorExit) anext=1 "
             "aclose!StopAsyncIteration athrow!StopAsyncIteration ignored ");
}

static int next_in_task(void *arg, void **ret_result)
{
    (void)ret_result;
    next("task", arg);
    return 0;
}

static int close_in_task(void *arg, void **ret_result)
{
    (void)ret_result;
    close_it("task", arg);
    return 0;
}

static int use_while_running(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_coroutine_t *generator = generator_of(slow);
    next("anext", generator);
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(next_in_task, generator));
    assert_int_equal(asyncio_sleep(0), 0);
    next("anext", generator);
    close_it("aclose", generator);
    throw("athrow", generator, -EIO);
    assert_int_equal(asyncio_coroutine_send(generator, NULL, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_await(asyncio_coroutine_ref(generator), NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_coroutine_close(asyncio_coroutine_ref(generator)), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_task_cancel(task, NULL), 1);
    assert_int_equal(asyncio_await_unref(task, NULL), 0);
    next("after", generator);
    asyncio_coroutine_unref(generator);
    return 0;
}

/* While a generator runs or awaits no other task may drive it; a cancel of its driver is raised in
 * its body. */
static void one_task_drives_it_at_a_time(void **state)
{
#define RUNNING "asynchronous generator is already running) "
    scenario(state, use_while_running,
             "anext=0 anext!RuntimeError(anext(): " RUNNING
             "aclose!RuntimeError(aclose(): " RUNNING "athrow!RuntimeError(athrow(): " RUNNING
             "in:CancelledError cleaned task!CancelledError after!StopAsyncIteration ");
}

static asyncio_coroutine_t *itself;

static int drive_itself(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    next("self", itself);
    return yield_number(1);
}

static int run_recursion(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    itself = generator_of(drive_itself);
    next("anext", itself);
    close_it("aclose", itself);
    asyncio_coroutine_unref(itself);
    return 0;
}

/* Its body cannot drive the generator itself. */
static void its_body_cannot_drive_it(void **state)
{
    scenario(state, run_recursion, "self!RuntimeError(anext(): " RUNNING "anext=1 aclose=-1 ");
}

static int close_slowly(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_coroutine_t *generator = generator_of(slow);
    next("anext", generator);
    close_it("aclose", generator);
    close_it("aclose", generator);
    asyncio_coroutine_unref(generator);
    generator = generator_of(slow);
    next("anext", generator);
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(close_in_task, generator));
    assert_int_equal(asyncio_sleep(0.5), 0);
    assert_int_equal(asyncio_task_cancel(task, NULL), 1);
    assert_int_equal(asyncio_await_unref(task, NULL), 0);
    next("anext", generator);
    close_it("aclose", generator);
    asyncio_coroutine_unref(generator);
    return 0;
}

/* A generator may await while it is closed, and be cancelled there. */
static void it_awaits_while_it_is_closed(void **state)
{
    scenario(state, close_slowly,
             "anext=0 in:GeneratorExit cleaned aclose=-1 aclose=-1 "
             "anext=0 in:GeneratorExit task!CancelledError anext!StopAsyncIteration aclose=-1 ");
}

static int end_strangely(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_coroutine_t *generators[] = {
        generator_of(stop_itself), generator_of(return_at_exit),
        asyncio_coroutine(fail_at_exit, ASYNCIO_INT(-EIO)),
        asyncio_coroutine(fail_at_exit, ASYNCIO_INT(STOP))};
    for (size_t i = 0; i < 4; i++) {
        next("anext", generators[i]);
        if (i == 0)
            next("anext", generators[i]);
        else
            close_it("aclose", generators[i]);
        next("after", generators[i]);
        asyncio_coroutine_unref(generators[i]);
    }
    return 0;
}

/* A body that raises StopAsyncIteration fails with RuntimeError; other errors of its cleanup are
 * passed on. */
static void errors_of_its_end_are_passed_on(void **state)
{
    scenario(state, end_strangely,
             "anext=1 anext!RuntimeError(async generator raised StopAsyncIteration)"
             "<StopAsyncIteration after!StopAsyncIteration "
             "anext=1 aclose=-1 after!StopAsyncIteration "
             "anext=1 aclose!EIO after!StopAsyncIteration "
             "anext=1 aclose!RuntimeError(async generator raised StopAsyncIteration)"
             "<StopAsyncIteration after!StopAsyncIteration ");
}

static int drop_it(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_coroutine_t *generator = generator_of(slow);
    next("anext", generator);
    asyncio_coroutine_unref(generator);
    say("dropped ");
    for (int i = 0; i < 4; i++) {
        assert_int_equal(asyncio_sleep(0), 0);
        say("turn ");
    }
    assert_int_equal(asyncio_sleep(2), 0);
    generator = asyncio_coroutine(fail_at_exit, ASYNCIO_INT(-EIO));
    next("anext", generator);
    asyncio_coroutine_unref(generator);
    return asyncio_sleep(1);
}

/* A task closes a generator whose last reference was dropped, one turn later; its error is
 * reported. */
static void what_was_dropped_is_closed_by_a_task(void **state)
{
    fixture_t *fixture = *state;
    fixture->expected_reports = 1;
    scenario(state, drop_it,
             "anext=0 dropped turn in:GeneratorExit turn turn turn cleaned anext=1 ");
    assert_string_equal(fixture->last.message, "Task exception was never retrieved");
    assert_int_equal(fixture->last.code, -EIO);
}

static int shut_down(void *arg, void **ret_result)
{
    (void)ret_result;
    fixture_t *fixture = arg;
    asyncio_coroutine_t *generators[] = {
        generator_of(slow), asyncio_coroutine(fail_at_exit, ASYNCIO_INT(-EIO)),
        generator_of(return_at_exit), asyncio_coroutine(ignore_exit, ASYNCIO_INT(1))};
    for (size_t i = 0; i < 4; i++)
        next("anext", generators[i]);
    assert_int_equal(asyncio_loop_shutdown_asyncgens(fixture->loop), 0);
    say("done ");
    assert_int_equal(fixture->reports, 2);
    assert_string_equal(fixture->last.message,
                        "an error occurred during closing of asynchronous generator");
    assert_non_null(strstr(fixture->last.place, "ignore_exit") ? "" : fixture->last.place);
    for (size_t i = 0; i < 4; i++)
        asyncio_coroutine_unref(generators[i]);
    asyncio_coroutine_t *late = generator_of(return_at_exit);
    next("late", late);
    assert_string_equal(fixture->last.message, "asynchronous generator was scheduled after "
                                               "loop.shutdown_asyncgens() call");
    assert_int_equal(asyncio_await(asyncio_loop_shutdown_asyncgens_coroutine(fixture->loop), NULL),
                     0);
    next("late", late);
    asyncio_coroutine_unref(late);
    return 0;
}

/* The shutdown closes all generators that have begun and not ended, and reports those that fail or
 * are made too late. */
static void the_loop_shuts_them_down(void **state)
{
    fixture_t *fixture = *state;
    fixture->expected_reports = 3;
    scenario(state, shut_down,
             "anext=0 anext=1 anext=1 anext=1 in:GeneratorExit ignored cleaned done ignored late=1 "
             "late!StopAsyncIteration ");
}

static asyncio_coroutine_t *kept;

static int brief(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = yield_number(0);
    say("in:%s ", asyncio_error_name(rc));
    int rc2 = asyncio_sleep(0);
    say("slept:%d ", rc2);
    return rc;
}

static int leave_brief(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    kept = generator_of(brief);
    next("anext", kept);
    return 0;
}

static int leave_one(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    kept = generator_of(slow);
    next("anext", kept);
    return 0;
}

/* run() closes the generators that are left, which may await; afterwards they can still be
 * dropped. */
static void run_closes_what_is_left(void **state)
{
    (void)state;
    text[0] = '\0';
    assert_int_equal(asyncio_run(asyncio_coroutine(leave_brief, NULL), NULL), 0);
    assert_string_equal(text, "anext=0 in:GeneratorExit slept:0 ");
    asyncio_coroutine_unref(kept);
}

/* A generator that outlives its loop is closed by hand: what it awaits fails with GeneratorExit at
 * once. */
static void it_may_outlive_its_loop(void **state)
{
    fixture_t *fixture = *state;
    scenario(state, leave_one, "anext=0 ");
    close_loop(fixture);
    asyncio_coroutine_unref(kept);
    assert_string_equal(text, "anext=0 in:GeneratorExit ");
    asyncio_error_clear();
}

static int leave_task_in_it(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    kept = generator_of(slow);
    next("anext", kept);
    asyncio_task_unref(asyncio_create_task(asyncio_coroutine(next_in_task, kept)));
    return asyncio_sleep(0);
}

/* Closing a loop ends a task that drives a generator, through the generator. */
static void a_loop_that_closes_ends_its_driver(void **state)
{
    fixture_t *fixture = *state;
    fixture->expected_reports = 1;
    scenario(state, leave_task_in_it, "anext=0 ");
    close_loop(fixture);
    assert_string_equal(text, "anext=0 in:GeneratorExit task!GeneratorExit ");
    asyncio_coroutine_unref(kept);
    asyncio_error_clear();
}

static int multiply(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_coroutine_t *inner = asyncio_coroutine(count_up, ASYNCIO_INT(2));
    void *value;
    int rc;
    while ((rc = asyncio_coroutine_anext(inner, &value)) == 0)
        if ((rc = yield_number(((int)asyncio_int(value) - 100) * 10)) < 0)
            break;
    asyncio_coroutine_unref(inner);
    if (rc != STOP)
        return rc;
    rc = asyncio_sleep(0);
    return rc < 0 ? rc : yield_number(99);
}

static int await_a_future(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_await(arg, NULL);
    say("caught:%s ", asyncio_error_name(rc));
    return yield_number(7);
}

static int time_out(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_timeout_t timeout;
    int rc = asyncio_timeout_enter(&timeout, 1);
    if (rc == 0)
        rc = yield_number(1);
    if (rc == 0)
        rc = asyncio_sleep(5);
    return asyncio_timeout_exit(&timeout, rc);
}

static int combine(void *arg, void **ret_result)
{
    (void)ret_result;
    fixture_t *fixture = arg;
    asyncio_coroutine_t *generator = generator_of(multiply);
    while (next("n", generator) == 0) {
    }
    asyncio_coroutine_unref(generator);
    generator = generator_of(time_out);
    next("t", generator);
    next("t", generator);
    asyncio_coroutine_unref(generator);
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    generator = asyncio_coroutine(await_a_future, future);
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine_anext_coroutine(generator));
    assert_int_equal(asyncio_sleep(0), 0);
    assert_int_equal(asyncio_future_set_exception(future, -EIO), 0);
    void *value = NULL;
    int rc = asyncio_await_unref(task, &value);
    came_out("f", rc, value);
    close_it("aclose", generator);
    asyncio_coroutine_unref(generator);
    asyncio_future_unref(future);
    return 0;
}

/* Generators can drive generators, time out, and get the errors of what they await. */
static void they_combine_with_all_the_rest(void **state)
{
    scenario(state, combine, "n=0 n=10 finally n=99 n!StopAsyncIteration "
                             "t=1 t!TimeoutError caught:EIO f=7 aclose=-1 ");
}

static int use_twins(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_coroutine_t *generator = asyncio_coroutine(count_up, ASYNCIO_INT(3));
    void *value = NULL;
    int rc = asyncio_await(asyncio_coroutine_anext_coroutine(generator), &value);
    came_out("anext", rc, value);
    asyncio_task_t *task =
        asyncio_create_task(asyncio_coroutine_asend_coroutine(generator, ASYNCIO_INT(4)));
    rc = asyncio_await_unref(task, &value);
    came_out("asend", rc, value);
    came_out("athrow", asyncio_await(asyncio_coroutine_athrow_coroutine(generator, -EIO), NULL),
             NULL);
    came_out("aclose", asyncio_await(asyncio_coroutine_aclose_coroutine(generator), NULL), NULL);
    /* A generator that never runs drops its reference. */
    assert_int_equal(asyncio_coroutine_close(asyncio_coroutine_anext_coroutine(generator)), 0);
    asyncio_coroutine_unref(generator);
    return 0;
}

/* Each call has a coroutine object that does the same, awaited or in a task of its own. */
static void twins_do_the_same(void **state)
{
    scenario(state, use_twins, "anext=0 got4 asend=1 finally athrow!EIO aclose=-1 ");
}

static int destroyed;

static int return_a_value(void *arg, void **ret_result)
{
    (void)arg;
    int rc = yield_number(1);
    return rc < 0 ? rc : asyncio_return(ret_result, &destroyed, count_destruction);
}

static int drop_the_result(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_coroutine_t *generator = generator_of(return_a_value);
    next("n", generator);
    next("n", generator);
    asyncio_coroutine_unref(generator);
    return 0;
}

/* The result of a generator goes to nobody, and is destroyed. */
static void its_result_is_destroyed(void **state)
{
    destroyed = 0;
    scenario(state, drop_the_result, "n=1 n!StopAsyncIteration ");
    assert_int_equal(destroyed, 1);
}

static int await_generator(void *arg, void **ret_result)
{
    (void)ret_result;
    next("n", arg);
    return close_it("c", arg);
}

static int misuse(void *arg, void **ret_result)
{
    (void)ret_result;
    fixture_t *fixture = arg;
    assert_int_equal(asyncio_coroutine_anext(NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_coroutine_asend((asyncio_coroutine_t *)(void *)fixture->loop, NULL,
                                             NULL), -EINVAL);
    assert_int_equal(asyncio_coroutine_athrow(NULL, -EIO, NULL), -EINVAL);
    assert_int_equal(asyncio_coroutine_aclose(NULL), -EINVAL);
    assert_null(asyncio_coroutine_anext_coroutine(NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_int_equal(asyncio_loop_shutdown_asyncgens(NULL), -EINVAL);
    /* A coroutine that was started by hand, or by an await, is not an asynchronous generator. */
    asyncio_coroutine_t *by_hand = asyncio_coroutine(count_up, ASYNCIO_INT(2));
    assert_int_equal(asyncio_coroutine_send(by_hand, NULL, NULL), ASYNCIO_YIELDED);
    assert_int_equal(asyncio_coroutine_anext(by_hand, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_coroutine_close(by_hand), 0);
    asyncio_coroutine_t *awaited = generator_of(drop_the_result);
    assert_int_equal(asyncio_await(asyncio_coroutine_ref(awaited), NULL), 0);
    assert_int_equal(asyncio_coroutine_anext(awaited, NULL), ASYNCIO_ERUNTIME);
    asyncio_coroutine_unref(awaited);
    asyncio_coroutine_t *generator = asyncio_coroutine(count_up, ASYNCIO_INT(2));
    assert_int_equal(asyncio_coroutine_anext(generator, NULL), 0);
    assert_int_equal(asyncio_coroutine_athrow(generator, 0, NULL), -EINVAL);
    assert_int_equal(asyncio_coroutine_send(generator, NULL, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_coroutine_throw(generator, -EIO, NULL), ASYNCIO_ERUNTIME);
    /* As a task it fails, like any coroutine that was used before. */
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine_ref(generator));
    assert_int_equal(asyncio_await_unref(task, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_coroutine_close(generator), 0);
    return 0;
}

/* An object that is no asynchronous generator is refused, and so is a call where nothing can be
 * awaited. */
static void misuse_is_refused(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, misuse, fixture), 0);
    asyncio_coroutine_t *generator = generator_of(slow);
    assert_int_equal(asyncio_coroutine_anext(generator, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_coroutine_close(generator), 0);
    assert_int_equal(asyncio_loop_shutdown_asyncgens(fixture->loop), ASYNCIO_ERUNTIME);
    asyncio_error_clear();
}

/* Inside a coroutine that is driven by hand a generator needs no loop. */
static void by_hand_it_needs_no_loop(void **state)
{
    (void)state;
    text[0] = '\0';
    asyncio_coroutine_t *generator = asyncio_coroutine(count_up, ASYNCIO_INT(2));
    asyncio_coroutine_t *driver = asyncio_coroutine(await_generator, generator);
    assert_int_equal(asyncio_coroutine_send(driver, NULL, NULL), 0);
    assert_string_equal(text, "n=0 finally c=-1 ");
    asyncio_coroutine_unref(driver);
    asyncio_coroutine_unref(generator);
    generator = asyncio_coroutine(count_up, ASYNCIO_INT(2));
    driver = asyncio_coroutine(next_in_task, generator);
    assert_int_equal(asyncio_coroutine_send(driver, NULL, NULL), 0);
    asyncio_coroutine_unref(driver);
    asyncio_coroutine_unref(generator);
    assert_string_equal(text, "n=0 finally c=-1 task=0 finally ");
    asyncio_error_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(values_come_out_and_go_in),
        FIXTURE_TEST(errors_go_in_at_the_yield),
        FIXTURE_TEST(what_has_not_started_ends_without_running),
        FIXTURE_TEST(a_yield_behind_the_exit_is_an_error),
        FIXTURE_TEST(one_task_drives_it_at_a_time),
        FIXTURE_TEST(its_body_cannot_drive_it),
        FIXTURE_TEST(it_awaits_while_it_is_closed),
        FIXTURE_TEST(errors_of_its_end_are_passed_on),
        FIXTURE_TEST(what_was_dropped_is_closed_by_a_task),
        FIXTURE_TEST(the_loop_shuts_them_down),
        FIXTURE_TEST(run_closes_what_is_left),
        FIXTURE_TEST(it_may_outlive_its_loop),
        FIXTURE_TEST(a_loop_that_closes_ends_its_driver),
        FIXTURE_TEST(they_combine_with_all_the_rest),
        FIXTURE_TEST(twins_do_the_same),
        FIXTURE_TEST(its_result_is_destroyed),
        FIXTURE_TEST(misuse_is_refused),
        FIXTURE_TEST(by_hand_it_needs_no_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
