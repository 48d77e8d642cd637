/* SPDX-License-Identifier: MIT */
/* Blocks: sizes, cache, count, trim, and the allocator that a program may set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <asyncio/error.h>
#include <asyncio/memory.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/sanitizer.h"

static bool has_cache(void)
{
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
    return false;
#else
    return !asyncio__on_valgrind();
#endif
}

struct counts {
    long blocks; /* handed out */
    long bytes;  /* in them */
    bool fails;  /* the next call returns NULL */
};

static void *counting_realloc(void *context, void *block, size_t old_size, size_t new_size)
{
    struct counts *counts = context;
    if (counts->fails || new_size == 0 || (!block && old_size != 0))
        return NULL;
    counts->blocks += block == NULL;
    counts->bytes += (long)new_size - (long)old_size;
    return realloc(block, new_size);
}

static void counting_free(void *context, void *block, size_t size)
{
    struct counts *counts = context;
    counts->blocks--;
    counts->bytes -= (long)size;
    free(block);
}

/* Returns the number of the first broken promise, or 0. Runs in a process of its own. */
static int use_own_allocator(void)
{
    struct counts counts = {0, 0, false};
    asyncio_allocator_t allocator = {&counts, counting_realloc, counting_free};
    asyncio_allocator_t lame = {&counts, counting_realloc, NULL};
    if (asyncio_set_allocator(NULL) != -EINVAL || asyncio_set_allocator(&lame) != -EINVAL)
        return 1;
    if (asyncio_set_allocator(&allocator) != 0)
        return 2;
    if (asyncio_set_allocator(&allocator) != ASYNCIO_ERUNTIME)
        return 3;
    char *a = asyncio__malloc(24), *b = asyncio__calloc(0), *c = asyncio__strdup("c");
    if (counts.blocks != 3 || counts.bytes != 24 + 1 + 2 || asyncio__live_blocks() != 3)
        return 4;
    a = asyncio__realloc(a, 24, 1000);
    if (counts.blocks != 3 || counts.bytes != 1000 + 1 + 2)
        return 5;
    counts.fails = true;
    if (asyncio__malloc(8) || asyncio__calloc(8) || asyncio__strdup("") ||
        asyncio__realloc(a, 1000, 2000) || asyncio__live_blocks() != 3)
        return 6;
    asyncio__ignore((long)asyncio__memory_trim()); /* must not create a cache */
    asyncio__free(a, 1000);
    asyncio__free(b, 0);
    asyncio__free_string(c);
    return counts.blocks || counts.bytes || asyncio__live_blocks() ? 7 : 0;
}

/* The program's allocator sees every block with its exact size; the cache is disabled. */
static void own_allocator_sees_every_block(void **state)
{
    (void)state;
    /* In a fork, because an allocator cannot be unset. This test runs before any allocation. */
    pid_t child = fork();
    if (child == 0)
        _exit(use_own_allocator());
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Once the library has allocated, asyncio_set_allocator() fails. */
static void allocator_after_the_first_block_is_refused(void **state)
{
    (void)state;
    asyncio__free(asyncio__malloc(1), 1);
    struct counts counts = {0, 0, false};
    asyncio_allocator_t allocator = {&counts, counting_realloc, counting_free};
    assert_int_equal(asyncio_set_allocator(&allocator), ASYNCIO_ERUNTIME);
}

/* A block of any size is aligned for any type and can be written to its last byte. */
static void every_size_is_aligned_and_whole(void **state)
{
    (void)state;
    enum { COUNT = 700 };
    unsigned char *blocks[COUNT];
    for (int round = 0; round < 2; round++) {
        for (size_t size = 0; size < COUNT; size++) {
            blocks[size] = asyncio__malloc(size);
            assert_non_null(blocks[size]);
            assert_int_equal((uintptr_t)blocks[size] % _Alignof(max_align_t), 0);
            memset(blocks[size], (int)size, size);
        }
        for (size_t size = 0; size < COUNT; size++) {
            for (size_t i = 0; i < size; i++)
                assert_int_equal(blocks[size][i], (unsigned char)size);
            asyncio__free(blocks[size], size);
        }
    }
    asyncio__free(NULL, 100);
}

/* calloc returns zeroed memory, also in a block that was used before. */
static void calloc_is_zero(void **state)
{
    (void)state;
    for (size_t size = 1; size < 2000; size += 61) {
        for (int round = 0; round < 2; round++) {
            unsigned char *block = asyncio__calloc(size);
            assert_non_null(block);
            for (size_t i = 0; i < size; i++)
                assert_int_equal(block[i], 0);
            memset(block, 0xff, size);
            asyncio__free(block, size);
        }
    }
}

/* Growing and shrinking keep the common bytes, across every boundary between size classes. */
static void realloc_keeps_contents(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 16, 17, 500, 512, 513, 5000, 513, 512, 20, 16, 15, 1, 0};
    long before = asyncio__live_blocks();
    unsigned char *block = asyncio__realloc(NULL, 0, 0);
    for (size_t i = 1; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t kept = sizes[i] < sizes[i - 1] ? sizes[i] : sizes[i - 1];
        block = asyncio__realloc(block, sizes[i - 1], sizes[i]);
        assert_non_null(block);
        for (size_t j = 0; j < kept; j++)
            assert_int_equal(block[j], (unsigned char)j);
        for (size_t j = 0; j < sizes[i]; j++)
            block[j] = (unsigned char)j;
        assert_int_equal(asyncio__live_blocks(), before + 1);
    }
    asyncio__free(block, 0);
    assert_int_equal(asyncio__live_blocks(), before);
}

/* The small block freed last is allocated next, because it is warm in the cache. */
static void cache_is_last_in_first_out(void **state)
{
    (void)state;
    if (!has_cache())
        skip();
    void *a = asyncio__malloc(100), *b = asyncio__malloc(100);
    asyncio__free(a, 100);
    asyncio__free(b, 100);
    assert_ptr_equal(asyncio__malloc(97), b); /* of the same class */
    assert_ptr_equal(asyncio__malloc(104), a);
    asyncio__free(a, 104);
    asyncio__free(b, 97);
}

/* The count of live blocks is exact: with a list that overflows, and after a trim. */
static void live_blocks_are_counted(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    long before = asyncio__live_blocks();
    void **blocks = malloc(COUNT * sizeof(*blocks));
    for (int i = 0; i < COUNT; i++)
        blocks[i] = asyncio__malloc(16);
    assert_int_equal(asyncio__live_blocks(), before + COUNT);
    for (int i = 0; i < COUNT; i++)
        asyncio__free(blocks[i], 16);
    assert_int_equal(asyncio__live_blocks(), before);
    asyncio__ignore((long)asyncio__memory_trim());
    assert_int_equal(asyncio__live_blocks(), before);
    free(blocks);
}

/* A string is copied, and freed by its own length. */
static void strings_are_copied(void **state)
{
    (void)state;
    long before = asyncio__live_blocks();
    char *copy = asyncio__strdup("the copy");
    assert_non_null(copy);
    assert_string_equal(copy, "the copy");
    assert_int_equal(asyncio__live_blocks(), before + 1);
    asyncio__free_string(copy);
    asyncio__free_string(NULL);
    assert_int_equal(asyncio__live_blocks(), before);
}

static void *free_and_make(void *argument)
{
    void **blocks = argument;
    for (int i = 0; i < 100; i++) {
        asyncio__free(blocks[i], 64);
        blocks[i] = asyncio__malloc(64);
    }
    asyncio__free(asyncio__malloc(32), 32);
    return NULL;
}

/* A block may be freed by another thread; the count is correct after that thread has ended. */
static void blocks_cross_threads(void **state)
{
    (void)state;
    void *blocks[100];
    long before = asyncio__live_blocks();
    for (int i = 0; i < 100; i++)
        blocks[i] = asyncio__malloc(64);
    for (int round = 0; round < 5; round++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, free_and_make, blocks), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(asyncio__live_blocks(), before + 100);
    }
    for (int i = 0; i < 100; i++)
        asyncio__free(blocks[i], 64);
    assert_int_equal(asyncio__live_blocks(), before);
}

static pthread_key_t late_key;

static void free_late(void *block)
{
    asyncio__free(block, 48);
    asyncio__free(asyncio__malloc(48), 48);
}

static void *end_with_a_block(void *unused)
{
    (void)unused;
    pthread_setspecific(late_key, asyncio__malloc(48));
    return NULL;
}

/* What a thread frees while it ends, after it has left its cache, is freed and counted. */
static void blocks_freed_while_a_thread_ends(void **state)
{
    (void)state;
    long before = asyncio__live_blocks();
    assert_int_equal(pthread_key_create(&late_key, free_late), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, end_with_a_block, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pthread_key_delete(late_key), 0);
    assert_int_equal(asyncio__live_blocks(), before);
}

/* --- trim ---------------------------------------------------------------------------------- */

enum { MANY = 100000, MANY_BYTES = 300 };

static unsigned char **allocate_many(void)
{
    unsigned char **blocks = malloc(MANY * sizeof(*blocks));
    assert_non_null(blocks);
    for (int i = 0; i < MANY; i++) {
        blocks[i] = asyncio__calloc(MANY_BYTES);
        assert_non_null(blocks[i]);
        for (int at = 0; at < MANY_BYTES; at += 37)
            assert_int_equal(blocks[i][at], 0);
        memset(blocks[i], 0xaa, MANY_BYTES);
    }
    return blocks;
}

static void free_many(unsigned char **blocks)
{
    for (int i = 0; i < MANY; i++)
        asyncio__free(blocks[i], MANY_BYTES);
    free(blocks);
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* The memory of a peak is returned to the kernel, and a second peak gets it zeroed. */
static void a_trim_returns_the_memory_of_a_peak(void **state)
{
    (void)state;
    if (!has_cache())
        skip();
    long before = asyncio__live_blocks();
    free_many(allocate_many());
    long peak_kib = resident_kib();
    size_t returned = asyncio__memory_trim();
    assert_in_range(returned, (size_t)MANY * MANY_BYTES * 3 / 4, SIZE_MAX);
    assert_in_range(resident_kib(), 0, peak_kib - MANY / 1024 * MANY_BYTES / 2);
    assert_int_equal(asyncio__live_blocks(), before);
    free_many(allocate_many());
    assert_int_equal(asyncio__live_blocks(), before);
    assert_in_range(asyncio__memory_trim(), returned / 2, returned * 2);
}

/* A trim does not change blocks in use, and the blocks that it keeps are allocated again. */
static void a_trim_keeps_blocks_in_use(void **state)
{
    (void)state;
    if (!has_cache())
        skip();
    long before = asyncio__live_blocks();
    unsigned char **blocks = allocate_many();
    for (int i = 0; i < MANY; i++) {
        if (i % 1000 == 0)
            continue;
        asyncio__free(blocks[i], MANY_BYTES);
        blocks[i] = NULL;
    }
    asyncio__ignore((long)asyncio__memory_trim());
    assert_int_equal(asyncio__live_blocks(), before + MANY / 1000);
    for (int i = 0; i < MANY; i++)
        for (int at = 0; blocks[i] && at < MANY_BYTES; at++)
            assert_int_equal(blocks[i][at], 0xaa);
    free_many(allocate_many());
    for (int i = 0; i < MANY; i++)
        for (int at = 0; blocks[i] && at < MANY_BYTES; at++)
            assert_int_equal(blocks[i][at], 0xaa);
    free_many(blocks);
    assert_int_equal(asyncio__live_blocks(), before);
}

static void *allocate_and_trim(void *unused)
{
    (void)unused;
    void *kept[64];
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < 64; i++) {
            kept[i] = asyncio__malloc(200);
            memset(kept[i], round, 200);
        }
        for (int i = 0; i < 5000; i++)
            asyncio__free(asyncio__malloc((size_t)i % 500), (size_t)i % 500);
        asyncio__ignore((long)asyncio__memory_trim());
        for (int i = 0; i < 64; i++) {
            for (int at = 0; at < 200; at++)
                assert_int_equal(((unsigned char *)kept[i])[at], round);
            asyncio__free(kept[i], 200);
        }
    }
    return NULL;
}

/* Threads may trim while others allocate and free. */
static void threads_trim_at_once(void **state)
{
    (void)state;
    long before = asyncio__live_blocks();
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, allocate_and_trim, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(asyncio__live_blocks(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_allocator_sees_every_block),
        cmocka_unit_test(allocator_after_the_first_block_is_refused),
        cmocka_unit_test(every_size_is_aligned_and_whole),
        cmocka_unit_test(calloc_is_zero),
        cmocka_unit_test(realloc_keeps_contents),
        cmocka_unit_test(cache_is_last_in_first_out),
        cmocka_unit_test(live_blocks_are_counted),
        cmocka_unit_test(strings_are_copied),
        cmocka_unit_test(blocks_cross_threads),
        cmocka_unit_test(blocks_freed_while_a_thread_ends),
        cmocka_unit_test(a_trim_returns_the_memory_of_a_peak),
        cmocka_unit_test(a_trim_keeps_blocks_in_use),
        cmocka_unit_test(threads_trim_at_once),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    asyncio__ignore((long)asyncio__memory_trim());
    return failed;
}
