/* SPDX-License-Identifier: MIT */
/**
 * @file
 * What every header of libasyncio needs: visibility, places, the type of an awaitable, the version.
 *
 * How to read the description of a function in these headers:
 *
 * - *Parameters* come with their unit and range, *return values* with the cause of each code.
 * - `Ownership:` says what the caller must free, in four words. *borrowed*: a parameter stays the
 *   caller's and must live as long as the text says, else until the call returns; a result stays
 *   the callee's.
 *   *taken*: the callee frees it, also when the call fails. *new*: the caller gets a reference or
 *   memory and gives it up. *shared*: the callee takes a reference of its own.
 * - `Context:` says from where it may be called: any thread, the loop's thread, inside a task.
 * - `Cancellation:` says what a cancellation of the calling task does to a call that suspends. A
 *   function without this line does not suspend the caller.
 * - `Twin:` names what it is in Python's asyncio.
 */
#ifndef ASYNCIO_API_H
#define ASYNCIO_API_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define ASYNCIO_BEGIN_DECLS extern "C" {
#define ASYNCIO_END_DECLS   }
#else
#define ASYNCIO_BEGIN_DECLS
#define ASYNCIO_END_DECLS
#endif

#if defined(__GNUC__)
#define ASYNCIO_API __attribute__((visibility("default")))
#define ASYNCIO_PRINTF(template, first) __attribute__((format(printf, template, first)))
#define ASYNCIO_MUST_USE __attribute__((warn_unused_result))
#else
#define ASYNCIO_API
#define ASYNCIO_PRINTF(template, first)
#define ASYNCIO_MUST_USE
#endif

#define ASYNCIO_STRING_(text) #text
#define ASYNCIO_STRING(text) ASYNCIO_STRING_(text)

/** The place of the line on which it stands, `"file:line"`: for reports, passed by macros. */
#define ASYNCIO_PLACE __FILE__ ":" ASYNCIO_STRING(__LINE__)

/** The version of the headers. */
#define ASYNCIO_VERSION_MAJOR 0
#define ASYNCIO_VERSION_MINOR 1
#define ASYNCIO_VERSION_PATCH 0

/* In C the compiler refuses what is no awaitable, such as a function: only futures, tasks,
 * coroutine objects and void pointers are in the list. */
#if !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define ASYNCIO_CHECKED(awaitable)                                                             \
    _Generic((awaitable), struct asyncio_future *: (awaitable),                                \
             struct asyncio_coroutine *: (awaitable), void *: (awaitable))
#endif

ASYNCIO_BEGIN_DECLS

/** What can be awaited: a future, a task or a coroutine object, passed without a cast. */
typedef void asyncio_awaitable_t;

/** The event loop; see loop.h. */
typedef struct asyncio_loop asyncio_loop_t;
/** A result that does not exist yet; see future.h. */
typedef struct asyncio_future asyncio_future_t;
/** A coroutine wrapped in a future; every task is a future. See task.h. */
typedef struct asyncio_future asyncio_task_t;
/** A function with its arguments, not started; see coroutine.h. */
typedef struct asyncio_coroutine asyncio_coroutine_t;
/** A callback that the loop will run; see handle.h. */
typedef struct asyncio_handle asyncio_handle_t;
/** A callback with a deadline; every timer handle is a handle. */
typedef struct asyncio_handle asyncio_timer_handle_t;
/** What went wrong, and where; see error.h. */
typedef struct asyncio_error asyncio_error_t;
/** The values of context variables; see context.h. */
typedef struct asyncio_context asyncio_context_t;

/** Gives back what a value or an argument holds. */
typedef void asyncio_destroy_t(void *value);

/** A timeout that never comes: Python's None. */
#define ASYNCIO_FOREVER ((double)INFINITY)

/**
 * Returns the version of the library that is linked, such as "0.1.0".
 *
 * @return a static string.
 *
 * Ownership: the string is *borrowed*, for ever.
 * Context: any thread, signal handler.
 * Twin: none.
 */
ASYNCIO_API const char *asyncio_version(void);

ASYNCIO_END_DECLS

#endif
