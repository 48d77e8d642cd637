/* SPDX-License-Identifier: MIT */
/* Child processes with protocols: which functions of the protocol are called, and in which order;
 * see subprocess.h. */
#include "process/subprocess.h"

#include <signal.h>

#include "base/context.h"
#include "base/memory.h"
#include "loop/callback.h"
#include "loop/check.h"
#include "net/transport.h"
#include "task/waiter_list.h"

/* --- references ---------------------------------------------------------------------------- */

static void unref(asyncio_subprocess_transport_t *transport)
{
    if (--transport->refs > 0)
        return;
    transport->reaper->exited = NULL;
    asyncio__reaper_unref(transport->reaper);
    asyncio__context_drop(transport->context);
    asyncio__loop_release(transport->loop, 1);
    asyncio__loop_drop_object(transport->loop);
    asyncio__free(transport, sizeof(*transport));
}

/* Drops a reference of the program, or the one until OVER. */
static void drop_user(asyncio_subprocess_transport_t *transport)
{
    if (--transport->users > 0)
        return;
    asyncio_subprocess_protocol_t *protocol = transport->protocol;
    transport->protocol = NULL;
    if (protocol && protocol->functions->destroy)
        protocol->functions->destroy(protocol);
    for (int i = 0; i < 3; i++) {
        asyncio_transport_unref(transport->pipes[i].transport);
        transport->pipes[i].transport = NULL;
    }
    unref(transport);
}

asyncio_subprocess_transport_t *
asyncio_subprocess_transport_ref(asyncio_subprocess_transport_t *transport)
{
    if (transport)
        transport->users++;
    return transport;
}

void asyncio_subprocess_transport_unref(asyncio_subprocess_transport_t *transport)
{
    if (!transport || asyncio__loop_check_here(transport->loop) < 0)
        return; /* another thread, or a forked child: leaked, because touching it would be worse */
    drop_user(transport);
}

static void schedule(asyncio_subprocess_transport_t *transport)
{
    if (transport->is_scheduled || transport->is_over)
        return;
    transport->is_scheduled = true;
    transport->refs++;
    asyncio__loop_schedule(transport->loop, &transport->ready);
}

static void end(asyncio_subprocess_transport_t *transport)
{
    transport->is_over = true;
    transport->reaper->exited = NULL;
    asyncio__waiters_wake_all(&transport->waiters);
    drop_user(transport);
}

/* --- the pipes ----------------------------------------------------------------------------- */

static asyncio__subprocess_pipe_t *pipe_of(asyncio_protocol_t *protocol)
{
    return ASYNCIO__CONTAINER(protocol, asyncio__subprocess_pipe_t, protocol);
}

static void on_pipe_data(asyncio_protocol_t *protocol, const void *data, size_t size)
{
    asyncio__subprocess_pipe_t *pipe = pipe_of(protocol);
    asyncio_subprocess_protocol_t *told = pipe->owner->protocol;
    if (told->functions->pipe_data_received)
        told->functions->pipe_data_received(told, pipe->fd, data, size);
}

static void on_pipe_lost(asyncio_protocol_t *protocol, int code, asyncio_error_t *error)
{
    asyncio__subprocess_pipe_t *pipe = pipe_of(protocol);
    asyncio_subprocess_protocol_t *told = pipe->owner->protocol;
    if (told->functions->pipe_connection_lost)
        told->functions->pipe_connection_lost(told, pipe->fd, code, error);
}

static void on_pause_writing(asyncio_protocol_t *protocol)
{
    asyncio_subprocess_protocol_t *told = pipe_of(protocol)->owner->protocol;
    if (told->functions->pause_writing)
        told->functions->pause_writing(told);
}

static void on_resume_writing(asyncio_protocol_t *protocol)
{
    asyncio_subprocess_protocol_t *told = pipe_of(protocol)->owner->protocol;
    if (told->functions->resume_writing)
        told->functions->resume_writing(told);
}

static void destroy_pipe(asyncio_protocol_t *protocol)
{
    unref(pipe_of(protocol)->owner);
}

static const asyncio_protocol_functions_t pipe_functions = {
    .size = sizeof(pipe_functions),
    .data_received = on_pipe_data,
    .connection_lost = on_pipe_lost,
    .pause_writing = on_pause_writing,
    .resume_writing = on_resume_writing,
    .destroy = destroy_pipe,
};

/* After connection_lost of the pipe, or instead of it when the loop is closed. */
static void on_pipe_over(void *arg)
{
    asyncio__subprocess_pipe_t *pipe = arg;
    pipe->is_over = true;
    schedule(pipe->owner);
}

static int open_pipe(asyncio_subprocess_transport_t *transport, int fd,
                     asyncio__channel_t *channel, asyncio_context_t *context)
{
    asyncio__subprocess_pipe_t *pipe = &transport->pipes[fd];
    pipe->protocol.functions = &pipe_functions;
    pipe->owner = transport;
    pipe->fd = fd;
    pipe->transport = asyncio__transport_new(channel, &pipe->protocol, context);
    if (!pipe->transport)
        return -ENOMEM;
    pipe->transport->can_read = fd != 0;
    pipe->transport->can_write = fd == 0;
    pipe->transport->is_protocol_fixed = true;
    transport->refs++;
    return 0;
}

int asyncio__subprocess_open_pipes(asyncio_subprocess_transport_t *transport,
                                   asyncio__stdio_t *stdio)
{
    asyncio_context_t *context = NULL;
    if (asyncio__uses(ASYNCIO__USES_CONTEXTS)) {
        context = asyncio__context_copy_current();
        if (!context)
            return -ENOMEM;
        transport->context = asyncio__context_inherit(context);
    }
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++) {
        asyncio__channel_t *channel = stdio->channels[i];
        stdio->channels[i] = NULL;
        if (channel)
            rc = open_pipe(transport, i, channel, context);
    }
    asyncio_context_unref(context);
    return rc;
}

/* --- the ready item ------------------------------------------------------------------------ */

static void make_connection(asyncio_subprocess_transport_t *transport)
{
    asyncio_subprocess_protocol_t *protocol = transport->protocol;
    transport->is_made = true;
    /* The task runs after connection_made, and before the first event of a pipe. */
    asyncio__waiters_wake_all(&transport->waiters);
    if (protocol->functions->connection_made)
        protocol->functions->connection_made(protocol, transport);
    for (int i = 0; i < 3; i++)
        if (transport->pipes[i].transport)
            asyncio__transport_start(transport->pipes[i].transport);
}

/* Whether the child has exited and all of its pipes are closed. */
static bool is_finished(const asyncio_subprocess_transport_t *transport)
{
    bool is_finished = transport->reaper->has_exited;
    for (int i = 0; i < 3; i++)
        if (transport->pipes[i].transport && !transport->pipes[i].is_over)
            is_finished = false;
    return is_finished;
}

static void handle_events(asyncio_subprocess_transport_t *transport)
{
    asyncio_subprocess_protocol_t *protocol = transport->protocol;
    if (!transport->is_made)
        make_connection(transport);
    if (transport->reaper->has_exited && !transport->is_exit_told) {
        transport->is_exit_told = true;
        if (protocol->functions->process_exited)
            protocol->functions->process_exited(protocol);
    }
    if (!is_finished(transport))
        return;
    if (protocol->functions->connection_lost)
        protocol->functions->connection_lost(protocol, /* code= */ 0, /* error= */ NULL);
    end(transport);
}

static void run(asyncio__ready_t *ready)
{
    asyncio_subprocess_transport_t *transport =
        ASYNCIO__CONTAINER(ready, asyncio_subprocess_transport_t, ready);
    void *former;
    transport->is_scheduled = false;
    if (transport->is_over) {
        /* connection_lost was called: nothing may follow */
    } else if (transport->loop->closed) {
        if (is_finished(transport))
            end(transport);
    } else if (!asyncio__uses(ASYNCIO__USES_CONTEXTS)) {
        handle_events(transport);
    } else if (asyncio__loop_enter(transport->loop, &transport->context, &former)) {
        handle_events(transport);
        asyncio__context_end(&transport->context, former);
    }
    unref(transport);
}

/* Called inside the engine's wait(). */
static void on_exited(void *arg)
{
    schedule(arg);
}

/* --- beginning and giving up --------------------------------------------------------------- */

asyncio_subprocess_transport_t *
asyncio__subprocess_new(asyncio_loop_t *loop, asyncio_subprocess_protocol_t *protocol)
{
    asyncio_subprocess_transport_t *transport = asyncio__calloc(sizeof(*transport));
    asyncio__reaper_t *reaper = transport ? asyncio__reaper_new(loop) : NULL;
    if (!reaper || asyncio__loop_reserve(loop, 1) < 0) {
        asyncio__reaper_unref(reaper);
        asyncio__free(transport, sizeof(*transport));
        return NULL;
    }
    transport->ready.run = run;
    transport->refs = 1;  /* that of the users */
    transport->users = 2; /* the caller, and itself until it is over */
    transport->loop = asyncio__loop_hold(loop);
    transport->protocol = protocol;
    transport->reaper = reaper;
    reaper->exited = on_exited;
    reaper->arg = transport;
    asyncio__list_init(&transport->waiters);
    return transport;
}

void asyncio__subprocess_begin(asyncio_subprocess_transport_t *transport)
{
    for (int i = 0; i < 3; i++) {
        asyncio__subprocess_pipe_t *pipe = &transport->pipes[i];
        if (pipe->transport) {
            pipe->transport->on_over = on_pipe_over;
            pipe->transport->over_arg = pipe;
        }
    }
    schedule(transport);
}

void asyncio__subprocess_give_up(asyncio_subprocess_transport_t *transport)
{
    for (int i = 0; i < 3; i++)
        if (transport->pipes[i].transport)
            asyncio__transport_end(transport->pipes[i].transport);
    end(transport);
    drop_user(transport);
}

/* --- what the program asks for ------------------------------------------------------------- */

/* Whether this thread may use the transport: 0, or an error. The loop may be closed. */
static int check_thread(const asyncio_subprocess_transport_t *transport)
{
    if (!transport)
        return asyncio__fail(-EINVAL, "\"transport\" must not be NULL");
    return asyncio__loop_check_here(transport->loop);
}

pid_t asyncio_subprocess_transport_get_pid(const asyncio_subprocess_transport_t *transport)
{
    return transport ? transport->pid : 0;
}

int asyncio_subprocess_transport_get_returncode(const asyncio_subprocess_transport_t *transport,
                                                int *ret_code)
{
    if (!transport || !ret_code)
        return asyncio__fail(-EINVAL, "\"transport\" and \"ret_code\" must not be NULL");
    return asyncio__reaper_return_code(transport->reaper, ret_code);
}

asyncio_transport_t *
asyncio_subprocess_transport_get_pipe_transport(const asyncio_subprocess_transport_t *transport,
                                                int fd)
{
    return transport && fd >= 0 && fd < 3 ? transport->pipes[fd].transport : NULL;
}

int asyncio_subprocess_transport_send_signal(asyncio_subprocess_transport_t *transport, int signo)
{
    int rc = check_thread(transport);
    return rc < 0 ? rc : asyncio__reaper_send_signal(transport->reaper, signo);
}

int asyncio_subprocess_transport_terminate(asyncio_subprocess_transport_t *transport)
{
    return asyncio_subprocess_transport_send_signal(transport, SIGTERM);
}

int asyncio_subprocess_transport_kill(asyncio_subprocess_transport_t *transport)
{
    return asyncio_subprocess_transport_send_signal(transport, SIGKILL);
}

int asyncio_subprocess_transport_close(asyncio_subprocess_transport_t *transport)
{
    int rc = check_thread(transport);
    if (rc < 0 || transport->is_closing || transport->is_over)
        return rc;
    transport->is_closing = true;
    for (int i = 0; i < 3; i++)
        if (transport->pipes[i].transport)
            asyncio__ignore(asyncio_transport_close(transport->pipes[i].transport));
    if (!transport->reaper->has_exited) /* -EPERM: it runs as another user, and is left alone */
        asyncio__ignore(asyncio__reaper_kill(transport->reaper, SIGKILL));
    return 0;
}

bool asyncio_subprocess_transport_is_closing(const asyncio_subprocess_transport_t *transport)
{
    return !transport || transport->is_closing || transport->is_over;
}

asyncio_subprocess_protocol_t *
asyncio_subprocess_transport_get_protocol(const asyncio_subprocess_transport_t *transport)
{
    return transport ? transport->protocol : NULL;
}
