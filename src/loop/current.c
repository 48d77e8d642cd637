/* SPDX-License-Identifier: MIT */
/* Which loop is this thread's: the one that runs, and the one that was set. */
#include "base/error.h"
#include "loop/loop.h"

asyncio_loop_t *asyncio_get_running_loop(void)
{
    asyncio_loop_t *loop = asyncio__thread.running_loop;
    return loop && loop->fork_generation == asyncio__fork_generation ? loop : NULL;
}

asyncio_loop_t *asyncio_get_event_loop(void)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    if (loop)
        return loop;
    if (!asyncio__thread.set_loop)
        asyncio__thread.set_loop = asyncio_new_event_loop();
    return asyncio__thread.set_loop;
}

void asyncio_set_event_loop(asyncio_loop_t *loop)
{
    asyncio_loop_t *former = asyncio__thread.set_loop;
    asyncio__thread.set_loop = asyncio_loop_ref(loop);
    asyncio_loop_unref(former);
}
