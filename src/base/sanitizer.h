/* SPDX-License-Identifier: MIT */
/*
 * Which checker this build is for: ASYNCIO__ASAN and ASYNCIO__TSAN are defined or not (gcc says
 * it by a macro, clang by a feature), and asyncio__on_valgrind() asks at run time.
 */
#ifndef ASYNCIO__BASE_SANITIZER_H
#define ASYNCIO__BASE_SANITIZER_H

#include <stdbool.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASYNCIO__ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define ASYNCIO__TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(ASYNCIO__ASAN)
#define ASYNCIO__ASAN 1
#endif
#if defined(__SANITIZE_THREAD__) && !defined(ASYNCIO__TSAN)
#define ASYNCIO__TSAN 1
#endif

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#define ASYNCIO__VALGRIND 1
#include <valgrind/valgrind.h>
#endif
#endif

static inline bool asyncio__on_valgrind(void)
{
#if defined(ASYNCIO__VALGRIND)
    return RUNNING_ON_VALGRIND != 0;
#else
    return false;
#endif
}

#endif
