/* SPDX-License-Identifier: MIT */
/*
 * Queues: first in, first out; last in, first out; by priority.
 *
 * The items are an array; the kinds differ in how an item is put in and taken out. Whoever wakes a
 * waiter removes it from its list. Nothing is reserved for the woken task, so it checks again.
 *
 * Two comparisons find a put or get that neither waits nor wakes. Everything else is in functions
 * of its own, so that this fast path saves no registers.
 */
#include <asyncio/queue.h>

#include "base/memory.h"
#include "task/budget.h"
#include "task/twin.h"
#include "task/waiter_list.h"

enum kind { FIFO, LIFO, PRIORITY };

struct asyncio_queue {
    unsigned refs;                     /* references */
    enum kind kind;                    /* which end is taken from */
    bool has_budget;                   /* a loop may limit awaits in a row: see task/budget.h */
    bool is_slow;                      /* not first in, first out, or has_budget */
    void **items;                      /* capacity of them; of a FIFO a ring */
    size_t capacity;                   /* of items; a power of two, or 0 */
    size_t head;                       /* of a FIFO: where the oldest is */
    size_t count;                      /* items in it */
    size_t maxsize;                    /* 0: never full */
    size_t quick;                      /* a put below this count only stores; see set_quick() */
    size_t unfinished;                 /* put and not yet done */
    bool is_shut_down;                 /* shutdown() was called */
    asyncio_queue_compare_t *compare;  /* of a PRIORITY one */
    void *arg;                         /* passed to it */
    asyncio_loop_t *loop;              /* whose tasks wait; NULL before the first wait */
    asyncio__list_t getters, putters;  /* waiting tasks, oldest first */
    asyncio__list_t joiners;           /* tasks that wait for unfinished to be 0 */
};

/* --- life cycle ------------------------------------------------------------------------------ */

static asyncio_queue_t *new_queue(enum kind kind, size_t maxsize)
{
    asyncio_queue_t *queue = asyncio__calloc(sizeof(*queue));
    if (!queue)
        return asyncio__fail_new(-ENOMEM, NULL);
    queue->refs = 1;
    queue->kind = kind;
    queue->has_budget = asyncio__uses(ASYNCIO__USES_BUDGETS);
    queue->is_slow = kind != FIFO || queue->has_budget;
    queue->maxsize = maxsize;
    asyncio__list_init(&queue->getters);
    asyncio__list_init(&queue->putters);
    asyncio__list_init(&queue->joiners);
    return queue;
}

asyncio_queue_t *asyncio_queue_new(size_t maxsize)
{
    return new_queue(FIFO, maxsize);
}

asyncio_queue_t *asyncio_lifo_queue_new(size_t maxsize)
{
    return new_queue(LIFO, maxsize);
}

asyncio_queue_t *asyncio_priority_queue_new(size_t maxsize, asyncio_queue_compare_t *compare,
                                            void *arg)
{
    if (!compare)
        return asyncio__fail_new(-EINVAL, "\"compare\" must not be NULL");
    asyncio_queue_t *queue = new_queue(PRIORITY, maxsize);
    if (queue) {
        queue->compare = compare;
        queue->arg = arg;
    }
    return queue;
}

asyncio_queue_t *asyncio_queue_ref(asyncio_queue_t *queue)
{
    if (queue)
        queue->refs++;
    return queue;
}

void asyncio_queue_unref(asyncio_queue_t *queue)
{
    if (!queue || --queue->refs > 0)
        return;
    asyncio__free(queue->items, queue->capacity * sizeof(*queue->items));
    asyncio__free(queue, sizeof(*queue));
}

/* --- items --------------------------------------------------------------------------------- */

/* To be called after each change of capacity or is_shut_down. */
static void set_quick(asyncio_queue_t *queue)
{
    queue->quick = queue->capacity;
    if (queue->maxsize > 0 && queue->maxsize < queue->capacity)
        queue->quick = queue->maxsize;
    if (queue->kind != FIFO || queue->is_shut_down || queue->has_budget)
        queue->quick = 0;
}

static int grow(asyncio_queue_t *queue)
{
    size_t capacity = queue->capacity ? queue->capacity * 2 : 8;
    void **items = asyncio__malloc(capacity * sizeof(*items));
    if (!items)
        return asyncio__fail(-ENOMEM, NULL);
    for (size_t i = 0; i < queue->count; i++)
        items[i] = queue->items[(queue->head + i) & (queue->capacity - 1)];
    asyncio__free(queue->items, queue->capacity * sizeof(*items));
    queue->items = items;
    queue->capacity = capacity;
    queue->head = 0;
    set_quick(queue);
    return 0;
}

static bool is_less(const asyncio_queue_t *queue, const void *a, const void *b)
{
    return queue->compare(a, b, queue->arg) < 0;
}

/* The binary heap of Python's heapq, move by move, so that equal items come out as there. */
static void sift_toward_root(asyncio_queue_t *queue, size_t start, size_t at)
{
    void *item = queue->items[at];
    while (at > start) {
        size_t parent = (at - 1) / 2;
        if (!is_less(queue, item, queue->items[parent]))
            break;
        queue->items[at] = queue->items[parent];
        at = parent;
    }
    queue->items[at] = item;
}

static void *pop_least(asyncio_queue_t *queue)
{
    void *least = queue->items[0], *item = queue->items[--queue->count];
    if (queue->count == 0)
        return item;
    size_t at = 0, child;
    while ((child = 2 * at + 1) < queue->count) {
        if (child + 1 < queue->count &&
            !is_less(queue, queue->items[child], queue->items[child + 1]))
            child++;
        queue->items[at] = queue->items[child];
        at = child;
    }
    queue->items[at] = item;
    sift_toward_root(queue, 0, at);
    return least;
}

static inline void store_newest(asyncio_queue_t *queue, void *item)
{
    queue->items[(queue->head + queue->count++) & (queue->capacity - 1)] = item;
}

static int store(asyncio_queue_t *queue, void *item)
{
    if (queue->count == queue->capacity) {
        int rc = grow(queue);
        if (rc < 0)
            return rc;
    }
    store_newest(queue, item);
    if (queue->kind == PRIORITY)
        sift_toward_root(queue, 0, queue->count - 1);
    return 0;
}

static inline void *take_oldest(asyncio_queue_t *queue)
{
    void *item = queue->items[queue->head];
    queue->head = (queue->head + 1) & (queue->capacity - 1);
    queue->count--;
    return item;
}

static void *take(asyncio_queue_t *queue)
{
    if (queue->kind == PRIORITY)
        return pop_least(queue);
    if (queue->kind == LIFO)
        return queue->items[--queue->count];
    return take_oldest(queue);
}

/* --- without waiting ----------------------------------------------------------------------- */

static bool is_full(const asyncio_queue_t *queue)
{
    return queue->maxsize > 0 && queue->count >= queue->maxsize;
}

static int check_queue(const asyncio_queue_t *queue)
{
    return queue ? 0 : asyncio__fail(-EINVAL, "\"queue\" must not be NULL");
}

static int fail_shut_down(void)
{
    return asyncio__fail(ASYNCIO_EQUEUESHUTDOWN, NULL);
}

/* A put that only stores; false: not possible now. */
static inline bool put_quickly(asyncio_queue_t *queue, void *item)
{
    if (ASYNCIO__UNLIKELY(!queue || queue->count >= queue->quick ||
                          !asyncio__list_is_empty(&queue->getters)))
        return false;
    store_newest(queue, item);
    queue->unfinished++;
    return true;
}

/* A get that only takes; false: not possible now. */
static inline bool get_quickly(asyncio_queue_t *queue, void **ret_item)
{
    if (ASYNCIO__UNLIKELY(!queue || queue->count == 0 || queue->is_slow ||
                          !asyncio__list_is_empty(&queue->putters)))
        return false;
    void *item = take_oldest(queue);
    if (ret_item)
        *ret_item = item;
    return true;
}

/* Whether an item may be put: 0, or why not. */
static __attribute__((noinline)) int check_put(const asyncio_queue_t *queue)
{
    int rc = check_queue(queue);
    if (rc < 0)
        return rc;
    if (queue->is_shut_down)
        return fail_shut_down();
    if (is_full(queue))
        return asyncio__fail(ASYNCIO_EQUEUEFULL, NULL);
    return 0;
}

static inline int put_slowly(asyncio_queue_t *queue, void *item)
{
    bool is_quick = ASYNCIO__LIKELY(queue && queue->count < queue->quick);
    int rc = is_quick ? 0 : check_put(queue);
    if (rc == 0)
        rc = asyncio__waiters_check(&queue->getters);
    if (rc == 0 && is_quick)
        store_newest(queue, item);
    else if (rc == 0)
        rc = store(queue, item);
    if (rc < 0)
        return rc;
    queue->unfinished++;
    asyncio__waiters_pop(&queue->getters);
    return 0;
}

int asyncio_queue_put_nowait(asyncio_queue_t *queue, void *item)
{
    return put_quickly(queue, item) ? 0 : put_slowly(queue, item);
}

static int get_slowly(asyncio_queue_t *queue, void **ret_item)
{
    int rc = check_queue(queue);
    if (rc < 0)
        return rc;
    if (queue->count == 0)
        return queue->is_shut_down ? fail_shut_down() : asyncio__fail(ASYNCIO_EQUEUEEMPTY, NULL);
    rc = asyncio__waiters_check(&queue->putters);
    if (rc < 0)
        return rc;
    void *item = take(queue);
    if (ret_item)
        *ret_item = item;
    asyncio__waiters_pop(&queue->putters);
    return 0;
}

int asyncio_queue_get_nowait(asyncio_queue_t *queue, void **ret_item)
{
    return get_quickly(queue, ret_item) ? 0 : get_slowly(queue, ret_item);
}

int asyncio_queue_task_done(asyncio_queue_t *queue)
{
    int rc = check_queue(queue);
    if (rc < 0)
        return rc;
    if (queue->unfinished == 0)
        return asyncio__fail(-EINVAL, "task_done() called too many times");
    rc = asyncio__waiters_check(&queue->joiners);
    if (rc < 0)
        return rc;
    if (--queue->unfinished == 0)
        asyncio__waiters_wake_all(&queue->joiners);
    return 0;
}

int asyncio_queue_shutdown(asyncio_queue_t *queue, bool immediate, asyncio_destroy_t *drop)
{
    int rc = check_queue(queue);
    if (rc == 0)
        rc = asyncio__waiters_check(&queue->getters);
    if (rc == 0)
        rc = asyncio__waiters_check(&queue->putters);
    if (rc == 0)
        rc = asyncio__waiters_check(&queue->joiners);
    if (rc < 0)
        return rc;
    queue->is_shut_down = true;
    set_quick(queue);
    if (immediate) {
        while (queue->count > 0) {
            void *item = take(queue);
            if (drop)
                drop(item);
            if (queue->unfinished > 0)
                queue->unfinished--;
        }
        if (queue->unfinished == 0)
            asyncio__waiters_wake_all(&queue->joiners);
    }
    asyncio__waiters_wake_all(&queue->getters);
    asyncio__waiters_wake_all(&queue->putters);
    return 0;
}

size_t asyncio_queue_qsize(const asyncio_queue_t *queue)
{
    return queue ? queue->count : 0;
}

size_t asyncio_queue_maxsize(const asyncio_queue_t *queue)
{
    return queue ? queue->maxsize : 0;
}

bool asyncio_queue_empty(const asyncio_queue_t *queue)
{
    return !queue || queue->count == 0;
}

bool asyncio_queue_full(const asyncio_queue_t *queue)
{
    return queue && is_full(queue);
}

/* --- waiting ------------------------------------------------------------------------------- */

/* Ends a wait that failed or whose waiter is still referenced; on an error wakes the next one. */
static ASYNCIO__COLD int leave_after_error(asyncio_queue_t *queue, asyncio__list_t *waiters,
                                      asyncio__waiter_t *waiter, int rc)
{
    /* A woken waiter counts as not cancelled. A pending one was left by an error that was thrown
     * into the coroutine: it is cancelled for others that wait for it. */
    bool was_woken = asyncio__waiter_was_woken(waiter);
    bool for_room = waiters == &queue->putters;
    if (rc < 0 && !asyncio__future_is_done(&waiter->future))
        asyncio__future_make_cancelled(&waiter->future, /* error= */ NULL);
    asyncio__waiter_leave(waiter);
    if (rc < 0 && was_woken && (for_room ? !is_full(queue) : queue->count > 0))
        asyncio__waiters_pop(waiters);
    return rc;
}

/* Waits once for room or for an item. Inline: see task/switch.h. */
static inline __attribute__((always_inline)) int
wait_once(asyncio_queue_t *queue, asyncio__list_t *waiters, const char *call)
{
    int rc = asyncio__waiters_bind(&queue->loop);
    if (ASYNCIO__UNLIKELY(rc < 0))
        return rc;
    asyncio__waiter_t waiter;
    asyncio__waiter_enter(&waiter, queue->loop, waiters, call);
    rc = asyncio__waiter_wait(&waiter);
    /* Whoever woke it has removed it from the list. */
    return ASYNCIO__LIKELY(rc == 0 && waiter.future.refs == 1)
               ? 0
               : leave_after_error(queue, waiters, &waiter, rc);
}

static ASYNCIO__RETURNS_ANEW __attribute__((noinline)) int put_when_possible(
    asyncio_queue_t *queue, void *item)
{
    int rc = check_queue(queue);
    if (rc == 0 && queue->has_budget)
        rc = asyncio__budget_spend();
    while (rc == 0 && is_full(queue)) {
        if (queue->is_shut_down)
            return fail_shut_down();
        rc = wait_once(queue, &queue->putters, "asyncio_queue_put");
    }
    return rc < 0 ? rc : asyncio__answer(put_slowly(queue, item));
}

int asyncio_queue_put(asyncio_queue_t *queue, void *item)
{
    return put_quickly(queue, item) ? 0 : put_when_possible(queue, item);
}

static ASYNCIO__RETURNS_ANEW __attribute__((noinline)) int get_when_possible(
    asyncio_queue_t *queue, void **ret_item)
{
    int rc = check_queue(queue);
    if (rc == 0 && queue->has_budget)
        rc = asyncio__budget_spend();
    while (rc == 0 && queue->count == 0) {
        if (queue->is_shut_down)
            return fail_shut_down();
        rc = wait_once(queue, &queue->getters, "asyncio_queue_get");
    }
    return rc < 0 ? rc : asyncio__answer(get_slowly(queue, ret_item));
}

int asyncio_queue_get(asyncio_queue_t *queue, void **ret_item)
{
    return get_quickly(queue, ret_item) ? 0 : get_when_possible(queue, ret_item);
}

int asyncio_queue_join(asyncio_queue_t *queue)
{
    int rc = check_queue(queue);
    if (rc < 0 || queue->unfinished == 0)
        return rc;
    rc = asyncio__waiters_bind(&queue->loop);
    return rc < 0 ? rc : asyncio__waiters_wait(queue->loop, &queue->joiners, "asyncio_queue_join");
}

/* --- coroutine objects --------------------------------------------------------------------- */

ASYNCIO__TWIN(CODE, asyncio_queue_put, (asyncio_queue_t *, queue), (void *, item))
ASYNCIO__TWIN(RESULT, asyncio_queue_get, (asyncio_queue_t *, queue))
ASYNCIO__TWIN(CODE, asyncio_queue_join, (asyncio_queue_t *, queue))
