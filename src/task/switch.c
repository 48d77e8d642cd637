/* SPDX-License-Identifier: MIT */
/*
 * The steps of tasks: begun, suspended, ended. The fast paths and the drawing are in switch.h.
 */
#include "task/switch.h"

#include "coroutine/overflow.h"

/* --- the step ------------------------------------------------------------------------------ */

/* Returns the result of a suspension when it is not simply 0: the task must be cancelled, or the
 * future that it waited for, if any, is not simply finished. */
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

/* asyncio__task_end() but for the reference to its coroutine, which is the result. */
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
        future->refs--; /* usually another reference exists */
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
 * on the stack: see switch.h. */
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
    if (ASYNCIO__UNLIKELY(task->timeouts != 0) && task->future.loop->debug)
        asyncio__loop_report(task->future.loop,
                             "a timeout scope was left without asyncio_timeout_exit()", 0, NULL,
                             &task->future, task->future.place,
                             asyncio_task_get_name(&task->future));
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
            asyncio__step_give_back(loop); /* it needs a stack of another size */
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

static ASYNCIO__COLD int yield_slow(asyncio_coroutine_t *coroutine)
{
    int rc = asyncio__before_suspension(coroutine);
    return rc < 0 ? rc : asyncio__coroutine_hand_out(coroutine, NULL, ASYNCIO_AWAITING);
}

ASYNCIO__RETURNS_ANEW int asyncio__give_way(void)
{
    asyncio_coroutine_t *coroutine = asyncio__thread.coroutine;
    if (ASYNCIO__UNLIKELY(!coroutine || coroutine->is_closing || coroutine->back))
        return yield_slow(coroutine);
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
ASYNCIO__COLD int asyncio__wait_slow(asyncio_future_t *future)
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
    return asyncio__future_is_done(future) ? asyncio__wait_slow(future)
                                           : asyncio__future_wait_here(future);
}
