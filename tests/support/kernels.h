/* SPDX-License-Identifier: MIT */
/* Older kernels than this one, for the tests; see kernels.c. */
#ifndef TESTS_KERNELS_H
#define TESTS_KERNELS_H

/* Has the table of system calls refuse what the kernel that ASYNCIO_TEST_KERNEL names lacks. */
void kernels_pretend(void);

#endif
