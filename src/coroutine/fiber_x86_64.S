/* SPDX-License-Identifier: MIT */
/*
 * How a fiber begins on x86-64 (System V ABI). The switch itself is in fiber_x86_64.h.
 *
 * No note claims that this object can do with shadow stacks, which it cannot: so the loader leaves
 * them off. Indirect branch tracking it can do with.
 */

    .text

/* Where a prepared fiber goes on: its argument and its entry are on the stack, rbp is zero.
 * Nobody called it, so that the chain of frames ends here for debuggers and backtraces. It jumps to
 * the entry, for that never returns: a call would leave an entry too many on the processor's stack
 * of return addresses, and each return of the next fiber would be predicted wrongly. */
    .type fiber_begin, @function
    .p2align 4
fiber_begin:
    .cfi_startproc
    .cfi_undefined rip
    .cfi_undefined rbp
    endbr64
    popq %rdi
    popq %rax
    leaq fiber_end(%rip), %rcx
    pushq %rcx
    jmpq *%rax
    nop /* unwinders look up the byte before a return address */
fiber_end:
    ud2
    .cfi_endproc
    .size fiber_begin, . - fiber_begin

/* void asyncio__fiber_lay(asyncio__fiber_t *fiber [rdi], void *low [rsi], void *high [rdx],
 *                           void (*entry)(void *) [rcx], void *argument [r8]) */
    .globl asyncio__fiber_lay
    .hidden asyncio__fiber_lay
    .type asyncio__fiber_lay, @function
    .p2align 4
asyncio__fiber_lay:
    .cfi_startproc
    endbr64
    leaq fiber_begin(%rip), %rax
    movq %rcx, -8(%rdx)
    movq %r8, -16(%rdx)
    addq $-16, %rdx
    movq %rdx, 0(%rdi)  /* sp */
    movq $0, 8(%rdi)    /* frame */
    movq %rax, 16(%rdi) /* next */
    ret
    .cfi_endproc
    .size asyncio__fiber_lay, . - asyncio__fiber_lay

    .section .rodata
    .globl asyncio__fiber_machine
    .hidden asyncio__fiber_machine
    .type asyncio__fiber_machine, @object
asyncio__fiber_machine:
    .asciz "x86_64"
    .size asyncio__fiber_machine, . - asyncio__fiber_machine

#include "coroutine/fiber_notes.h"
