/* SPDX-License-Identifier: MIT */
/* Listening sockets; see bind.h. */
#include "transport/bind.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/syscalls.h"
#include "transport/address.h"

#define BACKLOG_DEFAULT 100
/* How often another port is tried when a port that the kernel chose is taken in another family. */
#define PORTS_TRIED 16

static int backlog_of(const asyncio__bind_options_t *options)
{
    return options->backlog > 0 ? options->backlog : BACKLOG_DEFAULT;
}

/* A socket option that is on: 0 or -errno. */
static int set_on(int fd, int level, int name)
{
    int on = 1;
    return asyncio__sys.setsockopt(fd, level, name, &on, sizeof(on)) < 0 ? -errno : 0;
}

/* --- TCP ----------------------------------------------------------------------------------- */

static uint16_t *port_of(struct sockaddr *address)
{
    if (address->sa_family == AF_INET6)
        return &((struct sockaddr_in6 *)(void *)address)->sin6_port;
    return &((struct sockaddr_in *)(void *)address)->sin_port;
}

/* Creates, binds and listens: a descriptor or -errno. */
static int listen_on(const struct sockaddr *address, socklen_t size,
                     const asyncio__bind_options_t *options)
{
    int fd = asyncio__sys.socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int rc = options->reuse_address ? set_on(fd, SOL_SOCKET, SO_REUSEADDR) : 0;
    if (rc == 0 && options->reuse_port)
        rc = set_on(fd, SOL_SOCKET, SO_REUSEPORT);
    if (rc == 0 && options->keep_alive)
        rc = set_on(fd, SOL_SOCKET, SO_KEEPALIVE);
    if (rc == 0 && address->sa_family == AF_INET6)
        rc = set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    if (rc == 0)
        rc = set_on(fd, IPPROTO_TCP, TCP_NODELAY);
    if (rc == 0 && (asyncio__sys.bind(fd, address, size) < 0 ||
                    asyncio__sys.listen(fd, backlog_of(options)) < 0))
        rc = -errno;
    if (rc == 0)
        return fd;
    asyncio__sys.close(fd);
    return rc;
}

static bool is_repeated(const struct addrinfo *addresses, const struct addrinfo *address)
{
    for (const struct addrinfo *at = addresses; at != address; at = at->ai_next)
        if (asyncio__address_equal(at->ai_addr, at->ai_addrlen, address->ai_addr,
                                   address->ai_addrlen))
            return true;
    return false;
}

static bool is_unavailable(int code)
{
    return code == -EADDRNOTAVAIL || code == -EAFNOSUPPORT || code == -EPROTONOSUPPORT;
}

static asyncio_error_t *bind_error(int code, const struct addrinfo *address)
{
    return asyncio__address_error(code, "error while attempting to bind on address",
                                  address->ai_addr, address->ai_addrlen);
}

static void close_all(const int *fds, size_t count)
{
    while (count > 0)
        asyncio__sys.close(fds[--count]);
}

/* The port of the first socket: 0 or -errno. */
static int get_port(int fd, in_port_t *ret_port)
{
    struct sockaddr_storage own = {0};
    socklen_t size = sizeof(own);
    if (asyncio__sys.getsockname(fd, (struct sockaddr *)&own, &size) < 0)
        return -errno;
    *ret_port = *port_of((struct sockaddr *)&own);
    return 0;
}

/* One round: 0 and at least one socket, or a code, the details, and the sockets made until then. */
static int bind_each(const struct addrinfo *addresses, const asyncio__bind_options_t *options,
                     int *ret_fds, size_t *ret_count, asyncio_error_t **ret_error)
{
    asyncio_error_t *unavailable = NULL; /* the first of them */
    in_port_t port = 0;
    *ret_count = 0;
    for (const struct addrinfo *at = addresses; at; at = at->ai_next) {
        struct sockaddr_storage address = {0};
        if (at->ai_addrlen > sizeof(address) || is_repeated(addresses, at))
            continue;
        memcpy(&address, at->ai_addr, at->ai_addrlen);
        if (*port_of((struct sockaddr *)&address) == 0)
            *port_of((struct sockaddr *)&address) = port;
        int fd = listen_on((struct sockaddr *)&address, at->ai_addrlen, options);
        if (fd >= 0) {
            ret_fds[(*ret_count)++] = fd;
            fd = port == 0 ? get_port(fd, &port) : 0;
        }
        if (is_unavailable(fd)) {
            if (!unavailable)
                unavailable = bind_error(fd, at);
        } else if (fd < 0) {
            asyncio_error_unref(unavailable);
            *ret_error = bind_error(fd, at);
            return fd;
        }
    }
    if (*ret_count > 0) {
        asyncio_error_unref(unavailable);
        return 0;
    }
    *ret_error = unavailable;
    return unavailable ? asyncio_error_code(unavailable) : -EADDRNOTAVAIL;
}

int asyncio__bind_all(const struct addrinfo *addresses, const asyncio__bind_options_t *options,
                      int *ret_fds, size_t *ret_count)
{
    asyncio_error_t *error = NULL;
    for (int tries = 1;; tries++) {
        int rc = bind_each(addresses, options, ret_fds, ret_count, &error);
        if (rc == 0)
            return 0;
        close_all(ret_fds, *ret_count);
        bool is_other_port_possible =
            rc == -EADDRINUSE && *port_of(addresses->ai_addr) == 0 && *ret_count > 0;
        *ret_count = 0;
        if (!is_other_port_possible || tries == PORTS_TRIED)
            return asyncio__fail_with(rc, error);
        asyncio_error_unref(error);
        error = NULL;
    }
}

/* The value of a socket option, or -errno. */
static int option_of(int fd, int name)
{
    int value = 0;
    socklen_t size = sizeof(value);
    return asyncio__sys.getsockopt(fd, SOL_SOCKET, name, &value, &size) < 0 ? -errno : value;
}

int asyncio__bind_adopt(int fd, const asyncio__bind_options_t *options)
{
    int type = option_of(fd, SO_TYPE);
    if (type != SOCK_STREAM)
        return type < 0 ? asyncio__fail(type, NULL)
                        : asyncio__fail(-EINVAL, "a server needs a stream socket");
    if ((options->backlog > 0 || option_of(fd, SO_ACCEPTCONN) <= 0) &&
        asyncio__sys.listen(fd, backlog_of(options)) < 0)
        return asyncio__fail(-errno, NULL);
    int family = option_of(fd, SO_DOMAIN);
    if (family == AF_INET || family == AF_INET6)
        asyncio__ignore(set_on(fd, IPPROTO_TCP, TCP_NODELAY));
    if (options->keep_alive)
        asyncio__ignore(set_on(fd, SOL_SOCKET, SO_KEEPALIVE));
    return 0;
}

/* --- Unix sockets -------------------------------------------------------------------------- */

/* Fails with an error about the path. */
static int fail_for(int code, const struct sockaddr_un *address)
{
    return asyncio__fail_with(
        code, asyncio__address_error(code, "error while attempting to bind on address",
                                     (const struct sockaddr *)address, sizeof(*address)));
}

/* Removes a socket file on which nobody listens any more: 0, or -EADDRINUSE. */
static int remove_stale(const struct sockaddr_un *address)
{
    struct stat found;
    if (asyncio__sys.lstat(address->sun_path, &found) < 0)
        return 0;
    if (!S_ISSOCK(found.st_mode))
        return asyncio__fail(-EADDRINUSE, "the path exists, and is no socket");
    int fd = asyncio__sys.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail_for(-errno, address);
    bool is_alive =
        asyncio__sys.connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
        errno != ECONNREFUSED;
    asyncio__sys.close(fd);
    if (is_alive)
        return asyncio__fail(-EADDRINUSE, "another process listens on that path");
    return asyncio__sys.unlink(address->sun_path) == 0 ? 0 : fail_for(-errno, address);
}

/* Binds so that nobody else can reach the path at any moment, without touching the umask: on Linux
 * the mode of the descriptor before bind() becomes that of the path. */
static int bind_private(int fd, const struct sockaddr_un *address, asyncio__unix_path_t *ret_path)
{
    struct stat made;
    if (asyncio__sys.fchmod(fd, S_IRUSR | S_IWUSR) < 0 ||
        asyncio__sys.bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
        return -errno;
    ret_path->path = asyncio__strdup(address->sun_path);
    int rc = !ret_path->path ? -ENOMEM
             : asyncio__sys.stat(address->sun_path, &made) < 0 ? -errno
                                                               : 0;
    if (rc < 0) {
        /* Without its identity the close could not know that the file is ours. */
        asyncio__ignore(asyncio__sys.unlink(address->sun_path));
        asyncio__free_string(ret_path->path);
        ret_path->path = NULL;
        return rc;
    }
    ret_path->device = (uint64_t)made.st_dev;
    ret_path->inode = (uint64_t)made.st_ino;
    return 0;
}

int asyncio__bind_unix(const struct sockaddr_un *address, const asyncio__bind_options_t *options,
                       int *ret_fd, asyncio__unix_path_t *ret_path)
{
    int rc = remove_stale(address);
    if (rc < 0)
        return rc;
    int fd = asyncio__sys.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail_for(-errno, address);
    rc = bind_private(fd, address, ret_path);
    if (rc == 0 && asyncio__sys.listen(fd, backlog_of(options)) < 0) {
        rc = -errno;
        asyncio__unix_path_remove(ret_path);
    }
    if (rc < 0) {
        asyncio__sys.close(fd);
        return fail_for(rc, address);
    }
    *ret_fd = fd;
    return 0;
}

void asyncio__unix_path_remove(asyncio__unix_path_t *path)
{
    struct stat found;
    if (!path->path)
        return;
    if (asyncio__sys.stat(path->path, &found) == 0 && (uint64_t)found.st_dev == path->device &&
        (uint64_t)found.st_ino == path->inode)
        asyncio__ignore(asyncio__sys.unlink(path->path));
    asyncio__free_string(path->path);
    path->path = NULL;
}
