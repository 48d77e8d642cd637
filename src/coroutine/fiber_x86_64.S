/* SPDX-License-Identifier: MIT */
/*
 * How a fiber begins on x86-64 (System V ABI). The rest is in fiber_x86_64.h.
 *
 * No note claims that this object can do with shadow stacks, which it cannot: so the loader leaves
 * them off. Indirect branch tracking it can do with.
 */

    .text

/* Where a prepared fiber goes on: its argument and its entry are on the stack, rbp is zero.
 * Nobody called it, so that the chain of frames ends here for debuggers and backtraces. It jumps to
 * the entry, for that never returns: a call would leave an entry too many on the processor's stack
 * of return addresses, and each return of the next fiber would be predicted wrongly. */
    .globl asyncio__fiber_begin
    .hidden asyncio__fiber_begin
    .type asyncio__fiber_begin, @function
    .p2align 4
asyncio__fiber_begin:
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
    .size asyncio__fiber_begin, . - asyncio__fiber_begin

    .section .rodata
    .globl asyncio__fiber_machine
    .hidden asyncio__fiber_machine
    .type asyncio__fiber_machine, @object
asyncio__fiber_machine:
    .asciz "x86_64"
    .size asyncio__fiber_machine, . - asyncio__fiber_machine

#include "coroutine/fiber_notes.h"
