/* SPDX-License-Identifier: MIT */
/* The connections of a server; see client.h. */
#include "net/client.h"

#include "base/context.h"
#include "base/error.h"
#include "base/memory.h"
#include "net/connection.h"
#include "task/task.h"

typedef struct client {
    asyncio__list_t link;              /* in clients->list */
    asyncio__clients_t *clients;       /* held by hold() */
    asyncio__connection_t *connection; /* while is_running with references to reader and writer */
    asyncio_task_t *task;              /* runs client_connected; borrowed; NULL: none, or over */
    bool is_running;                   /* the task has not ended */
    bool is_open;                      /* the connection is not closed */
} client_t;

int asyncio__clients_init(asyncio__clients_t *clients)
{
    asyncio__list_init(&clients->list);
    clients->context = asyncio__context_copy_current();
    return clients->context ? 0 : -ENOMEM;
}

void asyncio__clients_fini(asyncio__clients_t *clients)
{
    asyncio_context_unref(clients->context);
}

/* Both the task and the connection are over. */
static void leave(client_t *client)
{
    asyncio__clients_t *clients = client->clients;
    asyncio__list_remove(&client->link);
    asyncio__free(client, sizeof(*client));
    clients->count--;
    clients->drop(clients);
}

static void on_closed(asyncio__connection_t *connection, void *arg)
{
    (void)connection;
    client_t *client = arg;
    client->is_open = false;
    if (!client->is_running)
        leave(client);
}

/* The task has ended, or was never made. */
static void on_task_ended(void *arg)
{
    client_t *client = arg;
    asyncio__connection_t *connection = client->connection;
    bool was_open = client->is_open;
    client->is_running = false;
    client->task = NULL;
    /* Closes the connection, if the task has not; then on_closed() frees the client. */
    asyncio_stream_reader_unref(&connection->reader);
    asyncio_stream_writer_unref(&connection->writer);
    if (!was_open)
        leave(client);
}

static int run(void *arg, void **ret_result)
{
    (void)ret_result;
    client_t *client = arg;
    asyncio__clients_t *clients = client->clients;
    asyncio__connection_t *connection = client->connection;
    int rc = clients->client_connected(&connection->reader, &connection->writer, clients->arg);
    if (rc < 0 && rc != -ECANCELED && rc != ASYNCIO_EGENERATOREXIT) {
        asyncio_error_t *error = asyncio__error_take_of(rc);
        asyncio__loop_report(clients->loop, "Unhandled exception in client_connected_cb", rc,
                             error, NULL, NULL, NULL);
        asyncio_error_unref(error);
    }
    asyncio__ignore(asyncio_stream_writer_close(&connection->writer));
    return 0;
}

/* Makes the task in a copy of the context of start_server(); the coroutine is taken. */
static asyncio_task_t *create_task(asyncio__clients_t *clients, asyncio_coroutine_t *coroutine)
{
    if (!asyncio__uses(ASYNCIO__USES_CONTEXTS))
        return asyncio__task_new(clients->loop, coroutine, NULL);
    asyncio_task_options_t options = {.size = sizeof(options),
                                      .context = asyncio_context_copy(clients->context)};
    if (!options.context) {
        asyncio_coroutine_unref(coroutine);
        return NULL;
    }
    asyncio_task_t *task = asyncio__task_new_full(clients->loop, coroutine, &options, NULL);
    asyncio_context_unref(options.context);
    return task;
}

/* The streams of an accepted descriptor, which is taken: NULL, no memory. */
static asyncio__connection_t *connect_streams(asyncio__clients_t *clients, int fd,
                                              asyncio__file_kind_t kind,
                                              const asyncio__socket_names_t *names)
{
    asyncio__channel_t *channel;
    if (asyncio__socket_channel_accept(clients->loop, fd, kind, names, &channel) < 0)
        return NULL;
    asyncio__connection_t *connection = asyncio__connection_new(channel, clients->limit_bytes);
    if (connection) {
        connection->reader.ends_on_overrun = clients->end_on_overrun;
        asyncio__connection_set_linger(connection, clients->linger);
    }
    return connection;
}

int asyncio__clients_add(asyncio__clients_t *clients, int fd, asyncio__file_kind_t kind,
                         const asyncio__socket_names_t *names)
{
    asyncio__connection_t *connection = connect_streams(clients, fd, kind, names);
    if (!connection)
        return -ENOMEM;
    client_t *client = asyncio__calloc(sizeof(*client));
    if (!client) {
        asyncio__connection_abort(connection);
        asyncio_stream_reader_unref(&connection->reader);
        asyncio_stream_writer_unref(&connection->writer);
        return -ENOMEM;
    }
    *client = (client_t){
        .clients = clients, .connection = connection, .is_running = true, .is_open = true};
    connection->on_closed = on_closed;
    connection->closed_arg = client;
    asyncio__list_append(&clients->list, &client->link);
    clients->count++;
    clients->hold(clients);
    asyncio_coroutine_options_t options = {.size = sizeof(options),
                                           .destroy = on_task_ended,
                                           .stack_bytes = clients->stack_bytes};
    asyncio_coroutine_t *coroutine =
        asyncio_coroutine_full_at(run, client, &options, "client_connected");
    if (!coroutine) {
        on_task_ended(client);
        return -ENOMEM;
    }
    asyncio_task_t *task = create_task(clients, coroutine);
    if (!task)
        return -ENOMEM; /* the end of the coroutine was that of the client */
    if (!asyncio_future_done(task)) /* an eager one may have ended, and the client with it */
        client->task = task;
    asyncio_task_unref(task);
    return 0;
}

/* --- ending all ---------------------------------------------------------------------------- */

static void close_client(client_t *client)
{
    if (client->is_open)
        asyncio__connection_close(client->connection);
}

static void abort_client(client_t *client)
{
    if (client->is_open)
        asyncio__connection_abort(client->connection);
}

static void cancel_client(client_t *client)
{
    if (client->task)
        asyncio__ignore(asyncio_task_cancel(client->task, NULL));
}

/* Calls end for each client, which may take that client out of the list. */
static void for_each(asyncio__clients_t *clients, void (*end)(client_t *client))
{
    asyncio__list_t *next;
    for (asyncio__list_t *at = clients->list.next; at != &clients->list; at = next) {
        next = at->next;
        end(ASYNCIO__CONTAINER(at, client_t, link));
    }
}

void asyncio__clients_close(asyncio__clients_t *clients)
{
    for_each(clients, close_client);
}

void asyncio__clients_abort(asyncio__clients_t *clients)
{
    for_each(clients, abort_client);
}

void asyncio__clients_cancel(asyncio__clients_t *clients)
{
    for_each(clients, cancel_client);
}
