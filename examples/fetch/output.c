/* SPDX-License-Identifier: MIT */
/*
 * Files for bodies. A name never contains a '/' and never begins with a dot, so that no URL can
 * name a file outside the folder.
 */
#include "output.h"

#include <asyncio.h>
#include <ctype.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The length of a path that becomes part of a name; file systems allow 255 bytes. */
#define STEM_SIZE_MAX 200

/* A name that is in use. */
typedef struct name {
    unsigned next; /* the number to try for the next name of the same stem */
    char text[];   /* the name */
} name_t;

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const name_t *)a)->text, ((const name_t *)b)->text);
}

/* Makes a safe file name of a URL's path, whatever the URL. */
static void make_stem(const char *url, char ret_stem[STEM_SIZE_MAX + 1])
{
    const char *start = strstr(url, "://");
    start = start != NULL ? start + 3 + strcspn(start + 3, "/?#") : url;
    start += strspn(start, "/");
    size_t size = strcspn(start, "?#");
    while (size > 0 && start[size - 1] == '/')
        size--;
    if (size > STEM_SIZE_MAX) {
        start += size - STEM_SIZE_MAX; /* the end of a long path is more specific */
        size = STEM_SIZE_MAX;
    }
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)start[i];
        bool is_safe = isalnum(c) || c == '-' || c == '_' || c == '%' || (c == '.' && i > 0);
        ret_stem[i] = is_safe ? (char)c : '_';
    }
    ret_stem[size] = '\0';
    if (size == 0)
        strcpy(ret_stem, "index.html");
}

/* Reserves a name if it is free; returns its entry, new or not, or NULL: out of memory. */
static name_t *take(output_t *output, const char *text, bool *ret_is_new)
{
    name_t *name = malloc(sizeof(*name) + strlen(text) + 1);
    if (name == NULL)
        return NULL;
    name->next = 1;
    strcpy(name->text, text);
    name_t **found = tsearch(name, &output->names, compare_names);
    *ret_is_new = found != NULL && *found == name;
    if (!*ret_is_new)
        free(name);
    return found != NULL ? *found : NULL;
}

int output_init(output_t *output, const char *folder)
{
    if (mkdir(folder, 0777) < 0 && errno != EEXIST)
        return -errno;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    *output = (output_t){.folder = fd};
    return 0;
}

const char *output_name(output_t *output, const char *url)
{
    char stem[STEM_SIZE_MAX + 1];
    make_stem(url, stem);
    bool is_new;
    name_t *first = take(output, stem, &is_new);
    name_t *name = first;
    while (name != NULL && !is_new) {
        char numbered[STEM_SIZE_MAX + 16];
        snprintf(numbered, sizeof(numbered), "%s.%u", stem, first->next++);
        name = take(output, numbered, &is_new);
    }
    return name != NULL ? name->text : NULL;
}

static int write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, data, size);
        if (written < 0 && errno != EINTR)
            return -errno;
        if (written > 0) {
            data += written;
            size -= (size_t)written;
        }
    }
    return 0;
}

static int add(const output_t *output, const char *name, int flags, const char *data, size_t size)
{
    int fd = openat(output->folder, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags,
                    0666);
    int rc = fd < 0 ? -errno : write_all(fd, data, size);
    if (fd >= 0 && close(fd) < 0 && rc == 0)
        rc = -errno;
    return rc < 0 ? asyncio_raise(rc, "cannot write %s: %s", name, strerror(-rc)) : 0;
}

int output_create(const output_t *output, const char *name)
{
    return add(output, name, O_TRUNC, NULL, 0);
}

int output_append(const output_t *output, const char *name, const char *data, size_t size)
{
    return add(output, name, O_APPEND, data, size);
}

void output_remove(const output_t *output, const char *name)
{
    unlinkat(output->folder, name, 0);
}

void output_fini(output_t *output)
{
    while (output->names != NULL) {
        name_t *name = *(name_t **)output->names;
        tdelete(name, &output->names, compare_names);
        free(name);
    }
    close(output->folder);
}
