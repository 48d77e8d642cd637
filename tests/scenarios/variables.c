/* SPDX-License-Identifier: MIT */
/*
 * What a scenario holds: variables by name, tasks by number, and everything else to the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

void grow(void **items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return;
    *capacity = *capacity ? *capacity * 2 : 16;
    *items = realloc(*items, *capacity * size);
    if (!*items) {
        fputs("conformance: out of memory\n", stderr);
        exit(1);
    }
}

/* --- arguments ----------------------------------------------------------------------------- */

const char *text_at(json_t *args, size_t index)
{
    const char *text = json_string_value(json_array_get(args, index));
    return text ? text : "";
}

double seconds_at(json_t *args, size_t index)
{
    json_t *ticks = json_array_get(args, index);
    return json_is_number(ticks) ? json_number_value(ticks) * TICK : ASYNCIO_FOREVER;
}

/* --- what is kept -------------------------------------------------------------------------- */

void *keep(scenario_t *scenario, void *object, void (*drop)(void *))
{
    GROW(scenario->kept);
    scenario->kept.items[scenario->kept.count++] = (kept_t){object, drop};
    return object;
}

static void drop_future(void *future)
{
    asyncio_future_unref(future);
}

static void drop_handle(void *handle)
{
    asyncio_handle_unref(handle);
}

/* Closes a coroutine that never ran, so that it is not reported. */
static void drop_coroutine(void *coroutine)
{
    int rc = asyncio_coroutine_close(coroutine);
    (void)rc; /* used ones cannot be closed again: the reference is given up all the same */
}

void *keep_future(scenario_t *scenario, asyncio_future_t *future)
{
    return keep(scenario, future, drop_future);
}

void drop_all(scenario_t *scenario)
{
    for (size_t i = scenario->kept.count; i-- > 0;)
        scenario->kept.items[i].drop(scenario->kept.items[i].object);
    for (size_t i = 0; i < scenario->tasks.count; i++) {
        asyncio_task_unref(scenario->tasks.items[i].task);
        free(scenario->tasks.items[i].label);
    }
    asyncio_error_unref(scenario->out_of_fuel);
    free(scenario->variables.items);
    free(scenario->tasks.items);
    free(scenario->callbacks.items);
    free(scenario->gatherings.items);
    free(scenario->primitives.items);
    free(scenario->kept.items);
}

/* --- variables ----------------------------------------------------------------------------- */

static variable_t *find(scenario_t *scenario, const char *name)
{
    for (size_t i = 0; i < scenario->variables.count; i++)
        if (strcmp(scenario->variables.items[i].name, name) == 0)
            return &scenario->variables.items[i];
    return NULL;
}

void bind_variable(scenario_t *scenario, const char *name, kind_t kind, void *object)
{
    static void (*const drops[])(void *) = {
        [KIND_FUTURE] = drop_future,
        [KIND_COROUTINE] = drop_coroutine,
        [KIND_HANDLE] = drop_handle,
    };
    keep(scenario, object, drops[kind]);
    variable_t *variable = find(scenario, name);
    if (!variable) {
        GROW(scenario->variables);
        variable = &scenario->variables.items[scenario->variables.count++];
    }
    *variable = (variable_t){name, kind, object};
}

static void *find_kind(scenario_t *scenario, const char *name, kind_t kind)
{
    variable_t *variable = find(scenario, name);
    return variable && variable->kind == kind ? variable->object : NULL;
}

asyncio_future_t *find_future(scenario_t *scenario, const char *name)
{
    return find_kind(scenario, name, KIND_FUTURE);
}

asyncio_task_t *find_task(scenario_t *scenario, const char *name)
{
    asyncio_future_t *future = find_future(scenario, name);
    return asyncio_istask(future) ? future : NULL;
}

asyncio_handle_t *find_handle(scenario_t *scenario, const char *name)
{
    return find_kind(scenario, name, KIND_HANDLE);
}

/* Calls take a reference to a coroutine object and borrow a future: ours stays in both cases. */
static asyncio_awaitable_t *hand_over(variable_t *variable)
{
    if (variable->kind == KIND_COROUTINE)
        asyncio_coroutine_ref(variable->object);
    return variable->object;
}

asyncio_awaitable_t *find_awaitable(scenario_t *scenario, const char *name)
{
    variable_t *variable = find(scenario, name);
    return variable && variable->kind != KIND_HANDLE ? hand_over(variable) : NULL;
}

static bool contains(asyncio_awaitable_t *const *found, size_t count, const void *object)
{
    for (size_t i = 0; i < count; i++)
        if (found[i] == object)
            return true;
    return false;
}

size_t find_awaitables(scenario_t *scenario, json_t *names, asyncio_awaitable_t **ret_found,
                       const char **ret_names)
{
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = text_at(names, i);
        variable_t *variable = find(scenario, name);
        if (!variable || variable->kind == KIND_HANDLE ||
            contains(ret_found, count, variable->object))
            continue;
        ret_names[count] = name;
        ret_found[count++] = hand_over(variable);
    }
    return count;
}

/* --- tasks --------------------------------------------------------------------------------- */

static void set_label(task_entry_t *entry, const char *name, size_t number)
{
    size_t size = strlen(name) + 24;
    free(entry->label);
    entry->label = malloc(size);
    if (entry->label)
        snprintf(entry->label, size, "%s#%zu", name, number);
}

void add_task(scenario_t *scenario, asyncio_task_t *task)
{
    if (scenario->is_hiding)
        return;
    GROW(scenario->tasks);
    size_t number = scenario->tasks.count++;
    scenario->tasks.items[number] = (task_entry_t){asyncio_task_ref(task), NULL};
    set_label(&scenario->tasks.items[number], "task", number);
}

static task_entry_t *find_entry(scenario_t *scenario, const asyncio_task_t *task)
{
    for (size_t i = scenario->tasks.count; i-- > 0;)
        if (scenario->tasks.items[i].task == task)
            return &scenario->tasks.items[i];
    return NULL;
}

void label_task(scenario_t *scenario, asyncio_task_t *task, const char *name)
{
    task_entry_t *entry = find_entry(scenario, task);
    if (entry)
        set_label(entry, name, (size_t)(entry - scenario->tasks.items));
    bind_variable(scenario, name, KIND_FUTURE, task);
}

const char *actor(scenario_t *scenario)
{
    asyncio_task_t *task = asyncio_current_task();
    if (!task)
        return "loop";
    task_entry_t *entry = find_entry(scenario, task);
    if (!entry)
        return "?";
    return entry == scenario->tasks.items ? "main" : entry->label;
}

/* --- callbacks ----------------------------------------------------------------------------- */

callback_t *make_callback(scenario_t *scenario, const char *label, const char *var, json_t *body)
{
    callback_t *callback = malloc(sizeof(*callback));
    if (!callback)
        abort();
    *callback = (callback_t){scenario, label, var, body};
    keep(scenario, callback, free);
    if (var) {
        GROW(scenario->callbacks);
        scenario->callbacks.items[scenario->callbacks.count++] = callback;
    }
    return callback;
}

callback_t *find_done_callback(scenario_t *scenario, const char *label)
{
    for (size_t i = scenario->callbacks.count; i-- > 0;)
        if (strcmp(scenario->callbacks.items[i]->label, label) == 0)
            return scenario->callbacks.items[i];
    return NULL;
}
