/* SPDX-License-Identifier: MIT */
/* Sending of a stream's transport, and its flow control; see stream.h. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "python/stream.h"

#define PIECES_MOST     64    /* that one call sends */
#define JOIN_MOST_BYTES 16384 /* several pieces that are smaller are sent as one */
#define MOST_BYTES      0x40000000 /* of one send: its result is an int */
#define IS_PENDING      INT32_MIN

typedef asyncio__py_stream_t stream_t;

/* --- flow control -------------------------------------------------------------------------- */

static void tell_protocol(stream_t *self, PyObject *name, const char *message)
{
    PyObject *result = asyncio__py_stream_call(self, name, NULL);
    if (!result)
        asyncio__py_report(self->loop, message, "transport", (PyObject *)self, "protocol",
                           self->protocol, NULL);
    Py_XDECREF(result);
}

void asyncio__py_stream_pause_if_full(stream_t *self)
{
    if (self->queued_bytes <= self->high_bytes || self->is_protocol_paused || !self->protocol)
        return;
    self->is_protocol_paused = true;
    tell_protocol(self, self->network->names.pause_writing, "protocol.pause_writing() failed");
}

static void resume_if_drained(stream_t *self)
{
    if (!self->is_protocol_paused || self->queued_bytes > self->low_bytes || !self->protocol)
        return;
    self->is_protocol_paused = false;
    tell_protocol(self, self->network->names.resume_writing, "protocol.resume_writing() failed");
}

/* --- the queue ----------------------------------------------------------------------------- */

void asyncio__py_stream_take_back(stream_t *self, size_t count)
{
    while (self->count > count) {
        asyncio__py_piece_t *piece = &self->queue[self->first + --self->count];
        self->queued_bytes -= piece->size;
        Py_DECREF(piece->owner);
    }
}

/* Keeps what the engine reads from: it is dropped when the send has completed. */
void asyncio__py_stream_drop_queue(stream_t *self)
{
    if (self->is_sending) {
        self->queued_bytes = 0;
        return;
    }
    while (self->count > 0)
        Py_DECREF(self->queue[self->first + --self->count].owner);
    PyMem_Free(self->queue);
    PyMem_Free(self->pieces);
    self->queue = NULL;
    self->pieces = NULL;
    self->first = self->room = self->queued_bytes = 0;
}

static int make_room(stream_t *self)
{
    if (self->first + self->count < self->room)
        return 0;
    if (self->first > self->room / 2) {
        memmove(self->queue, self->queue + self->first, self->count * sizeof(*self->queue));
        self->first = 0;
        return 0;
    }
    size_t room = self->room ? self->room * 2 : 4;
    asyncio__py_piece_t *queue = PyMem_Realloc(self->queue, room * sizeof(*queue));
    if (!queue) {
        PyErr_NoMemory();
        return -1;
    }
    self->queue = queue;
    self->room = room;
    return 0;
}

int asyncio__py_stream_append(stream_t *self, asyncio__py_piece_t piece)
{
    if (make_room(self) < 0) {
        Py_DECREF(piece.owner);
        return -1;
    }
    self->queue[self->first + self->count++] = piece;
    self->queued_bytes += piece.size;
    return 0;
}

static void note_sent(stream_t *self, size_t sent)
{
    self->queued_bytes -= sent < self->queued_bytes ? sent : self->queued_bytes;
    while (sent > 0 && self->count > 0) {
        asyncio__py_piece_t *piece = &self->queue[self->first];
        if (sent < piece->size) {
            piece->data += sent;
            piece->size -= sent;
            return;
        }
        sent -= piece->size;
        PyObject *owner = piece->owner;
        self->count--;
        self->first = self->count > 0 ? self->first + 1 : 0;
        Py_DECREF(owner);
    }
}

/* --- sending ------------------------------------------------------------------------------- */

static void on_sent(asyncio__operation_t *operation)
{
    stream_t *self = ASYNCIO__CONTAINER(operation, stream_t, send);
    asyncio__loop_schedule(self->loop->loop, &self->send_turn);
}

static bool is_socket(const stream_t *self)
{
    return self->file->kind == ASYNCIO__FILE_SOCKET || self->file->kind == ASYNCIO__FILE_TCP;
}

/* Makes one piece of all. Without memory for it they stay several. */
static void join(stream_t *self)
{
    PyObject *all = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)self->queued_bytes);
    if (!all) {
        PyErr_Clear();
        return;
    }
    char *end = PyBytes_AS_STRING(all);
    for (size_t i = 0; i < self->count; i++) {
        const asyncio__py_piece_t *piece = &self->queue[self->first + i];
        memcpy(end, piece->data, piece->size);
        end += piece->size;
        Py_DECREF(piece->owner);
    }
    self->count = 1;
    self->first = 0;
    self->queue[0] =
        (asyncio__py_piece_t){all, PyBytes_AS_STRING(all), (size_t)PyBytes_GET_SIZE(all)};
}

/* Describes several pieces; false: there is no memory, and the first is sent alone. */
static bool describe_pieces(stream_t *self)
{
    if (!self->pieces && !(self->pieces = PyMem_Calloc(PIECES_MOST, sizeof(*self->pieces))))
        return false;
    size_t count = self->count < PIECES_MOST ? self->count : PIECES_MOST;
    for (size_t i = 0; i < count; i++) {
        const asyncio__py_piece_t *piece = &self->queue[self->first + i];
        self->pieces[i] = (struct iovec){(void *)(uintptr_t)piece->data, piece->size};
    }
    self->message = (struct msghdr){.msg_iov = self->pieces, .msg_iovlen = count};
    self->send.kind = ASYNCIO__SENDMSG;
    self->send.message = &self->message;
    return true;
}

/* Whether to try a system call before the engine, of which only epoll's does so itself: where what
 * is written must not wait for the loop, or the kernel should say how much of it it takes. */
static bool tries_first(const stream_t *self)
{
    const asyncio_loop_t *loop = self->loop->loop;
    return loop->engine_kind == ASYNCIO_ENGINE_URING &&
           (self->kind != ASYNCIO__PY_SOCKET || !loop->running ||
            self->queued_bytes > self->high_bytes);
}

/* Sends what the kernel takes now of the first piece, or of all that are described. */
static int send_now(stream_t *self)
{
    const asyncio__operation_t *send_ = &self->send;
    int fd = self->file->fd;
    ssize_t sent = send_->kind == ASYNCIO__SENDMSG
                       ? sendmsg(fd, &self->message, MSG_DONTWAIT | MSG_NOSIGNAL)
                   : is_socket(self) ? send(fd, send_->buffer, send_->size,
                                            MSG_DONTWAIT | MSG_NOSIGNAL)
                                     : write(fd, send_->buffer, send_->size);
    return sent < 0 ? -errno : (int)sent;
}

/* Returns how many bytes have left, a code, or IS_PENDING. */
static int submit(stream_t *self)
{
    asyncio__engine_t *engine = self->loop->loop->engine;
    asyncio__operation_t *operation = &self->send;
    if (self->count > 1 && self->queued_bytes <= JOIN_MOST_BYTES)
        join(self);
    operation->file = self->file;
    operation->complete = on_sent;
    operation->flags = 0;
    if (self->count == 1 || !is_socket(self) || !describe_pieces(self)) {
        operation->kind = ASYNCIO__SEND;
        operation->buffer = (void *)(uintptr_t)self->queue[self->first].data;
        operation->size = self->queue[self->first].size;
        if (operation->size > MOST_BYTES)
            operation->size = MOST_BYTES;
    }
    if (tries_first(self)) {
        int sent = send_now(self);
        if (sent != -EAGAIN && sent != -EINTR)
            return sent;
    }
    int rc = engine->class->submit(engine, operation);
    return rc == 0 ? IS_PENDING : rc < 0 ? rc : operation->result;
}

static void fail_send(stream_t *self, int code)
{
    PyObject *error = asyncio__py_os_error(code);
    if (!error)
        PyErr_WriteUnraisable((PyObject *)self);
    else if (self->empty_waiter)
        asyncio__py_finish_future(self->loop, self->empty_waiter, error);
    asyncio__py_stream_lose(self, error);
}

/* All is sent: does what waited for that. is_turn: a ready item of this transport runs. */
static void on_empty(stream_t *self, bool is_turn)
{
    asyncio__engine_t *engine = self->loop->loop->engine;
    if (self->empty_waiter)
        asyncio__py_finish_future(self->loop, self->empty_waiter, NULL);
    if (self->lost_count || !self->file)
        return;
    if (self->is_closing && is_turn) {
        self->lost_count++;
        asyncio__py_stream_end(self);
    } else if (self->is_closing) {
        asyncio__py_stream_lose(self, NULL);
    } else if (self->is_eof) {
        asyncio__ignore(engine->class->shutdown_file(engine, self->file, SHUT_WR));
    }
}

/* Sends until nothing is left, or a send is pending. True: something has left. */
static bool send_all(stream_t *self)
{
    bool has_sent = false;
    while (self->count > 0 && !self->is_sending && self->file && !self->lost_count) {
        int sent = submit(self);
        if (sent == IS_PENDING) {
            self->is_sending = true;
            Py_INCREF(self);
        } else if (sent < 0) {
            fail_send(self, sent);
        } else {
            note_sent(self, (size_t)sent);
            has_sent = true;
        }
    }
    return has_sent;
}

void asyncio__py_stream_send(stream_t *self)
{
    asyncio__loop_flush_cancel(&self->flush);
    if (send_all(self))
        resume_if_drained(self);
}

void asyncio__py_stream_note_queued(stream_t *self)
{
    if (self->queued_bytes > self->high_bytes || self->kind != ASYNCIO__PY_SOCKET ||
        !self->loop->loop->running) {
        asyncio__py_stream_send(self);
        asyncio__py_stream_pause_if_full(self);
    } else if (!self->is_sending) {
        asyncio__loop_flush_later(self->loop->loop, &self->flush);
    }
}

void asyncio__py_stream_flush(asyncio__flush_t *flush)
{
    stream_t *self = ASYNCIO__CONTAINER(flush, stream_t, flush);
    Py_INCREF(self);
    asyncio__py_stream_send(self);
    if (self->count == 0 && !self->is_sending && self->is_closing)
        on_empty(self, /* is_turn= */ false);
    Py_DECREF(self);
}

void asyncio__py_stream_send_turn(asyncio__ready_t *ready)
{
    stream_t *self = ASYNCIO__CONTAINER(ready, stream_t, send_turn);
    int result = self->send.result;
    self->is_sending = false;
    if (self->loop->loop->closed || self->lost_count || !self->file) {
        asyncio__py_stream_drop_queue(self);
    } else if (result < 0) {
        fail_send(self, result);
    } else {
        note_sent(self, (size_t)result);
        asyncio__ignore(send_all(self));
        resume_if_drained(self);
        if (self->count == 0 && !self->is_sending)
            on_empty(self, /* is_turn= */ true);
    }
    Py_DECREF(self);
}
