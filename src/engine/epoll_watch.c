/* SPDX-License-Identifier: MIT */
/* Watches on epoll: level-triggered entries of the set. */
#include <errno.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "base/syscalls.h"
#include "engine/descriptor.h"
#include "engine/epoll_engine.h"

/* After this many events of a watch the engine asks the kernel whether its number still means the
 * registered descriptor. */
#define REPORTS_BETWEEN_CHECKS 1024

typedef asyncio__epoll_engine_t engine_t;
typedef asyncio__epoll_watch_t watch_t;

static void deliver_watch(asyncio__operation_t *due)
{
    watch_t *watch = ASYNCIO__CONTAINER(due, watch_t, due);
    unsigned events = watch->polled ? asyncio__watch_events(watch->polled, watch->user->events)
                                    : ASYNCIO__WATCH_GONE;
    if (events)
        watch->user->ready(watch->user, events);
}

void asyncio__epoll_report_watch(engine_t *engine, watch_t *watch, uint32_t events)
{
    watch->polled = events;
    if (asyncio__list_is_member(&watch->due.link))
        return;
    engine->base.in_flight++;
    asyncio__finish(&engine->base, &watch->due, 0);
}

void asyncio__epoll_handle_watch(engine_t *engine, watch_t *watch, uint32_t events)
{
    if (ASYNCIO__UNLIKELY(++watch->reports % REPORTS_BETWEEN_CHECKS == 0) &&
        asyncio__epoll_is_gone(engine, &watch->entry))
        asyncio__epoll_lose(engine, &watch->entry);
    else
        asyncio__epoll_report_watch(engine, watch, events);
}

void asyncio__epoll_end_watch(engine_t *engine, watch_t *watch)
{
    if (asyncio__list_is_member(&watch->due.link)) {
        asyncio__list_remove(&watch->due.link);
        engine->base.in_flight--;
    }
    engine->base.in_flight--;
    watch->user->engine_data = NULL;
    watch->user = NULL;
    asyncio__epoll_end_entry(engine, &watch->entry);
}

static int begin_watch(engine_t *engine, asyncio__watch_t *user)
{
    asyncio__file_kind_t kind;
    int rc = asyncio__descriptor_kind(user->fd, &kind);
    if (rc < 0)
        return rc;
    watch_t *watch = asyncio__calloc(sizeof(*watch));
    if (!watch)
        return -ENOMEM;
    watch->entry.kind = ASYNCIO__ENTRY_WATCH;
    watch->entry.fd = user->fd;
    watch->user = user;
    watch->due.complete = deliver_watch;
    rc = asyncio__epoll_add(engine, &watch->entry, asyncio__poll_events(user->events));
    if (rc < 0) {
        asyncio__free(watch, sizeof(*watch));
        return rc;
    }
    asyncio__list_append(&engine->watches, &watch->entry.link);
    engine->entry_count++;
    engine->base.in_flight++;
    user->engine_data = watch;
    return 0;
}

int asyncio__epoll_watch(asyncio__engine_t *base, asyncio__watch_t *user)
{
    engine_t *engine = asyncio__epoll_of(base);
    watch_t *watch = user->engine_data;
    if (!watch)
        return user->events ? begin_watch(engine, user) : 0;
    if (user->events == 0) {
        asyncio__epoll_end_watch(engine, watch);
        return 0;
    }
    struct epoll_event event = {.events = asyncio__poll_events(user->events),
                                .data.ptr = &watch->entry};
    if (watch->entry.is_registered) {
        if (asyncio__sys.epoll_ctl(engine->epoll_fd, EPOLL_CTL_MOD, user->fd, &event) == 0)
            return 0;
        if (errno != ENOENT && errno != EBADF)
            return -errno;
    }
    /* The descriptor was closed and the number may mean another one: watch that one. */
    asyncio__epoll_end_watch(engine, watch);
    int rc = begin_watch(engine, user);
    return rc < 0 ? rc : 1;
}
