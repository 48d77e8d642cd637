/* SPDX-License-Identifier: MIT */
/*
 * Every kind of wait, disturbed at every moment: after each number of turns the task is cancelled,
 * or the loop is closed, or both. In every case all blocks are freed, each value is destroyed once,
 * and the task ends.
 */
#include "support/support.h"

#include <stdlib.h>

#include "base/memory.h"

static long values_made, values_destroyed;

static void destroy_value(void *value)
{
    values_destroyed++;
    free(value);
}

static int work(void *arg, void **ret_result)
{
    (void)arg;
    int rc = asyncio_sleep(1);
    if (rc < 0)
        return rc;
    if ((rc = asyncio_sleep(0)) < 0)
        return rc;
    values_made++;
    return asyncio_return(ret_result, malloc(1), destroy_value);
}

static int fail_later(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = asyncio_sleep(1);
    return rc < 0 ? rc : asyncio_raise(-EIO, "on %s", "purpose");
}

static int clean_up_slowly(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = asyncio_sleep(5);
    if (rc == -ECANCELED)
        asyncio__ignore(asyncio_sleep(1));
    return rc;
}

static asyncio_coroutine_t *object_of(int index)
{
    switch (index % 3) {
    case 0:
        return asyncio_coroutine(work, NULL);
    case 1:
        return asyncio_coroutine(fail_later, NULL);
    default:
        return asyncio_coroutine(clean_up_slowly, NULL);
    }
}

/* Drops a value that was received. */
static int drop(int rc, void **value)
{
    if (rc == 0 && *value)
        destroy_value(*value);
    return rc;
}

static int await_object(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    void *value = NULL;
    return drop(asyncio_await(asyncio_coroutine(work, NULL), &value), &value);
}

static int await_task(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    void *value = NULL;
    return drop(asyncio_await_unref(asyncio_create_task(object_of(0)), &value), &value);
}

static int await_borrowed(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_t *task = asyncio_create_task(object_of(2));
    int rc = asyncio_await(task, NULL);
    asyncio_task_unref(task);
    return rc;
}

static int gather_three(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_gather_options_t options = {.size = sizeof(options), .return_exceptions = arg != NULL};
    asyncio_awaitable_t *children[] = {object_of(0), object_of(1), object_of(2)};
    return asyncio_await_unref(asyncio_gather(children, 3, &options), NULL);
}

static int gather_values(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    void *values[2] = {NULL};
    asyncio_awaitable_t *children[] = {object_of(0), object_of(0)};
    int rc = asyncio_gather_await(children, 2, values);
    return drop(drop(rc, &values[0]), &values[1]);
}

static int gather_twin(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_awaitable_t *children[] = {object_of(1), object_of(2)};
    return asyncio_await(asyncio_gather_await_coroutine(children, 2, NULL), NULL);
}

static int wait_for_three(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_awaitable_t *awaitables[] = {object_of(0), object_of(1), object_of(2)};
    int rc = asyncio_wait(awaitables, 3, arg ? 1 : ASYNCIO_FOREVER,
                          arg ? ASYNCIO_ALL_COMPLETED : ASYNCIO_FIRST_EXCEPTION, NULL);
    for (int i = 0; i < 3; i++)
        asyncio_future_unref(awaitables[i]);
    return rc < 0 ? rc : 0;
}

static int wait_twin(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_awaitable_t *awaitables[] = {object_of(0), object_of(2)};
    return asyncio_await(
        asyncio_wait_coroutine(awaitables, 2, 2, ASYNCIO_FIRST_COMPLETED, NULL), NULL);
}

static int limit_object(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    void *value = NULL;
    int rc = drop(asyncio_wait_for(object_of(0), 0.5, &value), &value);
    if (rc != -ETIMEDOUT)
        return rc;
    return drop(asyncio_wait_for(object_of(0), 5, &value), &value);
}

static int limit_task(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_task_t *task = asyncio_create_task(object_of(2));
    int rc = asyncio_wait_for(task, arg ? 0 : 1, NULL);
    asyncio_task_unref(task);
    return rc;
}

static int limit_twin(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_await(asyncio_wait_for_coroutine(object_of(2), 0.5), NULL);
}

static int limit_group(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_timeout_t scope;
    asyncio_task_group_t group;
    int rc = asyncio_timeout_enter(&scope, arg ? 0.5 : 50);
    if (rc < 0)
        return rc;
    rc = asyncio_task_group_enter(&group);
    if (rc == 0) {
        for (int i = 0; i < 3; i++)
            asyncio_task_group_create_task(&group, object_of(i));
        rc = asyncio_task_group_exit(&group, asyncio_sleep(0));
    }
    return asyncio_timeout_exit(&scope, rc);
}

static int iterate(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_future_t *future = NULL;
    asyncio_awaitable_t *awaitables[] = {object_of(0), object_of(2), object_of(1)};
    asyncio_as_completed_t *it = asyncio_as_completed(awaitables, 3, arg ? 2 : 20);
    int rc = asyncio_errno();
    while (it && (rc = asyncio_as_completed_next(it, &future)) > 0)
        asyncio__ignore(asyncio_future_exception(future, NULL));
    asyncio_as_completed_unref(it);
    return rc;
}

static int shield_work(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_await_unref(asyncio_shield(object_of(0)), NULL);
}

static int yield_twice(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = asyncio_yield(NULL, NULL);
    if (rc == 0)
        rc = asyncio_sleep(1);
    return rc < 0 ? rc : asyncio_yield(NULL, NULL);
}

static int drive(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    void *out = NULL;
    asyncio_coroutine_t *generator = asyncio_coroutine(yield_twice, NULL);
    int rc;
    while ((rc = asyncio_coroutine_send(generator, NULL, &out)) > 0) {
        rc = rc == ASYNCIO_AWAITING ? asyncio_await(out, NULL) : asyncio_sleep(0);
        if (rc < 0)
            break;
    }
    asyncio_coroutine_unref(generator);
    return rc;
}

static const struct {
    const char *name;                 /* for what went wrong */
    asyncio_coroutine_function_t *fn; /* the wait */
    void *arg;                        /* chooses between two of a kind */
} kinds[] = {
    {"await an object", await_object, NULL},
    {"await a task", await_task, NULL},
    {"await a borrowed task", await_borrowed, NULL},
    {"gather", gather_three, NULL},
    {"gather, errors in place", gather_three, (void *)kinds},
    {"gather values", gather_values, NULL},
    {"gather by its object", gather_twin, NULL},
    {"wait for the first error", wait_for_three, NULL},
    {"wait for a second", wait_for_three, (void *)kinds},
    {"wait by its object", wait_twin, NULL},
    {"an object with a limit", limit_object, NULL},
    {"a task with a limit", limit_task, NULL},
    {"a task without time", limit_task, (void *)kinds},
    {"a limit by its object", limit_twin, NULL},
    {"a group that fails", limit_group, NULL},
    {"a group with a limit", limit_group, (void *)kinds},
    {"as completed", iterate, NULL},
    {"as completed, with a limit", iterate, (void *)kinds},
    {"a shield", shield_work, NULL},
    {"a generator", drive, NULL},
};

static void ignore_report(asyncio_loop_t *loop, const asyncio_exception_context_t *context,
                          void *arg)
{
    (void)loop, (void)context, (void)arg;
}

static void stop(void *arg)
{
    asyncio_loop_stop(arg);
}

/* Runs turns until something is due, and then one more. */
static void run_one_moment(asyncio_loop_t *loop)
{
    asyncio__ignore(asyncio_loop_call_later(loop, 0.5, stop, loop, NULL));
    asyncio__ignore(asyncio_loop_run_forever(loop));
}

enum disturbance { CANCEL = 1, CLOSE = 2 };

/* Runs a wait of one kind and disturbs it after that number of turns and half seconds. */
static void disturb(size_t kind, int turns, int halves, unsigned how)
{
    asyncio_loop_options_t options = {.size = sizeof(options), .clock = ASYNCIO_CLOCK_VIRTUAL};
    long blocks = asyncio__live_blocks();
    values_made = values_destroyed = 0;
    asyncio_loop_t *loop = asyncio_new_event_loop_full(&options);
    assert_non_null(loop);
    asyncio_loop_set_exception_handler(loop, ignore_report, NULL);
    asyncio_task_t *task =
        asyncio_loop_create_task(loop, asyncio_coroutine(kinds[kind].fn, kinds[kind].arg));
    for (int i = 0; i < halves; i++)
        run_one_moment(loop);
    for (int i = 0; i < turns; i++) {
        asyncio_loop_stop(loop);
        assert_int_equal(asyncio_loop_run_forever(loop), 0);
    }
    if (how & CANCEL)
        assert_int_equal(asyncio_task_cancel(task, "disturbed"), !asyncio_future_done(task));
    if (how & CLOSE)
        assert_int_equal(asyncio_loop_close(loop), 0);
    else
        asyncio__ignore(asyncio_loop_run_until_complete(loop, task, NULL));
    assert_true(asyncio_future_done(task));
    asyncio__ignore(asyncio_future_exception(task, NULL));
    asyncio_task_unref(task);
    asyncio_loop_unref(loop);
    asyncio_error_clear();
    if (asyncio__live_blocks() != blocks || values_made != values_destroyed)
        fail_msg("%s, %d turns and %d halves, disturbed by %u: %ld blocks, %ld of %ld values",
                 kinds[kind].name, turns, halves, how, asyncio__live_blocks() - blocks,
                 values_destroyed, values_made);
}

static void disturb_all(unsigned how)
{
    for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++)
        for (int halves = 0; halves < 6; halves++)
            for (int turns = 0; turns < 6; turns++)
                disturb(kind, turns, halves, how);
}

/* Undisturbed, every kind of wait ends and releases what it acquired. */
static void what_is_left_alone_ends(void **state)
{
    (void)state;
    disturb_all(0);
}

/* A cancel at any moment ends every kind of wait. */
static void a_cancel_ends_any_wait(void **state)
{
    (void)state;
    disturb_all(CANCEL);
}

/* So does closing the loop. */
static void a_close_ends_any_wait(void **state)
{
    (void)state;
    disturb_all(CLOSE);
}

/* And closing the loop while a cancel is pending. */
static void a_close_overtakes_a_cancel(void **state)
{
    (void)state;
    disturb_all(CANCEL | CLOSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(what_is_left_alone_ends),
        FIXTURE_TEST(a_cancel_ends_any_wait),
        FIXTURE_TEST(a_close_ends_any_wait),
        FIXTURE_TEST(a_close_overtakes_a_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
