/* SPDX-License-Identifier: MIT */
/* Writing what is unwritten in the thread that calls; see file_write.c. */
#ifndef ASYNCIO__FILE_FILE_WRITE_H
#define ASYNCIO__FILE_FILE_WRITE_H

#include "file/file.h"

/* asyncio__file_write_out() without suspending: 0 or -errno. Any thread; the file is busy. */
int asyncio__file_write_out_here(asyncio_file_t *file);

#endif
