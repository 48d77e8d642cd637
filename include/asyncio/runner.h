/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Running a program: a loop for one main coroutine, made, run and closed.
 *
 * @code
 *     int main(void)
 *     {
 *         return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0;
 *     }
 * @endcode
 */
#ifndef ASYNCIO_RUNNER_H
#define ASYNCIO_RUNNER_H

#include <asyncio/loop.h>
#include <asyncio/task.h>

ASYNCIO_BEGIN_DECLS

/**
 * Makes a loop, runs a coroutine as its main task, cancels what is left, and closes the loop.
 *
 * What is left is cancelled and waited for; what fails then goes to the exception handler. The
 * default executor is shut down.
 *
 * @param coroutine   the object; NULL is answered as the code of asyncio_errno().
 * @param ret_result  where to put the result; NULL drops it.
 * @return
 *   - 0: *ret_result is the result.
 *   - ASYNCIO_ERUNTIME: a loop is running in this thread.
 *   - -EINVAL: no coroutine object.
 *   - -ENOMEM, -EMFILE, …: no loop could be made.
 *   - any other: the code that the coroutine ended with; the details are in the slot.
 *
 * Ownership: coroutine is *taken*, also on failure; the result moves to the caller.
 * Context: outside tasks and loops.
 * Cancellation: does not suspend.
 * Twin: `asyncio.run`.
 */
ASYNCIO_API int asyncio_run(asyncio_coroutine_t *coroutine, void **ret_result);

ASYNCIO_END_DECLS

#endif
