/* SPDX-License-Identifier: MIT */
/*
 * Works of files, all of them in the page cache: reads of 4 KiB and 64 KiB, writes of 4 KiB, and
 * files that are opened, read and closed.
 */
#include "bench.h"

#include <stdlib.h>

static char buffer[BENCH_FILE_LARGE_BYTES];

/* Opens a file of BENCH_FILE_BYTES at a temporary path, which is removed at once. */
static int open_scratch(asyncio_file_t **ret_file)
{
    char path[] = "/tmp/bench-file-XXXXXX";
    bench_make_file(path);
    int rc = asyncio_open(path, "r+", ret_file);
    return rc == 0 ? asyncio_path_unlink(path) : rc;
}

static int read_pieces(long count, size_t size, bench_result_t *result)
{
    asyncio_file_t *file;
    int rc = open_scratch(&file);
    if (rc < 0)
        return rc;
    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < count && rc >= 0; i++)
        rc = (int)asyncio_file_pread(file, buffer, size, bench_file_offset(i, size));
    result->elapsed_ns = bench_now_ns() - begin_ns;
    asyncio_file_unref(file);
    return rc < 0 ? rc : 0;
}

int bench_file_read(long count, bench_result_t *result)
{
    return read_pieces(count, BENCH_FILE_SMALL_BYTES, result);
}

int bench_file_read64k(long count, bench_result_t *result)
{
    return read_pieces(count, BENCH_FILE_LARGE_BYTES, result);
}

int bench_file_write(long count, bench_result_t *result)
{
    asyncio_file_t *file;
    int rc = open_scratch(&file);
    if (rc < 0)
        return rc;
    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < count && rc >= 0; i++)
        rc = (int)asyncio_file_pwrite(file, buffer, BENCH_FILE_SMALL_BYTES,
                                      bench_file_offset(i, BENCH_FILE_SMALL_BYTES));
    result->elapsed_ns = bench_now_ns() - begin_ns;
    asyncio_file_unref(file);
    return rc < 0 ? rc : 0;
}

static int open_read_close(const char *path)
{
    asyncio_file_t *file;
    int rc = asyncio_open(path, "rb", &file);
    if (rc < 0)
        return rc;
    rc = (int)asyncio_file_read(file, buffer, BENCH_FILE_SMALL_BYTES);
    int closed = asyncio_file_close(file);
    asyncio_file_unref(file);
    return rc < 0 ? rc : closed;
}

int bench_file_open(long count, bench_result_t *result)
{
    char path[] = "/tmp/bench-file-XXXXXX";
    int rc = 0;
    bench_make_file(path);
    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < count && rc == 0; i++)
        rc = open_read_close(path);
    result->elapsed_ns = bench_now_ns() - begin_ns;
    int removed = asyncio_path_unlink(path);
    return rc < 0 ? rc : removed;
}
