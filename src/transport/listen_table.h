/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets that the loops of a process share under a name: inherited from the parent
 * process (systemd's socket activation, or a reload), or bound here for all loops at once.
 *
 *     rc = asyncio__listen_table_open(loops);                      once, before the loops run
 *     rc = asyncio__listen_table_take("http", index, &fds);        1: copies of the loop's share
 *     rc = asyncio__listen_table_bind("http", index, ...);         if it was 0: binds for all loops
 *     asyncio__listen_table_release("http", index);                the server is closed
 *     asyncio__listen_table_close();
 *
 * The table keeps each socket, and a server gets a copy of the descriptor, so that a reload can
 * pass all of them on. There is one table in a process, under a lock. In a forked child it is
 * empty. A program that opens none gets one for a single loop with its first name.
 *
 * A loop's share of an inherited address: where there are at least as many sockets as loops, every
 * loop gets some; where there are fewer, loops share them. So no inherited socket is left without a
 * loop, which would lose the connections that the kernel assigns to it.
 */
#ifndef ASYNCIO__TRANSPORT_LISTEN_TABLE_H
#define ASYNCIO__TRANSPORT_LISTEN_TABLE_H

#include "transport/bind.h"

/* Descriptors, owned by whoever has the record. */
typedef struct asyncio__fds {
    int *fds;     /* count of them; NULL: none */
    size_t count; /* of fds */
} asyncio__fds_t;

/* Closes the descriptors and frees the array. */
void asyncio__fds_close(asyncio__fds_t *fds);

/* Appends a descriptor: 0 or -ENOMEM, and the caller keeps it. */
int asyncio__fds_append(asyncio__fds_t *fds, int fd);

/* Prepares the table for a number of loops and, the first time in a process, takes what the process
 * has inherited. 0, or an error with the slot filled. */
int asyncio__listen_table_open(size_t loops);

/* Closes every socket and forgets every name. */
void asyncio__listen_table_close(void);

/* Closes the sockets that no loop has taken, since nobody would accept from them. Returns the
 * number of them. */
size_t asyncio__listen_table_drop_untaken(void);

/* Takes the share of a loop: 1 and copies of its sockets, 0: there is no such name, or an error:
 * ASYNCIO_ERUNTIME when the loop has taken it before. */
int asyncio__listen_table_take(const char *name, size_t index, asyncio__fds_t *ret_fds);

/* Binds the sockets of every loop under a new name, or takes what another loop has bound meanwhile.
 * A port 0 becomes the same port for all loops. 0 and copies of the loop's sockets, or an error. */
int asyncio__listen_table_bind(const char *name, size_t index, const struct addrinfo *addresses,
                               const asyncio__bind_options_t *options, asyncio__fds_t *ret_fds);

/* The same for a Unix socket, which all loops share; its file is removed with the last share. */
int asyncio__listen_table_bind_unix(const char *name, size_t index,
                                    const struct sockaddr_un *address,
                                    const asyncio__bind_options_t *options,
                                    asyncio__fds_t *ret_fds);

/* Closes the share of a loop; a no-op if there is none. */
void asyncio__listen_table_release(const char *name, size_t index);

/* Copies of all sockets, and their names separated by colons, for another process. 0, or an error
 * with the slot filled. The caller frees the string with asyncio__free_string(). */
int asyncio__listen_table_copy(asyncio__fds_t *ret_fds, char **ret_names);

/* Leaves the files of Unix sockets: another process serves on them now. */
void asyncio__listen_table_keep_files(void);

/* Tells the parent process, if it waits for that, that this one serves. Called once. */
void asyncio__listen_table_report_ready(void);

#endif
