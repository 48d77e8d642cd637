/* SPDX-License-Identifier: MIT */
/* Several at once: a group, gather, the first of several, and as each completes. */
#include <asyncio.h>
#include <stdio.h>

static int count_to(const char *name, int end, void **ret_result)
{
    int rc = asyncio_sleep(0.05 * end);
    if (rc == 0)
        printf("  %s has counted to %d\n", name, end);
    *ret_result = ASYNCIO_INT(end);
    return rc;
}
ASYNCIO_COROUTINE(count_to, (const char *, name), (int, end));

static int in_a_group(void)
{
    asyncio_task_group_t group;
    int rc = asyncio_task_group_enter(&group);
    asyncio_task_t *a = asyncio_task_group_create_task(&group, count_to_coroutine("a", 2));
    asyncio_task_t *b = asyncio_task_group_create_task(&group, count_to_coroutine("b", 1));
    rc = asyncio_task_group_exit(&group, rc); /* waits for both; an error would cancel the other */
    void *first = NULL, *second = NULL;
    if (rc == 0 && a && b) {
        asyncio_future_result(a, &first);
        asyncio_future_result(b, &second);
    }
    printf("a group: %d and %d\n", (int)asyncio_int(first), (int)asyncio_int(second));
    return rc;
}

static int gathered(void)
{
    asyncio_awaitable_t *both[] = {count_to_coroutine("c", 2), count_to_coroutine("d", 1)};
    void *values[2] = {NULL, NULL};
    int rc = asyncio_gather_await(both, 2, values);
    printf("gathered: %d and %d\n", (int)asyncio_int(values[0]), (int)asyncio_int(values[1]));
    return rc;
}

static int the_first_of_two(void)
{
    asyncio_awaitable_t *both[] = {asyncio_create_task(count_to_coroutine("e", 50)),
                                   asyncio_create_task(count_to_coroutine("f", 1))};
    bool done[2];
    int rc = asyncio_wait(both, 2, ASYNCIO_FOREVER, ASYNCIO_FIRST_COMPLETED, done);
    printf("the first: %s\n", rc == 1 && done[1] ? "f" : "?");
    for (int i = 0; i < 2; i++) {
        asyncio_task_cancel(both[i], NULL); /* of a task that is done: does nothing */
        asyncio_await_unref(both[i], NULL);
    }
    return rc < 0 ? rc : 0;
}

static int as_each_completes(void)
{
    asyncio_awaitable_t *two[] = {count_to_coroutine("g", 2), count_to_coroutine("h", 1)};
    asyncio_as_completed_t *iteration = asyncio_as_completed(two, 2, ASYNCIO_FOREVER);
    asyncio_future_t *future = NULL;
    int rc;
    while ((rc = asyncio_as_completed_next(iteration, &future)) > 0) {
        void *value = NULL;
        asyncio_future_result(future, &value); /* the future is borrowed */
        printf("completed: %d\n", (int)asyncio_int(value));
    }
    asyncio_as_completed_unref(iteration);
    return rc;
}

static int run(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = in_a_group();
    if (rc == 0)
        rc = gathered();
    if (rc == 0)
        rc = the_first_of_two();
    return rc == 0 ? as_each_completes() : rc;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0;
}
