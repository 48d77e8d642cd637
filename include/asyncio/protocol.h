/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Protocols: what a program does with a connection, as a table of callbacks.
 *
 * @code
 *     typedef struct echo {
 *         asyncio_protocol_t protocol;
 *         asyncio_transport_t *transport;
 *     } echo_t;
 *
 *     static void connection_made(asyncio_protocol_t *protocol, asyncio_transport_t *transport)
 *     {
 *         ((echo_t *)protocol)->transport = transport;
 *     }
 *
 *     static void data_received(asyncio_protocol_t *protocol, const void *data, size_t size)
 *     {
 *         asyncio_transport_write(((echo_t *)protocol)->transport, data, size);
 *     }
 *
 *     static const asyncio_protocol_functions_t echo_functions = {
 *         .size = sizeof(echo_functions),
 *         .connection_made = connection_made,
 *         .data_received = data_received,
 *     };
 * @endcode
 *
 * The program embeds an asyncio_protocol_t as the first field of a struct of its own. A factory
 * makes one for each connection; see asyncio_loop_create_connection() and
 * asyncio_loop_create_server() in <asyncio/transport.h>.
 *
 * Order: connection_made once, then data_received (or get_buffer and buffer_updated) any number of
 * times, then at most one eof_received, then connection_lost once. pause_writing and
 * resume_writing come in pairs in between. connection_lost is not called when the loop is closed
 * while the connection is open; destroy always is.
 *
 * The loop calls these functions from its ready queue, outside of tasks, all of a connection in one
 * copy of the context in which it was made, so they must not call what suspends. pause_writing
 * alone is called inside the write that goes above the mark, as in asyncio, so that a loop that
 * writes until it is paused ends.
 */
#ifndef ASYNCIO_PROTOCOL_H
#define ASYNCIO_PROTOCOL_H

#include <asyncio/error.h>
#include <stdbool.h>
#include <stddef.h>

ASYNCIO_BEGIN_DECLS

/** A connection as a protocol sees it; see <asyncio/transport.h>. */
typedef struct asyncio_transport asyncio_transport_t;
/** A protocol: the first field of a struct of the program. */
typedef struct asyncio_protocol asyncio_protocol_t;

/**
 * The functions of a protocol. Each may be NULL, except that get_buffer and buffer_updated come
 * together: they make it asyncio's `BufferedProtocol`, and data_received is not called.
 */
typedef struct asyncio_protocol_functions {
    size_t size; /**< sizeof(asyncio_protocol_functions_t) */

    /** The connection is made. transport is *borrowed* until connection_lost has returned. */
    void (*connection_made)(asyncio_protocol_t *protocol, asyncio_transport_t *transport);

    /** Bytes have come: size is above 0. data is *borrowed* for the call: it is a buffer of the
     *  engine. */
    void (*data_received)(asyncio_protocol_t *protocol, const void *data, size_t size);

    /** Bytes can be received: returns the size of the buffer to put them into, and the buffer. A
     *  size of 0 is an error that ends the connection. size_hint is how many bytes there are;
     *  0: not known. */
    size_t (*get_buffer)(asyncio_protocol_t *protocol, size_t size_hint, void **ret_buffer);

    /** That number of bytes is in the buffer that get_buffer returned. */
    void (*buffer_updated)(asyncio_protocol_t *protocol, size_t size);

    /** The peer has ended its writing direction: returns whether to keep the transport open for
     *  writing. NULL, and the transport of a pipe: it is closed. */
    bool (*eof_received)(asyncio_protocol_t *protocol);

    /** The connection has ended. code is 0 after an orderly end, close() or abort(), else a
     *  negative code; error (*borrowed*, or NULL) has the details of it. */
    void (*connection_lost)(asyncio_protocol_t *protocol, int code, asyncio_error_t *error);

    /** More bytes are unsent than the high-water mark allows. Called inside the write. */
    void (*pause_writing)(asyncio_protocol_t *protocol);

    /** No more bytes are unsent than the low-water mark allows. */
    void (*resume_writing)(asyncio_protocol_t *protocol);

    /** Frees the protocol: its transport has ended, and the last reference to that was dropped. */
    void (*destroy)(asyncio_protocol_t *protocol);
} asyncio_protocol_functions_t;

/** The first field of a protocol of the program. */
struct asyncio_protocol {
    const asyncio_protocol_functions_t *functions; /**< *borrowed* as long as the protocol lives */
};

/** Makes the protocol of a connection; *taken* by the transport, which calls destroy. NULL: none is
 *  wanted, or memory is out; the connection is closed. */
typedef asyncio_protocol_t *asyncio_protocol_factory_t(void *arg);

ASYNCIO_END_DECLS

#endif
