/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Names to addresses and back, without stopping the loop.
 *
 * @code
 *     struct addrinfo *addresses;
 *     int rc = asyncio_loop_getaddrinfo(loop, "localhost", "80", NULL, &addresses);
 *     ...
 *     freeaddrinfo(addresses);
 * @endcode
 *
 * Look-ups have threads of their own, at most eight in the process, so that blocked jobs of the
 * default executor cannot starve them. Who comes while all eight are busy waits for its turn. How
 * many may wait has no bound but that of the tasks: each look-up that waits is of a task that
 * waits for it, costs a few hundred bytes and the names, and is gone as soon as the task is
 * cancelled, its timeout over, or its loop closed. So who bounds tasks bounds look-ups.
 */
#ifndef ASYNCIO_RESOLVER_H
#define ASYNCIO_RESOLVER_H

#include <asyncio/loop.h>
#include <sys/socket.h>
#include <sys/types.h>

ASYNCIO_BEGIN_DECLS

/* Of <netdb.h>, which strict C11 does not fill. */
struct addrinfo;

/**
 * Resolves a name, in a thread of the look-ups' own; literal addresses need no thread.
 *
 * @param loop           the running loop
 * @param host           a name, a literal address, or NULL
 * @param service        a name or a decimal port, or NULL
 * @param hints          as for getaddrinfo(3); NULL for none
 * @param ret_addresses  where to put the list
 * @return - 0: *ret_addresses is the list.
 *   - ASYNCIO_EGAI: it cannot be resolved; the message says why.
 *   - -ECANCELED: the task was cancelled; a look-up that a thread has begun goes on, and its answer
 *     is dropped.
 *   - -EINVAL: NULL.
 *   - -ENOMEM, -EAGAIN: out of memory or threads.
 *   - ASYNCIO_ERUNTIME: not inside a task of that loop.
 *
 * Ownership: the list is *new*: freeaddrinfo(3) gives it back.
 * Context: inside a task.
 * Cancellation: ends the wait only.
 * Twin: `loop.getaddrinfo`.
 */
ASYNCIO_API int asyncio_loop_getaddrinfo(asyncio_loop_t *loop, const char *host,
                                         const char *service, const struct addrinfo *hints,
                                         struct addrinfo **ret_addresses);

/** Makes the coroutine object of asyncio_loop_getaddrinfo(); the strings are copied. */
ASYNCIO_API asyncio_coroutine_t *
asyncio_loop_getaddrinfo_coroutine(asyncio_loop_t *loop, const char *host, const char *service,
                                   const struct addrinfo *hints,
                                   struct addrinfo **ret_addresses);

/** What asyncio_loop_getnameinfo() answers. */
typedef struct asyncio_names {
    char host[1025]; /**< the host's name, or its address */
    char service[32]; /**< the service's name, or its port */
} asyncio_names_t;

/**
 * Finds the name of an address, in a thread of the look-ups' own.
 *
 * @param loop       the running loop
 * @param address    the address
 * @param size       of it, in bytes
 * @param flags      NI_NUMERICHOST, … as for getnameinfo(3)
 * @param ret_names  where to put host and service
 * @return as asyncio_loop_getaddrinfo().
 *
 * Ownership: ret_names is the caller's.
 * Context: inside a task.
 * Cancellation: ends the wait only.
 * Twin: `loop.getnameinfo`.
 */
ASYNCIO_API int asyncio_loop_getnameinfo(asyncio_loop_t *loop, const struct sockaddr *address,
                                         socklen_t size, int flags, asyncio_names_t *ret_names);

/** Makes the coroutine object of asyncio_loop_getnameinfo(). */
ASYNCIO_API asyncio_coroutine_t *
asyncio_loop_getnameinfo_coroutine(asyncio_loop_t *loop, const struct sockaddr *address,
                                   socklen_t size, int flags, asyncio_names_t *ret_names);

ASYNCIO_END_DECLS

#endif
