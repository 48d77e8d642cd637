/* SPDX-License-Identifier: MIT */
/*
 * Look-ups of names and addresses by callbacks.
 *
 *     rc = asyncio__lookup_now(host, service, hints, &addresses);
 *     if (rc == 0)      a thread is needed
 *         rc = asyncio__lookup_addresses(loop, host, service, hints, done, arg, &lookup);
 *     ...
 *     done(lookup, arg):                             in the loop's thread, from its poll
 *         rc = asyncio__lookup_result(lookup);       0, or the code of its error
 *         addresses = asyncio__lookup_take_addresses(lookup);
 *     asyncio__lookup_free(lookup);                  at any time, exactly once
 *
 * Literal addresses, "localhost" and numeric names are looked up in the calling thread, without
 * the network. Everything else is work of the class ASYNCIO__WORK_LOOKUPS of the shared worker
 * threads. A look-up that its owner frees while it waits for a thread leaves the queue at once; one
 * that has begun runs to its end, but no longer counts against the limit of the class.
 *
 * A look-up belongs to its owner and, until it has been delivered, to the worker thread: either may
 * be the last to use it. done() is not called after asyncio__lookup_free() or once the loop is
 * closed, and may only schedule. Must not know: tasks.
 */
#ifndef ASYNCIO__TRANSPORT_LOOKUP_H
#define ASYNCIO__TRANSPORT_LOOKUP_H

#include <netdb.h>

#include "loop/loop.h"

#define ASYNCIO__HOST_BYTES    1025 /* NI_MAXHOST, which strict C11 does not define */
#define ASYNCIO__SERVICE_BYTES 32   /* NI_MAXSERV */

typedef struct asyncio__lookup asyncio__lookup_t;
typedef void asyncio__lookup_done_t(asyncio__lookup_t *lookup, void *arg);

/* Finds addresses where that needs no thread. Returns 1: *ret_addresses is the list, to be freed by
 * freeaddrinfo(); 0: a thread is needed; or a negative code with the error slot filled. */
int asyncio__lookup_now(const char *host, const char *service, const struct addrinfo *hints,
                        struct addrinfo **ret_addresses);

/* Begins to look up the addresses of a name. host, service and hints are copied; any may be NULL.
 * Loop thread. Returns 0, or a negative code with the error slot filled: then there is no look-up
 * and done() is not called. */
int asyncio__lookup_addresses(asyncio_loop_t *loop, const char *host, const char *service,
                              const struct addrinfo *hints, asyncio__lookup_done_t *done,
                              void *arg, asyncio__lookup_t **ret_lookup);

/* Begins to look up the names of an address of at most sizeof(struct sockaddr_storage) bytes;
 * otherwise as asyncio__lookup_addresses(). */
int asyncio__lookup_names(asyncio_loop_t *loop, const struct sockaddr *address, socklen_t size,
                          int flags, asyncio__lookup_done_t *done, void *arg,
                          asyncio__lookup_t **ret_lookup);

/* The outcome of a look-up that is done: 0, or a negative code with the error slot filled. */
int asyncio__lookup_result(const asyncio__lookup_t *lookup);

/* The list of addresses, once; the caller frees it by freeaddrinfo(). */
struct addrinfo *asyncio__lookup_take_addresses(asyncio__lookup_t *lookup);

/* The names, as long as the look-up lives. */
const char *asyncio__lookup_host(const asyncio__lookup_t *lookup);
const char *asyncio__lookup_service(const asyncio__lookup_t *lookup);

/* Ends the owner's use of a look-up, done or not. Loop thread, or where the loop is closed. */
void asyncio__lookup_free(asyncio__lookup_t *lookup);

/* Fills the error slot for an EAI_… code and the errno beside it. Returns the negative code. */
int asyncio__lookup_fail(int eai, int system_errno);

#endif
