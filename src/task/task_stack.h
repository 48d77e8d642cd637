/* SPDX-License-Identifier: MIT */
/* The frames of a task, wherever it stands; see task_stack.c. */
#ifndef ASYNCIO__TASK_TASK_STACK_H
#define ASYNCIO__TASK_TASK_STACK_H

#include <asyncio/call_graph.h>

#include "base/symbol.h"
#include "coroutine/backtrace.h"
#include "task/task.h"

/* The frames of a task, newest first: how many there are, which may be more than capacity, or
 * -EOPNOTSUPP. What the running one has called is left out down to the frame that continues at
 * caller. */
long asyncio__task_frames(asyncio__task_t *task, const void *caller, asyncio__frame_t *frames,
                          size_t capacity);

/* Names a frame. */
void asyncio__frame_name(asyncio__symbols_t *symbols, const asyncio__frame_t *frame,
                         asyncio_frame_t *ret_frame);

/* Prints a frame without the end of the line. */
void asyncio__frame_print(FILE *file, const asyncio_frame_t *frame);

#endif
