/* SPDX-License-Identifier: MIT */
/*
 * Child processes: what is started, what their streams carry, how their end is heard of, and what
 * is left when any of it fails. The children are /bin/sh and what Debian's coreutils have.
 */
#include "support/server_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "spawn/spawn.h"

#define OPTIONS(...) (&(asyncio_process_options_t){.size = sizeof(asyncio_process_options_t), \
                                                   __VA_ARGS__})
#define ARGV(...)    ((const char *const[]){__VA_ARGS__, NULL})

static asyncio_process_t *exec(const char *const *argv, const asyncio_process_options_t *options)
{
    asyncio_process_t *process = NULL;
    assert_int_equal(asyncio_create_subprocess_exec(argv, options, &process), 0);
    return process;
}

static asyncio_process_t *shell(const char *command, const asyncio_process_options_t *options)
{
    asyncio_process_t *process = NULL;
    assert_int_equal(asyncio_create_subprocess_shell(command, options, &process), 0);
    return process;
}

/* Waits for the end, and drops the process: its return code. */
static int end_of(asyncio_process_t *process)
{
    int code = -1000;
    assert_int_equal(asyncio_process_wait(process, &code), 0);
    int again = -1000;
    assert_int_equal(asyncio_process_returncode(process, &again), 0);
    assert_int_equal(code, again);
    asyncio_process_unref(process);
    return code;
}

/* What a command writes to standard output, compared. */
static void expect_output(const char *command, asyncio_process_options_t *options,
                          const char *expected)
{
    asyncio_process_output_t output;
    options->stdout_kind = ASYNCIO_PROCESS_PIPE;
    asyncio_process_t *process = shell(command, options);
    assert_int_equal(asyncio_process_communicate(process, NULL, 0, &output), 0);
    assert_string_equal(output.stdout_data, expected);
    assert_int_equal(end_of(process), 0);
}

static int exit_codes(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_int_equal(end_of(shell("exit 0", NULL)), 0);
    assert_int_equal(end_of(shell("exit 42", NULL)), 42);
    assert_int_equal(end_of(shell("kill -USR1 $$", NULL)), -SIGUSR1);
    asyncio_process_t *process = exec(ARGV("sleep", "1000"), NULL);
    int code;
    assert_int_equal(asyncio_process_returncode(process, &code), ASYNCIO_EINVALIDSTATE);
    assert_true(asyncio_process_pid(process) > 0);
    assert_int_equal(asyncio_process_terminate(process), 0);
    assert_int_equal(asyncio_process_wait(process, &code), 0);
    assert_int_equal(code, -SIGTERM);
    assert_int_equal(asyncio_process_kill(process), -ESRCH);
    asyncio_process_unref(process);
    return 0;
}

/* The return code is the exit status, or minus the signal; signals after the end are refused. */
static void test_exit_codes(void **state)
{
    (void)state;
    run_clean(exit_codes, NULL);
}

static int communicate(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_process_output_t output;
    asyncio_process_t *process = shell("cat; echo error >&2; exit 3",
                                       OPTIONS(.stdin_kind = ASYNCIO_PROCESS_PIPE,
                                               .stdout_kind = ASYNCIO_PROCESS_PIPE,
                                               .stderr_kind = ASYNCIO_PROCESS_PIPE));
    assert_int_equal(asyncio_process_communicate(process, "input\n", 6, &output), 0);
    assert_int_equal(output.stdout_size, 6);
    assert_string_equal(output.stdout_data, "input\n");
    assert_string_equal(output.stderr_data, "error\n");
    assert_int_equal(end_of(process), 3);
    process = shell("echo out; echo error >&2", OPTIONS(.stdout_kind = ASYNCIO_PROCESS_PIPE,
                                                        .stderr_kind = ASYNCIO_PROCESS_STDOUT));
    assert_int_equal(asyncio_process_communicate(process, "ignored", 7, &output), 0);
    assert_string_equal(output.stdout_data, "out\nerror\n");
    assert_null(output.stderr_data);
    assert_int_equal(end_of(process), 0);
    return 0;
}

/* communicate() feeds standard input and reads both outputs, or the one that has both. */
static void test_communicate(void **state)
{
    (void)state;
    run_clean(communicate, NULL);
}

#define LARGE_BYTES (1 << 20)

static int large(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    char *input = malloc(LARGE_BYTES);
    for (int i = 0; i < LARGE_BYTES; i++)
        input[i] = (char)(i * 7 % 251);
    asyncio_process_options_t *options = OPTIONS(.stdin_kind = ASYNCIO_PROCESS_PIPE,
                                                 .stdout_kind = ASYNCIO_PROCESS_PIPE);
    asyncio_process_output_t output;
    asyncio_process_t *process = exec(ARGV("cat"), options);
    assert_int_equal(asyncio_process_communicate(process, input, LARGE_BYTES, &output), 0);
    assert_int_equal(output.stdout_size, LARGE_BYTES);
    assert_memory_equal(output.stdout_data, input, LARGE_BYTES);
    assert_int_equal(end_of(process), 0);
    /* A child that does not read its input is no error, and raises no signal here. */
    process = exec(ARGV("true"), options);
    assert_int_equal(asyncio_process_communicate(process, input, LARGE_BYTES, &output), 0);
    assert_int_equal(output.stdout_size, 0);
    assert_int_equal(end_of(process), 0);
    free(input);
    return 0;
}

/* A megabyte goes through a child and comes back; one that reads nothing loses nothing of ours. */
static void test_large(void **state)
{
    (void)state;
    run_clean(large, NULL);
}

static int streams(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_process_t *process =
        exec(ARGV("cat"), OPTIONS(.stdin_kind = ASYNCIO_PROCESS_PIPE,
                                  .stdout_kind = ASYNCIO_PROCESS_PIPE, .limit_bytes = 100));
    asyncio_stream_writer_t *writer = asyncio_process_stdin(process);
    asyncio_stream_reader_t *reader = asyncio_process_stdout(process);
    assert_null(asyncio_process_stderr(process));
    const char *line;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(asyncio_stream_writer_write(writer, "line\n", 5), 0);
        assert_int_equal(asyncio_stream_writer_drain(writer), 0);
        assert_int_equal(asyncio_stream_reader_readline(reader, &line), 5);
    }
    assert_int_equal(asyncio_stream_writer_close(writer), 0);
    assert_int_equal(asyncio_stream_reader_readline(reader, &line), 0);
    assert_true(asyncio_stream_reader_at_eof(reader));
    assert_int_equal(end_of(process), 0);
    return 0;
}

/* The pipes are streams: a conversation by lines, and the end of one is the end of the other. */
static void test_streams(void **state)
{
    (void)state;
    run_clean(streams, NULL);
}

static int drain_to_the_dead(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_process_options_t *options = OPTIONS(.stdin_kind = ASYNCIO_PROCESS_PIPE);
    for (int is_noticed = 0; is_noticed < 2; is_noticed++) {
        asyncio_process_t *process = exec(ARGV("true"), options);
        asyncio_stream_writer_t *writer = asyncio_process_stdin(process);
        siginfo_t info; /* it ends; -ECHILD: it was reaped when it was started */
        while (waitid(P_PID, (id_t)asyncio_process_pid(process), &info, WEXITED | WNOWAIT) < 0 &&
               errno == EINTR)
            continue;
        while (is_noticed && !asyncio_stream_writer_is_closing(writer))
            assert_int_equal(asyncio_sleep(0), 0);
        assert_int_equal(asyncio_stream_writer_write(writer, "lost", 4), 0);
        assert_int_equal(asyncio_stream_writer_drain(writer), -ECONNRESET);
        assert_int_equal(asyncio_stream_writer_drain(writer), -ECONNRESET);
        assert_int_equal(end_of(process), 0);
    }
    return 0;
}

/* drain() to a child that has ended fails with the same code, whether the loop or the write has
 * noticed first. */
static void test_drain_to_the_dead(void **state)
{
    (void)state;
    run_clean(drain_to_the_dead, NULL);
}

static int surroundings(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    expect_output("pwd", OPTIONS(.cwd = "/"), "/\n");
    expect_output("umask", OPTIONS(.has_umask = true, .umask = 027), "0027\n");
    expect_output("echo $NAME", OPTIONS(.env = ARGV("NAME=value", "PATH=/bin:/usr/bin")),
                  "value\n");
    expect_output("echo $0", OPTIONS(.executable = "/bin/sh"), "/bin/sh\n");
    expect_output("echo $0", OPTIONS(.executable = "/bin/bash"), "/bin/bash\n");
    expect_output("test $(ps -o sid= -p $$) = $$ && echo leads",
                  OPTIONS(.start_new_session = true), "leads\n");
    expect_output("test $(ps -o pgid= -p $$) = $$ && echo leads",
                  OPTIONS(.has_process_group = true), "leads\n");
    if (getuid() == 0) {
        expect_output("id -u; id -g; id -G", OPTIONS(.has_user = true, .user = 65534,
                                                     .has_group = true, .group = 65533,
                                                     .extra_groups = (gid_t[]){65532},
                                                     .extra_group_count = 1),
                      "65534\n65533\n65533 65532\n");
    }
    return 0;
}

/* Folder, mask, environment, session, group and user are what the options say. */
static void test_surroundings(void **state)
{
    (void)state;
    run_clean(surroundings, NULL);
}

static int descriptors(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int ends[2], inherited = dup(0); /* not close-on-exec: a child would inherit it */
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "passed", 6), 6);
    close(ends[1]);
    char command[100];
    snprintf(command, sizeof(command), "cat <&%d; ls /proc/self/fd | wc -l", ends[0]);
    /* Four of its own (three streams, and ls reads the folder), and the one that is passed. */
    expect_output(command, OPTIONS(.pass_fds = (int[]){ends[0]}, .pass_fd_count = 1),
                  "passed5\n");
    close(inherited);
    close(ends[0]);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    asyncio_process_t *process = shell("echo lost", OPTIONS(.stdout_kind = ASYNCIO_PROCESS_FD,
                                                           .stdout_fd = null));
    assert_int_equal(end_of(process), 0);
    close(null);
    expect_output("cat", OPTIONS(.stdin_kind = ASYNCIO_PROCESS_DEVNULL), "");
    return 0;
}

/* A child has the descriptors that were passed to it, and no others. */
static void test_descriptors(void **state)
{
    (void)state;
    run_clean(descriptors, NULL);
}

static int signals(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    struct sigaction ignored = {.sa_handler = SIG_IGN}, former;
    sigset_t blocked, former_mask;
    sigaction(SIGPIPE, &ignored, &former);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &blocked, &former_mask);
    /* Bit 12 of the ignored ones is SIGPIPE; no signal is blocked. */
    const char *command = "grep SigBlk /proc/self/status | cut -f2; "
                          "echo $((0x$(grep SigIgn /proc/self/status | cut -f2) & 0x1000))";
    expect_output(command, OPTIONS(.keep_signals = false), "0000000000000000\n0\n");
    expect_output(command, OPTIONS(.keep_signals = true), "0000000000000000\n4096\n");
    pthread_sigmask(SIG_SETMASK, &former_mask, NULL);
    sigaction(SIGPIPE, &former, NULL);
    return 0;
}

/* A child starts with no signal blocked, and with SIGPIPE as it is by default. */
static void test_signals(void **state)
{
    (void)state;
    run_clean(signals, NULL);
}

static void expect_error(int rc, int code, const char *words)
{
    assert_int_equal(rc, code);
    asyncio_error_t *error = asyncio_error_last();
    assert_non_null(strstr(asyncio_error_message(error), words));
    asyncio_error_unref(error);
}

static int failures(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_process_t *process = NULL;
    expect_error(asyncio_create_subprocess_exec(ARGV("no-such-program"), NULL, &process), -ENOENT,
                 "\"no-such-program\"");
    expect_error(asyncio_create_subprocess_exec(ARGV("/etc/passwd"), NULL, &process), -EACCES,
                 "\"/etc/passwd\"");
    expect_error(asyncio_create_subprocess_exec(ARGV("true"), OPTIONS(.cwd = "/no/folder"),
                                                &process),
                 -ENOENT, "\"/no/folder\"");
    expect_error(asyncio_create_subprocess_exec(
                     ARGV("true"), OPTIONS(.stdin_kind = ASYNCIO_PROCESS_FD, .stdin_fd = 9999),
                     &process),
                 -EBADF, "descriptor");
    expect_error(asyncio_create_subprocess_exec(NULL, NULL, &process), -EINVAL, "argv");
    expect_error(asyncio_create_subprocess_exec(ARGV(""), NULL, &process), -EINVAL, "argv");
    expect_error(asyncio_create_subprocess_exec(ARGV("true"), NULL, NULL), -EINVAL,
                 "ret_process");
    expect_error(asyncio_create_subprocess_shell(NULL, NULL, &process), -EINVAL, "command");
    expect_error(asyncio_create_subprocess_exec(
                     ARGV("true"), &(asyncio_process_options_t){.size = 1}, &process),
                 -EINVAL, "size");
    expect_error(asyncio_create_subprocess_exec(
                     ARGV("true"), OPTIONS(.stdout_kind = ASYNCIO_PROCESS_STDOUT), &process),
                 -EINVAL, "standard error");
    expect_error(asyncio_create_subprocess_exec(ARGV("true"), OPTIONS(.pass_fd_count = 1),
                                                &process),
                 -EINVAL, "list");
    expect_error(asyncio_create_subprocess_exec(
                     ARGV("true"), OPTIONS(.has_process_group = true, .process_group = -1),
                     &process),
                 -EINVAL, "negative");
    assert_null(process);
    expect_error(asyncio_process_wait(NULL, NULL), -EINVAL, "process");
    expect_error(asyncio_process_communicate(NULL, NULL, 0, NULL), -EINVAL, "process");
    expect_error(asyncio_process_send_signal(NULL, 0), -EINVAL, "process");
    expect_error(asyncio_process_returncode(NULL, NULL), -EINVAL, "process");
    asyncio_process_unref(NULL);
    return 0;
}

/* What cannot be started says why, in words, and leaves nothing open. */
static void test_failures(void **state)
{
    (void)state;
    run_clean(failures, NULL);
}

static pid_t refuse_to_clone(int (*run)(void *arg), void *stack_end, int flags, void *arg,
                             int *ret_pidfd)
{
    (void)run, (void)stack_end, (void)flags, (void)arg, (void)ret_pidfd;
    errno = EAGAIN;
    return -1;
}

static pid_t refuse_to_fork(void)
{
    errno = EAGAIN;
    return -1;
}

static int mask_after_failure(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    asyncio__sys.clone = refuse_to_clone;
    asyncio__sys.fork = refuse_to_fork; /* what valgrind runs instead */
    asyncio_process_t *process = NULL;
    expect_error(asyncio_create_subprocess_exec(ARGV("true"), NULL, &process), -EAGAIN, "child");
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int signo = 1; signo < NSIG; signo++)
        assert_int_equal(sigismember(&before, signo), sigismember(&after, signo));
    return 0;
}

/* When no process can be made, the signals that were not blocked before are not blocked after. */
static void test_mask_after_failure(void **state)
{
    (void)state;
    run_clean(mask_after_failure, NULL);
}

static int abandoned(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_process_t *process =
        exec(ARGV("sleep", "1000"), OPTIONS(.stdin_kind = ASYNCIO_PROCESS_PIPE));
    pid_t pid = asyncio_process_pid(process);
    asyncio_process_unref(process);
    while (kill(pid, 0) == 0) /* a zombie still counts: it disappears when it is reaped */
        assert_int_equal(asyncio_sleep(0.001), 0);
    assert_int_equal(errno, ESRCH);
    return 0;
}

/* The last reference to a child that runs kills it, and the loop reaps it. */
static void test_abandoned(void **state)
{
    (void)state;
    run_clean(abandoned, NULL);
}

static int cancelled(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_process_t *process = exec(ARGV("sleep", "1000"), NULL);
    assert_int_equal(asyncio_wait_for(asyncio_process_wait_coroutine(process, NULL), 0.01, NULL),
                     -ETIMEDOUT);
    asyncio_process_t *cat = exec(ARGV("cat"), OPTIONS(.stdin_kind = ASYNCIO_PROCESS_PIPE,
                                                      .stdout_kind = ASYNCIO_PROCESS_PIPE));
    asyncio_stream_writer_t *writer = asyncio_process_stdin(cat);
    asyncio_stream_writer_write(writer, "kept", 4);
    const char *data;
    asyncio_coroutine_t *read =
        asyncio_stream_reader_read_all_coroutine(asyncio_process_stdout(cat), &data);
    assert_int_equal(asyncio_wait_for(read, 0.05, NULL), -ETIMEDOUT);
    asyncio_process_output_t output;
    assert_int_equal(asyncio_process_communicate(cat, NULL, 0, &output), 0);
    assert_string_equal(output.stdout_data, "kept");
    assert_int_equal(end_of(cat), 0);
    assert_int_equal(asyncio_process_kill(process), 0);
    assert_int_equal(end_of(process), -SIGKILL);
    return 0;
}

/* A wait that is cancelled leaves the child alone; what was read then is read again. */
static void test_cancelled(void **state)
{
    (void)state;
    run_clean(cancelled, NULL);
}

#define CHILDREN 100

static int many(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_process_t *children[CHILDREN];
    asyncio_awaitable_t *ends[CHILDREN];
    int codes[CHILDREN];
    for (int i = 0; i < CHILDREN; i++) {
        char command[30];
        snprintf(command, sizeof(command), "exit %d", i);
        children[i] = shell(command, NULL);
        ends[i] = asyncio_process_wait_coroutine(children[i], &codes[i]);
    }
    assert_int_equal(asyncio_gather_await(ends, CHILDREN, NULL), 0);
    for (int i = 0; i < CHILDREN; i++) {
        assert_int_equal(codes[i], i);
        asyncio_process_unref(children[i]);
    }
    return 0;
}

/* A hundred children at once each end with their own code. */
static void test_many(void **state)
{
    (void)state;
    run_clean(many, NULL);
}

static int reaped_elsewhere(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    struct sigaction ignored = {.sa_handler = SIG_IGN}, former;
    sigaction(SIGCHLD, &ignored, &former);
    int code = end_of(shell("exit 42", NULL));
    assert_true(code == 42 || code == 255); /* newer kernels tell how it ended all the same */
    sigaction(SIGCHLD, &former, NULL);
    return 0;
}

/* Where SIGCHLD is ignored, the kernel reaps: the end is heard of all the same. */
static void test_reaped_elsewhere(void **state)
{
    (void)state;
    run_clean(reaped_elsewhere, NULL);
}

/* Kernels before 5.2 know no CLONE_PIDFD. */
static pid_t (*former_clone)(int (*run)(void *arg), void *stack_end, int flags, void *arg,
                             int *ret_pidfd);

static pid_t clone_without_pidfd(int (*run)(void *arg), void *stack_end, int flags, void *arg,
                                 int *ret_pidfd)
{
    static const int pidfd_flag = 0x1000;
    if (flags & pidfd_flag) {
        errno = EINVAL;
        return -1;
    }
    return former_clone(run, stack_end, flags, arg, ret_pidfd);
}

static int without_pidfd(void *arg, void **ret_result)
{
    former_clone = asyncio__sys.clone;
    asyncio__sys.clone = clone_without_pidfd;
    exit_codes(arg, ret_result);
    abandoned(arg, ret_result);
    many(arg, ret_result);
    asyncio__sys.clone = former_clone;
    return 0;
}

/* Without pidfds threads wait, with the same outcome. */
static void test_without_pidfd(void **state)
{
    (void)state;
    run_with_clock(without_pidfd, ASYNCIO_CLOCK_MONOTONIC);
}

static int on_virtual_clock(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_process_t *process = shell("sleep 0.05; exit 7", NULL);
    asyncio_coroutine_t *wait = asyncio_process_wait_coroutine(process, NULL);
    assert_int_equal(asyncio_wait_for(wait, 3600, NULL), 0);
    assert_int_equal(end_of(process), 7);
    return 0;
}

/* The virtual clock does not jump over a deadline while a child runs. */
static void test_virtual_clock(void **state)
{
    (void)state;
    run_with_clock(on_virtual_clock, ASYNCIO_CLOCK_VIRTUAL);
}

static pid_t left_pid;
static int reports;

static void count_report(asyncio_loop_t *loop, const asyncio_exception_context_t *context,
                         void *arg)
{
    (void)loop, (void)context, (void)arg;
    reports++;
}

static int leave(void *arg, void **ret_result)
{
    (void)ret_result;
    *(asyncio_process_t **)arg = exec(ARGV("sleep", "1000"), NULL);
    left_pid = asyncio_process_pid(*(asyncio_process_t **)arg);
    return 0;
}

/* A loop that closes kills the children that still run, and says so. */
static void test_loop_closes(void **state)
{
    (void)state;
    if (is_engine("sim"))
        skip(); /* it has no descriptors */
    asyncio_process_t *process = NULL;
    asyncio_loop_t *loop = asyncio_new_event_loop();
    asyncio_loop_set_exception_handler(loop, count_report, NULL);
    reports = 0;
    assert_int_equal(
        asyncio_loop_run_until_complete(loop, asyncio_coroutine(leave, &process), NULL), 0);
    assert_int_equal(asyncio_loop_close(loop), 0);
    assert_int_equal(reports, 1);
    int code;
    assert_int_equal(asyncio_process_returncode(process, &code), 0);
    assert_int_equal(code, -SIGKILL);
    asyncio_process_unref(process);
    asyncio_loop_unref(loop);
    while (waitpid(left_pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_communicate),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_drain_to_the_dead),
        cmocka_unit_test(test_surroundings),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_mask_after_failure),
        cmocka_unit_test(test_abandoned),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_reaped_elsewhere),
        cmocka_unit_test(test_without_pidfd),
        cmocka_unit_test(test_virtual_clock),
        cmocka_unit_test(test_loop_closes),
    };
    sweep_may_wait = true;
    return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
