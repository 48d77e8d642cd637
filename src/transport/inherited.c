/* SPDX-License-Identifier: MIT */
/* Listening sockets from the parent process; see inherited.h. */
#include "transport/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/syscalls.h"

#define MOST_SOCKETS 4096 /* more is a mistake in the environment */

/* A variable of the environment that holds a number: 1 and the number, 0 when it is not set, or
 * -EINVAL with the slot filled. */
static int read_number(const char *name, long high, long *ret_number)
{
    const char *text = getenv(name);
    char *end;
    if (!text)
        return 0;
    errno = 0;
    *ret_number = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end || *ret_number < 0 || *ret_number > high)
        return asyncio_raise(-EINVAL, "%s=%s of the environment must be a number from 0 to %ld",
                             name, text, high);
    return 1;
}

/* The next of the names that colons separate; "unknown" behind the last one. */
static void read_name(const char **names, char *ret_name)
{
    size_t size = *names ? strcspn(*names, ":") : 0;
    size_t used = size < ASYNCIO__INHERITED_NAME_BYTES ? size : ASYNCIO__INHERITED_NAME_BYTES - 1;
    if (size == 0) {
        strcpy(ret_name, "unknown");
    } else {
        memcpy(ret_name, *names, used);
        ret_name[used] = '\0';
    }
    if (*names)
        *names = (*names)[size] ? *names + size + 1 : NULL;
}

/* Has a descriptor closed when a program is executed: 0 or an error with the slot filled. */
static int adopt(int fd)
{
    if (asyncio__sys.fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return asyncio_raise(-errno, "the environment names the inherited file descriptor %d, "
                                     "which cannot be used", fd);
    return 0;
}

/* systemd passes blocking sockets, and an accept on one would stop the loop: 0 or an error with the
 * slot filled. */
static int set_non_blocking(int fd)
{
    int flags = asyncio__sys.fcntl(fd, F_GETFL, 0);
    if (flags < 0 || asyncio__sys.fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return asyncio__fail(-errno, "an inherited socket cannot be made non-blocking");
    return 0;
}

static int read_sockets(asyncio__inherited_t *inherited, size_t count)
{
    const char *names = getenv("LISTEN_FDNAMES");
    inherited->sockets = asyncio__calloc(count * sizeof(*inherited->sockets));
    if (!inherited->sockets)
        return asyncio__fail(-ENOMEM, NULL);
    inherited->count = count;
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        asyncio__inherited_socket_t *each = &inherited->sockets[i];
        each->fd = -1;
        read_name(&names, each->name);
    }
    for (size_t i = 0; i < count && rc == 0; i++) {
        asyncio__inherited_socket_t *each = &inherited->sockets[i];
        int fd = ASYNCIO__INHERITED_FIRST_FD + (int)i;
        rc = adopt(fd);
        if (rc < 0)
            break;
        each->fd = fd;
        rc = set_non_blocking(fd);
        each->own_size = sizeof(each->own);
        if (asyncio__sys.getsockname(fd, (struct sockaddr *)&each->own, &each->own_size) < 0)
            each->own_size = 0; /* no socket: the server that takes it says so */
    }
    return rc;
}

int asyncio__inherited_read(asyncio__inherited_t *ret_inherited)
{
    long process, count, ready_fd;
    *ret_inherited = (asyncio__inherited_t){.ready_fd = -1};
    int rc = read_number("LISTEN_PID", LONG_MAX, &process);
    if (rc <= 0 || process != (long)getpid())
        return rc < 0 ? rc : 0; /* it is meant for another process */
    rc = read_number("LISTEN_FDS", MOST_SOCKETS, &count);
    if (rc > 0 && count > 0)
        rc = read_sockets(ret_inherited, (size_t)count);
    if (rc >= 0 && (rc = read_number(ASYNCIO__INHERITED_READY, INT_MAX, &ready_fd)) > 0) {
        rc = adopt((int)ready_fd);
        if (rc == 0)
            ret_inherited->ready_fd = (int)ready_fd;
    }
    if (rc < 0)
        asyncio__inherited_close(ret_inherited);
    return rc < 0 ? rc : 0;
}

void asyncio__inherited_close(asyncio__inherited_t *inherited)
{
    for (size_t i = 0; i < inherited->count; i++)
        if (inherited->sockets[i].fd >= 0)
            asyncio__sys.close(inherited->sockets[i].fd);
    asyncio__free(inherited->sockets, inherited->count * sizeof(*inherited->sockets));
    inherited->sockets = NULL;
    inherited->count = 0;
}
