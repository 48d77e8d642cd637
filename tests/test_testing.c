/* SPDX-License-Identifier: MIT */
/* The fixture for tests of one's own: what it runs, and in which order. */
#include "support/story.h"

#include <pthread.h>
#include <sys/wait.h>

#include "base/memory.h"
#include "base/sanitizer.h"
#include "loop/loop.h"

static int clean_first(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return end_with('1', 0);
}

static int clean_second(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return end_with('2', 0);
}

static int clean_badly(void *arg, void **ret_result)
{
    (void)ret_result;
    return end_with('c', *(int *)arg);
}

static int clean_more(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = asyncio_testing_add_cleanup(story.testing, clean_first, NULL);
    return rc < 0 ? rc : end_with('m', 0);
}

static int set_up(void *arg, void **ret_result)
{
    (void)ret_result;
    assert_ptr_equal(arg, &story);
    assert_int_equal(asyncio_context_var_set(story.var, &story), 0);
    assert_int_equal(asyncio_testing_add_cleanup(story.testing, clean_first, NULL), 0);
    assert_int_equal(asyncio_testing_add_cleanup(story.testing, clean_second, NULL), 0);
    return end_with('s', story.setup_code);
}

static int tear_down(void *arg, void **ret_result)
{
    (void)ret_result;
    assert_ptr_equal(asyncio_context_var_get_or(story.var, NULL), arg);
    return end_with('d', story.teardown_code);
}

/* --- the order ----------------------------------------------------------------------------- */

static void with_parts(void)
{
    story.options.setup = set_up;
    story.options.teardown = tear_down;
}

/* Setup, test and teardown run in that order and in one context, then the cleanups, the last
 * first. */
static void the_parts_run_in_order(void **state)
{
    (void)state;
    with_parts();
    assert_int_equal(tell(), 0);
    assert_string_equal(story.trace, "std21");
    assert_string_equal(asyncio_testing_report(story.testing), "");
}

/* A test that fails is reported with its message; teardown and cleanups run all the same. */
static void a_failing_test_is_cleaned_up(void **state)
{
    (void)state;
    with_parts();
    story.test_code = ASYNCIO_EUSER - 3;
    assert_int_equal(tell(), ASYNCIO_EUSER - 3);
    assert_string_equal(story.trace, "std21");
    assert_report_has("the test failed (");
    assert_report_has("story.h:");
    assert_report_has(" the_body): ");
    assert_report_has(": t went wrong at ");
    assert_lines(1);
}

/* A setup that fails skips test and teardown, but not the cleanups that it has added. */
static void a_failing_setup_skips_the_test(void **state)
{
    (void)state;
    with_parts();
    story.setup_code = -EPIPE;
    assert_int_equal(tell(), -EPIPE);
    assert_string_equal(story.trace, "s21");
    assert_report_has("setup failed: EPIPE: s went wrong");
    assert_lines(1);
    assert_int_equal(asyncio_testing_end(story.testing), ASYNCIO_ERUNTIME); /* it has ended */
}

static void add_bad_cleanups(story_t *told)
{
    static int codes[] = {-ENOENT, -EIO};
    assert_int_equal(asyncio_testing_add_cleanup(told->testing, clean_badly, &codes[0]), 0);
    assert_int_equal(asyncio_testing_add_cleanup(told->testing, clean_badly, &codes[1]), 0);
}

/* Each part that fails has a line; the result is the code of the first. */
static void every_failure_is_told(void **state)
{
    (void)state;
    with_parts();
    story.leave = add_bad_cleanups;
    story.teardown_code = -EPIPE;
    assert_int_equal(tell(), -EPIPE);
    assert_string_equal(story.trace, "stdcc21");
    assert_report_has("teardown failed: EPIPE: d went wrong");
    assert_report_has(" clean_badly): EIO: c went wrong");
    assert_report_has(" clean_badly): ENOENT: c went wrong");
    assert_lines(3);
    asyncio_error_t *error = asyncio_error_last();
    assert_string_equal(asyncio_error_message(error), asyncio_testing_report(story.testing));
    asyncio_error_unref(error);
}

static void add_cleanup_that_adds(story_t *told)
{
    assert_int_equal(asyncio_testing_add_cleanup(told->testing, clean_second, NULL), 0);
    assert_int_equal(asyncio_testing_add_cleanup(told->testing, clean_more, NULL), 0);
}

/* A cleanup may add cleanups, which run next. */
static void a_cleanup_may_add_cleanups(void **state)
{
    (void)state;
    story.leave = add_cleanup_that_adds;
    assert_int_equal(tell(), 0);
    assert_string_equal(story.trace, "tm12");
}

/* A fixture runs one test after another; the report is that of the latest test. */
static void a_fixture_is_used_again(void **state)
{
    (void)state;
    with_parts();
    story.test_code = -EIO;
    assert_int_equal(tell(), -EIO);
    story.test_code = 0;
    for (int i = 0; i < 3; i++) {
        memset(story.trace, 0, sizeof(story.trace));
        assert_int_equal(tell(), 0);
        assert_string_equal(story.trace, "std21");
        assert_string_equal(asyncio_testing_report(story.testing), "");
    }
}

/* --- the loop ------------------------------------------------------------------------------ */

static void sleep_a_day(story_t *told)
{
    asyncio_loop_t *loop = asyncio_testing_get_loop(told->testing);
    assert_ptr_equal(loop, asyncio_get_running_loop());
    assert_true(loop->is_virtual);
    assert_true(asyncio_loop_get_debug(loop));
    double before = asyncio_loop_time(loop);
    assert_int_equal(asyncio_sleep(86400), 0);
    assert_true(asyncio_loop_time(loop) == before + 86400);
}

/* The clock is virtual and debug mode is on unless the options say otherwise. */
static void time_takes_no_time(void **state)
{
    (void)state;
    story.leave = sleep_a_day;
    assert_int_equal(tell(), 0);
    assert_null(asyncio_testing_get_loop(story.testing));
}

static int look_at_the_options(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    assert_false(loop->is_virtual);
    assert_false(asyncio_loop_get_debug(loop));
    assert_int_equal(asyncio_loop_get_engine(loop), ASYNCIO_ENGINE_EPOLL);
    assert_int_equal(loop->stack_bytes, 128 * 1024);
    return 0;
}

/* Engine, clock, stack and debug mode are those of the options. */
static void the_options_make_the_loop(void **state)
{
    (void)state;
    story.options.engine = ASYNCIO_ENGINE_EPOLL;
    story.options.real_clock = story.options.no_debug = true;
    story.options.stack_bytes = 128 * 1024;
    story.options.size = sizeof(story.options);
    story.testing = asyncio_testing_new(&story.options);
    assert_int_equal(asyncio_testing_run(story.testing, look_at_the_options, NULL), 0);
}

static int wait_for_ever(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_future_t *future = asyncio_loop_create_future(asyncio_get_running_loop());
    int rc = asyncio_await(future, NULL);
    asyncio_future_unref(future);
    return rc;
}

/* A test that waits for what cannot happen fails, and does not hang. */
static void a_dead_wait_fails(void **state)
{
    (void)state;
    story.testing = asyncio_testing_new(NULL);
    assert_int_equal(asyncio_testing_run(story.testing, wait_for_ever, NULL), ASYNCIO_EDEADLOOP);
    assert_report_has("the test failed");
    assert_report_has("pending task: Task-");
    assert_report_has(" wait_for_ever)");
}

/* --- step by step -------------------------------------------------------------------------- */

/* Between begin and end any number of coroutines run in one loop, and their codes go to the
 * caller. */
static void coroutines_are_called_in_one_loop(void **state)
{
    (void)state;
    with_parts();
    story.options.size = sizeof(story.options);
    story.testing = asyncio_testing_new(&story.options);
    assert_int_equal(asyncio_testing_begin(story.testing), 0);
    asyncio_loop_t *loop = asyncio_testing_get_loop(story.testing);
    void *value = NULL;
    assert_int_equal(asyncio_testing_call(story.testing, asyncio_coroutine(finish, &story), &value),
                     0);
    assert_ptr_equal(value, &story);
    assert_int_equal(
        asyncio_testing_call(story.testing, asyncio_coroutine(fail_at_once, NULL), NULL), -EIO);
    assert_ptr_equal(asyncio_testing_get_loop(story.testing), loop);
    assert_int_equal(asyncio_testing_end(story.testing), 0);
    assert_string_equal(story.trace, "sd21");
}

/* Dropping a fixture ends its test. */
static void the_last_reference_ends_the_test(void **state)
{
    (void)state;
    with_parts();
    story.options.size = sizeof(story.options);
    story.testing = asyncio_testing_new(&story.options);
    assert_int_equal(asyncio_testing_begin(story.testing), 0);
    asyncio_testing_unref(story.testing);
    story.testing = NULL;
    assert_string_equal(story.trace, "sd21");
}

/* --- misuse -------------------------------------------------------------------------------- */

/* Bad input is refused. */
static void bad_input_is_refused(void **state)
{
    (void)state;
    asyncio_testing_options_t options = {.size = 1};
    assert_null(asyncio_testing_new(&options));
    assert_int_equal(asyncio_errno(), -EINVAL);
    options = (asyncio_testing_options_t){.size = sizeof(options), .allowed = 16};
    assert_null(asyncio_testing_new(&options));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_int_equal(asyncio_testing_run(NULL, fail_at_once, NULL), -EINVAL);
    assert_int_equal(asyncio_testing_begin(NULL), -EINVAL);
    assert_int_equal(asyncio_testing_end(NULL), -EINVAL);
    assert_int_equal(asyncio_testing_add_cleanup(NULL, clean_first, NULL), -EINVAL);
    assert_int_equal(asyncio_testing_call(NULL, asyncio_coroutine(finish, NULL), NULL), -EINVAL);
    assert_int_equal(asyncio_testing_take_reports(NULL), 0);
    assert_string_equal(asyncio_testing_report(NULL), "");
    assert_null(asyncio_testing_get_loop(NULL));
    asyncio_testing_unref(NULL);
    options = (asyncio_testing_options_t){.size = sizeof(options), .stack_bytes = SIZE_MAX};
    story.testing = asyncio_testing_new(&options);
    assert_int_equal(asyncio_testing_begin(story.testing), -EINVAL); /* of the loop */
    assert_int_equal(asyncio_testing_end(story.testing), ASYNCIO_ERUNTIME);
}

/* Calls in the wrong order are refused, and coroutine objects are taken even then. */
static void the_wrong_order_is_refused(void **state)
{
    (void)state;
    story.testing = asyncio_testing_new(NULL);
    asyncio_testing_t *testing = story.testing;
    assert_string_equal(asyncio_testing_report(testing), "");
    assert_int_equal(asyncio_testing_end(testing), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_testing_add_cleanup(testing, clean_first, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_testing_call(testing, asyncio_coroutine(finish, NULL), NULL),
                     ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_testing_run(testing, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_testing_begin(testing), 0);
    assert_int_equal(asyncio_testing_begin(testing), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_testing_run(testing, finish, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_testing_add_cleanup(testing, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_testing_call(testing, asyncio_coroutine(NULL, NULL), NULL), -EINVAL);
    asyncio_future_t *future = asyncio_loop_create_future(asyncio_testing_get_loop(testing));
    assert_int_equal(asyncio_testing_call(testing, (void *)future, NULL), -EINVAL);
    asyncio_future_unref(future);
    assert_int_equal(asyncio_testing_end(testing), 0);
    assert_int_equal(asyncio_testing_end(testing), ASYNCIO_ERUNTIME);
}

static void end_in_callback(void *arg)
{
    *(int *)arg = asyncio_testing_end(story.testing);
}

static void misuse_inside(story_t *told)
{
    int code = 0;
    asyncio_testing_t *other = asyncio_testing_new(NULL);
    assert_int_equal(asyncio_testing_end(told->testing), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_testing_begin(other), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_testing_run(other, finish, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_testing_call(told->testing, asyncio_coroutine(finish, NULL), NULL),
                     ASYNCIO_ERUNTIME);
    asyncio_testing_unref(other);
    assert_int_equal(asyncio_loop_call_soon(asyncio_get_running_loop(), end_in_callback, &code,
                                            NULL),
                     0);
    assert_int_equal(asyncio_sleep(0), 0);
    assert_int_equal(code, ASYNCIO_ERUNTIME);
}

/* Inside a loop no test can begin or end: neither in its coroutines nor in its callbacks. */
static void a_running_loop_refuses(void **state)
{
    (void)state;
    story.leave = misuse_inside;
    assert_int_equal(tell(), 0);
}

static void *use_elsewhere(void *arg)
{
    asyncio_testing_t *testing = arg;
    assert_in_thread(asyncio_testing_end(testing) == ASYNCIO_ERUNTIME);
    assert_in_thread(asyncio_testing_begin(testing) == ASYNCIO_ERUNTIME);
    assert_in_thread(asyncio_testing_add_cleanup(testing, finish, NULL) == ASYNCIO_ERUNTIME);
    assert_in_thread(asyncio_testing_call(testing, asyncio_coroutine(finish, NULL), NULL) ==
                     ASYNCIO_ERUNTIME);
    asyncio_error_clear();
    return NULL;
}

/* A thread other than the one that began the test is refused. */
static void another_thread_is_refused(void **state)
{
    (void)state;
    pthread_t thread;
    story.testing = asyncio_testing_new(NULL);
    assert_int_equal(asyncio_testing_begin(story.testing), 0);
    assert_int_equal(pthread_create(&thread, NULL, use_elsewhere, story.testing), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(asyncio_testing_end(story.testing), 0);
}

/* --- a jump out of a coroutine ------------------------------------------------------------- */

static jmp_buf way_out;

static int jump(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_sleep(1);
    longjmp(way_out, 1);
}

static int jump_and_go_on(void)
{
    with_parts();
    story.options.size = sizeof(story.options);
    story.testing = asyncio_testing_new(&story.options);
    if (setjmp(way_out) == 0) {
        asyncio_testing_run(story.testing, jump, NULL);
        return 1;
    }
    if (asyncio_testing_call(story.testing, asyncio_coroutine(finish, NULL), NULL) !=
        ASYNCIO_ERUNTIME)
        return 2;
    if (asyncio_testing_end(story.testing) != -EUCLEAN || asyncio_get_running_loop())
        return 3;
    if (strcmp(asyncio_testing_report(story.testing),
               "a coroutine was left by a jump: its loop is lost, and teardown and 2 cleanups "
               "did not run\n") != 0)
        return 4;
    memset(story.trace, 0, sizeof(story.trace));
    for (int i = 0; i < 3; i++)
        if (tell() != 0)
            return 5;
    if (strcmp(story.trace, "std21std21std21") != 0)
        return 6;
    if (setjmp(way_out) == 0)
        asyncio_testing_run(story.testing, jump, NULL);
    else if (tell() != 0) /* without an end */
        return 7;
    if (setjmp(way_out) == 0)
        asyncio_testing_run(story.testing, jump, NULL);
    asyncio_testing_unref(story.testing);
    return asyncio_get_running_loop() ? 8 : 0;
}

/* A longjmp() out of a coroutine loses that loop; the next test has a new one. */
static void a_jump_loses_one_loop_only(void **state)
{
    (void)state;
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
    skip(); /* they do not follow a jump from one stack to another */
#endif
    if (asyncio__on_valgrind())
        skip(); /* it reports the loops that are lost */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(jump_and_go_on());
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- in a child ---------------------------------------------------------------------------- */

/* A child that was forked during a test cannot end it; the parent can. */
static void a_child_does_not_end_the_test(void **state)
{
    (void)state;
    story.testing = asyncio_testing_new(NULL);
    assert_int_equal(asyncio_testing_begin(story.testing), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(asyncio_testing_end(story.testing) != ASYNCIO_ERUNTIME);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(asyncio_testing_end(story.testing), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(the_parts_run_in_order),
        STORY(a_failing_test_is_cleaned_up),
        STORY(a_failing_setup_skips_the_test),
        STORY(every_failure_is_told),
        STORY(a_cleanup_may_add_cleanups),
        STORY(a_fixture_is_used_again),
        STORY(time_takes_no_time),
        STORY(the_options_make_the_loop),
        STORY(a_dead_wait_fails),
        STORY(coroutines_are_called_in_one_loop),
        STORY(the_last_reference_ends_the_test),
        STORY(bad_input_is_refused),
        STORY(the_wrong_order_is_refused),
        STORY(a_running_loop_refuses),
        STORY(another_thread_is_refused),
        STORY(a_jump_loses_one_loop_only),
        STORY(a_child_does_not_end_the_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
