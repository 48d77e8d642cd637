/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Remotes: a doorbell that any thread, and any signal handler, can ring on a loop.
 *
 * The node belongs to the caller. Posting it is wait-free and allocates nothing; posts that come
 * before the callback has begun are one.
 *
 * @code
 *     static asyncio_remote_t wakeup;
 *     asyncio_remote_init(&wakeup, loop, on_wakeup, NULL);
 *     asyncio_remote_post(&wakeup);           from anywhere
 *     asyncio_remote_fini(&wakeup);           in the loop's thread, when nobody posts any more
 * @endcode
 */
#ifndef ASYNCIO_REMOTE_H
#define ASYNCIO_REMOTE_H

#include <asyncio/handle.h>

ASYNCIO_BEGIN_DECLS

/** The caller's memory for one remote; its content is the library's. */
typedef struct asyncio_remote {
    void *asyncio_reserved[16]; /**< the library's */
} asyncio_remote_t;

/**
 * Prepares a remote.
 *
 * @param remote  the caller's memory, which must not move until asyncio_remote_fini().
 * @param loop    the loop to ring.
 * @param fn      called in the loop's thread; NULL is -EINVAL.
 * @param arg     passed to it.
 * @return 0; -EINVAL (NULL); ASYNCIO_ERUNTIME (the loop is closed).
 *
 * Ownership: all is *borrowed* until asyncio_remote_fini().
 * Context: loop thread.
 * Twin: none; `loop.call_soon_threadsafe` comes nearest.
 */
ASYNCIO_API int asyncio_remote_init(asyncio_remote_t *remote, asyncio_loop_t *loop,
                                    asyncio_callback_t *fn, void *arg);

/**
 * Has the callback run in the next turn of its loop, once for all posts until it begins.
 *
 * @param remote  the remote.
 * @return 0; ASYNCIO_ERUNTIME: the loop is closed, or this is a forked child; -EINVAL: NULL.
 *
 * Ownership: remote is *borrowed*.
 * Context: any thread, signal handler.
 * Twin: `loop.call_soon_threadsafe`.
 */
ASYNCIO_API int asyncio_remote_post(asyncio_remote_t *remote);

/**
 * Ends a remote: a post that has not been called yet is dropped. Nobody may post any more.
 *
 * @param remote  the remote; NULL is ignored.
 *
 * Ownership: the memory is the caller's again.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API void asyncio_remote_fini(asyncio_remote_t *remote);

ASYNCIO_END_DECLS

#endif
