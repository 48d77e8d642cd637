/* SPDX-License-Identifier: MIT */
/*
 * The epoll set, and its care for descriptors that were closed behind the engine.
 *
 * The kernel names a registration by the open file, the engine by the number. A program may close
 * a descriptor that the engine has registered, and its number then means another one:
 *
 *     no copy is open:   the kernel dropped the registration with the file
 *     a copy is open:    the kernel keeps reporting the file, and nobody can name it any more
 *
 * owners[] says which entry the present registration of a number belongs to, so that the end of
 * the old entry does not remove the registration of the new one. An entry whose number means
 * another descriptor is lost: its owner is told (operations end with -EBADF), no event of it
 * counts, and its record lives as long as the set, which may still point to it. An event of a
 * lost entry, or too many of them, has the next wait() replace the set by one without them.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "base/syscalls.h"
#include "engine/descriptor.h"
#include "engine/epoll_engine.h"

/* This many lost entries more than live ones have the set replaced, so that they do not pile up. */
#define LOST_LIMIT 8

typedef asyncio__epoll_engine_t engine_t;
typedef asyncio__epoll_entry_t entry_t;

static int reserve_owner(engine_t *engine, int fd)
{
    size_t count = engine->owners_count ? engine->owners_count : 64;
    if ((size_t)fd < engine->owners_count)
        return 0;
    while (count <= (size_t)fd)
        count *= 2;
    entry_t **owners = asyncio__realloc(
        engine->owners, engine->owners_count * sizeof(*owners), count * sizeof(*owners));
    if (!owners)
        return -ENOMEM;
    memset(owners + engine->owners_count, 0, (count - engine->owners_count) * sizeof(*owners));
    engine->owners = owners;
    engine->owners_count = count;
    return 0;
}

int asyncio__epoll_add(engine_t *engine, entry_t *entry, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = entry};
    int rc = reserve_owner(engine, entry->fd);
    if (rc < 0)
        return rc;
    if (asyncio__sys.epoll_ctl(engine->epoll_fd, EPOLL_CTL_ADD, entry->fd, &event) < 0)
        return -errno;
    /* Two descriptors cannot have one number: the former one was closed. */
    if (engine->owners[entry->fd])
        asyncio__epoll_lose(engine, engine->owners[entry->fd]);
    engine->owners[entry->fd] = entry;
    entry->is_registered = true;
    return 0;
}

/*
 * Takes an entry out of the set. False when the number does not mean its descriptor any more:
 * then a copy of the descriptor may keep the registration alive, so the record must live on.
 */
static bool remove_entry(engine_t *engine, entry_t *entry)
{
    struct epoll_event event = {.events = 0};
    if (!entry->is_registered)
        return !entry->is_lost;
    entry->is_registered = false;
    engine->owners[entry->fd] = NULL;
    return asyncio__sys.epoll_ctl(engine->epoll_fd, EPOLL_CTL_DEL, entry->fd, &event) == 0;
}

static void free_entry(entry_t *entry)
{
    asyncio__list_remove(&entry->link);
    if (entry->kind == ASYNCIO__ENTRY_FILE) {
        asyncio__epoll_file_t *file = ASYNCIO__CONTAINER(entry, asyncio__epoll_file_t, entry);
        asyncio__free(file, sizeof(*file));
    } else {
        asyncio__epoll_watch_t *watch = ASYNCIO__CONTAINER(entry, asyncio__epoll_watch_t, entry);
        asyncio__free(watch, sizeof(*watch));
    }
}

bool asyncio__epoll_end_entry(engine_t *engine, entry_t *entry)
{
    engine->entry_count--;
    if (remove_entry(engine, entry)) {
        free_entry(entry);
        return true;
    }
    /* Any other error says nothing about the number: it is the entry's as before. */
    bool is_its_own = !entry->is_lost && errno != ENOENT && errno != EBADF;
    entry->is_lost = true;
    asyncio__list_remove(&entry->link);
    asyncio__list_append(&engine->lost, &entry->link);
    if (++engine->lost_count > engine->entry_count + LOST_LIMIT)
        engine->is_stale = true;
    return is_its_own;
}

void asyncio__epoll_free_lost(engine_t *engine)
{
    while (!asyncio__list_is_empty(&engine->lost))
        free_entry(ASYNCIO__CONTAINER(engine->lost.next, entry_t, link));
    engine->lost_count = 0;
}

static uint32_t events_of(const entry_t *entry)
{
    if (entry->kind == ASYNCIO__ENTRY_WATCH)
        return asyncio__poll_events(
            ASYNCIO__CONTAINER(entry, const asyncio__epoll_watch_t, entry)->user->events);
    return entry->kind == ASYNCIO__ENTRY_FILE ? ASYNCIO__EPOLL_FILE_EVENTS
                                              : ASYNCIO__EPOLL_WAKE_EVENTS;
}

bool asyncio__epoll_is_gone(const engine_t *engine, entry_t *entry)
{
    struct epoll_event event = {.events = events_of(entry), .data.ptr = entry};
    return asyncio__sys.epoll_ctl(engine->epoll_fd, EPOLL_CTL_MOD, entry->fd, &event) < 0 &&
           (errno == ENOENT || errno == EBADF);
}

ASYNCIO__COLD void asyncio__epoll_lose(engine_t *engine, entry_t *entry)
{
    entry->is_lost = true;
    entry->is_registered = false;
    engine->owners[entry->fd] = NULL;
    if (entry->kind == ASYNCIO__ENTRY_WATCH) {
        asyncio__epoll_report_watch(
            engine, ASYNCIO__CONTAINER(entry, asyncio__epoll_watch_t, entry), 0);
        return;
    }
    asyncio__epoll_file_t *file = ASYNCIO__CONTAINER(entry, asyncio__epoll_file_t, entry);
    /* Nothing is tried any more: a try would reach the descriptor that the number means now. */
    file->ready[ASYNCIO__INWARD] = file->ready[ASYNCIO__OUTWARD] = false;
    asyncio__epoll_end_operations(engine, file, -EBADF);
}

/* ---- Another set ---- */

/* Registers in another set every entry that this one holds rightly: 0 or -errno. */
static int copy_entries(engine_t *engine, int fresh, asyncio__list_t *entries)
{
    for (asyncio__list_t *link = entries->next; link != entries; link = link->next) {
        entry_t *entry = ASYNCIO__CONTAINER(link, entry_t, link);
        if (entry->is_registered && asyncio__epoll_is_gone(engine, entry))
            asyncio__epoll_lose(engine, entry);
        struct epoll_event event = {.events = events_of(entry), .data.ptr = entry};
        if (entry->is_registered &&
            asyncio__sys.epoll_ctl(fresh, EPOLL_CTL_ADD, entry->fd, &event) < 0)
            return -errno;
    }
    return 0;
}

static int add_to_outer(const engine_t *engine, int epoll_fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    return asyncio__sys.epoll_ctl(engine->outer_fd, EPOLL_CTL_ADD, epoll_fd, &event) < 0 ? -errno
                                                                                        : 0;
}

/* If this fails, the old set stays, and the next event of a lost entry starts another try. */
ASYNCIO__COLD void asyncio__epoll_renew(engine_t *engine)
{
    engine->is_stale = false;
    int fresh = asyncio__sys.epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = ASYNCIO__EPOLL_WAKE_EVENTS,
                                .data.ptr = &engine->wake_entry};
    if (fresh < 0)
        return;
    if (asyncio__sys.epoll_ctl(fresh, EPOLL_CTL_ADD, engine->wake_fd, &event) < 0 ||
        copy_entries(engine, fresh, &engine->files) < 0 ||
        copy_entries(engine, fresh, &engine->watches) < 0 ||
        (engine->outer_fd >= 0 && add_to_outer(engine, fresh) < 0)) {
        asyncio__sys.close(fresh);
        return;
    }
    /* The outer set drops the old one with this close. */
    asyncio__sys.close(engine->epoll_fd);
    engine->epoll_fd = fresh;
    asyncio__epoll_free_lost(engine);
}

/* A foreign loop remembers the descriptor that it polls: that must outlive every set. */
int asyncio__epoll_outer_fd(engine_t *engine)
{
    if (engine->outer_fd >= 0)
        return engine->outer_fd;
    engine->outer_fd = asyncio__sys.epoll_create1(EPOLL_CLOEXEC);
    if (engine->outer_fd < 0)
        return -errno;
    int rc = add_to_outer(engine, engine->epoll_fd);
    if (rc < 0) {
        asyncio__sys.close(engine->outer_fd);
        engine->outer_fd = -1;
        return rc;
    }
    return engine->outer_fd;
}
