/* SPDX-License-Identifier: MIT */
/*
 * Asynchronous generators: coroutine objects that yield and await, driven from tasks.
 *
 * The generator runs on a stack of its own, like one that is driven by hand. What it awaits
 * is passed to its driver and awaited there; so a cancel of the driver reaches it, and the error
 * is raised where the generator waits:
 *
 *     task ... anext ──resume──> generator            yields: anext returns the value
 *           <─the future─ awaits it
 *     waits ──its outcome──> resumes
 *
 * While it is neither unstarted nor at its end it has a record, to which its `back` leads. Its loop
 * knows the record, but holds no reference to the generator.
 */
#include <asyncio/async_generator.h>
#include <asyncio/gather.h>

#include "base/memory.h"
#include "task/task.h"
#include "task/twin.h"

typedef struct generator {
    asyncio__driver_t driver;       /* first, so that both are one address */
    asyncio__list_t link;           /* in its loop's list, until that shuts them down */
    asyncio__ready_t drop;          /* closes what nobody holds any more; its slot is reserved */
    asyncio_loop_t *loop;           /* in which it began, held; NULL where none ran */
    asyncio_coroutine_t *coroutine; /* a reference while drop is in the ready queue */
} generator_t;

static generator_t *generator_of(asyncio__driver_t *driver)
{
    return (generator_t *)(void *)driver;
}

/* --- the record ---------------------------------------------------------------------------- */

/* Told when it has ended, or was abandoned. */
static void on_ended(asyncio__driver_t *driver)
{
    generator_t *generator = generator_of(driver);
    if (generator->loop) {
        asyncio__list_remove(&generator->link);
        asyncio__loop_release(generator->loop, 1);
        asyncio__loop_drop_object(generator->loop);
    }
    asyncio__free(generator, sizeof(*generator));
}

/* In the next turn: a task closes it, which holds it from then on. */
static void run_drop(asyncio__ready_t *self)
{
    generator_t *generator = ASYNCIO__CONTAINER(self, generator_t, drop);
    asyncio_coroutine_t *coroutine = generator->coroutine, *closing = NULL;
    if (!generator->loop->closed)
        closing = asyncio_coroutine_aclose_coroutine(coroutine);
    asyncio_task_t *task =
        closing ? asyncio__task_new(generator->loop, closing, coroutine->place) : NULL;
    if (!task)
        coroutine->agen |= ASYNCIO__AGEN_CLOSED; /* so that it is closed by hand, now */
    asyncio_coroutine_unref(coroutine);
    asyncio_task_unref(task);
}

/* Told when its last reference went: whether it is kept, to be closed in a task. */
static bool on_dropped(asyncio__driver_t *driver)
{
    generator_t *generator = generator_of(driver);
    asyncio_loop_t *loop = generator->loop;
    if (!loop || loop->closed || (generator->coroutine->agen & ASYNCIO__AGEN_CLOSED))
        return false;
    asyncio__ignore((int)asyncio__loop_schedule(loop, &generator->drop));
    return true;
}

static ASYNCIO__COLD void report(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine,
                                 const char *message, int code, asyncio_error_t *error)
{
    asyncio_exception_context_t context = {.size = sizeof(context), .message = message,
                                           .code = code, .error = error,
                                           .coroutine = coroutine, .place = coroutine->place};
    asyncio_loop_call_exception_handler(loop, &context);
}

/* Its record and its stack: 0, or -ENOMEM and it has not started. */
static int begin(asyncio_coroutine_t *coroutine)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio__task_layer_t *hook = loop ? asyncio__task_layer_of(loop) : NULL;
    if (loop && (!hook || asyncio__loop_reserve(loop, 1) < 0))
        return asyncio__fail(-ENOMEM, NULL);
    generator_t *generator = asyncio__calloc(sizeof(*generator));
    int rc = generator ? asyncio__coroutine_prepare(coroutine) : asyncio__fail(-ENOMEM, NULL);
    if (rc < 0) {
        asyncio__free(generator, sizeof(*generator));
        if (loop)
            asyncio__loop_release(loop, 1);
        return rc;
    }
    generator->driver.ended = on_ended;
    generator->driver.dropped = on_dropped;
    generator->drop.run = run_drop;
    generator->coroutine = coroutine;
    coroutine->back = &generator->driver.fiber;
    coroutine->agen = ASYNCIO__AGEN;
    if (!loop)
        return 0;
    generator->loop = asyncio__loop_hold(loop);
    asyncio__list_append(&hook->generators, &generator->link);
    if (hook->generators_shut_down)
        report(loop, coroutine,
               "asynchronous generator was scheduled after loop.shutdown_asyncgens() call",
               /* code= */ 0, /* error= */ NULL);
    return 0;
}

void asyncio__generators_forget(asyncio__task_layer_t *hook)
{
    while (asyncio__list_pop(&hook->generators)) {
    }
}

asyncio_coroutine_t *asyncio__generator_driven_from(const asyncio__task_layer_t *hook,
                                                    const asyncio_coroutine_t *host)
{
    for (asyncio__list_t *at = hook->generators.next; at != &hook->generators; at = at->next) {
        generator_t *generator = ASYNCIO__CONTAINER(at, generator_t, link);
        asyncio_coroutine_t *coroutine = generator->coroutine;
        if ((coroutine->agen & ASYNCIO__AGEN_RUNNING) && generator->driver.host == host &&
            coroutine->state == ASYNCIO__COROUTINE_WAITING)
            return coroutine;
    }
    return NULL;
}

/* --- driving ------------------------------------------------------------------------------- */

/* It ended with what means the end: that would be lost. */
static ASYNCIO__COLD int refuse_stop(void)
{
    asyncio_error_t *cause = asyncio_error_of(ASYNCIO_ESTOPASYNCITERATION);
    asyncio_error_t *error = asyncio__error_new_static(
        ASYNCIO_ERUNTIME, "async generator raised StopAsyncIteration", cause);
    asyncio_error_unref(cause);
    return asyncio__fail_with(ASYNCIO_ERUNTIME, error);
}

/* Resumes a generator, and waits for what it awaits, until it yields (ASYNCIO_YIELDED) or ends. */
static int drive(asyncio_coroutine_t *coroutine, void *value, int code, void **ret_out)
{
    asyncio__driver_t *driver = asyncio__coroutine_driver(coroutine);
    asyncio_coroutine_ref(coroutine); /* its driver may drop it meanwhile */
    coroutine->agen |= ASYNCIO__AGEN_RUNNING;
    driver->host = asyncio__thread.coroutine;
    int rc;
    for (;;) {
        void *out = NULL;
        rc = asyncio__coroutine_resume(coroutine, value, code, &out);
        if (rc != ASYNCIO_AWAITING) {
            *ret_out = out;
            break;
        }
        value = NULL;
        code = out ? asyncio__future_wait(out) : asyncio__give_way();
    }
    coroutine->agen &= (uint8_t)~ASYNCIO__AGEN_RUNNING;
    if (coroutine->state == ASYNCIO__COROUTINE_ENDED)
        driver->ended(driver);
    if (rc == 0)
        rc = asyncio__fail(ASYNCIO_ESTOPASYNCITERATION, NULL);
    else if (rc == ASYNCIO_ESTOPASYNCITERATION)
        rc = refuse_stop();
    if (rc == ASYNCIO_ESTOPASYNCITERATION || rc == ASYNCIO_EGENERATOREXIT)
        coroutine->agen |= ASYNCIO__AGEN_CLOSED;
    asyncio_coroutine_unref(coroutine);
    return rc;
}

/* May it be driven here: 0, or an error; running says what it is to an error that it runs. */
static int check(asyncio_coroutine_t *coroutine, const char *running)
{
    if (asyncio__tag_of(coroutine) != ASYNCIO__TAG_COROUTINE)
        return coroutine ? asyncio__fail(-EINVAL, "\"coroutine\" must be a coroutine object")
                         : asyncio__fail_null();
    if (!asyncio__thread.coroutine)
        return asyncio__fail(ASYNCIO_ERUNTIME, "await outside a coroutine");
    if (coroutine->agen & ASYNCIO__AGEN_RUNNING)
        return asyncio__fail(ASYNCIO_ERUNTIME, running);
    if (coroutine->state != ASYNCIO__COROUTINE_CREATED && !coroutine->agen)
        return asyncio__fail(ASYNCIO_ERUNTIME, "the coroutine is no asynchronous generator");
    return 0;
}

/* Ends one that has not started. */
static void end_unstarted(asyncio_coroutine_t *coroutine)
{
    coroutine->agen = ASYNCIO__AGEN | ASYNCIO__AGEN_CLOSED;
    asyncio__coroutine_end(coroutine);
}

int asyncio_coroutine_asend(asyncio_coroutine_t *coroutine, void *value, void **ret_value)
{
    int rc = check(coroutine, "anext(): asynchronous generator is already running");
    if (rc < 0)
        return rc;
    if (coroutine->state == ASYNCIO__COROUTINE_ENDED)
        return asyncio__fail(ASYNCIO_ESTOPASYNCITERATION, NULL);
    if (coroutine->state == ASYNCIO__COROUTINE_CREATED) {
        if (value)
            return asyncio__fail(
                -EINVAL, "can't send a value to a just-started asynchronous generator");
        rc = begin(coroutine);
        if (rc < 0)
            return rc;
    }
    void *out = NULL;
    rc = drive(coroutine, value, 0, &out);
    if (rc < 0)
        return rc;
    if (ret_value)
        *ret_value = out;
    return 0;
}

int asyncio_coroutine_anext(asyncio_coroutine_t *coroutine, void **ret_value)
{
    return asyncio_coroutine_asend(coroutine, NULL, ret_value);
}

int asyncio_coroutine_athrow(asyncio_coroutine_t *coroutine, int code, void **ret_value)
{
    int rc = check(coroutine, "athrow(): asynchronous generator is already running");
    if (rc == 0 && code >= 0)
        rc = asyncio__fail(-EINVAL, "\"code\" must be negative");
    if (rc < 0)
        return rc;
    void *out = NULL;
    if (coroutine->state == ASYNCIO__COROUTINE_CREATED) {
        end_unstarted(coroutine);
        return code;
    }
    if (coroutine->state != ASYNCIO__COROUTINE_ENDED) {
        if (coroutine->agen & ASYNCIO__AGEN_CLOSED)
            return asyncio__fail(ASYNCIO_ESTOPASYNCITERATION, NULL);
        rc = drive(coroutine, NULL, code, &out);
    }
    if (rc < 0)
        return rc;
    if (ret_value)
        *ret_value = out;
    return 0;
}

int asyncio_coroutine_aclose(asyncio_coroutine_t *coroutine)
{
    int rc = check(coroutine, "aclose(): asynchronous generator is already running");
    if (rc < 0 || coroutine->state == ASYNCIO__COROUTINE_ENDED)
        return rc;
    if (coroutine->state == ASYNCIO__COROUTINE_CREATED) {
        end_unstarted(coroutine);
        return 0;
    }
    if (coroutine->agen & ASYNCIO__AGEN_CLOSED)
        return asyncio__fail(ASYNCIO_ESTOPASYNCITERATION, NULL);
    coroutine->agen |= ASYNCIO__AGEN_CLOSED;
    void *out = NULL;
    rc = drive(coroutine, NULL, ASYNCIO_EGENERATOREXIT, &out);
    if (rc >= 0)
        return asyncio__fail(ASYNCIO_ERUNTIME, "async generator ignored GeneratorExit");
    return rc == ASYNCIO_ESTOPASYNCITERATION || rc == ASYNCIO_EGENERATOREXIT ? 0 : rc;
}

/* --- twins --------------------------------------------------------------------------------- */

static int keep_generator(void *arguments)
{
    asyncio_coroutine_t **coroutine = arguments;
    if (asyncio__tag_of(*coroutine) != ASYNCIO__TAG_COROUTINE) {
        *coroutine = NULL;
        return asyncio__fail(-EINVAL, "\"coroutine\" must be a coroutine object");
    }
    asyncio_coroutine_ref(*coroutine);
    return 0;
}

static void drop_generator(void *arguments)
{
    asyncio_coroutine_unref(*(asyncio_coroutine_t **)arguments);
}

ASYNCIO__TWIN_KEPT(RESULT, asyncio_coroutine_asend, keep_generator, drop_generator,
                   (asyncio_coroutine_t *, coroutine), (void *, value))
ASYNCIO__TWIN_KEPT(RESULT, asyncio_coroutine_anext, keep_generator, drop_generator,
                   (asyncio_coroutine_t *, coroutine))
ASYNCIO__TWIN_KEPT(RESULT, asyncio_coroutine_athrow, keep_generator, drop_generator,
                   (asyncio_coroutine_t *, coroutine), (int, code))
ASYNCIO__TWIN_KEPT(CODE, asyncio_coroutine_aclose, keep_generator, drop_generator,
                   (asyncio_coroutine_t *, coroutine))

/* --- a loop that shuts them down ----------------------------------------------------------- */

/* The generators of a loop, and the objects that close them. */
struct closing {
    asyncio_coroutine_t **generators;  /* borrowed: the objects hold them */
    asyncio_awaitable_t **awaitables;  /* those objects; taken by gather */
    size_t count;                      /* of both */
};

static void fini_closing(struct closing *closing)
{
    asyncio__free(closing->generators, closing->count * sizeof(void *));
    asyncio__free(closing->awaitables, closing->count * sizeof(void *));
}

/* Has room for all of a list: 0, or -ENOMEM. */
static int collect(const asyncio__list_t *list, struct closing *closing)
{
    *closing = (struct closing){NULL, NULL, 0};
    for (asyncio__list_t *at = list->next; at != list; at = at->next)
        closing->count++;
    closing->generators = asyncio__malloc(closing->count * sizeof(void *));
    closing->awaitables = asyncio__malloc(closing->count * sizeof(void *));
    size_t i = 0;
    bool is_whole = closing->generators && closing->awaitables;
    for (asyncio__list_t *at = list->next; is_whole && at != list; at = at->next, i++) {
        generator_t *generator = ASYNCIO__CONTAINER(at, generator_t, link);
        closing->generators[i] = generator->coroutine;
        closing->awaitables[i] = asyncio_coroutine_aclose_coroutine(generator->coroutine);
        is_whole = closing->awaitables[i] != NULL;
    }
    if (is_whole)
        return 0;
    while (i > 0)
        asyncio__discard(closing->awaitables[--i]);
    fini_closing(closing);
    return asyncio__fail(-ENOMEM, NULL);
}

/* Tells of those that could not be closed. */
static void report_failures(asyncio_loop_t *loop, asyncio_future_t *future,
                            const struct closing *closing)
{
    for (size_t i = 0; i < closing->count; i++) {
        int code = asyncio_gather_result(future, i, NULL);
        if (code >= 0 || code == -ECANCELED || code == ASYNCIO_EGENERATOREXIT ||
            code == ASYNCIO_EKEYBOARDINTERRUPT)
            continue;
        asyncio_error_t *error = asyncio__error_take_of(code);
        report(loop, closing->generators[i],
               "an error occurred during closing of asynchronous generator", code, error);
        asyncio_error_unref(error);
    }
}

int asyncio_loop_shutdown_asyncgens(asyncio_loop_t *loop)
{
    if (!loop)
        return asyncio__fail(-EINVAL, "\"loop\" must not be NULL");
    if (loop != asyncio_get_running_loop() || !asyncio__thread.task)
        return asyncio__fail(ASYNCIO_ERUNTIME, "not inside a task of that loop");
    asyncio__task_layer_t *hook = asyncio__task_layer_of(loop); /* there is one: a task runs */
    hook->generators_shut_down = true;
    if (asyncio__list_is_empty(&hook->generators))
        return 0;
    struct closing closing;
    int rc = collect(&hook->generators, &closing);
    if (rc < 0)
        return rc;
    asyncio_gather_options_t options = {.size = sizeof(options), .return_exceptions = true};
    asyncio_future_t *future = asyncio_gather(closing.awaitables, closing.count, &options);
    if (future) {
        for (size_t i = 0; i < closing.count; i++)
            asyncio_coroutine_ref(closing.generators[i]);
        asyncio__generators_forget(hook);
        rc = asyncio_await(future, NULL);
        if (rc == 0)
            report_failures(loop, future, &closing);
        asyncio_future_unref(future);
        for (size_t i = 0; i < closing.count; i++)
            asyncio_coroutine_unref(closing.generators[i]);
    } else {
        rc = asyncio_errno();
    }
    fini_closing(&closing);
    return rc;
}

static int run_shutdown(void *arg, void **ret_result)
{
    (void)ret_result;
    return asyncio_loop_shutdown_asyncgens(arg);
}

asyncio_coroutine_t *asyncio_loop_shutdown_asyncgens_coroutine(asyncio_loop_t *loop)
{
    return asyncio_coroutine_full_at(run_shutdown, loop, NULL, "asyncio_loop_shutdown_asyncgens");
}
