/* SPDX-License-Identifier: MIT */
/*
 * timeout, timeout_at and wait_for: a task that is cancelled when its time is over, and how that
 * cancel is told from others.
 */
#include <asyncio/timeout.h>
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "loop/debug.h"
#include "loop/timer.h"
#include "task/future_awaiters.h"
#include "task/task.h"
#include "task/twin.h"

enum state { CREATED, ENTERED, EXPIRING, EXPIRED, EXITED };

/* What is in the caller's memory. */
typedef struct __attribute__((may_alias)) scope {
    asyncio__timer_t timer; /* set, or due, while entered */
    asyncio__task_t *task;  /* who entered; valid until the exit, or its abandonment */
    asyncio_loop_t *loop;   /* whose task that is */
    int64_t when_ns;        /* the deadline */
    uint32_t saved;         /* the task's requests at the enter */
    uint8_t state;          /* enum state */
} scope_t;
static_assert(sizeof(scope_t) <= sizeof(asyncio_timeout_t), "the public type has room");

static void on_timer(asyncio__ready_t *self)
{
    scope_t *scope = (scope_t *)ASYNCIO__CONTAINER(self, asyncio__timer_t, ready);
    asyncio__timer_begin(scope->loop, &scope->timer);
    if (scope->loop->closed)
        return; /* the task, if it was abandoned, is no more */
    asyncio__ignore(asyncio__future_cancel(&scope->task->future, NULL));
    scope->state = EXPIRING;
}

/* Sets the deadline; one that is past expires by the ready queue, not at once. */
static int set(scope_t *scope, int64_t when_ns, int64_t now_ns)
{
    asyncio_loop_t *loop = scope->loop;
    scope->when_ns = when_ns;
    if (when_ns > now_ns)
        return asyncio__timer_start(loop, &scope->timer, when_ns);
    int rc = asyncio__loop_reserve(loop, 1);
    if (rc < 0)
        return rc;
    scope->timer.is_due = true;
    scope->timer.position = asyncio__loop_schedule(loop, &scope->timer.ready);
    return 0;
}

static int enter(scope_t *scope, int64_t when_ns, int64_t now_ns)
{
    asyncio__task_t *task = asyncio__task_of(asyncio__thread.task);
    asyncio__timer_init(&scope->timer, on_timer);
    scope->task = task;
    scope->loop = task->future.loop;
    scope->saved = task->future.requests;
    int rc = set(scope, when_ns, now_ns);
    if (rc < 0)
        return asyncio__fail(rc, NULL);
    scope->state = ENTERED;
    task->timeouts++;
    return 0;
}

static int check_enter(scope_t *scope, double seconds)
{
    if (!scope)
        return asyncio__fail(-EINVAL, "\"scope\" must not be NULL");
    scope->state = CREATED;
    if (isnan(seconds))
        return asyncio__fail(-EINVAL, "the time must be a number");
    if (!asyncio__thread.task)
        return asyncio__fail(ASYNCIO_ERUNTIME, "Timeout should be used inside a task");
    return asyncio__loop_check_here(asyncio__thread.task->loop);
}

int asyncio_timeout_enter(asyncio_timeout_t *memory, double delay)
{
    scope_t *scope = (scope_t *)memory;
    int rc = check_enter(scope, delay);
    if (rc < 0)
        return rc;
    int64_t now_ns = asyncio__loop_now(asyncio__thread.task->loop);
    return enter(scope, asyncio__moment_after(now_ns, asyncio__nanoseconds(delay)), now_ns);
}

int asyncio_timeout_enter_at(asyncio_timeout_t *memory, double when)
{
    scope_t *scope = (scope_t *)memory;
    int rc = check_enter(scope, when);
    if (rc < 0)
        return rc;
    return enter(scope, asyncio__nanoseconds(when),
                 asyncio__loop_now(asyncio__thread.task->loop));
}

int asyncio_timeout_exit(asyncio_timeout_t *memory, int rc)
{
    scope_t *scope = (scope_t *)memory;
    if (!scope)
        return asyncio__fail(-EINVAL, "\"scope\" must not be NULL");
    if (scope->state != ENTERED && scope->state != EXPIRING)
        return rc;
    asyncio_future_t *task = &scope->task->future;
    int refusal = asyncio__loop_check_here(task->loop);
    if (ASYNCIO__UNLIKELY(refusal < 0))
        return refusal;
    asyncio__timer_cancel(task->loop, &scope->timer);
    scope->task->timeouts--;
    if (scope->state == ENTERED) {
        scope->state = EXITED;
        return rc;
    }
    scope->state = EXPIRED;
    if ((uint32_t)asyncio_task_uncancel(task) <= scope->saved && rc == -ECANCELED) {
        asyncio_error_t *cause = asyncio__error_take_of(rc);
        asyncio__fail_with(-ETIMEDOUT, cause ? asyncio__error_new_static(-ETIMEDOUT, NULL, cause)
                                             : NULL);
        asyncio_error_unref(cause);
        return -ETIMEDOUT;
    }
    return rc;
}

int asyncio_timeout_reschedule(asyncio_timeout_t *memory, double when)
{
    scope_t *scope = (scope_t *)memory;
    if (!scope || isnan(when))
        return asyncio__fail(-EINVAL, scope ? "\"when\" must be a number"
                                            : "\"scope\" must not be NULL");
    if (scope->state != ENTERED)
        return asyncio__fail(ASYNCIO_ERUNTIME, "the timeout is not entered, or has expired");
    int rc = asyncio__loop_check_here(scope->loop);
    if (rc < 0)
        return rc;
    asyncio__timer_cancel(scope->loop, &scope->timer);
    rc = set(scope, asyncio__nanoseconds(when), asyncio__loop_now(scope->loop));
    return rc < 0 ? asyncio__fail(rc, NULL) : 0;
}

double asyncio_timeout_when(const asyncio_timeout_t *memory)
{
    const scope_t *scope = (const scope_t *)memory;
    return scope && scope->state != CREATED ? asyncio__seconds(scope->when_ns) : ASYNCIO_FOREVER;
}

bool asyncio_timeout_expired(const asyncio_timeout_t *memory)
{
    const scope_t *scope = (const scope_t *)memory;
    return scope && (scope->state == EXPIRING || scope->state == EXPIRED);
}

void asyncio_timeout_cleanup(asyncio_timeout_t *memory)
{
    asyncio__ignore(asyncio_timeout_exit(memory, 0));
}

/* --- wait_for ------------------------------------------------------------------------------ */

static void on_ended(asyncio__ready_t *self);

/* Waits for the end of a future that is being cancelled. */
typedef struct ending {
    asyncio__callback_t callback; /* in the future */
    asyncio_future_t waiter;      /* finished by it */
} ending_t;

static void on_ended(asyncio__ready_t *self)
{
    ending_t *ending = ASYNCIO__CONTAINER(self, ending_t, callback.ready);
    asyncio_future_t *future = asyncio__callback_begin(&ending->callback);
    asyncio__future_wake(&ending->waiter);
    asyncio_future_unref(future);
}

asyncio_future_t *asyncio__wait_for_follower(const asyncio__callback_t *callback)
{
    if (callback->ready.run != on_ended)
        return NULL;
    return &ASYNCIO__CONTAINER(callback, ending_t, callback)->waiter;
}

static int cancel_and_wait(asyncio_future_t *future)
{
    ending_t ending = {.callback.ready.run = on_ended};
    int rc = asyncio__loop_reserve(future->loop, 1);
    if (rc < 0)
        return asyncio__fail(rc, NULL);
    asyncio__future_init(&ending.waiter, future->loop, NULL);
    ending.waiter.place = "asyncio_wait_for";
    asyncio__future_add_callback(future, &ending.callback);
    asyncio__ignore(asyncio__future_cancel(future, NULL));
    rc = asyncio__future_wait(&ending.waiter);
    asyncio__future_drop_callback(&ending.callback);
    asyncio__future_fini(&ending.waiter);
    asyncio__loop_release(future->loop, 1);
    return rc;
}

/* A timeout of 0 or less: only what is done has a result. */
static int wait_no_time(asyncio_awaitable_t *awaitable, void **ret_result)
{
    bool is_ours = asyncio_iscoroutine(awaitable);
    asyncio_future_t *future =
        asyncio__ensure_future(asyncio_get_running_loop(), awaitable);
    if (!future)
        return asyncio_errno();
    int rc = 0;
    if (!asyncio__future_is_done(future)) {
        rc = cancel_and_wait(future);
        bool is_cancelled = future->state == ASYNCIO__CANCELLED ||
                            (future->state == ASYNCIO__FAILED && future->code == -ECANCELED);
        if (rc == 0 && is_cancelled) {
            asyncio_error_t *error;
            asyncio__ignore(asyncio__future_outcome(future, &error));
            rc = asyncio__fail_with(-ETIMEDOUT,
                                    asyncio__error_new_static(-ETIMEDOUT, NULL, error));
            asyncio_error_unref(error);
        }
    }
    void *value = NULL;
    if (rc == 0)
        rc = asyncio_future_result(future, &value);
    if (rc == 0 && ret_result)
        *ret_result = is_ours ? asyncio__future_move_value(future) : value;
    asyncio_future_unref(future);
    return rc;
}

int (asyncio_wait_for)(asyncio_awaitable_t *awaitable, double timeout, void **ret_result)
{
    if (!awaitable)
        return asyncio__fail_null();
    int rc = 0;
    if (isnan(timeout))
        rc = asyncio__fail(-EINVAL, "\"timeout\" must be a number");
    else if (!asyncio__thread.task)
        rc = asyncio__fail(ASYNCIO_ERUNTIME, "not inside a task");
    if (rc < 0) {
        asyncio__discard(awaitable);
        return rc;
    }
    if (timeout <= 0)
        return wait_no_time(awaitable, ret_result);
    asyncio_timeout_t scope;
    rc = asyncio_timeout_enter(&scope, timeout);
    if (rc < 0) {
        asyncio__discard(awaitable);
        return rc;
    }
    return asyncio_timeout_exit(&scope, asyncio_await(awaitable, ret_result));
}

int asyncio_wait_for_unref(asyncio_future_t *future, double timeout, void **ret_result)
{
    if (!asyncio__is_future(future))
        return future ? asyncio__fail_kind(future, "\"future\" must be a future or a task")
                      : asyncio__fail_null();
    int rc = asyncio_wait_for(future, timeout, NULL);
    if (rc == 0 && ret_result)
        *ret_result = asyncio__future_move_value(future);
    asyncio_future_unref(future);
    return rc;
}

static int keep_awaitable(void *arguments)
{
    asyncio_awaitable_t *awaitable = *(asyncio_awaitable_t **)arguments;
    if (!awaitable)
        return asyncio__fail_null();
    if (asyncio__is_future(awaitable))
        asyncio_future_ref(awaitable);
    return 0;
}

static void drop_awaitable(void *arguments)
{
    asyncio_awaitable_t *awaitable = *(asyncio_awaitable_t **)arguments;
    if (asyncio__is_future(awaitable))
        asyncio_future_unref(awaitable);
    else
        asyncio__discard(awaitable);
}

static int run_asyncio_wait_for(void *arguments, void **ret_result);

ASYNCIO__TWIN_KEPT(OWN, asyncio_wait_for, keep_awaitable, drop_awaitable,
                   (asyncio_awaitable_t *, awaitable), (double, timeout))

static int run_asyncio_wait_for(void *arguments, void **ret_result)
{
    struct asyncio_wait_for_arguments *a = arguments;
    asyncio_awaitable_t *awaitable = a->awaitable;
    if (asyncio_iscoroutine(awaitable))
        a->awaitable = NULL; /* the call takes it */
    return asyncio_wait_for(awaitable, a->timeout, ret_result);
}
