/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Coroutine functions and coroutine objects.
 *
 * A coroutine function is a C function that may suspend: what it needs, then `void **ret_result`;
 * it returns 0 or a negative code. Calling it from a running task is awaiting it. Its twin
 * `…_coroutine`, made by ASYNCIO_COROUTINE(), is the object: making one runs nothing.
 *
 * @code
 *     static int say(const char *word, void **ret_result)
 *     {
 *         (void)ret_result;
 *         int rc = asyncio_sleep(1.0);
 *         if (rc < 0)
 *             return rc;
 *         puts(word);
 *         return 0;
 *     }
 *     ASYNCIO_COROUTINE(say, (const char *, word));
 *
 *     asyncio_coroutine_t *coro = say_coroutine("hello");   nothing runs
 *     asyncio_await(coro, NULL);                            runs now
 * @endcode
 *
 * Each call of the library that suspends has a function `…_coroutine` that makes the coroutine
 * object of that call: for asyncio_create_task(), asyncio_gather(), asyncio_wait_for() and the
 * rest. It takes the parameters of the call without a last `void **ret_result`, whose value is the
 * result of the object. If the call returns a count, the result is ASYNCIO_INT(count). What the
 * arguments point to is *borrowed* until the object has run; coroutine objects among them are
 * *taken* at once, also on failure. It returns a *new* object, or NULL; then asyncio_errno() is
 * -ENOMEM or -EINVAL. It may be called in any thread, and does not suspend.
 *
 * Life cycle: an object is made with one reference. Starting it (await, create_task, gather, …)
 * *takes* one, also when that fails. It is used once: awaited, made a task, driven by hand to its
 * end, or closed; starting it again is ASYNCIO_ERUNTIME. The last reference to an object that
 * never ran reports it, with the place where it was made.
 *
 * A coroutine has a stack of 256 KiB, unless its options or the loop's say another size from 64 KiB
 * to 64 MiB; only the pages that it uses take memory. docs/stacks.md says what that means.
 *
 * errno and the floating-point control words (rounding mode, exception masks) belong to the thread:
 * what a coroutine sets is seen by those that run while it waits. The exceptions of C++ belong to
 * the coroutine: it may await inside a catch block. An exception must not leave a coroutine
 * function or a callback, whoever awaits it: the process writes which task it was and calls
 * std::terminate().
 *
 * A coroutine is left by its return. setjmp() and longjmp() are its own affair as long as both are
 * on its stack and it does not await in between. Out of it no jump is supported, whether debug mode
 * is on or not: the loop that ran it is lost, with what debug mode holds back of freed objects.
 * Only a fixture of <asyncio/testing.h> continues after one, with a new loop.
 */
#ifndef ASYNCIO_COROUTINE_H
#define ASYNCIO_COROUTINE_H

#include <asyncio/api.h>
#include <asyncio/detail/arguments.h>

ASYNCIO_BEGIN_DECLS

/** A coroutine function in its bare form. A positive result counts as 0. */
typedef int asyncio_coroutine_function_t(void *arg, void **ret_result);

/** What asyncio_coroutine_send() and asyncio_coroutine_throw() return when it has not ended. */
enum asyncio_coroutine_answer {
    ASYNCIO_YIELDED = 1, /**< it yielded; *ret_out is what */
    ASYNCIO_AWAITING = 2 /**< it waits for a future; *ret_out is which, *borrowed* until resumed */
};

/** Options of a coroutine object; zero is the default of each. */
typedef struct asyncio_coroutine_options {
    size_t size;                /**< sizeof(asyncio_coroutine_options_t) */
    size_t copy_bytes;          /**< the function gets a copy of that many bytes of arg; 0: arg */
    asyncio_destroy_t *destroy; /**< called with the function's arg when the object ends */
    size_t stack_bytes;         /**< of its stack, at least; 0: the loop's default (256 KiB) */
} asyncio_coroutine_options_t;

/**
 * Makes a coroutine object of a function in its bare form and its argument. Nothing runs.
 *
 * @param fn   the function; NULL is -EINVAL.
 * @param arg  passed to it as it is.
 * @return a *new* reference, or NULL; then asyncio_errno() is -ENOMEM or -EINVAL, and so is the
 *   result of the call that the NULL is passed to.
 *
 * Ownership: the object is *new*; arg is *borrowed* until the object ends.
 * Context: any thread; it belongs to that one from then on.
 * Twin: calling a coroutine function.
 */
#define asyncio_coroutine(fn, arg) \
    asyncio_coroutine_full_at((fn), (arg), NULL, ASYNCIO_PLACE " " #fn)

/**
 * Makes a coroutine object with options: a copy of the argument, a destructor, a stack size.
 *
 * The destructor runs once, whether or not the function ever did.
 *
 * @param fn       the function; NULL is -EINVAL.
 * @param arg      what the function gets, or what is copied for it.
 * @param options  NULL for the defaults; a stack above 64 MiB is -EINVAL.
 * @param place    the place for reports; asyncio_coroutine_full() passes it.
 * @return a *new* reference, or NULL; then asyncio_errno() is -ENOMEM or -EINVAL, and arg is the
 *   caller's still: destroy was not called.
 *
 * Ownership: the object is *new*; arg is *taken* if there is a destructor.
 * Context: any thread; it belongs to that one from then on.
 * Twin: calling a coroutine function.
 */
ASYNCIO_API asyncio_coroutine_t *
asyncio_coroutine_full_at(asyncio_coroutine_function_t *fn, const void *arg,
                          const asyncio_coroutine_options_t *options, const char *place);
#define asyncio_coroutine_full(fn, arg, options) \
    asyncio_coroutine_full_at((fn), (arg), (options), ASYNCIO_PLACE " " #fn)

/**
 * Makes `NAME_coroutine(…)` for the coroutine function `NAME(…, void **ret_result)`.
 *
 * `ASYNCIO_COROUTINE(say, (const char *, word), (int, times));` stands behind the definition of
 * `say`; 0 to 8 parameters; a type with a comma or of a function pointer needs a typedef. The
 * arguments are copied into the object as bytes: in C++ each must be trivially copyable, which the
 * compiler checks. What they point to must stay valid until the object ends.
 */
#define ASYNCIO_COROUTINE(...) ASYNCIO_COROUTINE_(ASYNCIO_PLACE, __VA_ARGS__)

/**
 * Takes another reference.
 *
 * @param coroutine  NULL is allowed.
 * @return coroutine.
 *
 * Ownership: the reference is *new*.
 * Context: the object's thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_coroutine_t *asyncio_coroutine_ref(asyncio_coroutine_t *coroutine);

/**
 * Gives a reference up. The last one closes what is suspended and reports what never ran.
 *
 * @param coroutine  NULL is allowed.
 *
 * Ownership: coroutine is *taken*.
 * Context: the object's thread.
 * Twin: `del coro`.
 */
ASYNCIO_API void asyncio_coroutine_unref(asyncio_coroutine_t *coroutine);

/**
 * Returns whether an object is a coroutine object.
 *
 * @param awaitable  any awaitable; NULL is false.
 * @return true for coroutine objects.
 *
 * Ownership: awaitable is *borrowed*.
 * Context: any thread.
 * Twin: `asyncio.iscoroutine`.
 */
ASYNCIO_API bool asyncio_iscoroutine(const asyncio_awaitable_t *awaitable);

/**
 * Drives a coroutine object by hand: starts it, or resumes it at its yield with a value.
 *
 * @param coroutine  the object.
 * @param value      what its asyncio_yield() gives it; for the start only NULL is allowed.
 * @param ret_out    where to put what it yielded, waits for, or its result; NULL drops it.
 * @return
 *   - ASYNCIO_YIELDED: it yielded; *ret_out is what.
 *   - ASYNCIO_AWAITING: it waits for the future *ret_out; send again once that is done.
 *   - 0: it has ended; *ret_out is its result.
 *   - ASYNCIO_ERUNTIME: it was used before, has ended, or is the running one.
 *   - -EINVAL: no coroutine object, or a value for one that has not started.
 *   - -ENOMEM: no stack to be had; it has not started.
 *   - any other: it ended with that code.
 *
 * Ownership: coroutine is *borrowed*; a result moves to the caller.
 * Context: the object's thread; a running loop is not needed for generators.
 * Twin: `coro.send(value)`.
 */
ASYNCIO_API int asyncio_coroutine_send(asyncio_coroutine_t *coroutine, void *value,
                                       void **ret_out);

/**
 * Throws an error into a coroutine object: its yield or await fails with the code.
 *
 * One that has not started ends with that code without running.
 *
 * @param coroutine  the object.
 * @param code       a negative code; 0 or more is -EINVAL.
 * @param ret_out    as for asyncio_coroutine_send().
 * @return as asyncio_coroutine_send().
 *
 * Ownership: coroutine is *borrowed*.
 * Context: the object's thread.
 * Twin: `coro.throw(exc)`.
 */
ASYNCIO_API int asyncio_coroutine_throw(asyncio_coroutine_t *coroutine, int code, void **ret_out);

/**
 * Ends a coroutine object: ASYNCIO_EGENERATOREXIT is thrown at its yield or await.
 *
 * One that never ran ends without running and is not reported.
 *
 * @param coroutine  NULL is allowed.
 * @return
 *   - 0: it has ended (with EGENERATOREXIT, with a value, or before).
 *   - ASYNCIO_ERUNTIME: it yielded once more instead of ending, or is the running one.
 *   - any other: it ended with that code.
 *
 * Ownership: coroutine is *taken*.
 * Context: the object's thread.
 * Twin: `coro.close()`.
 */
ASYNCIO_API int asyncio_coroutine_close(asyncio_coroutine_t *coroutine);

/**
 * Passes a value to the driver of this coroutine, and waits for the next send.
 *
 * @param value     what asyncio_coroutine_send() returns in *ret_out.
 * @param ret_sent  where to put what the next send passes; NULL drops it.
 * @return
 *   - 0: sent on.
 *   - ASYNCIO_EGENERATOREXIT: it is being closed: clean up and return.
 *   - ASYNCIO_ERUNTIME: not inside a coroutine that is driven by hand.
 *   - any other: the code that was thrown in.
 *
 * Ownership: value passes through.
 * Context: inside a coroutine that is driven by hand.
 * Cancellation: a cancel of the task that drives it does not reach it here.
 * Twin: `yield`.
 */
ASYNCIO_API int asyncio_yield(void *value, void **ret_sent);

/**
 * Returns a result that needs a destructor: `return asyncio_return(ret_result, value, destroy);`.
 *
 * The library keeps the destructor where ret_result is its own (a task's, an await's), and calls it
 * if the value is never moved out. A direct caller of the function gets the value only.
 *
 * @param ret_result  the function's own last parameter.
 * @param value       the result.
 * @param destroy     gives the value back; NULL for none.
 * @return 0, or -EINVAL where ret_result is NULL (value was destroyed then).
 *
 * Ownership: value is *taken*.
 * Context: inside a coroutine function.
 * Cancellation: does not suspend.
 * Twin: `return value`.
 */
ASYNCIO_API int asyncio_return(void **ret_result, void *value, asyncio_destroy_t *destroy);

/** A whole number as a result, and back: `*ret_result = ASYNCIO_INT(7)`. */
#define ASYNCIO_INT(number) ((void *)(intptr_t)(number))

/**
 * Reads a whole number out of a result that ASYNCIO_INT() made.
 *
 * @param value  the result.
 * @return the number.
 *
 * Ownership: nothing.
 * Context: any thread.
 * Twin: `int`.
 */
ASYNCIO_API intptr_t asyncio_int(const void *value);

/*
 * The macros above, which pass the place of the call, as functions, which pass none: for function
 * pointers and other languages.
 */
ASYNCIO_API asyncio_coroutine_t *(asyncio_coroutine)(asyncio_coroutine_function_t *fn,
                                                     const void *arg);
ASYNCIO_API asyncio_coroutine_t *(asyncio_coroutine_full)(
    asyncio_coroutine_function_t *fn, const void *arg, const asyncio_coroutine_options_t *options);

ASYNCIO_END_DECLS

#endif
