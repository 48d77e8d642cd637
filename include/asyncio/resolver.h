/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Names to addresses and back, without blocking the loop.
 *
 * @code
 *     struct addrinfo *addresses;
 *     int rc = asyncio_loop_getaddrinfo(loop, "www.example.org", "80", NULL, &addresses);
 *     ...
 *     freeaddrinfo(addresses);
 * @endcode
 *
 * Literal addresses and `localhost` are looked up at once, in the calling thread. Every other
 * look-up runs in a worker thread. At most 32 look-ups run at once in the process
 * (asyncio_resolver_set_max_workers() changes that); the threads serve nothing but look-ups, so
 * that blocked jobs of an executor cannot starve them.
 *
 * A look-up that finds all threads busy waits for its turn. The number of waiting look-ups has no
 * limit of its own: each belongs to a task that waits for it, takes a few kilobytes, and leaves the
 * queue as soon as the task is cancelled, its timeout is over, or its loop is closed. So limit the
 * tasks to limit the look-ups. A look-up that runs cannot be stopped, but once no task waits for it
 * it no longer counts among the 32: dead name servers do not block later look-ups. Such abandoned
 * look-ups can triple the number of threads above the limit (128 threads at most by default).
 *
 * `localhost` has the addresses that /etc/hosts gives it (in its first 8 KiB); if the file does not
 * name it, they are ::1 and 127.0.0.1.
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
 * Looks up the addresses of a name.
 *
 * @param loop           the running loop.
 * @param host           a name, a literal address, or NULL.
 * @param service        a name, a decimal port, or NULL; not NULL together with host.
 * @param hints          as for getaddrinfo(3); NULL for none.
 * @param ret_addresses  where to put the list.
 * @return
 *   - 0: *ret_addresses is the list.
 *   - ASYNCIO_EGAI: the name cannot be resolved; the message says why.
 *   - -ECANCELED: the task was cancelled. A look-up that has begun runs to its end, and its outcome
 *     is dropped.
 *   - -EINVAL: loop or ret_addresses is NULL, or host and service both are; or no thread could be
 *     started, because the program's thread-local data does not fit into the default stack.
 *   - -ENOMEM, -EAGAIN: out of memory or threads.
 *   - ASYNCIO_ERUNTIME: not inside a task of that loop.
 *
 * Ownership: the list is *new*; free it with freeaddrinfo(3).
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

/** What asyncio_loop_getnameinfo() finds. */
typedef struct asyncio_names {
    char host[1025];  /**< the name of the host, or its address */
    char service[32]; /**< the name of the service, or its port */
} asyncio_names_t;

/**
 * Looks up the names of an address. With NI_NUMERICHOST and NI_NUMERICSERV it needs no thread.
 *
 * @param loop       the running loop.
 * @param address    the address.
 * @param size       its size in bytes, at most sizeof(struct sockaddr_storage).
 * @param flags      NI_NUMERICHOST, … as for getnameinfo(3).
 * @param ret_names  where to put the host and the service.
 * @return as asyncio_loop_getaddrinfo().
 *
 * Ownership: address is *borrowed* during the call; ret_names is the caller's.
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

/**
 * Sets how many look-ups may run at once, for all loops of the process.
 *
 * Threads are started as they are needed, and end when they have been idle for ten seconds; so a
 * higher limit costs nothing until it is used. A lower one does not stop look-ups that run.
 *
 * @param max_workers  look-ups at once, at most 1,024; 0: the default of 32.
 * @return 0; -EINVAL: above the maximum.
 *
 * Ownership: nothing.
 * Context: any thread.
 * Twin: none; `max_workers` of `concurrent.futures.ThreadPoolExecutor`, in which asyncio looks up.
 */
ASYNCIO_API int asyncio_resolver_set_max_workers(size_t max_workers);

ASYNCIO_END_DECLS

#endif
