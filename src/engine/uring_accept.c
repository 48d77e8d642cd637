/* SPDX-License-Identifier: MIT */
/*
 * Accepting on io_uring: the kernel's accepting belongs to the listening file, not to an
 * operation. One submission stays with the kernel for as long as somebody wants connections; each
 * goes to the oldest operation that waits, or into the file's queue. So an operation can be
 * cancelled at any moment and no connection is lost: there is none in it.
 *
 * The first accept of a file asks for one connection, the later ones for a series (multishot):
 * who wants a single connection does not empty the listener's backlog. A queue that nobody takes
 * from ends the series; so does a cancel that leaves nobody waiting. Room in that queue is made
 * before the kernel is asked, so that what comes unasked is kept without memory too.
 */
#include <errno.h>
#include <netinet/in.h>

#include "base/syscalls.h"
#include "engine/uring_engine.h"

/* So many connections are kept for operations to come before the kernel is told to stop. */
#define ACCEPTED_LIMIT 64
/* What comes before it stops has room too. */
#define ACCEPTED_ROOM  (2 * ACCEPTED_LIMIT)

/* Descriptors are kept in a ring of pointers. */
static void *pointer_of(int fd)
{
    return (void *)(intptr_t)fd;
}

static int take_accepted(asyncio__uring_file_t *file)
{
    return (int)(intptr_t)asyncio__ring_pop(&file->accepted);
}

/* Is there room for so many in the queue: reservations stay with the file. */
static bool has_room(asyncio__uring_file_t *file, uint32_t count)
{
    uint32_t reserved = file->accepted.reserved;
    return count <= reserved || asyncio__ring_reserve(&file->accepted, count - reserved) == 0;
}

static asyncio__operation_t *first_waiting(asyncio__uring_file_t *file)
{
    asyncio__list_t *all = &file->base.operations;
    for (asyncio__list_t *link = all->next; link != all; link = link->next) {
        asyncio__operation_t *operation = asyncio__operation_of(link);
        if (operation->kind == ASYNCIO__ACCEPT)
            return operation;
    }
    return NULL;
}

/* A peer that is gone again has no address: then the family is AF_UNSPEC. */
static void set_address(asyncio__operation_t *operation, int fd)
{
    socklen_t size = operation->address_size;
    if (!operation->address)
        return;
    if (asyncio__sys.getpeername(fd, operation->address, &size) < 0) {
        size = 0;
        if (operation->address_size >= sizeof(operation->address->sa_family)) {
            operation->address->sa_family = AF_UNSPEC;
            size = sizeof(operation->address->sa_family);
        }
    }
    operation->address_size = size;
}

static int start_accepting(asyncio__uring_engine_t *engine, asyncio__uring_file_t *file)
{
    asyncio__uring_sqe_t *sqe = asyncio__uring_prepare(engine);
    if (!sqe)
        return -EBUSY;
    sqe->opcode = ASYNCIO__URING_ACCEPT;
    sqe->fd = file->base.fd;
    sqe->op_flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    if (file->accepts_often && engine->is_modern && has_room(file, ACCEPTED_ROOM))
        sqe->ioprio = ASYNCIO__URING_ACCEPT_MULTISHOT;
    sqe->user_data = asyncio__uring_tag(file, ASYNCIO__TAG_ACCEPT);
    file->is_accepting = true;
    engine->kernel_count++;
    return 0;
}

void asyncio__uring_adjust_accept(asyncio__uring_engine_t *engine, asyncio__uring_file_t *file)
{
    asyncio__operation_t *waiting = first_waiting(file);
    if (!file->is_accepting) {
        if (waiting && !file->is_ending && !file->accepts_by_hand &&
            start_accepting(engine, file) < 0)
            asyncio__uring_retry_later(engine, file);
        return;
    }
    if (file->is_ending)
        file->is_accept_cancel_wanted = true;
    if (!file->is_accept_cancel_wanted || file->is_accept_cancel_sent)
        return;
    if (asyncio__uring_cancel_submission(engine,
                                         asyncio__uring_tag(file, ASYNCIO__TAG_ACCEPT)) < 0)
        asyncio__uring_retry_later(engine, file);
    else
        file->is_accept_cancel_sent = true;
}

int asyncio__uring_accept(asyncio__uring_engine_t *engine, asyncio__uring_file_t *file,
                          asyncio__operation_t *operation)
{
    if (!has_room(file, 1))
        return -ENOMEM; /* it may be cancelled, and a connection come nevertheless */
    engine->base.in_flight++;
    operation->state = ASYNCIO__QUEUED;
    asyncio__list_append(&file->base.operations, &operation->link);
    file->pending[ASYNCIO__READ]++;
    if (asyncio__ring_count(&file->accepted) > 0) {
        int fd = take_accepted(file);
        set_address(operation, fd);
        if (++file->inlined > ASYNCIO__INLINE_LIMIT) {
            file->inlined = 0;
            engine->base.submitted++;
            asyncio__uring_end(engine, operation, fd);
            return 0;
        }
        asyncio__list_remove(&operation->link);
        file->pending[ASYNCIO__READ]--;
        operation->state = ASYNCIO__IDLE;
        operation->result = fd;
        engine->base.in_flight--;
        engine->base.inlined++;
        return 1;
    }
    file->inlined = 0;
    engine->base.submitted++;
    /* A cancel that was wanted but not yet sent is void: somebody waits again. */
    if (!file->is_accept_cancel_sent)
        file->is_accept_cancel_wanted = false;
    asyncio__uring_adjust_accept(engine, file);
    return 0;
}

static void got_descriptor(asyncio__uring_engine_t *engine, asyncio__uring_file_t *file, int fd)
{
    asyncio__operation_t *waiting = first_waiting(file);
    file->accepts_often = true;
    if (waiting) {
        set_address(waiting, fd);
        asyncio__uring_end(engine, waiting, fd);
        return;
    }
    if (file->is_ending || !has_room(file, asyncio__ring_count(&file->accepted) + 1)) {
        asyncio__sys.close(fd);
        return;
    }
    asyncio__ring_push(&file->accepted, pointer_of(fd));
    if (asyncio__ring_count(&file->accepted) >= ACCEPTED_LIMIT)
        file->is_accept_cancel_wanted = true;
}

void asyncio__uring_handle_accept(asyncio__uring_engine_t *engine, asyncio__uring_file_t *file,
                                  const asyncio__uring_cqe_t *cqe)
{
    if (!(cqe->flags & ASYNCIO__URING_MORE)) {
        engine->kernel_count--;
        file->is_accepting = false;
        file->is_accept_cancel_wanted = file->is_accept_cancel_sent = false;
    }
    if (cqe->result >= 0) {
        got_descriptor(engine, file, cqe->result);
    } else if (cqe->result == -EAGAIN) {
        file->accepts_by_hand = true;
    } else if (cqe->result != -ECANCELED && cqe->result != -EINTR) {
        /* Whatever ends the series is an accept's error; with nobody to tell, the next asks
         * again and gets it then. */
        asyncio__operation_t *waiting = first_waiting(file);
        if (waiting)
            asyncio__uring_end(engine, waiting, cqe->result);
    }
    asyncio__uring_adjust_accept(engine, file);
}

void asyncio__uring_drop_accepted(asyncio__uring_file_t *file)
{
    while (asyncio__ring_count(&file->accepted) > 0)
        asyncio__sys.close(take_accepted(file));
    asyncio__ring_fini(&file->accepted);
}
