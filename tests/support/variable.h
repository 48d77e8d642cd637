/* SPDX-License-Identifier: MIT */
/*
 * A context variable, and a text of the values that tasks have seen, in order:
 *
 *     assert_string_equal(said_by(fixture, make_tasks), "a=m b=n");
 */
#ifndef TESTS_VARIABLE_H
#define TESTS_VARIABLE_H

#include "support.h"

extern asyncio_context_var_t *var; /* of the running test; its default is "-" */
extern char said[512];             /* the text */

/* begin() creates the variable and empties the text; end() drops the variable. */
void variable_begin(void);
void variable_end(void);

/* Adds "who=value" to the text. */
void say(const char *who);

/* Sets the variable; the second is for asyncio_context_run(). */
void set(const char *value);
int set_to_arg(void *arg);

/* Callbacks that say() their name, and set the variable to it. */
void on_call(void *arg);
void on_done(asyncio_future_t *future, void *arg);

/* Runs a coroutine function with the fixture as its argument; returns the text. */
const char *said_by(fixture_t *fixture, asyncio_coroutine_function_t *fn);

/* Returns a coroutine that says the value at its beginning as "name1", sets the variable to its
 * name, and says the value one turn later as "name2". */
asyncio_coroutine_t *child_coroutine(const char *name);

#endif
