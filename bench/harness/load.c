/* SPDX-License-Identifier: MIT */
/*
 * The load client: `load PORT CONNECTIONS BYTES SECONDS PID [udp]` keeps one request in flight on
 * each connection (with `udp`: one datagram of each connected socket). It prints `requests/s`, the
 * microseconds of CPU that all threads of the server PID spent on each request, and the share of
 * the time in which the client itself was busy: near 1 the client is the limit, and only the
 * microseconds tell servers apart.
 *
 * It runs on another CPU than the server, if there is one. It warms up for a fifth of the time. It
 * compares the first response of each connection byte by byte, and checks the size of the others.
 * It knows nothing of libasyncio.
 *
 * It must cost less than any server: its epoll is edge-triggered, and responses after the first are
 * not copied out of the kernel. What remains is the kernel's work for the two packets. With
 * io_uring it was not cheaper.
 */
#include "measure.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { EVENTS = 256 };

/* The number of connections from one address, whose ports are limited. */
enum { CONNECTIONS_OF_ADDRESS = 10000 };

/** A connection with one request in flight. */
typedef struct connection {
    int fd;         /**< its socket */
    bool checked;   /**< the first response was compared */
    size_t awaited; /**< bytes of the response that have not arrived yet */
} connection_t;

static bool is_udp;
static size_t request_bytes;
static char *request;
static char *response;
static uint64_t response_count;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/** The time that one thread has spent on a CPU: the first number of its schedstat. */
static int64_t thread_cpu_ns(const char *path)
{
    long long spent = 0;
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    if (fscanf(file, "%lld", &spent) != 1)
        spent = 0;
    fclose(file);
    return spent;
}

/** The time that all threads of a process have spent on CPUs, the kernel's workers among them. */
static int64_t cpu_ns(const char *pid)
{
    char path[512];
    int64_t spent = 0;
    snprintf(path, sizeof(path), "/proc/%s/task", pid);
    DIR *folder = opendir(path);
    if (!folder)
        return 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/%s/task/%s/schedstat", pid, entry->d_name);
        spent += thread_cpu_ns(path);
    }
    closedir(folder);
    return spent;
}

/** Whether a server returns an empty datagram within a second: no server is refused by ICMP. */
static bool is_served(int fd)
{
    char nothing;
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return send(fd, "", 0, 0) == 0 && poll(&poll_fd, 1, 1000) == 1 &&
           recv(fd, &nothing, sizeof(nothing), MSG_DONTWAIT) == 0;
}

static int connect_to(uint16_t port, size_t number)
{
    int one = 1;
    struct sockaddr_in own = {.sin_family = AF_INET};
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(number / CONNECTIONS_OF_ADDRESS));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    /* The server may have been started just now: retry for two seconds. */
    for (int attempt = 0; attempt < 200; attempt++) {
        int fd = socket(AF_INET, (is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
        if (fd < 0)
            die("socket");
        /* Choose the port in connect(), since a port can be used for several destinations. */
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
        if (bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0)
            die("bind");
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
            (!is_udp || is_served(fd))) {
            if (!is_udp)
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
            return fd;
        }
        close(fd);
        usleep(10000);
    }
    die("connect");
    return -1;
}

/** Ends the program: a server that returns other bytes is not measured. */
static void refuse(const char *what)
{
    fprintf(stderr, "load: the response %s\n", what);
    exit(1);
}

static void ask(connection_t *connection)
{
    /* The previous request was answered, so that the socket's buffer has room for this one. */
    if (send(connection->fd, request, request_bytes, MSG_NOSIGNAL) != (ssize_t)request_bytes)
        die("send");
    connection->awaited = request_bytes;
}

static void on_readable(connection_t *connection)
{
    int flags = connection->checked ? MSG_DONTWAIT | MSG_TRUNC : MSG_DONTWAIT;
    ssize_t count = recv(connection->fd, response, connection->awaited + 1, flags);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0)
        die("recv");
    if ((size_t)count > connection->awaited)
        refuse("is longer than the request");
    size_t from = request_bytes - connection->awaited;
    if (!connection->checked && memcmp(response, request + from, (size_t)count) != 0)
        refuse("is not the request");
    connection->awaited -= (size_t)count;
    if (connection->awaited > 0)
        return;
    connection->checked = true;
    response_count++;
    ask(connection);
}

/** Serves the connections until end_ns, but at least one response, and at most for 30 s. */
static void run_until(int epoll, int64_t end_ns)
{
    uint64_t count_before = response_count;
    int64_t last_ns = end_ns + 30 * (int64_t)1000000000;
    do {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, 100);
        for (int i = 0; i < count; i++)
            on_readable(events[i].data.ptr);
    } while (bench_now_ns() < (response_count == count_before ? last_ns : end_ns));
}

/** Opens connections and sends the first request on each. */
static void open_connections(int epoll, uint16_t port, size_t count)
{
    connection_t *connections = calloc(count, sizeof(*connections));
    request = malloc(request_bytes);
    response = malloc(request_bytes + 1);
    if (!request || !response || !connections)
        die("memory");
    for (size_t i = 0; i < request_bytes; i++)
        request[i] = (char)(i * 31 + 7);
    for (size_t i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = &connections[i]};
        connections[i].fd = connect_to(port, i);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &event) < 0)
            die("epoll_ctl");
    }
    for (size_t i = 0; i < count; i++)
        ask(&connections[i]);
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: load PORT CONNECTIONS BYTES SECONDS PID [udp]\n");
        return 2;
    }
    uint16_t port = (uint16_t)atoi(argv[1]);
    size_t connection_count = (size_t)atol(argv[2]);
    request_bytes = (size_t)atol(argv[3]);
    int64_t span_ns = (int64_t)(atof(argv[4]) * 1e9);
    const char *pid = argv[5];
    is_udp = argc > 6 && strcmp(argv[6], "udp") == 0;
    bench_run_beside();

    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        die("epoll_create1");
    open_connections(epoll, port, connection_count);

    run_until(epoll, bench_now_ns() + span_ns / 5);
    uint64_t count_before = response_count;
    int64_t own_before_ns = cpu_ns("self");
    int64_t cpu_before_ns = cpu_ns(pid);
    int64_t begin_ns = bench_now_ns();
    run_until(epoll, begin_ns + span_ns);
    int64_t elapsed_ns = bench_now_ns() - begin_ns;
    int64_t spent_ns = cpu_ns(pid) - cpu_before_ns;
    int64_t own_ns = cpu_ns("self") - own_before_ns;
    double count = (double)(response_count - count_before);
    printf("%.0f requests/s\n", count / ((double)elapsed_ns / 1e9));
    printf("%.2f us\n", (double)spent_ns / count / 1e3);
    printf("%.2f client busy\n", (double)own_ns / (double)elapsed_ns);
    return 0;
}
