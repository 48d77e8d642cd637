/* SPDX-License-Identifier: MIT */
/* Transports over socket pairs: the order of the callbacks, back-pressure, and how they end. */
#include "support/protocol_fixture.h"

#include <signal.h>

static asyncio_loop_t *running(void)
{
    return asyncio_get_running_loop();
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Ends both sides, and compares what the protocol was told. */
static void finish(recorder_t *recorder, asyncio_transport_t *transport, int fd, const char *log)
{
    asyncio_transport_close(transport);
    wait_lost(recorder);
    close(fd);
    assert_string_equal(recorder->log, log);
    asyncio_transport_unref(transport);
}

/* --- order --------------------------------------------------------------------------------- */

/* Bytes that are there before the transport is come after connection_made, and after the call that
 * made it has returned. */
static int order(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = recorder_init(&plain_functions);
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    say(fds[1], "early");
    asyncio_socket_t *sock = asyncio_socket_from_fd(fds[0]);
    asyncio_transport_t *transport;
    assert_int_equal(
        asyncio_loop_connect_accepted_socket(running(), give, &recorder, sock, NULL,
                                             &transport), 0);
    asyncio_socket_unref(sock);
    assert_string_equal(recorder.log, "made ");
    assert_ptr_equal(recorder.transport, transport);
    assert_ptr_equal(asyncio_transport_get_protocol(transport), &recorder.protocol);
    WAIT_UNTIL(&recorder, recorder.received == 5);
    finish(&recorder, transport, fds[1], "made data(early) lost(0) ");
    return 0;
}

static void test_order(void **state)
{
    (void)state;
    run_clean(order, NULL);
}

static void pause_now(recorder_t *recorder)
{
    assert_true(asyncio_transport_is_reading(recorder->transport));
    assert_int_equal(asyncio_transport_pause_reading(recorder->transport), 0);
    assert_false(asyncio_transport_is_reading(recorder->transport));
}

/* pause_reading() in connection_made holds. */
static int pause_in_made(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = recorder_init(&plain_functions);
    asyncio_transport_t *transport;
    recorder.on_made = pause_now;
    int fd = open_recorded(&recorder, &transport);
    say(fd, "later");
    for (int i = 0; i < 8; i++)
        assert_int_equal(asyncio_sleep(0), 0);
    assert_string_equal(recorder.log, "made ");
    assert_int_equal(asyncio_transport_resume_reading(transport), 0);
    assert_int_equal(asyncio_transport_resume_reading(transport), 0);
    WAIT_UNTIL(&recorder, recorder.received == 5);
    finish(&recorder, transport, fd, "made data(later) lost(0) ");
    return 0;
}

static void test_pause_in_made(void **state)
{
    (void)state;
    run_clean(pause_in_made, NULL);
}

/* Waits until the loop has polled, with something that the poll finds. */
static void poll_once(void)
{
    recorder_t other = recorder_init(&plain_functions);
    asyncio_transport_t *transport;
    int fd = open_recorded(&other, &transport);
    say(fd, "x");
    WAIT_UNTIL(&other, other.received == 1);
    finish(&other, transport, fd, "made data(x) lost(0) ");
}

/* What a pending read receives while reading is paused is kept, and the end behind it. */
static int pause_later(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = recorder_init(&plain_functions);
    asyncio_transport_t *transport;
    recorder.keeps_open = true;
    int fd = open_recorded(&recorder, &transport);
    poll_once(); /* the read is pending */
    pause_now(&recorder);
    say(fd, "kept");
    shutdown(fd, SHUT_WR);
    poll_once();
    assert_string_equal(recorder.log, "made ");
    asyncio_transport_resume_reading(transport);
    WAIT_UNTIL(&recorder, strstr(recorder.log, "eof"));
    assert_false(asyncio_transport_is_closing(transport));
    finish(&recorder, transport, fd, "made data(kept) eof lost(0) ");
    return 0;
}

static void test_pause_later(void **state)
{
    (void)state;
    run_clean(pause_later, NULL);
}

/* The same, and the transport is closed while it is paused: nothing is delivered. */
static int close_paused(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = recorder_init(&plain_functions);
    asyncio_transport_t *transport;
    int fd = open_recorded(&recorder, &transport);
    poll_once();
    pause_now(&recorder);
    say(fd, "kept");
    poll_once();
    finish(&recorder, transport, fd, "made lost(0) ");
    return 0;
}

static void test_close_paused(void **state)
{
    (void)state;
    run_clean(close_paused, NULL);
}

/* --- the end of the input ------------------------------------------------------------------ */

/* eof_received returns true: the transport can still be written to. */
static int eof_kept_open(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = recorder_init(&plain_functions);
    asyncio_transport_t *transport;
    char byte = 0;
    recorder.keeps_open = true;
    int fd = open_recorded(&recorder, &transport);
    shutdown(fd, SHUT_WR);
    WAIT_UNTIL(&recorder, strstr(recorder.log, "eof"));
    assert_int_equal(asyncio_transport_write(transport, "y", 1), 0);
    while (recv(fd, &byte, 1, MSG_DONTWAIT) < 0)
        assert_int_equal(asyncio_sleep(0), 0);
    assert_int_equal(byte, 'y');
    finish(&recorder, transport, fd, "made eof lost(0) ");
    return 0;
}

static void test_eof_kept_open(void **state)
{
    (void)state;
    run_clean(eof_kept_open, NULL);
}

/* eof_received returns false, or there is none: the transport is closed. */
static int eof_closes(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    for (int i = 0; i < 2; i++) {
        asyncio_protocol_functions_t functions = plain_functions;
        functions.eof_received = i == 0 ? record_eof : NULL;
        recorder_t recorder = recorder_init(&functions);
        asyncio_transport_t *transport;
        int fd = open_recorded(&recorder, &transport);
        shutdown(fd, SHUT_WR);
        wait_lost(&recorder);
        assert_true(asyncio_transport_is_closing(transport));
        finish(&recorder, transport, fd, i == 0 ? "made eof lost(0) " : "made lost(0) ");
    }
    return 0;
}

static void test_eof_closes(void **state)
{
    (void)state;
    run_clean(eof_closes, NULL);
}

/* --- closing ------------------------------------------------------------------------------- */

/* connection_lost is never called from inside close() or abort(), and data no more after them. */
static int end_later(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    for (int i = 0; i < 2; i++) {
        recorder_t recorder = recorder_init(&plain_functions);
        asyncio_transport_t *transport;
        int fd = open_recorded(&recorder, &transport);
        assert_int_equal(i ? asyncio_transport_abort(transport)
                           : asyncio_transport_close(transport),
                         0);
        assert_true(asyncio_transport_is_closing(transport));
        assert_false(asyncio_transport_is_reading(transport));
        assert_false(recorder.is_lost);
        assert_int_equal(asyncio_transport_pause_reading(transport), 0);
        assert_int_equal(asyncio_transport_resume_reading(transport), 0);
        finish(&recorder, transport, fd, "made lost(0) ");
    }
    return 0;
}

static void test_end_later(void **state)
{
    (void)state;
    run_clean(end_later, NULL);
}

/* A close from the callback that got the data. */
static void close_now(recorder_t *recorder, const void *data, size_t size)
{
    asyncio_transport_write(recorder->transport, data, size);
    asyncio_transport_close(recorder->transport);
    assert_false(recorder->is_lost);
}

static int close_flushes(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = recorder_init(&plain_functions);
    asyncio_transport_t *transport;
    char bytes[16];
    recorder.on_data = close_now;
    int fd = open_recorded(&recorder, &transport);
    say(fd, "reply");
    wait_lost(&recorder);
    assert_int_equal(asyncio_transport_write(transport, "dropped", 7), 0);
    assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 5);
    assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 0);
    finish(&recorder, transport, fd, "made data(reply) lost(0) ");
    return 0;
}

static void test_close_flushes(void **state)
{
    (void)state;
    run_clean(close_flushes, NULL);
}

/* Bytes that come while a read is pending are unread when the transport is closed: they are
 * dropped, and the peer gets what was written, then the end. */
static int close_under_read(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    static const asyncio_protocol_functions_t *const kinds[] = {&plain_functions,
                                                                &buffered_functions};
    for (int i = 0; i < 2; i++) {
        recorder_t recorder = recorder_init(kinds[i]);
        asyncio_transport_t *transport;
        char bytes[16];
        int fd = open_recorded(&recorder, &transport);
        poll_once(); /* the read is pending */
        say(fd, "unread");
        assert_int_equal(asyncio_transport_write(transport, "bye", 3), 0);
        assert_int_equal(asyncio_transport_close(transport), 0);
        shutdown(fd, SHUT_WR);
        wait_lost(&recorder);
        assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 3);
        assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 0);
        finish(&recorder, transport, fd, "made lost(0) ");
    }
    return 0;
}

static void test_close_under_read(void **state)
{
    (void)state;
    run_clean(close_under_read, NULL);
}

/* A program that closes the socket itself ends the transport in order: connection_lost gets 0. */
static int close_below(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    for (int writes = 0; writes < 2; writes++) {
        recorder_t recorder = recorder_init(&plain_functions);
        asyncio_transport_t *transport;
        int fd = open_recorded(&recorder, &transport);
        poll_once(); /* the read is pending */
        assert_int_equal(asyncio_socket_close(asyncio_transport_get_socket(transport)), 0);
        if (writes)
            assert_int_equal(asyncio_transport_write(transport, "nowhere", 7), 0);
        wait_lost(&recorder);
        finish(&recorder, transport, fd, "made lost(0) ");
    }
    return 0;
}

static void test_close_below(void **state)
{
    (void)state;
    run_clean(close_below, NULL);
}

/* What a pending send still holds after abort() is dropped, and does not count as unsent. */
static int abort_counts_nothing(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = recorder_init(&plain_functions);
    asyncio_transport_t *transport;
    static char much[1 << 20];
    int fd = open_recorded(&recorder, &transport);
    assert_int_equal(asyncio_transport_write(transport, much, sizeof(much)), 0);
    poll_once(); /* the send is pending */
    assert_true(asyncio_transport_get_write_buffer_size(transport) > 0);
    assert_int_equal(asyncio_transport_abort(transport), 0);
    assert_int_equal(asyncio_transport_get_write_buffer_size(transport), 0);
    finish(&recorder, transport, fd, "made pause lost(0) ");
    return 0;
}

static void test_abort_counts_nothing(void **state)
{
    (void)state;
    run_clean(abort_counts_nothing, NULL);
}

/* The peer has closed with bytes unread: it is a reset, which connection_lost is told. */
static int reset(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = recorder_init(&plain_functions);
    asyncio_transport_t *transport;
    int fd = open_recorded(&recorder, &transport);
    assert_int_equal(asyncio_transport_write(transport, "unread", 6), 0);
    while (asyncio_transport_get_write_buffer_size(transport) > 0)
        assert_int_equal(asyncio_sleep(0), 0);
    close(fd);
    wait_lost(&recorder);
    assert_int_equal(recorder.code, -ECONNRESET);
    finish(&recorder, transport, dup(0), "made lost(ECONNRESET) ");
    return 0;
}

static void test_reset(void **state)
{
    (void)state;
    run_clean(reset, NULL);
}

static recorder_t *left; /* on the heap */
static int left_destroyed;

static int leave_open(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    left = malloc(sizeof(*left));
    *left = recorder_init(&plain_functions);
    left->destroyed = &left_destroyed;
    asyncio_transport_t *transport;
    int fd = open_recorded(left, &transport);
    poll_once();
    close(fd);
    asyncio_transport_pause_reading(transport);
    asyncio_transport_unref(transport);
    return 0;
}

/* A loop that is closed ends its transports: their protocols are destroyed, and told nothing. */
static void test_leave_open(void **state)
{
    (void)state;
    left_destroyed = 0;
    run_clean(leave_open, NULL);
    assert_int_equal(left_destroyed, 1);
}

/* --- writing ------------------------------------------------------------------------------- */

/* pause_writing is called inside the write that goes above the mark, and once; resume_writing when
 * the peer has taken enough. */
static int back_pressure(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    static char block[65536];
    recorder_t recorder = recorder_init(&plain_functions);
    asyncio_transport_t *transport;
    int fd = open_recorded(&recorder, &transport), rounds = 0;
    size_t written = 0, high, low;
    assert_int_equal(asyncio_transport_set_write_buffer_limits(transport, 100000, SIZE_MAX), 0);
    assert_int_equal(asyncio_transport_get_write_buffer_limits(transport, &high, &low), 0);
    assert_int_equal(high, 100000);
    assert_int_equal(low, 25000);
    while (!recorder.is_paused && rounds++ < 1000) {
        assert_int_equal(asyncio_transport_write(transport, block, sizeof(block)), 0);
        written += sizeof(block);
    }
    assert_true(recorder.is_paused);
    assert_true(asyncio_transport_get_write_buffer_size(transport) > high);
    assert_int_equal(asyncio_transport_write(transport, block, 1), 0);
    written++;
    while (written > 0) {
        ssize_t count = recv(fd, block, sizeof(block), MSG_DONTWAIT);
        if (count > 0)
            written -= (size_t)count;
        else
            assert_int_equal(asyncio_sleep(0), 0);
    }
    WAIT_UNTIL(&recorder, !recorder.is_paused);
    finish(&recorder, transport, fd, "made pause resume lost(0) ");
    return 0;
}

static void test_back_pressure(void **state)
{
    (void)state;
    run_clean(back_pressure, NULL);
}

/* abort() drops what is unsent; a write that waits is not resumed. */
static int abort_unsent(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    static char block[1 << 20];
    recorder_t recorder = recorder_init(&plain_functions);
    asyncio_transport_t *transport;
    int fd = open_recorded(&recorder, &transport);
    assert_int_equal(asyncio_transport_write(transport, block, sizeof(block)), 0);
    assert_true(recorder.is_paused);
    assert_int_equal(asyncio_transport_abort(transport), 0);
    assert_int_equal(asyncio_transport_get_write_buffer_size(transport), 0);
    finish(&recorder, transport, fd, "made pause lost(0) ");
    return 0;
}

static void test_abort_unsent(void **state)
{
    (void)state;
    run_clean(abort_unsent, NULL);
}

static int write_eof(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = recorder_init(&plain_functions);
    asyncio_transport_t *transport;
    struct iovec pieces[2] = {{"ab", 2}, {"c", 1}};
    char bytes[8];
    int fd = open_recorded(&recorder, &transport);
    assert_true(asyncio_transport_can_write_eof(transport));
    assert_int_equal(asyncio_transport_writelines(transport, pieces, 2), 0);
    assert_int_equal(asyncio_transport_write_eof(transport), 0);
    assert_int_equal(asyncio_transport_write_eof(transport), 0);
    assert_int_equal(asyncio_transport_write(transport, "x", 1), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_transport_writelines(transport, pieces, 2), ASYNCIO_ERUNTIME);
    poll_once();
    assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 3);
    assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 0);
    say(fd, "more");
    WAIT_UNTIL(&recorder, recorder.received == 4);
    finish(&recorder, transport, fd, "made data(more) lost(0) ");
    return 0;
}

static void test_write_eof(void **state)
{
    (void)state;
    run_clean(write_eof, NULL);
}

/* --- the buffered kind --------------------------------------------------------------------- */

static int buffered(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = recorder_init(&buffered_functions);
    asyncio_transport_t *transport;
    int fd = open_recorded(&recorder, &transport);
    say(fd, "abcdef");
    WAIT_UNTIL(&recorder, recorder.received == 6);
    pause_now(&recorder);
    say(fd, "gh");
    poll_once();
    asyncio_transport_resume_reading(transport);
    shutdown(fd, SHUT_WR);
    wait_lost(&recorder);
    finish(&recorder, transport, fd, "made into(abcd) into(ef) into(gh) eof lost(0) ");
    return 0;
}

static void test_buffered(void **state)
{
    (void)state;
    run_clean(buffered, NULL);
}

static int reports;

static void count_report(asyncio_loop_t *loop, const asyncio_exception_context_t *context,
                         void *arg)
{
    (void)loop, (void)arg;
    assert_int_equal(context->code, ASYNCIO_ERUNTIME);
    reports++;
}

/* get_buffer returns nothing: that is reported, and ends the connection. */
static int buffer_empty(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = recorder_init(&buffered_functions);
    asyncio_transport_t *transport;
    reports = 0;
    asyncio_loop_set_exception_handler(running(), count_report, NULL);
    recorder.room = 0;
    int fd = open_recorded(&recorder, &transport);
    say(fd, "x");
    wait_lost(&recorder);
    assert_int_equal(reports, 1);
    finish(&recorder, transport, fd, "made lost(RuntimeError) ");
    return 0;
}

static void test_buffer_empty(void **state)
{
    (void)state;
    run_clean(buffer_empty, NULL);
}

static recorder_t second; /* that takes over */

static void take_over(recorder_t *recorder, const void *data, size_t size)
{
    (void)data, (void)size;
    assert_int_equal(asyncio_transport_set_protocol(recorder->transport, &second.protocol), 0);
}

/* A protocol is exchanged by its own function, and by one of the other kind while a read of the
 * former kind is pending. */
static int exchange_protocol(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t first = recorder_init(&plain_functions), third = recorder_init(&plain_functions);
    second = recorder_init(&buffered_functions);
    give(&second);
    give(&third);
    asyncio_transport_t *transport;
    first.on_data = take_over;
    int fd = open_recorded(&first, &transport);
    say(fd, "one");
    WAIT_UNTIL(&first, first.received == 3);
    say(fd, "two");
    WAIT_UNTIL(&second, second.received == 3);
    poll_once();
    assert_int_equal(asyncio_transport_set_protocol(transport, &third.protocol), 0);
    say(fd, "three");
    WAIT_UNTIL(&third, third.received == 5);
    poll_once();
    assert_int_equal(asyncio_transport_set_protocol(transport, &second.protocol), 0);
    say(fd, "again");
    WAIT_UNTIL(&second, second.received == 8);
    finish(&second, transport, fd, "into(two) into(agai) into(n) lost(0) ");
    assert_string_equal(first.log, "made data(one) ");
    assert_string_equal(third.log, "data(three) ");
    return 0;
}

static void test_exchange_protocol(void **state)
{
    (void)state;
    run_clean(exchange_protocol, NULL);
}

/* --- what is known, and what is refused ---------------------------------------------------- */

static int misuse(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = recorder_init(&plain_functions);
    asyncio_transport_t *transport, *none = NULL;
    asyncio_protocol_functions_t bad = {.size = 1};
    asyncio_protocol_t wrong = {.functions = &bad};
    struct iovec pieces[1] = {{NULL, 1}};
    char text[8];
    size_t size;
    int fd = open_recorded(&recorder, &transport);
    assert_int_equal(asyncio_transport_write(NULL, "x", 1), -EINVAL);
    assert_int_equal(asyncio_transport_write(transport, NULL, 1), -EINVAL);
    assert_int_equal(asyncio_transport_write(transport, NULL, 0), 0);
    assert_int_equal(asyncio_transport_writelines(transport, NULL, 1), -EINVAL);
    assert_int_equal(asyncio_transport_writelines(transport, pieces, 1), -EINVAL);
    assert_int_equal(asyncio_transport_set_write_buffer_limits(transport, 1, 2), -EINVAL);
    assert_int_equal(asyncio_transport_get_write_buffer_limits(transport, NULL, &size), -EINVAL);
    assert_int_equal(asyncio_transport_get_extra_info(transport, "cipher", text, 8), -EINVAL);
    assert_int_equal(asyncio_transport_get_extra_info(transport, NULL, text, 8), -EINVAL);
    assert_int_equal(asyncio_transport_get_extra_info(transport, "peername", text, 8), 0);
    assert_int_equal(asyncio_transport_set_protocol(transport, NULL), -EINVAL);
    assert_int_equal(asyncio_transport_set_protocol(transport, &wrong), -EINVAL);
    bad = plain_functions;
    bad.get_buffer = record_get;
    assert_int_equal(asyncio_transport_set_protocol(transport, &wrong), -EINVAL);
    assert_int_equal(asyncio_transport_write_eof(NULL), -EINVAL);
    assert_int_equal(asyncio_transport_close(NULL), -EINVAL);
    assert_int_equal(asyncio_transport_abort(NULL), -EINVAL);
    assert_int_equal(asyncio_transport_pause_reading(NULL), -EINVAL);
    assert_int_equal(asyncio_transport_resume_reading(NULL), -EINVAL);
    assert_true(asyncio_transport_is_closing(NULL));
    assert_false(asyncio_transport_is_reading(NULL) || asyncio_transport_can_write_eof(NULL));
    assert_null(asyncio_transport_get_protocol(NULL));
    assert_null(asyncio_transport_get_socket(NULL));
    assert_null(asyncio_transport_ref(NULL));
    asyncio_transport_unref(NULL);
    asyncio_transport_unref(asyncio_transport_ref(transport));
    /* A socket has one owner. */
    asyncio_socket_t *sock = asyncio_transport_get_socket(transport);
    assert_true(asyncio_socket_fileno(sock) >= 0);
    assert_int_equal(
        asyncio_loop_connect_accepted_socket(running(), give, &recorder, sock, NULL, &none),
        ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_loop_connect_accepted_socket(running(), NULL, NULL, sock, NULL,
                                                          &none),
                     -EINVAL);
    assert_int_equal(asyncio_loop_connect_accepted_socket(running(), give, NULL, NULL, NULL,
                                                          &none),
                     -EINVAL);
    assert_null(none);
    finish(&recorder, transport, fd, "made lost(0) ");
    return 0;
}

static void test_misuse(void **state)
{
    (void)state;
    run_clean(misuse, NULL);
}

/* --- contexts ------------------------------------------------------------------------------ */

static asyncio_context_var_t *variable;

static void tell_context(recorder_t *recorder, const void *data, size_t size)
{
    (void)data, (void)size;
    note(recorder, "%s ", (char *)asyncio_context_var_get_or(variable, (void *)"?"));
    asyncio_context_var_set(variable, (void *)"own");
}

static int contexts(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = recorder_init(&plain_functions);
    asyncio_transport_t *transport;
    variable = asyncio_context_var_new("test_transport");
    recorder.on_data = tell_context;
    asyncio_context_var_set(variable, (void *)"made");
    int fd = open_recorded(&recorder, &transport);
    asyncio_context_var_set(variable, (void *)"after");
    for (size_t i = 1; i <= 2; i++) {
        say(fd, "x");
        WAIT_UNTIL(&recorder, recorder.received == i);
    }
    assert_string_equal((char *)asyncio_context_var_get_or(variable, NULL), "after");
    finish(&recorder, transport, fd, "made data(x) made data(x) own lost(0) ");
    asyncio_context_var_unref(variable);
    return 0;
}

/* All callbacks of a transport run in one copy of the context that it was made in. */
static void test_contexts(void **state)
{
    (void)state;
    run_clean(contexts, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_pause_in_made),
        cmocka_unit_test(test_pause_later),
        cmocka_unit_test(test_close_paused),
        cmocka_unit_test(test_eof_kept_open),
        cmocka_unit_test(test_eof_closes),
        cmocka_unit_test(test_end_later),
        cmocka_unit_test(test_close_flushes),
        cmocka_unit_test(test_close_under_read),
        cmocka_unit_test(test_close_below),
        cmocka_unit_test(test_abort_counts_nothing),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_leave_open),
        cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_abort_unsent),
        cmocka_unit_test(test_write_eof),
        cmocka_unit_test(test_buffered),
        cmocka_unit_test(test_buffer_empty),
        cmocka_unit_test(test_exchange_protocol),
        cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_contexts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
