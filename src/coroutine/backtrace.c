/* SPDX-License-Identifier: MIT */
/* Collects frames; see backtrace.h. The machine's part is in backtrace_MACHINE.S. */
#include "coroutine/backtrace.h"

#include <errno.h>
#include <unwind.h>

/* What the unwinder's callback collects. */
typedef struct collected {
    asyncio__frame_t *frames; /* room for `capacity` frames */
    size_t capacity;          /* of frames */
    long count;               /* frames so far, from -1: the first is the unwinder's caller */
} collected_t;

/* With more frames than this, the stack is corrupt or the recursion endless. */
#define FRAMES_MOST 100000

static _Unwind_Reason_Code collect(struct _Unwind_Context *context, void *arg)
{
    collected_t *collected = arg;
    _Unwind_Ptr address = _Unwind_GetIP(context);
    if (address == 0 || collected->count == FRAMES_MOST)
        return _URC_END_OF_STACK;
    long at = collected->count++;
    if (at >= 0 && (size_t)at < collected->capacity)
        /* The unwinder's interface has addresses as integers. */
        collected->frames[at] = (asyncio__frame_t){
            (const void *)address, (const void *)_Unwind_GetRegionStart(context)};
    return _URC_NO_REASON;
}

long asyncio__own_backtrace(asyncio__frame_t *frames, size_t capacity)
{
    collected_t collected = {frames, capacity, -1};
    _Unwind_Backtrace(collect, &collected);
    return collected.count < 0 ? 0 : collected.count;
}

#if defined(ASYNCIO__FIBER_UCONTEXT)

long asyncio__fiber_backtrace(const asyncio__fiber_t *fiber, asyncio__frame_t *frames,
                              size_t capacity)
{
    (void)fiber, (void)frames, (void)capacity;
    return -EOPNOTSUPP;
}

#else

/* Calls _Unwind_Backtrace(fn, arg) as if from where the fiber is suspended. */
ASYNCIO__FIBER_LOCAL int asyncio__fiber_walk(const asyncio__fiber_t *fiber, _Unwind_Trace_Fn fn,
                                             void *arg);

long asyncio__fiber_backtrace(const asyncio__fiber_t *fiber, asyncio__frame_t *frames,
                              size_t capacity)
{
    collected_t collected = {frames, capacity, -1};
    asyncio__fiber_walk(fiber, collect, &collected);
    return collected.count < 0 ? 0 : collected.count;
}

#endif
