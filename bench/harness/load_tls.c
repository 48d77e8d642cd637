/* SPDX-License-Identifier: MIT */
/*
 * The load client by TLS: `load_tls PORT CONNECTIONS BYTES SECONDS PID` keeps one request in flight
 * on each connection and prints requests/s and the microseconds of CPU that the server PID spent on
 * each.
 *
 * With BYTES 0 it connects again and again instead, each time with a full handshake and a request
 * of one byte, behind which the server's tickets have arrived; with BYTES -1 it resumes the session
 * of the connection before. With SECONDS below 0 it prints a line once all connections have echoed,
 * and keeps them open until the end of its standard input.
 */
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int port;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* The seconds of CPU of a process: of all the threads that it has now. */
static double cpu_of(int pid)
{
    char path[320];
    long long total = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *threads = opendir(path);
    const struct dirent *thread;
    if (!threads)
        exit(1);
    while ((thread = readdir(threads)) != NULL) {
        long long spent = 0;
        snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, thread->d_name);
        FILE *file = thread->d_name[0] != '.' ? fopen(path, "r") : NULL;
        if (file && fscanf(file, "%lld", &spent) == 1)
            total += spent;
        if (file)
            fclose(file);
    }
    closedir(threads);
    return (double)total * 1e-9;
}

static SSL *open_one(SSL_CTX *ctx, SSL_SESSION *session)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    SSL *ssl = SSL_new(ctx);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        exit(1);
    SSL_set_fd(ssl, fd);
    if (session)
        SSL_set_session(ssl, session);
    if (SSL_connect(ssl) != 1)
        exit(1);
    return ssl;
}

static void close_one(SSL *ssl)
{
    int fd = SSL_get_fd(ssl);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
}

/* A request on each connection, then all responses. */
static void round_of(SSL **connections, int count, char *buffer, int size)
{
    for (int i = 0; i < count; i++)
        if (SSL_write(connections[i], buffer, size) != size)
            exit(1);
    for (int i = 0; i < count; i++)
        for (int got = 0; got < size;) {
            int part = SSL_read(connections[i], buffer, size - got);
            if (part <= 0)
                exit(1);
            got += part;
        }
}

/* A connection for one byte; it resumes and replaces *session, unless session is NULL. */
static void connect_once(SSL_CTX *ctx, SSL_SESSION **session)
{
    char byte = 'x';
    SSL *ssl = open_one(ctx, session ? *session : NULL);
    round_of(&ssl, 1, &byte, 1);
    if (session) {
        if (*session && !SSL_session_reused(ssl))
            exit(1);
        SSL_SESSION_free(*session);
        *session = SSL_get1_session(ssl);
    }
    close_one(ssl);
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    port = atoi(argv[1]);
    int count = atoi(argv[2]), size = atoi(argv[3]), pid = atoi(argv[5]);
    double seconds = atof(argv[4]);
    long requests = 0;
    SSL_SESSION *session = NULL;
    char *buffer = calloc(1, size > 0 ? (size_t)size : 1);
    SSL **connections = calloc((size_t)count, sizeof(*connections));
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_read_ahead(ctx, 1);
    for (int i = 0; i < count && size > 0; i++)
        connections[i] = open_one(ctx, NULL);
    for (int i = 0; i < 100 && size > 0; i++)
        round_of(connections, count, buffer, size);
    if (seconds < 0) {
        puts("open");
        fflush(stdout);
        while (getchar() != EOF)
            continue;
        return 0;
    }
    if (size < 0)
        connect_once(ctx, &session);
    double begin = now(), cpu = cpu_of(pid);
    while (now() - begin < seconds) {
        if (size > 0)
            round_of(connections, count, buffer, size);
        else
            connect_once(ctx, size < 0 ? &session : NULL);
        requests += size > 0 ? count : 1;
    }
    printf("%.0f requests/s, %.2f us\n", (double)requests / (now() - begin),
           (cpu_of(pid) - cpu) / (double)requests * 1e6);
    return 0;
}
