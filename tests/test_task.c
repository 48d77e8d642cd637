/* SPDX-License-Identifier: MIT */
/* Tasks: when they run, how they end, what closing a loop does to them, and bad input. */
#include "support/support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/memory.h"
#include "base/syscalls.h"

static int answer_seven(void *arg, void **ret_result)
{
    (void)arg;
    *ret_result = ASYNCIO_INT(7);
    return 0;
}

static void ignore_report(asyncio_loop_t *loop, const asyncio_exception_context_t *context,
                          void *arg)
{
    (void)loop, (void)context, (void)arg;
}

static int note_letter(void *arg, void **ret_result)
{
    (void)ret_result;
    note(the_fixture(), *(const char *)arg);
    return 0;
}

static void note_callback(void *arg)
{
    note(the_fixture(), *(const char *)arg);
}

static int start_three(void *arg, void **ret_result)
{
    (void)ret_result;
    fixture_t *fixture = arg;
    asyncio_task_t *tasks[3];
    for (int i = 0; i < 3; i++)
        tasks[i] = asyncio_create_task(asyncio_coroutine(note_letter, &"abc"[i]));
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, note_callback, "d", NULL), 0);
    note(fixture, '0');
    assert_int_equal(asyncio_sleep(0), 0);
    note(fixture, '1');
    for (int i = 0; i < 3; i++) {
        assert_true(asyncio_future_done(tasks[i]));
        asyncio_task_unref(tasks[i]);
    }
    return 0;
}

/* Tasks start in the next turn, in the order of their creation, among the callbacks. */
static void tasks_start_in_order(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, start_three, fixture), 0);
    assert_string_equal(fixture->trace, "0abcd1");
}

static int await_itself(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_int_equal(asyncio_await(asyncio_current_task(), NULL), ASYNCIO_ERUNTIME);
    return asyncio_await(asyncio_current_task(), NULL);
}

/* A task that awaits itself gets ASYNCIO_ERUNTIME and continues. */
static void a_task_cannot_await_itself(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, await_itself, NULL), ASYNCIO_ERUNTIME);
}

static int await_foreign(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_awaitable_t *foreign = arg;
    assert_int_equal(asyncio_await(foreign, NULL), ASYNCIO_ERUNTIME);
    assert_null(asyncio_ensure_future(foreign));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_int_equal(asyncio_gather_await(&foreign, 1, NULL), -EINVAL);
    assert_int_equal(asyncio_wait(&foreign, 1, 1, ASYNCIO_ALL_COMPLETED, NULL), -EINVAL);
    assert_null(asyncio_as_completed(&foreign, 1, 1));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_shield(foreign));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_int_equal(asyncio_wait_for(foreign, 1, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_wait_for(foreign, 0, NULL), -EINVAL);
    return 0;
}

/* A future of another loop cannot be awaited, gathered or wrapped. */
static void futures_of_other_loops_are_refused(void **state)
{
    fixture_t *fixture = *state;
    asyncio_loop_t *other = asyncio_new_event_loop();
    asyncio_future_t *future = asyncio_loop_create_future(other);
    assert_int_equal(run(fixture, await_foreign, future), 0);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, future, NULL), -EINVAL);
    asyncio_future_unref(future);
    asyncio_loop_unref(other);
}

static int await_arg(void *arg, void **ret_result)
{
    return asyncio_await(*(asyncio_awaitable_t **)arg, ret_result);
}

static void check_ring(fixture_t *fixture, size_t length)
{
    asyncio_task_t *tasks[4] = {NULL};
    for (size_t i = 0; i < length; i++)
        tasks[i] = asyncio_loop_create_task(
            fixture->loop, asyncio_coroutine(await_arg, &tasks[(i + 1) % length]));
    assert_int_equal(asyncio_loop_run_forever(fixture->loop), ASYNCIO_EDEADLOOP);
    for (size_t i = 0; i < length; i++) {
        assert_int_equal(asyncio_task_cancel(tasks[i], "x"), -EDEADLK);
        assert_int_equal(asyncio_future_cancel(tasks[i], NULL), -EDEADLK);
        assert_int_equal(asyncio_task_cancelling(tasks[i]), 0);
        assert_false(asyncio_future_done(tasks[i]));
    }
    assert_int_equal(asyncio_loop_close(fixture->loop), 0);
    for (size_t i = 0; i < length; i++) {
        assert_int_equal(asyncio_future_result(tasks[i], NULL), ASYNCIO_EGENERATOREXIT);
        asyncio_task_unref(tasks[i]);
    }
    fixture->expected_reports = length;
}

/* Two tasks that await each other cannot be cancelled: -EDEADLK, and nothing changes; closing the
 * loop still ends them, with ASYNCIO_EGENERATOREXIT. */
static void a_ring_of_two_is_found(void **state)
{
    check_ring(*state, 2);
}

/* The same holds for a longer ring. */
static void a_ring_of_four_is_found(void **state)
{
    check_ring(*state, 4);
}

static int gather_arg(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_awaitable_t *children[] = {*(asyncio_awaitable_t **)arg,
                                       asyncio_sleep_coroutine(5)};
    return asyncio_gather_await(children, 2, NULL);
}

/* A ring through a gathering is found too; the children before it are not cancelled. */
static void rings_through_gatherings_are_found(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_t *tasks[2] = {NULL};
    tasks[0] = asyncio_loop_create_task(fixture->loop, asyncio_coroutine(gather_arg, &tasks[1]));
    tasks[1] = asyncio_loop_create_task(fixture->loop, asyncio_coroutine(await_arg, &tasks[0]));
    run_turn_once(fixture);
    run_turn_once(fixture);
    assert_int_equal(asyncio_task_cancel(tasks[0], NULL), -EDEADLK);
    assert_int_equal(asyncio_task_cancel(tasks[1], NULL), -EDEADLK);
    assert_int_equal(asyncio_loop_run_forever(fixture->loop), ASYNCIO_EDEADLOOP);
    assert_int_equal(asyncio_loop_close(fixture->loop), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(asyncio_future_result(tasks[i], NULL), ASYNCIO_EGENERATOREXIT);
        asyncio_task_unref(tasks[i]);
    }
    fixture->expected_reports = 2;
}

static int fail_with_details(void *arg, void **ret_result)
{
    (void)ret_result;
    if (arg)
        assert_int_equal(asyncio_sleep(*(double *)arg), 0);
    return asyncio_raise(-EPROTO, "bad byte 0x%02x", 0x7f);
}

static int await_failure(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(fail_with_details, arg));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(asyncio_await(task, NULL), -EPROTO);
        asyncio_error_t *error = asyncio_error_last();
        assert_string_equal(asyncio_error_message(error), "bad byte 0x7f");
        asyncio_error_unref(error);
        asyncio_error_clear();
    }
    return asyncio_await_unref(task, NULL);
}

/* The error of a task reaches its awaiters, with its details, as often as it is awaited. */
static void errors_reach_who_awaits(void **state)
{
    fixture_t *fixture = *state;
    double delay = 1;
    assert_int_equal(run(fixture, await_failure, NULL), -EPROTO);
    assert_int_equal(run(fixture, await_failure, &delay), -EPROTO);
    asyncio_error_t *error = asyncio_error_last();
    assert_string_equal(asyncio_error_message(error), "bad byte 0x7f");
    asyncio_error_unref(error);
}

static int fail_detached(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_int_equal(
        asyncio_task_detach(asyncio_create_task(asyncio_coroutine(fail_with_details, NULL))), 0);
    return asyncio_sleep(1);
}

/* The error of a task that nobody retrieved is reported once, with its name and source location. */
static void an_unread_error_is_reported_once(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, fail_detached, NULL), 0);
    assert_int_equal(fixture->reports, 1);
    assert_int_equal(fixture->last.code, -EPROTO);
    assert_string_equal(fixture->last.message, "Task exception was never retrieved");
    assert_non_null(strstr(fixture->last.place, "test_task.c"));
    assert_non_null(strstr(fixture->last.place, "fail_with_details"));
    assert_memory_equal(fixture->last.name, "Task-", 5);
    fixture->expected_reports = 1;
}

static int sleep_long(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_sleep(1000);
    if (arg)
        *(int *)arg = rc;
    return rc;
}

/* A task that is pending when its loop closes is reported and ended where it waits. */
static void closing_ends_pending_tasks(void **state)
{
    fixture_t *fixture = *state;
    int seen[3] = {0};
    asyncio_task_t *tasks[3];
    for (int i = 0; i < 3; i++)
        tasks[i] = asyncio_loop_create_task(fixture->loop, asyncio_coroutine(sleep_long, &seen[i]));
    run_turn_once(fixture);
    assert_int_equal(asyncio_task_cancel(tasks[1], NULL), 1);
    asyncio_task_t *unstarted =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(sleep_long, NULL));
    assert_int_equal(asyncio_loop_close(fixture->loop), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(seen[i], ASYNCIO_EGENERATOREXIT);
        assert_int_equal(asyncio_future_result(tasks[i], NULL), ASYNCIO_EGENERATOREXIT);
        asyncio_task_unref(tasks[i]);
    }
    assert_int_equal(asyncio_future_result(unstarted, NULL), ASYNCIO_EGENERATOREXIT);
    asyncio_task_unref(unstarted);
    assert_int_equal(fixture->reports, 4);
    assert_string_equal(fixture->last.message, "Task was destroyed but it is pending!");
    fixture->expected_reports = 4;
}

static int clean_up_with_awaits(void *arg, void **ret_result)
{
    (void)ret_result;
    int *steps = arg;
    int rc = asyncio_sleep(1000);
    while (++*steps < 10)
        assert_int_equal(asyncio_sleep(1), ASYNCIO_EGENERATOREXIT);
    assert_int_equal(asyncio_sleep(0), ASYNCIO_EGENERATOREXIT);
    assert_null(asyncio_create_task(asyncio_coroutine(answer_seven, NULL)));
    assert_null(asyncio_loop_create_future(NULL));
    assert_int_equal(asyncio_await(asyncio_coroutine(answer_seven, NULL), NULL), 0);
    return rc;
}

/* A task that is being closed may clean up; each of its waits fails with ASYNCIO_EGENERATOREXIT. */
static void a_closed_task_may_clean_up(void **state)
{
    fixture_t *fixture = *state;
    int steps = 0;
    asyncio_task_t *task =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(clean_up_with_awaits, &steps));
    run_turn_once(fixture);
    assert_int_equal(asyncio_loop_close(fixture->loop), 0);
    assert_int_equal(steps, 10);
    assert_int_equal(asyncio_future_result(task, NULL), ASYNCIO_EGENERATOREXIT);
    asyncio_task_unref(task);
    fixture->expected_reports = 1;
}

static int never_end(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_timeout_t scope;
    if (arg)
        assert_int_equal(asyncio_timeout_enter(&scope, 3), 0);
    for (;;)
        asyncio__ignore(asyncio_sleep(arg ? 1 : 0));
    return 0;
}

/* A task that does not end is abandoned: reported once more, and done for everybody else. */
static void a_task_that_will_not_end_is_abandoned(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_t *plain =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(never_end, NULL));
    assert_int_equal(asyncio_task_detach(asyncio_loop_create_task(
                         fixture->loop, asyncio_coroutine(never_end, fixture))),
                     0);
    run_turn_once(fixture);
    assert_int_equal(asyncio_loop_close(fixture->loop), 0);
    assert_int_equal(asyncio_future_result(plain, NULL), ASYNCIO_EGENERATOREXIT);
    asyncio_task_unref(plain);
    assert_string_equal(fixture->last.message, "a task that would not end was abandoned");
    fixture->expected_reports = 4;
    accounts_expect_kept_stacks(2);
}

static int add_task_at_close(void *arg, void **ret_result)
{
    asyncio_future_t *future = arg;
    (void)ret_result;
    int rc = asyncio_sleep(1000);
    assert_int_equal(asyncio_future_set_result(future, NULL), 0);
    return rc;
}

static int await_future(void *arg, void **ret_result)
{
    return asyncio_await(arg, ret_result);
}

struct closing {
    asyncio_loop_t *other; /* with tasks that are pending */
    int seen;              /* by one of them */
    int after;             /* what the closer's next wait answered */
};

static int close_other(void *arg, void **ret_result)
{
    (void)ret_result;
    struct closing *closing = arg;
    asyncio_task_t *self = asyncio_current_task();
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_loop_unref(closing->other);
    assert_ptr_equal(asyncio_current_task(), self);
    assert_ptr_equal(asyncio_get_running_loop(), loop);
    closing->after = asyncio_sleep(1);
    return 0;
}

/* A task may close another loop whose tasks are pending, and continues. */
static void a_task_may_close_another_loop(void **state)
{
    fixture_t *fixture = *state;
    asyncio_loop_options_t options = {.size = sizeof(options), .clock = ASYNCIO_CLOCK_VIRTUAL};
    struct closing closing = {.other = asyncio_new_event_loop_full(&options), .after = -1};
    asyncio_loop_set_exception_handler(closing.other, ignore_report, NULL);
    assert_int_equal(asyncio_task_detach(asyncio_loop_create_task(
                         closing.other, asyncio_coroutine(sleep_long, &closing.seen))),
                     0);
    asyncio_loop_stop(closing.other);
    assert_int_equal(asyncio_loop_run_forever(closing.other), 0);
    assert_int_equal(run(fixture, close_other, &closing), 0);
    assert_int_equal(closing.seen, ASYNCIO_EGENERATOREXIT);
    assert_int_equal(closing.after, 0);
}

/* While a loop is closed, a task that finishes the future of another task does not run that
 * task. */
static void closing_wakes_nobody(void **state)
{
    fixture_t *fixture = *state;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    asyncio_task_t *first =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(add_task_at_close, future));
    asyncio_task_t *second =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(await_future, future));
    run_turn_once(fixture);
    assert_int_equal(asyncio_loop_close(fixture->loop), 0);
    assert_int_equal(asyncio_future_result(second, NULL), ASYNCIO_EGENERATOREXIT);
    asyncio_task_unref(first);
    asyncio_task_unref(second);
    asyncio_future_unref(future);
    fixture->expected_reports = 2;
}

static int create_and_forget(void *arg, void **ret_result)
{
    (void)ret_result;
    int *done = arg;
    asyncio_task_unref(asyncio_create_task(asyncio_sleep_coroutine(3)));
    assert_int_equal(asyncio_all_tasks(NULL, NULL, 0), 2);
    assert_int_equal(asyncio_sleep(4), 0);
    assert_int_equal(asyncio_all_tasks(NULL, NULL, 0), 1);
    *done = 1;
    return 0;
}

/* A pending task continues without any reference to it. */
static void a_task_needs_nobody_to_hold_it(void **state)
{
    fixture_t *fixture = *state;
    int done = 0;
    assert_int_equal(run(fixture, create_and_forget, &done), 0);
    assert_int_equal(done, 1);
}

static int list_tasks(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_t *made[3], *listed[4] = {NULL};
    for (int i = 0; i < 3; i++)
        made[i] = asyncio_create_task(asyncio_sleep_coroutine(1));
    assert_int_equal(asyncio_all_tasks(NULL, listed, 2), 4);
    assert_ptr_equal(listed[0], asyncio_current_task());
    assert_ptr_equal(listed[1], made[0]);
    assert_null(listed[2]);
    asyncio_task_unref(listed[0]);
    asyncio_task_unref(listed[1]);
    assert_int_equal(asyncio_all_tasks(NULL, listed, 4), 4);
    assert_ptr_equal(listed[3], made[2]);
    for (int i = 0; i < 4; i++)
        asyncio_task_unref(listed[i]);
    for (int i = 0; i < 3; i++)
        assert_int_equal(asyncio_await_unref(made[i], NULL), 0);
    return 0;
}

/* The pending tasks are listed in order of creation, as many as fit. */
static void tasks_can_be_listed(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(asyncio_all_tasks(NULL, NULL, 0), ASYNCIO_ERUNTIME);
    assert_int_equal(run(fixture, list_tasks, NULL), 0);
    assert_int_equal(asyncio_all_tasks(fixture->loop, NULL, 0), 0);
}

/* A task has the given name, or "Task-N" with increasing numbers. */
static void tasks_have_names(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_options_t options = {.size = sizeof(options), .name = "fetch"};
    asyncio_task_t *named = asyncio_loop_create_task_full(
        fixture->loop, asyncio_coroutine(answer_seven, NULL), &options);
    asyncio_task_t *first =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(answer_seven, NULL));
    asyncio_task_t *second =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(answer_seven, NULL));
    unsigned one = 0, two = 0;
    assert_string_equal(asyncio_task_get_name(named), "fetch");
    assert_int_equal(sscanf(asyncio_task_get_name(first), "Task-%u", &one), 1);
    assert_int_equal(sscanf(asyncio_task_get_name(second), "Task-%u", &two), 1);
    assert_int_equal(two, one + 1);
    assert_int_equal(asyncio_task_set_name(first, "x"), 0);
    assert_int_equal(asyncio_task_set_name(first, asyncio_task_get_name(first)), 0);
    assert_int_equal(asyncio_task_set_name(first, NULL), -EINVAL);
    assert_string_equal(asyncio_task_get_name(first), "x");
    run_turn_once(fixture);
    assert_null(asyncio_task_get_coro(first));
    asyncio_task_unref(named);
    asyncio_task_unref(first);
    asyncio_task_unref(second);
}

/* Bad options of a task are -EINVAL, and the object is taken even then. */
static void bad_options_are_refused(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_options_t options = {.size = sizeof(options) - 1};
    assert_null(asyncio_loop_create_task_full(
        fixture->loop, asyncio_coroutine(answer_seven, NULL), &options));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_loop_create_task(NULL, asyncio_coroutine(answer_seven, NULL)));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_create_task(asyncio_coroutine(answer_seven, NULL)));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_all_tasks(fixture->loop, NULL, 0), 0);
}

/* The result of a task cannot be set from outside. */
static void a_task_cannot_be_set(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_t *task =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(answer_seven, NULL));
    void *value = NULL;
    assert_int_equal(asyncio_future_set_result(task, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_future_set_exception(task, -EIO), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, task, &value), 0);
    assert_int_equal(asyncio_int(value), 7);
    assert_int_equal(asyncio_future_set_result(task, NULL), ASYNCIO_ERUNTIME);
    asyncio_task_unref(task);
}

static int stop_running_loop(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_loop_stop(asyncio_get_running_loop());
    return asyncio_sleep(1);
}

/* If the loop is stopped before the future is done the run fails; the task continues in the next
 * run. */
static void a_stopped_loop_can_go_on(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_t *task =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(stop_running_loop, NULL));
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, task, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, task, NULL), 0);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, task, NULL), 0);
    asyncio_task_unref(task);
}

static int count_down(void *arg, void **ret_result)
{
    (void)ret_result;
    long *left = arg;
    while (--*left > 0)
        if (asyncio_sleep(0) < 0)
            return -EIO;
    return 0;
}

/* A great many steps need no more memory than a few. */
static void many_steps_need_nothing(void **state)
{
    fixture_t *fixture = *state;
    long left = 100000;
    long blocks = asyncio__live_blocks();
    assert_int_equal(run(fixture, count_down, &left), 0);
    asyncio_error_clear();
    assert_true(asyncio__live_blocks() <= blocks + 2);
}

/* Waits below that number of nested calls, at one of four call sites, and returns their number. */
static int descend(int depth, int place, asyncio_queue_t *queue)
{
    if (depth > 0) {
        int rc = descend(depth - 1, place, queue);
        return rc < 0 ? rc : rc + 1;
    }
    if (place == 0)
        return asyncio_sleep(0);
    if (place == 1)
        return asyncio_await(asyncio_sleep_coroutine(0), NULL);
    if (place == 2)
        return asyncio_sleep(1e-9);
    void *item;
    int rc = asyncio_queue_put(queue, ASYNCIO_INT(depth));
    return rc < 0 ? rc : asyncio_queue_get(queue, &item);
}

static int descend_often(void *arg, void **ret_result)
{
    (void)ret_result;
    static int started;
    int number = started++;
    for (int i = 0; i < 200; i++) {
        int depth = i % 2 ? 0 : (i * 7 + number) % 30;
        assert_int_equal(descend(depth, (i + number) % 4, arg), depth);
    }
    return 0;
}

static int descend_together(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_queue_t *queue = asyncio_queue_new(1);
    asyncio_awaitable_t *awaitables[8];
    for (int i = 0; i < 8; i++)
        awaitables[i] = asyncio_coroutine(descend_often, queue);
    int rc = asyncio_gather_await(awaitables, 8, NULL);
    asyncio_queue_unref(queue);
    return rc;
}

/* A wait returns to its caller, at whatever depth and call sites other tasks suspended
 * meanwhile. */
static void waits_return_to_their_callers(void **state)
{
    assert_int_equal(run(*state, descend_together, NULL), 0);
}

static void *no_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    (void)address, (void)size, (void)protection, (void)flags, (void)fd, (void)offset;
    errno = ENOMEM;
    return MAP_FAILED;
}

/* Without memory for a stack a task fails with -ENOMEM and its body never runs; a coroutine driven
 * by hand has not started, and can be started later. */
static void without_a_stack_nothing_runs(void **state)
{
    fixture_t *fixture = *state;
    asyncio_coroutine_options_t options = {.size = sizeof(options), .stack_bytes = 3 << 20};
    asyncio_task_t *task = asyncio_loop_create_task(
        fixture->loop, asyncio_coroutine_full(note_letter, "x", &options));
    asyncio_coroutine_t *by_hand = asyncio_coroutine_full(note_letter, "y", &options);
    void *(*mmap_before)(void *, size_t, int, int, int, off_t) = asyncio__sys.mmap;
    asyncio__sys.mmap = no_mmap;
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, task, NULL), -ENOMEM);
    assert_int_equal(asyncio_coroutine_send(by_hand, NULL, NULL), -ENOMEM);
    asyncio__sys.mmap = mmap_before;
    assert_string_equal(fixture->trace, "");
    assert_int_equal(asyncio_coroutine_send(by_hand, NULL, NULL), 0);
    assert_string_equal(fixture->trace, "y");
    asyncio_coroutine_unref(by_hand);
    asyncio_task_unref(task);
}

static int create_without_stack(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_coroutine_options_t options = {.size = sizeof(options), .stack_bytes = 5 << 20};
    asyncio_task_t *tasks[3];
    for (int i = 0; i < 3; i++)
        tasks[i] = asyncio_create_task(asyncio_coroutine_full(note_letter, arg, &options));
    void *(*mmap_before)(void *, size_t, int, int, int, off_t) = asyncio__sys.mmap;
    asyncio__sys.mmap = no_mmap;
    assert_int_equal(asyncio_sleep(0), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(asyncio_await_unref(tasks[i], NULL), -ENOMEM);
    asyncio__sys.mmap = mmap_before;
    return 0;
}

/* The same when a suspending task would start the task. */
static void without_a_stack_others_go_on(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, create_without_stack, "x"), 0);
    assert_string_equal(fixture->trace, "");
}

/* Every call accepts NULL and objects that are no tasks without harm. */
static void null_is_harmless(void **state)
{
    fixture_t *fixture = *state;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    asyncio_task_t *const strangers[] = {NULL, future};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(asyncio_task_cancel(strangers[i], NULL), -EINVAL);
        assert_int_equal(asyncio_task_uncancel(strangers[i]), -EINVAL);
        assert_int_equal(asyncio_task_cancelling(strangers[i]), -EINVAL);
        assert_false(asyncio_istask(strangers[i]));
        assert_int_equal(asyncio_task_detach(strangers[i]), -EINVAL);
        assert_string_equal(asyncio_task_get_name(strangers[i]), "");
        assert_int_equal(asyncio_task_set_name(strangers[i], "x"), -EINVAL);
        assert_null(asyncio_task_get_coro(strangers[i]));
    }
    assert_null(asyncio_task_ref(NULL));
    asyncio_task_unref(NULL);
    assert_null(asyncio_create_task(NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_loop_create_task(NULL, NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_create_task((void *)future));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_current_task());
    assert_int_equal(asyncio_task_detach(asyncio_create_task(asyncio_coroutine(NULL, NULL))),
                     -EINVAL);
    asyncio_future_unref(future);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(tasks_start_in_order),
        FIXTURE_TEST(a_task_cannot_await_itself),
        FIXTURE_TEST(futures_of_other_loops_are_refused),
        FIXTURE_TEST(a_ring_of_two_is_found),
        FIXTURE_TEST(a_ring_of_four_is_found),
        FIXTURE_TEST(rings_through_gatherings_are_found),
        FIXTURE_TEST(errors_reach_who_awaits),
        FIXTURE_TEST(an_unread_error_is_reported_once),
        FIXTURE_TEST(closing_ends_pending_tasks),
        FIXTURE_TEST(a_closed_task_may_clean_up),
        FIXTURE_TEST(a_task_that_will_not_end_is_abandoned),
        FIXTURE_TEST(a_task_may_close_another_loop),
        FIXTURE_TEST(closing_wakes_nobody),
        FIXTURE_TEST(a_task_needs_nobody_to_hold_it),
        FIXTURE_TEST(tasks_can_be_listed),
        FIXTURE_TEST(tasks_have_names),
        FIXTURE_TEST(bad_options_are_refused),
        FIXTURE_TEST(a_task_cannot_be_set),
        FIXTURE_TEST(a_stopped_loop_can_go_on),
        FIXTURE_TEST(many_steps_need_nothing),
        FIXTURE_TEST(waits_return_to_their_callers),
        FIXTURE_TEST(without_a_stack_nothing_runs),
        FIXTURE_TEST(without_a_stack_others_go_on),
        FIXTURE_TEST(null_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
