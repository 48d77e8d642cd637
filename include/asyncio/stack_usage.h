/* SPDX-License-Identifier: MIT */
/**
 * @file
 * How much of their stacks coroutines use: to find the size that they need.
 *
 * @code
 *     long used = asyncio_task_get_stack_high_water(asyncio_current_task());
 *     long size = asyncio_task_get_stack_size(asyncio_current_task());
 * @endcode
 *
 * The mark is what the kernel knows: the deepest page of the stack that has memory. Stacks are
 * used again with the pages that they have, so that the mark is that of the hungriest of all who
 * had this stack so far. In debug mode each task begins with a fresh one, and the mark is the
 * task's own: that costs a system call a task. A coroutine object that is awaited runs on the
 * stack of the task that awaits it.
 *
 * An overflow is named by asyncio_loop_options_t.report_overflow.
 */
#ifndef ASYNCIO_STACK_USAGE_H
#define ASYNCIO_STACK_USAGE_H

#include <asyncio/api.h>

ASYNCIO_BEGIN_DECLS

/** What the stacks of a thread take. */
typedef struct asyncio_stack_statistics {
    size_t size;           /**< sizeof(asyncio_stack_statistics_t) */
    size_t in_use;         /**< stacks that coroutines have */
    size_t free;           /**< stacks that wait for the next coroutine */
    size_t unguarded;      /**< stacks whose overflow does not fault: it is found at their end */
    size_t mapped_bytes;   /**< of address space, for these and for stacks to come */
    size_t resident_bytes; /**< of memory that they have, by pages */
} asyncio_stack_statistics_t;

/**
 * Answers how many bytes of its stack a coroutine object may use.
 *
 * @param coroutine  the object.
 * @return bytes; 0 if it has no stack of its own now: it has not started, has ended, or runs on
 *   that of who awaits it; -EINVAL if it is no coroutine object.
 *
 * Ownership: coroutine is *borrowed*.
 * Context: the object's thread.
 * Cancellation: does not suspend.
 * Twin: none.
 */
ASYNCIO_API long asyncio_coroutine_get_stack_size(const asyncio_coroutine_t *coroutine);

/**
 * Answers how many bytes of its stack were ever touched, by this object or one that had it before.
 *
 * @param coroutine  the object.
 * @return bytes up to the end of the deepest page, at most its size; 0 and -EINVAL as
 *   asyncio_coroutine_get_stack_size(). Pages that were swapped out do not count.
 *
 * Ownership: coroutine is *borrowed*.
 * Context: the object's thread.
 * Cancellation: does not suspend.
 * Twin: none.
 */
ASYNCIO_API long asyncio_coroutine_get_stack_high_water(const asyncio_coroutine_t *coroutine);

/**
 * Answers how many bytes of its stack a task may use.
 *
 * @param task  the task.
 * @return as asyncio_coroutine_get_stack_size(), of the task's coroutine; 0 when it is done.
 *
 * Ownership: task is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: none.
 */
ASYNCIO_API long asyncio_task_get_stack_size(const asyncio_task_t *task);

/**
 * Answers how many bytes of its stack were ever touched; in debug mode: by this task.
 *
 * @param task  the task; also the running one.
 * @return as asyncio_coroutine_get_stack_high_water(), of the task's coroutine; 0 when it is done.
 *
 * Ownership: task is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend.
 * Twin: none.
 */
ASYNCIO_API long asyncio_task_get_stack_high_water(const asyncio_task_t *task);

/**
 * Answers what the stacks of this thread take. It asks the kernel about every page of them.
 *
 * @param ret_statistics  its size must be set; the rest is written.
 * @return 0, or -EINVAL: NULL, or a size that is too small.
 *
 * Ownership: ret_statistics is *borrowed*.
 * Context: any thread; each has its own stacks.
 * Cancellation: does not suspend.
 * Twin: none.
 */
ASYNCIO_API int asyncio_get_stack_statistics(asyncio_stack_statistics_t *ret_statistics);

ASYNCIO_END_DECLS

#endif
