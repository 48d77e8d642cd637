/* SPDX-License-Identifier: MIT */
/* What the compiler is told beyond C11. */
#ifndef ASYNCIO__BASE_COMPILER_H
#define ASYNCIO__BASE_COMPILER_H

/* Exported by the shared library to those that are built and released with it (libasyncio-ssl), and
 * to nobody else: each name stands under LIBASYNCIO_PRIVATE in libasyncio.map. */
#define ASYNCIO__SHARED __attribute__((visibility("default")))

/* Thread-local data of the library: reached without a call, also from a shared library. */
#define ASYNCIO__THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))

#define ASYNCIO__LIKELY(x)   __builtin_expect(!!(x), 1)
#define ASYNCIO__UNLIKELY(x) __builtin_expect(!!(x), 0)

/* The callers of a function that is rarely called keep their registers and their size. */
#define ASYNCIO__COLD __attribute__((noinline, cold))

/* Fetches the line of the cache at an address for writing: away from the processor that has it.
 * (The builtin would only read, on a machine as old as the compiler must assume; there the
 * instruction does nothing.) */
static inline void asyncio__fetch_to_write(const void *address)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)address));
#else
    __builtin_prefetch(address, 1);
#endif
}

#endif
