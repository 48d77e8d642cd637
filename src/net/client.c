/* SPDX-License-Identifier: MIT */
/* The connections of a server: each runs client_connected as a task of its own. */
#include "base/error.h"
#include "base/memory.h"
#include "net/server.h"
#include "task/task.h"
#include "transport/socket_channel.h"

typedef struct client {
    asyncio__list_t link;              /* in server->clients */
    asyncio_server_t *server;          /* a reference */
    asyncio__connection_t *connection; /* a reference to its reader and one to its writer */
} client_t;

static void destroy(void *arg)
{
    client_t *client = arg;
    asyncio_server_t *server = client->server;
    asyncio__list_remove(&client->link);
    asyncio_stream_reader_unref(&client->connection->reader);
    asyncio_stream_writer_unref(&client->connection->writer);
    server->active--;
    asyncio__server_wake_closers(server);
    asyncio_server_unref(server);
    asyncio__free(client, sizeof(*client));
}

static int run(void *arg, void **ret_result)
{
    (void)ret_result;
    client_t *client = arg;
    asyncio_server_t *server = client->server;
    asyncio__connection_t *connection = client->connection;
    int rc = server->client_connected(&connection->reader, &connection->writer, server->arg);
    if (rc < 0 && rc != -ECANCELED && rc != ASYNCIO_EGENERATOREXIT) {
        asyncio_error_t *error = asyncio__error_take_of(rc);
        asyncio__loop_report(server->loop, "Unhandled exception in client_connected_cb", rc, error,
                             NULL, NULL, NULL);
        asyncio_error_unref(error);
    }
    asyncio__ignore(asyncio_stream_writer_close(&connection->writer));
    return 0;
}

void asyncio__server_connect(asyncio_server_t *server, int fd)
{
    static const asyncio__socket_names_t names;
    asyncio__channel_t *channel;
    client_t *client = NULL;
    if (asyncio__socket_channel_accept(server->loop, fd, ASYNCIO__FILE_SOCKET, &names,
                                       &channel) < 0)
        goto report;
    asyncio__connection_t *connection =
        asyncio__connection_new(channel, server->options.limit_bytes);
    if (!connection)
        goto report;
    client = asyncio__calloc(sizeof(*client));
    if (!client) {
        asyncio__connection_abort(connection);
        asyncio_stream_reader_unref(&connection->reader);
        asyncio_stream_writer_unref(&connection->writer);
        goto report;
    }
    client->connection = connection;
    client->server = asyncio_server_ref(server);
    asyncio__list_append(&server->clients, &client->link);
    server->active++;
    asyncio_coroutine_options_t options = {.size = sizeof(options),
                                           .destroy = destroy,
                                           .stack_bytes = server->options.stack_bytes};
    asyncio_coroutine_t *coroutine =
        asyncio_coroutine_full_at(run, client, &options, "client_connected");
    if (!coroutine) {
        destroy(client);
        goto report;
    }
    asyncio_task_t *task = asyncio__task_new(server->loop, coroutine, NULL);
    if (!task)
        goto report;
    asyncio_task_unref(task);
    return;
report:
    asyncio__loop_report(server->loop, "a connection was dropped", -ENOMEM, NULL, NULL, NULL,
                         NULL);
}

/* Closes or aborts each connection; doing so takes none out of the list. */
static int end_clients(asyncio_server_t *server, void (*end)(asyncio__connection_t *connection))
{
    if (!server)
        return asyncio__fail(-EINVAL, "no server was given");
    int rc = asyncio__loop_check_here(server->loop);
    if (rc < 0 || server->loop->closed)
        return rc;
    for (asyncio__list_t *at = server->clients.next; at != &server->clients; at = at->next)
        end(ASYNCIO__CONTAINER(at, client_t, link)->connection);
    return 0;
}

int asyncio_server_close_clients(asyncio_server_t *server)
{
    return end_clients(server, asyncio__connection_close);
}

int asyncio_server_abort_clients(asyncio_server_t *server)
{
    return end_clients(server, asyncio__connection_abort);
}
