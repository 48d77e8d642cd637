/* SPDX-License-Identifier: MIT */
/* What the tests of the core share; see support.h. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sanitizer.h"
#include "task/task.h"

static fixture_t fixture;

fixture_t *the_fixture(void)
{
    return &fixture;
}

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

static void on_report(asyncio_loop_t *loop, const asyncio_exception_context_t *context, void *arg)
{
    (void)loop;
    fixture_t *told = arg;
    told->reports++;
    copy(told->last.message, sizeof(told->last.message), context->message);
    copy(told->last.place, sizeof(told->last.place), context->place);
    copy(told->last.name, sizeof(told->last.name), context->name);
    told->last.code = context->code;
}

static asyncio_loop_t *make_loop(void)
{
    asyncio_loop_options_t options = {.size = sizeof(options), .clock = ASYNCIO_CLOCK_VIRTUAL};
    return asyncio_new_event_loop_full(&options);
}

static int do_nothing(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_sleep(0);
}

/* Creates the objects that the library keeps for the whole process, so that they do not count. */
static void warm_up(void)
{
    asyncio_loop_t *loop = make_loop();
    assert_non_null(loop);
    assert_int_equal(
        asyncio_loop_run_until_complete(loop, asyncio_coroutine(do_nothing, NULL), NULL), 0);
    asyncio_loop_unref(loop);
}

static work_t work_of(const asyncio_loop_t *loop)
{
    work_t work = {.timers = loop->timers.count - loop->timers.removed,
                   .operations = loop->engine->in_flight,
                   .jobs = loop->jobs};
    const asyncio__list_t *pending = asyncio__pending_tasks(loop);
    for (const asyncio__list_t *at = pending->next; at != pending; at = at->next)
        work.tasks++;
    return work;
}

int fixture_setup(void **state)
{
    memset(&fixture, 0, sizeof(fixture));
    warm_up();
    asyncio_error_clear();
    fixture.blocks = asyncio__live_blocks();
    fixture.loop = make_loop();
    assert_non_null(fixture.loop);
    fixture.work = work_of(fixture.loop);
    /* No reports of slow callbacks: the time depends on the machine, not on the test. */
    assert_int_equal(asyncio_loop_set_slow_callback_duration(fixture.loop, ASYNCIO_FOREVER), 0);
    asyncio_loop_set_exception_handler(fixture.loop, on_report, &fixture);
    asyncio_loop_set_exception_handler(NULL, on_report, &fixture);
    *state = &fixture;
    return 0;
}

/* Whether the loop has pending work. A test that leaves work to the close of its loop says so. */
static bool is_left(work_t *ret_left)
{
    if (!fixture.loop || fixture.loop->closed || fixture.leaves_work)
        return false;
    *ret_left = work_of(fixture.loop);
    return memcmp(ret_left, &fixture.work, sizeof(*ret_left)) != 0;
}

int fixture_teardown(void **state)
{
    (void)state;
    work_t left;
    bool is_work_left = is_left(&left);
    close_loop(&fixture);
    asyncio_error_clear();
    asyncio_loop_set_exception_handler(NULL, NULL, NULL);
    if (is_work_left)
        fail_msg("tasks %zu, timers %zu, operations %ld, jobs %ld are left", left.tasks,
                 left.timers, left.operations - fixture.work.operations, left.jobs);
    if (fixture.reports != fixture.expected_reports)
        fail_msg("%zu reports instead of %zu; the last: %s %s", fixture.reports,
                 fixture.expected_reports, fixture.last.message, fixture.last.place);
    return 0;
}

int run(fixture_t *with, asyncio_coroutine_function_t *fn, void *arg)
{
    return asyncio_loop_run_until_complete(with->loop, asyncio_coroutine(fn, arg), NULL);
}

void run_turn_once(fixture_t *with)
{
    asyncio_loop_stop(with->loop);
    assert_int_equal(asyncio_loop_run_forever(with->loop), 0);
}

void expect_reports_in_debug(fixture_t *with, size_t count)
{
    if (asyncio_loop_get_debug(with->loop))
        with->expected_reports += count;
}

void close_loop(fixture_t *with)
{
    asyncio_loop_unref(with->loop);
    with->loop = NULL;
}

void note(fixture_t *with, char letter)
{
    assert_true(with->trace_length < sizeof(with->trace) - 1);
    with->trace[with->trace_length++] = letter;
}

void skip_fork_under_tsan(void)
{
#if defined(ASYNCIO__TSAN)
    print_message("ThreadSanitizer does not follow a fork inside of a fiber\n");
    skip();
#endif
}

void skip_on_valgrind(const char *why)
{
    if (asyncio__on_valgrind()) {
        print_message("valgrind %s\n", why);
        skip();
    }
}

void skip_loop_of_child_on_valgrind(void)
{
    const char *engine = getenv("ASYNCIO_ENGINE");
    if (engine && strcmp(engine, "uring") == 0)
        skip_on_valgrind("does not follow the rings of a parent into its child");
}

void skip_without_descriptors(const fixture_t *with)
{
    if (asyncio_loop_get_engine(with->loop) == ASYNCIO_ENGINE_SIM)
        skip();
}

void count_destruction(void *value)
{
    ++*(int *)value;
}
