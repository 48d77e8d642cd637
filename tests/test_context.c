/* SPDX-License-Identifier: MIT */
/* Context variables: values, tokens, contexts that are entered, and what all that costs. */
#include "support/support.h"

#include <pthread.h>

#include "base/memory.h"
#include "support/variable.h"

/* --- outside of tasks ---------------------------------------------------------------------- */

static int say_and_set(void *arg, void **ret_result)
{
    (void)ret_result;
    say(arg);
    set(arg);
    return 0;
}

static void *be_a_program(void *arg)
{
    (void)arg;
    asyncio_loop_t *loop = asyncio_new_event_loop();
    assert_non_null(loop);
    asyncio_context_token_t *token = NULL;
    assert_int_equal(asyncio_context_var_set_full(var, "p", NULL, &token), 0);
    assert_int_equal(asyncio_loop_call_soon(loop, on_call, "one", NULL), 0);
    assert_int_equal(asyncio_loop_call_soon(loop, on_call, "two", NULL), 0);
    assert_int_equal(
        asyncio_loop_run_until_complete(loop, asyncio_coroutine(say_and_set, "task"), NULL), 0);
    say("p");
    assert_int_equal(asyncio_context_var_reset(var, token), 0);
    assert_int_equal(asyncio_loop_call_soon(loop, on_call, "three", NULL), 0);
    assert_int_equal(
        asyncio_loop_run_until_complete(loop, asyncio_coroutine(say_and_set, "empty"), NULL), 0);
    say("p");
    asyncio_context_token_unref(token);
    asyncio_loop_unref(loop);
    return NULL;
}

/* A program has a context outside of the loop, which its first tasks copy; nothing that runs in the
 * loop changes it, and no callback sees what another one has set. */
static void a_program_has_a_context_of_its_own(void **state)
{
    (void)state;
    variable_begin();
    pthread_t thread; /* whose context goes with it */
    assert_int_equal(pthread_create(&thread, NULL, be_a_program, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(said, "one=p two=p task=p p=p three=- empty=- p=-");
    asyncio_context_var_unref(var);
}

static void *use_in_thread(void *arg)
{
    int *destroyed = arg;
    assert_int_equal(asyncio_context_var_set_full(var, destroyed, count_destruction, NULL), 0);
    void *value = NULL;
    assert_int_equal(asyncio_context_var_get(var, &value), 0);
    return value;
}

/* Each thread has a context of its own, which is freed with the thread. */
static void what_a_thread_has_set_goes_with_it(void **state)
{
    (void)state;
    int destroyed = 0;
    var = asyncio_context_var_new("v");
    pthread_t thread;
    void *value = NULL;
    assert_int_equal(pthread_create(&thread, NULL, use_in_thread, &destroyed), 0);
    assert_int_equal(pthread_join(thread, &value), 0);
    assert_ptr_equal(value, &destroyed);
    assert_int_equal(destroyed, 1);
    assert_int_equal(asyncio_context_var_get(var, NULL), ASYNCIO_ELOOKUP);
    asyncio_error_clear();
    asyncio_context_var_unref(var);
}

/* --- variables and tokens ------------------------------------------------------------------ */

static asyncio_context_token_t *set_with_token(const char *value)
{
    asyncio_context_token_t *token = NULL;
    assert_int_equal(asyncio_context_var_set_full(var, (void *)value, NULL, &token), 0);
    return token;
}

static int reset_by_arg(void *arg)
{
    return asyncio_context_var_reset(var, arg);
}

static int use_tokens(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_context_var_t *other = asyncio_context_var_new("other");
    void *value = NULL;
    asyncio_context_token_t *first = set_with_token("q"), *second = set_with_token("r");
    assert_ptr_equal(asyncio_context_token_get_var(second), var);
    assert_int_equal(asyncio_context_token_get_old_value(first, NULL), ASYNCIO_ELOOKUP);
    assert_int_equal(asyncio_context_token_get_old_value(second, &value), 0);
    assert_string_equal(value, "q");
    /* Back to the value before the first set, whatever was set since. */
    assert_int_equal(asyncio_context_var_reset(var, first), 0);
    say("reset");
    assert_int_equal(asyncio_context_var_reset(var, first), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_context_var_reset(other, second), -EINVAL);
    asyncio_context_t *copy = asyncio_copy_context();
    assert_int_equal(asyncio_context_run(copy, reset_by_arg, second), -EINVAL);
    asyncio_context_unref(copy);
    assert_int_equal(asyncio_context_var_reset(var, second), 0);
    say("second");
    asyncio_context_token_unref(first);
    asyncio_context_token_unref(second);
    assert_int_equal(asyncio_context_var_get(other, &value), ASYNCIO_ELOOKUP);
    assert_ptr_equal(asyncio_context_var_get_or(other, "or"), "or");
    assert_string_equal(asyncio_context_var_get_name(other), "other");
    asyncio_context_var_unref(other);
    return 0;
}

/* A token undoes its set, once, for its own variable and in its own context. */
static void a_token_takes_its_set_back(void **state)
{
    assert_string_equal(said_by(*state, use_tokens), "reset=- second=q");
}

static int count_up(void *arg, void **ret_result)
{
    (void)ret_result;
    int *destroyed = arg;
    asyncio_context_token_t *token = NULL;
    assert_int_equal(asyncio_context_var_set_full(var, &destroyed[0], count_destruction, NULL), 0);
    asyncio_context_t *copy = asyncio_copy_context();
    assert_int_equal(asyncio_context_var_set_full(var, &destroyed[1], count_destruction, &token),
                     0);
    assert_int_equal(destroyed[0], 0); /* the copy has it */
    asyncio_context_unref(copy);
    assert_int_equal(destroyed[0], 0); /* the token has it */
    assert_int_equal(asyncio_context_var_reset(var, token), 0);
    assert_int_equal(destroyed[1], 1);
    asyncio_context_token_unref(token);
    assert_int_equal(destroyed[0], 0); /* this task has it */
    asyncio_task_t *task = asyncio_create_task(asyncio_sleep_coroutine(1));
    assert_int_equal(asyncio_context_var_set(var, NULL), 0);
    assert_int_equal(destroyed[0], 0); /* that task has it */
    assert_int_equal(asyncio_await(task, NULL), 0);
    assert_int_equal(destroyed[0], 0); /* and keeps it as long as it is kept */
    asyncio_task_unref(task);
    assert_int_equal(destroyed[0], 1);
    return 0;
}

/* A value is destroyed when the last context, task and token that holds it is freed, and a default
 * with its variable. */
static void values_are_destroyed_with_their_last_holder(void **state)
{
    int destroyed[2] = {0, 0}, default_destroyed = 0;
    var = asyncio_context_var_new_full("v", &default_destroyed, count_destruction);
    assert_int_equal(run(*state, count_up, destroyed), 0);
    assert_int_equal(default_destroyed, 0);
    asyncio_context_var_ref(var);
    asyncio_context_var_unref(var);
    assert_int_equal(default_destroyed, 0);
    asyncio_context_var_unref(var);
    assert_int_equal(default_destroyed, 1);
    assert_int_equal(destroyed[0], 1);
    assert_int_equal(destroyed[1], 1);
}

/* --- contexts ------------------------------------------------------------------------------ */

static asyncio_context_t *outer, *inner; /* of the nested runs */

static int enter_again(void *arg)
{
    (void)arg;
    assert_int_equal(asyncio_context_run(outer, set_to_arg, "again"), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_context_run(inner, set_to_arg, "again"), ASYNCIO_ERUNTIME);
    say("inner");
    return -EXDEV;
}

static int enter_inner(void *arg)
{
    (void)arg;
    say("outer");
    set("x");
    assert_int_equal(asyncio_context_run(outer, set_to_arg, "again"), ASYNCIO_ERUNTIME);
    inner = asyncio_copy_context();
    int rc = asyncio_context_run(inner, enter_again, NULL);
    say("outer");
    asyncio_context_unref(inner);
    return rc;
}

static int enter(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    set("m");
    asyncio_context_t *own = asyncio_task_get_context(asyncio_current_task());
    assert_int_equal(asyncio_context_run(own, set_to_arg, "again"), ASYNCIO_ERUNTIME);
    outer = asyncio_copy_context();
    assert_int_equal(asyncio_context_run(outer, enter_inner, NULL), -EXDEV);
    say("m");
    assert_int_equal(asyncio_context_run(outer, set_to_arg, "y"), 0);
    assert_ptr_equal(asyncio_task_get_context(asyncio_current_task()), own);
    asyncio_context_unref(outer);
    return 0;
}

/* A context is entered for the time of a call, whose code is returned; one that is entered already,
 * such as the current one, is refused. */
static void a_context_is_entered_once_at_a_time(void **state)
{
    assert_string_equal(said_by(*state, enter), "outer=m inner=x outer=x m=m");
}

static int wait_inside(void *arg)
{
    say("in");
    set("w");
    assert_ptr_not_equal(asyncio_task_get_context(asyncio_current_task()), arg);
    int rc = asyncio_sleep(1);
    say("in");
    return rc;
}

static int enter_and_wait(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_context_run(arg, wait_inside, arg);
    say("out");
    return rc;
}

static int run_and_wait(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    set("m");
    asyncio_context_t *context = asyncio_copy_context();
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(enter_and_wait, context));
    assert_int_equal(asyncio_sleep(0.5), 0);
    say("m"); /* while that task is inside */
    assert_int_equal(asyncio_context_run(context, set_to_arg, "no"), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_await_unref(task, NULL), 0);
    assert_int_equal(asyncio_context_run(context, set_to_arg, "yes"), 0);
    /* Cancelled inside, the task leaves the context as well. */
    task = asyncio_create_task(asyncio_coroutine(enter_and_wait, context));
    assert_int_equal(asyncio_sleep(0.5), 0);
    assert_int_equal(asyncio_task_cancel(task, NULL), 1);
    assert_int_equal(asyncio_await_unref(task, NULL), -ECANCELED);
    assert_int_equal(asyncio_context_run(context, set_to_arg, "yes"), 0);
    asyncio_context_unref(context);
    return 0;
}

/* A function that runs in a context may wait: its task stays in that context, other tasks in
 * theirs. */
static void a_call_in_a_context_may_wait(void **state)
{
    assert_string_equal(said_by(*state, run_and_wait),
                        "in=m m=m in=w out=m in=yes in=w out=m");
}

static int yield_inside(void *arg)
{
    (void)arg;
    return asyncio_yield(NULL, NULL);
}

static int generate_inside(void *arg, void **ret_result)
{
    (void)ret_result;
    assert_int_equal(asyncio_context_run(arg, yield_inside, NULL), ASYNCIO_ERUNTIME);
    return asyncio_yield(NULL, NULL);
}

static int drive_inside(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_context_t *context = asyncio_context_new();
    asyncio_coroutine_t *generator = asyncio_coroutine(generate_inside, context);
    assert_int_equal(asyncio_coroutine_send(generator, NULL, NULL), ASYNCIO_YIELDED);
    assert_int_equal(asyncio_coroutine_close(generator), 0);
    asyncio_context_unref(context);
    return 0;
}

/* A generator cannot leave its driver inside a context that it has entered. */
static void no_generator_yields_out_of_a_context(void **state)
{
    assert_int_equal(run(*state, drive_inside, NULL), 0);
}

/* A context lists the variables that are set in it, without defaults; a copy is independent. */
static void a_context_tells_what_is_set_in_it(void **state)
{
    (void)state;
    asyncio_context_var_t *vars[3], *found[3] = {NULL, NULL, NULL};
    asyncio_context_t *context = asyncio_context_new();
    for (size_t i = 0; i < 3; i++)
        vars[i] = asyncio_context_var_new_full("v", "default", NULL);
    for (size_t i = 0; i < 2; i++) {
        var = vars[i];
        assert_int_equal(asyncio_context_run(context, set_to_arg, "value"), 0);
    }
    asyncio_context_t *copy = asyncio_context_copy(context);
    var = vars[2];
    assert_int_equal(asyncio_context_run(copy, set_to_arg, "value"), 0);
    assert_int_equal(asyncio_context_keys(context, NULL, 0), 2);
    assert_int_equal(asyncio_context_keys(context, found, 1), 2);
    assert_null(found[1]);
    assert_int_equal(asyncio_context_keys(copy, found, 3), 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(found[0] == vars[i] || found[1] == vars[i] || found[2] == vars[i]);
    assert_int_equal(asyncio_context_get(context, vars[2], NULL), ASYNCIO_ELOOKUP);
    assert_int_equal(asyncio_context_get(copy, vars[2], NULL), 0);
    asyncio_error_clear();
    asyncio_context_unref(copy);
    asyncio_context_unref(context);
    for (size_t i = 0; i < 3; i++)
        asyncio_context_var_unref(vars[i]);
}

/* --- costs --------------------------------------------------------------------------------- */

/* Returns the number of blocks of a task that inherits that number of values and does not run. */
static long blocks_of_task(void)
{
    long blocks = asyncio__live_blocks();
    asyncio_task_t *task = asyncio_create_task(asyncio_sleep_coroutine(0));
    blocks = asyncio__live_blocks() - blocks;
    assert_int_equal(asyncio_await_unref(task, NULL), 0);
    return blocks;
}

static int inherit_many(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    enum { COUNT = 1000 };
    asyncio_context_var_t *vars[COUNT];
    long bare = blocks_of_task();
    for (long i = 0; i < COUNT; i++) {
        vars[i] = asyncio_context_var_new("v");
        assert_int_equal(asyncio_context_var_set(vars[i], ASYNCIO_INT(i)), 0);
    }
    assert_int_equal(blocks_of_task(), bare);
    long blocks = asyncio__live_blocks();
    asyncio_context_t *copy = asyncio_copy_context();
    assert_int_equal(asyncio__live_blocks() - blocks, 1);
    for (long i = 0; i < COUNT; i++) {
        void *value = NULL;
        assert_int_equal(asyncio_context_get(copy, vars[i], &value), 0);
        assert_int_equal(asyncio_int(value), i);
        asyncio_context_var_unref(vars[i]);
    }
    asyncio_context_unref(copy);
    return 0;
}

/* A task that inherits a thousand values takes no more memory than one that inherits none, and a
 * copy takes one block. */
static void a_copy_costs_nothing(void **state)
{
    assert_int_equal(run(*state, inherit_many, NULL), 0);
}

/* --- misuse -------------------------------------------------------------------------------- */

/* NULL is refused, or is a no-op. */
static void bad_input_is_refused(void **state)
{
    (void)state;
    asyncio_context_t *context = asyncio_context_new();
    var = asyncio_context_var_new("v");
    assert_null(asyncio_context_var_new(NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_context_var_new_full(NULL, "x", NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_context_copy(NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_task_get_context(NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_handle_get_context(NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_int_equal(asyncio_context_var_get(NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_context_var_set(NULL, "x"), -EINVAL);
    assert_int_equal(asyncio_context_var_reset(var, NULL), -EINVAL);
    assert_int_equal(asyncio_context_var_reset(NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_context_token_get_old_value(NULL, NULL), -EINVAL);
    assert_null(asyncio_context_token_get_var(NULL));
    assert_int_equal(asyncio_context_get(NULL, var, NULL), -EINVAL);
    assert_int_equal(asyncio_context_get(context, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_context_run(NULL, set_to_arg, NULL), -EINVAL);
    assert_int_equal(asyncio_context_run(context, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_context_keys(NULL, NULL, 0), 0);
    assert_string_equal(asyncio_context_var_get_name(NULL), "");
    assert_ptr_equal(asyncio_context_var_get_or(NULL, "or"), "or");
    assert_null(asyncio_context_ref(NULL));
    assert_null(asyncio_context_var_ref(NULL));
    asyncio_context_unref(NULL);
    asyncio_context_var_unref(NULL);
    asyncio_context_token_unref(NULL);
    assert_null(asyncio_loop_get_exception_handler(NULL, NULL));
    asyncio_error_clear();
    asyncio_context_var_unref(var);
    asyncio_context_unref(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_has_a_context_of_its_own),
        cmocka_unit_test(what_a_thread_has_set_goes_with_it),
        FIXTURE_TEST(a_token_takes_its_set_back),
        FIXTURE_TEST(values_are_destroyed_with_their_last_holder),
        FIXTURE_TEST(a_context_is_entered_once_at_a_time),
        FIXTURE_TEST(a_call_in_a_context_may_wait),
        FIXTURE_TEST(no_generator_yields_out_of_a_context),
        cmocka_unit_test(a_context_tells_what_is_set_in_it),
        FIXTURE_TEST(a_copy_costs_nothing),
        cmocka_unit_test(bad_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
