/* SPDX-License-Identifier: MIT */
/*
 * The switch on x86-64 (System V ABI): six registers and the stack pointer.
 *
 * A context that is away has on its stack, from sp upwards: r15 r14 r13 r12 rbx rbp, the address
 * where it goes on. MXCSR and the x87 control word are not saved: they would double the cost.
 * No note claims that this object can do with shadow stacks, which it cannot: so the loader leaves
 * them off. Indirect branch tracking it can do with.
 */

    .text

/* void asyncio__context_swap(asyncio__context_t *from [rdi], asyncio__context_t *to [rsi]) */
    .globl asyncio__context_swap
    .hidden asyncio__context_swap
    .type asyncio__context_swap, @function
    .p2align 5
asyncio__context_swap:
    .cfi_startproc
    endbr64
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r15, 0
    movq %rsp, (%rdi)
    movq (%rsi), %rsp
    /* Here the stack is another one, but the frame on it looks the same. */
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    ret
    .cfi_endproc
    .size asyncio__context_swap, . - asyncio__context_swap

/* Where a prepared context goes on: rbx is its entry, r12 the argument, rbp zero. Nobody called
 * it, so that the chain of frames ends here for debuggers and backtraces. */
    .type context_begin, @function
    .p2align 4
context_begin:
    .cfi_startproc
    .cfi_undefined rip
    .cfi_undefined rbp
    endbr64
    movq %r12, %rdi
    callq *%rbx
    ud2
    .cfi_endproc
    .size context_begin, . - context_begin

/* void asyncio__context_lay(asyncio__context_t *context [rdi], void *low [rsi], void *high [rdx],
 *                           void (*entry)(void *) [rcx], void *argument [r8]) */
    .globl asyncio__context_lay
    .hidden asyncio__context_lay
    .type asyncio__context_lay, @function
    .p2align 4
asyncio__context_lay:
    .cfi_startproc
    endbr64
    leaq context_begin(%rip), %rax
    movq %rax, -8(%rdx)
    movq $0, -16(%rdx)  /* rbp */
    movq %rcx, -24(%rdx) /* rbx */
    movq %r8, -32(%rdx)  /* r12 */
    movq $0, -40(%rdx)  /* r13 */
    movq $0, -48(%rdx)  /* r14 */
    movq $0, -56(%rdx)  /* r15 */
    leaq -56(%rdx), %rax
    movq %rax, (%rdi)
    ret
    .cfi_endproc
    .size asyncio__context_lay, . - asyncio__context_lay

    .section .rodata
    .globl asyncio__context_machine
    .hidden asyncio__context_machine
    .type asyncio__context_machine, @object
asyncio__context_machine:
    .asciz "x86_64"
    .size asyncio__context_machine, . - asyncio__context_machine

    .section .note.GNU-stack, "", @progbits

/* GNU_PROPERTY_X86_FEATURE_1_AND: IBT, and not SHSTK. */
    .section .note.gnu.property, "a", @note
    .p2align 3
    .long 4
    .long 16
    .long 5
    .asciz "GNU"
    .long 0xc0000002
    .long 4
    .long 1
    .long 0
