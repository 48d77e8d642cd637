/* SPDX-License-Identifier: MIT */
/* Datagram endpoints: receiving, sending and ending; see datagram.h. */
#include "transport/datagram.h"

#include <netinet/in.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/syscalls.h"
#include "transport/datagram_message.h"

#define DATAGRAMS_A_TURN    64 /* delivered before others run */
#define BYTES_FOR_THE_COUNT 8  /* that a queued datagram counts beside its own */

/* A datagram that waits for room in the kernel. */
typedef struct queued {
    asyncio__list_t link;      /* in queue */
    size_t size;               /* of bytes, without the address */
    socklen_t address_size;    /* of the address */
    struct sockaddr_in6 local; /* to send from; an IPv4 address fits too */
    bool has_local;            /* local counts */
    char bytes[];              /* the address, then the datagram */
} queued_t;

static void run_turn(asyncio__ready_t *item);
static void on_receive_complete(asyncio__operation_t *operation);
static void on_send_complete(asyncio__operation_t *operation);

/* --- life ---------------------------------------------------------------------------------- */

int asyncio__datagram_init(asyncio__datagram_t *endpoint, asyncio_loop_t *loop,
                           asyncio_socket_t *sock, size_t max_bytes,
                           const asyncio__datagram_class_t *class)
{
    if (sock->file_copy)
        return asyncio__fail(ASYNCIO_ERUNTIME, "the socket is used by a transport already");
    int rc = asyncio__socket_bind_loop_as(sock, loop, ASYNCIO__FILE_SOCKET);
    if (rc < 0)
        return rc;
    endpoint->buffer = asyncio__malloc(ASYNCIO__DATAGRAM_CONTROL_BYTES + max_bytes);
    if (!endpoint->buffer)
        return asyncio__fail(-ENOMEM, NULL);
    rc = asyncio__loop_reserve(loop, 1);
    if (rc < 0) {
        asyncio__free(endpoint->buffer, ASYNCIO__DATAGRAM_CONTROL_BYTES + max_bytes);
        return asyncio__fail(rc, NULL);
    }
    endpoint->class = class;
    endpoint->loop = asyncio__loop_hold(loop);
    endpoint->sock = asyncio_socket_ref(sock);
    endpoint->file = sock->file;
    sock->file_copy = &endpoint->file;
    endpoint->refs = 2; /* the owner's, and that of the open endpoint to itself */
    endpoint->turn.run = run_turn;
    endpoint->max_bytes = max_bytes;
    asyncio__list_init(&endpoint->queue);
    return 0;
}

static queued_t *first_queued(asyncio__datagram_t *self)
{
    return ASYNCIO__CONTAINER(self->queue.next, queued_t, link);
}

static void free_queued(queued_t *queued)
{
    asyncio__list_remove(&queued->link);
    asyncio__free(queued, sizeof(*queued) + queued->address_size + queued->size);
}

void asyncio__datagram_unref(asyncio__datagram_t *self)
{
    if (--self->refs > 0)
        return;
    while (!asyncio__list_is_empty(&self->queue))
        free_queued(first_queued(self));
    asyncio__free(self->buffer, ASYNCIO__DATAGRAM_CONTROL_BYTES + self->max_bytes);
    asyncio_socket_unref(self->sock);
    asyncio_loop_t *loop = self->loop;
    self->class->free(self);
    asyncio__loop_drop_object(loop);
}

static void schedule(asyncio__datagram_t *self)
{
    if (self->is_scheduled || self->is_ended || self->loop->closed)
        return;
    self->is_scheduled = true;
    self->refs++;
    asyncio__loop_schedule(self->loop, &self->turn);
}

void asyncio__datagram_start(asyncio__datagram_t *self)
{
    schedule(self);
}

/* --- the end ------------------------------------------------------------------------------- */

/* Ends the endpoint; a no-op when that is done. What is still pending completes in the next
 * wait(). */
static void end(asyncio__datagram_t *self)
{
    if (self->is_ended)
        return;
    self->is_closing = self->is_ended = true;
    if (!self->loop->closed) {
        self->class->lost(self, self->code);
        asyncio__loop_release(self->loop, 1);
    }
    asyncio__ignore(asyncio_socket_close(self->sock));
    asyncio__datagram_unref(self);
}

static void lose(asyncio__datagram_t *self)
{
    self->is_closing = self->is_lost = true;
    if (self->loop->closed)
        end(self);
    schedule(self);
}

void asyncio__datagram_close(asyncio__datagram_t *self)
{
    asyncio__engine_t *engine = self->loop->engine;
    if (self->is_closing)
        return;
    self->is_closing = true;
    if (self->is_receiving && !self->loop->closed)
        engine->class->cancel(engine, &self->receive);
    if (asyncio__list_is_empty(&self->queue))
        lose(self);
}

void asyncio__datagram_abort(asyncio__datagram_t *self, int code)
{
    if (self->is_lost || self->is_ended)
        return;
    self->code = code;
    self->queued_bytes = 0;
    /* The first one may be with the kernel until the socket is closed. */
    while (self->queue.prev != self->queue.next)
        free_queued(ASYNCIO__CONTAINER(self->queue.prev, queued_t, link));
    lose(self);
}

/* Whether the socket is open; ends the endpoint if the program has closed it. */
static bool check_open(asyncio__datagram_t *self)
{
    if (ASYNCIO__UNLIKELY(!self->file))
        asyncio__datagram_abort(self, -EBADF);
    return self->file != NULL;
}

/* --- errors -------------------------------------------------------------------------------- */

/* Reports what the kernel has queued of errors, and returns how many those were. */
static unsigned report_error_queue(asyncio__datagram_t *self)
{
    unsigned count = 0;
    for (; count < DATAGRAMS_A_TURN && self->file && !self->is_closing; count++) {
        _Alignas(size_t) char control[512];
        char byte;
        struct sockaddr_storage address;
        struct iovec room = {&byte, 1};
        struct msghdr message = {.msg_name = &address,
                                 .msg_namelen = sizeof(address),
                                 .msg_iov = &room,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof(control)};
        if (asyncio__sys.recvmsg(self->file->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            break;
        int code = asyncio__datagram_error_of(&message);
        const struct sockaddr *about = message.msg_namelen ? (void *)&address : NULL;
        if (code < 0)
            self->class->failed(self, code, about, message.msg_namelen);
    }
    return count;
}

static void report(asyncio__datagram_t *self, int code)
{
    if (code == -EBADF && !check_open(self))
        return;
    if (!self->has_error_queue || report_error_queue(self) == 0)
        self->class->failed(self, code, /* address= */ NULL, 0);
}

/* --- receiving ----------------------------------------------------------------------------- */

static void deliver(asyncio__datagram_t *self, size_t size)
{
    asyncio__datagram_received_t datagram = {
        .data = self->room.iov_base,
        .size = size,
        .address = self->received.msg_namelen ? (const void *)&self->sender : NULL,
        .address_size = self->received.msg_namelen,
        .is_truncated = (self->received.msg_flags & MSG_TRUNC) != 0};
    size_t segment =
        self->received.msg_controllen ? asyncio__datagram_parse(&self->received, &datagram) : 0;
    if (segment == 0 || segment >= size) {
        self->class->received(self, &datagram);
        return;
    }
    for (size_t offset = 0; offset < size && !self->is_closing; offset += segment) {
        datagram.data = (const char *)self->room.iov_base + offset;
        datagram.size = size - offset < segment ? size - offset : segment;
        self->class->received(self, &datagram);
    }
}

/* A peer that is a Unix socket could send descriptors, which only a control buffer takes. */
static void prepare_receive(asyncio__datagram_t *self)
{
    char *buffer = self->buffer;
    self->room = (struct iovec){buffer + ASYNCIO__DATAGRAM_CONTROL_BYTES, self->max_bytes};
    self->received = (struct msghdr){.msg_name = &self->sender,
                                     .msg_namelen = sizeof(self->sender),
                                     .msg_iov = &self->room,
                                     .msg_iovlen = 1};
    if (self->has_control) {
        self->received.msg_control = buffer;
        self->received.msg_controllen = ASYNCIO__DATAGRAM_CONTROL_BYTES;
    }
}

static ssize_t receive_now(asyncio__datagram_t *self)
{
    ssize_t result;
    do
        result = asyncio__sys.recvmsg(self->file->fd, &self->received,
                                      MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : result;
}

static int submit_receive(asyncio__datagram_t *self)
{
    asyncio__engine_t *engine = self->loop->engine;
    self->receive = (asyncio__operation_t){.complete = on_receive_complete,
                                           .file = self->file,
                                           .kind = ASYNCIO__RECVMSG,
                                           .message = &self->received};
    int rc = engine->class->submit(engine, &self->receive);
    if (rc == 0) {
        self->is_receiving = true;
        self->refs++;
    }
    return rc;
}

static void on_received(asyncio__datagram_t *self, ssize_t result)
{
    if (result >= 0)
        deliver(self, (size_t)result);
    else if (result != -ECANCELED)
        report(self, (int)result);
}

/* Delivers what is there, then has a receive pending. epoll tries a receive that it is given at
 * once; io_uring does not, so there the socket is emptied first. */
static void receive(asyncio__datagram_t *self)
{
    bool tries_first = self->loop->engine_kind != ASYNCIO_ENGINE_EPOLL;
    unsigned budget = DATAGRAMS_A_TURN;
    bool has_result = self->has_received;
    self->has_received = self->has_more = false;
    ssize_t result = self->receive.result;
    while (!self->is_closing) {
        if (has_result) {
            on_received(self, result);
            budget--;
        }
        if (self->is_closing || !check_open(self))
            return;
        if (budget == 0)
            break;
        prepare_receive(self);
        has_result = true;
        if (tries_first) {
            result = receive_now(self);
            tries_first = has_result = result != -EAGAIN;
            continue;
        }
        int rc = submit_receive(self);
        if (rc == 0)
            return;
        result = rc < 0 ? rc : self->receive.result;
        tries_first = true; /* one was there: there may be more */
        if (rc < 0) {
            report(self, rc);
            break;
        }
    }
    self->has_more = !self->is_closing;
    if (self->has_more)
        schedule(self);
}

static void on_receive_complete(asyncio__operation_t *operation)
{
    asyncio__datagram_t *self = ASYNCIO__CONTAINER(operation, asyncio__datagram_t, receive);
    self->is_receiving = false;
    self->has_received = true;
    if (self->loop->closed)
        end(self);
    schedule(self);
    asyncio__datagram_unref(self);
}

/* --- sending ------------------------------------------------------------------------------- */

static ssize_t send_now(asyncio__datagram_t *self, const asyncio__datagram_packet_t *packet)
{
    _Alignas(size_t) char control[sizeof(self->send_control)];
    struct msghdr message = {.msg_name = (void *)packet->address,
                             .msg_namelen = packet->address ? packet->address_size : 0,
                             .msg_iov = (struct iovec *)packet->pieces,
                             .msg_iovlen = packet->count};
    asyncio__datagram_compose(&message, packet, control);
    ssize_t result;
    do
        result = asyncio__sys.sendmsg(self->file->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : result;
}

static int enqueue(asyncio__datagram_t *self, const asyncio__datagram_packet_t *packet)
{
    size_t size = 0;
    for (size_t i = 0; i < packet->count; i++)
        size += packet->pieces[i].iov_len;
    socklen_t address_size = packet->address ? packet->address_size : 0;
    queued_t *queued = asyncio__malloc(sizeof(*queued) + address_size + size);
    if (!queued)
        return asyncio__fail(-ENOMEM, NULL);
    queued->size = size;
    queued->address_size = address_size;
    queued->has_local = packet->local != NULL;
    if (packet->local)
        memcpy(&queued->local, packet->local,
               packet->local->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                                   : sizeof(struct sockaddr_in6));
    if (address_size)
        memcpy(queued->bytes, packet->address, address_size);
    char *to = queued->bytes + address_size;
    for (size_t i = 0; i < packet->count; i++) {
        if (packet->pieces[i].iov_len)
            memcpy(to, packet->pieces[i].iov_base, packet->pieces[i].iov_len);
        to += packet->pieces[i].iov_len;
    }
    asyncio__list_append(&self->queue, &queued->link);
    self->queued_bytes += size + BYTES_FOR_THE_COUNT;
    return 0;
}

static int submit_first(asyncio__datagram_t *self)
{
    asyncio__engine_t *engine = self->loop->engine;
    queued_t *queued = first_queued(self);
    self->piece = (struct iovec){queued->bytes + queued->address_size, queued->size};
    self->sending = (struct msghdr){
        .msg_name = queued->address_size ? queued->bytes : NULL,
        .msg_namelen = queued->address_size,
        .msg_iov = &self->piece,
        .msg_iovlen = 1};
    asyncio__datagram_packet_t packet = {
        .local = queued->has_local ? (const void *)&queued->local : NULL};
    asyncio__datagram_compose(&self->sending, &packet, self->send_control);
    self->send = (asyncio__operation_t){.complete = on_send_complete,
                                        .file = self->file,
                                        .kind = ASYNCIO__SENDMSG,
                                        .message = &self->sending};
    int rc = engine->class->submit(engine, &self->send);
    if (rc == 0) {
        self->is_sending = true;
        self->refs++;
    }
    return rc;
}

/* The first datagram of the queue was sent, or cannot be. */
static void finish_first(asyncio__datagram_t *self, int result)
{
    queued_t *queued = first_queued(self);
    self->queued_bytes -= queued->size + BYTES_FOR_THE_COUNT;
    free_queued(queued);
    if (result < 0)
        report(self, result);
}

/* Sends what is queued as far as that is possible without waiting. */
static void flush(asyncio__datagram_t *self)
{
    while (!self->is_sending && !self->has_sent && !self->is_lost &&
           !asyncio__list_is_empty(&self->queue) && check_open(self)) {
        int rc = submit_first(self);
        if (rc != 0)
            finish_first(self, rc < 0 ? rc : self->send.result);
    }
}

static void on_send_complete(asyncio__operation_t *operation)
{
    asyncio__datagram_t *self = ASYNCIO__CONTAINER(operation, asyncio__datagram_t, send);
    self->is_sending = false;
    self->has_sent = true;
    if (self->loop->closed)
        end(self);
    schedule(self);
    asyncio__datagram_unref(self);
}

static void continue_sending(asyncio__datagram_t *self)
{
    self->has_sent = false;
    if (self->is_lost)
        return;
    finish_first(self, self->send.result);
    flush(self);
    self->class->sent(self);
    if (self->is_closing && asyncio__list_is_empty(&self->queue))
        lose(self);
}

int asyncio__datagram_send(asyncio__datagram_t *self, const asyncio__datagram_packet_t *packet)
{
    if (self->is_closing || !check_open(self))
        return 0;
    if (asyncio__list_is_empty(&self->queue)) {
        ssize_t result = send_now(self, packet);
        /* The error may be about another datagram: then this one has not been tried. */
        if (result < 0 && result != -EAGAIN && self->has_error_queue &&
            report_error_queue(self) > 0) {
            if (self->is_closing || !check_open(self))
                return 0;
            result = send_now(self, packet);
        }
        if (result >= 0)
            return 0;
        if (result != -EAGAIN) {
            report(self, (int)result);
            return 0;
        }
    }
    int rc = enqueue(self, packet);
    if (rc == 0)
        flush(self);
    return rc;
}

int asyncio__datagram_send_segments(asyncio__datagram_t *self,
                                    const asyncio__datagram_packet_t *packet)
{
    if (self->is_without_segments || self->is_closing || !self->file ||
        !asyncio__list_is_empty(&self->queue))
        return 0;
    ssize_t result = send_now(self, packet);
    if (result == -EIO || result == -ENOPROTOOPT || result == -EOPNOTSUPP)
        self->is_without_segments = true;
    return result >= 0;
}

/* --- the turn ------------------------------------------------------------------------------ */

static void run_turn(asyncio__ready_t *item)
{
    asyncio__datagram_t *self = ASYNCIO__CONTAINER(item, asyncio__datagram_t, turn);
    bool was_lost = self->is_lost; /* lost() is never called in the turn that has led to it */
    self->is_scheduled = false;
    if (self->loop->closed) {
        end(self);
    } else if (!self->is_ended) {
        if (!self->is_started) {
            self->is_started = self->has_more = true;
            self->class->started(self);
        }
        if (self->has_sent)
            continue_sending(self);
        if (self->has_received || self->has_more)
            receive(self);
        if (was_lost)
            end(self);
    }
    asyncio__datagram_unref(self);
}
