/* SPDX-License-Identifier: MIT */
/*
 * What the files of the epoll engine share: epoll.c (operations, files, waiting), epoll_set.c
 * (registrations, and descriptors that were closed behind the engine), epoll_watch.c (watches).
 * Nobody else includes this.
 */
#ifndef ASYNCIO__ENGINE_EPOLL_ENGINE_H
#define ASYNCIO__ENGINE_EPOLL_ENGINE_H

#include <sys/epoll.h>

#include "engine/completion.h"
#include "engine/operations.h"

/* Most events that one wait() takes. Each connection is touched twice, by its event and, once all
 * events were handled, by its task: with so few, their sockets are still in the cache. */
#define ASYNCIO__EPOLL_EVENTS 64

#define ASYNCIO__EPOLL_FILE_EVENTS \
    ((uint32_t)(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET))
#define ASYNCIO__EPOLL_WAKE_EVENTS ((uint32_t)(EPOLLIN | EPOLLET))

/* What an event of the set points to: how the records of files and watches begin. */
typedef struct asyncio__epoll_entry {
    enum { ASYNCIO__ENTRY_WAKE, ASYNCIO__ENTRY_FILE, ASYNCIO__ENTRY_WATCH } kind;
    int fd;               /* the number under which it was registered */
    bool is_registered;   /* it is in the epoll set */
    bool is_lost;         /* its number means another descriptor: its events do not count */
    asyncio__list_t link; /* in the engine's files, watches or, ended and lost, in lost */
} asyncio__epoll_entry_t;

typedef struct asyncio__epoll_file {
    asyncio__file_t base;
    asyncio__epoll_entry_t entry;
    bool ready[2];                /* by direction: a try may succeed */
    bool asks_protocol;           /* the registration finds out whether it is TCP */
    bool is_special;              /* a hang-up, an error or an urgent mark stops reads early */
    unsigned inlined;             /* completions at once, in a row */
    unsigned pending[2];          /* by direction: operations in base.operations */
    asyncio__list_t retry_link;   /* in the engine's retry or starved */
} asyncio__epoll_file_t;

typedef struct asyncio__epoll_watch {
    asyncio__epoll_entry_t entry;
    asyncio__watch_t *user;   /* whose events these are */
    unsigned polled;          /* epoll's bits to deliver; 0: its descriptor was closed */
    unsigned reports;         /* events so far */
    asyncio__operation_t due; /* stands for the watch in the queue of completions */
} asyncio__epoll_watch_t;

typedef struct asyncio__epoll_engine {
    asyncio__engine_t base;
    int epoll_fd;                      /* the set */
    int outer_fd;                      /* holds the set, for a foreign loop to poll; or -1 */
    int wake_fd;                       /* an eventfd in the set, edge-triggered and never read */
    bool lacks_pwait2;                 /* the kernel has only the milliseconds of epoll_wait */
    bool is_stale;                     /* the set names lost entries: the next wait() replaces it */
    bool has_retries;                  /* retry or starved may have a file */
    asyncio__epoll_entry_t wake_entry; /* of wake_fd */
    asyncio__epoll_entry_t **owners;   /* by number: the entry registered there, or NULL */
    size_t owners_count;               /* room in owners */
    asyncio__list_t files;             /* all open files */
    asyncio__list_t retry;             /* files that the next wait() tries without an event */
    asyncio__list_t starved;           /* files with a receive that waits for a lent buffer */
    asyncio__list_t watches;           /* all that have not ended */
    size_t entry_count;                /* of files and watches */
    asyncio__list_t lost;              /* ended entries that the kernel may still name */
    size_t lost_count;                 /* of lost */
    struct epoll_event events[ASYNCIO__EPOLL_EVENTS]; /* of the present wait() */
} asyncio__epoll_engine_t;

static inline asyncio__epoll_engine_t *asyncio__epoll_of(asyncio__engine_t *engine)
{
    return ASYNCIO__CONTAINER(engine, asyncio__epoll_engine_t, base);
}

/* ---- epoll.c ---- */

/* Completes every pending operation of a file with that result. */
void asyncio__epoll_end_operations(asyncio__epoll_engine_t *engine, asyncio__epoll_file_t *file,
                                   int result);

/* ---- epoll_set.c ---- */

/* Registers an entry: 0 or -errno. */
int asyncio__epoll_add(asyncio__epoll_engine_t *engine, asyncio__epoll_entry_t *entry,
                       uint32_t events);

/* Ends an entry and frees its record, now or once the kernel cannot name it any more. True when
 * its number still means its descriptor. */
bool asyncio__epoll_end_entry(asyncio__epoll_engine_t *engine, asyncio__epoll_entry_t *entry);

/* Whether the registration under this number belongs to a file that has since been closed. */
bool asyncio__epoll_is_gone(const asyncio__epoll_engine_t *engine, asyncio__epoll_entry_t *entry);

/* Called when the descriptor was closed without the engine: tells the owner. */
void asyncio__epoll_lose(asyncio__epoll_engine_t *engine, asyncio__epoll_entry_t *entry);

/* Replaces the set by one without lost entries, if it is stale. */
void asyncio__epoll_renew(asyncio__epoll_engine_t *engine);

/* Frees the lost entries: the set that names them is closed. */
void asyncio__epoll_free_lost(asyncio__epoll_engine_t *engine);

/* A descriptor that is readable while the set has an event, and that outlives the set. */
int asyncio__epoll_outer_fd(asyncio__epoll_engine_t *engine);

/* ---- epoll_watch.c ---- */

int asyncio__epoll_watch(asyncio__engine_t *base, asyncio__watch_t *user);

void asyncio__epoll_handle_watch(asyncio__epoll_engine_t *engine, asyncio__epoll_watch_t *watch,
                                 uint32_t events);

/* Has the watch's owner called with these events; 0: its descriptor was closed. */
void asyncio__epoll_report_watch(asyncio__epoll_engine_t *engine, asyncio__epoll_watch_t *watch,
                                 uint32_t events);

void asyncio__epoll_end_watch(asyncio__epoll_engine_t *engine, asyncio__epoll_watch_t *watch);

#endif
