/* SPDX-License-Identifier: MIT */
/*
 * The engine over epoll: readiness made into completions.
 *
 * An operation is tried at once; what would block waits for an event and is tried again. A
 * descriptor is registered once, at its first EAGAIN, edge-triggered for both directions, so
 * that steady work costs no epoll_ctl. Per direction a file remembers whether a try is worth its
 * system call:
 *
 *     ready[d]  --EAGAIN, or a short read of TCP-->  not ready  --event-->  ready[d]
 *
 * An edge that comes between is not lost: it is in the next epoll_wait, or, before the file was
 * registered, in what EPOLL_CTL_ADD reports. Watches are level-triggered entries of the same set.
 *
 * The kernel names registrations by open file, we by number. owners[] says whose the present
 * registration of a number is: a descriptor that the program closed behind our back, and whose
 * number has a new owner, must not take the new owner's registration away. Where a copy of such a
 * descriptor is open, the kernel goes on reporting it, and nobody can name it any more: its record
 * is lost, and an event that leads there has the set made anew, of what is there by right.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "base/sanitizer.h"
#include "base/syscalls.h"
#include "engine/attempt.h"
#include "engine/completion.h"

/* What a wait() takes at most. Each connection is touched twice, by its event and, when all events
 * were looked through, by its task: with so few of them their sockets are still in the cache. */
#define EVENTS_MAX 64

/* After so many reports of a watch the kernel is asked whether it is of the number's descriptor. */
#define REPORTS_BETWEEN 1024
/* So many lost entries more than others have the set made anew, so that they do not pile up. */
#define LOST_MOST 8

#define FILE_EVENTS ((uint32_t)(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET))
#define WAKE_EVENTS ((uint32_t)(EPOLLIN | EPOLLET))

/* What an event of the set leads to: how the records of files and watches begin. */
typedef struct entry {
    enum { ENTRY_WAKE, ENTRY_FILE, ENTRY_WATCH } kind;
    int fd;               /* the number under which it was registered */
    bool is_registered;   /* it is in the epoll set */
    bool is_lost;         /* its number means something else: no event counts */
    asyncio__list_t link; /* in the engine's files, watches or, ended and lost, in lost */
} entry_t;

typedef struct file {
    asyncio__file_t base;
    entry_t entry;
    bool ready[2];          /* by direction: a try may succeed */
    bool is_socket;         /* else read(2) and write(2) */
    bool asks_protocol;     /* its registration sets drains */
    bool drains;            /* TCP: a short read means that nothing is left */
    bool is_special;        /* a hang-up, error or urgent data came: a short read means nothing */
    unsigned inlined;       /* completions at once, in a row */
    unsigned pending[2];    /* by direction: operations in base.operations */
} file_t;

typedef struct watch {
    entry_t entry;
    asyncio__watch_t *user;   /* whose events these are */
    unsigned polled;          /* epoll's bits that are to be delivered; 0: its descriptor is gone */
    unsigned reports;         /* of it so far */
    asyncio__operation_t due; /* stands for the watch in the queue of completions */
} watch_t;

typedef struct engine {
    asyncio__engine_t base;
    int epoll_fd;          /* the set */
    int wake_fd;           /* an eventfd in the set, edge-triggered and never read */
    bool lacks_pwait2;     /* the kernel has only epoll_wait's milliseconds */
    bool is_stale;         /* the set names what is lost: the next wait() makes it anew */
    entry_t wake_entry;    /* of wake_fd */
    entry_t **owners;      /* by number: the entry registered there, or NULL */
    size_t owners_count;   /* room in owners */
    asyncio__list_t files; /* all that are open */
    asyncio__list_t watches; /* all that go on */
    size_t entry_count;    /* of files and watches */
    asyncio__list_t lost;  /* ended entries that the kernel may still name; freed with the set */
    size_t lost_count;     /* of lost */
    struct epoll_event events[EVENTS_MAX]; /* of the present wait() */
} engine_t;

static engine_t *engine_of(asyncio__engine_t *engine)
{
    return ASYNCIO__CONTAINER(engine, engine_t, base);
}

static file_t *file_of(asyncio__file_t *file)
{
    return ASYNCIO__CONTAINER(file, file_t, base);
}

/* ---- Registrations ---- */

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

static void lose_entry(engine_t *engine, entry_t *entry);

static int add_entry(engine_t *engine, entry_t *entry, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = entry};
    int rc = reserve_owner(engine, entry->fd);
    if (rc < 0)
        return rc;
    if (asyncio__sys.epoll_ctl(engine->epoll_fd, EPOLL_CTL_ADD, entry->fd, &event) < 0)
        return -errno;
    /* Two descriptors cannot have one number: the former one was closed. */
    if (engine->owners[entry->fd])
        lose_entry(engine, engine->owners[entry->fd]);
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
    if (entry->kind == ENTRY_FILE)
        asyncio__free(ASYNCIO__CONTAINER(entry, file_t, entry), sizeof(file_t));
    else
        asyncio__free(ASYNCIO__CONTAINER(entry, watch_t, entry), sizeof(watch_t));
}

/* Ends an entry; true when its number still means its descriptor. */
static bool end_entry(engine_t *engine, entry_t *entry)
{
    engine->entry_count--;
    if (remove_entry(engine, entry)) {
        free_entry(entry);
        return true;
    }
    /* Any other error says nothing of the number: it is as much the entry's as before. */
    bool is_its_own = !entry->is_lost && errno != ENOENT && errno != EBADF;
    entry->is_lost = true;
    asyncio__list_remove(&entry->link);
    asyncio__list_append(&engine->lost, &entry->link);
    if (++engine->lost_count > engine->entry_count + LOST_MOST)
        engine->is_stale = true;
    return is_its_own;
}

static void free_lost(engine_t *engine)
{
    while (!asyncio__list_is_empty(&engine->lost))
        free_entry(ASYNCIO__CONTAINER(engine->lost.next, entry_t, link));
    engine->lost_count = 0;
}

static ASYNCIO__COLD int register_file(engine_t *engine, file_t *file)
{
    int protocol = 0;
    socklen_t size = sizeof(protocol);
    if (file->entry.is_lost)
        return -EBADF;
    if (file->asks_protocol && asyncio__sys.getsockopt(file->base.fd, SOL_SOCKET, SO_PROTOCOL,
                                                       &protocol, &size) == 0)
        file->drains = protocol == IPPROTO_TCP;
    return add_entry(engine, &file->entry, FILE_EVENTS);
}

/* ---- Operations ---- */

/*
 * Keeps ready[] true to the kernel after a try that was not EAGAIN. A short read of TCP left
 * nothing behind, unless there is an end, an error or an urgent mark, which stop a read early
 * and of which no second edge would tell.
 */
static inline void note_success(file_t *file, const asyncio__operation_t *operation)
{
    if (operation->kind == ASYNCIO__RECV && file->drains && !file->is_special &&
        operation->result > 0 && (size_t)operation->result < operation->size &&
        operation->flags == 0)
        file->ready[ASYNCIO__READ] = false;
}

static inline void note_would_block(file_t *file, const asyncio__operation_t *operation)
{
    /* These two wait for something else than what the other reads wait for. */
    if (!(operation->flags & (MSG_OOB | MSG_ERRQUEUE)))
        file->ready[asyncio__direction(operation)] = false;
}

static int epoll_submit(asyncio__engine_t *base, asyncio__operation_t *operation)
{
    engine_t *engine = engine_of(base);
    file_t *file = file_of(operation->file);
    int direction = asyncio__direction(operation);
    if (ASYNCIO__UNLIKELY(base->is_closing))
        return -ECANCELED;
    operation->note = 0;
    if (file->pending[direction] == 0 && file->ready[direction]) {
        if (asyncio__attempt(operation, file->is_socket)) {
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
        note_would_block(file, operation);
    }
    if (!file->entry.is_registered) {
        int rc = register_file(engine, file);
        if (rc < 0)
            return rc;
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
                                 int result)
{
    asyncio__list_remove(&operation->link);
    file->pending[asyncio__direction(operation)]--;
    asyncio__finish(&engine->base, operation, result);
}

static void epoll_cancel(asyncio__engine_t *base, asyncio__operation_t *operation)
{
    if (operation->state == ASYNCIO__QUEUED)
        end_operation(engine_of(base), file_of(operation->file), operation, -ECANCELED);
}

static void end_operations(engine_t *engine, file_t *file, int result)
{
    while (!asyncio__list_is_empty(&file->base.operations))
        end_operation(engine, file, asyncio__operation_of(file->base.operations.next), result);
}

static void handle_file(engine_t *engine, file_t *file, uint32_t events)
{
    if (events & ~(uint32_t)EPOLLOUT)
        file->ready[ASYNCIO__READ] = true;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        file->ready[ASYNCIO__WRITE] = true;
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
        if (asyncio__attempt(operation, file->is_socket)) {
            note_success(file, operation);
            end_operation(engine, file, operation, operation->result);
        } else {
            note_would_block(file, operation);
            is_blocked[direction] = true;
        }
    }
}

/* ---- Files ---- */

static int epoll_open_file(asyncio__engine_t *base, int fd, asyncio__file_kind_t kind,
                           asyncio__file_t **ret_file)
{
    bool is_socket = true;
    int rc = kind == ASYNCIO__FILE_ANY ? asyncio__descriptor_check(fd, &is_socket) : 0;
    if (rc < 0)
        return rc;
    file_t *file = asyncio__calloc(sizeof(*file));
    if (!file)
        return -ENOMEM;
    file->base.fd = file->entry.fd = fd;
    file->entry.kind = ENTRY_FILE;
    file->is_socket = is_socket;
    file->asks_protocol = is_socket && kind == ASYNCIO__FILE_ANY;
    file->drains = kind == ASYNCIO__FILE_TCP;
    file->ready[ASYNCIO__READ] = file->ready[ASYNCIO__WRITE] = true;
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
    end_operations(engine, file, -EBADF);
    if (end_entry(engine, &file->entry))
        asyncio__sys.close(fd);
}

static int epoll_detach_file(asyncio__engine_t *base, asyncio__file_t *file)
{
    if (!asyncio__list_is_empty(&file->operations))
        return -EBUSY;
    end_entry(engine_of(base), &file_of(file)->entry);
    return 0;
}

/* ---- Watches ---- */

static void deliver_watch(asyncio__operation_t *due)
{
    watch_t *watch = ASYNCIO__CONTAINER(due, watch_t, due);
    unsigned events = watch->polled ? asyncio__watch_events(watch->polled, watch->user->events)
                                    : ASYNCIO__WATCH_GONE;
    if (events)
        watch->user->ready(watch->user, events);
}

/* Zero says that the descriptor is gone. */
static void report_watch(engine_t *engine, watch_t *watch, uint32_t events)
{
    watch->polled = events;
    if (asyncio__list_is_member(&watch->due.link))
        return;
    engine->base.in_flight++;
    asyncio__finish(&engine->base, &watch->due, 0);
}

static uint32_t events_of(const entry_t *entry)
{
    if (entry->kind == ENTRY_WATCH)
        return asyncio__poll_events(
            ASYNCIO__CONTAINER(entry, const watch_t, entry)->user->events);
    return entry->kind == ENTRY_FILE ? FILE_EVENTS : WAKE_EVENTS;
}

/* Is the registration of a number no more of the descriptor that it means. */
static bool is_gone(const engine_t *engine, entry_t *entry)
{
    struct epoll_event event = {.events = events_of(entry), .data.ptr = entry};
    return asyncio__sys.epoll_ctl(engine->epoll_fd, EPOLL_CTL_MOD, entry->fd, &event) < 0 &&
           (errno == ENOENT || errno == EBADF);
}

/* The descriptor was closed behind our back: who waits is told. */
static ASYNCIO__COLD void lose_entry(engine_t *engine, entry_t *entry)
{
    entry->is_lost = true;
    entry->is_registered = false;
    engine->owners[entry->fd] = NULL;
    if (entry->kind == ENTRY_WATCH) {
        report_watch(engine, ASYNCIO__CONTAINER(entry, watch_t, entry), 0);
        return;
    }
    file_t *file = ASYNCIO__CONTAINER(entry, file_t, entry);
    /* Nothing is tried any more: it would be on what the number means now. */
    file->ready[ASYNCIO__READ] = file->ready[ASYNCIO__WRITE] = false;
    end_operations(engine, file, -EBADF);
}

static void handle_watch(engine_t *engine, watch_t *watch, uint32_t events)
{
    if (ASYNCIO__UNLIKELY(++watch->reports % REPORTS_BETWEEN == 0) &&
        is_gone(engine, &watch->entry))
        lose_entry(engine, &watch->entry);
    else
        report_watch(engine, watch, events);
}

static void end_watch(engine_t *engine, watch_t *watch)
{
    if (asyncio__list_is_member(&watch->due.link)) {
        asyncio__list_remove(&watch->due.link);
        engine->base.in_flight--;
    }
    engine->base.in_flight--;
    watch->user->engine_data = NULL;
    watch->user = NULL;
    end_entry(engine, &watch->entry);
}

static int begin_watch(engine_t *engine, asyncio__watch_t *user)
{
    bool is_socket;
    int rc = asyncio__descriptor_check(user->fd, &is_socket);
    if (rc < 0)
        return rc;
    watch_t *watch = asyncio__calloc(sizeof(*watch));
    if (!watch)
        return -ENOMEM;
    watch->entry.kind = ENTRY_WATCH;
    watch->entry.fd = user->fd;
    watch->user = user;
    watch->due.complete = deliver_watch;
    rc = add_entry(engine, &watch->entry, asyncio__poll_events(user->events));
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

static int epoll_watch(asyncio__engine_t *base, asyncio__watch_t *user)
{
    engine_t *engine = engine_of(base);
    watch_t *watch = user->engine_data;
    if (!watch)
        return user->events ? begin_watch(engine, user) : 0;
    if (user->events == 0) {
        end_watch(engine, watch);
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
    /* The descriptor was closed and the number may mean another one: begin again with that. */
    end_watch(engine, watch);
    int rc = begin_watch(engine, user);
    return rc < 0 ? rc : 1;
}

/* ---- A new set ---- */

/* Registers in another set what is in this one by right: 0 or -errno. */
static int move_entries(engine_t *engine, int fresh, asyncio__list_t *entries)
{
    for (asyncio__list_t *link = entries->next; link != entries; link = link->next) {
        entry_t *entry = ASYNCIO__CONTAINER(link, entry_t, link);
        if (entry->is_registered && is_gone(engine, entry))
            lose_entry(engine, entry);
        struct epoll_event event = {.events = events_of(entry), .data.ptr = entry};
        if (entry->is_registered &&
            asyncio__sys.epoll_ctl(fresh, EPOLL_CTL_ADD, entry->fd, &event) < 0)
            return -errno;
    }
    return 0;
}

/*
 * Leaves behind what the kernel names and we cannot take out. If that fails, the old set stays,
 * and the next event of what is lost has it tried again; so where a foreign loop polls the set.
 */
static ASYNCIO__COLD void renew_set(engine_t *engine)
{
    engine->is_stale = false;
    if (engine->base.is_foreign)
        return;
    int fresh = asyncio__sys.epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = WAKE_EVENTS, .data.ptr = &engine->wake_entry};
    if (fresh < 0)
        return;
    if (asyncio__sys.epoll_ctl(fresh, EPOLL_CTL_ADD, engine->wake_fd, &event) < 0 ||
        move_entries(engine, fresh, &engine->files) < 0 ||
        move_entries(engine, fresh, &engine->watches) < 0) {
        asyncio__sys.close(fresh);
        return;
    }
    asyncio__sys.close(engine->epoll_fd);
    engine->epoll_fd = fresh;
    free_lost(engine);
}

/* ---- Waiting ---- */

static int wait_for_events(engine_t *engine, int64_t timeout_ns)
{
    engine->base.enters++;
    if (!engine->lacks_pwait2) {
        struct timespec timeout = {.tv_sec = timeout_ns / 1000000000,
                                   .tv_nsec = timeout_ns % 1000000000};
        int count = asyncio__sys.epoll_pwait2(engine->epoll_fd, engine->events, EVENTS_MAX,
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
    return asyncio__sys.epoll_wait(engine->epoll_fd, engine->events, EVENTS_MAX, timeout_ms);
}

/* Of the events to come: first their records, then the operations that these lead to. */
static inline void fetch_ahead(const struct epoll_event *events, int left)
{
    if (left > 8) {
        __builtin_prefetch(events[8].data.ptr, 1);
        __builtin_prefetch((const char *)events[8].data.ptr + 64, 1);
    }
    if (left > 5) {
        entry_t *entry = events[5].data.ptr;
        if (entry->kind == ENTRY_FILE)
            asyncio__fetch_operation(asyncio__operation_of(
                ASYNCIO__CONTAINER(entry, file_t, entry)->base.operations.next));
    }
}

static int epoll_wait_(asyncio__engine_t *base, int64_t timeout_ns)
{
    engine_t *engine = engine_of(base);
    int rc = 0;
    if (ASYNCIO__UNLIKELY(engine->is_stale))
        renew_set(engine);
    if (!asyncio__list_is_empty(&base->done))
        timeout_ns = 0;
    base->is_waiting = true;
    int count = wait_for_events(engine, timeout_ns);
    if (count < 0 && errno != EINTR)
        rc = -errno;
    for (int i = 0; i < count; i++) {
        entry_t *entry = engine->events[i].data.ptr;
        uint32_t events = engine->events[i].events;
        fetch_ahead(&engine->events[i], count - i);
        if (entry->kind == ENTRY_WAKE)
            continue;
        if (ASYNCIO__UNLIKELY(entry->is_lost)) {
            engine->is_stale = true;
            continue;
        }
        if (entry->kind == ENTRY_FILE)
            handle_file(engine, ASYNCIO__CONTAINER(entry, file_t, entry), events);
        else
            handle_watch(engine, ASYNCIO__CONTAINER(entry, watch_t, entry), events);
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
    base->is_foreign = true;
    return engine_of(base)->epoll_fd;
}

/* ---- Beginning and end ---- */

static void free_engine(engine_t *engine)
{
    if (engine->wake_fd >= 0)
        asyncio__sys.close(engine->wake_fd);
    if (engine->epoll_fd >= 0)
        asyncio__sys.close(engine->epoll_fd);
    asyncio__free(engine->owners, engine->owners_count * sizeof(*engine->owners));
    asyncio__free(engine, sizeof(*engine));
}

static void epoll_close(asyncio__engine_t *base)
{
    engine_t *engine = engine_of(base);
    asyncio__list_t *link;
    base->is_closing = true;
    for (link = engine->files.next; link != &engine->files; link = link->next)
        end_operations(engine, ASYNCIO__CONTAINER(link, file_t, entry.link), -ECANCELED);
    while (!asyncio__list_is_empty(&engine->watches))
        end_watch(engine, ASYNCIO__CONTAINER(engine->watches.next, watch_t, entry.link));
    /* Nothing can be submitted now, so that this ends. */
    while (!asyncio__list_is_empty(&base->done))
        asyncio__deliver(base);
    while (!asyncio__list_is_empty(&engine->files))
        epoll_close_file(base,
                         &ASYNCIO__CONTAINER(engine->files.next, file_t, entry.link)->base);
    free_lost(engine);
    free_engine(engine);
}

static const asyncio__engine_class_t epoll_class = {
    .name = "epoll",
    .close = epoll_close,
    .open_file = epoll_open_file,
    .close_file = epoll_close_file,
    .detach_file = epoll_detach_file,
    .submit = epoll_submit,
    .cancel = epoll_cancel,
    .wait = epoll_wait_,
    .abandon = asyncio__deliver,
    .wake = epoll_wake,
    .watch = epoll_watch,
    .poll_fd = epoll_poll_fd,
};

int asyncio__epoll_open(asyncio__engine_t **ret_engine)
{
    engine_t *engine = asyncio__calloc(sizeof(*engine));
    if (!engine)
        return -ENOMEM;
    asyncio__engine_init(&engine->base, &epoll_class);
    engine->base.is_preferred = true;
    /* It would complain about every call that it does not know. */
    engine->lacks_pwait2 = asyncio__on_valgrind();
    asyncio__list_init(&engine->files);
    asyncio__list_init(&engine->watches);
    asyncio__list_init(&engine->lost);
    engine->wake_fd = -1;
    engine->epoll_fd = asyncio__sys.epoll_create1(EPOLL_CLOEXEC);
    int rc = engine->epoll_fd < 0 ? -errno : 0;
    if (rc == 0) {
        engine->wake_fd = asyncio__sys.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        rc = engine->wake_fd < 0 ? -errno : 0;
    }
    if (rc == 0) {
        engine->wake_entry.kind = ENTRY_WAKE;
        engine->wake_entry.fd = engine->wake_fd;
        rc = add_entry(engine, &engine->wake_entry, WAKE_EVENTS);
    }
    if (rc < 0) {
        free_engine(engine);
        return rc;
    }
    *ret_engine = &engine->base;
    return 0;
}
