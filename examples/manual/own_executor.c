/* SPDX-License-Identifier: MIT */
/* An executor of the program's own, and an allocator that counts. */
#include <asyncio.h>
#include <stdio.h>
#include <stdlib.h>

/* Runs each job in a thread-safe, boring way: at once, in the thread that submits it. */
static int submit(asyncio_executor_t *executor, asyncio_job_t *job)
{
    (void)executor;
    asyncio_job_run(job);
    return 0;
}

static const asyncio_executor_class_t inline_class = {.size = sizeof(inline_class),
                                                      .submit = submit};

static int add(void *arg, void **ret_result)
{
    const int *pair = arg;
    *ret_result = ASYNCIO_INT(pair[0] + pair[1]);
    return 0;
}

static int run(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_executor_t executor;
    int rc = asyncio_executor_init(&executor, &inline_class);
    if (rc < 0)
        return rc;
    int pair[] = {2, 3};
    void *sum = NULL;
    rc = asyncio_await_unref(asyncio_loop_run_in_executor(NULL, &executor, add, pair), &sum);
    printf("2 + 3 = %d\n", (int)asyncio_int(sum));
    asyncio_executor_unref(&executor);
    return rc;
}

/* The allocator: malloc's, with the bytes in use counted, and the most that they were. */
typedef struct {
    size_t used_bytes, most_bytes;
} account_t;

static void *grow(void *context, void *block, size_t old_size, size_t new_size)
{
    account_t *account = context;
    void *moved = realloc(block, new_size);
    if (moved)
        account->used_bytes += new_size - old_size;
    if (account->used_bytes > account->most_bytes)
        account->most_bytes = account->used_bytes;
    return moved;
}

static void give_back(void *context, void *block, size_t size)
{
    ((account_t *)context)->used_bytes -= size;
    free(block);
}

int main(void)
{
    static account_t account;
    asyncio_allocator_t allocator = {&account, grow, give_back};
    int rc = asyncio_set_allocator(&allocator); /* before the first other call */
    if (rc == 0)
        rc = asyncio_run(asyncio_coroutine(run, NULL), NULL);
    printf("the program's allocator was used: %s\n", account.most_bytes > 0 ? "yes" : "no");
    return rc < 0;
}
