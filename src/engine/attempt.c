/* SPDX-License-Identifier: MIT */
/*
 * One try of an operation by a system call. Sockets are told MSG_DONTWAIT, so that one whose
 * O_NONBLOCK somebody took away cannot block the loop; nothing here raises SIGPIPE for a socket,
 * and whatever descriptor is born here is close-on-exec.
 */
#include "engine/attempt.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/syscalls.h"
#include "engine/completion.h"

/* Peers ask for these two of flags that must not change what an engine does. */
static int call_flags(const asyncio__operation_t *operation)
{
    return (operation->flags & ~MSG_WAITALL) | MSG_DONTWAIT;
}

static size_t call_size(const asyncio__operation_t *operation)
{
    size_t size = operation->size;
    return size < ASYNCIO__SIZE_MAX_BYTES ? size : ASYNCIO__SIZE_MAX_BYTES;
}

static int poll_now(int fd, short events)
{
    struct pollfd poll = {.fd = fd, .events = events};
    int ready;
    do /* it would be waited for an edge that has come already */
        ready = asyncio__sys.poll(&poll, 1, 0);
    while (ready < 0 && errno == EINTR);
    if (ready < 0)
        return ready;
    if (ready == 0) {
        errno = EAGAIN;
        return -1;
    }
    if (poll.revents & POLLNVAL) {
        errno = EBADF;
        return -1;
    }
    return 0;
}

/*
 * A connection that was interrupted goes on by itself, so it is begun only once. AF_UNIX says
 * EAGAIN for a full backlog, which nothing can be waited for: that is a result, not a delay.
 */
static bool attempt_connect(asyncio__operation_t *operation)
{
    int fd = operation->file->fd;
    if (!(operation->note & ASYNCIO__CONNECTING)) {
        if (asyncio__sys.connect(fd, operation->address, operation->address_size) == 0) {
            operation->result = 0;
            return true;
        }
        if (errno != EINPROGRESS && errno != EINTR && errno != EALREADY) {
            operation->result = -errno;
            return true;
        }
        operation->note |= ASYNCIO__CONNECTING;
        return false;
    }
    int error = 0;
    socklen_t size = sizeof(error);
    if (poll_now(fd, POLLOUT) < 0) {
        if (errno == EAGAIN)
            return false;
        error = errno;
    } else if (asyncio__sys.getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) {
        error = errno;
    }
    operation->result = -error;
    return true;
}

static int attempt_accept(asyncio__operation_t *operation)
{
    socklen_t size = operation->address_size;
    int fd = asyncio__sys.accept4(operation->file->fd, operation->address,
                                  operation->address ? &size : NULL,
                                  SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0 && operation->address)
        operation->address_size = size;
    return fd;
}

static ssize_t call(asyncio__operation_t *operation, bool is_socket)
{
    int fd = operation->file->fd;
    switch ((asyncio__operation_kind_t)operation->kind) {
    case ASYNCIO__RECV:
        if (!is_socket)
            return asyncio__sys.read(fd, operation->buffer, call_size(operation));
        return asyncio__sys.recv(fd, operation->buffer, call_size(operation),
                                 call_flags(operation));
    case ASYNCIO__SEND:
        if (!is_socket)
            return asyncio__sys.write(fd, operation->buffer, call_size(operation));
        return asyncio__sys.send(fd, operation->buffer, call_size(operation),
                                 call_flags(operation) | MSG_NOSIGNAL);
    case ASYNCIO__RECVMSG:
        return asyncio__sys.recvmsg(fd, operation->message,
                                    call_flags(operation) | MSG_CMSG_CLOEXEC);
    case ASYNCIO__SENDMSG:
        return asyncio__sys.sendmsg(fd, operation->message, call_flags(operation) | MSG_NOSIGNAL);
    case ASYNCIO__ACCEPT:
        return attempt_accept(operation);
    case ASYNCIO__POLL_IN:
        return poll_now(fd, POLLIN);
    case ASYNCIO__POLL_OUT:
        return poll_now(fd, POLLOUT);
    case ASYNCIO__CONNECT:
        break;
    }
    errno = EINVAL;
    return -1;
}

bool asyncio__attempt(asyncio__operation_t *operation, bool is_socket)
{
    if (operation->kind == ASYNCIO__CONNECT)
        return attempt_connect(operation);
    ssize_t result;
    do {
        result = call(operation, is_socket);
    } while (result < 0 && errno == EINTR);
    if (result < 0 && errno == EAGAIN)
        return false;
    operation->result = (int32_t)(result < 0 ? -errno : result);
    return true;
}

/* Only epoll itself knows which devices it takes (/dev/null is none), so it is asked. */
static int check_device(int fd)
{
    struct epoll_event event = {.events = 0};
    int epoll = asyncio__sys.epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        return -errno;
    int rc = asyncio__sys.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
    asyncio__sys.close(epoll);
    return rc;
}

int asyncio__descriptor_check(int fd, bool *ret_is_socket)
{
    struct stat status;
    if (asyncio__sys.fstat(fd, &status) < 0)
        return -errno;
    if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) || S_ISBLK(status.st_mode))
        return -EPERM;
    if (S_ISCHR(status.st_mode)) {
        int rc = check_device(fd);
        if (rc < 0)
            return rc;
    }
    *ret_is_socket = S_ISSOCK(status.st_mode);
    return 0;
}

unsigned asyncio__watch_events(unsigned polled, unsigned asked)
{
    unsigned events = 0;
    /* As the selectors of Python: an error or a hang-up is news for both directions. */
    if (polled & ~(unsigned)EPOLLOUT)
        events |= ASYNCIO__WATCH_READ;
    if (polled & ~(unsigned)EPOLLIN)
        events |= ASYNCIO__WATCH_WRITE;
    return events & asked;
}

unsigned asyncio__poll_events(unsigned asked)
{
    return (asked & ASYNCIO__WATCH_READ ? EPOLLIN : 0) |
           (asked & ASYNCIO__WATCH_WRITE ? EPOLLOUT : 0);
}
