/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Groups of errors, split by kind as `except*` does.
 *
 * What fails in several places at once, a task group above all, fails with ASYNCIO_EGROUP and an
 * error object that holds the others, groups among them:
 *
 * @code
 *     rc = asyncio_task_group_exit(&group, rc);                   async with TaskGroup() …:
 *     if (rc == ASYNCIO_EGROUP) {
 *         asyncio_error_t *all = asyncio_error_last(), *some, *rest;
 *         if (asyncio_error_split(all, -ETIMEDOUT, &some, &rest) > 0)
 *             log_all_of(some);                                   except* TimeoutError as some:
 *         rc = rest ? asyncio_reraise(rest) : 0;                  re-raises the rest
 *         ...                                                     give the three up
 *     }
 * @endcode
 *
 * Error objects are immutable: a split makes new groups, and shares what it need not change. A
 * handler that fails itself raises both: asyncio_error_group_new("", {its error, the rest}, 2).
 */
#ifndef ASYNCIO_ERROR_GROUP_H
#define ASYNCIO_ERROR_GROUP_H

#include <asyncio/error.h>
#include <stdbool.h>
#include <stddef.h>

ASYNCIO_BEGIN_DECLS

/** Whether an error is of the kind that is looked for; asked of groups before their children. */
typedef bool asyncio_error_condition_t(const asyncio_error_t *error, void *arg);

/**
 * Makes a group of errors, of code ASYNCIO_EGROUP; asyncio_reraise() raises it.
 *
 * @param message   copied; NULL for none.
 * @param children  the errors, at least one; groups are allowed.
 * @param count     of children; 0 is -EINVAL.
 * @return a *new* reference; when memory is out a static object that says so; NULL (and
 *   asyncio_errno() is -EINVAL) without children, or where one is NULL.
 *
 * Ownership: children are *borrowed*, the group takes references of its own; the group is *new*.
 * Context: any thread.
 * Twin: `ExceptionGroup(message, children)`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_error_t *
asyncio_error_group_new(const char *message, asyncio_error_t *const *children, size_t count);

/**
 * Makes a group of other errors with the message of this one.
 *
 * @param group     whose message; NULL is -EINVAL.
 * @param children  the errors, at least one.
 * @param count     of children; 0 is -EINVAL.
 * @return as asyncio_error_group_new().
 *
 * Ownership: group and children are *borrowed*; the result is *new*.
 * Context: any thread.
 * Twin: `ExceptionGroup.derive`.
 */
ASYNCIO_API asyncio_error_t *asyncio_error_derive(const asyncio_error_t *group,
                                                  asyncio_error_t *const *children, size_t count);

/**
 * Splits an error in two: what has that code, and the rest.
 *
 * Groups within keep their structure, message, place and cause in both halves; one that has the
 * code itself (ASYNCIO_EGROUP) goes whole. An error that is no group counts as a group of one: if
 * it matches, the result is a group without message around it.
 *
 * @param error         the error; NULL is -EINVAL.
 * @param code          a negative code.
 * @param ret_matching  where to put what matches, or NULL where nothing does; NULL drops it.
 * @param ret_rest      where to put the rest, or NULL where all matches; NULL drops it.
 * @return
 *   - 1: something matches.
 *   - 0: nothing does.
 *   - -EINVAL: no error, or a code that is not negative.
 *   - -ENOMEM: nothing was written.
 *
 * Ownership: error is *borrowed*; both returns are *new*.
 * Context: any thread.
 * Twin: `except*`, `ExceptionGroup.split`.
 */
ASYNCIO_API int asyncio_error_split(asyncio_error_t *error, int code,
                                    asyncio_error_t **ret_matching, asyncio_error_t **ret_rest);

/**
 * Splits an error in two: what fulfils a condition, and the rest; else as asyncio_error_split().
 *
 * @param error         the error; NULL is -EINVAL.
 * @param condition     asked of each group, then, if that does not, of its children in order.
 * @param arg           passed to it.
 * @param ret_matching  where to put what matches, or NULL where nothing does; NULL drops it.
 * @param ret_rest      where to put the rest, or NULL where all matches; NULL drops it.
 * @return as asyncio_error_split().
 *
 * Ownership: error is *borrowed*; both returns are *new*.
 * Context: any thread.
 * Twin: `ExceptionGroup.split`.
 */
ASYNCIO_API int asyncio_error_split_if(asyncio_error_t *error,
                                       asyncio_error_condition_t *condition, void *arg,
                                       asyncio_error_t **ret_matching,
                                       asyncio_error_t **ret_rest);

/**
 * Returns the part of an error that has that code: the first half of asyncio_error_split().
 *
 * @param error         the error; NULL is -EINVAL.
 * @param code          a negative code.
 * @param ret_matching  where to put what matches, or NULL where nothing does; NULL drops it.
 * @return as asyncio_error_split().
 *
 * Ownership: error is *borrowed*; the result is *new*.
 * Context: any thread.
 * Twin: `ExceptionGroup.subgroup`.
 */
ASYNCIO_API int asyncio_error_subgroup(asyncio_error_t *error, int code,
                                       asyncio_error_t **ret_matching);

/**
 * Returns the part of an error that fulfils a condition: half of asyncio_error_split_if().
 *
 * @param error         the error; NULL is -EINVAL.
 * @param condition     asked of each group, then, if that does not, of its children in order.
 * @param arg           passed to it.
 * @param ret_matching  where to put what matches, or NULL where nothing does; NULL drops it.
 * @return as asyncio_error_split().
 *
 * Ownership: error is *borrowed*; the result is *new*.
 * Context: any thread.
 * Twin: `ExceptionGroup.subgroup`.
 */
ASYNCIO_API int asyncio_error_subgroup_if(asyncio_error_t *error,
                                          asyncio_error_condition_t *condition, void *arg,
                                          asyncio_error_t **ret_matching);

/**
 * Returns the errors in a group that are no groups, in order; of what is no group, itself.
 *
 * @param error       the error; NULL has none.
 * @param ret_leaves  room for capacity of them; may be NULL if capacity is 0.
 * @param capacity    of ret_leaves.
 * @return how many there are, which may be more than capacity; -ENOMEM for groups that lie more
 *   than 16 deep in each other, if memory is out.
 *
 * Ownership: the returns are *borrowed* as long as error lives.
 * Context: any thread.
 * Twin: a walk through `ExceptionGroup.exceptions`.
 */
ASYNCIO_API long asyncio_error_leaves(const asyncio_error_t *error, asyncio_error_t **ret_leaves,
                                      size_t capacity);

ASYNCIO_END_DECLS

#endif
