/* SPDX-License-Identifier: MIT */
/* Borrowed, taken, new, shared: which references and results a caller must free. */
#include <asyncio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns text that the caller frees: asyncio_return() says how. */
static int make_text(const char *word, void **ret_result)
{
    int rc = asyncio_sleep(0);
    char *text = rc < 0 ? NULL : strdup(word);
    if (rc == 0 && !text)
        rc = -ENOMEM;
    return rc < 0 ? rc : asyncio_return(ret_result, text, free);
}
ASYNCIO_COROUTINE(make_text, (const char *, word));

static int run(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;

    /* The object is new. The await takes it, and moves its result to the caller. */
    void *text = NULL;
    int rc = asyncio_await(make_text_coroutine("moved"), &text);
    if (rc < 0)
        return rc;
    printf("%s\n", (char *)text);
    free(text);

    /* The task is new: create_task takes the object and returns a reference of ours. An await
     * borrows a task, so its result is borrowed too, until the task is given up. */
    asyncio_task_t *task = asyncio_create_task(make_text_coroutine("borrowed"));
    rc = asyncio_await(task, &text);
    if (rc == 0)
        printf("%s\n", (char *)text);
    asyncio_task_unref(task); /* frees the text, by the free() of asyncio_return() */

    /* await_unref takes the reference, and so the result moves to the caller. */
    task = asyncio_create_task(make_text_coroutine("taken, so moved"));
    rc = asyncio_await_unref(task, &text);
    if (rc == 0)
        printf("%s\n", (char *)text);
    free(text);

    /* A queue is shared by counting: each holder has a reference of its own. */
    asyncio_queue_t *queue = asyncio_queue_new(0);
    asyncio_queue_t *same = asyncio_queue_ref(queue);
    asyncio_queue_unref(queue);
    asyncio_queue_put_nowait(same, ASYNCIO_INT(1));
    printf("the queue lives and holds %zu\n", asyncio_queue_qsize(same));
    asyncio_queue_unref(same);

    /* What is taken is taken on failure too: no clean-up is needed behind a call that fails. */
    rc = asyncio_await(asyncio_create_task(NULL), NULL);
    printf("await of a task that could not be made: %s\n", asyncio_error_name(rc));
    return 0;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0;
}
