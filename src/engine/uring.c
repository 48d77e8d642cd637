/* SPDX-License-Identifier: MIT */
/*
 * The engine over io_uring: operations, files and waiting.
 *
 * Submitting writes to memory; one system call a wait() hands all of it over and waits. In that
 * lies the gain: sends and receives are batched, and receives go into the caller's buffer. A call
 * is made at once only where it is believed to succeed and where a stream profits from it: for
 * more to receive, and what is sent in between, when the kernel said that there is more; for the
 * next of several sends.
 *
 * Of a file the kernel holds one operation per direction; those behind it are QUEUED here, so
 * that the order is ours:
 *
 *     QUEUED --start()--> IN_KERNEL --completion--> FINISHED
 *                         POLLED    --ready, then asyncio__attempt()--> FINISHED, or again
 *
 * Whatever the kernel holds ends by a completion only. Cancelling submits a request by user_data,
 * never by descriptor (which would search), and a descriptor is closed after the last completion.
 * The request is submitted before anything that is prepared later, so an address that is used
 * again is not mistaken for the old operation.
 */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "base/sanitizer.h"
#include "base/syscalls.h"
#include "engine/uring.h"
#include "engine/uring_engine.h"

#if defined(ASYNCIO__VALGRIND)
#include <valgrind/memcheck.h>
#endif

#define SUBMISSIONS 1024
#define COMPLETIONS 16384

typedef asyncio__uring_engine_t engine_t;
typedef asyncio__uring_file_t file_t;

static engine_t *engine_of(asyncio__engine_t *engine)
{
    return ASYNCIO__CONTAINER(engine, engine_t, base);
}

static file_t *file_of(asyncio__file_t *file)
{
    return ASYNCIO__CONTAINER(file, file_t, base);
}

/* ---- Submissions ---- */

/* Wake's poll goes on for ever and holds nobody's memory: it is not counted. */
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

static inline int own_ring(engine_t *engine)
{
    int rc = asyncio__uring_enable(&engine->ring);
    return ASYNCIO__LIKELY(rc != -EXDEV) ? rc : asyncio__uring_move(engine);
}

static int enter(engine_t *engine, unsigned wait, int64_t timeout_ns)
{
    int rc = own_ring(engine);
    if (rc < 0)
        return rc;
    if (!engine->is_wake_armed)
        arm_wake(engine);
    engine->base.enters++;
    rc = asyncio__uring_enter(&engine->ring, wait, timeout_ns);
    /* A thread that took the place of the one that is gone. */
    if (rc == -EEXIST && (rc = asyncio__uring_move(engine)) == 0)
        rc = asyncio__uring_enter(&engine->ring, wait, timeout_ns);
    return rc;
}

/* Takes no completions, even where the kernel asks for that: the caller walks through lists. */
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

/* ---- Operations ---- */

static int poll_for(engine_t *engine, asyncio__operation_t *operation)
{
    unsigned events = asyncio__direction(operation) == ASYNCIO__READ ? EPOLLIN : EPOLLOUT;
    int rc = asyncio__uring_poll(engine, operation->file->fd, events,
                                 asyncio__uring_tag(operation, ASYNCIO__TAG_POLL));
    if (rc == 0)
        operation->state = ASYNCIO__POLLED;
    return rc;
}

static inline bool is_polled_kind(const file_t *file, unsigned kind)
{
    return !file->is_socket || kind >= ASYNCIO__ACCEPT;
}

/* Hands an operation to the kernel: 0 or -EBUSY. */
static int start(engine_t *engine, file_t *file, asyncio__operation_t *operation)
{
    if (is_polled_kind(file, operation->kind))
        return poll_for(engine, operation);
    asyncio__uring_sqe_t *sqe = asyncio__uring_prepare(engine);
    if (!sqe)
        return -EBUSY;
    /* These two would change who waits: the kernel here, the loop on epoll. */
    uint32_t flags = (uint32_t)operation->flags & ~(uint32_t)(MSG_DONTWAIT | MSG_WAITALL);
    size_t size = operation->size;
    if (operation->kind == ASYNCIO__RECV || operation->kind == ASYNCIO__SEND) {
        sqe->address = (uintptr_t)operation->buffer;
        sqe->length =
            (uint32_t)(size < ASYNCIO__SIZE_MAX_BYTES ? size : ASYNCIO__SIZE_MAX_BYTES);
    } else {
        sqe->address = (uintptr_t)operation->message;
        sqe->length = 1;
    }
    switch (operation->kind) {
    case ASYNCIO__RECV:
        sqe->opcode = ASYNCIO__URING_RECV;
        break;
    case ASYNCIO__RECVMSG:
        sqe->opcode = ASYNCIO__URING_RECVMSG;
        flags |= MSG_CMSG_CLOEXEC;
        break;
    case ASYNCIO__SEND:
        sqe->opcode = ASYNCIO__URING_SEND;
        flags |= MSG_NOSIGNAL | MSG_WAITALL;
        break;
    default:
        sqe->opcode = ASYNCIO__URING_SENDMSG;
        flags |= MSG_NOSIGNAL | MSG_WAITALL;
        break;
    }
    /* No RECVSEND_POLL_FIRST, even for what was empty a moment ago: on a busy server the answer
     * is there by now, and the poll cost more (7 %) than the try. */
    sqe->op_flags = flags;
    sqe->fd = file->base.fd;
    sqe->user_data = asyncio__uring_tag(operation, ASYNCIO__TAG_OPERATION);
    engine->kernel_count++;
    operation->state = ASYNCIO__IN_KERNEL;
    return 0;
}

/* Hands the oldest queued operation of a direction to the kernel, if that holds none. */
static void start_next(engine_t *engine, file_t *file, int direction)
{
    asyncio__list_t *all = &file->base.operations;
    if (file->active[direction])
        return;
    for (asyncio__list_t *link = all->next; link != all; link = link->next) {
        asyncio__operation_t *operation = asyncio__operation_of(link);
        if (asyncio__direction(operation) != direction)
            continue;
        if (operation->kind == ASYNCIO__ACCEPT && !file->accepts_by_hand)
            continue;
        if (start(engine, file, operation) < 0)
            asyncio__uring_retry_later(engine, file);
        else
            file->active[direction] = operation;
        return;
    }
}

void asyncio__uring_end(engine_t *engine, asyncio__operation_t *operation, int result)
{
    file_t *file = file_of(operation->file);
    int direction = asyncio__direction(operation);
    asyncio__list_remove(&operation->link);
    file->pending[direction]--;
    if (file->active[direction] == operation)
        file->active[direction] = NULL;
    asyncio__finish(&engine->base, operation, result);
}

/* Whether a call now is worth it; see the head of this file. */
static inline bool should_try(const file_t *file, const asyncio__operation_t *operation)
{
    if (file->inlined >= ASYNCIO__INLINE_LIMIT)
        return false;
    if (operation->kind == ASYNCIO__RECV || operation->kind == ASYNCIO__RECVMSG)
        return file->has_more || !file->is_socket;
    if (operation->kind == ASYNCIO__SEND || operation->kind == ASYNCIO__SENDMSG)
        return file->last_direction == ASYNCIO__WRITE || file->has_more || !file->is_socket;
    return false;
}

static bool try_now(engine_t *engine, file_t *file, asyncio__operation_t *operation)
{
    bool is_done = asyncio__attempt(operation, file->is_socket);
    /* A full buffer is the only sign here of more. */
    if (asyncio__direction(operation) == ASYNCIO__READ)
        file->has_more = is_done && operation->kind == ASYNCIO__RECV && operation->result > 0 &&
                         (size_t)operation->result == operation->size;
    if (is_done) {
        file->inlined++;
        engine->base.inlined++;
    }
    return is_done;
}

static int uring_submit(asyncio__engine_t *base, asyncio__operation_t *operation)
{
    engine_t *engine = engine_of(base);
    file_t *file = file_of(operation->file);
    int direction = asyncio__direction(operation);
    if (ASYNCIO__UNLIKELY(base->is_closing))
        return engine->is_abandoned ? -EIO : -ECANCELED;
    operation->note = 0;
    if (operation->kind == ASYNCIO__ACCEPT && !file->accepts_by_hand)
        return asyncio__uring_accept(engine, file, operation);
    operation->state = ASYNCIO__QUEUED;
    if (file->pending[direction] == 0) {
        if (operation->kind == ASYNCIO__CONNECT || should_try(file, operation)) {
            file->last_direction = (uint8_t)direction;
            if (try_now(engine, file, operation)) {
                operation->state = ASYNCIO__IDLE;
                return 1;
            }
        }
        int rc = start(engine, file, operation);
        if (ASYNCIO__UNLIKELY(rc < 0)) {
            asyncio__uring_flush(engine);
            rc = start(engine, file, operation);
        }
        if (ASYNCIO__UNLIKELY(rc < 0)) {
            operation->state = ASYNCIO__IDLE;
            return rc;
        }
        file->active[direction] = operation;
    }
    file->last_direction = (uint8_t)direction;
    file->inlined = 0;
    file->pending[direction]++;
    asyncio__list_append(&file->base.operations, &operation->link);
    base->in_flight++;
    base->submitted++;
    return 0;
}

static void cancel_in_kernel(engine_t *engine, file_t *file, asyncio__operation_t *operation)
{
    unsigned tag =
        operation->state == ASYNCIO__POLLED ? ASYNCIO__TAG_POLL : ASYNCIO__TAG_OPERATION;
    operation->note |= ASYNCIO__CANCEL_WANTED;
    if (operation->note & ASYNCIO__CANCEL_SENT)
        return;
    if (asyncio__uring_cancel_submission(engine, asyncio__uring_tag(operation, tag)) < 0)
        asyncio__uring_retry_later(engine, file);
    else
        operation->note |= ASYNCIO__CANCEL_SENT;
}

static void uring_cancel(asyncio__engine_t *base, asyncio__operation_t *operation)
{
    engine_t *engine = engine_of(base);
    if (operation->state == ASYNCIO__IN_KERNEL || operation->state == ASYNCIO__POLLED) {
        cancel_in_kernel(engine, file_of(operation->file), operation);
    } else if (operation->state == ASYNCIO__QUEUED) {
        file_t *file = file_of(operation->file);
        asyncio__uring_end(engine, operation, -ECANCELED);
        /* With nobody left to want a connection none is to be taken off the backlog. */
        if (operation->kind == ASYNCIO__ACCEPT && file->pending[ASYNCIO__READ] == 0) {
            file->is_accept_cancel_wanted = file->is_accepting;
            asyncio__uring_adjust_accept(engine, file);
        }
    }
}

/* ---- Files ---- */

static int uring_open_file(asyncio__engine_t *base, int fd, asyncio__file_kind_t kind,
                           asyncio__file_t **ret_file)
{
    bool is_socket = true;
    int rc = kind == ASYNCIO__FILE_ANY ? asyncio__descriptor_check(fd, &is_socket) : 0;
    if (rc < 0)
        return rc;
    file_t *file = asyncio__calloc(sizeof(*file));
    if (!file)
        return -ENOMEM;
    file->base.fd = fd;
    file->is_socket = is_socket;
    asyncio__list_init(&file->base.operations);
    asyncio__list_append(&engine_of(base)->files, &file->link);
    *ret_file = &file->base;
    return 0;
}

static void free_file(file_t *file)
{
    asyncio__list_remove(&file->link);
    asyncio__list_remove(&file->retry_link);
    asyncio__uring_drop_accepted(file);
    if (!file->is_detached)
        asyncio__sys.close(file->base.fd);
    asyncio__free(file, sizeof(*file));
}

static inline bool is_held(const file_t *file)
{
    return file->active[ASYNCIO__READ] || file->active[ASYNCIO__WRITE] || file->is_accepting;
}

/* Ends the file's operations, as far as the kernel does not hold them. */
static void end_operations(engine_t *engine, file_t *file, int result)
{
    asyncio__list_t *all = &file->base.operations, *next;
    for (asyncio__list_t *link = all->next; link != all; link = next) {
        asyncio__operation_t *operation = asyncio__operation_of(link);
        next = link->next;
        if (operation->state == ASYNCIO__QUEUED)
            asyncio__uring_end(engine, operation, result);
        else
            cancel_in_kernel(engine, file, operation);
    }
    asyncio__uring_adjust_accept(engine, file);
}

static void end_file(engine_t *engine, file_t *file)
{
    file->is_ending = true;
    asyncio__list_remove(&file->link);
    asyncio__list_append(&engine->ending, &file->link);
    asyncio__uring_drop_accepted(file);
    end_operations(engine, file, -EBADF);
    if (!is_held(file)) {
        free_file(file);
        return;
    }
    /* As a rule the kernel lets go at once, and the descriptor is closed when we return. */
    asyncio__uring_flush(engine);
}

static void uring_close_file(asyncio__engine_t *base, asyncio__file_t *file)
{
    end_file(engine_of(base), file_of(file));
}

static int uring_detach_file(asyncio__engine_t *base, asyncio__file_t *file)
{
    if (!asyncio__list_is_empty(&file->operations))
        return -EBUSY;
    file_of(file)->is_detached = true;
    end_file(engine_of(base), file_of(file));
    return 0;
}

/* ---- Completions ---- */

/* Looks after a file of which the kernel has let go of something; may free it. */
static inline void settle(engine_t *engine, file_t *file)
{
    if (ASYNCIO__UNLIKELY(file->is_ending)) {
        if (!is_held(file))
            free_file(file);
        return;
    }
    if (engine->base.is_closing)
        return;
    for (int direction = 0; direction < 2; direction++) {
        if (file->pending[direction] > 0)
            start_next(engine, file, direction);
    }
}

/* A result that came in spite of close_file(): what it carries must not leak. */
static ASYNCIO__COLD void discard(asyncio__operation_t *operation, int result)
{
    if (operation->kind == ASYNCIO__ACCEPT)
        asyncio__sys.close(result);
    if (operation->kind != ASYNCIO__RECVMSG)
        return;
    struct msghdr *message = operation->message;
    struct cmsghdr *part;
    for (part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(part) + i * sizeof(fd), sizeof(fd));
            asyncio__sys.close(fd);
        }
    }
    message->msg_controllen = 0;
}

/* Valgrind does not see what the kernel writes through a ring. */
static inline void mark_defined(const asyncio__operation_t *operation, int result)
{
#if defined(ASYNCIO__VALGRIND)
    if (operation->kind == ASYNCIO__RECV && result > 0) {
        VALGRIND_MAKE_MEM_DEFINED(operation->buffer, (size_t)result);
    } else if (operation->kind == ASYNCIO__RECVMSG && result >= 0) {
        const struct msghdr *message = operation->message;
        size_t left = (size_t)result;
        VALGRIND_MAKE_MEM_DEFINED(message, sizeof(*message));
        VALGRIND_MAKE_MEM_DEFINED(message->msg_name, message->msg_namelen);
        VALGRIND_MAKE_MEM_DEFINED(message->msg_control, message->msg_controllen);
        for (size_t i = 0; i < message->msg_iovlen && left > 0; i++) {
            size_t part = message->msg_iov[i].iov_len < left ? message->msg_iov[i].iov_len : left;
            VALGRIND_MAKE_MEM_DEFINED(message->msg_iov[i].iov_base, part);
            left -= part;
        }
    }
#else
    (void)operation, (void)result;
#endif
}

static void end_by_kernel(engine_t *engine, file_t *file, asyncio__operation_t *operation,
                          int result)
{
    if (ASYNCIO__UNLIKELY(file->is_ending)) {
        if (result >= 0)
            discard(operation, result);
        result = -EBADF;
    }
    asyncio__uring_end(engine, operation, result);
    settle(engine, file);
}

/* The descriptor is ready, or the kernel would not wait for it: a try, then again a poll. */
static void handle_ready(engine_t *engine, asyncio__operation_t *operation, int polled)
{
    file_t *file = file_of(operation->file);
    int result = polled;
    if (polled >= 0 && operation->kind >= ASYNCIO__POLL_IN) {
        result = 0;
    } else if (polled >= 0 && (operation->note & ASYNCIO__CANCEL_WANTED)) {
        result = -ECANCELED;
    } else if (polled >= 0) {
        if (asyncio__attempt(operation, file->is_socket)) {
            result = operation->result;
        } else {
            if (poll_for(engine, operation) == 0)
                return;
            operation->state = ASYNCIO__QUEUED;
            file->active[asyncio__direction(operation)] = NULL;
            asyncio__uring_retry_later(engine, file);
            return;
        }
    }
    end_by_kernel(engine, file, operation, result);
}

static void handle_operation(engine_t *engine, asyncio__operation_t *operation,
                             const asyncio__uring_cqe_t *cqe)
{
    file_t *file = file_of(operation->file);
    int result = cqe->result;
    if (ASYNCIO__UNLIKELY(result == -EAGAIN || result == -EINTR)) {
        if (!(operation->note & ASYNCIO__CANCEL_WANTED)) {
            handle_ready(engine, operation, 0);
            return;
        }
        result = -ECANCELED;
    }
    mark_defined(operation, result);
    if (asyncio__direction(operation) == ASYNCIO__READ)
        file->has_more = cqe->flags & ASYNCIO__URING_NONEMPTY;
    end_by_kernel(engine, file, operation, result);
}

static inline void handle(engine_t *engine, const asyncio__uring_cqe_t *cqe)
{
    void *pointer = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)ASYNCIO__TAG_MASK);
    switch (cqe->user_data & ASYNCIO__TAG_MASK) {
    case ASYNCIO__TAG_OPERATION:
        engine->kernel_count--;
        handle_operation(engine, pointer, cqe);
        break;
    case ASYNCIO__TAG_POLL:
        engine->kernel_count--;
        handle_ready(engine, pointer, cqe->result);
        break;
    case ASYNCIO__TAG_ACCEPT: {
        file_t *file = pointer;
        asyncio__uring_handle_accept(engine, file, cqe);
        if (!file->is_accepting)
            settle(engine, file);
        break;
    }
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

/* Of the completions to come: first their operations, then the records of the files. */
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

/* Takes what the kernel has completed. Calls nobody, so it may run at any time. */
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
    asyncio__list_t files, *link, *member;
    asyncio__list_init(&files);
    asyncio__list_move(&engine->retry, &files);
    while ((member = asyncio__list_pop(&files)) != NULL) {
        file_t *file = ASYNCIO__CONTAINER(member, file_t, retry_link);
        asyncio__list_t *all = &file->base.operations;
        for (link = all->next; link != all; link = link->next) {
            asyncio__operation_t *operation = asyncio__operation_of(link);
            if (operation->state != ASYNCIO__QUEUED &&
                (operation->note & ASYNCIO__CANCEL_WANTED))
                cancel_in_kernel(engine, file, operation);
        }
        asyncio__uring_adjust_accept(engine, file);
        settle(engine, file);
    }
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
        return -EIO; /* also if the ring is well again: nobody listens to it */
    }
    base->is_waiting = true;
    if (ASYNCIO__UNLIKELY(!asyncio__list_is_empty(&engine->retry)))
        retry(engine);
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

/*
 * The ring belongs to another thread, or the kernel does not answer: closing it ends what it
 * holds. A thread that ended has taken its own submissions back already.
 */
static void abandon_files(engine_t *engine, asyncio__list_t *files)
{
    asyncio__list_t *link, *member;
    for (link = files->next; link != files; link = link->next) {
        file_t *file = ASYNCIO__CONTAINER(link, file_t, link);
        while ((member = file->base.operations.next) != &file->base.operations)
            asyncio__uring_end(engine, asyncio__operation_of(member), -ECANCELED);
        file->is_accepting = false;
    }
}

static void uring_abandon(asyncio__engine_t *base)
{
    engine_t *engine = engine_of(base);
    engine->is_abandoned = base->is_closing = true;
    abandon_files(engine, &engine->files);
    abandon_files(engine, &engine->ending);
    asyncio__deliver(base);
}

static void uring_close(asyncio__engine_t *base)
{
    engine_t *engine = engine_of(base);
    asyncio__list_t *link;
    base->is_closing = true;
    base->is_foreign = false;
    for (link = engine->files.next; link != &engine->files; link = link->next) {
        file_t *file = ASYNCIO__CONTAINER(link, file_t, link);
        file->is_accept_cancel_wanted = file->is_accepting;
        end_operations(engine, file, -ECANCELED);
    }
    asyncio__uring_end_watches(engine);
    drain(engine);
    if (engine->kernel_count > 0) {
        asyncio__uring_fini(&engine->ring);
        abandon_files(engine, &engine->files);
        abandon_files(engine, &engine->ending);
    }
    while (!asyncio__list_is_empty(&base->done))
        asyncio__deliver(base);
    while (!asyncio__list_is_empty(&engine->files))
        free_file(ASYNCIO__CONTAINER(engine->files.next, file_t, link));
    while (!asyncio__list_is_empty(&engine->ending))
        free_file(ASYNCIO__CONTAINER(engine->ending.next, file_t, link));
    asyncio__uring_free_watches(engine);
    free_engine(engine);
}

static const asyncio__engine_class_t uring_class = {
    .name = "uring",
    .close = uring_close,
    .open_file = uring_open_file,
    .close_file = uring_close_file,
    .detach_file = uring_detach_file,
    .submit = uring_submit,
    .cancel = uring_cancel,
    .wait = uring_wait,
    .abandon = uring_abandon,
    .wake = uring_wake,
    .watch = asyncio__uring_watch,
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
    asyncio__list_init(&engine->watches);
    asyncio__list_init(&engine->rearm);
    engine->wake_fd = -1;
    int rc = asyncio__uring_init(&engine->ring, submissions, completions);
    if (rc == 0) {
        engine->is_modern = engine->base.is_preferred =
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
