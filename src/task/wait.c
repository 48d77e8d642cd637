/* SPDX-License-Identifier: MIT */
/* wait: until some or all of many are done, or the time is over; raises nothing of theirs. */
#include <asyncio/wait.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "loop/timer.h"
#include "task/future_awaiters.h"
#include "task/sources.h"
#include "task/task.h"
#include "task/twin.h"

typedef struct waiting {
    asyncio_future_t waiter;           /* finished when satisfied */
    asyncio__timer_t timer;            /* the timeout */
    size_t counter;                    /* futures that are not done */
    asyncio_return_when_t return_when; /* what satisfies */
} waiting_t;

/* One future's callback. */
struct watch {
    asyncio__callback_t callback; /* in the future */
    waiting_t *waiting;           /* whose */
};

static void on_timer(asyncio__ready_t *self)
{
    waiting_t *waiting = ASYNCIO__CONTAINER(self, waiting_t, timer.ready);
    asyncio__timer_begin(waiting->waiter.loop, &waiting->timer);
    asyncio__future_wake(&waiting->waiter);
}

static void on_completion(asyncio__ready_t *self)
{
    struct watch *watch = ASYNCIO__CONTAINER(self, struct watch, callback.ready);
    asyncio_future_t *future = asyncio__callback_begin(&watch->callback);
    waiting_t *waiting = watch->waiting;
    waiting->counter--;
    if (waiting->counter == 0 || waiting->return_when == ASYNCIO_FIRST_COMPLETED ||
        (waiting->return_when == ASYNCIO_FIRST_EXCEPTION && future->state == ASYNCIO__FAILED)) {
        asyncio__timer_cancel(waiting->waiter.loop, &waiting->timer);
        asyncio__future_wake(&waiting->waiter);
    }
    asyncio_future_unref(future);
}

asyncio_future_t *asyncio__wait_follower(const asyncio__callback_t *callback)
{
    if (callback->ready.run != on_completion)
        return NULL;
    return &ASYNCIO__CONTAINER(callback, struct watch, callback)->waiting->waiter;
}

static int wait_for_sources(asyncio_loop_t *loop, const asyncio__sources_t *sources,
                            double timeout, asyncio_return_when_t return_when)
{
    waiting_t waiting = {.counter = sources->count, .return_when = return_when};
    struct watch *watches = asyncio__malloc(sources->count * sizeof(*watches));
    if (!watches)
        return asyncio__fail(-ENOMEM, NULL);
    int rc = asyncio__loop_reserve(loop, (uint32_t)sources->count);
    if (rc < 0)
        goto free_watches;
    asyncio__future_init(&waiting.waiter, loop, NULL);
    waiting.waiter.place = "asyncio_wait";
    asyncio__timer_init(&waiting.timer, on_timer);
    rc = asyncio__timer_start(loop, &waiting.timer,
                              asyncio__moment_after(asyncio__loop_now(loop),
                                                    asyncio__nanoseconds(timeout)));
    if (rc < 0)
        goto release;
    for (size_t i = 0; i < sources->count; i++) {
        watches[i] = (struct watch){.callback.ready.run = on_completion, .waiting = &waiting};
        asyncio__future_add_callback(sources->futures[i], &watches[i].callback);
    }
    rc = asyncio__future_wait(&waiting.waiter);
    asyncio__timer_cancel(loop, &waiting.timer);
    for (size_t i = 0; i < sources->count; i++)
        asyncio__future_drop_callback(&watches[i].callback);
    asyncio__future_fini(&waiting.waiter);
release:
    asyncio__loop_release(loop, (uint32_t)sources->count);
free_watches:
    asyncio__free(watches, sources->count * sizeof(*watches));
    return rc == -ENOMEM ? asyncio__fail(rc, NULL) : rc;
}

static int check(asyncio_awaitable_t *const *awaitables, size_t count, double timeout,
                 asyncio_return_when_t return_when)
{
    if (!asyncio__thread.coroutine || !asyncio_get_running_loop())
        return asyncio__fail(ASYNCIO_ERUNTIME, "await outside a coroutine");
    if (!count || !awaitables)
        return asyncio__fail(-EINVAL, "Set of Tasks/Futures is empty.");
    if (isnan(timeout))
        return asyncio__fail(-EINVAL, "\"timeout\" must be a number");
    if ((unsigned)return_when > ASYNCIO_FIRST_EXCEPTION)
        return asyncio__fail(-EINVAL, "Invalid return_when value");
    return 0;
}

/* Puts the tasks that were made where the coroutine objects were. */
static void replace(asyncio_awaitable_t **awaitables, const asyncio__sources_t *sources)
{
    for (size_t i = 0; i < sources->source_count; i++) {
        asyncio_future_t *future = asyncio__sources_at(sources, i);
        if (awaitables[i] != future)
            awaitables[i] = asyncio_future_ref(future);
    }
}

/* Nothing was collected: coroutine objects are taken all the same, and leave no pointer behind. */
static void discard_all(asyncio_awaitable_t **awaitables, size_t count)
{
    for (size_t i = 0; awaitables && i < count; i++) {
        if (!asyncio_iscoroutine(awaitables[i]))
            continue;
        asyncio__discard(awaitables[i]);
        awaitables[i] = NULL;
    }
}

/* Waits, with tasks in all the slots: how many are done, or why not. */
static int wait_collected(const asyncio__sources_t *sources, double timeout,
                          asyncio_return_when_t return_when, bool *ret_done)
{
    int done = 0;
    int rc = wait_for_sources(asyncio_get_running_loop(), sources, timeout, return_when);
    for (size_t i = 0; rc == 0 && i < sources->source_count; i++) {
        bool is_done = asyncio__future_is_done(asyncio__sources_at(sources, i));
        done += is_done;
        if (ret_done)
            ret_done[i] = is_done;
    }
    return rc < 0 ? rc : done;
}

/* was_coroutine is room for count flags, which are set; NULL: out of memory. */
static int wait_for_all(asyncio_awaitable_t **awaitables, size_t count, double timeout,
                        asyncio_return_when_t return_when, bool *ret_done, bool *was_coroutine)
{
    int rc = check(awaitables, count, timeout, return_when);
    if (rc == 0 && !was_coroutine)
        rc = asyncio__fail(-ENOMEM, NULL);
    if (rc < 0) {
        discard_all(awaitables, count);
        return rc;
    }
    for (size_t i = 0; i < count; i++)
        was_coroutine[i] = asyncio_iscoroutine(awaitables[i]);
    asyncio__sources_t sources;
    rc = asyncio__sources_collect(asyncio_get_running_loop(), awaitables, count, &sources);
    bool is_collected = rc == 0;
    if (is_collected) {
        replace(awaitables, &sources);
        rc = wait_collected(&sources, timeout, return_when, ret_done);
        asyncio__sources_fini(&sources);
    }
    /* If there was no wait, the entries of coroutine objects become NULL. */
    for (size_t i = 0; (!is_collected || rc == -ENOMEM) && i < count; i++) {
        if (!was_coroutine[i])
            continue;
        if (is_collected)
            asyncio_future_unref(awaitables[i]);
        awaitables[i] = NULL;
    }
    return rc;
}

int asyncio_wait(asyncio_awaitable_t **awaitables, size_t count, double timeout,
                 asyncio_return_when_t return_when, bool *ret_done)
{
    bool *was_coroutine = count ? asyncio__calloc(count) : NULL;
    int rc = wait_for_all(awaitables, count, timeout, return_when, ret_done, was_coroutine);
    asyncio__free(was_coroutine, count);
    return rc;
}

static int run_asyncio_wait(void *arguments, void **ret_result);

ASYNCIO__TWIN_KEPT(OWN, asyncio_wait, asyncio__awaitables_keep, asyncio__awaitables_drop,
                   (asyncio_awaitable_t *const *, awaitables), (size_t, count), (double, timeout),
                   (asyncio_return_when_t, return_when), (bool *, ret_done))

static int run_asyncio_wait(void *arguments, void **ret_result)
{
    struct asyncio_wait_arguments *a = arguments;
    asyncio_awaitable_t **awaitables = (asyncio_awaitable_t **)a->awaitables; /* the copy */
    bool *was_coroutine = a->count ? asyncio__calloc(a->count) : NULL;
    int rc = wait_for_all(awaitables, a->count, a->timeout, a->return_when, a->ret_done,
                          was_coroutine);
    for (size_t i = 0; was_coroutine && i < a->count; i++)
        if (was_coroutine[i])
            asyncio_future_unref(awaitables[i]);
    asyncio__free(was_coroutine, a->count);
    asyncio__awaitables_taken(arguments);
    return asyncio__twin_count(rc, ret_result);
}
