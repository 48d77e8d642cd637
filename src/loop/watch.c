/* SPDX-License-Identifier: MIT */
/*
 * Readers and writers: add_reader() and add_writer(), level-triggered.
 *
 * One record a descriptor holds both directions. While a direction is ready its callback is put
 * into the ready queue once a turn; removing it takes it out again.
 */
#include <string.h>

#include "base/context.h"
#include "base/error.h"
#include "base/memory.h"
#include "loop/debug.h"

struct direction {
    asyncio__ready_t ready; /* calls fn */
    asyncio_callback_t *fn; /* NULL: not watched */
    void *arg;              /* passed to it */
    const char *place;      /* where the watch was made */
    asyncio_context_t *context; /* in which it runs; a reference, or NULL */
    uint32_t position;      /* in the ready queue */
    bool is_ready;          /* in the ready queue */
};

typedef struct watched {
    asyncio__watch_t watch;  /* the engine's view */
    asyncio__list_t link;    /* in loop->watches */
    asyncio_loop_t *loop;    /* whose */
    struct direction input;  /* add_reader() */
    struct direction output; /* add_writer() */
} watched_t;

static void run_direction(struct direction *direction)
{
    direction->is_ready = false;
    if (!direction->fn)
        return;
    if (ASYNCIO__UNLIKELY(asyncio__uses(ASYNCIO__USES_CONTEXTS)))
        asyncio__loop_call_in(asyncio__thread.running_loop, direction->context, direction->fn,
                              direction->arg);
    else
        direction->fn(direction->arg);
}

static void run_input(asyncio__ready_t *self)
{
    run_direction(ASYNCIO__CONTAINER(self, struct direction, ready));
}

static void schedule(watched_t *watched, struct direction *direction)
{
    if (!direction->fn || direction->is_ready)
        return;
    direction->is_ready = true;
    direction->position = asyncio__loop_schedule(watched->loop, &direction->ready);
}

static watched_t *find(asyncio_loop_t *loop, int fd)
{
    for (asyncio__list_t *at = loop->watches.next; at != &loop->watches; at = at->next) {
        watched_t *watched = ASYNCIO__CONTAINER(at, watched_t, link);
        if (watched->watch.fd == fd)
            return watched;
    }
    return NULL;
}

static void unschedule(watched_t *watched, struct direction *direction)
{
    if (direction->is_ready)
        asyncio__loop_unschedule(watched->loop, direction->position);
    direction->is_ready = false;
    direction->fn = NULL;
    asyncio_context_unref(direction->context);
    direction->context = NULL;
}

static void forget(watched_t *watched)
{
    asyncio__list_remove(&watched->link);
    asyncio__loop_release(watched->loop, 2);
    asyncio__free(watched, sizeof(*watched));
}

/* Has the engine watch for that: 0, 1 if its number means another descriptor than before, or an
 * error, and what is watched is as before or, without engine_data, nothing. */
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

static void report_gone(asyncio_loop_t *loop, const char *place)
{
    asyncio__loop_report(loop, "a descriptor was closed while it was watched", -EBADF, NULL, NULL,
                         place, NULL);
}

/* The descriptor was closed by the program, which has not ended the watch. */
static void lose(watched_t *watched)
{
    asyncio_loop_t *loop = watched->loop;
    const char *place = watched->input.fn ? watched->input.place : watched->output.place;
    bool was_watched = watched->input.fn || watched->output.fn;
    unschedule(watched, &watched->input);
    unschedule(watched, &watched->output);
    asyncio__ignore(watch_for(watched, 0));
    forget(watched);
    if (was_watched)
        report_gone(loop, place);
}

static void on_ready(asyncio__watch_t *watch, unsigned events)
{
    watched_t *watched = ASYNCIO__CONTAINER(watch, watched_t, watch);
    if (ASYNCIO__UNLIKELY(events & ASYNCIO__WATCH_GONE)) {
        lose(watched);
        return;
    }
    if (events & ASYNCIO__WATCH_READ)
        schedule(watched, &watched->input);
    if (events & ASYNCIO__WATCH_WRITE)
        schedule(watched, &watched->output);
}

static void describe(asyncio__ready_t *item, asyncio__description_t *description)
{
    description->place = ASYNCIO__CONTAINER(item, struct direction, ready)->place;
}

static asyncio__describer_t describer = {.run = run_input, .describe = describe};

__attribute__((constructor)) static void say_what_it_is(void)
{
    asyncio__describe_by(&describer);
}

/* --- descriptors of sockets ---------------------------------------------------------------- */

int asyncio__loop_claim(asyncio_loop_t *loop, int fd)
{
    size_t at = (size_t)fd / 8;
    if (at >= loop->claimed_bytes) {
        size_t bytes = loop->claimed_bytes ? loop->claimed_bytes : 32;
        while (bytes <= at)
            bytes *= 2;
        uint8_t *claimed = asyncio__realloc(loop->claimed, loop->claimed_bytes, bytes);
        if (!claimed)
            return -ENOMEM;
        memset(claimed + loop->claimed_bytes, 0, bytes - loop->claimed_bytes);
        loop->claimed = claimed;
        loop->claimed_bytes = bytes;
    }
    loop->claimed[at] |= (uint8_t)(1u << fd % 8);
    return 0;
}

void asyncio__loop_unclaim(asyncio_loop_t *loop, int fd)
{
    if ((size_t)fd / 8 < loop->claimed_bytes)
        loop->claimed[fd / 8] &= (uint8_t)~(1u << fd % 8);
}

static bool is_claimed(const asyncio_loop_t *loop, int fd)
{
    return (size_t)fd / 8 < loop->claimed_bytes && (loop->claimed[fd / 8] & (1u << fd % 8));
}

/* --- watches ------------------------------------------------------------------------------- */

static int make(asyncio_loop_t *loop, int fd, watched_t **ret_watched)
{
    watched_t *watched = asyncio__calloc(sizeof(*watched));
    if (!watched)
        return -ENOMEM;
    int rc = asyncio__loop_reserve(loop, 2);
    if (rc < 0) {
        asyncio__free(watched, sizeof(*watched));
        return rc;
    }
    watched->watch.fd = fd;
    watched->watch.ready = on_ready;
    watched->loop = loop;
    watched->input.ready.run = run_input;
    watched->output.ready.run = run_input;
    asyncio__list_append(&loop->watches, &watched->link);
    *ret_watched = watched;
    return 0;
}

static int add(asyncio_loop_t *loop, int fd, bool is_input, asyncio_callback_t *fn, void *arg,
               const char *place)
{
    int rc = asyncio__loop_check(loop);
    if (rc < 0)
        return rc;
    if (fd < 0 || !fn)
        return asyncio__fail(-EINVAL, "no descriptor, or no callback, was given");
    if (is_claimed(loop, fd))
        return asyncio__fail(ASYNCIO_ERUNTIME, "the descriptor is used by a socket");
    asyncio_context_t *context = NULL;
    if (asyncio__uses(ASYNCIO__USES_CONTEXTS) && !(context = asyncio_copy_context()))
        return asyncio__fail(asyncio_errno(), NULL);
    watched_t *watched = find(loop, fd);
    if (!watched && (rc = make(loop, fd, &watched)) < 0) {
        asyncio_context_unref(context);
        return asyncio__fail(rc, NULL);
    }
    struct direction *direction = is_input ? &watched->input : &watched->output;
    struct direction *other = is_input ? &watched->output : &watched->input;
    unsigned wanted = is_input ? ASYNCIO__WATCH_READ : ASYNCIO__WATCH_WRITE;
    /* Asked also where it is watched already: the number may mean another descriptor by now. */
    rc = watch_for(watched, watched->watch.events | wanted);
    if (rc < 0) {
        if (!watched->watch.engine_data)
            lose(watched);
        asyncio_context_unref(context);
        return asyncio__fail(rc, "the descriptor cannot be watched");
    }
    const char *lost_place = other->place;
    bool is_other_lost = rc > 0 && other->fn;
    if (is_other_lost) {
        unschedule(watched, other);
        asyncio__ignore(watch_for(watched, wanted));
    }
    unschedule(watched, direction); /* the former callback will not run any more */
    direction->fn = fn;
    direction->arg = arg;
    direction->place = place;
    direction->context = context;
    if (is_other_lost)
        report_gone(loop, lost_place);
    return 0;
}

static int take_away(asyncio_loop_t *loop, int fd, bool is_input)
{
    int rc = asyncio__loop_check_thread(loop);
    if (rc < 0)
        return rc;
    watched_t *watched = loop->closed ? NULL : find(loop, fd);
    if (!watched)
        return 0;
    struct direction *direction = is_input ? &watched->input : &watched->output;
    if (!direction->fn)
        return 0;
    unsigned left = watched->watch.events &
                    ~(is_input ? ASYNCIO__WATCH_READ : ASYNCIO__WATCH_WRITE);
    unschedule(watched, direction);
    rc = watch_for(watched, left); /* that less is watched for fails in no way that matters, but: */
    if (left && (rc > 0 || !watched->watch.engine_data))
        lose(watched);
    else if (!left)
        forget(watched);
    return 1;
}

int asyncio_loop_add_reader_at(asyncio_loop_t *loop, int fd, asyncio_callback_t *fn, void *arg,
                               const char *place)
{
    return add(loop, fd, /* is_input= */ true, fn, arg, place);
}

int asyncio_loop_remove_reader(asyncio_loop_t *loop, int fd)
{
    return take_away(loop, fd, /* is_input= */ true);
}

int asyncio_loop_add_writer_at(asyncio_loop_t *loop, int fd, asyncio_callback_t *fn, void *arg,
                               const char *place)
{
    return add(loop, fd, /* is_input= */ false, fn, arg, place);
}

int asyncio_loop_remove_writer(asyncio_loop_t *loop, int fd)
{
    return take_away(loop, fd, /* is_input= */ false);
}

void asyncio__loop_close_watches(asyncio_loop_t *loop)
{
    asyncio__list_t *first;
    while ((first = loop->watches.next) != &loop->watches) {
        watched_t *watched = ASYNCIO__CONTAINER(first, watched_t, link);
        unschedule(watched, &watched->input);
        unschedule(watched, &watched->output);
        asyncio__ignore(watch_for(watched, 0));
        forget(watched);
    }
    asyncio__free(loop->claimed, loop->claimed_bytes);
    loop->claimed = NULL;
    loop->claimed_bytes = 0;
}
