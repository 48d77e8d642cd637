/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Queues between tasks: first in, first out; last in, first out; by priority.
 *
 * @code
 *     asyncio_queue_t *queue = asyncio_queue_new(10);
 *     int rc = asyncio_queue_put(queue, item);           in one task; waits while it is full
 *     void *item;
 *     rc = asyncio_queue_get(queue, &item);              in another; waits while it is empty
 *     rc = asyncio_queue_task_done(queue);
 *     asyncio_queue_unref(queue);
 * @endcode
 */
#ifndef ASYNCIO_QUEUE_H
#define ASYNCIO_QUEUE_H

#include <asyncio/coroutine.h>

ASYNCIO_BEGIN_DECLS

/** A queue; opaque. */
typedef struct asyncio_queue asyncio_queue_t;

/** Less than 0 if a comes out before b. */
typedef int asyncio_queue_compare_t(const void *a, const void *b, void *arg);

/**
 * Makes a queue: first in, first out.
 *
 * @param maxsize  items that it holds at most; 0: no limit
 * @return a *new* reference, or NULL; then asyncio_errno() is -ENOMEM.
 *
 * Ownership: the queue is *new*.
 * Context: loop thread.
 * Twin: `asyncio.Queue`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_queue_t *asyncio_queue_new(size_t maxsize);

/**
 * Makes a queue: last in, first out.
 *
 * @param maxsize  items that it holds at most; 0: no limit
 * @return a *new* reference, or NULL; then asyncio_errno() is -ENOMEM.
 *
 * Ownership: the queue is *new*.
 * Context: loop thread.
 * Twin: `asyncio.LifoQueue`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_queue_t *asyncio_lifo_queue_new(size_t maxsize);

/**
 * Makes a queue: the least comes first.
 *
 * @param maxsize  items that it holds at most; 0: no limit
 * @param compare  the order; NULL is -EINVAL
 * @param arg      passed to it
 * @return a *new* reference, or NULL; then asyncio_errno() is -ENOMEM or -EINVAL.
 *
 * Ownership: the queue is *new*; arg is *borrowed* as long as it lives.
 * Context: loop thread.
 * Twin: `asyncio.PriorityQueue`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_queue_t *
asyncio_priority_queue_new(size_t maxsize, asyncio_queue_compare_t *compare, void *arg);

/**
 * Takes another reference.
 *
 * @param queue  NULL is allowed
 * @return queue.
 *
 * Ownership: the reference is *new*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_queue_t *asyncio_queue_ref(asyncio_queue_t *queue);

/**
 * Gives a reference up; items that are left are the program's business.
 *
 * @param queue  NULL is allowed
 *
 * Ownership: queue is *taken*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API void asyncio_queue_unref(asyncio_queue_t *queue);

/**
 * Puts an item in, waiting while the queue is full.
 *
 * @param queue  the queue
 * @param item   the item
 * @return - 0: it is in.
 *   - -ENOMEM: no room could be made.
 *   - ASYNCIO_EQUEUESHUTDOWN: the queue is shut down.
 *   - -ECANCELED: the task was cancelled.
 *   - ASYNCIO_ERUNTIME: not inside a task, or bound to another loop.
 *   - -EINVAL: queue is NULL.
 *
 * Ownership: item passes through.
 * Context: inside a task.
 * Cancellation: ends the wait; nothing is lost.
 * Twin: `Queue.put`.
 */
ASYNCIO_API int asyncio_queue_put(asyncio_queue_t *queue, void *item);

/** Makes the coroutine object of asyncio_queue_put(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_queue_put_coroutine(asyncio_queue_t *queue, void *item);

/**
 * Takes an item out, waiting while the queue is empty.
 *
 * @param queue     the queue
 * @param ret_item  where to put it; NULL drops it
 * @return - 0: *ret_item is the item.
 *   - ASYNCIO_EQUEUESHUTDOWN: the queue is shut down.
 *   - -ECANCELED: the task was cancelled.
 *   - ASYNCIO_ERUNTIME: not inside a task, or bound to another loop.
 *   - -EINVAL: queue is NULL.
 *
 * Ownership: the item passes through.
 * Context: inside a task.
 * Cancellation: ends the wait; nothing is lost.
 * Twin: `Queue.get`.
 */
ASYNCIO_API int asyncio_queue_get(asyncio_queue_t *queue, void **ret_item);

/** Makes the coroutine object of asyncio_queue_get(); its result is the item. */
ASYNCIO_API asyncio_coroutine_t *
asyncio_queue_get_coroutine(asyncio_queue_t *queue);

/**
 * Puts an item in, or refuses.
 *
 * @param queue  the queue
 * @param item   the item
 * @return 0; ASYNCIO_EQUEUEFULL; ASYNCIO_EQUEUESHUTDOWN; -ENOMEM; -EINVAL: queue is NULL;
 *   ASYNCIO_ERUNTIME: a waiter belongs to another thread's loop, or this is a forked child.
 *
 * Ownership: item passes through.
 * Context: loop thread.
 * Twin: `Queue.put_nowait`.
 */
ASYNCIO_API int asyncio_queue_put_nowait(asyncio_queue_t *queue, void *item);

/**
 * Takes an item out, or refuses.
 *
 * @param queue     the queue
 * @param ret_item  where to put it; NULL drops it
 * @return 0; ASYNCIO_EQUEUEEMPTY; ASYNCIO_EQUEUESHUTDOWN; -EINVAL: queue is NULL; ASYNCIO_ERUNTIME
 *   as asyncio_queue_put_nowait().
 *
 * Ownership: the item passes through.
 * Context: loop thread.
 * Twin: `Queue.get_nowait`.
 */
ASYNCIO_API int asyncio_queue_get_nowait(asyncio_queue_t *queue, void **ret_item);

/**
 * Says that an item that was taken out has been dealt with.
 *
 * @param queue  the queue
 * @return 0; -EINVAL: NULL, or said more often than items were put in; ASYNCIO_ERUNTIME: as
 *   asyncio_queue_put_nowait().
 *
 * Ownership: queue is *borrowed*.
 * Context: loop thread.
 * Twin: `Queue.task_done`.
 */
ASYNCIO_API int asyncio_queue_task_done(asyncio_queue_t *queue);

/**
 * Waits until every item that was put in has been dealt with.
 *
 * @param queue  the queue
 * @return - 0: none is left.
 *   - -ECANCELED: the task was cancelled.
 *   - ASYNCIO_ERUNTIME: not inside a task, or bound to another loop.
 *   - -EINVAL: NULL.
 *
 * Ownership: queue is *borrowed*.
 * Context: inside a task.
 * Cancellation: ends the wait; nothing is lost.
 * Twin: `Queue.join`.
 */
ASYNCIO_API int asyncio_queue_join(asyncio_queue_t *queue);

/** Makes the coroutine object of asyncio_queue_join(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_queue_join_coroutine(asyncio_queue_t *queue);

/**
 * Shuts a queue down: puts fail from then on, and every waiting task is woken.
 *
 * @param queue      the queue
 * @param immediate  drop what is in it; else it can still be taken out
 * @param drop       called with each item that is dropped; NULL for none
 * @return 0; -EINVAL: queue is NULL; ASYNCIO_ERUNTIME: as asyncio_queue_put_nowait().
 *
 * Ownership: queue is *borrowed*.
 * Context: loop thread.
 * Twin: `Queue.shutdown`.
 */
ASYNCIO_API int asyncio_queue_shutdown(asyncio_queue_t *queue, bool immediate,
                                       asyncio_destroy_t *drop);

/**
 * Returns how many items are in it.
 *
 * @param queue  the queue
 * @return the number; 0 for NULL.
 *
 * Ownership: queue is *borrowed*.
 * Context: loop thread.
 * Twin: `Queue.qsize`.
 */
ASYNCIO_API size_t asyncio_queue_qsize(const asyncio_queue_t *queue);

/**
 * Returns how many items it holds at most.
 *
 * @param queue  the queue
 * @return the number; 0: no limit.
 *
 * Ownership: queue is *borrowed*.
 * Context: loop thread.
 * Twin: `Queue.maxsize`.
 */
ASYNCIO_API size_t asyncio_queue_maxsize(const asyncio_queue_t *queue);

/**
 * Returns whether nothing is in it.
 *
 * @param queue  the queue
 * @return true if so.
 *
 * Ownership: queue is *borrowed*.
 * Context: loop thread.
 * Twin: `Queue.empty`.
 */
ASYNCIO_API bool asyncio_queue_empty(const asyncio_queue_t *queue);

/**
 * Returns whether it holds as many items as it may.
 *
 * @param queue  the queue
 * @return true if so.
 *
 * Ownership: queue is *borrowed*.
 * Context: loop thread.
 * Twin: `Queue.full`.
 */
ASYNCIO_API bool asyncio_queue_full(const asyncio_queue_t *queue);

ASYNCIO_END_DECLS

#endif
