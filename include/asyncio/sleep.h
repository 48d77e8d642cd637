/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Sleeping: giving way, and waiting for time to pass.
 *
 * @code
 *     asyncio_sleep(0);      let every other ready task have its turn
 *     asyncio_sleep(1.5);    continue after a second and a half
 * @endcode
 */
#ifndef ASYNCIO_SLEEP_H
#define ASYNCIO_SLEEP_H

#include <asyncio/coroutine.h>

ASYNCIO_BEGIN_DECLS

/**
 * Suspends the running task for a number of seconds; for 0 or less, until the next turn.
 *
 * @param delay  seconds; NaN is -EINVAL; ASYNCIO_FOREVER sleeps until cancelled.
 * @return
 *   - 0: the time has passed.
 *   - -ECANCELED: the task was cancelled.
 *   - -EINVAL: NaN.
 *   - -ENOMEM: no room for the timer; nothing was waited for.
 *   - ASYNCIO_ERUNTIME: not inside a task.
 *
 * Ownership: nothing.
 * Context: inside a task.
 * Cancellation: ends the sleep at once.
 * Twin: `asyncio.sleep`.
 */
ASYNCIO_API int asyncio_sleep(double delay);

/** Makes the coroutine object of asyncio_sleep(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_sleep_coroutine(double delay);

ASYNCIO_END_DECLS

#endif
