/* SPDX-License-Identifier: MIT */
/* Callbacks that other threads have posted; see posts.h. */
#include "python/posts.h"

#if ASYNCIO__PY_FREE_THREADED
#define LOCK(posts)   PyMutex_Lock(&(posts)->mutex)
#define UNLOCK(posts) PyMutex_Unlock(&(posts)->mutex)
#else
#define LOCK(posts)   ((void)(posts))
#define UNLOCK(posts) ((void)(posts))
#endif

struct asyncio__py_posts {
    asyncio__inbox_node_t node;     /* in the inbox of the C loop, if is_posted */
    asyncio__ready_t ready;         /* runs the handles; it has a reservation as long as the loop */
    asyncio__py_loop_t *loop;       /* borrowed: its owner */
    asyncio__py_handle_t **handles; /* references */
    size_t count, capacity;         /* of handles */
    bool is_posted;                 /* the node is posted, or ready is scheduled */
#if ASYNCIO__PY_FREE_THREADED
    PyMutex mutex; /* guards handles, count, capacity, is_posted */
#endif
};

/* The loop has taken the node out of its inbox: without the GIL. */
static void deliver(asyncio__inbox_node_t *node, bool closed)
{
    struct asyncio__py_posts *posts = ASYNCIO__CONTAINER(node, struct asyncio__py_posts, node);
    if (!closed)
        asyncio__loop_schedule(posts->loop->loop, &posts->ready);
}

/* Takes the array out, so that others can post meanwhile. */
static asyncio__py_handle_t **take(struct asyncio__py_posts *posts, size_t *ret_count)
{
    LOCK(posts);
    asyncio__py_handle_t **handles = posts->handles;
    *ret_count = posts->count;
    posts->handles = NULL;
    posts->count = posts->capacity = 0;
    posts->is_posted = false;
    UNLOCK(posts);
    return handles;
}

/* Starts the timers among the handles, and takes them out. */
static void start_timers(asyncio__py_loop_t *self, asyncio__py_handle_t **handles, size_t count)
{
    for (size_t i = 0; i < count && !self->loop->closed; i++) {
        if (!handles[i]->is_timer)
            continue;
        if (handles[i]->is_cancelled)
            Py_DECREF(handles[i]);
        else if (asyncio__py_begin_timer(self, (asyncio__py_timer_handle_t *)handles[i]) < 0)
            PyErr_WriteUnraisable((PyObject *)self);
        handles[i] = NULL;
    }
}

/* Runs what was posted, or moves it to what runs next if the turn is aborted. */
static void run_posts(asyncio__ready_t *ready)
{
    struct asyncio__py_posts *posts = ASYNCIO__CONTAINER(ready, struct asyncio__py_posts, ready);
    asyncio__py_loop_t *self = posts->loop;
    asyncio_loop_t *loop = self->loop;
    size_t count;
    asyncio__py_handle_t **handles = take(posts, &count);
    bool is_aborted = loop->closed;
    start_timers(self, handles, count);
    loop->todo++; /* an abort is seen by its becoming 0 */
    self->in_batch = 1;
    for (size_t i = 0; i < count; i++) {
        asyncio__py_handle_t *handle = handles[i];
        if (!handle)
            continue;
        if (!is_aborted) {
            asyncio__py_handle_run(handle);
            Py_DECREF(handle);
            is_aborted = loop->todo == 0;
        } else if (loop->closed) {
            Py_DECREF(handle);
        } else {
            asyncio__py_item_t item = {(PyObject *)handle, NULL, NULL, ASYNCIO__PY_HANDLE};
            if (asyncio__py_push(self, item) < 0)
                PyErr_WriteUnraisable((PyObject *)self);
        }
    }
    self->in_batch = 0;
    if (loop->todo > 0)
        loop->todo--;
    PyMem_RawFree(handles);
}

int asyncio__py_posts_new(asyncio__py_loop_t *self)
{
    struct asyncio__py_posts *posts = PyMem_RawCalloc(1, sizeof(*posts));
    if (!posts || asyncio__loop_reserve(self->loop, 1) < 0) {
        PyMem_RawFree(posts);
        PyErr_NoMemory();
        return -1;
    }
    posts->node.deliver = deliver;
    posts->ready.run = run_posts;
    posts->loop = self;
    self->posts = posts;
    return 0;
}

/* Appends a handle. Returns 1 if the node is to be posted, 0, or -1 without memory. */
static int append(struct asyncio__py_posts *posts, asyncio__py_handle_t *handle)
{
    if (posts->count == posts->capacity) {
        size_t capacity = posts->capacity ? posts->capacity * 2 : 16;
        void *handles = PyMem_RawRealloc(posts->handles, capacity * sizeof(*posts->handles));
        if (!handles)
            return -1;
        posts->handles = handles;
        posts->capacity = capacity;
    }
    posts->handles[posts->count++] = handle;
    bool is_first = !posts->is_posted;
    posts->is_posted = true;
    return is_first;
}

/* Whether a handle may be put among the items at once: the GIL keeps the loop's thread out of them,
 * unless it waits; and nothing may overtake what waits in the array. */
static inline bool can_push(const asyncio__py_loop_t *self)
{
    return !ASYNCIO__PY_FREE_THREADED && !self->posts->is_posted && !self->closed &&
           !atomic_load_explicit(&self->is_waiting, memory_order_acquire);
}

int asyncio__py_post(asyncio__py_loop_t *self, asyncio__py_handle_t *handle)
{
    struct asyncio__py_posts *posts = self->posts;
    if (!handle->is_timer && can_push(self)) {
        asyncio__py_item_t item = {(PyObject *)handle, NULL, NULL, ASYNCIO__PY_HANDLE};
        return asyncio__py_push(self, item);
    }
    LOCK(posts);
    int rc = append(posts, handle);
    if (rc > 0 && asyncio__inbox_post(self->loop->inbox, &posts->node) < 0) {
        posts->count--;
        posts->is_posted = false;
        rc = -2;
    }
    UNLOCK(posts);
    if (rc >= 0)
        return 0;
    Py_DECREF(handle);
    if (rc == -1)
        PyErr_NoMemory();
    else
        PyErr_SetString(PyExc_RuntimeError, "Event loop is closed");
    return -1;
}

void asyncio__py_posts_drop(asyncio__py_loop_t *self)
{
    size_t count;
    asyncio__py_handle_t **handles = take(self->posts, &count);
    for (size_t i = 0; i < count; i++)
        Py_DECREF(handles[i]);
    PyMem_RawFree(handles);
}

void asyncio__py_posts_free(asyncio__py_loop_t *self)
{
    if (!self->posts)
        return;
    asyncio__py_posts_drop(self);
    PyMem_RawFree(self->posts);
    self->posts = NULL;
}

int asyncio__py_visit_posts(asyncio__py_loop_t *self, visitproc visit, void *arg)
{
    struct asyncio__py_posts *posts = self->posts;
    int rc = 0;
    for (size_t i = 0; posts && rc == 0 && i < posts->count; i++)
        rc = asyncio__py_visit_handle(posts->handles[i], visit, arg);
    return rc;
}
