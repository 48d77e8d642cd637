/* SPDX-License-Identifier: MIT */
/* The records of sockets that sock_*() wait for; see sock.h. */
#include "python/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

typedef asyncio__py_sock_t sock_t;
typedef asyncio__py_direction_t direction_t;
typedef asyncio__py_sock_call_t call_t;

static void run_turn(asyncio__ready_t *ready);

static asyncio_loop_t *loop_of(const sock_t *sock)
{
    return sock->loop->loop;
}

static void unref(sock_t *sock)
{
    if (--sock->refs > 0)
        return;
    if (!loop_of(sock)->closed)
        asyncio__loop_release(loop_of(sock), 2);
    Py_XDECREF(sock->weak_reference);
    PyMem_Free(sock);
}

/* Lets go of the descriptor. Pending polls complete in the next wait(). */
static void release_file(sock_t *sock)
{
    asyncio__engine_t *engine = loop_of(sock)->engine;
    asyncio__file_t *file = sock->file;
    sock->file = NULL;
    if (!file || !engine)
        return;
    if (sock->is_duplicate) {
        engine->class->close_file(engine, file);
        return;
    }
    for (int i = 0; i < 2; i++)
        if (sock->directions[i].is_polling)
            engine->class->cancel(engine, &sock->directions[i].poll);
    asyncio__py_release_file(engine, file);
}

/* Takes the record out of the table. */
static void forget(sock_t *sock)
{
    asyncio__py_net_t *net = sock->loop->net;
    release_file(sock);
    if (net->socks[sock->fd] == sock) {
        net->socks[sock->fd] = NULL;
        unref(sock);
    }
}

static bool has_waiting(const sock_t *sock)
{
    return !asyncio__list_is_empty(&sock->directions[0].waiting) ||
           !asyncio__list_is_empty(&sock->directions[1].waiting);
}

/* --- finding and making -------------------------------------------------------------------- */

static bool is_of(const sock_t *sock, const PyObject *object)
{
    PyObject *found = NULL;
    if (!sock->weak_reference)
        return has_waiting(sock);
#if PY_VERSION_HEX >= 0x030D0000
    if (PyWeakref_GetRef(sock->weak_reference, &found) <= 0)
        return false;
    Py_DECREF(found);
#else
    found = PyWeakref_GET_OBJECT(sock->weak_reference);
#endif
    return found == object;
}

sock_t *asyncio__py_sock_find(asyncio__py_loop_t *loop, PyObject *object, int fd)
{
    const asyncio__py_net_t *net = loop->net;
    if (!net || (size_t)fd >= net->sock_count)
        return NULL;
    sock_t *sock = net->socks[fd];
    return sock && sock->file && is_of(sock, object) ? sock : NULL;
}

static int make_room(asyncio__py_net_t *net, int fd)
{
    size_t count = net->sock_count ? net->sock_count : 64;
    if ((size_t)fd < net->sock_count)
        return 0;
    while (count <= (size_t)fd)
        count *= 2;
    sock_t **socks = PyMem_Realloc(net->socks, count * sizeof(*socks));
    if (!socks) {
        PyErr_NoMemory();
        return -1;
    }
    memset(socks + net->sock_count, 0, (count - net->sock_count) * sizeof(*socks));
    net->socks = socks;
    net->sock_count = count;
    return 0;
}

static int open_file(sock_t *sock, bool is_duplicate)
{
    asyncio__engine_t *engine = loop_of(sock)->engine;
    int fd = is_duplicate ? fcntl(sock->fd, F_DUPFD_CLOEXEC, 0) : sock->fd;
    if (fd < 0)
        return -errno;
    int rc = engine->class->open_file(engine, fd, ASYNCIO__FILE_ANY, &sock->file);
    if (rc < 0 && is_duplicate)
        close(fd);
    sock->is_duplicate = is_duplicate;
    return rc;
}

static sock_t *make(asyncio__py_loop_t *loop, PyObject *object, int fd)
{
    asyncio__py_net_t *net = asyncio__py_net_of(loop);
    if (!net || make_room(net, fd) < 0)
        return NULL;
    if (net->socks[fd])
        forget(net->socks[fd]);
    sock_t *sock = PyMem_Calloc(1, sizeof(*sock));
    if (!sock || asyncio__loop_reserve(loop->loop, 2) < 0) {
        PyMem_Free(sock);
        PyErr_NoMemory();
        return NULL;
    }
    *sock = (sock_t){.loop = loop, .fd = fd, .refs = 1};
    sock->weak_reference = PyWeakref_NewRef(object, NULL);
    if (!sock->weak_reference)
        PyErr_Clear();
    for (int i = 0; i < 2; i++) {
        sock->directions[i].sock = sock;
        sock->directions[i].turn.run = run_turn;
        asyncio__list_init(&sock->directions[i].waiting);
    }
    int rc = open_file(sock, /* is_duplicate= */ false);
    if (rc < 0) {
        unref(sock);
        asyncio__py_raise_os_error(rc);
        return NULL;
    }
    net->socks[fd] = sock;
    return sock;
}

/* --- waiting ------------------------------------------------------------------------------- */

static void on_ready(asyncio__operation_t *operation)
{
    direction_t *direction = ASYNCIO__CONTAINER(operation, direction_t, poll);
    asyncio__loop_schedule(loop_of(direction->sock), &direction->turn);
}

static int begin_poll(sock_t *sock, direction_t *direction)
{
    asyncio__engine_t *engine = loop_of(sock)->engine;
    bool is_output = direction == &sock->directions[1];
    direction->poll.kind = is_output ? ASYNCIO__POLL_OUT : ASYNCIO__POLL_IN;
    direction->poll.file = sock->file;
    direction->poll.complete = on_ready;
    int rc = engine->class->submit(engine, &direction->poll);
    if (rc < 0)
        return rc;
    direction->is_polling = true;
    sock->refs++;
    if (rc > 0)
        asyncio__loop_schedule(loop_of(sock), &direction->turn);
    return 0;
}

/* The engine watches this descriptor for somebody else: a copy can be watched beside it. */
static int move_to_copy(sock_t *sock)
{
    release_file(sock);
    return open_file(sock, /* is_duplicate= */ true);
}

int asyncio__py_sock_wait(call_t *call, bool is_output)
{
    sock_t *sock = asyncio__py_sock_find(call->loop, call->object, call->fd);
    if (!sock && (asyncio__py_net_check_fd(call->loop, call->fd) < 0 ||
                  !(sock = make(call->loop, call->object, call->fd))))
        return -1;
    direction_t *direction = &sock->directions[is_output];
    if (!direction->is_polling) {
        int rc = begin_poll(sock, direction);
        if (rc == -EEXIST && (rc = move_to_copy(sock)) == 0)
            rc = begin_poll(sock, direction);
        if (rc < 0) {
            forget(sock);
            asyncio__py_raise_os_error(rc);
            return -1;
        }
    }
    Py_INCREF(call);
    asyncio__list_append(&direction->waiting, &call->link);
    return 0;
}

/* A poll of io_uring keeps the open file: close() by the program must not leave it open. */
void asyncio__py_sock_stop_wait(call_t *call, bool is_output)
{
    sock_t *sock = asyncio__py_sock_find(call->loop, call->object, call->fd);
    direction_t *direction = sock ? &sock->directions[is_output] : NULL;
    if (!direction || !direction->is_polling || !asyncio__list_is_empty(&direction->waiting) ||
        call->loop->loop->engine_kind != ASYNCIO_ENGINE_URING)
        return;
    asyncio__engine_t *engine = call->loop->loop->engine;
    engine->class->cancel(engine, &direction->poll);
    asyncio__py_settle(call->loop->loop);
}

/* Wakes all that wait: each tries, and may wait again. */
static void wake_all(direction_t *direction)
{
    asyncio__list_t now, *link;
    asyncio__list_init(&now);
    asyncio__list_move(&direction->waiting, &now);
    while ((link = asyncio__list_pop(&now)) != NULL) {
        call_t *call = ASYNCIO__CONTAINER(link, call_t, link);
        asyncio__py_finish_future(call->loop, call->future, NULL);
        Py_DECREF(call);
    }
}

static void run_turn(asyncio__ready_t *ready)
{
    direction_t *direction = ASYNCIO__CONTAINER(ready, direction_t, turn);
    sock_t *sock = direction->sock;
    direction->is_polling = false;
    if (!loop_of(sock)->closed) {
        wake_all(direction);
        if (sock->is_duplicate && !has_waiting(sock))
            forget(sock);
    }
    unref(sock);
}

/* --- the end ------------------------------------------------------------------------------- */

int asyncio__py_sock_yield(asyncio__py_loop_t *loop, int fd)
{
    asyncio__py_net_t *net = loop->net;
    sock_t *sock = net && fd >= 0 && (size_t)fd < net->sock_count ? net->socks[fd] : NULL;
    if (!sock || sock->is_duplicate)
        return 0;
    if (!has_waiting(sock)) {
        forget(sock);
        return 0;
    }
    /* The cancelled polls wake the calls, which then wait for the copy. */
    int rc = move_to_copy(sock);
    if (rc < 0)
        asyncio__py_raise_os_error(rc);
    return rc < 0 ? -1 : 0;
}

void asyncio__py_sock_close_all(asyncio__py_net_t *net)
{
    for (size_t fd = 0; fd < net->sock_count; fd++) {
        sock_t *sock = net->socks[fd];
        if (!sock)
            continue;
        release_file(sock);
        for (int i = 0; i < 2; i++) {
            asyncio__list_t *link;
            while ((link = asyncio__list_pop(&sock->directions[i].waiting)) != NULL) {
                call_t *call = ASYNCIO__CONTAINER(link, call_t, link);
                asyncio__py_sock_call_release(call);
                Py_DECREF(call);
            }
        }
        net->socks[fd] = NULL;
        unref(sock);
    }
}
