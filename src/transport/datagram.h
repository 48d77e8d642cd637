/* SPDX-License-Identifier: MIT */
/*
 * Datagram endpoints: sockets of datagrams, by callbacks and without tasks.
 *
 *     rc = asyncio__datagram_init(&mine->endpoint, sock, max_bytes, &my_class);
 *     asyncio__datagram_start(&mine->endpoint);         started() is called, then received()
 *     rc = asyncio__datagram_send(&mine->endpoint, &packet);
 *     asyncio__datagram_close(&mine->endpoint);         sends what is queued, then lost()
 *     asyncio__datagram_unref(&mine->endpoint);
 *
 * RECEIVING. One RECVMSG is pending. Once it has completed, the endpoint's ready item delivers its
 * datagram and up to 63 more that are there already, then lets others run. The buffer belongs to
 * the endpoint: the pages of it that no datagram has needed take no memory. A pending RECVMSG with
 * a buffer finds one datagram by three system calls (wait, receive, receive again); a poll and a
 * buffer that all endpoints share would need five.
 *
 * SENDING. A datagram is sent at once. If the kernel has no room for it, a copy is queued and sent
 * by SENDMSG, in order; it counts 8 bytes more than it has, so that empty ones count too. An error
 * of a datagram ends nothing: failed() is called, and the next datagram is sent.
 *
 * ORDER. All functions of the class are called from the endpoint's ready item, so they may run user
 * code; failed() alone is also called inside asyncio__datagram_send(). started() comes first and
 * lost() last; when the loop is closed first, lost() is not called.
 *
 * LIFE. The owner holds one reference. An open endpoint holds another one to itself until lost()
 * has returned, and one for each pending operation. free() is called after the last.
 */
#ifndef ASYNCIO__TRANSPORT_DATAGRAM_H
#define ASYNCIO__TRANSPORT_DATAGRAM_H

#include "transport/socket.h"

typedef struct asyncio__datagram asyncio__datagram_t;

/* A datagram that was received; valid during received(). */
typedef struct asyncio__datagram_received {
    const void *data;               /* of the sender */
    size_t size;                    /* of data, in bytes; may be 0 */
    const struct sockaddr *address; /* of the sender; NULL: it has none */
    socklen_t address_size;         /* of address */
    bool is_truncated;              /* it was longer than the buffer */
    unsigned interface;             /* index of the one that it came by, with pktinfo; else 0 */
    struct sockaddr_storage local;  /* the address that it was sent to, with pktinfo */
    socklen_t local_size;           /* of local; 0: not known */
} asyncio__datagram_received_t;

/* A datagram, or several of the same size to the same address, to be sent. */
typedef struct asyncio__datagram_packet {
    const struct iovec *pieces;     /* of one datagram; with segment_bytes, a datagram each */
    size_t count;                   /* of pieces */
    const struct sockaddr *address; /* of the receiver; NULL: the connected one */
    socklen_t address_size;         /* of address */
    const struct sockaddr *local;   /* to send from, IPv4 or IPv6; NULL: the kernel chooses */
    uint16_t segment_bytes;         /* of each datagram but the last; 0: one datagram */
} asyncio__datagram_packet_t;

typedef struct asyncio__datagram_class {
    /* The endpoint is about to receive. */
    void (*started)(asyncio__datagram_t *endpoint);

    void (*received)(asyncio__datagram_t *endpoint, const asyncio__datagram_received_t *datagram);

    /* A send or a receive has failed with a code. address is the one that a datagram was sent to,
     * where that is known (report_icmp), else NULL. */
    void (*failed)(asyncio__datagram_t *endpoint, int code, const struct sockaddr *address,
                   socklen_t address_size);

    /* queued_bytes has become less. */
    void (*sent)(asyncio__datagram_t *endpoint);

    /* The endpoint has ended: 0 by close() or abort(), or -EBADF because its socket was closed. */
    void (*lost)(asyncio__datagram_t *endpoint, int code);

    /* Frees the record, after the last reference was dropped. */
    void (*free)(asyncio__datagram_t *endpoint);
} asyncio__datagram_class_t;

struct asyncio__datagram {
    const asyncio__datagram_class_t *class; /* of the owner */
    asyncio_loop_t *loop;            /* held */
    asyncio_socket_t *sock;          /* a reference */
    asyncio__file_t *file;           /* of the socket; NULL once that is closed */
    unsigned refs;                   /* references */
    asyncio__ready_t turn;           /* in the ready queue while is_scheduled; has a slot */
    asyncio__operation_t receive;    /* pending while is_receiving */
    asyncio__operation_t send;       /* pending while is_sending */
    struct msghdr received;          /* of receive */
    struct iovec room;               /* where receive puts the bytes */
    struct msghdr sending;           /* of send */
    struct iovec piece;              /* what send sends */
    asyncio__list_t queue;           /* datagrams that wait, oldest first; send is about that one */
    size_t queued_bytes;             /* of queue, and 8 more for each datagram */
    void *buffer;                    /* max_bytes, then the control bytes of a datagram */
    size_t max_bytes;                /* of a datagram that is received whole */
    struct sockaddr_storage sender;  /* of the latest datagram */
    _Alignas(size_t) char send_control[64]; /* of sending */
    int code;                        /* with which lost() is called */
    bool is_started;                 /* started() was called */
    bool is_scheduled;               /* turn is in the ready queue */
    bool is_receiving;               /* a reference */
    bool is_sending;                 /* a reference */
    bool has_received;               /* receive has completed, and nobody has looked at it */
    bool has_sent;                   /* likewise send */
    bool has_more;                   /* receiving was interrupted to let others run */
    bool has_control;                /* the owner's: datagrams come with control messages */
    bool has_error_queue;            /* the owner's: the kernel queues errors (IP_RECVERR) */
    bool is_without_segments;        /* the kernel does not take several datagrams at once */
    bool is_closing;                 /* close() or abort() was called, or the socket was closed */
    bool is_lost;                    /* lost() is due */
    bool is_ended;                   /* lost() was called, or the loop is closed */
};

/* Fills a zeroed record, with the owner's reference. Takes a reference to the socket, binds it to
 * the loop, and closes it at the end. 0, or an error with the slot filled: then nothing is left. */
int asyncio__datagram_init(asyncio__datagram_t *endpoint, asyncio_loop_t *loop,
                           asyncio_socket_t *sock, size_t max_bytes,
                           const asyncio__datagram_class_t *class);

/* Schedules the beginning. Called once. */
void asyncio__datagram_start(asyncio__datagram_t *endpoint);

static inline asyncio__datagram_t *asyncio__datagram_ref(asyncio__datagram_t *endpoint)
{
    endpoint->refs++;
    return endpoint;
}
void asyncio__datagram_unref(asyncio__datagram_t *endpoint);

/* Sends or queues a datagram: 0, or -ENOMEM when it cannot be queued. A datagram that is sent after
 * close() is dropped. */
int asyncio__datagram_send(asyncio__datagram_t *endpoint,
                           const asyncio__datagram_packet_t *packet);

/*
 * Sends datagrams by one system call, if the kernel takes them so (segmentation offload). 1: sent;
 * 0: the caller sends them one by one.
 */
int asyncio__datagram_send_segments(asyncio__datagram_t *endpoint,
                                    const asyncio__datagram_packet_t *packet);

/* Stops receiving, and ends the endpoint once all is sent, or now. */
void asyncio__datagram_close(asyncio__datagram_t *endpoint);
void asyncio__datagram_abort(asyncio__datagram_t *endpoint, int code);

#endif
