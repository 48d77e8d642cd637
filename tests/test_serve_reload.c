/* SPDX-License-Identifier: MIT */
/*
 * asyncio_serve() in several processes: sockets from a parent as systemd passes them, a reload
 * under load, and a process that is killed beside another one. The other processes are this program
 * with arguments:
 *
 *     test_serve_reload serve LOOPS PORT NAME     serves on that port, or what it inherited
 *     test_serve_reload reload LOOPS PORT NAME    the same, and reloads into "serve" by SIGHUP
 *
 * A connection gets one line: the process ID and the index of its loop.
 */
#include "support/server_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "support/support.h"

#define LISTEN_AT   3
#define CONNECTIONS 64

/* --- the server's side --------------------------------------------------------------------- */

static const char *server_name;  /* of its sockets */
static const char *server_loops; /* as a number */
static uint16_t server_port;     /* 0: any */
static atomic_int set_up_count;  /* loops that are set up */
static _Thread_local size_t own_index; /* of the loop of this thread */

static int tell(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)arg;
    char line[48];
    int size = snprintf(line, sizeof(line), "%d %zu\n", getpid(), own_index);
    int rc = asyncio_stream_writer_write(writer, line, (size_t)size);
    /* Stays while the client does: it shows what becomes of open connections. */
    char byte;
    if (rc == 0)
        rc = (int)asyncio_stream_reader_read(reader, &byte, 1);
    return rc == -ECONNRESET ? 0 : rc;
}

static int reload(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    const char *const arguments[] = {"test", "serve", server_loops, "0", server_name, NULL};
    return asyncio_serve_reload("/proc/self/exe", arguments);
}

static void on_hangup(void *arg)
{
    asyncio_task_detach(asyncio_create_task(asyncio_coroutine(reload, arg)));
}

static int set_up(void *arg, size_t index)
{
    own_index = index;
    asyncio_server_options_t options = {
        .size = sizeof(options), .backlog = 1024, .listen_name = server_name, .reuse_port = true};
    asyncio_server_t *server = NULL;
    int rc = asyncio_start_server("127.0.0.1", server_port, tell, NULL, &options, &server);
    if (rc < 0)
        return rc;
    if (index == 0 && arg)
        rc = asyncio_loop_add_signal_handler(asyncio_get_running_loop(), SIGHUP, on_hangup, NULL);
    if (++set_up_count == atoi(server_loops)) {
        printf("%u\n", asyncio_server_port(server, 0));
        fflush(stdout);
    }
    asyncio_server_unref(server);
    return rc;
}

static int run_server(char **argv)
{
    alarm(500); /* must not outlive a test that hangs */
    server_loops = argv[2];
    server_port = (uint16_t)atoi(argv[3]);
    server_name = argv[4];
    asyncio_serve_options_t options = {.size = sizeof(options), .loops = atoi(server_loops)};
    int rc = asyncio_serve(set_up, strcmp(argv[1], "reload") == 0 ? argv : NULL, &options);
    if (rc < 0)
        asyncio_error_print(asyncio_error_of(rc), stderr);
    return rc < 0;
}

/* --- the test's side ----------------------------------------------------------------------- */

/* A process that serves. */
typedef struct process {
    pid_t pid;
    uint16_t port; /* of its first socket */
    int out;       /* what it prints */
} process_t;

/* Starts this program with sockets from LISTEN_AT on. */
static process_t start_process(const char *mode, const char *loops, const char *port,
                               const char *name, const int *sockets, int count)
{
    process_t process = {0};
    int ends[2];
    char text[32];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    process.pid = fork();
    assert_true(process.pid >= 0);
    if (process.pid == 0) {
        char fds[16], names[256] = "", line[16];
        dup2(ends[1], STDOUT_FILENO);
        for (int i = 0; i < count; i++) {
            dup2(sockets[i], LISTEN_AT + i);
            strcat(names, i > 0 ? ":web" : "web");
        }
        snprintf(fds, sizeof(fds), "%d", count);
        snprintf(line, sizeof(line), "%d", getpid());
        setenv("LISTEN_PID", line, 1);
        setenv("LISTEN_FDS", fds, 1);
        setenv("LISTEN_FDNAMES", names, 1);
        execl("/proc/self/exe", "test", mode, loops, port, name, NULL);
        _exit(99);
    }
    close(ends[1]);
    process.out = ends[0];
    ssize_t size = read(ends[0], text, sizeof(text) - 1);
    assert_true(size > 0);
    text[size] = '\0';
    process.port = (uint16_t)atoi(text);
    return process;
}

static int wait_for_end(process_t process)
{
    int status = 0;
    while (waitpid(process.pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    close(process.out);
    return status;
}

static void stop_process(process_t process)
{
    assert_int_equal(kill(process.pid, SIGTERM), 0);
    assert_int_equal(wait_for_end(process), 0);
}

/* Far from 3, 4, …, where the child is to find them. */
static int listen_on(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, 100);
    close(fd);
    assert_true(moved >= 0);
    assert_int_equal(setsockopt(moved, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(setsockopt(moved, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
    assert_int_equal(bind(moved, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(moved, 1024), 0);
    return moved;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in own;
    socklen_t size = sizeof(own);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &size), 0);
    return ntohs(own.sin_port);
}

/* Connects, and reads which process and loop serves: 0 or -1. */
static int open_connection(uint16_t port, int *ret_fd, int *ret_pid, int *ret_index)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char line[48];
    size_t used = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        while (used < sizeof(line) - 1 && recv(fd, line + used, 1, 0) == 1 && line[used] != '\n')
            used++;
    line[used] = '\0';
    *ret_fd = fd;
    return sscanf(line, "%d %d", ret_pid, ret_index) == 2 ? 0 : -1;
}

/* Counts the connections of CONNECTIONS that each of two loops serves. */
static void count_loops(process_t process, uint16_t port, int *ret_counts)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        int fd, pid, index;
        assert_int_equal(open_connection(port, &fd, &pid, &index), 0);
        assert_int_equal(pid, process.pid);
        ret_counts[index]++;
        close(fd);
    }
}

/* Inherited sockets are served by all loops: fewer than loops, and more. */
static void test_inherited(void **state)
{
    (void)state;
    if (is_engine("sim"))
        skip(); /* it has no sockets */
    for (int count = 1; count <= 3; count++) {
        int sockets[3], counts[2] = {0, 0};
        sockets[0] = listen_on(0);
        for (int i = 1; i < count; i++)
            sockets[i] = listen_on(port_of(sockets[0]));
        process_t process = start_process("serve", "2", "0", "web", sockets, count);
        uint16_t port = port_of(sockets[0]);
        assert_int_equal(process.port, port);
        for (int i = 0; i < count; i++)
            close(sockets[i]);
        count_loops(process, port, counts);
        assert_int_equal(counts[0] + counts[1], CONNECTIONS);
        if (count > 1)
            assert_true(counts[0] > 0 && counts[1] > 0);
        stop_process(process);
    }
}

/* Inherited sockets under another name are closed, and the server binds its own. */
static void test_other_name(void **state)
{
    (void)state;
    if (is_engine("sim"))
        skip(); /* it has no sockets */
    int fd, pid, index, listener = listen_on(0);
    uint16_t unused = port_of(listener);
    process_t process = start_process("serve", "1", "0", "other", &listener, 1);
    close(listener);
    assert_int_not_equal(process.port, unused);
    assert_int_equal(open_connection(process.port, &fd, &pid, &index), 0);
    close(fd);
    assert_int_equal(open_connection(unused, &fd, &pid, &index), -1);
    close(fd);
    stop_process(process);
}

/* --- reload -------------------------------------------------------------------------------- */

static atomic_bool is_over; /* the client may end */
static atomic_int lost;     /* connections that were not served */
static atomic_int served[2]; /* by the old process, by another one */

typedef struct client {
    uint16_t port;
    pid_t old;
    _Atomic pid_t new; /* the process that served last, when it was not the old one */
} client_t;

/* Connects again and again. */
static void *connect_often(void *arg)
{
    client_t *client = arg;
    while (!is_over) {
        int fd, pid, index;
        if (open_connection(client->port, &fd, &pid, &index) < 0) {
            lost++;
        } else {
            served[pid != client->old]++;
            if (pid != client->old)
                client->new = pid;
        }
        close(fd);
    }
    return NULL;
}

/* A reload under load loses no connection, and the old process ends when its connections have. */
static void test_reload(void **state)
{
    (void)state;
    if (is_engine("sim"))
        skip(); /* it has no sockets */
    skip_on_valgrind("it would have to run the other processes");
    int fd, pid, index;
    char byte;
    is_over = false;
    lost = served[0] = served[1] = 0;
    process_t process = start_process("reload", "2", "0", "web", NULL, 0);
    client_t client = {.port = process.port, .old = process.pid};
    pthread_t threads[2];
    assert_int_equal(open_connection(process.port, &fd, &pid, &index), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, connect_often, &client), 0);
    while (served[0] < CONNECTIONS)
        sched_yield();
    assert_int_equal(kill(process.pid, SIGHUP), 0);
    while (served[1] < CONNECTIONS)
        sched_yield();
    /* The connection of before is still open, and the old process waits for it. */
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
    close(fd);
    int status = 0;
    assert_int_equal(waitpid(process.pid, &status, 0), process.pid);
    assert_int_equal(status, 0);
    int before = served[1];
    while (served[1] < before + CONNECTIONS)
        sched_yield();
    is_over = true;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(lost, 0);
    assert_int_equal(kill(client.new, SIGTERM), 0);
    /* It has the pipe that the old one printed to. A connection that begins while it closes its
     * sockets could wait for ever. */
    while (read(process.out, &byte, 1) > 0)
        continue;
    close(process.out);
}

/* --- a process that is killed -------------------------------------------------------------- */

/* When one of two processes on a port is killed, the other one keeps its connections and gets all
 * later ones. */
static void test_kill_one_of_two(void **state)
{
    (void)state;
    if (is_engine("sim"))
        skip(); /* it has no sockets */
    char port[8], byte;
    process_t processes[2];
    processes[0] = start_process("serve", "2", "0", "web", NULL, 0);
    snprintf(port, sizeof(port), "%u", processes[0].port);
    processes[1] = start_process("serve", "2", port, "web", NULL, 0);
    int fds[CONNECTIONS], owners[CONNECTIONS], index, of_first = 0;
    for (int i = 0; i < CONNECTIONS; i++) {
        assert_int_equal(open_connection(processes[0].port, &fds[i], &owners[i], &index), 0);
        of_first += owners[i] == processes[0].pid;
    }
    assert_true(of_first > 0 && of_first < CONNECTIONS);
    assert_int_equal(kill(processes[0].pid, SIGKILL), 0);
    assert_true(WIFSIGNALED(wait_for_end(processes[0])));
    for (int i = 0; i < CONNECTIONS; i++) {
        ssize_t size = recv(fds[i], &byte, 1, owners[i] == processes[0].pid ? 0 : MSG_DONTWAIT);
        if (owners[i] != processes[0].pid)
            assert_true(size < 0 && errno == EAGAIN);
        else
            assert_true(size == 0 || errno == ECONNRESET);
        close(fds[i]);
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        int fd, pid;
        assert_int_equal(open_connection(processes[1].port, &fd, &pid, &index), 0);
        assert_int_equal(pid, processes[1].pid);
        close(fd);
    }
    stop_process(processes[1]);
}

int main(int argc, char **argv)
{
    if (argc == 5)
        return run_server(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inherited),
        cmocka_unit_test(test_other_name),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_kill_one_of_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
