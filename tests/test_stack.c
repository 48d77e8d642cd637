/* SPDX-License-Identifier: MIT */
/* Stacks: their memory, their guards, their reuse, and that they are returned to the kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sanitizer.h"
#include "base/syscalls.h"
#include "coroutine/slab.h"
#include "coroutine/stack.h"

#define KIB 1024

static bool is_checked(void)
{
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
    return true;
#else
    return asyncio__on_valgrind();
#endif
}

static asyncio__stack_statistics_t statistics(void)
{
    asyncio__stack_statistics_t now;
    asyncio__stack_statistics(&now);
    return now;
}

static bool is_mapped(void *address)
{
    unsigned char page;
    void *start = (void *)((uintptr_t)address / asyncio__page_bytes() * asyncio__page_bytes());
    return mincore(start, 1, &page) == 0;
}

/* Every test begins and ends without stacks. */
static int no_stacks(void **state)
{
    (void)state;
    asyncio__stack_trim(0);
    asyncio__stack_statistics_t now = statistics();
    return now.in_use || now.free || now.slabs || now.unguarded ? -1 : 0;
}

/* Runs a function in a child process. Returns the signal that ended the child, or its negated exit
 * code. */
static int fate_of(void (*function)(void *argument), void *argument)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        /* The default action, not the report of a sanitizer. */
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        function(argument);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

/* Acquires a stack; the test fails if there is none. For any thread. */
static asyncio__stack_t *acquire(size_t size)
{
    asyncio__stack_t *stack = asyncio__stack_acquire(size);
    assert_in_thread(stack != NULL);
    return stack;
}

static void poke(void *address)
{
    *(volatile char *)address = 1;
}

/* A stack has at least the requested size, all of it writable and shared with no other stack. */
static void stacks_are_whole_and_apart(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    asyncio__stack_t *stacks[COUNT];
    for (int i = 0; i < COUNT; i++) {
        size_t size = (size_t)64 * KIB << i % 5;
        stacks[i] = acquire(size - (size_t)i);
        assert_int_equal((uintptr_t)stacks[i]->top % 16, 0);
        assert_true((size_t)(stacks[i]->top - stacks[i]->bottom) >= size);
        memset(stacks[i]->bottom, i, (size_t)(stacks[i]->top - stacks[i]->bottom));
    }
    assert_int_equal(statistics().in_use, COUNT);
    for (int i = 0; i < COUNT; i++) {
        for (char *byte = stacks[i]->bottom; byte < stacks[i]->top; byte += 64)
            assert_int_equal(*byte, i);
        asyncio__stack_release(stacks[i]);
    }
    assert_int_equal(statistics().in_use, 0);
}

/* The largest stack has 64 MiB; a larger one is refused. The smallest has 64 KiB, for any size up
 * to that. The default is 256 KiB or more. */
static void sizes_have_bounds(void **state)
{
    (void)state;
    assert_true(ASYNCIO__STACK_DEFAULT_BYTES >= 256 * KIB);
    assert_null(asyncio__stack_acquire(ASYNCIO__STACK_MOST_BYTES + 1));
    assert_null(asyncio__stack_acquire(SIZE_MAX));
    asyncio__stack_t *most = acquire(ASYNCIO__STACK_MOST_BYTES);
    asyncio__stack_t *least = acquire(0), *small = acquire(1);
    assert_true(most->top - most->bottom >= (ptrdiff_t)ASYNCIO__STACK_MOST_BYTES);
    assert_true(least->top - least->bottom >= (ptrdiff_t)64 * KIB);
    assert_true(small->top - small->bottom >= (ptrdiff_t)64 * KIB);
    poke(most->bottom);
    poke(least->bottom);
    asyncio__stack_release(most);
    asyncio__stack_release(least);
    asyncio__stack_release(small);
}

/* The stack released last is acquired first, because it is warm. */
static void reuse_is_last_in_first_out(void **state)
{
    (void)state;
    asyncio__stack_t *a = acquire(64 * KIB), *b = acquire(64 * KIB);
    asyncio__stack_release(a);
    asyncio__stack_release(b);
    assert_ptr_equal(acquire(64 * KIB), b);
    assert_ptr_equal(acquire(33 * KIB), a);
    assert_int_equal(statistics().free, 0);
    asyncio__stack_release(a);
    asyncio__stack_release(b);
    assert_int_equal(statistics().free, 2);
}

/* Sixteen neighbours begin at sixteen different cache lines of their pages. */
static void tops_are_coloured(void **state)
{
    (void)state;
    asyncio__stack_t *stacks[16];
    unsigned seen = 0;
    for (int i = 0; i < 16; i++) {
        stacks[i] = acquire(64 * KIB);
        uintptr_t above = -(uintptr_t)stacks[i]->top % 4096;
        assert_true(above <= 1024); /* the frames share the page */
        seen |= 1u << (above / 64 - 1);
    }
    assert_int_equal(seen, 0xffff);
    for (int i = 0; i < 16; i++)
        asyncio__stack_release(stacks[i]);
}

/* Touching memory up to 256 KiB below a stack is a segmentation fault, for the first stack as for
 * the hundredth: a function whose frame does not fit cannot step over the guard. */
static void guards_fault(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    asyncio__stack_t *stacks[COUNT];
    for (int i = 0; i < COUNT; i++)
        stacks[i] = acquire(64 * KIB);
    for (int i = 0; i < COUNT; i += 33) {
        assert_int_not_equal(stacks[i]->guard, ASYNCIO__GUARD_CANARY);
        assert_int_equal(fate_of(poke, stacks[i]->bottom - 1), SIGSEGV);
        assert_int_equal(fate_of(poke, stacks[i]->bottom - 200 * KIB), SIGSEGV);
        assert_int_equal(fate_of(poke, stacks[i]->bottom - 256 * KIB), SIGSEGV);
        assert_int_equal(fate_of(poke, stacks[i]->bottom), 0);
    }
    assert_int_equal(statistics().unguarded, 0);
    for (int i = 0; i < COUNT; i++)
        asyncio__stack_release(stacks[i]);
}

static asyncio__stack_t *expected;

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number, (void)context;
    _exit(asyncio__stack_of_guard(info->si_addr) == expected ? 42 : 43);
}

static void fault_with_handler(void *address)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    poke(address);
}

/* A handler of the fault finds out which stack's guard was touched, and no stack for any other
 * address. */
static void guard_names_its_stack(void **state)
{
    (void)state;
    asyncio__stack_t *a = acquire(32 * KIB), *b = acquire(32 * KIB);
    size_t guard = asyncio__guard_bytes();
    assert_ptr_equal(asyncio__stack_of_guard(a->bottom - 1), a);
    assert_ptr_equal(asyncio__stack_of_guard(a->bottom - guard), a);
    assert_ptr_equal(asyncio__stack_of_guard(b->bottom - 1), b);
    assert_null(asyncio__stack_of_guard(a->bottom));
    assert_null(asyncio__stack_of_guard(a->top));
    assert_null(asyncio__stack_of_guard(NULL));
    assert_null(asyncio__stack_of_guard(&guard));
    expected = b;
    assert_int_equal(fate_of(fault_with_handler, b->bottom - 8), -42);
    asyncio__stack_release(a);
    asyncio__stack_release(b);
    char *gone = a->bottom - 1;
    asyncio__stack_trim(0);
    assert_null(asyncio__stack_of_guard(gone));
}

static int refuse_madvise(void *address, size_t size, int advice)
{
    (void)address, (void)size, (void)advice;
    errno = EINVAL;
    return -1;
}

static ssize_t refuse_process_madvise(int pidfd, const struct iovec *ranges, size_t count,
                                      int advice, unsigned flags)
{
    (void)pidfd, (void)ranges, (void)count, (void)advice, (void)flags;
    errno = ENOSYS;
    return -1;
}

static int refuse_mprotect(void *address, size_t size, int protection)
{
    (void)address, (void)size, (void)protection;
    errno = ENOMEM;
    return -1;
}

static void without_advice(void *unused)
{
    (void)unused;
    asyncio__sys.madvise = refuse_madvise;
    asyncio__sys.process_madvise = refuse_process_madvise;
    asyncio__stack_t *stack = asyncio__stack_acquire(64 * KIB);
    if (!stack || stack->guard != ASYNCIO__GUARD_MPROTECT)
        _exit(1);
    poke(stack->bottom);
    poke(stack->bottom - 1);
}

/* On a kernel without MADV_GUARD_INSTALL, guards are made by mprotect(). */
static void without_advice_pages_are_protected(void **state)
{
    (void)state;
    assert_int_equal(fate_of(without_advice, NULL), SIGSEGV);
}

static void without_protection(void *overflow)
{
    asyncio__sys.madvise = refuse_madvise;
    asyncio__sys.process_madvise = refuse_process_madvise;
    asyncio__sys.mprotect = refuse_mprotect;
    asyncio__stack_t *stack = asyncio__stack_acquire(64 * KIB);
    if (!stack || stack->guard != ASYNCIO__GUARD_CANARY || statistics().unguarded != 1)
        _exit(1);
    poke(stack->bottom);
    asyncio__stack_release(stack); /* the canary is intact: nothing happens */
    stack = acquire(64 * KIB);
    if (overflow) {
        poke(stack->bottom - 1);
        asyncio__stack_release(stack);
    }
}

/* Where no guard can be installed, an overflow is found when the stack is released. */
static void without_protection_overflow_is_found(void **state)
{
    (void)state;
    assert_int_equal(fate_of(without_protection, NULL), 0);
    assert_int_equal(fate_of(without_protection, "overflow"), SIGABRT);
}

static size_t mmap_limit_bytes;

static void *limited_mmap(void *address, size_t size, int protection, int flags, int fd,
                          off_t offset)
{
    if (size > mmap_limit_bytes) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return mmap(address, size, protection, flags, fd, offset);
}

/* When memory is scarce, stacks come from smaller slabs; without memory acquiring fails; with
 * memory it works again. */
static void memory_runs_out(void **state)
{
    (void)state;
    void *(*real)(void *, size_t, int, int, int, off_t) = asyncio__sys.mmap;
    asyncio__stack_t *first = acquire(64 * KIB);
    size_t stride = first->slab->stride_bytes;
    asyncio__stack_release(first);
    asyncio__stack_trim(0);
    asyncio__sys.mmap = limited_mmap;
    mmap_limit_bytes = stride - 1;
    assert_null(asyncio__stack_acquire(64 * KIB));
    mmap_limit_bytes = 3 * stride;
    asyncio__stack_t *stacks[5];
    for (int i = 0; i < 5; i++) {
        stacks[i] = acquire(64 * KIB);
        poke(stacks[i]->bottom);
    }
    asyncio__sys.mmap = real;
    assert_int_equal(statistics().slabs, 3);
    for (int i = 0; i < 5; i++)
        asyncio__stack_release(stacks[i]);
}

/* The high-water mark is the deepest page that was touched, also by an earlier owner. */
static void high_water_is_remembered(void **state)
{
    (void)state;
    size_t page = asyncio__page_bytes();
    asyncio__stack_t *stack = acquire(1024 * KIB);
    size_t before = asyncio__stack_high_water(stack);
    assert_true(before <= page);
    poke(stack->top - 10 * page);
    size_t after = asyncio__stack_high_water(stack);
    assert_true(after >= 10 * page && after <= 11 * page);
    asyncio__stack_release(stack);
    assert_ptr_equal(acquire(1024 * KIB), stack);
    assert_int_equal(asyncio__stack_high_water(stack), after);
    poke(stack->bottom);
    assert_int_equal(asyncio__stack_high_water(stack), stack->top - stack->bottom);
    asyncio__stack_release(stack);
}

/* Trimming unmaps every slab without a stack in use, and keeps the memory of stacks that are in
 * use. */
static void trim_keeps_what_is_in_use(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    asyncio__stack_t *stacks[COUNT], *kept = NULL;
    for (int i = 0; i < COUNT; i++)
        stacks[i] = acquire(64 * KIB);
    assert_true(statistics().slabs > 1);
    for (int i = 0; i < COUNT; i++) {
        if (i == 0)
            kept = stacks[i];
        else
            asyncio__stack_release(stacks[i]);
    }
    memset(kept->bottom, 7, (size_t)(kept->top - kept->bottom));
    char *gone = stacks[COUNT - 1]->bottom;
    asyncio__stack_trim(0);
    assert_int_equal(statistics().slabs, 1);
    assert_int_equal(statistics().in_use, 1);
    assert_false(is_mapped(gone));
    for (char *byte = kept->bottom; byte < kept->top; byte++)
        assert_int_equal(*byte, 7);
    asyncio__stack_t *other = acquire(64 * KIB);
    assert_ptr_equal(other->slab, kept->slab);
    asyncio__stack_release(other);
    asyncio__stack_release(kept);
}

/* Returns the bytes of a stack that have memory, without the page of its record. */
static size_t resident_bytes(void)
{
    size_t mapped, resident;
    asyncio__stack_memory(&mapped, &resident);
    return resident;
}

/* Stacks of one slab that are free are returned to the kernel while others of it are in use; they
 * are guarded and empty when they are acquired again. */
static void free_stacks_beside_used_ones_are_returned(void **state)
{
    (void)state;
    enum { COUNT = 24 };
    asyncio__stack_t *stacks[COUNT];
    for (int i = 0; i < COUNT; i++) {
        stacks[i] = acquire(64 * KIB);
        memset(stacks[i]->bottom, 1 + i, 32 * KIB);
    }
    for (int i = 0; i < COUNT; i++) {
        if (i % 2)
            asyncio__stack_release(stacks[i]);
    }
    size_t before = resident_bytes();
    char *below = stacks[1]->bottom - 1; /* its record goes with its memory */
    asyncio__stack_trim(0);
    assert_int_equal(statistics().in_use, COUNT / 2);
    assert_int_equal(statistics().free, 0);
    assert_null(asyncio__stack_of_guard(below));
    assert_ptr_equal(asyncio__stack_of_guard(stacks[2]->bottom - 1), stacks[2]);
    if (!is_checked())
        assert_true(resident_bytes() <= before - COUNT / 2 * 32 * KIB);
    for (int i = 0; i < COUNT; i++) {
        if (i % 2 == 0)
            assert_int_equal(*stacks[i]->bottom, 1 + i);
        else
            stacks[i] = acquire(64 * KIB);
    }
    assert_int_equal(statistics().in_use, COUNT);
    for (int i = 1; i < COUNT; i += 2) {
        assert_int_equal(*stacks[i]->bottom, 0);
        if (stacks[i]->guard != ASYNCIO__GUARD_CANARY)
            assert_int_equal(fate_of(poke, stacks[i]->bottom - 1), SIGSEGV);
    }
    for (int i = 0; i < COUNT; i++)
        asyncio__stack_release(stacks[i]);
}

/* Trims as an idle loop does until nothing is left to do. Returns the last result. */
static int64_t idle_at(int64_t now_ns)
{
    int64_t more_ns;
    do
        more_ns = asyncio__stack_trim_idle(now_ns);
    while (more_ns == 0);
    return more_ns;
}

/* An idle loop returns the stacks of a peak a second after it, keeps those that were needed in the
 * last second and a few more, and then has nothing left to do. */
static void an_idle_loop_returns_a_peak(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    const int64_t second = INT64_C(1000000000);
    asyncio__stack_t *stacks[COUNT];
    int64_t now = 1000 * second;
    assert_int_equal(idle_at(now), -1);
    for (int i = 0; i < COUNT; i++)
        stacks[i] = acquire(64 * KIB);
    for (int i = 0; i < COUNT; i++)
        asyncio__stack_release(stacks[i]);
    assert_int_equal(idle_at(now), second);
    assert_int_equal(statistics().free, COUNT);
    assert_int_equal(idle_at(now + second / 2), second / 2);
    for (int i = 0; i < 300; i++)
        stacks[i] = acquire(64 * KIB);
    for (int i = 0; i < 300; i++)
        asyncio__stack_release(stacks[i]);
    assert_int_equal(idle_at(now + second), second);
    assert_int_equal(statistics().free, 300 + ASYNCIO__STACKS_KEPT);
    assert_int_equal(idle_at(now + 2 * second), second);
    assert_int_equal(statistics().free, ASYNCIO__STACKS_KEPT);
    assert_int_equal(idle_at(now + 3 * second), -1);
}

static void *use_and_end(void *ret_bottom)
{
    asyncio__stack_t *a = acquire(64 * KIB), *b = acquire(64 * KIB);
    *(char **)ret_bottom = a->bottom;
    asyncio__stack_release(a);
    asyncio__stack_release(b);
    return NULL;
}

/* A thread that ends returns all its stacks to the kernel. */
static void thread_exit_frees(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        char *bottom = NULL;
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, use_and_end, &bottom), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_non_null(bottom);
        assert_false(is_mapped(bottom));
    }
}

static void *acquire_and_end(void *ret_stack)
{
    *(asyncio__stack_t **)ret_stack = acquire(64 * KIB);
    return NULL;
}

/* A stack that is in use outlives its thread; released, it serves the next thread. */
static void stack_outlives_its_thread(void **state)
{
    (void)state;
    asyncio__stack_t *stack = NULL, *again = NULL;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, acquire_and_end, &stack), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    memset(stack->bottom, 1, (size_t)(stack->top - stack->bottom));
    asyncio__stack_release(stack);
    assert_int_equal(statistics().free, 0); /* it is not this thread's */
    assert_int_equal(pthread_create(&thread, NULL, acquire_and_end, &again), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_ptr_equal(again, stack);
    asyncio__stack_release(again);
    char *bottom = NULL;
    assert_int_equal(pthread_create(&thread, NULL, use_and_end, &bottom), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(is_mapped(bottom));
}

static void *release_there(void *stack)
{
    asyncio__stack_release(stack);
    return NULL;
}

/* A stack released by another thread returns to the pool of its own thread. */
static void release_elsewhere_comes_home(void **state)
{
    (void)state;
    asyncio__stack_t *stack = acquire(64 * KIB);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, release_there, stack), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(statistics().in_use, 0);
    assert_int_equal(statistics().free, 1);
    assert_ptr_equal(acquire(64 * KIB), stack);
    asyncio__stack_release(stack);
}

static size_t count_mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    size_t lines = 0;
    for (int c; (c = getc(maps)) != EOF;)
        lines += c == '\n';
    fclose(maps);
    return lines;
}

/* Returns the number of stacks that the machine and the sanitizer have room for. */
static size_t a_million(void)
{
    const char *engine = getenv("ASYNCIO_ENGINE");
    long pages = sysconf(_SC_AVPHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    const char *kernel = getenv("ASYNCIO_TEST_KERNEL");
    if (is_checked() || sweep_is_on)
        return 1000;
    /* All engines share this code, so one run with a million is enough: it takes 4 GiB, which
     * several runs at once may not find. The others use more stacks than there may be mappings. */
    if ((engine && strcmp(engine, "epoll") != 0) || (kernel && *kernel) ||
        (double)pages * (double)page_bytes < 6e9)
        return 80000;
    return 1000000;
}

/* A million stacks, all guarded, need no more mappings than a process may have by default. */
static void a_million_stacks(void **state)
{
    (void)state;
    size_t count = a_million(), mappings = count_mappings();
    asyncio__stack_t *last = NULL;
    for (size_t i = 0; i < count; i++) {
        asyncio__stack_t *stack = acquire(64 * KIB);
        stack->next = last;
        last = stack;
    }
    asyncio__stack_statistics_t now = statistics();
    assert_int_equal(now.in_use, count);
    if (last->guard == ASYNCIO__GUARD_ADVICE)
        assert_true(count_mappings() < mappings + now.slabs + 8);
    if (now.unguarded == 0)
        assert_int_equal(fate_of(poke, last->bottom - 1), SIGSEGV);
    while (last) {
        asyncio__stack_t *next = last->next;
        asyncio__stack_release(last);
        last = next;
    }
    assert_int_equal(statistics().free, count);
    asyncio__stack_trim(0);
    assert_int_equal(statistics().slabs, 0);
    assert_true(count_mappings() < mappings + 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(stacks_are_whole_and_apart, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(sizes_have_bounds, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(reuse_is_last_in_first_out, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(tops_are_coloured, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(guards_fault, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(guard_names_its_stack, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(without_advice_pages_are_protected, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(without_protection_overflow_is_found, no_stacks,
                                        no_stacks),
        cmocka_unit_test_setup_teardown(memory_runs_out, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(high_water_is_remembered, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(trim_keeps_what_is_in_use, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(free_stacks_beside_used_ones_are_returned, no_stacks,
                                        no_stacks),
        cmocka_unit_test_setup_teardown(an_idle_loop_returns_a_peak, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(thread_exit_frees, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(stack_outlives_its_thread, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(release_elsewhere_comes_home, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(a_million_stacks, no_stacks, no_stacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
