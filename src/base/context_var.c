/* SPDX-License-Identifier: MIT */
/*
 * Context variables and tokens: what is read, set and reset in the maps of contexts.
 *
 * A map leads from the variables' numbers to bindings, each with a variable, a value and its
 * destructor. How a context becomes the current one is context.c's.
 */
#include <string.h>

#include "base/context_map.h"
#include "base/error.h"
#include "base/memory.h"

struct asyncio_context_var {
    atomic_uint refs;           /* references */
    bool has_default;           /* a NULL is one too */
    uint64_t number;            /* which of all it is: its key in the maps */
    void *default_value;        /* where it was not set */
    asyncio_destroy_t *destroy; /* of default_value */
    size_t name_bytes;          /* of name, with its end */
    char name[];                /* as given */
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

static atomic_ullong var_count;

/* --- variables ----------------------------------------------------------------------------- */

static asyncio_context_var_t *make_var(const char *name)
{
    if (!name)
        return asyncio__fail_new(-EINVAL, "\"name\" must not be NULL");
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
    asyncio__contexts_are_used();
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

static int return_value(const binding_t *binding, void **ret_value)
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
        return asyncio__fail(-EINVAL, context ? "\"var\" must not be NULL"
                                            : "\"context\" must not be NULL");
    return return_value(find(context->values, var), ret_value);
}

int asyncio_context_var_get(const asyncio_context_var_t *var, void **ret_value)
{
    if (!var)
        return asyncio__fail(-EINVAL, "\"var\" must not be NULL");
    const binding_t *binding = find(asyncio__values_of_word(asyncio__locals()->context), var);
    if (binding || !var->has_default)
        return return_value(binding, ret_value);
    if (ret_value)
        *ret_value = var->default_value;
    return 0;
}

void *asyncio_context_var_get_or(const asyncio_context_var_t *var, void *fallback)
{
    const binding_t *binding =
        var ? find(asyncio__values_of_word(asyncio__locals()->context), var) : NULL;
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
        return asyncio__fail(-EINVAL, "\"var\" must not be NULL");
    asyncio_context_t *context = asyncio__context_of_own(&asyncio__locals()->context);
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
        return asyncio__fail(-EINVAL, var ? "\"token\" must not be NULL"
                                        : "\"var\" must not be NULL");
    if (token->is_used)
        return asyncio__fail(ASYNCIO_ERUNTIME, "the token has already been used once");
    if (token->var != var)
        return asyncio__fail(-EINVAL, "the token was created by a different variable");
    asyncio_context_t *context = token->context;
    if (asyncio__context_of_word(asyncio__locals()->context) != context)
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
        return asyncio__fail(-EINVAL, "\"token\" must not be NULL");
    return return_value((const binding_t *)(const void *)token->former, ret_value);
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

/* --- what is set --------------------------------------------------------------------------- */

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
