/* SPDX-License-Identifier: MIT */
/*
 * The resolver: getaddrinfo and getnameinfo in threads of their own.
 *
 * At most LOOKUPS_MOST threads, started as they are needed, serve one queue for the process; an
 * idle one ends after a while. The queue has no bound of its own: each look-up in it is of a task
 * that waits, and leaves it at once when that is cancelled or its loop closed. One that a thread
 * has begun goes on, and what it finds is dropped. What must not be known here: who asks.
 */
#include <asyncio/resolver.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/syscalls.h"
#include "executor/thread.h"
#include "net/operation.h"
#include "task/task.h"
#include "task/twin.h"

#define LOOKUPS_MOST    8
#define IDLE_SECONDS    10
#define LOOKUP_STACK    ((size_t)256 * 1024)

typedef struct lookup {
    asyncio__inbox_node_t node;      /* brings it back to its loop */
    asyncio__list_t link;            /* in the queue, until a thread takes it */
    asyncio__inbox_t *inbox;         /* of its loop: a reference */
    asyncio_loop_t *loop;            /* used in its thread only */
    asyncio_future_t *waiter;        /* of who waits; NULL once nobody does */
    bool is_back;                    /* it was delivered */
    bool is_name;                    /* getnameinfo() */
    char *host, *service;            /* copies, or NULL */
    bool has_hints;                  /* hints count */
    struct addrinfo hints;           /* a copy */
    struct sockaddr_storage address; /* of getnameinfo() */
    socklen_t address_size;          /* of it */
    int flags;                       /* of getnameinfo() */
    int rc;                          /* EAI_… */
    int system_errno;                /* of EAI_SYSTEM */
    struct addrinfo *addresses;      /* what was found */
    asyncio_names_t names;           /* what was found */
} lookup_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t has_work = PTHREAD_COND_INITIALIZER;
static asyncio__list_t queue = {&queue, &queue}; /* of look-ups, oldest first */
static unsigned threads, idle;                   /* all of them; those that wait for work */
static unsigned queued;                          /* look-ups in the queue */

static void free_lookup(lookup_t *lookup)
{
    if (lookup->addresses)
        freeaddrinfo(lookup->addresses);
    asyncio__free_string(lookup->host);
    asyncio__free_string(lookup->service);
    asyncio__inbox_unref(lookup->inbox);
    asyncio__free(lookup, sizeof(*lookup));
}

/* --- in the threads ------------------------------------------------------------------------ */

static void look_up(lookup_t *lookup)
{
    if (lookup->is_name)
        lookup->rc = getnameinfo((struct sockaddr *)&lookup->address, lookup->address_size,
                                 lookup->names.host, sizeof(lookup->names.host),
                                 lookup->names.service, sizeof(lookup->names.service),
                                 lookup->flags);
    else
        lookup->rc = getaddrinfo(lookup->host, lookup->service,
                                 lookup->has_hints ? &lookup->hints : NULL, &lookup->addresses);
    lookup->system_errno = errno;
}

static lookup_t *take_work(void)
{
    struct timespec until = {0, 0};
    (void)asyncio__sys.clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += IDLE_SECONDS;
    idle++;
    while (queued == 0 && pthread_cond_timedwait(&has_work, &lock, &until) == 0)
        ;
    idle--;
    asyncio__list_t *first = asyncio__list_pop(&queue);
    if (!first)
        return NULL;
    queued--;
    return ASYNCIO__CONTAINER(first, lookup_t, link);
}

static void *work(void *unused)
{
    (void)unused;
    pthread_setname_np(pthread_self(), "asyncio-names");
    pthread_mutex_lock(&lock);
    lookup_t *lookup;
    while ((lookup = take_work())) {
        pthread_mutex_unlock(&lock);
        look_up(lookup);
        if (asyncio__inbox_post(lookup->inbox, &lookup->node) < 0)
            free_lookup(lookup); /* the loop has ended: nobody waits any more */
        pthread_mutex_lock(&lock);
    }
    threads--;
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* One more thread, if the idle ones have work already and it is allowed; 0 if there is any thread
 * at all. One that was woken counts as idle until it has the lock. */
static int start_thread(void)
{
    if (idle > queued || threads >= LOOKUPS_MOST)
        return 0;
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, LOOKUP_STACK);
    int rc = asyncio__thread_start(&thread, &attributes, work, NULL);
    pthread_attr_destroy(&attributes);
    threads += rc == 0;
    return threads > 0 ? 0 : rc;
}

/* In a forked child there are no threads, and the queue is the parent's; somebody may have held
 * the lock. */
static void forget(void)
{
    lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    has_work = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    asyncio__list_init(&queue);
    threads = idle = queued = 0;
}

static void watch_forks(void)
{
    asyncio__ignore(pthread_atfork(NULL, NULL, forget));
}

static int submit(lookup_t *lookup)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&lock);
    int rc = start_thread();
    if (rc == 0) {
        asyncio__list_append(&queue, &lookup->link);
        queued++;
        pthread_cond_signal(&has_work);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

/* Takes a look-up out of the queue; false if a thread has it, or had it. */
static bool take_back(lookup_t *lookup)
{
    pthread_mutex_lock(&lock);
    bool is_queued = asyncio__list_is_member(&lookup->link);
    if (is_queued) {
        asyncio__list_remove(&lookup->link);
        queued--;
    }
    pthread_mutex_unlock(&lock);
    return is_queued;
}

/* --- in the loop --------------------------------------------------------------------------- */

static void deliver(asyncio__inbox_node_t *node, bool closed)
{
    lookup_t *lookup = ASYNCIO__CONTAINER(node, lookup_t, node);
    (void)closed;
    lookup->loop->jobs--;
    lookup->is_back = true;
    if (lookup->waiter)
        asyncio__future_wake(lookup->waiter);
    else
        free_lookup(lookup);
}

static int fail(const lookup_t *lookup)
{
    if (lookup->rc == EAI_SYSTEM)
        return asyncio__fail(-lookup->system_errno, NULL);
    if (lookup->rc == EAI_MEMORY)
        return asyncio__fail(-ENOMEM, NULL);
    return asyncio__fail(ASYNCIO_EGAI, gai_strerror(lookup->rc));
}

/* Hands it to a thread and waits: 0 when it is back, with what it found; else it is gone. */
static int run_lookup(asyncio_loop_t *loop, lookup_t *lookup)
{
    int rc = asyncio__raise_late_cancel();
    if (rc == 0)
        rc = submit(lookup);
    if (rc < 0) {
        free_lookup(lookup);
        return rc == -ECANCELED ? rc : asyncio__fail(rc, "no thread for a look-up");
    }
    loop->jobs++;
    asyncio_future_t waiter;
    asyncio__future_init(&waiter, loop, NULL);
    waiter.place = "asyncio_loop_getaddrinfo";
    lookup->waiter = &waiter;
    rc = asyncio__future_wait(&waiter);
    asyncio__future_fini(&waiter);
    lookup->waiter = NULL;
    if (rc == 0 && lookup->rc == 0)
        return 0;
    if (rc == 0)
        rc = fail(lookup);
    if (lookup->is_back) {
        free_lookup(lookup);
    } else if (take_back(lookup)) {
        loop->jobs--;
        free_lookup(lookup);
    }
    return rc;
}

static lookup_t *make(asyncio_loop_t *loop)
{
    lookup_t *lookup = asyncio__calloc(sizeof(*lookup));
    if (!lookup)
        return NULL;
    lookup->node.deliver = deliver;
    lookup->loop = loop;
    lookup->inbox = asyncio__inbox_ref(loop->inbox);
    return lookup;
}

/* Literal addresses and no host at all are answered at once: true if this was one. */
static bool resolve_literal(const char *host, const char *service, const struct addrinfo *hints,
                            struct addrinfo **ret_addresses, int *ret_rc)
{
    struct addrinfo numeric = {0};
    if (hints)
        numeric = *hints;
    numeric.ai_flags |= AI_NUMERICHOST | AI_NUMERICSERV;
    *ret_rc = getaddrinfo(host, service, &numeric, ret_addresses);
    return *ret_rc == 0;
}

int asyncio_loop_getaddrinfo(asyncio_loop_t *loop, const char *host, const char *service,
                             const struct addrinfo *hints, struct addrinfo **ret_addresses)
{
    int rc = asyncio__operation_check(loop);
    if (rc < 0)
        return rc;
    if (!ret_addresses || (!host && !service))
        return asyncio__fail(-EINVAL, "no name, or no place for the answer, was given");
    if (resolve_literal(host, service, hints, ret_addresses, &rc))
        return 0;
    lookup_t *lookup = make(loop);
    if (lookup) {
        lookup->host = host ? asyncio__strdup(host) : NULL;
        lookup->service = service ? asyncio__strdup(service) : NULL;
    }
    if (!lookup || (host && !lookup->host) || (service && !lookup->service)) {
        if (lookup)
            free_lookup(lookup);
        return asyncio__fail(-ENOMEM, NULL);
    }
    if (hints) {
        lookup->has_hints = true;
        lookup->hints = (struct addrinfo){.ai_flags = hints->ai_flags,
                                          .ai_family = hints->ai_family,
                                          .ai_socktype = hints->ai_socktype,
                                          .ai_protocol = hints->ai_protocol};
    }
    rc = run_lookup(loop, lookup);
    if (rc < 0)
        return rc;
    *ret_addresses = lookup->addresses;
    lookup->addresses = NULL;
    free_lookup(lookup);
    return 0;
}

int asyncio_loop_getnameinfo(asyncio_loop_t *loop, const struct sockaddr *address, socklen_t size,
                             int flags, asyncio_names_t *ret_names)
{
    int rc = asyncio__operation_check(loop);
    if (rc < 0)
        return rc;
    if (!address || !ret_names || size > sizeof(struct sockaddr_storage))
        return asyncio__fail(-EINVAL, "no address, or no place for the answer, was given");
    lookup_t *lookup = make(loop);
    if (!lookup)
        return asyncio__fail(-ENOMEM, NULL);
    lookup->is_name = true;
    memcpy(&lookup->address, address, size);
    lookup->address_size = size;
    lookup->flags = flags;
    rc = run_lookup(loop, lookup);
    if (rc < 0)
        return rc;
    *ret_names = lookup->names;
    free_lookup(lookup);
    return 0;
}

/* --- coroutine objects --------------------------------------------------------------------- */

struct arguments {
    asyncio_loop_t *loop;            /* the running loop */
    char *host, *service;            /* copies, or NULL */
    const struct addrinfo *hints;    /* the caller's */
    struct addrinfo **ret_addresses; /* the caller's */
    const struct sockaddr *address;  /* the caller's */
    socklen_t size;                  /* of it */
    int flags;                       /* for getnameinfo */
    asyncio_names_t *ret_names;      /* the caller's */
};

static void destroy(void *arg)
{
    struct arguments *a = arg;
    asyncio__free_string(a->host);
    asyncio__free_string(a->service);
}

static int run_getaddrinfo(void *arg, void **ret_result)
{
    (void)ret_result;
    struct arguments *a = arg;
    return asyncio_loop_getaddrinfo(a->loop, a->host, a->service, a->hints, a->ret_addresses);
}

asyncio_coroutine_t *asyncio_loop_getaddrinfo_coroutine(asyncio_loop_t *loop, const char *host,
                                                        const char *service,
                                                        const struct addrinfo *hints,
                                                        struct addrinfo **ret_addresses)
{
    struct arguments arguments = {.loop = loop, .hints = hints, .ret_addresses = ret_addresses,
                                  .host = host ? asyncio__strdup(host) : NULL,
                                  .service = service ? asyncio__strdup(service) : NULL};
    asyncio_coroutine_t *twin = NULL;
    if ((!host || arguments.host) && (!service || arguments.service))
        twin = asyncio__twin(run_getaddrinfo, &arguments, sizeof(arguments), destroy,
                             "asyncio_loop_getaddrinfo");
    if (twin)
        return twin;
    destroy(&arguments);
    return asyncio__fail_new(-ENOMEM, NULL);
}

static int run_getnameinfo(void *arg, void **ret_result)
{
    (void)ret_result;
    struct arguments *a = arg;
    return asyncio_loop_getnameinfo(a->loop, a->address, a->size, a->flags, a->ret_names);
}

asyncio_coroutine_t *asyncio_loop_getnameinfo_coroutine(asyncio_loop_t *loop,
                                                        const struct sockaddr *address,
                                                        socklen_t size, int flags,
                                                        asyncio_names_t *ret_names)
{
    struct arguments arguments = {
        .loop = loop, .address = address, .size = size, .flags = flags, .ret_names = ret_names};
    return asyncio__twin(run_getnameinfo, &arguments, sizeof(arguments), NULL,
                         "asyncio_loop_getnameinfo");
}
