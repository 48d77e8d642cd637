/* SPDX-License-Identifier: MIT */
/*
 * Calls on files that may block: in the worker threads of the class for files.
 *
 *     int count = asyncio__file_thread_call(loop, read_piece, &arguments);
 *
 * The call, its arguments and its buffers lie in the frame of the coroutine, which resumes only
 * when the call has ended. A cancellation takes a call that has not begun out of the queue; one
 * that has begun is waited for, its result stands, and the cancellation is raised by the task's
 * next suspension. A loop that is closed meanwhile waits for it as well.
 */
#ifndef ASYNCIO__FILE_FILE_THREAD_H
#define ASYNCIO__FILE_FILE_THREAD_H

#include "loop/loop.h"

/* Runs in another thread. Returns 0 or a count, or -errno. */
typedef int asyncio__file_call_t(void *arg);

/* Makes the call and waits for it, in a coroutine of that running loop. Returns its result; a
 * negative one has filled the error slot. */
int asyncio__file_thread_call(asyncio_loop_t *loop, asyncio__file_call_t *call, void *arg);

/* The same for a call that has to be made in any case: it is not taken out of the queue, and where
 * no thread can make it, or the coroutine must not suspend, it is made here. */
int asyncio__file_thread_finish(asyncio_loop_t *loop, asyncio__file_call_t *call, void *arg);

#endif
