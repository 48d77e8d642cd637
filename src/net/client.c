/* SPDX-License-Identifier: MIT */
/* The connections of a server; see client.h. */
#include "net/client.h"

#include "base/context.h"
#include "base/error.h"
#include "base/memory.h"
#include "net/connection.h"
#include "net/transport.h"
#include "task/task.h"

typedef struct client {
    asyncio__list_t link;              /* in clients->list */
    asyncio__clients_t *clients;       /* held by hold() */
    asyncio__connection_t *connection; /* while is_running with references to reader and writer */
    asyncio_transport_t *transport;    /* instead, while is_open: a reference */
    asyncio__channel_t *shaking;       /* instead of both, during the handshake of TLS */
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
    asyncio__ssl_unref(clients->ssl.context);
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

/* connection_lost has returned, or never will be called. */
static void on_transport_over(void *arg)
{
    client_t *client = arg;
    asyncio_transport_unref(client->transport);
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
    int rc = clients->handler.client_connected(&connection->reader, &connection->writer,
                                               clients->handler.arg);
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

/* A client in the list, which has nothing yet: NULL, no memory. */
static client_t *add_client(asyncio__clients_t *clients)
{
    client_t *client = asyncio__calloc(sizeof(*client));
    if (!client)
        return NULL;
    client->clients = clients;
    client->is_open = true;
    asyncio__list_append(&clients->list, &client->link);
    clients->count++;
    clients->hold(clients);
    return client;
}

/* Makes the task of a client; on failure the client has left. */
static int start_task(client_t *client)
{
    asyncio__clients_t *clients = client->clients;
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

/* Gives a client a reader, a writer and a task; the channel is taken. On failure the client has
 * left. */
static int start_streams(client_t *client, asyncio__channel_t *channel)
{
    asyncio__clients_t *clients = client->clients;
    asyncio__connection_t *connection = asyncio__connection_new(channel, clients->limit_bytes);
    if (!connection) {
        leave(client);
        return -ENOMEM;
    }
    connection->reader.ends_on_overrun = clients->end_on_overrun;
    connection->is_accepted = true;
    client->connection = connection;
    client->is_running = true;
    connection->on_closed = on_closed;
    connection->closed_arg = client;
    return start_task(client);
}

/* A transport that runs in a copy of the context of create_server(); the channel is taken. */
static asyncio_transport_t *new_transport(asyncio__clients_t *clients, asyncio__channel_t *channel)
{
    if (!asyncio__uses(ASYNCIO__USES_CONTEXTS))
        return asyncio__transport_new(channel, NULL, NULL);
    asyncio_context_t *context = asyncio_context_copy(clients->context);
    if (!context) {
        channel->class->abort(channel, 0, NULL);
        asyncio__channel_unref(channel);
        return NULL;
    }
    asyncio_transport_t *transport = asyncio__transport_new(channel, NULL, context);
    asyncio_context_unref(context);
    return transport;
}

/* Gives a client a transport, whose protocol is made from the ready queue; the channel is taken. On
 * failure the client has left. */
static int start_transport(client_t *client, asyncio__channel_t *channel)
{
    asyncio__clients_t *clients = client->clients;
    asyncio_transport_t *transport = new_transport(clients, channel);
    if (!transport) {
        leave(client);
        return -ENOMEM;
    }
    client->transport = transport;
    transport->factory = clients->handler.factory;
    transport->factory_arg = clients->handler.arg;
    transport->on_over = on_transport_over;
    transport->over_arg = client;
    asyncio__transport_start(transport);
    return 0;
}

static int start(client_t *client, asyncio__channel_t *channel)
{
    return client->clients->handler.factory ? start_transport(client, channel)
                                            : start_streams(client, channel);
}

/* --- handshakes ---------------------------------------------------------------------------- */

static void on_opened(asyncio__channel_t *channel)
{
    client_t *client = channel->owner;
    client->shaking = NULL;
    channel->owner_class = NULL;
    asyncio__ignore(start(client, channel));
}

/* As in asyncio, a client whose handshake failed is heard of in debug mode only: on a public port
 * there are many. */
static void on_shaking_closed(asyncio__channel_t *channel)
{
    client_t *client = channel->owner;
    channel->owner_class = NULL;
    if (channel->loop->debug && channel->code < 0)
        asyncio__loop_report(channel->loop, "SSL handshake failed", channel->code, channel->error,
                             NULL, NULL, NULL);
    leave(client);
    asyncio__channel_unref(channel);
}

static const asyncio__channel_owner_class_t shaking_class = {.opened = on_opened,
                                                             .closed = on_shaking_closed};

/* Puts TLS over the channel, which is taken; on failure the client has left. */
static int start_handshake(client_t *client, asyncio__channel_t *channel)
{
    asyncio__channel_t *secure;
    int rc = asyncio__ssl_wrap(channel, &client->clients->ssl, &secure);
    if (rc < 0) {
        leave(client);
        return -ENOMEM;
    }
    client->shaking = secure;
    secure->owner = client;
    secure->owner_class = &shaking_class;
    return 0;
}

int asyncio__clients_add(asyncio__clients_t *clients, int fd, asyncio__file_kind_t kind,
                         const asyncio__socket_names_t *names)
{
    asyncio__channel_t *channel;
    if (asyncio__socket_channel_accept(clients->loop, fd, kind, names, &channel) < 0)
        return -ENOMEM;
    if (clients->linger_ns > 0)
        channel->linger_ns = clients->linger_ns;
    client_t *client = add_client(clients);
    if (client)
        return clients->ssl.context ? start_handshake(client, channel) : start(client, channel);
    channel->class->abort(channel, 0, NULL);
    asyncio__channel_unref(channel);
    return -ENOMEM;
}

/* --- ending all ---------------------------------------------------------------------------- */

static void close_client(client_t *client)
{
    if (client->shaking)
        client->shaking->class->close(client->shaking);
    else if (client->transport)
        asyncio__ignore(asyncio_transport_close(client->transport));
    else if (client->is_open)
        asyncio__connection_close(client->connection);
}

static void abort_client(client_t *client)
{
    if (client->shaking)
        client->shaking->class->abort(client->shaking, 0, NULL);
    else if (client->transport)
        asyncio__ignore(asyncio_transport_abort(client->transport));
    else if (client->is_open)
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
