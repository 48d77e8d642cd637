/* SPDX-License-Identifier: MIT */
/*
 * Out of memory around executors: jobs, concurrent futures and visitors, with the n-th allocation
 * failing, in whatever thread, once and then for good. Nothing may crash, leak, or be waited for
 * in vain, and what fails says -ENOMEM.
 */
#include "support/support.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/memory.h"

/* The allocator: counts, and fails as the sweep wants. */
static struct {
    atomic_long calls;    /* since the round began */
    atomic_long fails_at; /* which call fails; 0: none */
    atomic_bool for_good; /* and all calls behind it */
    atomic_bool failed;   /* one did */
} memory;

static bool fails(void)
{
    long call = atomic_fetch_add(&memory.calls, 1) + 1, at = memory.fails_at;
    bool yes = at && (call == at || (memory.for_good && call > at));
    if (yes)
        memory.failed = true;
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
    if (rc < 0 && rc != -ENOMEM)
        fail_msg("allocation %ld: answered %s", (long)memory.fails_at, asyncio_error_name(rc));
    return rc;
}

/* Why a constructor gave nothing: only for want of memory. */
static bool is_there(const void *made)
{
    int code = asyncio_errno();
    if (!made && code != -ENOMEM)
        fail_msg("allocation %ld: gave nothing for %s", (long)memory.fails_at,
                 asyncio_error_name(code));
    return made != NULL;
}

static int answer(void *arg, void **ret_result)
{
    (void)arg;
    return asyncio_return(ret_result, malloc(8), free);
}

static int fail_with_details(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_raise(-ENOMEM, "detail %d", 1);
}

static int answer_in_loop(void *arg, void **ret_result)
{
    int rc = asyncio_sleep(0);
    return rc < 0 ? rc : answer(arg, ret_result);
}

static int visit(void *loop, void **ret_result)
{
    (void)ret_result;
    asyncio_coroutine_t *coroutine = asyncio_coroutine(answer_in_loop, NULL);
    asyncio_concurrent_future_t *future = asyncio_run_coroutine_threadsafe(coroutine, loop);
    if (!future)
        return asyncio_errno();
    int rc = asyncio_concurrent_future_result(future, ASYNCIO_FOREVER, NULL);
    asyncio_concurrent_future_unref(future);
    return rc;
}

static void do_nothing(asyncio_concurrent_future_t *future, void *arg)
{
    (void)future, (void)arg;
}

static void use_pool(asyncio_executor_t *pool)
{
    asyncio_concurrent_future_t *future = asyncio_executor_submit(pool, answer, NULL);
    if (is_there(future)) {
        may(asyncio_concurrent_future_add_done_callback(future, do_nothing, NULL));
        asyncio_future_t *wrapper = asyncio_wrap_future(future);
        if (is_there(wrapper))
            may(asyncio_await_unref(wrapper, NULL));
        may(asyncio_concurrent_future_result(future, ASYNCIO_FOREVER, NULL));
    }
    asyncio_concurrent_future_unref(future);
    asyncio_future_t *cancelled = asyncio_loop_run_in_executor(NULL, pool, answer, NULL);
    if (is_there(cancelled))
        assert_int_equal(asyncio_future_cancel(cancelled, "enough"), 1);
    asyncio_future_unref(cancelled);
    future = asyncio_concurrent_future_new();
    if (is_there(future))
        assert_int_equal(asyncio_concurrent_future_set_exception(future, asyncio_raise(-EIO, "x")),
                         0);
    asyncio_concurrent_future_unref(future);
}

static int scenario(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    void *value = NULL;
    if (may(asyncio_to_thread(answer, NULL, &value)) == 0)
        free(value);
    may(asyncio_to_thread(fail_with_details, NULL, NULL));
    may(asyncio_await(asyncio_to_thread_coroutine(answer, NULL), NULL));
    may(asyncio_to_thread(visit, loop, NULL));
    asyncio_executor_t *pool = asyncio_thread_pool_executor_new(NULL);
    if (is_there(pool)) {
        use_pool(pool);
        assert_int_equal(asyncio_executor_shutdown(pool, true, false), 0);
        asyncio_executor_unref(pool);
    }
    return asyncio_loop_shutdown_default_executor(loop, ASYNCIO_FOREVER);
}

static void ignore(asyncio_loop_t *loop, const asyncio_exception_context_t *context, void *arg)
{
    (void)loop, (void)context, (void)arg;
}

static void run_scenario(void)
{
    asyncio_loop_t *loop = asyncio_new_event_loop();
    if (is_there(loop)) {
        asyncio_loop_set_exception_handler(loop, ignore, NULL);
        may(asyncio_loop_run_until_complete(loop, asyncio_coroutine(scenario, NULL), NULL));
        asyncio_loop_unref(loop);
    }
    asyncio_error_clear();
}

/* Threads that nobody could wait for may be about to end. */
static void await_blocks(long blocks)
{
    for (int i = 0; i < 1000000 && asyncio__live_blocks() != blocks; i++)
        sched_yield();
    if (asyncio__live_blocks() != blocks)
        fail_msg("allocation %ld: %ld blocks leaked", (long)memory.fails_at,
                 asyncio__live_blocks() - blocks);
}

static void sweep(bool for_good)
{
    asyncio_loop_set_exception_handler(NULL, ignore, NULL);
    memory.fails_at = 0;
    run_scenario();
    long blocks = asyncio__live_blocks();
    memory.for_good = for_good;
    long at = 0;
    do {
        memory.calls = 0;
        memory.failed = false;
        memory.fails_at = ++at;
        run_scenario();
        memory.fails_at = 0;
        await_blocks(blocks);
    } while (memory.failed);
    assert_true(at > 20);
}

/* One allocation that fails harms nothing but the call that needed it. */
static void one_failure_is_survived(void **state)
{
    (void)state;
    sweep(/* for_good= */ false);
}

/* Memory that is out for good is answered everywhere, and nobody waits for ever. */
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
