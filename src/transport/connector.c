/* SPDX-License-Identifier: MIT */
/* Connectors: attempts one after another or beside each other; see connector.h. */
#include "transport/connector.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/syscalls.h"
#include "loop/timer.h"
#include "transport/address.h"

#define MESSAGE_MOST_BYTES 1024 /* of a message that names several errors */

typedef struct address {
    struct sockaddr_storage name;
    socklen_t size; /* of name */
} address_t;

/* One address of the peer: it waits for its turn, is pending while sock is there, or has ended. */
typedef struct attempt {
    asyncio__operation_t operation;  /* pending while is_pending */
    asyncio__connector_t *connector; /* whose */
    asyncio_socket_t *sock;          /* a reference, or NULL */
    asyncio_error_t *error;          /* why it failed; a reference, or NULL */
    address_t address;               /* of the peer */
    bool is_pending;                 /* the operation is with the engine */
    bool is_mismatch;                /* no local address is of that family */
} attempt_t;

struct asyncio__connector {
    unsigned refs;                   /* references */
    asyncio_loop_t *loop;            /* held */
    void (*complete)(asyncio__connector_t *connector, void *arg); /* NULL: told, or dropped */
    void *arg;                       /* passed to it */
    int64_t delay_ns;                /* between attempts; 0: one after another */
    asyncio__timer_t timer;          /* set while is_timing: the next attempt begins */
    bool is_timing;                  /* a reference */
    attempt_t *winner;               /* the attempt that has connected, or NULL */
    size_t pending;                  /* attempts that are pending */
    size_t next;                     /* index of the next attempt to begin */
    size_t count;                    /* of attempts */
    size_t local_count;              /* of locals */
    address_t *locals;               /* to connect from, behind the attempts */
    attempt_t attempts[];            /* in the order in which they begin */
};

/* --- life ---------------------------------------------------------------------------------- */

static size_t size_of(size_t count, size_t local_count)
{
    return sizeof(asyncio__connector_t) + count * sizeof(attempt_t) +
           local_count * sizeof(address_t);
}

static size_t count_of(const struct addrinfo *addresses)
{
    size_t count = 0;
    for (const struct addrinfo *at = addresses; at; at = at->ai_next)
        count += at->ai_addrlen <= sizeof(struct sockaddr_storage);
    return count;
}

static void copy_addresses(const struct addrinfo *from, address_t *to, size_t stride)
{
    for (const struct addrinfo *at = from; at; at = at->ai_next) {
        if (at->ai_addrlen > sizeof(to->name))
            continue;
        memcpy(&to->name, at->ai_addr, at->ai_addrlen);
        to->size = at->ai_addrlen;
        to = (address_t *)(void *)((char *)to + stride);
    }
}

static void swap(address_t *a, address_t *b)
{
    address_t former = *a;
    *a = *b;
    *b = former;
}

/* Moves the next address that is of the family, or is not, to index at; the order of the
 * others is kept. Where there is none the order stays. */
static void move_next(asyncio__connector_t *connector, size_t at, sa_family_t family, bool is_same)
{
    attempt_t *attempts = connector->attempts;
    size_t found = at;
    while (found < connector->count &&
           (attempts[found].address.name.ss_family == family) != is_same)
        found++;
    for (; found < connector->count && found > at; found--)
        swap(&attempts[found].address, &attempts[found - 1].address);
}

/* first addresses of the first one's family, then the families in turn. */
static void interleave(asyncio__connector_t *connector, size_t first)
{
    for (size_t at = 1; at < connector->count; at++) {
        const attempt_t *model = &connector->attempts[at < first ? 0 : at - 1];
        move_next(connector, at, model->address.name.ss_family, /* is_same= */ at < first);
    }
}

int asyncio__connector_new(asyncio_loop_t *loop, const asyncio__connector_options_t *options,
                           asyncio__connector_t **ret_connector)
{
    size_t count = count_of(options->addresses), local_count = count_of(options->locals);
    asyncio__connector_t *connector = asyncio__calloc(size_of(count, local_count));
    if (!connector)
        return asyncio__fail(-ENOMEM, NULL);
    connector->refs = 1;
    connector->loop = asyncio__loop_hold(loop);
    connector->complete = options->complete;
    connector->arg = options->arg;
    connector->delay_ns = options->delay_ns;
    connector->count = count;
    connector->local_count = local_count;
    connector->locals = (address_t *)(void *)&connector->attempts[count];
    for (size_t i = 0; i < count; i++)
        connector->attempts[i].connector = connector;
    copy_addresses(options->addresses, &connector->attempts[0].address, sizeof(attempt_t));
    copy_addresses(options->locals, connector->locals, sizeof(address_t));
    if (options->interleave > 0)
        interleave(connector, options->interleave);
    *ret_connector = connector;
    return 0;
}

static void unref(asyncio__connector_t *connector)
{
    if (--connector->refs > 0)
        return;
    for (size_t i = 0; i < connector->count; i++) {
        asyncio_socket_unref(connector->attempts[i].sock);
        asyncio_error_unref(connector->attempts[i].error);
    }
    asyncio__loop_drop_object(connector->loop);
    asyncio__free(connector, size_of(connector->count, connector->local_count));
}

static void stop_timer(asyncio__connector_t *connector)
{
    if (!connector->is_timing || connector->loop->closed)
        return; /* a closed loop runs the timer, which drops its reference */
    connector->is_timing = false;
    asyncio__timer_cancel(connector->loop, &connector->timer);
    connector->refs--; /* never the last: the caller has one */
}

/* Closes the sockets of all attempts but the winner; what is pending completes with -EBADF. */
static void close_losers(asyncio__connector_t *connector)
{
    for (size_t i = 0; i < connector->next; i++) {
        attempt_t *attempt = &connector->attempts[i];
        if (attempt != connector->winner && attempt->sock)
            asyncio__ignore(asyncio_socket_close(attempt->sock));
    }
}

/* Ends all that is under way; from now on no attempt begins. */
static void end_attempts(asyncio__connector_t *connector)
{
    stop_timer(connector);
    close_losers(connector);
    connector->next = connector->count;
}

void asyncio__connector_drop(asyncio__connector_t *connector)
{
    connector->complete = NULL;
    connector->winner = NULL; /* one that nobody has taken is closed too */
    end_attempts(connector);
    unref(connector);
}

/* --- an attempt ---------------------------------------------------------------------------- */

/* The attempt has failed; error is taken. */
static void lose(attempt_t *attempt, asyncio_error_t *error)
{
    attempt->error = error;
    asyncio_socket_unref(attempt->sock);
    attempt->sock = NULL;
}

static void lose_to(attempt_t *attempt, int code)
{
    lose(attempt, asyncio__address_error(code, "cannot connect to",
                                         (struct sockaddr *)&attempt->address.name,
                                         attempt->address.size));
}

static void win(attempt_t *attempt)
{
    int on = 1;
    sa_family_t family = attempt->address.name.ss_family;
    if (family == AF_INET || family == AF_INET6) /* small messages leave at once */
        asyncio__ignore(asyncio__sys.setsockopt(attempt->sock->fd, IPPROTO_TCP, TCP_NODELAY, &on,
                                                sizeof(on)));
    attempt->connector->winner = attempt;
    end_attempts(attempt->connector);
}

/* Binds to the first local address of the family that can be bound: whether that went well. */
static bool bind_local(attempt_t *attempt)
{
    asyncio__connector_t *connector = attempt->connector;
    asyncio_error_t *error = NULL;
    for (size_t i = 0; i < connector->local_count; i++) {
        const address_t *local = &connector->locals[i];
        if (local->name.ss_family != attempt->address.name.ss_family)
            continue;
        asyncio_error_unref(error);
        error = NULL;
        const struct sockaddr *name = (const struct sockaddr *)&local->name;
        if (asyncio__sys.bind(attempt->sock->fd, name, local->size) == 0)
            return true;
        error = asyncio__address_error(-errno, "error while attempting to bind on address", name,
                                       local->size);
    }
    attempt->is_mismatch = error == NULL;
    if (!error)
        error = asyncio__address_error(-EADDRNOTAVAIL, "no local address is of the family of",
                                       (struct sockaddr *)&attempt->address.name,
                                       attempt->address.size);
    lose(attempt, error);
    return false;
}

static void on_complete(asyncio__operation_t *operation);

/* Begins an attempt: 0 pending, 1 connected, or a code: it has failed. */
static int begin(attempt_t *attempt)
{
    asyncio__connector_t *connector = attempt->connector;
    sa_family_t family = attempt->address.name.ss_family;
    attempt->sock = asyncio_socket(family, SOCK_STREAM, 0);
    int rc = attempt->sock ? asyncio__socket_bind_loop_as(
                                 attempt->sock, connector->loop,
                                 family == AF_UNIX ? ASYNCIO__FILE_SOCKET : ASYNCIO__FILE_TCP)
                           : asyncio_errno();
    if (rc == 0 && connector->local_count > 0 && !bind_local(attempt))
        return asyncio_error_code(attempt->error);
    if (rc == 0) {
        asyncio__engine_t *engine = connector->loop->engine;
        attempt->operation =
            (asyncio__operation_t){.complete = on_complete,
                                   .file = attempt->sock->file,
                                   .kind = ASYNCIO__CONNECT,
                                   .address = (struct sockaddr *)&attempt->address.name,
                                   .address_size = attempt->address.size};
        rc = engine->class->submit(engine, &attempt->operation);
        if (rc == 0) {
            attempt->is_pending = true;
            connector->pending++;
            connector->refs++;
            return 0;
        }
        if (rc > 0 && attempt->operation.result == 0) {
            win(attempt);
            return 1;
        }
        if (rc > 0)
            rc = attempt->operation.result;
    }
    lose_to(attempt, rc);
    return rc;
}

/* --- the order of attempts ----------------------------------------------------------------- */

/* Without descriptors or memory the other addresses would fail too. */
static bool is_hopeless(int code)
{
    return code == -EMFILE || code == -ENFILE || code == -ENOMEM || code == -ENOBUFS;
}

static bool is_over(const asyncio__connector_t *connector)
{
    return connector->winner || (connector->next == connector->count && connector->pending == 0);
}

static void on_delay_over(asyncio__ready_t *ready);

/* Whether the timer is set for the next attempt. */
static bool set_timer(asyncio__connector_t *connector)
{
    asyncio__timer_init(&connector->timer, on_delay_over);
    int64_t when_ns =
        asyncio__moment_after(asyncio__loop_now(connector->loop), connector->delay_ns);
    connector->is_timing = asyncio__timer_start(connector->loop, &connector->timer, when_ns) == 0;
    connector->refs += connector->is_timing;
    return connector->is_timing;
}

/* Begins attempts until one is pending, or all have failed. */
static void begin_next(asyncio__connector_t *connector)
{
    while (connector->next < connector->count) {
        attempt_t *attempt = &connector->attempts[connector->next++];
        int rc = begin(attempt);
        if (rc < 0) {
            if (is_hopeless(rc))
                connector->next = connector->count;
            continue;
        }
        /* Without memory for a timer the next one begins at once. */
        if (rc > 0 || connector->delay_ns == 0 || connector->next == connector->count ||
            set_timer(connector))
            return;
    }
}

static void complete_if_over(asyncio__connector_t *connector)
{
    void (*complete)(asyncio__connector_t *connector, void *arg) = connector->complete;
    if (!complete || !is_over(connector) || connector->loop->closed)
        return;
    connector->complete = NULL;
    complete(connector, connector->arg);
}

static void on_delay_over(asyncio__ready_t *ready)
{
    asyncio__timer_t *timer = ASYNCIO__CONTAINER(ready, asyncio__timer_t, ready);
    asyncio__connector_t *connector = ASYNCIO__CONTAINER(timer, asyncio__connector_t, timer);
    asyncio__timer_begin(connector->loop, timer);
    connector->is_timing = false;
    if (!connector->loop->closed) {
        begin_next(connector);
        complete_if_over(connector);
    }
    unref(connector);
}

static void on_complete(asyncio__operation_t *operation)
{
    attempt_t *attempt = ASYNCIO__CONTAINER(operation, attempt_t, operation);
    asyncio__connector_t *connector = attempt->connector;
    attempt->is_pending = false;
    connector->pending--;
    if (connector->winner || !connector->complete || connector->loop->closed) {
        /* Too late: its socket is closed already, or when the connector is freed. */
    } else if (operation->result == 0) {
        win(attempt);
    } else {
        bool is_latest = attempt == &connector->attempts[connector->next - 1];
        lose_to(attempt, operation->result);
        if (is_latest) {
            stop_timer(connector);
            begin_next(connector);
        }
    }
    complete_if_over(connector);
    unref(connector);
}

int asyncio__connector_start(asyncio__connector_t *connector)
{
    begin_next(connector);
    if (!is_over(connector))
        return 0;
    connector->complete = NULL;
    return 1;
}

/* --- what came of it ----------------------------------------------------------------------- */

asyncio_socket_t *asyncio__connector_take(asyncio__connector_t *connector,
                                          asyncio__socket_names_t *ret_names)
{
    attempt_t *winner = connector->winner;
    if (!winner)
        return NULL;
    asyncio_socket_t *sock = winner->sock;
    winner->sock = NULL;
    *ret_names = (asyncio__socket_names_t){.peer = (struct sockaddr *)&winner->address.name,
                                           .peer_size = winner->address.size};
    return sock;
}

/* Whether all errors say the same. */
static bool are_equal(asyncio_error_t *const *errors, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (strcmp(asyncio_error_message(errors[i]), asyncio_error_message(errors[0])) != 0)
            return false;
    return true;
}

/* One error that stands for several, which are shared: their messages in one. */
static asyncio_error_t *combine(asyncio_error_t **errors, size_t count)
{
    char message[MESSAGE_MOST_BYTES] = "Multiple exceptions: ";
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(message);
        snprintf(message + used, sizeof(message) - used, "%s%s", i ? ", " : "",
                 asyncio_error_message(errors[i]));
    }
    int code = asyncio_error_code(errors[count - 1]);
    for (size_t i = 0; i < count; i++)
        asyncio_error_ref(errors[i]);
    asyncio_error_t *group = asyncio__error_new_group("create_connection failed", errors, count);
    asyncio_error_t *error = asyncio_error_new(code, message, group);
    asyncio_error_unref(group);
    return error;
}

/* Puts the errors of the attempts into one: of the mismatches, or of the others. */
static size_t collect(const asyncio__connector_t *connector, bool of_mismatches,
                      asyncio_error_t **ret_errors)
{
    size_t count = 0;
    for (size_t i = 0; i < connector->count; i++)
        if (connector->attempts[i].error && connector->attempts[i].is_mismatch == of_mismatches)
            ret_errors[count++] = connector->attempts[i].error;
    return count;
}

int asyncio__connector_fail(asyncio__connector_t *connector, bool all_errors)
{
    size_t size = connector->count * sizeof(asyncio_error_t *);
    asyncio_error_t **errors = asyncio__malloc(size), *error;
    if (!errors)
        return asyncio__fail(-ENOMEM, NULL);
    size_t count = collect(connector, /* of_mismatches= */ false, errors);
    if (count == 0)
        count = collect(connector, /* of_mismatches= */ true, errors);
    assert(count > 0);
    if (all_errors) {
        for (size_t i = 0; i < count; i++)
            asyncio_error_ref(errors[i]);
        error = asyncio__error_new_group("create_connection failed", errors, count);
    } else {
        error = are_equal(errors, count) ? asyncio_error_ref(errors[0]) : combine(errors, count);
    }
    asyncio__free(errors, size);
    return asyncio__fail_with(asyncio_error_code(error), error);
}
