/* SPDX-License-Identifier: MIT */
/* What the executor layer keeps for a loop; see executor_state.h. */
#include "executor/executor_state.h"

#include "base/memory.h"

/* In the slot of a loop whose default executor was shut down before it had a state: a shutdown
 * cannot fail, and so allocates nothing. Never changed. */
static asyncio__executor_state_t only_shut_down = {.is_shut_down = true};

static void close_state(asyncio_loop_t *loop, asyncio__loop_hook_t *hook)
{
    asyncio__executor_state_t *state =
        ASYNCIO__CONTAINER(hook, asyncio__executor_state_t, hook);
    while (!asyncio__list_is_empty(&state->entries)) {
        asyncio__executor_entry_t *entry =
            ASYNCIO__CONTAINER(state->entries.next, asyncio__executor_entry_t, link);
        entry->close(entry);
    }
    if (state->default_executor) {
        asyncio__ignore(asyncio_executor_shutdown(state->default_executor, /* wait= */ false,
                                                  /* cancel_futures= */ false));
        asyncio_executor_unref(state->default_executor);
    }
    loop->executors = &only_shut_down;
    asyncio__free(state, sizeof(*state));
}

asyncio__executor_state_t *asyncio__executor_state(asyncio_loop_t *loop)
{
    asyncio__executor_state_t *state = loop->executors;
    if (ASYNCIO__LIKELY(state != NULL && state != &only_shut_down))
        return state;
    bool is_shut_down = asyncio__executor_state_is_shut_down(loop);
    state = asyncio__calloc(sizeof(*state));
    if (!state)
        return NULL;
    state->hook.close = close_state;
    state->is_shut_down = is_shut_down;
    asyncio__list_init(&state->entries);
    asyncio__loop_add_hook(loop, &state->hook);
    loop->executors = state;
    return state;
}

asyncio_executor_t *asyncio__executor_state_shut_down(asyncio_loop_t *loop)
{
    asyncio__executor_state_t *state = loop->executors;
    if (!state)
        loop->executors = &only_shut_down;
    if (!state || state == &only_shut_down)
        return NULL;
    asyncio_executor_t *executor = state->default_executor;
    state->is_shut_down = true;
    state->default_executor = NULL;
    return executor;
}

bool asyncio__executor_state_is_shut_down(const asyncio_loop_t *loop)
{
    return loop->executors && loop->executors->is_shut_down;
}
