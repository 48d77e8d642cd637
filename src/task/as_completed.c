/* SPDX-License-Identifier: MIT */
/*
 * as_completed: futures in the order in which they complete.
 *
 * Each completion goes to the end of a queue; next() takes from its head, or waits for its turn
 * among the tasks that called it. A timeout puts one "nothing" into the queue for each source left.
 */
#include <asyncio/as_completed.h>
#include <math.h>

#include "base/clock.h"
#include "base/memory.h"
#include "loop/timer.h"
#include "task/future_awaiters.h"
#include "task/sources.h"
#include "task/task.h"
#include "task/twin.h"

/* One future's callback. */
struct source {
    asyncio__callback_t callback;   /* in the future */
    asyncio_as_completed_t *parent; /* whose */
    bool is_left;                   /* neither completed nor given up */
};

struct asyncio_as_completed {
    asyncio_loop_t *loop;       /* a reference */
    asyncio__sources_t sources; /* with a reference each */
    struct source *watched;     /* of each different future */
    asyncio_future_t **queue;   /* completed, in order; NULL: the time was over */
    size_t put;                 /* how many came into the queue */
    size_t taken;               /* how many were taken out */
    size_t promised;            /* how many calls of next() have begun */
    size_t todo;                /* sources that are left */
    asyncio__list_t getters;    /* waiting tasks, oldest first */
    asyncio__timer_t timer;     /* the timeout */
};

/* A task that waits in next(). */
struct getter {
    asyncio_future_t waiter; /* finished by a completion */
    asyncio__list_t link;    /* in getters */
};

static void wake_next(asyncio_as_completed_t *it)
{
    asyncio__list_t *link;
    while ((link = asyncio__list_pop(&it->getters))) {
        struct getter *getter = ASYNCIO__CONTAINER(link, struct getter, link);
        if (!asyncio__future_is_done(&getter->waiter)) {
            asyncio__future_wake(&getter->waiter);
            return;
        }
    }
}

static void put(asyncio_as_completed_t *it, asyncio_future_t *future)
{
    it->queue[it->put++] = future;
    wake_next(it);
}

static void on_completed(asyncio__ready_t *self)
{
    struct source *source = ASYNCIO__CONTAINER(self, struct source, callback.ready);
    asyncio_future_t *future = asyncio__callback_begin(&source->callback);
    asyncio_as_completed_t *it = source->parent;
    if (source->is_left) {
        source->is_left = false;
        put(it, future);
        if (--it->todo == 0)
            asyncio__timer_cancel(it->loop, &it->timer);
    }
    asyncio_future_unref(future);
}

/* Returns the getter that has waited longest: it gets the next future, others get later ones. */
asyncio_future_t *asyncio__as_completed_follower(const asyncio__callback_t *callback)
{
    if (callback->ready.run != on_completed)
        return NULL;
    const asyncio_as_completed_t *it =
        ASYNCIO__CONTAINER(callback, struct source, callback)->parent;
    return asyncio__list_is_empty(&it->getters)
               ? NULL
               : &ASYNCIO__CONTAINER(it->getters.next, struct getter, link)->waiter;
}

static void on_timer(asyncio__ready_t *self)
{
    asyncio_as_completed_t *it = ASYNCIO__CONTAINER(self, asyncio_as_completed_t, timer.ready);
    asyncio__timer_begin(it->loop, &it->timer);
    for (size_t i = 0; i < it->sources.count; i++) {
        if (!it->watched[i].is_left)
            continue;
        it->watched[i].is_left = false;
        asyncio__future_drop_callback(&it->watched[i].callback);
        put(it, NULL);
    }
    it->todo = 0;
}

static int begin(asyncio_as_completed_t *it, double timeout)
{
    size_t count = it->sources.count;
    it->watched = asyncio__malloc(count * sizeof(*it->watched));
    it->queue = asyncio__malloc(count * sizeof(*it->queue));
    if (!it->watched || !it->queue || asyncio__loop_reserve(it->loop, (uint32_t)count) < 0)
        return -ENOMEM;
    it->todo = count;
    for (size_t i = 0; i < count; i++) {
        it->watched[i] = (struct source){
            .callback.ready.run = on_completed, .parent = it, .is_left = true};
        asyncio__future_add_callback(it->sources.futures[i], &it->watched[i].callback);
    }
    if (count == 0)
        return 0;
    int64_t now_ns = asyncio__loop_now(it->loop);
    int rc = asyncio__timer_start(it->loop, &it->timer,
                                  asyncio__moment_after(now_ns, asyncio__nanoseconds(timeout)));
    for (size_t i = 0; rc < 0 && i < count; i++)
        asyncio__future_drop_callback(&it->watched[i].callback);
    if (rc < 0)
        asyncio__loop_release(it->loop, (uint32_t)count);
    return rc;
}

static void free_iteration(asyncio_as_completed_t *it)
{
    size_t count = it->sources.count;
    asyncio__free(it->watched, count * sizeof(*it->watched));
    asyncio__free(it->queue, count * sizeof(*it->queue));
    asyncio__sources_fini(&it->sources);
    asyncio__loop_drop_object(it->loop);
    asyncio__free(it, sizeof(*it));
}

asyncio_as_completed_t *asyncio_as_completed(asyncio_awaitable_t *const *awaitables, size_t count,
                                             double timeout)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_as_completed_t *it = asyncio__calloc(sizeof(*it));
    int rc = 0;
    if (!it)
        rc = asyncio__fail(-ENOMEM, NULL);
    else if (!loop)
        rc = asyncio__fail(ASYNCIO_ERUNTIME, "no running event loop");
    else if (isnan(timeout))
        rc = asyncio__fail(-EINVAL, "\"timeout\" must be a number");
    if (rc < 0) {
        for (size_t i = 0; awaitables && i < count; i++)
            asyncio__discard(awaitables[i]);
        asyncio__free(it, sizeof(*it));
        asyncio__thread.constructor_code = rc;
        return NULL;
    }
    it->loop = asyncio__loop_hold(loop);
    asyncio__list_init(&it->getters);
    asyncio__timer_init(&it->timer, on_timer);
    rc = asyncio__sources_collect(loop, awaitables, count, &it->sources);
    if (rc == 0)
        rc = begin(it, timeout);
    if (rc < 0) {
        free_iteration(it);
        asyncio__thread.constructor_code = rc;
        return NULL;
    }
    return it;
}

/* Waits until there is something in the queue. */
static int wait_for_item(asyncio_as_completed_t *it)
{
    while (it->taken == it->put) {
        struct getter getter;
        asyncio__future_init(&getter.waiter, it->loop, NULL);
        getter.waiter.place = "asyncio_as_completed_next";
        asyncio__list_append(&it->getters, &getter.link);
        int rc = asyncio__future_wait(&getter.waiter);
        bool was_woken = getter.waiter.state == ASYNCIO__FINISHED;
        /* Left by an error that somebody else threw in: whoever waits for it too is told. */
        if (rc < 0 && !asyncio__future_is_done(&getter.waiter))
            asyncio__future_make_cancelled(&getter.waiter, /* error= */ NULL);
        asyncio__list_remove(&getter.link);
        asyncio__future_fini(&getter.waiter);
        if (rc < 0) {
            /* What this one was woken for goes to the next. */
            if (was_woken && it->taken < it->put)
                wake_next(it);
            return rc;
        }
    }
    return 0;
}

int asyncio_as_completed_next(asyncio_as_completed_t *it, asyncio_future_t **ret_future)
{
    if (!it || !ret_future)
        return asyncio__fail(-EINVAL, it ? "\"ret_future\" must not be NULL"
                                         : "\"iteration\" must not be NULL");
    if (!asyncio__thread.coroutine)
        return asyncio__fail(ASYNCIO_ERUNTIME, "await outside a coroutine");
    if (it->promised == it->sources.count)
        return 0;
    it->promised++;
    int rc = wait_for_item(it);
    if (rc < 0)
        return rc;
    asyncio_future_t *future = it->queue[it->taken++];
    if (!future)
        return asyncio__fail(-ETIMEDOUT, NULL);
    *ret_future = future;
    return 1;
}

void asyncio_as_completed_unref(asyncio_as_completed_t *it)
{
    if (!it)
        return;
    for (size_t i = 0; i < it->sources.count; i++)
        asyncio__future_drop_callback(&it->watched[i].callback);
    asyncio__timer_cancel(it->loop, &it->timer);
    asyncio__loop_release(it->loop, (uint32_t)it->sources.count);
    free_iteration(it);
}

ASYNCIO__TWIN(COUNT, asyncio_as_completed_next, (asyncio_as_completed_t *, iteration),
              (asyncio_future_t **, ret_future))
