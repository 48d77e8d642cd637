/* SPDX-License-Identifier: MIT */
/* Questions about stacks, and their memory; see asyncio/stack_usage.h. */
#include <asyncio/stack_usage.h>

#include "base/error.h"
#include "base/memory.h"
#include "coroutine/stack.h"
#include "task/task.h"

/* The stack of a coroutine object, or NULL and what to return in that case. */
static const asyncio__stack_t *stack_of(const asyncio_coroutine_t *coroutine, long *ret_answer)
{
    *ret_answer = 0;
    if (asyncio__tag_of(coroutine) == ASYNCIO__TAG_COROUTINE)
        return coroutine->stack;
    *ret_answer = asyncio__fail(-EINVAL, "\"coroutine\" must be a coroutine object");
    return NULL;
}

long asyncio_coroutine_get_stack_size(const asyncio_coroutine_t *coroutine)
{
    long rc;
    const asyncio__stack_t *stack = stack_of(coroutine, &rc);
    return stack ? (long)(stack->top - stack->bottom) : rc;
}

long asyncio_coroutine_get_stack_high_water(const asyncio_coroutine_t *coroutine)
{
    long rc;
    const asyncio__stack_t *stack = stack_of(coroutine, &rc);
    return stack ? (long)asyncio__stack_high_water(stack) : rc;
}

/* Asks about the coroutine of a task, while it has one. */
static long ask_task(const asyncio_task_t *task, long (*ask)(const asyncio_coroutine_t *coroutine))
{
    if (!asyncio_istask(task))
        return asyncio__fail(-EINVAL, "\"task\" must be a task");
    const asyncio_coroutine_t *coroutine = asyncio_task_get_coro(task);
    return coroutine ? ask(coroutine) : 0;
}

long asyncio_task_get_stack_size(const asyncio_task_t *task)
{
    return ask_task(task, asyncio_coroutine_get_stack_size);
}

long asyncio_task_get_stack_high_water(const asyncio_task_t *task)
{
    return ask_task(task, asyncio_coroutine_get_stack_high_water);
}

int asyncio_get_stack_statistics(asyncio_stack_statistics_t *ret_statistics)
{
    if (!ret_statistics)
        return asyncio__fail(-EINVAL, "\"ret_statistics\" must not be NULL");
    if (ret_statistics->size < sizeof(*ret_statistics))
        return asyncio__fail(-EINVAL, "\"size\" must be sizeof(asyncio_stack_statistics_t)");
    asyncio__stack_statistics_t own;
    asyncio__stack_statistics(&own);
    ret_statistics->in_use = own.in_use;
    ret_statistics->free = own.free;
    ret_statistics->unguarded = own.unguarded;
    asyncio__stack_memory(&ret_statistics->mapped_bytes, &ret_statistics->resident_bytes);
    return 0;
}

void asyncio_trim(void)
{
    asyncio__ignore((long)asyncio__stack_trim(/* kept= */ 0));
    asyncio__ignore((long)asyncio__memory_trim());
}
