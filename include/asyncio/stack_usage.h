/* SPDX-License-Identifier: MIT */
/**
 * @file
 * How much of their stacks coroutines use, and the memory of stacks.
 *
 * @code
 *     long used = asyncio_task_get_stack_high_water(asyncio_current_task());
 *     long size = asyncio_task_get_stack_size(asyncio_current_task());
 * @endcode
 *
 * The high-water mark is what the kernel knows: the deepest page of the stack that has memory. A
 * stack is used by one coroutine after the other and keeps its pages, so that the mark is that of
 * all coroutines that had this stack so far. In debug mode each task begins with a fresh stack, and
 * the mark is the task's own: that costs a system call for each task. A coroutine object that is
 * awaited runs on the stack of the task that awaits it.
 *
 * A stack overflow is reported by asyncio_loop_options_t.report_overflow. docs/stacks.md describes
 * what stacks cost.
 */
#ifndef ASYNCIO_STACK_USAGE_H
#define ASYNCIO_STACK_USAGE_H

#include <asyncio/api.h>

ASYNCIO_BEGIN_DECLS

/** The stacks of a thread. */
typedef struct asyncio_stack_statistics {
    size_t size;           /**< sizeof(asyncio_stack_statistics_t) */
    size_t in_use;         /**< stacks that coroutines use */
    size_t free;           /**< stacks that are kept for the next coroutines */
    size_t unguarded;      /**< stacks without a guard that faults: an overflow is found later */
    size_t mapped_bytes;   /**< address space of these stacks and of stacks not used yet */
    size_t resident_bytes; /**< memory of these stacks, by pages */
} asyncio_stack_statistics_t;

/**
 * Returns how many bytes of its stack a coroutine object may use.
 *
 * @param coroutine  the object.
 * @return bytes; 0 if it has no stack of its own now: it has not started, has ended, or runs on the
 *   stack of the coroutine that awaits it; -EINVAL if it is not a coroutine object.
 *
 * Ownership: coroutine is *borrowed*.
 * Context: the object's thread.
 * Twin: none.
 */
ASYNCIO_API long asyncio_coroutine_get_stack_size(const asyncio_coroutine_t *coroutine);

/**
 * Returns how many bytes of its stack were touched, by this object or an earlier one.
 *
 * @param coroutine  the object.
 * @return bytes to the end of the deepest page, at most the stack's size; 0 and -EINVAL as
 *   asyncio_coroutine_get_stack_size(). Pages that were swapped out do not count.
 *
 * Ownership: coroutine is *borrowed*.
 * Context: the object's thread.
 * Twin: none.
 */
ASYNCIO_API long asyncio_coroutine_get_stack_high_water(const asyncio_coroutine_t *coroutine);

/**
 * Returns how many bytes of its stack a task may use.
 *
 * @param task  the task.
 * @return as asyncio_coroutine_get_stack_size(), of the task's coroutine; 0 when it is done.
 *
 * Ownership: task is *borrowed*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API long asyncio_task_get_stack_size(const asyncio_task_t *task);

/**
 * Returns how many bytes of its stack were touched; in debug mode, by this task.
 *
 * @param task  the task; also the running one.
 * @return as asyncio_coroutine_get_stack_high_water(), of the task's coroutine; 0 when it is done.
 *
 * Ownership: task is *borrowed*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API long asyncio_task_get_stack_high_water(const asyncio_task_t *task);

/**
 * Counts the stacks of this thread and their memory. It asks the kernel about each of their pages.
 *
 * @param ret_statistics  its size must be set; the rest is written.
 * @return 0, or -EINVAL: ret_statistics is NULL, or its size is too small.
 *
 * Ownership: ret_statistics is *borrowed*.
 * Context: any thread; each has its own stacks.
 * Twin: none.
 */
ASYNCIO_API int asyncio_get_stack_statistics(asyncio_stack_statistics_t *ret_statistics);

/**
 * Returns memory that the library has free to the kernel, at once: that of all stacks of this
 * thread that no coroutine uses, and pieces of small blocks in which none is in use.
 *
 * A loop does that by itself for most of it, a second or two after a peak and when it closes; this
 * is for a program that knows that its peak is over. The next tasks pay for fresh memory again,
 * some microseconds each.
 *
 * Ownership: nothing.
 * Context: any thread; it returns the stacks of that thread.
 * Twin: none.
 */
ASYNCIO_API void asyncio_trim(void);

ASYNCIO_END_DECLS

#endif
