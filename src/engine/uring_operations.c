/* SPDX-License-Identifier: MIT */
/*
 * The io_uring engine: operations and files; see uring.c for the whole.
 *
 * Of each file the kernel holds one operation per direction; those behind it are QUEUED here, so
 * that this engine decides the order:
 *
 *     QUEUED --start()--> IN_KERNEL --completion--> FINISHED
 *                         POLLED    --ready, then asyncio__attempt()--> FINISHED, or again
 *
 * An operation that the kernel holds ends by a completion only. A cancel is a submission that
 * names the operation by its user_data, never by its descriptor (which would search), and a
 * descriptor is closed after its last completion. The cancel is submitted before anything that is
 * prepared later, so an address that is used again is not mistaken for the old operation.
 *
 * Where the kernel does not defer work (before Linux 6.1) it completes operations at any system
 * call of the thread. There it holds no buffers at all: every operation is polled, then tried.
 * Otherwise a ring that failed could still write into a frame that was freed.
 */
#include <errno.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "base/sanitizer.h"
#include "base/syscalls.h"
#include "engine/descriptor.h"
#include "engine/uring_engine.h"

#if defined(ASYNCIO__VALGRIND)
#include <valgrind/memcheck.h>
#endif

typedef asyncio__uring_engine_t engine_t;
typedef asyncio__uring_file_t file_t;

static file_t *file_of(asyncio__file_t *file)
{
    return ASYNCIO__CONTAINER(file, file_t, base);
}

/* ---- Starting ---- */

static int poll_for(engine_t *engine, asyncio__operation_t *operation)
{
    unsigned events = asyncio__direction(operation) == ASYNCIO__INWARD ? EPOLLIN : EPOLLOUT;
    int rc = asyncio__uring_poll(engine, operation->file->fd, events,
                                 asyncio__uring_tag(operation, ASYNCIO__TAG_POLL));
    if (rc == 0)
        operation->state = ASYNCIO__POLLED;
    return rc;
}

/* Whether the kernel carries out operations of that row on that file, or only polls for them. */
static inline bool is_carried_out(const engine_t *engine, const file_t *file,
                                  const asyncio__operation_row_t *row)
{
    return engine->is_modern && (row->kernel_files >> file->base.kind & 1);
}

static uint32_t call_length(size_t size)
{
    return (uint32_t)(size < ASYNCIO__SIZE_MAX_BYTES ? size : ASYNCIO__SIZE_MAX_BYTES);
}

static inline void set_arguments(asyncio__uring_sqe_t *sqe, asyncio__operation_t *operation,
                                 const asyncio__operation_row_t *row)
{
    /* With these two flags the kernel would wait here, but the loop on epoll. */
    const uint32_t own_flags = ~(uint32_t)(MSG_DONTWAIT | MSG_WAITALL);
    switch ((asyncio__argument_t)row->argument) {
    case ASYNCIO__ARGUMENT_BUFFER:
        sqe->address = (uintptr_t)operation->buffer;
        sqe->length = call_length(operation->size);
        sqe->op_flags = ((uint32_t)operation->flags & own_flags) | row->flags_added;
        break;
    case ASYNCIO__ARGUMENT_MESSAGE:
        sqe->address = (uintptr_t)operation->message;
        sqe->length = 1;
        sqe->op_flags = ((uint32_t)operation->flags & own_flags) | row->flags_added;
        break;
    case ASYNCIO__ARGUMENT_BUFFER_AT_OFFSET:
        sqe->address = (uintptr_t)operation->buffer;
        sqe->length = call_length(operation->size);
        sqe->offset = (uint64_t)operation->offset;
        break;
    case ASYNCIO__ARGUMENT_ADDRESS:
        sqe->address = (uintptr_t)operation->address;
        sqe->offset = operation->address ? (uintptr_t)&operation->address_size : 0;
        sqe->op_flags = row->flags_added;
        break;
    case ASYNCIO__ARGUMENT_NONE:
        break;
    }
}

/* Hands an operation to the kernel: 0 or -EBUSY. */
static int start(engine_t *engine, file_t *file, asyncio__operation_t *operation)
{
    const asyncio__operation_row_t *row = asyncio__row_of(operation);
    bool is_lent = operation->note & ASYNCIO__LENT;
    if (ASYNCIO__UNLIKELY(engine->is_resting))
        return -EBUSY;
    if (!is_carried_out(engine, file, row) ||
        (ASYNCIO__UNLIKELY(is_lent) && asyncio__uring_provide_buffers(engine) < 0))
        return poll_for(engine, operation);
    asyncio__uring_sqe_t *sqe = asyncio__uring_prepare(engine);
    if (!sqe)
        return -EBUSY;
    /* No RECVSEND_POLL_FIRST, even for a socket that was empty a moment ago: on a busy server the
     * data is there by now, and the poll cost more (7 %) than the try. */
    set_arguments(sqe, operation, row);
    if (is_lent) {
        sqe->flags = ASYNCIO__URING_BUFFER_SELECT;
        sqe->length = 0; /* as long as the buffer */
    }
    sqe->opcode = row->opcode;
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
        if (start(engine, file, operation) < 0)
            asyncio__uring_retry_later(engine, file);
        else
            file->active[direction] = operation;
        return;
    }
}

/* Whether a call now is worth it; see the head of uring.c. */
static inline bool should_try(const engine_t *engine, const file_t *file,
                              const asyncio__operation_t *operation)
{
    const asyncio__operation_row_t *row = asyncio__row_of(operation);
    if (operation->kind == ASYNCIO__CONNECT)
        return true;
    if (file->base.kind == ASYNCIO__FILE_REGULAR)
        return !engine->is_modern;
    if (row->is_poll || file->inlined >= ASYNCIO__INLINE_LIMIT)
        return false;
    if (file->has_more || file->base.kind == ASYNCIO__FILE_STREAM)
        return true;
    if (operation->kind == ASYNCIO__SENDMSG && file->base.kind == ASYNCIO__FILE_SOCKET)
        return true; /* else it would be polled first, and there nearly always is room */
    if (!engine->is_modern)
        return true; /* a poll does not end where a call fails at once, as accept() may */
    return row->direction == ASYNCIO__OUTWARD && file->last_direction == ASYNCIO__OUTWARD;
}

/* A full buffer and an accepted connection are the only signs that there is more. */
static inline void note_attempt(file_t *file, const asyncio__operation_t *operation, bool is_done)
{
    if (asyncio__direction(operation) != ASYNCIO__INWARD)
        return;
    file->has_more = is_done && ((operation->kind == ASYNCIO__RECV && operation->result > 0 &&
                                  (size_t)operation->result == operation->size) ||
                                 (operation->kind == ASYNCIO__ACCEPT && operation->result >= 0));
}

static bool try_now(engine_t *engine, file_t *file, asyncio__operation_t *operation)
{
    bool is_done = asyncio__attempt(&engine->base, operation);
    note_attempt(file, operation, is_done);
    if (is_done) {
        file->inlined++;
        engine->base.inlined++;
    }
    operation->note &= (uint16_t)~ASYNCIO__STARVED; /* the kernel has buffers of its own */
    return is_done;
}

int asyncio__uring_submit(asyncio__engine_t *base, asyncio__operation_t *operation)
{
    engine_t *engine = asyncio__uring_of(base);
    file_t *file = file_of(operation->file);
    int direction = asyncio__direction(operation);
    if (ASYNCIO__UNLIKELY(base->is_closing))
        return engine->is_abandoned ? -EIO : -ECANCELED;
    operation->note = asyncio__first_note(operation);
    operation->state = ASYNCIO__QUEUED;
    if (file->pending[direction] == 0) {
        if (should_try(engine, file, operation)) {
            file->last_direction = (uint8_t)direction;
            if (try_now(engine, file, operation)) {
                operation->state = ASYNCIO__IDLE;
                return 1;
            }
        }
        int rc = start(engine, file, operation);
        if (ASYNCIO__UNLIKELY(rc < 0) && !engine->is_resting) {
            asyncio__uring_flush(engine);
            rc = start(engine, file, operation);
        }
        if (ASYNCIO__LIKELY(rc == 0)) {
            file->active[direction] = operation;
        } else if (engine->is_resting) {
            asyncio__uring_retry_later(engine, file);
        } else {
            operation->state = ASYNCIO__IDLE;
            return rc;
        }
    }
    file->last_direction = (uint8_t)direction;
    file->inlined = 0;
    file->pending[direction]++;
    asyncio__list_append(&file->base.operations, &operation->link);
    base->in_flight++;
    base->submitted++;
    return 0;
}

/* ---- Ending ---- */

static void end_operation(engine_t *engine, asyncio__operation_t *operation, int result)
{
    file_t *file = file_of(operation->file);
    int direction = asyncio__direction(operation);
    asyncio__list_remove(&operation->link);
    file->pending[direction]--;
    if (file->active[direction] == operation)
        file->active[direction] = NULL;
    asyncio__finish(&engine->base, operation, result);
}

/* Asks the kernel to let go of an operation; the reason says what its completion leads to. */
static void take_back(engine_t *engine, file_t *file, asyncio__operation_t *operation,
                      uint16_t reason)
{
    unsigned tag =
        operation->state == ASYNCIO__POLLED ? ASYNCIO__TAG_POLL : ASYNCIO__TAG_OPERATION;
    operation->note |= reason;
    if (operation->note & ASYNCIO__CANCEL_SENT)
        return;
    if (asyncio__uring_cancel_submission(engine, asyncio__uring_tag(operation, tag)) < 0)
        asyncio__uring_retry_later(engine, file);
    else
        operation->note |= ASYNCIO__CANCEL_SENT;
}

void asyncio__uring_cancel(asyncio__engine_t *base, asyncio__operation_t *operation)
{
    engine_t *engine = asyncio__uring_of(base);
    if (operation->state == ASYNCIO__IN_KERNEL || operation->state == ASYNCIO__POLLED)
        take_back(engine, file_of(operation->file), operation, ASYNCIO__CANCEL_WANTED);
    else if (operation->state == ASYNCIO__QUEUED)
        end_operation(engine, operation, -ECANCELED);
}

static inline bool is_held(const file_t *file)
{
    return file->active[ASYNCIO__INWARD] || file->active[ASYNCIO__OUTWARD];
}

/* Looks after a file of which the kernel has let go of something; may free it. */
static inline void settle(engine_t *engine, file_t *file)
{
    if (ASYNCIO__UNLIKELY(file->is_ending)) {
        if (!is_held(file))
            asyncio__uring_free_file(file);
        return;
    }
    if (engine->base.is_closing)
        return;
    for (int direction = 0; direction < 2; direction++) {
        if (file->pending[direction] > 0)
            start_next(engine, file, direction);
    }
}

void asyncio__uring_retry(engine_t *engine, file_t *file)
{
    asyncio__list_t *link, *all = &file->base.operations;
    for (link = all->next; link != all; link = link->next) {
        asyncio__operation_t *operation = asyncio__operation_of(link);
        uint16_t reason =
            operation->note & (ASYNCIO__CANCEL_WANTED | ASYNCIO__RETRY_WANTED);
        if (operation->state != ASYNCIO__QUEUED && reason)
            take_back(engine, file, operation, reason);
    }
    settle(engine, file);
}

bool asyncio__uring_restart_starved(engine_t *engine)
{
    asyncio__list_t all, *link;
    unsigned free[2] = {engine->buffers.free_count, engine->base.lender.free_count};
    bool has_left = false;
    asyncio__list_init(&all);
    asyncio__list_move(&engine->starved, &all);
    while ((link = asyncio__list_pop(&all)) != NULL) {
        file_t *file = ASYNCIO__CONTAINER(link, file_t, retry_link);
        bool is_by_hand = engine->buffers.is_refused ||
                          !is_carried_out(engine, file, &asyncio__operation_rows[ASYNCIO__RECV]);
        if (free[is_by_hand] > 0) {
            free[is_by_hand]--;
            settle(engine, file);
        } else {
            asyncio__list_append(&engine->starved, link);
            has_left |= (is_by_hand ? engine->base.lender.free_count
                                    : engine->buffers.free_count) > 0;
        }
    }
    return has_left;
}

/* ---- Completions ---- */

/* A message that came in spite of close_file(): the descriptors in it must not leak. */
static ASYNCIO__COLD void discard_message(const asyncio__operation_t *operation)
{
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


/* Returns a buffer that holds no data for the owner. */
static void take_buffer_back(engine_t *engine, asyncio__operation_t *operation)
{
    if ((operation->note & ASYNCIO__LENT) && operation->buffer) {
        asyncio__uring_return_buffer(&engine->base, operation->buffer);
        operation->buffer = NULL;
    }
}

/* What an operation of a closed file comes to. What the kernel has sent or accepted stands. */
static ASYNCIO__COLD int result_after_close(engine_t *engine, asyncio__operation_t *operation,
                                            int result)
{
    bool is_done = asyncio__direction(operation) == ASYNCIO__OUTWARD
                       ? result > 0
                       : result >= 0 && operation->kind == ASYNCIO__ACCEPT;
    if (result >= 0 && operation->kind == ASYNCIO__RECVMSG)
        discard_message(operation);
    take_buffer_back(engine, operation);
    return is_done ? result : -EBADF;
}

static void end_by_kernel(engine_t *engine, file_t *file, asyncio__operation_t *operation,
                          int result)
{
    if (ASYNCIO__UNLIKELY(file->is_ending))
        result = result_after_close(engine, operation, result);
    end_operation(engine, operation, result);
    settle(engine, file);
}

/* An operation that the kernel holds no more and that is to be started later. */
static ASYNCIO__COLD void queue_again(file_t *file, asyncio__operation_t *operation,
                                      asyncio__list_t *list)
{
    operation->state = ASYNCIO__QUEUED;
    file->active[asyncio__direction(operation)] = NULL;
    asyncio__list_remove(&file->retry_link);
    asyncio__list_append(list, &file->retry_link);
}

/* Tries an operation whose descriptor is ready, and polls again if it would block. */
static void try_after_poll(engine_t *engine, file_t *file, asyncio__operation_t *operation)
{
    if (ASYNCIO__UNLIKELY(engine->is_resting)) {
        queue_again(file, operation, &engine->retry);
        return;
    }
    bool is_done = asyncio__attempt(&engine->base, operation);
    note_attempt(file, operation, is_done);
    if (is_done) {
        end_by_kernel(engine, file, operation, operation->result);
    } else if (operation->note & ASYNCIO__STARVED) {
        operation->note &= (uint16_t)~ASYNCIO__STARVED;
        queue_again(file, operation, &engine->starved);
    } else if (poll_for(engine, operation) < 0) {
        queue_again(file, operation, &engine->retry);
    }
}

/* Whether a completion only says that the kernel let go of the operation, to try it once more. */
static bool is_retry(asyncio__operation_t *operation, int result)
{
    if (ASYNCIO__LIKELY(!(operation->note & ASYNCIO__RETRY_WANTED)))
        return false;
    bool was_sent = operation->note & ASYNCIO__CANCEL_SENT;
    operation->note &= (uint16_t)~(ASYNCIO__RETRY_WANTED | ASYNCIO__CANCEL_SENT);
    return was_sent && result == -ECANCELED && !(operation->note & ASYNCIO__CANCEL_WANTED);
}

void asyncio__uring_handle_poll(engine_t *engine, asyncio__operation_t *operation, int polled)
{
    file_t *file = file_of(operation->file);
    if (is_retry(operation, polled))
        try_after_poll(engine, file, operation);
    else if (polled >= 0 && asyncio__row_of(operation)->is_poll)
        end_by_kernel(engine, file, operation, 0);
    else if (polled >= 0 && (operation->note & ASYNCIO__CANCEL_WANTED))
        end_by_kernel(engine, file, operation, -ECANCELED);
    else if (polled < 0)
        end_by_kernel(engine, file, operation, polled);
    else
        try_after_poll(engine, file, operation);
}

void asyncio__uring_handle_operation(engine_t *engine, asyncio__operation_t *operation,
                                     const asyncio__uring_cqe_t *cqe)
{
    file_t *file = file_of(operation->file);
    int result = cqe->result;
    if (ASYNCIO__UNLIKELY(operation->note & ASYNCIO__LENT)) {
        operation->buffer = asyncio__uring_taken_buffer(engine, cqe);
        operation->size = ASYNCIO__LENT_BYTES;
        if (result <= 0)
            take_buffer_back(engine, operation);
        if (result == -ENOBUFS) {
            if (!(operation->note & ASYNCIO__CANCEL_WANTED)) {
                queue_again(file, operation, &engine->starved);
                return;
            }
            result = -ECANCELED;
        }
    }
    if (is_retry(operation, result))
        result = -EAGAIN;
    if (ASYNCIO__UNLIKELY(result == -EAGAIN || result == -EINTR)) {
        if (!(operation->note & ASYNCIO__CANCEL_WANTED)) {
            try_after_poll(engine, file, operation);
            return;
        }
        result = -ECANCELED;
    }
    mark_defined(operation, result);
    if (asyncio__direction(operation) == ASYNCIO__INWARD)
        file->has_more = cqe->flags & ASYNCIO__URING_NONEMPTY;
    end_by_kernel(engine, file, operation, result);
}

/* ---- Files ---- */

int asyncio__uring_open_file(asyncio__engine_t *base, int fd, asyncio__file_kind_t kind,
                             asyncio__file_t **ret_file)
{
    int rc = kind == ASYNCIO__FILE_ANY ? asyncio__descriptor_kind(fd, &kind) : 0;
    if (rc < 0)
        return rc;
    file_t *file = asyncio__calloc(sizeof(*file));
    if (!file)
        return -ENOMEM;
    file->base.fd = fd;
    file->base.kind = (uint8_t)kind;
    asyncio__list_init(&file->base.operations);
    asyncio__list_append(&asyncio__uring_of(base)->files, &file->link);
    *ret_file = &file->base;
    return 0;
}

void asyncio__uring_free_file(file_t *file)
{
    asyncio__list_remove(&file->link);
    asyncio__list_remove(&file->retry_link);
    if (!file->is_detached)
        asyncio__sys.close(file->base.fd);
    asyncio__free(file, sizeof(*file));
}

void asyncio__uring_end_operations(engine_t *engine, file_t *file, int result)
{
    asyncio__list_t *all = &file->base.operations, *next;
    for (asyncio__list_t *link = all->next; link != all; link = next) {
        asyncio__operation_t *operation = asyncio__operation_of(link);
        next = link->next;
        if (operation->state == ASYNCIO__QUEUED)
            end_operation(engine, operation, result);
        else
            take_back(engine, file, operation, ASYNCIO__CANCEL_WANTED);
    }
}

/*
 * The ring belongs to another thread, or the kernel does not respond: closing the ring ends the
 * operations that it holds. The kernel has cancelled those of a thread that ended already.
 */
void asyncio__uring_abandon_files(engine_t *engine, asyncio__list_t *files)
{
    asyncio__list_t *link, *member;
    for (link = files->next; link != files; link = link->next) {
        file_t *file = ASYNCIO__CONTAINER(link, file_t, link);
        while ((member = file->base.operations.next) != &file->base.operations)
            end_operation(engine, asyncio__operation_of(member), -ECANCELED);
    }
}

static void end_file(engine_t *engine, file_t *file)
{
    file->is_ending = true;
    asyncio__list_remove(&file->link);
    asyncio__list_append(&engine->ending, &file->link);
    asyncio__uring_end_operations(engine, file, -EBADF);
    if (!is_held(file)) {
        asyncio__uring_free_file(file);
        return;
    }
    /* As a rule the kernel lets go at once, and the descriptor is closed when we return. */
    asyncio__uring_flush(engine);
}

void asyncio__uring_close_file(asyncio__engine_t *base, asyncio__file_t *file)
{
    end_file(asyncio__uring_of(base), file_of(file));
}

int asyncio__uring_detach_file(asyncio__engine_t *base, asyncio__file_t *file)
{
    if (!asyncio__list_is_empty(&file->operations))
        return -EBUSY;
    file_of(file)->is_detached = true;
    end_file(asyncio__uring_of(base), file_of(file));
    return 0;
}

void asyncio__uring_take_back(engine_t *engine, file_t *file)
{
    for (int direction = 0; direction < 2; direction++) {
        if (file->active[direction])
            take_back(engine, file, file->active[direction], ASYNCIO__RETRY_WANTED);
    }
}

/* The kernel wakes the poll of the peer, and on AF_UNIX nobody who polls this end. */
int asyncio__uring_shutdown_file(asyncio__engine_t *base, asyncio__file_t *user, int how)
{
    file_t *file = file_of(user);
    if (asyncio__sys.shutdown(user->fd, how) < 0)
        return -errno;
    for (int direction = 0; direction < 2; direction++) {
        bool is_ended = how == SHUT_RDWR || how == (direction ? SHUT_WR : SHUT_RD);
        if (is_ended && file->active[direction])
            take_back(asyncio__uring_of(base), file, file->active[direction],
                      ASYNCIO__RETRY_WANTED);
    }
    return 0;
}

int asyncio__uring_receive(asyncio__engine_t *base, asyncio__file_t *user, void *buffer,
                           size_t size)
{
    file_t *file = file_of(user);
    (void)base;
    if (file->pending[ASYNCIO__INWARD] > 0)
        return -EBUSY;
    int received = asyncio__receive_now(user, buffer, size);
    file->has_more = received > 0 && (size_t)received == size;
    return received;
}
