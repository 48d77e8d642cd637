/* SPDX-License-Identifier: MIT */
/* Older kernels than this one, for the tests; see kernels.c. */
#ifndef TESTS_KERNELS_H
#define TESTS_KERNELS_H

/* Makes the table of system calls refuse what the kernel named by ASYNCIO_TEST_KERNEL lacks. */
void kernels_pretend(void);

#endif
