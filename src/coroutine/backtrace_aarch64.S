/* SPDX-License-Identifier: MIT */
/* The walk through the frames of a suspended fiber, on aarch64; see coroutine/backtrace.h. */

    .text

/* int asyncio__fiber_walk(const asyncio__fiber_t *fiber [x0], _Unwind_Trace_Fn fn [x1],
 *                         void *arg [x2]) */
    .globl asyncio__fiber_walk
    .hidden asyncio__fiber_walk
    .type asyncio__fiber_walk, %function
    .p2align 4
asyncio__fiber_walk:
    .cfi_startproc
    hint #34 /* bti c */
    stp x29, x30, [sp, #-32]!
    .cfi_adjust_cfa_offset 32
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    str x19, [sp, #16]
    .cfi_rel_offset x19, 16
    mov x29, sp
    mov x19, x0
    mov x0, x1
    mov x1, x2
    .cfi_remember_state
    /* The caller called asyncio__fiber_swap, which has put 160 bytes on its stack, at fiber->sp:
     * x19 ... x28, x29, x30. Each is an expression: breg19 0, deref, plus_uconst offset. */
    .cfi_escape 0x0f, 6, 0x83, 0, 0x06, 0x23, 0xa0, 0x01 /* def_cfa_expression: + 160 */
    .cfi_escape 0x10, 19, 5, 0x83, 0, 0x06, 0x23, 0
    .cfi_escape 0x10, 20, 5, 0x83, 0, 0x06, 0x23, 8
    .cfi_escape 0x10, 21, 5, 0x83, 0, 0x06, 0x23, 16
    .cfi_escape 0x10, 22, 5, 0x83, 0, 0x06, 0x23, 24
    .cfi_escape 0x10, 23, 5, 0x83, 0, 0x06, 0x23, 32
    .cfi_escape 0x10, 24, 5, 0x83, 0, 0x06, 0x23, 40
    .cfi_escape 0x10, 25, 5, 0x83, 0, 0x06, 0x23, 48
    .cfi_escape 0x10, 26, 5, 0x83, 0, 0x06, 0x23, 56
    .cfi_escape 0x10, 27, 5, 0x83, 0, 0x06, 0x23, 64
    .cfi_escape 0x10, 28, 5, 0x83, 0, 0x06, 0x23, 72
    .cfi_escape 0x10, 29, 5, 0x83, 0, 0x06, 0x23, 80
    .cfi_escape 0x10, 30, 5, 0x83, 0, 0x06, 0x23, 88
    bl _Unwind_Backtrace
    .cfi_restore_state
    ldr x19, [sp, #16]
    ldp x29, x30, [sp], #32
    .cfi_adjust_cfa_offset -32
    .cfi_restore x19
    .cfi_restore x29
    .cfi_restore x30
    ret
    .cfi_endproc
    .size asyncio__fiber_walk, . - asyncio__fiber_walk

#include "coroutine/fiber_notes.h"
