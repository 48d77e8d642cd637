/* SPDX-License-Identifier: MIT */
/* What a cancellation does: it ends the wait, the task cleans up, and its awaiter learns of it. */
#include <asyncio.h>
#include <stdio.h>

/* A task that must put something right before it ends. */
static int careful(const char *name, void **ret_result)
{
    (void)ret_result;
    printf("%s: begins\n", name);
    int rc = asyncio_sleep(3600.0);
    if (rc == -ECANCELED) {
        printf("%s: cancelled, cleans up\n", name);
        asyncio_sleep(0.01); /* a clean-up may await: one cancel raises once */
        printf("%s: is clean\n", name);
    }
    return rc; /* hands the cancellation on */
}
ASYNCIO_COROUTINE(careful, (const char *, name));

/* A result that must arrive even when the caller gives up. */
static int save(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_sleep(0.3);
    *(bool *)arg = rc == 0;
    return rc;
}

static int run(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_t *task = asyncio_create_task(careful_coroutine("first"));
    asyncio_sleep(0);                                   /* lets it begin */
    asyncio_task_cancel(task, NULL);                    /* a request: nothing runs yet */
    int rc = asyncio_await_unref(task, NULL);           /* the clean-up runs here */
    printf("first ended with %s\n", asyncio_error_name(rc));

    /* A timeout is a cancellation that turns into TimeoutError on its way out. */
    rc = asyncio_wait_for(careful_coroutine("second"), 0.01, NULL);
    printf("second ended with %s\n", asyncio_error_name(rc));

    /* What is shielded continues. */
    bool is_saved = false;
    asyncio_task_t *saving = asyncio_create_task(asyncio_coroutine(save, &is_saved));
    rc = asyncio_wait_for_unref(asyncio_shield(saving), 0.01, NULL);
    printf("the wait for the save ended with %s, saved: %d\n", asyncio_error_name(rc), is_saved);
    rc = asyncio_await_unref(saving, NULL);
    printf("the save ended with %d, saved: %d\n", rc, is_saved);
    return rc;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0;
}
