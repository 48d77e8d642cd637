/* SPDX-License-Identifier: MIT */
/*
 * Task factories, and tasks that begin at once.
 *
 * The traces are those of CPython 3.13 for the same programs under its eager_task_factory.
 */
#include "support/support.h"

#include <string.h>

#include "support/variable.h"

static void say_letter(char letter)
{
    note(the_fixture(), letter);
}

static int quick(void *arg, void **ret_result)
{
    (void)arg;
    say_letter('q');
    *ret_result = ASYNCIO_INT(1);
    return 0;
}

static int slow(void *arg, void **ret_result)
{
    (void)arg;
    say_letter('s');
    int rc = asyncio_sleep(0);
    if (rc == 0)
        say_letter('t');
    *ret_result = ASYNCIO_INT(2);
    return rc;
}

static int bad(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    say_letter('b');
    return -EIO;
}

#define QUICK asyncio_coroutine(quick, NULL)
#define SLOW  asyncio_coroutine(slow, NULL)
#define BAD   asyncio_coroutine(bad, NULL)

static void say_done(asyncio_future_t *future)
{
    say_letter(asyncio_future_done(future) ? 'D' : 'P');
}

static void call_letter(void *arg)
{
    say_letter(*(const char *)arg);
}

static void call_c(asyncio_future_t *future, void *arg)
{
    (void)future, (void)arg;
    say_letter('c');
}

/* Runs the function with eager tasks; returns the trace. */
static const char *trace_of(fixture_t *fixture, asyncio_coroutine_function_t *fn)
{
    assert_int_equal(
        asyncio_loop_set_task_factory(fixture->loop, asyncio_eager_task_factory, NULL), 0);
    assert_int_equal(run(fixture, fn, fixture->loop), 0);
    return fixture->trace;
}

static int see_order(void *arg, void **ret_result)
{
    (void)ret_result;
    assert_int_equal(asyncio_loop_call_soon(arg, call_letter, "1", NULL), 0);
    asyncio_task_t *task = asyncio_create_task(SLOW);
    say_letter('m');
    assert_int_equal(asyncio_loop_call_soon(arg, call_letter, "2", NULL), 0);
    asyncio_task_t *done = asyncio_create_task(QUICK);
    say_letter(asyncio_future_done(done) ? 'd' : 'p');
    assert_int_equal(asyncio_future_add_done_callback(done, call_c, NULL), 0);
    say_letter((char)('0' + asyncio_all_tasks(NULL, NULL, 0)));
    assert_int_equal(asyncio_await_unref(task, NULL), 0);
    say_letter('e');
    assert_int_equal(asyncio_await_unref(done, NULL), 0);
    say_letter('f');
    return 0;
}

/* The first step runs in the call that creates the task; a task that ends in it is done then, and
 * is never listed; one that suspends continues as any other task. */
static void a_task_begins_in_the_call(void **state)
{
    assert_string_equal(trace_of(*state, see_order), "smqd21t2cef");
}

static int inner(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    say_letter('i');
    int rc = asyncio_sleep(0);
    say_letter('j');
    return rc;
}

static int outer(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    say_letter('o');
    asyncio_task_t *me = asyncio_current_task();
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(inner, NULL));
    say_letter(asyncio_current_task() == me ? 'O' : '?');
    int rc = asyncio_await_unref(task, NULL);
    say_letter('p');
    return rc;
}

static int see_nested(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_t *me = asyncio_current_task();
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(outer, NULL));
    say_letter(asyncio_current_task() == me ? 'M' : '?');
    int rc = asyncio_await_unref(task, NULL);
    say_letter('m');
    return rc;
}

/* An eager task may create others; each finds itself the current task again. */
static void beginnings_nest(void **state)
{
    assert_string_equal(trace_of(*state, see_nested), "oiOMjpm");
}

static int make_slow(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_task_options_t options = {.size = sizeof(options), .eager_start = 1};
    say_letter('a');
    asyncio_task_t *task = asyncio_loop_create_task_full(arg, SLOW, &options);
    say_letter('A');
    return asyncio_await_unref(task, NULL);
}

static int see_neighbours(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_task_t *one = asyncio_create_task(asyncio_coroutine(make_slow, arg));
    asyncio_task_t *other = asyncio_create_task(QUICK); /* ready in the same turn */
    assert_int_equal(asyncio_await_unref(one, NULL), 0);
    return asyncio_await_unref(other, NULL);
}

/* When the eager task suspends its creator continues, before everything that is ready. */
static void the_creator_goes_on_before_what_is_ready(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, see_neighbours, fixture->loop), 0);
    assert_string_equal(fixture->trace, "asAqt");
}

static int see_gather(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_future_t *both = asyncio_gather_of(2, QUICK, QUICK);
    say_done(both);
    assert_int_equal(asyncio_await_unref(both, NULL), 0);
    both = asyncio_gather_of(2, QUICK, SLOW);
    say_done(both);
    assert_int_equal(asyncio_await_unref(both, NULL), 0);
    say_letter('|');
    both = asyncio_gather_of(2, BAD, SLOW);
    say_done(both);
    assert_int_equal(asyncio_await_unref(both, NULL), -EIO);
    say_letter('x');
    assert_int_equal(asyncio_sleep(0), 0);
    assert_int_equal(asyncio_sleep(0), 0);
    return 0;
}

/* A gathering of tasks that have ended already is done at once. */
static void a_gathering_may_be_done_at_once(void **state)
{
    assert_string_equal(trace_of(*state, see_gather), "qqDqsPt|bsDxt");
}

static int see_waits(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    void *value = NULL;
    asyncio_awaitable_t *both[] = {QUICK, SLOW};
    assert_int_equal(asyncio_wait(both, 2, ASYNCIO_FOREVER, ASYNCIO_FIRST_COMPLETED, NULL), 2);
    say_letter('2');
    asyncio_task_unref(both[0]);
    asyncio_task_unref(both[1]);
    say_letter('|');
    assert_int_equal(asyncio_wait_for(QUICK, 0, &value), 0);
    assert_int_equal(asyncio_int(value), 1);
    say_letter('1');
    assert_int_equal(asyncio_wait_for(SLOW, 0, NULL), -ETIMEDOUT);
    say_letter('T');
    say_letter('|');
    assert_int_equal(asyncio_await_unref(asyncio_shield(QUICK), &value), 0);
    say_letter((char)('0' + asyncio_int(value)));
    asyncio_awaitable_t *others[] = {SLOW, QUICK};
    asyncio_as_completed_t *it = asyncio_as_completed(others, 2, ASYNCIO_FOREVER);
    asyncio_future_t *future = NULL;
    while (asyncio_as_completed_next(it, &future) > 0) {
        assert_int_equal(asyncio_future_result(future, &value), 0);
        say_letter((char)('0' + asyncio_int(value)));
    }
    asyncio_as_completed_unref(it);
    return 0;
}

/* So are the waits: one that need not wait is done, and wait_for() with a timeout of 0 has started
 * its task. */
static void waits_take_what_is_done(void **state)
{
    assert_string_equal(trace_of(*state, see_waits), "qst2|q1sT|q1sqt12");
}

static int cancel_itself(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    say_letter('s');
    assert_int_equal(asyncio_task_cancel(asyncio_current_task(), NULL), 1);
    int rc = asyncio_sleep(1);
    if (rc == -ECANCELED)
        say_letter('c');
    return rc;
}

static int cancel_itself_and_return(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    say_letter('r');
    assert_int_equal(asyncio_task_cancel(asyncio_current_task(), NULL), 1);
    return 0;
}

static int cancel_creator(void *arg, void **ret_result)
{
    (void)ret_result;
    say_letter('k');
    assert_int_equal(asyncio_task_cancel(arg, NULL), 1);
    return 0;
}

static int see_cancels(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_t *me = asyncio_current_task();
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(cancel_itself, NULL));
    say_done(task);
    assert_int_equal(asyncio_await_unref(task, NULL), -ECANCELED);
    say_letter('x');
    task = asyncio_create_task(asyncio_coroutine(cancel_itself_and_return, NULL));
    say_letter(asyncio_future_cancelled(task) ? 'C' : 'P');
    asyncio_task_unref(task);
    task = asyncio_create_task(asyncio_coroutine(cancel_creator, me));
    say_done(task);
    asyncio_task_unref(task);
    assert_int_equal(asyncio_sleep(0), -ECANCELED);
    say_letter('y');
    assert_int_equal(asyncio_task_uncancel(me), 0);
    task = asyncio_create_task(SLOW);
    assert_int_equal(asyncio_task_cancel(task, NULL), 1);
    assert_int_equal(asyncio_await_unref(task, NULL), -ECANCELED);
    say_letter('z');
    return 0;
}

/* In its first step a task may cancel itself and its creator; after it, the task is cancelled at
 * its wait. */
static void cancels_reach_a_task_that_has_begun(void **state)
{
    assert_string_equal(trace_of(*state, see_cancels), "sPcxrCkDysz");
}

static int see_groups(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_group_t group;
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    say_done(asyncio_task_group_create_task(&group, QUICK));
    assert_non_null(asyncio_task_group_create_task(&group, SLOW));
    say_letter('m');
    assert_int_equal(asyncio_task_group_exit(&group, 0), 0);
    say_letter('|');
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    assert_non_null(asyncio_task_group_create_task(&group, SLOW));
    assert_non_null(asyncio_task_group_create_task(&group, BAD));
    say_letter('C');
    say_letter((char)('0' + asyncio_task_cancelling(asyncio_current_task())));
    assert_null(asyncio_task_group_create_task(&group, QUICK));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    say_letter('R');
    int rc = asyncio_sleep(0);
    assert_int_equal(rc, -ECANCELED);
    assert_int_equal(asyncio_task_group_exit(&group, rc), ASYNCIO_EGROUP);
    say_letter('x');
    say_letter((char)('0' + asyncio_task_cancelling(asyncio_current_task())));
    return 0;
}

/* A group learns at once of a task that ended in its first step; if that failed, the others are
 * cancelled, and the body. */
static void a_group_hears_at_once(void **state)
{
    assert_string_equal(trace_of(*state, see_groups), "qDsmt|sbC1Rx0");
}

static int see_contexts(void *arg, void **ret_result)
{
    asyncio_loop_t *loop = ((fixture_t *)arg)->loop;
    (void)ret_result;
    assert_int_equal(asyncio_loop_set_task_factory(loop, asyncio_eager_task_factory, NULL), 0);
    set("m");
    asyncio_task_t *task = asyncio_create_task(child_coroutine("a"));
    say("m");
    assert_int_equal(asyncio_await_unref(task, NULL), 0);
    say("m");
    asyncio_task_options_t options = {.size = sizeof(options), .context = asyncio_copy_context()};
    assert_int_equal(asyncio_context_run(options.context, set_to_arg, "x"), 0);
    task = asyncio_create_task_full(child_coroutine("b"), &options);
    say("m");
    assert_int_equal(asyncio_await_unref(task, NULL), 0);
    say("m");
    asyncio_context_unref(options.context);
    /* The creator's own context is entered. */
    options.context = asyncio_task_get_context(asyncio_current_task());
    assert_null(asyncio_create_task_full(child_coroutine("c"), &options));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    return 0;
}

/* The first step runs in the context of the new task, not in that of its creator. */
static void a_task_begins_in_its_own_context(void **state)
{
    assert_string_equal(said_by(*state, see_contexts), "a1=m m=m a2=a m=m b1=x m=m b2=b m=m");
}

/* --- asked for, or by a factory of one's own ----------------------------------------------- */

static int ask_for_eager(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_task_options_t options = {.size = sizeof(options), .eager_start = 1, .name = "early"};
    asyncio_task_t *task = asyncio_loop_create_task_full(arg, SLOW, &options);
    say_letter('m');
    assert_string_equal(asyncio_task_get_name(task), "early");
    assert_int_equal(asyncio_await_unref(task, NULL), 0);
    assert_int_equal(asyncio_loop_set_task_factory(arg, asyncio_eager_task_factory, NULL), 0);
    options.eager_start = -1;
    task = asyncio_create_task_full(QUICK, &options);
    say_letter('l');
    assert_int_equal(asyncio_await_unref(task, NULL), 0);
    task = asyncio_task_new(arg, QUICK, NULL); /* whatever the factory */
    say_letter('n');
    assert_int_equal(asyncio_await_unref(task, NULL), 0);
    asyncio_task_group_t group;
    options.eager_start = 1;
    assert_int_equal(asyncio_loop_set_task_factory(arg, NULL, NULL), 0);
    assert_null(asyncio_loop_get_task_factory(arg, NULL));
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    say_done(asyncio_task_group_create_task_full(&group, QUICK, &options));
    return asyncio_task_group_exit(&group, 0);
}

/* An eager start can be requested, or declined, for each task. */
static void an_eager_start_is_an_option(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, ask_for_eager, fixture->loop), 0);
    assert_string_equal(fixture->trace, "smtlqnqqD");
}

/* On a loop that does not run, a task starts in its first turn all the same. */
static void only_a_loop_that_runs_begins_at_once(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_options_t options = {.size = sizeof(options), .eager_start = 1};
    asyncio_task_t *task = asyncio_loop_create_task_full(fixture->loop, QUICK, &options);
    assert_false(asyncio_future_done(task));
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, task, NULL), 0);
    asyncio_task_unref(task);
    assert_string_equal(fixture->trace, "q");
}

static asyncio_task_t *make_and_count(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine,
                                      const asyncio_task_options_t *options, void *arg)
{
    ++*(int *)arg;
    assert_non_null(options);
    return asyncio_task_new(loop, coroutine, options);
}

static asyncio_task_t *make_future(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine,
                                   const asyncio_task_options_t *options, void *arg)
{
    (void)options, (void)arg;
    asyncio_coroutine_close(coroutine);
    return asyncio_loop_create_future(loop);
}

static asyncio_task_t *make_nothing(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine,
                                    const asyncio_task_options_t *options, void *arg)
{
    (void)loop, (void)options, (void)arg;
    asyncio_coroutine_close(coroutine);
    return NULL;
}

static int use_factory(void *arg, void **ret_result)
{
    (void)ret_result;
    int count = 0;
    void *got = NULL;
    assert_int_equal(asyncio_loop_set_task_factory(arg, make_and_count, &count), 0);
    assert_ptr_equal(asyncio_loop_get_task_factory(arg, &got), make_and_count);
    assert_ptr_equal(got, &count);
    asyncio_task_options_t options = {.size = sizeof(options), .name = "named"};
    asyncio_task_t *task = asyncio_create_task_full(QUICK, &options);
    assert_string_equal(asyncio_task_get_name(task), "named");
    assert_int_equal(asyncio_await_unref(task, NULL), 0);
    assert_int_equal(asyncio_await_unref(asyncio_gather_of(2, QUICK, QUICK), NULL), 0);
    assert_int_equal(count, 3);
    asyncio_eager_task_factory_t *eager = asyncio_create_eager_task_factory(make_and_count, &count);
    assert_int_equal(asyncio_loop_set_task_factory(arg, asyncio_eager_task_factory, eager), 0);
    task = asyncio_create_task(QUICK);
    assert_true(asyncio_future_done(task));
    asyncio_task_unref(task);
    assert_int_equal(count, 4);
    assert_int_equal(asyncio_loop_set_task_factory(arg, make_future, NULL), 0);
    assert_null(asyncio_create_task(QUICK));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_int_equal(asyncio_loop_set_task_factory(arg, make_nothing, NULL), 0);
    assert_null(asyncio_create_task(QUICK));
    assert_int_equal(asyncio_errno(), -EINVAL);
    asyncio_eager_task_factory_unref(eager);
    return 0;
}

/* A factory creates every task of its loop; it returns a task, or the call fails. */
static void a_factory_makes_every_task(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, use_factory, fixture->loop), 0);
    assert_string_equal(fixture->trace, "qqqq");
}

static int gather_inside(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_future_t *shared = arg;
    asyncio_future_t *inner_gathering = asyncio_gather_of(2, shared, shared);
    int rc = asyncio_await(inner_gathering, NULL);
    asyncio_future_unref(inner_gathering);
    return rc;
}

static int gather_twice(void *arg, void **ret_result)
{
    (void)ret_result;
    assert_int_equal(asyncio_loop_set_task_factory(arg, asyncio_eager_task_factory, NULL), 0);
    asyncio_future_t *shared = asyncio_loop_create_future(arg);
    asyncio_coroutine_t *object = asyncio_coroutine(gather_inside, shared);
    /* While the outer call collects, its first source collects the same future. */
    asyncio_future_t *gathering =
        asyncio_gather_of(4, shared, object, asyncio_coroutine_ref(object), shared);
    assert_non_null(gathering);
    asyncio_coroutine_t *twice = QUICK;
    asyncio_awaitable_t *same[] = {twice, asyncio_coroutine_ref(twice)};
    assert_int_equal(asyncio_wait(same, 2, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED, NULL), 2);
    assert_ptr_equal(same[0], same[1]);
    asyncio_task_unref(same[0]);
    asyncio_task_unref(same[1]);
    assert_int_equal(asyncio_future_set_result(shared, NULL), 0);
    assert_int_equal(asyncio_await_unref(gathering, NULL), 0);
    asyncio_future_unref(shared);
    return 0;
}

/* Sources that start while they are collected may collect the same ones; an object that is given
 * twice is one task, even if it has ended at once. */
static void sources_may_begin_while_they_are_collected(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, gather_twice, fixture->loop), 0);
    assert_string_equal(fixture->trace, "q");
}

/* NULL, bad options, and a closed loop are refused; the coroutine is taken. */
static void bad_input_is_refused(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_options_t options = {.size = 1};
    assert_null(asyncio_loop_create_task_full(fixture->loop, QUICK, &options));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_task_new(fixture->loop, QUICK, &options));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_eager_task_factory(fixture->loop, QUICK, &options, NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_create_task_full(QUICK, NULL));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    assert_null(asyncio_create_eager_task_factory(NULL, NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_int_equal(asyncio_loop_set_task_factory(NULL, NULL, NULL), -EINVAL);
    assert_null(asyncio_loop_get_task_factory(NULL, NULL));
    asyncio_eager_task_factory_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_task_begins_in_the_call),
        FIXTURE_TEST(beginnings_nest),
        FIXTURE_TEST(the_creator_goes_on_before_what_is_ready),
        FIXTURE_TEST(a_gathering_may_be_done_at_once),
        FIXTURE_TEST(waits_take_what_is_done),
        FIXTURE_TEST(cancels_reach_a_task_that_has_begun),
        FIXTURE_TEST(a_group_hears_at_once),
        FIXTURE_TEST(a_task_begins_in_its_own_context),
        FIXTURE_TEST(an_eager_start_is_an_option),
        FIXTURE_TEST(only_a_loop_that_runs_begins_at_once),
        FIXTURE_TEST(a_factory_makes_every_task),
        FIXTURE_TEST(sources_may_begin_while_they_are_collected),
        FIXTURE_TEST(bad_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
