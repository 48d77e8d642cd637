/* SPDX-License-Identifier: MIT */
/* Ends in order on SIGTERM: no new work, what is in progress gets a second, then a cancel. */
#include <asyncio.h>
#include <signal.h>
#include <stdio.h>

/* A job that notices when it is cancelled. */
static int job(const char *name, double duration, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_sleep(duration);
    printf("%s: %s\n", name, rc < 0 ? asyncio_error_name(rc) : "finished");
    return rc;
}
ASYNCIO_COROUTINE(job, (const char *, name), (double, duration));

static void on_signal(void *stop)
{
    asyncio_event_set(stop);
}

static int run(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_event_t stop;
    asyncio_event_init(&stop);
    int rc = asyncio_loop_add_signal_handler(loop, SIGTERM, on_signal, &stop);
    if (rc < 0)
        return rc;
    asyncio_awaitable_t *jobs[] = {asyncio_create_task(job_coroutine("a short job", 0.1)),
                                   asyncio_create_task(job_coroutine("a long job", 3600.0))};
    raise(SIGTERM); /* as `kill PID` would send it */
    rc = asyncio_event_wait(&stop);
    puts("SIGTERM: no new jobs");

    bool done[2];
    if (rc == 0)
        rc = asyncio_wait(jobs, 2, 1.0, ASYNCIO_ALL_COMPLETED, done);
    for (int i = 0; i < 2; i++) {
        asyncio_task_cancel(jobs[i], "shutting down");
        asyncio_await_unref(jobs[i], NULL);
    }
    asyncio_loop_remove_signal_handler(loop, SIGTERM);
    asyncio_event_fini(&stop);
    puts("all jobs have ended");
    return rc < 0 ? rc : 0;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0;
}
