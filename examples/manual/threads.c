/* SPDX-License-Identifier: MIT */
/* Between threads: blocking work in a pool, and calls from another thread into the loop. */
#include <asyncio.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

/* Blocks, so it runs in a thread of the pool. Its argument is a copy, which it may outlive. */
static int square_slowly(void *arg, void **ret_result)
{
    int number = *(int *)arg;
    usleep(10000);
    *ret_result = ASYNCIO_INT(number * number);
    return 0;
}

/* Runs in the loop, called by the other thread. */
static int double_it(int number, void **ret_result)
{
    int rc = asyncio_sleep(0.01);
    *ret_result = ASYNCIO_INT(2 * number);
    return rc;
}
ASYNCIO_COROUTINE(double_it, (int, number));

typedef struct {
    asyncio_loop_t *loop;
    asyncio_event_t *done;
} other_t;

static void set_done(void *event)
{
    asyncio_event_set(event);
}

/* Another thread: it may block, and it reaches the loop by the calls that say "any thread". */
static void *other_thread(void *arg)
{
    other_t *other = arg;
    asyncio_concurrent_future_t *future =
        asyncio_run_coroutine_threadsafe(double_it_coroutine(21), other->loop);
    void *value = NULL;
    int rc = asyncio_concurrent_future_result(future, ASYNCIO_FOREVER, &value);
    printf("the other thread got %d (%d)\n", (int)asyncio_int(value), rc);
    asyncio_concurrent_future_unref(future);
    asyncio_loop_call_soon_threadsafe(other->loop, set_done, other->done, NULL);
    return NULL;
}

static int run(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int number = 12;
    asyncio_job_options_t copied = {.size = sizeof(copied), .copy_bytes = sizeof(number)};
    void *value = NULL;
    int rc = asyncio_to_thread_full(square_slowly, &number, &copied, &value);
    if (rc < 0)
        return rc;
    printf("the square of 12 is %d\n", (int)asyncio_int(value));

    asyncio_event_t done;
    asyncio_event_init(&done);
    other_t other = {asyncio_get_running_loop(), &done};
    pthread_t thread;
    pthread_create(&thread, NULL, other_thread, &other);
    rc = asyncio_event_wait(&done);
    pthread_join(thread, NULL);
    asyncio_event_fini(&done);
    puts("done");
    return rc;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0;
}
