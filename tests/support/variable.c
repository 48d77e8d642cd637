/* SPDX-License-Identifier: MIT */
/* A context variable and the text of its values; see variable.h. */
#include "variable.h"

#include <stdio.h>
#include <string.h>

asyncio_context_var_t *var;
char said[512];

void variable_begin(void)
{
    said[0] = '\0';
    var = asyncio_context_var_new_full("v", "-", NULL);
    assert_non_null(var);
}

void variable_end(void)
{
    asyncio_context_var_unref(var);
    var = NULL;
}

void say(const char *who)
{
    void *value = NULL;
    assert_int_equal(asyncio_context_var_get(var, &value), 0);
    size_t length = strlen(said);
    snprintf(said + length, sizeof(said) - length, "%s%s=%s", length ? " " : "", who,
             (const char *)value);
}

void set(const char *value)
{
    assert_int_equal(asyncio_context_var_set(var, (void *)value), 0);
}

int set_to_arg(void *arg)
{
    set(arg);
    return 0;
}

void on_call(void *arg)
{
    say(arg);
    set(arg);
}

void on_done(asyncio_future_t *future, void *arg)
{
    (void)future;
    on_call(arg);
}

const char *said_by(fixture_t *fixture, asyncio_coroutine_function_t *fn)
{
    variable_begin();
    assert_int_equal(run(fixture, fn, fixture), 0);
    variable_end();
    return said;
}

static int run_child(void *arg, void **ret_result)
{
    (void)ret_result;
    const char *name = arg;
    char who[8];
    snprintf(who, sizeof(who), "%s1", name);
    say(who);
    set(name);
    int rc = asyncio_sleep(0);
    snprintf(who, sizeof(who), "%s2", name);
    say(who);
    return rc;
}

asyncio_coroutine_t *child_coroutine(const char *name)
{
    return asyncio_coroutine(run_child, (void *)name);
}
