/* SPDX-License-Identifier: MIT */
/*
 * Connections and servers by TLS: handshakes, what is verified, data, and how connections end. On
 * every engine that has sockets.
 */
#include <asyncio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/ssl_fixture.h"

/* --- data ---------------------------------------------------------------------------------- */

static int echo_some(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    pair_t pair;
    open_pair(&pair, NULL);
    const char *line;
    assert_int_equal(asyncio_stream_writer_write(pair.writer, "hello\n", 6), 0);
    assert_int_equal(asyncio_stream_reader_readline(pair.reader, &line), 6);
    assert_memory_equal(line, "hello\n", 6);
    const asyncio_ssl_object_t *object = asyncio_stream_writer_get_ssl_object(pair.writer);
    assert_string_equal(asyncio_ssl_object_version(object), "TLSv1.3");
    close_pair(&pair);
    return 0;
}

/* A client verifies the server, and what is written comes back. */
static void test_echo(void **state)
{
    (void)state;
    run_ssl(echo_some);
}

#define MUCH_BYTES 3000000

static int echo_much(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    pair_t pair;
    open_pair(&pair, NULL);
    unsigned char *sent = malloc(MUCH_BYTES), *received = malloc(MUCH_BYTES);
    for (size_t i = 0; i < MUCH_BYTES; i++)
        sent[i] = (unsigned char)(i * 31 + i / 4096);
    struct iovec pieces[3] = {
        {sent, 10}, {sent + 10, 100000}, {sent + 100010, MUCH_BYTES - 100010}};
    assert_int_equal(asyncio_stream_writer_writelines(pair.writer, pieces, 3), 0);
    assert_int_equal(asyncio_stream_reader_readexactly(pair.reader, received, MUCH_BYTES, NULL),
                     MUCH_BYTES);
    assert_memory_equal(sent, received, MUCH_BYTES);
    free(sent);
    free(received);
    close_pair(&pair);
    return 0;
}

/* Three million bytes go there and back, through full buffers on both sides. */
static void test_echo_much(void **state)
{
    (void)state;
    run_ssl(echo_much);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_echo_much),
    };
    return cmocka_run_group_tests(tests, ssl_setup, ssl_teardown);
}
