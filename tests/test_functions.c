/* SPDX-License-Identifier: MIT */
/* The functions behind the macros: what a function pointer or another language calls. */
#include "support/support.h"

#include <signal.h>
#include <unistd.h>

static void count(void *arg)
{
    ++*(int *)arg;
}

static void count_event(int fd, unsigned events, void *arg)
{
    (void)fd;
    (void)events;
    ++*(int *)arg;
}

static void stop(void *arg)
{
    asyncio_loop_stop(arg);
}

/* Pointers to the functions schedule callbacks as the macros do. */
static void calls_can_be_made_by_pointer(void **state)
{
    asyncio_loop_t *loop = ((fixture_t *)*state)->loop;
    int (*soon)(asyncio_loop_t *, asyncio_callback_t *, void *, asyncio_handle_t **) =
        asyncio_loop_call_soon;
    int (*timed)(asyncio_loop_t *, double, asyncio_callback_t *, void *,
                 asyncio_timer_handle_t **) = asyncio_loop_call_later;
    int calls = 0;
    assert_int_equal(soon(loop, count, &calls, NULL), 0);
    soon = asyncio_loop_call_soon_threadsafe;
    assert_int_equal(soon(loop, count, &calls, NULL), 0);
    assert_int_equal(timed(loop, 0, count, &calls, NULL), 0);
    timed = asyncio_loop_call_at;
    assert_int_equal(timed(loop, asyncio_loop_time(loop), count, &calls, NULL), 0);
    assert_int_equal((asyncio_loop_call_soon_full)(loop, count, &calls, NULL, NULL), 0);
    assert_int_equal((asyncio_loop_call_later_full)(loop, 0, count, &calls, NULL, NULL), 0);
    assert_int_equal((asyncio_loop_call_at_full)(loop, 0, count, &calls, NULL, NULL), 0);
    assert_int_equal(
        (asyncio_loop_call_soon_threadsafe_full)(loop, count, &calls, NULL, NULL), 0);
    assert_int_equal(asyncio_loop_call_later(loop, 0.001, stop, loop, NULL), 0);
    assert_int_equal(asyncio_loop_run_forever(loop), 0);
    assert_int_equal(calls, 8);
}

/* So do those that watch a descriptor or a signal. */
static void watches_can_be_set_by_pointer(void **state)
{
    asyncio_loop_t *loop = ((fixture_t *)*state)->loop;
    int calls = 0, ends[2];
    assert_int_equal((asyncio_loop_add_signal_handler)(loop, SIGUSR1, count, &calls), 0);
    assert_int_equal(asyncio_loop_remove_signal_handler(loop, SIGUSR1), 1);
    if (asyncio_loop_get_engine(loop) == ASYNCIO_ENGINE_SIM)
        return;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal((asyncio_loop_add_reader)(loop, ends[0], count, &calls), 0);
    assert_int_equal((asyncio_loop_add_writer)(loop, ends[1], count, &calls), 0);
    assert_int_equal((asyncio_loop_watch_fd)(loop, ends[0], ASYNCIO_FD_READ, count_event, &calls),
                     0);
    for (int turns = 0; calls < 3 && turns < 100; turns++)
        assert_int_equal(asyncio_loop_run_once(loop), 0);
    assert_true(calls >= 3);
    assert_int_equal(asyncio_loop_remove_reader(loop, ends[0]), 1);
    assert_int_equal(asyncio_loop_remove_writer(loop, ends[1]), 1);
    assert_int_equal(asyncio_loop_unwatch_fd(loop, ends[0]), 1);
    close(ends[0]);
    close(ends[1]);
}

static int raise_byte(void *arg, void **ret_result)
{
    (void)ret_result;
    return (asyncio_raise)(-EPROTO, "byte %d", *(int *)arg);
}

/* A coroutine and an error that are made by pointer are whole, and name no place. */
static void objects_can_be_made_by_pointer(void **state)
{
    asyncio_loop_t *loop = ((fixture_t *)*state)->loop;
    int byte = 42;
    asyncio_coroutine_t *(*make)(asyncio_coroutine_function_t *, const void *) = asyncio_coroutine;
    assert_int_equal(asyncio_loop_run_until_complete(loop, make(raise_byte, &byte), NULL), -EPROTO);
    asyncio_error_t *error = asyncio_error_last();
    assert_string_equal(asyncio_error_message(error), "byte 42");
    assert_string_equal(asyncio_error_place(error), "");
    asyncio_error_unref(error);
    const asyncio_coroutine_options_t options = {.size = sizeof(options),
                                                 .copy_bytes = sizeof(byte)};
    asyncio_coroutine_t *coroutine = (asyncio_coroutine_full)(raise_byte, &byte, &options);
    assert_int_equal(asyncio_loop_run_until_complete(loop, coroutine, NULL), -EPROTO);
    asyncio_error_clear();
}

static void count_done(asyncio_future_t *future, void *arg)
{
    (void)future;
    ++*(int *)arg;
}

static int make_by_pointer(void *arg, void **ret_result)
{
    (void)ret_result;
    int byte = 7;
    const asyncio_task_options_t options = {.size = sizeof(options)};
    asyncio_task_t *tasks[8];
    asyncio_task_group_t group;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_future_t *future = (asyncio_loop_create_future)(loop);
    assert_int_equal((asyncio_future_add_done_callback)(future, count_done, arg), 0);
    assert_int_equal((asyncio_future_add_done_callback_full)(future, count_done, arg, NULL), 0);
    assert_int_equal(asyncio_future_set_result(future, NULL), 0);
    asyncio_future_unref(future);
    tasks[0] = (asyncio_create_task)(asyncio_coroutine(raise_byte, &byte));
    tasks[1] = (asyncio_create_task_full)(asyncio_coroutine(raise_byte, &byte), &options);
    tasks[2] = (asyncio_loop_create_task)(loop, asyncio_coroutine(raise_byte, &byte));
    tasks[3] =
        (asyncio_loop_create_task_full)(loop, asyncio_coroutine(raise_byte, &byte), &options);
    tasks[4] = (asyncio_task_new)(loop, asyncio_coroutine(raise_byte, &byte), &options);
    for (int i = 0; i < 5; i++)
        assert_int_equal(asyncio_await_unref(tasks[i], NULL), -EPROTO);
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    assert_non_null((asyncio_task_group_create_task)(&group, asyncio_sleep_coroutine(0)));
    assert_non_null(
        (asyncio_task_group_create_task_full)(&group, asyncio_sleep_coroutine(0), &options));
    return asyncio_task_group_exit(&group, 0);
}

/* Futures and tasks can be made by pointer, alone and in a group. */
static void tasks_can_be_made_by_pointer(void **state)
{
    int calls = 0;
    assert_int_equal(run(*state, make_by_pointer, &calls), 0);
    assert_int_equal(calls, 2);
    asyncio_error_clear();
}

/* So are the parts of a test. */
static void tests_can_be_run_by_pointer(void **state)
{
    (void)state;
    int byte = 1;
    asyncio_testing_t *testing = asyncio_testing_new(NULL);
    assert_non_null(testing);
    assert_true((asyncio_testing_run)(testing, raise_byte, &byte) < 0);
    assert_true((asyncio_testing_add_cleanup)(testing, raise_byte, &byte) < 0);
    asyncio_testing_unref(testing);
    asyncio_error_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(calls_can_be_made_by_pointer),
        FIXTURE_TEST(watches_can_be_set_by_pointer),
        FIXTURE_TEST(objects_can_be_made_by_pointer),
        FIXTURE_TEST(tasks_can_be_made_by_pointer),
        cmocka_unit_test(tests_can_be_run_by_pointer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
