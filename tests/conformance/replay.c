/* SPDX-License-Identifier: MIT */
/*
 * The run, the log and the objects of a test that shrink.py prints; see replay.h.
 *
 * A task's name says what it is called in the log. The loop's task factory numbers them, so those
 * that gather() and the others make are seen too.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay.h"

#define FUEL 1000                         /* statements */
#define SHUTDOWN_TICKS 1000               /* how long tasks that are left may take to end */
#define STACK_BYTES (4u << 20)            /* as deep as FUEL calls inside each other */
#define EOUTOFFUEL (ASYNCIO_EUSER - 1)    /* no handler catches it */

/* An object that is kept until the end. */
typedef struct kept {
    void *object;
    void (*drop)(void *object);
} kept_t;

/* A gathering; its value is an array of the library. */
typedef struct gathering {
    asyncio_future_t *future; /* kept; NULL once finished by hand */
    size_t count;             /* of its sources */
} gathering_t;

/* A growing array: `array` of `count`, room for `capacity`. */
#define ARRAY(type) \
    struct { \
        type *items; \
        size_t count; \
        size_t capacity; \
    }

static struct replay {
    int fuel;                      /* statements left; below 0: out of fuel */
    bool is_over;                  /* nothing is logged any more */
    int callbacks;                 /* that make_newest() made */
    asyncio_task_t *waiter;        /* the hidden task of the shutdown */
    FILE *log;                     /* of the trace */
    char *trace;                   /* what it holds */
    size_t trace_length;           /* of it */
    ARRAY(asyncio_task_t *) tasks; /* in order of creation, references */
    ARRAY(gathering_t) gatherings; /* in order of creation */
    ARRAY(kept_t) kept;            /* everything else */
} now;

asyncio_loop_t *loop;
const asyncio_gather_options_t return_exceptions = {.size = sizeof(return_exceptions),
                                                    .return_exceptions = true};

/* --- objects -------------------------------------------------------------------------------- */

#define APPEND(array, ...) \
    do { \
        grow((void **)&(array).items, (array).count, &(array).capacity, sizeof((array).items[0])); \
        (array).items[(array).count++] = __VA_ARGS__; \
    } while (0)

static void grow(void **items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return;
    *capacity = *capacity ? *capacity * 2 : 16;
    *items = realloc(*items, *capacity * size);
    assert_non_null(*items);
}

static void drop_future(void *future)
{
    asyncio_future_unref(future);
}

/* Closes a coroutine that never ran, so that it is not reported. */
static void drop_coroutine(void *coroutine)
{
    int rc = asyncio_coroutine_close(coroutine);
    (void)rc; /* used ones cannot be closed again: the reference is given up all the same */
}

static void drop_handle(void *handle)
{
    asyncio_handle_unref(handle);
}

static void drop_iteration(void *iteration)
{
    asyncio_as_completed_unref(iteration);
}

asyncio_future_t *keep(asyncio_future_t *future)
{
    APPEND(now.kept, (kept_t){future, drop_future});
    return future;
}

asyncio_coroutine_t *keep_coroutine(asyncio_coroutine_t *coroutine)
{
    APPEND(now.kept, (kept_t){coroutine, drop_coroutine});
    return coroutine;
}

asyncio_handle_t *keep_handle(asyncio_handle_t *handle)
{
    APPEND(now.kept, (kept_t){handle, drop_handle});
    return handle;
}

asyncio_as_completed_t *keep_iteration(asyncio_as_completed_t *iteration)
{
    APPEND(now.kept, (kept_t){iteration, drop_iteration});
    return iteration;
}

asyncio_task_t *keep_task(const char *name, asyncio_task_t *task)
{
    char label[64];
    const char *number = task ? strchr(asyncio_task_get_name(task), '#') : NULL;
    if (number) {
        snprintf(label, sizeof(label), "%s%s", name, number);
        assert_int_equal(asyncio_task_set_name(task, label), 0);
    }
    return keep(task);
}

asyncio_future_t *keep_gathering(asyncio_future_t *future, size_t count)
{
    APPEND(now.gatherings, (gathering_t){future, count});
    return keep(future);
}

void forget_gathering(const asyncio_future_t *future)
{
    for (size_t i = 0; i < now.gatherings.count; i++)
        if (now.gatherings.items[i].future == future)
            now.gatherings.items[i].future = NULL;
}

newest_t make_newest(asyncio_done_callback_t *fn)
{
    return (newest_t){fn, ASYNCIO_INT(++now.callbacks)};
}

int remove_newest(asyncio_future_t *future, newest_t newest)
{
    return newest.fn ? asyncio_future_remove_done_callback(future, newest.fn, newest.arg) : 0;
}

int compare_numbers(const void *a, const void *b, void *arg)
{
    (void)arg;
    double left = strtod(a, NULL), right = strtod(b, NULL);
    return left < right ? -1 : left > right;
}

asyncio_awaitable_t *share(asyncio_awaitable_t *awaitable)
{
    if (asyncio_iscoroutine(awaitable))
        asyncio_coroutine_ref(awaitable);
    return awaitable;
}

/* Numbers every task but the hidden one, when it is created. */
static asyncio_task_t *number_task(asyncio_loop_t *of, asyncio_coroutine_t *coroutine,
                                   const asyncio_task_options_t *options, void *arg)
{
    (void)arg;
    char label[32];
    asyncio_task_t *task = asyncio_task_new(of, coroutine, options);
    if (!task)
        return NULL;
    snprintf(label, sizeof(label), now.tasks.count ? "task#%zu" : "main", now.tasks.count);
    assert_int_equal(asyncio_task_set_name(task, label), 0);
    APPEND(now.tasks, asyncio_task_ref(task));
    return task;
}

long count_all_tasks(void)
{
    long count = asyncio_all_tasks(loop, /* ret_tasks= */ NULL, /* capacity= */ 0);
    return count - (now.waiter && !asyncio_future_done(now.waiter));
}

/* --- words ---------------------------------------------------------------------------------- */

const char *truth(int result)
{
    return result < 0 ? asyncio_error_name(result) : result ? "True" : "False";
}

/* Returns the name that the language has for a code. */
static const char *name_of(int code)
{
    static const struct {
        int code;
        const char *name;
    } names[] = {
        {ASYNCIO_ETIMEDOUT, "Timeout"},           {ASYNCIO_EINVALIDSTATE, "InvalidState"},
        {ASYNCIO_EQUEUEEMPTY, "QueueEmpty"},      {ASYNCIO_EQUEUEFULL, "QueueFull"},
        {ASYNCIO_EQUEUESHUTDOWN, "QueueShutDown"}, {ASYNCIO_EBROKENBARRIER, "BrokenBarrier"},
        {ASYNCIO_EINVAL, "ValueError"},           {-EDEADLK, "RuntimeError"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (names[i].code == code)
            return names[i].name;
    return asyncio_error_name(code);
}

static void put_error(const asyncio_error_t *error)
{
    int code = asyncio_error_code(error);
    if (code == ASYNCIO_ECANCELED || code == ASYNCIO_EUSER) {
        fprintf(now.log, "%s(%s)", code == ASYNCIO_EUSER ? "Error" : "Cancelled",
                asyncio_error_message(error));
        return;
    }
    if (code != ASYNCIO_EGROUP) {
        fputs(name_of(code), now.log);
        return;
    }
    fputs("Group[", now.log);
    for (size_t i = 0; i < asyncio_error_child_count(error); i++) {
        fputs(i > 0 ? "," : "", now.log);
        put_error(asyncio_error_child(error, i));
    }
    fputs("]", now.log);
}

/* Returns the gathering whose value this is, or NULL. */
static const gathering_t *gathering_of(const void *value)
{
    for (size_t i = 0; value && i < now.gatherings.count; i++) {
        void *own = NULL;
        asyncio_future_t *future = now.gatherings.items[i].future;
        if (asyncio_future_done(future) && asyncio_future_result(future, &own) == 0 && own == value)
            return &now.gatherings.items[i];
    }
    return NULL;
}

/* With return_exceptions a list contains errors too, each in its position. */
static void put_value(const void *value)
{
    const gathering_t *gathering = gathering_of(value);
    if (!gathering) {
        fputs(value ? value : "None", now.log);
        return;
    }
    fputs("[", now.log);
    for (size_t i = 0; i < gathering->count; i++) {
        void *one = NULL;
        int rc = asyncio_gather_result(gathering->future, i, &one);
        asyncio_error_t *error = rc < 0 ? asyncio_error_of(rc) : NULL;
        fputs(i > 0 ? "," : "", now.log);
        if (error)
            put_error(error);
        else
            put_value(one);
        asyncio_error_unref(error);
    }
    fputs("]", now.log);
}

static void put_state(asyncio_future_t *future)
{
    asyncio_error_t *error = NULL;
    void *value = NULL;
    if (!asyncio_future_done(future)) {
        fputs("pending", now.log);
    } else if (asyncio_future_cancelled(future)) {
        fputs("cancelled", now.log);
    } else if (asyncio_future_exception(future, &error) == 0 && error) {
        fputs("raised ", now.log);
        put_error(error);
        asyncio_error_unref(error);
    } else if (asyncio_future_result(future, &value) == 0) {
        fputs("finished ", now.log);
        put_value(value);
    }
}

/* --- lines ---------------------------------------------------------------------------------- */

/* Begins a line with time and running task; false if nothing is logged any more. */
static bool begin_line(void)
{
    if (now.fuel < 0 || now.is_over)
        return false;
    asyncio_task_t *task = asyncio_current_task();
    fprintf(now.log, "%.0f %s ", nearbyint(asyncio_loop_time(loop) / TICK),
            !task ? "loop" : task == now.waiter ? "?" : asyncio_task_get_name(task));
    return true;
}

void log_line(const char *format, ...)
{
    if (!begin_line())
        return;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(now.log, format, arguments);
    va_end(arguments);
    fputs("\n", now.log);
}

void log_value(const char *words, void *value)
{
    if (!begin_line())
        return;
    fputs(words, now.log);
    put_value(value);
    fputs("\n", now.log);
}

void log_state(const char *words, asyncio_future_t *future)
{
    if (!begin_line())
        return;
    fputs(words, now.log);
    put_state(future);
    fputs("\n", now.log);
}

void log_error(const char *words, asyncio_error_t *error)
{
    if (begin_line()) {
        fputs(words, now.log);
        if (error)
            put_error(error);
        else
            put_value(NULL);
        fputs("\n", now.log);
    }
    asyncio_error_unref(error);
}

void log_caught(int rc)
{
    log_error("caught ", asyncio_error_of(rc));
}

/* --- errors --------------------------------------------------------------------------------- */

bool is_exception(int rc)
{
    return rc < 0 && rc != ASYNCIO_ECANCELED && rc != ASYNCIO_EGENERATOREXIT && rc != EOUTOFFUEL;
}

bool is_any(int rc)
{
    return rc == ASYNCIO_ECANCELED || is_exception(rc);
}

leaving_t hold(int rc)
{
    return (leaving_t){rc, rc < 0 ? asyncio_error_of(rc) : NULL};
}

int let_go(leaving_t leaving, int rc)
{
    if (rc >= 0)
        rc = leaving.error ? asyncio_reraise(leaving.error) : leaving.rc;
    asyncio_error_unref(leaving.error);
    return rc;
}

void report(int rc)
{
    if (rc >= 0)
        return;
    asyncio_error_t *error = asyncio_error_of(rc);
    asyncio_exception_context_t context = {.size = sizeof(context),
                                           .message = "Exception in callback",
                                           .code = rc,
                                           .error = error};
    asyncio_loop_call_exception_handler(loop, &context);
    asyncio_error_unref(error);
}

static void on_exception(asyncio_loop_t *of, const asyncio_exception_context_t *context, void *arg)
{
    (void)of, (void)arg;
    if (context->error)
        log_error("handler ", asyncio_error_ref(context->error));
    else if (context->code < 0)
        log_line("handler %s", name_of(context->code));
    else
        log_line("handler %s", context->message);
}

int burn_fuel(void)
{
    if (!now.is_over && --now.fuel >= 0)
        return 0;
    asyncio_loop_stop(loop);
    return asyncio_raise(EOUTOFFUEL, "out of fuel");
}

/* --- many at once --------------------------------------------------------------------------- */

void add_source(sources_t *sources, const char *name, asyncio_awaitable_t *awaitable)
{
    bool is_new = awaitable != NULL;
    for (size_t i = 0; i < sources->count; i++)
        is_new = is_new && sources->items[i] != awaitable;
    if (!is_new)
        return;
    assert_true(sources->count < SOURCES);
    sources->names[sources->count] = name;
    sources->items[sources->count++] = share(awaitable);
}

int make_futures(sources_t *sources)
{
    int rc = 0;
    for (size_t i = 0; i < sources->count; i++) {
        sources->items[i] = keep(asyncio_ensure_future(sources->items[i]));
        if (!sources->items[i] && rc == 0)
            rc = asyncio_errno();
    }
    return rc;
}

void leave_done_out(sources_t *sources)
{
    size_t left = 0;
    for (size_t i = 0; i < sources->count; i++)
        if (!asyncio_future_done(sources->items[i]))
            sources->items[left++] = sources->items[i];
    sources->count = left;
}

int log_wait(const sources_t *sources, int rc)
{
    if (rc < 0)
        return rc;
    if (!begin_line())
        return 0;
    fputs("wait ", now.log);
    for (size_t i = 0; i < sources->count; i++)
        fprintf(now.log, "%s%s:%s", i > 0 ? " " : "", sources->names[i],
                sources->done[i] ? "done" : "pending");
    fputs("\n", now.log);
    return 0;
}

int log_completed(asyncio_future_t *future)
{
    void *value = NULL;
    int rc = asyncio_future_result(future, &value);
    if (rc == ASYNCIO_EUSER)
        log_error("completed ", asyncio_error_of(rc));
    else if (rc == 0)
        log_value("completed ", value);
    return rc == ASYNCIO_EUSER ? 0 : rc;
}

/* --- the run -------------------------------------------------------------------------------- */

void begin_replay(void)
{
    asyncio_loop_options_t options = {.size = sizeof(options),
                                      .clock = ASYNCIO_CLOCK_VIRTUAL,
                                      .stack_bytes = STACK_BYTES};
    now = (struct replay){.fuel = FUEL};
    now.log = open_memstream(&now.trace, &now.trace_length);
    assert_non_null(now.log);
    loop = asyncio_new_event_loop_full(&options);
    assert_non_null(loop);
    asyncio_loop_set_exception_handler(loop, on_exception, /* arg= */ NULL);
    assert_int_equal(asyncio_loop_set_task_factory(loop, number_task, /* arg= */ NULL), 0);
}

static void live(asyncio_coroutine_t *coroutine)
{
    void *value = NULL;
    asyncio_task_t *task = asyncio_loop_create_task(loop, coroutine);
    int rc = asyncio_loop_run_until_complete(loop, task, &value);
    if (rc == ASYNCIO_EDEADLOOP)
        log_line("deadlock");
    else if (rc < 0)
        log_error("main raised ", asyncio_error_of(rc));
    else
        log_value("main returned ", value);
    asyncio_task_unref(task);
}

/* Cancels the tasks that are left, and waits for them in a hidden task. */
static void shut_down(void)
{
    size_t count = 0;
    asyncio_awaitable_t **left = malloc(now.tasks.count * sizeof(*left));
    assert_non_null(left);
    for (size_t i = 0; i < now.tasks.count; i++)
        if (!asyncio_future_done(now.tasks.items[i]))
            left[count++] = now.tasks.items[i];
    log_line("shutdown %zu", count);
    for (size_t i = 0; i < count; i++) {
        int rc = asyncio_task_cancel(left[i], /* message= */ NULL);
        assert_true(rc == 1 || rc == -EDEADLK); /* a ring of tasks: such traces are not compared */
    }
    if (count > 0) {
        asyncio_coroutine_t *wait = asyncio_wait_coroutine(
            left, count, SHUTDOWN_TICKS * TICK, ASYNCIO_ALL_COMPLETED, /* ret_done= */ NULL);
        now.waiter = asyncio_task_new(loop, wait, /* options= */ NULL);
        int rc = asyncio_loop_run_until_complete(loop, now.waiter, /* ret_result= */ NULL);
        if (rc < 0)
            log_line("the shutdown failed: %s", asyncio_error_name(rc));
    }
    free(left);
    for (size_t i = 0; i < now.tasks.count; i++) {
        char words[80];
        snprintf(words, sizeof(words), "end %s ", asyncio_task_get_name(now.tasks.items[i]));
        log_state(words, now.tasks.items[i]);
    }
}

void replay(asyncio_coroutine_t *coroutine)
{
    live(coroutine);
    if (now.fuel >= 0)
        shut_down();
    if (now.fuel < 0)
        fputs("out of fuel\n", now.log);
    now.is_over = true; /* neither bodies that the close ends nor reports are logged */
    assert_int_equal(asyncio_loop_close(loop), 0);
}

/* Prints the first line in which the traces differ, if any. */
static void compare(const char *found, const char *expected)
{
    size_t line = 1;
    const char *a = found, *b = expected;
    if (strcmp(found, expected) == 0)
        return;
    for (size_t i = 0; found[i] == expected[i]; i++) {
        if (found[i] != '\n')
            continue;
        a = found + i + 1;
        b = expected + i + 1;
        line++;
    }
    print_message("%s", found);
    fail_msg("line %zu is \"%.*s\", but in CPython \"%.*s\"", line, (int)strcspn(a, "\n"), a,
             (int)strcspn(b, "\n"), b);
}

void end_replay(const char *expected)
{
    fclose(now.log);
    asyncio_task_unref(now.waiter);
    for (size_t i = now.kept.count; i-- > 0;)
        now.kept.items[i].drop(now.kept.items[i].object);
    for (size_t i = 0; i < now.tasks.count; i++)
        asyncio_task_unref(now.tasks.items[i]);
    asyncio_loop_unref(loop);
    free(now.kept.items);
    free(now.tasks.items);
    free(now.gatherings.items);
    compare(now.trace, expected);
    free(now.trace);
}
