/* SPDX-License-Identifier: MIT */
/* getaddrinfo and getnameinfo for tasks: the awaiting face of the look-ups of src/transport. */
#include <asyncio/resolver.h>
#include <netdb.h>
#include <stdio.h>

#include "base/error.h"
#include "base/memory.h"
#include "net/operation.h"
#include "task/task.h"
#include "task/twin.h"
#include "transport/lookup.h"
#include "worker/worker.h"

#define WORKERS_MOST 1024

int asyncio_resolver_set_max_workers(size_t max_workers)
{
    if (max_workers > WORKERS_MOST)
        return asyncio__fail(-EINVAL, "\"max_workers\" must be at most 1024");
    asyncio__workers_set_limit(ASYNCIO__WORK_LOOKUPS,
                               max_workers ? max_workers : ASYNCIO__LOOKUPS_LIMIT);
    return 0;
}

/* --- waiting for a look-up ----------------------------------------------------------------- */

/* A task that waits; in its frame. */
typedef struct waiting {
    asyncio_future_t waiter;   /* done when the look-up is */
    asyncio__lookup_t *lookup; /* owned */
} waiting_t;

static void on_done(asyncio__lookup_t *lookup, void *arg)
{
    waiting_t *waiting = arg;
    (void)lookup;
    asyncio__future_wake(&waiting->waiter);
}

static void begin_waiting(waiting_t *waiting, asyncio_loop_t *loop, const char *place)
{
    asyncio__future_init(&waiting->waiter, loop, NULL);
    waiting->waiter.place = place;
    waiting->lookup = NULL;
}

/* Waits for the look-up if it was started, which rc says. Returns 0, or a negative code with the
 * error slot filled; the look-up is to be freed by end_waiting() in any case. */
static int wait_for_lookup(waiting_t *waiting, int rc)
{
    if (rc == 0)
        rc = asyncio__future_wait(&waiting->waiter);
    return rc == 0 ? asyncio__lookup_result(waiting->lookup) : rc;
}

static void end_waiting(waiting_t *waiting)
{
    asyncio__future_fini(&waiting->waiter);
    if (waiting->lookup)
        asyncio__lookup_free(waiting->lookup);
}

int asyncio_loop_getaddrinfo(asyncio_loop_t *loop, const char *host, const char *service,
                             const struct addrinfo *hints, struct addrinfo **ret_addresses)
{
    int rc = asyncio__operation_check(loop);
    if (rc < 0)
        return rc;
    if (!host && !service)
        return asyncio__fail(-EINVAL, "\"host\" and \"service\" must not both be NULL");
    if (!ret_addresses)
        return asyncio__fail(-EINVAL, "\"ret_addresses\" must not be NULL");
    rc = asyncio__lookup_now(host, service, hints, ret_addresses);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = asyncio__raise_late_cancel();
    if (rc < 0)
        return rc;
    waiting_t waiting;
    begin_waiting(&waiting, loop, "asyncio_loop_getaddrinfo");
    rc = asyncio__lookup_addresses(loop, host, service, hints, on_done, &waiting,
                                   &waiting.lookup);
    rc = wait_for_lookup(&waiting, rc);
    if (rc == 0)
        *ret_addresses = asyncio__lookup_take_addresses(waiting.lookup);
    end_waiting(&waiting);
    return rc;
}

static void set_names(asyncio_names_t *names, const char *host, const char *service)
{
    snprintf(names->host, sizeof(names->host), "%s", host);
    snprintf(names->service, sizeof(names->service), "%s", service);
}

int asyncio_loop_getnameinfo(asyncio_loop_t *loop, const struct sockaddr *address, socklen_t size,
                             int flags, asyncio_names_t *ret_names)
{
    int rc = asyncio__operation_check(loop);
    if (rc < 0)
        return rc;
    if (!address)
        return asyncio__fail(-EINVAL, "\"address\" must not be NULL");
    if (size > sizeof(struct sockaddr_storage))
        return asyncio__fail(-EINVAL, "\"size\" must be at most sizeof(struct sockaddr_storage)");
    if (!ret_names)
        return asyncio__fail(-EINVAL, "\"ret_names\" must not be NULL");
    const int numeric = NI_NUMERICHOST | NI_NUMERICSERV;
    if ((flags & numeric) == numeric) {
        asyncio_names_t names;
        rc = getnameinfo(address, size, names.host, sizeof(names.host), names.service,
                         sizeof(names.service), flags);
        if (rc != 0)
            return asyncio__lookup_fail(rc, errno);
        *ret_names = names;
        return 0;
    }
    rc = asyncio__raise_late_cancel();
    if (rc < 0)
        return rc;
    waiting_t waiting;
    begin_waiting(&waiting, loop, "asyncio_loop_getnameinfo");
    rc = asyncio__lookup_names(loop, address, size, flags, on_done, &waiting, &waiting.lookup);
    rc = wait_for_lookup(&waiting, rc);
    if (rc == 0)
        set_names(ret_names, asyncio__lookup_host(waiting.lookup),
                  asyncio__lookup_service(waiting.lookup));
    end_waiting(&waiting);
    return rc;
}

/* --- coroutine objects --------------------------------------------------------------------- */

static int keep_strings(void *arguments);
static void drop_strings(void *arguments);

ASYNCIO__TWIN_KEPT(CODE, asyncio_loop_getaddrinfo, keep_strings, drop_strings,
                   (asyncio_loop_t *, loop), (const char *, host), (const char *, service),
                   (const struct addrinfo *, hints), (struct addrinfo **, ret_addresses))

static int keep_strings(void *arguments)
{
    struct asyncio_loop_getaddrinfo_arguments *a = arguments;
    const char *host = a->host, *service = a->service;
    a->host = host ? asyncio__strdup(host) : NULL;
    a->service = service ? asyncio__strdup(service) : NULL;
    bool is_complete = (!host || a->host) && (!service || a->service);
    return is_complete ? 0 : asyncio__fail(-ENOMEM, NULL);
}

static void drop_strings(void *arguments)
{
    struct asyncio_loop_getaddrinfo_arguments *a = arguments;
    asyncio__free_string((char *)a->host);
    asyncio__free_string((char *)a->service);
}

ASYNCIO__TWIN(CODE, asyncio_loop_getnameinfo, (asyncio_loop_t *, loop),
              (const struct sockaddr *, address), (socklen_t, size), (int, flags),
              (asyncio_names_t *, ret_names))
