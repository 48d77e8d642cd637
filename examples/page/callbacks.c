/* SPDX-License-Identifier: MIT */
/* Callbacks of a future run in the order in which they were added, each once, in the next turn. */
#include <asyncio.h>
#include <stdio.h>

static void first(asyncio_future_t *future, void *arg)          /* def first(future): */
{
    void *value = NULL;
    (void)arg;
    if (asyncio_future_result(future, &value) == 0)
        printf("first: %s\n", (const char *)value);       /*     print('first:', future.result()) */
}

static void named(asyncio_future_t *future, void *name)         /* def second, third, …(future): */
{
    (void)future;
    puts((const char *)name);                                   /*     print('second'), … */
}

static int run(void *arg, void **ret_result)                    /* async def main(): */
{
    (void)arg, (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();   /*     loop = asyncio.get_running_loop() */
    asyncio_future_t *f = asyncio_loop_create_future(loop);     /*     f = loop.create_future() */
    asyncio_future_add_done_callback(f, first, NULL);           /*     f.add_done_callback(first) */
    asyncio_future_add_done_callback(f, named, "second");      /*     f.add_done_callback(second) */
    asyncio_future_add_done_callback(f, named, "third");        /*     f.add_done_callback(third) */
    asyncio_future_add_done_callback(f, named, "fourth");      /*     f.add_done_callback(fourth) */
    asyncio_future_remove_done_callback(f, named, "third");  /*     f.remove_done_callback(third) */
    asyncio_future_set_result(f, "a result");                   /*     f.set_result('a result') */
    puts("it has a result, and nobody was called yet");        /*     print('it has a result, …') */
    int rc = asyncio_sleep(0);                                  /*     await asyncio.sleep(0) */
    asyncio_future_add_done_callback(f, named, "late");         /*     f.add_done_callback(late) */
    if (rc == 0)
        rc = asyncio_sleep(0);                                  /*     await asyncio.sleep(0) */
    asyncio_future_unref(f);
    return rc;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0; /* asyncio.run(main()) */
}
