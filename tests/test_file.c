/* SPDX-License-Identifier: MIT */
/* Files: modes, reading and writing, positions, and files that are dropped. */
#include "support/file_fixture.h"

#define TEST(function)                               \
    static void test_##function(void **state)        \
    {                                                \
        (void)state;                                 \
        run_files(function, ASYNCIO_CLOCK_MONOTONIC); \
    }

static asyncio_file_t *must_open(const char *path, const char *mode)
{
    asyncio_file_t *file = NULL;
    assert_int_equal(asyncio_open(path, mode, &file), 0);
    assert_non_null(file);
    return file;
}

static void must_close(asyncio_file_t *file)
{
    assert_int_equal(asyncio_file_close(file), 0);
    asyncio_file_unref(file);
}

/* Makes the next calls of an entry of the table fail, until it is NULL again. */
static int refuse_openat2(const char *path, int flags)
{
    (void)path, (void)flags;
    errno = EAGAIN;
    return -1;
}

static ssize_t refuse_preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    (void)fd, (void)parts, (void)count, (void)offset, (void)flags;
    errno = EAGAIN;
    return -1;
}

/* --- modes --------------------------------------------------------------------------------- */

/* What each mode needs of the file, and allows. */
static int modes(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    static const struct {
        const char *mode;
        int rc_absent, rc_present;
        bool reads, writes;
        int64_t position; /* in a file of three bytes */
        int64_t left;     /* of it */
    } all[] = {
        {"r", -ENOENT, 0, true, false, 0, 3},   {"rb", -ENOENT, 0, true, false, 0, 3},
        {"r+", -ENOENT, 0, true, true, 0, 3},   {"w", 0, 0, false, true, 0, 0},
        {"wb+", 0, 0, true, true, 0, 0},        {"a", 0, 0, false, true, 3, 3},
        {"a+b", 0, 0, true, true, 3, 3},        {"x", 0, -EEXIST, false, true, 0, 3},
        {"xb+", 0, -EEXIST, true, true, 0, 3},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const char *path = name_in("file");
        asyncio_file_t *file = NULL;
        unlink(path);
        assert_int_equal(asyncio_open(path, all[i].mode, &file), all[i].rc_absent);
        if (file)
            must_close(file);
        file = NULL;
        make_file(path, "abc", 3);
        assert_int_equal(asyncio_open(path, all[i].mode, &file), all[i].rc_present);
        struct stat status;
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_size, all[i].left);
        if (!file)
            continue;
        char byte;
        assert_int_equal(asyncio_file_tell(file), all[i].position);
        ssize_t count = asyncio_file_read(file, &byte, 1);
        assert_int_equal(count, !all[i].reads ? -EBADF : all[i].position < all[i].left);
        count = asyncio_file_write(file, "x", 1);
        assert_int_equal(count, all[i].writes ? 1 : -EBADF);
        must_close(file);
    }
    return 0;
}
TEST(modes)

/* Bad arguments are refused, with words. */
static int refusals(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    static const char *const bad[] = {"", "b", "+", "rw", "rr", "r++", "rbb", "rt", "w ", "U"};
    asyncio_file_t *file = NULL;
    const char *path = name_in("file");
    make_file(path, "abc", 3);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(asyncio_open(path, bad[i], &file), -EINVAL);
    asyncio_error_t *error = asyncio_error_last();
    assert_string_equal(asyncio_error_message(error),
                        "invalid mode: \"U\"; it must have exactly one of \"r\", \"w\", \"a\" and "
                        "\"x\", and may have \"+\" and \"b\"");
    asyncio_error_unref(error);
    assert_int_equal(asyncio_open(NULL, "r", &file), -EINVAL);
    assert_int_equal(asyncio_open(path, NULL, &file), -EINVAL);
    assert_int_equal(asyncio_open(path, "r", NULL), -EINVAL);
    assert_int_equal(asyncio_open(folder.path, "r", &file), -EISDIR);
    assert_int_equal(asyncio_open(folder.path, "w", &file), -EISDIR);
    const char *fifo = name_in("fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(asyncio_open(fifo, "r", &file), -EINVAL);
    assert_int_equal(asyncio_open(fifo, "w", &file), -ENXIO);
    assert_int_equal(asyncio_open(fifo, "r+", &file), -EINVAL);
    const char *absent = name_in("absent");
    assert_int_equal(asyncio_open(absent, "r", &file), -ENOENT);
    error = asyncio_error_last();
    assert_non_null(strstr(asyncio_error_message(error), absent));
    asyncio_error_unref(error);
    assert_null(file);

    file = must_open(path, "r+");
    assert_int_equal(asyncio_file_read(NULL, &file, 1), -EINVAL);
    assert_int_equal(asyncio_file_read(file, NULL, 1), -EINVAL);
    assert_int_equal(asyncio_file_readall(file, NULL), -EINVAL);
    assert_int_equal(asyncio_file_readline(file, NULL), -EINVAL);
    assert_int_equal(asyncio_file_write(file, NULL, 1), -EINVAL);
    assert_int_equal(asyncio_file_pread(file, &file, 1, -1), -EINVAL);
    assert_int_equal(asyncio_file_pwrite(file, "x", 1, -1), -EINVAL);
    assert_int_equal(asyncio_file_truncate(file, -1), -EINVAL);
    assert_int_equal(asyncio_file_seek(file, -1, SEEK_SET), -EINVAL);
    assert_int_equal(asyncio_file_seek(file, 0, 77), -EINVAL);
    assert_int_equal(asyncio_file_seek(file, INT64_MAX, SEEK_SET), INT64_MAX);
    assert_int_equal(asyncio_file_seek(file, 1, SEEK_CUR), -EOVERFLOW);
    assert_int_equal(asyncio_file_close(file), 0);
    assert_int_equal(asyncio_file_close(file), 0);
    assert_int_equal(asyncio_file_read(file, &file, 1), -EBADF);
    assert_int_equal(asyncio_file_tell(file), -EBADF);
    assert_int_equal(asyncio_file_fileno(file), -EBADF);
    assert_int_equal(asyncio_file_flush(file), -EBADF);
    assert_int_equal(asyncio_file_truncate(file, 0), -EBADF);
    asyncio_file_unref(file);
    asyncio_file_unref(NULL);
    assert_null(asyncio_file_ref(NULL));
    return 0;
}
TEST(refusals)

/* --- reading ------------------------------------------------------------------------------- */

/* Files of every size around the limits, read whole, in pieces, and at offsets; with and without
 * what the kernel has in its caches. */
static void read_sizes(void)
{
    static const size_t sizes[] = {0, 1, 4096, 65535, 65536, 65537, 262144, 262145, 700001};
    char *buffer = malloc(1000000), *expected = malloc(1000000);
    fill(expected, 1000000);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t size = sizes[i];
        const char *path = name_in("file"), *data;
        make_filled(path, size);
        asyncio_file_t *file = must_open(path, "rb");
        assert_int_equal(asyncio_file_readall(file, &data), size);
        assert_memory_equal(data, expected, size);
        assert_int_equal(data[size], '\0');
        assert_int_equal(asyncio_file_tell(file), size);
        assert_int_equal(asyncio_file_read(file, buffer, 10), 0);
        assert_int_equal(asyncio_file_seek(file, 0, SEEK_SET), 0);
        assert_int_equal(asyncio_file_read(file, buffer, 1000000), size);
        assert_memory_equal(buffer, expected, size);
        assert_int_equal(asyncio_file_pread(file, buffer, 1000000, 1), size ? size - 1 : 0);
        if (size)
            assert_memory_equal(buffer, expected + 1, size - 1);
        assert_int_equal(asyncio_file_pread(file, buffer, 10, (int64_t)size + 5), 0);
        assert_int_equal(asyncio_file_tell(file), size);
        must_close(file);
    }
    free(buffer);
    free(expected);
}

static int reads_at_once(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    read_sizes();
    return 0;
}
TEST(reads_at_once)

static int reads_elsewhere(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio__sys.openat2_cached = refuse_openat2;
    asyncio__sys.preadv2 = refuse_preadv2;
    read_sizes();
    return 0;
}

static void test_reads_elsewhere(void **state)
{
    const asyncio__syscalls_t saved = asyncio__sys;
    (void)state;
    run_files(reads_elsewhere, ASYNCIO_CLOCK_MONOTONIC);
    /* Not the whole table, which idle worker threads read. */
    asyncio__sys.openat2_cached = saved.openat2_cached;
    asyncio__sys.preadv2 = saved.preadv2;
}

/* Lines of every kind, mixed with reads and seeks: the position is where the program is, not what
 * was read ahead. */
static int lines(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    char text[30000], buffer[8];
    memset(text, 'x', sizeof(text));
    memcpy(text, "first\n\nthird\n", 13);
    text[20000] = '\n';
    const char *path = name_in("lines"), *line;
    make_file(path, text, sizeof(text));
    asyncio_file_t *file = must_open(path, "r");
    assert_int_equal(asyncio_file_readline(file, &line), 6);
    assert_memory_equal(line, "first\n", 6);
    assert_int_equal(asyncio_file_tell(file), 6);
    assert_int_equal(asyncio_file_readline(file, &line), 1);
    assert_int_equal(asyncio_file_read(file, buffer, 3), 3);
    assert_memory_equal(buffer, "thi", 3);
    assert_int_equal(asyncio_file_seek(file, -2, SEEK_CUR), 8);
    assert_int_equal(asyncio_file_readline(file, &line), 5);
    assert_memory_equal(line, "hird\n", 5);
    assert_int_equal(asyncio_file_readline(file, &line), 20001 - 13);
    assert_int_equal(asyncio_file_tell(file), 20001);
    assert_int_equal(asyncio_file_readline(file, &line), 9999);
    assert_int_equal(line[0], 'x');
    assert_int_equal(asyncio_file_readline(file, &line), 0);
    assert_int_equal(asyncio_file_tell(file), 30000);
    assert_int_equal(asyncio_file_seek(file, -3, SEEK_END), 29997);
    assert_int_equal(asyncio_file_readall(file, &line), 3);
    assert_string_equal(line, "xxx");
    must_close(file);
    return 0;
}
TEST(lines)

/* Files of /proc have no size, devices no end. */
static int odd_files(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    const char *data;
    char bytes[100000];
    asyncio_file_t *file = must_open("/proc/self/status", "r");
    ssize_t size = asyncio_file_readall(file, &data);
    assert_true(size > 100);
    assert_memory_equal(data, "Name:", 5);
    assert_non_null(strstr(data, "nonvoluntary_ctxt_switches"));
    must_close(file);
    file = must_open("/dev/zero", "r");
    assert_true(asyncio_file_read(file, bytes, sizeof(bytes)) > 0);
    must_close(file);
    file = must_open("/dev/null", "r+");
    assert_int_equal(asyncio_file_readall(file, &data), 0);
    assert_int_equal(asyncio_file_write(file, bytes, sizeof(bytes)), sizeof(bytes));
    must_close(file);
    return 0;
}
TEST(odd_files)

/* A file that grows or shrinks between two reads is read as it is. */
static int changing_files(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    const char *path = name_in("file"), *data;
    char buffer[16];
    make_file(path, "0123456789", 10);
    asyncio_file_t *file = must_open(path, "r");
    assert_int_equal(asyncio_file_read(file, buffer, 4), 4);
    make_file(path, "ab", 2);
    assert_int_equal(asyncio_file_read(file, buffer, 4), 0);
    assert_int_equal(asyncio_file_readall(file, &data), 0);
    make_file(path, "abcdefgh", 8);
    assert_int_equal(asyncio_file_readall(file, &data), 4);
    assert_string_equal(data, "efgh");
    must_close(file);
    return 0;
}
TEST(changing_files)

/* --- writing ------------------------------------------------------------------------------- */

/* Writes of every size, collected or not, arrive in order; reads and seeks in between see them. */
static int writes(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    static const size_t sizes[] = {1, 100, 65000, 600, 65536, 3, 300000, 70000, 65535, 1};
    char *expected = malloc(1000000), byte;
    const char *path = name_in("file");
    size_t at = 0;
    fill(expected, 1000000);
    asyncio_file_t *file = must_open(path, "w+b");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(asyncio_file_write(file, expected + at, sizes[i]), sizes[i]);
        at += sizes[i];
        assert_int_equal(asyncio_file_tell(file), at);
    }
    assert_int_equal(asyncio_file_read(file, &byte, 1), 0); /* behind all of it */
    expect_file(path, expected, at);
    assert_int_equal(asyncio_file_seek(file, 10, SEEK_SET), 10);
    assert_int_equal(asyncio_file_write(file, "mid", 3), 3);
    assert_int_equal(asyncio_file_read(file, &byte, 1), 1);
    assert_int_equal(byte, expected[13]);
    assert_int_equal(asyncio_file_tell(file), 14);
    assert_int_equal(asyncio_file_write(file, "!", 1), 1);
    assert_int_equal(asyncio_file_pwrite(file, "pwrite", 6, 100), 6);
    assert_int_equal(asyncio_file_pread(file, &byte, 1, 105), 1);
    assert_int_equal(byte, 'e');
    must_close(file);
    memcpy(expected + 10, "mid", 3);
    expected[14] = '!';
    memcpy(expected + 100, "pwrite", 6);
    expect_file(path, expected, at);
    free(expected);
    return 0;
}
TEST(writes)

/* What was read ahead does not move a write. */
static int write_after_line(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    const char *path = name_in("file"), *line;
    make_file(path, "one\ntwo\n", 8);
    asyncio_file_t *file = must_open(path, "r+");
    assert_int_equal(asyncio_file_readline(file, &line), 4);
    assert_int_equal(asyncio_file_write(file, "TWO", 3), 3);
    assert_int_equal(asyncio_file_readline(file, &line), 1);
    must_close(file);
    expect_file(path, "one\nTWO\n", 8);
    return 0;
}
TEST(write_after_line)

/* Appending goes to the end, wherever others have put that. */
static int appends(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    const char *path = name_in("file"), *data;
    make_file(path, "12", 2);
    asyncio_file_t *first = must_open(path, "a+"), *second = must_open(path, "a");
    assert_int_equal(asyncio_file_write(first, "ab", 2), 2);
    assert_int_equal(asyncio_file_flush(first), 0);
    assert_int_equal(asyncio_file_tell(first), 4);
    assert_int_equal(asyncio_file_write(second, "cd", 2), 2);
    assert_int_equal(asyncio_file_flush(second), 0);
    assert_int_equal(asyncio_file_tell(second), 6);
    assert_int_equal(asyncio_file_seek(first, 0, SEEK_SET), 0);
    assert_int_equal(asyncio_file_write(first, "ef", 2), 2);
    assert_int_equal(asyncio_file_flush(first), 0);
    assert_int_equal(asyncio_file_tell(first), 8);
    assert_int_equal(asyncio_file_seek(first, 0, SEEK_SET), 0);
    assert_int_equal(asyncio_file_readall(first, &data), 8);
    assert_string_equal(data, "12abcdef");
    must_close(first);
    must_close(second);
    return 0;
}
TEST(appends)

static int sizes(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    const char *path = name_in("file");
    asyncio_file_t *file = must_open(path, "w");
    assert_int_equal(asyncio_file_write(file, "abcdef", 6), 6);
    assert_int_equal(asyncio_file_truncate(file, 3), 0);
    expect_file(path, "abc", 3);
    assert_int_equal(asyncio_file_tell(file), 6);
    assert_int_equal(asyncio_file_truncate(file, 5), 0);
    expect_file(path, "abc\0\0", 5);
    assert_int_equal(asyncio_file_fsync(file), 0);
    assert_int_equal(asyncio_file_datasync(file), 0);
    assert_int_equal(asyncio_file_write(file, "x", 1), 1);
    assert_int_equal(asyncio_file_fsync(file), 0);
    expect_file(path, "abc\0\0\0x", 7);
    must_close(file);
    file = must_open(path, "r");
    assert_int_equal(asyncio_file_truncate(file, 0), -EBADF);
    assert_int_equal(asyncio_file_fsync(file), 0);
    must_close(file);
    return 0;
}

/* Sizes are set with what was collected written before, and the position stays. */
TEST(sizes)

/* A full disk is told by the call that meets it; what was collected stays until the close, which
 * fails, and closes. */
static int full_disk(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    char *data = calloc(1, 300000);
    asyncio_file_t *file = must_open("/dev/full", "w");
    assert_int_equal(asyncio_file_write(file, data, 300000), -ENOSPC);
    assert_int_equal(asyncio_file_write(file, data, 10), 10);
    assert_int_equal(asyncio_file_flush(file), -ENOSPC);
    assert_int_equal(asyncio_file_flush(file), -ENOSPC);
    assert_int_equal(asyncio_file_close(file), -ENOSPC);
    assert_int_equal(asyncio_file_close(file), 0);
    asyncio_file_unref(file);
    free(data);
    return 0;
}
TEST(full_disk)

/* Writes that the kernel cuts short are continued. */
static ssize_t (*real_pwrite)(int fd, const void *data, size_t size, off_t offset);
static ssize_t short_pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return real_pwrite(fd, data, size > 1000 ? 1000 : size, offset);
}

static ssize_t (*real_pread)(int fd, void *data, size_t size, off_t offset);
static ssize_t short_pread(int fd, void *data, size_t size, off_t offset)
{
    return real_pread(fd, data, size > 1000 ? 1000 : size, offset);
}

static int short_calls(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    char *data = malloc(70000);
    const char *path = name_in("file"), *found;
    fill(data, 70000);
    asyncio_file_t *file = must_open(path, "w+");
    assert_int_equal(asyncio_file_write(file, data, 70000), 70000);
    must_close(file);
    expect_file(path, data, 70000);
    file = must_open(path, "r");
    assert_int_equal(asyncio_file_readall(file, &found), 70000);
    assert_memory_equal(found, data, 70000);
    must_close(file);
    free(data);
    return 0;
}

static void test_short_calls(void **state)
{
    const asyncio__syscalls_t saved = asyncio__sys;
    (void)state;
    real_pwrite = saved.pwrite;
    real_pread = saved.pread;
    asyncio__sys.pwrite = short_pwrite;
    asyncio__sys.pread = short_pread;
    asyncio__sys.preadv2 = refuse_preadv2;
    run_files(short_calls, ASYNCIO_CLOCK_MONOTONIC);
    asyncio__sys.pwrite = saved.pwrite;
    asyncio__sys.pread = saved.pread;
    asyncio__sys.preadv2 = saved.preadv2;
}

/* A file that is dropped while it is open is written and closed. */
static int dropped(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    const char *path = name_in("file");
    asyncio_file_t *file = must_open(path, "w");
    assert_int_equal(asyncio_file_write(file, "kept", 4), 4);
    asyncio_file_unref(file);
    expect_file(path, "kept", 4);
    return 0;
}
TEST(dropped)

static void count_report(asyncio_loop_t *loop, const asyncio_exception_context_t *context,
                         void *arg)
{
    (void)loop;
    assert_int_equal(context->code, -ENOSPC);
    ++*(int *)arg;
}

/* If it cannot be written, that is reported. */
static int dropped_in_vain(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int reports = 0;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_loop_set_exception_handler(loop, count_report, &reports);
    asyncio_file_t *file = must_open("/dev/full", "w");
    assert_int_equal(asyncio_file_write(file, "lost", 4), 4);
    asyncio_file_unref(file);
    assert_int_equal(reports, 1);
    asyncio_loop_set_exception_handler(loop, NULL, NULL);
    return 0;
}
TEST(dropped_in_vain)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(test_modes),
        FOLDER_TEST(test_refusals),
        FOLDER_TEST(test_reads_at_once),
        FOLDER_TEST(test_reads_elsewhere),
        FOLDER_TEST(test_lines),
        FOLDER_TEST(test_odd_files),
        FOLDER_TEST(test_changing_files),
        FOLDER_TEST(test_writes),
        FOLDER_TEST(test_write_after_line),
        FOLDER_TEST(test_appends),
        FOLDER_TEST(test_sizes),
        FOLDER_TEST(test_full_disk),
        FOLDER_TEST(test_short_calls),
        FOLDER_TEST(test_dropped),
        FOLDER_TEST(test_dropped_in_vain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
