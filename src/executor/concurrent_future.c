/* SPDX-License-Identifier: MIT */
/* Results for any thread; see concurrent_future.h. */
#include "executor/concurrent_future.h"

#include <errno.h>
#include <math.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"

static const asyncio__result_t nothing = {NULL, NULL};

/* --- references ---------------------------------------------------------------------------- */

asyncio_concurrent_future_t *asyncio__concurrent_new(const asyncio__concurrent_class_t *class)
{
    asyncio_concurrent_future_t *future = asyncio__calloc(class->size_bytes);
    if (!future)
        return NULL;
    future->tag = ASYNCIO__TAG_CONCURRENT;
    atomic_init(&future->refs, 1);
    future->class = class;
    future->end = &future->callbacks;
    pthread_mutex_init(&future->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&future->done, &attributes);
    pthread_condattr_destroy(&attributes);
    return future;
}

asyncio_concurrent_future_t *asyncio_concurrent_future_new(void)
{
    static const asyncio__concurrent_class_t plain = {
        .size_bytes = sizeof(asyncio_concurrent_future_t), .is_settable = true};
    asyncio_concurrent_future_t *future = asyncio__concurrent_new(&plain);
    return future ? future : asyncio__fail_new(-ENOMEM, NULL);
}

asyncio_concurrent_future_t *asyncio_concurrent_future_ref(asyncio_concurrent_future_t *future)
{
    if (future)
        atomic_fetch_add_explicit(&future->refs, 1, memory_order_relaxed);
    return future;
}

static void run_callbacks(asyncio_concurrent_future_t *future,
                          asyncio__concurrent_callback_t *callback, bool is_freed)
{
    while (callback) {
        asyncio__concurrent_callback_t *next = callback->next;
        callback->run(callback, future, is_freed);
        callback = next;
    }
}

void asyncio_concurrent_future_unref(asyncio_concurrent_future_t *future)
{
    /* Release here, acquire in the last one: it frees what the others have written. */
    if (!future || atomic_fetch_sub_explicit(&future->refs, 1, memory_order_acq_rel) != 1)
        return;
    run_callbacks(future, future->callbacks, /* is_freed= */ true);
    if (future->result.destroy)
        future->result.destroy(future->result.value);
    asyncio_error_unref(future->error);
    if (future->class->finalize)
        future->class->finalize(future);
    pthread_cond_destroy(&future->done);
    pthread_mutex_destroy(&future->lock);
    future->tag = ASYNCIO__TAG_FREED;
    asyncio__free(future, future->class->size_bytes);
}

/* --- finishing ----------------------------------------------------------------------------- */

/* Finishes a future unless its state is later than `latest`. */
static bool settle(asyncio_concurrent_future_t *future, asyncio__concurrent_state_t latest,
                   asyncio__concurrent_state_t state, int code, asyncio__result_t result,
                   asyncio_error_t *error)
{
    pthread_mutex_lock(&future->lock);
    if (asyncio__concurrent_state(future) > latest) {
        pthread_mutex_unlock(&future->lock);
        if (result.destroy)
            result.destroy(result.value);
        asyncio_error_unref(error);
        return false;
    }
    future->code = code;
    future->result = result;
    future->error = error;
    asyncio__concurrent_callback_t *callbacks = future->callbacks;
    future->callbacks = NULL;
    /* Release, for the acquire in asyncio__concurrent_state(). */
    atomic_store_explicit(&future->state, state, memory_order_release);
    pthread_cond_broadcast(&future->done);
    pthread_mutex_unlock(&future->lock);
    run_callbacks(future, callbacks, /* is_freed= */ false);
    return true;
}

bool asyncio__concurrent_settle(asyncio_concurrent_future_t *future,
                                asyncio__concurrent_state_t state, int code,
                                asyncio__result_t result, asyncio_error_t *error)
{
    return settle(future, ASYNCIO__CONCURRENT_RUNNING, state, code, result, error);
}

static int check_is_settable(asyncio_concurrent_future_t *future)
{
    if (!asyncio__is_concurrent(future))
        return asyncio__fail(-EINVAL, "\"future\" must be a concurrent future");
    if (!future->class->is_settable)
        return asyncio__fail(ASYNCIO_EINVALIDSTATE,
                             "\"future\" must be one of asyncio_concurrent_future_new()");
    return 0;
}

int asyncio_concurrent_future_set_running_or_notify_cancel(asyncio_concurrent_future_t *future)
{
    int rc = check_is_settable(future);
    if (rc < 0)
        return rc;
    unsigned state = ASYNCIO__CONCURRENT_PENDING;
    pthread_mutex_lock(&future->lock);
    atomic_compare_exchange_strong(&future->state, &state, ASYNCIO__CONCURRENT_RUNNING);
    pthread_mutex_unlock(&future->lock);
    if (state == ASYNCIO__CONCURRENT_PENDING)
        return 1;
    if (state == ASYNCIO__CONCURRENT_CANCELLED)
        return 0;
    return asyncio__fail(ASYNCIO_EINVALIDSTATE, "Future in unexpected state");
}

int asyncio_concurrent_future_set_result(asyncio_concurrent_future_t *future, void *value,
                                         asyncio_destroy_t *destroy)
{
    int rc = check_is_settable(future);
    if (rc < 0)
        return rc;
    asyncio_concurrent_future_ref(future); /* a callback may drop the caller's */
    bool is_set = asyncio__concurrent_settle(future, ASYNCIO__CONCURRENT_FINISHED, 0,
                                             (asyncio__result_t){value, NULL}, NULL);
    if (is_set)
        future->result.destroy = destroy; /* only now is the value taken */
    asyncio_concurrent_future_unref(future);
    return is_set ? 0 : asyncio__fail(ASYNCIO_EINVALIDSTATE, "invalid state");
}

int asyncio_concurrent_future_set_exception(asyncio_concurrent_future_t *future, int code)
{
    asyncio_error_t *error = asyncio__error_take_of(code);
    int rc = check_is_settable(future);
    if (rc == 0 && code >= 0)
        rc = asyncio__fail(-EINVAL, "\"code\" must be negative");
    if (rc < 0) {
        asyncio_error_unref(error);
        return rc;
    }
    asyncio_concurrent_future_ref(future); /* a callback may drop the caller's */
    bool is_set =
        asyncio__concurrent_settle(future, ASYNCIO__CONCURRENT_FAILED, code, nothing, error);
    asyncio_concurrent_future_unref(future);
    return is_set ? 0 : asyncio__fail(ASYNCIO_EINVALIDSTATE, "invalid state");
}

int asyncio_concurrent_future_cancel(asyncio_concurrent_future_t *future)
{
    if (!asyncio__is_concurrent(future))
        return asyncio__fail(-EINVAL, "\"future\" must be a concurrent future");
    unsigned state = asyncio__concurrent_state(future);
    if (state != ASYNCIO__CONCURRENT_PENDING)
        return state == ASYNCIO__CONCURRENT_CANCELLED;
    if (future->class->cancel)
        return future->class->cancel(future);
    asyncio_concurrent_future_ref(future); /* a callback may drop the caller's */
    settle(future, ASYNCIO__CONCURRENT_PENDING, ASYNCIO__CONCURRENT_CANCELLED, 0, nothing, NULL);
    /* Another thread may have begun, finished or cancelled it in the meantime. */
    int is_cancelled = asyncio__concurrent_state(future) == ASYNCIO__CONCURRENT_CANCELLED;
    asyncio_concurrent_future_unref(future);
    return is_cancelled;
}

/* --- waiting ------------------------------------------------------------------------------- */

static void wait_until(asyncio_concurrent_future_t *future, double timeout)
{
    bool is_forever = isinf(timeout);
    int64_t now_ns = asyncio__clock_now();
    int64_t limit_ns = is_forever ? 0 : asyncio__nanoseconds(timeout);
    int64_t when_ns =
        limit_ns > ASYNCIO__NANOSECONDS_FOREVER - now_ns ? ASYNCIO__NANOSECONDS_FOREVER
                                                         : now_ns + limit_ns;
    struct timespec when = {when_ns / 1000000000, when_ns % 1000000000};
    pthread_mutex_lock(&future->lock);
    while (!asyncio__concurrent_is_done(future)) {
        if (is_forever)
            pthread_cond_wait(&future->done, &future->lock);
        else if (pthread_cond_timedwait(&future->done, &future->lock, &when) == ETIMEDOUT)
            break;
    }
    pthread_mutex_unlock(&future->lock);
}

/* Waits until the future is done. Returns 0, or a negative code: it was not in time, or was
 * cancelled. */
static int wait_done(asyncio_concurrent_future_t *future, double timeout)
{
    if (!asyncio__is_concurrent(future))
        return asyncio__fail(-EINVAL, "\"future\" must be a concurrent future");
    if (isnan(timeout))
        return asyncio__fail(-EINVAL, "\"timeout\" must not be NaN");
    if (!asyncio__concurrent_is_done(future) && timeout > 0)
        wait_until(future, timeout);
    unsigned state = asyncio__concurrent_state(future);
    if (state < ASYNCIO__CONCURRENT_FINISHED)
        return asyncio__fail(-ETIMEDOUT, NULL);
    return state == ASYNCIO__CONCURRENT_CANCELLED ? asyncio__fail(-ECANCELED, NULL) : 0;
}

int asyncio_concurrent_future_result(asyncio_concurrent_future_t *future, double timeout,
                                     void **ret_value)
{
    int rc = wait_done(future, timeout);
    if (rc < 0)
        return rc;
    if (asyncio__concurrent_state(future) == ASYNCIO__CONCURRENT_FAILED)
        return asyncio__fail_with(future->code, asyncio_error_ref(future->error));
    if (ret_value)
        *ret_value = future->result.value;
    return 0;
}

int asyncio_concurrent_future_exception(asyncio_concurrent_future_t *future, double timeout,
                                        asyncio_error_t **ret_error)
{
    int rc = wait_done(future, timeout);
    if (rc < 0 || !ret_error)
        return rc;
    if (asyncio__concurrent_state(future) != ASYNCIO__CONCURRENT_FAILED)
        *ret_error = NULL;
    else
        *ret_error = future->error ? asyncio_error_ref(future->error)
                                   : asyncio__error_new_static(future->code, NULL, NULL);
    return 0;
}

/* --- callbacks ----------------------------------------------------------------------------- */

void asyncio__concurrent_add_callback(asyncio_concurrent_future_t *future,
                                      asyncio__concurrent_callback_t *callback)
{
    callback->next = NULL;
    pthread_mutex_lock(&future->lock);
    bool is_done = asyncio__concurrent_is_done(future);
    if (!is_done) {
        *future->end = callback;
        future->end = &callback->next;
    }
    pthread_mutex_unlock(&future->lock);
    if (is_done)
        callback->run(callback, future, /* is_freed= */ false);
}

/* A callback of the program. */
typedef struct done_callback {
    asyncio__concurrent_callback_t callback; /* in the future's list */
    asyncio_concurrent_callback_t *fn;       /* what to call */
    void *arg;                               /* passed to it */
} done_callback_t;

static void run_done_callback(asyncio__concurrent_callback_t *self,
                              asyncio_concurrent_future_t *future, bool is_freed)
{
    done_callback_t done = *ASYNCIO__CONTAINER(self, done_callback_t, callback);
    asyncio__free(ASYNCIO__CONTAINER(self, done_callback_t, callback), sizeof(done));
    if (!is_freed)
        done.fn(future, done.arg);
}

int asyncio_concurrent_future_add_done_callback(asyncio_concurrent_future_t *future,
                                                asyncio_concurrent_callback_t *fn, void *arg)
{
    if (!asyncio__is_concurrent(future))
        return asyncio__fail(-EINVAL, "\"future\" must be a concurrent future");
    if (!fn)
        return asyncio__fail(-EINVAL, "\"fn\" must not be NULL");
    done_callback_t *done = asyncio__malloc(sizeof(*done));
    if (!done)
        return asyncio__fail(-ENOMEM, NULL);
    *done = (done_callback_t){.callback.run = run_done_callback, .fn = fn, .arg = arg};
    asyncio_concurrent_future_ref(future); /* the callback may drop the caller's */
    asyncio__concurrent_add_callback(future, &done->callback);
    asyncio_concurrent_future_unref(future);
    return 0;
}

/* --- the state ----------------------------------------------------------------------------- */

bool asyncio_concurrent_future_done(asyncio_concurrent_future_t *future)
{
    return asyncio__is_concurrent(future) && asyncio__concurrent_is_done(future);
}

bool asyncio_concurrent_future_cancelled(asyncio_concurrent_future_t *future)
{
    return asyncio__is_concurrent(future) &&
           asyncio__concurrent_state(future) == ASYNCIO__CONCURRENT_CANCELLED;
}

bool asyncio_concurrent_future_running(asyncio_concurrent_future_t *future)
{
    if (!asyncio__is_concurrent(future))
        return false;
    unsigned state = asyncio__concurrent_state(future);
    if (!future->class->is_running)
        return state == ASYNCIO__CONCURRENT_RUNNING;
    return state == ASYNCIO__CONCURRENT_PENDING && future->class->is_running(future);
}
