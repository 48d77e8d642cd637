/* SPDX-License-Identifier: MIT */
/*
 * Tasks: made, stepped, suspended, ended.
 *
 * Whoever suspends looks at the head of the ready queue: if that is a step of another task, it
 * switches there directly; else to the loop. A stack whose coroutine has ended runs the next new
 * task without any switch. Neither changes the order in which things run.
 */
#include "task/suspend.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/context.h"
#include "base/memory.h"
#include "coroutine/overflow.h"
#include "loop/debug.h"

static atomic_uint task_count;

/* --- making -------------------------------------------------------------------------------- */

static __attribute__((noinline)) void let_go(asyncio__task_t *task)
{
    asyncio_coroutine_unref(task->coroutine);
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
        task->locals.context)
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

/* What usable_loop() answers where not all is as it mostly is. */
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

/* Numbers of tasks are taken from the process's count so many at a time: an atomic addition costs
 * as much as a tenth of all that making a task is. */
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
    loop->ready.reserved++;
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

/* --- the step ------------------------------------------------------------------------------ */

/* What a suspension answers when it is not simply 0: the task must be cancelled, or the future that
 * it waited for, if any, is not simply finished. */
ASYNCIO__COLD int asyncio__step_outcome(asyncio__task_t *task, asyncio_future_t *future)
{
    int code = task->resume_code;
    if (future) {
        code = 0;
        if (future->state != ASYNCIO__FINISHED) {
            asyncio__error_drop(task->locals.error);
            code = asyncio__future_outcome(future, &task->locals.error);
        }
    }
    if (!task->must_cancel)
        return code;
    task->must_cancel = false;
    if (code == 0 && future && future->class && future->class->keeps_value) {
        /* An operation that has its data gives it, and the cancel waits. */
        task->late_cancel = true;
        return 0;
    }
    /* The cancel takes the place of any other outcome but a CancelledError. */
    if (code == -ECANCELED)
        return code;
    asyncio__error_drop(task->locals.error);
    task->locals.error = asyncio_error_ref(task->cancel_message);
    return -ECANCELED;
}

/* asyncio__task_end() but for the reference to its coroutine, which is the answer. */
static inline __attribute__((always_inline)) asyncio_coroutine_t *
finish(asyncio__task_t *task, int code, asyncio__result_t result)
{
    asyncio_future_t *future = &task->future;
    asyncio_loop_t *loop = future->loop;
    asyncio_coroutine_t *coroutine = task->coroutine;
    task->coroutine = NULL;
    asyncio__list_remove(&task->link);
    asyncio__loop_release(loop, 1);
    if (code == 0 && !task->must_cancel) {
        asyncio__future_finish(future, result.value, result.destroy);
    } else if (code == 0) {
        task->must_cancel = false;
        if (result.destroy)
            result.destroy(result.value);
        asyncio__future_make_cancelled(future, asyncio_error_ref(task->cancel_message));
    } else {
        asyncio_error_t *slot = task->locals.error;
        asyncio_error_t *error = asyncio_error_code(slot) == code ? asyncio_error_ref(slot) : NULL;
        if (code == -ECANCELED) {
            future->is_stored = true;
            asyncio__future_make_cancelled(future, error);
        } else {
            asyncio__future_fail(future, code, error);
        }
    }
    asyncio__thread.task = NULL;
    asyncio__thread.coroutine = NULL;
    asyncio__thread.locals = NULL;
    if (future->refs > 1)
        future->refs--; /* mostly someone holds it still */
    else
        asyncio_future_unref(future);
    return coroutine;
}

/* The coroutine has ended with that code: so does the task. */
void asyncio__task_end(asyncio__task_t *task, int code, asyncio__result_t result)
{
    asyncio_coroutine_unref(finish(task, code, result));
}

static size_t stack_bytes_of(const asyncio__task_t *task)
{
    size_t bytes = task->coroutine->stack_bytes;
    return bytes ? bytes : task->future.loop->stack_bytes;
}

/* Runs the body of a task that has a stack, to its end. The body returns right to the first frame
 * on the stack: see suspend.h. */
static inline __attribute__((always_inline)) void run_body(asyncio__task_t *task,
                                                           asyncio_coroutine_t *coroutine)
{
    asyncio__result_t result;
    task->is_started = true;
    coroutine->result = &result;
    asyncio_coroutine_ref(coroutine);
    int code = asyncio__coroutine_run(coroutine, &result);
    asyncio__overflow_check(coroutine->stack);
    coroutine->result = NULL;
    asyncio__coroutine_unref_ended(finish(task, code, result));
}

/* The first frame on a task's stack. When the task has ended the stack goes to the next one. */
static void task_main(void *argument)
{
    asyncio__task_t *task = argument;
    for (;;) {
        asyncio_loop_t *loop = task->future.loop;
        asyncio_coroutine_t *coroutine = task->coroutine;
        run_body(task, coroutine);
        asyncio__stack_t *stack = coroutine->stack;
        coroutine->stack = NULL;
        task = asyncio__step_take(loop);
        if (task && !task->is_started &&
            asyncio__stack_class(stack_bytes_of(task)) == stack->size_class) {
            /* In place: no switch, and the stack is warm. */
            task->coroutine->stack = stack;
            asyncio__fiber_hand_on(&coroutine->fiber, &task->coroutine->fiber);
            asyncio__coroutine_unref_ended(coroutine);
            asyncio__step_begin(task);
            continue;
        }
        asyncio__fiber_t dead = coroutine->fiber, *to = &asyncio__root;
        asyncio__coroutine_unref_ended(coroutine);
        if (task && !task->is_started) {
            /* Another size of stack: the loop gets it one. */
            loop->todo++;
            loop->ready.head--;
        } else if (task) {
            asyncio__step_begin(task);
            to = &task->coroutine->fiber;
        }
        asyncio__stack_release(stack);
        asyncio__fiber_leave(&dead, to);
    }
}

/* A stack for a task that begins: false if there is none. */
bool asyncio__task_give_stack(asyncio__task_t *task)
{
    asyncio_coroutine_t *coroutine = task->coroutine;
    asyncio__stack_t *stack = asyncio__stack_acquire(stack_bytes_of(task));
    coroutine->stack = stack;
    if (!stack)
        return false;
    if (ASYNCIO__UNLIKELY(task->future.loop->debug))
        asyncio__stack_refresh(stack); /* its high-water mark is this task's */
    asyncio__fiber_prepare(&coroutine->fiber, stack, task_main, task);
    return true;
}

/* Ends a task whose body will never run. */
ASYNCIO__COLD void asyncio__task_end_unstarted(asyncio__task_t *task, int code,
                                               const char *message)
{
    if (message)
        code = asyncio__fail(code, message);
    if (!asyncio__task_is_refused(task))
        asyncio__coroutine_end(task->coroutine);
    asyncio__task_end(task, code, (asyncio__result_t){NULL, NULL});
}

ASYNCIO__RETURNS_ANEW void asyncio__task_step(asyncio__ready_t *self)
{
    asyncio__task_t *task = ASYNCIO__CONTAINER(self, asyncio__task_t, wait.ready);
    if (ASYNCIO__UNLIKELY(task->future.loop->closed)) {
        if (task->wait.future)
            task->wait.future->refs--;
        task->wait.future = NULL;
        return;
    }
    asyncio_coroutine_t *former = asyncio__thread.coroutine;
    ASYNCIO__SUSPENDS();
    asyncio__step_begin(task);
    if (ASYNCIO__UNLIKELY(!task->is_started)) {
        if (asyncio__task_is_refused(task))
            asyncio__task_end_unstarted(task, ASYNCIO_ERUNTIME,
                                        "cannot reuse already awaited coroutine");
        else if (task->resume_code < 0)
            asyncio__task_end_unstarted(task, task->resume_code, NULL);
        else if (!asyncio__task_give_stack(task))
            asyncio__task_end_unstarted(task, -ENOMEM, "no stack for a task");
        else
            asyncio__fiber_switch(&asyncio__root, &task->coroutine->fiber);
    } else {
        asyncio__fiber_switch(&asyncio__root, &task->coroutine->fiber);
    }
    asyncio__thread.task = NULL;
    asyncio__thread.coroutine = former;
    asyncio__thread.locals = NULL;
}

/* The first step of a task, inside what runs now: for as long, it is what the loop would be. */
void asyncio__task_begin(asyncio__task_t *task)
{
    asyncio_loop_t *loop = task->future.loop;
    asyncio__thread_t former = asyncio__thread;
    asyncio__fiber_t former_root = asyncio__root;
    uint32_t todo = loop->todo;
    uint32_t turns_left = loop->pace.turns_left, turns_more = loop->pace.turns_more;
    /* Nothing else is to run: it comes back here when it suspends or ends. */
    loop->todo = 0;
    asyncio__pace_poll_next(&loop->pace);
    asyncio__task_step(&task->wait.ready);
    asyncio__root = former_root;
    if (loop->fork_generation != asyncio__fork_generation)
        return; /* a child was forked in it, and runs nothing more */
    loop->todo = todo;
    loop->pace.turns_left = turns_left;
    loop->pace.turns_more = turns_more;
    asyncio__thread.task = former.task;
    asyncio__thread.coroutine = former.coroutine;
    asyncio__thread.locals = former.locals;
}

/* --- suspending ---------------------------------------------------------------------------- */

/*
 * What the steps to come will need: first the record, then the coroutine that it leads to, then the
 * top of its stack. With 100,000 tasks a step takes a third of the time.
 */
void asyncio__steps_fetch(const asyncio__ring_t *ready)
{
    /* Else gcc takes a function that only fetches for one without effect, and drops its calls. */
    __asm__ volatile("");
    asyncio__ready_t *item = asyncio__ring_ahead(ready, 8);
    __builtin_prefetch(item, 1);
    __builtin_prefetch((char *)item + 64, 1);
    item = asyncio__ring_ahead(ready, 5);
    if (item->run == asyncio__task_step)
        __builtin_prefetch(
            &ASYNCIO__CONTAINER(item, asyncio__task_t, wait.ready)->coroutine->fiber, 1);
    item = asyncio__ring_ahead(ready, 3);
    if (item->run == asyncio__task_step) {
        asyncio__task_t *task = ASYNCIO__CONTAINER(item, asyncio__task_t, wait.ready);
        char *frame = task->coroutine->fiber.sp;
        for (size_t line = 0; frame && line < 8; line++) /* one that has not begun has none */
            __builtin_prefetch(frame + line * 64, 1);
    }
}

/* Every await of a coroutine that is being closed; one that will not end is abandoned. */
ASYNCIO__COLD int asyncio__refuse_await(asyncio_coroutine_t *coroutine)
{
    if (coroutine->refusals++ < ASYNCIO__REFUSALS_MOST)
        return asyncio__fail(ASYNCIO_EGENERATOREXIT, "the coroutine is being closed");
    coroutine->state = ASYNCIO__COROUTINE_WAITING;
    if (coroutine->back)
        return asyncio__coroutine_hand_out(coroutine, NULL, ASYNCIO_AWAITING);
    asyncio__fiber_switch(&coroutine->fiber, &asyncio__root);
    return ASYNCIO_EGENERATOREXIT;
}

ASYNCIO__COLD int asyncio__raise_late_cancel(void)
{
    asyncio_future_t *future = asyncio__thread.task;
    asyncio__task_t *task = future ? asyncio__task_of(future) : NULL;
    if (!task || !task->late_cancel)
        return 0;
    task->late_cancel = false;
    return asyncio__fail_with(-ECANCELED, asyncio_error_ref(task->cancel_message));
}

static ASYNCIO__COLD int give_way_rarely(asyncio_coroutine_t *coroutine)
{
    int rc = asyncio__before_suspension(coroutine);
    return rc < 0 ? rc : asyncio__coroutine_hand_out(coroutine, NULL, ASYNCIO_AWAITING);
}

ASYNCIO__RETURNS_ANEW int asyncio__give_way(void)
{
    asyncio_coroutine_t *coroutine = asyncio__thread.coroutine;
    if (ASYNCIO__UNLIKELY(!coroutine || coroutine->is_closing || coroutine->back))
        return give_way_rarely(coroutine);
    asyncio__task_t *task = asyncio__task_of(asyncio__thread.task);
    if (ASYNCIO__UNLIKELY(task->late_cancel))
        return asyncio__raise_late_cancel();
    task->resume_code = 0;
    asyncio__loop_schedule(task->future.loop, &task->wait.ready);
    return asyncio__suspend(task);
}

/* The future cannot be waited for: the error comes with the next step, as in asyncio. */
ASYNCIO__COLD int asyncio__fail_next_step(asyncio__task_t *task, const char *message)
{
    task->resume_code = asyncio__fail(ASYNCIO_ERUNTIME, message);
    asyncio__loop_schedule(task->future.loop, &task->wait.ready);
    return asyncio__suspend(task);
}

static ASYNCIO__COLD int wait_by_hand(asyncio_coroutine_t *coroutine, asyncio_future_t *future)
{
    while (!asyncio__future_is_done(future)) {
        int rc = asyncio__coroutine_hand_out(coroutine, future, ASYNCIO_AWAITING);
        if (rc < 0)
            return asyncio_error_code(asyncio__locals()->error) == rc ? rc
                                                                       : asyncio__fail(rc, NULL);
    }
    return asyncio__future_raise(future);
}

static ASYNCIO__COLD int wait_by_task(asyncio__task_t *task, asyncio_future_t *future)
{
    if (asyncio__future_is_done(future))
        return asyncio__future_raise(future);
    if (future == &task->future)
        return asyncio__fail_next_step(task, "Task cannot await on itself");
    if (future->loop != task->future.loop)
        return asyncio__fail_next_step(task, "the future belongs to another loop");
    asyncio__future_append_callback(future, &task->wait);
    if (task->must_cancel && asyncio__future_cancel(future, task->cancel_message) == 1)
        task->must_cancel = false;
    return asyncio__suspend(task);
}

/* A wait before which something else is to be done, or looked at. */
ASYNCIO__COLD int asyncio__wait_rarely(asyncio_future_t *future)
{
    asyncio_coroutine_t *coroutine = asyncio__thread.coroutine;
    int rc = asyncio__before_suspension(coroutine);
    if (rc < 0)
        return rc;
    return coroutine->back ? wait_by_hand(coroutine, future)
                           : wait_by_task(asyncio__task_of(asyncio__thread.task), future);
}

ASYNCIO__RETURNS_ANEW int asyncio__future_wait(asyncio_future_t *future)
{
    return asyncio__future_is_done(future) ? asyncio__wait_rarely(future)
                                           : asyncio__future_wait_here(future);
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

__attribute__((constructor)) static void say_what_it_is(void)
{
    asyncio__describe_by(&describer);
}

/* --- a loop that closes -------------------------------------------------------------------- */

/* Goes on in a task that is being closed, until it has ended or will not. */
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
    /* A loop may be closed from inside a task of another one, which goes on afterwards. */
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
