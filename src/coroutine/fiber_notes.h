/* SPDX-License-Identifier: MIT */
/*
 * What each file in assembly says of itself to the linker: its stack is not executable, and which
 * of the machine's protections of jumps it keeps. Without it in one file the whole program has
 * none. Included at the end of such a file; it must not be included from C.
 */
    .section .note.GNU-stack, "", %progbits

    .section .note.gnu.property, "a", %note
    .p2align 3
    .long 4
    .long 16
    .long 5
    .asciz "GNU"
#if defined(__x86_64__)
/* GNU_PROPERTY_X86_FEATURE_1_AND: IBT, and not SHSTK. */
    .long 0xc0000002
#else
/* GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI, and not GCS, the shadow stacks of this machine. */
    .long 0xc0000000
#endif
    .long 4
    .long 1
    .long 0
