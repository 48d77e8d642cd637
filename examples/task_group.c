/* SPDX-License-Identifier: MIT */
/* A task group waits for its tasks; if one fails it cancels the others and returns the error. */
#include <asyncio.h>
#include <stdio.h>

static int say(const char *word, double delay, void **ret_result) /* async def say(word, delay): */
{
    int rc = asyncio_sleep(delay);                              /*     await asyncio.sleep(delay) */
    if (rc < 0)
        return rc;
    puts(word);                                                 /*     print(word) */
    *ret_result = (void *)word;                                 /*     return word */
    return 0;
}
ASYNCIO_COROUTINE(say, (const char *, word), (double, delay));

static int fail(void **ret_result)                              /* async def fail(): */
{
    (void)ret_result;
    return asyncio_raise(-EIO, "this one failed");        /*     raise OSError('this one failed') */
}
ASYNCIO_COROUTINE(fail);

static int run(void *arg, void **ret_result)                    /* async def main(): */
{
    (void)arg, (void)ret_result;
    asyncio_task_group_t tg;
    int rc = asyncio_task_group_enter(&tg);          /*     async with asyncio.TaskGroup() as tg: */
    if (rc < 0)
        return rc;
    /* tg.create_task(say('hello', 0.1)) */
    asyncio_task_group_create_task(&tg, say_coroutine("hello", 0.1));
    /* tg.create_task(say('world', 1.0)) */
    asyncio_task_group_create_task(&tg, say_coroutine("world", 1.0));
    rc = asyncio_task_group_exit(&tg, 0);
    if (rc < 0)
        return rc;
    puts("both have ended");                                    /*     print('both have ended') */

    rc = asyncio_task_group_enter(&tg);                 /*     try: async with TaskGroup() as tg: */
    if (rc < 0)
        return rc;
    /* tg.create_task(say('never', 60)) */
    asyncio_task_group_create_task(&tg, say_coroutine("never", 60.0));
    asyncio_task_group_create_task(&tg, fail_coroutine());      /*         tg.create_task(fail()) */
    rc = asyncio_task_group_exit(&tg, 0);
    if (rc == ASYNCIO_EGROUP) {                                 /*     except* OSError as group: */
        asyncio_error_t *group = asyncio_error_last();
        /* for error in group.exceptions: */
        for (size_t i = 0; i < asyncio_error_child_count(group); i++)
            /* print(error) */
            puts(asyncio_error_message(asyncio_error_child(group, i)));
        asyncio_error_unref(group);
    }
    return 0;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0; /* asyncio.run(main()) */
}
