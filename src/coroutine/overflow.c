/* SPDX-License-Identifier: MIT */
/*
 * Reports stack overflows; see coroutine/overflow.h.
 *
 * The handler calls async-signal-safe functions only: it formats by hand, takes no lock and
 * allocates nothing. `formers` is written before the handler is installed. The handler is removed
 * with the last loop that was asked to report. If the program has installed another handler in
 * front meanwhile, which may call ours, it stays: it writes nothing, and passes faults on.
 */
#include "coroutine/overflow.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/syscalls.h"
#include "base/thread.h"
#include "coroutine/coroutine.h"

/* Stack for the handler, and for a former handler that it calls. */
#define HANDLER_BYTES ((size_t)64 * 1024)

struct asyncio__overflow {
    stack_t mine;     /* the alternate signal stack */
    bool is_in_use;   /* this thread uses it: between enter and leave */
};

const char *(*asyncio__overflow_task)(unsigned long *ret_number);

static const int numbers[] = {SIGSEGV, SIGBUS};
#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static struct sigaction formers[NUMBERS]; /* the handlers before ours */
static bool installed[NUMBERS];              /* ours are installed, perhaps behind others */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* protects users and installed */
static _Atomic int users;                 /* overflows that are open; the handler reads it */

/* --- the report ---------------------------------------------------------------------------- */

typedef struct text {
    char bytes[512]; /* as much as fits */
    size_t length;   /* of it */
} text_t;

static void add(text_t *text, const char *string)
{
    for (; string && *string && text->length < sizeof(text->bytes) - 1; string++)
        text->bytes[text->length++] = *string;
}

static void add_number(text_t *text, unsigned long number)
{
    char digits[24];
    size_t at = sizeof(digits) - 1;
    digits[at] = '\0';
    do
        digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    add(text, digits + at);
}

/* What runs in this thread. */
static void add_owner(text_t *text)
{
    const asyncio_coroutine_t *coroutine = asyncio__thread.coroutine;
    if (!coroutine) {
        add(text, "a callback");
        return;
    }
    unsigned long number = 0;
    const char *name = NULL;
    bool is_driven = coroutine->back != NULL;
    if (!is_driven && asyncio__overflow_task)
        name = asyncio__overflow_task(&number);
    add(text, is_driven ? "a coroutine driven by hand" : "task ");
    if (name) {
        add(text, name);
    } else if (!is_driven) {
        add(text, "Task-");
        add_number(text, number);
    }
    add(text, " (made at ");
    add(text, coroutine->place ? coroutine->place : "an unknown place");
    add(text, ")");
}

static void write_text(const text_t *text)
{
    asyncio__ignore((int)asyncio__sys.write(STDERR_FILENO, text->bytes, text->length));
}

void asyncio__overflow_write_owner(const char *before, const char *after)
{
    text_t text = {.length = 0};
    add(&text, before);
    add_owner(&text);
    add(&text, after);
    write_text(&text);
}

/* fault: the address that was touched, or NULL if it is not known. */
static void report(const asyncio__stack_t *stack, const char *fault)
{
    text_t text = {.length = 0};
    const asyncio_coroutine_t *coroutine = asyncio__thread.coroutine;
    add(&text, "stack overflow in ");
    if (coroutine && coroutine->stack == stack)
        add_owner(&text);
    else
        add(&text, "a coroutine that does not run in this thread");
    add(&text, ": its stack has ");
    add_number(&text, (unsigned long)(stack->top - stack->bottom));
    add(&text, " bytes and ");
    add_number(&text, (unsigned long)(stack->top - (fault ? fault : stack->bottom - 1)));
    add(&text, " or more were needed; stack_bytes of its or the loop's options makes it larger\n");
    write_text(&text);
}

_Noreturn void asyncio__overflow_found(const asyncio__stack_t *stack)
{
    if (atomic_load_explicit(&users, memory_order_relaxed) > 0)
        report(stack, NULL);
    abort();
}

/* --- the handler --------------------------------------------------------------------------- */

/* Calls the former handler, or has the system's default action done. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    struct sigaction *former = &formers[number == SIGSEGV ? 0 : 1];
    struct sigaction own = *former;
    if (own.sa_flags & SA_RESETHAND)
        former->sa_handler = SIG_DFL;
    if (own.sa_flags & SA_SIGINFO) {
        own.sa_sigaction(number, info, context);
    } else if (own.sa_handler != SIG_DFL && own.sa_handler != SIG_IGN) {
        own.sa_handler(number);
    } else if (info->si_code > 0 || own.sa_handler == SIG_DFL) {
        /* A fault occurs again when this returns; a signal that was sent is sent again. */
        struct sigaction fallback = {.sa_handler = SIG_DFL};
        asyncio__sys.sigaction(number, &fallback, NULL);
        if (info->si_code <= 0)
            raise(number);
    }
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    if (info->si_code > 0 && atomic_load_explicit(&users, memory_order_relaxed) > 0) {
        const asyncio__stack_t *stack = asyncio__stack_of_guard(info->si_addr);
        if (stack)
            report(stack, info->si_addr);
    }
    errno = saved_errno;
    pass_on(number, info, context);
}

static bool is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_fault;
}

static void install_handler(size_t i)
{
    struct sigaction present;
    /* Installed already, behind another: in front of that one, the two would call each other. */
    if (installed[i] || asyncio__sys.sigaction(numbers[i], NULL, &present) < 0 || is_ours(&present))
        return;
    formers[i] = present;
    struct sigaction own = {.sa_sigaction = on_fault,
                            .sa_mask = present.sa_mask,
                            .sa_flags = SA_SIGINFO | SA_ONSTACK |
                                        (present.sa_flags & (SA_NODEFER | SA_RESTART))};
    installed[i] = asyncio__sys.sigaction(numbers[i], &own, NULL) == 0;
}

static void remove_handler(size_t i)
{
    struct sigaction present;
    if (installed[i] && asyncio__sys.sigaction(numbers[i], NULL, &present) == 0 &&
        is_ours(&present))
        installed[i] = asyncio__sys.sigaction(numbers[i], &formers[i], NULL) < 0;
}

/* --- loops that report --------------------------------------------------------------------- */

int asyncio__overflow_open(asyncio__overflow_t **ret_overflow)
{
    asyncio__overflow_t *overflow = asyncio__calloc(sizeof(*overflow));
    if (!overflow)
        return -ENOMEM;
    /* The kernel saves all registers there: how many there are depends on the processor. */
    size_t size = HANDLER_BYTES + (size_t)getauxval(AT_MINSIGSTKSZ);
    void *memory = asyncio__sys.mmap(NULL, size, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        asyncio__free(overflow, sizeof(*overflow));
        return -ENOMEM;
    }
    overflow->mine = (stack_t){.ss_sp = memory, .ss_size = size};
    pthread_mutex_lock(&mutex);
    if (users++ == 0) {
        for (size_t i = 0; i < NUMBERS; i++)
            install_handler(i);
    }
    pthread_mutex_unlock(&mutex);
    *ret_overflow = overflow;
    return 0;
}

void asyncio__overflow_close(asyncio__overflow_t *overflow)
{
    if (!overflow)
        return;
    pthread_mutex_lock(&mutex);
    if (--users == 0) {
        for (size_t i = 0; i < NUMBERS; i++)
            remove_handler(i);
    }
    pthread_mutex_unlock(&mutex);
    asyncio__ignore(asyncio__sys.munmap(overflow->mine.ss_sp, overflow->mine.ss_size));
    asyncio__free(overflow, sizeof(*overflow));
}

void asyncio__overflow_enter(asyncio__overflow_t *overflow)
{
    stack_t present;
    /* A thread that has such a stack keeps it: the program relies on it. */
    if (!overflow || overflow->is_in_use || asyncio__sys.sigaltstack(NULL, &present) < 0 ||
        !(present.ss_flags & SS_DISABLE))
        return;
    overflow->is_in_use = asyncio__sys.sigaltstack(&overflow->mine, NULL) == 0;
}

void asyncio__overflow_leave(asyncio__overflow_t *overflow)
{
    stack_t present, none = {.ss_flags = SS_DISABLE};
    if (!overflow || !overflow->is_in_use)
        return;
    overflow->is_in_use = false;
    if (asyncio__sys.sigaltstack(NULL, &present) == 0 && present.ss_sp == overflow->mine.ss_sp)
        asyncio__ignore(asyncio__sys.sigaltstack(&none, NULL));
}

void asyncio__overflow_fork(void)
{
    mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}
