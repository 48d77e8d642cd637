/* SPDX-License-Identifier: MIT */
/*
 * Child processes with protocols: each call of them, with what they need of the system failing.
 * Whatever fails, connection_lost comes, and every protocol is destroyed.
 */
#include "sweep.h"

#include <signal.h>
#include <stdlib.h>

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A code of a call on a child: see processes.c. */
#define proc(rc) sweep_child((rc), #rc, __LINE__)
static long sweep_child(long rc, const char *call, int line)
{
    bool is_sim =
        asyncio_loop_get_engine(asyncio_get_running_loop()) == ASYNCIO_ENGINE_SIM;
    if (rc == -EPIPE || rc == -ESRCH || rc == ASYNCIO_EINVALIDSTATE)
        return rc;
    return sweep_may(rc, is_sim ? -EOPNOTSUPP : 0, call, line);
}

typedef struct talker {
    asyncio_subprocess_protocol_t protocol;
    bool is_lost; /* connection_lost was called */
} talker_t;

/* The child reads: a pipe that breaks would raise SIGPIPE where sigtimedwait() is made to fail. */
static void made(asyncio_subprocess_protocol_t *protocol,
                 asyncio_subprocess_transport_t *transport)
{
    asyncio_transport_t *pipe = asyncio_subprocess_transport_get_pipe_transport(transport, 0);
    must(asyncio_subprocess_transport_get_protocol(transport) == protocol);
    if (pipe)
        proc(asyncio_transport_write(pipe, "hello\n", 6));
}

static void lost(asyncio_subprocess_protocol_t *protocol, int code, asyncio_error_t *error)
{
    must(code == 0 && !error);
    ((talker_t *)protocol)->is_lost = true;
}

static void destroy(asyncio_subprocess_protocol_t *protocol)
{
    free(protocol);
}

static asyncio_subprocess_protocol_t *make(void *arg)
{
    static const asyncio_subprocess_protocol_functions_t functions = {.size = sizeof(functions),
                                                                      .connection_made = made,
                                                                      .connection_lost = lost,
                                                                      .destroy = destroy};
    talker_t *talker = calloc(1, sizeof(*talker));
    (void)arg;
    talker->protocol.functions = &functions;
    return &talker->protocol;
}

static void end_child(asyncio_subprocess_transport_t *transport)
{
    int code;
    proc(asyncio_subprocess_transport_send_signal(transport, SIGCONT));
    proc(asyncio_subprocess_transport_terminate(transport));
    proc(asyncio_subprocess_transport_kill(transport));
    must(asyncio_subprocess_transport_get_pid(transport) > 0);
    may(asyncio_subprocess_transport_close(transport));
    must(asyncio_subprocess_transport_is_closing(transport));
    talker_t *talker = (talker_t *)asyncio_subprocess_transport_get_protocol(transport);
    while (!talker->is_lost && may(asyncio_sleep(0.001)) == 0)
        continue;
    if (talker->is_lost)
        must(asyncio_subprocess_transport_get_returncode(transport, &code) == 0);
    asyncio_subprocess_transport_unref(asyncio_subprocess_transport_ref(transport));
    asyncio_subprocess_transport_unref(transport);
}

static void run_object(asyncio_coroutine_t *object)
{
    if (is_there(object))
        proc(asyncio_await(object, NULL));
}

static void use_subprocesses(asyncio_loop_t *loop)
{
    asyncio_process_options_t options = {.size = sizeof(options),
                                         .stdin_kind = ASYNCIO_PROCESS_PIPE,
                                         .stdout_kind = ASYNCIO_PROCESS_PIPE,
                                         .cwd = "/"};
    asyncio_subprocess_transport_t *transports[4] = {NULL};
    sweep_ignore_reports(loop);
    proc(asyncio_loop_subprocess_exec(loop, make, NULL, ARGV("cat"), &options, &transports[0]));
    proc(asyncio_loop_subprocess_shell(loop, make, NULL, "cat; exit 3", NULL, &transports[1]));
    run_object(asyncio_loop_subprocess_exec_coroutine(loop, make, NULL, ARGV("cat"), &options,
                                                      &transports[2]));
    run_object(asyncio_loop_subprocess_shell_coroutine(loop, make, NULL, "cat; exit 3", NULL,
                                                       &transports[3]));
    for (int i = 0; i < 4; i++)
        if (transports[i])
            end_child(transports[i]);
}

const scenario_t sweep_subprocesses = {.name = "subprocesses", .use = use_subprocesses,
                                       .in_real_time = true, .has_sockets = true};
