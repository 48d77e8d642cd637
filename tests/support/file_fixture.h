/* SPDX-License-Identifier: MIT */
/*
 * What the tests of files share: a folder for each test, and a run that compares open descriptors
 * and allocated blocks with those before.
 */
#ifndef TESTS_FILE_FIXTURE_H
#define TESTS_FILE_FIXTURE_H

#include "support/server_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

typedef struct folder {
    char path[64];
    unsigned next; /* of folder_names */
} folder_t;

static folder_t folder;
static char folder_names[4][96]; /* of name_in(), in turn */

/* The path of a name in the folder of the test; four of them are valid at a time. */
static inline const char *name_in(const char *name)
{
    char *text = folder_names[folder.next++ % 4];
    snprintf(text, sizeof(folder_names[0]), "%s/%s", folder.path, name);
    return text;
}

static inline int folder_setup(void **state)
{
    (void)state;
    strcpy(folder.path, "/tmp/asyncio-test-XXXXXX");
    return mkdtemp(folder.path) ? 0 : -1;
}

static inline int folder_teardown(void **state)
{
    (void)state;
    char command[96];
    snprintf(command, sizeof(command), "rm -rf %s", folder.path);
    return system(command);
}

#define FOLDER_TEST(function) \
    cmocka_unit_test_setup_teardown(function, folder_setup, folder_teardown)

/* Runs a coroutine function on every engine, also on one without sockets. */
static inline void run_files(asyncio_coroutine_function_t *fn, asyncio_clock_t clock)
{
    asyncio_error_clear();
    int descriptors = count_descriptors();
    long blocks = asyncio__live_blocks();
    asyncio_loop_options_t options = {.size = sizeof(options), .clock = clock};
    asyncio_loop_t *loop = asyncio_new_event_loop_full(&options);
    assert_non_null(loop);
    int rc = asyncio_loop_run_until_complete(loop, asyncio_coroutine_full(fn, NULL, NULL), NULL);
    asyncio_loop_unref(loop);
    if (rc < 0)
        asyncio_error_print(asyncio_error_last(), stderr);
    assert_int_equal(rc, 0);
    asyncio_error_clear();
    assert_int_equal(count_descriptors(), descriptors);
    await_blocks(blocks);
}

/* A byte that tells its place in a file. */
static inline char byte_at(size_t place)
{
    return (char)(place * 7 + place / 251);
}

static inline void fill(char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        data[i] = byte_at(i);
}

/* Writes a file without the library. */
static inline void make_file(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), size);
    close(fd);
}

/* Makes a file of that many bytes that tell their places. */
static inline void make_filled(const char *path, size_t size)
{
    char *data = malloc(size + 1);
    fill(data, size);
    make_file(path, data, size);
    free(data);
}

/* Compares a file, read without the library. */
static inline void expect_file(const char *path, const void *data, size_t size)
{
    char *found = malloc(size + 2);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, found, size + 1), size);
    assert_memory_equal(found, data, size);
    close(fd);
    free(found);
}

#endif
