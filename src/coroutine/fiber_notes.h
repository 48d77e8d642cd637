/* SPDX-License-Identifier: MIT */
/*
 * What each assembly file tells the linker: that it needs no executable stack, and which of the
 * machine's protections of jumps it supports. The linker enables only what all files support.
 * Included at the end of each assembly file, never from C.
 */
    .section .note.GNU-stack, "", %progbits

    .section .note.gnu.property, "a", %note
    .p2align 3
    .long 4
    .long 16
    .long 5
    .asciz "GNU"
#if defined(__x86_64__)
/* GNU_PROPERTY_X86_FEATURE_1_AND: IBT, but not SHSTK. */
    .long 0xc0000002
#else
/* GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI, but not GCS, the shadow stacks of this machine. */
    .long 0xc0000000
#endif
    .long 4
    .long 1
    .long 0
