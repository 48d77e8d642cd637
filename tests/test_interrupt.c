/* SPDX-License-Identifier: MIT */
/* Ctrl-C during a run: what the first, the second and the third do, and who is left alone. */
#include "support/support.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "loop/loop.h"

static bool is_default(void)
{
    struct sigaction now;
    assert_int_equal(sigaction(SIGINT, NULL, &now), 0);
    return now.sa_handler == SIG_DFL;
}

/* Lets the loop run until it handles posts, which it may check for only once in 64 turns. */
static int let_it_act(void)
{
    int rc = 0;
    for (int turn = 0; turn < 200 && rc == 0; turn++)
        rc = asyncio_sleep(0);
    return rc;
}

static int interrupt_itself(void *arg, void **ret_result)
{
    (void)ret_result;
    assert_false(is_default());
    assert_int_equal(raise(SIGINT), 0);
    int rc = asyncio_sleep(1000);
    *(int *)arg = rc;
    return rc;
}

/* The first SIGINT cancels the main task, and the run returns KeyboardInterrupt. */
static void the_first_cancels(void **state)
{
    (void)state;
    int seen = 0;
    assert_true(is_default());
    assert_int_equal(asyncio_run(asyncio_coroutine(interrupt_itself, &seen), NULL),
                     ASYNCIO_EKEYBOARDINTERRUPT);
    assert_int_equal(seen, -ECANCELED);
    assert_true(is_default());
}

static atomic_bool wait_is_over; /* of the loop that is to be interrupted */

static void *interrupt_soon(void *arg)
{
    asyncio_loop_t *loop = arg;
    while (!atomic_load(&loop->inbox->asleep)) {
        if (atomic_load(&wait_is_over))
            return "it did not sleep";
        usleep(100);
    }
    return kill(getpid(), SIGINT) == 0 ? NULL : "failed";
}

static int wait_for_ever(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_future_t *never = asyncio_loop_create_future(NULL);
    pthread_t thread;
    atomic_store(&wait_is_over, false);
    assert_int_equal(pthread_create(&thread, NULL, interrupt_soon, asyncio_get_running_loop()), 0);
    int rc = asyncio_await_unref(never, NULL);
    atomic_store(&wait_is_over, true);
    /* It looks at the loop, which is freed at the end of the run. */
    assert_int_equal(pthread_join(thread, arg), 0);
    return rc;
}

/* A loop that is blocked in the kernel without any other event is woken. */
static void a_sleeping_loop_is_woken(void **state)
{
    (void)state;
    void *problem = "not joined";
    assert_int_equal(asyncio_run(asyncio_coroutine(wait_for_ever, &problem), NULL),
                     ASYNCIO_EKEYBOARDINTERRUPT);
    assert_null(problem);
}

static int swallow(void *arg, void **ret_result)
{
    assert_int_equal(raise(SIGINT), 0);
    assert_int_equal(asyncio_sleep(1000), -ECANCELED);
    assert_int_equal(asyncio_sleep(0), 0);
    *ret_result = arg;
    return 0;
}

static int end_otherwise(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_int_equal(raise(SIGINT), 0);
    assert_int_equal(asyncio_sleep(1000), -ECANCELED);
    return asyncio_raise(ASYNCIO_EUSER, "another end");
}

/* A main task that catches the cancel and continues, or ends otherwise, decides the result. */
static void a_main_task_may_swallow_it(void **state)
{
    int *result = NULL;
    assert_int_equal(asyncio_run(asyncio_coroutine(swallow, state), (void **)&result), 0);
    assert_ptr_equal(result, state);
    assert_int_equal(asyncio_run(asyncio_coroutine(end_otherwise, NULL), NULL), ASYNCIO_EUSER);
    asyncio_error_t *error = asyncio_error_last();
    assert_string_equal(asyncio_error_message(error), "another end");
    asyncio_error_unref(error);
}

static int cancel_as_well(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_int_equal(asyncio_task_cancel(asyncio_current_task(), NULL), 1);
    assert_int_equal(raise(SIGINT), 0);
    assert_int_equal(asyncio_sleep(1000), -ECANCELED);
    return asyncio_sleep(1000);
}

/* If the program had cancelled the main task too, the run returns that cancel. */
static void a_cancel_of_the_programs_stands(void **state)
{
    (void)state;
    assert_int_equal(asyncio_run(asyncio_coroutine(cancel_as_well, NULL), NULL), -ECANCELED);
    assert_true(is_default());
}

static int refuse_to_end(void *arg, void **ret_result)
{
    (void)ret_result;
    int *cancels = arg;
    assert_int_equal(raise(SIGINT), 0);
    assert_int_equal(let_it_act(), -ECANCELED);
    ++*cancels;
    assert_int_equal(raise(SIGINT), 0);
    assert_true(is_default()); /* for the third */
    int rc = asyncio_sleep(1000);
    assert_int_equal(rc, -ECANCELED); /* by the end of the run */
    ++*cancels;
    return rc;
}

/* The second SIGINT ends the run although the main task has not ended; the close then cancels the
 * task again. */
static void the_second_ends_the_run(void **state)
{
    (void)state;
    int cancels = 0;
    assert_int_equal(asyncio_run(asyncio_coroutine(refuse_to_end, &cancels), NULL),
                     ASYNCIO_EKEYBOARDINTERRUPT);
    assert_int_equal(cancels, 2);
    assert_true(is_default());
}

static void interrupt_late(asyncio_future_t *future, void *arg)
{
    (void)future;
    ++*(int *)arg;
    assert_int_equal(raise(SIGINT), 0);
}

static int end_at_once(void *arg, void **ret_result)
{
    *ret_result = arg;
    return asyncio_future_add_done_callback(asyncio_current_task(), interrupt_late, arg);
}

/* A SIGINT after the main task has ended is not lost: the run returns KeyboardInterrupt. */
static void one_behind_the_end_is_answered(void **state)
{
    (void)state;
    int calls = 0;
    void *result = NULL;
    assert_int_equal(asyncio_run(asyncio_coroutine(end_at_once, &calls), &result),
                     ASYNCIO_EKEYBOARDINTERRUPT);
    assert_int_equal(calls, 1);
    assert_null(result);
    assert_true(is_default());
}

static int clean_up_slowly(void *arg, void **ret_result)
{
    (void)ret_result;
    assert_int_equal(asyncio_sleep(1000), -ECANCELED);
    assert_int_equal(let_it_act(), 0);
    ++*(int *)arg;
    return -ECANCELED;
}

static int end_beside_another(void *arg, void **ret_result)
{
    asyncio_task_unref(asyncio_create_task(asyncio_coroutine(clean_up_slowly, arg)));
    assert_int_equal(asyncio_sleep(0), 0);
    return end_at_once(arg, ret_result);
}

/* Nor does it disturb the end of the run, where the main task has ended and other tasks clean
 * up. */
static void one_behind_the_end_leaves_the_others_their_time(void **state)
{
    (void)state;
    int calls = 0;
    assert_int_equal(asyncio_run(asyncio_coroutine(end_beside_another, &calls), NULL),
                     ASYNCIO_EKEYBOARDINTERRUPT);
    assert_int_equal(calls, 2);
    assert_true(is_default());
}

/* --- what ends the process ----------------------------------------------------------------- */

static int hang(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_int_equal(raise(SIGINT), 0);
    assert_int_equal(raise(SIGINT), 0);
    _exit(3);
}

static int interrupt_three_times(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_int_equal(raise(SIGINT), 0);
    if (let_it_act() != -ECANCELED)
        _exit(4);
    assert_int_equal(raise(SIGINT), 0);
    assert_int_equal(raise(SIGINT), 0);
    _exit(3);
}

static int fork_inside(void *arg, void **ret_result)
{
    (void)ret_result;
    pid_t child = fork();
    if (child == 0) {
        asyncio__ignore(raise(SIGINT));
        _exit(3);
    }
    *(pid_t *)arg = child;
    return 0;
}

static void assert_killed(pid_t child)
{
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGINT);
}

/* The second SIGINT ends a process whose loop does not handle the first, and the third ends any; by
 * the signal itself, so that its parent sees the cause. */
static void what_hangs_is_ended(void **state)
{
    (void)state;
    skip_loop_of_child_on_valgrind();
    asyncio_coroutine_function_t *const bodies[] = {hang, interrupt_three_times};
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            asyncio__ignore(asyncio_run(asyncio_coroutine(bodies[i], NULL), NULL));
            _exit(2);
        }
        assert_killed(child);
    }
}

/* A child that was forked during a run dies of its own SIGINT; the parent's run is not affected. */
static void a_forked_child_is_interrupted_alone(void **state)
{
    (void)state;
    pid_t child = -1;
    skip_fork_under_tsan();
    assert_int_equal(asyncio_run(asyncio_coroutine(fork_inside, &child), NULL), 0);
    assert_killed(child);
}

/* --- who is left alone --------------------------------------------------------------------- */

static volatile sig_atomic_t own_calls;

static void own_handler(int signo)
{
    (void)signo;
    own_calls++;
}

static int raise_it(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_int_equal(raise(SIGINT), 0);
    return let_it_act();
}

/* A handler of the program, or SIG_IGN, stays installed. */
static void another_disposition_is_left_alone(void **state)
{
    (void)state;
    own_calls = 0;
    assert_true(signal(SIGINT, own_handler) == SIG_DFL);
    assert_int_equal(asyncio_run(asyncio_coroutine(raise_it, NULL), NULL), 0);
    assert_int_equal(own_calls, 1);
    assert_true(signal(SIGINT, SIG_IGN) == own_handler);
    assert_int_equal(asyncio_run(asyncio_coroutine(raise_it, NULL), NULL), 0);
    assert_true(signal(SIGINT, SIG_DFL) == SIG_IGN);
}

static int set_own(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_true(signal(SIGINT, own_handler) != SIG_DFL);
    return 0;
}

/* A handler that the program installs during a run stays installed after it. */
static void a_handler_set_inside_stays(void **state)
{
    (void)state;
    assert_int_equal(asyncio_run(asyncio_coroutine(set_own, NULL), NULL), 0);
    assert_true(signal(SIGINT, SIG_DFL) == own_handler);
}

static void count(void *arg)
{
    ++*(int *)arg;
}

static int watch_inside(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    assert_int_equal(asyncio_loop_add_signal_handler(loop, SIGINT, count, arg), 0);
    assert_int_equal(raise(SIGINT), 0);
    return let_it_act();
}

static int unwatch_inside(void *arg, void **ret_result)
{
    int rc = watch_inside(arg, ret_result);
    if (rc < 0)
        return rc;
    assert_int_equal(asyncio_loop_remove_signal_handler(asyncio_get_running_loop(), SIGINT), 1);
    return interrupt_itself(arg, ret_result);
}

/* A watch of the loop takes precedence over the run's handler, which is back when the watch ends;
 * at the end the default is restored in any order. */
static void a_watch_goes_before(void **state)
{
    (void)state;
    int calls = 0;
    assert_int_equal(asyncio_run(asyncio_coroutine(watch_inside, &calls), NULL), 0);
    assert_int_equal(calls, 1);
    assert_true(is_default());
    assert_int_equal(asyncio_run(asyncio_coroutine(unwatch_inside, &calls), NULL),
                     ASYNCIO_EKEYBOARDINTERRUPT);
    assert_int_equal(calls, -ECANCELED);
    assert_true(is_default());
}

static int ask(void *arg, void **ret_result)
{
    (void)ret_result;
    *(bool *)arg = is_default();
    return 0;
}

static void *run_elsewhere(void *arg)
{
    return asyncio_run(asyncio_coroutine(ask, arg), NULL) == 0 ? NULL : "failed";
}

/* A run on another thread than the initial one does not touch SIGINT. */
static void other_threads_take_nothing(void **state)
{
    (void)state;
    pthread_t thread;
    void *problem = NULL;
    bool was_default = false;
    assert_int_equal(pthread_create(&thread, NULL, run_elsewhere, &was_default), 0);
    assert_int_equal(pthread_join(thread, &problem), 0);
    assert_null(problem);
    assert_true(was_default);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(the_first_cancels),
        FIXTURE_TEST(a_sleeping_loop_is_woken),
        FIXTURE_TEST(a_main_task_may_swallow_it),
        FIXTURE_TEST(a_cancel_of_the_programs_stands),
        FIXTURE_TEST(the_second_ends_the_run),
        FIXTURE_TEST(one_behind_the_end_is_answered),
        FIXTURE_TEST(one_behind_the_end_leaves_the_others_their_time),
        FIXTURE_TEST(what_hangs_is_ended),
        FIXTURE_TEST(a_forked_child_is_interrupted_alone),
        FIXTURE_TEST(another_disposition_is_left_alone),
        FIXTURE_TEST(a_handler_set_inside_stays),
        FIXTURE_TEST(a_watch_goes_before),
        FIXTURE_TEST(other_threads_take_nothing),
    };
    /* A shell that runs this test in the background has SIGINT ignored. */
    if (signal(SIGINT, SIG_DFL) == SIG_ERR)
        return 1;
    sweep_may_wait = true;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
