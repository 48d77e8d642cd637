/* SPDX-License-Identifier: MIT */
/*
 * http_server: an HTTP/1.1 server, of files or generated pages, to be copied. Each connection is a
 * task that reads requests and responds to them, one after another. What a client may send, and how
 * long it may take, has a limit for each part.
 *
 * asyncio_serve() runs a loop in each of --workers threads, which share the port. SIGTERM and
 * SIGINT end them: idle connections are closed at once, the others after their response.
 */
#include "files.h"
#include "options.h"
#include "pages.h"
#include "response.h"

#include <asyncio/serve.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* All loops. */
typedef struct server {
    settings_t settings;
    asyncio_ssl_context_t *ssl; /* of https; NULL: http */
    worker_t *workers;          /* an array of settings.workers */
} server_t;

/* Responds to a request that has arrived whole, head and body. */
static int respond(connection_t *connection)
{
    const settings_t *settings = connection->worker->settings;
    request_t *request = &connection->request;
    bool is_post = settings->root < 0 && pages_wants_body(request);
    if (is_post ? request->method != METHOD_POST
                : request->method != METHOD_GET && request->method != METHOD_HEAD)
        return response_status(connection, 405,
                               is_post ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n");
    if (settings->delay > 0.0) {
        int rc = asyncio_sleep(settings->delay);
        if (rc < 0)
            return rc;
    }
    return settings->root >= 0 ? files_respond(connection, settings->root)
                               : pages_respond(connection);
}

/* Reads the body of a request, and responds. status: 1, or why the request is refused. */
static int serve_request(connection_t *connection, int status)
{
    const settings_t *settings = connection->worker->settings;
    request_t *request = &connection->request;
    if (status == 1) {
        bool keep = settings->root < 0 && request->method == METHOD_POST &&
                    pages_wants_body(request);
        bool has_size = request->has_length || request->is_chunked;
        status = keep && !has_size ? 411 : connection_read_body(connection, keep);
    }
    if (status < 0)
        return status;
    if (status != 0)
        request->keep_alive = false;
    return status != 0 ? response_status(connection, status, "") : respond(connection);
}

/* Serves a connection from its first request to its last. A client that disconnects is no error. */
static int serve_connection(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer,
                            void *arg)
{
    worker_t *worker = arg;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    connection_t connection;
    connection_init(&connection, worker, reader, writer);
    int rc;
    do {
        rc = connection_read_head(&connection);
        if (rc <= 0)
            break;
        double begin = asyncio_loop_time(loop);
        rc = serve_request(&connection, rc);
        if (connection.status != 0)
            log_request(&worker->log, &connection, asyncio_loop_time(loop) - begin);
    } while (rc == 0 && connection.request.keep_alive);
    if (rc == 0 && connection.status >= 400)
        connection_linger(&connection);
    connection_fini(&connection);
    return 0;
}

/* Starts the server of a loop. */
static int set_up(void *arg, size_t index)
{
    server_t *server = arg;
    const settings_t *settings = &server->settings;
    worker_t *worker = &server->workers[index];
    *worker = (worker_t){.settings = settings};
    LIST_INIT(&worker->connections);
    size_t workers = (size_t)settings->workers;
    asyncio_server_options_t options = {
        .size = sizeof(options),
        .listen_name = "http",
        .backlog = 65535,
        .max_connections = (settings->connections_max + workers - 1) / workers,
        .ssl = server->ssl,
        .ssl_handshake_timeout = server->ssl != NULL ? settings->head_timeout : 0.0,
        .linger = settings->send_timeout,
    };
    asyncio_server_t *listener = NULL;
    int rc = log_init(&worker->log, settings->access_log);
    if (rc == 0)
        rc = asyncio_start_server(settings->host, settings->port, serve_connection, worker,
                                  &options, &listener);
    if (rc == 0 && index == 0) {
        printf("listening on %u\n", asyncio_server_port(listener, 0));
        fflush(stdout);
    }
    asyncio_server_unref(listener); /* it runs until the stop */
    if (rc < 0)
        log_fini(&worker->log);
    return rc;
}

/* Called in each loop when it begins to stop. */
static void on_stop(void *arg, size_t index)
{
    server_t *server = arg;
    worker_t *worker = &server->workers[index];
    worker->is_stopping = true;
    connection_t *connection;
    LIST_FOREACH(connection, &worker->connections, link)
        connection_stop_idle(connection);
}

/* Runs in each loop when its connections have ended. */
static int tear_down(void *arg, size_t index)
{
    server_t *server = arg;
    log_fini(&server->workers[index].log);
    return 0;
}

/* Makes the context of https, if that is wanted. */
static int make_ssl(const settings_t *settings, asyncio_ssl_context_t **ret_ssl)
{
    *ret_ssl = NULL;
    if (settings->cert == NULL)
        return 0;
#ifdef HTTP_SERVER_HAS_SSL
    static const char *const protocols[] = {"http/1.1"};
    *ret_ssl = asyncio_ssl_create_default_context(ASYNCIO_SSL_CLIENT_AUTH);
    if (*ret_ssl == NULL)
        return asyncio_errno();
    int rc = asyncio_ssl_context_set_alpn_protocols(*ret_ssl, protocols, 1);
    return rc < 0 ? rc : asyncio_ssl_context_load_cert_chain(*ret_ssl, settings->cert,
                                                             settings->key, NULL, NULL);
#else
    return asyncio_raise(-EOPNOTSUPP, "http_server was built without OpenSSL");
#endif
}

static void drop_ssl(asyncio_ssl_context_t *ssl)
{
#ifdef HTTP_SERVER_HAS_SSL
    asyncio_ssl_context_unref(ssl);
#else
    (void)ssl;
#endif
}

static int run(server_t *server)
{
    asyncio_serve_options_t options = {
        .size = sizeof(options),
        .loops = server->settings.workers,
        .drain_timeout = server->settings.grace,
        .stopping = on_stop,
        .teardown = tear_down,
    };
    server->workers = calloc((size_t)server->settings.workers, sizeof(*server->workers));
    if (server->workers == NULL)
        return -ENOMEM;
    int rc = make_ssl(&server->settings, &server->ssl);
    if (rc == 0)
        rc = asyncio_serve(set_up, server, &options);
    drop_ssl(server->ssl);
    free(server->workers);
    return rc;
}

int main(int argc, char **argv)
{
    server_t server = {0};
    int status = options_read(argc, argv, &server.settings);
    if (status != 0)
        return status - 1;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max; /* each connection takes a file descriptor */
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    int rc = run(&server);
    if (rc < 0) {
        asyncio_error_t *error = asyncio_error_of(rc);
        const char *message = asyncio_error_message(error);
        fprintf(stderr, "http_server: %s\n", message[0] != '\0' ? message : asyncio_strerror(rc));
        asyncio_error_unref(error);
    }
    if (server.settings.root >= 0)
        close(server.settings.root);
    if (server.settings.access_log > STDOUT_FILENO)
        close(server.settings.access_log);
    return rc < 0;
}
