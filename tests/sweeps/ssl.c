/* SPDX-License-Identifier: MIT */
/*
 * TLS: contexts and their settings, a server and a client over the loopback, and start_tls of
 * streams and transports over socket pairs. The contexts of the connections are made before, by the
 * test's program. Nobody waits for ever: a handshake has a limit, and the clock is virtual.
 */
#include <asyncio/ssl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../support/ssl_fixture.h"
#include "ssl.h"
#include "sweep.h"

asyncio_ssl_context_t *sweep_server_ssl, *sweep_client_ssl;
char *sweep_cert_path, *sweep_key_path, *sweep_crl_path;

/* A code of a call on a connection: a failure on one side is a reset, an alert, or an end without
 * close_notify on the other; and sim has no sockets. */
#define net(rc) sweep_net((rc), #rc, __LINE__)
static long sweep_net(long rc, const char *call, int line)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    if (rc == -ECONNRESET || rc == -EPIPE || rc == -ENOTCONN || rc == -ECONNREFUSED ||
        rc == -ECONNABORTED || rc == -ETIMEDOUT || rc == ASYNCIO_ESSL || rc == ASYNCIO_ESSLEOF ||
        rc == ASYNCIO_EINCOMPLETEREAD)
        return rc;
    if (rc == -EBADF && sweep_loop_cannot_wait())
        return rc;
    bool is_sim = asyncio_loop_get_engine(loop) == ASYNCIO_ENGINE_SIM;
    return sweep_may(rc, is_sim ? -EOPNOTSUPP : 0, call, line);
}

/* --- contexts ------------------------------------------------------------------------------ */

static int give_password(char *ret_password, size_t size, void *arg)
{
    (void)ret_password, (void)size, (void)arg;
    return -EPERM;
}

static asyncio_ssl_context_t *choose(const char *name, void *arg)
{
    (void)name;
    return arg;
}

static void set_server(asyncio_ssl_context_t *context)
{
    static const char *const names[] = {"h2", "http/1.1"};
    const certificate_t *own = &test_server;
    may(asyncio_ssl_context_load_cert_chain_pem(context, own->cert, strlen(own->cert), own->key,
                                                strlen(own->key), give_password, NULL));
    may(asyncio_ssl_context_load_cert_chain(context, sweep_cert_path, sweep_key_path, NULL, NULL));
    may(asyncio_ssl_context_load_verify_locations(context, sweep_cert_path, "/tmp"));
    may(asyncio_ssl_context_set_verify_mode(context, ASYNCIO_SSL_CERT_OPTIONAL));
    may(asyncio_ssl_context_set_alpn_protocols(context, names, 2));
    may(asyncio_ssl_context_set_sni_callback(context, choose, NULL));
    may(asyncio_ssl_context_set_num_tickets(context, 1));
    may(asyncio_ssl_context_set_keylog_filename(context, "/dev/null"));
    may(asyncio_ssl_context_set_keylog_from_environment(context));
}

static void set_client(asyncio_ssl_context_t *context)
{
    may(asyncio_ssl_context_load_verify_pem(context, test_ca.cert, strlen(test_ca.cert)));
    may(asyncio_ssl_context_load_default_certs(context));
    may(asyncio_ssl_context_load_crl(context, sweep_crl_path));
    may(asyncio_ssl_context_set_minimum_version(context, ASYNCIO_TLS_1_2));
    may(asyncio_ssl_context_set_maximum_version(context, ASYNCIO_TLS_1_3));
    may(asyncio_ssl_context_set_ciphers(context, "HIGH"));
    may(asyncio_ssl_context_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256"));
    may(asyncio_ssl_context_set_groups(context, "X25519:P-256"));
    may(asyncio_ssl_context_set_session_cache(context, 2));
    may(asyncio_ssl_context_set_suppress_ragged_eofs(context, true));
    may(asyncio_ssl_context_set_post_handshake_auth(context, true));
    may(asyncio_ssl_context_set_verify_flags(context, asyncio_ssl_context_verify_flags(context)));
    must(asyncio_ssl_context_openssl(context));
    may(asyncio_ssl_context_insecure_skip_hostname(context));
    may(asyncio_ssl_context_insecure_skip_verify(context));
}

static void use_contexts(asyncio_loop_t *loop)
{
    (void)loop;
    asyncio_ssl_context_t *context = asyncio_ssl_create_default_context(ASYNCIO_SSL_CLIENT_AUTH);
    if (is_there(context))
        set_server(context);
    asyncio_ssl_context_unref(asyncio_ssl_context_ref(context));
    asyncio_ssl_context_unref(context);
    context = asyncio_ssl_create_default_context(ASYNCIO_SSL_SERVER_AUTH);
    if (is_there(context))
        set_client(context);
    asyncio_ssl_context_unref(context);
    is_there(asyncio_ssl_default_client_context());
    context = asyncio_ssl_context_from_openssl(sweep_ctx);
    is_there(context);
    asyncio_ssl_context_unref(context);
}

const scenario_t sweep_ssl_contexts = {.name = "ssl contexts", .use = use_contexts};

/* --- a server and a client ----------------------------------------------------------------- */

static void look_at_certificates(const asyncio_ssl_object_t *object)
{
    char text[512];
    may(asyncio_ssl_object_getpeercert_der(object, 0, text, sizeof(text)));
    may(asyncio_ssl_object_peercert_subject(object, 0, text, sizeof(text)));
    may(asyncio_ssl_object_peercert_issuer(object, 0, text, sizeof(text)));
    may(asyncio_ssl_object_peercert_serial(object, 0, text, sizeof(text)));
    may(asyncio_ssl_object_peercert_fingerprint_sha256(object, 0, text, sizeof(text)));
    must(asyncio_ssl_object_peercert_not_before(object, 0) <
         asyncio_ssl_object_peercert_not_after(object, 0));
    must(asyncio_ssl_object_peercert_matches(object, "localhost"));
    must(asyncio_ssl_object_peercert_count(object) > 0);
}

static void look_at(asyncio_stream_writer_t *writer)
{
    static const char *const names[] = {"peercert", "cipher", "alpn", "ssl_version",
                                        "server_hostname"};
    char text[512];
    const asyncio_ssl_object_t *object = asyncio_stream_writer_get_ssl_object(writer);
    must(object);
    must(*asyncio_ssl_object_version(object) && *asyncio_ssl_object_cipher(object));
    must(asyncio_ssl_object_openssl(object) && !asyncio_ssl_object_server_side(object));
    must(asyncio_ssl_object_context(object) == sweep_client_ssl);
    may_be(asyncio_ssl_object_verify_client_post_handshake(object), -EINVAL); /* of a client */
    must(!asyncio_ssl_object_session_reused(object));
    must(strcmp(asyncio_ssl_object_server_hostname(object), "localhost") == 0);
    may(asyncio_ssl_object_selected_alpn_protocol(object, text, sizeof(text)));
    may(asyncio_ssl_object_get_channel_binding(object, "tls-exporter", text, sizeof(text)));
    look_at_certificates(object);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        may(asyncio_stream_writer_get_extra_info(writer, names[i], text, sizeof(text)));
}

static int echo(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    char bytes[64];
    ssize_t size;
    (void)arg;
    while ((size = net(asyncio_stream_reader_read(reader, bytes, sizeof(bytes)))) > 0) {
        net(asyncio_stream_writer_write(writer, bytes, (size_t)size));
        net(asyncio_stream_writer_drain(writer));
    }
    return 0;
}

static void talk(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer)
{
    static char much[40000];
    char bytes[8];
    struct iovec pieces[2] = {{"ab", 2}, {"cdef", 4}};
    if (net(asyncio_stream_writer_writelines(writer, pieces, 2)) == 0)
        net(asyncio_stream_reader_readexactly(reader, bytes, 6, NULL));
    if (net(asyncio_stream_writer_write(writer, much, sizeof(much))) == 0) {
        net(asyncio_stream_writer_drain(writer));
        net(asyncio_stream_reader_readexactly(reader, much, sizeof(much), NULL));
    }
}

static void end(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer)
{
    may(asyncio_stream_writer_close(writer));
    net(asyncio_stream_writer_wait_closed(writer));
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
}

static void use_tls(asyncio_loop_t *loop)
{
    asyncio_server_t *server = NULL;
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    sweep_ignore_reports(loop);
    asyncio_server_options_t serving = {.size = sizeof(serving), .ssl = sweep_server_ssl};
    asyncio_connection_options_t options = {.size = sizeof(options), .ssl = sweep_client_ssl,
                                            .server_hostname = "localhost"};
    if (net(asyncio_start_server("127.0.0.1", 0, echo, NULL, &serving, &server)) < 0)
        return;
    uint16_t port = asyncio_server_port(server, 0);
    if (net(asyncio_open_connection("127.0.0.1", port, &options, &reader, &writer)) == 0) {
        look_at(writer);
        talk(reader, writer);
        end(reader, writer);
    }
    may(asyncio_server_close(server));
    may(asyncio_server_abort_clients(server));
    net(asyncio_server_wait_closed(server));
    asyncio_server_unref(server);
}

const scenario_t sweep_tls = {.name = "tls", .use = use_tls, .has_sockets = true};

/* --- start_tls ----------------------------------------------------------------------------- */

static bool open_sockets(asyncio_socket_t *ends[2])
{
    int fds[2];
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    for (int i = 0; i < 2; i++) {
        ends[i] = asyncio_socket_from_fd(fds[i]);
        if (!is_there(ends[i]))
            close(fds[i]);
    }
    return ends[0] && ends[1];
}

static const asyncio_start_tls_options_t of_server = {.size = sizeof(of_server),
                                                      .server_side = true};
static const asyncio_start_tls_options_t of_client = {.size = sizeof(of_client),
                                                      .server_hostname = "localhost"};

/* Both sides begin, one as a call and one as an object. */
static void start_streams(asyncio_stream_writer_t *writers[2])
{
    asyncio_coroutine_t *object =
        asyncio_stream_writer_start_tls_coroutine(writers[1], sweep_server_ssl, &of_server);
    asyncio_task_t *task = is_there(object) ? asyncio_create_task(object) : NULL;
    if (object)
        is_there(task);
    net(asyncio_stream_writer_start_tls(writers[0], sweep_client_ssl, &of_client));
    if (task)
        net(asyncio_await_unref(task, NULL));
}

static void use_streams(void)
{
    asyncio_socket_t *ends[2];
    asyncio_stream_reader_t *readers[2] = {NULL, NULL};
    asyncio_stream_writer_t *writers[2] = {NULL, NULL};
    char bytes[8];
    bool are_there = open_sockets(ends);
    for (int i = 0; i < 2 && are_there; i++)
        are_there =
            net(asyncio_streams_of_socket(ends[i], NULL, &readers[i], &writers[i])) == 0;
    for (int i = 0; i < 2; i++)
        asyncio_socket_unref(ends[i]);
    if (are_there) {
        start_streams(writers);
        if (net(asyncio_stream_writer_write(writers[1], "hello", 5)) == 0)
            net(asyncio_stream_reader_readexactly(readers[0], bytes, 5, NULL));
        may(asyncio_stream_writer_abort(writers[1]));
    }
    for (int i = 0; i < 2; i++) {
        if (writers[i])
            net(asyncio_stream_writer_abort(writers[i]));
        asyncio_stream_reader_unref(readers[i]);
        asyncio_stream_writer_unref(writers[i]);
    }
}

static void destroy(asyncio_protocol_t *protocol)
{
    free(protocol);
}

static asyncio_protocol_t *make_protocol(void *arg)
{
    static const asyncio_protocol_functions_t quiet = {.size = sizeof(quiet), .destroy = destroy};
    (void)arg;
    asyncio_protocol_t *protocol = calloc(1, sizeof(*protocol));
    protocol->functions = &quiet;
    return protocol;
}

static void start_transports(asyncio_loop_t *loop, asyncio_transport_t *transports[2])
{
    asyncio_transport_t *same = NULL, *other = NULL;
    asyncio_coroutine_t *object = asyncio_loop_start_tls_coroutine(
        loop, transports[1], NULL, sweep_server_ssl, &of_server, &other);
    asyncio_task_t *task = is_there(object) ? asyncio_create_task(object) : NULL;
    if (object)
        is_there(task);
    net(asyncio_loop_start_tls(loop, transports[0], NULL, sweep_client_ssl, &of_client, &same));
    if (task)
        net(asyncio_await_unref(task, NULL));
    net(asyncio_transport_write(transports[0], "hello", 5));
    asyncio_transport_unref(same);
    asyncio_transport_unref(other);
}

static void use_transports(asyncio_loop_t *loop)
{
    asyncio_socket_t *ends[2];
    asyncio_transport_t *transports[2] = {NULL, NULL};
    bool are_there = open_sockets(ends);
    for (int i = 0; i < 2 && are_there; i++)
        are_there = net(asyncio_loop_connect_accepted_socket(loop, make_protocol, NULL, ends[i],
                                                             NULL, &transports[i])) == 0;
    for (int i = 0; i < 2; i++)
        asyncio_socket_unref(ends[i]);
    if (are_there)
        start_transports(loop, transports);
    for (int i = 0; i < 2; i++) {
        if (transports[i])
            may(asyncio_transport_abort(transports[i]));
        asyncio_transport_unref(transports[i]);
    }
}

static void use_start_tls(asyncio_loop_t *loop)
{
    sweep_ignore_reports(loop);
    use_streams();
    use_transports(loop);
}

const scenario_t sweep_start_tls = {
    .name = "start_tls", .use = use_start_tls, .has_sockets = true};
