/* SPDX-License-Identifier: MIT */
/*
 * descriptor_limit COUNT: a server at its limit of descriptors gets more connections than that. It
 * loses none of those that it has, reports the shortage about once a second and does not spin, and
 * serves all of the others as descriptors become free.
 */
#include "proofs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define FREE_DESCRIPTORS 40
#define KEPT             10 /* connections that stay open all the time */

static long clients, served, reports;
static uint16_t port;
static int to_clients[2]; /* a pipe */

/* --- the server ---------------------------------------------------------------------------- */

static int reply(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    char byte;
    (void)arg;
    while (asyncio_stream_reader_read(reader, &byte, 1) == 1)
        PROVE(asyncio_stream_writer_write(writer, &byte, 1) == 0, "a reply");
    served++;
    return 0;
}

static void count_report(asyncio_loop_t *loop, const asyncio_exception_context_t *context,
                         void *arg)
{
    (void)loop, (void)arg;
    PROVE(context->code == -EMFILE, "%s", context->message);
    reports++;
}

static int serve(void *arg, void **ret_result)
{
    asyncio_server_t *server;
    asyncio_server_options_t options = {.size = sizeof(options), .backlog = 4096};
    asyncio_loop_t *loop = asyncio_get_running_loop();
    (void)ret_result;
    int rc = asyncio_start_server("127.0.0.1", 0, reply, NULL, &options, &server);
    PROVE(rc == 0, "%s", asyncio_strerror(rc));
    asyncio_loop_set_exception_handler(loop, count_report, NULL);
    struct rlimit limit, former;
    getrlimit(RLIMIT_NOFILE, &former);
    limit = former;
    limit.rlim_cur = (rlim_t)open_descriptors() + FREE_DESCRIPTORS;
    PROVE(setrlimit(RLIMIT_NOFILE, &limit) == 0, "the limit");
    uint16_t number = asyncio_server_port(server, 0);
    double began = wall_seconds(), cpu = processor_seconds();
    PROVE(write(to_clients[1], &number, sizeof(number)) == sizeof(number), "the port");
    await_process(*(pid_t *)arg);
    double seconds = wall_seconds() - began;
    cpu = processor_seconds() - cpu;
    printf("descriptor_limit: %ld connections with %d descriptors, %ld reports in %.1f s, %.3f s "
           "of processor time\n",
           served, FREE_DESCRIPTORS, reports, seconds, cpu);
    PROVE(reports > 0, "the limit was not reached");
    PROVE((double)reports <= seconds + 2, "%ld reports", reports);
    setrlimit(RLIMIT_NOFILE, &former);
    asyncio_server_close(server);
    PROVE(asyncio_server_wait_closed(server) == 0, "the server's end");
    asyncio_server_unref(server);
    PROVE(served == clients + KEPT, "%ld served", served);
    return 0;
}

/* --- the clients --------------------------------------------------------------------------- */

typedef struct connection {
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
} connection_t;

static void open_one(connection_t *connection)
{
    int rc = asyncio_open_connection("127.0.0.1", port, NULL, &connection->reader,
                                     &connection->writer);
    PROVE(rc == 0, "%s: %s", asyncio_error_name(rc), asyncio_strerror(rc));
}

static void ask(connection_t *connection)
{
    char byte;
    PROVE(asyncio_stream_writer_write(connection->writer, "x", 1) == 0, "a request");
    PROVE(asyncio_stream_reader_readexactly(connection->reader, &byte, 1, NULL) == 1, "a reply");
}

static void close_one(connection_t *connection)
{
    asyncio_stream_writer_close(connection->writer);
    PROVE(asyncio_stream_writer_wait_closed(connection->writer) == 0, "an end");
    asyncio_stream_reader_unref(connection->reader);
    asyncio_stream_writer_unref(connection->writer);
}

static int one_client(void *arg, void **ret_result)
{
    connection_t connection;
    (void)arg, (void)ret_result;
    open_one(&connection);
    ask(&connection);
    close_one(&connection);
    return 0;
}

static int run_clients(void *arg, void **ret_result)
{
    connection_t kept[KEPT];
    asyncio_task_group_t group;
    (void)arg, (void)ret_result;
    for (int i = 0; i < KEPT; i++) {
        open_one(&kept[i]);
        ask(&kept[i]);
    }
    asyncio_task_group_enter(&group);
    for (long i = 0; i < clients; i++)
        PROVE(asyncio_task_group_create_task(&group, asyncio_coroutine(one_client, NULL)),
              "a task");
    for (int i = 0; i < 200; i++)
        ask(&kept[i % KEPT]); /* also while the others wait to be accepted */
    PROVE(asyncio_task_group_exit(&group, 0) == 0, "the clients");
    for (int i = 0; i < KEPT; i++) {
        ask(&kept[i]);
        close_one(&kept[i]);
    }
    return 0;
}

int main(int argc, char **argv)
{
    clients = argument(argc, argv, 1, 150);
    PROVE(pipe(to_clients) == 0, "a pipe");
    fflush(stdout);
    pid_t child = fork();
    PROVE(child >= 0, "a process");
    if (child == 0) {
        PROVE(read(to_clients[0], &port, sizeof(port)) == sizeof(port), "the port");
        prove_run(run_clients, NULL);
        exit(0);
    }
    prove_run(serve, &child);
    return 0;
}
