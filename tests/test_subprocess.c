/* SPDX-License-Identifier: MIT */
/*
 * Child processes with protocols: what the protocol is told, in which order, and what is left when
 * the start fails, the transport or the loop is closed. The children are /bin/sh and coreutils.
 */
#include "support/server_fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#define OPTIONS(...) (&(asyncio_process_options_t){.size = sizeof(asyncio_process_options_t), \
                                                   __VA_ARGS__})
#define ARGV(...)    ((const char *const[]){__VA_ARGS__, NULL})

typedef struct recorder {
    asyncio_subprocess_protocol_t protocol;
    asyncio_subprocess_transport_t *transport;
    char log[512];           /* "made data1(abc) lost1(0) exited lost(0) " */
    size_t received;         /* bytes, of both outputs */
    bool is_quiet;           /* data is only counted */
    bool is_lost;            /* connection_lost was called */
    bool is_destroyed;       /* destroy was called */
    const char *input;       /* connection_made writes it, and ends standard input; or NULL */
    bool closes;             /* connection_made closes the transport */
    asyncio_event_t changed; /* set by each callback */
} recorder_t;

static recorder_t *recorder_of(asyncio_subprocess_protocol_t *protocol)
{
    return (recorder_t *)protocol;
}

static void note(recorder_t *recorder, const char *format, ...)
{
    va_list arguments;
    size_t length = strlen(recorder->log);
    va_start(arguments, format);
    vsnprintf(recorder->log + length, sizeof(recorder->log) - length, format, arguments);
    va_end(arguments);
    asyncio_event_set(&recorder->changed);
}

static void made(asyncio_subprocess_protocol_t *protocol,
                 asyncio_subprocess_transport_t *transport)
{
    recorder_t *recorder = recorder_of(protocol);
    recorder->transport = transport;
    note(recorder, "made ");
    if (recorder->input) {
        asyncio_transport_t *pipe = asyncio_subprocess_transport_get_pipe_transport(transport, 0);
        assert_int_equal(asyncio_transport_write(pipe, recorder->input, strlen(recorder->input)),
                         0);
        assert_int_equal(asyncio_transport_write_eof(pipe), 0);
    }
    if (recorder->closes)
        assert_int_equal(asyncio_subprocess_transport_close(transport), 0);
}

static void data_received(asyncio_subprocess_protocol_t *protocol, int fd, const void *data,
                          size_t size)
{
    recorder_t *recorder = recorder_of(protocol);
    assert_true(size > 0);
    recorder->received += size;
    if (recorder->is_quiet)
        note(recorder, "%s", "");
    else
        note(recorder, "data%d(%.*s) ", fd, (int)size, (const char *)data);
}

static void pipe_lost(asyncio_subprocess_protocol_t *protocol, int fd, int code,
                      asyncio_error_t *error)
{
    (void)error;
    note(recorder_of(protocol), "lost%d(%s) ", fd, code ? asyncio_error_name(code) : "0");
}

static void exited(asyncio_subprocess_protocol_t *protocol)
{
    int code;
    assert_int_equal(
        asyncio_subprocess_transport_get_returncode(recorder_of(protocol)->transport, &code), 0);
    note(recorder_of(protocol), "exited(%d) ", code);
}

static void lost(asyncio_subprocess_protocol_t *protocol, int code, asyncio_error_t *error)
{
    assert_int_equal(code, 0);
    assert_null(error);
    assert_false(recorder_of(protocol)->is_lost);
    recorder_of(protocol)->is_lost = true;
    note(recorder_of(protocol), "lost ");
}

static void pause_writing(asyncio_subprocess_protocol_t *protocol)
{
    note(recorder_of(protocol), "pause ");
}

static void resume_writing(asyncio_subprocess_protocol_t *protocol)
{
    note(recorder_of(protocol), "resume ");
}

static void destroy(asyncio_subprocess_protocol_t *protocol)
{
    assert_false(recorder_of(protocol)->is_destroyed);
    recorder_of(protocol)->is_destroyed = true;
}

static const asyncio_subprocess_protocol_functions_t functions = {
    .size = sizeof(functions),
    .connection_made = made,
    .pipe_data_received = data_received,
    .pipe_connection_lost = pipe_lost,
    .process_exited = exited,
    .connection_lost = lost,
    .pause_writing = pause_writing,
    .resume_writing = resume_writing,
    .destroy = destroy,
};

static asyncio_subprocess_protocol_t *give(void *arg)
{
    recorder_t *recorder = arg;
    asyncio_event_init(&recorder->changed);
    recorder->protocol.functions = &functions;
    return &recorder->protocol;
}

static asyncio_subprocess_transport_t *start_child(recorder_t *recorder, const char *command,
                                                   const asyncio_process_options_t *options)
{
    asyncio_subprocess_transport_t *transport = NULL;
    assert_int_equal(asyncio_loop_subprocess_shell(asyncio_get_running_loop(), give, recorder,
                                                   command, options, &transport),
                     0);
    assert_ptr_equal(transport, recorder->transport);
    assert_ptr_equal(asyncio_subprocess_transport_get_protocol(transport), &recorder->protocol);
    return transport;
}

/* Waits until the condition is true, which a callback of the recorder makes. */
#define WAIT_UNTIL(recorder, condition)                                     \
    while (!(condition)) {                                                  \
        asyncio_event_clear(&(recorder)->changed);                          \
        assert_int_equal(asyncio_event_wait(&(recorder)->changed), 0);      \
    }

/* Waits for connection_lost, and drops the last reference. */
static void end_child(recorder_t *recorder)
{
    WAIT_UNTIL(recorder, recorder->is_lost);
    assert_false(recorder->is_destroyed);
    asyncio_subprocess_transport_unref(recorder->transport);
    assert_true(recorder->is_destroyed);
}

static int order(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = {.input = "abc\n"};
    start_child(&recorder, "cat; exec >&-; exit 3",
                OPTIONS(.stdin_kind = ASYNCIO_PROCESS_PIPE, .stdout_kind = ASYNCIO_PROCESS_PIPE));
    assert_string_equal(recorder.log, "made ");
    WAIT_UNTIL(&recorder, recorder.is_lost);
    /* The end of standard input, that of standard output and the exit come in any order. */
    assert_non_null(strstr(recorder.log, "lost0(0) "));
    const char *data = strstr(recorder.log, "data1(abc\n) ");
    const char *end_of_pipe = strstr(recorder.log, "lost1(0) ");
    assert_non_null(data);
    assert_true(data < end_of_pipe);
    assert_non_null(strstr(recorder.log, "exited(3) "));
    assert_string_equal(recorder.log + strlen(recorder.log) - 5, "lost ");
    assert_true(asyncio_subprocess_transport_is_closing(recorder.transport));
    end_child(&recorder);
    return 0;
}

/* connection_made, what the pipes and the exit have to say, connection_lost; then destroy. */
static void test_order(void **state)
{
    (void)state;
    run_clean(order, NULL);
}

static int outputs(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = {0};
    asyncio_subprocess_transport_t *transport =
        start_child(&recorder, "read line; echo out; read line; echo error >&2; read line", NULL);
    asyncio_transport_t *input = asyncio_subprocess_transport_get_pipe_transport(transport, 0);
    asyncio_transport_t *output = asyncio_subprocess_transport_get_pipe_transport(transport, 1);
    assert_non_null(asyncio_subprocess_transport_get_pipe_transport(transport, 2));
    assert_null(asyncio_subprocess_transport_get_pipe_transport(transport, 3));
    assert_null(asyncio_subprocess_transport_get_pipe_transport(transport, -1));
    assert_true(asyncio_transport_is_reading(output));
    assert_false(asyncio_transport_is_reading(input));
    assert_true(asyncio_transport_can_write_eof(input));
    assert_int_equal(asyncio_transport_write(output, "x", 1), -EBADF);
    assert_int_equal(
        asyncio_transport_set_protocol(output, asyncio_transport_get_protocol(input)),
        ASYNCIO_ERUNTIME);
    asyncio_transport_write(input, "\n", 1);
    WAIT_UNTIL(&recorder, strstr(recorder.log, "data1(out\n) "));
    asyncio_transport_write(input, "\n", 1);
    WAIT_UNTIL(&recorder, strstr(recorder.log, "data2(error\n) "));
    assert_null(strstr(recorder.log, "lost"));
    asyncio_transport_write_eof(input);
    end_child(&recorder);
    return 0;
}

/* Without options all three streams are pipes, and each has a transport of its own. */
static void test_outputs(void **state)
{
    (void)state;
    run_clean(outputs, NULL);
}

static int without_pipes(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = {0};
    asyncio_subprocess_transport_t *transport = start_child(&recorder, "exit 4", OPTIONS(0));
    for (int fd = 0; fd < 3; fd++)
        assert_null(asyncio_subprocess_transport_get_pipe_transport(transport, fd));
    WAIT_UNTIL(&recorder, recorder.is_lost);
    assert_string_equal(recorder.log, "made exited(4) lost ");
    end_child(&recorder);
    /* Nobody wants the transport: it keeps itself until connection_lost. */
    recorder = (recorder_t){0};
    assert_int_equal(asyncio_loop_subprocess_exec(asyncio_get_running_loop(), give, &recorder,
                                                  ARGV("true"), OPTIONS(0), NULL),
                     0);
    WAIT_UNTIL(&recorder, recorder.is_lost);
    assert_int_equal(asyncio_sleep(0), 0);
    assert_true(recorder.is_destroyed);
    return 0;
}

/* A child without pipes ends with its exit. */
static void test_without_pipes(void **state)
{
    (void)state;
    run_clean(without_pipes, NULL);
}

static int signals(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = {0};
    asyncio_subprocess_transport_t *transport =
        start_child(&recorder, "exec sleep 1000", OPTIONS(0));
    int code;
    assert_true(asyncio_subprocess_transport_get_pid(transport) > 0);
    assert_int_equal(asyncio_subprocess_transport_get_returncode(transport, &code),
                     ASYNCIO_EINVALIDSTATE);
    assert_int_equal(asyncio_subprocess_transport_send_signal(transport, SIGCONT), 0);
    assert_int_equal(asyncio_subprocess_transport_send_signal(transport, 1000), -EINVAL);
    assert_int_equal(asyncio_subprocess_transport_terminate(transport), 0);
    WAIT_UNTIL(&recorder, recorder.is_lost);
    assert_string_equal(recorder.log, "made exited(-15) lost ");
    assert_int_equal(asyncio_subprocess_transport_kill(transport), -ESRCH);
    assert_int_equal(asyncio_subprocess_transport_terminate(transport), -ESRCH);
    assert_int_equal(asyncio_subprocess_transport_send_signal(transport, 0), -ESRCH);
    end_child(&recorder);
    return 0;
}

/* Signals reach the child while it runs, and are refused once it has exited. */
static void test_signals(void **state)
{
    (void)state;
    run_clean(signals, NULL);
}

static int close_running(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = {0};
    asyncio_subprocess_transport_t *transport =
        start_child(&recorder, "exec sleep 1000", NULL);
    assert_false(asyncio_subprocess_transport_is_closing(transport));
    assert_int_equal(asyncio_subprocess_transport_close(transport), 0);
    assert_int_equal(asyncio_subprocess_transport_close(transport), 0);
    assert_true(asyncio_subprocess_transport_is_closing(transport));
    assert_string_equal(recorder.log, "made "); /* nothing is called inside close() */
    WAIT_UNTIL(&recorder, recorder.is_lost);
    assert_non_null(strstr(recorder.log, "exited(-9) "));
    for (int fd = 0; fd < 3; fd++)
        assert_non_null(strstr(recorder.log, (char[]){'l', 'o', 's', 't', (char)('0' + fd), 0}));
    end_child(&recorder);
    recorder = (recorder_t){.closes = true};
    start_child(&recorder, "exec sleep 1000", NULL);
    end_child(&recorder);
    return 0;
}

/* close() ends the pipes and kills the child, also from connection_made; connection_lost is called
 * after both. */
static void test_close(void **state)
{
    (void)state;
    run_clean(close_running, NULL);
}

static int held_pipe(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = {0};
    asyncio_subprocess_transport_t *transport =
        start_child(&recorder, "exec 3<&0; { read line; echo late; } <&3 2>&- & exit 0", NULL);
    WAIT_UNTIL(&recorder, strstr(recorder.log, "exited(0) "));
    assert_false(recorder.is_lost);
    assert_null(strstr(recorder.log, "lost1"));
    asyncio_transport_t *pipe = asyncio_subprocess_transport_get_pipe_transport(transport, 0);
    assert_int_equal(asyncio_transport_write(pipe, "\n", 1), 0);
    WAIT_UNTIL(&recorder, recorder.is_lost);
    assert_true(strstr(recorder.log, "exited(0) ") < strstr(recorder.log, "data1(late\n) "));
    end_child(&recorder);
    return 0;
}

/* A grandchild that holds a pipe delays connection_lost, and what it writes is received. */
static void test_held_pipe(void **state)
{
    (void)state;
    run_clean(held_pipe, NULL);
}

#define LARGE_BYTES (1 << 20)

static int large(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    char *input = malloc(LARGE_BYTES);
    memset(input, 'x', LARGE_BYTES);
    recorder_t recorder = {.is_quiet = true};
    asyncio_subprocess_transport_t *transport = start_child(&recorder, "exec cat", NULL);
    asyncio_transport_t *pipe = asyncio_subprocess_transport_get_pipe_transport(transport, 0);
    assert_int_equal(asyncio_transport_write(pipe, input, LARGE_BYTES), 0);
    assert_string_equal(recorder.log, "made pause ");
    WAIT_UNTIL(&recorder, recorder.received == LARGE_BYTES);
    assert_string_equal(recorder.log, "made pause resume ");
    assert_int_equal(asyncio_transport_write_eof(pipe), 0);
    end_child(&recorder);
    /* A child that exits without reading: the pipe says so, and this process gets no signal. */
    recorder = (recorder_t){0};
    transport = start_child(&recorder, "exec sleep 0.01", OPTIONS(.stdin_kind =
                                                                       ASYNCIO_PROCESS_PIPE));
    pipe = asyncio_subprocess_transport_get_pipe_transport(transport, 0);
    assert_int_equal(asyncio_transport_write(pipe, input, LARGE_BYTES), 0);
    WAIT_UNTIL(&recorder, recorder.is_lost);
    assert_non_null(strstr(recorder.log, "lost0(EPIPE) "));
    end_child(&recorder);
    free(input);
    return 0;
}

/* Writing more than a pipe holds pauses the protocol; a child that does not read breaks the
 * pipe. */
static void test_large(void **state)
{
    (void)state;
    run_clean(large, NULL);
}

static void expect_error(int rc, int code, const char *words)
{
    assert_int_equal(rc, code);
    asyncio_error_t *error = asyncio_error_last();
    assert_non_null(strstr(asyncio_error_message(error), words));
    asyncio_error_unref(error);
}

static asyncio_subprocess_protocol_t *give_none(void *arg)
{
    (void)arg;
    return NULL;
}

static asyncio_subprocess_protocol_t *give_bad(void *arg)
{
    static const asyncio_subprocess_protocol_functions_t bad = {.size = 1};
    asyncio_subprocess_protocol_t *protocol = arg;
    protocol->functions = &bad;
    return protocol;
}

static int failures(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_subprocess_transport_t *transport = NULL;
    recorder_t recorder = {0};
    expect_error(asyncio_loop_subprocess_exec(loop, give, &recorder, ARGV("no-such-program"), NULL,
                                              &transport),
                 -ENOENT, "\"no-such-program\"");
    assert_true(recorder.is_destroyed);
    assert_string_equal(recorder.log, "");
    expect_error(asyncio_loop_subprocess_exec(loop, NULL, NULL, ARGV("true"), NULL, &transport),
                 -EINVAL, "factory");
    expect_error(asyncio_loop_subprocess_exec(loop, give, &recorder, NULL, NULL, &transport),
                 -EINVAL, "argv");
    expect_error(asyncio_loop_subprocess_exec(loop, give, &recorder, ARGV("true"),
                                              &(asyncio_process_options_t){.size = 1}, &transport),
                 -EINVAL, "size");
    expect_error(asyncio_loop_subprocess_exec(loop, give_none, NULL, ARGV("true"), NULL,
                                              &transport),
                 -ENOMEM, "factory");
    expect_error(asyncio_loop_subprocess_exec(loop, give_bad, &recorder, ARGV("true"), NULL,
                                              &transport),
                 -EINVAL, "functions");
    expect_error(asyncio_loop_subprocess_shell(loop, give, &recorder, NULL, NULL, &transport),
                 -EINVAL, "command");
    assert_null(transport);
    int code;
    expect_error(asyncio_subprocess_transport_close(NULL), -EINVAL, "transport");
    expect_error(asyncio_subprocess_transport_kill(NULL), -EINVAL, "transport");
    expect_error(asyncio_subprocess_transport_get_returncode(NULL, &code), -EINVAL, "transport");
    assert_int_equal(asyncio_subprocess_transport_get_pid(NULL), 0);
    assert_null(asyncio_subprocess_transport_get_pipe_transport(NULL, 0));
    assert_null(asyncio_subprocess_transport_get_protocol(NULL));
    assert_true(asyncio_subprocess_transport_is_closing(NULL));
    assert_null(asyncio_subprocess_transport_ref(NULL));
    asyncio_subprocess_transport_unref(NULL);
    return 0;
}

/* What cannot be started says why, destroys its protocol and leaves nothing open. */
static void test_failures(void **state)
{
    (void)state;
    run_clean(failures, NULL);
}

static int objects(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_subprocess_transport_t *transport = NULL;
    recorder_t recorder = {0};
    char word[] = "echo", name[] = "NAME=value", folder[] = "/";
    int fds[] = {0};
    const char *argv[] = {"sh", "-c", "echo $NAME; pwd", NULL}, *env[] = {name, "PATH=/bin", NULL};
    asyncio_process_options_t *options =
        OPTIONS(.stdout_kind = ASYNCIO_PROCESS_PIPE, .env = env, .cwd = folder, .pass_fds = fds,
                .pass_fd_count = 1, .executable = "/bin/sh");
    asyncio_coroutine_t *object = asyncio_loop_subprocess_exec_coroutine(
        loop, give, &recorder, argv, options, &transport);
    memset(name, 0, sizeof(name));
    memset(folder, 0, sizeof(folder));
    memset(argv, 0, sizeof(argv));
    memset(env, 0, sizeof(env));
    fds[0] = -1;
    *options = (asyncio_process_options_t){0};
    assert_int_equal(asyncio_await(object, NULL), 0);
    WAIT_UNTIL(&recorder, recorder.is_lost);
    assert_non_null(strstr(recorder.log, "data1(value\n"));
    assert_non_null(strstr(recorder.log, "/\n) "));
    end_child(&recorder);
    recorder = (recorder_t){0};
    object = asyncio_loop_subprocess_shell_coroutine(loop, give, &recorder, word,
                                                     OPTIONS(0), &transport);
    memset(word, 0, sizeof(word));
    assert_int_equal(asyncio_await(object, NULL), 0);
    end_child(&recorder);
    /* One that is never started frees its copies; one with bad options cannot be made. */
    asyncio_coroutine_unref(asyncio_loop_subprocess_exec_coroutine(
        loop, give, &recorder, ARGV("true"), OPTIONS(.cwd = "/"), NULL));
    assert_null(asyncio_loop_subprocess_exec_coroutine(
        loop, give, &recorder, ARGV("true"), &(asyncio_process_options_t){.size = 1}, NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    return 0;
}

/* A coroutine object has copies of the arguments, the options and all that they point to. */
static void test_objects(void **state)
{
    (void)state;
    run_clean(objects, NULL);
}

static int cancelled(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = {0};
    asyncio_task_t *task = asyncio_create_task(asyncio_loop_subprocess_shell_coroutine(
        asyncio_get_running_loop(), give, &recorder, "exec sleep 1000", NULL, NULL));
    assert_int_equal(asyncio_sleep(0), 0);
    asyncio_task_cancel(task, NULL);
    assert_int_equal(asyncio_await_unref(task, NULL), -ECANCELED);
    WAIT_UNTIL(&recorder, recorder.is_lost);
    assert_non_null(strstr(recorder.log, "exited(-9) "));
    assert_int_equal(asyncio_sleep(0), 0);
    assert_true(recorder.is_destroyed);
    return 0;
}

/* A start that is cancelled kills its child, which is reaped. */
static void test_cancelled(void **state)
{
    (void)state;
    run_clean(cancelled, NULL);
}

static asyncio_context_var_t *variable;

static void check_variable(asyncio_subprocess_protocol_t *protocol)
{
    void *value = NULL;
    (void)protocol;
    assert_int_equal(asyncio_context_var_get(variable, &value), 0);
    assert_string_equal(value, "of the task");
}

static void made_in_context(asyncio_subprocess_protocol_t *protocol,
                            asyncio_subprocess_transport_t *transport)
{
    (void)transport;
    check_variable(protocol);
}

static void lost_in_context(asyncio_subprocess_protocol_t *protocol, int fd, int code,
                            asyncio_error_t *error)
{
    (void)fd, (void)code, (void)error;
    check_variable(protocol);
}

static void destroyed_in_context(asyncio_subprocess_protocol_t *protocol, int code,
                                 asyncio_error_t *error)
{
    (void)code, (void)error;
    check_variable(protocol);
    asyncio_event_set(&recorder_of(protocol)->changed);
}

static asyncio_subprocess_protocol_t *give_contextual(void *arg)
{
    static const asyncio_subprocess_protocol_functions_t contextual = {
        .size = sizeof(contextual),
        .connection_made = made_in_context,
        .pipe_connection_lost = lost_in_context,
        .process_exited = check_variable,
        .connection_lost = destroyed_in_context,
    };
    recorder_t *recorder = arg;
    asyncio_event_init(&recorder->changed);
    recorder->protocol.functions = &contextual;
    return &recorder->protocol;
}

static int in_context(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = {0};
    variable = asyncio_context_var_new("name");
    assert_int_equal(asyncio_context_var_set(variable, (void *)"of the task"), 0);
    assert_int_equal(asyncio_loop_subprocess_exec(asyncio_get_running_loop(), give_contextual,
                                                  &recorder, ARGV("true"), NULL, NULL),
                     0);
    assert_int_equal(asyncio_event_wait(&recorder.changed), 0);
    asyncio_context_var_unref(variable);
    return 0;
}

/* Every callback runs in a copy of the context in which the child was started. */
static void test_context(void **state)
{
    (void)state;
    run_clean(in_context, NULL);
}

static void ignore_report(asyncio_loop_t *loop, const asyncio_exception_context_t *context,
                          void *arg)
{
    (void)loop, (void)context, (void)arg;
}

static int leave(void *arg, void **ret_result)
{
    (void)ret_result;
    start_child(arg, "exec sleep 1000", NULL);
    return 0;
}

/* A loop that is closed kills the child, and destroys the protocol without another call. */
static void test_loop_closes(void **state)
{
    (void)state;
    if (is_engine("sim"))
        skip(); /* it has no descriptors */
    for (int is_referenced = 0; is_referenced < 2; is_referenced++) {
        recorder_t recorder = {0};
        asyncio_loop_t *loop = asyncio_new_event_loop();
        asyncio_loop_set_exception_handler(loop, ignore_report, NULL);
        assert_int_equal(
            asyncio_loop_run_until_complete(loop, asyncio_coroutine(leave, &recorder), NULL), 0);
        pid_t pid = asyncio_subprocess_transport_get_pid(recorder.transport);
        if (!is_referenced)
            asyncio_subprocess_transport_unref(recorder.transport);
        assert_int_equal(asyncio_loop_close(loop), 0);
        assert_string_equal(recorder.log, "made ");
        assert_int_equal(recorder.is_destroyed, !is_referenced);
        if (is_referenced) {
            int code;
            assert_int_equal(
                asyncio_subprocess_transport_get_returncode(recorder.transport, &code), 0);
            assert_int_equal(code, -SIGKILL);
            asyncio_subprocess_transport_unref(recorder.transport);
        }
        assert_true(recorder.is_destroyed);
        asyncio_loop_unref(loop);
        assert_int_equal(kill(pid, 0), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_outputs),
        cmocka_unit_test(test_without_pipes),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_held_pipe),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_context),
        cmocka_unit_test(test_loop_closes),
    };
    sweep_may_wait = true;
    return cmocka_run_group_tests_name("subprocess", tests, NULL, NULL);
}
