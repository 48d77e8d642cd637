/* SPDX-License-Identifier: MIT */
/*
 * Large frames: handlers with buffers of 64 KiB on the default stack, as C programs have them, for
 * many clients at once. ASYNCIO_TEST_CLIENTS sets how many; by hand it was run with 1,000.
 */
#include "support/support.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define BUFFER_BYTES  65536
#define MESSAGE_BYTES 1500
#define ROUNDS        3

static size_t client_count(void)
{
    const char *text = getenv("ASYNCIO_TEST_CLIENTS");
    return text ? strtoul(text, NULL, 10) : 64;
}

static asyncio_loop_t *running(void)
{
    return asyncio_get_running_loop();
}

/* Echoes until the client closes. Not inlined, and compiled without the option that touches each
 * page of a frame: it writes only where the message is, at the low end of the frame. */
static __attribute__((noinline)) int echo(asyncio_socket_t *sock)
{
    char buffer[BUFFER_BYTES];
    for (;;) {
        long got = asyncio_loop_sock_recv(running(), sock, buffer, sizeof(buffer));
        if (got <= 0)
            return (int)got;
        int rc = asyncio_loop_sock_sendall(running(), sock, buffer, (size_t)got, NULL);
        if (rc < 0)
            return rc;
    }
}

static int handle(asyncio_socket_t *sock, void **ret_result)
{
    (void)ret_result;
    int rc = echo(sock);
    asyncio_socket_unref(sock);
    return rc;
}
ASYNCIO_COROUTINE(handle, (asyncio_socket_t *, sock));

/* Accepts that number of clients, and starts a task for each. */
static int serve(asyncio_socket_t *listener, size_t count, void **ret_result)
{
    (void)ret_result;
    asyncio_task_t **tasks = calloc(count, sizeof(*tasks));
    for (size_t i = 0; i < count; i++) {
        asyncio_socket_t *sock = NULL;
        int rc = asyncio_loop_sock_accept(running(), listener, &sock, NULL, NULL);
        assert_int_equal(rc, 0);
        tasks[i] = asyncio_create_task(handle_coroutine(sock));
        assert_non_null(tasks[i]);
    }
    for (size_t i = 0; i < count; i++)
        assert_int_equal(asyncio_await_unref(tasks[i], NULL), 0);
    free(tasks);
    return 0;
}
ASYNCIO_COROUTINE(serve, (asyncio_socket_t *, listener), (size_t, count));

/* Sends a message that is unique to this client, and expects it back. */
static int call(const struct sockaddr_in *address, size_t number, void **ret_result)
{
    (void)ret_result;
    char sent[MESSAGE_BYTES], got[MESSAGE_BYTES];
    asyncio_socket_t *sock = asyncio_socket(AF_INET, SOCK_STREAM, 0);
    int rc = asyncio_loop_sock_connect(running(), sock, (const struct sockaddr *)address,
                                       sizeof(*address));
    assert_int_equal(rc, 0);
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < sizeof(sent); i++)
            sent[i] = (char)(number * 7 + round * 3 + i * (number + 1));
        assert_int_equal(asyncio_loop_sock_sendall(running(), sock, sent, sizeof(sent), NULL), 0);
        for (size_t have = 0; have < sizeof(got);) {
            long part = asyncio_loop_sock_recv(running(), sock, got + have, sizeof(got) - have);
            assert_true(part > 0);
            have += (size_t)part;
        }
        assert_memory_equal(sent, got, sizeof(sent));
    }
    asyncio_socket_unref(sock);
    return 0;
}
ASYNCIO_COROUTINE(call, (const struct sockaddr_in *, address), (size_t, number));

static int talk_to_all(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    size_t count = client_count();
    asyncio_socket_t *listener = asyncio_socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    assert_int_equal(asyncio_socket_bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(asyncio_socket_listen(listener, 1024), 0);
    assert_int_equal(asyncio_socket_getsockname(listener, (struct sockaddr *)&address, &size), 0);
    asyncio_task_t *server = asyncio_create_task(serve_coroutine(listener, count));
    asyncio_task_t **clients = calloc(count, sizeof(*clients));
    for (size_t i = 0; i < count; i++)
        clients[i] = asyncio_create_task(call_coroutine(&address, i));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(asyncio_await_unref(clients[i], NULL), 0);
    assert_int_equal(asyncio_await_unref(server, NULL), 0);
    free(clients);
    asyncio_socket_unref(listener);
    return 0;
}

/* Handlers with a buffer of 64 KiB on the default stack serve all their clients correctly. */
static void handlers_have_room_for_64_kib(void **state)
{
    (void)state;
    const char *engine = getenv("ASYNCIO_ENGINE");
    if (engine && strcmp(engine, "sim") == 0)
        skip();
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(asyncio_run(asyncio_coroutine(talk_to_all, NULL), NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handlers_have_room_for_64_kib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
