/* SPDX-License-Identifier: MIT */
/*
 * How a fiber begins on x86-64 (System V ABI). The rest is in fiber_x86_64.h.
 *
 * This object is marked as able to run with indirect branch tracking and not with shadow stacks, so
 * that the loader leaves those off.
 */

#include "coroutine/fiber_return.h"

    .text

/* Where a prepared fiber begins: its argument and its entry are on the stack, rbp is zero. It has
 * no caller, so that the chain of frames ends here for debuggers and backtraces. It jumps to the
 * entry, which never returns: a call would leave one entry too many on the processor's stack of
 * return addresses, and each return of the next fiber would be mispredicted. */
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

/* Where a function that is marked ASYNCIO__RETURNS_ANEW jumps instead of returning; see
 * fiber_return.h. It must not change the function's result. */
    .globl asyncio__return_after_switch
    .hidden asyncio__return_after_switch
    .type asyncio__return_after_switch, @function
    .p2align 4
asyncio__return_after_switch:
    .cfi_startproc
    movq asyncio__thread@gottpoff(%rip), %rcx
    movq (%rsp), %rsi
    cmpq %fs:ASYNCIO__OFFSET_OF_RETURNS_TO(%rcx), %rsi
    jne 2f
1:  ret
2:  movq %fs:ASYNCIO__OFFSET_OF_COROUTINE(%rcx), %rcx
    testq %rcx, %rcx
    jz 3f /* the loop */
    movq ASYNCIO__OFFSET_OF_STACK(%rcx), %rcx
    subq %rsp, %rcx
    cmpq $ASYNCIO__SHALLOW_BYTES, %rcx
    ja 1b
3:  addq $8, %rsp
    .cfi_def_cfa_offset 0
    .cfi_register rip, rsi
    notrack jmpq *%rsi
    .cfi_endproc
    .size asyncio__return_after_switch, . - asyncio__return_after_switch

    .section .rodata
    .globl asyncio__fiber_machine
    .hidden asyncio__fiber_machine
    .type asyncio__fiber_machine, @object
asyncio__fiber_machine:
    .asciz "x86_64"
    .size asyncio__fiber_machine, . - asyncio__fiber_machine

#include "coroutine/fiber_notes.h"
