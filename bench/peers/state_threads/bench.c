/* SPDX-License-Identifier: MIT */
/*
 * The works on State Threads (libst 1.9), each as its own manual would write it: threads that are
 * joined, condition variables, mutexes, and st_usleep(0) in the place of a yield, which is missing.
 *
 * Not there: timers with callbacks, and an executor.
 */
#include "front.h"
#include "inbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <st.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

enum { BUFFER_BYTES = 16384, TASKS_OF_LOCK = 10, JOINABLE = 1, DETACHED = 0, DEFAULT_STACK = 0 };

static st_thread_t spawn(void *(*start)(void *arg), void *arg)
{
    st_thread_t thread = st_thread_create(start, arg, JOINABLE, DEFAULT_STACK);
    peer_check(thread != NULL, "st_thread_create");
    return thread;
}

static void join(st_thread_t thread)
{
    peer_check(st_thread_join(thread, NULL) == 0, "st_thread_join");
}

/** The state that the threads of a crowd share. */
typedef struct crowd {
    long rounds;      /**< operations of each thread */
    long more;        /**< number of threads that do one operation more */
    long started;     /**< threads that run */
    st_mutex_t mutex; /**< of `lock` */
} crowd_t;

/** Runs threads to their end; returns the nanoseconds from the first start to the last end. */
static int64_t run_crowd(void *(*start)(void *arg), crowd_t *crowd, long threads)
{
    st_thread_t *all = malloc((size_t)threads * sizeof(*all));
    peer_check(all != NULL, "malloc");
    for (long i = 0; i < threads; i++)
        all[i] = spawn(start, crowd);
    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < threads; i++)
        join(all[i]);
    int64_t elapsed_ns = bench_now_ns() - begin_ns;
    free(all);
    return elapsed_ns;
}

static void *give_way(void *arg)
{
    crowd_t *crowd = arg;
    long rounds = crowd->rounds + (crowd->started++ < crowd->more);
    for (long i = 0; i < rounds; i++)
        st_usleep(0);
    return NULL;
}

static void work_yield(long count, bench_result_t *result)
{
    crowd_t crowd = {.rounds = count / 2, .more = count % 2};
    result->elapsed_ns = run_crowd(give_way, &crowd, 2);
}

static void work_yield1000(long count, bench_result_t *result)
{
    crowd_t crowd = {.rounds = count / 1000, .more = count % 1000};
    result->elapsed_ns = run_crowd(give_way, &crowd, 1000);
}

static void work_yield_tasks(long count, bench_result_t *result)
{
    crowd_t crowd = {.rounds = bench_rounds(count)};
    result->elapsed_ns = run_crowd(give_way, &crowd, count);
    result->operations = count * crowd.rounds;
}

static void *take_turns(void *arg)
{
    crowd_t *crowd = arg;
    long rounds = crowd->rounds + (crowd->started++ < crowd->more);
    for (long i = 0; i < rounds; i++) {
        st_mutex_lock(crowd->mutex);
        st_usleep(0);
        st_mutex_unlock(crowd->mutex);
    }
    return NULL;
}

static void work_lock(long count, bench_result_t *result)
{
    crowd_t crowd = {.rounds = count / TASKS_OF_LOCK, .more = count % TASKS_OF_LOCK};
    crowd.mutex = st_mutex_new();
    result->elapsed_ns = run_crowd(take_turns, &crowd, TASKS_OF_LOCK);
    st_mutex_destroy(crowd.mutex);
}

static void work_lock_tasks(long count, bench_result_t *result)
{
    crowd_t crowd = {.rounds = bench_rounds(count), .mutex = st_mutex_new()};
    result->elapsed_ns = run_crowd(take_turns, &crowd, count);
    result->operations = count * crowd.rounds;
    st_mutex_destroy(crowd.mutex);
}

static void *nothing(void *arg)
{
    return arg;
}

static void work_spawn(long count, bench_result_t *result)
{
    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < count; i++)
        join(spawn(nothing, NULL));
    result->elapsed_ns = bench_now_ns() - begin_ns;
}

static void work_spawn_batch(long count, bench_result_t *result)
{
    st_thread_t *all = malloc((size_t)count * sizeof(*all));
    peer_check(all != NULL, "malloc");
    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < count; i++)
        all[i] = spawn(nothing, NULL);
    for (long i = 0; i < count; i++)
        join(all[i]);
    result->elapsed_ns = bench_now_ns() - begin_ns;
    free(all);
}

static void *sleep_an_hour(void *arg)
{
    (void)arg;
    int rc = st_sleep(3600);
    peer_check(rc < 0 && errno == EINTR, "interrupt of a sleep");
    return NULL;
}

static void work_asleep(long count, bench_result_t *result)
{
    st_thread_t *all = malloc((size_t)count * sizeof(*all));
    peer_check(all != NULL, "malloc");
    memset(all, 1, (size_t)count * sizeof(*all));
    int64_t before_bytes = bench_resident_bytes();
    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < count; i++)
        all[i] = spawn(sleep_an_hour, NULL);
    st_usleep(0);
    result->elapsed_ns = bench_now_ns() - begin_ns;
    int64_t grown_bytes = bench_resident_bytes() - before_bytes;
    result->bytes_per_task = (double)grown_bytes / (double)count;
    begin_ns = bench_now_ns();
    for (long i = 0; i < count; i++)
        st_thread_interrupt(all[i]);
    for (long i = 0; i < count; i++)
        join(all[i]);
    result->end_ns = bench_now_ns() - begin_ns;
    free(all);
}

/** A bounded queue of a ring and two condition variables. */
typedef struct queue {
    long *items;         /**< the ring */
    long bound;          /**< its capacity */
    long count;          /**< number of items in it */
    long first;          /**< index of the oldest item */
    long rounds;         /**< number of items that each thread puts or gets */
    st_cond_t not_full;  /**< signalled when one was taken */
    st_cond_t not_empty; /**< signalled when one was put */
} queue_t;

static void queue_init(queue_t *queue, long bound)
{
    *queue = (queue_t){.bound = bound};
    queue->items = malloc((size_t)bound * sizeof(long));
    peer_check(queue->items != NULL, "malloc");
    queue->not_full = st_cond_new();
    queue->not_empty = st_cond_new();
}

static void queue_fini(queue_t *queue)
{
    peer_check(queue->count == 0, "a queue emptied");
    free(queue->items);
    st_cond_destroy(queue->not_full);
    st_cond_destroy(queue->not_empty);
}

static void queue_put(queue_t *queue, long item)
{
    while (queue->count == queue->bound)
        st_cond_wait(queue->not_full);
    long place = queue->first + queue->count;
    queue->items[place < queue->bound ? place : place - queue->bound] = item;
    if (queue->count++ == 0)
        st_cond_signal(queue->not_empty);
}

static long queue_get(queue_t *queue)
{
    while (queue->count == 0)
        st_cond_wait(queue->not_empty);
    long item = queue->items[queue->first];
    if (++queue->first == queue->bound)
        queue->first = 0;
    if (queue->count-- == queue->bound)
        st_cond_signal(queue->not_full);
    return item;
}

static void *produce(void *arg)
{
    queue_t *queue = arg;
    for (long i = 0; i < queue->rounds; i++)
        queue_put(queue, i);
    return NULL;
}

static void *consume(void *arg)
{
    queue_t *queue = arg;
    for (long i = 0; i < queue->rounds; i++)
        peer_check(queue_get(queue) == i, "the order of a queue");
    return NULL;
}

static void run_queue(long bound, long count, bench_result_t *result)
{
    queue_t queue;
    queue_init(&queue, bound);
    queue.rounds = count;
    int64_t begin_ns = bench_now_ns();
    st_thread_t producer = spawn(produce, &queue);
    st_thread_t consumer = spawn(consume, &queue);
    join(producer);
    join(consumer);
    result->elapsed_ns = bench_now_ns() - begin_ns;
    queue_fini(&queue);
}

static void work_queue(long count, bench_result_t *result)
{
    run_queue(1, count, result);
}

static void work_queue1000(long count, bench_result_t *result)
{
    run_queue(1000, count, result);
}

/** A future: a flag that is set once, and a condition variable. */
typedef struct future {
    bool is_done;   /**< whether it is resolved */
    st_cond_t done; /**< signalled when it is resolved */
} future_t;

/** Through which one thread passes the future that it awaits to the one that resolves it. */
typedef struct meeting {
    future_t *future; /**< NULL: none waits */
    st_cond_t asked;  /**< signalled when one waits */
    long count;       /**< round trips */
} meeting_t;

static void *wait_for_other(void *arg)
{
    meeting_t *meeting = arg;
    for (long i = 0; i < meeting->count; i++) {
        future_t future = {.done = st_cond_new()};
        meeting->future = &future;
        st_cond_signal(meeting->asked);
        while (!future.is_done)
            st_cond_wait(future.done);
        st_cond_destroy(future.done);
    }
    return NULL;
}

static void *resolve_other(void *arg)
{
    meeting_t *meeting = arg;
    for (long i = 0; i < meeting->count; i++) {
        while (!meeting->future)
            st_cond_wait(meeting->asked);
        future_t *future = meeting->future;
        meeting->future = NULL;
        future->is_done = true;
        st_cond_signal(future->done);
    }
    return NULL;
}

static void work_future(long count, bench_result_t *result)
{
    meeting_t meeting = {.asked = st_cond_new(), .count = count};
    int64_t begin_ns = bench_now_ns();
    st_thread_t waiter = spawn(wait_for_other, &meeting);
    st_thread_t resolver = spawn(resolve_other, &meeting);
    join(waiter);
    join(resolver);
    result->elapsed_ns = bench_now_ns() - begin_ns;
    st_cond_destroy(meeting.asked);
}

static void *wait_for_ever(void *arg)
{
    int rc = st_cond_wait(arg);
    peer_check(rc < 0 && errno == EINTR, "interrupt of a wait");
    return NULL;
}

static void work_cancel(long count, bench_result_t *result)
{
    st_cond_t never = st_cond_new();
    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < count; i++) {
        st_thread_t thread = spawn(wait_for_ever, never);
        st_usleep(0);
        st_thread_interrupt(thread);
        join(thread);
    }
    result->elapsed_ns = bench_now_ns() - begin_ns;
    st_cond_destroy(never);
}

/** A wait with a time limit, which another thread signals before the limit. */
typedef struct limited {
    st_cond_t cond; /**< the condition of the wait */
    bool is_over;   /**< the signaller may end */
} limited_t;

static void *signal_at_once(void *arg)
{
    limited_t *limited = arg;
    while (!limited->is_over) {
        st_cond_signal(limited->cond);
        st_usleep(0);
    }
    return NULL;
}

static void work_timeout(long count, bench_result_t *result)
{
    limited_t limited = {.cond = st_cond_new()};
    st_thread_t signaller = spawn(signal_at_once, &limited);
    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < count; i++)
        peer_check(st_cond_timedwait(limited.cond, 10000000) == 0, "in time");
    result->elapsed_ns = bench_now_ns() - begin_ns;
    limited.is_over = true;
    join(signaller);
    st_cond_destroy(limited.cond);
}

/** The state that the posting thread and the loop share. */
typedef struct wakes {
    inbox_t inbox; /**< the callbacks */
    int fd;        /**< an eventfd, on which the loop waits */
    long count;    /**< callbacks to post */
    /** callbacks that have run; the loop's thread only, hence apart from what the other reads */
    _Alignas(64) long ran;
} wakes_t;

static void woken(void *arg)
{
    wakes_t *wakes = arg;
    wakes->ran++;
}

static void *post(void *arg)
{
    wakes_t *wakes = arg;
    bench_run_beside();
    for (long i = 0; i < wakes->count; i++) {
        if (inbox_post(&wakes->inbox, woken, wakes))
            peer_check(eventfd_write(wakes->fd, 1) == 0, "eventfd_write");
    }
    return NULL;
}

static void work_wake(long count, bench_result_t *result)
{
    wakes_t wakes = {.count = count, .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    pthread_mutex_init(&wakes.inbox.mutex, NULL);
    st_netfd_t fd = st_netfd_open(wakes.fd);
    pthread_t thread;
    int64_t begin_ns = bench_now_ns();
    peer_check(pthread_create(&thread, NULL, post, &wakes) == 0, "pthread_create");
    while (wakes.ran < count) {
        uint64_t value;
        peer_check(st_read(fd, &value, sizeof(value), ST_UTIME_NO_TIMEOUT) == sizeof(value),
                   "st_read");
        inbox_run(&wakes.inbox);
    }
    result->elapsed_ns = bench_now_ns() - begin_ns;
    pthread_join(thread, NULL);
    st_netfd_close(fd);
    inbox_fini(&wakes.inbox);
}

static void *serve(void *arg)
{
    st_netfd_t fd = arg;
    char buffer[BUFFER_BYTES];
    ssize_t count;
    while ((count = st_read(fd, buffer, sizeof(buffer), ST_UTIME_NO_TIMEOUT)) > 0) {
        if (st_write(fd, buffer, (size_t)count, ST_UTIME_NO_TIMEOUT) != count)
            break;
    }
    st_netfd_close(fd);
    return NULL;
}

static void server_echo(uint16_t port)
{
    int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int sock = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    peer_check(bind(sock, (struct sockaddr *)&address, sizeof(address)) == 0, "bind");
    peer_check(listen(sock, 1024) == 0, "listen");
    st_netfd_t listener = st_netfd_open_socket(sock);
    for (;;) {
        st_netfd_t fd = st_accept(listener, NULL, NULL, ST_UTIME_NO_TIMEOUT);
        peer_check(fd != NULL, "st_accept");
        setsockopt(st_netfd_fileno(fd), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        peer_check(st_thread_create(serve, fd, DETACHED, DEFAULT_STACK) != NULL,
                   "st_thread_create");
    }
}

int main(int argc, char **argv)
{
    static const peer_entry_t entries[] = {
        {.name = "yield", .work = work_yield},
        {.name = "yield1000", .work = work_yield1000},
        {.name = "yield_tasks", .work = work_yield_tasks},
        {.name = "spawn", .work = work_spawn},
        {.name = "spawn_batch", .work = work_spawn_batch},
        {.name = "asleep", .work = work_asleep},
        {.name = "queue", .work = work_queue},
        {.name = "queue1000", .work = work_queue1000},
        {.name = "future", .work = work_future},
        {.name = "lock", .work = work_lock},
        {.name = "lock_tasks", .work = work_lock_tasks},
        {.name = "cancel", .work = work_cancel},
        {.name = "timeout", .work = work_timeout},
        {.name = "wake", .work = work_wake, .has_threads = true},
        {.name = "echo", .server = server_echo},
    };
    /* Debian builds it without epoll; its select ends at 1,024 descriptors. */
    peer_check(st_set_eventsys(ST_EVENTSYS_POLL) == 0, "poll");
    peer_check(st_init() == 0, "st_init");
    return peer_main(entries, sizeof(entries) / sizeof(entries[0]), argc, argv);
}
