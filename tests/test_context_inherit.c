/* SPDX-License-Identifier: MIT */
/*
 * Which task, callback, generator and thread sees which value of a variable.
 *
 * Where nothing else is said a text is what CPython 3.13 prints for the same program: who says it,
 * and what the variable is there.
 */
#include "support/support.h"

#include <signal.h>
#include <unistd.h>

#include "support/variable.h"

/* --- who sees what: as CPython ------------------------------------------------------------- */

static int make_tasks(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    set("m");
    asyncio_task_t *a = asyncio_create_task(child_coroutine("a"));
    set("n");
    asyncio_task_t *b = asyncio_create_task(child_coroutine("b"));
    set("o");
    assert_int_equal(asyncio_await_unref(a, NULL), 0);
    assert_int_equal(asyncio_await_unref(b, NULL), 0);
    say("m");
    assert_int_equal(asyncio_await(child_coroutine("c"), NULL), 0);
    say("m");
    assert_int_equal(
        asyncio_await_unref(asyncio_gather_of(2, child_coroutine("d"), child_coroutine("e")), NULL),
        0);
    say("m");
    assert_int_equal(asyncio_wait_for(child_coroutine("f"), 1, NULL), 0);
    say("m");
    assert_int_equal(asyncio_await_unref(asyncio_shield(child_coroutine("g")), NULL), 0);
    say("m");
    return 0;
}

/* A task begins with a copy of its creator's context, made at its creation; its own sets stay in
 * it. An awaited coroutine, with or without a limit, runs in the context of its awaiter. */
static void a_task_has_a_copy_and_an_await_has_the_same(void **state)
{
    assert_string_equal(said_by(*state, make_tasks),
                        "a1=m b1=n a2=a b2=b m=o c1=o c2=c m=c d1=c e1=c d2=d e2=e m=c f1=c f2=f "
                        "m=f g1=f g2=g m=f");
}

static int call_back(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_loop_t *loop = ((fixture_t *)arg)->loop;
    asyncio_context_t *given = asyncio_context_new();
    assert_int_equal(asyncio_context_run(given, set_to_arg, "g"), 0);
    set("1");
    assert_int_equal(asyncio_loop_call_soon(loop, on_call, "soon", NULL), 0);
    assert_int_equal(asyncio_loop_call_later(loop, 1, on_call, "later", NULL), 0);
    assert_int_equal(asyncio_loop_call_at(loop, asyncio_loop_time(loop) + 2, on_call, "at", NULL),
                     0);
    assert_int_equal(asyncio_loop_call_soon_full(loop, on_call, "soong", given, NULL), 0);
    assert_int_equal(asyncio_loop_call_later_full(loop, 3, on_call, "laterg", given, NULL), 0);
    assert_int_equal(asyncio_loop_call_soon_threadsafe(loop, on_call, "safe", NULL), 0);
    set("2");
    asyncio_future_t *future = asyncio_loop_create_future(loop);
    assert_int_equal(asyncio_future_add_done_callback(future, on_done, "done"), 0);
    set("3");
    assert_int_equal(asyncio_future_add_done_callback_full(future, on_done, "doneg", given), 0);
    assert_int_equal(asyncio_future_set_result(future, NULL), 0);
    set("4");
    assert_int_equal(asyncio_future_add_done_callback(future, on_done, "done4"), 0);
    set("5");
    assert_int_equal(asyncio_sleep(10), 0);
    say("m");
    asyncio_future_unref(future);
    asyncio_context_unref(given);
    return 0;
}

/* A callback runs in a copy of the context in which it was scheduled or added, or in a given
 * context, where its sets stay. */
static void a_callback_has_a_copy_or_what_is_given(void **state)
{
    assert_string_equal(said_by(*state, call_back),
                        "soon=1 soong=g safe=1 done=2 doneg=soong done4=4 later=1 at=1 "
                        "laterg=doneg m=5");
}

static int generate(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    say("g");
    set("g");
    assert_int_equal(asyncio_yield(NULL, NULL), 0);
    say("g");
    set("h");
    return asyncio_yield(NULL, NULL);
}

static int drive(void *arg, void **ret_result)
{
    (void)ret_result;
    set("o");
    assert_int_equal(asyncio_coroutine_send(arg, NULL, NULL), ASYNCIO_YIELDED);
    say("o");
    return 0;
}

static int drive_generator(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    set("m");
    asyncio_coroutine_t *generator = asyncio_coroutine(generate, NULL);
    assert_int_equal(asyncio_coroutine_send(generator, NULL, NULL), ASYNCIO_YIELDED);
    say("m");
    set("n");
    assert_int_equal(
        asyncio_await_unref(asyncio_create_task(asyncio_coroutine(drive, generator)), NULL), 0);
    say("m");
    return asyncio_coroutine_close(generator);
}

/* A coroutine that is driven by hand runs in the context of its driver, at each step. */
static void a_generator_has_its_drivers(void **state)
{
    assert_string_equal(said_by(*state, drive_generator), "g=m m=g g=o o=h m=n");
}

static int generate_and_await(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    say("a");
    set("a");
    assert_int_equal(asyncio_yield(NULL, NULL), 0);
    say("b");
    set("b");
    assert_int_equal(asyncio_sleep(0), 0);
    say("c");
    return asyncio_yield(NULL, NULL);
}

static int ask_once(void *arg, void **ret_result)
{
    (void)ret_result;
    set("o");
    assert_int_equal(asyncio_coroutine_anext(arg, NULL), 0);
    say("o");
    return 0;
}

static int ask_generator(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    set("m");
    asyncio_coroutine_t *generator = asyncio_coroutine(generate_and_await, NULL);
    assert_int_equal(asyncio_coroutine_anext(generator, NULL), 0);
    say("m");
    assert_int_equal(
        asyncio_await_unref(asyncio_create_task(asyncio_coroutine(ask_once, generator)), NULL), 0);
    say("m");
    int rc = asyncio_coroutine_aclose(generator);
    asyncio_coroutine_unref(generator);
    return rc;
}

/* So does an asynchronous generator, also after an await of its own. */
static void an_asynchronous_generator_has_its_drivers(void **state)
{
    assert_string_equal(said_by(*state, ask_generator), "a=m m=a b=o c=b o=b m=a");
}

static int pair(const char *name, void **ret_result)
{
    (void)ret_result;
    say(name);
    set(name);
    int rc = asyncio_sleep(0);
    say(name);
    set(name[0] == 'x' ? "xx" : "yy");
    return rc;
}
ASYNCIO_COROUTINE(pair, (const char *, name));

static int share(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_loop_t *loop = ((fixture_t *)arg)->loop;
    asyncio_task_options_t options = {.size = sizeof(options), .context = asyncio_context_new()};
    asyncio_task_t *x = asyncio_loop_create_task_full(loop, pair_coroutine("x"), &options);
    asyncio_task_t *y = asyncio_create_task_full(pair_coroutine("y"), &options);
    assert_ptr_equal(asyncio_task_get_context(x), options.context);
    assert_int_equal(asyncio_await_unref(x, NULL), 0);
    assert_int_equal(asyncio_await_unref(y, NULL), 0);
    void *value = NULL;
    assert_int_equal(asyncio_context_get(options.context, var, &value), 0);
    assert_string_equal(value, "yy");
    asyncio_context_unref(options.context);
    /* The context of the creator can be shared too. */
    set("m");
    options.context = asyncio_task_get_context(asyncio_current_task());
    assert_int_equal(asyncio_await_unref(asyncio_create_task_full(pair_coroutine("y"), &options),
                                         NULL),
                     0);
    say("m");
    return 0;
}

/* Tasks that are given a context share it, and see what the others set. */
static void a_given_context_is_shared(void **state)
{
    assert_string_equal(said_by(*state, share), "x=- y=x x=y y=xx y=m y=y m=yy");
}

/* --- who inherits -------------------------------------------------------------------------- */

static asyncio_handle_t *asked; /* whose context its own callback asks for */

static void ask_own(void *arg)
{
    asyncio_context_t **ret_context = arg;
    set("set");
    *ret_context = asyncio_handle_get_context(asked);
    void *value = NULL;
    assert_int_equal(asyncio_context_get(*ret_context, var, &value), 0);
    assert_string_equal(value, "set");
}

static int ask_for_contexts(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_loop_t *loop = ((fixture_t *)arg)->loop;
    void *value = NULL;
    asyncio_context_t *inside = NULL;
    asyncio_task_t *bare = asyncio_create_task(asyncio_sleep_coroutine(0));
    assert_int_equal(asyncio_context_keys(asyncio_task_get_context(bare), NULL, 0), 0);
    set("m");
    assert_int_equal(asyncio_loop_call_soon(loop, ask_own, &inside, &asked), 0);
    asyncio_context_t *context = asyncio_handle_get_context(asked);
    assert_int_equal(asyncio_context_get(context, var, &value), 0);
    assert_string_equal(value, "m");
    asyncio_task_t *task = asyncio_create_task(child_coroutine("a"));
    asyncio_context_t *of_task = asyncio_task_get_context(task);
    assert_ptr_equal(asyncio_task_get_context(task), of_task);
    assert_int_equal(asyncio_await(task, NULL), 0);
    assert_ptr_equal(asyncio_task_get_context(task), of_task);
    assert_int_equal(asyncio_context_get(of_task, var, &value), 0);
    assert_string_equal(value, "a");
    assert_ptr_equal(inside, context);
    assert_ptr_equal(asyncio_handle_get_context(asked), context);
    asyncio_handle_unref(asked);
    asyncio_task_unref(bare);
    asyncio_task_unref(task);
    return 0;
}

/* Tasks and handles return their contexts: the same one before, while and after they run. */
static void tasks_and_handles_tell_their_contexts(void **state)
{
    assert_string_equal(said_by(*state, ask_for_contexts), "a1=m a2=a");
}

static void on_report(asyncio_loop_t *loop, const asyncio_exception_context_t *context, void *arg)
{
    (void)loop, (void)arg;
    say(context->message ? context->message : "report");
}

static int fail_with(const char *value, void **ret_result)
{
    (void)ret_result;
    set(value);
    return -EIO;
}
ASYNCIO_COROUTINE(fail_with, (const char *, value));

static int report(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_loop_t *loop = ((fixture_t *)arg)->loop;
    void *former_arg = NULL;
    asyncio_exception_handler_t *former = asyncio_loop_get_exception_handler(loop, &former_arg);
    assert_non_null(former);
    assert_ptr_equal(former_arg, arg);
    asyncio_loop_set_exception_handler(loop, on_report, NULL);
    set("m");
    asyncio_task_t *task = asyncio_create_task(fail_with_coroutine("bad"));
    assert_int_equal(asyncio_sleep(1), 0);
    asyncio_exception_context_t context = {.size = sizeof(context), .message = "task",
                                           .future = task};
    asyncio_loop_call_exception_handler(loop, &context);
    context.message = "own";
    context.future = asyncio_current_task();
    asyncio_loop_call_exception_handler(loop, &context);
    context.message = "none";
    context.future = NULL;
    asyncio_loop_call_exception_handler(loop, &context);
    asyncio_task_unref(task);
    asyncio_loop_set_exception_handler(loop, former, former_arg);
    return 0;
}

/* The exception handler runs in the context of the task that a report concerns, else in the current
 * one. */
static void a_report_comes_in_the_context_of_its_task(void **state)
{
    assert_string_equal(said_by(*state, report),
                        "task=bad own=m none=m Task exception was never retrieved=bad");
}

static void enter_later(void *arg)
{
    asyncio_loop_stop(arg);
}

static int run_loop(void *arg)
{
    return asyncio_loop_run_forever(arg);
}

/* A callback cannot run in a context that is entered around the loop: that is reported. */
static void a_callback_cannot_enter_what_is_entered(void **state)
{
    fixture_t *fixture = *state;
    asyncio_context_t *context = asyncio_context_new();
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    assert_int_equal(asyncio_loop_call_soon_full(fixture->loop, on_call, "no", context, NULL), 0);
    assert_int_equal(asyncio_future_add_done_callback_full(future, on_done, "no", context), 0);
    assert_int_equal(asyncio_future_set_result(future, NULL), 0);
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, enter_later, fixture->loop, NULL), 0);
    assert_int_equal(asyncio_context_run(context, run_loop, fixture->loop), 0);
    assert_string_equal(fixture->last.message, "a callback was not called");
    assert_int_equal(fixture->last.code, ASYNCIO_ERUNTIME);
    fixture->expected_reports = 2;
    asyncio_future_unref(future);
    asyncio_context_unref(context);
}

/* Callbacks that run again and again: a watch of each kind. */
struct watches {
    asyncio_loop_t *loop;    /* whose */
    int pipe[2];             /* whose end can be read */
    int calls;               /* of the reader */
    asyncio_remote_t remote; /* posted twice */
};

static void on_readable(void *arg)
{
    struct watches *watches = arg;
    on_call("r");
    if (++watches->calls == 2)
        assert_int_equal(asyncio_loop_remove_reader(watches->loop, watches->pipe[0]), 1);
}

static int watch(void *arg, void **ret_result)
{
    (void)ret_result;
    struct watches watches = {.loop = ((fixture_t *)arg)->loop};
    set("m");
    assert_int_equal(asyncio_remote_init(&watches.remote, watches.loop, on_call, "d"), 0);
    assert_int_equal(asyncio_loop_add_signal_handler(watches.loop, SIGUSR1, on_call, "s"), 0);
    set("n");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(asyncio_remote_post(&watches.remote), 0);
        assert_int_equal(asyncio_sleep(1), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(raise(SIGUSR1), 0);
        assert_int_equal(asyncio_sleep(1), 0);
    }
    assert_int_equal(asyncio_loop_remove_signal_handler(watches.loop, SIGUSR1), 1);
    asyncio_remote_fini(&watches.remote);
    say("n");
    return 0;
}

/* All calls of a watch run in one copy of the context in which it was added. */
static void a_watch_has_one_copy_for_all_its_calls(void **state)
{
    assert_string_equal(said_by(*state, watch), "d=m d=d s=m s=s n=n");
}

static int watch_descriptor(void *arg, void **ret_result)
{
    (void)ret_result;
    struct watches watches = {.loop = ((fixture_t *)arg)->loop};
    assert_int_equal(pipe(watches.pipe), 0);
    assert_int_equal(write(watches.pipe[1], "x", 1), 1);
    set("m");
    assert_int_equal(
        asyncio_loop_add_reader(watches.loop, watches.pipe[0], on_readable, &watches), 0);
    while (watches.calls < 2)
        assert_int_equal(asyncio_sleep(0), 0);
    say("m");
    close(watches.pipe[0]);
    close(watches.pipe[1]);
    return 0;
}

/* So do those of a reader. */
static void a_reader_has_one_copy_for_all_its_calls(void **state)
{
    skip_without_descriptors(*state);
    assert_string_equal(said_by(*state, watch_descriptor), "r=m r=r m=m");
}

/* --- threads ------------------------------------------------------------------------------- */

static int in_thread(void *arg, void **ret_result)
{
    void *value = NULL;
    int rc = asyncio_context_var_get(var, &value);
    *ret_result = rc < 0 ? NULL : value;
    set(arg);
    return 0;
}

static int go_to_thread(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_loop_t *loop = ((fixture_t *)arg)->loop;
    void *value = NULL;
    set("m");
    assert_int_equal(asyncio_to_thread(in_thread, "t", &value), 0);
    assert_string_equal(value, "m");
    assert_int_equal(asyncio_await(asyncio_to_thread_coroutine(in_thread, "t"), &value), 0);
    assert_string_equal(value, "m");
    say("m");
    asyncio_executor_t *pool = asyncio_thread_pool_executor_new(NULL);
    assert_int_equal(
        asyncio_await_unref(asyncio_loop_run_in_executor(loop, pool, in_thread, "t"), &value), 0);
    assert_string_equal(value, "-");
    asyncio_executor_shutdown(pool, /* wait= */ true, /* cancel_futures= */ false);
    asyncio_executor_unref(pool);
    return 0;
}

/* to_thread() runs its function in a copy of the context; run_in_executor() does not. */
static void a_thread_gets_a_copy_from_to_thread_alone(void **state)
{
    assert_string_equal(said_by(*state, go_to_thread), "m=m");
}

static void *call_from_thread(void *arg)
{
    fixture_t *fixture = arg;
    set("thread");
    asyncio_concurrent_future_t *future =
        asyncio_run_coroutine_threadsafe(child_coroutine("a"), fixture->loop);
    assert_non_null(future);
    assert_int_equal(asyncio_concurrent_future_result(future, ASYNCIO_FOREVER, NULL), 0);
    asyncio_concurrent_future_unref(future);
    assert_int_equal(asyncio_loop_call_soon_threadsafe(fixture->loop, on_call, "call", NULL), 0);
    return NULL;
}

static int run_thread(void *arg, void **ret_result)
{
    (void)ret_result;
    call_from_thread(arg);
    return 0;
}

static int be_called(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_loop_t *loop = ((fixture_t *)arg)->loop;
    set("m");
    int rc = asyncio_await_unref(asyncio_loop_run_in_executor(loop, NULL, run_thread, arg), NULL);
    assert_int_equal(asyncio_sleep(0), 0);
    say("m");
    return rc;
}

/* A callback from another thread runs in a copy of that thread's context. */
static void a_call_from_another_thread_brings_its_context(void **state)
{
    assert_string_equal(said_by(*state, be_called), "a1=thread a2=a call=thread m=m");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_task_has_a_copy_and_an_await_has_the_same),
        FIXTURE_TEST(a_callback_has_a_copy_or_what_is_given),
        FIXTURE_TEST(a_generator_has_its_drivers),
        FIXTURE_TEST(an_asynchronous_generator_has_its_drivers),
        FIXTURE_TEST(a_given_context_is_shared),
        FIXTURE_TEST(tasks_and_handles_tell_their_contexts),
        FIXTURE_TEST(a_report_comes_in_the_context_of_its_task),
        FIXTURE_TEST(a_callback_cannot_enter_what_is_entered),
        FIXTURE_TEST(a_watch_has_one_copy_for_all_its_calls),
        FIXTURE_TEST(a_reader_has_one_copy_for_all_its_calls),
        FIXTURE_TEST(a_thread_gets_a_copy_from_to_thread_alone),
        FIXTURE_TEST(a_call_from_another_thread_brings_its_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
