/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Asynchronous generators: coroutine objects that yield values and await between them.
 *
 * The body is a coroutine function that calls asyncio_yield() and awaits as it likes. It is driven
 * from a task, which waits while the body awaits:
 *
 * @code
 *     static int ticks(void *arg, void **ret_result)               async def ticks():
 *     {
 *         for (intptr_t i = 0; i < 3; i++) {                           for i in range(3):
 *             int rc = asyncio_sleep(1.0);                                 await asyncio.sleep(1)
 *             if (rc < 0 || (rc = asyncio_yield(ASYNCIO_INT(i), NULL)) < 0)
 *                 return rc;                                               yield i
 *         }
 *         return 0;
 *     }
 *
 *     asyncio_coroutine_t *generator = asyncio_coroutine(ticks, NULL);
 *     while ((rc = asyncio_coroutine_anext(generator, &value)) == 0)   async for value in ticks():
 *         use(value);
 *     asyncio_coroutine_unref(generator);
 *     if (rc != ASYNCIO_ESTOPASYNCITERATION)
 *         return rc;
 * @endcode
 *
 * Life cycle: it starts with the first asyncio_coroutine_anext() and ends when its body returns;
 * from then on anext() returns ASYNCIO_ESTOPASYNCITERATION. The result of the body is dropped. A
 * program that stops early calls asyncio_coroutine_aclose(), in which the body may clean up and
 * await; otherwise dropping the last reference makes a task of the loop close it. asyncio_run()
 * closes the generators that are left. One that is never started is dropped by
 * asyncio_coroutine_close().
 */
#ifndef ASYNCIO_ASYNC_GENERATOR_H
#define ASYNCIO_ASYNC_GENERATOR_H

#include <asyncio/coroutine.h>
#include <asyncio/error.h>

ASYNCIO_BEGIN_DECLS

/**
 * Resumes an asynchronous generator until it yields.
 *
 * @param coroutine  the generator: an object that nothing else has started.
 * @param ret_value  where to put what it yielded; NULL drops it.
 * @return
 *   - 0: *ret_value is what it yielded.
 *   - ASYNCIO_ESTOPASYNCITERATION: it has ended, now or before.
 *   - ASYNCIO_ERUNTIME: it is running, in this task or another; or it is no asynchronous
 *     generator, as it was started otherwise; or not inside a coroutine; or its body ended with
 *     ASYNCIO_ESTOPASYNCITERATION.
 *   - -ECANCELED: this task was cancelled, and the body let it pass.
 *   - -EINVAL: no coroutine object.
 *   - -ENOMEM: it could not be started; it has not.
 *   - any other: the code that its body ended with; the details are in the slot.
 *
 * Ownership: coroutine is *borrowed*.
 * Context: inside a task, or a coroutine driven by hand.
 * Cancellation: a cancel of this task is raised in the body, at what it awaits.
 * Twin: `anext`.
 */
ASYNCIO_API int asyncio_coroutine_anext(asyncio_coroutine_t *coroutine, void **ret_value);

/** Makes the coroutine object of asyncio_coroutine_anext(); its result is what was yielded. */
ASYNCIO_API asyncio_coroutine_t *
asyncio_coroutine_anext_coroutine(asyncio_coroutine_t *coroutine);

/**
 * Resumes an asynchronous generator: its asyncio_yield() returns a value.
 *
 * @param coroutine  the generator.
 * @param value      what its asyncio_yield() returns; at the start only NULL is allowed.
 * @param ret_value  where to put what it yielded; NULL drops it.
 * @return as asyncio_coroutine_anext(); also -EINVAL for a value to one that has not started.
 *
 * Ownership: coroutine is *borrowed*; value passes through.
 * Context: inside a task, or a coroutine driven by hand.
 * Cancellation: a cancel of this task is raised in the body, at what it awaits.
 * Twin: `agen.asend(value)`.
 */
ASYNCIO_API int asyncio_coroutine_asend(asyncio_coroutine_t *coroutine, void *value,
                                        void **ret_value);

/** Makes the coroutine object of asyncio_coroutine_asend(); its result is what was yielded. */
ASYNCIO_API asyncio_coroutine_t *
asyncio_coroutine_asend_coroutine(asyncio_coroutine_t *coroutine, void *value);

/**
 * Resumes an asynchronous generator: its asyncio_yield() fails with an error.
 *
 * One that has not started ends with that code without running.
 *
 * @param coroutine  the generator.
 * @param code       a negative code; 0 or more is -EINVAL.
 * @param ret_value  where to put what it yielded next; NULL drops it.
 * @return as asyncio_coroutine_anext(); 0 with NULL for one that has ended.
 *
 * Ownership: coroutine is *borrowed*.
 * Context: inside a task, or a coroutine driven by hand.
 * Cancellation: a cancel of this task is raised in the body, at what it awaits.
 * Twin: `agen.athrow(exc)`.
 */
ASYNCIO_API int asyncio_coroutine_athrow(asyncio_coroutine_t *coroutine, int code,
                                         void **ret_value);

/** Makes the coroutine object of asyncio_coroutine_athrow(); its result is what was yielded. */
ASYNCIO_API asyncio_coroutine_t *
asyncio_coroutine_athrow_coroutine(asyncio_coroutine_t *coroutine, int code);

/**
 * Ends an asynchronous generator: its asyncio_yield() fails with ASYNCIO_EGENERATOREXIT.
 *
 * The body may await while it cleans up. One that has not started ends without running.
 *
 * @param coroutine  the generator.
 * @return
 *   - 0: it has ended.
 *   - ASYNCIO_ERUNTIME: it yielded once more instead of ending; it is running; or as for
 *     asyncio_coroutine_anext().
 *   - ASYNCIO_ESTOPASYNCITERATION: it was asked before, and has not ended.
 *   - -EINVAL: no coroutine object.
 *   - any other: the code that its body ended with.
 *
 * Ownership: coroutine is *borrowed* (asyncio_coroutine_close() takes it, and awaits nothing).
 * Context: inside a task, or a coroutine driven by hand.
 * Cancellation: a cancel of this task is raised in the body, at what it awaits.
 * Twin: `agen.aclose()`.
 */
ASYNCIO_API int asyncio_coroutine_aclose(asyncio_coroutine_t *coroutine);

/** Makes the coroutine object of asyncio_coroutine_aclose(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_coroutine_aclose_coroutine(asyncio_coroutine_t *coroutine);

/**
 * Closes all asynchronous generators that were started in a loop and have not ended, at once.
 *
 * Errors go to the exception handler, each with its generator. One that is started later is told
 * to it as well. asyncio_run() calls this at its end.
 *
 * @param loop  the running loop.
 * @return
 *   - 0: they were closed, or could not be, and that was reported.
 *   - ASYNCIO_ERUNTIME: not inside a task of that loop.
 *   - -EINVAL: NULL.
 *   - -ECANCELED: this task was cancelled; so were those that close.
 *   - -ENOMEM: none was closed.
 *
 * Ownership: nothing.
 * Context: inside a task.
 * Cancellation: reaches each generator that is being closed.
 * Twin: `loop.shutdown_asyncgens`.
 */
ASYNCIO_API int asyncio_loop_shutdown_asyncgens(asyncio_loop_t *loop);

/** Makes the coroutine object of asyncio_loop_shutdown_asyncgens(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_loop_shutdown_asyncgens_coroutine(asyncio_loop_t *loop);

ASYNCIO_END_DECLS

#endif
