/* SPDX-License-Identifier: MIT */
/*
 * Contexts inside the library: how tasks and callbacks get theirs, at no cost where there are none.
 *
 * Whoever has a context keeps a word for it: NULL for one in which nothing is set; the tagged
 * address of values, shared with the context that it was copied from; or a context of its own,
 * which is made when something is set in it, or when someone asks for the object. So a copy is a
 * count. The words are in the locals of a task or thread (where what is current stands), in
 * handles and in callbacks.
 *
 *     handle->context = asyncio__context_inherit(NULL);    when it is made
 *     asyncio__context_call(&handle->context, fn, arg);    it runs, outside of tasks
 *     asyncio__context_drop(handle->context);              when it ends
 *
 * Code that runs callbacks asks first whether the program uses contexts at all: until then nothing
 * is set anywhere, and nothing need be done.
 */
#ifndef ASYNCIO__BASE_CONTEXT_H
#define ASYNCIO__BASE_CONTEXT_H

#include <asyncio/context.h>
#include <stdatomic.h>

#include "base/compiler.h"
#include "base/thread.h"

/* What few programs use, so that all others ask once; bits that are set and never cleared. */
extern atomic_uint asyncio__in_use;
#define ASYNCIO__USES_CONTEXTS  1u /* a variable or a context was made */
#define ASYNCIO__USES_FACTORIES 2u /* tasks are made, or watched, by the program: see task.h */
#define ASYNCIO__USES_BUDGETS   4u /* a loop limits awaits that do not suspend: see budget.h */

static inline bool asyncio__uses(unsigned bits)
{
    /* Relaxed: who is given a context by another thread synchronizes with it anyway. */
    return atomic_load_explicit(&asyncio__in_use, memory_order_relaxed) & bits;
}

/* The word for what is made now: a context that is given, shared; else a copy of the current. */
ASYNCIO__COLD void *asyncio__context_inherit(asyncio_context_t *given);

/* A copy of the current context that does not count as use: it is empty until the program uses
 * others. NULL with the slot filled: no memory. */
asyncio_context_t *asyncio__context_copy_current(void);

/* Gives a word up. */
ASYNCIO__COLD void asyncio__context_drop_used(void *word);
static inline void asyncio__context_drop(void *word)
{
    if (ASYNCIO__UNLIKELY(word != NULL))
        asyncio__context_drop_used(word);
}

/* Makes a word that of the thread, outside of tasks, and takes it back: in between it is away.
 * ASYNCIO_ERUNTIME with the slot filled: the context is entered already, nothing was done. */
int asyncio__context_begin(void **word, void **ret_former);
void asyncio__context_end(void **word, void *former);

/* What was set outside of tasks in no context goes. */
static inline void asyncio__context_forget(void)
{
    void *word = asyncio__thread.own.context;
    asyncio__thread.own.context = NULL;
    asyncio__context_drop(word);
}

/* The object of a word: made if need be; borrowed from the word. NULL with the slot filled. locals:
 * where the word stands, if it stands there, so that what asyncio_context_run() has entered above
 * it is passed over; else NULL. */
asyncio_context_t *asyncio__context_object(void **word, asyncio__locals_t *locals);

/* The context of a future that is a task, borrowed, or NULL; the task layer sets it. */
extern asyncio_context_t *(*asyncio__context_of_future)(asyncio_future_t *future);

/* Is it the current one, or entered by asyncio_context_run()? */
bool asyncio__context_is_entered(const asyncio_context_t *context);

/* Has this coroutine entered a context that it has not left? */
bool asyncio__context_is_held(const asyncio_coroutine_t *coroutine);

#endif
