/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Task groups: a scope that ends when all its tasks have, and cancels them if one fails.
 *
 * @code
 *     asyncio_task_group_t group;
 *     int rc = asyncio_task_group_enter(&group);
 *     if (rc == 0) {
 *         asyncio_task_group_create_task(&group, fetch_coroutine("a"));
 *         asyncio_task_group_create_task(&group, fetch_coroutine("b"));
 *         rc = asyncio_task_group_exit(&group, 0);      waits for both
 *     }
 * @endcode
 *
 * Errors of tasks and of the body leave as one group: ASYNCIO_EGROUP, the errors being the children
 * of asyncio_error_last(). ASYNCIO_AUTO(task_group) exits the scope on an early return: its tasks
 * are cancelled and waited for.
 */
#ifndef ASYNCIO_TASK_GROUP_H
#define ASYNCIO_TASK_GROUP_H

#include <asyncio/task.h>
#include <asyncio/timeout.h>

ASYNCIO_BEGIN_DECLS

/** A task group, in the frame of its user; its fields are private. */
typedef struct asyncio_task_group {
    void *asyncio_reserved[40]; /**< the library's */
} asyncio_task_group_t;

/**
 * Begins a task group.
 *
 * @param group  the caller's memory.
 * @return 0; -EINVAL (NULL); ASYNCIO_ERUNTIME (not inside a task, or in a forked child).
 *
 * Ownership: group is *borrowed* until the exit.
 * Context: inside a task.
 * Cancellation: does not suspend.
 * Twin: `TaskGroup.__aenter__`.
 */
ASYNCIO_API int asyncio_task_group_enter(asyncio_task_group_t *group);

/**
 * Prepares a group that asyncio_task_group_aenter() will enter: until then others may cancel it.
 *
 * asyncio_task_group_enter() does both in one.
 *
 * @param group  the caller's memory.
 * @return 0; -EINVAL (NULL).
 *
 * Ownership: group is *borrowed* until the exit; one that is never entered needs none.
 * Context: any thread.
 * Twin: `asyncio.TaskGroup`.
 */
ASYNCIO_API int asyncio_task_group_init(asyncio_task_group_t *group);

/**
 * Begins a group that was prepared by asyncio_task_group_init().
 *
 * @param group  prepared, and not entered before.
 * @return 0; -EINVAL (NULL); ASYNCIO_ERUNTIME (not inside a task, entered before, or in a
 *   forked child).
 *
 * Ownership: group is *borrowed* until the exit.
 * Context: inside a task.
 * Cancellation: does not suspend; if the group was cancelled before, the next suspension raises.
 * Twin: `TaskGroup.__aenter__`.
 */
ASYNCIO_API int asyncio_task_group_aenter(asyncio_task_group_t *group);

/**
 * Cancels a group: its tasks, and its body at what it waits for. The exit then returns as if the
 * body had ended well: this cancel does not leave the group; errors do, and so does a cancel of the
 * task by others, as that of a timeout around the group.
 *
 * Cancelling again is harmless, and so is it behind the exit; before the enter of a group that was
 * prepared it takes effect with the enter.
 *
 * @param group  prepared, entered or exited.
 * @return 0; -EINVAL (NULL); ASYNCIO_ERUNTIME (it is another thread's, or this is a forked child).
 *
 * Ownership: group is *borrowed*.
 * Context: loop thread.
 * Twin: `TaskGroup.cancel`, of Python 3.15.
 */
ASYNCIO_API int asyncio_task_group_cancel(asyncio_task_group_t *group);

/**
 * Makes a task that belongs to the group.
 *
 * @param group      entered; tasks of the group may add more while it exits.
 * @param coroutine  the object.
 * @param place      the place for reports; the macro passes it.
 * @return the task, or NULL; then asyncio_errno() is ASYNCIO_ERUNTIME (not entered, ended, or
 *   being cancelled; the coroutine was closed; the group is another thread's, or this is a forked
 *   child), -ENOMEM or -EINVAL (group or coroutine is NULL, or coroutine is none).
 *
 * Ownership: coroutine is *taken*, also on failure; the task is *borrowed* until the
 *   running task exits a later group, or ends.
 * Context: loop thread.
 * Twin: `TaskGroup.create_task`.
 */
ASYNCIO_API asyncio_task_t *asyncio_task_group_create_task_at(asyncio_task_group_t *group,
                                                              asyncio_coroutine_t *coroutine,
                                                              const char *place);
#define asyncio_task_group_create_task(group, coroutine) \
    asyncio_task_group_create_task_at((group), (coroutine), ASYNCIO_PLACE)

/**
 * Makes a task that belongs to the group, with a name, a context or an eager start.
 *
 * @param group      entered; tasks of the group may add more while it exits.
 * @param coroutine  the object.
 * @param options    NULL for the defaults.
 * @param place      the place for reports; the macro passes it.
 * @return as asyncio_task_group_create_task(), and as asyncio_create_task_full().
 *
 * Ownership: coroutine is *taken*, also on failure; the context is *shared*; the task is *borrowed*
 *   until the exit.
 * Context: loop thread.
 * Twin: `TaskGroup.create_task`, `name`, `context`, `eager_start`.
 */
ASYNCIO_API asyncio_task_t *asyncio_task_group_create_task_full_at(
    asyncio_task_group_t *group, asyncio_coroutine_t *coroutine,
    const asyncio_task_options_t *options, const char *place);
#define asyncio_task_group_create_task_full(group, coroutine, options) \
    asyncio_task_group_create_task_full_at((group), (coroutine), (options), ASYNCIO_PLACE)

/**
 * Ends a task group: waits for its tasks, which are cancelled if the body or one of them failed.
 *
 * @param group  the group; ending it twice is harmless.
 * @param rc     what leaves the body: 0 or more, or an error's code.
 * @return
 *   - 0 or rc: all ended well.
 *   - ASYNCIO_EGROUP: tasks or the body failed; the errors are the children of the details.
 *   - -ECANCELED: this task was cancelled.
 *   - ASYNCIO_ERUNTIME: tasks are left, and this is not inside a task; or the group is another
 *     thread's, or this is a forked child: then it is not left.
 *   - -EINVAL: group is NULL.
 *
 * Ownership: group is the caller's again, and its tasks' references are given up.
 * Context: inside the task that entered it.
 * Cancellation: cancels the group's tasks, and waits for them all the same.
 * Twin: `TaskGroup.__aexit__`.
 */
ASYNCIO_API int asyncio_task_group_exit(asyncio_task_group_t *group, int rc);

/**
 * Exits a group that is still entered, cancelling its tasks; ASYNCIO_AUTO(task_group) calls it.
 *
 * @param group  the group.
 *
 * Ownership: group is the caller's again.
 * Context: inside the task that entered it.
 * Cancellation: waits all the same.
 * Twin: none.
 */
ASYNCIO_API void asyncio_task_group_cleanup(asyncio_task_group_t *group);

/*
 * The macros above, which pass the place of the call, as functions, which pass none: for function
 * pointers and other languages.
 */
ASYNCIO_API asyncio_task_t *(asyncio_task_group_create_task)(asyncio_task_group_t *group,
                                                             asyncio_coroutine_t *coroutine);
ASYNCIO_API asyncio_task_t *(asyncio_task_group_create_task_full)(
    asyncio_task_group_t *group, asyncio_coroutine_t *coroutine,
    const asyncio_task_options_t *options);

ASYNCIO_END_DECLS

#endif
