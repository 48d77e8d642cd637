/* SPDX-License-Identifier: MIT */
/*
 * A protocol for tests that writes down what it is told, and transports over socket pairs.
 */
#ifndef TESTS_PROTOCOL_FIXTURE_H
#define TESTS_PROTOCOL_FIXTURE_H

#include "support/server_fixture.h"

#include <errno.h>

typedef struct recorder recorder_t;

struct recorder {
    asyncio_protocol_t protocol;
    asyncio_transport_t *transport;
    char log[1024];               /* "made data(abc) eof lost(0) " */
    size_t received;              /* bytes */
    char buffer[4];               /* of the buffered kind */
    size_t room;                  /* of buffer; what get_buffer returns */
    bool keeps_open;              /* what eof_received returns */
    bool is_quiet;                /* data is only counted */
    bool is_paused;               /* between pause_writing and resume_writing */
    bool is_lost;                 /* connection_lost was called */
    int code;                     /* with it */
    void (*on_made)(recorder_t *recorder);                         /* or NULL */
    void (*on_data)(recorder_t *recorder, const void *, size_t);   /* or NULL */
    asyncio_event_t changed;      /* set by each callback */
    int *destroyed;               /* counted by destroy, which frees it; NULL: it is not freed */
};

static inline recorder_t *recorder_of(asyncio_protocol_t *protocol)
{
    return (recorder_t *)protocol;
}

static inline void note(recorder_t *recorder, const char *format, ...)
{
    va_list arguments;
    size_t length = strlen(recorder->log);
    va_start(arguments, format);
    vsnprintf(recorder->log + length, sizeof(recorder->log) - length, format, arguments);
    va_end(arguments);
    asyncio_event_set(&recorder->changed);
}

static inline void record_made(asyncio_protocol_t *protocol, asyncio_transport_t *transport)
{
    recorder_t *recorder = recorder_of(protocol);
    recorder->transport = transport;
    note(recorder, "made ");
    if (recorder->on_made)
        recorder->on_made(recorder);
}

static inline void record_data(asyncio_protocol_t *protocol, const void *data, size_t size)
{
    recorder_t *recorder = recorder_of(protocol);
    assert_true(size > 0);
    recorder->received += size;
    if (recorder->is_quiet)
        note(recorder, "%s", "");
    else
        note(recorder, "data(%.*s) ", (int)size, (const char *)data);
    if (recorder->on_data)
        recorder->on_data(recorder, data, size);
}

static inline size_t record_get(asyncio_protocol_t *protocol, size_t hint, void **ret_buffer)
{
    recorder_t *recorder = recorder_of(protocol);
    (void)hint;
    *ret_buffer = recorder->buffer;
    return recorder->room;
}

static inline void record_update(asyncio_protocol_t *protocol, size_t size)
{
    recorder_t *recorder = recorder_of(protocol);
    recorder->received += size;
    note(recorder, "into(%.*s) ", (int)size, recorder->buffer);
}

static inline bool record_eof(asyncio_protocol_t *protocol)
{
    note(recorder_of(protocol), "eof ");
    return recorder_of(protocol)->keeps_open;
}

static inline void record_lost(asyncio_protocol_t *protocol, int code, asyncio_error_t *error)
{
    recorder_t *recorder = recorder_of(protocol);
    (void)error;
    assert_false(recorder->is_lost);
    recorder->is_lost = true;
    recorder->code = code;
    note(recorder, "lost(%s) ", code ? asyncio_error_name(code) : "0");
}

static inline void record_pause(asyncio_protocol_t *protocol)
{
    assert_false(recorder_of(protocol)->is_paused);
    recorder_of(protocol)->is_paused = true;
    note(recorder_of(protocol), "pause ");
}

static inline void record_resume(asyncio_protocol_t *protocol)
{
    assert_true(recorder_of(protocol)->is_paused);
    recorder_of(protocol)->is_paused = false;
    note(recorder_of(protocol), "resume ");
}

static inline void record_destroy(asyncio_protocol_t *protocol)
{
    recorder_t *recorder = recorder_of(protocol);
    if (!recorder->destroyed)
        return;
    (*recorder->destroyed)++;
    free(recorder);
}

static const asyncio_protocol_functions_t plain_functions = {
    .size = sizeof(plain_functions),
    .connection_made = record_made,
    .data_received = record_data,
    .eof_received = record_eof,
    .connection_lost = record_lost,
    .pause_writing = record_pause,
    .resume_writing = record_resume,
    .destroy = record_destroy,
};

static const asyncio_protocol_functions_t buffered_functions = {
    .size = sizeof(buffered_functions),
    .connection_made = record_made,
    .get_buffer = record_get,
    .buffer_updated = record_update,
    .eof_received = record_eof,
    .connection_lost = record_lost,
    .pause_writing = record_pause,
    .resume_writing = record_resume,
    .destroy = record_destroy,
};

static inline recorder_t recorder_init(const asyncio_protocol_functions_t *functions)
{
    recorder_t recorder = {.protocol.functions = functions, .room = sizeof(recorder.buffer)};
    return recorder;
}

/* A factory of one recorder, in the frame of the test. */
static inline asyncio_protocol_t *give(void *arg)
{
    recorder_t *recorder = arg;
    asyncio_event_init(&recorder->changed);
    return &recorder->protocol;
}

/* Waits until the condition is true, which a callback of the recorder makes. */
#define WAIT_UNTIL(recorder, condition)                                     \
    while (!(condition)) {                                                  \
        asyncio_event_clear(&(recorder)->changed);                          \
        assert_int_equal(asyncio_event_wait(&(recorder)->changed), 0);      \
    }

static inline void wait_lost(recorder_t *recorder)
{
    WAIT_UNTIL(recorder, recorder->is_lost);
}

/* A transport of one end of a socket pair; returns the other end, a blocking descriptor. */
static inline int open_recorded(recorder_t *recorder, asyncio_transport_t **ret_transport)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    asyncio_socket_t *sock = asyncio_socket_from_fd(fds[0]);
    assert_int_equal(asyncio_loop_connect_accepted_socket(asyncio_get_running_loop(), give,
                                                          recorder, sock, NULL,
                                                          ret_transport),
                     0);
    asyncio_socket_unref(sock);
    return fds[1];
}

#endif
