/* SPDX-License-Identifier: MIT */
/*
 * The table of operations, and one try of each by a system call. Sockets get MSG_DONTWAIT, so that
 * one whose O_NONBLOCK somebody cleared cannot block the loop. Nothing here raises SIGPIPE, and
 * every descriptor that is made here is close-on-exec.
 */
#include "engine/operations.h"

#include <errno.h>

#include "base/compiler.h"
#include "base/syscalls.h"
#include "engine/completion.h"
#include "engine/uring_ring.h"
#include "engine/write.h"

static bool is_interrupted(ssize_t result)
{
    return ASYNCIO__UNLIKELY(result < 0) && errno == EINTR;
}

/* Sets the result by what a system call returned; false when that was EAGAIN. */
static bool conclude(asyncio__operation_t *operation, ssize_t result)
{
    if (result < 0) {
        if (errno == EAGAIN)
            return false;
        result = -errno;
    }
    operation->result = (int32_t)result;
    return true;
}

/* Callers ask for these two flags, which must not change what an engine does. */
static int call_flags(const asyncio__operation_t *operation)
{
    return (operation->flags & ~MSG_WAITALL) | MSG_DONTWAIT;
}

static size_t call_size(size_t size)
{
    return size < ASYNCIO__SIZE_MAX_BYTES ? size : ASYNCIO__SIZE_MAX_BYTES;
}

static bool attempt_recv(asyncio__operation_t *operation)
{
    const asyncio__file_t *file = operation->file;
    size_t size = call_size(operation->size);
    ssize_t result;
    do
        result = asyncio__is_socket(file) ? asyncio__sys.recv(file->fd, operation->buffer, size,
                                                              call_flags(operation))
                                          : asyncio__sys.read(file->fd, operation->buffer, size);
    while (is_interrupted(result));
    return conclude(operation, result);
}

static bool attempt_send(asyncio__operation_t *operation)
{
    const asyncio__file_t *file = operation->file;
    size_t size = call_size(operation->size);
    ssize_t result;
    do
        result = asyncio__is_socket(file)
                     ? asyncio__sys.send(file->fd, operation->buffer, size,
                                         call_flags(operation) | MSG_NOSIGNAL)
                     : asyncio__write_without_signal(file->fd, operation->buffer, size);
    while (is_interrupted(result));
    return conclude(operation, result);
}

static bool attempt_recvmsg(asyncio__operation_t *operation)
{
    ssize_t result;
    do
        result = asyncio__sys.recvmsg(operation->file->fd, operation->message,
                                      call_flags(operation) | MSG_CMSG_CLOEXEC);
    while (is_interrupted(result));
    return conclude(operation, result);
}

static bool attempt_sendmsg(asyncio__operation_t *operation)
{
    ssize_t result;
    do
        result = asyncio__sys.sendmsg(operation->file->fd, operation->message,
                                      call_flags(operation) | MSG_NOSIGNAL);
    while (is_interrupted(result));
    return conclude(operation, result);
}

static bool attempt_accept(asyncio__operation_t *operation)
{
    socklen_t size;
    int fd;
    do {
        size = operation->address_size;
        fd = asyncio__sys.accept4(operation->file->fd, operation->address,
                                  operation->address ? &size : NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (is_interrupted(fd));
    if (fd >= 0 && operation->address)
        operation->address_size = size;
    return conclude(operation, fd);
}

/*
 * A connection that was interrupted continues by itself, so it is begun only once. AF_UNIX fails
 * with EAGAIN when the backlog is full, which cannot be waited for: that is a result.
 */
static bool attempt_connect(asyncio__operation_t *operation)
{
    int fd = operation->file->fd;
    if (!(operation->note & ASYNCIO__CONNECTING)) {
        int rc = asyncio__sys.connect(fd, operation->address, operation->address_size);
        if (rc < 0 && (errno == EINPROGRESS || errno == EINTR || errno == EALREADY)) {
            operation->note |= ASYNCIO__CONNECTING;
            return false;
        }
        operation->result = rc < 0 ? -errno : 0;
        return true;
    }
    int error = 0, rc = asyncio__poll_now(fd, POLLOUT);
    socklen_t size = sizeof(error);
    if (rc == -EAGAIN)
        return false;
    if (rc == 0 && asyncio__sys.getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    operation->result = rc < 0 ? rc : -error;
    return true;
}

int asyncio__poll_now(int fd, short events)
{
    struct pollfd poll = {.fd = fd, .events = events};
    int ready;
    do
        ready = asyncio__sys.poll(&poll, 1, 0);
    while (is_interrupted(ready)); /* the engine would wait for an edge that has come already */
    if (ready < 0)
        return -errno;
    if (ready == 0)
        return -EAGAIN;
    return poll.revents & POLLNVAL ? -EBADF : 0;
}

static bool attempt_poll_in(asyncio__operation_t *operation)
{
    operation->result = asyncio__poll_now(operation->file->fd, POLLIN);
    return operation->result != -EAGAIN;
}

static bool attempt_poll_out(asyncio__operation_t *operation)
{
    operation->result = asyncio__poll_now(operation->file->fd, POLLOUT);
    return operation->result != -EAGAIN;
}

static bool attempt_read(asyncio__operation_t *operation)
{
    int fd = operation->file->fd;
    size_t size = call_size(operation->size);
    ssize_t result;
    do
        result = operation->offset < 0 ? asyncio__sys.read(fd, operation->buffer, size)
                                       : asyncio__sys.pread(fd, operation->buffer, size,
                                                            operation->offset);
    while (is_interrupted(result));
    return conclude(operation, result);
}

static bool attempt_write(asyncio__operation_t *operation)
{
    int fd = operation->file->fd;
    size_t size = call_size(operation->size);
    ssize_t result;
    do
        result = operation->offset < 0
                     ? asyncio__write_without_signal(fd, operation->buffer, size)
                     : asyncio__sys.pwrite(fd, operation->buffer, size, operation->offset);
    while (is_interrupted(result));
    return conclude(operation, result);
}

#define SOCKETS (1u << ASYNCIO__FILE_SOCKET | 1u << ASYNCIO__FILE_TCP)
#define TCP     (1u << ASYNCIO__FILE_TCP)
#define REGULAR (1u << ASYNCIO__FILE_REGULAR)

const asyncio__operation_row_t asyncio__operation_rows[ASYNCIO__OPERATION_KINDS] = {
    [ASYNCIO__RECV] = {"recv", attempt_recv, ASYNCIO__INWARD, ASYNCIO__URING_RECV, SOCKETS,
                       ASYNCIO__ARGUMENT_BUFFER, false, 0},
    [ASYNCIO__SEND] = {"send", attempt_send, ASYNCIO__OUTWARD, ASYNCIO__URING_SEND, SOCKETS,
                       ASYNCIO__ARGUMENT_BUFFER, false, MSG_NOSIGNAL | MSG_WAITALL},
    [ASYNCIO__RECVMSG] = {"recvmsg", attempt_recvmsg, ASYNCIO__INWARD, ASYNCIO__URING_RECVMSG,
                          SOCKETS, ASYNCIO__ARGUMENT_MESSAGE, false, MSG_CMSG_CLOEXEC},
    /* Not on Unix sockets of datagrams: where the peer's queue is full the kernel has taken the
     * bytes already, and sends an empty datagram when it tries again (seen with Linux 6.18). */
    [ASYNCIO__SENDMSG] = {"sendmsg", attempt_sendmsg, ASYNCIO__OUTWARD, ASYNCIO__URING_SENDMSG,
                          TCP, ASYNCIO__ARGUMENT_MESSAGE, false, MSG_NOSIGNAL | MSG_WAITALL},
    [ASYNCIO__ACCEPT] = {"accept", attempt_accept, ASYNCIO__INWARD, ASYNCIO__URING_ACCEPT, SOCKETS,
                         ASYNCIO__ARGUMENT_ADDRESS, false, SOCK_NONBLOCK | SOCK_CLOEXEC},
    [ASYNCIO__CONNECT] = {"connect", attempt_connect, ASYNCIO__OUTWARD, 0, 0,
                          ASYNCIO__ARGUMENT_NONE, false, 0},
    [ASYNCIO__POLL_IN] = {"poll_in", attempt_poll_in, ASYNCIO__INWARD, 0, 0,
                          ASYNCIO__ARGUMENT_NONE, true, 0},
    [ASYNCIO__POLL_OUT] = {"poll_out", attempt_poll_out, ASYNCIO__OUTWARD, 0, 0,
                           ASYNCIO__ARGUMENT_NONE, true, 0},
    [ASYNCIO__READ] = {"read", attempt_read, ASYNCIO__INWARD, ASYNCIO__URING_READ, REGULAR,
                       ASYNCIO__ARGUMENT_BUFFER_AT_OFFSET, false, 0},
    [ASYNCIO__WRITE] = {"write", attempt_write, ASYNCIO__OUTWARD, ASYNCIO__URING_WRITE, REGULAR,
                        ASYNCIO__ARGUMENT_BUFFER_AT_OFFSET, false, 0},
};

/* The operation has a buffer only while there is data in it. */
bool asyncio__attempt_lent(asyncio__engine_t *engine, asyncio__operation_t *operation)
{
    operation->buffer = asyncio__lender_take(&engine->lender);
    operation->size = ASYNCIO__LENT_BYTES;
    if (ASYNCIO__UNLIKELY(!operation->buffer)) {
        if (errno == ENOBUFS) {
            operation->note |= ASYNCIO__STARVED;
            return false;
        }
        operation->result = -ENOMEM;
        return true;
    }
    bool is_done = attempt_recv(operation);
    if (!is_done || operation->result <= 0) {
        asyncio__lender_return(&engine->lender, operation->buffer);
        operation->buffer = NULL;
    }
    return is_done;
}

int asyncio__receive_now(const asyncio__file_t *file, void *buffer, size_t size)
{
    asyncio__operation_t operation = {
        .file = (asyncio__file_t *)file, .kind = ASYNCIO__RECV, .buffer = buffer, .size = size};
    return attempt_recv(&operation) ? operation.result : -EAGAIN;
}
