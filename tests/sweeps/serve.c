/* SPDX-License-Identifier: MIT */
/* asyncio_serve() with one loop: the start of a server, a connection, a reload that fails, the
 * stop. */
#include "sweep.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static int client; /* a socket; -1: none */

/* Connects without the library, whose calls may fail. */
static void connect_client(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(client >= 0 && connect(client, (struct sockaddr *)&address, sizeof(address)) == 0);
}

static int greet(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)reader, (void)arg;
    return asyncio_stream_writer_write(writer, "x", 1);
}

/* The new process never serves. A loop that cannot wait ends its tasks. */
static void check_reload(int rc, int line)
{
    if (!(sweep_loop_cannot_wait() && rc == -ECANCELED))
        sweep_may(rc, -ECHILD, "asyncio_serve_reload()", line);
}

static int set_up(void *arg, size_t index)
{
    (void)arg, (void)index;
    sweep_ignore_reports(asyncio_get_running_loop());
    asyncio_server_options_t options = {.size = sizeof(options), .listen_name = "sweep"};
    asyncio_server_t *server = NULL;
    int rc = asyncio_start_server("127.0.0.1", 0, greet, NULL, &options, &server);
    if (rc < 0)
        return rc;
    if (asyncio_server_port(server, 0) != 0) /* getsockname() may fail */
        connect_client(asyncio_server_port(server, 0));
    asyncio_server_unref(server);
    const char *const arguments[] = {"true", NULL};
    check_reload(asyncio_serve_reload("true", arguments), __LINE__);
    asyncio_coroutine_t *object = asyncio_serve_reload_coroutine("true", arguments);
    if (is_there(object))
        check_reload(asyncio_await(object, NULL), __LINE__);
    return asyncio_serve_stop();
}

static void use_serve(asyncio_loop_t *none)
{
    (void)none;
    client = -1;
    asyncio_serve_options_t options = {.size = sizeof(options), .loops = 1,
                                       .drain_timeout = 0.01};
    int rc = asyncio_serve(set_up, NULL, &options);
    if (rc != -EOPNOTSUPP && rc != -ECANCELED) /* sim has no sockets; see check_reload() */
        may_be(rc, ASYNCIO_ERUNTIME);
    if (client >= 0)
        close(client);
}
const scenario_t sweep_serve = {.name = "serve", .use = use_serve, .outside = true,
                                .in_initial_thread = true, .in_real_time = true,
                                .has_sockets = true};
