/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Barriers: a fixed number of tasks wait for each other, round after round.
 *
 * @code
 *     asyncio_barrier_t barrier;
 *     asyncio_barrier_init(&barrier, 3);
 *     int place = asyncio_barrier_wait(&barrier);      until three tasks are here
 * @endcode
 */
#ifndef ASYNCIO_BARRIER_H
#define ASYNCIO_BARRIER_H

#include <asyncio/coroutine.h>

ASYNCIO_BEGIN_DECLS

/** A barrier, in a frame or struct of the program; its content belongs to the library. */
typedef struct asyncio_barrier {
    void *asyncio_reserved[20]; /**< the library's */
} asyncio_barrier_t;

/**
 * Prepares a barrier.
 *
 * @param barrier  the barrier
 * @param parties  how many meet; 0 is -EINVAL
 * @return 0; -EINVAL: NULL, or no parties.
 *
 * Ownership: barrier must not move until its fini.
 * Context: loop thread.
 * Twin: `asyncio.Barrier`.
 */
ASYNCIO_API int asyncio_barrier_init(asyncio_barrier_t *barrier, size_t parties);

/**
 * Ends a barrier, for which no task may be waiting.
 *
 * @param barrier  NULL is allowed
 *
 * Ownership: the memory is the caller's again.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API void asyncio_barrier_fini(asyncio_barrier_t *barrier);

/**
 * Waits until as many tasks wait as the barrier has parties.
 *
 * @param barrier  the barrier
 * @return - 0 to parties - 1: its place in the round.
 *   - ASYNCIO_EBROKENBARRIER: it was reset meanwhile, or aborted.
 *   - -ECANCELED: the task was cancelled.
 *   - ASYNCIO_ERUNTIME: not inside a task, bound to another loop, or in a forked child.
 *   - -EINVAL: NULL.
 *
 * Ownership: barrier is *borrowed*.
 * Context: inside a task.
 * Cancellation: ends the wait; nothing is lost.
 * Twin: `Barrier.wait`.
 */
ASYNCIO_API int asyncio_barrier_wait(asyncio_barrier_t *barrier);

/** Makes the coroutine object of asyncio_barrier_wait(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_barrier_wait_coroutine(asyncio_barrier_t *barrier);

/**
 * Resets the barrier: waits that are under way fail with ASYNCIO_EBROKENBARRIER.
 *
 * @param barrier  the barrier
 * @return 0, or as asyncio_lock_acquire().
 *
 * Ownership: barrier is *borrowed*.
 * Context: inside a task.
 * Cancellation: ends the wait; nothing is lost.
 * Twin: `Barrier.reset`.
 */
ASYNCIO_API int asyncio_barrier_reset(asyncio_barrier_t *barrier);

/** Makes the coroutine object of asyncio_barrier_reset(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_barrier_reset_coroutine(asyncio_barrier_t *barrier);

/**
 * Breaks the barrier: waits under way and later ones fail with ASYNCIO_EBROKENBARRIER.
 *
 * @param barrier  the barrier
 * @return 0, or as asyncio_lock_acquire().
 *
 * Ownership: barrier is *borrowed*.
 * Context: inside a task.
 * Cancellation: ends the wait; nothing is lost.
 * Twin: `Barrier.abort`.
 */
ASYNCIO_API int asyncio_barrier_abort(asyncio_barrier_t *barrier);

/** Makes the coroutine object of asyncio_barrier_abort(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_barrier_abort_coroutine(asyncio_barrier_t *barrier);

/**
 * Returns how many meet.
 *
 * @param barrier  the barrier
 * @return the number; 0 for NULL.
 *
 * Ownership: barrier is *borrowed*.
 * Context: loop thread.
 * Twin: `Barrier.parties`.
 */
ASYNCIO_API size_t asyncio_barrier_parties(const asyncio_barrier_t *barrier);

/**
 * Returns how many wait in the round that fills.
 *
 * @param barrier  the barrier
 * @return the number.
 *
 * Ownership: barrier is *borrowed*.
 * Context: loop thread.
 * Twin: `Barrier.n_waiting`.
 */
ASYNCIO_API size_t asyncio_barrier_n_waiting(const asyncio_barrier_t *barrier);

/**
 * Returns whether the barrier was aborted.
 *
 * @param barrier  the barrier
 * @return true if it was.
 *
 * Ownership: barrier is *borrowed*.
 * Context: loop thread.
 * Twin: `Barrier.broken`.
 */
ASYNCIO_API bool asyncio_barrier_broken(const asyncio_barrier_t *barrier);

ASYNCIO_END_DECLS

#endif
