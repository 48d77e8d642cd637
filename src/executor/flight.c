/* SPDX-License-Identifier: MIT */
/* Futures whose outcome comes from another thread, and the list of them; see flight.h. */
#include "executor/flight.h"

#include "base/context.h"
#include "base/memory.h"

/* --- what a loop has ----------------------------------------------------------------------- */

/* The flights under way go on without the loop; their futures stay pending. */
static void close_state(asyncio_loop_t *loop, asyncio__loop_hook_t *hook)
{
    asyncio__executor_state_t *state =
        ASYNCIO__CONTAINER(hook, asyncio__executor_state_t, hook);
    loop->executor_shut_down = true;
    while (!asyncio__list_is_empty(&state->flights))
        asyncio__flight_end(ASYNCIO__CONTAINER(state->flights.next, asyncio__flight_t, link));
    asyncio__visitors_close(state);
    if (state->executor) {
        asyncio__ignore(asyncio_executor_shutdown(state->executor, /* wait= */ false,
                                                  /* cancel_futures= */ false));
        asyncio_executor_unref(state->executor);
    }
    loop->default_executor = NULL;
    asyncio__free(state, sizeof(*state));
}

asyncio__executor_state_t *asyncio__executor_state(asyncio_loop_t *loop)
{
    asyncio__executor_state_t *state = loop->default_executor;
    if (ASYNCIO__LIKELY(state != NULL))
        return state;
    state = asyncio__calloc(sizeof(*state));
    if (!state)
        return NULL;
    state->hook.close = close_state;
    asyncio__list_init(&state->flights);
    asyncio__list_init(&state->visitors);
    asyncio__loop_add_hook(loop, &state->hook);
    loop->default_executor = state;
    return state;
}

/* --- flights ------------------------------------------------------------------------------- */

static void drop_owner(asyncio__flight_t *flight)
{
    /* Release here, acquire in the last one: it frees what the other has written. */
    if (atomic_fetch_sub_explicit(&flight->owners, 1, memory_order_acq_rel) != 1)
        return;
    asyncio__inbox_unref(flight->inbox);
    asyncio__context_drop(flight->context);
    asyncio__free(flight, flight->future.class->size_bytes);
}

void asyncio__flight_let_go(asyncio__flight_t *flight)
{
    drop_owner(flight);
}

void asyncio__flight_release(asyncio_future_t *future)
{
    drop_owner(asyncio__flight_of(future));
}

static void deliver(asyncio__inbox_node_t *node, bool closed)
{
    asyncio__flight_t *flight = ASYNCIO__CONTAINER(node, asyncio__flight_t, node);
    flight->land(flight, closed);
    drop_owner(flight);
    if (!closed)
        asyncio__flight_end(flight); /* at close it was ended before */
}

asyncio__flight_t *asyncio__flight_new(asyncio_loop_t *loop, const asyncio__future_class_t *class,
                                       void (*land)(asyncio__flight_t *flight, bool closed),
                                       const char *place)
{
    if (!asyncio__executor_state(loop))
        return NULL;
    asyncio_future_t *future = asyncio__future_new(loop, class, place);
    if (!future)
        return NULL;
    asyncio__flight_t *flight = asyncio__flight_of(future);
    flight->node.deliver = deliver;
    flight->inbox = asyncio__inbox_ref(loop->inbox);
    flight->land = land;
    atomic_init(&flight->owners, 1);
    return flight;
}

void asyncio__flight_begin(asyncio__flight_t *flight, bool is_job)
{
    asyncio_loop_t *loop = flight->future.loop;
    asyncio__executor_state_t *state = loop->default_executor;
    asyncio__list_append(&state->flights, &flight->link);
    flight->is_job = is_job;
    loop->jobs += is_job;
    flight->future.refs++;
    /* Relaxed: nobody else knows the flight yet. */
    atomic_store_explicit(&flight->owners, 2, memory_order_relaxed);
}

void asyncio__flight_end(asyncio__flight_t *flight)
{
    if (!asyncio__list_is_member(&flight->link))
        return;
    asyncio__list_remove(&flight->link);
    flight->future.loop->jobs -= flight->is_job;
    asyncio_future_unref(&flight->future);
}

void asyncio__flight_post(asyncio__flight_t *flight)
{
    /* Once posted, the flight and its reference to the inbox may be gone; but the loop's own
     * reference cannot: its close waits for those who are inside a post. */
    if (asyncio__inbox_post(flight->inbox, &flight->node) < 0) {
        flight->land(flight, /* closed= */ true);
        drop_owner(flight);
    }
}
