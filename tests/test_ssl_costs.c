/* SPDX-License-Identifier: MIT */
/*
 * What TLS costs, where that can be counted without a clock: system calls of a handshake and of a
 * request, allocations of a request, and the memory of an idle connection. The allocator, OpenSSL's
 * allocations and the table of system calls count here, each thread for itself.
 */
#include <arpa/inet.h>
#include <asyncio.h>
#include <asyncio/memory.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sanitizer.h"
#include "base/syscalls.h"
#include "support/ssl_fixture.h"

typedef struct costs {
    long blocks;         /* allocations and reallocations of the library */
    long openssl_blocks; /* of OpenSSL */
    long bytes;          /* that both hold */
    long sends, receives; /* system calls */
    long enters;         /* io_uring_enter */
} costs_t;

static _Thread_local costs_t spent;
static asyncio__syscalls_t sys; /* as it was */

/* --- counting ------------------------------------------------------------------------------ */

static void *count_realloc(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    spent.blocks++;
    spent.bytes += (long)new_size - (long)old_size;
    return realloc(block, new_size);
}

static void count_free(void *context, void *block, size_t size)
{
    (void)context;
    spent.bytes -= (long)size;
    free(block);
}

static void *openssl_malloc(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    void *block = malloc(size);
    spent.openssl_blocks++;
    spent.bytes += (long)malloc_usable_size(block);
    return block;
}

static void openssl_free(void *block, const char *file, int line)
{
    (void)file, (void)line;
    spent.bytes -= (long)malloc_usable_size(block);
    free(block);
}

static void *openssl_realloc(void *block, size_t size, const char *file, int line)
{
    if (!block)
        return openssl_malloc(size, file, line);
    if (size == 0) {
        openssl_free(block, file, line);
        return NULL;
    }
    spent.openssl_blocks++;
    spent.bytes -= (long)malloc_usable_size(block);
    block = realloc(block, size);
    spent.bytes += (long)malloc_usable_size(block);
    return block;
}

static ssize_t counted_send(int fd, const void *data, size_t size, int flags)
{
    spent.sends++;
    return sys.send(fd, data, size, flags);
}

static ssize_t counted_recv(int fd, void *data, size_t size, int flags)
{
    spent.receives++;
    return sys.recv(fd, data, size, flags);
}

static int counted_io_uring_enter(int ring, unsigned submit, unsigned wait, unsigned flags,
                                  const void *argument, size_t size)
{
    spent.enters++;
    return sys.io_uring_enter(ring, submit, wait, flags, argument, size);
}

static bool is_uring(void)
{
    return asyncio_loop_get_engine(asyncio_get_running_loop()) == ASYNCIO_ENGINE_URING;
}

/* --- a request ----------------------------------------------------------------------------- */

#define REQUESTS 100

static void request(pair_t *pair, char *data, size_t size)
{
    assert_int_equal(asyncio_stream_writer_write(pair->writer, data, size), 0);
    assert_int_equal(asyncio_stream_reader_readexactly(pair->reader, data, size, NULL), size);
}

static int count_requests(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    static char data[1024];
    pair_t pair;
    open_pair(&pair, NULL);
    for (int i = 0; i < 20; i++)
        request(&pair, data, sizeof(data));
    const costs_t before = spent;
    for (int i = 0; i < REQUESTS; i++)
        request(&pair, data, sizeof(data));
    costs_t now = spent;
    long sends = now.sends - before.sends, receives = now.receives - before.receives;
    long openssl_blocks = now.openssl_blocks - before.openssl_blocks;
    print_message("%d requests: %ld sends, %ld receives, %ld enters, %ld and %ld blocks\n",
                  REQUESTS, sends, receives, now.enters - before.enters,
                  now.blocks - before.blocks, openssl_blocks);
    assert_int_equal(now.blocks - before.blocks, 0);
    /* Of each of the two reads and writes: the buffer, which it releases, and two small ones. */
    assert_true(openssl_blocks <= 12 * REQUESTS);
    /* Client and server send once each, and receive once, unless that was tried too early. */
    assert_true(sends <= 2 * REQUESTS);
    if (is_uring())
        assert_true(sends + now.enters - before.enters <= 5 * REQUESTS);
    else
        assert_int_equal(sends, 2 * REQUESTS);
    assert_true(receives <= 4 * REQUESTS);
    close_pair(&pair);
    return 0;
}

/* A request by TLS costs one send and one receive on each side, and allocates nothing of the
 * library's. */
static void test_request(void **state)
{
    (void)state;
    run_ssl(count_requests);
}

/* --- a handshake --------------------------------------------------------------------------- */

static int count_handshake(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    pair_t pair;
    open_server(&pair, NULL);
    costs_t before = spent;
    assert_int_equal(connect_pair(&pair, NULL), 0);
    for (int i = 0; i < 20; i++)
        asyncio_sleep(0);
    print_message("handshake: %ld sends\n", spent.sends - before.sends);
    /* The client's hello and its Finished; the server's flight, and its tickets. */
    assert_true(spent.sends - before.sends <= 4);
    close_pair(&pair);
    return 0;
}

/* A handshake is two sends of the client and two of the server: what belongs together is gathered
 * into one. */
static void test_handshake(void **state)
{
    (void)state;
    run_ssl(count_handshake);
}

/* --- an idle connection -------------------------------------------------------------------- */

#define FEW  4
#define MANY 24
#define IDLE_BYTES 16384
#define SEND_BYTES 2048 /* of a record of 1 KiB */

typedef struct idlers {
    uint16_t port;
    int count;                /* of connections to be opened */
    SSL *ssl[MANY];           /* those that are open */
    int opened;
    SSL_CTX *ctx;
} idlers_t;

/* Opens connections by OpenSSL alone, each of which has made a request of 1 KiB. */
static int open_idle(void *arg, void **ret_result)
{
    (void)ret_result;
    idlers_t *idlers = arg;
    char data[1024] = "";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(idlers->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (; idlers->opened < idlers->count; idlers->opened++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), size = 0;
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
            return -errno;
        SSL *ssl = idlers->ssl[idlers->opened] = SSL_new(idlers->ctx);
        SSL_set_fd(ssl, fd);
        if (SSL_connect(ssl) != 1 || SSL_write(ssl, data, sizeof(data)) != (int)sizeof(data))
            return ASYNCIO_ESSL;
        while (size < (int)sizeof(data)) {
            int n = SSL_read(ssl, data, sizeof(data));
            if (n <= 0)
                return ASYNCIO_ESSL;
            size += n;
        }
    }
    return 0;
}

static long bytes_with(idlers_t *idlers, int count)
{
    idlers->count = count;
    assert_int_equal(asyncio_to_thread(open_idle, idlers, NULL), 0);
    for (int i = 0; i < 100; i++)
        asyncio_sleep(0);
    return spent.bytes;
}

static int count_idle(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    pair_t pair;
    idlers_t idlers = {.ctx = SSL_CTX_new(TLS_client_method())};
    open_server(&pair, NULL);
    pair.writer = NULL;
    idlers.port = asyncio_server_port(pair.server, 0);
    long few = bytes_with(&idlers, FEW), many = bytes_with(&idlers, MANY);
    long each = (many - few) / (MANY - FEW);
    print_message("idle connection: %ld bytes\n", each);
    /* Where a send is left to the kernel its buffer is kept: so a request allocates nothing. */
    assert_true(each > 0 && each <= IDLE_BYTES + (is_uring() ? SEND_BYTES : 0));
    for (int i = 0; i < MANY; i++) {
        int fd = SSL_get_fd(idlers.ssl[i]);
        SSL_free(idlers.ssl[i]);
        close(fd);
    }
    SSL_CTX_free(idlers.ctx);
    asyncio_server_abort_clients(pair.server);
    close_pair(&pair);
    return 0;
}

/* A connection that waits holds at most 16 KiB beside the stack of its task: OpenSSL's own record,
 * and no buffers. */
static void test_idle_memory(void **state)
{
    (void)state;
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
    skip(); /* blocks have another size */
#endif
    run_ssl(count_idle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_handshake),
        cmocka_unit_test(test_idle_memory),
    };
    const asyncio_allocator_t allocator = {NULL, count_realloc, count_free};
    if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1 ||
        asyncio_set_allocator(&allocator) != 0)
        return 1;
    sys = asyncio__sys;
    asyncio__sys.send = counted_send;
    asyncio__sys.recv = counted_recv;
    asyncio__sys.io_uring_enter = counted_io_uring_enter;
    return cmocka_run_group_tests(tests, ssl_setup, ssl_teardown);
}
