/* SPDX-License-Identifier: MIT */
/*
 * asyncio_serve(): several loops start together, share their ports and stop together. The clients
 * are blocking sockets, of a thread or of the server's own coroutines.
 */
#include "support/server_fixture.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/un.h>

#include "transport/listen_table.h"

#define LOOPS       2
#define CONNECTIONS 64

/* What a test and its loops share; zero at the beginning of each test. */
static struct {
    _Atomic uint16_t port;        /* of the servers */
    atomic_int accepted;          /* connections that were handed over */
    atomic_int seen[LOOPS];       /* of them, by the index of their loop */
    atomic_int setups, teardowns; /* calls */
    atomic_int stoppings;         /* calls */
    atomic_int reports;           /* to the exception handler */
    atomic_int inside;            /* threads in the exception handler */
    atomic_int cancelled;         /* handlers that ended by a cancellation */
    atomic_int early;             /* connections that were handed over before all were set up */
    int fds[CONNECTIONS];         /* of clients */
    sem_t ready;                  /* posted when the servers listen */
} shared;

static _Thread_local size_t own_index; /* of the loop that runs in this thread */

static int share_setup(void **state)
{
    (void)state;
    memset(&shared, 0, sizeof(shared));
    return sem_init(&shared.ready, 0, 0);
}

static int share_teardown(void **state)
{
    (void)state;
    return sem_destroy(&shared.ready);
}
#define SERVE_TEST(function) cmocka_unit_test_setup_teardown(function, share_setup, share_teardown)

/* Runs asyncio_serve() and compares descriptors and blocks with those before. */
static int serve(asyncio_serve_setup_t *setup, void *arg, const asyncio_serve_options_t *options)
{
    if (is_engine("sim"))
        skip(); /* it has no sockets */
    asyncio_error_clear();
    int descriptors = count_descriptors();
    long blocks = asyncio__live_blocks();
    int rc = asyncio_serve(setup, arg, options);
    asyncio_error_t *error = asyncio_error_last();
    asyncio_error_clear();
    asyncio_error_unref(error);
    for (int i = 0; i < CONNECTIONS; i++)
        descriptors += shared.fds[i] > 0;
    assert_int_equal(count_descriptors(), descriptors);
    await_blocks(blocks);
    return rc;
}

static int start_named(asyncio_client_connected_t *handler)
{
    asyncio_server_options_t options = {
        .size = sizeof(options), .backlog = 1024, .listen_name = "test"};
    asyncio_server_t *server = NULL;
    int rc = asyncio_start_server("127.0.0.1", 0, handler, NULL, &options, &server);
    if (rc == 0)
        shared.port = asyncio_server_port(server, 0);
    asyncio_server_unref(server);
    return rc;
}

static int connect_to_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(shared.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -errno;
}

/* The byte that the server has sent before it closed the connection; 0: none. */
static char receive_and_close(int fd)
{
    char byte = 0;
    ssize_t size = recv(fd, &byte, 1, MSG_WAITALL);
    close(fd);
    return size == 1 ? byte : 0;
}

/* --- start --------------------------------------------------------------------------------- */

/* Sends the index of the loop, as a digit. */
static int tell_index(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)reader, (void)arg;
    char digit = (char)('0' + own_index);
    shared.accepted++;
    shared.seen[own_index]++;
    return asyncio_stream_writer_write(writer, &digit, 1);
}

static void *talk_and_stop(void *arg)
{
    (void)arg;
    sem_wait(&shared.ready);
    for (int i = 0; i < CONNECTIONS; i++) {
        int fd = connect_to_port();
        assert_true(fd >= 0);
        char byte = receive_and_close(fd);
        assert_true(byte == '0' || byte == '1');
    }
    assert_int_equal(asyncio_serve_stop(), 0);
    return NULL;
}

static int setup_telling(void *arg, size_t index)
{
    (void)arg;
    own_index = index;
    int rc = start_named(tell_index);
    if (++shared.setups == LOOPS)
        sem_post(&shared.ready);
    return rc;
}

static void count_stopping(void *arg, size_t index)
{
    (void)arg, (void)index;
    shared.stoppings++;
}

static int count_teardown(void *arg, size_t index)
{
    (void)arg;
    assert_int_equal(index, own_index);
    shared.teardowns++;
    return asyncio_sleep(0);
}

/* All loops accept connections to one port, which the kernel chose; stop() ends them. */
static void test_serve_in_two_loops(void **state)
{
    (void)state;
    pthread_t client;
    asyncio_serve_options_t options = {.size = sizeof(options), .loops = LOOPS,
                                       .stopping = count_stopping, .teardown = count_teardown};
    if (is_engine("sim"))
        skip(); /* it has no sockets */
    assert_int_equal(pthread_create(&client, NULL, talk_and_stop, NULL), 0);
    int rc = serve(setup_telling, NULL, &options);
    pthread_join(client, NULL);
    assert_int_equal(rc, 0);
    assert_int_equal(shared.accepted, CONNECTIONS);
    assert_true(shared.seen[0] > 0 && shared.seen[1] > 0); /* by chance not: 2 in 2^64 */
    assert_int_equal(shared.stoppings, LOOPS);
    assert_int_equal(shared.teardowns, LOOPS);
}

static int setup_slowly(void *arg, size_t index)
{
    (void)arg;
    own_index = index;
    int rc = start_named(tell_index);
    while (index == 0 && shared.port == 0)
        rc = asyncio_sleep(0);
    if (index == 0)
        return rc; /* it would accept now, if it did not wait for the other */
    for (int i = 0; i < CONNECTIONS; i++)
        shared.fds[i] = connect_to_port();
    turn_often();
    shared.early = shared.accepted;
    asyncio_serve_stop(); /* what is established by now is still served */
    return rc;
}

/* A server that was started in setup accepts when every setup has returned, not before. */
static void test_accept_after_all_setups(void **state)
{
    (void)state;
    asyncio_serve_options_t options = {.size = sizeof(options), .loops = LOOPS};
    assert_int_equal(serve(setup_slowly, NULL, &options), 0);
    assert_int_equal(shared.early, 0);
    for (int i = 0; i < CONNECTIONS; i++)
        close(shared.fds[i]);
}

static int serve_forever_in_setup(void *arg, size_t index)
{
    (void)arg, (void)index;
    asyncio_server_t *server = start(echo, NULL);
    int rc = asyncio_server_serve_forever(server);
    asyncio_server_unref(server);
    return rc;
}

/* A setup that would never return, since it serves forever, is refused. */
static void test_serve_forever_in_setup(void **state)
{
    (void)state;
    asyncio_serve_options_t options = {.size = sizeof(options), .loops = LOOPS};
    assert_int_equal(serve(serve_forever_in_setup, NULL, &options), ASYNCIO_ERUNTIME);
}

/* --- names --------------------------------------------------------------------------------- */

static int use_names(void *arg, size_t index)
{
    (void)arg, (void)index;
    asyncio_server_t *server = NULL;
    asyncio_server_options_t options = {.size = sizeof(options), .listen_name = "test"};
    char long_name[300];
    memset(long_name, 'x', sizeof(long_name));
    long_name[sizeof(long_name) - 1] = '\0';
    const char *const wrong[] = {"", "a:b", "a b", "\x7f", long_name};
    int rc = start_named(echo);
    assert_int_equal(rc, 0);
    assert_int_equal(asyncio_start_server("127.0.0.1", 0, echo, NULL, &options, &server),
                     ASYNCIO_ERUNTIME);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        options.listen_name = wrong[i];
        assert_int_equal(asyncio_start_server("127.0.0.1", 0, echo, NULL, &options, &server),
                         -EINVAL);
    }
    options.listen_name = "other";
    options.sock = asyncio_socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(asyncio_start_server(NULL, 0, echo, NULL, &options, &server), -EINVAL);
    asyncio_socket_unref(options.sock);
    return asyncio_serve_stop();
}

/* A name is for one server of a loop, has no colon or blank, and replaces a socket. */
static void test_listen_names(void **state)
{
    (void)state;
    asyncio_serve_options_t options = {.size = sizeof(options), .loops = 1};
    assert_int_equal(serve(use_names, NULL, &options), 0);
}

static int use_name_alone(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_options_t options = {.size = sizeof(options), .listen_name = "alone"};
    for (int i = 0; i < 2; i++) {
        asyncio_server_t *server = start_with("127.0.0.1", echo, NULL, &options);
        peer_t peer = open_to(server, 0);
        exchange(peer);
        end(peer);
        stop(server); /* after that the name is free */
    }
    return 0;
}

/* Outside asyncio_serve() a name that nothing was inherited under changes nothing. */
static void test_listen_name_alone(void **state)
{
    (void)state;
    run_clean(use_name_alone, NULL);
    asyncio__listen_table_close();
}

static int setup_unix(void *arg, size_t index)
{
    own_index = index;
    asyncio_server_options_t options = {.size = sizeof(options), .listen_name = "unix"};
    asyncio_server_t *server = NULL;
    int rc = asyncio_start_unix_server(arg, tell_index, NULL, &options, &server);
    asyncio_server_unref(server);
    if (++shared.setups == LOOPS)
        sem_post(&shared.ready);
    return rc;
}

static void *talk_to_unix(void *arg)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, arg);
    sem_wait(&shared.ready);
    for (int i = 0; i < CONNECTIONS; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_true(receive_and_close(fd) != 0);
    }
    asyncio_serve_stop();
    return NULL;
}

/* A Unix socket is shared by all loops, and its file is removed at the end. */
static void test_unix_socket(void **state)
{
    (void)state;
    if (is_engine("sim"))
        skip(); /* it has no sockets */
    char folder[] = "/tmp/test_serve.XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/socket", folder);
    asyncio_serve_options_t options = {.size = sizeof(options), .loops = LOOPS};
    pthread_t client;
    assert_int_equal(pthread_create(&client, NULL, talk_to_unix, path), 0);
    int rc = serve(setup_unix, path, &options);
    pthread_join(client, NULL);
    assert_int_equal(rc, 0);
    assert_int_equal(shared.accepted, CONNECTIONS);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(rmdir(folder), 0);
}

static int setup_unevenly(void *arg, size_t index)
{
    (void)arg;
    own_index = index;
    return index == 0 ? start_named(tell_index) : 0;
}

static void count_report(asyncio_loop_t *loop, const asyncio_exception_context_t *context,
                         void *arg)
{
    (void)loop;
    assert_int_equal(shared.inside++, 0); /* one thread at a time */
    if (arg)
        assert_non_null(strstr(context->message, arg));
    sched_yield();
    shared.reports++;
    shared.inside--;
    asyncio_serve_stop();
}

/* Sockets that were bound for a loop that does not use the name are closed, and that is
 * reported. */
static void test_unused_share(void **state)
{
    (void)state;
    asyncio_serve_options_t options = {.size = sizeof(options), .loops = LOOPS,
                                       .exception_handler = count_report,
                                       .exception_arg = "listen_name"};
    assert_int_equal(serve(setup_unevenly, NULL, &options), 0);
    assert_int_equal(shared.reports, 1);
}

/* --- stop ---------------------------------------------------------------------------------- */

/* The first connection fills the queue of the listening socket and stops the server. */
static int fill_and_stop(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer,
                         void *arg)
{
    (void)reader, (void)arg;
    if (++shared.accepted == 1) {
        for (int i = 1; i < CONNECTIONS; i++)
            shared.fds[i] = connect_to_port();
        asyncio_serve_stop();
        for (int i = 0; i < 100; i++)
            assert_int_equal(asyncio_sleep(0), 0); /* the loop stops meanwhile */
    }
    return asyncio_stream_writer_write(writer, "x", 1);
}

static int setup_filled(void *arg, size_t index)
{
    (void)arg, (void)index;
    int rc = start_named(fill_and_stop);
    shared.fds[0] = connect_to_port();
    return rc;
}

/* A stop serves the connections that it finds: those that run, and those that the kernel has
 * established. */
static void test_drain(void **state)
{
    (void)state;
    asyncio_serve_options_t options = {.size = sizeof(options), .loops = 1};
    assert_int_equal(serve(setup_filled, NULL, &options), 0);
    assert_int_equal(shared.accepted, CONNECTIONS);
    assert_true(connect_to_port() < 0); /* nobody listens any more */
    for (int i = 0; i < CONNECTIONS; i++)
        assert_int_equal(receive_and_close(shared.fds[i]), 'x');
}

static int stop_and_stay(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer,
                         void *arg)
{
    (void)reader, (void)writer;
    if (arg) {
        raise(SIGTERM);
        while (shared.stoppings == 0)
            assert_int_equal(asyncio_sleep(0), 0);
        raise(SIGTERM);
    } else {
        asyncio_serve_stop();
    }
    int rc = asyncio_sleep(ASYNCIO_FOREVER);
    shared.cancelled += rc == -ECANCELED;
    return rc;
}

static int setup_staying(void *arg, size_t index)
{
    (void)index;
    asyncio_server_t *server = start(stop_and_stay, arg);
    shared.port = asyncio_server_port(server, 0);
    asyncio_server_unref(server);
    shared.fds[0] = connect_to_port();
    return 0;
}

/* Connections that are left after drain_timeout are cancelled. */
static void test_drain_timeout(void **state)
{
    (void)state;
    asyncio_serve_options_t options = {.size = sizeof(options), .loops = 1,
                                       .drain_timeout = 0.001};
    assert_int_equal(serve(setup_staying, NULL, &options), 0);
    assert_int_equal(shared.cancelled, 1);
    close(shared.fds[0]);
}

/* SIGTERM stops; a second one ends the wait for connections. */
static void test_signals(void **state)
{
    (void)state;
    asyncio_serve_options_t options = {.size = sizeof(options), .loops = 1,
                                       .drain_timeout = ASYNCIO_FOREVER,
                                       .stopping = count_stopping};
    assert_int_equal(serve(setup_staying, &shared, &options), 0);
    assert_int_equal(shared.cancelled, 1);
    close(shared.fds[0]);
    struct sigaction action;
    assert_int_equal(sigaction(SIGTERM, NULL, &action), 0);
    assert_true(action.sa_handler == SIG_DFL);
}

static int stop_in_setup(void *arg, size_t index)
{
    own_index = index;
    if (index == 0)
        return asyncio_sleep(ASYNCIO_FOREVER);
    return arg ? asyncio_raise(-EIO, "setup %zu", index) : asyncio_serve_stop();
}

/* A stop, or the failure of another loop, cancels a setup that has not returned; the failure is the
 * result, with its details. */
static void test_failing_setup(void **state)
{
    (void)state;
    asyncio_serve_options_t options = {.size = sizeof(options), .loops = LOOPS,
                                       .teardown = count_teardown};
    if (is_engine("sim"))
        skip(); /* it runs one loop */
    assert_int_equal(serve(stop_in_setup, NULL, &options), 0);
    assert_int_equal(asyncio_serve(stop_in_setup, &shared, &options), -EIO);
    asyncio_error_t *error = asyncio_error_last();
    assert_string_equal(asyncio_error_message(error), "setup 1");
    asyncio_error_unref(error);
    asyncio_error_clear();
}

static int stop_at_once(void *arg, size_t index)
{
    (void)arg, (void)index;
    return asyncio_serve_stop();
}

static int fail_teardown(void *arg, size_t index)
{
    (void)arg, (void)index;
    shared.teardowns++;
    return -EBUSY;
}

/* A teardown that fails is the result. */
static void test_failing_teardown(void **state)
{
    (void)state;
    asyncio_serve_options_t options = {.size = sizeof(options), .loops = 1,
                                       .teardown = fail_teardown};
    assert_int_equal(serve(stop_at_once, NULL, &options), -EBUSY);
    assert_int_equal(shared.teardowns, 1);
}

static int fail_connection(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer,
                           void *arg)
{
    (void)reader, (void)writer, (void)arg;
    return -EIO;
}

static int setup_failing_connections(void *arg, size_t index)
{
    (void)arg;
    int rc = start_named(fail_connection);
    while (index == 0 && rc == 0 && shared.setups == 0)
        rc = asyncio_sleep(0);
    for (int i = 0; index == 0 && i < CONNECTIONS; i++)
        shared.fds[i] = connect_to_port();
    shared.setups++;
    return rc;
}

/* The errors of all loops go to one handler, which one thread calls at a time. */
static void test_exception_handler(void **state)
{
    (void)state;
    asyncio_serve_options_t options = {.size = sizeof(options), .loops = LOOPS,
                                       .exception_handler = count_report};
    assert_int_equal(serve(setup_failing_connections, NULL, &options), 0);
    assert_int_equal(shared.reports, CONNECTIONS);
    for (int i = 0; i < CONNECTIONS; i++)
        close(shared.fds[i]);
}

/* --- threads ------------------------------------------------------------------------------- */

static int check_cpu(void *arg, size_t index)
{
    (void)index;
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
    assert_int_equal(CPU_COUNT(&set), 1);
    shared.setups++;
    asyncio_serve_options_t options = {.size = sizeof(options), .loops = 1};
    assert_int_equal(asyncio_serve(check_cpu, arg, &options), ASYNCIO_ERUNTIME);
    return asyncio_serve_stop();
}

/* Pinned loops run on a CPU each, and the caller's thread afterwards where it did before. */
static void test_pin(void **state)
{
    (void)state;
    cpu_set_t before, after;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    asyncio_serve_options_t options = {.size = sizeof(options), .pin = true};
    if (is_engine("sim"))
        skip(); /* it runs one loop */
    assert_int_equal(serve(check_cpu, NULL, &options), 0);
    assert_true(shared.setups >= 1 && shared.setups <= CPU_COUNT(&before));
    assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
    options.loops = CPU_COUNT(&before) + 1;
    assert_int_equal(serve(check_cpu, NULL, &options), -EINVAL);
}

static int refuse_thread(pthread_t *ret_thread, const pthread_attr_t *attributes,
                         void *(*run_thread)(void *arg), void *arg)
{
    (void)ret_thread, (void)attributes, (void)run_thread, (void)arg;
    return EAGAIN;
}

/* A thread that cannot be started ends all. */
static void test_no_thread(void **state)
{
    (void)state;
    asyncio_serve_options_t options = {.size = sizeof(options), .loops = LOOPS};
    const asyncio__syscalls_t saved = asyncio__sys;
    if (is_engine("sim"))
        skip(); /* it runs one loop */
    asyncio__sys.pthread_create = refuse_thread;
    int rc = serve(setup_telling, NULL, &options);
    asyncio__sys = saved;
    assert_int_equal(rc, -EAGAIN);
}

/* --- refusals ------------------------------------------------------------------------------ */

static int serve_in_loop(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    static const char *const arguments[] = {"true", NULL};
    assert_int_equal(asyncio_serve_reload("true", arguments), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_serve_reload(NULL, arguments), -EINVAL);
    assert_int_equal(asyncio_serve_reload("true", NULL), -EINVAL);
    return asyncio_serve(stop_at_once, NULL, NULL);
}

/* What cannot be is refused, with the argument's name. */
static void test_refusals(void **state)
{
    (void)state;
    static const asyncio_loop_options_t no_size = {0};
    static const struct {
        asyncio_serve_options_t options;
        const char *named;
    } wrong[] = {
        {{.size = 8}, "options->size"},
        {{.size = sizeof(asyncio_serve_options_t), .loops = -1}, "options->loops"},
        {{.size = sizeof(asyncio_serve_options_t), .loops = 1025}, "options->loops"},
        {{.size = sizeof(asyncio_serve_options_t), .drain_timeout = -1}, "options->drain_timeout"},
        {{.size = sizeof(asyncio_serve_options_t), .drain_timeout = NAN},
         "options->drain_timeout"},
        {{.size = sizeof(asyncio_serve_options_t), .loop_options = &no_size},
         "options->loop_options->size"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        assert_int_equal(asyncio_serve(stop_at_once, NULL, &wrong[i].options), -EINVAL);
        asyncio_error_t *error = asyncio_error_last();
        assert_non_null(strstr(asyncio_error_message(error), wrong[i].named));
        asyncio_error_unref(error);
    }
    assert_int_equal(asyncio_serve(NULL, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_serve_stop(), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_run(asyncio_coroutine(serve_in_loop, NULL), NULL), ASYNCIO_ERUNTIME);
    asyncio_error_clear();
}

/* Several loops need the kernel and its clock; one loop may do without. */
static void test_one_virtual_loop(void **state)
{
    (void)state;
    asyncio_loop_options_t loop_options = {.size = sizeof(loop_options),
                                           .clock = ASYNCIO_CLOCK_VIRTUAL,
                                           .engine = ASYNCIO_ENGINE_SIM};
    asyncio_serve_options_t options = {.size = sizeof(options), .loops = LOOPS,
                                       .loop_options = &loop_options};
    assert_int_equal(asyncio_serve(stop_at_once, NULL, &options), -EINVAL);
    options.loops = 1;
    assert_int_equal(asyncio_serve(stop_at_once, NULL, &options), 0);
    asyncio_error_clear();
}

static int reload_into_nothing(void *arg, size_t index)
{
    (void)arg, (void)index;
    static const char *const arguments[] = {"true", NULL};
    assert_int_equal(start_named(echo), 0);
    assert_int_equal(asyncio_serve_reload("/nowhere/true", arguments), -ENOENT);
    assert_int_equal(asyncio_serve_reload("true", arguments), -ECHILD);
    assert_int_equal(asyncio_wait_for(asyncio_serve_reload_coroutine("sleep", (const char *const[]){
                                          "sleep", "1000", NULL}),
                                      0.001, NULL),
                     -ETIMEDOUT);
    return asyncio_serve_stop();
}

/* A new process that does not start, or ends before it serves, leaves the old one serving. */
static void test_failed_reload(void **state)
{
    (void)state;
    asyncio_serve_options_t options = {.size = sizeof(options), .loops = 1};
    assert_int_equal(serve(reload_into_nothing, NULL, &options), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVE_TEST(test_serve_in_two_loops), SERVE_TEST(test_accept_after_all_setups),
        SERVE_TEST(test_serve_forever_in_setup), SERVE_TEST(test_listen_names),
        SERVE_TEST(test_listen_name_alone), SERVE_TEST(test_unix_socket),
        SERVE_TEST(test_unused_share), SERVE_TEST(test_drain), SERVE_TEST(test_drain_timeout),
        SERVE_TEST(test_signals), SERVE_TEST(test_failing_setup),
        SERVE_TEST(test_failing_teardown), SERVE_TEST(test_exception_handler),
        SERVE_TEST(test_pin), SERVE_TEST(test_no_thread), SERVE_TEST(test_refusals),
        SERVE_TEST(test_one_virtual_loop), SERVE_TEST(test_failed_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
