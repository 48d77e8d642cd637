/* SPDX-License-Identifier: MIT */
/* The walk through the frames of a suspended fiber, on x86-64; see coroutine/backtrace.h. */

    .text

/* int asyncio__fiber_walk(const asyncio__fiber_t *fiber [rdi], _Unwind_Trace_Fn fn [rsi],
 *                         void *arg [rdx]) */
    .globl asyncio__fiber_walk
    .hidden asyncio__fiber_walk
    .type asyncio__fiber_walk, @function
    .p2align 4
asyncio__fiber_walk:
    .cfi_startproc
    endbr64
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    movq %rdi, %rbx
    movq %rsi, %rdi
    movq %rdx, %rsi
    .cfi_remember_state
    /* The caller's frame begins at fiber->sp, its rbp is fiber->frame, it resumes at fiber->next.
     * It has saved the other registers itself, as the switch changes them. */
    .cfi_escape 0x0f, 3, 0x73, 0, 0x06     /* def_cfa_expression: breg3 (rbx) 0, deref */
    .cfi_escape 0x10, 6, 2, 0x73, 8        /* expression: rbp is at rbx + 8 */
    .cfi_escape 0x10, 16, 2, 0x73, 16      /* expression: the return address is at rbx + 16 */
    .cfi_same_value rbx
    call *_Unwind_Backtrace@GOTPCREL(%rip)
    .cfi_restore_state
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    ret
    .cfi_endproc
    .size asyncio__fiber_walk, . - asyncio__fiber_walk

#include "coroutine/fiber_notes.h"
