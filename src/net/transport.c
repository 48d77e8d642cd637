/* SPDX-License-Identifier: MIT */
/* Transports: what happens to the channel, and what the protocol is told of it; see transport.h. */
#include "net/transport.h"

#include <string.h>

#include "base/context.h"
#include "base/memory.h"
#include "net/channel_info.h"
#include "net/protocol.h"
#include "task/waiter_list.h"

/* The open transports of a loop, which its close ends. */
typedef struct transports {
    asyncio__loop_hook_t hook; /* in loop->hooks; freed when it is called */
    asyncio__list_t list;      /* of asyncio_transport_t, oldest first */
} transports_t;

/* --- references ---------------------------------------------------------------------------- */

/* Returns what was lent and is not handled. */
static void drop_read(asyncio_transport_t *transport)
{
    asyncio__channel_t *channel = transport->channel;
    if (transport->has_read && transport->read.form == ASYNCIO__READ_LENT &&
        transport->read.operation.result > 0 && !transport->kept)
        channel->class->give_back(channel, &transport->read);
    transport->has_read = false;
    asyncio__free(transport->kept, transport->kept_bytes);
    transport->kept = NULL;
}

static void free_transport(asyncio_transport_t *transport)
{
    drop_read(transport);
    asyncio__channel_unref(transport->channel);
    asyncio__context_drop(transport->context);
    asyncio__loop_release(transport->loop, 1);
    asyncio__loop_drop_object(transport->loop);
    asyncio__free(transport, sizeof(*transport));
}

static void unref(asyncio_transport_t *transport)
{
    if (--transport->refs == 0)
        free_transport(transport);
}

/* Drops a reference of the program, or the one until OVER. */
static void drop_user(asyncio_transport_t *transport)
{
    if (--transport->users > 0)
        return;
    asyncio_protocol_t *protocol = transport->protocol;
    transport->protocol = NULL;
    asyncio__protocol_destroy(protocol);
    unref(transport);
}

asyncio_transport_t *asyncio_transport_ref(asyncio_transport_t *transport)
{
    if (transport)
        transport->users++;
    return transport;
}

void asyncio_transport_unref(asyncio_transport_t *transport)
{
    if (!transport || asyncio__loop_check_here(transport->loop) < 0)
        return; /* another thread, or a forked child: leaked, because touching it would be worse */
    drop_user(transport);
}

static void schedule(asyncio_transport_t *transport)
{
    if (transport->is_scheduled)
        return;
    transport->is_scheduled = true;
    transport->refs++;
    asyncio__loop_schedule(transport->loop, &transport->ready);
}

/* --- the end ------------------------------------------------------------------------------- */

void asyncio__transport_end(asyncio_transport_t *transport)
{
    if (transport->is_over)
        return;
    transport->is_over = true;
    transport->channel->owner_class = NULL;
    transport->channel->class->abort(transport->channel, 0, NULL);
    drop_read(transport);
    asyncio__list_remove(&transport->link);
    asyncio__waiters_wake_all(&transport->waiters);
    if (transport->on_over)
        transport->on_over(transport->over_arg);
    drop_user(transport);
}

static void end_transports(asyncio_loop_t *loop, asyncio__loop_hook_t *hook)
{
    transports_t *transports = ASYNCIO__CONTAINER(hook, transports_t, hook);
    (void)loop;
    while (!asyncio__list_is_empty(&transports->list))
        asyncio__transport_end(
            ASYNCIO__CONTAINER(transports->list.next, asyncio_transport_t, link));
    asyncio__free(transports, sizeof(*transports));
}

/* The transports of the loop; NULL: no memory. */
static transports_t *transports_of(asyncio_loop_t *loop)
{
    for (asyncio__loop_hook_t *hook = loop->hooks; hook; hook = hook->next)
        if (hook->close == end_transports)
            return ASYNCIO__CONTAINER(hook, transports_t, hook);
    transports_t *transports = asyncio__calloc(sizeof(*transports));
    if (transports) {
        transports->hook.close = end_transports;
        asyncio__list_init(&transports->list);
        asyncio__loop_add_hook(loop, &transports->hook);
    }
    return transports;
}

static void lose(asyncio_transport_t *transport)
{
    const asyncio__channel_t *channel = transport->channel;
    asyncio_protocol_t *protocol = transport->protocol;
    if (protocol && protocol->functions->connection_lost)
        protocol->functions->connection_lost(protocol, channel->code, channel->error);
    asyncio__transport_end(transport);
}

/* Ends the transport with the error in the slot. As in asyncio, errors of the system are told to
 * the protocol only. */
static void fail(asyncio_transport_t *transport, int code, const char *message)
{
    asyncio__channel_t *channel = transport->channel;
    asyncio_error_t *error = asyncio__error_take_of(code);
    if (code <= ASYNCIO_ERUNTIME)
        asyncio__loop_report(transport->loop, message, code, error, NULL, NULL, NULL);
    transport->is_closing = true;
    channel->class->abort(channel, code, error);
}

/* --- reading ------------------------------------------------------------------------------- */

static void on_read(asyncio__channel_read_t *read)
{
    asyncio_transport_t *transport = ASYNCIO__CONTAINER(read, asyncio_transport_t, read);
    transport->is_read_pending = false;
    transport->has_read = true;
    schedule(transport);
    if (transport->is_shaking)
        asyncio__waiters_wake_all(&transport->waiters);
    unref(transport); /* the ready item has one */
}

/* Begins the next read, if one is wanted. What is there at once is handled by the ready item's next
 * run, so that other items run in between. */
static void begin_read(asyncio_transport_t *transport)
{
    asyncio__channel_t *channel = transport->channel;
    if (transport->is_read_pending || transport->has_read || transport->is_reading_paused ||
        transport->is_eof || transport->is_shaking || channel->is_closing || !transport->can_read)
        return;
    asyncio__channel_read_t *read = &transport->read;
    read->complete = on_read;
    read->form = transport->protocol->functions->get_buffer ? ASYNCIO__READ_LATE
                                                            : ASYNCIO__READ_LENT;
    int rc = channel->class->read(channel, read);
    if (rc < 0) {
        asyncio__ignore(asyncio__fail(rc, NULL));
        fail(transport, rc, "Fatal read error on transport");
    } else if (rc > 0) {
        transport->has_read = true;
        schedule(transport);
    } else {
        transport->is_read_pending = true;
        transport->refs++;
    }
}

/* Asks for a buffer; its size, or 0 when the transport has been ended. */
static size_t get_buffer(asyncio_transport_t *transport, size_t size_hint, void **ret_buffer)
{
    asyncio_protocol_t *protocol = transport->protocol;
    *ret_buffer = NULL;
    size_t size = protocol->functions->get_buffer(protocol, size_hint, ret_buffer);
    if (transport->is_closing)
        return 0;
    if (size > 0 && *ret_buffer)
        return size;
    int rc = asyncio__fail(ASYNCIO_ERUNTIME, "get_buffer() returned an empty buffer");
    fail(transport, rc, "Fatal error: protocol.get_buffer() call failed.");
    return 0;
}

/* Hands received bytes to the protocol, which may be exchanged meanwhile. */
static void deliver(asyncio_transport_t *transport, const char *data, size_t size)
{
    while (size > 0 && !transport->is_closing) {
        asyncio_protocol_t *protocol = transport->protocol;
        const asyncio_protocol_functions_t *functions = protocol->functions;
        void *buffer;
        if (!functions->get_buffer) {
            if (functions->data_received)
                functions->data_received(protocol, data, size);
            return;
        }
        size_t count = get_buffer(transport, size, &buffer);
        count = count < size ? count : size;
        if (count == 0)
            return;
        memcpy(buffer, data, count);
        functions->buffer_updated(protocol, count);
        data += count;
        size -= count;
    }
}

/* Receives into the protocol's buffer: a count, 0 at the end, or a code. */
static int receive_late(asyncio_transport_t *transport)
{
    asyncio__channel_t *channel = transport->channel;
    asyncio_protocol_t *protocol = transport->protocol;
    void *buffer;
    if (!protocol->functions->get_buffer)
        return -EAGAIN; /* it was exchanged: the next read is of the other form */
    size_t size = get_buffer(transport, /* size_hint= */ 0, &buffer);
    if (size == 0)
        return -ECANCELED;
    int count = channel->class->take(channel, &transport->read, buffer, size);
    if (count > 0)
        protocol->functions->buffer_updated(protocol, (size_t)count);
    return count;
}

/* Gives the bytes of a lent buffer to the protocol: a count, 0 at the end, or a code. */
static int receive_lent(asyncio_transport_t *transport)
{
    asyncio__channel_t *channel = transport->channel;
    int result = transport->read.operation.result;
    if (transport->kept) {
        char *kept = transport->kept;
        transport->kept = NULL;
        deliver(transport, kept, transport->kept_bytes);
        asyncio__free(kept, transport->kept_bytes);
    } else if (result > 0) {
        deliver(transport, transport->read.operation.buffer, (size_t)result);
        channel->class->give_back(channel, &transport->read);
    }
    return result;
}

/* Reading is paused: others need the buffer. Without memory for a copy it is kept. */
static void keep_lent(asyncio_transport_t *transport)
{
    asyncio__channel_t *channel = transport->channel;
    const asyncio__operation_t *operation = &transport->read.operation;
    if (transport->read.form != ASYNCIO__READ_LENT || operation->result <= 0 || transport->kept)
        return;
    size_t size = (size_t)operation->result;
    transport->kept = asyncio__malloc(size);
    if (!transport->kept)
        return;
    transport->kept_bytes = size;
    memcpy(transport->kept, operation->buffer, size);
    channel->class->give_back(channel, &transport->read);
}

static void handle_end(asyncio_transport_t *transport)
{
    asyncio_protocol_t *protocol = transport->protocol;
    bool is_kept_open =
        protocol->functions->eof_received && protocol->functions->eof_received(protocol);
    transport->is_eof = true;
    if (!is_kept_open || !transport->can_write)
        asyncio__ignore(asyncio_transport_close(transport));
}

static void handle_read(asyncio_transport_t *transport)
{
    if (transport->is_closing) {
        drop_read(transport);
        return;
    }
    if (transport->is_reading_paused) {
        keep_lent(transport);
        return;
    }
    transport->has_read = false;
    int result = transport->read.operation.result;
    if (transport->read.form == ASYNCIO__READ_LENT)
        result = receive_lent(transport);
    else if (result == 0)
        result = receive_late(transport);
    if (result == 0 && transport->channel->is_eof && !transport->is_closing) {
        handle_end(transport);
    } else if (result == -ENOMEM || result == -ENOBUFS) {
        asyncio__ignore(asyncio__fail(result, NULL));
        fail(transport, result, "Fatal read error on transport");
    } /* else a failure has ended the channel, or there is nothing after all */
}

/* --- the ready item ------------------------------------------------------------------------ */

/* The factory has refused the connection, which ends without a protocol. */
static void refuse(asyncio_transport_t *transport, int code)
{
    asyncio_error_t *error = asyncio__error_take_of(code);
    if (transport->loop->debug)
        asyncio__loop_report(transport->loop,
                             "Error on transport creation for incoming connection", code, error,
                             NULL, NULL, NULL);
    asyncio_error_unref(error);
    asyncio__ignore(asyncio_transport_abort(transport));
}

static void make_connection(asyncio_transport_t *transport)
{
    transport->is_made = true;
    if (!transport->protocol) {
        int rc = asyncio__protocol_make(transport->factory, transport->factory_arg,
                                        &transport->protocol);
        if (rc < 0) {
            refuse(transport, rc);
            return;
        }
    }
    asyncio_protocol_t *protocol = transport->protocol;
    if (protocol->functions->connection_made)
        protocol->functions->connection_made(protocol, transport);
    asyncio__waiters_wake_all(&transport->waiters);
}

static void resume_writing(asyncio_transport_t *transport)
{
    asyncio__channel_t *channel = transport->channel;
    asyncio_protocol_t *protocol = transport->protocol;
    transport->is_resume_due = false;
    if (!transport->is_writing_paused || channel->is_closed)
        return;
    if (channel->class->unsent(channel) > channel->low_bytes) {
        channel->wants_drained = true; /* more was written since it had drained */
        return;
    }
    transport->is_writing_paused = false;
    if (protocol->functions->resume_writing)
        protocol->functions->resume_writing(protocol);
}

static void handle_events(asyncio_transport_t *transport)
{
    bool is_lost = transport->is_lost; /* one that is lost from here on has scheduled the item */
    if (!transport->is_made)
        make_connection(transport);
    if (transport->protocol && transport->is_resume_due)
        resume_writing(transport);
    if (transport->protocol && transport->has_read && !transport->is_shaking)
        handle_read(transport);
    if (is_lost)
        lose(transport);
    else
        begin_read(transport);
}

static void run(asyncio__ready_t *ready)
{
    asyncio_transport_t *transport = ASYNCIO__CONTAINER(ready, asyncio_transport_t, ready);
    void *former;
    transport->is_scheduled = false;
    if (transport->loop->closed) {
        asyncio__transport_end(transport);
    } else if (transport->is_over) {
        drop_read(transport);
    } else if (!asyncio__uses(ASYNCIO__USES_CONTEXTS)) {
        handle_events(transport);
    } else if (asyncio__loop_enter(transport->loop, &transport->context, &former)) {
        handle_events(transport);
        asyncio__context_end(&transport->context, former);
    }
    unref(transport);
}

static void on_drained(asyncio__channel_t *channel)
{
    asyncio_transport_t *transport = channel->owner;
    transport->is_resume_due = true;
    schedule(transport);
}

static void on_closed(asyncio__channel_t *channel)
{
    asyncio_transport_t *transport = channel->owner;
    channel->owner_class = NULL;
    transport->is_lost = true;
    if (transport->is_shaking)
        asyncio__waiters_wake_all(&transport->waiters);
    schedule(transport);
}

static void on_opened(asyncio__channel_t *channel)
{
    asyncio_transport_t *transport = channel->owner;
    transport->is_shaking = false;
    asyncio__waiters_wake_all(&transport->waiters);
    schedule(transport); /* begins to read */
}

static const asyncio__channel_owner_class_t owner_class = {
    .opened = on_opened, .drained = on_drained, .closed = on_closed};

/* --- beginning ----------------------------------------------------------------------------- */

asyncio_transport_t *asyncio__transport_new(asyncio__channel_t *channel,
                                            asyncio_protocol_t *protocol,
                                            asyncio_context_t *context)
{
    transports_t *transports = transports_of(channel->loop);
    asyncio_transport_t *transport = transports ? asyncio__calloc(sizeof(*transport)) : NULL;
    if (!transport || asyncio__loop_reserve(channel->loop, 1) < 0) {
        asyncio__free(transport, sizeof(*transport));
        channel->class->abort(channel, 0, NULL);
        asyncio__channel_unref(channel);
        asyncio__ignore(asyncio__fail(-ENOMEM, NULL));
        return NULL;
    }
    transport->ready.run = run;
    transport->refs = 1;  /* that of the users */
    transport->users = 2; /* the caller, and itself until it is over */
    transport->loop = asyncio__loop_hold(channel->loop);
    asyncio__list_append(&transports->list, &transport->link);
    transport->channel = channel;
    transport->protocol = protocol;
    if (asyncio__uses(ASYNCIO__USES_CONTEXTS))
        transport->context = asyncio__context_inherit(context);
    transport->high_bytes = ASYNCIO__HIGH_WATER_BYTES;
    asyncio__list_init(&transport->waiters);
    transport->can_read = transport->can_write = true;
    channel->low_bytes = ASYNCIO__HIGH_WATER_BYTES / 4;
    channel->owner_class = &owner_class;
    channel->owner = transport;
    transport->is_lost = channel->is_closed;
    return transport;
}

void asyncio__transport_start(asyncio_transport_t *transport)
{
    schedule(transport);
}

const void *asyncio__transport_received(const asyncio_transport_t *transport, size_t *ret_size)
{
    const asyncio__operation_t *operation = &transport->read.operation;
    bool has_bytes = transport->has_read && transport->read.form == ASYNCIO__READ_LENT &&
                     operation->result > 0;
    *ret_size = has_bytes ? (size_t)operation->result : 0;
    return !has_bytes ? NULL : transport->kept ? transport->kept : operation->buffer;
}

int asyncio__transport_wrap(asyncio_transport_t *transport, const asyncio__ssl_options_t *options)
{
    asyncio__channel_t *lower = transport->channel, *secure;
    size_t low_bytes = lower->low_bytes;
    bool wants_drained = lower->wants_drained;
    int rc = asyncio__ssl_class_of(options->context)->wrap(lower, options, &secure);
    if (rc < 0)
        return rc;
    drop_read(transport); /* returns the buffer to the lower channel */
    secure->low_bytes = low_bytes;
    secure->wants_drained = wants_drained;
    secure->owner_class = &owner_class;
    secure->owner = transport;
    transport->channel = secure;
    return 0;
}

/* --- writing ------------------------------------------------------------------------------- */

/* Whether the transport can be used from here: 0, or an error. */
static int check_usable(const asyncio_transport_t *transport)
{
    if (!transport)
        return asyncio__fail(-EINVAL, "\"transport\" must not be NULL");
    return asyncio__loop_check(transport->loop);
}

/* The same where the loop may be closed. */
static int check_thread(const asyncio_transport_t *transport)
{
    if (!transport)
        return asyncio__fail(-EINVAL, "\"transport\" must not be NULL");
    return asyncio__loop_check_here(transport->loop);
}

static void pause_if_above(asyncio_transport_t *transport)
{
    asyncio__channel_t *channel = transport->channel;
    asyncio_protocol_t *protocol = transport->protocol;
    if (channel->class->unsent(channel) <= transport->high_bytes || channel->is_closing ||
        transport->is_writing_paused)
        return;
    transport->is_writing_paused = true;
    channel->wants_drained = true;
    if (protocol && protocol->functions->pause_writing)
        protocol->functions->pause_writing(protocol);
}

static int write_pieces(asyncio_transport_t *transport, const struct iovec *pieces, size_t count,
                        const char *refusal, const char *busy)
{
    asyncio__channel_t *channel = transport->channel;
    if (transport->is_eof_wanted)
        return asyncio__fail(ASYNCIO_ERUNTIME, refusal);
    if (!transport->can_write)
        return asyncio__fail(-EBADF, "a pipe that only reads cannot be written to");
    if (ASYNCIO__UNLIKELY(channel->is_sending_file))
        return asyncio__fail(ASYNCIO_ERUNTIME, busy);
    int rc = channel->class->write(channel, pieces, count);
    if (rc < 0)
        return asyncio__fail(rc, NULL);
    pause_if_above(transport);
    return 0;
}

int asyncio_transport_write(asyncio_transport_t *transport, const void *data, size_t size)
{
    int rc = check_usable(transport);
    if (rc < 0)
        return rc;
    if (!data && size)
        return asyncio__fail(-EINVAL, "\"data\" must not be NULL");
    struct iovec piece = {(void *)data, size};
    return write_pieces(transport, &piece, 1, "Cannot call write() after write_eof()",
                        "unable to write; sendfile is in progress");
}

int asyncio_transport_writelines(asyncio_transport_t *transport, const struct iovec *pieces,
                                 size_t count)
{
    int rc = check_usable(transport);
    if (rc == 0)
        rc = asyncio__check_pieces(pieces, count);
    if (rc < 0)
        return rc;
    return write_pieces(transport, pieces, count, "Cannot call writelines() after write_eof()",
                        "unable to writelines; sendfile is in progress");
}

int asyncio_transport_write_eof(asyncio_transport_t *transport)
{
    int rc = check_usable(transport);
    if (rc < 0)
        return rc;
    if (!transport->can_write)
        return asyncio__fail(-EBADF, "a pipe that only reads cannot be written to");
    asyncio__channel_t *channel = transport->channel;
    if (channel->is_closing || transport->is_eof_wanted)
        return 0;
    if (channel->is_sending_file)
        return asyncio__fail(ASYNCIO_ERUNTIME, "unable to write EOF; sendfile is in progress");
    rc = channel->class->shutdown(channel);
    if (rc < 0)
        return asyncio__fail(rc, NULL);
    transport->is_eof_wanted = true;
    return 0;
}

bool asyncio_transport_can_write_eof(const asyncio_transport_t *transport)
{
    return transport && transport->can_write && !asyncio__channel_ssl_object(transport->channel);
}

int asyncio_transport_set_write_buffer_limits(asyncio_transport_t *transport, size_t high_bytes,
                                              size_t low_bytes)
{
    int rc = check_thread(transport);
    if (rc == 0)
        rc = asyncio__water_marks(&high_bytes, &low_bytes);
    if (rc < 0)
        return rc;
    asyncio__channel_t *channel = transport->channel;
    transport->high_bytes = high_bytes;
    channel->low_bytes = low_bytes;
    pause_if_above(transport);
    asyncio__channel_note_sent(channel);
    return 0;
}

int asyncio_transport_get_write_buffer_limits(const asyncio_transport_t *transport,
                                              size_t *ret_high_bytes, size_t *ret_low_bytes)
{
    if (!transport || !ret_high_bytes || !ret_low_bytes)
        return asyncio__fail(
            -EINVAL, "\"transport\", \"ret_high_bytes\" and \"ret_low_bytes\" must not be NULL");
    *ret_high_bytes = transport->high_bytes;
    *ret_low_bytes = transport->channel->low_bytes;
    return 0;
}

size_t asyncio_transport_get_write_buffer_size(const asyncio_transport_t *transport)
{
    return transport ? transport->channel->class->unsent(transport->channel) : 0;
}

/* --- reading is paused, and the transport closed --------------------------------------------- */

int asyncio_transport_pause_reading(asyncio_transport_t *transport)
{
    int rc = check_usable(transport);
    if (rc == 0 && !transport->channel->is_closing)
        transport->is_reading_paused = true;
    return rc;
}

int asyncio_transport_resume_reading(asyncio_transport_t *transport)
{
    int rc = check_usable(transport);
    if (rc < 0 || !transport->is_reading_paused || transport->channel->is_closing)
        return rc;
    transport->is_reading_paused = false;
    schedule(transport); /* handles what was kept, or begins to read */
    return 0;
}

bool asyncio_transport_is_reading(const asyncio_transport_t *transport)
{
    return transport && transport->can_read && !transport->is_reading_paused &&
           !transport->channel->is_closing;
}

int asyncio_transport_close(asyncio_transport_t *transport)
{
    int rc = check_thread(transport);
    if (rc < 0)
        return rc;
    transport->is_closing = true;
    transport->channel->class->close(transport->channel);
    return 0;
}

int asyncio_transport_abort(asyncio_transport_t *transport)
{
    int rc = check_thread(transport);
    if (rc < 0)
        return rc;
    transport->is_closing = true;
    transport->channel->class->abort(transport->channel, 0, NULL);
    return 0;
}

bool asyncio_transport_is_closing(const asyncio_transport_t *transport)
{
    return !transport || transport->channel->is_closing;
}

/* --- what is known of it ------------------------------------------------------------------- */

int asyncio_transport_get_extra_info(const asyncio_transport_t *transport, const char *name,
                                     char *ret_text, size_t size)
{
    if (!transport || !name || (!ret_text && size))
        return asyncio__fail(-EINVAL,
                             "\"transport\", \"name\" and \"ret_text\" must not be NULL");
    return asyncio__channel_name(transport->channel, name, ret_text, size);
}

asyncio_socket_t *asyncio_transport_get_socket(const asyncio_transport_t *transport)
{
    return transport ? asyncio__channel_socket(transport->channel) : NULL;
}

const asyncio_ssl_object_t *
asyncio_transport_get_ssl_object(const asyncio_transport_t *transport)
{
    return transport ? asyncio__channel_ssl_object(transport->channel)
                     : NULL;
}

int asyncio_transport_set_protocol(asyncio_transport_t *transport, asyncio_protocol_t *protocol)
{
    int rc = check_thread(transport);
    if (rc < 0)
        return rc;
    if (!protocol)
        return asyncio__fail(-EINVAL, "\"protocol\" must not be NULL");
    if (transport->is_protocol_fixed)
        return asyncio__fail(ASYNCIO_ERUNTIME,
                             "the protocol of a child's pipe belongs to its subprocess transport");
    rc = asyncio__protocol_check(protocol);
    if (rc == 0)
        transport->protocol = protocol;
    return rc;
}

asyncio_protocol_t *asyncio_transport_get_protocol(const asyncio_transport_t *transport)
{
    return transport ? transport->protocol : NULL;
}
