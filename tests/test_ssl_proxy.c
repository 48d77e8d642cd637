/* SPDX-License-Identifier: MIT */
/*
 * TLS through a proxy that cuts the connection at each byte of the handshake, delivers byte by byte
 * and late, inserts plaintext, alerts and nonsense, and changes bytes: each connection ends with a
 * code of its own or goes well, nothing is read that was not sent, and the server serves the next.
 */
#include <asyncio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/sanitizer.h"
#include "support/byte_proxy.h"
#include "support/ssl_fixture.h"
#include "support/support.h"

/* A server by TLS, a proxy in front of it, and a client's context. */
typedef struct scene {
    pair_t pair; /* the server; a connection through the proxy */
    byte_proxy_t proxy;
    bool is_tls_1_2;
    const byte_plan_t *plan; /* of tests with one */
    int code;                /* that is allowed beside success; 0: none */
} scene_t;

/* Every byte with ASYNCIO_TEST_LONG=1, else every n-th; fewer where a handshake takes long. */
static size_t stride(void)
{
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
    return 41;
#else
    if (getenv("ASYNCIO_TEST_KERNEL") || sweep_is_on || asyncio__on_valgrind())
        return 97;
    return getenv("ASYNCIO_TEST_LONG") ? 1 : 3;
#endif
}

static void ignore(asyncio_loop_t *loop, const asyncio_exception_context_t *context, void *arg)
{
    (void)loop, (void)context, (void)arg; /* what handlers of the server and the proxy end with */
}

static void open_scene(scene_t *scene)
{
    asyncio_loop_set_exception_handler(asyncio_get_running_loop(), ignore, NULL);
    certificate_t own = certificate_new(&(certificate_options_t){
        .name = "client", .issuer = &test_ca});
    pair_options_t options = {.server_ssl = new_server_context(NULL),
                              .client_ssl = new_client_context()};
    assert_int_equal(asyncio_ssl_context_load_verify_pem(options.server_ssl, test_ca.cert,
                                                         strlen(test_ca.cert)), 0);
    assert_int_equal(
        asyncio_ssl_context_set_verify_mode(options.server_ssl, ASYNCIO_SSL_CERT_REQUIRED), 0);
    assert_int_equal(asyncio_ssl_context_load_cert_chain_pem(options.client_ssl, own.cert,
                                                             strlen(own.cert), own.key,
                                                             strlen(own.key), NULL, NULL), 0);
    if (scene->is_tls_1_2)
        assert_int_equal(
            asyncio_ssl_context_set_maximum_version(options.server_ssl, ASYNCIO_TLS_1_2), 0);
    certificate_drop(&own);
    open_server(&scene->pair, &options);
    scene->proxy.target = asyncio_server_port(scene->pair.server, 0);
    byte_proxy_start(&scene->proxy);
}

static void close_scene(scene_t *scene)
{
    byte_proxy_stop(&scene->proxy);
    close_pair(&scene->pair);
}

static int connect_to(scene_t *scene, uint16_t port)
{
    asyncio_connection_options_t options = {.size = sizeof(options),
                                            .ssl = scene->pair.client_ssl,
                                            .server_hostname = "localhost"};
    return asyncio_open_connection("127.0.0.1", port, &options, &scene->pair.reader,
                                   &scene->pair.writer);
}

/* Says a word, which must come back as it was: 0, or the code with which that failed. */
static int say(scene_t *scene)
{
    char word[8] = "";
    int rc = asyncio_stream_writer_write(scene->pair.writer, "a word.", 7);
    if (rc == 0)
        rc = (int)asyncio_stream_reader_readexactly(scene->pair.reader, word, 7, NULL);
    if (rc == 7)
        assert_string_equal(word, "a word.");
    return rc < 0 ? rc : 0;
}

static void drop_client(scene_t *scene)
{
    asyncio_stream_writer_close(scene->pair.writer);
    asyncio_stream_writer_wait_closed(scene->pair.writer);
    asyncio_stream_reader_unref(scene->pair.reader);
    asyncio_stream_writer_unref(scene->pair.writer);
    scene->pair.writer = NULL;
}

/* Connects through the proxy and says a word: 0, or the code of what failed. */
static int try_once(scene_t *scene)
{
    int rc = connect_to(scene, byte_proxy_port(&scene->proxy));
    if (rc == 0) {
        rc = say(scene);
        drop_client(scene);
    }
    asyncio_error_clear();
    return rc;
}

/* The same with a limit of virtual time, for what would be waited for without end. */
static int try_in_coroutine(void *arg, void **ret_result)
{
    (void)ret_result;
    return try_once(arg);
}

static int try_in_time(scene_t *scene)
{
    int rc = asyncio_wait_for(asyncio_coroutine_full(try_in_coroutine, scene, NULL), 100, NULL);
    if (rc == -ETIMEDOUT && scene->pair.writer)
        drop_client(scene);
    asyncio_error_clear();
    return rc;
}

static void expect_server_serves(scene_t *scene)
{
    scene->proxy.plan = (byte_plan_t){.deed = BYTE_NOTHING};
    assert_int_equal(try_once(scene), 0);
}

/* --- cut at each byte ---------------------------------------------------------------------- */

static bool is_cut_code(int code)
{
    return code == -ECONNRESET || code == ASYNCIO_ESSLEOF || code == ASYNCIO_EINCOMPLETEREAD ||
           code == -EPIPE;
}

static void cut_everywhere(scene_t *scene, byte_deed_t deed, int direction, size_t count)
{
    long blocks = 0;
    int descriptors = 0, successes = 0;
    for (size_t at = 0; at < count; at += stride()) {
        scene->proxy.plan = (byte_plan_t){.deed = deed, .direction = direction, .at = at};
        int rc = try_once(scene);
        if (rc != 0 && !is_cut_code(rc))
            fail_msg("cut at byte %zu of %zu: %s", at, count, asyncio_error_name(rc));
        successes += rc == 0;
        if (at == stride() * 8) {
            blocks = asyncio__live_blocks();
            descriptors = open_descriptors();
        }
    }
    assert_true(successes < 3 || deed == BYTE_END); /* in what is said after the word */
    for (int i = 0; i < 100; i++)
        asyncio_sleep(0);
    assert_true(asyncio__live_blocks() <= blocks + 64);
    assert_true(open_descriptors() <= descriptors + 6);
    expect_server_serves(scene);
}

static int cut_all(void *arg, void **ret_result)
{
    (void)ret_result;
    scene_t *scene = arg;
    size_t counts[2];
    open_scene(scene);
    expect_server_serves(scene);
    assert_int_equal(connect_to(scene, byte_proxy_port(&scene->proxy)), 0);
    assert_int_equal(say(scene), 0); /* all of the handshake, tickets and a word */
    memcpy(counts, scene->proxy.passed, sizeof(counts));
    drop_client(scene);
    assert_true(counts[0] > 500 && counts[1] > 1000);
    for (int direction = 0; direction < 2; direction++)
        cut_everywhere(scene, direction == scene->is_tls_1_2 ? BYTE_CUT : BYTE_RESET, direction,
                       counts[direction]);
    close_scene(scene);
    return 0;
}

/* A handshake with certificates on both sides that is cut, at whichever byte and in whichever
 * direction, ends with a lost connection on the client's side, and the server serves the next. */
static void test_cut_1_3(void **state)
{
    (void)state;
    scene_t scene = {.is_tls_1_2 = false};
    run_ssl_with(cut_all, &scene);
}

static void test_cut_1_2(void **state)
{
    (void)state;
    scene_t scene = {.is_tls_1_2 = true};
    run_ssl_with(cut_all, &scene);
}

/* --- slowly -------------------------------------------------------------------------------- */

static void run_virtual(asyncio_coroutine_function_t *fn, void *arg)
{
    skip_without_sockets();
    asyncio_loop_options_t options = {.size = sizeof(options), .clock = ASYNCIO_CLOCK_VIRTUAL};
    asyncio_loop_t *loop = asyncio_new_event_loop_full(&options);
    assert_int_equal(
        asyncio_loop_run_until_complete(loop, asyncio_coroutine_full(fn, arg, NULL), NULL), 0);
    assert_int_equal(asyncio_loop_close(loop), 0);
    asyncio_loop_unref(loop);
    asyncio_error_clear();
}

static int follow_plan(void *arg, void **ret_result)
{
    (void)ret_result;
    scene_t *scene = arg;
    open_scene(scene);
    scene->proxy.plan = *scene->plan;
    assert_int_equal(try_once(scene), scene->code);
    expect_server_serves(scene);
    close_scene(scene);
    return 0;
}

/* Bytes that come one by one are a handshake like any other. */
static void test_dribble(void **state)
{
    (void)state;
    static const byte_plan_t plan = {.piece = 1};
    run_virtual(follow_plan, &(scene_t){.plan = &plan, .is_tls_1_2 = true});
    run_virtual(follow_plan, &(scene_t){.plan = &plan});
}

/* A slow connection may take as long as a handshake may, and no longer. */
static void test_delays(void **state)
{
    (void)state;
    static const byte_plan_t slow = {.piece = 500, .delay = 2}, slower = {.piece = 50, .delay = 4};
    run_virtual(follow_plan, &(scene_t){.plan = &slow});
    run_virtual(follow_plan, &(scene_t){.plan = &slower, .code = -ECONNABORTED});
}

/* --- inserted and changed bytes ------------------------------------------------------------ */

static bool is_meddling_code(int code)
{
    return is_cut_code(code) || code == ASYNCIO_ESSL || code == -ECONNABORTED ||
           code == -ETIMEDOUT || code == ASYNCIO_ESSLCERTVERIFICATION;
}

static int meddle_everywhere(void *arg, void **ret_result)
{
    (void)ret_result;
    scene_t *scene = arg;
    size_t counts[2];
    open_scene(scene);
    expect_server_serves(scene);
    memcpy(counts, scene->proxy.passed, sizeof(counts));
    for (int direction = 0; direction < 2; direction++) {
        for (size_t at = 0; at < counts[direction]; at += 13 * (stride() > 1 ? 7 : 1)) {
            scene->proxy.plan = *scene->plan;
            scene->proxy.plan.direction = direction;
            scene->proxy.plan.at = at;
            int rc = try_in_time(scene);
            if (rc != 0 && !is_meddling_code(rc))
                fail_msg("at byte %zu of %zu: %s", at, counts[direction], asyncio_error_name(rc));
        }
    }
    expect_server_serves(scene);
    close_scene(scene);
    return 0;
}

static void meddle_with(const void *data, size_t size)
{
    byte_plan_t plan = {.deed = data ? BYTE_INSERT : BYTE_CHANGE, .data = data, .size = size};
    for (int is_tls_1_2 = 0; is_tls_1_2 < 2; is_tls_1_2++)
        run_virtual(meddle_everywhere, &(scene_t){.plan = &plan, .is_tls_1_2 = is_tls_1_2});
}

/* Plaintext in a handshake, before it or behind it, is no data. */
static void test_plaintext(void **state)
{
    (void)state;
    meddle_with("GET / HTTP/1.1\r\n\r\n", 18);
}

/* Nor is a byte that was changed on its way. */
static void test_changed_byte(void **state)
{
    (void)state;
    meddle_with(NULL, 0);
}

static int insert_once(void *arg, void **ret_result)
{
    (void)ret_result;
    scene_t *scene = arg;
    open_scene(scene);
    scene->proxy.plan = *scene->plan;
    int rc = connect_to(scene, byte_proxy_port(&scene->proxy));
    asyncio_error_t *error = asyncio_error_of(rc);
    assert_int_equal(rc, scene->code);
    const char *wanted = (const char *)scene->plan->data + 64;
    assert_string_equal(asyncio_error_ssl_reason(error), wanted);
    asyncio_error_unref(error);
    asyncio_error_clear();
    expect_server_serves(scene);
    close_scene(scene);
    return 0;
}

/* Alerts and records that are too large, before the server's first byte, end the handshake, and the
 * error says which. */
static void test_bad_records(void **state)
{
    static const struct {
        char data[64];
        char reason[64];
        size_t size;
    } cases[] = {
        {"\x15\x03\x03\x00\x02\x02\x28", "SSLV3_ALERT_HANDSHAKE_FAILURE", 7},
        {"\x15\x03\x03\x00\x02\x02\x46", "TLSV1_ALERT_PROTOCOL_VERSION", 7},
        {"\x16\x03\x03\xff\xff", "PACKET_LENGTH_TOO_LONG", 5},
        {"\x17\x03\x03\x00\x01x", "UNEXPECTED_MESSAGE", 6},
        {"HTTP/1.1 400 Bad Request\r\n\r\n", "WRONG_VERSION_NUMBER", 28},
    };
    (void)state;
    skip_without_sockets();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        byte_plan_t plan = {.deed = BYTE_INSERT, .direction = BYTES_OF_SERVER,
                            .data = cases[i].data, .size = cases[i].size};
        run_virtual(insert_once, &(scene_t){.plan = &plan, .code = ASYNCIO_ESSL});
    }
}

/* --- the end ------------------------------------------------------------------------------- */

#define CLOSE_NOTIFY_BYTES 24 /* of TLS 1.3 */

static int hold_close(void *arg, void **ret_result)
{
    (void)ret_result;
    scene_t *scene = arg;
    char byte;
    open_scene(scene);
    expect_server_serves(scene);
    assert_int_equal(connect_to(scene, byte_proxy_port(&scene->proxy)), 0);
    assert_int_equal(say(scene), 0);
    *scene->proxy.latest = (byte_plan_t){
        .deed = BYTE_INSERT, .direction = BYTES_OF_SERVER, .data = "data behind", .size = 11,
        .at = scene->proxy.passed[BYTES_OF_SERVER] + CLOSE_NOTIFY_BYTES};
    asyncio_server_close_clients(scene->pair.server);
    assert_int_equal(asyncio_stream_reader_read(scene->pair.reader, &byte, 1), 0);
    assert_int_equal(asyncio_stream_reader_read(scene->pair.reader, &byte, 1), 0);
    drop_client(scene);
    close_scene(scene);
    return 0;
}

/* What comes behind a close_notify is not looked at. */
static void test_data_after_close_notify(void **state)
{
    (void)state;
    run_virtual(hold_close, &(scene_t){.code = 0});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_1_3),     cmocka_unit_test(test_cut_1_2),
        cmocka_unit_test(test_dribble),     cmocka_unit_test(test_delays),
        cmocka_unit_test(test_plaintext),   cmocka_unit_test(test_changed_byte),
        cmocka_unit_test(test_bad_records), cmocka_unit_test(test_data_after_close_notify),
    };
    return cmocka_run_group_tests(tests, ssl_setup, ssl_teardown);
}
