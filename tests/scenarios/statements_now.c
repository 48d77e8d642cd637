/* SPDX-License-Identifier: MIT */
/*
 * The statements that do not suspend, and so may stand in a callback's body too.
 */
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

/* --- the trace, and leaving the coroutine -------------------------------------------------- */

static outcome_t do_log(scenario_t *scenario, json_t *args)
{
    log_line(scenario, "log %s", text_at(args, 1));
    return go_on();
}

static outcome_t do_time(scenario_t *scenario, json_t *args)
{
    (void)args;
    log_line(scenario, "time");
    return go_on();
}

static outcome_t do_raise(scenario_t *scenario, json_t *args)
{
    (void)scenario;
    return raise_error(asyncio_error_new(ASYNCIO_EUSER, text_at(args, 1), /* cause= */ NULL));
}

static outcome_t do_return(scenario_t *scenario, json_t *args)
{
    (void)scenario;
    return (outcome_t){.flow = FLOW_RETURN, .value = json_array_get(args, 1)};
}

/* --- making things ------------------------------------------------------------------------- */

static outcome_t do_task(scenario_t *scenario, json_t *args)
{
    asyncio_task_t *task = asyncio_create_task(make_named(scenario, text_at(args, 2)));
    if (!task)
        return raise_errno();
    label_task(scenario, task, text_at(args, 1));
    return go_on();
}

static outcome_t do_coro(scenario_t *scenario, json_t *args)
{
    asyncio_coroutine_t *coroutine = make_named(scenario, text_at(args, 2));
    if (!coroutine)
        return raise_errno();
    bind_variable(scenario, text_at(args, 1), KIND_COROUTINE, coroutine);
    return go_on();
}

/* Binds a future that a constructor returned. */
static outcome_t bind_future(scenario_t *scenario, json_t *args, asyncio_future_t *future)
{
    if (!future)
        return raise_errno();
    bind_variable(scenario, text_at(args, 1), KIND_FUTURE, future);
    return go_on();
}

static outcome_t do_future(scenario_t *scenario, json_t *args)
{
    return bind_future(scenario, args, asyncio_loop_create_future(scenario->loop));
}

static outcome_t do_ensure(scenario_t *scenario, json_t *args)
{
    asyncio_awaitable_t *source = find_awaitable(scenario, text_at(args, 2));
    return source ? bind_future(scenario, args, asyncio_ensure_future(source)) : unbound();
}

static outcome_t do_shield(scenario_t *scenario, json_t *args)
{
    asyncio_awaitable_t *source = find_awaitable(scenario, text_at(args, 2));
    return source ? bind_future(scenario, args, asyncio_shield(source)) : unbound();
}

static outcome_t do_gather(scenario_t *scenario, json_t *args)
{
    json_t *names = json_array_get(args, 2);
    size_t room = json_array_size(names) + 1;
    asyncio_awaitable_t **sources = malloc(room * sizeof(*sources));
    const char **found = malloc(room * sizeof(*found));
    if (!sources || !found)
        abort();
    size_t count = find_awaitables(scenario, names, sources, found);
    asyncio_gather_options_t options = {.size = sizeof(options),
                                        .return_exceptions = json_is_true(json_array_get(args, 3))};
    asyncio_future_t *future = asyncio_gather(sources, count, &options);
    free(sources);
    free(found);
    if (future) {
        GROW(scenario->gatherings);
        scenario->gatherings.items[scenario->gatherings.count++] = (gathering_t){future, count};
    }
    return bind_future(scenario, args, future);
}

/* --- futures ------------------------------------------------------------------------------- */

static asyncio_future_t *find_plain(scenario_t *scenario, const char *name)
{
    asyncio_future_t *future = find_future(scenario, name);
    return asyncio_istask(future) ? NULL : future;
}

/* A gathering that is finished by hand has a value of the program, not an array. */
static void forget_gathering(scenario_t *scenario, const asyncio_future_t *future)
{
    for (size_t i = 0; i < scenario->gatherings.count; i++)
        if (scenario->gatherings.items[i].future == future)
            scenario->gatherings.items[i].future = NULL;
}

static outcome_t do_set_result(scenario_t *scenario, json_t *args)
{
    asyncio_future_t *future = find_plain(scenario, text_at(args, 1));
    if (!future)
        return unbound();
    int rc = asyncio_future_set_result(future, json_array_get(args, 2));
    if (rc < 0)
        return raise_code(rc);
    forget_gathering(scenario, future);
    return go_on();
}

static outcome_t do_set_exception(scenario_t *scenario, json_t *args)
{
    asyncio_future_t *future = find_plain(scenario, text_at(args, 1));
    if (!future)
        return unbound();
    asyncio_error_t *error = asyncio_error_new(ASYNCIO_EUSER, text_at(args, 2), /* cause= */ NULL);
    int rc = asyncio_future_set_exception(future, asyncio_reraise(error));
    asyncio_error_unref(error);
    return rc < 0 ? raise_code(rc) : go_on();
}

static outcome_t do_state(scenario_t *scenario, json_t *args)
{
    asyncio_future_t *future = find_future(scenario, text_at(args, 1));
    if (!future)
        return unbound();
    if (log_begin(scenario, "state %s ", text_at(args, 1))) {
        print_state(scenario, future);
        log_end();
    }
    return go_on();
}

static outcome_t do_result(scenario_t *scenario, json_t *args)
{
    asyncio_future_t *future = find_future(scenario, text_at(args, 1));
    void *value;
    if (!future)
        return unbound();
    int rc = asyncio_future_result(future, &value);
    if (rc < 0)
        return raise_code(rc);
    if (log_begin(scenario, "result %s ", text_at(args, 1))) {
        print_value(scenario, value);
        log_end();
    }
    return go_on();
}

static outcome_t do_exception(scenario_t *scenario, json_t *args)
{
    asyncio_future_t *future = find_future(scenario, text_at(args, 1));
    asyncio_error_t *error;
    if (!future)
        return unbound();
    int rc = asyncio_future_exception(future, &error);
    if (rc < 0)
        return raise_code(rc);
    if (log_begin(scenario, "exception %s ", text_at(args, 1))) {
        if (error)
            print_error(error);
        else
            print_value(scenario, NULL);
        log_end();
    }
    asyncio_error_unref(error);
    return go_on();
}

/* --- cancelling ---------------------------------------------------------------------------- */

static const char *truth(int result)
{
    return result ? "True" : "False";
}

static outcome_t do_cancel(scenario_t *scenario, json_t *args)
{
    asyncio_future_t *future = find_future(scenario, text_at(args, 1));
    if (!future)
        return unbound();
    int rc = asyncio_future_cancel(future, json_string_value(json_array_get(args, 2)));
    if (rc < 0)
        return raise_code(rc);
    log_line(scenario, "cancel %s %s", text_at(args, 1), truth(rc));
    return go_on();
}

static outcome_t do_uncancel(scenario_t *scenario, json_t *args)
{
    asyncio_task_t *task = find_task(scenario, text_at(args, 1));
    if (!task)
        return unbound();
    log_line(scenario, "uncancel %s %d", text_at(args, 1), asyncio_task_uncancel(task));
    return go_on();
}

static outcome_t do_cancelling(scenario_t *scenario, json_t *args)
{
    asyncio_task_t *task = find_task(scenario, text_at(args, 1));
    if (!task)
        return unbound();
    log_line(scenario, "cancelling %s %d", text_at(args, 1), asyncio_task_cancelling(task));
    return go_on();
}

static outcome_t do_cancel_self(scenario_t *scenario, json_t *args)
{
    (void)args;
    asyncio_task_t *task = asyncio_current_task();
    if (!task)
        return unbound();
    int rc = asyncio_task_cancel(task, /* message= */ NULL);
    if (rc < 0)
        return raise_code(rc);
    log_line(scenario, "cancel_self %s", truth(rc));
    return go_on();
}

static outcome_t do_uncancel_self(scenario_t *scenario, json_t *args)
{
    (void)args;
    asyncio_task_t *task = asyncio_current_task();
    if (!task)
        return unbound();
    log_line(scenario, "uncancel_self %d", asyncio_task_uncancel(task));
    return go_on();
}

/* --- callbacks ----------------------------------------------------------------------------- */

static void on_done(asyncio_future_t *future, void *arg)
{
    callback_t *callback = arg;
    scenario_t *scenario = callback->scenario;
    if (log_begin(scenario, "done %s %s ", callback->label, callback->var)) {
        print_state(scenario, future);
        log_end();
    }
    run_callback(callback);
}

static void on_call(void *arg)
{
    callback_t *callback = arg;
    log_line(callback->scenario, "callback %s", callback->label);
    run_callback(callback);
}

/* The label is bound before the variable is evaluated. */
static outcome_t do_on_done(scenario_t *scenario, json_t *args)
{
    const char *var = text_at(args, 1);
    callback_t *callback = make_callback(scenario, text_at(args, 2), var, json_array_get(args, 3));
    asyncio_future_t *future = find_future(scenario, var);
    if (!future)
        return unbound();
    int rc = asyncio_future_add_done_callback(future, on_done, callback);
    return rc < 0 ? raise_code(rc) : go_on();
}

static outcome_t do_off_done(scenario_t *scenario, json_t *args)
{
    asyncio_future_t *future = find_future(scenario, text_at(args, 1));
    callback_t *callback = find_done_callback(scenario, text_at(args, 2));
    if (!future)
        return unbound();
    int count = callback ? asyncio_future_remove_done_callback(future, on_done, callback) : 0;
    log_line(scenario, "off_done %s %s %d", text_at(args, 1), text_at(args, 2), count);
    return go_on();
}

/* Binds the handle of a callback that was scheduled. */
static outcome_t bind_handle(scenario_t *scenario, json_t *args, int rc, asyncio_handle_t *handle)
{
    if (rc < 0)
        return raise_code(rc);
    bind_variable(scenario, text_at(args, 1), KIND_HANDLE, handle);
    return go_on();
}

static outcome_t do_call_soon(scenario_t *scenario, json_t *args)
{
    callback_t *callback =
        make_callback(scenario, text_at(args, 2), /* var= */ NULL, json_array_get(args, 3));
    asyncio_handle_t *handle = NULL;
    int rc = asyncio_loop_call_soon(scenario->loop, on_call, callback, &handle);
    return bind_handle(scenario, args, rc, handle);
}

static outcome_t do_call_later(scenario_t *scenario, json_t *args)
{
    callback_t *callback =
        make_callback(scenario, text_at(args, 3), /* var= */ NULL, json_array_get(args, 4));
    asyncio_handle_t *handle = NULL;
    int rc =
        asyncio_loop_call_later(scenario->loop, seconds_at(args, 2), on_call, callback, &handle);
    return bind_handle(scenario, args, rc, handle);
}

static outcome_t do_call_at(scenario_t *scenario, json_t *args)
{
    callback_t *callback =
        make_callback(scenario, text_at(args, 3), /* var= */ NULL, json_array_get(args, 4));
    asyncio_handle_t *handle = NULL;
    int rc = asyncio_loop_call_at(scenario->loop, seconds_at(args, 2), on_call, callback, &handle);
    return bind_handle(scenario, args, rc, handle);
}

static outcome_t do_cancel_handle(scenario_t *scenario, json_t *args)
{
    asyncio_handle_t *handle = find_handle(scenario, text_at(args, 1));
    if (!handle)
        return unbound();
    asyncio_handle_cancel(handle);
    return go_on();
}

/* --- the loop ------------------------------------------------------------------------------ */

static outcome_t do_all_tasks(scenario_t *scenario, json_t *args)
{
    (void)args;
    long count = asyncio_all_tasks(scenario->loop, /* ret_tasks= */ NULL, 0);
    if (scenario->waiter && !asyncio_future_done(scenario->waiter))
        count--;
    log_line(scenario, "all_tasks %ld", count);
    return go_on();
}

operation_t operations_now[] = {
    {"log", do_log, 0},
    {"time", do_time, 0},
    {"raise", do_raise, 0},
    {"return", do_return, 0},
    {"task", do_task, 0},
    {"coro", do_coro, 0},
    {"future", do_future, 0},
    {"ensure", do_ensure, 0},
    {"set_result", do_set_result, 0},
    {"set_exception", do_set_exception, 0},
    {"cancel", do_cancel, 0},
    {"uncancel", do_uncancel, 0},
    {"cancelling", do_cancelling, 0},
    {"cancel_self", do_cancel_self, 0},
    {"uncancel_self", do_uncancel_self, 0},
    {"state", do_state, 0},
    {"result", do_result, 0},
    {"exception", do_exception, 0},
    {"on_done", do_on_done, 0},
    {"off_done", do_off_done, 0},
    {"gather", do_gather, 0},
    {"shield", do_shield, 0},
    {"call_soon", do_call_soon, 0},
    {"call_later", do_call_later, 0},
    {"call_at", do_call_at, 0},
    {"cancel_handle", do_cancel_handle, 0},
    {"all_tasks", do_all_tasks, 0},
    {NULL, NULL, 0},
};
