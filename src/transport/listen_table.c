/* SPDX-License-Identifier: MIT */
/* Listening sockets with names; see listen_table.h. */
#include "transport/listen_table.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#include "base/error.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/syscalls.h"
#include "base/thread.h"
#include "transport/address.h"
#include "transport/inherited.h"

/* What one loop has of a name. */
typedef struct share {
    asyncio__fds_t fds; /* kept here; a server has copies */
    bool is_taken;      /* by a server of that loop */
} share_t;

/* A name and its sockets. */
typedef struct entry {
    asyncio__list_t link;      /* in table.entries */
    char *name;                /* owned */
    asyncio__unix_path_t path; /* of a Unix socket that was bound here */
    size_t loops;              /* of shares */
    share_t shares[];          /* one for each loop */
} entry_t;

static struct {
    pthread_mutex_t lock;     /* for everything below */
    asyncio__list_t entries;  /* entry_t, as they were added; valid while is_open */
    size_t loops;             /* that share the sockets */
    int ready_fd;             /* where the parent process waits to be told; -1: nowhere */
    bool is_open;             /* entries may be used */
    bool keeps_files;         /* the files of Unix sockets stay */
    unsigned fork_generation; /* of the process that opened it */
} table = {.lock = PTHREAD_MUTEX_INITIALIZER, .ready_fd = -1};

static bool has_taken_inherited; /* in this process or a parent; under the lock */

void asyncio__fds_close(asyncio__fds_t *fds)
{
    for (size_t i = 0; i < fds->count; i++)
        asyncio__sys.close(fds->fds[i]);
    asyncio__free(fds->fds, fds->count * sizeof(int));
    *fds = (asyncio__fds_t){0};
}

int asyncio__fds_append(asyncio__fds_t *fds, int fd)
{
    size_t size = fds->count * sizeof(int);
    int *grown = asyncio__realloc(fds->fds, size, size + sizeof(int));
    if (!grown)
        return -ENOMEM;
    grown[fds->count++] = fd;
    fds->fds = grown;
    return 0;
}

/* Appends a copy of a descriptor: 0 or a code. */
static int append_copy(asyncio__fds_t *fds, int fd)
{
    int copy = asyncio__sys.fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0)
        return -errno;
    int rc = asyncio__fds_append(fds, copy);
    if (rc < 0)
        asyncio__sys.close(copy);
    return rc;
}

/* --- the lock ------------------------------------------------------------------------------ */

static void (*next_fork_hook)(void);

/* In a forked child: the thread that held the lock may not exist, and the sockets are the
 * parent's. */
static void on_fork(void)
{
    asyncio__ignore(pthread_mutex_init(&table.lock, NULL));
    table.is_open = false;
    if (next_fork_hook)
        next_fork_hook();
}

__attribute__((constructor)) static void add_fork_hook(void)
{
    next_fork_hook = asyncio__fork_hook;
    asyncio__fork_hook = on_fork;
}

static void lock(void)
{
    pthread_mutex_lock(&table.lock);
}

/* Unlocks; returns rc with the slot filled, which has no details yet. */
static int unlock(int rc)
{
    pthread_mutex_unlock(&table.lock);
    return rc;
}

/* --- entries; under the lock --------------------------------------------------------------- */

static entry_t *find(const char *name)
{
    for (asyncio__list_t *at = table.entries.next; at != &table.entries; at = at->next) {
        entry_t *entry = ASYNCIO__CONTAINER(at, entry_t, link);
        if (strcmp(entry->name, name) == 0)
            return entry;
    }
    return NULL;
}

static size_t entry_bytes(size_t loops)
{
    return sizeof(entry_t) + loops * sizeof(share_t);
}

/* A new entry without sockets; NULL: no memory. */
static entry_t *add_entry(const char *name)
{
    entry_t *entry = asyncio__calloc(entry_bytes(table.loops));
    if (!entry)
        return NULL;
    entry->loops = table.loops;
    entry->name = asyncio__strdup(name);
    if (!entry->name) {
        asyncio__free(entry, entry_bytes(entry->loops));
        return NULL;
    }
    asyncio__list_append(&table.entries, &entry->link);
    return entry;
}

static void remove_path(entry_t *entry)
{
    if (!table.keeps_files) {
        asyncio__unix_path_remove(&entry->path);
    } else {
        asyncio__free_string(entry->path.path);
        entry->path.path = NULL;
    }
}

static void remove_entry(entry_t *entry)
{
    for (size_t i = 0; i < entry->loops; i++)
        asyncio__fds_close(&entry->shares[i].fds);
    remove_path(entry);
    asyncio__list_remove(&entry->link);
    asyncio__free_string(entry->name);
    asyncio__free(entry, entry_bytes(entry->loops));
}

static void remove_entries(void)
{
    asyncio__list_t *link;
    while ((link = asyncio__list_pop(&table.entries)))
        remove_entry(ASYNCIO__CONTAINER(link, entry_t, link));
}

/* Copies of the sockets of a loop: 0 or a code. */
static int copy_share(const entry_t *entry, size_t index, asyncio__fds_t *ret_fds)
{
    *ret_fds = (asyncio__fds_t){0};
    const asyncio__fds_t *fds = &entry->shares[index].fds;
    int rc = 0;
    for (size_t i = 0; i < fds->count && rc == 0; i++)
        rc = append_copy(ret_fds, fds->fds[i]);
    if (rc < 0)
        asyncio__fds_close(ret_fds);
    return rc;
}

/* The share of a loop in the table: 1, 0 or a code with details. */
static int take(const char *name, size_t index, asyncio__fds_t *ret_fds)
{
    entry_t *entry = find(name);
    if (!entry || index >= entry->loops)
        return 0;
    share_t *share = &entry->shares[index];
    if (share->is_taken)
        return asyncio_raise(ASYNCIO_ERUNTIME,
                             "a server of this loop has the \"listen_name\" %s already", name);
    int rc = copy_share(entry, index, ret_fds);
    if (rc < 0)
        return asyncio__fail(rc, NULL);
    share->is_taken = true;
    return ret_fds->count > 0;
}

/* --- what was inherited; under the lock ---------------------------------------------------- */

/* Which of the inherited sockets with the same name and address this is, and how many there are. */
static void rank(const asyncio__inherited_t *inherited, size_t index, size_t *ret_rank,
                 size_t *ret_count)
{
    const asyncio__inherited_socket_t *sockets = inherited->sockets, *self = &sockets[index];
    *ret_rank = *ret_count = 0;
    for (size_t i = 0; i < inherited->count; i++) {
        if (strcmp(sockets[i].name, self->name) != 0 || sockets[i].own_size != self->own_size ||
            memcmp(&sockets[i].own, &self->own, self->own_size) != 0)
            continue;
        *ret_rank += i < index;
        ++*ret_count;
    }
}

/* Adds an inherited socket, which stays the caller's, to the share of each loop that is to have it:
 * 0 or a code. */
static int add_inherited(const asyncio__inherited_t *inherited, size_t index)
{
    const asyncio__inherited_socket_t *self = &inherited->sockets[index];
    entry_t *entry = find(self->name);
    if (!entry)
        entry = add_entry(self->name);
    if (!entry)
        return -ENOMEM;
    size_t own_rank, count;
    rank(inherited, index, &own_rank, &count);
    int rc = 0;
    for (size_t loop = 0; loop < table.loops && rc == 0; loop++)
        if (count >= table.loops ? own_rank % table.loops == loop : loop % count == own_rank)
            rc = append_copy(&entry->shares[loop].fds, self->fd);
    return rc;
}

static int take_inherited(void)
{
    asyncio__inherited_t inherited;
    int rc = asyncio__inherited_read(&inherited);
    if (rc < 0)
        return rc;
    table.ready_fd = inherited.ready_fd;
    for (size_t i = 0; i < inherited.count && rc == 0; i++)
        rc = add_inherited(&inherited, i);
    asyncio__inherited_close(&inherited);
    return rc < 0 ? asyncio__fail(rc, "the inherited sockets cannot be shared") : 0;
}

/* Opens the table unless it is open: 0 or an error with the slot filled. */
static int open_table(size_t loops)
{
    if (table.is_open)
        return 0;
    asyncio__fork_watch();
    asyncio__list_init(&table.entries);
    table.loops = loops;
    table.ready_fd = -1;
    table.keeps_files = false;
    int rc = 0;
    if (!has_taken_inherited) {
        rc = take_inherited();
        if (rc == 0)
            has_taken_inherited = true;
        else
            remove_entries();
    }
    table.is_open = rc == 0;
    return rc;
}

int asyncio__listen_table_open(size_t loops)
{
    lock();
    return unlock(open_table(loops));
}

void asyncio__listen_table_close(void)
{
    lock();
    if (table.is_open)
        remove_entries();
    if (table.is_open && table.ready_fd >= 0)
        asyncio__sys.close(table.ready_fd);
    table.is_open = false;
    unlock(0);
}

size_t asyncio__listen_table_drop_untaken(void)
{
    size_t count = 0;
    lock();
    assert(table.is_open);
    for (asyncio__list_t *at = table.entries.next; at != &table.entries; at = at->next) {
        entry_t *entry = ASYNCIO__CONTAINER(at, entry_t, link);
        for (size_t i = 0; i < entry->loops; i++) {
            if (entry->shares[i].is_taken)
                continue;
            count += entry->shares[i].fds.count;
            asyncio__fds_close(&entry->shares[i].fds);
        }
    }
    unlock(0);
    return count;
}

/* --- what servers call --------------------------------------------------------------------- */

int asyncio__listen_table_take(const char *name, size_t index, asyncio__fds_t *ret_fds)
{
    lock();
    int rc = open_table(/* loops= */ 1);
    return unlock(rc < 0 ? rc : take(name, index, ret_fds));
}

/* The port of a socket: 0 or -errno. */
static int get_port(int fd, in_port_t *ret_port)
{
    struct sockaddr_storage own = {0};
    socklen_t size = sizeof(own);
    if (asyncio__sys.getsockname(fd, (struct sockaddr *)&own, &size) < 0)
        return -errno;
    *ret_port = htons(asyncio__address_port((struct sockaddr *)&own));
    return 0;
}

/* Binds the addresses for one loop: 0 or an error with the slot filled. */
static int bind_share(share_t *share, const struct addrinfo *addresses,
                      const asyncio__bind_options_t *options)
{
    size_t count = 0, used = 0;
    for (const struct addrinfo *at = addresses; at; at = at->ai_next)
        count++;
    int *fds = asyncio__malloc(count * sizeof(int));
    if (!fds)
        return asyncio__fail(-ENOMEM, NULL);
    int rc = asyncio__bind_all(addresses, options, fds, &used);
    for (size_t i = 0; i < used; i++) {
        int added = rc < 0 ? rc : asyncio__fds_append(&share->fds, fds[i]);
        if (added < 0)
            asyncio__sys.close(fds[i]);
        if (added < 0 && rc == 0)
            rc = asyncio__fail(added, NULL);
    }
    asyncio__free(fds, count * sizeof(int));
    return rc;
}

/* Binds for every loop, the own one first, whose port the others get. */
static int bind_shares(entry_t *entry, size_t index, const struct addrinfo *addresses,
                       const asyncio__bind_options_t *options)
{
    int rc = bind_share(&entry->shares[index], addresses, options);
    in_port_t port = 0;
    if (rc == 0 && entry->loops > 1) {
        rc = get_port(entry->shares[index].fds.fds[0], &port);
        if (rc < 0)
            return asyncio__fail(rc, NULL);
        for (const struct addrinfo *at = addresses; at; at = at->ai_next)
            asyncio__address_set_port(at->ai_addr, port);
    }
    for (size_t i = 0; i < entry->loops && rc == 0; i++)
        if (i != index)
            rc = bind_share(&entry->shares[i], addresses, options);
    return rc;
}

/* After the entry was filled: the share of the loop, or the entry is removed. */
static int finish(entry_t *entry, int rc, size_t index, asyncio__fds_t *ret_fds)
{
    if (rc == 0)
        rc = take(entry->name, index, ret_fds);
    if (rc >= 0)
        return 0;
    asyncio_error_t *error = asyncio__error_take_of(rc);
    remove_entry(entry);
    return asyncio__fail_with(rc, error);
}

/* Takes what another loop has bound: 0, and *ret_entry is NULL; or adds an entry to be filled. */
static int take_or_add(const char *name, size_t index, asyncio__fds_t *ret_fds,
                       entry_t **ret_entry)
{
    *ret_entry = NULL;
    int rc = open_table(/* loops= */ 1);
    if (rc == 0)
        rc = take(name, index, ret_fds);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    *ret_entry = add_entry(name);
    return *ret_entry ? 0 : asyncio__fail(-ENOMEM, NULL);
}

int asyncio__listen_table_bind(const char *name, size_t index, const struct addrinfo *addresses,
                               const asyncio__bind_options_t *options, asyncio__fds_t *ret_fds)
{
    entry_t *entry;
    lock();
    int rc = take_or_add(name, index, ret_fds, &entry);
    if (entry) {
        asyncio__bind_options_t wanted = *options;
        wanted.reuse_port |= entry->loops > 1;
        rc = finish(entry, bind_shares(entry, index, addresses, &wanted), index, ret_fds);
    }
    return unlock(rc);
}

int asyncio__listen_table_bind_unix(const char *name, size_t index,
                                    const struct sockaddr_un *address,
                                    const asyncio__bind_options_t *options,
                                    asyncio__fds_t *ret_fds)
{
    entry_t *entry;
    int fd;
    lock();
    int rc = take_or_add(name, index, ret_fds, &entry);
    if (entry) {
        rc = asyncio__bind_unix(address, options, &fd, &entry->path);
        if (rc == 0) {
            for (size_t i = 0; i < entry->loops && rc == 0; i++)
                rc = append_copy(&entry->shares[i].fds, fd);
            asyncio__sys.close(fd);
            if (rc < 0)
                asyncio__ignore(asyncio__fail(rc, NULL));
        }
        rc = finish(entry, rc, index, ret_fds);
    }
    return unlock(rc);
}

void asyncio__listen_table_release(const char *name, size_t index)
{
    lock();
    entry_t *entry = table.is_open ? find(name) : NULL;
    if (entry && index < entry->loops) {
        bool is_used = false;
        asyncio__fds_close(&entry->shares[index].fds);
        for (size_t i = 0; i < entry->loops; i++)
            is_used |= entry->shares[i].fds.count > 0;
        if (!is_used)
            remove_entry(entry);
    }
    unlock(0);
}

/* --- passing on ---------------------------------------------------------------------------- */

/* Calls visit for each socket in the table, until it returns a code: 0 or that. */
static int for_each_socket(int (*visit)(const entry_t *entry, int fd, void *arg), void *arg)
{
    int rc = 0;
    for (asyncio__list_t *at = table.entries.next; at != &table.entries; at = at->next) {
        const entry_t *entry = ASYNCIO__CONTAINER(at, entry_t, link);
        for (size_t i = 0; i < entry->loops; i++)
            for (size_t k = 0; k < entry->shares[i].fds.count && rc == 0; k++)
                rc = visit(entry, entry->shares[i].fds.fds[k], arg);
    }
    return rc;
}

static int add_length(const entry_t *entry, int fd, void *arg)
{
    (void)fd;
    *(size_t *)arg += strlen(entry->name) + 1;
    return 0;
}

/* Appends the name, and a colon if another one stands before it. */
static int add_name(const entry_t *entry, int fd, void *arg)
{
    (void)fd;
    char *names = arg;
    if (*names)
        strcat(names, ":");
    strcat(names, entry->name);
    return 0;
}

static int add_copy(const entry_t *entry, int fd, void *arg)
{
    (void)entry;
    return append_copy(arg, fd);
}

/* Copies of all sockets and their names: 0 or a code. */
static int copy_all(asyncio__fds_t *ret_fds, char **ret_names)
{
    size_t bytes = 0;
    asyncio__ignore(for_each_socket(add_length, &bytes));
    char *names = asyncio__malloc(bytes > 0 ? bytes : 1);
    if (!names)
        return -ENOMEM;
    *names = '\0';
    asyncio__ignore(for_each_socket(add_name, names));
    int rc = for_each_socket(add_copy, ret_fds);
    if (rc == 0) {
        *ret_names = names;
        return 0;
    }
    asyncio__free_string(names);
    asyncio__fds_close(ret_fds);
    return rc;
}

int asyncio__listen_table_copy(asyncio__fds_t *ret_fds, char **ret_names)
{
    *ret_fds = (asyncio__fds_t){0};
    lock();
    int rc = table.is_open ? copy_all(ret_fds, ret_names) : ASYNCIO_ERUNTIME;
    unlock(0);
    return rc < 0 ? asyncio__fail(rc, "the listening sockets cannot be copied") : 0;
}

void asyncio__listen_table_keep_files(void)
{
    lock();
    table.keeps_files = true;
    unlock(0);
}

void asyncio__listen_table_report_ready(void)
{
    lock();
    if (table.is_open && table.ready_fd >= 0) {
        asyncio__ignore(asyncio__sys.write(table.ready_fd, "", 1));
        asyncio__sys.close(table.ready_fd);
        table.ready_fd = -1;
    }
    unlock(0);
}
