/* SPDX-License-Identifier: MIT */
/*
 * Fibers above the machine: what sanitizers must hear of each switch; see coroutine/fiber.h.
 * The registers are the business of fiber_MACHINE.S or fiber_ucontext.c.
 *
 * AddressSanitizer is told the stack to which a switch goes, and tells on arrival the stack from
 * which it came: so the bounds of a fiber that was never prepared are learnt when it is left.
 * ThreadSanitizer has a fiber of its own for each. A stack that goes from one coroutine to the next
 * without a switch keeps that one, so a fiber is always saved with the one that runs.
 */
#include "coroutine/fiber.h"

#include <errno.h>
#include <unistd.h>

#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#endif

#if defined(ASYNCIO__ASAN)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(ASYNCIO__TSAN)
#include <sanitizer/tsan_interface.h>
#endif

ASYNCIO__THREAD_LOCAL asyncio__fiber_t asyncio__root;

int asyncio__fiber_check(void)
{
#if defined(__linux__) && defined(__x86_64__)
    /* Our objects do not claim to support shadow stacks, so only who forces them on has them. */
    unsigned long features = 0;
    const int shstk_status = 0x5005;
    int saved_errno = errno;
    if (syscall(SYS_arch_prctl, shstk_status, &features) == 0 && (features & 1))
        return -ENOTSUP;
    errno = saved_errno;
#endif
    return 0;
}

const char *asyncio__fiber_name(void)
{
    return asyncio__fiber_machine;
}

#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)

/* Whoever left last and will come back: its bounds are filled in by who arrives. */
static ASYNCIO__THREAD_LOCAL asyncio__fiber_t *departed;
#if defined(ASYNCIO__TSAN)
/* Of who left for good: destroyed by who arrives, for nobody may destroy the running one. */
static ASYNCIO__THREAD_LOCAL void *dead_fiber;
#endif

/* What the first frame on a stack needs; kept at the high end of it. */
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
    /* No place for the fake stack: it is given back, as the frames on it have ended. */
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

/* The first thing on the stack to which a switch went. */
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
    asyncio__fiber_t nobody;
    announce(NULL, to, /* for_good= */ true);
    asyncio__fiber_swap(&nobody, to);
    __builtin_unreachable();
}

#endif
