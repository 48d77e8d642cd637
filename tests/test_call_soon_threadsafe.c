/* SPDX-License-Identifier: MIT */
/* call_soon_threadsafe with an argument that has a destructor: it ends exactly once. */
#include "support/support.h"

#include <pthread.h>
#include <stdatomic.h>

/* An argument, and the number of its calls and destructions. */
typedef struct owned {
    fixture_t *fixture; /* its trace tells the order of calls in the loop's own thread */
    int called;         /* how often the callback was called */
    int destroyed;      /* how often the destructor was called */
    int rc;             /* of the call in another thread */
} owned_t;

static void count_call(void *arg)
{
    owned_t *owned = arg;
    assert_int_equal(owned->destroyed, 0);
    owned->called++;
    note(owned->fixture, 'c');
}

static void count_destroyed(void *arg)
{
    ((owned_t *)arg)->destroyed++;
}

static void *call_from_thread(void *arg)
{
    owned_t *owned = arg;
    owned->rc = asyncio_loop_call_soon_threadsafe_owned(owned->fixture->loop, count_call, owned,
                                                        count_destroyed);
    asyncio_error_clear();
    return NULL;
}

static void call_and_join(owned_t *owned)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, call_from_thread, owned), 0);
    pthread_join(thread, NULL);
}

/* The argument of a call from another thread is destroyed when the callback has returned. */
static void an_argument_is_destroyed_after_the_call(void **state)
{
    owned_t owned = {.fixture = *state};
    call_and_join(&owned);
    assert_int_equal(owned.rc, 0);
    assert_int_equal(owned.called, 0);
    run_turn_once(*state);
    assert_int_equal(owned.called, 1);
    assert_int_equal(owned.destroyed, 1);
}

static void note_other(void *arg)
{
    note(arg, 'o');
}

static int call_in_order(void *arg, void **ret_result)
{
    (void)ret_result;
    owned_t *owned = arg;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    assert_int_equal(asyncio_loop_call_soon(loop, note_other, owned->fixture, NULL), 0);
    call_from_thread(owned);
    assert_int_equal(asyncio_loop_call_soon(loop, note_other, owned->fixture, NULL), 0);
    return asyncio_sleep(0);
}

/* In the loop's own thread the call keeps its order among other calls. */
static void a_call_of_the_own_thread_keeps_its_order(void **state)
{
    fixture_t *fixture = *state;
    owned_t owned = {.fixture = fixture};
    assert_int_equal(run(fixture, call_in_order, &owned), 0);
    assert_string_equal(fixture->trace, "oco");
    assert_int_equal(owned.destroyed, 1);
}

/* A loop that is closed before the call destroys the argument and does not call the callback. */
static void a_close_destroys_the_argument(void **state)
{
    fixture_t *fixture = *state;
    owned_t in_inbox = {.fixture = fixture}, in_queue = in_inbox;
    assert_int_equal(asyncio_loop_call_soon_threadsafe_owned(fixture->loop, count_call, &in_queue,
                                                             count_destroyed),
                     0);
    call_and_join(&in_inbox);
    fixture->leaves_work = true;
    close_loop(fixture);
    assert_int_equal(in_inbox.called + in_queue.called, 0);
    assert_int_equal(in_inbox.destroyed, 1);
    assert_int_equal(in_queue.destroyed, 1);
}

/* A call that fails destroys the argument. */
static void a_failed_call_destroys_the_argument(void **state)
{
    fixture_t *fixture = *state;
    owned_t owned = {.fixture = fixture};
    assert_int_equal(
        asyncio_loop_call_soon_threadsafe_owned(NULL, count_call, &owned, count_destroyed),
        -EINVAL);
    assert_int_equal(owned.destroyed, 1);
    assert_int_equal(asyncio_loop_call_soon_threadsafe_owned(fixture->loop, NULL, &owned,
                                                             count_destroyed),
                     -EINVAL);
    assert_int_equal(owned.destroyed, 2);
    assert_int_equal(asyncio_loop_close(fixture->loop), 0);
    call_and_join(&owned);
    assert_int_equal(owned.rc, ASYNCIO_ERUNTIME);
    assert_int_equal(owned.destroyed, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(an_argument_is_destroyed_after_the_call),
        FIXTURE_TEST(a_call_of_the_own_thread_keeps_its_order),
        FIXTURE_TEST(a_close_destroys_the_argument),
        FIXTURE_TEST(a_failed_call_destroys_the_argument),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
