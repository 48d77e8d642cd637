/* SPDX-License-Identifier: MIT */
/*
 * slow_peers COUNT ROUNDS: that many peers are connected and send their requests byte by byte,
 * while one quick peer asks again and again. Every peer gets its reply, and the quick one is served
 * all the time.
 *
 * The peers live in a process of their own, so that neither process needs two descriptors for a
 * connection.
 */
#include "proofs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char request[] = "a line that comes slowly\n";
#define REQUEST_BYTES (sizeof(request) - 1)

static long peers, rounds;
static uint16_t port;
static int to_peers[2]; /* a pipe */

/* --- the server ---------------------------------------------------------------------------- */

static long open_now, open_most, served;

static int reply(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    const char *line;
    ssize_t size;
    (void)arg;
    if (++open_now > open_most)
        open_most = open_now;
    while ((size = asyncio_stream_reader_readline(reader, &line)) > 0) {
        PROVE(asyncio_stream_writer_write(writer, line, (size_t)size) == 0, "a reply");
        served++;
    }
    open_now--;
    return (int)size;
}

static int serve(void *arg, void **ret_result)
{
    asyncio_server_t *server;
    asyncio_server_options_t options = {
        .size = sizeof(options), .backlog = 4096, .stack_bytes = 64 << 10};
    (void)ret_result;
    int rc = asyncio_start_server("127.0.0.1", 0, reply, NULL, &options, &server);
    PROVE(rc == 0, "%s", asyncio_strerror(rc));
    uint16_t number = asyncio_server_port(server, 0);
    long before = resident_kib();
    PROVE(write(to_peers[1], &number, sizeof(number)) == sizeof(number), "the port");
    await_process(*(pid_t *)arg);
    printf("slow_peers: %ld connections at once, %ld lines sent back, %.1f KiB a connection\n",
           open_most, served, (double)(resident_kib() - before) / (double)open_most);
    PROVE(open_most == peers + 1, "%ld connections", open_most);
    asyncio_server_close(server);
    PROVE(asyncio_server_wait_closed(server) == 0, "the server's end");
    asyncio_server_unref(server);
    return 0;
}

/* --- the peers ----------------------------------------------------------------------------- */

static asyncio_stream_reader_t **readers;
static asyncio_stream_writer_t **writers;
static bool is_over;

static void connect_peer(long i)
{
    int rc = asyncio_open_connection("127.0.0.1", port, NULL, &readers[i], &writers[i]);
    PROVE(rc == 0, "peer %ld: %s", i, asyncio_strerror(rc));
}

static void ask(long i)
{
    const char *line;
    PROVE(asyncio_stream_writer_write(writers[i], request, REQUEST_BYTES) == 0, "a request");
    ssize_t size = asyncio_stream_reader_readline(readers[i], &line);
    PROVE(size == REQUEST_BYTES && memcmp(line, request, REQUEST_BYTES) == 0, "peer %ld: %zd", i,
          size);
}

static int compare_times(const void *one, const void *other)
{
    double difference = *(const double *)one - *(const double *)other;
    return (difference > 0) - (difference < 0);
}

/* Measures how long the quick peer waits for its replies, in microseconds: the median. */
static double measure(long count)
{
    double *times = calloc((size_t)count, sizeof(*times));
    PROVE(times, "memory");
    for (long i = 0; i < count; i++) {
        double began = wall_seconds();
        ask(peers);
        times[i] = (wall_seconds() - began) * 1e6;
    }
    qsort(times, (size_t)count, sizeof(*times), compare_times);
    double median = times[count / 2];
    free(times);
    return median;
}

static int send_slowly(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    const char *line;
    for (size_t byte = 0; byte < REQUEST_BYTES; byte++) {
        for (long i = 0; i < peers; i++) {
            PROVE(asyncio_stream_writer_write(writers[i], request + byte, 1) == 0, "a byte");
            if (i % 10 == 0)
                PROVE(asyncio_sleep(0.0005) == 0, "a pause");
        }
    }
    for (long i = 0; i < peers; i++) {
        ssize_t size = asyncio_stream_reader_readline(readers[i], &line);
        PROVE(size == REQUEST_BYTES, "peer %ld: %zd", i, size);
    }
    is_over = true;
    return 0;
}

static int ask_and_send(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    connect_peer(peers);
    double alone = measure(rounds);
    for (long i = 0; i < peers; i++)
        connect_peer(i);
    double idle = measure(rounds);
    asyncio_task_t *task = asyncio_loop_create_task(asyncio_get_running_loop(),
                                                    asyncio_coroutine(send_slowly, NULL));
    PROVE(task, "a task");
    long asked = 0;
    double busy = 0;
    while (!is_over) {
        busy = measure(rounds);
        asked += rounds;
    }
    PROVE(asyncio_await_unref(task, NULL) == 0, "the slow peers");
    printf("slow_peers: the quick peer waits %.0f us alone, %.0f us beside %ld silent peers, %.0f "
           "us beside as many slow ones; %ld requests meanwhile\n",
           alone, idle, peers, busy, asked);
    for (long i = 0; i <= peers; i++) {
        asyncio_stream_writer_close(writers[i]);
        asyncio_stream_reader_unref(readers[i]);
        asyncio_stream_writer_unref(writers[i]);
    }
    return 0;
}

static int run_peers(void)
{
    PROVE(read(to_peers[0], &port, sizeof(port)) == sizeof(port), "the port");
    readers = calloc((size_t)peers + 1, sizeof(*readers));
    writers = calloc((size_t)peers + 1, sizeof(*writers));
    PROVE(readers && writers, "memory");
    prove_run(ask_and_send, NULL);
    free(readers);
    free(writers);
    return 0;
}

int main(int argc, char **argv)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    peers = argument(argc, argv, 1, 100);
    rounds = argument(argc, argv, 2, 100);
    if ((rlim_t)peers + 100 > limit.rlim_cur)
        peers = (long)limit.rlim_cur - 100;
    PROVE(pipe(to_peers) == 0, "a pipe");
    fflush(stdout);
    pid_t child = fork();
    PROVE(child >= 0, "a process");
    if (child == 0)
        exit(run_peers());
    prove_run(serve, &child);
    return 0;
}
