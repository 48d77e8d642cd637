/* SPDX-License-Identifier: MIT */
/* create_datagram_endpoint: looks the addresses up, and makes a socket and a transport. */
#include <asyncio/resolver.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/syscalls.h"
#include "net/datagram.h"
#include "net/operation.h"
#include "task/twin.h"
#include "task/waiter_list.h"
#include "transport/address.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define MAX_BYTES      65536
#define MAX_BYTES_UNIX (256 * 1024)

typedef asyncio_datagram_endpoint_options_t options_t;

static bool has_local(const options_t *options)
{
    return options->local_host || options->local_port;
}

static bool has_remote(const options_t *options)
{
    return options->remote_host || options->remote_port;
}

static int check_options(const options_t *options)
{
    if (!options)
        return asyncio__fail(-EINVAL, "\"options\" must not be NULL");
    if (options->size < sizeof(*options))
        return asyncio__fail(-EINVAL, "\"options->size\" must be sizeof(*options)");
    if (options->sock && (has_local(options) || has_remote(options) || options->family ||
                          options->proto || options->flags || options->reuse_port ||
                          options->allow_broadcast))
        return asyncio__fail(-EINVAL, "socket modifier keyword arguments can not be used when "
                                      "sock is specified.");
    if (!options->sock && !has_local(options) && !has_remote(options) && !options->family)
        return asyncio__fail(-EINVAL, "unexpected address family");
    if (options->max_size > INT_MAX) /* the kernel receives no more in one call */
        return asyncio__fail(-EINVAL, "\"options->max_size\" must not be above INT_MAX");
    return 0;
}

/* --- the socket ---------------------------------------------------------------------------- */

static int set_on(int fd, int level, int name)
{
    int on = 1;
    return asyncio__sys.setsockopt(fd, level, name, &on, sizeof(on)) < 0 ? -errno : 0;
}

static int option_of(int fd, int name)
{
    int value = 0;
    socklen_t size = sizeof(value);
    return asyncio__sys.getsockopt(fd, SOL_SOCKET, name, &value, &size) < 0 ? -errno : value;
}

/* Sets the options that a socket of the program may have too. */
static int set_extras(int fd, const options_t *options, int family)
{
    bool is_ipv6 = family == AF_INET6;
    int rc = 0;
    if ((options->pktinfo || options->gro || options->report_icmp) && family != AF_INET && !is_ipv6)
        return asyncio__fail(-EOPNOTSUPP,
                             "pktinfo, gro and report_icmp are for IPv4 and IPv6 only");
    if (options->pktinfo)
        rc = is_ipv6 ? set_on(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO)
                     : set_on(fd, IPPROTO_IP, IP_PKTINFO);
    if (rc == 0 && options->gro)
        rc = set_on(fd, IPPROTO_UDP, UDP_GRO);
    if (rc == 0 && options->report_icmp)
        rc = set_on(fd, IPPROTO_IP, IP_RECVERR); /* an IPv6 socket may send to IPv4 too */
    if (rc == 0 && options->report_icmp && is_ipv6)
        rc = set_on(fd, IPPROTO_IPV6, IPV6_RECVERR);
    return rc < 0 ? asyncio__fail(rc, NULL) : 0;
}

static int fail_for(int code, const char *what, const struct addrinfo *address)
{
    return asyncio__fail_with(
        code, asyncio__address_error(code, what, address->ai_addr, address->ai_addrlen));
}

/* Binds; the file of a Unix socket at which nobody receives any more is replaced. */
static int bind_to(int fd, const struct addrinfo *local)
{
    if (asyncio__sys.bind(fd, local->ai_addr, local->ai_addrlen) == 0)
        return 0;
    int rc = -errno;
    const struct sockaddr_un *un = (const void *)local->ai_addr;
    struct stat found;
    bool is_stale = rc == -EADDRINUSE && local->ai_family == AF_UNIX && un->sun_path[0] &&
                    asyncio__sys.lstat(un->sun_path, &found) == 0 && S_ISSOCK(found.st_mode) &&
                    asyncio__sys.connect(fd, local->ai_addr, local->ai_addrlen) < 0 &&
                    errno == ECONNREFUSED;
    if (is_stale && asyncio__sys.unlink(un->sun_path) == 0)
        rc = asyncio__sys.bind(fd, local->ai_addr, local->ai_addrlen) < 0 ? -errno : 0;
    return rc < 0 ? fail_for(rc, "error while attempting to bind on address", local) : 0;
}

static int prepare(int fd, const options_t *options, const struct addrinfo *local,
                   const struct addrinfo *remote)
{
    int rc = 0;
    if (options->reuse_port)
        rc = set_on(fd, SOL_SOCKET, SO_REUSEPORT);
    if (rc == 0 && options->allow_broadcast)
        rc = set_on(fd, SOL_SOCKET, SO_BROADCAST);
    if (rc < 0)
        return asyncio__fail(rc, NULL);
    if (local && (rc = bind_to(fd, local)) < 0)
        return rc;
    /* A socket of datagrams is connected at once: that only sets its peer. */
    if (remote && !options->allow_broadcast &&
        asyncio__sys.connect(fd, remote->ai_addr, remote->ai_addrlen) < 0)
        return fail_for(-errno, "error while attempting to connect to", remote);
    return 0;
}

static int make_socket(const options_t *options, int family, const struct addrinfo *local,
                       const struct addrinfo *remote, asyncio_socket_t **ret_sock)
{
    asyncio_socket_t *sock = asyncio_socket(family, SOCK_DGRAM, options->proto);
    if (!sock)
        return asyncio_errno();
    int rc = prepare(sock->fd, options, local, remote);
    if (rc < 0)
        asyncio_socket_unref(sock);
    else
        *ret_sock = sock;
    return rc;
}

/* --- the transport ------------------------------------------------------------------------- */

/* What a call is given beside its options. */
typedef struct request {
    asyncio_loop_t *loop;                          /* the running one */
    asyncio_datagram_protocol_factory_t *factory;  /* makes the protocol */
    void *arg;                                     /* passed to it */
    asyncio_datagram_transport_t **ret_transport;  /* the caller's */
    asyncio_datagram_protocol_t **ret_protocol;    /* the caller's, or NULL */
} request_t;

static int make_protocol(const request_t *request, asyncio_datagram_protocol_t **ret_protocol)
{
    asyncio_datagram_protocol_t *protocol = request->factory(request->arg);
    if (!protocol)
        return asyncio__fail(-ENOMEM, NULL);
    const asyncio_datagram_protocol_functions_t *functions = protocol->functions;
    if (!functions || functions->size < sizeof(*functions))
        return asyncio__fail(-EINVAL, "\"protocol->functions->size\" must be "
                                      "sizeof(asyncio_datagram_protocol_functions_t)");
    *ret_protocol = protocol;
    return 0;
}

static int start(const request_t *request, asyncio_datagram_transport_t *transport)
{
    asyncio__datagram_start(&transport->endpoint);
    int rc = asyncio__waiters_wait(request->loop, &transport->starters,
                                   "asyncio_loop_create_datagram_endpoint");
    if (rc < 0) {
        asyncio__datagram_close(&transport->endpoint);
        asyncio__datagram_unref(&transport->endpoint);
        return rc;
    }
    *request->ret_transport = transport;
    if (request->ret_protocol)
        *request->ret_protocol = transport->protocol;
    return 0;
}

/* Makes the transport of a socket; remote: to be sent to, though the socket is not connected. */
static int use_socket(const request_t *request, const options_t *options, asyncio_socket_t *sock,
                      const struct addrinfo *remote)
{
    asyncio_datagram_transport_t *transport;
    asyncio_datagram_protocol_t *protocol = NULL;
    if (asyncio_socket_fileno(sock) < 0)
        return asyncio__fail(-EBADF, "the socket is closed");
    int family = option_of(sock->fd, SO_DOMAIN);
    int rc = family < 0 ? asyncio__fail(family, NULL) : set_extras(sock->fd, options, family);
    if (rc == 0)
        rc = make_protocol(request, &protocol);
    if (rc < 0)
        return rc;
    size_t max_bytes = options->max_size     ? options->max_size
                       : family == AF_UNIX ? MAX_BYTES_UNIX
                                           : MAX_BYTES;
    rc = asyncio__datagram_transport_new(request->loop, sock, max_bytes, &transport);
    if (rc < 0) {
        asyncio_error_t *error = asyncio__error_take();
        if (protocol->functions->destroy)
            protocol->functions->destroy(protocol);
        return asyncio__fail_with(rc, error);
    }
    transport->protocol = protocol;
    transport->endpoint.has_control = options->pktinfo || options->gro;
    transport->endpoint.has_error_queue = options->report_icmp;
    if (remote && !transport->is_connected) {
        memcpy(&transport->remote, remote->ai_addr, remote->ai_addrlen);
        transport->remote_size = remote->ai_addrlen;
    }
    return start(request, transport);
}

static int adopt_socket(const request_t *request, const options_t *options)
{
    int fd = asyncio_socket_fileno(options->sock);
    int type = fd < 0 ? -EBADF : option_of(fd, SO_TYPE);
    if (type == SOCK_STREAM || type == SOCK_SEQPACKET)
        return asyncio__fail(-EINVAL, "A datagram socket was expected");
    if (type < 0)
        return asyncio__fail(type, "\"options->sock\" must be an open socket");
    return use_socket(request, options, options->sock, /* remote= */ NULL);
}

/* --- addresses ----------------------------------------------------------------------------- */

static int look_up(const request_t *request, const options_t *options, const char *host,
                   uint16_t port, int flags, struct addrinfo **ret_addresses)
{
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM,
                             .ai_family = options->family,
                             .ai_protocol = options->proto,
                             .ai_flags = options->flags | flags};
    char service[8];
    snprintf(service, sizeof(service), "%u", port);
    return asyncio_loop_getaddrinfo(request->loop, host && *host ? host : NULL, service, &hints,
                                    ret_addresses);
}

/* The first address of a family; NULL: none. */
static const struct addrinfo *find(const struct addrinfo *addresses, int family)
{
    while (addresses && addresses->ai_family != family)
        addresses = addresses->ai_next;
    return addresses;
}

/* Tries each family that all lists have, in the order of the first one: the socket and the remote
 * address that fits it, or the error of the first that fails. */
static int try_families(const options_t *options, const struct addrinfo *locals,
                        const struct addrinfo *remotes, asyncio_socket_t **ret_sock,
                        const struct addrinfo **ret_remote)
{
    const struct addrinfo *all = locals ? locals : remotes;
    asyncio_error_t *error = NULL;
    int first = 0;
    for (const struct addrinfo *at = all; at; at = at->ai_next) {
        const struct addrinfo *local = find(locals, at->ai_family);
        const struct addrinfo *remote = find(remotes, at->ai_family);
        if (find(all, at->ai_family) != at || (locals && !local) || (remotes && !remote))
            continue;
        int rc = make_socket(options, at->ai_family, local, remote, ret_sock);
        if (rc == 0) {
            asyncio_error_unref(error);
            *ret_remote = remote;
            return 0;
        }
        if (first == 0) {
            first = rc;
            error = asyncio__error_take();
        }
    }
    return first < 0 ? asyncio__fail_with(first, error)
                     : asyncio__fail(-EINVAL, "can not get address information");
}

static int create_by_names(const request_t *request, const options_t *options)
{
    struct addrinfo *locals = NULL, *remotes = NULL;
    const struct addrinfo *remote = NULL;
    asyncio_socket_t *sock = NULL;
    int rc = 0;
    if (has_local(options))
        rc = look_up(request, options, options->local_host, options->local_port, AI_PASSIVE,
                     &locals);
    if (rc == 0 && has_remote(options))
        rc = look_up(request, options, options->remote_host, options->remote_port, /* flags= */ 0,
                     &remotes);
    if (rc == 0)
        rc = try_families(options, locals, remotes, &sock, &remote);
    if (rc == 0)
        rc = use_socket(request, options, sock, remote);
    asyncio_socket_unref(sock);
    if (locals)
        freeaddrinfo(locals);
    if (remotes)
        freeaddrinfo(remotes);
    return rc;
}

/* The address of a Unix socket. */
static int set_path(const char *path, struct sockaddr_un *ret_name, struct addrinfo *ret_info)
{
    size_t length = strlen(path);
    if (length >= sizeof(ret_name->sun_path))
        return asyncio__fail(-ENAMETOOLONG, "a path must be shorter than 108 bytes");
    *ret_name = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret_name->sun_path, path, length);
    *ret_info = (struct addrinfo){.ai_family = AF_UNIX,
                                  .ai_addr = (struct sockaddr *)ret_name,
                                  .ai_addrlen = sizeof(*ret_name)};
    return 0;
}

/* Without look-ups: paths of Unix sockets, or no address at all. */
static int create_by_family(const request_t *request, const options_t *options)
{
    struct sockaddr_un names[2];
    struct addrinfo infos[2];
    asyncio_socket_t *sock;
    int rc = 0;
    if (options->local_host)
        rc = set_path(options->local_host, &names[0], &infos[0]);
    if (rc == 0 && options->remote_host)
        rc = set_path(options->remote_host, &names[1], &infos[1]);
    if (rc == 0)
        rc = make_socket(options, options->family, options->local_host ? &infos[0] : NULL,
                         options->remote_host ? &infos[1] : NULL, &sock);
    if (rc < 0)
        return rc;
    rc = use_socket(request, options, sock, options->remote_host ? &infos[1] : NULL);
    asyncio_socket_unref(sock);
    return rc;
}

int asyncio_loop_create_datagram_endpoint(asyncio_loop_t *loop,
                                          asyncio_datagram_protocol_factory_t *protocol_factory,
                                          void *arg, const options_t *options,
                                          asyncio_datagram_transport_t **ret_transport,
                                          asyncio_datagram_protocol_t **ret_protocol)
{
    if (!protocol_factory || !ret_transport)
        return asyncio__fail(-EINVAL,
                             "\"protocol_factory\" and \"ret_transport\" must not be NULL");
    int rc = check_options(options);
    if (rc == 0)
        rc = asyncio__operation_check(loop);
    if (rc < 0)
        return rc;
    request_t request = {.loop = loop,
                         .factory = protocol_factory,
                         .arg = arg,
                         .ret_transport = ret_transport,
                         .ret_protocol = ret_protocol};
    if (options->sock)
        return adopt_socket(&request, options);
    if (options->family == AF_UNIX || (!has_local(options) && !has_remote(options)))
        return create_by_family(&request, options);
    return create_by_names(&request, options);
}

/* --- coroutine objects --------------------------------------------------------------------- */

struct arguments {
    request_t request;              /* of the call */
    options_t options;              /* a copy */
    char *local_host, *remote_host; /* copies, or NULL */
};

static void destroy(void *arg)
{
    struct arguments *a = arg;
    asyncio__free_string(a->local_host);
    asyncio__free_string(a->remote_host);
    asyncio_socket_unref(a->options.sock);
}

static int run(void *arg, void **ret_result)
{
    (void)ret_result;
    struct arguments *a = arg;
    return asyncio_loop_create_datagram_endpoint(a->request.loop, a->request.factory,
                                                 a->request.arg, &a->options,
                                                 a->request.ret_transport,
                                                 a->request.ret_protocol);
}

static bool copy_host(const char **host, char **ret_copy)
{
    if (*host && !(*ret_copy = asyncio__strdup(*host)))
        return false;
    *host = *ret_copy;
    return true;
}

asyncio_coroutine_t *asyncio_loop_create_datagram_endpoint_coroutine(
    asyncio_loop_t *loop, asyncio_datagram_protocol_factory_t *protocol_factory, void *arg,
    const options_t *options, asyncio_datagram_transport_t **ret_transport,
    asyncio_datagram_protocol_t **ret_protocol)
{
    int rc = check_options(options);
    if (rc < 0)
        return asyncio__fail_new(rc, "\"options\" must be valid");
    struct arguments arguments = {.request = {loop, protocol_factory, arg, ret_transport,
                                              ret_protocol},
                                  .options = *options};
    asyncio_socket_ref(options->sock);
    bool is_whole = copy_host(&arguments.options.local_host, &arguments.local_host);
    is_whole = copy_host(&arguments.options.remote_host, &arguments.remote_host) && is_whole;
    asyncio_coroutine_t *twin =
        is_whole ? asyncio__twin(run, &arguments, sizeof(arguments), destroy,
                                 "asyncio_loop_create_datagram_endpoint")
                 : NULL;
    if (twin)
        return twin;
    destroy(&arguments);
    return asyncio__fail_new(-ENOMEM, NULL);
}
