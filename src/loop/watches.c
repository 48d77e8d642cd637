/* SPDX-License-Identifier: MIT */
/*
 * Watches of file descriptors, level-triggered; see watches.h.
 *
 * One record for a descriptor holds all its watches. While a direction is ready, its callback is
 * scheduled once a turn; ending the watch takes it out of the ready queue.
 */
#include "loop/watches.h"

#include <string.h>

#include "base/context.h"
#include "base/error.h"
#include "base/memory.h"
#include "loop/callback.h"
#include "loop/check.h"
#include "loop/debug.h"
#include "loop/report.h"

/* One watch. */
typedef struct target {
    asyncio__ready_t ready;     /* calls fn or fd_fn */
    asyncio__watch_call_t call; /* what to call; events is 0 while nothing is watched */
    asyncio_context_t *context; /* the context it runs in: a reference, or NULL */
    unsigned came;              /* events that the callback has not been told of */
    uint32_t position;          /* in the ready queue */
    bool is_ready;              /* in the ready queue */
    uint8_t kind;               /* asyncio__watch_kind_t: its index in targets */
} target_t;

typedef struct watched {
    asyncio__watch_t watch; /* the engine's view */
    asyncio_loop_t *loop;   /* its loop */
    target_t targets[ASYNCIO__WATCH_KINDS];
} watched_t;

#define CLAIMED ((uintptr_t)1)

/* What this file keeps for a loop. */
typedef struct asyncio__watches {
    asyncio__loop_hook_t hook; /* ends the watches at close */
    uintptr_t *table;          /* by descriptor: the record or 0, plus CLAIMED */
    size_t count;              /* entries of it */
} watches_t;

/* --- the table ----------------------------------------------------------------------------- */

static void close_watches(asyncio_loop_t *loop, asyncio__loop_hook_t *hook);

static watches_t *watches_of(asyncio_loop_t *loop)
{
    if (loop->watches)
        return loop->watches;
    watches_t *watches = asyncio__calloc(sizeof(*watches));
    if (!watches)
        return NULL;
    watches->hook.close = close_watches;
    asyncio__loop_add_hook(loop, &watches->hook);
    loop->watches = watches;
    return watches;
}

/* Returns the entry of a descriptor, which is made if need be; NULL: no memory. */
static uintptr_t *make_entry(asyncio_loop_t *loop, int fd)
{
    watches_t *watches = watches_of(loop);
    if (!watches)
        return NULL;
    size_t at = (size_t)fd, count = watches->count ? watches->count : 32;
    if (at < watches->count)
        return &watches->table[at];
    while (count <= at)
        count *= 2;
    const size_t size = sizeof(*watches->table);
    uintptr_t *table =
        asyncio__realloc(watches->table, watches->count * size, count * size);
    if (!table)
        return NULL;
    memset(table + watches->count, 0, (count - watches->count) * size);
    watches->table = table;
    watches->count = count;
    return &table[at];
}

static uintptr_t entry_of(const asyncio_loop_t *loop, int fd)
{
    const watches_t *watches = loop->watches;
    return watches && (size_t)fd < watches->count ? watches->table[fd] : 0;
}

static watched_t *find(const asyncio_loop_t *loop, int fd)
{
    return (watched_t *)(entry_of(loop, fd) & ~CLAIMED);
}

int asyncio__loop_claim(asyncio_loop_t *loop, int fd)
{
    uintptr_t *entry = make_entry(loop, fd);
    if (!entry)
        return -ENOMEM;
    *entry |= CLAIMED;
    return 0;
}

void asyncio__loop_unclaim(asyncio_loop_t *loop, int fd)
{
    if (entry_of(loop, fd) & CLAIMED)
        loop->watches->table[fd] &= ~CLAIMED;
}

/* --- one watch ----------------------------------------------------------------------------- */

/* A target and its call, copied: the callback may end the watch. */
struct fd_call {
    asyncio__watch_call_t call;
    int fd;
    unsigned came;
};

static void call_fd(void *arg)
{
    const struct fd_call *call = arg;
    call->call.fd_fn(call->fd, call->came, call->call.arg);
}

static void run_target(asyncio__ready_t *self)
{
    target_t *target = ASYNCIO__CONTAINER(self, target_t, ready);
    target->is_ready = false;
    if (!target->call.events)
        return;
    const watched_t *watched =
        ASYNCIO__CONTAINER(target - target->kind, watched_t, targets[0]);
    struct fd_call fd_call = {target->call, watched->watch.fd, target->came};
    asyncio_callback_t *fn = target->call.fn ? target->call.fn : call_fd;
    void *arg = target->call.fn ? target->call.arg : &fd_call;
    target->came = 0;
    if (ASYNCIO__UNLIKELY(asyncio__uses(ASYNCIO__USES_CONTEXTS)))
        asyncio__loop_call_in(asyncio__thread.running_loop, target->context, fn, arg);
    else
        fn(arg);
}

static void schedule(watched_t *watched, target_t *target, unsigned events)
{
    events &= target->call.events;
    if (!events)
        return;
    target->came |= events;
    if (target->is_ready)
        return;
    target->is_ready = true;
    target->position = asyncio__loop_schedule(watched->loop, &target->ready);
}

static void end_target(watched_t *watched, target_t *target)
{
    if (target->is_ready)
        asyncio__loop_unschedule(watched->loop, target->position);
    target->is_ready = false;
    target->call.events = 0;
    target->came = 0;
    asyncio_context_unref(target->context);
    target->context = NULL;
}

static void end_targets(watched_t *watched)
{
    for (int kind = 0; kind < ASYNCIO__WATCH_KINDS; kind++)
        end_target(watched, &watched->targets[kind]);
}

/* The events that the targets want, without one of them (or NULL). */
static unsigned events_without(const watched_t *watched, const target_t *without)
{
    unsigned events = 0;
    for (int kind = 0; kind < ASYNCIO__WATCH_KINDS; kind++)
        if (&watched->targets[kind] != without)
            events |= watched->targets[kind].call.events;
    return events;
}

static void free_watched(watched_t *watched)
{
    watched->loop->watches->table[watched->watch.fd] &= CLAIMED;
    asyncio__loop_release(watched->loop, ASYNCIO__WATCH_KINDS);
    asyncio__free(watched, sizeof(*watched));
}

/* Has the engine watch for events. Returns 0, 1 if the number of the descriptor means another file
 * than before, or an error: then what is watched is as before or, without engine_data, nothing. */
static int watch_for(watched_t *watched, unsigned events)
{
    asyncio__engine_t *engine = watched->loop->engine;
    unsigned former = watched->watch.events;
    watched->watch.events = events;
    int rc = engine->class->watch(engine, &watched->watch);
    if (rc < 0)
        watched->watch.events = former;
    return rc;
}

static void report_closed(asyncio_loop_t *loop, const char *place)
{
    asyncio__loop_report(loop, "a file descriptor was closed while it was watched", -EBADF, NULL,
                         NULL, place, NULL);
}

/* The place of any of the watches, without one of them (or NULL); NULL if there is none. */
static const char *place_without(const watched_t *watched, const target_t *without)
{
    for (int kind = 0; kind < ASYNCIO__WATCH_KINDS; kind++)
        if (&watched->targets[kind] != without && watched->targets[kind].call.events)
            return watched->targets[kind].call.place;
    return NULL;
}

/* The program has closed the descriptor without ending its watches: ends and reports them. */
static void lose(watched_t *watched)
{
    asyncio_loop_t *loop = watched->loop;
    bool was_watched = events_without(watched, NULL) != 0;
    const char *place = place_without(watched, NULL);
    end_targets(watched);
    asyncio__ignore(watch_for(watched, 0));
    free_watched(watched);
    if (was_watched)
        report_closed(loop, place);
}

static void on_ready(asyncio__watch_t *watch, unsigned events)
{
    watched_t *watched = ASYNCIO__CONTAINER(watch, watched_t, watch);
    if (ASYNCIO__UNLIKELY(events & ASYNCIO__WATCH_GONE)) {
        lose(watched);
        return;
    }
    for (int kind = 0; kind < ASYNCIO__WATCH_KINDS; kind++)
        schedule(watched, &watched->targets[kind], events);
}

static void describe(asyncio__ready_t *item, asyncio__description_t *description)
{
    description->place = ASYNCIO__CONTAINER(item, target_t, ready)->call.place;
}

static asyncio__describer_t describer = {.run = run_target, .describe = describe};

__attribute__((constructor)) static void describe_watches(void)
{
    asyncio__describe_by(&describer);
}

/* --- beginning and ending ------------------------------------------------------------------ */

static int make_watched(asyncio_loop_t *loop, int fd, watched_t **ret_watched)
{
    uintptr_t *entry = make_entry(loop, fd);
    watched_t *watched = entry ? asyncio__calloc(sizeof(*watched)) : NULL;
    if (!watched)
        return -ENOMEM;
    int rc = asyncio__loop_reserve(loop, ASYNCIO__WATCH_KINDS);
    if (rc < 0) {
        asyncio__free(watched, sizeof(*watched));
        return rc;
    }
    watched->watch.fd = fd;
    watched->watch.ready = on_ready;
    watched->loop = loop;
    for (int kind = 0; kind < ASYNCIO__WATCH_KINDS; kind++) {
        watched->targets[kind].ready.run = run_target;
        watched->targets[kind].kind = (uint8_t)kind;
    }
    *entry |= (uintptr_t)watched;
    *ret_watched = watched;
    return 0;
}

static int check_add(asyncio_loop_t *loop, int fd, const asyncio__watch_call_t *call)
{
    int rc = asyncio__loop_check(loop);
    if (rc < 0)
        return rc;
    if (fd < 0)
        return asyncio__fail(-EINVAL, "\"fd\" must not be negative");
    if (!call->fn && !call->fd_fn)
        return asyncio__fail(-EINVAL, "\"fn\" must not be NULL");
    if (entry_of(loop, fd) & CLAIMED)
        return asyncio__fail(ASYNCIO_ERUNTIME, "the file descriptor is used by a socket");
    return 0;
}

/* The number means another file than when the other watches began: ends and reports those. */
static const char *end_others(watched_t *watched, target_t *target, unsigned events)
{
    const char *place = place_without(watched, target);
    for (int kind = 0; kind < ASYNCIO__WATCH_KINDS; kind++)
        if (&watched->targets[kind] != target)
            end_target(watched, &watched->targets[kind]);
    asyncio__ignore(watch_for(watched, events));
    return place;
}

int asyncio__watch_add(asyncio_loop_t *loop, int fd, asyncio__watch_kind_t kind,
                       const asyncio__watch_call_t *call)
{
    int rc = check_add(loop, fd, call);
    if (rc < 0)
        return rc;
    asyncio_context_t *context = NULL;
    if (asyncio__uses(ASYNCIO__USES_CONTEXTS) && !(context = asyncio_copy_context()))
        return asyncio__fail(asyncio_errno(), NULL);
    watched_t *watched = find(loop, fd);
    if (!watched && (rc = make_watched(loop, fd, &watched)) < 0) {
        asyncio_context_unref(context);
        return asyncio__fail(rc, NULL);
    }
    target_t *target = &watched->targets[kind];
    unsigned others = events_without(watched, target);
    /* The engine is asked even if nothing changes: the number may mean another file by now. */
    rc = watch_for(watched, others | call->events);
    if (rc < 0) {
        if (!watched->watch.engine_data)
            lose(watched);
        asyncio_context_unref(context);
        return asyncio__fail(rc, "the file descriptor cannot be watched");
    }
    bool is_other_lost = rc > 0 && others;
    const char *lost_place =
        is_other_lost ? end_others(watched, target, call->events) : NULL;
    end_target(watched, target); /* the callback before this one is not called any more */
    target->call = *call;
    target->context = context;
    if (is_other_lost)
        report_closed(loop, lost_place);
    return 0;
}

bool asyncio__watch_exists(const asyncio_loop_t *loop, int fd, asyncio__watch_kind_t kind)
{
    const watched_t *watched = find(loop, fd);
    return watched && watched->targets[kind].call.events;
}

int asyncio__watch_remove(asyncio_loop_t *loop, int fd, asyncio__watch_kind_t kind)
{
    int rc = asyncio__loop_check_thread(loop);
    if (rc < 0)
        return rc;
    watched_t *watched = loop->closed || fd < 0 ? NULL : find(loop, fd);
    if (!watched || !watched->targets[kind].call.events)
        return 0;
    target_t *target = &watched->targets[kind];
    unsigned left = events_without(watched, target);
    end_target(watched, target);
    rc = watch_for(watched, left);
    if (left && (rc > 0 || !watched->watch.engine_data))
        lose(watched);
    else if (!left)
        free_watched(watched);
    return 1;
}

static void close_watches(asyncio_loop_t *loop, asyncio__loop_hook_t *hook)
{
    watches_t *watches = ASYNCIO__CONTAINER(hook, watches_t, hook);
    for (size_t fd = 0; fd < watches->count; fd++) {
        watched_t *watched = find(loop, (int)fd);
        if (!watched)
            continue;
        end_targets(watched);
        asyncio__ignore(watch_for(watched, 0));
        free_watched(watched);
    }
    asyncio__free(watches->table, watches->count * sizeof(*watches->table));
    asyncio__free(watches, sizeof(*watches));
    loop->watches = NULL;
}
