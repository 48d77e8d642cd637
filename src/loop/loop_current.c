/* SPDX-License-Identifier: MIT */
/* The loops of this thread: the one that runs, and the one that was set. */
#include "base/error.h"
#include "loop/loop.h"

asyncio_loop_t *asyncio_get_running_loop(void)
{
    return asyncio__running_loop();
}

asyncio_loop_t *asyncio_get_event_loop(void)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    if (loop)
        return loop;
    if (!asyncio__thread.set_loop) {
        asyncio__thread.set_loop = asyncio_new_event_loop();
        asyncio__thread_watch_end();
    }
    return asyncio__thread.set_loop;
}

void asyncio_set_event_loop(asyncio_loop_t *loop)
{
    asyncio_loop_t *former = asyncio__thread.set_loop;
    asyncio__thread.set_loop = asyncio_loop_ref(loop);
    asyncio__thread_watch_end();
    asyncio_loop_unref(former);
}

/* The thread ends. A loop that runs in another thread is leaked rather than damaged. */
static void drop_set_loop(void)
{
    asyncio_loop_t *loop = asyncio__thread.set_loop;
    asyncio__thread.set_loop = NULL;
    if (loop && !(loop->running && loop->thread != &asyncio__thread))
        asyncio_loop_unref(loop);
}

__attribute__((constructor)) static void add_end_hook(void)
{
    asyncio__thread_end_hook = drop_set_loop;
}
