/* SPDX-License-Identifier: MIT */
/* Running a program: its result, what is left at its end, and what is refused. */
#include "support/support.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/syscalls.h"

static asyncio_context_var_t *var; /* of the last tests */

static int finish(void *arg, void **ret_result)
{
    return asyncio_return(ret_result, arg, count_destruction);
}

/* The result of the main coroutine moves to the caller, or is destroyed if the caller does not want
 * it. */
static void the_result_moves_to_the_caller(void **state)
{
    (void)state;
    int destroyed = 0;
    void *value = NULL;
    assert_int_equal(asyncio_run(asyncio_coroutine(finish, &destroyed), &value), 0);
    assert_ptr_equal(value, &destroyed);
    assert_int_equal(destroyed, 0);
    assert_int_equal(asyncio_run(asyncio_coroutine(finish, &destroyed), NULL), 0);
    assert_int_equal(destroyed, 1);
    assert_null(asyncio_get_running_loop());
}

static int fail_with_details(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_raise(ASYNCIO_EUSER - 1, "no luck");
}

/* The error of the main coroutine is returned, with its details. */
static void the_error_is_answered(void **state)
{
    (void)state;
    assert_int_equal(asyncio_run(asyncio_coroutine(fail_with_details, NULL), NULL),
                     ASYNCIO_EUSER - 1);
    asyncio_error_t *error = asyncio_error_last();
    assert_string_equal(asyncio_error_message(error), "no luck");
    asyncio_error_unref(error);
}

static int tell_end(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_sleep(1000);
    *(int *)arg = rc;
    asyncio__ignore(asyncio_sleep(0));
    return rc;
}

static int leave_tasks(void *arg, void **ret_result)
{
    (void)ret_result;
    int *seen = arg;
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            asyncio_task_detach(asyncio_create_task(asyncio_coroutine(tell_end, &seen[i]))), 0);
    return asyncio_sleep(0);
}

/* Tasks that are left at the end are cancelled and awaited. */
static void what_is_left_is_cancelled(void **state)
{
    (void)state;
    int seen[3] = {0};
    assert_int_equal(asyncio_run(asyncio_coroutine(leave_tasks, seen), NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(seen[i], -ECANCELED);
}

static int run_inside(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_run(asyncio_coroutine(fail_with_details, NULL), NULL);
}

/* Inside a running loop run() is refused, and a coroutine object is taken even then. */
static void a_running_loop_refuses(void **state)
{
    assert_int_equal(run(*state, run_inside, NULL), ASYNCIO_ERUNTIME);
}

/* Objects that are no coroutine objects are refused. */
static void bad_input_is_refused(void **state)
{
    fixture_t *fixture = *state;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    assert_int_equal(asyncio_run(NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_run(asyncio_coroutine(NULL, NULL), NULL), -EINVAL);
    assert_int_equal(asyncio_run((void *)future, NULL), -EINVAL);
    asyncio_future_unref(future);
}

static int await_arg(void *arg, void **ret_result)
{
    return asyncio_await(*(asyncio_awaitable_t **)arg, ret_result);
}

static void ignore_report(asyncio_loop_t *loop, const asyncio_exception_context_t *context,
                          void *arg)
{
    (void)loop, (void)context;
    ++*(int *)arg;
}

static asyncio_task_t *ring[2];
static int ring_reports;

static int leave_ring(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_loop_set_exception_handler(asyncio_get_running_loop(), ignore_report, &ring_reports);
    for (int i = 0; i < 2; i++)
        ring[i] = asyncio_create_task(asyncio_coroutine(await_arg, &ring[1 - i]));
    assert_int_equal(asyncio_sleep(0), 0);
    return 0;
}

/* Tasks that await each other do not keep a program from ending. */
static void a_ring_does_not_keep_the_end(void **state)
{
    (void)state;
    assert_int_equal(asyncio_run(asyncio_coroutine(leave_ring, NULL), NULL), 0);
    assert_int_equal(ring_reports, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(asyncio_future_result(ring[i], NULL), ASYNCIO_EGENERATOREXIT);
        asyncio_task_unref(ring[i]);
    }
}

/* --- runners ------------------------------------------------------------------------------- */

static int count_run(void *arg, void **ret_result)
{
    (void)ret_result;
    ++*(int *)arg;
    return asyncio_sleep(0.001);
}

/* A runner creates its loop on first use, keeps it for every run, and sets it as the thread's until
 * it is closed. */
static void one_loop_serves_every_run(void **state)
{
    (void)state;
    int runs = 0;
    asyncio_runner_t *runner = asyncio_runner_new(NULL);
    assert_non_null(runner);
    assert_int_equal(asyncio_runner_close(runner), 0); /* there is nothing to close yet */
    assert_int_equal(asyncio_runner_run(runner, asyncio_coroutine(count_run, &runs), NULL), 0);
    asyncio_loop_t *loop = asyncio_runner_get_loop(runner);
    assert_ptr_equal(asyncio_get_event_loop(), loop);
    assert_int_equal(asyncio_runner_run(runner, asyncio_coroutine(count_run, &runs), NULL), 0);
    assert_ptr_equal(asyncio_runner_get_loop(runner), loop);
    assert_int_equal(runs, 2);
    asyncio_loop_ref(loop);
    asyncio_runner_unref(asyncio_runner_ref(runner));
    asyncio_runner_unref(runner);
    assert_true(asyncio_loop_is_closed(loop));
    assert_ptr_not_equal(asyncio_get_event_loop(), loop);
    asyncio_set_event_loop(NULL);
    asyncio_loop_unref(loop);
}

/* Tasks that one run leaves continue in the next; closing cancels them. */
static void tasks_live_from_run_to_run(void **state)
{
    (void)state;
    int seen[3] = {0}, runs = 0;
    asyncio_runner_t *runner = asyncio_runner_new(NULL);
    assert_int_equal(asyncio_runner_run(runner, asyncio_coroutine(leave_tasks, seen), NULL), 0);
    assert_int_equal(asyncio_runner_run(runner, asyncio_coroutine(count_run, &runs), NULL), 0);
    assert_int_equal(seen[0], 0);
    assert_int_equal(asyncio_runner_close(runner), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(seen[i], -ECANCELED);
    asyncio_runner_unref(runner);
}

/* Results move to the caller; errors keep their details when the runner is closed. */
static void a_runner_answers_as_run_does(void **state)
{
    (void)state;
    int destroyed = 0;
    void *value = NULL;
    asyncio_runner_t *runner = asyncio_runner_new(NULL);
    assert_int_equal(asyncio_runner_run(runner, asyncio_coroutine(finish, &destroyed), &value), 0);
    assert_ptr_equal(value, &destroyed);
    assert_int_equal(destroyed, 0);
    assert_int_equal(asyncio_runner_run(runner, asyncio_coroutine(finish, &destroyed), NULL), 0);
    assert_int_equal(destroyed, 1);
    assert_int_equal(asyncio_runner_run(runner, asyncio_coroutine(fail_with_details, NULL), NULL),
                     ASYNCIO_EUSER - 1);
    asyncio_runner_unref(runner);
    asyncio_error_t *error = asyncio_error_last();
    assert_string_equal(asyncio_error_message(error), "no luck");
    asyncio_error_unref(error);
}

static int stop_the_loop(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_loop_stop(asyncio_get_running_loop());
    *(int *)arg = asyncio_sleep(1000);
    return *(int *)arg;
}

/* A stopped loop leaves the main task pending, and the close cancels it. */
static void a_stopped_loop_leaves_its_main_task(void **state)
{
    (void)state;
    int seen = 0;
    asyncio_runner_t *runner = asyncio_runner_new(NULL);
    assert_int_equal(asyncio_runner_run(runner, asyncio_coroutine(stop_the_loop, &seen), NULL),
                     ASYNCIO_ERUNTIME);
    assert_int_equal(seen, 0);
    asyncio_runner_unref(runner);
    assert_int_equal(seen, -ECANCELED);
}

static asyncio_loop_t *make_virtual(void *arg)
{
    asyncio_loop_options_t options = {.size = sizeof(options), .clock = ASYNCIO_CLOCK_VIRTUAL};
    ++*(int *)arg;
    return *(int *)arg > 1 ? NULL : asyncio_new_event_loop_full(&options);
}

static int sleep_long(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_sleep(86400);
}

/* A factory creates the loop, and none is set for the thread; options create one too; debug can be
 * set either way. */
static void loops_are_made_as_asked(void **state)
{
    (void)state;
    int made = 0;
    asyncio_runner_options_t options = {.size = sizeof(options), .debug = 1,
                                        .loop_factory = make_virtual, .factory_arg = &made};
    asyncio_loop_t *before = asyncio_get_event_loop();
    asyncio_runner_t *runner = asyncio_runner_new(&options);
    assert_int_equal(made, 0);
    assert_int_equal(asyncio_runner_run(runner, asyncio_coroutine(sleep_long, NULL), NULL), 0);
    assert_int_equal(made, 1);
    assert_ptr_equal(asyncio_get_event_loop(), before);
    assert_true(asyncio_loop_get_debug(asyncio_runner_get_loop(runner)));
    asyncio_runner_unref(runner);
    assert_ptr_equal(asyncio_get_event_loop(), before);
    asyncio_set_event_loop(NULL);
    runner = asyncio_runner_new(&options);
    assert_null(asyncio_runner_get_loop(runner)); /* the factory has no more */
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_int_equal(asyncio_runner_run(runner, asyncio_coroutine(sleep_long, NULL), NULL),
                     -EINVAL);
    asyncio_runner_unref(runner);
    asyncio_loop_options_t loop_options = {
        .size = sizeof(loop_options), .clock = ASYNCIO_CLOCK_VIRTUAL, .debug = true};
    asyncio_runner_options_t plain = {.size = sizeof(plain), .debug = -1,
                                      .loop_options = &loop_options};
    runner = asyncio_runner_new(&plain);
    assert_false(asyncio_loop_get_debug(asyncio_runner_get_loop(runner)));
    asyncio_runner_unref(runner);
    assert_int_equal(asyncio_run_full(asyncio_coroutine(sleep_long, NULL), &plain, NULL), 0);
}

static int use_runner_inside(void *arg, void **ret_result)
{
    (void)ret_result;
    assert_int_equal(asyncio_runner_run(arg, asyncio_coroutine(sleep_long, NULL), NULL),
                     ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_runner_close(arg), ASYNCIO_ERUNTIME);
    return 0;
}

static void *use_runner_elsewhere(void *arg)
{
    if (asyncio_runner_run(arg, asyncio_coroutine(sleep_long, NULL), NULL) != ASYNCIO_ERUNTIME ||
        asyncio_runner_close(arg) != ASYNCIO_ERUNTIME)
        return "allowed";
    asyncio_error_clear();
    return NULL;
}

static int set_and_tell(const char *value, void **ret_result)
{
    *ret_result = asyncio_context_var_get_or(var, (void *)"-");
    return asyncio_context_var_set(var, (void *)value);
}
ASYNCIO_COROUTINE(set_and_tell, (const char *, value));

static const char *told(asyncio_runner_t *runner, const char *value, asyncio_context_t *context)
{
    void *former = NULL;
    assert_int_equal(
        asyncio_runner_run_full(runner, set_and_tell_coroutine(value), context, &former), 0);
    return former;
}

/* The main tasks of a runner share one context, a copy of the program's, unless they are given one,
 * as in CPython. */
static void main_tasks_share_a_context(void **state)
{
    (void)state;
    asyncio_runner_t *runner = asyncio_runner_new(NULL);
    assert_int_equal(asyncio_runner_run(runner, asyncio_sleep_coroutine(0), NULL), 0);
    var = asyncio_context_var_new("v"); /* later than the runner's context */
    asyncio_context_t *context = asyncio_context_new();
    assert_string_equal(told(runner, "a", NULL), "-");
    assert_string_equal(told(runner, "b", NULL), "a");
    assert_ptr_equal(asyncio_context_var_get_or(var, NULL), NULL);
    assert_string_equal(told(runner, "c", context), "-");
    assert_string_equal(told(runner, "d", context), "c");
    assert_string_equal(told(runner, "e", NULL), "b");
    asyncio_context_unref(context);
    asyncio_runner_unref(runner);
    asyncio_context_var_unref(var);
}

/* A closed runner, a running loop, another thread, a forked child, bad options: each is refused,
 * and a coroutine object is taken even then. */
static void a_runner_refuses(void **state)
{
    (void)state;
    int status = 0;
    pthread_t thread;
    void *problem = NULL;
    asyncio_runner_t *runner = asyncio_runner_new(NULL);
    assert_int_equal(
        asyncio_runner_run(runner, asyncio_coroutine(use_runner_inside, runner), NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, use_runner_elsewhere, runner), 0);
    assert_int_equal(pthread_join(thread, &problem), 0);
    assert_null(problem);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool is_refused = use_runner_elsewhere(runner) == NULL;
        asyncio_runner_unref(runner);
        _exit(is_refused ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(asyncio_runner_run(runner, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_runner_close(runner), 0);
    assert_int_equal(asyncio_runner_close(runner), 0);
    assert_int_equal(asyncio_runner_run(runner, asyncio_coroutine(sleep_long, NULL), NULL),
                     ASYNCIO_ERUNTIME);
    assert_null(asyncio_runner_get_loop(runner));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    asyncio_runner_unref(runner);
    assert_int_equal(asyncio_runner_run(NULL, asyncio_coroutine(sleep_long, NULL), NULL), -EINVAL);
    assert_int_equal(asyncio_runner_close(NULL), -EINVAL);
    assert_null(asyncio_runner_get_loop(NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    asyncio_runner_unref(NULL);
    asyncio_runner_options_t bad = {0};
    assert_null(asyncio_runner_new(&bad));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_int_equal(asyncio_run_full(asyncio_coroutine(sleep_long, NULL), &bad, NULL), -EINVAL);
}

static void count_shutdown_failures(asyncio_loop_t *loop,
                                    const asyncio_exception_context_t *context, void *arg)
{
    (void)loop;
    if (strcmp(context->message, "unhandled exception during asyncio.run() shutdown") == 0 &&
        context->code == ASYNCIO_EUSER)
        ++*(int *)arg;
}

static int fail_when_cancelled(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_sleep(1000) == -ECANCELED ? ASYNCIO_EUSER : 0;
}

static int leave_failing(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_loop_set_exception_handler(asyncio_get_running_loop(), count_shutdown_failures, arg);
    for (int i = 0; i < 2; i++)
        assert_int_equal(asyncio_task_detach(asyncio_create_task(
                             asyncio_coroutine(fail_when_cancelled, NULL))),
                         0);
    return asyncio_sleep(0);
}

/* Tasks that fail at the end, when nobody awaits them any more, are reported once. */
static void failures_in_the_end_are_reported(void **state)
{
    (void)state;
    int count = 0;
    assert_int_equal(asyncio_run(asyncio_coroutine(leave_failing, &count), NULL), 0);
    assert_int_equal(count, 2);
}

static int fail_pwait2(int epoll, struct epoll_event *events, int count,
                       const struct timespec *timeout)
{
    (void)epoll, (void)events, (void)count, (void)timeout;
    errno = EBADF;
    return -1;
}

static int fail_wait(int epoll, struct epoll_event *events, int count, int timeout)
{
    (void)timeout;
    return fail_pwait2(epoll, events, count, NULL);
}

static int fail_enter(int fd, unsigned submit, unsigned wait, unsigned flags,
                      const void *argument, size_t size)
{
    (void)fd, (void)submit, (void)wait, (void)flags, (void)argument, (void)size;
    errno = EBADF;
    return -1;
}

static int lose_the_engine(void *arg, void **ret_result)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    static char bytes[2];
    (void)ret_result;
    asyncio_loop_set_exception_handler(loop, ignore_report, &ring_reports);
    for (int i = 0; i < 2; i++)
        assert_int_equal(asyncio_task_detach(asyncio_create_task(asyncio_loop_sock_recv_coroutine(
                             loop, arg, &bytes[i], 1))),
                         0);
    asyncio__sys.epoll_pwait2 = fail_pwait2;
    asyncio__sys.epoll_wait = fail_wait;
    asyncio__sys.io_uring_enter = fail_enter;
    return asyncio_sleep(10);
}

/* A loop whose engine fails permanently ends the run with the error; what is left was freed before
 * and is not touched. */
static void a_failing_engine_ends_the_run(void **state)
{
    int fds[2];
    skip_without_descriptors(*state);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    asyncio_socket_t *sock = asyncio_socket_from_fd(fds[0]);
    assert_non_null(sock);
    asyncio__syscalls_t real = asyncio__sys;
    int rc = asyncio_run(asyncio_coroutine(lose_the_engine, sock), NULL);
    asyncio__sys = real;
    assert_int_equal(rc, -EBADF);
    asyncio_socket_unref(sock);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(the_result_moves_to_the_caller),
        FIXTURE_TEST(the_error_is_answered),
        FIXTURE_TEST(what_is_left_is_cancelled),
        FIXTURE_TEST(a_running_loop_refuses),
        FIXTURE_TEST(bad_input_is_refused),
        FIXTURE_TEST(a_ring_does_not_keep_the_end),
        FIXTURE_TEST(one_loop_serves_every_run),
        FIXTURE_TEST(tasks_live_from_run_to_run),
        FIXTURE_TEST(a_runner_answers_as_run_does),
        FIXTURE_TEST(a_stopped_loop_leaves_its_main_task),
        FIXTURE_TEST(loops_are_made_as_asked),
        FIXTURE_TEST(main_tasks_share_a_context),
        FIXTURE_TEST(a_runner_refuses),
        FIXTURE_TEST(failures_in_the_end_are_reported),
        FIXTURE_TEST(a_failing_engine_ends_the_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
