/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Errors: negative codes, and objects that say more.
 *
 * A function that can fail returns 0 or a count, or a negative code: `-errno` of the system, or
 * one of asyncio's own below. Behind a code there may be an error object with a message, a place,
 * a cause and, for groups, children:
 *
 * @code
 *     if (header_is_bad)
 *         return asyncio_raise(ASYNCIO_EUSER, "bad header from %s", peer);
 *     ...
 *     int rc = asyncio_await(task, &result);
 *     if (rc < 0) {
 *         asyncio_error_t *error = asyncio_error_of(rc);
 *         asyncio_error_print(error, stderr);
 *         asyncio_error_unref(error);
 *     }
 * @endcode
 *
 * The details wait in a slot of the running task (of the thread, outside tasks). Each failing
 * call of the library overwrites it. A coroutine that returns the code of the details in the slot
 * ends with them; with any other code it ends with that code alone.
 */
#ifndef ASYNCIO_ERROR_H
#define ASYNCIO_ERROR_H

#include <asyncio/api.h>
#include <errno.h>
#include <stdio.h>

ASYNCIO_BEGIN_DECLS

/**
 * The codes of asyncio's own exceptions: X(name, value, name in Python, meaning).
 * They are negative already: `return ASYNCIO_EINVALIDSTATE;`.
 */
#define ASYNCIO_ERROR_TABLE(X) \
    X(ASYNCIO_ERUNTIME, -4096, "RuntimeError", "used in a way that is not allowed") \
    X(ASYNCIO_EINVALIDSTATE, -4097, "InvalidStateError", "not valid in this state") \
    X(ASYNCIO_EGENERATOREXIT, -4098, "GeneratorExit", "the coroutine is being closed") \
    X(ASYNCIO_EGROUP, -4099, "ExceptionGroup", "several errors") \
    X(ASYNCIO_EQUEUEEMPTY, -4100, "QueueEmpty", "the queue is empty") \
    X(ASYNCIO_EQUEUEFULL, -4101, "QueueFull", "the queue is full") \
    X(ASYNCIO_EQUEUESHUTDOWN, -4102, "QueueShutDown", "the queue is shut down") \
    X(ASYNCIO_EBROKENBARRIER, -4103, "BrokenBarrierError", "the barrier is broken") \
    X(ASYNCIO_EINCOMPLETEREAD, -4104, "IncompleteReadError", "the stream ended too early") \
    X(ASYNCIO_ELIMITOVERRUN, -4105, "LimitOverrunError", "the buffer limit was reached") \
    X(ASYNCIO_EDEADLOOP, -4106, "DeadLoop", "nothing is left that could wake the loop") \
    X(ASYNCIO_EGAI, -4107, "gaierror", "the name could not be resolved") \
    X(ASYNCIO_EKEYBOARDINTERRUPT, -4108, "KeyboardInterrupt", "interrupted from the keyboard") \
    X(ASYNCIO_ESTOPASYNCITERATION, -4109, "StopAsyncIteration", "the generator has ended") \
    X(ASYNCIO_ELOOKUP, -4110, "LookupError", "there is no such value") \
    X(ASYNCIO_ESSL, -4111, "SSLError", "TLS failed") \
    X(ASYNCIO_ESSLCERTVERIFICATION, -4112, "SSLCertVerificationError", \
      "the certificate of the peer is not acceptable") \
    X(ASYNCIO_ESSLEOF, -4113, "SSLEOFError", "the connection ended without a close_notify") \
    X(ASYNCIO_ESENDFILENOTAVAILABLE, -4114, "SendfileNotAvailableError", \
      "sendfile cannot be used for that socket and file")

/** The codes: asyncio's own, and second spellings of the system's most frequent ones. */
enum asyncio_error_code {
#define ASYNCIO_ERROR_ENUMERATOR_(name, value, python, meaning) name = value,
    ASYNCIO_ERROR_TABLE(ASYNCIO_ERROR_ENUMERATOR_)
#undef ASYNCIO_ERROR_ENUMERATOR_
    ASYNCIO_ECANCELED = -ECANCELED, /**< CancelledError */
    ASYNCIO_ETIMEDOUT = -ETIMEDOUT, /**< TimeoutError */
    ASYNCIO_EINVAL = -EINVAL,       /**< ValueError, TypeError */
    ASYNCIO_ENOMEM = -ENOMEM,       /**< MemoryError */
    ASYNCIO_EUSER = -65536          /**< the first code that is free for programs; go down */
};

/**
 * Returns the name of a code: "CancelledError", "TimeoutError", "RuntimeError", "ECONNRESET".
 *
 * @param code  a negative code; an unknown one is "Error"; 0 or more is "OK".
 * @return a static string.
 *
 * Ownership: the string is *borrowed*, for ever.
 * Context: any thread, signal handler.
 * Twin: `type(exc).__name__`.
 */
ASYNCIO_API const char *asyncio_error_name(int code);

/**
 * Returns the meaning of a code in words.
 *
 * @param code  a negative code.
 * @return a static string.
 *
 * Ownership: the string is *borrowed*, for ever.
 * Context: any thread.
 * Twin: `str(exc)`.
 */
ASYNCIO_API const char *asyncio_strerror(int code);

/**
 * Puts a message and a place behind a code, as `raise` does.
 *
 * @code
 *     return asyncio_raise(-EPROTO, "unexpected byte 0x%02x", byte);
 * @endcode
 *
 * When memory is out the code stands alone. What was in the slot becomes the cause.
 *
 * @param code  a negative code, which is answered; 0 or more counts as -EINVAL.
 * @return code.
 *
 * Ownership: nothing is kept of the arguments.
 * Context: any thread; inside a task the slot is the task's.
 * Twin: `raise`.
 */
#define asyncio_raise(code, ...) asyncio_raise_at((code), ASYNCIO_PLACE, __VA_ARGS__)
ASYNCIO_API int asyncio_raise_at(int code, const char *place, const char *format, ...)
    ASYNCIO_PRINTF(3, 4);

/* The macro above as a function, which passes no place: for pointers and other languages. */
ASYNCIO_API int (asyncio_raise)(int code, const char *format, ...) ASYNCIO_PRINTF(2, 3);

/**
 * Raises an error object again: it fills the slot and returns its code, as a bare `raise`.
 *
 * @param error  *borrowed*; NULL is -EINVAL.
 * @return the code of the error.
 *
 * Ownership: error is *borrowed*; the slot takes a reference of its own.
 * Context: any thread; inside a task the slot is the task's.
 * Twin: `raise exc`.
 */
ASYNCIO_API int asyncio_reraise(asyncio_error_t *error);

/**
 * Returns the details in the slot: of the latest failing call since the last successful wait.
 *
 * A wait of the task that succeeds empties the slot, so that the details of an error that was
 * handled never go out with a later error of the same code. To wait before an error is returned,
 * take a reference first and end with asyncio_reraise().
 *
 * @return a *new* reference, or NULL where the slot is empty.
 *
 * Ownership: the reference is *new*.
 * Context: any thread; inside a task the slot is the task's.
 * Twin: `sys.exc_info`.
 */
ASYNCIO_API asyncio_error_t *asyncio_error_last(void);

/**
 * Returns details for a code that was returned: those in the slot if they are of that code, else
 * an object that holds the code alone.
 *
 * @param code  a negative code.
 * @return a *new* reference; never NULL for a negative code: when memory is out, a static object
 *   that says so.
 *
 * Ownership: the reference is *new*.
 * Context: any thread; inside a task the slot is the task's.
 * Twin: `except Exception as exc`.
 */
ASYNCIO_API asyncio_error_t *asyncio_error_of(int code);

/**
 * Empties the slot.
 *
 * Ownership: the slot's reference is given up.
 * Context: any thread; inside a task the slot is the task's.
 * Twin: the end of an `except` block.
 */
ASYNCIO_API void asyncio_error_clear(void);

/**
 * Returns why the last constructor that gave NULL did so, once: reading clears it.
 *
 * @return a negative code, or 0.
 *
 * Ownership: nothing.
 * Context: any thread; each has its own.
 * Twin: the exception that a constructor raises.
 */
ASYNCIO_API int asyncio_errno(void);

/**
 * Makes an error object.
 *
 * @param code     a negative code.
 * @param message  copied; NULL for none.
 * @param cause    *borrowed*; NULL for none.
 * @return a *new* reference; when memory is out a static object that says so; NULL (and
 *   asyncio_errno() is -EINVAL) for a code of 0 or more.
 *
 * Ownership: the reference is *new*.
 * Context: any thread.
 * Twin: `Exception(message)`.
 */
ASYNCIO_API ASYNCIO_MUST_USE asyncio_error_t *
asyncio_error_new(int code, const char *message, asyncio_error_t *cause);

/**
 * Takes another reference.
 *
 * @param error  NULL is allowed.
 * @return error.
 *
 * Ownership: the reference is *new*.
 * Context: any thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_error_t *asyncio_error_ref(asyncio_error_t *error);

/**
 * Gives a reference up; the last one frees the object.
 *
 * @param error  NULL is allowed.
 *
 * Ownership: error is *taken*.
 * Context: any thread.
 * Twin: none.
 */
ASYNCIO_API void asyncio_error_unref(asyncio_error_t *error);

/**
 * Returns the code of an error object.
 *
 * @param error  *borrowed*; NULL is 0.
 * @return a negative code.
 *
 * Ownership: error is *borrowed*.
 * Context: any thread.
 * Twin: `type(exc)`.
 */
ASYNCIO_API int asyncio_error_code(const asyncio_error_t *error);

/**
 * Returns the message of an error object.
 *
 * @param error  *borrowed*; NULL is "".
 * @return the message, or "" where there is none.
 *
 * Ownership: the string is *borrowed* as long as the object lives.
 * Context: any thread.
 * Twin: `str(exc)`.
 */
ASYNCIO_API const char *asyncio_error_message(const asyncio_error_t *error);

/**
 * Returns where an error was raised, "file:line".
 *
 * @param error  *borrowed*; NULL is "".
 * @return the place, or "" where it is not known.
 *
 * Ownership: the string is *borrowed* as long as the object lives.
 * Context: any thread.
 * Twin: `exc.__traceback__`.
 */
ASYNCIO_API const char *asyncio_error_place(const asyncio_error_t *error);

/**
 * Returns the error that this one was raised from.
 *
 * @param error  *borrowed*.
 * @return the cause, or NULL.
 *
 * Ownership: the result is *borrowed* as long as error lives.
 * Context: any thread.
 * Twin: `exc.__cause__`.
 */
ASYNCIO_API asyncio_error_t *asyncio_error_cause(const asyncio_error_t *error);

/**
 * Returns how many errors a group holds.
 *
 * @param error  *borrowed*.
 * @return the number of children; 0 for what is no group.
 *
 * Ownership: error is *borrowed*.
 * Context: any thread.
 * Twin: `len(group.exceptions)`.
 */
ASYNCIO_API size_t asyncio_error_child_count(const asyncio_error_t *error);

/**
 * Returns one of the errors that a group holds.
 *
 * @param error  *borrowed*.
 * @param index  from 0.
 * @return the child, or NULL behind the last.
 *
 * Ownership: the result is *borrowed* as long as error lives.
 * Context: any thread.
 * Twin: `group.exceptions[index]`.
 */
ASYNCIO_API asyncio_error_t *asyncio_error_child(const asyncio_error_t *error, size_t index);

/**
 * Returns what went wrong in TLS, in OpenSSL's words as Python spells them:
 * "CERTIFICATE_VERIFY_FAILED", "TLSV1_ALERT_UNKNOWN_CA".
 *
 * @param error  *borrowed*; NULL is "".
 * @return the reason, or "" for an error that is not of TLS.
 *
 * Ownership: the string is *borrowed* as long as the object lives.
 * Context: any thread.
 * Twin: `SSLError.reason`.
 */
ASYNCIO_API const char *asyncio_error_ssl_reason(const asyncio_error_t *error);

/**
 * Returns why the certificate of the peer was refused: one of OpenSSL's X509_V_ERR_ codes.
 *
 * @param error  *borrowed*; NULL is 0.
 * @return the code: 10 expired, 18 self-signed, 20 no known issuer, 62 another host name; 0 for an
 *   error other than ASYNCIO_ESSLCERTVERIFICATION.
 *
 * Ownership: error is *borrowed*.
 * Context: any thread.
 * Twin: `SSLCertVerificationError.verify_code`.
 */
ASYNCIO_API int asyncio_error_ssl_verify_code(const asyncio_error_t *error);

/**
 * Prints an error, the errors of its group and its causes, one on each line.
 *
 * @code
 *     ExceptionGroup: unhandled errors in a TaskGroup
 *       RuntimeError: no configuration (main.c:12)
 *       caused by ENOENT: No such file or directory
 * @endcode
 *
 * @param error  *borrowed*.
 * @param file   where to print, as stderr.
 * @return 0.
 * @return -EINVAL: error or file is NULL.
 * @return -EIO: file has its error indicator set.
 *
 * Ownership: both are *borrowed*.
 * Context: any thread.
 * Twin: `traceback.print_exception`.
 */
ASYNCIO_API int asyncio_error_print(const asyncio_error_t *error, FILE *file);

ASYNCIO_END_DECLS

#endif
