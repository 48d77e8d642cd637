/* SPDX-License-Identifier: MIT */
/*
 * The statements about locks, events, conditions, semaphores, barriers and queues.
 *
 * A primitive is made when it is first named: the letter tells its kind, what stands behind a
 * colon its size. Each kind fills a row of functions; a statement takes the kinds that it lists.
 */
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

#define LOCKS "LCS"
#define QUEUES "QPK"

struct primitive {
    const char *name; /* as first written in the program */
    union {
        asyncio_lock_t lock;
        asyncio_event_t event;
        asyncio_condition_t condition;
        asyncio_semaphore_t semaphore;
        asyncio_barrier_t barrier;
        asyncio_queue_t *queue;
    };
};

/* --- making -------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b, void *arg)
{
    (void)arg;
    double left = json_number_value(a), right = json_number_value(b);
    return left < right ? -1 : left > right;
}

static int init_queue(primitive_t *primitive, long size)
{
    size_t limit = size > 0 ? (size_t)size : 0;
    switch (primitive->name[0]) {
    case 'P':
        primitive->queue = asyncio_priority_queue_new(limit, compare, /* arg= */ NULL);
        break;
    case 'K':
        primitive->queue = asyncio_lifo_queue_new(limit);
        break;
    default:
        primitive->queue = asyncio_queue_new(limit);
    }
    return primitive->queue ? 0 : asyncio_errno();
}

static int init(primitive_t *primitive, long size)
{
    switch (primitive->name[0]) {
    case 'L':
        return asyncio_lock_init(&primitive->lock);
    case 'E':
        return asyncio_event_init(&primitive->event);
    case 'C':
        return asyncio_condition_init(&primitive->condition);
    case 'S':
        return asyncio_semaphore_init(&primitive->semaphore, size);
    case 'B':
        return asyncio_barrier_init(&primitive->barrier, size > 0 ? (size_t)size : 0);
    default:
        return init_queue(primitive, size);
    }
}

static void drop(void *object)
{
    primitive_t *primitive = object;
    switch (primitive->name[0]) {
    case 'L':
        asyncio_lock_fini(&primitive->lock);
        break;
    case 'E':
        asyncio_event_fini(&primitive->event);
        break;
    case 'C':
        asyncio_condition_fini(&primitive->condition);
        break;
    case 'S':
        asyncio_semaphore_fini(&primitive->semaphore);
        break;
    case 'B':
        asyncio_barrier_fini(&primitive->barrier);
        break;
    default:
        asyncio_queue_unref(primitive->queue);
    }
    free(primitive);
}

/* Returns the size after the colon of a name; 1 if there is none. */
static int size_of(const char *name, long *ret_size)
{
    const char *colon = strchr(name, ':');
    char *end;
    *ret_size = 1;
    if (!colon)
        return 0;
    *ret_size = strtol(colon + 1, &end, 10);
    return end > colon + 1 && *end == '\0' ? 0 : ASYNCIO_EINVAL;
}

/* Creates a primitive; if that fails there is none, and the next statement tries again. */
static outcome_t make(scenario_t *scenario, const char *name, primitive_t **ret_primitive)
{
    long size;
    int rc = size_of(name, &size);
    if (rc < 0)
        return raise_error(asyncio_error_new(rc, "no such size", /* cause= */ NULL));
    primitive_t *primitive = calloc(1, sizeof(*primitive));
    if (!primitive)
        abort();
    primitive->name = name;
    rc = init(primitive, size);
    if (rc < 0) {
        free(primitive);
        return raise_code(rc);
    }
    keep(scenario, primitive, drop);
    GROW(scenario->primitives);
    scenario->primitives.items[scenario->primitives.count++] = primitive;
    *ret_primitive = primitive;
    return go_on();
}

/* Returns the primitive that a statement names, if it is of one of the allowed kinds. */
static outcome_t get(scenario_t *scenario, json_t *args, const char *letters,
                     primitive_t **ret_primitive)
{
    const char *name = text_at(args, 1);
    if (!*name || !strchr(letters, *name))
        return unbound();
    for (size_t i = 0; i < scenario->primitives.count; i++) {
        if (strcmp(scenario->primitives.items[i]->name, name) == 0) {
            *ret_primitive = scenario->primitives.items[i];
            return go_on();
        }
    }
    return make(scenario, name, ret_primitive);
}

/* Begins a statement: gets its primitive, or ends it. */
#define GET(letters, primitive) \
    primitive_t *primitive; \
    do { \
        outcome_t got_ = get(scenario, args, (letters), &primitive); \
        if (got_.flow != FLOW_ON) \
            return got_; \
    } while (0)

/* The result of a call that only says whether it failed. */
static outcome_t checked(int rc)
{
    return rc < 0 ? raise_code(rc) : go_on();
}

/* --- locks, conditions, semaphores --------------------------------------------------------- */

static int acquire(primitive_t *primitive)
{
    return primitive->name[0] == 'L'   ? asyncio_lock_acquire(&primitive->lock)
           : primitive->name[0] == 'C' ? asyncio_condition_acquire(&primitive->condition)
                                       : asyncio_semaphore_acquire(&primitive->semaphore);
}

static int release(primitive_t *primitive)
{
    return primitive->name[0] == 'L'   ? asyncio_lock_release(&primitive->lock)
           : primitive->name[0] == 'C' ? asyncio_condition_release(&primitive->condition)
                                       : asyncio_semaphore_release(&primitive->semaphore);
}

static bool locked(const primitive_t *primitive)
{
    return primitive->name[0] == 'L'   ? asyncio_lock_locked(&primitive->lock)
           : primitive->name[0] == 'C' ? asyncio_condition_locked(&primitive->condition)
                                       : asyncio_semaphore_locked(&primitive->semaphore);
}

static outcome_t do_release(scenario_t *scenario, json_t *args)
{
    GET(LOCKS, primitive);
    return checked(release(primitive));
}

static outcome_t do_locked(scenario_t *scenario, json_t *args)
{
    GET(LOCKS, primitive);
    log_line(scenario, "locked %s %s", text_at(args, 1), locked(primitive) ? "True" : "False");
    return go_on();
}

static outcome_t do_acquire(scenario_t *scenario, json_t *args)
{
    GET(LOCKS, primitive);
    int rc = acquire(primitive);
    if (rc < 0)
        return raise_code(rc);
    log_line(scenario, "acquired %s True", text_at(args, 1));
    return go_on();
}

/* An error of the release replaces whatever leaves the body. */
static outcome_t do_with(scenario_t *scenario, json_t *args)
{
    GET(LOCKS, primitive);
    int rc = acquire(primitive);
    if (rc < 0)
        return raise_code(rc);
    outcome_t body = run_body(scenario, json_array_get(args, 2));
    rc = release(primitive);
    if (rc >= 0)
        return body;
    outcome_t outcome = raise_code(rc);
    asyncio_error_unref(body.error);
    return outcome;
}

/* --- events and notifications -------------------------------------------------------------- */

static outcome_t do_set(scenario_t *scenario, json_t *args)
{
    GET("E", primitive);
    return checked(asyncio_event_set(&primitive->event));
}

static outcome_t do_clear(scenario_t *scenario, json_t *args)
{
    GET("E", primitive);
    return checked(asyncio_event_clear(&primitive->event));
}

static outcome_t do_event_wait(scenario_t *scenario, json_t *args)
{
    GET("E", primitive);
    int rc = asyncio_event_wait(&primitive->event);
    if (rc < 0)
        return raise_code(rc);
    log_line(scenario, "event %s True", text_at(args, 1));
    return go_on();
}

static outcome_t do_notify(scenario_t *scenario, json_t *args)
{
    GET("C", primitive);
    json_int_t count = json_integer_value(json_array_get(args, 2));
    return checked(asyncio_condition_notify(&primitive->condition, count > 0 ? (size_t)count : 0));
}

static outcome_t do_notify_all(scenario_t *scenario, json_t *args)
{
    GET("C", primitive);
    return checked(asyncio_condition_notify_all(&primitive->condition));
}

static outcome_t do_cond_wait(scenario_t *scenario, json_t *args)
{
    GET("C", primitive);
    int rc = asyncio_condition_wait(&primitive->condition);
    if (rc < 0)
        return raise_code(rc);
    log_line(scenario, "condition %s True", text_at(args, 1));
    return go_on();
}

/* --- barriers ------------------------------------------------------------------------------ */

static outcome_t do_barrier_wait(scenario_t *scenario, json_t *args)
{
    GET("B", primitive);
    int rc = asyncio_barrier_wait(&primitive->barrier);
    if (rc < 0)
        return raise_code(rc);
    log_line(scenario, "barrier %s %d", text_at(args, 1), rc);
    return go_on();
}

static outcome_t do_barrier_reset(scenario_t *scenario, json_t *args)
{
    GET("B", primitive);
    return checked(asyncio_barrier_reset(&primitive->barrier));
}

static outcome_t do_barrier_abort(scenario_t *scenario, json_t *args)
{
    GET("B", primitive);
    return checked(asyncio_barrier_abort(&primitive->barrier));
}

/* --- queues: an item is a value of the program's ------------------------------------------- */

/* "OP QUEUE ITEM". */
static outcome_t log_item(scenario_t *scenario, json_t *args, int rc, void *item)
{
    if (rc < 0)
        return raise_code(rc);
    if (log_begin(scenario, "%s %s ", text_at(args, 0), text_at(args, 1))) {
        print_value(scenario, item);
        log_end();
    }
    return go_on();
}

static outcome_t do_put_nowait(scenario_t *scenario, json_t *args)
{
    GET(QUEUES, primitive);
    return checked(asyncio_queue_put_nowait(primitive->queue, json_array_get(args, 2)));
}

static outcome_t do_get_nowait(scenario_t *scenario, json_t *args)
{
    GET(QUEUES, primitive);
    void *item = NULL;
    int rc = asyncio_queue_get_nowait(primitive->queue, &item);
    return log_item(scenario, args, rc, item);
}

static outcome_t do_put(scenario_t *scenario, json_t *args)
{
    GET(QUEUES, primitive);
    json_t *item = json_array_get(args, 2);
    int rc = asyncio_queue_put(primitive->queue, item);
    return log_item(scenario, args, rc, item);
}

static outcome_t do_get(scenario_t *scenario, json_t *args)
{
    GET(QUEUES, primitive);
    void *item = NULL;
    int rc = asyncio_queue_get(primitive->queue, &item);
    return log_item(scenario, args, rc, item);
}

static outcome_t do_task_done(scenario_t *scenario, json_t *args)
{
    GET(QUEUES, primitive);
    return checked(asyncio_queue_task_done(primitive->queue));
}

static outcome_t do_join(scenario_t *scenario, json_t *args)
{
    GET(QUEUES, primitive);
    int rc = asyncio_queue_join(primitive->queue);
    if (rc < 0)
        return raise_code(rc);
    log_line(scenario, "joined %s", text_at(args, 1));
    return go_on();
}

static outcome_t do_qsize(scenario_t *scenario, json_t *args)
{
    GET(QUEUES, primitive);
    log_line(scenario, "qsize %s %zu", text_at(args, 1), asyncio_queue_qsize(primitive->queue));
    return go_on();
}

static outcome_t do_queue_shutdown(scenario_t *scenario, json_t *args)
{
    GET(QUEUES, primitive);
    bool immediate = json_is_true(json_array_get(args, 2));
    return checked(asyncio_queue_shutdown(primitive->queue, immediate, /* drop= */ NULL));
}

operation_t operations_sync_now[] = {
    {"release", do_release, 0},
    {"locked", do_locked, 0},
    {"set", do_set, 0},
    {"clear", do_clear, 0},
    {"notify", do_notify, 0},
    {"notify_all", do_notify_all, 0},
    {"put_nowait", do_put_nowait, 0},
    {"get_nowait", do_get_nowait, 0},
    {"task_done", do_task_done, 0},
    {"qsize", do_qsize, 0},
    {"queue_shutdown", do_queue_shutdown, 0},
    {NULL, NULL, 0},
};

operation_t operations_sync_wait[] = {
    {"with", do_with, 0},
    {"acquire", do_acquire, 0},
    {"event_wait", do_event_wait, 0},
    {"cond_wait", do_cond_wait, 0},
    {"barrier_wait", do_barrier_wait, 0},
    {"barrier_reset", do_barrier_reset, 0},
    {"barrier_abort", do_barrier_abort, 0},
    {"put", do_put, 0},
    {"get", do_get, 0},
    {"join", do_join, 0},
    {NULL, NULL, 0},
};
