/* SPDX-License-Identifier: MIT */
/*
 * Contexts are created, inherited, entered and left here; see <asyncio/context.h> and
 * base/context.h.
 *
 * The values of a context are an immutable map (trie.h) that contexts share; only code that runs
 * in a context replaces its map. This file knows neither tasks, because it finds the current
 * context through the thread, nor variables: context_var.c reads and writes the maps.
 */

#include "base/context_map.h"
#include "base/error.h"
#include "base/memory.h"

/* The word of a handle whose callback runs: the thread has its real word. */
#define AWAY ((void *)2)

atomic_uint asyncio__in_use;
asyncio_context_t *(*asyncio__context_of_future)(asyncio_future_t *future);

/* --- words --------------------------------------------------------------------------------- */

void *asyncio__context_inherit(asyncio_context_t *given)
{
    if (given)
        return asyncio_context_ref(given);
    asyncio__trie_t *values =
        asyncio__trie_ref(asyncio__values_of_word(asyncio__locals()->context));
    return values ? (char *)values + 1 : NULL;
}

void asyncio__context_drop_used(void *word)
{
    if (asyncio__word_is_map(word))
        asyncio__trie_unref(asyncio__values_of_word(word));
    else
        asyncio_context_unref(word);
}

/* Creates a context with a map, whose reference is taken on success. */
static asyncio_context_t *make(asyncio__trie_t *values)
{
    asyncio_context_t *context = asyncio__malloc(sizeof(*context));
    if (!context)
        return NULL;
    atomic_init(&context->refs, 1);
    atomic_init(&context->entered_in, NULL);
    context->values = values;
    context->holder = NULL;
    context->former = NULL;
    return context;
}

asyncio_context_t *asyncio__context_of_own(void **word)
{
    asyncio_context_t *context = asyncio__context_of_word(*word);
    if (context)
        return context;
    context = make(asyncio__values_of_word(*word));
    if (!context)
        return asyncio__fail_new(-ENOMEM, NULL);
    *word = context;
    if (word == &asyncio__thread.own.context)
        asyncio__thread_watch_end();
    asyncio__contexts_are_used();
    return context;
}

asyncio_context_t *asyncio__context_object(void **word, asyncio__locals_t *locals)
{
    if (*word == AWAY) {
        locals = &asyncio__thread.own;
        word = &locals->context;
    }
    asyncio_context_t *context;
    while (locals && (context = asyncio__context_of_word(*word)) && context->entered_in == locals)
        word = &context->former;
    return asyncio__context_of_own(word);
}

/* --- entering ------------------------------------------------------------------------------ */

/* Returns the context of a word if run() has entered it on this thread, else NULL. Its `former` is
 * the word that was current before. */
static asyncio_context_t *entered_here(void *word)
{
    asyncio_context_t *context = asyncio__context_of_word(word);
    return context && context->entered_in == asyncio__locals() ? context : NULL;
}

bool asyncio__context_is_entered(const asyncio_context_t *context)
{
    void *word = asyncio__locals()->context;
    asyncio_context_t *at;
    while (asyncio__context_of_word(word) != context && (at = entered_here(word)))
        word = at->former;
    return asyncio__context_of_word(word) == context || context->entered_in;
}

bool asyncio__context_is_held(const asyncio_coroutine_t *coroutine)
{
    asyncio_context_t *at = entered_here(asyncio__locals()->context);
    while (at && at->holder != coroutine)
        at = entered_here(at->former);
    return at != NULL;
}

static int refuse(void)
{
    return asyncio__fail(ASYNCIO_ERUNTIME, "cannot enter context: it is already entered");
}

int asyncio__context_begin(void **word, void **ret_former)
{
    asyncio_context_t *context = asyncio__context_of_word(*word);
    if (context && context->entered_in)
        return refuse();
    *ret_former = asyncio__thread.own.context;
    asyncio__thread.own.context = *word;
    *word = AWAY;
    return 0;
}

void asyncio__context_end(void **word, void *former)
{
    *word = asyncio__thread.own.context;
    asyncio__thread.own.context = former;
}

/* Restores the word that was current before this context was entered. */
static void leave(asyncio_context_t *context)
{
    asyncio__locals_t *locals = asyncio__locals();
    void *former = context->former, *word = context;
    context->former = NULL;
    context->holder = NULL;
    atomic_store(&context->entered_in, NULL);
    if (locals->context == context)
        locals->context = former;
    else
        word = former; /* another task resumed this coroutine: the task that entered keeps it */
    asyncio__context_drop(word);
}

int asyncio_context_run(asyncio_context_t *context, asyncio_context_function_t *fn, void *arg)
{
    if (!context || !fn)
        return asyncio__fail(-EINVAL, context ? "\"fn\" must not be NULL"
                                            : "\"context\" must not be NULL");
    asyncio__locals_t *locals = asyncio__locals(), *nowhere = NULL;
    if (asyncio__context_is_entered(context) ||
        !atomic_compare_exchange_strong(&context->entered_in, &nowhere, locals))
        return refuse();
    context->holder = asyncio__thread.coroutine;
    context->former = locals->context;
    locals->context = asyncio_context_ref(context);
    int rc = fn(arg);
    leave(context);
    return rc;
}

/* --- contexts ------------------------------------------------------------------------------ */

/* Creates a context with values, which are taken also on failure. */
static asyncio_context_t *new_with(asyncio__trie_t *values)
{
    asyncio_context_t *context = make(values);
    if (context)
        return context;
    asyncio__trie_unref(values);
    return asyncio__fail_new(-ENOMEM, NULL);
}

asyncio_context_t *asyncio_context_new(void)
{
    asyncio__contexts_are_used();
    return new_with(NULL);
}

asyncio_context_t *asyncio__context_copy_current(void)
{
    return new_with(asyncio__trie_ref(asyncio__values_of_word(asyncio__locals()->context)));
}

asyncio_context_t *asyncio_copy_context(void)
{
    asyncio__contexts_are_used();
    return asyncio__context_copy_current();
}

asyncio_context_t *asyncio_context_copy(const asyncio_context_t *context)
{
    if (!context)
        return asyncio__fail_new(-EINVAL, "\"context\" must not be NULL");
    return new_with(asyncio__trie_ref(context->values));
}

asyncio_context_t *asyncio_context_ref(asyncio_context_t *context)
{
    if (context)
        atomic_fetch_add_explicit(&context->refs, 1, memory_order_relaxed);
    return context;
}

void asyncio_context_unref(asyncio_context_t *context)
{
    if (!context || atomic_fetch_sub_explicit(&context->refs, 1, memory_order_acq_rel) != 1)
        return;
    asyncio__trie_unref(context->values);
    asyncio__free(context, sizeof(*context));
}
