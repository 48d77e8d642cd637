/* SPDX-License-Identifier: MIT */
/*
 * Out of memory: a scenario over the whole core is run with the n-th allocation failing, once and
 * then for good, for each n until none fails any more. It must neither crash nor leak, and what
 * fails must say -ENOMEM to its caller.
 */
#include "support/support.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"

/* The allocator: counts, and fails as the sweep wants. */
static struct {
    long calls;    /* since the round began */
    long fails_at; /* which call fails; 0: none */
    bool for_good; /* and all calls behind it */
    bool failed;   /* one did */
} memory;

static bool fails(void)
{
    memory.calls++;
    bool yes = memory.fails_at && (memory.calls == memory.fails_at ||
                                   (memory.for_good && memory.calls > memory.fails_at));
    memory.failed = memory.failed || yes;
    return yes;
}

static void *sweep_realloc(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context, (void)old_size;
    return fails() ? NULL : realloc(block, new_size);
}

static void sweep_free(void *context, void *block, size_t size)
{
    (void)context, (void)size;
    free(block);
}

/* An answer of a call that may fail: only for want of memory. */
static int may(int rc)
{
    if (rc < 0 && rc != -ENOMEM && rc != ASYNCIO_EGROUP)
        fail_msg("allocation %ld: answered %s", memory.fails_at, asyncio_error_name(rc));
    return rc;
}

/* Why a constructor gave nothing: only for want of memory. */
static int may_be_null(const void *made)
{
    int code = asyncio_errno();
    if (made)
        return 0;
    if (code != -ENOMEM)
        fail_msg("allocation %ld: gave nothing for %s", memory.fails_at, asyncio_error_name(code));
    return code;
}

static int work(void *arg, void **ret_result)
{
    (void)arg;
    int rc = asyncio_sleep(1);
    if (rc < 0)
        return rc;
    return asyncio_return(ret_result, malloc(8), free);
}

static void do_nothing(void *arg)
{
    (void)arg;
}

static void do_nothing_with(asyncio_future_t *future, void *arg)
{
    (void)future, (void)arg;
}

static void use_callbacks(asyncio_loop_t *loop)
{
    asyncio_handle_t *handle = NULL;
    may(asyncio_loop_call_soon(loop, do_nothing, NULL, NULL));
    may(asyncio_loop_call_soon_threadsafe(loop, do_nothing, NULL, NULL));
    if (may(asyncio_loop_call_later(loop, 5, do_nothing, NULL, &handle)) == 0) {
        asyncio_handle_cancel(handle);
        asyncio_handle_unref(handle);
    }
    may(asyncio_loop_call_at(loop, 1, do_nothing, NULL, NULL));
}

static void use_futures(asyncio_loop_t *loop)
{
    asyncio_future_t *future = asyncio_loop_create_future(loop);
    if (may_be_null(future) < 0)
        return;
    may(asyncio_future_add_done_callback(future, do_nothing_with, NULL));
    assert_int_equal(asyncio_future_set_exception(future, asyncio_raise(-ENOMEM, "x %d", 1)), 0);
    may(asyncio_await_unref(future, NULL));
}

static void use_tasks(void)
{
    void *value = NULL;
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(work, NULL));
    if (task)
        may(asyncio_task_set_name(task, "a name that is longer than a few bytes"));
    if (may(asyncio_await_unref(task, &value)) == 0)
        free(value);
    task = asyncio_create_task(asyncio_sleep_coroutine(10));
    if (may_be_null(task) == 0) {
        may(asyncio_sleep(1));
        assert_int_equal(asyncio_task_cancel(task, "a message that may be lost"), 1);
        int rc = asyncio_await_unref(task, NULL);
        assert_true(rc == -ECANCELED || rc == -ENOMEM);
    }
    may(asyncio_await(asyncio_coroutine(work, NULL), NULL));
}

static void use_gather(void)
{
    void *values[3] = {NULL};
    asyncio_awaitable_t *children[3];
    for (int i = 0; i < 3; i++)
        children[i] = asyncio_coroutine(work, NULL);
    if (may(asyncio_gather_await(children, 3, values)) == 0)
        for (int i = 0; i < 3; i++)
            free(values[i]);
    may(asyncio_await(asyncio_gather_await_coroutine(
                          (asyncio_awaitable_t *[]){asyncio_sleep_coroutine(1)}, 1, NULL),
                      NULL));
    asyncio_awaitable_t *many[20];
    for (int i = 0; i < 20; i++)
        many[i] = asyncio_sleep_coroutine(0);
    asyncio_future_t *gathering = asyncio_gather_of(
        20, many[0], many[1], many[2], many[3], many[4], many[5], many[6], many[7], many[8],
        many[9], many[10], many[11], many[12], many[13], many[14], many[15], many[16], many[17],
        many[18], many[19]);
    may(asyncio_await_unref(gathering, NULL));
}

static void use_wait(void)
{
    asyncio_awaitable_t *awaitables[] = {asyncio_coroutine(work, NULL),
                                         asyncio_sleep_coroutine(2)};
    bool done[2];
    if (awaitables[0] && awaitables[1]) {
        may(asyncio_wait(awaitables, 2, 30, ASYNCIO_ALL_COMPLETED, done));
        for (int i = 0; i < 2; i++)
            asyncio_future_unref(awaitables[i]);
    } else {
        for (int i = 0; i < 2; i++)
            assert_int_equal(asyncio_coroutine_close(awaitables[i]), 0);
    }
    asyncio_awaitable_t *again[] = {asyncio_sleep_coroutine(1)};
    may(asyncio_await(asyncio_wait_coroutine(again, 1, 1, ASYNCIO_FIRST_COMPLETED, NULL), NULL));
}

static void use_timeouts(void)
{
    asyncio_timeout_t scope;
    if (may(asyncio_timeout_enter(&scope, 1)) == 0) {
        may(asyncio_timeout_reschedule(&scope, 1e9));
        int rc = asyncio_timeout_exit(&scope, asyncio_sleep(3));
        assert_true(rc == -ETIMEDOUT || rc == -ENOMEM || rc == 0);
    }
    int rc = asyncio_wait_for(asyncio_sleep_coroutine(5), 1, NULL);
    assert_true(rc == -ETIMEDOUT || rc == -ENOMEM);
    rc = asyncio_wait_for(asyncio_sleep_coroutine(5), 0, NULL);
    assert_true(rc == -ETIMEDOUT || rc == -ENOMEM);
    rc = asyncio_await(asyncio_wait_for_coroutine(asyncio_sleep_coroutine(5), 1), NULL);
    assert_true(rc == -ETIMEDOUT || rc == -ENOMEM);
    may(asyncio_await_unref(asyncio_shield(asyncio_coroutine(work, NULL)), NULL));
}

static int fail_soon(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_raise(-ENOMEM, "on purpose, %s", "with a message");
}

static void use_groups(void)
{
    asyncio_task_group_t group;
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    asyncio_task_group_create_task(&group, asyncio_coroutine(work, NULL));
    asyncio_task_group_create_task(&group, asyncio_coroutine(fail_soon, NULL));
    asyncio_task_group_create_task(&group, asyncio_sleep_coroutine(100));
    may(asyncio_task_group_exit(&group, 0));
}

static void use_as_completed(void)
{
    asyncio_awaitable_t *awaitables[] = {asyncio_coroutine(work, NULL),
                                         asyncio_sleep_coroutine(2)};
    asyncio_as_completed_t *iteration = asyncio_as_completed(awaitables, 2, 50);
    asyncio_future_t *future = NULL;
    if (may_be_null(iteration) < 0)
        return;
    while (may(asyncio_as_completed_next(iteration, &future)) > 0)
        may(asyncio_future_result(future, NULL));
    asyncio_as_completed_unref(iteration);
}

static int count_slowly(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = asyncio_yield(NULL, NULL);
    return rc < 0 ? rc : asyncio_sleep(0);
}

static int may_stop(int rc)
{
    return rc == ASYNCIO_ESTOPASYNCITERATION || rc == ASYNCIO_EGENERATOREXIT ? 0 : may(rc);
}

static void use_generators(asyncio_loop_t *loop)
{
    for (int i = 0; i < 3; i++) {
        asyncio_coroutine_t *generator = asyncio_coroutine(count_slowly, NULL);
        if (may_be_null(generator) < 0)
            continue;
        may_stop(asyncio_coroutine_anext(generator, NULL));
        if (i == 0)
            may_stop(asyncio_await(asyncio_coroutine_anext_coroutine(generator), NULL));
        else if (i == 1)
            may_stop(asyncio_loop_shutdown_asyncgens(loop));
        asyncio_coroutine_unref(generator); /* the last of them is closed by a task */
        may(asyncio_sleep(0));
    }
}

static int scenario(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    use_callbacks(loop);
    use_futures(loop);
    use_tasks();
    use_gather();
    use_wait();
    use_timeouts();
    use_groups();
    use_as_completed();
    use_generators(loop);
    return asyncio_await_unref(asyncio_create_task(asyncio_coroutine(work, NULL)), NULL);
}

static void ignore(asyncio_loop_t *loop, const asyncio_exception_context_t *context, void *arg)
{
    (void)loop, (void)context, (void)arg;
}

static int run_scenario(void)
{
    asyncio_loop_options_t options = {.size = sizeof(options), .clock = ASYNCIO_CLOCK_VIRTUAL};
    asyncio_loop_t *loop = asyncio_new_event_loop_full(&options);
    if (may_be_null(loop) < 0) {
        asyncio_error_clear();
        return -ENOMEM;
    }
    asyncio_loop_set_exception_handler(loop, ignore, NULL);
    int rc = asyncio_loop_run_until_complete(loop, asyncio_coroutine(scenario, NULL), NULL);
    asyncio_loop_unref(loop);
    asyncio_error_clear();
    return may(rc);
}

static void sweep(bool for_good)
{
    asyncio_loop_set_exception_handler(NULL, ignore, NULL);
    memory.fails_at = 0;
    assert_int_equal(run_scenario(), 0);
    long blocks = asyncio__live_blocks();
    int descriptors = open_descriptors();
    memory.for_good = for_good;
    long at = 0;
    do {
        memory.calls = 0;
        memory.failed = false;
        memory.fails_at = ++at;
        run_scenario();
        memory.fails_at = 0;
        if (asyncio__live_blocks() != blocks)
            fail_msg("allocation %ld: %ld blocks leaked", at, asyncio__live_blocks() - blocks);
        assert_int_equal(open_descriptors(), descriptors);
    } while (memory.failed);
    print_message("%ld allocations\n", at - 1);
    assert_true(at > 50);
}

/* One allocation that fails harms nothing but the call that needed it. */
static void one_failure_is_survived(void **state)
{
    (void)state;
    sweep(/* for_good= */ false);
}

/* Memory that is out for good is answered everywhere, and all that was taken is given back. */
static void memory_out_for_good_is_survived(void **state)
{
    (void)state;
    sweep(/* for_good= */ true);
}

int main(void)
{
    const asyncio_allocator_t allocator = {NULL, sweep_realloc, sweep_free};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_failure_is_survived),
        cmocka_unit_test(memory_out_for_good_is_survived),
    };
    if (asyncio_set_allocator(&allocator) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
