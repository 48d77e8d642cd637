/* SPDX-License-Identifier: MIT */
/* Contexts: what survives a switch, how they begin and end, and what becomes of an overflow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <execinfo.h>
#include <float.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coroutine/fiber.h"
#include "coroutine/stack.h"

#if defined(ASYNCIO__ASAN)
#include <sanitizer/lsan_interface.h>
#endif

#define KIB 1024

static bool is_checked(void)
{
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
    return true;
#else
    return asyncio__on_valgrind();
#endif
}

/* One coroutine of a test. */
struct side {
    asyncio__fiber_t fiber;   /* of it */
    asyncio__fiber_t *back;   /* the fiber to switch to when it ends or suspends */
    asyncio__stack_t *stack;  /* of it */
    long number;              /* what a test likes */
};

static asyncio__fiber_t root;

static void begin(struct side *side, size_t size, void (*entry)(void *))
{
    side->back = &root;
    side->stack = asyncio__stack_acquire(size);
    assert_non_null(side->stack);
    asyncio__fiber_prepare(&side->fiber, side->stack, entry, side);
}

static void go(struct side *side)
{
    asyncio__fiber_switch(&root, &side->fiber);
}

static void give_way(struct side *side)
{
    asyncio__fiber_switch(&side->fiber, side->back);
}

static _Noreturn void leave(struct side *side)
{
    asyncio__stack_release(side->stack);
    asyncio__fiber_leave(&side->fiber, side->back);
}

/* Every test begins and ends without stacks in use. */
static int no_stacks(void **state)
{
    (void)state;
    asyncio__stack_statistics_t now;
    asyncio__stack_statistics(&now);
    asyncio__stack_trim(0);
    return now.in_use ? -1 : 0;
}

/* The switch is one of those that exist, and this process allows it. */
static void machine_is_known(void **state)
{
    (void)state;
    const char *name = asyncio__fiber_name();
    assert_true(!strcmp(name, "x86_64") || !strcmp(name, "aarch64") || !strcmp(name, "ucontext"));
    assert_int_equal(asyncio__fiber_check(), 0);
}

static void count_to_three(void *argument)
{
    struct side *side = argument;
    for (int i = 1; i <= 3; i++) {
        side->number = i;
        give_way(side);
    }
    side->number = -1;
    leave(side);
}

/* A fiber starts with its argument, continues where it was suspended, and ends. */
static void there_and_back(void **state)
{
    (void)state;
    struct side side = {.number = 0};
    begin(&side, 16 * KIB, count_to_three);
    assert_int_equal(side.number, 0); /* nothing ran yet */
    for (int i = 1; i <= 3; i++) {
        go(&side);
        assert_int_equal(side.number, i);
    }
    go(&side);
    assert_int_equal(side.number, -1);
}

/* Enough live values across the switch to fill all registers, of both kinds. */
static __attribute__((noinline)) long mix(struct side *side, long seed)
{
    long a = seed * 3, b = seed * 5, c = seed * 7, d = seed * 11, e = seed * 13, f = seed * 17,
         g = seed * 19, h = seed * 23, i = seed * 29, j = seed * 31, k = seed * 37, l = seed * 41,
         m = seed * 43, n = seed * 47;
    double x = (double)seed / 2, y = (double)seed / 4, z = (double)seed / 8;
    give_way(side);
    long whole = a ^ b << 1 ^ c << 2 ^ d << 3 ^ e << 4 ^ f << 5 ^ g << 6 ^ h << 7 ^ i << 8 ^
                 j << 9 ^ k << 10 ^ l << 11 ^ m << 12 ^ n << 13;
    return whole + (long)(x * 8 + y * 16 + z * 32);
}

static void mix_for_ever(void *argument)
{
    struct side *side = argument;
    long seed = side->number;
    for (int i = 0; i < 100; i++)
        side->number = mix(side, seed);
    leave(side);
}

/* The same sum without a switch in the middle. */
static long mixed(long seed)
{
    static const long factors[] = {3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47};
    long whole = 0;
    for (int i = 0; i < 14; i++)
        whole ^= seed * factors[i] << i;
    return whole + (long)((double)seed / 2 * 8 + (double)seed / 4 * 16 + (double)seed / 8 * 32);
}

/* Values in registers, integer and floating-point, survive while others use the same registers. */
static void registers_survive(void **state)
{
    (void)state;
    struct side sides[5];
    for (int i = 0; i < 5; i++) {
        sides[i].number = 1000 + 77 * i;
        begin(&sides[i], 16 * KIB, mix_for_ever);
    }
    for (int round = 0; round <= 100; round++) {
        for (int i = 0; i < 5; i++) {
            go(&sides[i]);
            if (round > 0)
                assert_int_equal(sides[i].number, mixed(1000 + 77 * i));
        }
    }
}

/* A switch does not change errno. */
static void errno_survives(void **state)
{
    (void)state;
    struct side side = {.number = 0};
    begin(&side, 16 * KIB, count_to_three);
    errno = 7777;
    for (int i = 0; i < 4; i++)
        go(&side);
    assert_int_equal(errno, 7777);
}

/* A ring of coroutines, each of which switches to the next, without a root in between. */
#define RING_MOST 1000
static struct side ring[RING_MOST];
static int ring_count;
static long ring_steps;

static void step_on(void *argument)
{
    struct side *side = argument;
    int next = (int)(side - ring + 1) % ring_count;
    while (ring_steps > 0) {
        ring_steps--;
        side->number++;
        asyncio__fiber_switch(&side->fiber, &ring[next].fiber);
    }
    /* The end goes around the ring too: each lets the next one end. */
    side->back = next == 0 ? &root : &ring[next].fiber;
    leave(side);
}

/* Many fibers switch directly to each other, each in its turn. */
static void many_switch_directly(void **state)
{
    (void)state;
    ring_count = is_checked() ? 100 : RING_MOST;
    ring_steps = 50L * ring_count;
    for (int i = 0; i < ring_count; i++) {
        ring[i].number = 0;
        begin(&ring[i], 16 * KIB, step_on);
    }
    go(&ring[0]);
    for (int i = 0; i < ring_count; i++)
        assert_int_equal(ring[i].number, 50);
}

static void at_once(void *argument)
{
    struct side *side = argument;
    side->number++;
    leave(side);
}

/* One stack is used by one coroutine after the other, tens of thousands of times. */
static void stacks_serve_again(void **state)
{
    (void)state;
    struct side side = {.number = 0};
    asyncio__stack_t *first = NULL;
    for (int i = 0; i < 20000; i++) {
        begin(&side, 64 * KIB, at_once);
        if (!first)
            first = side.stack;
        assert_ptr_equal(side.stack, first);
        go(&side);
    }
    assert_int_equal(side.number, 20000);
}

static struct side second;

static __attribute__((noinline)) void run_and_wait(struct side *side)
{
    char frame[2000];
    memset(frame, (int)side->number, sizeof(frame));
    give_way(side);
    for (size_t i = 0; i < sizeof(frame); i++)
        assert_int_equal(frame[i], (char)side->number);
}

static void two_in_place(void *argument)
{
    struct side *side = argument;
    run_and_wait(side);
    /* The first has ended; the second runs on its stack, and is saved in its own fiber. */
    second = (struct side){.back = side->back, .stack = side->stack, .number = 22};
    memset(side, 0xee, sizeof(*side));
    run_and_wait(&second);
    leave(&second);
}

/* When a coroutine has ended, the next one may run on its stack without a switch. */
static void in_place(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        struct side first = {.number = 11};
        begin(&first, 16 * KIB, two_in_place);
        go(&first);
        go(&first);
        go(&second);
    }
}

static void drive_another(void *argument)
{
    struct side *side = argument;
    struct side inner = {.number = 0};
    asyncio__fiber_t here = {0};
    begin(&inner, 16 * KIB, count_to_three);
    inner.back = &here;
    for (int i = 1; i <= 4; i++) {
        asyncio__fiber_switch(&here, &inner.fiber);
        side->number = inner.number;
        give_way(side);
    }
    leave(side);
}

/* A coroutine drives another one as a generator, and both suspend in between. */
static void nested(void **state)
{
    (void)state;
    struct side outer = {.number = 0};
    begin(&outer, 32 * KIB, drive_another);
    for (int i = 1; i <= 3; i++) {
        go(&outer);
        assert_int_equal(outer.number, i);
    }
    go(&outer);
    assert_int_equal(outer.number, -1);
    go(&outer);
}

static __attribute__((noinline)) int descend(int depth, volatile char *above)
{
    volatile char frame[1024];
    frame[0] = (char)depth;
    frame[1023] = above ? above[0] : 0;
    int below = depth > 1 ? descend(depth - 1, frame) : 0;
    return below + (frame[0] == (char)depth);
}

static void descend_40_kib(void *argument)
{
    struct side *side = argument;
    side->number = descend(36, NULL);
    give_way(side);
    leave(side);
}

static void overflow(void *argument)
{
    struct side *side = argument;
    side->number = descend(1000000, NULL);
    leave(side);
}

/* A default stack holds 40 KiB of frames, and its neighbours are not affected. */
static void deep_use(void **state)
{
    (void)state;
    struct side sides[3];
    for (int i = 0; i < 3; i++)
        begin(&sides[i], 64 * KIB, i == 1 ? descend_40_kib : count_to_three);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3; i++)
            go(&sides[i]);
    }
    assert_int_equal(sides[1].number, 36);
    for (int i = 0; i < 2; i++) {
        go(&sides[0]);
        go(&sides[2]);
    }
    assert_int_equal(sides[0].number, -1);
    assert_int_equal(sides[2].number, -1);
}

static asyncio__stack_t *overflowing;

static void on_overflow(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number, (void)context;
    _exit(asyncio__stack_of_guard(info->si_addr) == overflowing ? 42 : 43);
}

/* An overflow is a segmentation fault in the guard of that stack. */
static void overflow_hits_the_guard(void **state)
{
    (void)state;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        static char handler_stack[64 * KIB];
        stack_t alternate = {.ss_sp = handler_stack, .ss_size = sizeof(handler_stack)};
        struct sigaction action = {.sa_sigaction = on_overflow,
                                   .sa_flags = SA_SIGINFO | SA_ONSTACK};
        struct side side;
        if (sigaltstack(&alternate, NULL) || sigaction(SIGSEGV, &action, NULL))
            _exit(1);
        begin(&side, 64 * KIB, overflow);
        overflowing = side.stack;
        go(&side);
        _exit(2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
}

static void count_frames(void *argument)
{
    struct side *side = argument;
    void *frames[64];
    side->number = backtrace(frames, 64);
    leave(side);
}

/* The chain of frames ends where the fiber began, so that no unwinder reads beyond it. */
static void backtrace_ends(void **state)
{
    (void)state;
#if defined(ASYNCIO__ASAN)
    skip(); /* it puts a backtrace of its own in its place */
#endif
    if (!strcmp(asyncio__fiber_name(), "ucontext"))
        skip(); /* as libc has it */
    void *frames[1];
    backtrace(frames, 1); /* it loads a library at first, on more stack than there is */
    struct side side;
    begin(&side, 64 * KIB, count_frames);
    go(&side);
    assert_in_range(side.number, 2, 4);
}

static void print_long_double(void *argument)
{
    struct side *side = argument;
    char text[600];
    volatile long double largest = LDBL_MAX;
    side->number = snprintf(text, sizeof(text), "%.100Lf %s", largest, "and text");
    leave(side);
}

static void look_up(void *argument)
{
    struct side *side = argument;
    struct addrinfo *found = NULL;
    side->number = getaddrinfo("localhost", "80", NULL, &found);
    if (side->number == 0)
        freeaddrinfo(found);
    leave(side);
}

/* libc's functions with the largest frames run: printf of the largest long double on the smallest
 * stack, a look-up on the default one. */
static void libc_finds_room(void **state)
{
    (void)state;
    struct side side;
    begin(&side, ASYNCIO__STACK_LEAST_BYTES, print_long_double);
    go(&side);
    assert_true(side.number > 400);
    begin(&side, ASYNCIO__STACK_DEFAULT_BYTES, look_up);
    side.number = 1000000;
    go(&side);
    assert_int_not_equal(side.number, 1000000); /* it answered, whatever the name means here */
}

static volatile sig_atomic_t signals_seen;

static void on_signal(int signal_number)
{
    (void)signal_number;
    signals_seen++;
}

static void raise_here(void *argument)
{
    struct side *side = argument;
    for (int i = 0; i < 10; i++) {
        raise(SIGUSR1);
        give_way(side);
    }
    leave(side);
}

/* A signal handler runs on the stack of a coroutine and leaves it unchanged. */
static void signals_run_on_any_stack(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = on_signal}, former;
    assert_int_equal(sigaction(SIGUSR1, &action, &former), 0);
    signals_seen = 0;
    struct side side;
    begin(&side, 16 * KIB, raise_here);
    for (int i = 0; i <= 10; i++)
        go(&side);
    assert_int_equal(signals_seen, 10);
    assert_int_equal(sigaction(SIGUSR1, &former, NULL), 0);
}

static void hold_a_block(void *argument)
{
    struct side *side = argument;
    char *volatile block = malloc(100);
    give_way(side);
    free(block);
    leave(side);
}

/* A block that only the stack of a sleeping coroutine refers to is not reported as a leak. */
static void sleeping_stacks_hold_blocks(void **state)
{
    (void)state;
    struct side side;
    begin(&side, 16 * KIB, hold_a_block);
    go(&side);
#if defined(ASYNCIO__ASAN)
    assert_int_equal(__lsan_do_recoverable_leak_check(), 0);
#endif
    go(&side);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(machine_is_known, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(there_and_back, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(registers_survive, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(errno_survives, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(many_switch_directly, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(stacks_serve_again, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(in_place, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(nested, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(deep_use, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(overflow_hits_the_guard, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(backtrace_ends, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(libc_finds_room, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(signals_run_on_any_stack, no_stacks, no_stacks),
        cmocka_unit_test_setup_teardown(sleeping_stacks_hold_blocks, no_stacks, no_stacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
