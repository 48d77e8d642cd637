/* SPDX-License-Identifier: MIT */
/*
 * call_soon_threadsafe() of other threads, and call_later() and call_at(), whose timers the loop's
 * thread starts.
 *
 * While the loop's thread needs the GIL for what it does, a handle is simply appended to the items,
 * as in asyncio: so the order is that of the calls. While the loop waits without the GIL, handles
 * are collected in an array, and the loop is woken.
 *
 * One node in the inbox of the C loop stands for all of them: it is posted by the first one, which
 * wakes the loop, and delivered without the GIL, which only schedules. The array itself is guarded
 * by the GIL or, in a free-threaded build, by a mutex.
 */
#ifndef ASYNCIO__PYTHON_POSTS_H
#define ASYNCIO__PYTHON_POSTS_H

#include "python/handle.h"

/* Makes self->posts. 0, or -1 with MemoryError. */
int asyncio__py_posts_new(asyncio__py_loop_t *self);

/* Posts a handle, or a timer to be started, from any thread. Takes the reference, also on failure,
 * which is -1 with an exception. */
int asyncio__py_post(asyncio__py_loop_t *self, asyncio__py_handle_t *handle);

/* Drops what has not run. */
void asyncio__py_posts_drop(asyncio__py_loop_t *self);
void asyncio__py_posts_free(asyncio__py_loop_t *self);
int asyncio__py_visit_posts(asyncio__py_loop_t *self, visitproc visit, void *arg);

#endif
