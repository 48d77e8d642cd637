/* SPDX-License-Identifier: MIT */
/* The servers of a loop that asyncio_serve() runs; see serving.h. */
#include "net/serving.h"

#include "base/memory.h"

void asyncio__serving_init(asyncio__serving_t *serving, asyncio_loop_t *loop, size_t index)
{
    *serving = (asyncio__serving_t){.index = index, .is_held = true};
    asyncio__list_init(&serving->servers);
    loop->serving = serving;
}

void asyncio__serving_fini(asyncio__serving_t *serving, asyncio_loop_t *loop)
{
    while (asyncio__list_pop(&serving->servers))
        continue;
    loop->serving = NULL;
}

/* Calls visit for each server, until it returns a code: 0 or that. Servers may be added and freed
 * meanwhile. */
static int for_each(asyncio__serving_t *serving, int (*visit)(asyncio_server_t *server))
{
    int rc = 0;
    asyncio__list_t *next;
    for (asyncio__list_t *at = serving->servers.next; at != &serving->servers && rc == 0;
         at = next) {
        asyncio_server_t *server = ASYNCIO__CONTAINER(at, asyncio_server_t, serving_link);
        asyncio_server_ref(server);
        rc = visit(server);
        next = at->next;
        asyncio_server_unref(server);
    }
    return rc;
}

int asyncio__serving_release(asyncio__serving_t *serving)
{
    serving->is_held = false;
    return for_each(serving, asyncio__server_release);
}

static int stop(asyncio_server_t *server)
{
    asyncio__server_drain_and_close(server);
    return 0;
}

void asyncio__serving_stop(asyncio__serving_t *serving)
{
    serving->is_held = false;
    asyncio__ignore(for_each(serving, stop));
}

int asyncio__serving_wait(asyncio__serving_t *serving)
{
    return for_each(serving, asyncio_server_wait_closed);
}

static int cancel(asyncio_server_t *server)
{
    asyncio__ignore(asyncio_server_cancel_clients(server));
    return 0;
}

void asyncio__serving_cancel(asyncio__serving_t *serving)
{
    asyncio__ignore(for_each(serving, cancel));
}

static int abort_clients(asyncio_server_t *server)
{
    asyncio__ignore(asyncio_server_abort_clients(server));
    return 0;
}

void asyncio__serving_abort(asyncio__serving_t *serving)
{
    asyncio__ignore(for_each(serving, abort_clients));
}
