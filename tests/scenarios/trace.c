/* SPDX-License-Identifier: MIT */
/*
 * The trace: lines of time, actor and words; values, errors and states as one word each, the same
 * in every implementation.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "scenario.h"

/* --- lines --------------------------------------------------------------------------------- */

static bool begin(scenario_t *scenario)
{
    if (scenario->fuel < 0 || scenario->is_over)
        return false;
    double ticks = nearbyint(asyncio_loop_time(scenario->loop) / TICK);
    printf("%.0f %s ", ticks, actor(scenario));
    return true;
}

bool log_begin(scenario_t *scenario, const char *format, ...)
{
    if (!begin(scenario))
        return false;
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    return true;
}

void log_end(void)
{
    putchar('\n');
}

void log_line(scenario_t *scenario, const char *format, ...)
{
    if (!begin(scenario))
        return;
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

/* --- words --------------------------------------------------------------------------------- */

void print_words(const char *first, const char *second, const char *third)
{
    printf("%s%s%s", first, second, third);
}

/* Returns the name that the language has for a code. */
static const char *name_of(int code)
{
    switch (code) {
    case ASYNCIO_ETIMEDOUT:
        return "Timeout";
    case ASYNCIO_EINVALIDSTATE:
        return "InvalidState";
    case ASYNCIO_EQUEUEEMPTY:
        return "QueueEmpty";
    case ASYNCIO_EQUEUEFULL:
        return "QueueFull";
    case ASYNCIO_EQUEUESHUTDOWN:
        return "QueueShutDown";
    case ASYNCIO_EBROKENBARRIER:
        return "BrokenBarrier";
    case ASYNCIO_EINVAL:
        return "ValueError";
    case ASYNCIO_ERUNTIME:
    case -EDEADLK:
        return "RuntimeError";
    default:
        return asyncio_error_name(code);
    }
}

void print_error(const asyncio_error_t *error)
{
    int code = asyncio_error_code(error);
    if (code == ASYNCIO_ECANCELED) {
        printf("Cancelled(%s)", asyncio_error_message(error));
    } else if (code == ASYNCIO_EUSER) {
        printf("Error(%s)", asyncio_error_message(error));
    } else if (code == ASYNCIO_EGROUP) {
        printf("Group[");
        for (size_t i = 0; i < asyncio_error_child_count(error); i++) {
            if (i > 0)
                putchar(',');
            print_error(asyncio_error_child(error, i));
        }
        putchar(']');
    } else {
        fputs(name_of(code), stdout);
    }
}

/* Prints a value of the program. */
static void print_json(json_t *value)
{
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_NULL:
        fputs("None", stdout);
        break;
    case JSON_TRUE:
        fputs("True", stdout);
        break;
    case JSON_FALSE:
        fputs("False", stdout);
        break;
    case JSON_STRING:
        fputs(json_string_value(value), stdout);
        break;
    case JSON_ARRAY:
        putchar('[');
        for (size_t i = 0; i < json_array_size(value); i++) {
            if (i > 0)
                putchar(',');
            print_json(json_array_get(value, i));
        }
        putchar(']');
        break;
    default:
        json_dumpf(value, stdout, JSON_ENCODE_ANY);
    }
}

/* Returns the gathering whose value this is, or NULL. */
static const gathering_t *gathering_of(scenario_t *scenario, void *value)
{
    for (size_t i = 0; value && i < scenario->gatherings.count; i++) {
        const gathering_t *gathering = &scenario->gatherings.items[i];
        void *own;
        if (asyncio_future_done(gathering->future) &&
            asyncio_future_result(gathering->future, &own) == 0 && own == value)
            return gathering;
    }
    return NULL;
}

/* Prints the items of a list: with return_exceptions also errors, each in its position. */
static void print_list(scenario_t *scenario, const gathering_t *gathering)
{
    putchar('[');
    for (size_t i = 0; i < gathering->count; i++) {
        void *value;
        int rc = asyncio_gather_result(gathering->future, i, &value);
        if (i > 0)
            putchar(',');
        if (rc == 0) {
            print_value(scenario, value);
            continue;
        }
        asyncio_error_t *error = asyncio_error_of(rc);
        print_error(error);
        asyncio_error_unref(error);
    }
    putchar(']');
}

void print_value(scenario_t *scenario, void *value)
{
    const gathering_t *gathering = gathering_of(scenario, value);
    if (gathering)
        print_list(scenario, gathering);
    else
        print_json(value);
}

void print_state(scenario_t *scenario, asyncio_future_t *future)
{
    asyncio_error_t *error = NULL;
    void *value = NULL;
    if (!asyncio_future_done(future)) {
        fputs("pending", stdout);
    } else if (asyncio_future_cancelled(future)) {
        fputs("cancelled", stdout);
    } else if (asyncio_future_exception(future, &error) == 0 && error) {
        fputs("raised ", stdout);
        print_error(error);
        asyncio_error_unref(error);
    } else {
        int rc = asyncio_future_result(future, &value);
        fputs("finished ", stdout);
        if (rc == 0)
            print_value(scenario, value);
        else
            fputs("?", stdout);
    }
}
