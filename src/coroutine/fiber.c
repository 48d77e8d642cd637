/* SPDX-License-Identifier: MIT */
/*
 * What sanitizers are told of a switch, and whether this machine allows one; see
 * coroutine/fiber.h. The registers are switched by fiber_MACHINE.S or fiber_ucontext.c.
 *
 * AddressSanitizer is told the stack that a switch goes to, and tells on arrival the stack that it
 * came from: so the bounds of a fiber that was never prepared are learnt when it is left.
 * ThreadSanitizer has a fiber record of its own for each stack. A stack that passes from one
 * coroutine to the next without a switch keeps its record.
 */
#include "coroutine/fiber.h"

#include <errno.h>

#include "base/syscalls.h"

#if defined(ASYNCIO__ASAN)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(ASYNCIO__TSAN)
#include <sanitizer/tsan_interface.h>
#endif

ASYNCIO__THREAD_LOCAL asyncio__fiber_t asyncio__root;

int asyncio__fiber_check(void)
{
    /* Our objects do not claim to support shadow stacks (SHSTK of x86-64, GCS of aarch64), so that
     * the loader leaves them off. A process that has them was forced to. */
    return asyncio__sys.has_shadow_stack() == 1 ? -ENOTSUP : 0;
}

const char *asyncio__fiber_name(void)
{
    return asyncio__fiber_machine;
}

#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)

/* The fiber that was left last, unless it has ended: the fiber that resumes fills its bounds in. */
static ASYNCIO__THREAD_LOCAL asyncio__fiber_t *departed;
#if defined(ASYNCIO__TSAN)
/* The record of a fiber that has ended. The fiber that resumes destroys it: the running one
 * cannot be destroyed. */
static ASYNCIO__THREAD_LOCAL void *dead_fiber;
#endif

/* What the first frame on a stack needs; at the high end of the stack. */
typedef struct start {
    void (*entry)(void *argument); /* what to run */
    void *argument;                /* for it */
} start_t;

/* Before the switch. Inlined, so that no instrumented function is entered in one fiber and left in
 * another. */
static inline __attribute__((always_inline)) void announce(asyncio__fiber_t *from,
                                                           asyncio__fiber_t *to, bool for_good)
{
    departed = for_good ? NULL : from;
#if defined(ASYNCIO__ASAN)
    /* NULL has the fake stack freed: the frames on it have ended. */
    __sanitizer_start_switch_fiber(for_good ? NULL : &from->fake_stack, to->bottom,
                                   to->size_bytes);
#endif
#if defined(ASYNCIO__TSAN)
    void *tsan_fiber = __tsan_get_current_fiber();
    if (for_good)
        dead_fiber = tsan_fiber;
    else
        from->tsan_fiber = tsan_fiber;
    if (!to->tsan_fiber)
        to->tsan_fiber = __tsan_create_fiber(0);
    __tsan_switch_to_fiber(to->tsan_fiber, 0);
#endif
}

/* After the switch, first thing on the stack that it went to. */
static inline __attribute__((always_inline)) void arrive(void *fake_stack)
{
#if defined(ASYNCIO__ASAN)
    const void *bottom;
    size_t size_bytes;
    __sanitizer_finish_switch_fiber(fake_stack, &bottom, &size_bytes);
    if (departed) {
        departed->bottom = bottom;
        departed->size_bytes = size_bytes;
    }
#endif
#if defined(ASYNCIO__TSAN)
    if (dead_fiber) {
        __tsan_destroy_fiber(dead_fiber);
        dead_fiber = NULL;
    }
#endif
    (void)fake_stack;
}

static void first_frame(void *argument)
{
    arrive(NULL);
    start_t start = *(start_t *)argument;
    start.entry(start.argument);
}

void asyncio__fiber_prepare_checked(asyncio__fiber_t *fiber, asyncio__stack_t *stack,
                                    void (*entry)(void *argument), void *argument)
{
    start_t *start = (start_t *)(void *)stack->top - 1;
    *start = (start_t){entry, argument};
    *fiber = (asyncio__fiber_t){0};
#if defined(ASYNCIO__ASAN)
    fiber->bottom = stack->bottom;
    fiber->size_bytes = (size_t)(stack->top - stack->bottom);
#endif
    asyncio__fiber_lay(fiber, stack->bottom, start, first_frame, start);
}

__attribute__((noinline)) void asyncio__fiber_switch_checked(asyncio__fiber_t *from,
                                                             asyncio__fiber_t *to)
{
    announce(from, to, /* for_good= */ false);
    asyncio__fiber_swap(from, to);
#if defined(ASYNCIO__ASAN)
    arrive(from->fake_stack);
#else
    arrive(NULL);
#endif
}

_Noreturn void asyncio__fiber_leave_checked(asyncio__fiber_t *to)
{
    /* Not in this frame, which may lie on the fake stack: announce() frees that. */
    static ASYNCIO__THREAD_LOCAL asyncio__fiber_t abandoned;
    announce(NULL, to, /* for_good= */ true);
    asyncio__fiber_swap(&abandoned, to);
    __builtin_unreachable();
}

#endif
