/* SPDX-License-Identifier: MIT */
/*
 * What the parts cost of which the library's operations are made, on this machine: the floors that
 * docs/performance.md compares with. No part of the build:
 *
 *     gcc -O2 -D_GNU_SOURCE -Iinclude -Isrc tools/floors.c build/libasyncio.a -pthread -lm
 *     ./a.out
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "coroutine/fiber.h"

#define TIMES 1000000

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void report(const char *what, double begin_ns, long times)
{
    printf("%-52s %8.1f ns\n", what, (now_ns() - begin_ns) / (double)times);
}

/* --- switches ------------------------------------------------------------------------------ */

static asyncio__fiber_t here, there;

static void switch_back(void *argument)
{
    (void)argument;
    for (;;)
        asyncio__fiber_switch(&there, &here);
}

static void measure_switch(void)
{
    asyncio__stack_t *stack = asyncio__stack_acquire(ASYNCIO__STACK_DEFAULT_BYTES);
    asyncio__fiber_prepare(&there, stack, switch_back, NULL);
    double begin_ns = now_ns();
    for (long i = 0; i < TIMES; i++)
        asyncio__fiber_switch(&here, &there);
    report("a bare switch of stacks", begin_ns, 2L * TIMES);
}

/* --- memory -------------------------------------------------------------------------------- */

enum { MIB = 1024 * 1024, AREA = 64 * MIB, PAGE = 4096 };

static void touch(const char *what, int advice)
{
    char *area = mmap(NULL, AREA + 2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                      -1, 0);
    char *first = area + (-(size_t)area & (2 * MIB - 1));
    madvise(first, AREA, advice);
    double begin_ns = now_ns();
    for (size_t at = 0; at < AREA; at += PAGE)
        *(volatile char *)(first + at) = 1;
    report(what, begin_ns, AREA / PAGE);
    munmap(area, AREA + 2 * MIB);
}

/* --- two processors ------------------------------------------------------------------------ */

static _Alignas(128) atomic_long ball;
static _Alignas(128) atomic_bool is_there; /* the other thread has its CPU */

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

static void *throw_back(void *unused)
{
    pin(1);
    atomic_store(&is_there, true);
    for (long i = 0; i < TIMES; i++) {
        while (atomic_load_explicit(&ball, memory_order_acquire) != 2 * i + 1) {
        }
        atomic_store_explicit(&ball, 2 * i + 2, memory_order_release);
    }
    return unused;
}

static void measure_line(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, throw_back, NULL);
    while (!atomic_load(&is_there))
        sched_yield();
    double begin_ns = now_ns();
    for (long i = 0; i < TIMES; i++) {
        atomic_store_explicit(&ball, 2 * i + 1, memory_order_release);
        while (atomic_load_explicit(&ball, memory_order_acquire) != 2 * i + 2) {
        }
    }
    report("a line of the cache to the other CPU", begin_ns, 2L * TIMES);
    pthread_join(thread, NULL);
}

static void measure_exchange(void)
{
    double begin_ns = now_ns();
    for (long i = 0; i < TIMES; i++)
        atomic_exchange(&ball, i);
    report("an atomic exchange in one's own cache", begin_ns, TIMES);
}

/* --- the kernel ---------------------------------------------------------------------------- */

static void measure_kernel(void)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    char buffer[64] = "";
    int listener = socket(AF_INET, SOCK_STREAM, 0), near = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(listener, (struct sockaddr *)&address, size);
    listen(listener, 1);
    getsockname(listener, (struct sockaddr *)&address, &size);
    connect(near, (struct sockaddr *)&address, size);
    int far = accept(listener, NULL, NULL), epoll = epoll_create1(0);
    setsockopt(near, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    epoll_ctl(epoll, EPOLL_CTL_ADD, far, &event);

    double begin_ns = now_ns();
    for (long i = 0; i < TIMES; i++)
        syscall(SYS_getppid);
    report("a system call that does nothing", begin_ns, TIMES);
    begin_ns = now_ns();
    for (long i = 0; i < TIMES; i++)
        epoll_wait(epoll, &event, 1, 0);
    report("epoll_wait, nothing there", begin_ns, TIMES);
    begin_ns = now_ns();
    for (long i = 0; i < TIMES; i++)
        recv(far, buffer, sizeof(buffer), MSG_DONTWAIT);
    report("recv, nothing there", begin_ns, TIMES);
    double sent_ns = 0, got_ns = 0;
    for (long i = 0; i < TIMES / 10; i++) {
        double first_ns = now_ns();
        if (send(near, buffer, sizeof(buffer), 0) < 0)
            return;
        double second_ns = now_ns();
        recv(far, buffer, sizeof(buffer), 0);
        sent_ns += second_ns - first_ns;
        got_ns += now_ns() - second_ns;
    }
    printf("%-52s %8.1f ns\n", "send of 64 bytes over TCP and loopback", sent_ns / TIMES * 10);
    printf("%-52s %8.1f ns\n", "recv of them", got_ns / TIMES * 10);
}

int main(void)
{
    pin(0);
    measure_switch();
    double begin_ns = now_ns();
    for (long i = 0; i < TIMES; i++)
        now_ns();
    report("a reading of the clock", begin_ns, TIMES);
    measure_exchange();
    touch("the first touch of a page", MADV_NOHUGEPAGE);
    touch("the same, of huge pages, for each 4 KiB", MADV_HUGEPAGE);
    measure_line();
    measure_kernel();
    return 0;
}
