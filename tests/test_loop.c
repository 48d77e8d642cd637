/* SPDX-License-Identifier: MIT */
/* The loop: turns, their order, stop, close, and what it refuses. */
#include "support/support.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/syscalls.h"

static void note_letter(void *arg)
{
    note(the_fixture(), *(const char *)arg);
}

static void note_then_more(void *arg)
{
    fixture_t *fixture = arg;
    note(fixture, 'a');
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, note_letter, "c", NULL), 0);
}

static void stop_loop(void *arg)
{
    asyncio_loop_stop(arg);
}

/* Callbacks run in the order in which they were scheduled. */
static void call_soon_is_first_in_first_out(void **state)
{
    fixture_t *fixture = *state;
    static const char letters[] = "abcdefgh";
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(
            asyncio_loop_call_soon(fixture->loop, note_letter, (void *)&letters[i], NULL), 0);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, letters);
}

/* A callback that is scheduled by a callback runs in the next turn, after all of this one. */
static void what_is_scheduled_in_a_turn_runs_in_the_next(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, note_then_more, fixture, NULL), 0);
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, note_letter, "b", NULL), 0);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "ab");
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "abc");
}

/* A stop before the run gives exactly one turn; what that turn schedules stays queued. */
static void stop_before_run_gives_one_turn(void **state)
{
    fixture_t *fixture = *state;
    asyncio_loop_stop(fixture->loop);
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, note_then_more, fixture, NULL), 0);
    assert_int_equal(asyncio_loop_run_forever(fixture->loop), 0);
    assert_string_equal(fixture->trace, "a");
}

/* A stop lets the current turn finish. */
static void stop_ends_the_turn_first(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, stop_loop, fixture->loop, NULL), 0);
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, note_letter, "x", NULL), 0);
    assert_int_equal(asyncio_loop_run_forever(fixture->loop), 0);
    assert_string_equal(fixture->trace, "x");
}

/* On the virtual clock a loop that nothing can wake fails with a deadlock instead of waiting. */
static void a_loop_without_anything_is_dead(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(asyncio_loop_run_forever(fixture->loop), ASYNCIO_EDEADLOOP);
    assert_false(asyncio_loop_is_running(fixture->loop));
}

struct refusals {
    asyncio_loop_t *other; /* a loop that does not run */
    int again;             /* of running the running one */
    int another;           /* of running the other one */
    int closing;           /* of closing the running one */
    int complete;          /* of run_until_complete() on it */
    bool is_running;       /* what it says of itself */
};

static int do_nothing(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return 0;
}

static int try_what_is_refused(void *arg, void **ret_result)
{
    (void)ret_result;
    struct refusals *seen = arg;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    seen->again = asyncio_loop_run_forever(loop);
    seen->another = asyncio_loop_run_forever(seen->other);
    seen->closing = asyncio_loop_close(loop);
    seen->complete =
        asyncio_loop_run_until_complete(loop, asyncio_coroutine(do_nothing, NULL), NULL);
    seen->is_running = asyncio_loop_is_running(loop);
    return 0;
}

/* A running loop can neither be run again nor closed, and no other loop can run in its thread. */
static void a_running_loop_refuses(void **state)
{
    fixture_t *fixture = *state;
    struct refusals seen = {.other = asyncio_new_event_loop()};
    assert_non_null(seen.other);
    assert_int_equal(run(fixture, try_what_is_refused, &seen), 0);
    assert_int_equal(seen.again, ASYNCIO_ERUNTIME);
    assert_int_equal(seen.another, ASYNCIO_ERUNTIME);
    assert_int_equal(seen.closing, ASYNCIO_ERUNTIME);
    assert_int_equal(seen.complete, ASYNCIO_ERUNTIME);
    assert_true(seen.is_running);
    asyncio_loop_unref(seen.other);
}

/* Every call on a closed loop fails with ASYNCIO_ERUNTIME; closing it again is a no-op. */
static void a_closed_loop_refuses(void **state)
{
    fixture_t *fixture = *state;
    asyncio_loop_t *loop = fixture->loop;
    asyncio_handle_t *handle = NULL;
    asyncio_remote_t remote;
    assert_int_equal(asyncio_loop_close(loop), 0);
    assert_int_equal(asyncio_loop_close(loop), 0);
    assert_true(asyncio_loop_is_closed(loop));
    assert_int_equal(asyncio_loop_run_forever(loop), ASYNCIO_ERUNTIME);
    assert_int_equal(
        asyncio_loop_run_until_complete(loop, asyncio_coroutine(do_nothing, NULL), NULL),
        ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_loop_call_soon(loop, note_letter, "x", &handle), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_loop_call_later(loop, 0, note_letter, "x", &handle),
                     ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_loop_call_at(loop, 0, note_letter, "x", &handle), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_loop_call_soon_threadsafe(loop, note_letter, "x", &handle),
                     ASYNCIO_ERUNTIME);
    assert_null(handle);
    assert_int_equal(asyncio_loop_add_reader(loop, 0, note_letter, "x"), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_loop_add_writer(loop, 0, note_letter, "x"), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_loop_remove_reader(loop, 0), 0);
    assert_int_equal(asyncio_loop_remove_writer(loop, 0), 0);
    assert_int_equal(asyncio_remote_init(&remote, loop, note_letter, "x"), ASYNCIO_ERUNTIME);
    assert_null(asyncio_loop_create_future(loop));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    assert_null(asyncio_loop_create_task(loop, asyncio_coroutine(do_nothing, NULL)));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_all_tasks(loop, NULL, 0), 0);
    assert_true(asyncio_loop_time(loop) >= 0);
    asyncio_loop_stop(loop);
    assert_string_equal(fixture->trace, "");
}

/* Callbacks and timers that are pending when a loop closes are dropped, not called. */
static void close_drops_what_is_ready_and_set(void **state)
{
    fixture_t *fixture = *state;
    asyncio_handle_t *timer = NULL;
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, note_letter, "a", NULL), 0);
    assert_int_equal(asyncio_loop_call_later(fixture->loop, 1, note_letter, "b", &timer), 0);
    assert_int_equal(asyncio_loop_call_later(fixture->loop, -1, note_letter, "c", NULL), 0);
    assert_int_equal(
        asyncio_loop_call_later(fixture->loop, ASYNCIO_FOREVER, note_letter, "d", NULL), 0);
    assert_int_equal(asyncio_loop_call_soon_threadsafe(fixture->loop, note_letter, "e", NULL), 0);
    assert_int_equal(asyncio_loop_close(fixture->loop), 0);
    asyncio_handle_cancel(timer); /* of a loop that is closed: harmless */
    asyncio_handle_unref(timer);
    assert_string_equal(fixture->trace, "");
}

struct thread_calls {
    asyncio_loop_t *loop;     /* runs in another thread */
    asyncio_future_t *future; /* of it */
    asyncio_task_t *task;     /* of it */
    int results[14];          /* the results of the calls */
    size_t count;             /* of results */
    asyncio_loop_t *running;  /* what this thread takes for its loop */
};

static void *call_from_thread(void *arg)
{
    struct thread_calls *calls = arg;
    int *at = calls->results;
    asyncio_loop_t *loop = calls->loop;
    calls->running = asyncio_get_running_loop();
    *at++ = asyncio_loop_run_forever(loop);
    *at++ = asyncio_loop_run_until_complete(loop, asyncio_coroutine(do_nothing, NULL), NULL);
    *at++ = asyncio_loop_call_soon(loop, note_letter, "x", NULL);
    *at++ = asyncio_loop_call_later(loop, 1, note_letter, "x", NULL);
    *at++ = asyncio_loop_call_at(loop, 1, note_letter, "x", NULL);
    *at++ = asyncio_loop_add_reader(loop, 0, note_letter, "x");
    *at++ = asyncio_loop_remove_reader(loop, 0);
    *at++ = asyncio_loop_close(loop);
    *at++ = asyncio_future_set_result(calls->future, NULL);
    *at++ = asyncio_future_cancel(calls->future, NULL);
    *at++ = asyncio_task_cancel(calls->task, NULL);
    *at++ = (int)asyncio_all_tasks(loop, NULL, 0);
    assert_null(asyncio_loop_create_future(loop));
    *at++ = asyncio_errno();
    assert_null(asyncio_loop_create_task(loop, asyncio_coroutine(do_nothing, NULL)));
    *at++ = asyncio_errno();
    calls->count = (size_t)(at - calls->results);
    asyncio_error_clear();
    return NULL;
}

static int call_from_thread_and_wait(void *arg, void **ret_result)
{
    (void)ret_result;
    struct thread_calls *calls = arg;
    pthread_t thread;
    calls->loop = asyncio_get_running_loop();
    calls->future = asyncio_loop_create_future(NULL);
    calls->task = asyncio_current_task();
    assert_int_equal(pthread_create(&thread, NULL, call_from_thread, calls), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    asyncio_future_unref(calls->future);
    return 0;
}

/* A loop that runs in one thread refuses calls from every other thread with ASYNCIO_ERUNTIME. */
static void a_loop_of_another_thread_refuses(void **state)
{
    fixture_t *fixture = *state;
    struct thread_calls calls = {0};
    assert_int_equal(run(fixture, call_from_thread_and_wait, &calls), 0);
    assert_null(calls.running);
    assert_int_equal(calls.count, 14);
    for (size_t i = 0; i < calls.count; i++)
        assert_int_equal(calls.results[i], ASYNCIO_ERUNTIME);
    expect_reports_in_debug(fixture, calls.count);
}

/* Unknown options are -EINVAL, and no loop is created. */
static void bad_options_are_refused(void **state)
{
    (void)state;
    asyncio_loop_options_t bad[] = {
        {.size = 0},
        {.size = sizeof(bad[0]) - 1},
        {.size = sizeof(bad[0]), .engine = (asyncio_engine_t)17},
        {.size = sizeof(bad[0]), .engine = (asyncio_engine_t)-1},
        {.size = sizeof(bad[0]), .clock = (asyncio_clock_t)2},
        {.size = sizeof(bad[0]), .stack_bytes = SIZE_MAX},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(asyncio_new_event_loop_full(&bad[i]));
        assert_int_equal(asyncio_errno(), -EINVAL);
    }
}

static void never(void *arg)
{
    (void)arg;
    fail_msg("called");
}

/* Descriptors that cannot be watched are refused, each with its own code. */
static void watching_refuses_bad_descriptors(void **state)
{
    fixture_t *fixture = *state;
    int (*const add[])(asyncio_loop_t *, int, asyncio_callback_t *, void *, const char *) = {
        asyncio_loop_add_reader_at, asyncio_loop_add_writer_at};
    FILE *file = tmpfile();
    assert_non_null(file);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(add[i](NULL, 0, never, NULL, NULL), -EINVAL);
        assert_int_equal(add[i](fixture->loop, -1, never, NULL, NULL), -EINVAL);
        assert_int_equal(add[i](fixture->loop, 0, NULL, NULL, NULL), -EINVAL);
        if (asyncio_loop_get_engine(fixture->loop) == ASYNCIO_ENGINE_SIM) {
            assert_int_equal(add[i](fixture->loop, fileno(file), never, NULL, NULL), -EOPNOTSUPP);
        } else {
            assert_int_equal(add[i](fixture->loop, 987654, never, NULL, NULL), -EBADF);
            assert_int_equal(add[i](fixture->loop, fileno(file), never, NULL, NULL), -EPERM);
        }
    }
    assert_int_equal(asyncio_loop_remove_reader(fixture->loop, 987654), 0);
    assert_int_equal(asyncio_loop_remove_writer(fixture->loop, -1), 0);
    assert_int_equal(asyncio_loop_remove_reader(NULL, 0), -EINVAL);
    assert_int_equal(asyncio_loop_remove_writer(NULL, 0), -EINVAL);
    fclose(file);
}

struct watching {
    fixture_t *fixture; /* whose loop */
    int ends[2];        /* of a pipe */
    int calls;          /* of the reader */
    int calls_at_stop;  /* it reads and stops then */
};

static void on_readable(void *arg)
{
    struct watching *watching = arg;
    char byte;
    if (++watching->calls < watching->calls_at_stop)
        return;
    assert_int_equal(read(watching->ends[0], &byte, 1), 1);
    assert_int_equal(asyncio_loop_remove_reader(watching->fixture->loop, watching->ends[0]), 1);
    assert_int_equal(asyncio_loop_remove_reader(watching->fixture->loop, watching->ends[0]), 0);
    asyncio_loop_stop(watching->fixture->loop);
}

/* A reader that does not read is called again, once per turn, until it is removed. */
static void a_reader_is_called_while_there_is_input(void **state)
{
    fixture_t *fixture = *state;
    struct watching watching = {.fixture = fixture, .calls_at_stop = 3};
    skip_without_descriptors(fixture);
    assert_int_equal(pipe(watching.ends), 0);
    assert_int_equal(asyncio_loop_add_reader(fixture->loop, watching.ends[0], never, NULL), 0);
    assert_int_equal(
        asyncio_loop_add_reader(fixture->loop, watching.ends[0], on_readable, &watching), 0);
    assert_int_equal(write(watching.ends[1], "x", 1), 1);
    assert_int_equal(asyncio_loop_run_forever(fixture->loop), 0);
    assert_int_equal(watching.calls, 3);
    close(watching.ends[0]);
    close(watching.ends[1]);
}

static void remove_other(void *arg)
{
    struct watching *pair = arg; /* two, of which the first that runs removes both */
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(asyncio_loop_remove_reader(pair->fixture->loop, pair[i].ends[0]), 1);
    pair->calls++;
    asyncio_loop_stop(pair->fixture->loop);
}

/* A callback that is ready in the same turn does not run after its watch was removed. */
static void a_removed_reader_is_not_called(void **state)
{
    fixture_t *fixture = *state;
    struct watching pair[2] = {{.fixture = fixture}, {.fixture = fixture}};
    skip_without_descriptors(fixture);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pipe(pair[i].ends), 0);
        assert_int_equal(write(pair[i].ends[1], "x", 1), 1);
        assert_int_equal(
            asyncio_loop_add_reader(fixture->loop, pair[i].ends[0], remove_other, pair), 0);
    }
    assert_int_equal(asyncio_loop_run_forever(fixture->loop), 0);
    run_turn_once(fixture);
    assert_int_equal(pair[0].calls, 1);
    for (size_t i = 0; i < 2; i++) {
        close(pair[i].ends[0]);
        close(pair[i].ends[1]);
    }
}

static void stop_when_called(void *arg)
{
    struct watching *watching = arg;
    if (++watching->calls == 2)
        asyncio_loop_stop(watching->fixture->loop);
}

/* A writer is called while there is room; a loop closes with watches on it. */
static void a_writer_is_called_while_there_is_room(void **state)
{
    fixture_t *fixture = *state;
    struct watching watching = {.fixture = fixture};
    skip_without_descriptors(fixture);
    assert_int_equal(pipe(watching.ends), 0);
    assert_int_equal(asyncio_loop_add_reader(fixture->loop, watching.ends[0], never, NULL), 0);
    assert_int_equal(
        asyncio_loop_add_writer(fixture->loop, watching.ends[1], stop_when_called, &watching), 0);
    assert_int_equal(asyncio_loop_run_forever(fixture->loop), 0);
    assert_int_equal(watching.calls, 2);
    close_loop(fixture);
    close(watching.ends[0]);
    close(watching.ends[1]);
}

static void stop_the_loop_of(void *arg)
{
    asyncio_loop_stop(((struct watching *)arg)->fixture->loop);
}

static void come_again_soon(void *arg)
{
    struct watching *watching = arg;
    asyncio_loop_t *loop = watching->fixture->loop;
    assert_in_range(++watching->calls, 1, 100000);
    int rc = watching->calls % 2 ? asyncio_loop_call_soon(loop, come_again_soon, arg, NULL)
                                 : asyncio_loop_call_later(loop, 0, come_again_soon, arg, NULL);
    assert_int_equal(rc, 0);
}

/* Callbacks and timers that reschedule themselves at once do not starve a descriptor. */
static void a_busy_loop_sees_its_descriptors(void **state)
{
    fixture_t fixture = *(fixture_t *)*state;
    struct watching watching = {.fixture = &fixture};
    skip_without_descriptors(*state);
    for (int is_virtual = 0; is_virtual < 2; is_virtual++) {
        asyncio_loop_options_t options = {.size = sizeof(options), .clock = (unsigned)is_virtual};
        fixture.loop = asyncio_new_event_loop_full(&options);
        assert_int_equal(pipe(watching.ends), 0);
        assert_int_equal(write(watching.ends[1], "x", 1), 1);
        come_again_soon(&watching);
        assert_int_equal(asyncio_loop_add_reader(fixture.loop, watching.ends[0], stop_the_loop_of,
                                                 &watching), 0);
        assert_int_equal(asyncio_loop_run_forever(fixture.loop), 0);
        asyncio_loop_unref(fixture.loop);
        close(watching.ends[0]);
        close(watching.ends[1]);
    }
}

static int refuse_setup(unsigned entries, void *params)
{
    (void)entries, (void)params;
    errno = EPERM;
    return -1;
}

/* Where io_uring is refused a loop that does not require it uses epoll, and returns the reason. */
static void a_loop_does_without_io_uring(void **state)
{
    (void)state;
    asyncio_loop_options_t options = {.size = sizeof(options), .engine = ASYNCIO_ENGINE_URING};
    const char *wanted = getenv("ASYNCIO_ENGINE");
    char *kept = wanted ? strdup(wanted) : NULL;
    asyncio__syscalls_t real = asyncio__sys;
    asyncio__sys.io_uring_setup = refuse_setup;
    unsetenv("ASYNCIO_ENGINE");
    assert_null(asyncio_new_event_loop_full(&options));
    assert_int_equal(asyncio_errno(), -EPERM);
    asyncio_loop_t *loop = asyncio_new_event_loop();
    asyncio__sys = real;
    if (kept)
        setenv("ASYNCIO_ENGINE", kept, 1);
    free(kept);
    assert_int_equal(asyncio_loop_get_engine(loop), ASYNCIO_ENGINE_EPOLL);
    assert_non_null(strstr(asyncio_loop_get_engine_reason(loop), "refused"));
    asyncio_loop_unref(loop);
}

/* Loops that are created, run and closed one after the other leave nothing behind. */
static void loops_leave_nothing(void **state)
{
    (void)state;
    long blocks = asyncio__live_blocks();
    int descriptors = open_descriptors();
    for (int i = 0; i < 200; i++) {
        asyncio_loop_t *loop = asyncio_new_event_loop();
        assert_int_equal(
            asyncio_loop_run_until_complete(loop, asyncio_coroutine(do_nothing, NULL), NULL), 0);
        asyncio_loop_unref(loop);
        assert_int_equal(asyncio__live_blocks(), blocks);
        assert_int_equal(open_descriptors(), descriptors);
    }
}

/* The loop of a thread is the running one, else the one that was set, else a new one. */
static void the_loop_of_a_thread_can_be_set(void **state)
{
    fixture_t *fixture = *state;
    assert_null(asyncio_get_running_loop());
    asyncio_set_event_loop(fixture->loop);
    assert_ptr_equal(asyncio_get_event_loop(), fixture->loop);
    asyncio_set_event_loop(NULL);
    asyncio_loop_t *made = asyncio_get_event_loop();
    assert_non_null(made);
    assert_ptr_not_equal(made, fixture->loop);
    assert_ptr_equal(asyncio_get_event_loop(), made);
    asyncio_set_event_loop(NULL);
}

/* Every call of the loop accepts NULL without harm. */
static void null_is_harmless(void **state)
{
    fixture_t *fixture = *state;
    asyncio_exception_context_t context = {.size = sizeof(context)};
    assert_null(asyncio_loop_ref(NULL));
    asyncio_loop_unref(NULL);
    assert_int_equal(asyncio_loop_close(NULL), -EINVAL);
    assert_int_equal(asyncio_loop_run_forever(NULL), -EINVAL);
    assert_int_equal(asyncio_loop_run_until_complete(NULL, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, NULL, NULL), -EINVAL);
    assert_int_equal(
        asyncio_loop_run_until_complete(NULL, asyncio_coroutine(do_nothing, NULL), NULL), -EINVAL);
    asyncio_loop_stop(NULL);
    assert_false(asyncio_loop_is_running(NULL));
    assert_true(asyncio_loop_is_closed(NULL));
    assert_true(asyncio_loop_time(NULL) > 0);
    assert_int_equal(asyncio_loop_call_soon(NULL, never, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, NULL, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_loop_call_later(NULL, 0, never, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_loop_call_later(fixture->loop, 0, NULL, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_loop_call_at(NULL, 0, never, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_loop_call_at(fixture->loop, 0, NULL, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_loop_call_soon_threadsafe(NULL, never, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_loop_call_soon_threadsafe(fixture->loop, NULL, NULL, NULL), -EINVAL);
    asyncio_loop_call_exception_handler(NULL, NULL);
    asyncio_loop_call_exception_handler(fixture->loop, NULL);
    asyncio_loop_default_exception_handler(NULL, NULL);
    assert_int_equal(asyncio_loop_get_engine(NULL), ASYNCIO_ENGINE_AUTO);
    assert_string_equal(asyncio_loop_get_engine_reason(NULL), "");
    assert_string_equal(asyncio_engine_name((asyncio_engine_t)9), "?");
    assert_false(asyncio_loop_get_debug(NULL));
    asyncio_loop_set_debug(NULL, true);
    asyncio_loop_call_exception_handler(fixture->loop, &context);
    fixture->expected_reports = 1;
}

/* The debug mode of a loop can be set and read. */
static void debug_can_be_set(void **state)
{
    fixture_t *fixture = *state;
    asyncio_loop_set_debug(fixture->loop, true);
    assert_true(asyncio_loop_get_debug(fixture->loop));
    assert_int_equal(run(fixture, do_nothing, NULL), 0);
    asyncio_loop_set_debug(fixture->loop, false);
    assert_false(asyncio_loop_get_debug(fixture->loop));
}

static int unref_the_loop(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_loop_unref(arg);
    return asyncio_sleep(1);
}

/* A loop lives as long as it runs, even if its last reference is dropped. */
static void a_running_loop_outlives_its_references(void **state)
{
    (void)state;
    asyncio_loop_options_t options = {.size = sizeof(options), .clock = ASYNCIO_CLOCK_VIRTUAL};
    asyncio_loop_t *loop = asyncio_new_event_loop_full(&options);
    asyncio_task_t *task = asyncio_loop_create_task(loop, asyncio_coroutine(unref_the_loop, loop));
    assert_int_equal(asyncio_loop_run_until_complete(loop, task, NULL), 0);
    asyncio_task_unref(task);
}

/* A future may outlive its loop, and its result can still be read. */
static void a_future_outlives_its_loop(void **state)
{
    fixture_t *fixture = *state;
    void *value = NULL;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    assert_int_equal(asyncio_future_set_result(future, fixture), 0);
    close_loop(fixture);
    assert_int_equal(asyncio_future_result(future, &value), 0);
    assert_ptr_equal(value, fixture);
    assert_int_equal(asyncio_future_add_done_callback(future, NULL, NULL), ASYNCIO_ERUNTIME);
    asyncio_future_unref(future);
}

static void *make_thread_loop(void *arg)
{
    *(bool *)arg = asyncio_get_event_loop() != NULL;
    asyncio_loop_call_soon(NULL, NULL, NULL, NULL); /* leaves an error in the thread's slot */
    return NULL;
}

/* When a thread ends, the loop that get_event_loop() created for it and its last error are freed:
 * the accounts of the test check that. */
static void a_thread_that_ends_leaves_nothing(void **state)
{
    (void)state;
    pthread_t thread;
    bool was_made = false;
    assert_int_equal(pthread_create(&thread, NULL, make_thread_loop, &was_made), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(was_made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(call_soon_is_first_in_first_out),
        FIXTURE_TEST(what_is_scheduled_in_a_turn_runs_in_the_next),
        FIXTURE_TEST(stop_before_run_gives_one_turn),
        FIXTURE_TEST(stop_ends_the_turn_first),
        FIXTURE_TEST(a_loop_without_anything_is_dead),
        FIXTURE_TEST(a_running_loop_refuses),
        FIXTURE_TEST(a_closed_loop_refuses),
        FIXTURE_TEST(close_drops_what_is_ready_and_set),
        FIXTURE_TEST(a_loop_of_another_thread_refuses),
        FIXTURE_TEST(bad_options_are_refused),
        FIXTURE_TEST(watching_refuses_bad_descriptors),
        FIXTURE_TEST(a_reader_is_called_while_there_is_input),
        FIXTURE_TEST(a_removed_reader_is_not_called),
        FIXTURE_TEST(a_writer_is_called_while_there_is_room),
        FIXTURE_TEST(a_busy_loop_sees_its_descriptors),
        FIXTURE_TEST(a_loop_does_without_io_uring),
        FIXTURE_TEST(loops_leave_nothing),
        FIXTURE_TEST(the_loop_of_a_thread_can_be_set),
        FIXTURE_TEST(null_is_harmless),
        FIXTURE_TEST(debug_can_be_set),
        FIXTURE_TEST(a_running_loop_outlives_its_references),
        FIXTURE_TEST(a_future_outlives_its_loop),
        FIXTURE_TEST(a_thread_that_ends_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
