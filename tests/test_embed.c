/* SPDX-License-Identifier: MIT */
/* A loop inside another one, statistics, waiting for a file descriptor, and the virtual clock while
 * operations are in flight. */
#include "support/support.h"

#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void count_call(void *arg)
{
    ++*(int *)arg;
}

/* --- embedding ----------------------------------------------------------------------------- */

/* Polls the descriptor of a loop as a foreign loop does, then runs one turn. */
static void poll_once(asyncio_loop_t *loop, int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    double left = asyncio_loop_next_deadline(loop) - asyncio_loop_time(loop);
    int timeout_ms = left > 5 ? 5000 : left <= 0 ? 0 : (int)(left * 1000) + 1;
    assert_true(poll(&polled, 1, timeout_ms) >= 0);
    assert_int_equal(asyncio_loop_run_once(loop), 0);
}

/* One turn runs everything that is ready, and returns. */
static void run_once_runs_one_turn(void **state)
{
    fixture_t *fixture = *state;
    int calls = 0;
    fixture->leaves_work = true; /* a timer */
    assert_int_equal(asyncio_loop_run_once(fixture->loop), 0);
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, count_call, &calls, NULL), 0);
    assert_int_equal(asyncio_loop_call_later(fixture->loop, 1, count_call, &calls, NULL), 0);
    assert_int_equal(asyncio_loop_run_once(fixture->loop), 0);
    assert_int_equal(asyncio_loop_run_once(fixture->loop), 0);
    assert_int_equal(calls, 1);
    assert_int_equal(asyncio_loop_run_once(NULL), -EINVAL);
}

/* The next deadline is now if something is ready, else that of the first timer, else never. */
static void the_next_deadline_is_known(void **state)
{
    fixture_t *fixture = *state;
    asyncio_loop_t *loop = fixture->loop;
    int calls = 0;
    fixture->leaves_work = true; /* a timer */
    assert_true(isinf(asyncio_loop_next_deadline(loop)));
    assert_int_equal(asyncio_loop_call_later(loop, 3, count_call, &calls, NULL), 0);
    assert_true(asyncio_loop_next_deadline(loop) == 3);
    assert_int_equal(asyncio_loop_call_soon(loop, count_call, &calls, NULL), 0);
    assert_true(asyncio_loop_next_deadline(loop) == 0);
    assert_true(isnan(asyncio_loop_next_deadline(NULL)));
}

static void *post(void *arg)
{
    void **both = arg;
    asyncio_loop_call_soon_threadsafe(both[0], count_call, both[1], NULL);
    return NULL;
}

/* Another thread, a timer and a descriptor each make a foreign loop run a turn. */
static void a_foreign_loop_is_woken(void **state)
{
    fixture_t *fixture = *state;
    skip_without_descriptors(fixture);
    asyncio_loop_t *loop = asyncio_new_event_loop();
    int fd = asyncio_loop_fileno(loop), ends[2], posted = 0, due = 0, can_read = 0;
    assert_true(fd >= 0);
    pthread_t thread;
    assert_true(isinf(asyncio_loop_next_deadline(loop)));
    assert_int_equal(pthread_create(&thread, NULL, post, (void *[]){loop, &posted}), 0);
    for (int i = 0; i < 100 && !posted; i++)
        poll_once(loop, fd);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(posted, 1);
    assert_int_equal(asyncio_loop_call_later(loop, 0.001, count_call, &due, NULL), 0);
    for (int i = 0; i < 100 && !due; i++)
        poll_once(loop, fd);
    assert_int_equal(due, 1);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    assert_int_equal(asyncio_loop_add_reader(loop, ends[0], count_call, &can_read), 0);
    poll_once(loop, fd > 0 && write(ends[1], "x", 1) == 1 ? fd : -1);
    for (int i = 0; i < 100 && !can_read; i++)
        poll_once(loop, fd);
    assert_true(can_read > 0);
    assert_int_equal(asyncio_loop_remove_reader(loop, ends[0]), 1);
    close(ends[0]);
    close(ends[1]);
    asyncio_loop_unref(loop);
}

/* --- waiting for a file descriptor --------------------------------------------------------- */

static int wait_and_read(void *arg, void **ret_result)
{
    int *ends = arg;
    int rc = asyncio_loop_wait_fd(ends[0], ASYNCIO_FD_READ);
    *ret_result = ASYNCIO_INT(rc);
    return rc < 0 ? rc : 0;
}

static int wait_for_ends(void *arg, void **ret_result)
{
    int *ends = arg;
    void *result;
    assert_int_equal(asyncio_loop_wait_fd(ends[0], ASYNCIO_FD_READ | ASYNCIO_FD_WRITE),
                     ASYNCIO_FD_WRITE);
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(wait_and_read, ends));
    assert_int_equal(asyncio_sleep(0), 0);
    assert_int_equal(asyncio_loop_wait_fd(ends[0], ASYNCIO_FD_READ), -EALREADY);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(asyncio_await_unref(task, &result), 0);
    assert_int_equal((intptr_t)result, ASYNCIO_FD_READ);
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(asyncio_wait_for(asyncio_loop_wait_fd_coroutine(ends[0], ASYNCIO_FD_READ),
                                      60.0, ret_result),
                     -ETIMEDOUT);
    assert_int_equal(asyncio_loop_wait_fd(ends[0], 0), -EINVAL);
    assert_int_equal(asyncio_loop_wait_fd(-1, ASYNCIO_FD_READ), -EINVAL);
    *ret_result = NULL;
    return 0;
}

/* A task waits for a descriptor of the program; a timeout ends the wait and leaves no watch. The
 * virtual clock passes the minute although the watch is in flight. */
static void a_task_waits_for_a_descriptor(void **state)
{
    fixture_t *fixture = *state;
    skip_without_descriptors(fixture);
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    assert_int_equal(run(fixture, wait_for_ends, ends), 0);
    close(ends[0]);
    close(ends[1]);
}

/* --- the virtual clock --------------------------------------------------------------------- */

static int respond(void *arg, void **ret_result)
{
    int *ends = arg;
    char byte;
    (void)ret_result;
    for (;;) {
        int rc = asyncio_loop_wait_fd(ends[1], ASYNCIO_FD_READ);
        if (rc < 0)
            return rc;
        if (read(ends[1], &byte, 1) != 1)
            return 0;
        rc = asyncio_sleep(1800.0);
        if (rc < 0)
            return rc;
        assert_int_equal(write(ends[1], &byte, 1), 1);
    }
}

static int ask(void *arg, void **ret_result)
{
    int *ends = arg;
    char byte;
    (void)ret_result;
    asyncio_task_t *server = asyncio_create_task(asyncio_coroutine(respond, ends));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(write(ends[0], "x", 1), 1);
        assert_int_equal(asyncio_loop_wait_fd(ends[0], ASYNCIO_FD_READ), ASYNCIO_FD_READ);
        assert_int_equal(read(ends[0], &byte, 1), 1);
    }
    assert_int_equal(shutdown(ends[0], SHUT_WR), 0);
    return asyncio_await_unref(server, NULL);
}

/* A server, a client and an hour of timeouts run at once: the clock jumps while both wait for the
 * kernel, and not while there is something to read. */
static void the_virtual_clock_jumps_beside_io(void **state)
{
    fixture_t *fixture = *state;
    skip_without_descriptors(fixture);
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    assert_int_equal(run(fixture, ask, ends), 0);
    assert_true(asyncio_loop_time(fixture->loop) == 3600);
    close(ends[0]);
    close(ends[1]);
}

/* --- statistics ---------------------------------------------------------------------------- */

static int take_time(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_loop_t *loop = arg;
    double end = asyncio_loop_time(NULL) + 0.002;
    while (asyncio_loop_time(NULL) < end)
        ;
    (void)loop;
    return asyncio_sleep(0);
}

/* Counts are always kept; times and the name of the longest turn on request. */
static void a_loop_counts_what_it_does(void **state)
{
    fixture_t *fixture = *state;
    asyncio_loop_t *loop = fixture->loop;
    asyncio_loop_stats_t stats = {.size = sizeof(stats)};
    asyncio_loop_set_debug(loop, false);
    assert_int_equal(run(fixture, take_time, loop), 0);
    assert_int_equal(asyncio_loop_get_stats(loop, &stats), 0);
    assert_true(stats.polls > 0 && stats.turns >= 2 && stats.steps >= 2);
    assert_true(stats.run_time == 0 && stats.longest_turn == 0 && !*stats.longest_turn_names);
    assert_int_equal(asyncio_loop_set_timing(loop, true), 0);
    assert_int_equal(run(fixture, take_time, loop), 0);
    uint64_t steps = stats.steps;
    assert_int_equal(asyncio_loop_get_stats(loop, &stats), 0);
    assert_true(stats.steps > steps && stats.longest_turn >= 0.002);
    assert_true(stats.run_time >= stats.longest_turn && stats.poll_time > 0);
    assert_non_null(strstr(stats.longest_turn_names, "Task-"));
    stats.size = 0;
    assert_int_equal(asyncio_loop_get_stats(loop, &stats), -EINVAL);
    assert_int_equal(asyncio_loop_get_stats(NULL, &stats), -EINVAL);
    assert_int_equal(asyncio_loop_set_timing(NULL, true), -EINVAL);
}

static void note_slow_start(void *arg)
{
    (void)arg;
    double end = asyncio_loop_time(NULL) + 0.003;
    while (asyncio_loop_time(NULL) < end)
        ;
}

/* Debug mode reports a turn that takes long as a whole although none of its steps does. */
static void a_long_turn_is_reported(void **state)
{
    fixture_t *fixture = *state;
    asyncio_loop_set_debug(fixture->loop, true);
    assert_int_equal(asyncio_loop_set_slow_callback_duration(fixture->loop, 0.5), 0);
    for (int i = 0; i < 200; i++)
        assert_int_equal(asyncio_loop_call_soon(fixture->loop, note_slow_start, NULL, NULL), 0);
    run_turn_once(fixture);
    fixture->expected_reports = fixture->reports;
    assert_true(fixture->reports >= 1);
    assert_non_null(strstr(fixture->last.message, "a turn of 200 steps took"));
    assert_non_null(strstr(fixture->last.name, "a callback"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(run_once_runs_one_turn),
        FIXTURE_TEST(the_next_deadline_is_known),
        FIXTURE_TEST(a_foreign_loop_is_woken),
        FIXTURE_TEST(a_task_waits_for_a_descriptor),
        FIXTURE_TEST(the_virtual_clock_jumps_beside_io),
        FIXTURE_TEST(a_loop_counts_what_it_does),
        FIXTURE_TEST(a_long_turn_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
