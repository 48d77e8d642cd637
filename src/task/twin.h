/* SPDX-License-Identifier: MIT */
/*
 * Twins: for each call of the library that suspends, a constructor of the coroutine object that
 * makes that call. The object holds a copy of the arguments.
 *
 *     int asyncio_event_wait(asyncio_event_t *event)
 *
 *     ASYNCIO__TWIN(CODE, asyncio_event_wait, (asyncio_event_t *, event))
 *
 * defines asyncio_event_wait_coroutine(event). The first word says what the call returns:
 *
 *     CODE     0 or a negative code; the object has no result
 *     RESULT   the same, with `void **ret_result` as its last parameter, which is not listed
 *     COUNT    a count or a negative code; the count is the object's result, an ASYNCIO_INT()
 *     OWN      the file defines `static int run_NAME(void *arguments, void **ret_result)` itself
 *
 * One to eight parameters. Where an argument must live as long as the object, use
 * ASYNCIO__TWIN_KEPT(): keep() replaces it in the struct by a copy or a reference, and drop()
 * releases that when the object ends, whether it was started or not.
 */
#ifndef ASYNCIO__TASK_TWIN_H
#define ASYNCIO__TASK_TWIN_H

#include <asyncio/coroutine.h>

#include "base/error.h"
#include "base/thread.h"

/* The object's arguments are a struct; drop() (or NULL) is called with it when the object ends.
 * Returns NULL on failure, with the code in asyncio_errno(); drop() has not been called then. */
static inline asyncio_coroutine_t *asyncio__twin(asyncio_coroutine_function_t *run,
                                                 const void *arguments, size_t size,
                                                 asyncio_destroy_t *drop, const char *name)
{
    asyncio_coroutine_options_t options = {
        .size = sizeof(options), .copy_bytes = size, .destroy = drop};
    return asyncio_coroutine_full_at(run, arguments, &options, name);
}

/* The same where keep() has filled the arguments and returned kept; they are taken. */
static inline asyncio_coroutine_t *asyncio__twin_kept(int kept, asyncio_coroutine_function_t *run,
                                                      void *arguments, size_t size,
                                                      asyncio_destroy_t *drop, const char *name)
{
    asyncio_coroutine_t *twin = NULL;
    if (kept < 0)
        asyncio__thread.constructor_code = kept;
    else
        twin = asyncio__twin(run, arguments, size, drop, name);
    if (!twin)
        drop(arguments);
    return twin;
}

/* Turns a count into the result of a coroutine object. */
static inline int asyncio__twin_count(long count, void **ret_result)
{
    if (count < 0)
        return (int)count;
    *ret_result = ASYNCIO_INT(count);
    return 0;
}

#define ASYNCIO__TWIN(returns, name, ...) \
    ASYNCIO__TWIN_PARTS(returns, name, __VA_ARGS__) \
    asyncio_coroutine_t *name##_coroutine(ASYNCIO__LIST(PARAMETER, __VA_ARGS__)) \
    { \
        struct name##_arguments copy = {ASYNCIO__LIST(STORE, __VA_ARGS__)}; \
        return asyncio__twin(run_##name, &copy, sizeof(copy), NULL, #name); \
    }

/* With `int keep(void *arguments)`, which returns 0 or a negative code with its details raised, and
 * `void drop(void *arguments)`, which is called in either case. */
#define ASYNCIO__TWIN_KEPT(returns, name, keep, drop, ...) \
    ASYNCIO__TWIN_PARTS(returns, name, __VA_ARGS__) \
    asyncio_coroutine_t *name##_coroutine(ASYNCIO__LIST(PARAMETER, __VA_ARGS__)) \
    { \
        struct name##_arguments copy = {ASYNCIO__LIST(STORE, __VA_ARGS__)}; \
        return asyncio__twin_kept(keep(&copy), run_##name, &copy, sizeof(copy), drop, #name); \
    }

/* ---- What the two are made of. ---- */

#define ASYNCIO__TWIN_PARTS(returns, name, ...) \
    struct name##_arguments { \
        ASYNCIO__EACH(FIELD, __VA_ARGS__) \
    }; \
    static int run_##name(void *arguments, void **ret_result) \
    ASYNCIO__TWIN_##returns(name, __VA_ARGS__)

#define ASYNCIO__TWIN_CODE(name, ...) \
    { \
        (void)ret_result; \
        const struct name##_arguments *a = arguments; \
        return name(ASYNCIO__LIST(LOAD, __VA_ARGS__)); \
    }
#define ASYNCIO__TWIN_RESULT(name, ...) \
    { \
        const struct name##_arguments *a = arguments; \
        return name(ASYNCIO__LIST(LOAD, __VA_ARGS__), ret_result); \
    }
#define ASYNCIO__TWIN_COUNT(name, ...) \
    { \
        const struct name##_arguments *a = arguments; \
        return asyncio__twin_count(name(ASYNCIO__LIST(LOAD, __VA_ARGS__)), ret_result); \
    }
#define ASYNCIO__TWIN_OWN(name, ...) ;

#define ASYNCIO__FIELD(type, parameter)     type parameter;
#define ASYNCIO__PARAMETER(type, parameter) type parameter
#define ASYNCIO__STORE(type, parameter)     .parameter = parameter
#define ASYNCIO__LOAD(type, parameter)      a->parameter

/* ASYNCIO__EACH(M, (a, b), …) is ASYNCIO__M(a, b) …; ASYNCIO__LIST() puts commas in between. */
#define ASYNCIO__COUNT_OF(_1, _2, _3, _4, _5, _6, _7, _8, n, ...) n
#define ASYNCIO__NUMBERED(macro, ...) \
    ASYNCIO__PASTE(macro, ASYNCIO__COUNT_OF(__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0))
#define ASYNCIO__PASTE(macro, n)  ASYNCIO__PASTE_(macro, n)
#define ASYNCIO__PASTE_(macro, n) macro##n

#define ASYNCIO__EACH(m, ...)     ASYNCIO__NUMBERED(ASYNCIO__EACH_, __VA_ARGS__)(m, __VA_ARGS__)
#define ASYNCIO__EACH_1(m, a)      ASYNCIO__##m a
#define ASYNCIO__EACH_2(m, a, ...) ASYNCIO__##m a ASYNCIO__EACH_1(m, __VA_ARGS__)
#define ASYNCIO__EACH_3(m, a, ...) ASYNCIO__##m a ASYNCIO__EACH_2(m, __VA_ARGS__)
#define ASYNCIO__EACH_4(m, a, ...) ASYNCIO__##m a ASYNCIO__EACH_3(m, __VA_ARGS__)
#define ASYNCIO__EACH_5(m, a, ...) ASYNCIO__##m a ASYNCIO__EACH_4(m, __VA_ARGS__)
#define ASYNCIO__EACH_6(m, a, ...) ASYNCIO__##m a ASYNCIO__EACH_5(m, __VA_ARGS__)
#define ASYNCIO__EACH_7(m, a, ...) ASYNCIO__##m a ASYNCIO__EACH_6(m, __VA_ARGS__)
#define ASYNCIO__EACH_8(m, a, ...) ASYNCIO__##m a ASYNCIO__EACH_7(m, __VA_ARGS__)

#define ASYNCIO__LIST(m, ...)     ASYNCIO__NUMBERED(ASYNCIO__LIST_, __VA_ARGS__)(m, __VA_ARGS__)
#define ASYNCIO__LIST_1(m, a)      ASYNCIO__##m a
#define ASYNCIO__LIST_2(m, a, ...) ASYNCIO__##m a, ASYNCIO__LIST_1(m, __VA_ARGS__)
#define ASYNCIO__LIST_3(m, a, ...) ASYNCIO__##m a, ASYNCIO__LIST_2(m, __VA_ARGS__)
#define ASYNCIO__LIST_4(m, a, ...) ASYNCIO__##m a, ASYNCIO__LIST_3(m, __VA_ARGS__)
#define ASYNCIO__LIST_5(m, a, ...) ASYNCIO__##m a, ASYNCIO__LIST_4(m, __VA_ARGS__)
#define ASYNCIO__LIST_6(m, a, ...) ASYNCIO__##m a, ASYNCIO__LIST_5(m, __VA_ARGS__)
#define ASYNCIO__LIST_7(m, a, ...) ASYNCIO__##m a, ASYNCIO__LIST_6(m, __VA_ARGS__)
#define ASYNCIO__LIST_8(m, a, ...) ASYNCIO__##m a, ASYNCIO__LIST_7(m, __VA_ARGS__)

#endif
