/* SPDX-License-Identifier: MIT */
/*
 * What the examples in the documentation blocks of the public headers take for granted: a loop that
 * runs, coroutine functions, a connection. test_header_code.py compiles each example behind this.
 */
#ifndef ASYNCIO_TEST_HEADER_CODE_H
#define ASYNCIO_TEST_HEADER_CODE_H

#include <asyncio.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct connection connection_t;
struct request {
    int id;
};
struct arena {
    size_t used_bytes;
};

extern asyncio_loop_t *loop;
extern asyncio_task_t *task;
extern asyncio_future_t *future;
extern asyncio_concurrent_future_t *concurrent;
extern asyncio_condition_t condition;
extern asyncio_event_t event;
extern asyncio_task_group_t group;
extern asyncio_timeout_t scope;
extern asyncio_server_t *server;
extern asyncio_stream_reader_t *reader;
extern asyncio_stream_writer_t *writer;
extern asyncio_awaitable_t *aws[2], *first, *second;
extern size_t count;
#if !defined(FOR_CONTEXT)
extern struct request request;
#endif
extern struct arena arena;
extern connection_t *connection;
extern const char *url, *peer;
extern void *value, *result, *item, *state, *arg;
extern int rc;
extern asyncio_socket_t *sock;
extern unsigned byte;
extern bool header_is_bad, something_to_do;

asyncio_coroutine_t *fetch_coroutine(const char *name);
#if !defined(FOR_COROUTINE)
asyncio_coroutine_t *say_coroutine(const char *word);
#endif
asyncio_coroutine_t *factorial_coroutine(const char *name, int number);
asyncio_coroutine_t *reply_coroutine(void);
asyncio_coroutine_t *first_coroutine(void);
asyncio_coroutine_t *second_coroutine(void);
asyncio_coroutine_function_t run, fetch, work;
asyncio_callback_t hello, give_up, on_wakeup, begin_to_stop;
asyncio_task_factory_t make_task;
asyncio_client_connected_t serve, handle;
asyncio_subprocess_protocol_factory_t make_protocol;
char *read_whole_file(const char *path);
int change_what_it_guards(void);
int long_running_operation(void);
void log_all_of(asyncio_error_t *errors);
void use(const void *what);

#if defined(FOR_DATAGRAM)
asyncio_datagram_protocol_factory_t make_echo;
extern asyncio_datagram_transport_t *transport;
#elif defined(FOR_TRANSPORT)
typedef struct echo {
    asyncio_protocol_t protocol;
} echo_t;
extern const asyncio_protocol_functions_t echo_functions;
#endif

#endif
