/* SPDX-License-Identifier: MIT */
/*
 * The works that libuv can express: it has handles and callbacks, but no tasks, so that the works
 * of tasks are missing. `asleep` is a timer of one hour; its bytes are those of a uv_timer_t.
 *
 * The echo server is the idiomatic one, as in libuv's own guide: a buffer allocated for each read
 * of the size that libuv suggests, and a write request for each response. echo_tuned.c is the other
 * one.
 */
#include "front.h"
#include "inbox.h"
#include "scratch_file.h"
#include "uv_server.h"

#include <fcntl.h>

static uv_loop_t *loop;

static void on_timer(uv_timer_t *timer)
{
    (void)timer;
    peer_die("a timer ran");
}

static void work_timers(long count, bench_result_t *result)
{
    bench_deadlines_t deadlines;
    uv_timer_t *timers = malloc((size_t)count * sizeof(*timers));
    peer_check(timers && bench_deadlines_init(&deadlines, count), "malloc");
    long cancelled = bench_cancelled(count);
    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < count; i++) {
        uv_timer_init(loop, &timers[i]);
        uv_timer_start(&timers[i], on_timer, (uint64_t)(deadlines.delays[i] * 1e3), 0);
    }
    for (long i = 0; i < cancelled; i++)
        uv_timer_stop(&timers[deadlines.order[i]]);
    result->elapsed_ns = bench_now_ns() - begin_ns;
    for (long i = 0; i < count; i++)
        uv_close((uv_handle_t *)&timers[i], NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    free(timers);
    bench_deadlines_fini(&deadlines);
}

static long closed;

static void on_closed(uv_handle_t *handle)
{
    closed++;
    free(handle);
}

static void work_asleep(long count, bench_result_t *result)
{
    uv_timer_t **timers = malloc((size_t)count * sizeof(uv_timer_t *));
    peer_check(timers != NULL, "malloc");
    memset(timers, 1, (size_t)count * sizeof(uv_timer_t *));
    closed = 0;
    int64_t before_bytes = bench_resident_bytes();
    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < count; i++) {
        timers[i] = malloc(sizeof(uv_timer_t));
        uv_timer_init(loop, timers[i]);
        uv_timer_start(timers[i], on_timer, 3600000, 0);
    }
    uv_run(loop, UV_RUN_NOWAIT);
    result->elapsed_ns = bench_now_ns() - begin_ns;
    int64_t grown_bytes = bench_resident_bytes() - before_bytes;
    result->bytes_per_task = (double)grown_bytes / (double)count;
    begin_ns = bench_now_ns();
    for (long i = 0; i < count; i++)
        uv_close((uv_handle_t *)timers[i], on_closed);
    uv_run(loop, UV_RUN_DEFAULT);
    result->end_ns = bench_now_ns() - begin_ns;
    peer_check(closed == count, "all timers closed");
    free(timers);
}

/** Jobs for the threads of libuv; each request runs one after the other. */
typedef struct jobs {
    long to_queue; /**< jobs that are not queued yet */
    long ended;    /**< jobs that have completed */
} jobs_t;

static void job(uv_work_t *request)
{
    (void)request;
}

static void on_job_done(uv_work_t *request, int status)
{
    jobs_t *jobs = request->data;
    peer_check(status == 0, "a job");
    jobs->ended++;
    if (jobs->to_queue > 0) {
        jobs->to_queue--;
        uv_queue_work(loop, request, job, on_job_done);
    }
}

static void run_jobs(long in_flight, long count, bench_result_t *result)
{
    uv_work_t requests[64];
    jobs_t jobs = {.to_queue = count};
    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < in_flight && jobs.to_queue > 0; i++) {
        jobs.to_queue--;
        requests[i].data = &jobs;
        uv_queue_work(loop, &requests[i], job, on_job_done);
    }
    uv_run(loop, UV_RUN_DEFAULT);
    result->elapsed_ns = bench_now_ns() - begin_ns;
    peer_check(jobs.ended == count, "all jobs ended");
}

static void work_executor(long count, bench_result_t *result)
{
    run_jobs(1, count, result);
}

static void work_executor64(long count, bench_result_t *result)
{
    run_jobs(64, count, result);
}

/** Operations on a file, one after the other, each in a thread of libuv. */
typedef struct file_work {
    uv_fs_t request;
    uv_file file;
    long left;       /**< operations that have not begun */
    size_t size;     /**< of each, in bytes */
    bool is_writing; /**< else it reads */
    const char *path; /**< of file_open: opened, read and closed each time; else NULL */
} file_work_t;

static char file_buffer[BENCH_FILE_LARGE_BYTES];

static void begin_file_step(file_work_t *work);

static void on_file_closed(uv_fs_t *request)
{
    file_work_t *work = request->data;
    peer_check(request->result == 0, "close");
    uv_fs_req_cleanup(request);
    begin_file_step(work);
}

static void on_file_done(uv_fs_t *request)
{
    file_work_t *work = request->data;
    peer_check(request->result == (ssize_t)work->size, "an operation on a file");
    uv_fs_req_cleanup(request);
    if (work->path)
        uv_fs_close(loop, request, work->file, on_file_closed);
    else
        begin_file_step(work);
}

static void on_file_opened(uv_fs_t *request)
{
    file_work_t *work = request->data;
    uv_buf_t buffer = uv_buf_init(file_buffer, (unsigned)work->size);
    peer_check(request->result >= 0, "open");
    work->file = (uv_file)request->result;
    uv_fs_req_cleanup(request);
    uv_fs_read(loop, request, work->file, &buffer, 1, 0, on_file_done);
}

static void begin_file_step(file_work_t *work)
{
    uv_buf_t buffer = uv_buf_init(file_buffer, (unsigned)work->size);
    if (work->left == 0)
        return;
    int64_t offset = bench_file_offset(--work->left, work->size);
    if (work->path)
        uv_fs_open(loop, &work->request, work->path, O_RDONLY, 0, on_file_opened);
    else if (work->is_writing)
        uv_fs_write(loop, &work->request, work->file, &buffer, 1, offset, on_file_done);
    else
        uv_fs_read(loop, &work->request, work->file, &buffer, 1, offset, on_file_done);
}

static void run_file_work(file_work_t work, bool is_opening, bench_result_t *result)
{
    char path[] = "/tmp/bench-file-XXXXXX";
    bench_make_file(path);
    work.file = open(path, O_RDWR | O_CLOEXEC);
    work.path = is_opening ? path : NULL;
    work.request.data = &work;
    int scratch = work.file;
    int64_t begin_ns = bench_now_ns();
    begin_file_step(&work);
    uv_run(loop, UV_RUN_DEFAULT);
    result->elapsed_ns = bench_now_ns() - begin_ns;
    peer_check(work.left == 0, "all operations on the file ended");
    close(scratch);
    unlink(path);
}

static void work_file_read(long count, bench_result_t *result)
{
    run_file_work((file_work_t){.left = count, .size = BENCH_FILE_SMALL_BYTES}, false, result);
}

static void work_file_read64k(long count, bench_result_t *result)
{
    run_file_work((file_work_t){.left = count, .size = BENCH_FILE_LARGE_BYTES}, false, result);
}

static void work_file_write(long count, bench_result_t *result)
{
    run_file_work((file_work_t){.left = count, .size = BENCH_FILE_SMALL_BYTES, .is_writing = true},
                  false, result);
}

static void work_file_open(long count, bench_result_t *result)
{
    run_file_work((file_work_t){.left = count, .size = BENCH_FILE_SMALL_BYTES}, true, result);
}

/** The state that the posting thread and the loop share. */
typedef struct wakes {
    inbox_t inbox;    /**< the callbacks */
    uv_async_t async; /**< wakes the loop */
    long count;       /**< callbacks to post */
    /** callbacks that have run; the loop's thread only, hence apart from what the other reads */
    _Alignas(64) long ran;
} wakes_t;

static void woken(void *arg)
{
    wakes_t *wakes = arg;
    if (++wakes->ran == wakes->count)
        uv_stop(loop);
}

static void on_async(uv_async_t *async)
{
    wakes_t *wakes = async->data;
    inbox_run(&wakes->inbox);
}

static void post(void *arg)
{
    wakes_t *wakes = arg;
    bench_run_beside();
    for (long i = 0; i < wakes->count; i++) {
        if (inbox_post(&wakes->inbox, woken, wakes))
            uv_async_send(&wakes->async);
    }
}

static void work_wake(long count, bench_result_t *result)
{
    wakes_t wakes = {.count = count};
    uv_thread_t thread;
    pthread_mutex_init(&wakes.inbox.mutex, NULL);
    uv_async_init(loop, &wakes.async, on_async);
    wakes.async.data = &wakes;
    int64_t begin_ns = bench_now_ns();
    peer_check(uv_thread_create(&thread, post, &wakes) == 0, "uv_thread_create");
    uv_run(loop, UV_RUN_DEFAULT);
    result->elapsed_ns = bench_now_ns() - begin_ns;
    peer_check(wakes.ran == count, "all callbacks ran");
    /* A send must not come after the close, so the thread ends first. */
    uv_thread_join(&thread);
    uv_close((uv_handle_t *)&wakes.async, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    inbox_fini(&wakes.inbox);
}

/** A write request, and the buffer that it sends. */
typedef struct response {
    uv_write_t request; /**< first, so that a pointer to it is one to the response */
    char *bytes;        /**< the buffer; freed with the request */
} response_t;

static void on_written(uv_write_t *request, int status)
{
    response_t *response = (response_t *)request;
    if (status < 0)
        uv_server_drop((uv_handle_t *)request->handle);
    free(response->bytes);
    free(response);
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)handle;
    buffer->base = malloc(suggested);
    buffer->len = suggested;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    if (count <= 0) {
        free(buffer->base);
        if (count < 0)
            uv_server_drop((uv_handle_t *)stream);
        return;
    }
    response_t *response = malloc(sizeof(*response));
    response->bytes = buffer->base;
    uv_buf_t piece = uv_buf_init(buffer->base, (unsigned)count);
    if (uv_write(&response->request, stream, &piece, 1, on_written) < 0)
        on_written(&response->request, -1);
}

static void server_echo(uint16_t port)
{
    uv_server_run(loop, port, on_allocate, on_read);
}

/** A start of a child, in a row of them. */
typedef struct children {
    uv_process_options_t options; /**< what each child runs */
    uv_process_t process;         /**< the child */
    long left;                    /**< children to start */
    int64_t spent_ns;             /**< in uv_spawn() */
} children_t;

static void start_child(children_t *children);

static void on_child_closed(uv_handle_t *handle)
{
    children_t *children = handle->data;
    if (--children->left > 0)
        start_child(children);
}

static void on_child_exit(uv_process_t *process, int64_t status, int signal)
{
    peer_check(status == 0 && signal == 0, "the child");
    uv_close((uv_handle_t *)process, on_child_closed);
}

static void start_child(children_t *children)
{
    int64_t begin_ns = bench_now_ns();
    int rc = uv_spawn(loop, &children->process, &children->options);
    children->spent_ns += bench_now_ns() - begin_ns;
    peer_check(rc == 0, "uv_spawn");
    children->process.data = children;
}

static void work_spawn_process(long count, bench_result_t *result)
{
    char *arguments[] = {"/bin/true", NULL};
    children_t children = {.left = count};
    children.options.file = arguments[0];
    children.options.args = arguments;
    children.options.exit_cb = on_child_exit;
    start_child(&children);
    uv_run(loop, UV_RUN_DEFAULT);
    result->elapsed_ns = children.spent_ns;
}

static void on_sent(uv_udp_send_t *request, int status)
{
    (void)status;
    free(request);
}

static void on_datagram(uv_udp_t *udp, ssize_t count, const uv_buf_t *buffer,
                        const struct sockaddr *address, unsigned flags)
{
    (void)flags;
    if (count >= 0 && address) {
        uv_buf_t piece = uv_buf_init(buffer->base, (unsigned)count);
        if (uv_udp_try_send(udp, &piece, 1, address) == UV_EAGAIN) {
            uv_udp_send_t *request = malloc(sizeof(*request) + (size_t)count);
            piece.base = memcpy(request + 1, buffer->base, (size_t)count);
            if (uv_udp_send(request, udp, &piece, 1, address, on_sent) < 0)
                free(request);
        }
    }
    free(buffer->base);
}

static void server_udp(uint16_t port)
{
    uv_udp_t udp;
    struct sockaddr_in address;
    uv_ip4_addr("127.0.0.1", port, &address);
    uv_udp_init(loop, &udp);
    peer_check(uv_udp_bind(&udp, (struct sockaddr *)&address, 0) == 0, "bind");
    uv_udp_recv_start(&udp, on_allocate, on_datagram);
    uv_run(loop, UV_RUN_DEFAULT);
}

int main(int argc, char **argv)
{
    static const peer_entry_t entries[] = {
        {.name = "asleep", .work = work_asleep},
        {.name = "timers", .work = work_timers},
        {.name = "executor", .work = work_executor, .has_threads = true},
        {.name = "executor64", .work = work_executor64, .has_threads = true},
        {.name = "file_read", .work = work_file_read, .has_threads = true},
        {.name = "file_read64k", .work = work_file_read64k, .has_threads = true},
        {.name = "file_write", .work = work_file_write, .has_threads = true},
        {.name = "file_open", .work = work_file_open, .has_threads = true},
        {.name = "wake", .work = work_wake, .has_threads = true},
        {.name = "spawn_process", .work = work_spawn_process},
        {.name = "echo", .server = server_echo},
        {.name = "udp", .server = server_udp},
    };
    loop = uv_default_loop();
    return peer_main(entries, sizeof(entries) / sizeof(entries[0]), argc, argv);
}
