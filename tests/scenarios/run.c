/* SPDX-License-Identifier: MIT */
/*
 * Running a scenario: statements, bodies, coroutines and callbacks; then the whole, from its main
 * task to the states of all tasks at the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

/* --- statements ---------------------------------------------------------------------------- */

/* Ends a scenario without fuel: the loop returns at the end of this turn, and whatever still runs
 * until then logs nothing and catches nothing. */
static outcome_t run_dry(scenario_t *scenario)
{
    asyncio_loop_stop(scenario->loop);
    return raise_error(asyncio_error_ref(scenario->out_of_fuel));
}

/* Returns the operation of that name from either list, or NULL. */
static operation_t *find_operation(operation_t *first, operation_t *second, const char *name)
{
    for (; first->name; first++)
        if (strcmp(first->name, name) == 0)
            return first;
    return second ? find_operation(second, NULL, name) : NULL;
}

static outcome_t run_operation(scenario_t *scenario, operation_t *operation, json_t *statement)
{
    if (!operation)
        return (outcome_t){.flow = FLOW_NONE};
    outcome_t outcome = operation->run(scenario, statement);
    operation->count += outcome.flow != FLOW_UNBOUND;
    return outcome;
}

void print_counts(void)
{
    const operation_t *lists[] = {operations_now, operations_wait, operations_group,
                                  operations_sync_now, operations_sync_wait};
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
        for (const operation_t *operation = lists[i]; operation->name; operation++)
            fprintf(stderr, "count %s %zu\n", operation->name, operation->count);
}

/* Runs a statement that cannot suspend; FLOW_NONE: it is none of those. */
static outcome_t run_now(scenario_t *scenario, json_t *statement)
{
    if (scenario->is_over || --scenario->fuel < 0)
        return run_dry(scenario);
    operation_t *operation =
        find_operation(operations_now, operations_sync_now, text_at(statement, 0));
    return run_operation(scenario, operation, statement);
}

outcome_t run_statement(scenario_t *scenario, json_t *statement)
{
    const char *name = text_at(statement, 0);
    outcome_t outcome = run_now(scenario, statement);
    if (outcome.flow == FLOW_NONE)
        outcome = run_operation(
            scenario, find_operation(operations_wait, operations_sync_wait, name), statement);
    if (outcome.flow == FLOW_RETURN || outcome.flow == FLOW_RAISE)
        return outcome;
    if (outcome.flow == FLOW_UNBOUND)
        log_line(scenario, "unbound %s", name);
    else if (outcome.flow == FLOW_NONE)
        log_line(scenario, "unknown %s", name);
    return go_on();
}

outcome_t run_body(scenario_t *scenario, json_t *body)
{
    outcome_t outcome = go_on();
    for (size_t i = 0; i < json_array_size(body) && outcome.flow == FLOW_ON; i++)
        outcome = run_statement(scenario, json_array_get(body, i));
    return outcome;
}

int code_of(outcome_t outcome)
{
    if (outcome.flow != FLOW_RAISE)
        return 0;
    int code = asyncio_reraise(outcome.error);
    asyncio_error_unref(outcome.error);
    return code;
}

/* --- coroutines ---------------------------------------------------------------------------- */

struct start {
    scenario_t *scenario; /* whose */
    json_t *body;         /* statements, or NULL for none */
};

/* Runs a whole coroutine: its value is the one returned, or None. */
static int run_coroutine(void *arg, void **ret_result)
{
    struct start *start = arg;
    outcome_t outcome = run_body(start->scenario, start->body);
    if (outcome.flow == FLOW_RETURN)
        *ret_result = outcome.value;
    return code_of(outcome);
}

asyncio_coroutine_t *make_coroutine(scenario_t *scenario, json_t *body)
{
    struct start start = {scenario, body};
    asyncio_coroutine_options_t options = {.size = sizeof(options), .copy_bytes = sizeof(start)};
    return asyncio_coroutine_full(run_coroutine, &start, &options);
}

asyncio_coroutine_t *make_named(scenario_t *scenario, const char *name)
{
    return make_coroutine(scenario, json_object_get(scenario->coros, name));
}

/* --- callbacks ----------------------------------------------------------------------------- */

/* Passes the error that left a callback to the loop's exception handler; drops the error. */
static void report(scenario_t *scenario, asyncio_error_t *error)
{
    asyncio_exception_context_t context = {.size = sizeof(context),
                                           .message = "Exception in callback",
                                           .code = asyncio_error_code(error),
                                           .error = error};
    asyncio_loop_call_exception_handler(scenario->loop, &context);
    asyncio_error_unref(error);
}

void run_callback(callback_t *callback)
{
    scenario_t *scenario = callback->scenario;
    for (size_t i = 0; i < json_array_size(callback->body); i++) {
        json_t *statement = json_array_get(callback->body, i);
        outcome_t outcome = run_now(scenario, statement);
        if (outcome.flow == FLOW_RAISE)
            report(scenario, outcome.error);
        if (outcome.flow == FLOW_RAISE || outcome.flow == FLOW_RETURN)
            return;
        if (outcome.flow != FLOW_ON)
            log_line(scenario, "%s %s", outcome.flow == FLOW_NONE ? "skip" : "unbound",
                     text_at(statement, 0));
    }
}

static void on_exception(asyncio_loop_t *loop, const asyncio_exception_context_t *context,
                         void *arg)
{
    (void)loop;
    scenario_t *scenario = arg;
    if (!log_begin(scenario, "handler "))
        return;
    asyncio_error_t *error = asyncio_error_ref(context->error);
    if (!error && context->code < 0)
        error = asyncio_error_new(context->code, /* message= */ NULL, /* cause= */ NULL);
    if (error)
        print_error(error);
    else
        fputs(context->message, stdout);
    asyncio_error_unref(error);
    log_end();
}

/* --- the whole ----------------------------------------------------------------------------- */

static void live(scenario_t *scenario, json_t *body)
{
    void *value = NULL;
    asyncio_task_t *task = asyncio_loop_create_task(scenario->loop, make_coroutine(scenario, body));
    int rc = task ? asyncio_loop_run_until_complete(scenario->loop, task, &value)
                  : asyncio_errno();
    bool is_deadlock = rc == ASYNCIO_EDEADLOOP;
    asyncio_error_t *error = rc < 0 ? asyncio_error_of(rc) : NULL;
    if (is_deadlock) {
        log_line(scenario, "deadlock");
    } else if (log_begin(scenario, rc < 0 ? "main raised " : "main returned ")) {
        if (rc < 0)
            print_error(error);
        else
            print_value(scenario, value);
        log_end();
    }
    asyncio_error_unref(error);
    asyncio_task_unref(task);
}

/* Waits in a hidden task for those that are left. */
static void wait_for_rest(scenario_t *scenario, asyncio_awaitable_t **left, size_t count)
{
    asyncio_coroutine_t *coroutine =
        asyncio_wait_coroutine(left, count, SHUTDOWN_TICKS * TICK, ASYNCIO_ALL_COMPLETED,
                               /* ret_done= */ NULL);
    scenario->is_hiding = true;
    scenario->waiter = asyncio_loop_create_task(scenario->loop, coroutine);
    scenario->is_hiding = false;
    int rc = asyncio_loop_run_until_complete(scenario->loop, scenario->waiter, NULL);
    if (rc < 0 && scenario->fuel >= 0)
        printf("the shutdown failed: %s\n", asyncio_error_name(rc));
}

static void shut_down(scenario_t *scenario)
{
    size_t count = 0;
    asyncio_awaitable_t **left = malloc((scenario->tasks.count + 1) * sizeof(*left));
    if (!left)
        abort();
    for (size_t i = 0; i < scenario->tasks.count; i++)
        if (!asyncio_future_done(scenario->tasks.items[i].task))
            left[count++] = scenario->tasks.items[i].task;
    log_line(scenario, "shutdown %zu", count);
    for (size_t i = 0; i < count; i++) {
        int rc = asyncio_task_cancel(left[i], /* message= */ NULL);
        (void)rc; /* -EDEADLK is a ring of tasks: such traces are not compared */
    }
    if (count > 0 && scenario->fuel >= 0)
        wait_for_rest(scenario, left, count);
    free(left);
    for (size_t i = 0; i < scenario->tasks.count; i++) {
        const task_entry_t *entry = &scenario->tasks.items[i];
        if (log_begin(scenario, "end %s ", i == 0 ? "main" : entry->label)) {
            print_state(scenario, entry->task);
            log_end();
        }
    }
}

void run_scenario(json_t *program)
{
    scenario_t scenario = {.coros = json_object_get(program, "coros"), .fuel = FUEL};
    asyncio_loop_options_t options = {.size = sizeof(options),
                                      .engine = ASYNCIO_ENGINE_AUTO,
                                      .clock = ASYNCIO_CLOCK_VIRTUAL,
                                      .stack_bytes = STACK_BYTES};
    scenario.loop = asyncio_new_event_loop_full(&options);
    if (!scenario.loop) {
        fprintf(stderr, "conformance: no loop: %s\n", asyncio_error_name(asyncio_errno()));
        exit(1);
    }
    scenario.out_of_fuel = asyncio_error_new(EOUTOFFUEL, "out of fuel", /* cause= */ NULL);
    asyncio_loop_set_exception_handler(scenario.loop, on_exception, &scenario);
    /* In debug mode: the time that a step takes on a busy machine is no part of the trace. */
    asyncio_loop_set_slow_callback_duration(scenario.loop, ASYNCIO_FOREVER);
    observe_tasks(&scenario);
    live(&scenario, json_object_get(program, "main"));
    if (scenario.fuel >= 0)
        shut_down(&scenario);
    if (scenario.fuel < 0)
        puts("out of fuel");
    /* From here on nothing is logged: neither by bodies that the close ends nor by reports. */
    scenario.is_over = true;
    int rc = asyncio_loop_close(scenario.loop);
    if (rc < 0)
        printf("the loop could not be closed: %s\n", asyncio_error_name(rc));
    asyncio_task_unref(scenario.waiter);
    drop_all(&scenario);
    asyncio_loop_unref(scenario.loop);
}
