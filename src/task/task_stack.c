/* SPDX-License-Identifier: MIT */
/*
 * The frames of a task: of one that waits those on its coroutine's stack, of the running one those
 * of the caller. If it drives a generator, the frames of that lie above:
 *
 *     oldest:  the body ... asyncio_coroutine_anext        on the task's stack
 *     newest:  the generator's body ... asyncio_sleep      on the generator's
 *
 * What the library has below each body, down to where the stack begins, is left out.
 */
#include "task/task_stack.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"

#define FRAMES_MOST 128   /* of one stack, the newest; there may be more: those are counted */
#define GENERATORS_MOST 16 /* that drive each other */

/* Where frames are put. */
typedef struct room {
    asyncio__frame_t *frames; /* room for capacity of them */
    size_t capacity;          /* of frames */
    long count;               /* how many there are */
} room_t;

static void put(room_t *room, const asyncio__frame_t *frame)
{
    if ((size_t)room->count < room->capacity)
        room->frames[room->count] = *frame;
    room->count++;
}

/* Adds the frames of one stack, of which count were found, from the first-th on. */
static void put_stack(room_t *room, const asyncio__frame_t *frames, long first, long count,
                      const asyncio_coroutine_t *coroutine)
{
    long known = count < FRAMES_MOST ? count : FRAMES_MOST, end = count;
    const void *body = (const void *)(uintptr_t)coroutine->fn;
    bool has_body = false;
    for (long i = known - 1; known == count && i >= first; i--) {
        if (frames[i].begin == body) {
            end = i + 1;
            has_body = true;
            break;
        }
        if (frames[i].begin == (const void *)(uintptr_t)asyncio__coroutine_run && end == count)
            end = i;
    }
    for (long i = first; i < end && i < known; i++)
        put(room, &frames[i]);
    if (end > known)
        room->count += end - known;
    /* It has ended in a tail call; but it is what the task is about. */
    if (!has_body && known == count)
        put(room, &(asyncio__frame_t){body, body});
}

/* Adds the frames of a coroutine that is away: 0 or -EOPNOTSUPP. */
static int put_away(room_t *room, const asyncio_coroutine_t *coroutine)
{
    asyncio__frame_t frames[FRAMES_MOST];
    long count = asyncio__fiber_backtrace(&coroutine->fiber, frames, FRAMES_MOST);
    if (count < 0)
        return (int)count;
    put_stack(room, frames, 0, count, coroutine);
    return 0;
}

/* The generator that is driven from the stack of that coroutine and awaits, or NULL. */
static asyncio_coroutine_t *driven_from(const asyncio__task_t *task,
                                        const asyncio_coroutine_t *host)
{
    asyncio__task_layer_t *hook = asyncio__task_layer_of(task->future.loop);
    return hook ? asyncio__generator_driven_from(hook, host) : NULL;
}

static int put_waiting(room_t *room, asyncio__task_t *task)
{
    asyncio_coroutine_t *chain[GENERATORS_MOST] = {task->coroutine};
    int length = 1, rc = 0;
    while (length < GENERATORS_MOST && (chain[length] = driven_from(task, chain[length - 1])))
        length++;
    while (rc == 0 && length > 0)
        rc = put_away(room, chain[--length]);
    return rc;
}

static int put_running(room_t *room, asyncio__task_t *task, const void *caller)
{
    asyncio__frame_t frames[FRAMES_MOST];
    long count = asyncio__own_backtrace(frames, FRAMES_MOST), first = 0;
    long known = count < FRAMES_MOST ? count : FRAMES_MOST;
    while (first < known && frames[first].address != caller)
        first++;
    if (first == known)
        first = 0;
    const asyncio_coroutine_t *running = asyncio__thread.coroutine;
    put_stack(room, frames, first, count, running);
    /* Below a generator that runs are those that drive it. */
    int rc = 0;
    for (int i = 0; rc == 0 && i < GENERATORS_MOST && running != task->coroutine; i++) {
        const asyncio__driver_t *driver = asyncio__coroutine_driver(running);
        if (!driver)
            break;
        count = asyncio__fiber_backtrace(&driver->fiber, frames, FRAMES_MOST);
        running = driver->host;
        if (count < 0)
            rc = (int)count;
        else
            put_stack(room, frames, 0, count, running);
    }
    return rc;
}

long asyncio__task_frames(asyncio__task_t *task, const void *caller, asyncio__frame_t *frames,
                          size_t capacity)
{
    room_t room = {frames, capacity, 0};
    const asyncio_coroutine_t *coroutine = task->coroutine;
    int rc = 0;
    if (asyncio__future_is_done(&task->future) || !coroutine)
        return 0;
    if (&task->future == asyncio__thread.task && asyncio__thread.coroutine)
        rc = put_running(&room, task, caller);
    else if (task->is_started && coroutine->state == ASYNCIO__COROUTINE_WAITING)
        rc = put_waiting(&room, task);
    else if (!task->is_started)
        put(&room, &(asyncio__frame_t){(const void *)(uintptr_t)coroutine->fn,
                                       (const void *)(uintptr_t)coroutine->fn});
    return rc < 0 ? rc : room.count;
}

/* --- names --------------------------------------------------------------------------------- */

void asyncio__frame_name(asyncio__symbols_t *symbols, const asyncio__frame_t *frame,
                         asyncio_frame_t *ret_frame)
{
    /* An address that a call returns to belongs to what is before it; the beginning of a function
     * to what is behind it. */
    bool is_begin = frame->address == frame->begin;
    asyncio__symbol_t symbol;
    asyncio__symbols_find(symbols, (const char *)frame->address + is_begin, &symbol);
    *ret_frame = (asyncio_frame_t){.address = frame->address, .line = symbol.line,
                                   .offset = symbol.offset - (symbol.offset ? is_begin : 0)};
    static_assert(sizeof(ret_frame->function) == sizeof(symbol.function), "names fit");
    static_assert(sizeof(ret_frame->file) == sizeof(symbol.file), "names fit");
    memcpy(ret_frame->function, symbol.function, sizeof(symbol.function));
    memcpy(ret_frame->file, symbol.file, sizeof(symbol.file));
}

/* --- public -------------------------------------------------------------------------------- */

static int check_task(asyncio_task_t *task)
{
    if (!asyncio__is_task(task))
        return asyncio__fail(-EINVAL, "\"task\" must be a task");
    return asyncio__loop_check_thread(task->loop);
}

long asyncio_task_get_stack(asyncio_task_t *task, asyncio_frame_t *ret_frames, size_t capacity)
{
    int rc = check_task(task);
    if (rc < 0)
        return rc;
    if (!ret_frames || capacity > SIZE_MAX / sizeof(asyncio__frame_t))
        capacity = 0;
    asyncio__frame_t *frames = capacity ? asyncio__malloc(capacity * sizeof(*frames)) : NULL;
    if (capacity && !frames)
        return asyncio__fail(-ENOMEM, NULL);
    long count = asyncio__task_frames(asyncio__task_of(task), __builtin_return_address(0), frames,
                                      capacity);
    asyncio__symbols_t symbols = {0};
    size_t known = count < 0 ? 0 : (size_t)count < capacity ? (size_t)count : capacity;
    for (size_t i = 0; i < known; i++)
        asyncio__frame_name(&symbols, &frames[i], &ret_frames[known - 1 - i]);
    asyncio__symbols_fini(&symbols);
    asyncio__free(frames, capacity * sizeof(*frames));
    return count < 0 ? asyncio__fail((int)count, "the switch of this build has no tables") : count;
}

void asyncio__frame_print(FILE *file, const asyncio_frame_t *frame)
{
    const char *name = *frame->function ? frame->function : "?";
    if (frame->line)
        fprintf(file, "File \"%s\", line %d, in %s()", frame->file, frame->line, name);
    else
        fprintf(file, "File \"%s\", in %s()+0x%zx", frame->file, name, frame->offset);
}

int asyncio_task_print_stack(asyncio_task_t *task, int limit, FILE *file)
{
    int rc = check_task(task);
    if (rc == 0 && !file)
        rc = asyncio__fail(-EINVAL, "\"file\" must not be NULL");
    if (rc < 0)
        return rc;
    asyncio__frame_t frames[FRAMES_MOST];
    long count = asyncio__task_frames(asyncio__task_of(task), __builtin_return_address(0), frames,
                                      FRAMES_MOST);
    if (count < 0)
        return asyncio__fail((int)count, "the switch of this build has no tables");
    if (limit >= 0 && count > limit)
        count = limit;
    if (count > FRAMES_MOST)
        count = FRAMES_MOST;
    fprintf(file, count ? "Stack for %s (most recent call last):\n" : "No stack for %s\n",
            asyncio_task_get_name(task));
    asyncio__symbols_t symbols = {0};
    for (long i = count - 1; i >= 0; i--) {
        asyncio_frame_t frame;
        asyncio__frame_name(&symbols, &frames[i], &frame);
        fputs("  ", file);
        asyncio__frame_print(file, &frame);
        fputc('\n', file);
    }
    asyncio__symbols_fini(&symbols);
    return ferror(file) ? asyncio__fail(-EIO, "the stack could not be written") : 0;
}
