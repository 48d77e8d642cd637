/* SPDX-License-Identifier: MIT */
/*
 * Look-ups that wait for a thread: how many there may be, and what becomes of them when nobody
 * waits any more. The names are this program's own: getaddrinfo() hangs until a gate is opened.
 */
#include "support/support.h"

#include <netdb.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "support/contend.h"

#define THREADS_MOST 8
#define MANY         1000

static atomic_bool is_open; /* the gate */
static atomic_int entered;  /* look-ups that came to the gate */
static atomic_int inside;   /* of them, those that wait there */

/* All look again and again: glibc's conditions lose a wake-up once in a long while. */
static void wait_a_moment(void)
{
    nanosleep(&(struct timespec){0, 100000}, NULL);
}

/* Instead of libc's: what is no literal waits at the gate, and is not found. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret_addresses)
{
    (void)host, (void)service, (void)ret_addresses;
    if (hints && hints->ai_flags & AI_NUMERICHOST)
        return EAI_NONAME;
    entered++;
    inside++;
    while (!is_open)
        wait_a_moment();
    inside--;
    return EAI_NONAME;
}

static void close_gate(void)
{
    is_open = false;
    entered = 0;
}

static void wait_until_inside(int count)
{
    while (inside != count)
        wait_a_moment();
}

/* How many have come to the gate; behind it nobody waits there. */
static int open_gate(void)
{
    int count = entered;
    is_open = true;
    wait_until_inside(0);
    return count;
}

static int look_up(void *arg, void **ret_result)
{
    struct addrinfo *found = NULL;
    (void)ret_result;
    return asyncio_loop_getaddrinfo(arg, "name.invalid", "1", NULL, &found);
}

static asyncio_task_t *tasks[MANY];

static int begin_many(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    for (int i = 0; i < MANY; i++) {
        tasks[i] = asyncio_create_task(asyncio_coroutine(look_up, asyncio_get_running_loop()));
        assert_non_null(tasks[i]);
    }
    assert_int_equal(asyncio_sleep(0), 0); /* each has asked now */
    wait_until_inside(THREADS_MOST);
    return 0;
}

/* The virtual clock moves when the last look-up is back from its thread. */
static int wait_for_threads(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_sleep(1);
}

static void cancel(int i)
{
    assert_int_equal(asyncio_task_cancel(tasks[i], NULL), 1);
}

/* A thousand look-ups wait for eight threads that hang: cancelled they end at once, and nothing of
 * them is left, but for the eight. */
static void cancelled_look_ups_leave_the_queue(void **state)
{
    fixture_t *fixture = *state;
    close_gate();
    long blocks = asyncio__live_blocks();
    assert_int_equal(run(fixture, begin_many, NULL), 0);
    assert_true(asyncio__live_blocks() > blocks + 3 * MANY);
    for (int i = 0; i < MANY; i++)
        cancel(i);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(end_of_task(tasks[i]), -ECANCELED);
    /* A look-up is three blocks; the loop keeps some of its own. */
    assert_in_range(asyncio__live_blocks(), 0, blocks + 3 * THREADS_MOST + 20);
    assert_int_equal(open_gate(), THREADS_MOST);
    assert_int_equal(run(fixture, wait_for_threads, NULL), 0);
    assert_int_equal(entered, THREADS_MOST);
}

/* Those of whom others are cancelled keep their turn, and are answered. */
static void others_are_answered(void **state)
{
    fixture_t *fixture = *state;
    close_gate();
    assert_int_equal(run(fixture, begin_many, NULL), 0);
    for (int i = 1; i < MANY; i += 2)
        cancel(i);
    for (int i = 1; i < MANY; i += 2)
        assert_int_equal(end_of_task(tasks[i]), -ECANCELED);
    assert_int_equal(open_gate(), THREADS_MOST);
    for (int i = 0; i < MANY; i += 2)
        assert_int_equal(end_of_task(tasks[i]), ASYNCIO_EGAI);
    assert_int_equal(run(fixture, wait_for_threads, NULL), 0);
    assert_in_range(entered, MANY / 2, MANY / 2 + THREADS_MOST);
}

/* A loop that is closed takes its look-ups out of the queue; the threads serve others. */
static void a_closed_loop_leaves_the_queue(void **state)
{
    fixture_t *fixture = *state;
    close_gate();
    assert_int_equal(run(fixture, begin_many, NULL), 0);
    fixture->leaves_work = true;
    fixture->expected_reports += MANY;
    close_loop(fixture);
    for (int i = 0; i < MANY; i++)
        asyncio_task_unref(tasks[i]);
    asyncio_loop_t *loop = asyncio_new_event_loop();
    asyncio_task_t *task = asyncio_loop_create_task(loop, asyncio_coroutine(look_up, loop));
    assert_int_equal(open_gate(), THREADS_MOST);
    assert_int_equal(asyncio_loop_run_until_complete(loop, task, NULL), ASYNCIO_EGAI);
    assert_int_equal(entered, THREADS_MOST + 1);
    asyncio_task_unref(task);
    asyncio_loop_unref(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(cancelled_look_ups_leave_the_queue),
        FIXTURE_TEST(others_are_answered),
        FIXTURE_TEST(a_closed_loop_leaves_the_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
