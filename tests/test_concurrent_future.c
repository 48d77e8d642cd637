/* SPDX-License-Identifier: MIT */
/* Concurrent futures: results, errors and cancellation between threads and loops. */
#include "support/executor_fixture.h"

#include "loop/loop.h"

static const double forever = ASYNCIO_FOREVER;

static void assert_message(const char *message)
{
    asyncio_error_t *error = asyncio_error_last();
    assert_string_equal(asyncio_error_message(error), message);
    asyncio_error_unref(error);
}

/* --- waiting ------------------------------------------------------------------------------- */

/* The value of a job is borrowed from its future, which destroys it when it is freed. */
static void a_value_lives_with_its_future(void **state)
{
    (void)state;
    held_t held;
    held_init(&held);
    asyncio_executor_t *pool = new_pool(1);
    void *value = NULL;
    asyncio_concurrent_future_t *future = asyncio_executor_submit(pool, wait_at_gate, &held);
    sem_wait(&held.begun);
    assert_true(asyncio_concurrent_future_running(future));
    assert_false(asyncio_concurrent_future_done(future));
    assert_int_equal(asyncio_concurrent_future_result(future, 0, &value), -ETIMEDOUT);
    assert_int_equal(asyncio_concurrent_future_result(future, 1e-6, &value), -ETIMEDOUT);
    assert_int_equal(asyncio_concurrent_future_exception(future, -1, NULL), -ETIMEDOUT);
    sem_post(&held.gate);
    assert_int_equal(asyncio_concurrent_future_result(future, 1e300, &value), 0);
    assert_ptr_equal(value, &held.destroyed);
    assert_int_equal(asyncio_concurrent_future_result(future, forever, NULL), 0);
    assert_true(asyncio_concurrent_future_done(future));
    assert_false(asyncio_concurrent_future_running(future));
    assert_false(asyncio_concurrent_future_cancelled(future));
    asyncio_error_t *error = asyncio_error_new(-EIO, NULL, NULL), *none = error;
    assert_int_equal(asyncio_concurrent_future_exception(future, forever, &none), 0);
    assert_null(none);
    asyncio_error_unref(error);
    assert_int_equal(held.destroyed, 0);
    assert_ptr_equal(asyncio_concurrent_future_ref(future), future);
    asyncio_concurrent_future_unref(future);
    end_pool(pool);
    assert_int_equal(held.destroyed, 0);
    asyncio_concurrent_future_unref(future);
    assert_int_equal(held.destroyed, 1);
    held_fini(&held);
}

/* The error of a job, with its details, can be read any number of times. */
static void an_error_can_be_read_again(void **state)
{
    (void)state;
    held_t held;
    held_init(&held);
    held.code = -EPIPE;
    sem_post(&held.gate);
    asyncio_executor_t *pool = new_pool(1);
    asyncio_concurrent_future_t *future = asyncio_executor_submit(pool, wait_at_gate, &held);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(asyncio_concurrent_future_result(future, forever, NULL), -EPIPE);
        assert_message("behind the gate");
    }
    asyncio_error_t *error = NULL;
    assert_int_equal(asyncio_concurrent_future_exception(future, forever, &error), 0);
    assert_int_equal(asyncio_error_code(error), -EPIPE);
    asyncio_error_unref(error);
    asyncio_concurrent_future_unref(future);
    end_pool(pool);
    held_fini(&held);
}

/* A future can be cancelled while its job waits, but not while the job runs or once it is done. */
static void only_what_waits_is_cancelled(void **state)
{
    (void)state;
    held_t held;
    held_init(&held);
    asyncio_executor_t *pool = new_pool(1);
    asyncio_concurrent_future_t *first = asyncio_executor_submit(pool, wait_at_gate, &held);
    sem_wait(&held.begun);
    asyncio_concurrent_future_t *second = asyncio_executor_submit(pool, wait_at_gate, &held);
    assert_false(asyncio_concurrent_future_running(second));
    assert_int_equal(asyncio_concurrent_future_cancel(first), 0);
    assert_int_equal(asyncio_concurrent_future_cancel(second), 1);
    assert_int_equal(asyncio_concurrent_future_cancel(second), 1);
    assert_true(asyncio_concurrent_future_cancelled(second));
    assert_int_equal(asyncio_concurrent_future_result(second, forever, NULL), -ECANCELED);
    assert_int_equal(asyncio_concurrent_future_exception(second, forever, NULL), -ECANCELED);
    sem_post(&held.gate);
    assert_int_equal(asyncio_concurrent_future_result(first, forever, NULL), 0);
    assert_int_equal(asyncio_concurrent_future_cancel(first), 0);
    end_pool(pool);
    asyncio_concurrent_future_unref(first);
    asyncio_concurrent_future_unref(second);
    assert_int_equal(held.destroyed, 1);
    held_fini(&held);
}

/* --- callbacks ----------------------------------------------------------------------------- */

struct seen {
    char letters[8];    /* what was called, in order */
    atomic_int count;   /* of letters */
    pthread_t thread;   /* where the last was called */
    sem_t called;       /* posted for each */
};

struct letter {
    struct seen *seen; /* where to note */
    char letter;       /* what */
};

static void note_letter(asyncio_concurrent_future_t *future, void *arg)
{
    struct letter *letter = arg;
    struct seen *seen = letter->seen;
    assert_true(asyncio_concurrent_future_done(future));
    seen->letters[seen->count++] = letter->letter;
    seen->thread = pthread_self();
    sem_post(&seen->called);
}

/* Callbacks are called in order, each once, in the thread that finishes the future; one that is
 * added to a done future is called at once. */
static void callbacks_run_where_it_ends(void **state)
{
    (void)state;
    struct seen seen = {.count = 0};
    sem_init(&seen.called, 0, 0);
    struct letter a = {&seen, 'a'}, b = {&seen, 'b'}, c = {&seen, 'c'};
    held_t held;
    held_init(&held);
    asyncio_executor_t *pool = new_pool(1);
    asyncio_concurrent_future_t *future = asyncio_executor_submit(pool, wait_at_gate, &held);
    assert_int_equal(asyncio_concurrent_future_add_done_callback(future, note_letter, &a), 0);
    assert_int_equal(asyncio_concurrent_future_add_done_callback(future, note_letter, &b), 0);
    assert_int_equal(seen.count, 0);
    sem_post(&held.gate);
    sem_wait(&seen.called);
    sem_wait(&seen.called);
    assert_false(pthread_equal(seen.thread, pthread_self()));
    assert_int_equal(asyncio_concurrent_future_add_done_callback(future, note_letter, &c), 0);
    assert_true(pthread_equal(seen.thread, pthread_self()));
    assert_string_equal(seen.letters, "abc");
    end_pool(pool);
    asyncio_concurrent_future_unref(future);
    held_fini(&held);
    sem_destroy(&seen.called);
}

static void give_up(asyncio_concurrent_future_t *future, void *arg)
{
    (void)arg;
    asyncio_concurrent_future_unref(future);
}

/* --- finished by the program --------------------------------------------------------------- */

/* A future that the program completes is set running once and finished once. */
static void the_program_may_finish_futures(void **state)
{
    (void)state;
    int destroyed = 0, refused = 0;
    asyncio_concurrent_future_t *future = asyncio_concurrent_future_new();
    assert_int_equal(asyncio_concurrent_future_set_running_or_notify_cancel(future), 1);
    assert_int_equal(asyncio_concurrent_future_set_running_or_notify_cancel(future),
                     ASYNCIO_EINVALIDSTATE);
    assert_true(asyncio_concurrent_future_running(future));
    assert_int_equal(asyncio_concurrent_future_cancel(future), 0);
    assert_int_equal(asyncio_concurrent_future_set_exception(future, 1), -EINVAL);
    assert_int_equal(
        asyncio_concurrent_future_set_result(future, &destroyed, count_destruction), 0);
    assert_int_equal(asyncio_concurrent_future_set_result(future, &refused, count_destruction),
                     ASYNCIO_EINVALIDSTATE);
    assert_int_equal(asyncio_concurrent_future_set_exception(future, -EIO),
                     ASYNCIO_EINVALIDSTATE);
    assert_int_equal(asyncio_concurrent_future_result(future, 0, NULL), 0);
    asyncio_concurrent_future_unref(future);
    assert_int_equal(destroyed, 1);
    assert_int_equal(refused, 0);

    future = asyncio_concurrent_future_new();
    assert_int_equal(
        asyncio_concurrent_future_set_exception(future, asyncio_raise(-EIO, "no disk")), 0);
    asyncio_error_clear();
    assert_int_equal(asyncio_concurrent_future_result(future, forever, NULL), -EIO);
    assert_message("no disk");
    asyncio_concurrent_future_unref(future);

    future = asyncio_concurrent_future_new();
    assert_int_equal(asyncio_concurrent_future_cancel(future), 1);
    assert_int_equal(asyncio_concurrent_future_cancel(future), 1);
    assert_int_equal(asyncio_concurrent_future_set_running_or_notify_cancel(future), 0);
    assert_int_equal(asyncio_concurrent_future_set_result(future, NULL, NULL),
                     ASYNCIO_EINVALIDSTATE);
    asyncio_concurrent_future_unref(future);
}

/* A callback may drop every reference except that of the thread that finishes the future. */
static void a_callback_may_give_the_future_up(void **state)
{
    (void)state;
    int destroyed = 0;
    asyncio_concurrent_future_t *future = asyncio_concurrent_future_new();
    assert_int_equal(asyncio_concurrent_future_add_done_callback(future, give_up, NULL), 0);
    assert_int_equal(
        asyncio_concurrent_future_set_result(future, &destroyed, count_destruction), 0);
    assert_int_equal(destroyed, 1);
    future = asyncio_concurrent_future_new();
    assert_int_equal(asyncio_concurrent_future_add_done_callback(future, give_up, NULL), 0);
    assert_int_equal(asyncio_concurrent_future_cancel(future), 1);
    future = asyncio_concurrent_future_new(); /* never finished: its callback is dropped */
    assert_int_equal(asyncio_concurrent_future_add_done_callback(future, give_up, NULL), 0);
    asyncio_concurrent_future_unref(future);
}

/* --- wrap_future --------------------------------------------------------------------------- */

static int run_wrapped(void *arg, void **ret_result)
{
    (void)ret_result;
    held_t *held = arg;
    asyncio_executor_t *pool = new_pool(1);
    asyncio_concurrent_future_t *job = asyncio_executor_submit(pool, wait_at_gate, held);
    asyncio_future_t *future = asyncio_wrap_future(job);
    assert_non_null(future);
    assert_false(asyncio_future_done(future));
    sem_post(&held->gate);
    void *value = NULL;
    assert_int_equal(asyncio_await(future, &value), 0);
    assert_ptr_equal(value, &held->destroyed);
    asyncio_future_t *late = asyncio_wrap_future(job);
    assert_int_equal(asyncio_await_unref(late, &value), 0);
    assert_ptr_equal(value, &held->destroyed);
    end_pool(pool);
    asyncio_concurrent_future_unref(job);
    assert_int_equal(held->destroyed, 0);
    asyncio_future_unref(future);
    assert_int_equal(held->destroyed, 1);
    return 0;
}

/* A wrapper has the outcome of its source, whose value it borrows, also if the source was done
 * before. */
static void a_wrapped_future_ends_as_its_source(void **state)
{
    held_t held;
    held_init(&held);
    assert_int_equal(run(*state, run_wrapped, &held), 0);
    held_fini(&held);
}

static int run_wrapped_error(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_concurrent_future_t *source = asyncio_concurrent_future_new();
    asyncio_future_t *future = asyncio_wrap_future(source);
    assert_int_equal(
        asyncio_concurrent_future_set_exception(source, asyncio_raise(-EIO, "no disk")), 0);
    asyncio_error_clear();
    assert_int_equal(asyncio_await_unref(future, NULL), -EIO);
    assert_message("no disk");
    asyncio_concurrent_future_unref(source);
    return 0;
}

/* The error of the source, with its details, is that of the wrapper. */
static void a_wrapped_error_keeps_its_details(void **state)
{
    assert_int_equal(run(*state, run_wrapped_error, NULL), 0);
}

static int run_wrapped_cancels(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_concurrent_future_t *source = asyncio_concurrent_future_new();
    asyncio_future_t *future = asyncio_wrap_future(source);
    assert_int_equal(asyncio_future_cancel(future, "enough"), 1);
    assert_true(asyncio_concurrent_future_cancelled(source));
    assert_int_equal(asyncio_await_unref(future, NULL), -ECANCELED);
    assert_message("enough");
    asyncio_concurrent_future_unref(source);

    source = asyncio_concurrent_future_new();
    future = asyncio_wrap_future(source);
    assert_int_equal(asyncio_concurrent_future_cancel(source), 1);
    assert_int_equal(asyncio_await(future, NULL), -ECANCELED);
    assert_true(asyncio_future_cancelled(future));
    asyncio_future_unref(future);
    asyncio_concurrent_future_unref(source);

    source = asyncio_concurrent_future_new();
    assert_int_equal(asyncio_concurrent_future_set_running_or_notify_cancel(source), 1);
    future = asyncio_wrap_future(source);
    assert_int_equal(asyncio_future_cancel(future, NULL), 1);
    assert_false(asyncio_concurrent_future_cancelled(source));
    assert_int_equal(asyncio_concurrent_future_set_result(source, NULL, NULL), 0);
    asyncio_concurrent_future_unref(source);
    assert_int_equal(asyncio_sleep(0), 0);
    assert_true(asyncio_future_cancelled(future));
    asyncio_future_unref(future);
    return 0;
}

/* Cancelling the wrapper or the source cancels the other, but not a source that is running. */
static void cancels_go_in_both_directions(void **state)
{
    assert_int_equal(run(*state, run_wrapped_cancels, NULL), 0);
}

static int make_wrapper(void *arg, void **ret_result)
{
    *ret_result = asyncio_wrap_future(arg);
    return 0;
}

/* A loop may be closed, and a wrapper freed, before the source is finished or freed. */
static void a_source_outlives_the_loop(void **state)
{
    fixture_t *fixture = *state;
    asyncio_concurrent_future_t *sources[] = {asyncio_concurrent_future_new(),
                                              asyncio_concurrent_future_new()};
    void *kept[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(asyncio_loop_run_until_complete(
                             fixture->loop, asyncio_coroutine(make_wrapper, sources[i]), &kept[i]),
                         0);
    asyncio_future_unref(kept[1]);
    close_loop(fixture);
    assert_int_equal(asyncio_concurrent_future_set_result(sources[0], NULL, NULL), 0);
    assert_false(asyncio_future_done(kept[0]));
    asyncio_concurrent_future_unref(sources[0]);
    asyncio_concurrent_future_unref(sources[1]);
    asyncio_future_unref(kept[0]);
}

/* --- run_coroutine_threadsafe -------------------------------------------------------------- */

static int return_from_loop(void *arg, void **ret_result)
{
    assert_int_equal(asyncio_sleep(0), 0);
    assert_ptr_equal(asyncio_get_running_loop(), the_fixture()->loop);
    return asyncio_return(ret_result, arg, count_destruction);
}

static int fail_in_loop(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_int_equal(asyncio_sleep(0), 0);
    return asyncio_raise(-EIO, "no disk");
}

static int wait_for_ever(void *arg, void **ret_result)
{
    (void)ret_result;
    sem_post(arg);
    int rc = asyncio_sleep(ASYNCIO_FOREVER);
    if (rc == -ECANCELED)
        sem_post(arg);
    return rc;
}

/* The part of another_thread_runs_coroutines() in another thread: a job of the loop's executor. */
static int visit(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_loop_t *loop = the_fixture()->loop;
    int destroyed = 0;
    void *value = NULL;
    asyncio_concurrent_future_t *future = asyncio_run_coroutine_threadsafe(
        asyncio_coroutine(return_from_loop, &destroyed), loop);
    assert_int_equal(asyncio_concurrent_future_result(future, forever, &value), 0);
    assert_ptr_equal(value, &destroyed);
    assert_int_equal(asyncio_concurrent_future_cancel(future), 0);
    assert_int_equal(asyncio_concurrent_future_set_result(future, NULL, NULL),
                     ASYNCIO_EINVALIDSTATE);
    assert_int_equal(destroyed, 0);
    asyncio_concurrent_future_unref(future);

    future = asyncio_run_coroutine_threadsafe(asyncio_coroutine(fail_in_loop, NULL), loop);
    assert_int_equal(asyncio_concurrent_future_result(future, forever, NULL), -EIO);
    assert_message("no disk");
    asyncio_concurrent_future_unref(future);

    sem_t started;
    sem_init(&started, 0, 0);
    future = asyncio_run_coroutine_threadsafe(asyncio_coroutine(wait_for_ever, &started), loop);
    sem_wait(&started);
    assert_int_equal(asyncio_concurrent_future_cancel(future), 1);
    assert_int_equal(asyncio_concurrent_future_cancel(future), 1);
    assert_int_equal(asyncio_concurrent_future_result(future, forever, NULL), -ECANCELED);
    sem_wait(&started); /* the task was cancelled, too */
    sem_destroy(&started);
    asyncio_concurrent_future_unref(future);
    return 0;
}

static int run_visited(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_int_equal(asyncio_to_thread(visit, NULL, NULL), 0);
    return asyncio_loop_shutdown_default_executor(asyncio_get_running_loop(), forever);
}

/* Another thread runs coroutines in the loop, gets their values and errors, and cancels them. */
static void another_thread_runs_coroutines(void **state)
{
    assert_int_equal(run(*state, run_visited, NULL), 0);
}

static int do_nothing(void *arg, void **ret_result)
{
    (void)ret_result;
    *(int *)arg = 1;
    return 0;
}

/* A coroutine that is cancelled before the loop receives it never runs, and is not reported. */
static void a_cancel_may_overtake_the_coroutine(void **state)
{
    fixture_t *fixture = *state;
    int ran = 0;
    asyncio_concurrent_future_t *future =
        asyncio_run_coroutine_threadsafe(asyncio_coroutine(do_nothing, &ran), fixture->loop);
    assert_int_equal(asyncio_concurrent_future_cancel(future), 1);
    run_turn_once(fixture);
    run_turn_once(fixture);
    assert_int_equal(ran, 0);
    asyncio_concurrent_future_unref(future);
}

static int never_end(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_sleep(ASYNCIO_FOREVER);
}

/* If the loop closes, the future of a coroutine fails, whether or not the coroutine had started. */
static void closing_the_loop_ends_the_wait(void **state)
{
    fixture_t *fixture = *state;
    int ran = 0;
    asyncio_concurrent_future_t *begun =
        asyncio_run_coroutine_threadsafe(asyncio_coroutine(never_end, NULL), fixture->loop);
    run_turn_once(fixture);
    run_turn_once(fixture);
    asyncio_concurrent_future_t *waiting =
        asyncio_run_coroutine_threadsafe(asyncio_coroutine(do_nothing, &ran), fixture->loop);
    asyncio_concurrent_future_t *recalled =
        asyncio_run_coroutine_threadsafe(asyncio_coroutine(do_nothing, &ran), fixture->loop);
    assert_int_equal(asyncio_concurrent_future_cancel(recalled), 1);
    assert_int_equal(asyncio_loop_close(fixture->loop), 0);
    fixture->expected_reports = fixture->reports; /* of the task that was pending */
    assert_true(asyncio_concurrent_future_result(begun, forever, NULL) < 0);
    assert_int_equal(asyncio_concurrent_future_result(waiting, forever, NULL), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_concurrent_future_result(recalled, forever, NULL), -ECANCELED);
    assert_null(asyncio_run_coroutine_threadsafe(asyncio_coroutine(do_nothing, &ran),
                                                 fixture->loop));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    assert_int_equal(ran, 0);
    asyncio_concurrent_future_unref(begun);
    asyncio_concurrent_future_unref(waiting);
    asyncio_concurrent_future_unref(recalled);
}

/* --- misuse -------------------------------------------------------------------------------- */

static int run_bad_awaits(void *arg, void **ret_result)
{
    (void)ret_result;
    assert_int_equal(asyncio_await(arg, NULL), -EINVAL);
    assert_null(asyncio_wrap_future(NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_wrap_future((void *)asyncio_get_running_loop()));
    assert_int_equal(asyncio_errno(), -EINVAL);
    return 0;
}

/* NULL and objects of another type are refused with a code. */
static void bad_arguments_are_refused(void **state)
{
    fixture_t *fixture = *state;
    asyncio_concurrent_future_t *future = asyncio_concurrent_future_new();
    assert_null(asyncio_concurrent_future_ref(NULL));
    asyncio_concurrent_future_unref(NULL);
    assert_int_equal(asyncio_concurrent_future_result(NULL, 1, NULL), -EINVAL);
    assert_int_equal(asyncio_concurrent_future_result(future, (double)NAN, NULL), -EINVAL);
    assert_int_equal(asyncio_concurrent_future_exception(NULL, 1, NULL), -EINVAL);
    assert_int_equal(asyncio_concurrent_future_cancel(NULL), -EINVAL);
    assert_false(asyncio_concurrent_future_done(NULL));
    assert_false(asyncio_concurrent_future_cancelled(NULL));
    assert_false(asyncio_concurrent_future_running(NULL));
    assert_int_equal(asyncio_concurrent_future_add_done_callback(NULL, give_up, NULL), -EINVAL);
    assert_int_equal(asyncio_concurrent_future_add_done_callback(future, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_concurrent_future_set_running_or_notify_cancel(NULL), -EINVAL);
    assert_int_equal(asyncio_concurrent_future_set_result(NULL, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_concurrent_future_set_exception(NULL, -EIO), -EINVAL);
    assert_null(asyncio_wrap_future(future));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    assert_null(asyncio_run_coroutine_threadsafe(NULL, fixture->loop));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_run_coroutine_threadsafe((void *)future, fixture->loop));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_run_coroutine_threadsafe(asyncio_coroutine(never_end, NULL), NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_int_equal(run(fixture, run_bad_awaits, future), 0);
    asyncio_concurrent_future_unref(future);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_value_lives_with_its_future),
        FIXTURE_TEST(an_error_can_be_read_again),
        FIXTURE_TEST(only_what_waits_is_cancelled),
        FIXTURE_TEST(callbacks_run_where_it_ends),
        FIXTURE_TEST(the_program_may_finish_futures),
        FIXTURE_TEST(a_callback_may_give_the_future_up),
        FIXTURE_TEST(a_wrapped_future_ends_as_its_source),
        FIXTURE_TEST(a_wrapped_error_keeps_its_details),
        FIXTURE_TEST(cancels_go_in_both_directions),
        FIXTURE_TEST(a_source_outlives_the_loop),
        FIXTURE_TEST(another_thread_runs_coroutines),
        FIXTURE_TEST(a_cancel_may_overtake_the_coroutine),
        FIXTURE_TEST(closing_the_loop_ends_the_wait),
        FIXTURE_TEST(bad_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
