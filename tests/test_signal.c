/* SPDX-License-Identifier: MIT */
/* Signals: who is told, in which order and how often, and what becomes of dispositions. */
#include "support/support.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/sanitizer.h"
#include "base/syscalls.h"
#include "loop/loop.h"

/* --- being told ---------------------------------------------------------------------------- */

static void note_first(void *arg)
{
    note(arg, '1');
}

static void note_second(void *arg)
{
    note(arg, '2');
}

/* A callback runs in the loop, in a turn of its own, not in the signal handler. */
static void a_signal_is_told_in_the_loop(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(
        asyncio_loop_add_signal_handler(fixture->loop, SIGUSR1, note_first, fixture), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_string_equal(fixture->trace, "");
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "1");
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "1");
}

/* Callbacks of signals in one turn run by number; several signals of one number cause one call. */
static void signals_are_called_by_number_and_once(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(
        asyncio_loop_add_signal_handler(fixture->loop, SIGUSR2, note_second, fixture), 0);
    assert_int_equal(
        asyncio_loop_add_signal_handler(fixture->loop, SIGUSR1, note_first, fixture), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(raise(SIGUSR2), 0);
        assert_int_equal(raise(SIGUSR1), 0);
    }
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "12");
}

/* Adding again replaces the callback; removing returns whether there was one. */
static void a_callback_is_replaced_and_removed(void **state)
{
    fixture_t *fixture = *state;
    asyncio_loop_t *loop = fixture->loop;
    assert_int_equal(asyncio_loop_remove_signal_handler(loop, SIGUSR1), 0);
    assert_int_equal(asyncio_loop_add_signal_handler(loop, SIGUSR1, note_first, fixture), 0);
    assert_int_equal(asyncio_loop_add_signal_handler(loop, SIGUSR1, note_second, fixture), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "2");
    assert_int_equal(asyncio_loop_remove_signal_handler(loop, SIGUSR1), 1);
    assert_int_equal(asyncio_loop_remove_signal_handler(loop, SIGUSR1), 0);
}

/* A signal whose callback has not run when its watch is removed is dropped, also for the next
 * watch. */
static void a_removed_watch_is_not_called(void **state)
{
    fixture_t *fixture = *state;
    asyncio_loop_t *loop = fixture->loop;
    assert_int_equal(asyncio_loop_add_signal_handler(loop, SIGUSR1, note_first, fixture), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(asyncio_loop_remove_signal_handler(loop, SIGUSR1), 1);
    assert_int_equal(asyncio_loop_add_signal_handler(loop, SIGUSR1, note_first, fixture), 0);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "");
    assert_int_equal(raise(SIGUSR1), 0); /* pending when the loop closes */
}

static void remove_second(void *arg)
{
    fixture_t *fixture = arg;
    note(fixture, 'r');
    assert_int_equal(asyncio_loop_remove_signal_handler(fixture->loop, SIGUSR2), 1);
    assert_int_equal(asyncio_loop_remove_signal_handler(fixture->loop, SIGUSR1), 1);
}

/* A callback may remove its own watch and that of a signal of the same turn. */
static void a_callback_may_end_watches(void **state)
{
    fixture_t *fixture = *state;
    asyncio_loop_t *loop = fixture->loop;
    assert_int_equal(asyncio_loop_add_signal_handler(loop, SIGUSR1, remove_second, fixture), 0);
    assert_int_equal(asyncio_loop_add_signal_handler(loop, SIGUSR2, note_second, fixture), 0);
    assert_int_equal(raise(SIGUSR2), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "r");
}

static void stop(void *arg)
{
    asyncio_loop_stop(arg);
}

/* Sends the signal when the loop is about to block in the kernel. */
static void *signal_soon(void *arg)
{
    asyncio_loop_t *loop = arg;
    while (!atomic_load(&loop->inbox->asleep))
        usleep(100);
    return kill(getpid(), SIGUSR1) == 0 ? NULL : "failed";
}

/* A loop that is blocked in the kernel without any other event wakes for a signal. */
static void a_sleeping_loop_wakes(void **state)
{
    (void)state;
    pthread_t thread;
    void *problem = NULL;
    asyncio_loop_t *loop = asyncio_new_event_loop();
    assert_non_null(loop);
    assert_int_equal(asyncio_loop_add_signal_handler(loop, SIGUSR1, stop, loop), 0);
    assert_int_equal(pthread_create(&thread, NULL, signal_soon, loop), 0);
    assert_int_equal(asyncio_loop_run_forever(loop), 0);
    assert_int_equal(pthread_join(thread, &problem), 0);
    assert_null(problem);
    asyncio_loop_unref(loop);
}

/* --- several loops ------------------------------------------------------------------------- */

#define LOOPS 4

static atomic_int watching; /* loops that are told of signals, or could not be made */
static atomic_int unmade;   /* of them, the latter */

static void *run_a_loop(void *arg)
{
    (void)arg;
    asyncio_loop_t *loop = asyncio_new_event_loop();
    bool is_made = loop && asyncio_loop_add_signal_handler(loop, SIGUSR1, stop, loop) == 0;
    atomic_fetch_add(&unmade, !is_made);
    atomic_fetch_add(&watching, 1);
    if (!is_made)
        return "no loop, or no watch";
    int rc = asyncio_loop_run_forever(loop);
    asyncio_loop_unref(loop);
    return rc == 0 ? NULL : "it did not run";
}

/* A signal reaches every loop that watches it, each in its own thread. */
static void all_loops_are_told(void **state)
{
    (void)state;
    pthread_t threads[LOOPS];
    atomic_store(&watching, 0);
    atomic_store(&unmade, 0);
    for (int i = 0; i < LOOPS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_a_loop, NULL), 0);
    while (atomic_load(&watching) < LOOPS)
        usleep(100);
    assert_int_equal(atomic_load(&unmade), 0); /* else the signal might end the program */
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    for (int i = 0; i < LOOPS; i++) {
        void *problem = NULL;
        assert_int_equal(pthread_join(threads[i], &problem), 0);
        assert_null(problem);
    }
}

static const char *come_and_go_often(void)
{
    for (int i = 0; i < 200; i++) {
        asyncio_loop_t *loop = asyncio_new_event_loop();
        if (!loop || asyncio_loop_add_signal_handler(loop, SIGUSR1, stop, loop) < 0)
            return "no loop, or no watch";
        if (i % 2)
            asyncio__ignore(asyncio_loop_remove_signal_handler(loop, SIGUSR1));
        asyncio_loop_unref(loop);
    }
    return NULL;
}

static void *come_and_go(void *left)
{
    const char *problem = come_and_go_often();
    atomic_fetch_sub((atomic_int *)left, 1);
    return (void *)(uintptr_t)problem;
}

static void count(void *arg)
{
    ++*(long *)arg;
}

/* Loops are created and closed while many signals arrive: no handler touches freed memory. */
static void loops_come_and_go_under_signals(void **state)
{
    fixture_t *fixture = *state;
    pthread_t threads[2];
    atomic_int left = 2;
    long calls = 0;
    assert_int_equal(asyncio_loop_add_signal_handler(fixture->loop, SIGUSR1, count, &calls), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &left), 0);
    do {
        assert_int_equal(kill(getpid(), SIGUSR1), 0);
        run_turn_once(fixture);
    } while (atomic_load(&left) > 0);
    for (int i = 0; i < 2; i++) {
        void *problem = NULL;
        assert_int_equal(pthread_join(threads[i], &problem), 0);
        assert_null(problem);
    }
    assert_true(calls > 0);
}

/* --- many ---------------------------------------------------------------------------------- */

static struct {
    asyncio_loop_t *loop; /* who is told */
    atomic_long sent;     /* signals so far */
    long seen;            /* how many there were at the latest call */
    long calls;           /* how many calls there were */
    long wakes;           /* calls from the other thread that arrived */
    long wanted;          /* of each */
} rain;

static void stop_when_over(void)
{
    if (rain.seen == rain.wanted && rain.wakes == rain.wanted)
        asyncio_loop_stop(rain.loop);
}

static void on_drop(void *arg)
{
    (void)arg;
    rain.calls++;
    rain.seen = atomic_load(&rain.sent);
    stop_when_over();
}

static void on_wake(void *arg)
{
    (void)arg;
    rain.wakes++;
    stop_when_over();
}

static void *let_it_rain(void *arg)
{
    (void)arg;
    for (long i = 0; i < rain.wanted; i++) {
        atomic_fetch_add(&rain.sent, 1);
        if (raise(SIGUSR1) != 0)
            return "not raised";
        if (asyncio_loop_call_soon_threadsafe(rain.loop, on_wake, NULL, NULL) < 0)
            return "not called";
    }
    return NULL;
}

/* A million signals among a million calls from another thread overflow nothing, and after the last
 * of each there is a call. */
static void a_million_signals_overflow_nothing(void **state)
{
    (void)state;
    pthread_t thread;
    void *problem = NULL;
    memset(&rain, 0, sizeof(rain));
    rain.loop = asyncio_new_event_loop();
    assert_non_null(rain.loop);
    /* The handler is the same on all engines: a run on one of them is enough. */
    bool is_whole = asyncio_loop_get_engine(rain.loop) == ASYNCIO_ENGINE_EPOLL;
    rain.wanted = is_whole ? 1000000 : 100000;
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
    rain.wanted = 20000;
#endif
    if (asyncio__on_valgrind() || sweep_is_on)
        rain.wanted = 2000;
    assert_int_equal(asyncio_loop_add_signal_handler(rain.loop, SIGUSR1, on_drop, NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, let_it_rain, NULL), 0);
    assert_int_equal(asyncio_loop_run_forever(rain.loop), 0);
    assert_int_equal(pthread_join(thread, &problem), 0);
    assert_null(problem);
    assert_int_equal(rain.seen, rain.wanted);
    assert_in_range(rain.calls, 1, rain.wanted);
    asyncio_loop_unref(rain.loop);
}

/* --- dispositions -------------------------------------------------------------------------- */

static volatile sig_atomic_t program_calls;

static void programs_own(int signo, siginfo_t *information, void *context)
{
    (void)signo, (void)information, (void)context;
    program_calls++;
}

static void programs_other(int signo)
{
    (void)signo;
}

/* The program's own handler is restored, with its flags, when the last watch of any loop has
 * ended. */
static void the_former_disposition_comes_back(void **state)
{
    fixture_t *fixture = *state;
    struct sigaction own = {.sa_sigaction = programs_own, .sa_flags = SA_SIGINFO}, now;
    asyncio_loop_t *other = asyncio_new_event_loop();
    assert_non_null(other);
    assert_int_equal(sigaction(SIGUSR1, &own, NULL), 0);
    assert_int_equal(
        asyncio_loop_add_signal_handler(fixture->loop, SIGUSR1, note_first, fixture), 0);
    assert_int_equal(asyncio_loop_add_signal_handler(other, SIGUSR1, note_first, fixture), 0);
    assert_int_equal(sigaction(SIGUSR1, NULL, &now), 0);
    assert_true(now.sa_flags & SA_RESTART);
    assert_int_equal(asyncio_loop_remove_signal_handler(fixture->loop, SIGUSR1), 1);
    program_calls = 0;
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(program_calls, 0);
    asyncio_loop_unref(other); /* whose close ends the watch */
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(program_calls, 1);
    assert_int_equal(sigaction(SIGUSR1, NULL, &now), 0);
    assert_true(now.sa_sigaction == programs_own);
    assert_true(now.sa_flags & SA_SIGINFO);
    assert_false(now.sa_flags & SA_RESTART);
    assert_true(signal(SIGUSR1, SIG_DFL) != SIG_ERR);
}

/* A handler that the program installs during a watch stays installed at its end. */
static void a_disposition_set_meanwhile_stays(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(
        asyncio_loop_add_signal_handler(fixture->loop, SIGUSR1, note_first, fixture), 0);
    assert_true(signal(SIGUSR1, programs_other) != SIG_ERR);
    assert_int_equal(asyncio_loop_remove_signal_handler(fixture->loop, SIGUSR1), 1);
    assert_true(signal(SIGUSR1, SIG_DFL) == programs_other);
}

/* A signal that was ignored is ignored again, also SIGINT. */
static void ignored_signals_are_ignored_again(void **state)
{
    fixture_t *fixture = *state;
    static const int signals[] = {SIGINT, SIGHUP};
    for (int i = 0; i < 2; i++) {
        assert_true(signal(signals[i], SIG_IGN) != SIG_ERR);
        assert_int_equal(
            asyncio_loop_add_signal_handler(fixture->loop, signals[i], note_first, fixture), 0);
        assert_int_equal(asyncio_loop_remove_signal_handler(fixture->loop, signals[i]), 1);
        assert_true(signal(signals[i], SIG_DFL) == SIG_IGN);
    }
}

/* In a forked child a signal has its effect from before the watch, and the parent is not told; the
 * child may watch signals with its own loop. */
static void a_forked_child_has_signals_of_its_own(void **state)
{
    fixture_t *fixture = *state;
    int status = 0;
    skip_loop_of_child_on_valgrind();
    assert_int_equal(
        asyncio_loop_add_signal_handler(fixture->loop, SIGUSR1, note_first, fixture), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        long calls = 0;
        asyncio_loop_t *loop = asyncio_new_event_loop();
        if (!loop || asyncio_loop_add_signal_handler(fixture->loop, SIGUSR1, count, NULL) !=
                         ASYNCIO_ERUNTIME ||
            asyncio_loop_remove_signal_handler(fixture->loop, SIGUSR1) != ASYNCIO_ERUNTIME ||
            asyncio_loop_add_signal_handler(loop, SIGUSR1, count, &calls) < 0)
            _exit(1);
        asyncio__ignore(raise(SIGUSR1));
        asyncio_loop_stop(loop);
        if (asyncio_loop_run_forever(loop) < 0 || calls != 1)
            _exit(2);
        asyncio_loop_unref(loop);
        asyncio__ignore(raise(SIGUSR1));
        _exit(3); /* which the default action does not let it come to */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGUSR1);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "");
    assert_int_equal(raise(SIGUSR1), 0);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "1");
}

/* --- bad input ----------------------------------------------------------------------------- */

static void *watch_elsewhere(void *arg)
{
    asyncio_loop_t *loop = arg;
    if (asyncio_loop_add_signal_handler(loop, SIGUSR1, stop, loop) != ASYNCIO_ERUNTIME ||
        asyncio_loop_remove_signal_handler(loop, SIGUSR1) != ASYNCIO_ERUNTIME)
        return "allowed";
    asyncio_error_clear();
    return NULL;
}

static int try_from_another_thread(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    pthread_t thread;
    void *problem = NULL;
    assert_int_equal(
        pthread_create(&thread, NULL, watch_elsewhere, asyncio_get_running_loop()), 0);
    assert_int_equal(pthread_join(thread, &problem), 0);
    assert_null(problem);
    return 0;
}

/* Signals that cannot be caught, invalid numbers, and wrong threads are refused with the reason. */
static void bad_input_is_refused(void **state)
{
    fixture_t *fixture = *state;
    asyncio_loop_t *loop = fixture->loop;
    static const int uncatchable[] = {SIGKILL, SIGSTOP}, none[] = {-1, 0, 32, 33, 65, 1 << 20};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_int_equal(asyncio_loop_add_signal_handler(loop, none[i], stop, NULL), -EINVAL);
        assert_int_equal(asyncio_loop_remove_signal_handler(loop, none[i]), -EINVAL);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(asyncio_loop_add_signal_handler(loop, uncatchable[i], stop, NULL),
                         ASYNCIO_ERUNTIME);
        asyncio_error_t *error = asyncio_error_last();
        assert_string_equal(asyncio_error_message(error), i == 0 ? "sig 9 cannot be caught"
                                                                 : "sig 19 cannot be caught");
        asyncio_error_unref(error);
        assert_int_equal(asyncio_loop_remove_signal_handler(loop, uncatchable[i]), 0);
    }
    assert_int_equal(asyncio_loop_add_signal_handler(loop, SIGUSR1, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_loop_add_signal_handler(NULL, SIGUSR1, stop, NULL), -EINVAL);
    assert_int_equal(asyncio_loop_remove_signal_handler(NULL, SIGUSR1), -EINVAL);
    assert_int_equal(run(fixture, try_from_another_thread, NULL), 0);
    expect_reports_in_debug(fixture, 2);
    assert_int_equal(asyncio_loop_close(loop), 0);
    assert_int_equal(asyncio_loop_add_signal_handler(loop, SIGUSR1, stop, NULL),
                     ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_loop_remove_signal_handler(loop, SIGUSR1), 0);
}

static int refuse(int signo, const struct sigaction *action, struct sigaction *ret_former)
{
    (void)signo, (void)ret_former;
    errno = EINVAL;
    return action ? -1 : 0;
}

/* If the system refuses the handler nothing is left behind, and a later attempt works. */
static void a_refusing_system_leaves_nothing(void **state)
{
    fixture_t *fixture = *state;
    int (*former)(int, const struct sigaction *, struct sigaction *) = asyncio__sys.sigaction;
    asyncio__sys.sigaction = refuse;
    int rc = asyncio_loop_add_signal_handler(fixture->loop, SIGUSR1, note_first, fixture);
    asyncio__sys.sigaction = former;
    assert_int_equal(rc, ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_loop_remove_signal_handler(fixture->loop, SIGUSR1), 0);
    assert_int_equal(
        asyncio_loop_add_signal_handler(fixture->loop, SIGUSR1, note_first, fixture), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_signal_is_told_in_the_loop),
        FIXTURE_TEST(signals_are_called_by_number_and_once),
        FIXTURE_TEST(a_callback_is_replaced_and_removed),
        FIXTURE_TEST(a_removed_watch_is_not_called),
        FIXTURE_TEST(a_callback_may_end_watches),
        FIXTURE_TEST(a_sleeping_loop_wakes),
        FIXTURE_TEST(all_loops_are_told),
        FIXTURE_TEST(loops_come_and_go_under_signals),
        FIXTURE_TEST(a_million_signals_overflow_nothing),
        FIXTURE_TEST(the_former_disposition_comes_back),
        FIXTURE_TEST(a_disposition_set_meanwhile_stays),
        FIXTURE_TEST(ignored_signals_are_ignored_again),
        FIXTURE_TEST(a_forked_child_has_signals_of_its_own),
        FIXTURE_TEST(bad_input_is_refused),
        FIXTURE_TEST(a_refusing_system_leaves_nothing),
    };
    sweep_may_wait = true;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
