/* SPDX-License-Identifier: MIT */
/*
 * The engine over epoll: readiness turned into completions.
 *
 * An operation is tried at once; one that would block waits for an event and is tried again. A
 * descriptor is registered once, at its first EAGAIN, edge-triggered for both directions, so that
 * steady traffic costs no epoll_ctl. For each direction a file remembers whether a try is worth
 * its system call:
 *
 *     ready[d]  --EAGAIN, or a short receive of TCP-->  not ready  --event-->  ready[d]
 *
 * No edge is lost: one that comes in between is in the next epoll_wait or, before the file was
 * registered, in what EPOLL_CTL_ADD reports.
 *
 * A regular file is always ready, so its READ and WRITE run on this thread, and may wait for the
 * disk.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/eventfd.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "base/sanitizer.h"
#include "base/syscalls.h"
#include "engine/descriptor.h"
#include "engine/epoll_engine.h"

/* The events that complete a pending poll without a system call. */
#define IN_EVENTS  ((uint32_t)(EPOLLIN | EPOLLHUP | EPOLLERR))
#define OUT_EVENTS ((uint32_t)(EPOLLOUT | EPOLLHUP | EPOLLERR))

typedef asyncio__epoll_engine_t engine_t;
typedef asyncio__epoll_file_t file_t;
typedef asyncio__epoll_entry_t entry_t;

static engine_t *engine_of(asyncio__engine_t *engine)
{
    return asyncio__epoll_of(engine);
}

static file_t *file_of(asyncio__file_t *file)
{
    return ASYNCIO__CONTAINER(file, file_t, base);
}

/* ---- Operations ---- */

static ASYNCIO__COLD int register_file(engine_t *engine, file_t *file)
{
    int protocol = 0;
    socklen_t size = sizeof(protocol);
    if (file->entry.is_lost)
        return -EBADF;
    if (file->asks_protocol &&
        asyncio__sys.getsockopt(file->base.fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
        protocol == IPPROTO_TCP)
        file->base.kind = ASYNCIO__FILE_TCP;
    return asyncio__epoll_add(engine, &file->entry, ASYNCIO__EPOLL_FILE_EVENTS);
}

/*
 * A receive that did not fill its buffer. A short receive of TCP left nothing behind, unless there
 * is an end, an error or an urgent mark, which stop a receive early and cause no second edge.
 */
static inline void note_short_receive(file_t *file, size_t received, size_t size)
{
    if (file->base.kind == ASYNCIO__FILE_TCP && !file->is_special && received < size)
        file->ready[ASYNCIO__INWARD] = false;
}

/* Keeps ready[] true to the kernel after a try that was not EAGAIN. */
static inline void note_success(file_t *file, const asyncio__operation_t *operation)
{
    if (file->base.kind == ASYNCIO__FILE_TCP && operation->kind == ASYNCIO__RECV &&
        operation->result > 0 && operation->flags == 0)
        note_short_receive(file, (size_t)operation->result, operation->size);
}

static inline void note_would_block(engine_t *engine, file_t *file,
                                    asyncio__operation_t *operation, int direction)
{
    if (ASYNCIO__UNLIKELY(operation->note & ASYNCIO__STARVED)) {
        operation->note &= (uint16_t)~ASYNCIO__STARVED;
        asyncio__list_remove(&file->retry_link);
        asyncio__list_append(&engine->starved, &file->retry_link);
        engine->has_retries = true;
        return;
    }
    /* These two wait for something else than the other receives. */
    if (operation->kind >= ASYNCIO__ACCEPT || !(operation->flags & (MSG_OOB | MSG_ERRQUEUE)))
        file->ready[direction] = false;
}

static int epoll_submit(asyncio__engine_t *base, asyncio__operation_t *operation)
{
    engine_t *engine = engine_of(base);
    file_t *file = file_of(operation->file);
    int direction = asyncio__direction(operation);
    if (ASYNCIO__UNLIKELY(base->is_closing))
        return -ECANCELED;
    operation->note = asyncio__first_note(operation);
    if (file->pending[direction] == 0 && file->ready[direction]) {
        if (asyncio__attempt(base, operation)) {
            note_success(file, operation);
            if (++file->inlined <= ASYNCIO__INLINE_LIMIT) {
                base->inlined++;
                return 1;
            }
            file->inlined = 0;
            base->in_flight++;
            base->submitted++;
            asyncio__finish(base, operation, operation->result);
            return 0;
        }
        note_would_block(engine, file, operation, direction);
    }
    if (!file->entry.is_registered) {
        int rc = register_file(engine, file);
        if (rc < 0) {
            asyncio__list_remove(&file->retry_link);
            return rc;
        }
    }
    operation->state = ASYNCIO__QUEUED;
    asyncio__list_append(&file->base.operations, &operation->link);
    file->pending[direction]++;
    file->inlined = 0;
    base->in_flight++;
    base->submitted++;
    return 0;
}

static inline void end_operation(engine_t *engine, file_t *file, asyncio__operation_t *operation,
                                 int direction, int result)
{
    asyncio__list_remove(&operation->link);
    file->pending[direction]--;
    asyncio__finish(&engine->base, operation, result);
}

static void epoll_cancel(asyncio__engine_t *base, asyncio__operation_t *operation)
{
    if (operation->state == ASYNCIO__QUEUED)
        end_operation(engine_of(base), file_of(operation->file), operation,
                      asyncio__direction(operation), -ECANCELED);
}

void asyncio__epoll_end_operations(engine_t *engine, file_t *file, int result)
{
    while (!asyncio__list_is_empty(&file->base.operations)) {
        asyncio__operation_t *operation = asyncio__operation_of(file->base.operations.next);
        end_operation(engine, file, operation, asyncio__direction(operation), result);
    }
}

/* Tries the pending operations of a file that events made ready; 0 when no event came. Inline in
 * the one caller that matters. */
static inline __attribute__((always_inline)) void handle_file(engine_t *engine, file_t *file,
                                                              uint32_t events)
{
    if (events & ~(uint32_t)EPOLLOUT)
        file->ready[ASYNCIO__INWARD] = true;
    if (events & OUT_EVENTS)
        file->ready[ASYNCIO__OUTWARD] = true;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI))
        file->is_special = true;

    asyncio__list_t *next, *all = &file->base.operations;
    bool is_blocked[2] = {false, false};
    for (asyncio__list_t *link = all->next; link != all; link = next) {
        asyncio__operation_t *operation = asyncio__operation_of(link);
        int direction = asyncio__direction(operation);
        next = link->next;
        if (is_blocked[direction] || !file->ready[direction])
            continue;
        /* The event alone ends a poll, as long as nothing has been transferred since. */
        if (asyncio__row_of(operation)->is_poll &&
            (events & (direction == ASYNCIO__INWARD ? IN_EVENTS : OUT_EVENTS))) {
            end_operation(engine, file, operation, direction, 0);
        } else if (asyncio__attempt(&engine->base, operation)) {
            events = 0;
            note_success(file, operation);
            end_operation(engine, file, operation, direction, operation->result);
        } else {
            note_would_block(engine, file, operation, direction);
            is_blocked[direction] = true;
        }
    }
}

static void epoll_return_buffer(asyncio__engine_t *base, void *buffer)
{
    asyncio__lender_return(&base->lender, buffer);
    if (base->is_foreign && !asyncio__list_is_empty(&engine_of(base)->starved))
        base->class->wake(base);
}

static int epoll_receive(asyncio__engine_t *base, asyncio__file_t *user, void *buffer, size_t size)
{
    file_t *file = file_of(user);
    if (file->pending[ASYNCIO__INWARD] > 0)
        return -EBUSY;
    if (!file->ready[ASYNCIO__INWARD])
        return file->entry.is_lost ? -EBADF : -EAGAIN;
    int received = asyncio__receive_now(user, buffer, size);
    if (received > 0)
        note_short_receive(file, (size_t)received, size);
    else if (received == -EAGAIN)
        file->ready[ASYNCIO__INWARD] = false;
    (void)base;
    return received;
}

/* ---- Files ---- */

static int epoll_open_file(asyncio__engine_t *base, int fd, asyncio__file_kind_t kind,
                           asyncio__file_t **ret_file)
{
    bool is_unknown = kind == ASYNCIO__FILE_ANY;
    int rc = is_unknown ? asyncio__descriptor_kind(fd, &kind) : 0;
    if (rc < 0)
        return rc;
    file_t *file = asyncio__calloc(sizeof(*file));
    if (!file)
        return -ENOMEM;
    file->base.fd = file->entry.fd = fd;
    file->base.kind = (uint8_t)kind;
    file->asks_protocol = is_unknown && kind == ASYNCIO__FILE_SOCKET;
    file->entry.kind = ASYNCIO__ENTRY_FILE;
    file->ready[ASYNCIO__INWARD] = file->ready[ASYNCIO__OUTWARD] = true;
    asyncio__list_init(&file->base.operations);
    asyncio__list_append(&engine_of(base)->files, &file->entry.link);
    engine_of(base)->entry_count++;
    *ret_file = &file->base;
    return 0;
}

static void epoll_close_file(asyncio__engine_t *base, asyncio__file_t *closed)
{
    engine_t *engine = engine_of(base);
    file_t *file = file_of(closed);
    int fd = closed->fd;
    asyncio__epoll_end_operations(engine, file, -EBADF);
    asyncio__list_remove(&file->retry_link);
    if (asyncio__epoll_end_entry(engine, &file->entry))
        asyncio__sys.close(fd);
}

static int epoll_detach_file(asyncio__engine_t *base, asyncio__file_t *file)
{
    if (!asyncio__list_is_empty(&file->operations))
        return -EBUSY;
    asyncio__list_remove(&file_of(file)->retry_link);
    asyncio__epoll_end_entry(engine_of(base), &file_of(file)->entry);
    return 0;
}

/* Has the next wait() try the pending operations of that direction, without an edge. */
static void try_again(engine_t *engine, file_t *file, int direction)
{
    file->ready[direction] = true;
    if (file->pending[direction] == 0)
        return;
    asyncio__list_remove(&file->retry_link);
    asyncio__list_append(&engine->retry, &file->retry_link);
    engine->has_retries = true;
    if (engine->base.is_foreign)
        engine->base.class->wake(&engine->base);
}

/* The kernel wakes the poll of the peer, and on AF_UNIX nobody who polls this end. */
static int epoll_shutdown_file(asyncio__engine_t *base, asyncio__file_t *user, int how)
{
    file_t *file = file_of(user);
    if (file->entry.is_lost)
        return -EBADF;
    if (asyncio__sys.shutdown(user->fd, how) < 0)
        return -errno;
    file->is_special = true;
    if (how != SHUT_WR)
        try_again(engine_of(base), file, ASYNCIO__INWARD);
    if (how != SHUT_RD)
        try_again(engine_of(base), file, ASYNCIO__OUTWARD);
    return 0;
}

/* ---- Waiting ---- */

static int wait_for_events(engine_t *engine, int64_t timeout_ns)
{
    engine->base.enters++;
    if (!engine->lacks_pwait2) {
        struct timespec timeout = {.tv_sec = timeout_ns / 1000000000,
                                   .tv_nsec = timeout_ns % 1000000000};
        int count =
            asyncio__sys.epoll_pwait2(engine->epoll_fd, engine->events, ASYNCIO__EPOLL_EVENTS,
                                      timeout_ns < 0 ? NULL : &timeout);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM))
            return count;
        engine->lacks_pwait2 = true;
    }
    int timeout_ms = -1;
    if (timeout_ns >= 0) {
        int64_t rounded = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
        timeout_ms = rounded < INT_MAX ? (int)rounded : INT_MAX;
    }
    return asyncio__sys.epoll_wait(engine->epoll_fd, engine->events, ASYNCIO__EPOLL_EVENTS,
                                   timeout_ms);
}

/* Prefetches for the events to come: first their records, then the operations these lead to. */
static inline void fetch_ahead(const struct epoll_event *events, int left)
{
    if (left > 8) {
        __builtin_prefetch(events[8].data.ptr, 1);
        __builtin_prefetch((const char *)events[8].data.ptr + 64, 1);
    }
    if (left > 5) {
        entry_t *entry = events[5].data.ptr;
        if (entry->kind == ASYNCIO__ENTRY_FILE)
            asyncio__fetch_operation(asyncio__operation_of(
                ASYNCIO__CONTAINER(entry, file_t, entry)->base.operations.next));
    }
}

static ASYNCIO__COLD void retry_file(engine_t *engine, asyncio__list_t *link)
{
    handle_file(engine, ASYNCIO__CONTAINER(link, file_t, retry_link), /* events= */ 0);
}

/* The rare work before a wait: replaces a stale set, then tries the files that need a try without
 * an event, and those for which buffers have been returned. */
static ASYNCIO__COLD void prepare_wait(engine_t *engine)
{
    asyncio__list_t *link;
    if (engine->is_stale)
        asyncio__epoll_renew(engine);
    while ((link = asyncio__list_pop(&engine->retry)) != NULL)
        retry_file(engine, link);
    /* A file that needs a buffer again is starved again, and then there is none free. */
    while (engine->base.lender.free_count > 0 &&
           (link = asyncio__list_pop(&engine->starved)) != NULL)
        retry_file(engine, link);
    engine->has_retries = !asyncio__list_is_empty(&engine->starved);
}

static int epoll_wait_(asyncio__engine_t *base, int64_t timeout_ns)
{
    engine_t *engine = engine_of(base);
    int rc = 0;
    base->is_waiting = true;
    if (ASYNCIO__UNLIKELY(engine->is_stale || engine->has_retries))
        prepare_wait(engine);
    if (!asyncio__list_is_empty(&base->done))
        timeout_ns = 0;
    int count = wait_for_events(engine, timeout_ns);
    if (count < 0 && errno != EINTR)
        rc = -errno;
    for (int i = 0; i < count; i++) {
        entry_t *entry = engine->events[i].data.ptr;
        uint32_t events = engine->events[i].events;
        fetch_ahead(&engine->events[i], count - i);
        if (entry->kind == ASYNCIO__ENTRY_WAKE)
            continue;
        if (ASYNCIO__UNLIKELY(entry->is_lost)) {
            engine->is_stale = true;
            continue;
        }
        if (entry->kind == ASYNCIO__ENTRY_FILE)
            handle_file(engine, ASYNCIO__CONTAINER(entry, file_t, entry), events);
        else
            asyncio__epoll_handle_watch(
                engine, ASYNCIO__CONTAINER(entry, asyncio__epoll_watch_t, entry), events);
    }
    asyncio__deliver(base);
    return rc;
}

static void epoll_wake(asyncio__engine_t *base)
{
    int saved = errno;
    asyncio__eventfd_ring(engine_of(base)->wake_fd);
    errno = saved;
}

static int epoll_poll_fd(asyncio__engine_t *base)
{
    int fd = asyncio__epoll_outer_fd(engine_of(base));
    base->is_foreign = fd >= 0;
    return fd;
}

/* ---- Beginning and end ---- */

static void free_engine(engine_t *engine)
{
    if (engine->wake_fd >= 0)
        asyncio__sys.close(engine->wake_fd);
    if (engine->outer_fd >= 0)
        asyncio__sys.close(engine->outer_fd);
    if (engine->epoll_fd >= 0)
        asyncio__sys.close(engine->epoll_fd);
    asyncio__lender_fini(&engine->base.lender);
    asyncio__free(engine->owners, engine->owners_count * sizeof(*engine->owners));
    asyncio__free(engine, sizeof(*engine));
}

static void epoll_close(asyncio__engine_t *base)
{
    engine_t *engine = engine_of(base);
    asyncio__list_t *link;
    base->is_closing = true;
    for (link = engine->files.next; link != &engine->files; link = link->next)
        asyncio__epoll_end_operations(engine, ASYNCIO__CONTAINER(link, file_t, entry.link),
                                      -ECANCELED);
    while (!asyncio__list_is_empty(&engine->watches))
        asyncio__epoll_end_watch(engine, ASYNCIO__CONTAINER(engine->watches.next,
                                                            asyncio__epoll_watch_t, entry.link));
    /* Nothing can be submitted now, so this ends. */
    while (!asyncio__list_is_empty(&base->done))
        asyncio__deliver(base);
    while (!asyncio__list_is_empty(&engine->files))
        epoll_close_file(base,
                         &ASYNCIO__CONTAINER(engine->files.next, file_t, entry.link)->base);
    asyncio__epoll_free_lost(engine);
    free_engine(engine);
}

static const asyncio__engine_class_t epoll_class = {
    .name = "epoll",
    .close = epoll_close,
    .open_file = epoll_open_file,
    .close_file = epoll_close_file,
    .detach_file = epoll_detach_file,
    .shutdown_file = epoll_shutdown_file,
    .submit = epoll_submit,
    .cancel = epoll_cancel,
    .return_buffer = epoll_return_buffer,
    .receive = epoll_receive,
    .wait = epoll_wait_,
    .abandon = asyncio__deliver,
    .wake = epoll_wake,
    .watch = asyncio__epoll_watch,
    .poll_fd = epoll_poll_fd,
};

int asyncio__epoll_open(asyncio__engine_t **ret_engine)
{
    engine_t *engine = asyncio__calloc(sizeof(*engine));
    if (!engine)
        return -ENOMEM;
    asyncio__engine_init(&engine->base, &epoll_class);
    engine->base.is_preferred = true;
    /* Valgrind warns about every system call that it does not know. */
    engine->lacks_pwait2 = asyncio__on_valgrind();
    asyncio__list_init(&engine->files);
    asyncio__list_init(&engine->watches);
    asyncio__list_init(&engine->lost);
    asyncio__list_init(&engine->retry);
    asyncio__list_init(&engine->starved);
    engine->wake_fd = engine->outer_fd = -1;
    engine->epoll_fd = asyncio__sys.epoll_create1(EPOLL_CLOEXEC);
    int rc = engine->epoll_fd < 0 ? -errno : 0;
    if (rc == 0) {
        engine->wake_fd = asyncio__sys.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        rc = engine->wake_fd < 0 ? -errno : 0;
    }
    if (rc == 0) {
        engine->wake_entry.kind = ASYNCIO__ENTRY_WAKE;
        engine->wake_entry.fd = engine->wake_fd;
        rc = asyncio__epoll_add(engine, &engine->wake_entry, ASYNCIO__EPOLL_WAKE_EVENTS);
    }
    if (rc < 0) {
        free_engine(engine);
        return rc;
    }
    *ret_engine = &engine->base;
    return 0;
}
