/* SPDX-License-Identifier: MIT */
/* Servers at their limits: a maximum of connections, errors that stay, no more descriptors. */
#include "support/server_fixture.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "base/sanitizer.h"

/* --- a maximum of connections -------------------------------------------------------------- */

struct crowd {
    int present; /* connections that are served now */
    int most;    /* and were at most */
};

static int stay(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    struct crowd *crowd = arg;
    char byte;
    if (++crowd->present > crowd->most)
        crowd->most = crowd->present;
    asyncio_stream_writer_write(writer, "+", 1);
    int rc = (int)asyncio_stream_reader_read(reader, &byte, 1);
    crowd->present--;
    return rc < 0 ? rc : 0;
}

static void expect_served(peer_t peer)
{
    char byte = 0;
    assert_int_equal(asyncio_stream_reader_readexactly(peer.reader, &byte, 1, NULL), 1);
    assert_int_equal(byte, '+');
}

/* Both families, so that more than one listener has an accept pending. */
static int limit_connections(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    enum { COUNT = 6, MOST = 1 };
    struct crowd crowd = {.present = 0};
    asyncio_server_options_t options = {.size = sizeof(options), .max_connections = MOST};
    asyncio_server_t *server = start_with(NULL, stay, &crowd, &options);
    peer_t peers[COUNT];
    for (int i = 0; i < COUNT; i++)
        peers[i] = open_to_host(i % 2 ? "::1" : "127.0.0.1", server);
    turn_often();
    assert_int_equal(crowd.present, MOST);
    for (int i = 0; i < COUNT; i++) /* a byte ends its connection, now or once it is served */
        assert_int_equal(asyncio_stream_writer_write(peers[i].writer, "x", 1), 0);
    for (int i = 0; i < COUNT; i++) {
        expect_served(peers[i]);
        expect_end(peers[i]);
        end(peers[i]);
    }
    assert_int_equal(crowd.most, MOST);
    stop(server);
    return 0;
}

/* No more than max_connections are served at once, and none of the others is lost. */
static void test_limit_connections(void **state)
{
    (void)state;
    run_clean(limit_connections, NULL);
}

/* --- errors that stay ---------------------------------------------------------------------- */

static int refuse_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    if (operation != EPOLL_CTL_ADD)
        return epoll_ctl(epoll, operation, fd, event);
    errno = ENOSPC;
    return -1;
}

static int start_without_room(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server = NULL;
    asyncio__sys.epoll_ctl = refuse_epoll_ctl;
    int rc = asyncio_start_server("127.0.0.1", 0, echo, NULL, NULL, &server);
    asyncio__sys.epoll_ctl = epoll_ctl;
    assert_int_equal(rc, -ENOSPC);
    assert_null(server);
    return 0;
}

/* A server whose listener cannot be added to epoll does not start, and returns the error. */
static void test_start_without_room(void **state)
{
    (void)state;
    if (!is_engine("epoll"))
        skip(); /* io_uring needs none */
    run_clean(start_without_room, NULL);
}

static int accepts;       /* calls of accept4 */
static int accept_errors; /* of them, those that fail, from now on */

static int refuse_accept(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    accepts++;
    if (accept_errors > 0) {
        accept_errors--;
        errno = EOPNOTSUPP;
        return -1;
    }
    return accept4(fd, address, size, flags);
}

static void count_refusals(asyncio_loop_t *loop, const asyncio_exception_context_t *context,
                           void *arg)
{
    (void)loop;
    assert_int_equal(context->code, -EOPNOTSUPP);
    ++*(int *)arg;
}

static int note_client(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)reader, (void)writer;
    return asyncio_event_set(arg);
}

static int accept_refused(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int reports = 0;
    asyncio_loop_set_exception_handler(asyncio_get_running_loop(), count_refusals, &reports);
    asyncio_event_t served;
    assert_int_equal(asyncio_event_init(&served), 0);
    asyncio_server_t *server = start(note_client, &served);
    asyncio__sys.accept4 = refuse_accept;
    accepts = 0;
    accept_errors = 1000000;
    int client = connect_plainly(server);
    turn_often();
    assert_in_range(accepts, 1, 200); /* and not one a turn, or without an end */
    assert_int_equal(reports, 1);
    accept_errors = 0;
    assert_int_equal(asyncio_event_wait(&served), 0);
    asyncio_event_fini(&served);
    close(client);
    asyncio__sys.accept4 = accept4;
    stop(server);
    return 0;
}

/* An accept that fails permanently is retried a few times, then once a second, and reported. */
static void test_accept_refused(void **state)
{
    (void)state;
    if (!is_engine("epoll"))
        skip(); /* io_uring does not call accept4 */
    run_with_clock(accept_refused, ASYNCIO_CLOCK_VIRTUAL);
}

/* --- out of descriptors -------------------------------------------------------------------- */

struct pause {
    int reports;           /* that accepting had no descriptors */
    int clients;           /* accepted */
    asyncio_event_t event; /* set when both are */
};

static void note_pause(asyncio_loop_t *loop, const asyncio_exception_context_t *context, void *arg)
{
    (void)loop;
    assert_int_equal(context->code, -EMFILE);
    ((struct pause *)arg)->reports++;
}

static int count_client(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer,
                        void *arg)
{
    (void)reader, (void)writer;
    struct pause *pause = arg;
    return ++pause->clients == 2 ? asyncio_event_set(&pause->event) : 0;
}

static int accept_without_descriptors(void *arg, void **ret_result)
{
    (void)ret_result;
    struct pause *pause = arg;
    struct rlimit before, low;
    asyncio_loop_set_exception_handler(asyncio_get_running_loop(), note_pause, pause);
    asyncio_server_t *server = start(count_client, pause);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(asyncio_server_port(server, 0)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int clients[2];
    getrlimit(RLIMIT_NOFILE, &before);
    low = before;
    low.rlim_cur = 0;
    for (int i = 0; i < 2; i++)
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setrlimit(RLIMIT_NOFILE, &low);
    for (int i = 0; i < 2; i++)
        assert_int_equal(connect(clients[i], (struct sockaddr *)&address, sizeof(address)), 0);
    while (pause->reports == 0) /* until the kernel says that somebody is there */
        assert_int_equal(asyncio_sleep(0), 0);
    for (int i = 1; i <= 6; i++) { /* one try, and one report, a second */
        assert_int_equal(asyncio_sleep(0.5), 0);
        assert_in_range(pause->reports, (i + 1) / 2, (i + 1) / 2 + 1);
    }
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(asyncio_event_wait(&pause->event), 0);
    for (int i = 0; i < 2; i++)
        close(clients[i]);
    stop(server);
    return 0;
}

/* Without descriptors a server retries once a second, reports each failure, and loses no
 * connection. */
static void test_accept_without_descriptors(void **state)
{
    (void)state;
    const char *engine = getenv("ASYNCIO_ENGINE");
    if ((engine && strcmp(engine, "sim") == 0) || asyncio__on_valgrind())
        skip(); /* valgrind only pretends to set the limit */
    struct pause pause = {.reports = 0};
    asyncio_loop_options_t options = {.size = sizeof(options), .clock = ASYNCIO_CLOCK_VIRTUAL};
    asyncio_loop_t *loop = asyncio_new_event_loop_full(&options);
    assert_int_equal(asyncio_event_init(&pause.event), 0);
    assert_int_equal(asyncio_loop_run_until_complete(
                         loop, asyncio_coroutine(accept_without_descriptors, &pause), NULL), 0);
    assert_int_equal(pause.clients, 2);
    asyncio_event_fini(&pause.event);
    asyncio_loop_unref(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit_connections),
        cmocka_unit_test(test_start_without_room),
        cmocka_unit_test(test_accept_refused),
        cmocka_unit_test(test_accept_without_descriptors),
    };
    sweep_may_wait = true;
    return cmocka_run_group_tests_name("server_limits", tests, NULL, NULL);
}
