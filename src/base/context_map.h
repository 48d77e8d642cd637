/* SPDX-License-Identifier: MIT */
/*
 * What contexts and their variables know of each other: the record of a context, and what a word
 * of context.h is. Only context.c, which makes, enters and copies contexts, and context_var.c,
 * which reads and sets what is in them, include this.
 *
 *     word ──> context ──> map ──> nodes ──> binding ──> variable
 *     word ──────────────> map                  ▲
 *     token ──> context                         │
 *       └───────────────────────────────────────┘  what it was before
 */
#ifndef ASYNCIO__BASE_CONTEXT_MAP_H
#define ASYNCIO__BASE_CONTEXT_MAP_H

#include "base/context.h"
#include "base/trie.h"

struct asyncio_context {
    atomic_uint refs;                        /* references: words, tokens, the program's */
    asyncio__trie_t *values;                 /* of bindings; a reference */
    _Atomic(asyncio__locals_t *) entered_in; /* where run() has entered it; NULL: nowhere */
    asyncio_coroutine_t *holder;             /* while it is: on whose stack that was, or NULL */
    void *former;                            /* while it is: the word that was current */
};

static inline void asyncio__contexts_are_used(void)
{
    atomic_fetch_or_explicit(&asyncio__in_use, ASYNCIO__USES_CONTEXTS, memory_order_relaxed);
}

static inline bool asyncio__word_is_map(const void *word)
{
    return (uintptr_t)word & 1;
}

static inline asyncio_context_t *asyncio__context_of_word(void *word)
{
    return asyncio__word_is_map(word) ? NULL : word;
}

static inline asyncio__trie_t *asyncio__values_of_word(void *word)
{
    if (asyncio__word_is_map(word))
        return (asyncio__trie_t *)(void *)((char *)word - 1);
    return word ? ((asyncio_context_t *)word)->values : NULL;
}

/* The context of a word, which is given one of its own if it has none; NULL: no memory. */
asyncio_context_t *asyncio__context_of_own(void **word);

#endif
