/* SPDX-License-Identifier: MIT */
/*
 * http_server: a small HTTP/1.1 server on the loopback interface. Each connection is a task that
 * reads requests and responds to them for as long as the client keeps the connection open. A client
 * that takes too long to send a request loses its connection.
 *
 * SIGTERM and SIGINT end it. The loop calls their handlers like any other callback, so that they
 * may use the library.
 */
#include "files.h"
#include "pages.h"

#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Seconds that open connections have to end after a signal to stop. */
#define GRACE 1.0

/* The options of the command line. */
typedef struct options {
    uint16_t port;           /* 0: any free one */
    double delay;            /* seconds before each response */
    request_limits_t limits; /* the time limits of a client */
    int root;                /* file descriptor of the folder; -1: generated pages */
    const char *cert, *key;  /* files, for https; NULL: http, and a key in the file of cert */
} options_t;

/* Called by the loop when the process has received SIGTERM or SIGINT, perhaps both. */
static void on_signal(void *arg)
{
    asyncio_future_t *stop = arg;
    if (!asyncio_future_done(stop))
        asyncio_future_set_result(stop, NULL);
}

static int respond(const options_t *options, const response_t *response)
{
    const request_t *request = response->request;
    if (request->error != 0)
        return response_status(response, request->error);
    if (!request->is_allowed)
        return response_text(response, 405, "text/plain", "only GET and HEAD\n",
                             "Allow: GET, HEAD\r\n");
    if (options->delay > 0.0) {
        int rc = asyncio_sleep(options->delay);
        if (rc < 0)
            return rc;
    }
    return options->root >= 0 ? files_respond(response, options->root) : pages_respond(response);
}

/* Serves a connection from its first request to its last. A client that disconnects is no error. */
static int serve(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    const options_t *options = arg;
    request_t request;
    request_init(&request, options->limits);
    response_t response = {.writer = writer, .request = &request};
    int rc;
    do {
        rc = request_read(&request, reader);
        if (rc > 0)
            rc = respond(options, &response) < 0 ? -1 : 1;
    } while (rc > 0 && request.keep_alive);
    return 0;
}

/* Waits for SIGTERM or SIGINT, closes the server and gives its connections GRACE to end. */
static int serve_until_stopped(asyncio_server_t *server)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_future_t *stop = asyncio_loop_create_future(loop);
    if (stop == NULL)
        return asyncio_errno();
    int rc = asyncio_loop_add_signal_handler(loop, SIGTERM, on_signal, stop);
    if (rc == 0)
        rc = asyncio_loop_add_signal_handler(loop, SIGINT, on_signal, stop);
    if (rc == 0) {
        printf("listening on %u\n", asyncio_server_port(server, 0));
        fflush(stdout);
        rc = asyncio_await(stop, NULL);
    }
    asyncio_loop_remove_signal_handler(loop, SIGINT);
    asyncio_loop_remove_signal_handler(loop, SIGTERM);
    asyncio_future_unref(stop);
    asyncio_server_close(server);
    asyncio_server_close_clients(server);
    int closed = asyncio_wait_for(asyncio_server_wait_closed_coroutine(server), GRACE, NULL);
    if (closed == -ETIMEDOUT)
        asyncio_server_abort_clients(server);
    return rc;
}

/* Makes the context of https, if that is wanted. */
static int make_ssl(const options_t *options, asyncio_ssl_context_t **ret_ssl)
{
    *ret_ssl = NULL;
    if (options->cert == NULL)
        return 0;
#ifdef HTTP_SERVER_HAS_SSL
    *ret_ssl = asyncio_ssl_create_default_context(ASYNCIO_SSL_CLIENT_AUTH);
    return *ret_ssl == NULL ? asyncio_errno()
                            : asyncio_ssl_context_load_cert_chain(*ret_ssl, options->cert,
                                                                  options->key, NULL, NULL);
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

static int run(const options_t *options, void **ret_result)
{
    (void)ret_result;
    asyncio_server_options_t server_options = {.size = sizeof(server_options), .backlog = 65535};
    asyncio_server_t *server;
    int rc = make_ssl(options, &server_options.ssl);
    if (rc == 0)
        rc = asyncio_start_server("127.0.0.1", options->port, serve, (void *)options,
                                  &server_options, &server);
    drop_ssl(server_options.ssl); /* the server has a reference */
    if (rc < 0)
        return rc;
    rc = serve_until_stopped(server);
    asyncio_server_unref(server);
    return rc;
}

ASYNCIO_COROUTINE(run, (const options_t *, options));

static int usage(const char *problem, const char *value)
{
    fprintf(stderr, "http_server: %s%s\n"
            "usage: http_server [--port P] [--delay S] [--root DIR] [--idle-timeout S] "
            "[--request-timeout S] [--tls-cert FILE] [--tls-key FILE]\n", problem, value);
    return 2;
}

static bool read_number(const char *text, double high, double *ret_number)
{
    char *end;
    *ret_number = strtod(text, &end);
    return end != text && *end == '\0' && *ret_number >= 0.0 && *ret_number <= high;
}

/* Returns 0, or the exit status of the program. */
static int read_options(int argc, char **argv, options_t *options)
{
    static const struct option names[] = {
        {"port", required_argument, NULL, 'p'},
        {"delay", required_argument, NULL, 'd'},
        {"root", required_argument, NULL, 'r'},
        {"idle-timeout", required_argument, NULL, 'i'},
        {"request-timeout", required_argument, NULL, 't'},
        {"tls-cert", required_argument, NULL, 'c'},
        {"tls-key", required_argument, NULL, 'k'},
        {NULL, 0, NULL, 0},
    };
    double number;
    int letter;
    while ((letter = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (letter) {
        case 'p':
            if (!read_number(optarg, 65535.0, &number) || number != floor(number))
                return usage("no port: ", optarg);
            options->port = (uint16_t)number;
            break;
        case 'd':
            if (!read_number(optarg, 3600.0, &options->delay))
                return usage("no delay in seconds: ", optarg);
            break;
        case 'i':
            if (!read_number(optarg, 86400.0, &options->limits.idle))
                return usage("no time limit in seconds: ", optarg);
            break;
        case 't':
            if (!read_number(optarg, 86400.0, &options->limits.request))
                return usage("no time limit in seconds: ", optarg);
            break;
        case 'c':
            options->cert = optarg;
            break;
        case 'k':
            options->key = optarg;
            break;
        case 'r':
            options->root = files_open(optarg);
            if (options->root < 0)
                return usage("cannot open the folder ", optarg);
            break;
        default:
            return usage("that is no option", "");
        }
    }
    return optind < argc ? usage("unexpected: ", argv[optind]) : 0;
}

int main(int argc, char **argv)
{
    options_t options = {.port = 8080, .root = -1, .limits = {.idle = 60.0, .request = 10.0}};
    int status = read_options(argc, argv, &options);
    if (status != 0)
        return status;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max; /* each connection takes a file descriptor */
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    int rc = asyncio_run(run_coroutine(&options), NULL);
    if (rc < 0) {
        asyncio_error_t *error = asyncio_error_of(rc);
        const char *message = asyncio_error_message(error);
        fprintf(stderr, "http_server: %s\n", message[0] != '\0' ? message : asyncio_strerror(rc));
        asyncio_error_unref(error);
    }
    if (options.root >= 0)
        close(options.root);
    return rc < 0;
}
