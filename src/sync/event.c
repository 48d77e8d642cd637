/* SPDX-License-Identifier: MIT */
/* Event: a flag that tasks wait for. */
#include <asyncio/event.h>
#include <assert.h>

#include "task/twin.h"
#include "task/waiter_list.h"

typedef struct __attribute__((may_alias)) event {
    bool is_set;             /* the flag */
    asyncio_loop_t *loop;    /* whose tasks wait; NULL before the first wait */
    asyncio__list_t waiters; /* oldest first */
} event_t;
static_assert(sizeof(event_t) <= sizeof(asyncio_event_t), "the public type has room");

static int check_event(const asyncio_event_t *event)
{
    return event ? 0 : asyncio__fail(-EINVAL, "\"event\" must not be NULL");
}

int asyncio_event_init(asyncio_event_t *memory)
{
    event_t *event = (event_t *)memory;
    int rc = check_event(memory);
    if (rc < 0)
        return rc;
    event->is_set = false;
    event->loop = NULL;
    asyncio__list_init(&event->waiters);
    return 0;
}

void asyncio_event_fini(asyncio_event_t *event)
{
    (void)event;
}

bool asyncio_event_is_set(const asyncio_event_t *event)
{
    return event && ((const event_t *)event)->is_set;
}

int asyncio_event_set(asyncio_event_t *memory)
{
    event_t *event = (event_t *)memory;
    int rc = check_event(memory);
    if (rc < 0 || event->is_set)
        return rc;
    rc = asyncio__waiters_check(&event->waiters);
    if (rc < 0)
        return rc;
    event->is_set = true;
    asyncio__waiters_wake_all(&event->waiters);
    return 0;
}

int asyncio_event_clear(asyncio_event_t *memory)
{
    int rc = check_event(memory);
    if (rc == 0)
        ((event_t *)memory)->is_set = false;
    return rc;
}

int asyncio_event_wait(asyncio_event_t *memory)
{
    event_t *event = (event_t *)memory;
    int rc = check_event(memory);
    if (rc < 0 || event->is_set)
        return rc;
    rc = asyncio__waiters_bind(&event->loop);
    return rc < 0 ? rc : asyncio__waiters_wait(event->loop, &event->waiters, "asyncio_event_wait");
}

ASYNCIO__TWIN(CODE, asyncio_event_wait, (asyncio_event_t *, event))
