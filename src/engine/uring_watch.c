/* SPDX-License-Identifier: MIT */
/*
 * Watches on io_uring: level-triggered, made of polls that fire once. After an event was delivered,
 * the next wait() polls again, and returns at once while the descriptor is still ready.
 *
 * The user's record may be freed as soon as the watch has ended, so the kernel knows only ours:
 *
 *     user's watch --engine_data--> our record --user_data of the poll--> kernel
 *
 * Our record is freed when the watch has ended (user is NULL) and the kernel has let go of it.
 */
#include <errno.h>

#include "base/memory.h"
#include "engine/descriptor.h"
#include "engine/uring_engine.h"

/* A value of asked that no user can want, so that the poll is started again. */
#define STALE (~0u)

struct asyncio__uring_watch {
    asyncio__watch_t *user;     /* whose events these are, or NULL: the watch has ended */
    asyncio__list_t link;       /* in the engine's watches */
    asyncio__list_t rearm_link; /* in the engine's rearm */
    asyncio__operation_t due;   /* stands for the watch in the queue of completions */
    int fd;                     /* the user's, as it was at the beginning */
    unsigned asked;             /* poll's bits that the kernel polls for */
    unsigned polled;            /* poll's bits to deliver; 0: the descriptor was closed */
    bool is_polling;            /* the kernel holds the record */
    bool is_cancel_sent;        /* the kernel was asked to let go of it */
};

static void free_watch(asyncio__uring_watch_t *watch)
{
    asyncio__list_remove(&watch->link);
    asyncio__list_remove(&watch->rearm_link);
    asyncio__free(watch, sizeof(*watch));
}

static void rearm_later(asyncio__uring_engine_t *engine, asyncio__uring_watch_t *watch)
{
    if (!asyncio__list_is_member(&watch->rearm_link))
        asyncio__list_append(&engine->rearm, &watch->rearm_link);
}

/* Has the kernel poll for what the user asks for, or first let go of the present poll. */
static int adjust(asyncio__uring_engine_t *engine, asyncio__uring_watch_t *watch)
{
    uint64_t user_data = asyncio__uring_tag(watch, ASYNCIO__TAG_WATCH);
    unsigned wanted = watch->user ? asyncio__poll_events(watch->user->events) : 0;
    int rc = 0;
    if (watch->is_polling) {
        if (wanted == watch->asked || watch->is_cancel_sent)
            return 0;
        rc = asyncio__uring_cancel_submission(engine, user_data);
        watch->is_cancel_sent = rc == 0;
    } else if (wanted) {
        rc = engine->is_resting ? -EBUSY
                                : asyncio__uring_poll(engine, watch->fd, wanted, user_data);
        watch->is_polling = rc == 0;
        watch->asked = wanted;
    }
    return rc;
}

void asyncio__uring_rearm_watches(asyncio__uring_engine_t *engine)
{
    /* A watch for which there is no room goes to the end of the list until the next wait(). */
    asyncio__list_t all;
    asyncio__list_t *link;
    asyncio__list_init(&all);
    asyncio__list_move(&engine->rearm, &all);
    while ((link = asyncio__list_pop(&all)) != NULL) {
        asyncio__uring_watch_t *watch =
            ASYNCIO__CONTAINER(link, asyncio__uring_watch_t, rearm_link);
        if (adjust(engine, watch) < 0)
            rearm_later(engine, watch);
    }
}

static void deliver_watch(asyncio__operation_t *due)
{
    asyncio__uring_watch_t *watch = ASYNCIO__CONTAINER(due, asyncio__uring_watch_t, due);
    unsigned events = watch->polled ? asyncio__watch_events(watch->polled, watch->user->events)
                                    : ASYNCIO__WATCH_GONE;
    if (events)
        watch->user->ready(watch->user, events);
}

/* Removes an event that has not been delivered. */
static void withdraw(asyncio__uring_engine_t *engine, asyncio__uring_watch_t *watch)
{
    if (!asyncio__list_is_member(&watch->due.link))
        return;
    asyncio__list_remove(&watch->due.link);
    engine->base.in_flight--;
}

void asyncio__uring_handle_watch(asyncio__uring_engine_t *engine, asyncio__uring_watch_t *watch,
                                 const asyncio__uring_cqe_t *cqe)
{
    engine->kernel_count--;
    watch->is_polling = watch->is_cancel_sent = false;
    if (!watch->user) {
        free_watch(watch);
        return;
    }
    if (cqe->result == -ECANCELED || watch->asked == STALE) {
        /* The user has asked for something else, or once more: this event is of the former poll. */
        if (adjust(engine, watch) < 0)
            rearm_later(engine, watch);
        return;
    }
    /* A closed descriptor is not polled again. */
    if (cqe->result != -EBADF)
        rearm_later(engine, watch);
    if (cqe->result < 0 && cqe->result != -EBADF)
        return;
    watch->polled = cqe->result < 0 ? 0 : (unsigned)cqe->result;
    if (asyncio__list_is_member(&watch->due.link))
        return; /* finished before and not delivered yet: it is delivered once, as it is now */
    engine->base.in_flight++;
    asyncio__finish(&engine->base, &watch->due, 0);
}

static void end_watch(asyncio__uring_engine_t *engine, asyncio__uring_watch_t *watch)
{
    withdraw(engine, watch);
    asyncio__list_remove(&watch->rearm_link);
    engine->base.in_flight--;
    watch->user->engine_data = NULL;
    watch->user = NULL;
    if (!watch->is_polling)
        free_watch(watch);
    else if (adjust(engine, watch) < 0)
        rearm_later(engine, watch);
}

static int begin_watch(asyncio__uring_engine_t *engine, asyncio__watch_t *user)
{
    asyncio__file_kind_t kind;
    int rc = asyncio__descriptor_kind(user->fd, &kind);
    if (rc < 0)
        return rc;
    asyncio__uring_watch_t *watch = asyncio__calloc(sizeof(*watch));
    if (!watch)
        return -ENOMEM;
    watch->user = user;
    watch->fd = user->fd;
    watch->due.complete = deliver_watch;
    asyncio__list_append(&engine->watches, &watch->link);
    if (adjust(engine, watch) < 0)
        rearm_later(engine, watch);
    engine->base.in_flight++;
    user->engine_data = watch;
    return 0;
}

int asyncio__uring_watch(asyncio__engine_t *base, asyncio__watch_t *user)
{
    asyncio__uring_engine_t *engine = ASYNCIO__CONTAINER(base, asyncio__uring_engine_t, base);
    asyncio__uring_watch_t *watch = user->engine_data;
    if (!watch)
        return user->events ? begin_watch(engine, user) : 0;
    if (user->events) {
        /* Start again: the present poll may be of a descriptor that was closed. */
        withdraw(engine, watch);
        watch->asked = STALE;
        if (adjust(engine, watch) < 0)
            rearm_later(engine, watch);
        return 0;
    }
    bool was_polling = watch->is_polling;
    end_watch(engine, watch);
    /* The poll holds the open file. The program may close it now, and must find it closed. */
    if (was_polling)
        asyncio__uring_flush(engine);
    return 0;
}

void asyncio__uring_take_watches_back(asyncio__uring_engine_t *engine)
{
    asyncio__list_t *link;
    for (link = engine->watches.next; link != &engine->watches; link = link->next) {
        asyncio__uring_watch_t *watch = ASYNCIO__CONTAINER(link, asyncio__uring_watch_t, link);
        if (watch->is_polling && !watch->is_cancel_sent)
            watch->is_cancel_sent =
                asyncio__uring_cancel_submission(
                    engine, asyncio__uring_tag(watch, ASYNCIO__TAG_WATCH)) == 0;
    }
}

void asyncio__uring_end_watches(asyncio__uring_engine_t *engine)
{
    asyncio__list_t *link, *next;
    for (link = engine->watches.next; link != &engine->watches; link = next) {
        asyncio__uring_watch_t *watch = ASYNCIO__CONTAINER(link, asyncio__uring_watch_t, link);
        next = link->next;
        if (watch->user)
            end_watch(engine, watch);
    }
}

void asyncio__uring_free_watches(asyncio__uring_engine_t *engine)
{
    while (!asyncio__list_is_empty(&engine->watches))
        free_watch(ASYNCIO__CONTAINER(engine->watches.next, asyncio__uring_watch_t, link));
}
