/* SPDX-License-Identifier: MIT */
/*
 * Context variables, contexts and tokens; see <asyncio/context.h> and base/context.h.
 *
 * The values of a context are a map (trie.h) from the variables' numbers to bindings, each with a
 * variable, a value and its destructor. Maps are shared; a context is a cell that holds one, and
 * only who runs in it changes what it holds. This file knows no tasks: what is current is found
 * through the thread.
 *
 *     word ──> context ──> map ──> nodes ──> binding ──> variable
 *     word ──────────────> map                  ▲
 *     token ──> context                         │
 *       └───────────────────────────────────────┘  what it was before
 */
#include "base/context.h"

#include <pthread.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/trie.h"

struct asyncio_context_var {
    atomic_uint refs;           /* references */
    bool has_default;           /* a NULL is one too */
    uint64_t number;            /* which of all it is: its key in the maps */
    void *default_value;        /* where it was not set */
    asyncio_destroy_t *destroy; /* of default_value */
    size_t name_bytes;          /* of name, with its end */
    char name[];                /* as given */
};

struct asyncio_context {
    atomic_uint refs;                        /* references: words, tokens, the program's */
    asyncio__trie_t *values;                 /* of bindings; a reference */
    _Atomic(asyncio__locals_t *) entered_in; /* where run() has entered it; NULL: nowhere */
    asyncio_coroutine_t *holder;             /* while it is: on whose stack that was, or NULL */
    void *former;                            /* while it is: the word that was current */
};

struct asyncio_context_token {
    asyncio_context_var_t *var;    /* a reference */
    asyncio_context_t *context;    /* where it was set; a reference */
    asyncio__trie_entry_t *former; /* the binding before, with a reference; NULL: none */
    bool is_used;                  /* it was reset by this token */
};

/* A variable's value in a map. */
typedef struct binding {
    asyncio__trie_entry_t entry; /* in maps and tokens */
    asyncio_context_var_t *var;  /* a reference */
    void *value;                 /* its value */
    asyncio_destroy_t *destroy;  /* of value */
} binding_t;

/* In a handle whose callback runs: its word is the thread's. */
#define AWAY ((void *)2)

atomic_uint asyncio__in_use;
asyncio_context_t *(*asyncio__context_of_future)(asyncio_future_t *future);
static atomic_ullong var_count;

static void begin_to_use(void)
{
    atomic_fetch_or_explicit(&asyncio__in_use, ASYNCIO__USES_CONTEXTS, memory_order_relaxed);
}

/* --- words --------------------------------------------------------------------------------- */

static bool is_map(const void *word)
{
    return (uintptr_t)word & 1;
}

static asyncio_context_t *context_of(void *word)
{
    return is_map(word) ? NULL : word;
}

static asyncio__trie_t *values_of(void *word)
{
    if (is_map(word))
        return (asyncio__trie_t *)(void *)((char *)word - 1);
    return word ? ((asyncio_context_t *)word)->values : NULL;
}

void *asyncio__context_inherit(asyncio_context_t *given)
{
    if (given)
        return asyncio_context_ref(given);
    asyncio__trie_t *values = asyncio__trie_ref(values_of(asyncio__locals()->context));
    return values ? (char *)values + 1 : NULL;
}

void asyncio__context_drop_used(void *word)
{
    if (is_map(word))
        asyncio__trie_unref(values_of(word));
    else
        asyncio_context_unref(word);
}

/* What a thread has set outside of tasks goes with it. */
static pthread_key_t exit_key;
static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT;
static bool has_exit_key;

static void leave_thread(void *locals)
{
    void *word = ((asyncio__locals_t *)locals)->context;
    ((asyncio__locals_t *)locals)->context = NULL;
    asyncio__context_drop(word);
}

static void make_exit_key(void)
{
    has_exit_key = pthread_key_create(&exit_key, leave_thread) == 0;
}

/* A context that holds a map, whose reference is handed over on success. */
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

/* The context of a word, which is given one of its own if it has none. */
static asyncio_context_t *object_of(void **word)
{
    asyncio_context_t *context = context_of(*word);
    if (context)
        return context;
    context = make(values_of(*word));
    if (!context)
        return asyncio__fail_new(-ENOMEM, NULL);
    *word = context;
    if (word == &asyncio__thread.own.context) {
        pthread_once(&exit_key_once, make_exit_key);
        if (has_exit_key)
            pthread_setspecific(exit_key, &asyncio__thread.own);
    }
    begin_to_use();
    return context;
}

asyncio_context_t *asyncio__context_object(void **word, asyncio__locals_t *locals)
{
    if (*word == AWAY) {
        locals = &asyncio__thread.own;
        word = &locals->context;
    }
    asyncio_context_t *context;
    while (locals && (context = context_of(*word)) && context->entered_in == locals)
        word = &context->former;
    return object_of(word);
}

/* --- entering ------------------------------------------------------------------------------ */

bool asyncio__context_is_entered(const asyncio_context_t *context)
{
    asyncio__locals_t *locals = asyncio__locals();
    const asyncio_context_t *at = context_of(locals->context);
    while (at && at != context && at->entered_in == locals)
        at = context_of(at->former);
    return at == context || context->entered_in;
}

bool asyncio__context_is_held(const asyncio_coroutine_t *coroutine)
{
    asyncio__locals_t *locals = asyncio__locals();
    const asyncio_context_t *at = context_of(locals->context);
    while (at && at->entered_in == locals && at->holder != coroutine)
        at = context_of(at->former);
    return at && at->entered_in == locals;
}

static int refuse(void)
{
    return asyncio__fail(ASYNCIO_ERUNTIME, "cannot enter context: it is already entered");
}

int asyncio__context_begin(void **word, void **ret_former)
{
    asyncio_context_t *context = context_of(*word);
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

/* Makes what was current before current again. */
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
        word = former; /* another task went on with this coroutine: the one that entered stays */
    asyncio__context_drop(word);
}

int asyncio_context_run(asyncio_context_t *context, asyncio_context_function_t *fn, void *arg)
{
    if (!context || !fn)
        return asyncio__fail(-EINVAL, "no context, or no function, was given");
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

/* A new one with values that are handed over, also on failure. */
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
    begin_to_use();
    return new_with(NULL);
}

asyncio_context_t *asyncio__context_copy_current(void)
{
    return new_with(asyncio__trie_ref(values_of(asyncio__locals()->context)));
}

asyncio_context_t *asyncio_copy_context(void)
{
    begin_to_use();
    return asyncio__context_copy_current();
}

asyncio_context_t *asyncio_context_copy(const asyncio_context_t *context)
{
    if (!context)
        return asyncio__fail_new(-EINVAL, "no context was given");
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

/* What asyncio_context_keys() collects. */
struct collection {
    asyncio_context_var_t **vars; /* capacity of them */
    size_t capacity;              /* of vars */
    size_t count;                 /* found, which may be more */
};

static void collect(asyncio__trie_entry_t *entry, void *arg)
{
    struct collection *collection = arg;
    if (collection->count < collection->capacity)
        collection->vars[collection->count] = ((binding_t *)(void *)entry)->var;
    collection->count++;
}

size_t asyncio_context_keys(const asyncio_context_t *context, asyncio_context_var_t **ret_vars,
                            size_t capacity)
{
    struct collection collection = {ret_vars, ret_vars ? capacity : 0, 0};
    if (context)
        asyncio__trie_walk(context->values, collect, &collection);
    return collection.count;
}

/* --- variables ----------------------------------------------------------------------------- */

static asyncio_context_var_t *make_var(const char *name)
{
    if (!name)
        return asyncio__fail_new(-EINVAL, "a variable needs a name");
    size_t name_bytes = strlen(name) + 1;
    asyncio_context_var_t *var = asyncio__malloc(sizeof(*var) + name_bytes);
    if (!var)
        return asyncio__fail_new(-ENOMEM, NULL);
    atomic_init(&var->refs, 1);
    var->has_default = false;
    var->number = atomic_fetch_add_explicit(&var_count, 1, memory_order_relaxed);
    var->default_value = NULL;
    var->destroy = NULL;
    var->name_bytes = name_bytes;
    memcpy(var->name, name, name_bytes);
    begin_to_use();
    return var;
}

asyncio_context_var_t *asyncio_context_var_new(const char *name)
{
    return make_var(name);
}

asyncio_context_var_t *asyncio_context_var_new_full(const char *name, void *default_value,
                                                    asyncio_destroy_t *destroy)
{
    asyncio_context_var_t *var = make_var(name);
    if (!var)
        return NULL;
    var->has_default = true;
    var->default_value = default_value;
    var->destroy = destroy;
    return var;
}

asyncio_context_var_t *asyncio_context_var_ref(asyncio_context_var_t *var)
{
    if (var)
        atomic_fetch_add_explicit(&var->refs, 1, memory_order_relaxed);
    return var;
}

void asyncio_context_var_unref(asyncio_context_var_t *var)
{
    if (!var || atomic_fetch_sub_explicit(&var->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (var->destroy)
        var->destroy(var->default_value);
    asyncio__free(var, sizeof(*var) + var->name_bytes);
}

const char *asyncio_context_var_get_name(const asyncio_context_var_t *var)
{
    return var ? var->name : "";
}

static const binding_t *find(const asyncio__trie_t *values, const asyncio_context_var_t *var)
{
    return (const binding_t *)(const void *)asyncio__trie_get(values, var->number);
}

static int answer(const binding_t *binding, void **ret_value)
{
    if (!binding)
        return asyncio__fail(ASYNCIO_ELOOKUP, "the variable is not set here");
    if (ret_value)
        *ret_value = binding->value;
    return 0;
}

int asyncio_context_get(const asyncio_context_t *context, const asyncio_context_var_t *var,
                        void **ret_value)
{
    if (!context || !var)
        return asyncio__fail(-EINVAL, "no context, or no variable, was given");
    return answer(find(context->values, var), ret_value);
}

int asyncio_context_var_get(const asyncio_context_var_t *var, void **ret_value)
{
    if (!var)
        return asyncio__fail(-EINVAL, "no variable was given");
    const binding_t *binding = find(values_of(asyncio__locals()->context), var);
    if (binding || !var->has_default)
        return answer(binding, ret_value);
    if (ret_value)
        *ret_value = var->default_value;
    return 0;
}

void *asyncio_context_var_get_or(const asyncio_context_var_t *var, void *fallback)
{
    const binding_t *binding =
        var ? find(values_of(asyncio__locals()->context), var) : NULL;
    return binding ? binding->value : fallback;
}

/* --- setting ------------------------------------------------------------------------------- */

static void destroy_binding(asyncio__trie_entry_t *entry)
{
    binding_t *binding = (binding_t *)(void *)entry;
    asyncio_context_var_t *var = binding->var;
    asyncio_destroy_t *destroy = binding->destroy;
    void *value = binding->value;
    asyncio__free(binding, sizeof(*binding));
    if (destroy)
        destroy(value);
    asyncio_context_var_unref(var);
}

/* A token for a set that is to come, as far as it is known; NULL without memory. */
static asyncio_context_token_t *make_token(asyncio_context_var_t *var, asyncio_context_t *context)
{
    asyncio_context_token_t *token = asyncio__malloc(sizeof(*token));
    if (token)
        *token = (asyncio_context_token_t){.var = asyncio_context_var_ref(var),
                                           .context = asyncio_context_ref(context)};
    return token;
}

int asyncio_context_var_set_full(asyncio_context_var_t *var, void *value,
                                 asyncio_destroy_t *destroy, asyncio_context_token_t **ret_token)
{
    if (!var)
        return asyncio__fail(-EINVAL, "no variable was given");
    asyncio_context_t *context = object_of(&asyncio__locals()->context);
    binding_t *binding = context ? asyncio__malloc(sizeof(*binding)) : NULL;
    asyncio_context_token_t *token = binding && ret_token ? make_token(var, context) : NULL;
    asyncio__trie_entry_t *former = NULL;
    if (!binding || (ret_token && !token))
        goto no_memory;
    atomic_init(&binding->entry.refs, 1);
    binding->entry.key = var->number;
    binding->entry.destroy = destroy_binding;
    binding->var = var;
    binding->value = value;
    binding->destroy = destroy;
    if (asyncio__trie_set(&context->values, &binding->entry, &former) < 0)
        goto no_memory;
    asyncio_context_var_ref(var);
    if (token) {
        token->former = former;
        *ret_token = token;
    } else {
        asyncio__trie_entry_unref(former);
    }
    return 0;
no_memory:
    asyncio_context_token_unref(token);
    asyncio__free(binding, sizeof(*binding));
    return asyncio__fail(-ENOMEM, NULL);
}

int asyncio_context_var_set(asyncio_context_var_t *var, void *value)
{
    return asyncio_context_var_set_full(var, value, /* destroy= */ NULL, /* ret_token= */ NULL);
}

int asyncio_context_var_reset(asyncio_context_var_t *var, asyncio_context_token_t *token)
{
    if (!var || !token)
        return asyncio__fail(-EINVAL, "no variable, or no token, was given");
    if (token->is_used)
        return asyncio__fail(ASYNCIO_ERUNTIME, "the token has already been used once");
    if (token->var != var)
        return asyncio__fail(-EINVAL, "the token was created by a different variable");
    asyncio_context_t *context = token->context;
    if (context_of(asyncio__locals()->context) != context)
        return asyncio__fail(-EINVAL, "the token was created in a different context");
    asyncio__trie_entry_t *replaced;
    int rc = token->former
                 ? asyncio__trie_set(&context->values, asyncio__trie_entry_ref(token->former),
                                     &replaced)
                 : asyncio__trie_remove(&context->values, var->number, &replaced);
    if (rc < 0) {
        asyncio__trie_entry_unref(token->former);
        return asyncio__fail(rc, NULL);
    }
    token->is_used = true;
    asyncio__trie_entry_unref(replaced);
    return 0;
}

/* --- tokens -------------------------------------------------------------------------------- */

asyncio_context_var_t *asyncio_context_token_get_var(const asyncio_context_token_t *token)
{
    return token ? token->var : NULL;
}

int asyncio_context_token_get_old_value(const asyncio_context_token_t *token, void **ret_value)
{
    if (!token)
        return asyncio__fail(-EINVAL, "no token was given");
    return answer((const binding_t *)(const void *)token->former, ret_value);
}

void asyncio_context_token_unref(asyncio_context_token_t *token)
{
    if (!token)
        return;
    asyncio_context_t *context = token->context;
    asyncio__trie_entry_t *former = token->former;
    asyncio_context_var_t *var = token->var;
    asyncio__free(token, sizeof(*token));
    asyncio__trie_entry_unref(former);
    asyncio_context_unref(context);
    asyncio_context_var_unref(var);
}
