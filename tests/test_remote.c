/* SPDX-License-Identifier: MIT */
/* What reaches a loop from outside: call_soon_threadsafe and remotes, from threads and signals. */
#include "support/support.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define THREADS 4
#define CALLS   2000
#define MANY    100000

struct counting {
    asyncio_loop_t *loop;     /* who is called */
    long count;               /* calls so far */
    long wanted;              /* at which the loop is stopped */
    long last[THREADS];       /* the latest number of each thread */
    asyncio_remote_t *remote; /* what the threads post */
    atomic_long posts;        /* how often they did */
};

static struct counting counting;

struct numbered {
    int thread;  /* the calling thread */
    long number; /* from 1, in order */
};

static void count_numbered(void *arg)
{
    struct numbered *call = arg;
    assert_int_equal(call->number, counting.last[call->thread] + 1);
    counting.last[call->thread] = call->number;
    if (++counting.count == counting.wanted)
        asyncio_loop_stop(counting.loop);
}

static struct numbered calls[THREADS][CALLS];

static void *call_often(void *arg)
{
    int thread = (int)(intptr_t)arg;
    for (long i = 0; i < CALLS; i++) {
        calls[thread][i] = (struct numbered){thread, i + 1};
        asyncio_handle_t *handle = NULL;
        assert_in_thread(asyncio_loop_call_soon_threadsafe(counting.loop, count_numbered,
                                                           &calls[thread][i],
                                                           i % 100 == 0 ? &handle : NULL) == 0);
        asyncio_handle_unref(handle);
    }
    return NULL;
}

/* The virtual clock treats an idle loop as dead, so loops that other threads call use the real
 * one. */
static void begin(struct counting *with)
{
    memset(with, 0, sizeof(*with));
    with->loop = asyncio_new_event_loop();
    assert_non_null(with->loop);
}

static void run_threads(void *(*body)(void *), pthread_t *threads)
{
    for (intptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, body, (void *)i), 0);
}

static void join_threads(const pthread_t *threads)
{
    for (int i = 0; i < THREADS; i++) {
        void *problem = NULL;
        assert_int_equal(pthread_join(threads[i], &problem), 0);
        assert_null(problem);
    }
}

/* Every call of every thread arrives, once, in the order of its thread. */
static void calls_from_threads_all_arrive(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    begin(&counting);
    counting.wanted = THREADS * CALLS;
    run_threads(call_often, threads);
    assert_int_equal(asyncio_loop_run_forever(counting.loop), 0);
    join_threads(threads);
    assert_int_equal(counting.count, THREADS * CALLS);
    asyncio_loop_unref(counting.loop);
}

static void *call_until_closed(void *arg)
{
    (void)arg;
    int rc;
    while ((rc = asyncio_loop_call_soon_threadsafe(counting.loop, count_numbered, &calls[0][0],
                                                   NULL)) == 0)
        if (atomic_fetch_add(&counting.posts, 1) > MANY)
            usleep(100); /* or a closer that gets no time would find the memory full */
    assert_in_thread(rc == ASYNCIO_ERUNTIME);
    asyncio_error_clear();
    return NULL;
}

/* A loop that closes while threads call it drops the pending calls, and refuses later ones. */
static void closing_refuses_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    begin(&counting);
    run_threads(call_until_closed, threads);
    while (atomic_load(&counting.posts) < 100)
        usleep(10);
    assert_int_equal(asyncio_loop_close(counting.loop), 0);
    join_threads(threads);
    assert_int_equal(counting.count, 0);
    asyncio_loop_unref(counting.loop);
}

static void note_letter(void *arg)
{
    note(the_fixture(), *(const char *)arg);
}

static void call_threadsafe(void *arg)
{
    asyncio_loop_t *loop = the_fixture()->loop;
    (void)arg;
    assert_int_equal(asyncio_loop_call_soon(loop, note_letter, "a", NULL), 0);
    assert_int_equal(asyncio_loop_call_soon_threadsafe(loop, note_letter, "b", NULL), 0);
    assert_int_equal(asyncio_loop_call_soon(loop, note_letter, "c", NULL), 0);
}

/* In the loop's own thread a call keeps its order among other calls. */
static void the_loops_own_thread_keeps_its_order(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, call_threadsafe, NULL, NULL), 0);
    run_turn_once(fixture);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "abc");
}

static void count_up(void *arg)
{
    struct numbered *call = arg;
    assert_int_equal(call->number, counting.count++);
}

/* Calls with a handle, calls without one, which share records, and remotes run in the order in
 * which they were posted, however many there are. */
static void what_is_posted_keeps_its_order(void **state)
{
    fixture_t *fixture = *state;
    struct numbered numbers[1000];
    asyncio_remote_t remote;
    memset(&counting, 0, sizeof(counting));
    assert_int_equal(asyncio_remote_init(&remote, fixture->loop, count_up, &numbers[700]), 0);
    for (long i = 0; i < 1000; i++) {
        asyncio_handle_t *handle = NULL;
        numbers[i].number = i;
        if (i == 700) {
            assert_int_equal(asyncio_remote_post(&remote), 0);
            continue;
        }
        bool is_kept = i % 300 == 299 || i < 2;
        assert_int_equal(asyncio_loop_call_soon_threadsafe(fixture->loop, count_up, &numbers[i],
                                                           is_kept ? &handle : NULL), 0);
        asyncio_handle_unref(handle);
    }
    run_turn_once(fixture);
    assert_int_equal(counting.count, 1000);
    asyncio_remote_fini(&remote);
}

/* A call from a thread can be cancelled until it begins. */
static void a_call_from_a_thread_can_be_called_off(void **state)
{
    fixture_t *fixture = *state;
    asyncio_handle_t *handle = NULL;
    assert_int_equal(
        asyncio_loop_call_soon_threadsafe(fixture->loop, note_letter, "x", &handle), 0);
    assert_int_equal(asyncio_loop_call_soon_threadsafe(fixture->loop, note_letter, "y", NULL), 0);
    asyncio_handle_cancel(handle);
    assert_true(asyncio_handle_cancelled(handle));
    asyncio_handle_unref(handle);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "y");
}

/* Posts that are made before the callback begins cause one call; a later post causes another. */
static void posts_coalesce(void **state)
{
    fixture_t *fixture = *state;
    asyncio_remote_t remote;
    assert_int_equal(asyncio_remote_init(&remote, fixture->loop, note_letter, "p"), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(asyncio_remote_post(&remote), 0);
    run_turn_once(fixture);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "p");
    assert_int_equal(asyncio_remote_post(&remote), 0);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "pp");
    asyncio_remote_fini(&remote);
}

static void post_again(void *arg)
{
    note(the_fixture(), 'q');
    if (the_fixture()->trace_length < 3)
        assert_int_equal(asyncio_remote_post(arg), 0);
}

/* A callback may post its own remote: it is called once more in a later turn. */
static void a_remote_may_post_itself(void **state)
{
    fixture_t *fixture = *state;
    asyncio_remote_t remote;
    assert_int_equal(asyncio_remote_init(&remote, fixture->loop, post_again, &remote), 0);
    assert_int_equal(asyncio_remote_post(&remote), 0);
    for (int i = 0; i < 5; i++)
        run_turn_once(fixture);
    assert_string_equal(fixture->trace, "qqq");
    asyncio_remote_fini(&remote);
}

/* A post whose callback has not run when the remote ends is dropped. */
static void ending_a_remote_drops_its_post(void **state)
{
    fixture_t *fixture = *state;
    asyncio_remote_t remote;
    assert_int_equal(asyncio_remote_init(&remote, fixture->loop, note_letter, "x"), 0);
    assert_int_equal(asyncio_remote_post(&remote), 0);
    asyncio_remote_fini(&remote);
    asyncio_remote_fini(&remote);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "");
}

/* Every post to a closed loop is refused, not only the first. */
static void posts_to_a_closed_loop_are_refused(void **state)
{
    fixture_t *fixture = *state;
    asyncio_remote_t posted, quiet;
    assert_int_equal(asyncio_remote_init(&posted, fixture->loop, note_letter, "x"), 0);
    assert_int_equal(asyncio_remote_init(&quiet, fixture->loop, note_letter, "x"), 0);
    assert_int_equal(asyncio_remote_post(&posted), 0);
    assert_int_equal(asyncio_loop_close(fixture->loop), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(asyncio_remote_post(&posted), ASYNCIO_ERUNTIME);
        assert_int_equal(asyncio_remote_post(&quiet), ASYNCIO_ERUNTIME);
    }
    asyncio_remote_fini(&posted);
    asyncio_remote_fini(&quiet);
    assert_string_equal(fixture->trace, "");
}

static void *post_often(void *arg)
{
    (void)arg;
    for (long i = 0; i < CALLS; i++) {
        atomic_fetch_add(&counting.posts, 1);
        if (asyncio_remote_post(counting.remote) < 0)
            return "failed";
    }
    return NULL;
}

static void see_posts(void *arg)
{
    (void)arg;
    counting.count++;
    /* The last post is seen by a call that begins after it. */
    if (atomic_load(&counting.posts) == THREADS * CALLS)
        asyncio_loop_stop(counting.loop);
}

/* However many threads post, the last post is followed by a call; there are no more calls than
 * posts. */
static void posts_from_threads_are_seen(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    asyncio_remote_t remote;
    begin(&counting);
    counting.remote = &remote;
    assert_int_equal(asyncio_remote_init(&remote, counting.loop, see_posts, NULL), 0);
    run_threads(post_often, threads);
    assert_int_equal(asyncio_loop_run_forever(counting.loop), 0);
    join_threads(threads);
    assert_in_range(counting.count, 1, THREADS * CALLS);
    asyncio_remote_fini(&remote);
    asyncio_loop_unref(counting.loop);
}

static asyncio_remote_t *signal_remote;

static void on_signal(int number)
{
    (void)number;
    asyncio_remote_post(signal_remote);
}

static void stop_counting(void *arg)
{
    counting.count++;
    asyncio_loop_stop(arg);
}

static void *send_signal(void *arg)
{
    usleep(2000); /* so that the loop most likely waits: either way it must be woken */
    pthread_kill(*(pthread_t *)arg, SIGUSR1);
    return NULL;
}

/* A signal handler may post to a remote, and so wake a blocked loop. */
static void a_signal_handler_may_post(void **state)
{
    (void)state;
    asyncio_remote_t remote;
    pthread_t self = pthread_self(), thread;
    struct sigaction action = {.sa_handler = on_signal}, former;
    begin(&counting);
    signal_remote = &remote;
    assert_int_equal(asyncio_remote_init(&remote, counting.loop, stop_counting, counting.loop), 0);
    assert_int_equal(sigaction(SIGUSR1, &action, &former), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(asyncio_loop_run_forever(counting.loop), 0);
    assert_int_equal(pthread_create(&thread, NULL, send_signal, &self), 0);
    assert_int_equal(asyncio_loop_run_forever(counting.loop), 0);
    assert_int_equal(counting.count, 2);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(sigaction(SIGUSR1, &former, NULL), 0);
    asyncio_remote_fini(&remote);
    asyncio_loop_unref(counting.loop);
}

struct finishing {
    asyncio_loop_t *loop;     /* whose */
    asyncio_future_t *future; /* finished by the call */
};

static void finish_future(void *arg)
{
    assert_int_equal(asyncio_future_set_result(arg, NULL), 0);
}

static void *finish_from_thread(void *arg)
{
    struct finishing *finishing = arg;
    usleep(1000);
    assert_in_thread(asyncio_loop_call_soon_threadsafe(finishing->loop, finish_future,
                                                       finishing->future, NULL) == 0);
    return NULL;
}

/* A loop that blocks without a limit is woken by a call from a thread, again and again. */
static void a_thread_wakes_a_waiting_loop(void **state)
{
    (void)state;
    begin(&counting);
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        struct finishing finishing = {counting.loop, asyncio_loop_create_future(counting.loop)};
        assert_int_equal(pthread_create(&thread, NULL, finish_from_thread, &finishing), 0);
        assert_int_equal(
            asyncio_loop_run_until_complete(counting.loop, finishing.future, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        asyncio_future_unref(finishing.future);
    }
    asyncio_loop_unref(counting.loop);
}

/* Every call accepts NULL without harm. */
static void null_is_harmless(void **state)
{
    fixture_t *fixture = *state;
    asyncio_remote_t remote;
    assert_int_equal(asyncio_remote_init(NULL, fixture->loop, note_letter, NULL), -EINVAL);
    assert_int_equal(asyncio_remote_init(&remote, NULL, note_letter, NULL), -EINVAL);
    assert_int_equal(asyncio_remote_init(&remote, fixture->loop, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_remote_post(NULL), -EINVAL);
    asyncio_remote_fini(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(calls_from_threads_all_arrive),
        FIXTURE_TEST(closing_refuses_threads),
        FIXTURE_TEST(the_loops_own_thread_keeps_its_order),
        FIXTURE_TEST(what_is_posted_keeps_its_order),
        FIXTURE_TEST(a_call_from_a_thread_can_be_called_off),
        FIXTURE_TEST(posts_coalesce),
        FIXTURE_TEST(a_remote_may_post_itself),
        FIXTURE_TEST(ending_a_remote_drops_its_post),
        FIXTURE_TEST(posts_to_a_closed_loop_are_refused),
        FIXTURE_TEST(posts_from_threads_are_seen),
        FIXTURE_TEST(a_signal_handler_may_post),
        FIXTURE_TEST(a_thread_wakes_a_waiting_loop),
        FIXTURE_TEST(null_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
