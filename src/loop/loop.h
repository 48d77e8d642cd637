/* SPDX-License-Identifier: MIT */
/*
 * The loop inside the library: core.h, and the checks of its callers.
 *
 * Layers above include this header; what it offers beyond the record and the ready queue is used
 * at close, or by a layer that runs turns of its own.
 */
#ifndef ASYNCIO__LOOP_LOOP_H
#define ASYNCIO__LOOP_LOOP_H

#include <pthread.h>

#include "loop/callback.h"
#include "loop/check.h"
#include "loop/core.h"
#include "loop/report.h"
#include "loop/watches.h"

/* Keeps the memory of the loop for one object more, or less; the loop may be closed all the same.
 * A NULL loop is ignored by drop. */
static inline asyncio_loop_t *asyncio__loop_hold(asyncio_loop_t *loop)
{
    loop->objects++;
    return loop;
}
void asyncio__loop_free_if_unused(asyncio_loop_t *loop);
static inline void asyncio__loop_drop_object(asyncio_loop_t *loop)
{
    if (loop && --loop->objects == 0)
        asyncio__loop_free_if_unused(loop);
}

/* At close: runs every ready item, which finds the loop closed and only frees what it holds. */
void asyncio__loop_drop_ready(asyncio_loop_t *loop);

#endif
