/* SPDX-License-Identifier: MIT */
/* A thread passes items to the loop of another thread by call_soon_threadsafe(), the only way. */
#include <asyncio.h>
#include <pthread.h>
#include <stdio.h>

/* What the thread and the loop share; the thread only reads it. */
struct shop {
    asyncio_loop_t *loop;                                       /* where the callbacks run */
    asyncio_future_t *closed;                  /* done when the last item has arrived; *borrowed* */
    int items[3];                                               /* the items */
};

static void item_arrived(void *item)                            /* def item_arrived(item): */
{
    printf("got item %d\n", *(const int *)item);                /*     print('got item', item) */
}

static void last_item_arrived(void *closed)                     /* def last_item_arrived(closed): */
{
    asyncio_future_set_result((asyncio_future_t *)closed, NULL); /*     closed.set_result(None) */
}

static void *produce(void *arg)                                 /* def produce(loop, closed): */
{
    struct shop *shop = (struct shop *)arg;
    for (int i = 0; i < 3; i++) {                               /*     for item in range(3): */
        shop->items[i] = i;
        /* loop.call_soon_threadsafe(…) */
        asyncio_loop_call_soon_threadsafe(shop->loop, item_arrived, &shop->items[i], NULL);
    }
    /* loop.call_soon_threadsafe(…) */
    asyncio_loop_call_soon_threadsafe(shop->loop, last_item_arrived, shop->closed, NULL);
    return NULL;
}

static int run(void *arg, void **ret_result)                    /* async def main(): */
{
    (void)arg, (void)ret_result;
    /* loop = asyncio.get_running_loop() */
    struct shop shop = {.loop = asyncio_get_running_loop()};
    shop.closed = asyncio_loop_create_future(shop.loop);     /*     closed = loop.create_future() */
    if (shop.closed == NULL)
        return asyncio_errno();
    pthread_t thread;
    /* thread = Thread(target=produce, …) */
    int rc = -pthread_create(&thread, NULL, produce, &shop);
    if (rc == 0) {
        rc = asyncio_await(shop.closed, NULL);                  /*     await closed */
        pthread_join(thread, NULL);                             /*     thread.join() */
        puts("the shop is closed");                            /*     print('the shop is closed') */
    }
    asyncio_future_unref(shop.closed);
    return rc;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0; /* asyncio.run(main()) */
}
