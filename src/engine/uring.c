/* SPDX-License-Identifier: MIT */
/*
 * The engine over io_uring: submitting, waiting, beginning and end.
 *
 * Submitting writes to memory; one system call per wait() submits everything and waits. That is
 * the gain: sends and receives are batched, and the kernel receives into the caller's buffer. The
 * engine makes a call at once only where it probably succeeds and a stream profits from it: a
 * receive, and the sends in between, when the kernel said that there is more; the next of several
 * sends; the next of several accepts.
 */
#include <errno.h>
#include <sys/eventfd.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "base/syscalls.h"
#include "engine/uring.h"
#include "engine/uring_engine.h"

#define SUBMISSIONS 1024
#define COMPLETIONS 16384

typedef asyncio__uring_engine_t engine_t;
typedef asyncio__uring_file_t file_t;

static engine_t *engine_of(asyncio__engine_t *engine)
{
    return asyncio__uring_of(engine);
}

/* ---- Submissions ---- */

/* The poll of wake_fd never ends and holds no memory of an operation: it is not counted. */
static void arm_wake(engine_t *engine)
{
    asyncio__uring_sqe_t *sqe = asyncio__uring_next(&engine->ring);
    if (!sqe)
        return;
    sqe->opcode = ASYNCIO__URING_POLL_ADD;
    sqe->fd = engine->wake_fd;
    sqe->length = ASYNCIO__URING_POLL_MULTISHOT;
    sqe->op_flags = asyncio__uring_poll_bits(EPOLLIN | EPOLLET);
    sqe->user_data = ASYNCIO__TAG_WAKE;
    engine->is_wake_armed = true;
}

int asyncio__uring_own(engine_t *engine)
{
    int rc = asyncio__uring_enable(&engine->ring);
    return ASYNCIO__LIKELY(rc != -EXDEV) ? rc : asyncio__uring_move(engine);
}

int asyncio__uring_submit_and_wait(engine_t *engine, unsigned wait, int64_t timeout_ns)
{
    int rc = asyncio__uring_own(engine);
    if (rc < 0)
        return rc;
    if (!engine->is_wake_armed)
        arm_wake(engine);
    engine->base.enters++;
    rc = asyncio__uring_enter(&engine->ring, wait, timeout_ns);
    /* A thread with the address of one that has ended. */
    if (rc == -EEXIST && (rc = asyncio__uring_move(engine)) == 0) {
        arm_wake(engine); /* in the new ring, or this wait would sleep through every wake() */
        rc = asyncio__uring_enter(&engine->ring, wait, timeout_ns);
    }
    return rc;
}

static int enter(engine_t *engine, unsigned wait, int64_t timeout_ns)
{
    return asyncio__uring_submit_and_wait(engine, wait, timeout_ns);
}

/* Takes no completions, even where the kernel asks for that: callers walk through lists. */
static ASYNCIO__COLD asyncio__uring_sqe_t *make_room(engine_t *engine)
{
    asyncio__ignore(enter(engine, 0, 0));
    return asyncio__uring_next(&engine->ring);
}

asyncio__uring_sqe_t *asyncio__uring_prepare(engine_t *engine)
{
    asyncio__uring_sqe_t *sqe = asyncio__uring_next(&engine->ring);
    return ASYNCIO__LIKELY(sqe != NULL) ? sqe : make_room(engine);
}

int asyncio__uring_poll(engine_t *engine, int fd, unsigned events, uint64_t user_data)
{
    asyncio__uring_sqe_t *sqe = asyncio__uring_prepare(engine);
    if (!sqe)
        return -EBUSY;
    sqe->opcode = ASYNCIO__URING_POLL_ADD;
    sqe->fd = fd;
    sqe->op_flags = asyncio__uring_poll_bits(events);
    sqe->user_data = user_data;
    engine->kernel_count++;
    return 0;
}

int asyncio__uring_cancel_submission(engine_t *engine, uint64_t user_data)
{
    asyncio__uring_sqe_t *sqe = asyncio__uring_prepare(engine);
    if (!sqe)
        return -EBUSY;
    sqe->opcode = ASYNCIO__URING_ASYNC_CANCEL;
    sqe->flags = ASYNCIO__URING_SKIP_SUCCESS;
    sqe->fd = -1;
    sqe->address = user_data;
    sqe->user_data = ASYNCIO__TAG_IGNORED;
    return 0;
}

void asyncio__uring_retry_later(engine_t *engine, file_t *file)
{
    if (!asyncio__list_is_member(&file->retry_link))
        asyncio__list_append(&engine->retry, &file->retry_link);
}

/* ---- Completions ---- */

static inline void handle(engine_t *engine, const asyncio__uring_cqe_t *cqe)
{
    void *pointer = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)ASYNCIO__TAG_MASK);
    switch (cqe->user_data & ASYNCIO__TAG_MASK) {
    case ASYNCIO__TAG_OPERATION:
        engine->kernel_count--;
        asyncio__uring_handle_operation(engine, pointer, cqe);
        break;
    case ASYNCIO__TAG_POLL:
        engine->kernel_count--;
        asyncio__uring_handle_poll(engine, pointer, cqe->result);
        break;
    case ASYNCIO__TAG_WATCH:
        asyncio__uring_handle_watch(engine, pointer, cqe);
        break;
    case ASYNCIO__TAG_WAKE:
        if (!(cqe->flags & ASYNCIO__URING_MORE))
            engine->is_wake_armed = false;
        break;
    default:
        break;
    }
}

/* The operation that a completion ends, or NULL: it ends nothing, or something else. */
static inline asyncio__operation_t *ended_by(const asyncio__uring_cqe_t *cqe)
{
    if (!cqe || (cqe->user_data & ASYNCIO__TAG_MASK) != ASYNCIO__TAG_OPERATION)
        return NULL;
    return (void *)(uintptr_t)cqe->user_data;
}

/* Prefetches for the completions to come: first their operations, then the files of these. */
static inline void fetch_ahead(const asyncio__uring_t *ring)
{
    asyncio__operation_t *operation = ended_by(asyncio__uring_ahead(ring, 6));
    if (operation)
        asyncio__fetch_operation(operation);
    operation = ended_by(asyncio__uring_ahead(ring, 3));
    if (operation) {
        __builtin_prefetch(operation->file, 1);
        __builtin_prefetch((char *)operation->file + 64, 1);
    }
}

/* Calls no callback, so it may run at any time. */
void asyncio__uring_reap_all(engine_t *engine)
{
    asyncio__uring_cqe_t cqe;
    if (ASYNCIO__UNLIKELY(engine->is_abandoned))
        return;
    engine->is_reaping = true;
    while (asyncio__uring_reap(&engine->ring, &cqe)) {
        fetch_ahead(&engine->ring);
        handle(engine, &cqe);
    }
    engine->is_reaping = false;
}

void asyncio__uring_flush(engine_t *engine)
{
    if (engine->is_reaping)
        return;
    if (enter(engine, 0, 0) == -EBUSY) {
        asyncio__uring_reap_all(engine);
        asyncio__ignore(enter(engine, 0, 0));
    }
    asyncio__uring_reap_all(engine);
}

/* ---- Waiting ---- */

static ASYNCIO__COLD void retry(engine_t *engine)
{
    asyncio__list_t files, *link;
    asyncio__list_init(&files);
    asyncio__list_move(&engine->retry, &files);
    while ((link = asyncio__list_pop(&files)) != NULL)
        asyncio__uring_retry(engine, ASYNCIO__CONTAINER(link, file_t, retry_link));
}

/* Whether the next wait() would return at once. */
static bool has_more(const engine_t *engine)
{
    return asyncio__uring_has_work(&engine->ring) ||
           asyncio__uring_has_completion(&engine->ring) ||
           !asyncio__list_is_empty(&engine->base.done) ||
           !asyncio__list_is_empty(&engine->retry) || !asyncio__list_is_empty(&engine->rearm);
}

static int uring_wait(asyncio__engine_t *base, int64_t timeout_ns)
{
    engine_t *engine = engine_of(base);
    int rc = 0;
    if (ASYNCIO__UNLIKELY(engine->is_abandoned)) {
        asyncio__deliver(base);
        return -EIO; /* also if the ring works again: its completions are not looked at */
    }
    base->is_waiting = true;
    engine->is_resting = false;
    if (ASYNCIO__UNLIKELY(!asyncio__list_is_empty(&engine->retry)))
        retry(engine);
    if (ASYNCIO__UNLIKELY(!asyncio__list_is_empty(&engine->starved)) &&
        asyncio__uring_restart_starved(engine))
        timeout_ns = 0;
    if (ASYNCIO__UNLIKELY(!asyncio__list_is_empty(&engine->rearm)))
        asyncio__uring_rearm_watches(engine);
    if (!asyncio__list_is_empty(&base->done) ||
        asyncio__uring_has_completion(&engine->ring))
        timeout_ns = 0;
    if (timeout_ns != 0 || asyncio__uring_unsubmitted(&engine->ring) > 0 ||
        asyncio__uring_has_work(&engine->ring) || !engine->is_wake_armed || !engine->is_modern)
        rc = enter(engine, timeout_ns != 0, timeout_ns);
    /* After the enter, which sets it; what comes from now on shows in has_more() too. */
    if (ASYNCIO__UNLIKELY(base->is_foreign))
        asyncio__uring_clear_event(&engine->ring);
    asyncio__uring_reap_all(engine);
    asyncio__deliver(base);
    if (ASYNCIO__UNLIKELY(base->is_foreign) && has_more(engine))
        asyncio__uring_set_event(&engine->ring);
    /* The kernel was short of something: the next wait() asks again. */
    return rc == -EBUSY || rc == -EAGAIN || rc == -ENOMEM ? 0 : rc;
}

static void uring_wake(asyncio__engine_t *base)
{
    int saved = errno;
    asyncio__eventfd_ring(engine_of(base)->wake_fd);
    asyncio__uring_set_event(&engine_of(base)->ring);
    errno = saved;
}

static int uring_poll_fd(asyncio__engine_t *base)
{
    int fd = asyncio__uring_event_fd(&engine_of(base)->ring);
    base->is_foreign = fd >= 0;
    return fd;
}

/* ---- Beginning and end ---- */

static void free_engine(engine_t *engine)
{
    asyncio__uring_fini(&engine->ring);
    asyncio__uring_free_buffers(engine);
    asyncio__lender_fini(&engine->base.lender);
    if (engine->wake_fd >= 0)
        asyncio__sys.close(engine->wake_fd);
    asyncio__free(engine, sizeof(*engine));
}

/* Waits until the kernel holds nothing, so that no memory is freed under it. */
static void drain(engine_t *engine)
{
    int idle = engine->is_abandoned ? 5 : 0;
    while (engine->kernel_count > 0 && idle < 5) {
        long before = engine->kernel_count;
        if (!asyncio__list_is_empty(&engine->retry))
            retry(engine);
        asyncio__uring_rearm_watches(engine);
        int rc = enter(engine, !asyncio__uring_has_completion(&engine->ring), 1000000000);
        asyncio__uring_reap_all(engine);
        asyncio__deliver(&engine->base);
        if (rc < 0 && rc != -EBUSY && rc != -EAGAIN && rc != -ENOMEM)
            break;
        idle = engine->kernel_count < before ? 0 : idle + 1;
    }
}

static void uring_abandon(asyncio__engine_t *base)
{
    engine_t *engine = engine_of(base);
    engine->is_abandoned = base->is_closing = true;
    asyncio__uring_abandon_files(engine, &engine->files);
    asyncio__uring_abandon_files(engine, &engine->ending);
    asyncio__deliver(base);
}

static void uring_close(asyncio__engine_t *base)
{
    engine_t *engine = engine_of(base);
    asyncio__list_t *link;
    base->is_closing = true;
    base->is_foreign = false;
    for (link = engine->files.next; link != &engine->files; link = link->next)
        asyncio__uring_end_operations(engine, ASYNCIO__CONTAINER(link, file_t, link), -ECANCELED);
    asyncio__uring_end_watches(engine);
    drain(engine);
    if (engine->kernel_count > 0) {
        asyncio__uring_fini(&engine->ring);
        asyncio__uring_abandon_files(engine, &engine->files);
        asyncio__uring_abandon_files(engine, &engine->ending);
    }
    while (!asyncio__list_is_empty(&base->done))
        asyncio__deliver(base);
    while (!asyncio__list_is_empty(&engine->files))
        asyncio__uring_free_file(ASYNCIO__CONTAINER(engine->files.next, file_t, link));
    while (!asyncio__list_is_empty(&engine->ending))
        asyncio__uring_free_file(ASYNCIO__CONTAINER(engine->ending.next, file_t, link));
    asyncio__uring_free_watches(engine);
    free_engine(engine);
}

static const asyncio__engine_class_t uring_class = {
    .name = "uring",
    .close = uring_close,
    .open_file = asyncio__uring_open_file,
    .close_file = asyncio__uring_close_file,
    .detach_file = asyncio__uring_detach_file,
    .shutdown_file = asyncio__uring_shutdown_file,
    .submit = asyncio__uring_submit,
    .cancel = asyncio__uring_cancel,
    .return_buffer = asyncio__uring_return_buffer,
    .receive = asyncio__uring_receive,
    .wait = uring_wait,
    .abandon = uring_abandon,
    .wake = uring_wake,
    .watch = asyncio__uring_watch,
    .rest = asyncio__uring_rest,
    .poll_fd = uring_poll_fd,
};

int asyncio__uring_open_sized(unsigned submissions, unsigned completions,
                              asyncio__engine_t **ret_engine)
{
    engine_t *engine = asyncio__calloc(sizeof(*engine));
    if (!engine)
        return -ENOMEM;
    asyncio__engine_init(&engine->base, &uring_class);
    asyncio__list_init(&engine->files);
    asyncio__list_init(&engine->ending);
    asyncio__list_init(&engine->retry);
    asyncio__list_init(&engine->starved);
    asyncio__list_init(&engine->watches);
    asyncio__list_init(&engine->rearm);
    engine->wake_fd = -1;
    engine->base.is_batching = true;
    int rc = asyncio__uring_init(&engine->ring, submissions, completions);
    if (rc == 0) {
        engine->is_modern = engine->base.is_preferred = engine->base.is_async_on_files =
            asyncio__uring_is_deferred(&engine->ring);
        engine->wake_fd = asyncio__sys.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        rc = engine->wake_fd < 0 ? -errno : 0;
    }
    if (rc < 0) {
        free_engine(engine);
        return rc;
    }
    *ret_engine = &engine->base;
    return 0;
}

int asyncio__uring_open(asyncio__engine_t **ret_engine)
{
    return asyncio__uring_open_sized(SUBMISSIONS, COMPLETIONS, ret_engine);
}
