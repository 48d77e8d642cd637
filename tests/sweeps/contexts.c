/* SPDX-License-Identifier: MIT */
/* Context variables, what runs in contexts, and task factories. */
#include "sweep.h"

#include <stdlib.h>

static asyncio_context_var_t *var; /* of the scenario that runs */

static void do_nothing(void *arg)
{
    (void)arg;
}

static void do_nothing_with(asyncio_future_t *future, void *arg)
{
    (void)future, (void)arg;
}

static void *eight_bytes(void)
{
    return malloc(8);
}

static int set_inside(void *arg)
{
    (void)arg;
    may(asyncio_context_var_set(var, NULL));
    return 0;
}

/* Sets the variable to eight bytes, which are freed if that fails. */
static void set_bytes(asyncio_context_token_t **ret_token)
{
    void *bytes = eight_bytes();
    if (may(asyncio_context_var_set_full(var, bytes, free, ret_token)) < 0)
        free(bytes);
}

static void use_tokens(void)
{
    asyncio_context_token_t *token = NULL;
    void *value = NULL;
    set_bytes(&token);
    set_bytes(NULL);
    may_be(asyncio_context_var_get(var, &value), ASYNCIO_ELOOKUP);
    must(asyncio_context_var_get_or(var, value) == value);
    if (!token)
        return;
    must(asyncio_context_token_get_var(token) == var);
    may_be(asyncio_context_token_get_old_value(token, NULL), ASYNCIO_ELOOKUP);
    asyncio_context_t *copy = asyncio_copy_context();
    may(asyncio_context_var_reset(var, token));
    asyncio_context_unref(is_there(copy) ? copy : NULL);
    asyncio_context_token_unref(token);
}

static void use_objects(void)
{
    asyncio_context_t *context = asyncio_context_new();
    asyncio_context_var_t *vars[2];
    if (!is_there(context))
        return;
    may(asyncio_context_run(context, set_inside, NULL));
    asyncio_context_t *copy = asyncio_context_copy(context);
    if (is_there(copy)) {
        asyncio_context_unref(asyncio_context_ref(copy));
        may(asyncio_context_run(copy, set_inside, NULL));
        may_be(asyncio_context_get(copy, var, NULL), ASYNCIO_ELOOKUP);
        must(asyncio_context_keys(copy, vars, 2) <= 1);
        asyncio_context_unref(copy);
    }
    asyncio_context_unref(context);
}

static void use_callbacks(asyncio_loop_t *loop)
{
    asyncio_handle_t *handle = NULL;
    asyncio_context_t *context = asyncio_context_new();
    if (!is_there(context))
        return;
    may(asyncio_loop_call_soon_full(loop, do_nothing, NULL, context, &handle));
    if (handle)
        must(asyncio_handle_get_context(handle) == context);
    asyncio_handle_unref(handle);
    handle = NULL;
    may(asyncio_loop_call_later(loop, 1, do_nothing, NULL, &handle));
    if (handle)
        is_there(asyncio_handle_get_context(handle));
    asyncio_handle_unref(handle);
    may(asyncio_loop_call_later_full(loop, 1, do_nothing, NULL, context, NULL));
    may(asyncio_loop_call_at_full(loop, 1, do_nothing, NULL, context, NULL));
    may(asyncio_loop_call_soon_threadsafe_full(loop, do_nothing, NULL, context, NULL));
    asyncio_future_t *future = asyncio_loop_create_future(loop);
    if (is_there(future)) {
        may(asyncio_future_add_done_callback_full(future, do_nothing_with, NULL, context));
        must(asyncio_future_set_result(future, NULL) == 0);
        asyncio_future_unref(future);
    }
    may(asyncio_sleep(2));
    asyncio_context_unref(context);
}

static void use_contexts(asyncio_loop_t *loop)
{
    void *bytes = eight_bytes();
    var = asyncio_context_var_new_full("a default", bytes, free);
    if (is_there(var))
        asyncio_context_var_unref(var);
    else
        free(bytes);
    var = asyncio_context_var_new("a name of some length");
    if (!is_there(var))
        return;
    must(asyncio_context_var_get_name(asyncio_context_var_ref(var)) != NULL);
    asyncio_context_var_unref(var);
    use_tokens();
    use_objects();
    use_callbacks(loop);
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(sweep_work, NULL));
    if (is_there(task)) {
        is_there(asyncio_task_get_context(task));
        sweep_end_task(task, 0);
    }
    asyncio_context_var_unref(var);
}

static asyncio_task_t *make_task(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine,
                                 const asyncio_task_options_t *options, void *arg)
{
    (void)arg;
    return asyncio_task_new(loop, coroutine, options);
}

static void use_factories(asyncio_loop_t *loop)
{
    asyncio_task_options_t options = {.size = sizeof(options), .name = "a name of some length",
                                      .eager_start = 1, .context = asyncio_context_new()};
    void *arg = NULL;
    asyncio_task_group_t group;
    must(asyncio_loop_get_exception_handler(loop, &arg) != NULL || !arg);
    sweep_end_task(asyncio_create_task_full(asyncio_coroutine(sweep_work, NULL), &options), 0);
    asyncio_eager_task_factory_t *eager = asyncio_create_eager_task_factory(make_task, NULL);
    if (is_there(eager)) {
        may(asyncio_loop_set_task_factory(loop, asyncio_eager_task_factory, eager));
        is_there(asyncio_loop_get_task_factory(loop, &arg));
        asyncio_awaitable_t *both[] = {asyncio_coroutine(sweep_work, NULL),
                                       asyncio_coroutine(sweep_work, NULL)};
        may(asyncio_gather_await(both, 2, NULL));
        must(asyncio_task_group_enter(&group) == 0);
        is_there(asyncio_task_group_create_task_full(&group, asyncio_coroutine(sweep_work, NULL),
                                                     &options));
        may_be(asyncio_task_group_exit(&group, 0), ASYNCIO_EGROUP);
        may(asyncio_loop_set_task_factory(loop, NULL, NULL));
        sweep_end_task(asyncio_eager_task_factory(loop, asyncio_coroutine(sweep_work, NULL),
                                                  &options, NULL),
                       0);
        asyncio_eager_task_factory_unref(eager);
    }
    asyncio_context_unref(options.context);
}

static void use_runner_context(asyncio_loop_t *loop)
{
    (void)loop;
    asyncio_context_t *context = asyncio_context_new();
    asyncio_runner_t *runner = asyncio_runner_new(NULL);
    if (is_there(runner)) {
        may(asyncio_runner_run_full(runner, asyncio_sleep_coroutine(0), context, NULL));
        asyncio_runner_unref(runner);
    }
    asyncio_context_unref(context);
}

const scenario_t sweep_contexts = {.name = "contexts", .use = use_contexts};
const scenario_t sweep_factories = {.name = "task factories", .use = use_factories};
const scenario_t sweep_runner_contexts = {
    .name = "runners with contexts", .use = use_runner_context, .outside = true};
