/* SPDX-License-Identifier: MIT */
/* Debug mode: what is reported, with which source location and name, and that nothing else
 * changes. */
#include "support/support.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/sanitizer.h"
#include "base/syscalls.h"

/* --- a clock that only moves when a callback says so ---------------------------------------- */

static int64_t fake_now_ns;

static int fake_clock(clockid_t clock, struct timespec *ret_now)
{
    (void)clock;
    ret_now->tv_sec = fake_now_ns / 1000000000;
    ret_now->tv_nsec = fake_now_ns % 1000000000;
    return 0;
}

static int (*real_clock)(clockid_t, struct timespec *);

static int setup(void **state)
{
    int rc = fixture_setup(state);
    fixture_t *fixture = *state;
    fake_now_ns = 1000000000;
    real_clock = asyncio__sys.clock_gettime;
    asyncio__sys.clock_gettime = fake_clock;
    asyncio_loop_set_debug(fixture->loop, true);
    if (asyncio_loop_set_slow_callback_duration(fixture->loop, 0.1) < 0)
        return -1;
    return rc;
}

static int teardown(void **state)
{
    asyncio__sys.clock_gettime = real_clock;
    return fixture_teardown(state);
}
#define DEBUG_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static void take_milliseconds(void *arg)
{
    fake_now_ns += (int64_t)(intptr_t)arg * 1000000;
}

/* Expects the latest report to be the n-th, about a line of this file. */
static void assert_reported(fixture_t *fixture, size_t count, int line, const char *name,
                            const char *message)
{
    char place[160];
    snprintf(place, sizeof(place), "%s:%d", __FILE__, line);
    assert_int_equal(fixture->reports, count);
    assert_memory_equal(fixture->last.place, place, strlen(place));
    assert_string_equal(fixture->last.name, name);
    assert_string_equal(fixture->last.message, message);
    fixture->expected_reports = count;
}

#define SLOW ((void *)200) /* milliseconds */

/* --- slow callbacks ------------------------------------------------------------------------ */

/* A callback is reported if it takes at least the duration that the program sets, with the line
 * that scheduled it. */
static void slow_callbacks_are_reported(void **state)
{
    fixture_t *fixture = *state;
    asyncio_loop_t *loop = fixture->loop;
    assert_int_equal(asyncio_loop_call_soon(loop, take_milliseconds, (void *)99, NULL), 0);
    run_turn_once(fixture);
    assert_int_equal(fixture->reports, 0);
    int line = __LINE__ + 1;
    assert_int_equal(asyncio_loop_call_soon(loop, take_milliseconds, (void *)100, NULL), 0);
    run_turn_once(fixture);
    assert_reported(fixture, 1, line, "", "a callback took 0.100 seconds");
    assert_int_equal(asyncio_loop_set_slow_callback_duration(loop, 0.25), 0);
    assert_true(asyncio_loop_get_slow_callback_duration(loop) == 0.25);
    assert_int_equal(asyncio_loop_call_soon(loop, take_milliseconds, SLOW, NULL), 0);
    run_turn_once(fixture);
    assert_int_equal(asyncio_loop_set_slow_callback_duration(loop, ASYNCIO_FOREVER), 0);
    assert_int_equal(asyncio_loop_call_soon(loop, take_milliseconds, (void *)1000000, NULL), 0);
    run_turn_once(fixture);
    assert_int_equal(fixture->reports, 1);
    assert_int_equal(asyncio_loop_set_slow_callback_duration(loop, NAN), -EINVAL);
    assert_int_equal(asyncio_loop_set_slow_callback_duration(NULL, 1), -EINVAL);
    assert_true(isnan(asyncio_loop_get_slow_callback_duration(NULL)));
}

/* Without debug mode nothing is reported, and handles created in one mode work in the other. */
static void debug_mode_is_switched_at_any_time(void **state)
{
    fixture_t *fixture = *state;
    asyncio_loop_t *loop = fixture->loop;
    asyncio_handle_t *handle = NULL;
    int line;
    assert_int_equal(asyncio_loop_call_soon(loop, take_milliseconds, SLOW, &handle), 0);
    asyncio_loop_set_debug(loop, false);
    run_turn_once(fixture);
    asyncio_handle_unref(handle);
    line = __LINE__ + 1;
    assert_int_equal(asyncio_loop_call_soon(loop, take_milliseconds, SLOW, &handle), 0);
    asyncio_loop_set_debug(loop, true);
    run_turn_once(fixture);
    asyncio_handle_unref(handle);
    assert_reported(fixture, 1, line, "", "a callback took 0.200 seconds");
    line = __LINE__ + 1;
    assert_int_equal(asyncio_loop_call_later(loop, 0, take_milliseconds, SLOW, NULL), 0);
    run_turn_once(fixture);
    assert_reported(fixture, 2, line, "", "a callback took 0.200 seconds");
}

/* Timer callbacks, and those from other threads, keep their source location too; a cancelled one
 * leaves nothing behind. */
static void every_kind_of_handle_keeps_its_place(void **state)
{
    fixture_t *fixture = *state;
    asyncio_loop_t *loop = fixture->loop;
    asyncio_handle_t *handle = NULL;
    int line = __LINE__ + 1;
    assert_int_equal(asyncio_loop_call_at(loop, 0, take_milliseconds, SLOW, NULL), 0);
    run_turn_once(fixture);
    assert_reported(fixture, 1, line, "", "a callback took 0.200 seconds");
    line = __LINE__ + 1;
    assert_int_equal(asyncio_loop_call_soon_threadsafe(loop, take_milliseconds, SLOW, NULL), 0);
    run_turn_once(fixture);
    assert_reported(fixture, 2, line, "", "a callback took 0.200 seconds");
    assert_int_equal(asyncio_loop_call_later(loop, 5, take_milliseconds, SLOW, &handle), 0);
    asyncio_handle_cancel(handle);
    asyncio_handle_unref(handle);
    assert_int_equal(asyncio_loop_call_soon(loop, take_milliseconds, SLOW, &handle), 0);
    asyncio_handle_cancel(handle);
    asyncio_handle_unref(handle);
    run_turn_once(fixture);
    assert_int_equal(fixture->reports, 2);
}

static void take_long_when_done(asyncio_future_t *future, void *arg)
{
    (void)future;
    take_milliseconds(arg);
}

/* A done-callback is reported with the line that added it; one that is removed, or whose future
 * never finishes, leaves nothing behind. */
static void slow_done_callbacks_are_reported(void **state)
{
    fixture_t *fixture = *state;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    asyncio_future_t *never = asyncio_loop_create_future(fixture->loop);
    int line = __LINE__ + 1;
    assert_int_equal(asyncio_future_add_done_callback(future, take_long_when_done, SLOW), 0);
    assert_int_equal(asyncio_future_add_done_callback(future, take_long_when_done, NULL), 0);
    assert_int_equal(asyncio_future_add_done_callback(never, take_long_when_done, NULL), 0);
    assert_int_equal(asyncio_future_remove_done_callback(future, take_long_when_done, NULL), 1);
    assert_int_equal(asyncio_future_set_result(future, NULL), 0);
    run_turn_once(fixture);
    assert_reported(fixture, 1, line, "", "a callback took 0.200 seconds");
    asyncio_future_unref(future);
    asyncio_future_unref(never);
}

static int step_slowly(void *arg, void **ret_result)
{
    (void)ret_result;
    take_milliseconds(arg);
    return asyncio_sleep(0);
}

/* A step of a task is reported with the task's name and the line that created its coroutine
 * object. */
static void slow_steps_are_reported(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_options_t options = {.size = sizeof(options), .name = "the slow one"};
    int line = __LINE__ + 1;
    asyncio_coroutine_t *coroutine = asyncio_coroutine(step_slowly, SLOW);
    asyncio_task_t *task = asyncio_loop_create_task_full(fixture->loop, coroutine, &options);
    assert_non_null(task);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, task, NULL), 0);
    assert_reported(fixture, 1, line, "the slow one", "a step of a task took 0.200 seconds");
    asyncio_task_unref(task);
}

/* A signal callback is reported once, with the line that added it. */
static void slow_signal_handlers_are_reported(void **state)
{
    fixture_t *fixture = *state;
    int line = __LINE__ + 1;
    int rc = asyncio_loop_add_signal_handler(fixture->loop, SIGUSR1, take_milliseconds, SLOW);
    assert_int_equal(rc, 0);
    assert_int_equal(raise(SIGUSR1), 0);
    run_turn_once(fixture);
    assert_reported(fixture, 1, line, "", "a callback took 0.200 seconds");
}

/* A reader is reported with the line that added it. */
static void slow_readers_are_reported(void **state)
{
    fixture_t *fixture = *state;
    int ends[2];
    skip_without_descriptors(fixture);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    int line = __LINE__ + 1;
    assert_int_equal(asyncio_loop_add_reader(fixture->loop, ends[0], take_milliseconds, SLOW), 0);
    run_turn_once(fixture);
    assert_reported(fixture, 1, line, "", "a callback took 0.200 seconds");
    assert_int_equal(asyncio_loop_remove_reader(fixture->loop, ends[0]), 1);
    close(ends[0]);
    close(ends[1]);
}

/* --- what is lost -------------------------------------------------------------------------- */

static int fail_at_once(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return -EIO;
}

static int wait_long(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_sleep(1000);
}

/* Coroutine objects that nobody awaited, errors that nobody retrieved and tasks pending at the
 * close are each reported with the line that created them, in debug mode or not. */
static void what_is_lost_is_told_with_its_place(void **state)
{
    fixture_t *fixture = *state;
    size_t count = 0;
    for (int debug = 0; debug < 2; debug++) {
        asyncio_loop_set_debug(fixture->loop, debug);
        int line = __LINE__ + 1;
        asyncio_coroutine_unref(asyncio_coroutine(wait_long, NULL));
        assert_reported(fixture, ++count, line, "", "coroutine was never awaited");
        line = __LINE__ + 1;
        asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
        assert_int_equal(asyncio_future_set_exception(future, -EIO), 0);
        asyncio_future_unref(future);
        assert_reported(fixture, ++count, line, "", "Future exception was never retrieved");
        line = __LINE__ + 1;
        asyncio_coroutine_t *coroutine = asyncio_coroutine(fail_at_once, NULL);
        asyncio_task_t *task = asyncio_loop_create_task(fixture->loop, coroutine);
        assert_int_equal(asyncio_task_set_name(task, "failing"), 0);
        asyncio_task_unref(task);
        run_turn_once(fixture);
        assert_reported(fixture, ++count, line, "failing", "Task exception was never retrieved");
    }
    int line = __LINE__ + 1;
    asyncio_coroutine_t *coroutine = asyncio_coroutine(wait_long, NULL);
    asyncio_task_t *task = asyncio_loop_create_task(fixture->loop, coroutine);
    assert_int_equal(asyncio_task_set_name(task, "pending"), 0);
    run_turn_once(fixture);
    fixture->leaves_work = true;
    close_loop(fixture);
    assert_reported(fixture, ++count, line, "pending", "Task was destroyed but it is pending!");
    asyncio_task_unref(task);
}

/* --- misuse -------------------------------------------------------------------------------- */

static void *call_from_elsewhere(void *arg)
{
    int rc = asyncio_loop_call_soon(arg, take_milliseconds, NULL, NULL);
    asyncio_error_clear();
    return (void *)(intptr_t)rc;
}

static int let_another_thread_call(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    pthread_t thread;
    void *result = NULL;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    assert_int_equal(pthread_create(&thread, NULL, call_from_elsewhere, loop), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_int_equal((intptr_t)result, ASYNCIO_ERUNTIME);
    return 0;
}

/* The use of a running loop by another thread is refused in any mode, and reported in debug
 * mode. */
static void the_wrong_thread_is_reported(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, let_another_thread_call, NULL), 0);
    assert_int_equal(fixture->reports, 1);
    assert_string_equal(fixture->last.message,
                        "Non-thread-safe operation invoked on an event loop other than the "
                        "current one");
    asyncio_loop_set_debug(fixture->loop, false);
    assert_int_equal(run(fixture, let_another_thread_call, NULL), 0);
    fixture->expected_reports = 1;
}

static int use_what_is_freed(void *arg, void **ret_result)
{
    (void)ret_result;
    fixture_t *fixture = arg;
    asyncio_future_t *future = asyncio_loop_create_future(NULL);
    asyncio_coroutine_t *coroutine = asyncio_coroutine(fail_at_once, NULL);
    asyncio_task_t *task = asyncio_create_task(asyncio_sleep_coroutine(0));
    assert_int_equal(asyncio_await(task, NULL), 0);
    asyncio_future_unref(future);
    assert_int_equal(asyncio_await(coroutine, NULL), -EIO);
    asyncio_task_unref(task);
    assert_int_equal(asyncio_await(future, NULL), -EINVAL);
    assert_int_equal(fixture->reports, 1);
    assert_int_equal(asyncio_await(coroutine, NULL), -EINVAL);
    assert_null(asyncio_create_task(coroutine));
    assert_int_equal(asyncio_task_cancel(task, NULL), -EINVAL);
    assert_int_equal(asyncio_future_result(task, NULL), -EINVAL);
    assert_int_equal(asyncio_future_add_done_callback(future, take_long_when_done, NULL), -EINVAL);
    assert_null(asyncio_ensure_future(future));
    assert_int_equal(asyncio_errno(), -EINVAL);
    /* Memory that was never an object is not reported as one. */
    assert_int_equal(asyncio_await(arg, NULL), -EINVAL);
    return 0;
}

/* The use of an object after its last reference was dropped is refused and reported, as long as not
 * too much was freed since. */
static void a_freed_object_is_reported(void **state)
{
    fixture_t *fixture = *state;
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
    skip(); /* they see it themselves, and end the program */
#endif
    if (asyncio__on_valgrind())
        skip();
    assert_int_equal(run(fixture, use_what_is_freed, fixture), 0);
    assert_int_equal(fixture->reports, 7);
    assert_string_equal(fixture->last.message,
                        "an object was used after its last reference had been given up");
    fixture->expected_reports = 7;
}

static int free_many(void *arg, void **ret_result)
{
    (void)ret_result;
    long *most = arg, before = asyncio__live_blocks();
    for (int i = 0; i < 1000; i++) {
        asyncio_future_unref(asyncio_loop_create_future(NULL));
        assert_int_equal(asyncio_await(asyncio_coroutine(step_slowly, NULL), NULL), 0);
        if (asyncio__live_blocks() - before > *most)
            *most = asyncio__live_blocks() - before;
    }
    return 0;
}

/* Memory that is kept for that counts as freed, and is freed when the loop stops. */
static void freed_objects_are_not_kept_for_ever(void **state)
{
    long most = 0;
    assert_int_equal(run(*state, free_many, &most), 0);
    assert_int_equal(most, 0);
    assert_int_equal(asyncio__quarantined_blocks, 0);
}

/* --- what stays the same ------------------------------------------------------------------- */

static void note_done(asyncio_future_t *future, void *arg)
{
    (void)future;
    note(arg, 'd');
}

static void note_called(void *arg)
{
    note(arg, 'c');
}

static int weave(void *arg, void **ret_result)
{
    (void)ret_result;
    fixture_t *fixture = arg;
    for (int i = 0; i < 3; i++) {
        note(fixture, (char)('0' + i));
        assert_int_equal(
            asyncio_loop_call_soon(fixture->loop, note_called, fixture, NULL), 0);
        assert_int_equal(asyncio_sleep(i % 2), 0);
    }
    return 0;
}

static int weave_all(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_awaitable_t *tasks[4];
    for (int i = 0; i < 4; i++) {
        tasks[i] = asyncio_create_task(asyncio_coroutine(weave, arg));
        assert_int_equal(asyncio_future_add_done_callback(tasks[i], note_done, arg), 0);
    }
    int rc = asyncio_gather_await(tasks, 4, NULL);
    for (int i = 0; i < 4; i++)
        asyncio_future_unref(tasks[i]);
    return rc;
}

/* Tasks and callbacks run in the same order in debug mode and without it. */
static void the_order_is_the_same(void **state)
{
    fixture_t *fixture = *state;
    char first[sizeof(fixture->trace)];
    assert_int_equal(run(fixture, weave_all, fixture), 0);
    fixture->trace[fixture->trace_length] = '\0';
    memcpy(first, fixture->trace, sizeof(first));
    fixture->trace_length = 0;
    asyncio_loop_set_debug(fixture->loop, false);
    assert_int_equal(run(fixture, weave_all, fixture), 0);
    fixture->trace[fixture->trace_length] = '\0';
    assert_string_equal(fixture->trace, first);
    assert_true(fixture->trace_length > 20);
}

/* ASYNCIO_DEBUG enables debug mode for new loops, unless it is 0 or empty. */
static void the_environment_switches_it_on(void **state)
{
    (void)state;
    static const char *const values[] = {"1", "yes", "0", ""};
    const char *former = getenv("ASYNCIO_DEBUG");
    char kept[32];
    snprintf(kept, sizeof(kept), "%s", former ? former : "");
    for (int i = 0; i < 4; i++) {
        assert_int_equal(setenv("ASYNCIO_DEBUG", values[i], 1), 0);
        asyncio_loop_t *loop = asyncio_new_event_loop();
        assert_int_equal(asyncio_loop_get_debug(loop), i < 2);
        assert_true(asyncio_loop_get_slow_callback_duration(loop) == 0.1);
        asyncio_loop_unref(loop);
    }
    assert_int_equal(former ? setenv("ASYNCIO_DEBUG", kept, 1) : unsetenv("ASYNCIO_DEBUG"), 0);
}

static int leave_without_exit(void *arg, void **ret_result)
{
    (void)ret_result;
    return asyncio_timeout_enter(arg, ASYNCIO_FOREVER);
}

static int await_the_careless(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_timeout_t scope = {0};
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(leave_without_exit, &scope));
    assert_int_equal(asyncio_await(task, NULL), 0);
    assert_int_equal(asyncio_timeout_exit(&scope, 0), 0);
    asyncio_task_unref(task);
    return 0;
}

/* A task that ends inside a timeout scope is reported. */
static void a_timeout_that_is_not_exited_is_reported(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, await_the_careless, NULL), 0);
    assert_int_equal(fixture->reports, 1);
    assert_string_equal(fixture->last.message,
                        "a timeout scope was left without asyncio_timeout_exit()");
    fixture->reports = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DEBUG_TEST(a_timeout_that_is_not_exited_is_reported),
        DEBUG_TEST(slow_callbacks_are_reported),
        DEBUG_TEST(debug_mode_is_switched_at_any_time),
        DEBUG_TEST(every_kind_of_handle_keeps_its_place),
        DEBUG_TEST(slow_done_callbacks_are_reported),
        DEBUG_TEST(slow_steps_are_reported),
        DEBUG_TEST(slow_signal_handlers_are_reported),
        DEBUG_TEST(slow_readers_are_reported),
        DEBUG_TEST(what_is_lost_is_told_with_its_place),
        DEBUG_TEST(the_wrong_thread_is_reported),
        DEBUG_TEST(a_freed_object_is_reported),
        DEBUG_TEST(freed_objects_are_not_kept_for_ever),
        DEBUG_TEST(the_order_is_the_same),
        DEBUG_TEST(the_environment_switches_it_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
