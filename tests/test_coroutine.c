/* SPDX-License-Identifier: MIT */
/* Coroutine objects: made, used once, driven by hand, closed, and reported when never used. */
#include "support/support.h"

#include <pthread.h>
#include <string.h>

#include "base/memory.h"
#include "base/syscalls.h"

/* --- driven by hand ------------------------------------------------------------------------ */

/* Yields each number below arg, and adds up what is sent. */
static int count_up(void *arg, void **ret_result)
{
    intptr_t sum = 0;
    for (intptr_t i = 0; i < (intptr_t)arg; i++) {
        void *sent = NULL;
        int rc = asyncio_yield(ASYNCIO_INT(i), &sent);
        if (rc < 0)
            return rc;
        sum += asyncio_int(sent);
    }
    *ret_result = ASYNCIO_INT(sum);
    return 0;
}

/* A yield passes values in both directions, and the result comes at the end, once. */
static void values_go_both_ways(void **state)
{
    (void)state;
    void *out = NULL;
    asyncio_coroutine_t *generator = asyncio_coroutine(count_up, ASYNCIO_INT(3));
    assert_int_equal(asyncio_coroutine_send(generator, NULL, &out), ASYNCIO_YIELDED);
    assert_int_equal(asyncio_int(out), 0);
    assert_int_equal(asyncio_coroutine_send(generator, ASYNCIO_INT(10), &out), ASYNCIO_YIELDED);
    assert_int_equal(asyncio_int(out), 1);
    assert_int_equal(asyncio_coroutine_send(generator, ASYNCIO_INT(20), NULL), ASYNCIO_YIELDED);
    assert_int_equal(asyncio_coroutine_send(generator, ASYNCIO_INT(30), &out), 0);
    assert_int_equal(asyncio_int(out), 60);
    assert_int_equal(asyncio_coroutine_send(generator, NULL, &out), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_coroutine_throw(generator, -EIO, &out), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_coroutine_close(generator), 0);
}

/* A coroutine that has not started takes no value, and can be started afterwards. */
static void the_start_takes_no_value(void **state)
{
    (void)state;
    asyncio_coroutine_t *generator = asyncio_coroutine(count_up, ASYNCIO_INT(1));
    assert_int_equal(asyncio_coroutine_send(generator, generator, NULL), -EINVAL);
    assert_int_equal(asyncio_coroutine_send(generator, NULL, NULL), ASYNCIO_YIELDED);
    assert_int_equal(asyncio_coroutine_close(generator), 0);
}

static int catch_one(void *arg, void **ret_result)
{
    int *caught = arg;
    *caught = asyncio_yield("first", NULL);
    *ret_result = arg;
    return asyncio_yield("second", NULL);
}

/* An error that is thrown in is raised by the yield; one that leaves the coroutine is returned. */
static void errors_are_thrown_in(void **state)
{
    (void)state;
    int caught = 0;
    void *out = NULL;
    asyncio_coroutine_t *generator = asyncio_coroutine(catch_one, &caught);
    assert_int_equal(asyncio_coroutine_send(generator, NULL, NULL), ASYNCIO_YIELDED);
    assert_int_equal(asyncio_coroutine_throw(generator, 3, &out), -EINVAL);
    assert_int_equal(asyncio_coroutine_throw(generator, -EIO, &out), ASYNCIO_YIELDED);
    assert_string_equal(out, "second");
    assert_int_equal(caught, -EIO);
    assert_int_equal(asyncio_coroutine_throw(generator, -EPIPE, &out), -EPIPE);
    assert_string_equal(out, "second");
    asyncio_coroutine_unref(generator);
}

/* An error thrown into a coroutine that has not started ends it without running it. */
static void a_throw_ends_what_has_not_started(void **state)
{
    (void)state;
    int caught = 0;
    asyncio_coroutine_t *generator = asyncio_coroutine(catch_one, &caught);
    assert_int_equal(asyncio_coroutine_throw(generator, -EIO, NULL), -EIO);
    assert_int_equal(asyncio_coroutine_send(generator, NULL, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(caught, 0);
    asyncio_coroutine_unref(generator);
}

static int yield_forever(void *arg, void **ret_result)
{
    (void)ret_result;
    int *rounds = arg;
    while (++*rounds < 100)
        asyncio__ignore(asyncio_yield(NULL, NULL));
    return 0;
}

/* A generator that yields instead of ending is ASYNCIO_ERUNTIME, and can be dropped. */
static void a_close_that_is_ignored_is_an_error(void **state)
{
    (void)state;
    int rounds = 0;
    asyncio_coroutine_t *generator = asyncio_coroutine(yield_forever, &rounds);
    assert_int_equal(asyncio_coroutine_send(generator, NULL, NULL), ASYNCIO_YIELDED);
    asyncio_coroutine_ref(generator);
    assert_int_equal(asyncio_coroutine_close(generator), ASYNCIO_ERUNTIME);
    assert_int_equal(rounds, 2);
    asyncio_coroutine_unref(generator);
    accounts_expect_kept_stacks(1);
}

static int clean_up(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_yield(NULL, NULL);
    *(int *)arg = rc;
    return rc == ASYNCIO_EGENERATOREXIT ? -EBUSY : 0;
}

/* A close throws ASYNCIO_EGENERATOREXIT in; another error that leaves then is returned. */
static void a_close_answers_what_left(void **state)
{
    (void)state;
    int seen = 0;
    asyncio_coroutine_t *generator = asyncio_coroutine(clean_up, &seen);
    assert_int_equal(asyncio_coroutine_send(generator, NULL, NULL), ASYNCIO_YIELDED);
    assert_int_equal(asyncio_coroutine_close(generator), -EBUSY);
    assert_int_equal(seen, ASYNCIO_EGENERATOREXIT);
}

/* The last reference to a suspended generator closes it. */
static void the_last_reference_closes(void **state)
{
    (void)state;
    int seen = 0;
    asyncio_coroutine_t *generator = asyncio_coroutine(clean_up, &seen);
    assert_int_equal(asyncio_coroutine_send(generator, NULL, NULL), ASYNCIO_YIELDED);
    asyncio_coroutine_unref(generator);
    assert_int_equal(seen, ASYNCIO_EGENERATOREXIT);
}

static int drive_itself(void *arg, void **ret_result)
{
    asyncio_coroutine_t *self = *(asyncio_coroutine_t **)arg;
    (void)ret_result;
    assert_int_equal(asyncio_coroutine_send(self, NULL, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_coroutine_throw(self, -EIO, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_coroutine_close(asyncio_coroutine_ref(self)), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_await(asyncio_coroutine_ref(self), NULL), -EINVAL);
    return asyncio_yield(NULL, NULL);
}

/* A running coroutine can neither drive, close nor await itself. */
static void the_running_one_cannot_be_driven(void **state)
{
    (void)state;
    asyncio_coroutine_t *self = NULL;
    self = asyncio_coroutine(drive_itself, &self);
    assert_int_equal(asyncio_coroutine_send(self, NULL, NULL), ASYNCIO_YIELDED);
    assert_int_equal(asyncio_coroutine_close(self), 0);
}

static int yield_from(void *arg, void **ret_result)
{
    (void)ret_result;
    void *out = NULL;
    asyncio_coroutine_t *inner = asyncio_coroutine(count_up, arg);
    int rc;
    while ((rc = asyncio_coroutine_send(inner, NULL, &out)) == ASYNCIO_YIELDED)
        if ((rc = asyncio_yield(out, NULL)) < 0)
            break;
    asyncio_coroutine_unref(inner);
    return rc;
}

/* A generator may drive another one, and is closed with it half way. */
static void generators_nest(void **state)
{
    (void)state;
    void *out = NULL;
    asyncio_coroutine_t *generator = asyncio_coroutine(yield_from, ASYNCIO_INT(5));
    for (intptr_t i = 0; i < 3; i++) {
        assert_int_equal(asyncio_coroutine_send(generator, NULL, &out), ASYNCIO_YIELDED);
        assert_int_equal(asyncio_int(out), i);
    }
    assert_int_equal(asyncio_coroutine_close(generator), 0);
}

static int await_value(void *arg, void **ret_result)
{
    return asyncio_await(arg, ret_result);
}

/* A coroutine that awaits a pending future returns it to its driver; resumed once the future is
 * done, it gets the result. */
static void an_await_is_handed_out(void **state)
{
    fixture_t *fixture = *state;
    void *out = NULL;
    int value = 7;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    asyncio_coroutine_t *coroutine = asyncio_coroutine(await_value, future);
    assert_int_equal(asyncio_coroutine_send(coroutine, NULL, &out), ASYNCIO_AWAITING);
    assert_ptr_equal(out, future);
    out = NULL;
    assert_int_equal(asyncio_coroutine_send(coroutine, NULL, &out), ASYNCIO_AWAITING);
    assert_ptr_equal(out, future);
    assert_int_equal(asyncio_future_set_result(future, &value), 0);
    assert_int_equal(asyncio_coroutine_send(coroutine, NULL, &out), 0);
    assert_ptr_equal(out, &value);
    asyncio_coroutine_unref(coroutine);
    asyncio_future_unref(future);
}

/* A coroutine that waits can be closed, or have an error thrown into it; it drops the future. */
static void what_awaits_can_be_ended(void **state)
{
    fixture_t *fixture = *state;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    asyncio_coroutine_t *coroutine = asyncio_coroutine(await_value, future);
    assert_int_equal(asyncio_coroutine_send(coroutine, NULL, NULL), ASYNCIO_AWAITING);
    assert_int_equal(asyncio_coroutine_throw(coroutine, -EIO, NULL), -EIO);
    asyncio_coroutine_unref(coroutine);
    coroutine = asyncio_coroutine(await_value, future);
    assert_int_equal(asyncio_coroutine_send(coroutine, NULL, NULL), ASYNCIO_AWAITING);
    assert_int_equal(asyncio_coroutine_close(coroutine), 0);
    asyncio_future_unref(future);
}

static int drive_in_task(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    intptr_t next = 0;
    void *out = NULL;
    int rc;
    asyncio_coroutine_t *generator = asyncio_coroutine(count_up, ASYNCIO_INT(4));
    while ((rc = asyncio_coroutine_send(generator, NULL, &out)) == ASYNCIO_YIELDED) {
        assert_int_equal(asyncio_int(out), next++);
        assert_int_equal(asyncio_sleep(1), 0);
    }
    asyncio_coroutine_unref(generator);
    assert_int_equal(next, 4);
    assert_int_equal(asyncio_yield(NULL, NULL), ASYNCIO_ERUNTIME);
    return rc;
}

/* A task may drive a generator and sleep between its values; the task itself cannot yield. */
static void a_task_may_drive_a_generator(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, drive_in_task, NULL), 0);
}

static int sleep_in_generator(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = asyncio_sleep(0);
    return rc < 0 ? rc : asyncio_sleep(1);
}

static int drive_sleeper(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    void *out = NULL;
    asyncio_coroutine_t *generator = asyncio_coroutine(sleep_in_generator, NULL);
    assert_int_equal(asyncio_coroutine_send(generator, NULL, &out), ASYNCIO_AWAITING);
    assert_null(out);
    assert_int_equal(asyncio_coroutine_send(generator, NULL, &out), ASYNCIO_AWAITING);
    assert_true(asyncio_isfuture(out));
    assert_int_equal(asyncio_await(out, NULL), 0);
    int rc = asyncio_coroutine_send(generator, NULL, &out);
    asyncio_coroutine_unref(generator);
    return rc;
}

/* The driver of a coroutine waits for the coroutine's futures itself; a sleep(0) yields no
 * future. */
static void a_task_may_wait_for_what_it_drives(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, drive_sleeper, NULL), 0);
}

/* --- objects ------------------------------------------------------------------------------- */

static int answer_seven(void *arg, void **ret_result)
{
    (void)arg;
    *ret_result = ASYNCIO_INT(7);
    return 0;
}

static int use_twice(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    void *value = NULL;
    asyncio_coroutine_t *coroutine = asyncio_coroutine(answer_seven, NULL);
    asyncio_coroutine_ref(coroutine);
    asyncio_coroutine_ref(coroutine);
    asyncio_coroutine_ref(coroutine);
    assert_int_equal(asyncio_await(coroutine, &value), 0);
    assert_int_equal(asyncio_int(value), 7);
    assert_int_equal(asyncio_await(coroutine, &value), ASYNCIO_ERUNTIME);
    asyncio_task_t *task = asyncio_create_task(coroutine);
    assert_int_equal(asyncio_await_unref(task, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_coroutine_send(coroutine, NULL, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_coroutine_close(coroutine), 0);
    return 0;
}

/* An object is used once; every further use is ASYNCIO_ERUNTIME. */
static void an_object_is_used_once(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, use_twice, NULL), 0);
}

static int await_a_tasks_own(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_coroutine_t *coroutine = asyncio_coroutine(answer_seven, NULL);
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine_ref(coroutine));
    assert_ptr_equal(asyncio_task_get_coro(task), coroutine);
    assert_int_equal(asyncio_await(coroutine, NULL), 0);
    return asyncio_await_unref(task, NULL);
}

/* An object that a task has taken and that is awaited before the task's first step runs in the
 * await; as in Python the task fails. */
static void a_tasks_object_can_be_awaited_first(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, await_a_tasks_own, NULL), ASYNCIO_ERUNTIME);
}

/* An object that was never used is reported with the source location that created it. */
static void an_unused_object_is_reported(void **state)
{
    fixture_t *fixture = *state;
    int destroyed = 0;
    asyncio_coroutine_options_t options = {.size = sizeof(options), .destroy = count_destruction};
    asyncio_coroutine_t *coroutine = asyncio_coroutine_full(answer_seven, &destroyed, &options);
    asyncio_coroutine_unref(coroutine);
    assert_int_equal(fixture->reports, 1);
    assert_string_equal(fixture->last.message, "coroutine was never awaited");
    assert_non_null(strstr(fixture->last.place, "test_coroutine.c"));
    assert_non_null(strstr(fixture->last.place, "answer_seven"));
    assert_int_equal(destroyed, 1);
    fixture->expected_reports = 1;
}

/* An object that is closed before it ran is not reported. */
static void a_closed_object_is_not_reported(void **state)
{
    (void)state;
    assert_int_equal(asyncio_coroutine_close(asyncio_coroutine(answer_seven, NULL)), 0);
}

/* Outside a coroutine nothing can wait: the object is taken and not run. */
static void an_await_needs_a_coroutine(void **state)
{
    fixture_t *fixture = *state;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    assert_int_equal(asyncio_await(asyncio_coroutine(answer_seven, NULL), NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_await(future, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_future_set_result(future, NULL), 0);
    assert_int_equal(asyncio_await(future, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_yield(NULL, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_await_unref(future, NULL), ASYNCIO_ERUNTIME);
}

struct copied {
    int number;    /* what the body reads */
    int *destroys; /* counts */
};

static void destroy_copied(void *arg)
{
    ++*((struct copied *)arg)->destroys;
}

static int read_copied(void *arg, void **ret_result)
{
    *ret_result = ASYNCIO_INT(((struct copied *)arg)->number);
    return 0;
}

/* Arguments are copied when the object is created, and their destructor runs once, at the end. */
static void arguments_are_copied(void **state)
{
    fixture_t *fixture = *state;
    int destroys = 0;
    void *value = NULL;
    struct copied copied = {41, &destroys};
    asyncio_coroutine_options_t options = {
        .size = sizeof(options), .copy_bytes = sizeof(copied), .destroy = destroy_copied};
    asyncio_coroutine_t *coroutine = asyncio_coroutine_full(read_copied, &copied, &options);
    copied.number = 0;
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, coroutine, &value), 0);
    assert_int_equal(asyncio_int(value), 41);
    assert_int_equal(destroys, 1);
}

/* Bad options and a missing function are -EINVAL, and the caller keeps the argument. */
static void bad_options_are_refused(void **state)
{
    (void)state;
    int destroyed = 0;
    asyncio_coroutine_options_t good = {.size = sizeof(good), .destroy = count_destruction};
    asyncio_coroutine_options_t bad[] = {
        {.size = 0, .destroy = count_destruction},
        {.size = sizeof(bad[0]) - 1, .destroy = count_destruction},
        {.size = sizeof(bad[0]), .stack_bytes = ((size_t)64 << 20) + 1},
        {.size = sizeof(bad[0]), .stack_bytes = SIZE_MAX},
        {.size = sizeof(bad[0]), .copy_bytes = SIZE_MAX},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(asyncio_coroutine_full(answer_seven, &destroyed, &bad[i]));
        assert_int_equal(asyncio_errno(), -EINVAL);
    }
    assert_null(asyncio_coroutine_full(NULL, &destroyed, &good));
    assert_int_equal(asyncio_errno(), -EINVAL);
    good.copy_bytes = 8;
    assert_null(asyncio_coroutine_full(answer_seven, NULL, &good));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_int_equal(destroyed, 0);
}

static int return_with_destructor(void *arg, void **ret_result)
{
    return asyncio_return(ret_result, arg, count_destruction);
}

static int return_then_fail(void *arg, void **ret_result)
{
    assert_int_equal(asyncio_return(ret_result, arg, count_destruction), 0);
    return -EIO;
}

static int await_results(void *arg, void **ret_result)
{
    int *destroyed = arg;
    void *value = NULL;
    assert_int_equal(asyncio_await(asyncio_coroutine(return_with_destructor, arg), &value), 0);
    assert_ptr_equal(value, arg);
    assert_int_equal(*destroyed, 0);
    assert_int_equal(asyncio_await(asyncio_coroutine(return_with_destructor, arg), NULL), 0);
    assert_int_equal(*destroyed, 1);
    assert_int_equal(asyncio_await(asyncio_coroutine(return_then_fail, arg), &value), -EIO);
    assert_int_equal(*destroyed, 2);
    assert_int_equal(return_with_destructor(arg, &value), 0);
    assert_int_equal(return_with_destructor(arg, NULL), -EINVAL);
    assert_int_equal(*destroyed, 3);
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(return_with_destructor, arg));
    assert_int_equal(asyncio_await(task, &value), 0);
    assert_int_equal(*destroyed, 3);
    asyncio_task_unref(task);
    assert_int_equal(*destroyed, 4);
    (void)ret_result;
    return 0;
}

/* A result with a destructor belongs to the caller that receives it, and is destroyed where nobody
 * does. */
static void results_have_one_owner(void **state)
{
    fixture_t *fixture = *state;
    int destroyed = 0;
    assert_int_equal(run(fixture, await_results, &destroyed), 0);
    assert_int_equal(destroyed, 4);
}

static int add(int a, int b, void **ret_result)
{
    *ret_result = ASYNCIO_INT(a + b);
    return 0;
}
ASYNCIO_COROUTINE(add, (int, a), (int, b));

static int none(void **ret_result)
{
    *ret_result = ASYNCIO_INT(-1);
    return 5; /* counts as 0 */
}
ASYNCIO_COROUTINE(none);

/* The macro's twin holds its arguments; a positive result counts as 0. */
static void twins_hold_their_arguments(void **state)
{
    fixture_t *fixture = *state;
    void *value = NULL;
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, add_coroutine(3, 4), &value),
                     0);
    assert_int_equal(asyncio_int(value), 7);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, none_coroutine(), &value), 0);
    assert_int_equal(asyncio_int(value), -1);
}

/* Every call accepts NULL and objects that are no coroutine objects without harm. */
static void null_is_harmless(void **state)
{
    fixture_t *fixture = *state;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    void *const strangers[] = {NULL, future};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(asyncio_coroutine_send(strangers[i], NULL, NULL), -EINVAL);
        assert_int_equal(asyncio_coroutine_throw(strangers[i], -EIO, NULL), -EINVAL);
        assert_false(asyncio_iscoroutine(strangers[i]));
    }
    assert_null(asyncio_coroutine_ref(NULL));
    asyncio_coroutine_unref(NULL);
    assert_int_equal(asyncio_coroutine_close(NULL), 0);
    assert_int_equal(asyncio_coroutine_close((void *)future), -EINVAL);
    assert_int_equal(asyncio_await(NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_await_unref(NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_return(NULL, NULL, NULL), -EINVAL);
    assert_null(asyncio_coroutine(NULL, NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    asyncio_future_unref(future);
}

static int await_made(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_future_t *future = asyncio_loop_create_future(NULL);
    *(asyncio_future_t **)arg = future;
    return asyncio_await_unref(future, NULL);
}

/* Awaits an object that others await too. */
static int await_shared(void *arg, void **ret_result)
{
    (void)ret_result;
    return asyncio_await(asyncio_coroutine_ref(arg), NULL);
}

static int start_twice(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_future_t *future = NULL;
    asyncio_coroutine_t *coroutine = asyncio_coroutine(await_made, &future);
    asyncio_task_t *first = asyncio_create_task(
        arg ? asyncio_coroutine(await_shared, coroutine) : asyncio_coroutine_ref(coroutine));
    assert_int_equal(asyncio_sleep(0), 0);
    asyncio_task_t *second = asyncio_create_task(coroutine);
    assert_int_equal(asyncio_sleep(0), 0);
    assert_true(asyncio_future_done(second));
    assert_false(asyncio_future_done(first));
    assert_int_equal(asyncio_future_set_result(future, NULL), 0);
    assert_int_equal(asyncio_await_unref(first, NULL), 0);
    return asyncio_await_unref(second, NULL);
}

/* A task whose coroutine object waits inside another task fails at its first step; the other task
 * is not affected. */
static void a_second_task_of_an_object_fails(void **state)
{
    assert_int_equal(run(*state, start_twice, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(run(*state, start_twice, /* awaited= */ *state), ASYNCIO_ERUNTIME);
}

/* An argument that the compiler copies with aligned instructions. */
struct aligned {
    _Alignas(16) char bytes[16];
};

static int look_at_alignment(struct aligned first, long between, struct aligned second,
                             void **ret_result)
{
    *ret_result = ASYNCIO_INT(first.bytes[0] + between + second.bytes[0]);
    return 0;
}
ASYNCIO_COROUTINE(look_at_alignment, (struct aligned, first), (long, between),
                  (struct aligned, second));

static int check_alignment(void *arg, void **ret_result)
{
    (void)ret_result;
    return (uintptr_t)arg % 16 == 0 ? 0 : -EFAULT;
}

/* Copied arguments are aligned to 16 bytes. */
static void copies_are_aligned(void **state)
{
    (void)state;
    struct aligned one = {{1}}, two = {{2}};
    asyncio_coroutine_options_t options = {.size = sizeof(options), .copy_bytes = sizeof(one)};
    for (int i = 0; i < 10; i++) {
        asyncio_coroutine_t *copy = asyncio_coroutine_full(check_alignment, &one, &options);
        assert_int_equal(asyncio_coroutine_send(copy, NULL, NULL), 0);
        asyncio_coroutine_unref(copy);
    }
    asyncio_coroutine_t *object = look_at_alignment_coroutine(one, 10, two);
    void *value = NULL;
    assert_int_equal(asyncio_coroutine_send(object, NULL, &value), 0);
    assert_int_equal(asyncio_int(value), 13);
    asyncio_coroutine_unref(object);
}

static int has_one(void)
{
    return 1;
}

static void *drive_in_a_new_thread(void *ret_code)
{
    asyncio_coroutine_t *object = asyncio_coroutine(check_alignment, NULL);
    *(int *)ret_code = asyncio_coroutine_send(object, NULL, NULL);
    asyncio__ignore(asyncio_coroutine_close(object));
    asyncio_error_clear();
    return NULL;
}

/* On a thread with a shadow stack, which a switch would break, creating a loop or a stack fails
 * with an error that says so. */
static void shadow_stacks_are_refused(void **state)
{
    (void)state;
    int (*real)(void) = asyncio__sys.has_shadow_stack, code = 0;
    asyncio__sys.has_shadow_stack = has_one;
    assert_null(asyncio_new_event_loop());
    assert_int_equal(asyncio_errno(), -ENOTSUP);
    asyncio_error_t *error = asyncio_error_last();
    assert_non_null(strstr(asyncio_error_message(error), "shadow stacks"));
    asyncio_error_unref(error);
    asyncio_error_clear();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, drive_in_a_new_thread, &code), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(code, -ENOTSUP);
    asyncio__sys.has_shadow_stack = real;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_second_task_of_an_object_fails),
        FIXTURE_TEST(values_go_both_ways),
        FIXTURE_TEST(the_start_takes_no_value),
        FIXTURE_TEST(errors_are_thrown_in),
        FIXTURE_TEST(a_throw_ends_what_has_not_started),
        FIXTURE_TEST(a_close_that_is_ignored_is_an_error),
        FIXTURE_TEST(a_close_answers_what_left),
        FIXTURE_TEST(the_last_reference_closes),
        FIXTURE_TEST(the_running_one_cannot_be_driven),
        FIXTURE_TEST(generators_nest),
        FIXTURE_TEST(an_await_is_handed_out),
        FIXTURE_TEST(what_awaits_can_be_ended),
        FIXTURE_TEST(a_task_may_drive_a_generator),
        FIXTURE_TEST(a_task_may_wait_for_what_it_drives),
        FIXTURE_TEST(an_object_is_used_once),
        FIXTURE_TEST(a_tasks_object_can_be_awaited_first),
        FIXTURE_TEST(an_unused_object_is_reported),
        FIXTURE_TEST(a_closed_object_is_not_reported),
        FIXTURE_TEST(an_await_needs_a_coroutine),
        FIXTURE_TEST(arguments_are_copied),
        FIXTURE_TEST(bad_options_are_refused),
        FIXTURE_TEST(results_have_one_owner),
        FIXTURE_TEST(twins_hold_their_arguments),
        FIXTURE_TEST(null_is_harmless),
        FIXTURE_TEST(copies_are_aligned),
        FIXTURE_TEST(shadow_stacks_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
