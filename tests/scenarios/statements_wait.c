/* SPDX-License-Identifier: MIT */
/*
 * The statements that may suspend. A value that is awaited is read before its line begins, because
 * the line shows the time after the wait.
 */
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

/* "OP WHAT = VALUE", or the error. */
static outcome_t log_value(scenario_t *scenario, json_t *args, int rc, void *value)
{
    if (rc < 0)
        return raise_code(rc);
    if (log_begin(scenario, "%s %s = ", text_at(args, 0), text_at(args, 1))) {
        print_value(scenario, value);
        log_end();
    }
    return go_on();
}

static outcome_t do_sleep(scenario_t *scenario, json_t *args)
{
    (void)scenario;
    int rc = asyncio_sleep(seconds_at(args, 1));
    return rc < 0 ? raise_code(rc) : go_on();
}

static outcome_t do_await(scenario_t *scenario, json_t *args)
{
    asyncio_awaitable_t *source = find_awaitable(scenario, text_at(args, 1));
    void *value = NULL;
    if (!source)
        return unbound();
    int rc = asyncio_await(source, &value);
    return log_value(scenario, args, rc, value);
}

static outcome_t do_call(scenario_t *scenario, json_t *args)
{
    void *value = NULL;
    int rc = asyncio_await(make_named(scenario, text_at(args, 1)), &value);
    return log_value(scenario, args, rc, value);
}

static outcome_t do_wait_for(scenario_t *scenario, json_t *args)
{
    asyncio_awaitable_t *source = find_awaitable(scenario, text_at(args, 1));
    void *value = NULL;
    if (!source)
        return unbound();
    int rc = asyncio_wait_for(source, seconds_at(args, 2), &value);
    return log_value(scenario, args, rc, value);
}

/* --- bodies in bodies ---------------------------------------------------------------------- */

static outcome_t do_repeat(scenario_t *scenario, json_t *args)
{
    json_int_t times = json_integer_value(json_array_get(args, 1));
    outcome_t outcome = go_on();
    for (json_int_t i = 0; i < times && outcome.flow == FLOW_ON; i++)
        outcome = run_body(scenario, json_array_get(args, 2));
    return outcome;
}

/* Whether a handler of that kind catches an error of that code. */
static bool catches(const char *kind, int code)
{
    bool is_exception = code != ASYNCIO_ECANCELED && code != ASYNCIO_EGENERATOREXIT;
    if (code == EOUTOFFUEL || code == ASYNCIO_EGENERATOREXIT)
        return false;
    if (strcmp(kind, "all") == 0)
        return true;
    if (strcmp(kind, "any") == 0)
        return is_exception;
    int wanted = strcmp(kind, "cancelled") == 0 ? ASYNCIO_ECANCELED
                 : strcmp(kind, "timeout") == 0 ? ASYNCIO_ETIMEDOUT
                 : strcmp(kind, "error") == 0   ? ASYNCIO_EUSER
                 : strcmp(kind, "group") == 0   ? ASYNCIO_EGROUP
                                                : 0;
    return code == wanted;
}

/* Runs the first handler that matches, if any. */
static outcome_t handle_error(scenario_t *scenario, json_t *handlers, outcome_t raised)
{
    int code = asyncio_error_code(raised.error);
    for (size_t i = 0; i < json_array_size(handlers); i++) {
        json_t *handler = json_array_get(handlers, i);
        if (!catches(text_at(handler, 0), code))
            continue;
        if (log_begin(scenario, "caught ")) {
            print_error(raised.error);
            log_end();
        }
        if (strcmp(text_at(handler, 1), "reraise") == 0)
            return raised;
        asyncio_error_unref(raised.error);
        return run_body(scenario, json_array_get(handler, 1));
    }
    return raised;
}

static outcome_t do_try(scenario_t *scenario, json_t *args)
{
    outcome_t outcome = run_body(scenario, json_array_get(args, 1));
    if (outcome.flow == FLOW_RAISE)
        outcome = handle_error(scenario, json_array_get(args, 2), outcome);
    json_t *final = json_array_get(args, 3);
    if (!json_is_array(final))
        return outcome;
    outcome_t last = run_body(scenario, final);
    if (last.flow != FLOW_RAISE)
        return outcome; /* a return in it is not obeyed */
    asyncio_error_unref(outcome.error);
    return last;
}

/* --- scopes -------------------------------------------------------------------------------- */

/* Returns what leaves a scope whose body ended so, and whose exit returned rc. */
static outcome_t leave_scope(outcome_t body, int rc)
{
    return rc < 0 ? raise_code(rc) : body;
}

static outcome_t do_timeout(scenario_t *scenario, json_t *args)
{
    asyncio_timeout_t scope;
    int rc = asyncio_timeout_enter(&scope, seconds_at(args, 1));
    if (rc < 0)
        return raise_code(rc);
    outcome_t body = run_body(scenario, json_array_get(args, 2));
    rc = asyncio_timeout_exit(&scope, code_of(body));
    outcome_t outcome = leave_scope(body, rc);
    if (outcome.flow == FLOW_ON)
        log_line(scenario, "timeout_over %s", asyncio_timeout_expired(&scope) ? "True" : "False");
    return outcome;
}

/* Runs one statement directly in the body of a group; `spawn` exists only here, and costs no
 * fuel. */
static outcome_t run_in_group(scenario_t *scenario, asyncio_task_group_t *group, json_t *statement)
{
    if (strcmp(text_at(statement, 0), "spawn") != 0)
        return run_statement(scenario, statement);
    asyncio_task_t *task =
        asyncio_task_group_create_task(group, make_named(scenario, text_at(statement, 2)));
    if (!task)
        return raise_errno();
    label_task(scenario, asyncio_task_ref(task), text_at(statement, 1));
    operations_group[0].count++;
    return go_on();
}

static outcome_t do_group(scenario_t *scenario, json_t *args)
{
    asyncio_task_group_t group;
    int rc = asyncio_task_group_enter(&group);
    if (rc < 0)
        return raise_code(rc);
    json_t *statements = json_array_get(args, 1);
    outcome_t body = go_on();
    for (size_t i = 0; i < json_array_size(statements) && body.flow == FLOW_ON; i++)
        body = run_in_group(scenario, &group, json_array_get(statements, i));
    rc = asyncio_task_group_exit(&group, code_of(body));
    outcome_t outcome = leave_scope(body, rc);
    if (outcome.flow == FLOW_ON)
        log_line(scenario, "group_over");
    return outcome;
}

/* --- many at once -------------------------------------------------------------------------- */

/* The sources of a statement as futures, in order. */
typedef struct sources {
    asyncio_awaitable_t **futures; /* kept by the scenario */
    const char **names;            /* of each */
    bool *done;                    /* of each, for wait */
    size_t count;                  /* of all three */
} sources_t;

static void free_sources(sources_t *sources)
{
    free(sources->futures);
    free(sources->names);
    free(sources->done);
}

static int make_futures(scenario_t *scenario, json_t *names, sources_t *ret_sources)
{
    size_t room = json_array_size(names) + 1;
    sources_t sources = {malloc(room * sizeof(*sources.futures)),
                         malloc(room * sizeof(*sources.names)), calloc(room, 1), 0};
    if (!sources.futures || !sources.names || !sources.done)
        abort();
    sources.count = find_awaitables(scenario, names, sources.futures, sources.names);
    for (size_t i = 0; i < sources.count; i++) {
        asyncio_future_t *future = asyncio_ensure_future(sources.futures[i]);
        if (!future) {
            free_sources(&sources);
            return asyncio_errno();
        }
        sources.futures[i] = keep_future(scenario, future);
    }
    *ret_sources = sources;
    return 0;
}

static asyncio_return_when_t return_when(const char *word)
{
    return strcmp(word, "FIRST") == 0 ? ASYNCIO_FIRST_COMPLETED
           : strcmp(word, "EXC") == 0 ? ASYNCIO_FIRST_EXCEPTION
                                      : ASYNCIO_ALL_COMPLETED;
}

static outcome_t do_wait(scenario_t *scenario, json_t *args)
{
    sources_t sources;
    int rc = make_futures(scenario, json_array_get(args, 1), &sources);
    if (rc < 0)
        return raise_code(rc);
    outcome_t outcome = go_on();
    rc = asyncio_wait(sources.futures, sources.count, seconds_at(args, 2),
                      return_when(text_at(args, 3)), sources.done);
    if (rc < 0) {
        outcome = raise_code(rc);
    } else if (log_begin(scenario, "wait ")) {
        for (size_t i = 0; i < sources.count; i++)
            print_words(i > 0 ? " " : "", sources.names[i], sources.done[i] ? ":done" : ":pending");
        log_end();
    }
    free_sources(&sources);
    return outcome;
}

/* Logs the outcome of a completed future, including an Error; any other error leaves. */
static outcome_t log_completed(scenario_t *scenario, asyncio_future_t *future)
{
    void *value = NULL;
    int rc = asyncio_future_result(future, &value);
    outcome_t outcome = rc < 0 ? raise_code(rc) : go_on();
    if (rc < 0 && rc != ASYNCIO_EUSER)
        return outcome;
    if (log_begin(scenario, "completed ")) {
        if (rc < 0)
            print_error(outcome.error);
        else
            print_value(scenario, value);
        log_end();
    }
    asyncio_error_unref(outcome.error);
    return go_on();
}

static void drop_iteration(void *iteration)
{
    asyncio_as_completed_unref(iteration);
}

static outcome_t do_as_completed(scenario_t *scenario, json_t *args)
{
    sources_t sources;
    int rc = make_futures(scenario, json_array_get(args, 1), &sources);
    if (rc < 0)
        return raise_code(rc);
    size_t left = 0;
    for (size_t i = 0; i < sources.count; i++)
        if (!asyncio_future_done(sources.futures[i]))
            sources.futures[left++] = sources.futures[i];
    asyncio_as_completed_t *iteration =
        asyncio_as_completed(sources.futures, left, seconds_at(args, 2));
    free_sources(&sources);
    if (!iteration)
        return raise_errno();
    /* Its timer continues when an error leaves, in Python too. */
    keep(scenario, iteration, drop_iteration);
    outcome_t outcome = go_on();
    asyncio_future_t *future;
    while (outcome.flow == FLOW_ON && (rc = asyncio_as_completed_next(iteration, &future)) > 0)
        outcome = log_completed(scenario, future);
    return outcome.flow == FLOW_ON && rc < 0 ? raise_code(rc) : outcome;
}

operation_t operations_wait[] = {
    {"sleep", do_sleep, 0},
    {"await", do_await, 0},
    {"call", do_call, 0},
    {"try", do_try, 0},
    {"repeat", do_repeat, 0},
    {"wait", do_wait, 0},
    {"wait_for", do_wait_for, 0},
    {"as_completed", do_as_completed, 0},
    {"timeout", do_timeout, 0},
    {"group", do_group, 0},
    {NULL, NULL, 0},
};

/* Only run_in_group() finds these. */
operation_t operations_group[] = {
    {"spawn", NULL, 0},
    {NULL, NULL, 0},
};
