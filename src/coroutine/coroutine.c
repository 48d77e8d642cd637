/* SPDX-License-Identifier: MIT */
/*
 * Coroutine objects: how they are made, run, driven by hand and closed. Knows nothing of loops and
 * tasks. An await inside an object that is driven by hand is passed to the driver by the task
 * layer.
 */
#include "coroutine/coroutine.h"

#include <assert.h>
#include <string.h>

#include "base/context.h"
#include "base/error.h"
#include "base/memory.h"
#include "coroutine/overflow.h"

#if defined(__LP64__)
static_assert(offsetof(asyncio__thread_t, coroutine) == ASYNCIO__OFFSET_OF_COROUTINE &&
                  offsetof(asyncio__thread_t, returns_to) == ASYNCIO__OFFSET_OF_RETURNS_TO &&
                  offsetof(struct asyncio_coroutine, stack) == ASYNCIO__OFFSET_OF_STACK,
              "fiber_x86_64.S reads these fields");
#endif

void (*asyncio__coroutine_on_unused)(asyncio_coroutine_t *coroutine);

static bool is_coroutine(const asyncio_awaitable_t *awaitable)
{
    return asyncio__tag_of(awaitable) == ASYNCIO__TAG_COROUTINE;
}

bool asyncio_iscoroutine(const asyncio_awaitable_t *awaitable)
{
    return is_coroutine(awaitable);
}

static_assert(sizeof(asyncio_coroutine_t) % 16 == 0, "copied arguments are aligned for any type");

static inline __attribute__((always_inline)) asyncio_coroutine_t *
make_object(asyncio_coroutine_function_t *fn, const void *arg, size_t copy_bytes, const char *place)
{
    asyncio_coroutine_t *coroutine = asyncio__calloc(sizeof(*coroutine) + copy_bytes);
    if (!coroutine)
        return asyncio__fail_new(-ENOMEM, NULL);
    coroutine->tag = ASYNCIO__TAG_COROUTINE;
    coroutine->refs = 1;
    coroutine->fn = fn;
    coroutine->arg = (void *)arg;
    coroutine->place = place;
    return coroutine;
}

/* In a function of its own, so that an object without options is made without a frame. */
static __attribute__((noinline)) asyncio_coroutine_t *
make_full(asyncio_coroutine_function_t *fn, const void *arg,
          const asyncio_coroutine_options_t *options, const char *place)
{
    size_t copy_bytes = options->copy_bytes;
    const char *wrong = NULL;
    if (!fn)
        wrong = "\"fn\" must not be NULL";
    else if (options->size < sizeof(*options))
        wrong = "\"size\" of the options must be sizeof(asyncio_coroutine_options_t)";
    else if (copy_bytes && !arg)
        wrong = "\"arg\" must not be NULL where it is copied";
    else if (copy_bytes > UINT32_MAX / 2)
        wrong = "\"copy_bytes\" must be less than 2 GiB";
    else if (options->stack_bytes > ASYNCIO__STACK_MOST_BYTES)
        wrong = "\"stack_bytes\" must be at most 64 MiB";
    if (wrong)
        return asyncio__fail_new(-EINVAL, wrong);
    asyncio_coroutine_t *coroutine = make_object(fn, arg, copy_bytes, place);
    if (!coroutine)
        return NULL;
    coroutine->destroy = options->destroy;
    coroutine->stack_bytes = (uint32_t)options->stack_bytes;
    if (copy_bytes) {
        coroutine->copy_bytes = (uint32_t)copy_bytes;
        coroutine->arg = memcpy(coroutine + 1, arg, copy_bytes);
    }
    return coroutine;
}

asyncio_coroutine_t *asyncio_coroutine_full_at(asyncio_coroutine_function_t *fn, const void *arg,
                                               const asyncio_coroutine_options_t *options,
                                               const char *place)
{
    if (options)
        return make_full(fn, arg, options, place);
    if (ASYNCIO__UNLIKELY(!fn))
        return asyncio__fail_new(-EINVAL, "\"fn\" must not be NULL");
    return make_object(fn, arg, /* copy_bytes= */ 0, place);
}

asyncio_coroutine_t *asyncio_coroutine_ref(asyncio_coroutine_t *coroutine)
{
    if (coroutine)
        coroutine->refs++;
    return coroutine;
}

/* Closes a suspended object at its last unref. Returns true if its driver keeps it, to close it
 * later. */
static ASYNCIO__COLD bool close_unheld(asyncio_coroutine_t *coroutine)
{
    asyncio__driver_t *driver = asyncio__coroutine_driver(coroutine);
    if (driver && driver->dropped(driver))
        return true;
    coroutine->refs++; /* close() drops it */
    asyncio__ignore(asyncio_coroutine_close(coroutine));
    if (coroutine->state == ASYNCIO__COROUTINE_WAITING) {
        asyncio__coroutine_end(coroutine); /* it did not end: its stack is abandoned */
        if (driver)
            driver->ended(driver);
    }
    return false;
}

void asyncio_coroutine_unref(asyncio_coroutine_t *coroutine)
{
    if (!coroutine || coroutine->refs > 1) {
        if (coroutine)
            coroutine->refs--;
        return;
    }
    if (coroutine->state == ASYNCIO__COROUTINE_CREATED) {
        if (asyncio__coroutine_on_unused)
            asyncio__coroutine_on_unused(coroutine);
        asyncio__coroutine_end(coroutine);
    } else if (coroutine->state == ASYNCIO__COROUTINE_WAITING) {
        if (close_unheld(coroutine))
            return;
    }
    asyncio__coroutine_unref_ended(coroutine);
}

int asyncio__coroutine_check(asyncio_coroutine_t *coroutine)
{
    if (coroutine->state == ASYNCIO__COROUTINE_CREATED)
        return 0;
    /* From inside its own body, on its own stack or on that of the coroutine that awaits it. */
    const asyncio_coroutine_t *running = asyncio__thread.coroutine;
    if (coroutine->state == ASYNCIO__COROUTINE_RUNNING && running &&
        (coroutine == running || coroutine->host == running))
        return asyncio__fail(-EINVAL, "coroutine already executing");
    return asyncio__fail(ASYNCIO_ERUNTIME, "cannot reuse already awaited coroutine");
}

/* --- running ------------------------------------------------------------------------------- */

void asyncio__result_discard(asyncio__result_t *result)
{
    if (result->destroy && result->value)
        result->destroy(result->value);
    *result = (asyncio__result_t){NULL, NULL};
}

int asyncio__coroutine_call(asyncio_coroutine_t *coroutine, asyncio__result_t *ret_result)
{
    asyncio_coroutine_t *host = asyncio__thread.coroutine;
    asyncio__result_t *outer = host->result;
    host->result = ret_result;
    coroutine->host = host;
    int code = asyncio__coroutine_run(coroutine, ret_result);
    host->result = outer;
    return code;
}

int asyncio_return(void **ret_result, void *value, asyncio_destroy_t *destroy)
{
    if (!ret_result) {
        if (destroy)
            destroy(value);
        return asyncio__fail(-EINVAL, "\"ret_result\" must not be NULL");
    }
    asyncio_coroutine_t *host = asyncio__thread.coroutine;
    asyncio__result_t *job = asyncio__thread.job_result;
    *ret_result = value;
    if (host && host->result && ret_result == &host->result->value)
        host->result->destroy = destroy;
    else if (job && ret_result == &job->value)
        job->destroy = destroy;
    return 0;
}

intptr_t asyncio_int(const void *value)
{
    return (intptr_t)value;
}

/* --- driven by hand ------------------------------------------------------------------------ */

/* The first frame on the stack of an object that is driven by hand. */
static void run_driven(void *argument)
{
    asyncio_coroutine_t *coroutine = argument;
    asyncio__result_t result;
    coroutine->result = &result;
    coroutine->code = asyncio__coroutine_run(coroutine, &result);
    if (coroutine->agen && result.destroy) {
        result.destroy(result.value); /* nobody receives that of an asynchronous generator */
        result.value = NULL;
    }
    /* The value moves to the driver, which must free it. */
    coroutine->transfer = result.value;
    coroutine->result = NULL;
    asyncio__stack_t *stack = coroutine->stack;
    asyncio__fiber_t *back = coroutine->back;
    asyncio__overflow_check(stack);
    coroutine->stack = NULL;
    coroutine->back = NULL;
    asyncio__stack_release(stack);
    asyncio__fiber_leave(&coroutine->fiber, back);
}

int asyncio__coroutine_resume(asyncio_coroutine_t *coroutine, void *value, int code,
                              void **ret_out)
{
    asyncio_coroutine_t *former = asyncio__thread.coroutine;
    asyncio__fiber_t own = {0}, *here = coroutine->agen ? coroutine->back : &own;
    *here = own;
    coroutine->refs++; /* it may drop the last other reference */
    coroutine->back = here;
    coroutine->transfer = value;
    coroutine->code = code;
    coroutine->state = ASYNCIO__COROUTINE_RUNNING;
    asyncio__thread.coroutine = coroutine;
    asyncio__fiber_switch(here, &coroutine->fiber);
    /* In a child that was forked inside a loop no coroutine may suspend: the fork has set this to
     * NULL, and it stays so. */
    if (asyncio__thread.coroutine)
        asyncio__thread.coroutine = former;
    int outcome = coroutine->code;
    if (ret_out && outcome >= 0)
        *ret_out = coroutine->transfer;
    asyncio_coroutine_unref(coroutine);
    return outcome;
}

/* Whether it can be driven: 0, or an error. */
static int check_drivable(asyncio_coroutine_t *coroutine)
{
    if (!is_coroutine(coroutine))
        return asyncio__fail(-EINVAL, "\"coroutine\" must be a coroutine object");
    bool drivable = coroutine->state == ASYNCIO__COROUTINE_CREATED ||
                    (coroutine->state == ASYNCIO__COROUTINE_WAITING && coroutine->back);
    if (!drivable)
        return asyncio__fail(ASYNCIO_ERUNTIME, coroutine->state == ASYNCIO__COROUTINE_RUNNING
                                                   ? "coroutine already executing"
                                                   : "cannot reuse already awaited coroutine");
    if (coroutine->agen)
        return asyncio__fail(ASYNCIO_ERUNTIME, "an asynchronous generator is driven by tasks");
    return 0;
}

int asyncio__coroutine_prepare(asyncio_coroutine_t *coroutine)
{
    size_t stack_bytes = coroutine->stack_bytes;
    coroutine->stack =
        asyncio__stack_acquire(stack_bytes ? stack_bytes : ASYNCIO__STACK_DEFAULT_BYTES);
    if (!coroutine->stack && asyncio__fiber_check() < 0)
        return asyncio__fail(-ENOTSUP, ASYNCIO__SHADOW_STACK_MESSAGE);
    if (!coroutine->stack)
        return asyncio__fail(-ENOMEM, "no memory for the stack of a coroutine");
    asyncio__fiber_prepare(&coroutine->fiber, coroutine->stack, run_driven, coroutine);
    return 0;
}

int asyncio_coroutine_send(asyncio_coroutine_t *coroutine, void *value, void **ret_out)
{
    int rc = check_drivable(coroutine);
    if (rc < 0)
        return rc;
    if (coroutine->state == ASYNCIO__COROUTINE_WAITING)
        return asyncio__coroutine_resume(coroutine, value, 0, ret_out);
    if (value)
        return asyncio__fail(-EINVAL, "can't send a value to a just-started coroutine");
    rc = asyncio__coroutine_prepare(coroutine);
    return rc < 0 ? rc : asyncio__coroutine_resume(coroutine, NULL, 0, ret_out);
}

int asyncio_coroutine_throw(asyncio_coroutine_t *coroutine, int code, void **ret_out)
{
    int rc = check_drivable(coroutine);
    if (rc < 0)
        return rc;
    if (code >= 0)
        return asyncio__fail(-EINVAL, "\"code\" must be negative");
    if (coroutine->state == ASYNCIO__COROUTINE_WAITING)
        return asyncio__coroutine_resume(coroutine, NULL, code, ret_out);
    asyncio__coroutine_end(coroutine);
    return code;
}

int asyncio_coroutine_close(asyncio_coroutine_t *coroutine)
{
    if (!coroutine)
        return 0;
    if (!is_coroutine(coroutine))
        return asyncio__fail(-EINVAL, "\"coroutine\" must be a coroutine object");
    int rc = 0;
    asyncio__driver_t *driver = asyncio__coroutine_driver(coroutine);
    if (coroutine->state == ASYNCIO__COROUTINE_RUNNING ||
        (coroutine->agen & ASYNCIO__AGEN_RUNNING)) {
        rc = asyncio__fail(ASYNCIO_ERUNTIME, "coroutine already executing");
    } else if (coroutine->state == ASYNCIO__COROUTINE_CREATED) {
        asyncio__coroutine_end(coroutine);
    } else if (coroutine->state == ASYNCIO__COROUTINE_WAITING && coroutine->back) {
        coroutine->is_closing = true;
        rc = asyncio__coroutine_resume(coroutine, NULL, ASYNCIO_EGENERATOREXIT, NULL);
        if (rc > 0)
            rc = asyncio__fail(ASYNCIO_ERUNTIME, "coroutine ignored GeneratorExit");
        else if (rc == ASYNCIO_EGENERATOREXIT)
            rc = 0;
        coroutine->agen |= coroutine->agen ? ASYNCIO__AGEN_CLOSED : 0;
        if (driver && coroutine->state == ASYNCIO__COROUTINE_ENDED)
            driver->ended(driver);
    }
    asyncio_coroutine_unref(coroutine);
    return rc;
}

int asyncio__coroutine_hand_out(asyncio_coroutine_t *coroutine, void *value, int outcome)
{
    if (ASYNCIO__UNLIKELY(asyncio__uses(ASYNCIO__USES_CONTEXTS)) &&
        asyncio__context_is_held(coroutine))
        return asyncio__fail(ASYNCIO_ERUNTIME,
                             "a coroutine cannot yield inside asyncio_context_run()");
    asyncio__fiber_t *back = coroutine->back;
    coroutine->transfer = value;
    coroutine->code = outcome;
    coroutine->state = ASYNCIO__COROUTINE_WAITING;
    asyncio__fiber_switch(&coroutine->fiber, back);
    return coroutine->code;
}

int asyncio_yield(void *value, void **ret_sent)
{
    asyncio_coroutine_t *coroutine = asyncio__thread.coroutine;
    if (!coroutine || !coroutine->back)
        return asyncio__fail(ASYNCIO_ERUNTIME,
                             "asyncio_yield() works in a coroutine that is driven by hand");
    int code = asyncio__coroutine_hand_out(coroutine, value, ASYNCIO_YIELDED);
    if (code < 0)
        return code;
    if (ret_sent)
        *ret_sent = coroutine->transfer;
    return 0;
}

/* --- the macros as functions --------------------------------------------------------------- */

asyncio_coroutine_t *(asyncio_coroutine)(asyncio_coroutine_function_t *fn, const void *arg)
{
    return asyncio_coroutine_full_at(fn, arg, /* options= */ NULL, /* place= */ NULL);
}

asyncio_coroutine_t *(asyncio_coroutine_full)(asyncio_coroutine_function_t *fn, const void *arg,
                                              const asyncio_coroutine_options_t *options)
{
    return asyncio_coroutine_full_at(fn, arg, options, /* place= */ NULL);
}
