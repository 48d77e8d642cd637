/* SPDX-License-Identifier: MIT */
/*
 * Sockets and the loop's sock_… calls, on every engine that has them; and the resolver.
 */
#include <asyncio.h>
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "support/support.h"

/* Runs a coroutine function, and compares the allocated blocks before and after. */
static void run_clean(asyncio_coroutine_function_t *fn)
{
    const char *engine = getenv("ASYNCIO_ENGINE");
    if (engine && strcmp(engine, "sim") == 0)
        skip();
    asyncio_error_clear();
    long blocks = asyncio__live_blocks();
    assert_int_equal(asyncio_run(asyncio_coroutine_full(fn, NULL, NULL), NULL), 0);
    asyncio_error_clear();
    await_blocks(blocks); /* a thread may still run a look-up that was cancelled */
}

static asyncio_loop_t *running(void)
{
    return asyncio_get_running_loop();
}

/* Opens two connected sockets of a family without addresses. */
static void make_pair(int type, asyncio_socket_t **ret_a, asyncio_socket_t **ret_b)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, type, 0, fds), 0);
    *ret_a = asyncio_socket_from_fd(fds[0]);
    *ret_b = asyncio_socket_from_fd(fds[1]);
    assert_non_null(*ret_a);
    assert_non_null(*ret_b);
}

static asyncio_socket_t *make_listener(struct sockaddr_in *ret_address)
{
    asyncio_socket_t *sock = asyncio_socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    assert_non_null(sock);
    assert_int_equal(asyncio_socket_bind(sock, (struct sockaddr *)&address, size), 0);
    assert_int_equal(asyncio_socket_listen(sock, 0), 0);
    assert_int_equal(asyncio_socket_getsockname(sock, (struct sockaddr *)&address, &size), 0);
    *ret_address = address;
    return sock;
}

/* --- connections --------------------------------------------------------------------------- */

static int connect_and_talk(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    struct sockaddr_in address, peer;
    socklen_t size = sizeof(peer);
    asyncio_socket_t *listener = make_listener(&address), *served = NULL;
    asyncio_socket_t *client = asyncio_socket(AF_INET, SOCK_STREAM, 0);
    asyncio_awaitable_t *both[] = {
        asyncio_loop_sock_accept_coroutine(running(), listener, &served,
                                           (struct sockaddr *)&peer, &size),
        asyncio_loop_sock_connect_coroutine(running(), client, (struct sockaddr *)&address,
                                            sizeof(address))};
    assert_int_equal(asyncio_gather_await(both, 2, NULL), 0);
    assert_int_equal(peer.sin_family, AF_INET);
    assert_int_equal(ntohl(peer.sin_addr.s_addr), INADDR_LOOPBACK);
    char buffer[16];
    size_t sent = 0;
    assert_int_equal(asyncio_loop_sock_sendall(running(), client, "hello", 5, &sent), 0);
    assert_int_equal(sent, 5);
    assert_int_equal(asyncio_loop_sock_recv(running(), served, buffer, sizeof(buffer)), 5);
    assert_memory_equal(buffer, "hello", 5);
    assert_int_equal(asyncio_socket_shutdown(client, SHUT_WR), 0);
    assert_int_equal(asyncio_loop_sock_recv(running(), served, buffer, sizeof(buffer)), 0);
    assert_int_equal(asyncio_loop_sock_recv(running(), served, buffer, 0), 0);
    asyncio_socket_unref(client);
    asyncio_socket_unref(served);
    asyncio_socket_unref(listener);
    return 0;
}

/* accept, connect, sendall and recv make a connection that ends with 0. */
static void test_connect_and_talk(void **state)
{
    (void)state;
    run_clean(connect_and_talk);
}

static int send_datagrams(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in from;
    socklen_t size = sizeof(address), from_size = sizeof(from);
    asyncio_socket_t *a = asyncio_socket(AF_INET, SOCK_DGRAM, 0);
    asyncio_socket_t *b = asyncio_socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(asyncio_socket_bind(a, (struct sockaddr *)&address, size), 0);
    assert_int_equal(asyncio_socket_bind(b, (struct sockaddr *)&address, size), 0);
    assert_int_equal(asyncio_socket_getsockname(a, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(
        asyncio_loop_sock_sendto(running(), b, "", 0, (struct sockaddr *)&address, size), 0);
    assert_int_equal(
        asyncio_loop_sock_sendto(running(), b, "data", 4, (struct sockaddr *)&address, size), 4);
    char buffer[16];
    assert_int_equal(asyncio_loop_sock_recvfrom(running(), a, buffer, sizeof(buffer),
                                                (struct sockaddr *)&from, &from_size),
                     0);
    assert_int_equal(asyncio_loop_sock_recvfrom(running(), a, buffer, sizeof(buffer),
                                                (struct sockaddr *)&from, &from_size),
                     4);
    struct sockaddr_in own;
    size = sizeof(own);
    assert_int_equal(asyncio_socket_getsockname(b, (struct sockaddr *)&own, &size), 0);
    assert_int_equal(from.sin_port, own.sin_port);
    asyncio_socket_unref(a);
    asyncio_socket_unref(b);
    return 0;
}

/* Datagrams arrive whole, also empty ones, with their sender's address. */
static void test_send_datagrams(void **state)
{
    (void)state;
    run_clean(send_datagrams);
}

/* --- cancel and close ---------------------------------------------------------------------- */

static int recv_result(asyncio_socket_t *sock, char *buffer, void **ret_result)
{
    (void)ret_result;
    ssize_t size = asyncio_loop_sock_recv(running(), sock, buffer, 8);
    return size < 0 ? (int)size : 0;
}
ASYNCIO_COROUTINE(recv_result, (asyncio_socket_t *, sock), (char *, buffer));

static int close_while_waiting(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_socket_t *a, *b;
    char first[8], second[8];
    make_pair(SOCK_STREAM, &a, &b);
    asyncio_task_t *one = asyncio_create_task(recv_result_coroutine(a, first));
    asyncio_task_t *two = asyncio_create_task(recv_result_coroutine(a, second));
    asyncio_sleep(0.005);
    assert_int_equal(asyncio_socket_close(a), 0);
    assert_int_equal(asyncio_socket_fileno(a), -1);
    assert_int_equal(asyncio_await_unref(one, NULL), -EBADF);
    assert_int_equal(asyncio_await_unref(two, NULL), -EBADF);
    assert_int_equal(asyncio_loop_sock_recv(running(), a, first, 1), -EBADF);
    assert_int_equal(asyncio_loop_sock_recv(running(), b, first, 1), 0);
    asyncio_socket_unref(a);
    asyncio_socket_unref(b);
    return 0;
}

/* Closing a socket ends every wait on it with -EBADF, and its peer sees the end. */
static void test_close_while_waiting(void **state)
{
    (void)state;
    run_clean(close_while_waiting);
}

static int cancel_and_lose_nothing(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_socket_t *a, *b;
    make_pair(SOCK_STREAM, &a, &b);
    size_t received = 0;
    for (int i = 0; i < 200; i++) {
        char buffer[8];
        asyncio_task_t *task = asyncio_create_task(recv_result_coroutine(a, buffer));
        asyncio_sleep(i % 3 ? 0 : 0.0005);
        assert_int_equal(send(asyncio_socket_fileno(b), "x", 1, 0), 1);
        if (i % 2)
            asyncio_sleep(0);
        asyncio_task_cancel(task, NULL);
        int rc = asyncio_await_unref(task, NULL);
        assert_true(rc == 0 || rc == -ECANCELED);
        if (rc == -ECANCELED)
            assert_int_equal(asyncio_loop_sock_recv(running(), a, buffer, 8), 1);
        received++;
    }
    assert_int_equal(received, 200);
    asyncio_socket_unref(a);
    asyncio_socket_unref(b);
    return 0;
}

/* When a cancel and data arrive together, the byte is either returned or still in the socket. */
static void test_cancel_and_lose_nothing(void **state)
{
    (void)state;
    run_clean(cancel_and_lose_nothing);
}

static int time_out_everything(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    struct sockaddr_in address;
    asyncio_socket_t *a, *b, *accepted = NULL, *listener = make_listener(&address);
    char byte;
    make_pair(SOCK_STREAM, &a, &b);
    assert_int_equal(
        asyncio_wait_for(asyncio_loop_sock_recv_coroutine(running(), a, &byte, 1), 0.005, NULL),
        -ETIMEDOUT);
    assert_int_equal(asyncio_wait_for(asyncio_loop_sock_accept_coroutine(
                                          running(), listener, &accepted, NULL, NULL),
                                      0.005, NULL),
                     -ETIMEDOUT);
    assert_null(accepted);
    size_t much = 8000000, sent = 0;
    char *data = calloc(1, much);
    assert_int_equal(
        asyncio_wait_for(asyncio_loop_sock_sendall_coroutine(running(), a, data, much, &sent),
                         0.01, NULL),
        -ETIMEDOUT);
    assert_true(sent > 0 && sent < much);
    size_t received = 0;
    asyncio_socket_shutdown(a, SHUT_WR);
    ssize_t size;
    while ((size = asyncio_loop_sock_recv(running(), b, data, much)) > 0)
        received += (size_t)size;
    assert_int_equal(size, 0);
    assert_int_equal(received, sent);
    free(data);
    asyncio_socket_unref(a);
    asyncio_socket_unref(b);
    asyncio_socket_unref(listener);
    return 0;
}

/* Every wait can time out; the number of bytes sent before is exact. */
static void test_time_out_everything(void **state)
{
    (void)state;
    run_clean(time_out_everything);
}

static int cancel_connect(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    struct sockaddr_in address;
    asyncio_socket_t *a, *b, *listener = make_listener(&address);
    asyncio_stream_reader_t *reader = NULL;
    asyncio_stream_writer_t *writer = NULL;
    char byte;
    int filler = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(listen(asyncio_socket_fileno(listener), 0), 0);
    assert_int_equal(connect(filler, (struct sockaddr *)&address, sizeof(address)), 0);
    for (int i = 0; i < 4; i++) {
        asyncio_socket_t *client = asyncio_socket(AF_INET, SOCK_STREAM, 0);
        int fd = asyncio_socket_fileno(client);
        assert_int_equal(asyncio_wait_for(asyncio_loop_sock_connect_coroutine(
                             running(), client, (struct sockaddr *)&address, sizeof(address)),
                                          0.005, NULL), -ETIMEDOUT);
        asyncio_socket_unref(client);
        make_pair(SOCK_STREAM, &a, &b);
        assert_int_equal(asyncio_socket_fileno(a), fd);
        assert_int_equal(asyncio_loop_sock_sendall(running(), b, "x", 1, NULL), 0);
        assert_int_equal(asyncio_loop_sock_recv(running(), a, &byte, 1), 1);
        asyncio_socket_unref(a);
        asyncio_socket_unref(b);
        assert_int_equal(asyncio_wait_for(asyncio_open_connection_coroutine(
                             "127.0.0.1", ntohs(address.sin_port), NULL, &reader, &writer),
                                          0.005, NULL), -ETIMEDOUT);
        assert_null(reader);
    }
    close(filler);
    asyncio_socket_unref(listener);
    return 0;
}

/* A connect that hangs can time out; a new socket with its fd number is not affected. */
static void test_cancel_connect(void **state)
{
    (void)state;
    run_clean(cancel_connect);
}

/* --- sends that are ended ------------------------------------------------------------------ */

#define MUCH_BYTES 20000000

static int send_result(asyncio_socket_t *sock, size_t *ret_sent, void **ret_result)
{
    (void)ret_result;
    char *data = calloc(1, MUCH_BYTES);
    int rc = asyncio_loop_sock_sendall(running(), sock, data, MUCH_BYTES, ret_sent);
    free(data);
    return rc;
}
ASYNCIO_COROUTINE(send_result, (asyncio_socket_t *, sock), (size_t *, ret_sent));

/* Opens two connected TCP sockets. */
static void make_tcp_pair(asyncio_socket_t **ret_a, asyncio_socket_t **ret_b)
{
    struct sockaddr_in address;
    asyncio_socket_t *listener = make_listener(&address);
    *ret_a = asyncio_socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(asyncio_loop_sock_connect(running(), *ret_a, (struct sockaddr *)&address,
                                               sizeof(address)),
                     0);
    assert_int_equal(asyncio_loop_sock_accept(running(), listener, ret_b, NULL, NULL), 0);
    asyncio_socket_unref(listener);
}

static int end_sends(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    for (int is_tcp = 0; is_tcp < 2; is_tcp++) {
        for (int shuts_down = 0; shuts_down < 2; shuts_down++) {
            asyncio_socket_t *a, *b;
            size_t sent = 0;
            if (is_tcp)
                make_tcp_pair(&a, &b);
            else
                make_pair(SOCK_STREAM, &a, &b);
            asyncio_task_t *task = asyncio_create_task(send_result_coroutine(a, &sent));
            assert_int_equal(asyncio_sleep(0.01), 0); /* until the kernel takes no more */
            assert_int_equal(shuts_down ? asyncio_socket_shutdown(a, SHUT_WR)
                                        : asyncio_socket_close(a),
                             0);
            assert_int_equal(asyncio_await_unref(task, NULL), shuts_down ? -EPIPE : -EBADF);
            assert_true(sent > 0 && sent < MUCH_BYTES);
            asyncio_socket_unref(a);
            asyncio_socket_unref(b);
        }
    }
    return 0;
}

/* A close and an own shutdown end a sendall, which reports how much was sent. */
static void test_end_sends(void **state)
{
    (void)state;
    run_clean(end_sends);
}

static int write_into_closed_pipes(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    for (int is_blocked = 0; is_blocked < 2; is_blocked++) {
        int fds[2];
        size_t sent = 0;
        assert_int_equal(pipe(fds), 0);
        asyncio_socket_t *end = asyncio_socket_from_fd(fds[1]);
        asyncio_task_t *task = NULL;
        if (is_blocked) {
            task = asyncio_create_task(send_result_coroutine(end, &sent));
            assert_int_equal(asyncio_sleep(0.01), 0);
        }
        close(fds[0]);
        if (!is_blocked)
            task = asyncio_create_task(send_result_coroutine(end, &sent));
        assert_int_equal(asyncio_await_unref(task, NULL), -EPIPE);
        asyncio_socket_unref(end);
    }
    return 0;
}

/* A pipe whose reader has closed is -EPIPE, and no signal ends the process. */
static void test_write_into_closed_pipes(void **state)
{
    (void)state;
    run_clean(write_into_closed_pipes);
}

static int refuse_datagrams(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    char buffer[8];
    asyncio_socket_t *a = asyncio_socket(AF_INET, SOCK_DGRAM, 0);
    asyncio_socket_t *b = asyncio_socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(asyncio_socket_bind(a, (struct sockaddr *)&address, size), 0);
    assert_int_equal(asyncio_socket_getsockname(a, (struct sockaddr *)&address, &size), 0);
    asyncio_socket_unref(a);
    assert_int_equal(
        asyncio_loop_sock_connect(running(), b, (struct sockaddr *)&address, size), 0);
    assert_int_equal(asyncio_loop_sock_sendto(running(), b, "lost", 4, NULL, 0), 4);
    assert_int_equal(asyncio_loop_sock_recv(running(), b, buffer, 8), -ECONNREFUSED);
    a = asyncio_socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(asyncio_socket_bind(a, (struct sockaddr *)&address, size), 0);
    assert_int_equal(asyncio_loop_sock_sendto(running(), b, "here", 4, NULL, 0), 4);
    assert_int_equal(asyncio_loop_sock_recv(running(), a, buffer, 8), 4);
    assert_memory_equal(buffer, "here", 4);
    asyncio_socket_unref(a);
    asyncio_socket_unref(b);
    return 0;
}

/* A refused datagram is the error of the next call, and of no other. */
static void test_refuse_datagrams(void **state)
{
    (void)state;
    run_clean(refuse_datagrams);
}

static void wait_for_child(pid_t child)
{
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static int talk_without_standard_files(void *arg, void **ret_result)
{
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    return connect_and_talk(arg, ret_result);
}

/* A loop and its sockets work with the descriptors 0, 1 and 2. */
static void test_low_numbers(void **state)
{
    (void)state;
    const char *engine = getenv("ASYNCIO_ENGINE");
    if (engine && strcmp(engine, "sim") == 0)
        skip();
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        if (child == 0) {
            for (int fd = 0; i && fd < 3; fd++)
                close(fd);
            int rc = asyncio_run(
                asyncio_coroutine(i ? connect_and_talk : talk_without_standard_files, NULL), NULL);
            _exit(rc ? 1 : 0);
        }
        wait_for_child(child);
    }
}

/* --- the resolver -------------------------------------------------------------------------- */

static int resolve(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_INET}, *found = NULL;
    assert_int_equal(asyncio_loop_getaddrinfo(running(), "127.0.0.1", "80", &hints, &found), 0);
    struct sockaddr_in *in = (struct sockaddr_in *)found->ai_addr;
    assert_int_equal(ntohs(in->sin_port), 80);
    asyncio_names_t names;
    assert_int_equal(asyncio_loop_getnameinfo(running(), found->ai_addr, found->ai_addrlen,
                                              NI_NUMERICHOST | NI_NUMERICSERV, &names),
                     0);
    assert_string_equal(names.host, "127.0.0.1");
    freeaddrinfo(found);
    found = NULL;
    assert_int_equal(asyncio_loop_getaddrinfo(running(), "localhost", NULL, &hints, &found), 0);
    assert_non_null(found);
    freeaddrinfo(found);
    found = NULL;
    assert_int_equal(asyncio_loop_getaddrinfo(running(), "bad name.invalid", "80", NULL, &found),
                     ASYNCIO_EGAI);
    assert_int_equal(asyncio_loop_getaddrinfo(running(), NULL, NULL, NULL, &found), -EINVAL);
    assert_int_equal(asyncio_loop_getaddrinfo(running(), "x", NULL, NULL, NULL), -EINVAL);
    assert_null(found);
    return 0;
}

/* Literals and names are resolved in both directions; failures are ASYNCIO_EGAI. */
static void test_resolve(void **state)
{
    (void)state;
    run_clean(resolve);
}

static int many_look_ups(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    struct addrinfo *found[40] = {0};
    asyncio_awaitable_t *aws[40];
    for (int i = 0; i < 40; i++)
        aws[i] = asyncio_loop_getaddrinfo_coroutine(running(), "thread.invalid", "1", NULL,
                                                    &found[i]);
    asyncio_task_t *dropped = asyncio_create_task(
        asyncio_loop_getaddrinfo_coroutine(running(), "thread.invalid", "1", NULL, &found[0]));
    asyncio_sleep(0);
    asyncio_task_cancel(dropped, NULL);
    assert_int_equal(asyncio_await_unref(dropped, NULL), -ECANCELED);
    assert_int_equal(asyncio_gather_await(aws, 40, NULL), 0);
    for (int i = 0; i < 40; i++)
        freeaddrinfo(found[i]);
    return 0;
}

/* Many look-ups share a few threads; a cancelled one is freed when its thread returns. */
static void test_many_look_ups(void **state)
{
    (void)state;
    run_clean(many_look_ups);
}

static atomic_int looking_up;  /* look-ups of "together.invalid" that have begun */
static sem_t both_look_up;     /* posted for each of them when there are two */
static sem_t gate;             /* those of "slower.invalid" may end: each lets the next one */

/* Calls libc's for some names and replaces it for others: a name that needs a thread, and two names
 * whose look-ups wait. No unknown name is sent to the network. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret_addresses)
{
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (!host || (hints && hints->ai_flags & AI_NUMERICHOST) || !strstr(host, ".invalid"))
        return real(host, service, hints, ret_addresses);
    if (strcmp(host, "thread.invalid") == 0)
        return real("127.0.0.1", service, hints, ret_addresses);
    if (strcmp(host, "together.invalid") == 0) {
        if (atomic_fetch_add(&looking_up, 1) == 1) {
            sem_post(&both_look_up);
            sem_post(&both_look_up);
        }
        sem_wait(&both_look_up);
    } else if (strcmp(host, "slower.invalid") == 0) {
        sem_wait(&gate);
        sem_post(&gate);
    }
    return EAI_NONAME;
}

static int look_up_together(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    struct addrinfo *found[2] = {NULL};
    /* There is one thread for the first. */
    assert_int_equal(asyncio_loop_getaddrinfo(running(), "thread.invalid", "1", NULL, &found[0]),
                     0);
    freeaddrinfo(found[0]);
    asyncio_sleep(0.01); /* it is idle again, most likely: either way both must be served */
    atomic_store(&looking_up, 0);
    assert_int_equal(sem_init(&both_look_up, 0, 0), 0);
    asyncio_task_t *tasks[2];
    for (int i = 0; i < 2; i++)
        tasks[i] = asyncio_create_task(asyncio_loop_getaddrinfo_coroutine(
            running(), "together.invalid", "1", NULL, &found[i]));
    for (int i = 0; i < 2; i++)
        assert_int_equal(asyncio_await_unref(tasks[i], NULL), ASYNCIO_EGAI);
    sem_destroy(&both_look_up);
    return 0;
}

/* A look-up does not wait for another one as long as another thread may be started. */
static void test_look_up_together(void **state)
{
    (void)state;
    run_clean(look_up_together);
}

/* A forked child has none of its parent's threads: its look-ups start their own. */
static void test_look_up_in_child(void **state)
{
    (void)state;
    skip_fork_under_tsan();
    run_clean(resolve);
    pid_t child = fork();
    if (child == 0) {
        alarm((unsigned)accounts_wait_seconds);
        int rc = asyncio_run(asyncio_coroutine(resolve, NULL), NULL);
        _exit(rc ? 1 : 0);
    }
    wait_for_child(child);
}

static int look_up_for_ever(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    struct addrinfo *found = NULL;
    return asyncio_loop_getaddrinfo(running(), "slower.invalid", "1", NULL, &found);
}

static void ignore_report(asyncio_loop_t *loop, const asyncio_exception_context_t *context,
                          void *arg)
{
    (void)loop, (void)context, (void)arg;
}

/* A loop may close while look-ups run or wait for a thread; they are abandoned. */
static void test_close_while_looking_up(void **state)
{
    (void)state;
    asyncio_task_t *tasks[12];
    long blocks = asyncio__live_blocks();
    assert_int_equal(sem_init(&gate, 0, 0), 0);
    asyncio_loop_t *loop = asyncio_new_event_loop();
    asyncio_loop_set_exception_handler(loop, ignore_report, NULL);
    for (int i = 0; i < 12; i++)
        tasks[i] = asyncio_loop_create_task(loop, asyncio_coroutine(look_up_for_ever, NULL));
    asyncio_loop_stop(loop);
    assert_int_equal(asyncio_loop_run_forever(loop), 0);
    assert_int_equal(asyncio_loop_close(loop), 0);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(asyncio_future_result(tasks[i], NULL), ASYNCIO_EGENERATOREXIT);
        asyncio_task_unref(tasks[i]);
    }
    asyncio_loop_unref(loop);
    asyncio_error_clear();
    sem_post(&gate);
    await_blocks(blocks);
    sem_destroy(&gate);
}

static int fill_backlog(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    /* An abstract name: the kernel chooses it, and nothing is left in the file system. */
    socklen_t size = sizeof(sa_family_t);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc = 0, count = 0;
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    size = sizeof(address);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(listen(listener, 0), 0);
    asyncio_socket_t *clients[8];
    while (rc == 0 && count < 8) {
        clients[count] = asyncio_socket(AF_UNIX, SOCK_STREAM, 0);
        rc = asyncio_loop_sock_connect(running(), clients[count++], (struct sockaddr *)&address,
                                       size);
    }
    assert_int_equal(rc, -EAGAIN);
    char byte;
    assert_int_equal(recv(asyncio_socket_fileno(clients[count - 1]), &byte, 1, MSG_DONTWAIT), -1);
    while (count > 0)
        asyncio_socket_unref(clients[--count]);
    close(listener);
    return 0;
}

/* A connect to a Unix socket whose backlog is full fails, rather than to succeed without a peer. */
static void test_full_backlog(void **state)
{
    (void)state;
    run_clean(fill_backlog);
}

static int set_options(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_socket_t *sock = asyncio_socket(AF_INET, SOCK_STREAM, 0);
    struct linger set = {1, 7}, got = {0, 0};
    size_t size = sizeof(got);
    assert_int_equal(
        asyncio_socket_setsockopt_bytes(sock, SOL_SOCKET, SO_LINGER, &set, sizeof(set)), 0);
    assert_int_equal(asyncio_socket_getsockopt(sock, SOL_SOCKET, SO_LINGER, &got, &size), 0);
    assert_int_equal(size, sizeof(got));
    assert_int_equal(got.l_linger, 7);
    assert_int_equal(asyncio_socket_getsockopt(sock, SOL_SOCKET, SO_LINGER, NULL, &size), -EINVAL);
    assert_int_equal(asyncio_socket_getsockopt(sock, SOL_SOCKET, SO_LINGER, &got, NULL), -EINVAL);
    assert_int_equal(asyncio_socket_setsockopt_bytes(sock, SOL_SOCKET, SO_LINGER, NULL, 4),
                     -EINVAL);
    assert_int_equal(asyncio_socket_setsockopt_bytes(sock, SOL_SOCKET, SO_LINGER, &set, 1),
                     -EINVAL);
    asyncio_socket_close(sock);
    assert_int_equal(asyncio_socket_getsockopt(sock, SOL_SOCKET, SO_LINGER, &got, &size), -EBADF);
    asyncio_socket_unref(sock);
    return 0;
}

/* Options of any type are set and asked for; what does not fit is refused. */
static void test_options(void **state)
{
    (void)state;
    run_clean(set_options);
}

/* --- bad input ----------------------------------------------------------------------------- */

static int refuse(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_socket_t *a, *b, *accepted = NULL;
    char byte;
    make_pair(SOCK_STREAM, &a, &b);
    assert_int_equal(asyncio_loop_sock_recv(NULL, a, &byte, 1), -EINVAL);
    assert_int_equal(asyncio_loop_sock_recv(running(), NULL, &byte, 1), -EINVAL);
    assert_int_equal(asyncio_loop_sock_recv(running(), a, NULL, 1), -EINVAL);
    assert_int_equal(asyncio_loop_sock_sendall(running(), a, NULL, 1, NULL), -EINVAL);
    assert_int_equal(asyncio_loop_sock_accept(running(), a, NULL, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_loop_sock_accept(running(), a, &accepted, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_loop_sock_connect(running(), a, NULL, 0), -EINVAL);
    assert_int_equal(asyncio_loop_sock_recvfrom(running(), a, NULL, 1, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_loop_sock_sendto(running(), a, NULL, 1, NULL, 0), -EINVAL);
    asyncio_loop_t *other = asyncio_new_event_loop();
    assert_int_equal(asyncio_loop_sock_recv(other, a, &byte, 1), ASYNCIO_ERUNTIME);
    asyncio_loop_unref(other);
    assert_int_equal(asyncio_loop_sock_sendall(running(), a, "x", 1, NULL), 0);
    assert_int_equal(asyncio_loop_add_reader(running(), asyncio_socket_fileno(a),
                                             (asyncio_callback_t *)free, NULL),
                     ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_socket_close(b), 0);
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = asyncio_loop_sock_sendall(running(), a, "x", 1, NULL);
    assert_int_equal(rc, -EPIPE);
    asyncio_socket_unref(a);
    asyncio_socket_unref(b);
    return 0;
}

/* NULL, a socket of another loop, no listener, a closed peer: each has its own code. */
static void test_refuse(void **state)
{
    (void)state;
    run_clean(refuse);
}

/* Sockets outside loops: NULL, closed twice, no descriptor. */
static void test_without_loop(void **state)
{
    (void)state;
    char byte;
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    assert_null(asyncio_socket_from_fd(-1));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_socket_from_fd(1000000));
    assert_int_equal(asyncio_errno(), -EBADF);
    assert_null(asyncio_socket(12345, SOCK_STREAM, 0));
    assert_int_equal(asyncio_errno(), -EAFNOSUPPORT);
    assert_int_equal(asyncio_socket_close(NULL), -EINVAL);
    assert_int_equal(asyncio_socket_listen(NULL, 1), -EINVAL);
    assert_int_equal(asyncio_socket_bind(NULL, NULL, 0), -EINVAL);
    assert_int_equal(asyncio_socket_shutdown(NULL, SHUT_RD), -EINVAL);
    assert_int_equal(asyncio_socket_setsockopt(NULL, 0, 0, 0), -EINVAL);
    assert_int_equal(asyncio_socket_fileno(NULL), -1);
    asyncio_socket_t *sock = asyncio_socket(AF_UNIX, SOCK_STREAM, 0);
    assert_non_null(sock);
    assert_int_equal(asyncio_socket_getpeername(sock, (struct sockaddr *)&address, &size),
                     -ENOTCONN);
    assert_int_equal(asyncio_loop_sock_recv(NULL, sock, &byte, 1), -EINVAL);
    assert_int_equal(asyncio_socket_close(sock), 0);
    assert_int_equal(asyncio_socket_close(sock), 0);
    assert_int_equal(asyncio_socket_listen(sock, 1), -EBADF);
    asyncio_socket_unref(sock);
    asyncio_socket_unref(NULL);
    asyncio_error_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_connect_and_talk),
        cmocka_unit_test(test_send_datagrams),
        cmocka_unit_test(test_close_while_waiting),
        cmocka_unit_test(test_cancel_and_lose_nothing),
        cmocka_unit_test(test_time_out_everything),
        cmocka_unit_test(test_cancel_connect),
        cmocka_unit_test(test_end_sends),
        cmocka_unit_test(test_write_into_closed_pipes),
        cmocka_unit_test(test_refuse_datagrams),
        cmocka_unit_test(test_low_numbers),
        cmocka_unit_test(test_look_up_together), /* while there is one thread at most */
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_many_look_ups),
        cmocka_unit_test(test_look_up_in_child),
        cmocka_unit_test(test_close_while_looking_up),
        cmocka_unit_test(test_full_backlog),
        cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_without_loop),
    };
    sweep_may_wait = true;
    return cmocka_run_group_tests_name("socket", tests, NULL, NULL);
}
