/* SPDX-License-Identifier: MIT */
/*
 * How tasks are made where more is asked for than a coroutine: a name, a context, an eager start,
 * or a factory of the program's. Programs that ask for none of this do not come here.
 */
#include <string.h>

#include "base/context.h"
#include "base/memory.h"
#include "task/task.h"

static const asyncio_task_options_t defaults = {.size = sizeof(defaults)};

/* What the class is in Python: makes the task itself, whatever factory the loop has. */
static asyncio_task_t *construct(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine,
                                 const asyncio_task_options_t *options, const char *place)
{
    /* Only a loop that runs can begin it; else it begins in the first turn. */
    bool is_eager = options->eager_start > 0 && loop == asyncio_get_running_loop();
    if (is_eager && options->context && asyncio__context_is_entered(options->context)) {
        asyncio__discard(coroutine);
        return asyncio__fail_new(ASYNCIO_ERUNTIME,
                                 "cannot enter context: it is already entered");
    }
    char *name = options->name ? asyncio__strdup(options->name) : NULL;
    if (options->name && !name) {
        asyncio__discard(coroutine);
        return asyncio__fail_new(-ENOMEM, NULL);
    }
    asyncio__task_t *task = asyncio__task_make(loop, coroutine, place);
    if (!task) {
        asyncio__free_string(name);
        return NULL;
    }
    if (name)
        task->name = (uintptr_t)name;
    task->locals.context = asyncio__context_inherit(options->context);
    asyncio__task_layer_t *hook = asyncio__task_layer_of(loop); /* which is there by now */
    if (hook->task_created)
        hook->task_created(&task->future, hook->task_created_arg);
    if (is_eager)
        asyncio__task_begin(task);
    else
        asyncio__loop_schedule(loop, &task->wait.ready);
    return &task->future;
}

/* Calls the factory; returns its task if that can stand for the requested one, else fails. */
static asyncio_task_t *call_factory(asyncio_loop_t *loop, asyncio__task_layer_t *hook,
                                    asyncio_coroutine_t *coroutine,
                                    const asyncio_task_options_t *options)
{
    asyncio_task_t *task = hook->factory(loop, coroutine, options, hook->factory_arg);
    if (task && (!asyncio__is_task(task) || task->loop != loop)) {
        if (asyncio__is_future(task))
            asyncio_future_unref(task);
        return asyncio__fail_new(-EINVAL, "the task factory made no task of this loop");
    }
    if (!task) {
        if (!asyncio__thread.constructor_code)
            asyncio__fail_new(-EINVAL, "the task factory made no task");
        return NULL;
    }
    if (options->name && strcmp(asyncio_task_get_name(task), options->name) != 0)
        asyncio__ignore(asyncio_task_set_name(task, options->name));
    return task;
}

/* Those that were given, or the defaults; NULL with the coroutine given up if they are bad. */
static const asyncio_task_options_t *check(const asyncio_task_options_t *options,
                                           asyncio_coroutine_t *coroutine)
{
    if (!options)
        return &defaults;
    if (options->size >= sizeof(*options))
        return options;
    asyncio__discard(coroutine);
    return asyncio__fail_new(-EINVAL, "\"size\" must be sizeof(asyncio_task_options_t)");
}

asyncio_task_t *asyncio__task_new_full(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine,
                                       const asyncio_task_options_t *options, const char *place)
{
    loop = asyncio__task_loop(loop, coroutine);
    if (!loop || !(options = check(options, coroutine)))
        return NULL;
    asyncio__task_layer_t *hook = loop->tasks;
    if (hook && hook->factory)
        return call_factory(loop, hook, coroutine, options);
    return construct(loop, coroutine, options, place);
}

asyncio_task_t *asyncio_task_new_at(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine,
                                    const asyncio_task_options_t *options, const char *place)
{
    loop = asyncio__task_loop(loop, coroutine);
    if (!loop || !(options = check(options, coroutine)))
        return NULL;
    return construct(loop, coroutine, options, place);
}

asyncio_task_t *asyncio_create_task_full_at(asyncio_coroutine_t *coroutine,
                                            const asyncio_task_options_t *options,
                                            const char *place)
{
    return asyncio__task_new_full(/* loop= */ NULL, coroutine, options, place);
}

asyncio_task_t *asyncio_loop_create_task_full_at(asyncio_loop_t *loop,
                                                 asyncio_coroutine_t *coroutine,
                                                 const asyncio_task_options_t *options,
                                                 const char *place)
{
    if (!loop) {
        asyncio__discard(coroutine);
        return asyncio__fail_new(-EINVAL, "\"loop\" must not be NULL");
    }
    return options ? asyncio__task_new_full(loop, coroutine, options, place)
                   : asyncio__task_new(loop, coroutine, place);
}

/* --- factories ----------------------------------------------------------------------------- */

static void use_factories(void)
{
    atomic_fetch_or_explicit(&asyncio__in_use, ASYNCIO__USES_FACTORIES, memory_order_relaxed);
}

int asyncio_loop_set_task_factory(asyncio_loop_t *loop, asyncio_task_factory_t *factory, void *arg)
{
    int rc = asyncio__loop_check(loop);
    if (rc < 0)
        return rc;
    asyncio__task_layer_t *hook = asyncio__task_layer_of(loop);
    if (!hook)
        return asyncio__fail(-ENOMEM, NULL);
    hook->factory = factory;
    hook->factory_arg = arg;
    use_factories();
    return 0;
}

asyncio_task_factory_t *asyncio_loop_get_task_factory(const asyncio_loop_t *loop, void **ret_arg)
{
    const asyncio__task_layer_t *hook = loop ? loop->tasks : NULL;
    if (!hook || !hook->factory)
        return NULL;
    if (ret_arg)
        *ret_arg = hook->factory_arg;
    return hook->factory;
}

int asyncio__tasks_watch(asyncio_loop_t *loop, void (*created)(asyncio_task_t *task, void *arg),
                         void *arg)
{
    asyncio__task_layer_t *hook = asyncio__task_layer_of(loop);
    if (!hook)
        return -ENOMEM;
    hook->task_created = created;
    hook->task_created_arg = arg;
    use_factories();
    return 0;
}

struct asyncio_eager_task_factory {
    asyncio_task_factory_t *constructor; /* makes the tasks */
    void *arg;                           /* passed to it */
};

asyncio_eager_task_factory_t *asyncio_create_eager_task_factory(
    asyncio_task_factory_t *constructor, void *arg)
{
    if (!constructor)
        return asyncio__fail_new(-EINVAL, "\"constructor\" must not be NULL");
    asyncio_eager_task_factory_t *factory = asyncio__malloc(sizeof(*factory));
    if (!factory)
        return asyncio__fail_new(-ENOMEM, NULL);
    *factory = (asyncio_eager_task_factory_t){constructor, arg};
    return factory;
}

void asyncio_eager_task_factory_unref(asyncio_eager_task_factory_t *factory)
{
    asyncio__free(factory, sizeof(*factory));
}

asyncio_task_t *asyncio_eager_task_factory(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine,
                                           const asyncio_task_options_t *options, void *arg)
{
    const asyncio_eager_task_factory_t *factory = arg;
    if (!(options = check(options, coroutine)))
        return NULL;
    asyncio_task_options_t eager = *options;
    if (eager.eager_start == 0)
        eager.eager_start = 1;
    if (factory)
        return factory->constructor(loop, coroutine, &eager, factory->arg);
    return asyncio_task_new_at(loop, coroutine, &eager, "asyncio_eager_task_factory");
}

/* --- the macros as functions --------------------------------------------------------------- */

asyncio_task_t *(asyncio_create_task)(asyncio_coroutine_t *coroutine)
{
    return asyncio_create_task_at(coroutine, /* place= */ NULL);
}

asyncio_task_t *(asyncio_create_task_full)(asyncio_coroutine_t *coroutine,
                                           const asyncio_task_options_t *options)
{
    return asyncio_create_task_full_at(coroutine, options, /* place= */ NULL);
}

asyncio_task_t *(asyncio_loop_create_task)(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine)
{
    return asyncio_loop_create_task_full_at(loop, coroutine, /* options= */ NULL,
                                            /* place= */ NULL);
}

asyncio_task_t *(asyncio_loop_create_task_full)(asyncio_loop_t *loop,
                                                asyncio_coroutine_t *coroutine,
                                                const asyncio_task_options_t *options)
{
    return asyncio_loop_create_task_full_at(loop, coroutine, options, /* place= */ NULL);
}

asyncio_task_t *(asyncio_task_new)(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine,
                                   const asyncio_task_options_t *options)
{
    return asyncio_task_new_at(loop, coroutine, options, /* place= */ NULL);
}
