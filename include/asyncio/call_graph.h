/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Inspecting tasks: where each is suspended, what it waits for, and what awaits it.
 *
 * @code
 *     asyncio_print_tasks(loop, stderr);               all tasks, as a tree of awaits
 *     asyncio_print_call_graph(task, -1, stderr);      a task's stack, and those of its awaiters
 * @endcode
 *
 * The frames of a task that waits are read from its stack, without switching to it, by the tables
 * that the compiler makes for unwinding. Functions are named by the symbols of the program, static
 * ones too unless it was stripped. Lines of the source are known where the program has debug
 * information (-g), the library was built with libdw's header (elfutils/libdwfl.h), and libdw.so.1
 * can be loaded. A function that ended in a tail call has no frame. Nothing is recorded while tasks
 * run: a listing reads everything when it is asked for, which takes milliseconds.
 */
#ifndef ASYNCIO_CALL_GRAPH_H
#define ASYNCIO_CALL_GRAPH_H

#include <asyncio/task.h>
#include <stdio.h>

ASYNCIO_BEGIN_DECLS

/** A frame of a stack. */
typedef struct asyncio_frame {
    const void *address; /**< where it continues */
    size_t offset;       /**< of that from the beginning of the function, in bytes */
    int line;            /**< of the source, or 0 where it is not known */
    char function[96];   /**< its name, or "" */
    char file[160];      /**< of the source; without a line, of the program or library; or "" */
} asyncio_frame_t;

/**
 * Returns the frames of a task, the oldest first.
 *
 * Of a task that has not started its function is the only frame. Of one that drives an
 * asynchronous generator, the generator's frames come last.
 *
 * @param task        the task; one that is done has no frames.
 * @param ret_frames  room for capacity frames; the newest are given; may be NULL if capacity is 0.
 * @param capacity    of ret_frames.
 * @return how many there are, which may be more than capacity; -EINVAL for no task;
 *   ASYNCIO_ERUNTIME in another thread than the loop's; -EOPNOTSUPP for a task that waits, where
 *   coroutines are switched by ucontext; -ENOMEM.
 *
 * Ownership: all is written into ret_frames.
 * Context: loop thread.
 * Twin: `Task.get_stack`.
 */
ASYNCIO_API long asyncio_task_get_stack(asyncio_task_t *task, asyncio_frame_t *ret_frames,
                                        size_t capacity);

/**
 * Prints the frames of a task, the oldest first.
 *
 * @param task   the task.
 * @param limit  of frames, the newest; less than 0: all.
 * @param file   where to; NULL is -EINVAL.
 * @return 0, or as asyncio_task_get_stack(); -EIO if it could not be written.
 *
 * Ownership: file is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend; writing may block.
 * Twin: `Task.print_stack`.
 */
ASYNCIO_API int asyncio_task_print_stack(asyncio_task_t *task, int limit, FILE *file);

/**
 * Returns the future that a task waits for.
 *
 * @param task  the task; NULL is NULL.
 * @return the future, task or gathering; NULL for a task that is done or ready, or that waits
 *   inside a call of the library, as asyncio_sleep(): see asyncio_task_get_waiting_for().
 *
 * Ownership: the result is *borrowed* until the task continues.
 * Context: loop thread.
 * Twin: `Task._fut_waiter`.
 */
ASYNCIO_API asyncio_future_t *asyncio_task_get_awaited(const asyncio_task_t *task);

/**
 * Says what a task waits for, in a word: the call of the library ("asyncio_sleep",
 * "asyncio_gather"), another task's name, or where a future was made ("main.c:12").
 *
 * @param task  the task; NULL is "".
 * @return "" for a task that is done, running, or ready to run.
 *
 * Ownership: the result is *borrowed* until the task continues.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API const char *asyncio_task_get_waiting_for(asyncio_task_t *task);

/**
 * Returns the awaiters of a pending future: tasks, through gather, shield, wait, wait_for,
 * as_completed and task groups, whose tasks are awaited by the one that entered the group.
 *
 * A gathering or a shield that nobody awaits (yet) stands for itself.
 *
 * @param future       the future or task; one that is done is awaited by nobody.
 * @param ret_futures  room for capacity of them; each gets a reference; may be NULL if capacity
 *                     is 0.
 * @param capacity     of ret_futures.
 * @return how many there are, which may be more than capacity; -EINVAL for no future;
 *   ASYNCIO_ERUNTIME in another thread than the loop's.
 *
 * Ownership: each reference in ret_futures is *new*.
 * Context: loop thread.
 * Twin: `asyncio.FutureCallGraph.awaited_by`.
 */
ASYNCIO_API long asyncio_future_awaited_by(asyncio_future_t *future,
                                           asyncio_future_t **ret_futures, size_t capacity);

/** A future in a call graph, and through it those that wait for it; opaque. */
typedef struct asyncio_future_call_graph asyncio_future_call_graph_t;

/**
 * Captures the call graph of a future: its frames, if it is a task, those of the tasks that wait
 * for it, and so on.
 *
 * What was met before, in a ring or because several wait for it, is not gone into again.
 *
 * @param future  the future or task; NULL: the running task.
 * @param limit   of frames of each task, the newest; less than 0: all.
 * @return a *new* graph, or NULL; then asyncio_errno() is -ENOMEM, -EINVAL (no future, or nothing
 *   runs), or ASYNCIO_ERUNTIME in another thread than the loop's.
 *
 * Ownership: the graph is *new*; it holds references to its futures.
 * Context: loop thread.
 * Twin: `asyncio.capture_call_graph`.
 */
ASYNCIO_API asyncio_future_call_graph_t *asyncio_capture_call_graph(asyncio_future_t *future,
                                                                    int limit);

/**
 * Returns the future that a graph, or a part of one, is about.
 *
 * @param graph  NULL is NULL.
 * @return the future.
 *
 * Ownership: the result is *borrowed* as long as the graph lives.
 * Context: loop thread.
 * Twin: `asyncio.FutureCallGraph.future`.
 */
ASYNCIO_API asyncio_future_t *
asyncio_future_call_graph_future(const asyncio_future_call_graph_t *graph);

/**
 * Returns a frame of its call stack, from the newest on.
 *
 * @param graph      NULL has none.
 * @param index      from 0.
 * @param ret_frame  where to put the frame; NULL only asks whether there is one.
 * @return 1; 0 behind the oldest.
 *
 * Ownership: all is written into ret_frame.
 * Context: any thread.
 * Twin: `asyncio.FutureCallGraph.call_stack`.
 */
ASYNCIO_API int asyncio_future_call_graph_frame(const asyncio_future_call_graph_t *graph,
                                                size_t index, asyncio_frame_t *ret_frame);

/**
 * Returns the graph of one that waits for it.
 *
 * @param graph  NULL has none.
 * @param index  from 0.
 * @return that part of the graph, or NULL behind the last. One that stands elsewhere in the graph
 *   too has its awaiters only there.
 *
 * Ownership: the result is *borrowed* as long as the whole graph lives.
 * Context: loop thread.
 * Twin: `asyncio.FutureCallGraph.awaited_by`.
 */
ASYNCIO_API const asyncio_future_call_graph_t *
asyncio_future_call_graph_awaited_by(const asyncio_future_call_graph_t *graph, size_t index);

/**
 * Gives a graph up.
 *
 * @param graph  as asyncio_capture_call_graph() answered it; NULL is allowed.
 *
 * Ownership: graph is *taken*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API void asyncio_future_call_graph_unref(asyncio_future_call_graph_t *graph);

/**
 * Writes the call graph of a future into memory, as asyncio_print_call_graph() prints it.
 *
 * @param future      the future or task; NULL: the running task.
 * @param limit       of frames of each task, the newest; less than 0: all.
 * @param ret_text    where to; ends with a zero byte, cut short if need be; NULL if size is 0.
 * @param size_bytes  of ret_text.
 * @return the length of the whole text, as snprintf() does; or as asyncio_capture_call_graph().
 *
 * Ownership: future is *borrowed*.
 * Context: loop thread.
 * Twin: `asyncio.format_call_graph`.
 */
ASYNCIO_API long asyncio_format_call_graph(asyncio_future_t *future, int limit, char *ret_text,
                                           size_t size_bytes);

/**
 * Prints the call graph of a future.
 *
 * @param future  the future or task; NULL: the running task.
 * @param limit   of frames of each task, the newest; less than 0: all.
 * @param file    where to; NULL is -EINVAL.
 * @return 0, or as asyncio_capture_call_graph(); -EIO if it could not be written.
 *
 * Ownership: file is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend; writing may block.
 * Twin: `asyncio.print_call_graph`.
 */
ASYNCIO_API int asyncio_print_call_graph(asyncio_future_t *future, int limit, FILE *file);

/**
 * Prints all tasks of a loop that are not done, as a tree: below each task those that it awaits.
 *
 * Each line has the task's name, where its coroutine was made, and what it waits for. A task that
 * several await stands below the first of them.
 *
 * @param loop  the loop; NULL means the running one.
 * @param file  where to; NULL is -EINVAL.
 * @return how many tasks there are, or a negative code:
 *   - ASYNCIO_ERUNTIME: no loop is running, or another thread's.
 *   - -EINVAL: no file.
 *   - -EIO: it could not be written.
 *   - -ENOMEM.
 *
 * Ownership: file is *borrowed*.
 * Context: loop thread.
 * Cancellation: does not suspend; writing may block.
 * Twin: `python -m asyncio pstree`.
 */
ASYNCIO_API long asyncio_print_tasks(asyncio_loop_t *loop, FILE *file);

ASYNCIO_END_DECLS

#endif
