/* SPDX-License-Identifier: MIT */
/*
 * Task groups: a scope that waits for its tasks, and ends them all if one fails.
 *
 * Each task has a member record, in the list of those that run, then in that of those that are
 * done, where it keeps the task and its error. After the exit the parent keeps the records, so that
 * the results can be read, until it leaves another group or ends.
 */
#include <asyncio/task_group.h>
#include <assert.h>

#include "base/memory.h"
#include "task/future_awaiters.h"
#include "task/task.h"

/* What is in the caller's memory. */
typedef struct __attribute__((may_alias)) group {
    asyncio__task_t *parent;    /* who entered; NULL before, and it may be gone after the exit */
    asyncio__list_t tasks;      /* members that run, in order of creation */
    asyncio__list_t done;       /* members that have ended */
    asyncio__list_t failed;     /* members that have failed, in that order */
    asyncio_future_t *waiter;   /* what the exit waits for, or NULL */
    bool is_exiting;            /* exit() was called */
    bool is_aborting;           /* the tasks were cancelled */
    bool parent_cancel_requested; /* the parent was cancelled: a task failed, or cancel() */
    bool is_over;               /* the exit is over */
    bool cancel_on_enter;       /* cancel() came before */
} group_t;
static_assert(sizeof(group_t) <= sizeof(asyncio_task_group_t), "the public type has room");

typedef struct asyncio__group_member {
    asyncio__callback_t callback; /* in the task */
    asyncio__list_t link;         /* in one of the group's lists */
    union {
        group_t *group;                          /* whose */
        struct asyncio__group_member *next_kept; /* after the exit */
    };
    asyncio_task_t *task;         /* a reference */
} member_t;

static void abort_tasks(group_t *group)
{
    group->is_aborting = true;
    for (asyncio__list_t *at = group->tasks.next; at != &group->tasks; at = at->next) {
        member_t *member = ASYNCIO__CONTAINER(at, member_t, link);
        if (!asyncio__future_is_done(member->task))
            asyncio__ignore(asyncio__future_cancel(member->task, NULL));
    }
}

static void cancel_all(group_t *group)
{
    abort_tasks(group);
    group->parent_cancel_requested = true;
    asyncio__ignore(asyncio__future_cancel(&group->parent->future, NULL));
}

int asyncio_task_group_init(asyncio_task_group_t *memory)
{
    group_t *group = (group_t *)memory;
    if (!group)
        return asyncio__fail(-EINVAL, "\"group\" must not be NULL");
    *group = (group_t){0};
    return 0;
}

int asyncio_task_group_aenter(asyncio_task_group_t *memory)
{
    group_t *group = (group_t *)memory;
    if (!group)
        return asyncio__fail(-EINVAL, "\"group\" must not be NULL");
    if (group->parent)
        return asyncio__fail(ASYNCIO_ERUNTIME, "TaskGroup has already been entered");
    asyncio__task_t *task = asyncio__task_running();
    int rc = task ? asyncio__loop_check_here(task->future.loop) : ASYNCIO_ERUNTIME;
    if (rc < 0)
        return rc;
    group->parent = task;
    asyncio__list_init(&group->tasks);
    asyncio__list_init(&group->done);
    asyncio__list_init(&group->failed);
    if (group->cancel_on_enter)
        cancel_all(group);
    return 0;
}

int asyncio_task_group_enter(asyncio_task_group_t *memory)
{
    int rc = asyncio_task_group_init(memory);
    return rc < 0 ? rc : asyncio_task_group_aenter(memory);
}

int asyncio_task_group_cancel(asyncio_task_group_t *memory)
{
    group_t *group = (group_t *)memory;
    if (!group)
        return asyncio__fail(-EINVAL, "\"group\" must not be NULL");
    if (!group->parent)
        group->cancel_on_enter = true;
    if (!group->parent || group->is_over)
        return 0;
    int rc = asyncio__loop_check_here(group->parent->future.loop);
    if (rc == 0 && !group->is_aborting &&
        !(group->is_exiting && asyncio__list_is_empty(&group->tasks)))
        cancel_all(group);
    return rc;
}

static void member_failed(group_t *group, member_t *member)
{
    asyncio_task_t *task = member->task;
    task->is_reported = true;
    asyncio__list_append(&group->failed, &member->link);
    if (asyncio__future_is_done(&group->parent->future)) {
        asyncio__loop_report(task->loop, "a task of a group failed after its parent", task->code,
                             task->error, task, task->place, asyncio_task_get_name(task));
        return;
    }
    if (!group->is_aborting && !group->parent_cancel_requested)
        cancel_all(group);
}

/* What the end of a task means; it is none of those that run. */
static void settle(group_t *group, member_t *member)
{
    asyncio_task_t *task = member->task;
    if (group->waiter && asyncio__list_is_empty(&group->tasks))
        asyncio__future_wake(group->waiter);
    if (task->state == ASYNCIO__FAILED && !task->loop->closed)
        member_failed(group, member);
    else
        asyncio__list_append(&group->done, &member->link);
}

static void on_task_done(asyncio__ready_t *self)
{
    member_t *member = ASYNCIO__CONTAINER(self, member_t, callback.ready);
    asyncio_future_t *task = asyncio__callback_begin(&member->callback);
    asyncio__list_remove(&member->link);
    settle(member->group, member);
    asyncio_future_unref(task);
}

asyncio_future_t *asyncio__task_group_follower(const asyncio__callback_t *callback)
{
    if (callback->ready.run != on_task_done)
        return NULL;
    return &ASYNCIO__CONTAINER(callback, member_t, callback)->group->parent->future;
}

asyncio_task_t *asyncio_task_group_create_task_full_at(asyncio_task_group_t *memory,
                                                       asyncio_coroutine_t *coroutine,
                                                       const asyncio_task_options_t *options,
                                                       const char *place)
{
    group_t *group = (group_t *)memory;
    const char *refusal = NULL;
    if (!group || group->is_over || !group->parent)
        refusal = "TaskGroup has not been entered";
    else if (group->is_exiting && asyncio__list_is_empty(&group->tasks))
        refusal = "TaskGroup is finished";
    else if (group->is_aborting)
        refusal = "TaskGroup is shutting down";
    if (refusal) {
        asyncio__discard(coroutine);
        return asyncio__fail_new(ASYNCIO_ERUNTIME, refusal);
    }
    asyncio_loop_t *loop = group->parent->future.loop;
    int rc = asyncio__loop_check_here(loop);
    if (rc < 0) {
        asyncio__discard(coroutine);
        return asyncio__fail_new(rc, "the group's loop belongs to another thread");
    }
    member_t *member = asyncio__calloc(sizeof(*member));
    if (!member || asyncio__loop_reserve(loop, 1) < 0) {
        asyncio__free(member, sizeof(*member));
        asyncio__discard(coroutine);
        return asyncio__fail_new(-ENOMEM, NULL);
    }
    asyncio_task_t *task = options ? asyncio__task_new_full(loop, coroutine, options, place)
                                   : asyncio__task_new(loop, coroutine, place);
    if (!task) {
        asyncio__loop_release(loop, 1);
        asyncio__free(member, sizeof(*member));
        return NULL;
    }
    member->callback.ready.run = on_task_done;
    member->group = group;
    member->task = task;
    if (ASYNCIO__UNLIKELY(asyncio__future_is_done(task))) {
        settle(group, member); /* it began at once, and has ended */
        return task;
    }
    asyncio__list_append(&group->tasks, &member->link);
    asyncio__future_add_callback(task, &member->callback);
    if (ASYNCIO__UNLIKELY(group->is_aborting)) /* in its first step it has cancelled the group */
        asyncio__ignore(asyncio__future_cancel(task, NULL));
    return task;
}

asyncio_task_t *asyncio_task_group_create_task_at(asyncio_task_group_t *memory,
                                                  asyncio_coroutine_t *coroutine,
                                                  const char *place)
{
    return asyncio_task_group_create_task_full_at(memory, coroutine, /* options= */ NULL, place);
}

/* --- exit ---------------------------------------------------------------------------------- */

static void keep_members(group_t *group, asyncio__list_t *list)
{
    asyncio__list_t *at;
    while ((at = asyncio__list_pop(list))) {
        member_t *member = ASYNCIO__CONTAINER(at, member_t, link);
        asyncio__future_drop_callback(&member->callback);
        asyncio__loop_release(group->parent->future.loop, 1);
        member->next_kept = group->parent->kept_members;
        group->parent->kept_members = member;
    }
}

void asyncio__task_group_release(asyncio__task_t *parent)
{
    while (parent->kept_members) {
        member_t *member = parent->kept_members;
        parent->kept_members = member->next_kept;
        asyncio_task_unref(member->task);
        asyncio__free(member, sizeof(*member));
    }
}

/* How the body and the waiting came out. */
struct leaving {
    int code;                      /* what leaves the body */
    asyncio_error_t *error;        /* its details */
    bool is_cancelled;             /* a CancelledError is to leave */
    asyncio_error_t *cancelled_by; /* its details */
    bool is_swallowed;             /* one came when the tasks had been cancelled already */
    asyncio_error_t *swallowed;    /* the details of the latest */
};

/* Waits until all tasks are done: 0, or the code of any other error than a cancel that was thrown
 * in: this coroutine is being closed, or its task awaits itself. */
static int wait_for_tasks(group_t *group, struct leaving *leaving)
{
    while (!asyncio__list_is_empty(&group->tasks)) {
        asyncio_future_t waiter;
        asyncio__future_init(&waiter, group->parent->future.loop, NULL);
        waiter.place = "asyncio_task_group_exit";
        group->waiter = &waiter;
        int rc = asyncio__future_wait(&waiter);
        group->waiter = NULL;
        if (rc < 0 && rc != -ECANCELED) /* nobody will tell other tasks of this coroutine */
            asyncio__future_wake(&waiter);
        asyncio__future_fini(&waiter);
        if (rc < 0 && rc != -ECANCELED)
            return rc;
        if (rc == -ECANCELED && group->is_aborting) {
            asyncio_error_unref(leaving->swallowed);
            leaving->swallowed = asyncio__error_take_of(rc);
            leaving->is_swallowed = true;
        } else if (rc == -ECANCELED) {
            asyncio_error_unref(leaving->cancelled_by);
            leaving->cancelled_by = asyncio__error_take_of(rc);
            leaving->is_cancelled = true;
            abort_tasks(group);
        }
    }
    return 0;
}

/* The errors of tasks and body, as one. */
static int raise_group(group_t *group, struct leaving *leaving)
{
    bool with_body = leaving->code < 0 && leaving->code != -ECANCELED;
    size_t count = with_body ? 1 : 0, i = 0;
    for (asyncio__list_t *at = group->failed.next; at != &group->failed; at = at->next)
        count++;
    if (count == 0)
        return 0;
    if (group->parent->future.requests > 0) {
        /* The cancel is given again: the next suspension raises it. */
        asyncio__ignore(asyncio_task_uncancel(&group->parent->future));
        asyncio__ignore(asyncio__future_cancel(&group->parent->future, NULL));
    }
    asyncio_error_t **children = asyncio__malloc(count * sizeof(*children));
    if (!children)
        return asyncio__fail(ASYNCIO_EGROUP, NULL);
    for (asyncio__list_t *at = group->failed.next; at != &group->failed; at = at->next) {
        asyncio_task_t *task = ASYNCIO__CONTAINER(at, member_t, link)->task;
        children[i++] = task->error ? asyncio_error_ref(task->error)
                                    : asyncio__error_new_static(task->code, NULL, NULL);
    }
    if (with_body)
        children[i++] = leaving->error
                            ? asyncio_error_ref(leaving->error)
                            : asyncio__error_new_static(leaving->code, NULL, NULL);
    asyncio_error_t *error =
        asyncio__error_new_group("unhandled errors in a TaskGroup", children, count);
    asyncio__free(children, count * sizeof(*children));
    return asyncio__fail_with(ASYNCIO_EGROUP, error);
}

static int leave(group_t *group, struct leaving *leaving)
{
    asyncio_error_t *cancelled_by = leaving->cancelled_by;
    if (group->parent_cancel_requested) {
        if (asyncio_task_uncancel(&group->parent->future) == 0) {
            leaving->is_cancelled = false;
        } else if (!leaving->is_cancelled && leaving->is_swallowed) {
            leaving->is_cancelled = true; /* not the group's own: a timeout's around it, say */
            cancelled_by = leaving->swallowed;
        }
    }
    if (leaving->is_cancelled && asyncio__list_is_empty(&group->failed))
        return asyncio__fail_with(-ECANCELED, asyncio_error_ref(cancelled_by));
    int rc = raise_group(group, leaving);
    return rc < 0 ? rc : leaving->code == -ECANCELED ? 0 : leaving->code;
}

int asyncio_task_group_exit(asyncio_task_group_t *memory, int rc)
{
    group_t *group = (group_t *)memory;
    if (!group)
        return asyncio__fail(-EINVAL, "\"group\" must not be NULL");
    if (!group->parent || group->is_over || group->is_exiting)
        return rc;
    int refusal = asyncio__loop_check_here(group->parent->future.loop);
    if (refusal < 0)
        return refusal;
    struct leaving leaving = {.code = rc, .error = rc < 0 ? asyncio__error_take_of(rc) : NULL};
    group->is_exiting = true;
    if (rc == -ECANCELED) {
        leaving.is_cancelled = true;
        leaving.cancelled_by = asyncio_error_ref(leaving.error);
    }
    if (rc < 0 && !group->is_aborting)
        abort_tasks(group);
    rc = wait_for_tasks(group, &leaving);
    if (rc == 0)
        rc = leave(group, &leaving);
    asyncio_error_unref(leaving.error);
    asyncio_error_unref(leaving.cancelled_by);
    asyncio_error_unref(leaving.swallowed);
    asyncio__task_group_release(group->parent);
    keep_members(group, &group->tasks);
    keep_members(group, &group->done);
    keep_members(group, &group->failed);
    group->is_over = true;
    return rc;
}

void asyncio_task_group_cleanup(asyncio_task_group_t *memory)
{
    asyncio__ignore(asyncio_task_group_exit(memory, -ECANCELED));
}

/* --- the macros as functions --------------------------------------------------------------- */

asyncio_task_t *(asyncio_task_group_create_task)(asyncio_task_group_t *group,
                                                 asyncio_coroutine_t *coroutine)
{
    return asyncio_task_group_create_task_at(group, coroutine, /* place= */ NULL);
}

asyncio_task_t *(asyncio_task_group_create_task_full)(asyncio_task_group_t *group,
                                                      asyncio_coroutine_t *coroutine,
                                                      const asyncio_task_options_t *options)
{
    return asyncio_task_group_create_task_full_at(group, coroutine, options, /* place= */ NULL);
}
