/* SPDX-License-Identifier: MIT */
/*
 * Stack overflows: what is written about one, that the process dies of it all the same, and that
 * nobody else's faults and handlers are touched. Each runs in a child, whose stderr is read.
 */
#include "support/support.h"

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

#include "base/syscalls.h"
#include "coroutine/coroutine.h"

/* The outcome of a child process. */
typedef struct fate {
    int signal;      /* that it died of, or 0 */
    int status;      /* with which it ended */
    char text[4096]; /* that it wrote to stderr */
} fate_t;

static fate_t fate_of(void (*function)(void *argument), void *argument)
{
    fate_t fate = {0};
    int ends[2], status = 0;
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        /* Restores the default actions, which a sanitizer replaces. */
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        stack_t none = {.ss_flags = SS_DISABLE};
        sigaltstack(&none, NULL);
        function(argument);
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], fate.text + length, sizeof(fate.text) - 1 - length)) > 0)
        length += (size_t)got;
    close(ends[0]);
    /* An emulator prints a line of its own when the emulated program dies. */
    char *of_emulator = strstr(fate.text, "qemu: uncaught target signal");
    if (of_emulator)
        *of_emulator = '\0';
    assert_int_equal(waitpid(child, &status, 0), child);
    fate.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    fate.status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    return fate;
}

static asyncio_loop_t *make_loop(bool reports)
{
    asyncio_loop_options_t options = {.size = sizeof(options), .report_overflow = reports};
    asyncio_loop_t *loop = asyncio_new_event_loop_full(&options);
    if (!loop)
        _exit(100);
    return loop;
}

static void has(const fate_t *fate, const char *part)
{
    if (!strstr(fate->text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, fate->text);
}

static void is_report_of(const fate_t *fate, const char *name)
{
    char beginning[100];
    snprintf(beginning, sizeof(beginning), "stack overflow in %s (made at ", name);
    has(fate, beginning);
    has(fate, "test_overflow.c:");
    has(fate, " bytes and ");
}

/* --- what overflows ------------------------------------------------------------------------ */

static __attribute__((noinline)) long descend(long depth)
{
    volatile char frame[512];
    frame[0] = (char)depth;
    return depth == 0 ? 0 : descend(depth - 1) + frame[0];
}

static int overflow(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return descend(1 << 20) > 0;
}

static int run_named(asyncio_loop_t *loop, const char *name)
{
    asyncio_task_options_t options = {.size = sizeof(options), .name = name};
    asyncio_coroutine_t *coroutine = asyncio_coroutine(overflow, NULL);
    asyncio_task_t *task = asyncio_loop_create_task_full(loop, coroutine, &options);
    return asyncio_loop_run_until_complete(loop, task, NULL);
}

static void overflow_named(void *name)
{
    run_named(make_loop(true), name);
}

static void overflow_quietly(void *name)
{
    run_named(make_loop(false), name);
}

/* An overflow is reported with the name of the task, the source location that created it and the
 * size of its stack; then the process dies of SIGSEGV. */
static void an_overflow_names_its_task(void **state)
{
    (void)state;
    fate_t fate = fate_of(overflow_named, "the deep one");
    assert_int_equal(fate.signal, SIGSEGV);
    is_report_of(&fate, "task the deep one");
    has(&fate, " overflow): its stack has ");
    assert_non_null(strchr(fate.text, '\n'));
    assert_int_equal(*(strchr(fate.text, '\n') + 1), '\0');
}

/* A task without a name is reported by its number. */
static void an_unnamed_task_has_its_number(void **state)
{
    (void)state;
    fate_t fate = fate_of(overflow_named, NULL);
    assert_int_equal(fate.signal, SIGSEGV);
    has(&fate, "stack overflow in task Task-");
}

/* A loop without the option reports nothing. */
static void without_the_option_nothing_is_written(void **state)
{
    (void)state;
    fate_t fate = fate_of(overflow_quietly, "quiet");
    assert_int_equal(fate.signal, SIGSEGV);
    assert_string_equal(fate.text, "");
}

static void overflow_by_environment(void *value)
{
    setenv("ASYNCIO_REPORT_OVERFLOW", value, 1);
    overflow_quietly("from outside");
}

/* The environment variable sets the option too, unless it is 0 or empty. */
static void the_environment_asks_too(void **state)
{
    (void)state;
    fate_t fate = fate_of(overflow_by_environment, "1");
    assert_int_equal(fate.signal, SIGSEGV);
    is_report_of(&fate, "task from outside");
    assert_string_equal(fate_of(overflow_by_environment, "0").text, "");
    assert_string_equal(fate_of(overflow_by_environment, "").text, "");
}

/* A function whose frame ends 200 KiB below the stack, and which touches no page in between. */
static __attribute__((noinline)) int touch_below(size_t bytes)
{
    volatile char *frame = __builtin_alloca(bytes);
    frame[0] = 1;
    return frame[0];
}

static int use_a_large_frame(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    size_t stack_bytes = (size_t)asyncio_task_get_stack_size(asyncio_current_task());
    return touch_below(stack_bytes + 200 * 1024) < 0;
}

static void overflow_by_one_frame(void *unused)
{
    (void)unused;
    asyncio_task_options_t options = {.size = sizeof(options), .name = "the large one"};
    asyncio_loop_t *loop = make_loop(true);
    asyncio_task_t *below = asyncio_loop_create_task(loop, asyncio_sleep_coroutine(1));
    asyncio_task_t *task = asyncio_loop_create_task_full(
        loop, asyncio_coroutine(use_a_large_frame, NULL), &options);
    asyncio_loop_run_until_complete(loop, task, NULL);
    asyncio_task_unref(below);
}

/* A frame that reaches 200 KiB below the stack is reported, and does not reach the next stack. */
static void a_large_frame_does_not_step_over_the_guard(void **state)
{
    (void)state;
    fate_t fate = fate_of(overflow_by_one_frame, NULL);
    assert_int_equal(fate.signal, SIGSEGV);
    is_report_of(&fate, "task the large one");
}

static int drive(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_coroutine_send(asyncio_coroutine(overflow, NULL), NULL, NULL);
}

static void overflow_driven(void *unused)
{
    (void)unused;
    asyncio_loop_run_until_complete(make_loop(true), asyncio_coroutine(drive, NULL), NULL);
}

/* A coroutine that is driven by hand is reported without the name of the task around it. */
static void a_driven_one_has_its_place(void **state)
{
    (void)state;
    fate_t fate = fate_of(overflow_driven, NULL);
    assert_int_equal(fate.signal, SIGSEGV);
    is_report_of(&fate, "a coroutine driven by hand");
}

static void *run_thread(void *name)
{
    run_named(make_loop(true), name);
    return NULL;
}

static void overflow_in_a_thread(void *name)
{
    pthread_t thread;
    asyncio_loop_t *idle = make_loop(true);
    pthread_create(&thread, NULL, run_thread, name);
    pthread_join(thread, NULL);
    asyncio_loop_unref(idle);
}

/* Each thread that runs such a loop has a stack for the handler. */
static void every_loop_thread_reports(void **state)
{
    (void)state;
    fate_t fate = fate_of(overflow_in_a_thread, "elsewhere");
    assert_int_equal(fate.signal, SIGSEGV);
    is_report_of(&fate, "task elsewhere");
}

static int fork_and_overflow(void *arg, void **ret_result)
{
    (void)ret_result;
    pid_t child = fork();
    if (child == 0)
        return overflow(arg, NULL);
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV ? 0 : -EIO;
}

static void overflow_in_a_child(void *unused)
{
    (void)unused;
    asyncio_loop_t *loop = make_loop(true);
    asyncio_coroutine_t *coroutine = asyncio_coroutine(fork_and_overflow, NULL);
    int rc = asyncio_loop_run_until_complete(loop, coroutine, NULL);
    asyncio_loop_unref(loop);
    _exit(rc == 0 ? 7 : 8);
}

static void overflow_in_a_childs_own_loop(void *unused)
{
    (void)unused;
    asyncio_loop_t *loop = make_loop(true);
    pid_t child = fork();
    if (child == 0)
        run_named(make_loop(true), "grandchild");
    int status = 0;
    waitpid(child, &status, 0);
    asyncio_loop_unref(loop);
    _exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV ? 7 : 8);
}

/* A forked child reports like its parent, on the copied stack and on loops of its own. */
static void forked_children_report(void **state)
{
    (void)state;
    skip_loop_of_child_on_valgrind();
    fate_t fate = fate_of(overflow_in_a_child, NULL);
    assert_int_equal(fate.status, 7);
    has(&fate, "stack overflow in ");
    fate = fate_of(overflow_in_a_childs_own_loop, NULL);
    assert_int_equal(fate.status, 7);
    is_report_of(&fate, "task grandchild");
}

/* --- the handlers of others ---------------------------------------------------------------- */

static void on_fault_42(int number, siginfo_t *info, void *context)
{
    _exit(number == SIGSEGV && info->si_addr && context ? 42 : 43);
}

static void on_fault_plainly(int number)
{
    _exit(number == SIGSEGV ? 44 : 45);
}

static void install(void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
}

static void overflow_before_a_handler(void *unused)
{
    (void)unused;
    install(on_fault_42);
    overflow_named("first");
}

static void overflow_before_a_plain_handler(void *unused)
{
    (void)unused;
    signal(SIGSEGV, on_fault_plainly);
    overflow_named("first");
}

/* The former handler is called after the report, with its flags and its mask. */
static void the_former_handler_is_called(void **state)
{
    (void)state;
    fate_t fate = fate_of(overflow_before_a_handler, NULL);
    assert_int_equal(fate.status, 42);
    is_report_of(&fate, "task first");
    fate = fate_of(overflow_before_a_plain_handler, NULL);
    assert_int_equal(fate.status, 44);
    is_report_of(&fate, "task first");
}

static int fault_elsewhere(void *arg, void **ret_result)
{
    (void)ret_result;
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (arg)
        kill(getpid(), SIGSEGV);
    else
        *(volatile char *)page = 1;
    return 0;
}

static void fault(void *arg)
{
    asyncio_loop_run_until_complete(make_loop(true), asyncio_coroutine(fault_elsewhere, arg),
                                    NULL);
}

static void fault_before_a_handler(void *arg)
{
    install(on_fault_42);
    fault(arg);
}

/* Faults elsewhere, and signals that were sent, go to the former handler without a report; without
 * one the process dies of them. */
static void other_faults_are_not_claimed(void **state)
{
    (void)state;
    skip_on_valgrind("reports such a fault itself");
    for (int sent = 0; sent < 2; sent++) {
        fate_t fate = fate_of(fault_before_a_handler, sent ? "sent" : NULL);
        assert_int_equal(fate.status, sent ? 42 : 42);
        assert_string_equal(fate.text, "");
        fate = fate_of(fault, sent ? "sent" : NULL);
        assert_int_equal(fate.signal, SIGSEGV);
        assert_string_equal(fate.text, "");
    }
}

static struct sigaction present(int number)
{
    struct sigaction action;
    sigaction(number, NULL, &action);
    return action;
}

static bool is_default(int number)
{
    return present(number).sa_handler == SIG_DFL;
}

static void check_handlers(void *unused)
{
    (void)unused;
    stack_t stack;
    asyncio_loop_t *first = make_loop(true), *second = make_loop(true);
    bool fine = !is_default(SIGSEGV) && !is_default(SIGBUS);
    asyncio_loop_run_until_complete(first, asyncio_sleep_coroutine(0), NULL);
    fine = fine && sigaltstack(NULL, &stack) == 0 && (stack.ss_flags & SS_DISABLE);
    asyncio_loop_unref(first);
    fine = fine && !is_default(SIGSEGV);
    asyncio_loop_unref(second);
    fine = fine && is_default(SIGSEGV) && is_default(SIGBUS);
    asyncio_loop_t *third = make_loop(true);
    install(on_fault_42); /* somebody else's, over ours */
    asyncio_loop_unref(third);
    fine = fine && present(SIGSEGV).sa_sigaction == on_fault_42 && is_default(SIGBUS);
    third = make_loop(true);
    fine = fine && present(SIGSEGV).sa_sigaction == on_fault_42;
    asyncio_loop_unref(third);
    _exit(fine ? 7 : 8);
}

/* The handler is removed with the last loop that wants it, except where another handler was
 * installed above it; and a thread keeps no signal stack after the run. */
static void handlers_go_with_the_last_loop(void **state)
{
    (void)state;
    assert_int_equal(fate_of(check_handlers, NULL).status, 7);
}

static int ask_stack(void *arg, void **ret_result)
{
    (void)ret_result;
    return sigaltstack(NULL, arg);
}

static void keep_own_stack(void *unused)
{
    (void)unused;
    static char memory[64 * 1024];
    stack_t own = {.ss_sp = memory, .ss_size = sizeof(memory)}, inside, behind;
    sigaltstack(&own, NULL);
    asyncio_loop_t *loop = make_loop(true);
    asyncio_loop_run_until_complete(loop, asyncio_coroutine(ask_stack, &inside), NULL);
    asyncio_loop_unref(loop);
    sigaltstack(NULL, &behind);
    _exit(inside.ss_sp == memory && behind.ss_sp == memory && !behind.ss_flags ? 7 : 8);
}

/* A thread that has a signal stack already keeps it. */
static void a_threads_own_signal_stack_stays(void **state)
{
    (void)state;
    assert_int_equal(fate_of(keep_own_stack, NULL).status, 7);
}

static void *refuse_mmap(void *address, size_t size, int protection, int flags, int fd, off_t at)
{
    (void)address, (void)size, (void)protection, (void)flags, (void)fd, (void)at;
    errno = ENOMEM;
    return MAP_FAILED;
}

static void without_memory(void *unused)
{
    (void)unused;
    asyncio_loop_options_t options = {.size = sizeof(options), .report_overflow = true};
    asyncio__sys.mmap = refuse_mmap;
    options.engine = ASYNCIO_ENGINE_SIM;
    asyncio_loop_t *loop = asyncio_new_event_loop_full(&options);
    _exit(!loop && asyncio_errno() == -ENOMEM && is_default(SIGSEGV) ? 7 : 8);
}

/* A loop without memory for the handler's stack is refused, and no handler stays installed. */
static void without_memory_there_is_no_loop(void **state)
{
    (void)state;
    assert_int_equal(fate_of(without_memory, NULL).status, 7);
}

/* --- the kinds of guards ------------------------------------------------------------------- */

static int refuse_madvise(void *address, size_t size, int advice)
{
    (void)address, (void)size, (void)advice;
    errno = EINVAL;
    return -1;
}

static int refuse_mprotect(void *address, size_t size, int protection)
{
    (void)address, (void)size, (void)protection;
    errno = ENOMEM;
    return -1;
}

static void overflow_of_a_page(void *name)
{
    asyncio__sys.madvise = refuse_madvise;
    overflow_named(name);
}

/* Writes one byte below the stack, and returns: no guard prevents it. */
static int write_below(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    *(volatile char *)(asyncio__thread.coroutine->stack->bottom - 8) = 1;
    return asyncio_sleep(0);
}

static void overflow_of_a_canary(void *is_driven)
{
    asyncio__sys.madvise = refuse_madvise;
    asyncio__sys.mprotect = refuse_mprotect;
    asyncio_loop_t *loop = make_loop(true);
    asyncio_task_options_t options = {.size = sizeof(options), .name = "canary"};
    if (is_driven) {
        asyncio_coroutine_t *coroutine = asyncio_coroutine(write_below, NULL);
        while (asyncio_coroutine_send(coroutine, NULL, NULL) > 0) {
        }
    }
    asyncio_task_t *task =
        asyncio_loop_create_task_full(loop, asyncio_coroutine(write_below, NULL), &options);
    asyncio_loop_run_until_complete(loop, task, NULL);
}

/* With any kind of guard the report is the same; without a guard the overflow is found when the
 * coroutine has ended, and the process aborts. */
static void every_kind_of_guard_reports(void **state)
{
    (void)state;
    fate_t fate = fate_of(overflow_of_a_page, "on a page");
    assert_int_equal(fate.signal, SIGSEGV);
    is_report_of(&fate, "task on a page");
    fate = fate_of(overflow_of_a_canary, NULL);
    assert_int_equal(fate.signal, SIGABRT);
    is_report_of(&fate, "task canary");
    fate = fate_of(overflow_of_a_canary, "driven");
    assert_int_equal(fate.signal, SIGABRT);
    is_report_of(&fate, "a coroutine driven by hand");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_overflow_names_its_task),
        cmocka_unit_test(a_large_frame_does_not_step_over_the_guard),
        cmocka_unit_test(an_unnamed_task_has_its_number),
        cmocka_unit_test(without_the_option_nothing_is_written),
        cmocka_unit_test(the_environment_asks_too),
        cmocka_unit_test(a_driven_one_has_its_place),
        cmocka_unit_test(every_loop_thread_reports),
        cmocka_unit_test(forked_children_report),
        cmocka_unit_test(the_former_handler_is_called),
        cmocka_unit_test(other_faults_are_not_claimed),
        cmocka_unit_test(handlers_go_with_the_last_loop),
        cmocka_unit_test(a_threads_own_signal_stack_stays),
        cmocka_unit_test(without_memory_there_is_no_loop),
        cmocka_unit_test(every_kind_of_guard_reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
