/* SPDX-License-Identifier: MIT */
/*
 * The switch on x86-64, part of coroutine/fiber.h; where a fiber begins is in fiber_x86_64.S.
 *
 * It saves the stack pointer, rbp and the address where the fiber resumes. The compiler is told
 * that all other registers change, so that it saves those it needs, and no others, in the frame
 * that it has anyway. Each switch has a jump of its own for the processor to predict, and there is
 * no call or return, so that the processor's stack of return addresses stays right. A switch costs
 * a third of one that pushes and pops six registers, and a tenth where two functions switch to
 * each other.
 *
 * Nothing is written to the stack here: below the stack pointer may be a red zone in use. MXCSR
 * and the x87 control word are not saved: reading and comparing both takes 2 ns, saving and loading
 * 4 ns, of the 9 ns that a yield takes. The label may be jumped to under indirect branch tracking.
 */
#ifndef ASYNCIO__COROUTINE_FIBER_X86_64_H
#define ASYNCIO__COROUTINE_FIBER_X86_64_H

/* Further registers that the compiler may use; they change as well. */
#if defined(__AVX512F__)
#define ASYNCIO__FIBER_AVX512                                                                 \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24",        \
        "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2",      \
        "k3", "k4", "k5", "k6", "k7"
#else
#define ASYNCIO__FIBER_AVX512
#endif
#if defined(__APX_F__)
#define ASYNCIO__FIBER_APX                                                                    \
    , "r16", "r17", "r18", "r19", "r20", "r21", "r22", "r23", "r24", "r25", "r26", "r27",     \
        "r28", "r29", "r30", "r31"
#else
#define ASYNCIO__FIBER_APX
#endif

/* Where a fiber that asyncio__fiber_lay() made begins; in fiber_x86_64.S. */
ASYNCIO__FIBER_LOCAL extern const char asyncio__fiber_begin[];

static inline void asyncio__fiber_lay(asyncio__fiber_t *fiber, void *low, void *high,
                                      void (*entry)(void *argument), void *argument)
{
    (void)low;
    uintptr_t *top = high;
    top[-1] = (uintptr_t)entry;
    top[-2] = (uintptr_t)argument;
    fiber->sp = &top[-2];
    fiber->frame = NULL;
    fiber->next = (void *)(uintptr_t)asyncio__fiber_begin;
}

static inline __attribute__((always_inline)) void asyncio__fiber_swap(asyncio__fiber_t *from,
                                                                      asyncio__fiber_t *to)
{
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rsp, 0(%%rdi)\n\t"
                     "movq %%rbp, 8(%%rdi)\n\t"
                     "movq %%rax, 16(%%rdi)\n\t"
                     "movq 16(%%rsi), %%rax\n\t"
                     "movq 0(%%rsi), %%rsp\n\t"
                     "movq 8(%%rsi), %%rbp\n\t"
                     "jmpq *%%rax\n"
                     "1:\tendbr64"
                     : "+D"(from), "+S"(to)
                     :
                     : "memory", "cc", "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12",
                       "r13", "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
                       "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15", "mm0", "mm1", "mm2", "mm3", "mm4", "mm5", "mm6", "mm7", "st",
                       "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)",
                       "st(7)" ASYNCIO__FIBER_AVX512 ASYNCIO__FIBER_APX);
}

#endif
