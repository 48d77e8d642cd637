/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Context variables: values that belong to a task, and to what it starts, instead of a thread.
 *
 * A variable has another value in each context. A task has a context of its own, which begins as a
 * copy of that of its creator: what it sets, its creator does not see. What is awaited runs in the
 * context of the awaiter; a callback runs in a copy of the one in which it was scheduled.
 *
 * @code
 *     static asyncio_context_var_t *request;
 *
 *     request = asyncio_context_var_new("request");
 *     asyncio_context_var_set(request, "GET /");       from here on in this task,
 *     asyncio_create_task(reply_coroutine());          and in this new one
 *     ...
 *     const char *line = asyncio_context_var_get_or(request, "none");
 * @endcode
 *
 * A value may have a destructor; it runs when the last context that holds the value goes, in the
 * thread that lets go of it. Variables, contexts and tokens are counted, and the counts may be
 * changed by any thread; a context itself is used by one thread at a time.
 *
 * A copy costs the same however many values there are, and a program without variables pays
 * nothing for those of others.
 */
#ifndef ASYNCIO_CONTEXT_H
#define ASYNCIO_CONTEXT_H

#include <asyncio/api.h>

ASYNCIO_BEGIN_DECLS

/** A name with a value in each context. */
typedef struct asyncio_context_var asyncio_context_var_t;
/** What it was before a set, for asyncio_context_var_reset(). */
typedef struct asyncio_context_token asyncio_context_token_t;
/** What asyncio_context_run() calls: returns 0 or more, or a negative code. */
typedef int asyncio_context_function_t(void *arg);

/* ---- Variables. ---- */

/**
 * Makes a variable without a default.
 *
 * Variables are made once, as a rule, and kept as long as the program runs.
 *
 * @param name  for reports; copied; NULL is -EINVAL.
 * @return a *new* reference, or NULL; then asyncio_errno() is -ENOMEM or -EINVAL.
 *
 * Ownership: the variable is *new*; contexts in which it has a value hold it too.
 * Context: any thread.
 * Twin: `contextvars.ContextVar`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_context_var_t *asyncio_context_var_new(const char *name);

/**
 * Makes a variable with a default: what it is where it was not set.
 *
 * @param name           for reports; copied; NULL is -EINVAL.
 * @param default_value  the default; NULL is one too.
 * @param destroy        its destructor, which runs when the variable goes; NULL for none.
 * @return as asyncio_context_var_new(); on failure default_value is the caller's still.
 *
 * Ownership: default_value is *taken*; the variable is *new*.
 * Context: any thread.
 * Twin: `contextvars.ContextVar`, `default`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_context_var_t *
asyncio_context_var_new_full(const char *name, void *default_value, asyncio_destroy_t *destroy);

/**
 * Takes another reference.
 *
 * @param var  NULL is allowed.
 * @return var.
 *
 * Ownership: the reference is *new*.
 * Context: any thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_context_var_t *asyncio_context_var_ref(asyncio_context_var_t *var);

/**
 * Gives a reference up.
 *
 * @param var  NULL is allowed.
 *
 * Ownership: var is *taken*.
 * Context: any thread.
 * Twin: `del var`.
 */
ASYNCIO_API void asyncio_context_var_unref(asyncio_context_var_t *var);

/**
 * Returns the name of a variable.
 *
 * @param var  NULL is "".
 * @return its name.
 *
 * Ownership: the string is *borrowed* as long as var lives.
 * Context: any thread.
 * Twin: `ContextVar.name`.
 */
ASYNCIO_API const char *asyncio_context_var_get_name(const asyncio_context_var_t *var);

/**
 * Returns what a variable is in the current context, or its default.
 *
 * @param var        the variable.
 * @param ret_value  where to put the value; NULL only asks whether there is one.
 * @return
 *   - 0: *ret_value is the value.
 *   - ASYNCIO_ELOOKUP: it was not set here, and has no default.
 *   - -EINVAL: var is NULL.
 *
 * Ownership: the value is *borrowed* until the variable is set again here.
 * Context: any thread.
 * Twin: `ContextVar.get`.
 */
ASYNCIO_API int asyncio_context_var_get(const asyncio_context_var_t *var, void **ret_value);

/**
 * Returns what a variable is in the current context, or what is given instead.
 *
 * @param var       the variable; NULL returns fallback.
 * @param fallback  the result where the variable was not set, whatever its default.
 * @return the value, or fallback.
 *
 * Ownership: the value is *borrowed* until the variable is set again here.
 * Context: any thread.
 * Twin: `ContextVar.get`, `default`.
 */
ASYNCIO_API void *asyncio_context_var_get_or(const asyncio_context_var_t *var, void *fallback);

/**
 * Gives a variable a value in the current context.
 *
 * @param var    the variable.
 * @param value  the value; what it points to must live as long as any copy of this context.
 * @return 0; -EINVAL (var is NULL); -ENOMEM (nothing was changed).
 *
 * Ownership: value is *borrowed*.
 * Context: any thread.
 * Twin: `ContextVar.set`.
 */
ASYNCIO_API int asyncio_context_var_set(asyncio_context_var_t *var, void *value);

/**
 * Gives a variable a value that has a destructor, and returns how to take that back.
 *
 * @param var        the variable.
 * @param value      the value.
 * @param destroy    its destructor, which runs when the last context that holds the value, and the
 *                   last token, goes; NULL for none.
 * @param ret_token  where to put the token; NULL if it is not wanted.
 * @return 0; -EINVAL (var is NULL); -ENOMEM: nothing was changed, and value is the caller's still.
 *
 * Ownership: value is *taken*; the token is *new*.
 * Context: any thread.
 * Twin: `ContextVar.set`.
 */
ASYNCIO_API int asyncio_context_var_set_full(asyncio_context_var_t *var, void *value,
                                             asyncio_destroy_t *destroy,
                                             asyncio_context_token_t **ret_token);

/**
 * Takes a set back: the variable is what it was before, or is not set.
 *
 * @param var    the variable.
 * @param token  of a set of that variable, in this context.
 * @return
 *   - 0: done; the token is used.
 *   - ASYNCIO_ERUNTIME: the token was used before.
 *   - -EINVAL: NULL, or the token is of another variable or another context.
 *   - -ENOMEM: nothing was changed.
 *
 * Ownership: token is *borrowed*: asyncio_context_token_unref() gives it up.
 * Context: any thread; the task that has set it.
 * Twin: `ContextVar.reset`.
 */
ASYNCIO_API int asyncio_context_var_reset(asyncio_context_var_t *var,
                                          asyncio_context_token_t *token);

/* ---- Tokens. ---- */

/**
 * Returns the variable that a token is of.
 *
 * @param token  NULL is NULL.
 * @return the variable.
 *
 * Ownership: the result is *borrowed* as long as token lives.
 * Context: any thread.
 * Twin: `Token.var`.
 */
ASYNCIO_API asyncio_context_var_t *asyncio_context_token_get_var(
    const asyncio_context_token_t *token);

/**
 * Returns what the variable was before the set.
 *
 * @param token      the token.
 * @param ret_value  where to put the value; NULL only asks whether there was one.
 * @return 0; ASYNCIO_ELOOKUP (it was not set); -EINVAL (token is NULL).
 *
 * Ownership: the value is *borrowed* as long as token lives.
 * Context: any thread.
 * Twin: `Token.old_value`.
 */
ASYNCIO_API int asyncio_context_token_get_old_value(const asyncio_context_token_t *token,
                                                    void **ret_value);

/**
 * Gives a token up; what was set stays.
 *
 * @param token  NULL is allowed.
 *
 * Ownership: token is *taken*.
 * Context: any thread.
 * Twin: `del token`.
 */
ASYNCIO_API void asyncio_context_token_unref(asyncio_context_token_t *token);

/* ---- Contexts. ---- */

/**
 * Makes a context in which nothing is set.
 *
 * @return a *new* reference, or NULL; then asyncio_errno() is -ENOMEM.
 *
 * Ownership: the context is *new*.
 * Context: any thread.
 * Twin: `contextvars.Context`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_context_t *asyncio_context_new(void);

/**
 * Makes a copy of the current context, in a time that does not depend on how much is set.
 *
 * @return a *new* reference, or NULL; then asyncio_errno() is -ENOMEM.
 *
 * Ownership: the context is *new*.
 * Context: any thread.
 * Twin: `contextvars.copy_context`.
 */
ASYNCIO_API asyncio_context_t *asyncio_copy_context(void);

/**
 * Makes a copy of a context, in a time that does not depend on how much is set.
 *
 * @param context  the context; NULL is -EINVAL.
 * @return a *new* reference, or NULL; then asyncio_errno() is -ENOMEM or -EINVAL.
 *
 * Ownership: context is *borrowed*; the copy is *new*.
 * Context: any thread.
 * Twin: `Context.copy`.
 */
ASYNCIO_API asyncio_context_t *asyncio_context_copy(const asyncio_context_t *context);

/**
 * Takes another reference: to the same context, not to a copy.
 *
 * @param context  NULL is allowed.
 * @return context.
 *
 * Ownership: the reference is *new*.
 * Context: any thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_context_t *asyncio_context_ref(asyncio_context_t *context);

/**
 * Gives a reference up; the last one lets go of the values.
 *
 * @param context  NULL is allowed.
 *
 * Ownership: context is *taken*.
 * Context: any thread.
 * Twin: `del context`.
 */
ASYNCIO_API void asyncio_context_unref(asyncio_context_t *context);

/**
 * Calls a function in a context: what it sets stays there.
 *
 * The function may await; then only its own task is in that context. It must not give values to
 * who drives its coroutine by hand: asyncio_yield() in it is ASYNCIO_ERUNTIME.
 *
 * @param context  the context.
 * @param fn       the function; NULL is -EINVAL.
 * @param arg      passed to it.
 * @return
 *   - what fn returns.
 *   - ASYNCIO_ERUNTIME: the context is the current one, or is entered already; fn was not called.
 *   - -EINVAL: NULL; fn was not called.
 *
 * Ownership: context is *borrowed*.
 * Context: any thread.
 * Cancellation: suspends if fn does.
 * Twin: `Context.run`.
 */
ASYNCIO_API int asyncio_context_run(asyncio_context_t *context, asyncio_context_function_t *fn,
                                    void *arg);

/**
 * Returns what a variable is in a context, without its default.
 *
 * @param context    the context.
 * @param var        the variable.
 * @param ret_value  where to put the value; NULL only asks whether there is one.
 * @return 0; ASYNCIO_ELOOKUP (it is not set there); -EINVAL (context or var is NULL).
 *
 * Ownership: the value is *borrowed* until the variable is set again there.
 * Context: any thread.
 * Twin: `Context.get`.
 */
ASYNCIO_API int asyncio_context_get(const asyncio_context_t *context,
                                    const asyncio_context_var_t *var, void **ret_value);

/**
 * Returns the variables that are set in a context, in no certain order.
 *
 * @param context   NULL has none.
 * @param ret_vars  room for capacity variables; may be NULL if that is 0.
 * @param capacity  of ret_vars.
 * @return how many there are, which may be more than capacity.
 *
 * Ownership: the variables are *borrowed* as long as they are set there.
 * Context: any thread.
 * Twin: `Context.keys`, `len`.
 */
ASYNCIO_API size_t asyncio_context_keys(const asyncio_context_t *context,
                                        asyncio_context_var_t **ret_vars, size_t capacity);

ASYNCIO_END_DECLS

#endif
