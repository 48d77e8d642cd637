/* SPDX-License-Identifier: MIT */
/* Futures, tasks, coroutine objects, asynchronous generators, and what is told about them. */
#include "sweep.h"

#include <stdlib.h>

static void do_nothing_with(asyncio_future_t *future, void *arg)
{
    (void)future, (void)arg;
}

static void use_futures(asyncio_loop_t *loop)
{
    asyncio_error_t *error = NULL;
    void *value = NULL;
    asyncio_future_t *future = asyncio_loop_create_future(loop);
    if (is_there(future)) {
        must(asyncio_isfuture(future) && asyncio_future_get_loop(future) == loop);
        if (may(asyncio_future_add_done_callback(future, do_nothing_with, NULL)) == 0)
            must(asyncio_future_remove_done_callback(future, do_nothing_with, NULL) == 1);
        may(asyncio_future_add_done_callback(future, do_nothing_with, NULL));
        must(asyncio_future_set_exception(future, asyncio_raise(-ENOMEM, "x %d", 1)) == 0);
        must(asyncio_future_done(future));
        if (may_be(asyncio_future_exception(future, &error), -ENOMEM) >= 0)
            asyncio_error_unref(error);
        may_be(asyncio_await_unref(future, NULL), -ENOMEM);
    }
    future = asyncio_loop_create_future(loop);
    if (is_there(future)) {
        must(asyncio_future_set_result_full(future, malloc(8), free) == 0);
        may(asyncio_future_result(future, &value));
        asyncio_future_t *same = asyncio_ensure_future(asyncio_future_ref(future));
        must(same == future);
        asyncio_future_unref(same);
        asyncio_future_unref(same);
        asyncio_future_unref(future);
    }
    future = asyncio_loop_create_future(loop);
    if (is_there(future)) {
        must(asyncio_future_set_result(future, NULL) == 0);
        may(asyncio_await_unref(future, NULL));
    }
    future = asyncio_loop_create_future(loop);
    if (is_there(future)) {
        must(asyncio_future_cancel(future, "a message that may be lost") == 1);
        must(asyncio_future_cancelled(future));
        may_be(asyncio_await_unref(future, NULL), -ECANCELED);
    }
    may(asyncio_await_unref(asyncio_ensure_future(asyncio_sleep_coroutine(1)), NULL));
}

static int cancel_itself(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_t *task = asyncio_current_task();
    must(asyncio_task_cancel(task, "a message") == 1 && asyncio_task_cancelling(task) == 1);
    may_be(asyncio_sleep(1), -ECANCELED);
    must(asyncio_task_uncancel(task) == 0);
    return (int)may(asyncio_sleep(1));
}

static void use_tasks(asyncio_loop_t *loop)
{
    asyncio_task_options_t options = {.size = sizeof(options), .name = "a name of some length"};
    asyncio_task_t *all[8], *task = asyncio_create_task(asyncio_coroutine(sweep_work, NULL));
    if (is_there(task)) {
        must(asyncio_istask(task) && asyncio_task_get_coro(task));
        may(asyncio_task_set_name(task, "a name that is longer than a few bytes"));
        must(asyncio_task_get_name(task) != NULL);
        long count = asyncio_all_tasks(loop, all, 8);
        for (long i = 0; i < may(count); i++)
            asyncio_task_unref(all[i]);
        sweep_end_task(task, 0);
    }
    task = asyncio_create_task(asyncio_sleep_coroutine(10));
    if (is_there(task)) {
        may(asyncio_sleep(1));
        must(asyncio_task_get_name(task) != NULL);
        int cancelled = asyncio_task_cancel(task, "a message that may be lost");
        int rc = (int)may_be(asyncio_await_unref(task, NULL), -ECANCELED);
        must(cancelled == (rc == -ECANCELED) || rc < 0);
    }
    task = asyncio_loop_create_task_full(loop, asyncio_coroutine(cancel_itself, NULL), &options);
    if (is_there(task))
        sweep_end_task(asyncio_task_ref(task), 0);
    asyncio_task_unref(task);
    task = asyncio_loop_create_task(loop, asyncio_coroutine(sweep_work, NULL));
    if (is_there(task))
        must(asyncio_task_detach(task) == 0);
    may(asyncio_sleep(5));
    sweep_await_work(asyncio_coroutine(sweep_work, NULL));
}

static int yield_twice(void *arg, void **ret_result)
{
    int *copy = arg;
    int rc = asyncio_yield(copy, NULL);
    if (rc == 0)
        rc = asyncio_yield(copy, NULL);
    *ret_result = ASYNCIO_INT(7);
    return rc;
}

static void use_coroutines(asyncio_loop_t *loop)
{
    (void)loop;
    int number = 1;
    void *out = NULL;
    asyncio_coroutine_options_t options = {.size = sizeof(options),
                                           .copy_bytes = sizeof(number),
                                           .destroy = free,
                                           .stack_bytes = 128 * 1024};
    asyncio_stack_statistics_t statistics = {.size = sizeof(statistics)};
    options.destroy = NULL;
    asyncio_coroutine_t *coroutine = asyncio_coroutine_full(yield_twice, &number, &options);
    if (is_there(coroutine)) {
        must(asyncio_iscoroutine(coroutine));
        bool begun = may(asyncio_coroutine_send(coroutine, NULL, &out)) == ASYNCIO_YIELDED;
        may(asyncio_coroutine_get_stack_size(coroutine));
        may_be(asyncio_coroutine_get_stack_high_water(coroutine), -ENODATA);
        if (begun)
            must(asyncio_coroutine_send(coroutine, NULL, &out) == ASYNCIO_YIELDED &&
                 asyncio_coroutine_send(coroutine, NULL, &out) == 0 && asyncio_int(out) == 7);
        asyncio_coroutine_unref(coroutine);
    }
    coroutine = asyncio_coroutine(yield_twice, &number);
    if (is_there(coroutine)) {
        if (may(asyncio_coroutine_send(coroutine, NULL, &out)) == ASYNCIO_YIELDED)
            must(asyncio_coroutine_throw(coroutine, -EIO, &out) == -EIO);
        must(asyncio_coroutine_close(asyncio_coroutine_ref(coroutine)) == 0);
        asyncio_coroutine_unref(coroutine);
    }
    may(asyncio_get_stack_statistics(&statistics));
    asyncio_trim();
    asyncio_task_t *task = asyncio_create_task(asyncio_sleep_coroutine(1));
    if (is_there(task)) {
        may(asyncio_sleep(0));
        may(asyncio_task_get_stack_size(task));
        may_be(asyncio_task_get_stack_high_water(task), -ENODATA);
        sweep_end_task(task, 0);
    }
}

static int count_slowly(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = 0;
    for (int i = 0; i < 3 && rc >= 0; i++) {
        rc = asyncio_yield(NULL, NULL);
        if (rc >= 0 || rc == ASYNCIO_EGENERATOREXIT)
            rc = may_be(asyncio_sleep(0), ASYNCIO_EGENERATOREXIT) < 0 ? -ENOMEM : rc;
    }
    return rc;
}

static void may_stop(int rc)
{
    if (rc != ASYNCIO_ESTOPASYNCITERATION && rc != ASYNCIO_EGENERATOREXIT)
        may_be(rc, -EPIPE);
}

static void use_generators(asyncio_loop_t *loop)
{
    for (int i = 0; i < 6; i++) {
        asyncio_coroutine_t *generator = asyncio_coroutine(count_slowly, NULL);
        if (!is_there(generator))
            continue;
        if (i < 5)
            may_stop(asyncio_coroutine_anext(generator, NULL));
        if (i == 0) {
            may_stop(asyncio_await(asyncio_coroutine_anext_coroutine(generator), NULL));
            may_stop(asyncio_coroutine_asend(generator, NULL, NULL));
        } else if (i == 1) {
            may_stop(asyncio_await(asyncio_coroutine_asend_coroutine(generator, NULL), NULL));
            may_stop(asyncio_coroutine_athrow(generator, -EPIPE, NULL));
        } else if (i == 2) {
            may_stop(asyncio_await(asyncio_coroutine_athrow_coroutine(generator, -EPIPE), NULL));
        } else if (i == 3) {
            may_stop(asyncio_coroutine_aclose(generator));
        } else if (i == 4) {
            may_stop(asyncio_await(asyncio_coroutine_aclose_coroutine(generator), NULL));
        } else {
            may_stop(asyncio_coroutine_anext(generator, NULL)); /* a task closes it */
        }
        asyncio_coroutine_unref(generator);
        may(asyncio_sleep(0));
    }
    for (int i = 0; i < 2; i++) {
        asyncio_coroutine_t *generator = asyncio_coroutine(count_slowly, NULL);
        if (!is_there(generator))
            continue;
        may_stop(asyncio_coroutine_anext(generator, NULL));
        may_stop(i ? asyncio_loop_shutdown_asyncgens(loop)
                   : asyncio_await(asyncio_loop_shutdown_asyncgens_coroutine(loop), NULL));
        asyncio_coroutine_unref(generator);
        may(asyncio_sleep(0));
    }
}

static void use_graph(asyncio_task_t *task)
{
    asyncio_frame_t frame;
    asyncio_future_call_graph_t *graph = asyncio_capture_call_graph(task, -1);
    if (!is_there(graph))
        return;
    must(asyncio_future_call_graph_future(graph) == task);
    asyncio_future_call_graph_frame(graph, 0, &frame);
    asyncio_future_call_graph_awaited_by(graph, 0);
    asyncio_future_call_graph_unref(graph);
}

static int await_it(void *arg, void **ret_result)
{
    return asyncio_await(arg, ret_result);
}

static void use_call_graphs(asyncio_loop_t *loop)
{
    asyncio_future_t *awaiters[4];
    asyncio_frame_t frames[4];
    char text[100];
    FILE *file = fopen("/dev/null", "we");
    must(file);
    asyncio_task_t *task = asyncio_create_task(asyncio_sleep_coroutine(10));
    asyncio_task_t *waits = task ? asyncio_create_task(asyncio_coroutine(await_it, task)) : NULL;
    if (is_there(task) && is_there(waits)) {
        may(asyncio_sleep(1));
        /* Where the switch has no unwind tables, nothing is known of a waiting task. */
        may_be(asyncio_task_get_stack(task, frames, 4), -EOPNOTSUPP);
        may_be(asyncio_task_print_stack(task, -1, file), -EOPNOTSUPP);
        asyncio_task_get_awaited(waits);
        asyncio_task_get_waiting_for(waits);
        long count = asyncio_future_awaited_by(task, awaiters, 4);
        for (long i = 0; i < may(count); i++)
            asyncio_future_unref(awaiters[i]);
        use_graph(task);
        may(asyncio_format_call_graph(task, -1, text, sizeof(text)));
        may(asyncio_print_call_graph(task, -1, file));
        may(asyncio_print_tasks(loop, file));
    }
    if (task)
        asyncio_task_cancel(task, NULL);
    sweep_end_task(waits, -ECANCELED);
    sweep_end_task(task, -ECANCELED);
    fclose(file);
}

const scenario_t sweep_futures = {.name = "futures", .use = use_futures};
const scenario_t sweep_tasks = {.name = "tasks", .use = use_tasks};
const scenario_t sweep_coroutines = {.name = "coroutine objects", .use = use_coroutines};
const scenario_t sweep_generators = {.name = "asynchronous generators", .use = use_generators};
const scenario_t sweep_call_graphs = {.name = "call graphs", .use = use_call_graphs};
