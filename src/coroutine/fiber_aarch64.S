/* SPDX-License-Identifier: MIT */
/*
 * The switch on aarch64 (AAPCS64): x19 to x30, d8 to d15 and the stack pointer.
 *
 * A suspended fiber has on its stack, from sp upwards: x19 ... x28, x29, x30 (where it resumes),
 * d8 ... d15: 160 bytes. FPCR is not saved; see fiber_x86_64.h. x30 is not signed there: functions
 * that sign return addresses do so in their own frames, with their own stack pointer, which is
 * kept.
 */

    .text

/* void asyncio__fiber_swap(asyncio__fiber_t *from [x0], asyncio__fiber_t *to [x1]) */
    .globl asyncio__fiber_swap
    .hidden asyncio__fiber_swap
    .type asyncio__fiber_swap, %function
    .p2align 5
asyncio__fiber_swap:
    .cfi_startproc
    hint #34 /* bti c */
    sub sp, sp, #160
    .cfi_adjust_cfa_offset 160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    .cfi_rel_offset x19, 0
    .cfi_rel_offset x20, 8
    .cfi_rel_offset x21, 16
    .cfi_rel_offset x22, 24
    .cfi_rel_offset x23, 32
    .cfi_rel_offset x24, 40
    .cfi_rel_offset x25, 48
    .cfi_rel_offset x26, 56
    .cfi_rel_offset x27, 64
    .cfi_rel_offset x28, 72
    .cfi_rel_offset x29, 80
    .cfi_rel_offset x30, 88
    .cfi_rel_offset d8, 96
    .cfi_rel_offset d9, 104
    .cfi_rel_offset d10, 112
    .cfi_rel_offset d11, 120
    .cfi_rel_offset d12, 128
    .cfi_rel_offset d13, 136
    .cfi_rel_offset d14, 144
    .cfi_rel_offset d15, 152
    mov x9, sp
    str x9, [x0]
    ldr x9, [x1]
    mov sp, x9
    /* The stack is another one here, but the frame on it has the same layout. */
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    .cfi_def_cfa_offset 0
    .cfi_restore x19
    .cfi_restore x20
    .cfi_restore x21
    .cfi_restore x22
    .cfi_restore x23
    .cfi_restore x24
    .cfi_restore x25
    .cfi_restore x26
    .cfi_restore x27
    .cfi_restore x28
    .cfi_restore x29
    .cfi_restore x30
    .cfi_restore d8
    .cfi_restore d9
    .cfi_restore d10
    .cfi_restore d11
    .cfi_restore d12
    .cfi_restore d13
    .cfi_restore d14
    .cfi_restore d15
    ret
    .cfi_endproc
    .size asyncio__fiber_swap, . - asyncio__fiber_swap

/* Where a prepared fiber begins: x19 is its entry, x20 the argument, x29 zero. It has no caller, so
 * that the chain of frames ends here for debuggers and backtraces. */
    .type fiber_begin, %function
    .p2align 4
fiber_begin:
    .cfi_startproc
    .cfi_undefined x30
    .cfi_undefined x29
    hint #36 /* bti j */
    mov x0, x20
    blr x19
    brk #1
    .cfi_endproc
    .size fiber_begin, . - fiber_begin

/* void asyncio__fiber_lay(asyncio__fiber_t *fiber [x0], void *low [x1], void *high [x2],
 *                           void (*entry)(void *) [x3], void *argument [x4]) */
    .globl asyncio__fiber_lay
    .hidden asyncio__fiber_lay
    .type asyncio__fiber_lay, %function
    .p2align 4
asyncio__fiber_lay:
    .cfi_startproc
    hint #34 /* bti c */
    sub x9, x2, #160
    stp x3, x4, [x9, #0]      /* x19, x20 */
    stp xzr, xzr, [x9, #16]
    stp xzr, xzr, [x9, #32]
    stp xzr, xzr, [x9, #48]
    stp xzr, xzr, [x9, #64]
    adrp x10, fiber_begin
    add x10, x10, :lo12:fiber_begin
    stp xzr, x10, [x9, #80]   /* x29, x30 */
    stp xzr, xzr, [x9, #96]
    stp xzr, xzr, [x9, #112]
    stp xzr, xzr, [x9, #128]
    stp xzr, xzr, [x9, #144]
    str x9, [x0]
    ret
    .cfi_endproc
    .size asyncio__fiber_lay, . - asyncio__fiber_lay

    .section .rodata
    .globl asyncio__fiber_machine
    .hidden asyncio__fiber_machine
    .type asyncio__fiber_machine, %object
asyncio__fiber_machine:
    .asciz "aarch64"
    .size asyncio__fiber_machine, . - asyncio__fiber_machine

#include "coroutine/fiber_notes.h"
