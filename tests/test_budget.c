/* SPDX-License-Identifier: MIT */
/* The option await_budget of loops: awaits that are done at once give other tasks a turn. */
#include <asyncio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define BUDGET 10
#define AWAITS 1000

static int turns;      /* that the other task has had */
static bool is_over;   /* the first task has ended */

static int count_turns(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = 0;
    while (rc == 0 && !is_over) {
        turns++;
        rc = asyncio_sleep(0);
    }
    return rc;
}

/* Runs a coroutine function beside a task that counts its turns: how many it had. */
static int turns_beside(asyncio_coroutine_function_t *fn, unsigned budget)
{
    asyncio_loop_options_t options = {.size = sizeof(options), .await_budget = budget};
    asyncio_loop_t *loop = asyncio_new_event_loop_full(&options);
    assert_non_null(loop);
    turns = 0;
    is_over = false;
    asyncio_task_t *other = asyncio_loop_create_task(loop, asyncio_coroutine(count_turns, NULL));
    assert_int_equal(asyncio_loop_run_until_complete(loop, asyncio_coroutine(fn, NULL), NULL), 0);
    is_over = true;
    assert_int_equal(asyncio_loop_run_until_complete(loop, other, NULL), 0);
    asyncio_task_unref(other);
    asyncio_loop_unref(loop);
    return turns;
}

/* Without a budget the other task has the turn before and the one after; with one, a turn for each
 * BUDGET awaits. */
static void expect_turns(asyncio_coroutine_function_t *fn)
{
    assert_in_range(turns_beside(fn, BUDGET), AWAITS / BUDGET - 2, AWAITS / BUDGET + 3);
    assert_in_range(turns_beside(fn, 0), 1, 3);
}

static int use_queue(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_queue_t *queue = asyncio_queue_new(0);
    int rc = 0;
    for (int i = 0; rc == 0 && i < AWAITS / 2; i++)
        rc = asyncio_queue_put(queue, ASYNCIO_INT(i));
    for (int i = 0; rc == 0 && i < AWAITS / 2; i++) {
        void *item = NULL;
        rc = asyncio_queue_get(queue, &item);
        assert_int_equal(asyncio_int(item), i);
    }
    asyncio_queue_unref(queue);
    return rc;
}

/* Puts with room and gets with items count. */
static void test_queue(void **state)
{
    (void)state;
    expect_turns(use_queue);
}

static int use_lock(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_lock_t lock;
    asyncio_lock_init(&lock);
    int rc = 0;
    for (int i = 0; rc == 0 && i < AWAITS; i++) {
        rc = asyncio_lock_acquire(&lock);
        if (rc == 0)
            rc = asyncio_lock_release(&lock);
    }
    asyncio_lock_fini(&lock);
    return rc;
}

/* Acquiring a lock that is free counts. */
static void test_lock(void **state)
{
    (void)state;
    expect_turns(use_lock);
}

static int use_semaphore(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_semaphore_t semaphore;
    asyncio_semaphore_init(&semaphore, AWAITS);
    int rc = 0;
    for (int i = 0; rc == 0 && i < AWAITS; i++)
        rc = asyncio_semaphore_acquire(&semaphore);
    asyncio_semaphore_fini(&semaphore);
    return rc;
}

/* Acquiring a semaphore that has room counts. */
static void test_semaphore(void **state)
{
    (void)state;
    expect_turns(use_semaphore);
}

static int use_stream(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    char lines[2 * AWAITS];
    for (int i = 0; i < AWAITS; i++)
        memcpy(lines + 2L * i, "x\n", 2);
    assert_int_equal(send(fds[1], lines, sizeof(lines), MSG_NOSIGNAL), sizeof(lines));
    asyncio_socket_t *ends[2] = {asyncio_socket_from_fd(fds[0]), asyncio_socket_from_fd(fds[1])};
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    assert_int_equal(asyncio_streams_of_socket(ends[0], NULL, &reader, &writer), 0);
    ssize_t size = 2;
    for (int i = 0; size == 2 && i < AWAITS; i++) {
        const char *line;
        size = asyncio_stream_reader_readline(reader, &line);
    }
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
    asyncio_socket_unref(ends[0]);
    asyncio_socket_unref(ends[1]);
    return size == 2 ? 0 : (int)size;
}

/* Reading lines that have arrived counts. */
static void test_stream(void **state)
{
    (void)state;
    asyncio_loop_t *loop = asyncio_new_event_loop();
    bool is_sim = asyncio_loop_get_engine(loop) == ASYNCIO_ENGINE_SIM;
    asyncio_loop_unref(loop);
    if (is_sim)
        skip(); /* it has no sockets */
    assert_in_range(turns_beside(use_stream, BUDGET), AWAITS / BUDGET - 2, AWAITS / BUDGET + 20);
    assert_in_range(turns_beside(use_stream, 0), 1, 20); /* it receives a few times */
}

static int get_once(void *arg, void **ret_result)
{
    return asyncio_queue_get(arg, ret_result);
}

static int cancel_getter(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_queue_t *queue = asyncio_queue_new(0);
    int rc = 0;
    for (int i = 0; rc == 0 && i < BUDGET; i++)
        rc = asyncio_queue_put(queue, ASYNCIO_INT(i));
    asyncio_task_t *getters[BUDGET * 2];
    /* All start in one turn; each is a step with a budget of its own, so none is put off. */
    for (int i = 0; i < BUDGET; i++)
        getters[i] = asyncio_create_task(asyncio_coroutine(get_once, queue));
    for (int i = 0; rc == 0 && i < BUDGET; i++)
        rc = asyncio_await_unref(getters[i], NULL);
    asyncio_queue_unref(queue);
    return rc;
}

/* Each step has a whole budget. */
static void test_each_step(void **state)
{
    (void)state;
    assert_in_range(turns_beside(cancel_getter, BUDGET), 1, 6);
}

static int drain_queue(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = 0;
    for (void *item; rc == 0;)
        rc = asyncio_queue_get(arg, &item);
    return rc;
}

static int cancel_in_between(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_queue_t *queue = asyncio_queue_new(0);
    for (int i = 0; i < 3 * BUDGET; i++)
        asyncio_queue_put_nowait(queue, ASYNCIO_INT(i));
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(drain_queue, queue));
    assert_int_equal(asyncio_sleep(0), 0); /* it has taken BUDGET items, and waits for its turn */
    assert_int_equal(asyncio_queue_qsize(queue), 2 * BUDGET);
    asyncio_task_cancel(task, NULL);
    assert_int_equal(asyncio_await_unref(task, NULL), -ECANCELED);
    assert_int_equal(asyncio_queue_qsize(queue), 2 * BUDGET);
    asyncio_queue_unref(queue);
    return 0;
}

/* A cancellation where the budget is used up loses no item. */
static void test_cancel(void **state)
{
    (void)state;
    turns_beside(cancel_in_between, BUDGET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue),     cmocka_unit_test(test_lock),
        cmocka_unit_test(test_semaphore), cmocka_unit_test(test_stream),
        cmocka_unit_test(test_each_step), cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
