/* SPDX-License-Identifier: MIT */
/*
 * The file that the works of files use, of this library and its peers in C.
 */
#ifndef BENCH_SCRATCH_FILE_H
#define BENCH_SCRATCH_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BENCH_FILE_BYTES (1 << 20)
#define BENCH_FILE_SMALL_BYTES 4096
#define BENCH_FILE_LARGE_BYTES 65536

/** Makes a file of BENCH_FILE_BYTES at a path of a template for mkstemp(3). */
static inline void bench_make_file(char *path)
{
    static char piece[BENCH_FILE_LARGE_BYTES];
    int fd = mkstemp(path);
    memset(piece, 'x', sizeof(piece));
    for (int i = 0; fd >= 0 && i < BENCH_FILE_BYTES / BENCH_FILE_LARGE_BYTES; i++) {
        if (write(fd, piece, sizeof(piece)) != (ssize_t)sizeof(piece)) {
            close(fd);
            fd = -1;
        }
    }
    if (fd < 0) {
        perror(path);
        exit(1);
    }
    close(fd);
}

/** Where operation i of size bytes is, from the file's beginning to its end, again and again. */
static inline int64_t bench_file_offset(long i, size_t size)
{
    return (int64_t)((size_t)i * size % BENCH_FILE_BYTES);
}

#endif
