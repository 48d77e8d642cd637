/* SPDX-License-Identifier: MIT */
/* Look-ups by callbacks, in worker threads; see lookup.h. */
#include "transport/lookup.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "transport/localhost.h"
#include "worker/worker.h"

struct asyncio__lookup {
    asyncio__work_t work;            /* in the queue of the worker threads */
    asyncio__inbox_node_t node;      /* brings it back to its loop */
    asyncio__inbox_t *inbox;         /* of the loop: a reference */
    asyncio_loop_t *loop;            /* used in its thread only */
    atomic_uint owners;              /* the caller, and the worker thread until the delivery */
    asyncio__lookup_done_t *done;    /* called when it is done; NULL once the caller has freed it */
    void *arg;                       /* passed to it */
    bool is_delivered;               /* the outcome below is known */
    bool is_of_names;                /* getnameinfo() */
    bool has_hints;                  /* hints are used */
    char *host, *service;            /* of getaddrinfo(): copies, or NULL */
    struct addrinfo hints;           /* of getaddrinfo(): a copy */
    struct sockaddr_storage address; /* of getnameinfo() */
    socklen_t address_size;          /* of address */
    int flags;                       /* of getnameinfo() */
    int eai;                         /* the outcome: EAI_…, or 0 */
    int system_errno;                /* the outcome: errno for EAI_SYSTEM */
    struct addrinfo *addresses;      /* the outcome of getaddrinfo() */
    char found_host[ASYNCIO__HOST_BYTES];       /* the outcome of getnameinfo() */
    char found_service[ASYNCIO__SERVICE_BYTES]; /* the outcome of getnameinfo() */
};

int asyncio__lookup_fail(int eai, int system_errno)
{
    if (eai == EAI_SYSTEM)
        return asyncio__fail(-system_errno, NULL);
    if (eai == EAI_MEMORY)
        return asyncio__fail(-ENOMEM, NULL);
    return asyncio__fail(ASYNCIO_EGAI, gai_strerror(eai));
}

/* --- without a thread ---------------------------------------------------------------------- */

static bool is_literal(const char *host)
{
    const struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST};
    struct addrinfo *addresses;
    /* Without the service: a name would make libc read /etc/services first. */
    if (getaddrinfo(host, NULL, &numeric, &addresses) != 0)
        return false;
    freeaddrinfo(addresses);
    return true;
}

static bool is_decimal(const char *service)
{
    return service[0] && strspn(service, "0123456789") == strlen(service);
}

int asyncio__lookup_now(const char *host, const char *service, const struct addrinfo *hints,
                        struct addrinfo **ret_addresses)
{
    struct addrinfo numeric = {0};
    if (hints)
        numeric = *hints;
    numeric.ai_flags |= AI_NUMERICHOST | AI_NUMERICSERV;
    int eai = getaddrinfo(host, service, &numeric, ret_addresses);
    if (eai == 0)
        return 1;
    bool is_numeric_service = !service || is_decimal(service);
    bool is_numeric_host = !host || (hints && hints->ai_flags & AI_NUMERICHOST);
    if (!is_numeric_host && asyncio__is_localhost(host))
        eai = asyncio__localhost_addresses(service, hints, ret_addresses);
    else if (!is_numeric_service && (is_numeric_host || is_literal(host))) {
        if (!hints || !(hints->ai_flags & AI_NUMERICSERV))
            numeric.ai_flags &= ~AI_NUMERICSERV;
        eai = getaddrinfo(host, service, &numeric, ret_addresses);
    } else if (!is_numeric_host && eai != EAI_ADDRFAMILY)
        return 0; /* a name; a literal of another family is EAI_ADDRFAMILY */
    return eai == 0 ? 1 : asyncio__lookup_fail(eai, errno);
}

/* --- the life of a look-up ----------------------------------------------------------------- */

static void drop_owner(asyncio__lookup_t *lookup)
{
    /* Release here, acquire in the last one: it frees what the other has written. */
    if (atomic_fetch_sub_explicit(&lookup->owners, 1, memory_order_acq_rel) != 1)
        return;
    if (lookup->addresses)
        freeaddrinfo(lookup->addresses);
    asyncio__free_string(lookup->host);
    asyncio__free_string(lookup->service);
    asyncio__inbox_unref(lookup->inbox);
    asyncio__free(lookup, sizeof(*lookup));
}

/* In a worker thread. */
static void run(asyncio__work_t *work)
{
    asyncio__lookup_t *lookup = ASYNCIO__CONTAINER(work, asyncio__lookup_t, work);
    if (lookup->is_of_names)
        lookup->eai = getnameinfo((struct sockaddr *)&lookup->address, lookup->address_size,
                                  lookup->found_host, sizeof(lookup->found_host),
                                  lookup->found_service, sizeof(lookup->found_service),
                                  lookup->flags);
    else
        lookup->eai = getaddrinfo(lookup->host, lookup->service,
                                  lookup->has_hints ? &lookup->hints : NULL, &lookup->addresses);
    lookup->system_errno = errno;
    if (asyncio__inbox_post(lookup->inbox, &lookup->node) < 0)
        drop_owner(lookup); /* the loop is closed */
}

/* In the loop's thread. */
static void deliver(asyncio__inbox_node_t *node, bool closed)
{
    asyncio__lookup_t *lookup = ASYNCIO__CONTAINER(node, asyncio__lookup_t, node);
    lookup->loop->jobs--;
    lookup->is_delivered = true;
    if (lookup->done && !closed)
        lookup->done(lookup, lookup->arg);
    drop_owner(lookup);
}

static asyncio__lookup_t *new_lookup(asyncio_loop_t *loop, asyncio__lookup_done_t *done, void *arg)
{
    asyncio__lookup_t *lookup = asyncio__calloc(sizeof(*lookup));
    if (!lookup)
        return NULL;
    asyncio__work_init(&lookup->work, run, ASYNCIO__WORK_LOOKUPS);
    lookup->node.deliver = deliver;
    lookup->inbox = asyncio__inbox_ref(loop->inbox);
    lookup->loop = loop;
    atomic_init(&lookup->owners, 1);
    lookup->done = done;
    lookup->arg = arg;
    return lookup;
}

/* Hands a look-up to the worker threads; on failure it is freed. */
static int start(asyncio__lookup_t *lookup, asyncio__lookup_t **ret_lookup)
{
    /* Relaxed: no other thread knows it yet. */
    atomic_store_explicit(&lookup->owners, 2, memory_order_relaxed);
    int rc = asyncio__workers_submit(asyncio__workers_shared(), &lookup->work);
    if (rc == 0) {
        lookup->loop->jobs++;
        *ret_lookup = lookup;
        return 0;
    }
    atomic_store_explicit(&lookup->owners, 1, memory_order_relaxed);
    drop_owner(lookup);
    /* libc takes the program's thread-local data out of the stack of a new thread. */
    return asyncio__fail(rc, rc == -EINVAL ? "can't start new thread: its thread-local data does "
                                             "not fit into the default stack (see ulimit -s)"
                                           : "can't start new thread");
}

int asyncio__lookup_addresses(asyncio_loop_t *loop, const char *host, const char *service,
                              const struct addrinfo *hints, asyncio__lookup_done_t *done,
                              void *arg, asyncio__lookup_t **ret_lookup)
{
    asyncio__lookup_t *lookup = new_lookup(loop, done, arg);
    if (!lookup)
        return asyncio__fail(-ENOMEM, NULL);
    lookup->host = host ? asyncio__strdup(host) : NULL;
    lookup->service = service ? asyncio__strdup(service) : NULL;
    if ((host && !lookup->host) || (service && !lookup->service)) {
        drop_owner(lookup);
        return asyncio__fail(-ENOMEM, NULL);
    }
    if (hints) {
        lookup->has_hints = true;
        lookup->hints = (struct addrinfo){.ai_flags = hints->ai_flags,
                                          .ai_family = hints->ai_family,
                                          .ai_socktype = hints->ai_socktype,
                                          .ai_protocol = hints->ai_protocol};
    }
    return start(lookup, ret_lookup);
}

int asyncio__lookup_names(asyncio_loop_t *loop, const struct sockaddr *address, socklen_t size,
                          int flags, asyncio__lookup_done_t *done, void *arg,
                          asyncio__lookup_t **ret_lookup)
{
    asyncio__lookup_t *lookup = new_lookup(loop, done, arg);
    if (!lookup)
        return asyncio__fail(-ENOMEM, NULL);
    lookup->is_of_names = true;
    memcpy(&lookup->address, address, size);
    lookup->address_size = size;
    lookup->flags = flags;
    return start(lookup, ret_lookup);
}

void asyncio__lookup_free(asyncio__lookup_t *lookup)
{
    lookup->done = NULL;
    /* In a forked child the queue is the parent's. */
    bool is_pending = !lookup->is_delivered &&
                      lookup->inbox->fork_generation == asyncio__fork_generation;
    if (is_pending && asyncio__workers_abandon(asyncio__workers_shared(), &lookup->work)) {
        lookup->loop->jobs--;
        drop_owner(lookup); /* the worker thread's: it never comes to it */
    }
    drop_owner(lookup);
}

/* --- the outcome --------------------------------------------------------------------------- */

int asyncio__lookup_result(const asyncio__lookup_t *lookup)
{
    return lookup->eai ? asyncio__lookup_fail(lookup->eai, lookup->system_errno) : 0;
}

struct addrinfo *asyncio__lookup_take_addresses(asyncio__lookup_t *lookup)
{
    struct addrinfo *addresses = lookup->addresses;
    lookup->addresses = NULL;
    return addresses;
}

const char *asyncio__lookup_host(const asyncio__lookup_t *lookup)
{
    return lookup->found_host;
}

const char *asyncio__lookup_service(const asyncio__lookup_t *lookup)
{
    return lookup->found_service;
}
