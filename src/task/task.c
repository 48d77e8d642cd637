/* SPDX-License-Identifier: MIT */
/*
 * Tasks: how they are made, what can be asked of them, and how a loop that closes ends them. Their
 * steps are in switch.c; options, contexts and factories in task_factory.c.
 */
#include "task/switch.h"

#include <asyncio/call_graph.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/context.h"
#include "base/memory.h"
#include "coroutine/overflow.h"
#include "loop/debug.h"
#include "task/future_awaiters.h"

static atomic_uint task_count;

/* --- making -------------------------------------------------------------------------------- */

static __attribute__((noinline)) void let_go(asyncio__task_t *task)
{
    asyncio_coroutine_unref(task->coroutine);
    asyncio__task_group_release(task);
    asyncio__error_drop(task->locals.error);
    asyncio__error_drop(task->cancel_message);
    if (!(task->name & 1))
        asyncio__free_string((char *)task->name);
    asyncio__context_drop(task->locals.context);
}

static void finalize(asyncio_future_t *future)
{
    /* Most have nothing left but a number. */
    asyncio__task_t *task = asyncio__task_of(future);
    if (task->coroutine || task->locals.error || task->cancel_message || !(task->name & 1) ||
        task->locals.context || task->kept_members)
        let_go(task);
}

static const asyncio__future_class_t task_class = {.finalize = finalize,
                                                   .size_bytes = sizeof(asyncio__task_t)};

static void end_tasks(asyncio_loop_t *loop, asyncio__loop_hook_t *hook);

asyncio__list_t asyncio__no_tasks = {&asyncio__no_tasks, &asyncio__no_tasks};

/* The first task of a loop has the loop end its tasks at close. */
asyncio__task_layer_t *asyncio__task_layer_of(asyncio_loop_t *loop)
{
    if (loop->tasks)
        return loop->tasks;
    asyncio__task_layer_t *hook = asyncio__calloc(sizeof(*hook));
    if (!hook)
        return NULL;
    hook->hook.close = end_tasks;
    asyncio__list_init(&hook->pending);
    asyncio__list_init(&hook->generators);
    loop->tasks = hook;
    asyncio__loop_add_hook(loop, &hook->hook);
    return hook;
}

/* The rare cases of usable_loop(). */
static ASYNCIO__COLD asyncio_loop_t *check_usable(asyncio_loop_t *loop,
                                                  asyncio_coroutine_t *coroutine)
{
    if (asyncio__tag_of(coroutine) != ASYNCIO__TAG_COROUTINE) {
        if (coroutine || !asyncio__thread.constructor_code)
            asyncio__fail_new_kind(coroutine, "a coroutine object was expected");
        return NULL;
    }
    int rc = 0;
    if (!loop && !(loop = asyncio_get_running_loop()))
        rc = asyncio__fail(ASYNCIO_ERUNTIME, "no running event loop");
    else
        rc = asyncio__loop_check(loop);
    if (rc == 0)
        return loop;
    asyncio__discard(coroutine);
    return asyncio__fail_new(rc, "no task could be made");
}

/* The loop that runs in this thread, if a task can be made on it without another question. */
static inline asyncio_loop_t *usable_here(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine)
{
    asyncio_loop_t *running = asyncio__thread.running_loop;
    bool is_usable = asyncio__tag_of(coroutine) == ASYNCIO__TAG_COROUTINE && running &&
                     (!loop || loop == running) && !running->closed &&
                     running->fork_generation == asyncio__fork_generation;
    return ASYNCIO__LIKELY(is_usable) ? running : NULL;
}

static inline asyncio_loop_t *usable_loop(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine)
{
    asyncio_loop_t *here = usable_here(loop, coroutine);
    return here ? here : check_usable(loop, coroutine);
}

/* Numbers of tasks are taken from the process's counter in batches of this size: an atomic addition
 * costs a tenth of creating a task. */
#define NUMBERS_AT_ONCE 16

static inline uintptr_t next_name(void)
{
    static ASYNCIO__THREAD_LOCAL uint32_t last, end;
    if (ASYNCIO__UNLIKELY(last == end)) {
        last = atomic_fetch_add_explicit(&task_count, NUMBERS_AT_ONCE, memory_order_relaxed);
        end = last + NUMBERS_AT_ONCE;
    }
    return asyncio__name_of_number(++last);
}

/* A pending task in that memory: zeroes, or NULL. Its room in the ready queue is there. */
static inline __attribute__((always_inline)) asyncio__task_t *
fill(void *memory, asyncio_loop_t *loop, asyncio_coroutine_t *coroutine, const char *place)
{
    asyncio_future_t *future = asyncio__future_fill(memory, loop, &task_class,
                                                    coroutine->place ? coroutine->place : place);
    if (!future)
        return NULL;
    future->tag = ASYNCIO__TAG_TASK;
    future->refs++; /* the loop's, while it is pending */
    asyncio__task_t *task = asyncio__task_of(future);
    task->coroutine = coroutine;
    task->name = next_name();
    task->wait.ready.run = asyncio__task_step;
    asyncio__list_append(&loop->tasks->pending, &task->link);
    return task;
}

static asyncio__task_t *make(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine,
                             const char *place)
{
    if (asyncio__task_layer_of(loop) && asyncio__loop_reserve(loop, 1) == 0) {
        asyncio__task_t *task =
            fill(asyncio__calloc(sizeof(asyncio__task_t)), loop, coroutine, place);
        if (task)
            return task;
        asyncio__loop_release(loop, 1);
    }
    asyncio__discard(coroutine);
    return asyncio__fail_new(-ENOMEM, "no task could be made");
}

/* Apart, so that who makes a task in the common way needs no frame. */
static __attribute__((noinline)) asyncio_task_t *new_slowly(asyncio_loop_t *loop,
                                                            asyncio_coroutine_t *coroutine,
                                                            const char *place)
{
    loop = usable_loop(loop, coroutine);
    if (!loop)
        return NULL;
    if (asyncio__uses(ASYNCIO__USES_CONTEXTS | ASYNCIO__USES_FACTORIES))
        return asyncio__task_new_full(loop, coroutine, /* options= */ NULL, place);
    asyncio__task_t *task = make(loop, coroutine, place);
    if (task)
        asyncio__loop_schedule(loop, &task->wait.ready);
    return task ? &task->future : NULL;
}

asyncio_task_t *asyncio__task_new(asyncio_loop_t *given, asyncio_coroutine_t *coroutine,
                                  const char *place)
{
    asyncio_loop_t *loop = usable_here(given, coroutine);
    if (!loop || asyncio__uses(ASYNCIO__USES_CONTEXTS | ASYNCIO__USES_FACTORIES) ||
        !loop->tasks || !asyncio__ring_has_room(&loop->ready))
        return new_slowly(given, coroutine, place);
    asyncio__task_t *task =
        fill(asyncio__calloc_cached(sizeof(asyncio__task_t)), loop, coroutine, place);
    if (!task)
        return new_slowly(given, coroutine, place);
    asyncio__ring_claim(&loop->ready);
    asyncio__loop_schedule(loop, &task->wait.ready);
    return &task->future;
}

/* The two parts of it, for task_factory.c. */

ASYNCIO__COLD asyncio_loop_t *asyncio__task_loop(asyncio_loop_t *loop,
                                                 asyncio_coroutine_t *coroutine)
{
    return usable_loop(loop, coroutine);
}

ASYNCIO__COLD asyncio__task_t *asyncio__task_make(asyncio_loop_t *loop,
                                                  asyncio_coroutine_t *coroutine,
                                                  const char *place)
{
    return make(loop, coroutine, place);
}

asyncio_task_t *asyncio_create_task_at(asyncio_coroutine_t *coroutine, const char *place)
{
    return asyncio__task_new(NULL, coroutine, place);
}

asyncio__task_t *asyncio__task_running(void)
{
    if (!asyncio__thread.task) {
        asyncio__fail(ASYNCIO_ERUNTIME, "not inside a task");
        return NULL;
    }
    return asyncio__task_of(asyncio__thread.task);
}

/* --- about tasks --------------------------------------------------------------------------- */

bool asyncio_istask(const asyncio_awaitable_t *awaitable)
{
    return asyncio__is_task(awaitable);
}

asyncio_task_t *asyncio_task_ref(asyncio_task_t *task)
{
    return asyncio_future_ref(task);
}

void asyncio_task_unref(asyncio_task_t *task)
{
    asyncio_future_unref(task);
}

const char *asyncio_task_get_name(asyncio_task_t *future)
{
    if (!asyncio__is_task(future))
        return "";
    asyncio__task_t *task = asyncio__task_of(future);
    if (task->name & 1) {
        char name[24];
        snprintf(name, sizeof(name), "Task-%u", (unsigned)(task->name >> 1));
        char *copy = asyncio__strdup(name);
        if (!copy)
            return "Task";
        task->name = (uintptr_t)copy;
    }
    return (const char *)task->name;
}

int asyncio_task_set_name(asyncio_task_t *future, const char *name)
{
    if (!asyncio__is_task(future) || !name)
        return asyncio__fail(-EINVAL, name ? "\"task\" must be a task"
                                           : "\"name\" must not be NULL");
    int rc = asyncio__loop_check_here(future->loop);
    if (rc < 0)
        return rc;
    char *copy = asyncio__strdup(name);
    if (!copy)
        return asyncio__fail(-ENOMEM, NULL);
    asyncio__task_t *task = asyncio__task_of(future);
    if (!(task->name & 1))
        asyncio__free_string((char *)task->name);
    task->name = (uintptr_t)copy;
    return 0;
}

asyncio_coroutine_t *asyncio_task_get_coro(const asyncio_task_t *task)
{
    return asyncio__is_task(task) ? ((const asyncio__task_t *)(const void *)task)->coroutine
                                  : NULL;
}

asyncio_context_t *asyncio_task_get_context(asyncio_task_t *task)
{
    if (!asyncio__is_task(task))
        return asyncio__fail_new(-EINVAL, "\"task\" must be a task");
    asyncio__locals_t *locals = &asyncio__task_of(task)->locals;
    return asyncio__context_object(&locals->context, locals);
}

asyncio_task_t *asyncio_current_task(void)
{
    return asyncio__thread.task;
}

long asyncio_all_tasks(asyncio_loop_t *loop, asyncio_task_t **ret_tasks, size_t capacity)
{
    if (!loop && !(loop = asyncio_get_running_loop()))
        return asyncio__fail(ASYNCIO_ERUNTIME, "no running event loop");
    long rc = asyncio__loop_check_thread(loop);
    if (rc < 0)
        return rc;
    size_t count = 0;
    const asyncio__list_t *pending = asyncio__pending_tasks(loop);
    for (asyncio__list_t *at = pending->next; at != pending; at = at->next, count++) {
        asyncio__task_t *task = ASYNCIO__CONTAINER(at, asyncio__task_t, link);
        if (count < capacity && ret_tasks)
            ret_tasks[count] = asyncio_task_ref(&task->future);
    }
    return (long)count;
}

int asyncio_task_detach(asyncio_task_t *task)
{
    if (!task)
        return asyncio__fail_null();
    if (!asyncio__is_task(task))
        return asyncio__fail_kind(task, "\"task\" must be a task");
    int rc = asyncio__loop_check_here(task->loop);
    if (rc == 0)
        asyncio_future_unref(task);
    return rc;
}

asyncio_future_t *asyncio_task_get_awaited(const asyncio_task_t *task)
{
    if (!asyncio__is_task(task) || asyncio__future_is_done(task))
        return NULL;
    asyncio_future_t *awaited = ((const asyncio__task_t *)(const void *)task)->wait.future;
    return awaited && !asyncio__future_is_in_frame(awaited) ? awaited : NULL;
}

const char *asyncio_task_get_waiting_for(asyncio_task_t *task)
{
    if (!asyncio__is_task(task) || asyncio__future_is_done(task))
        return "";
    asyncio_future_t *awaited = asyncio__task_of(task)->wait.future;
    if (!awaited || asyncio__future_is_done(awaited))
        return "";
    if (asyncio__is_task(awaited))
        return asyncio_task_get_name(awaited);
    return awaited->place ? awaited->place : "a call of the library";
}

/* --- for debug mode ------------------------------------------------------------------------ */

static void describe(asyncio__ready_t *item, asyncio__description_t *description)
{
    asyncio__task_t *task = ASYNCIO__CONTAINER(item, asyncio__task_t, wait.ready);
    description->what = "a step of a task";
    description->place = task->future.place;
    snprintf(description->name, sizeof(description->name), "%s",
             asyncio_task_get_name(&task->future));
}

static asyncio__describer_t describer = {.run = asyncio__task_step, .describe = describe};

/* The name of the running task, for the report of a stack overflow; async-signal-safe. */
static const char *name_running(unsigned long *ret_number)
{
    const asyncio__task_t *task = asyncio__task_of(asyncio__thread.task);
    bool is_numbered = task && (task->name & 1);
    *ret_number = is_numbered ? (unsigned long)(task->name >> 1) : 0;
    return task && !is_numbered ? (const char *)task->name : NULL;
}

__attribute__((constructor)) static void register_with_lower_layers(void)
{
    asyncio__describe_by(&describer);
    asyncio__overflow_task = name_running;
}

/* --- a loop that closes -------------------------------------------------------------------- */

/* Resumes a task that is being closed, until it has ended or is abandoned. */
static void run_to_end(asyncio__task_t *task)
{
    asyncio_coroutine_t *coroutine = task->coroutine;
    asyncio_task_ref(&task->future);
    coroutine->is_closing = true;
    asyncio__fiber_switch(&asyncio__root, &coroutine->fiber);
    if (!asyncio__future_is_done(&task->future)) {
        asyncio__loop_report(task->future.loop, "a task that would not end was abandoned", 0,
                             NULL, &task->future, task->future.place,
                             asyncio_task_get_name(&task->future));
        asyncio__coroutine_end(coroutine);
        asyncio__task_end(task, ASYNCIO_EGENERATOREXIT, (asyncio__result_t){NULL, NULL});
        asyncio_coroutine_unref(coroutine); /* the body's, which it will never give up */
    }
    asyncio_task_unref(&task->future);
}

/* Throws ASYNCIO_EGENERATOREXIT into a task; it ends, or is abandoned with its stack. */
static void throw_out(asyncio__task_t *task)
{
    if (task->wait.future) {
        asyncio__ignore(asyncio__future_remove_callback(task->wait.future, &task->wait));
        task->wait.future = NULL;
    }
    task->must_cancel = task->late_cancel = false;
    task->resume_code = ASYNCIO_EGENERATOREXIT;
    /* A loop may be closed from inside a task of another one, which continues afterwards. */
    asyncio__thread_t former = asyncio__thread;
    asyncio__fiber_t former_root = asyncio__root;
    asyncio__step_begin(task);
    if (!task->is_started)
        asyncio__task_end_unstarted(task, ASYNCIO_EGENERATOREXIT, NULL);
    else
        run_to_end(task);
    asyncio__root = former_root;
    asyncio__thread.task = former.task;
    asyncio__thread.coroutine = former.coroutine;
    asyncio__thread.locals = former.locals;
}

static void end_tasks(asyncio_loop_t *loop, asyncio__loop_hook_t *hook)
{
    asyncio_loop_t *former = asyncio__thread.running_loop;
    asyncio__thread.running_loop = loop; /* so that calls in the tasks get as far as their await */
    asyncio__loop_drop_ready(loop);
    asyncio__list_t *pending = &loop->tasks->pending;
    while (!asyncio__list_is_empty(pending)) {
        asyncio__task_t *task = ASYNCIO__CONTAINER(pending->next, asyncio__task_t, link);
        asyncio_task_t *kept = asyncio_task_ref(&task->future);
        asyncio__loop_report(loop, "Task was destroyed but it is pending!", 0, NULL, kept,
                             kept->place, asyncio_task_get_name(kept));
        kept->is_reported = true;
        throw_out(task);
        kept->is_reported = true; /* its GeneratorExit is no news */
        asyncio__loop_drop_ready(loop);
        asyncio_task_unref(kept);
    }
    asyncio__thread.running_loop = former;
    asyncio__task_layer_t *own = (asyncio__task_layer_t *)hook;
    asyncio__generators_forget(own);
    loop->tasks = NULL;
    asyncio__free(own, sizeof(*own));
}
