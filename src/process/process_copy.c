/* SPDX-License-Identifier: MIT */
/*
 * Copies of arguments and options; see process_copy.h. Each copy is one block: its size in bytes,
 * the record, and behind it what the record points to, lists first.
 */
#include "process/process_copy.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

/* A block that is filled from the start. */
typedef struct block {
    char *data; /* NULL: only counts */
    size_t end; /* bytes so far */
} block_t;

#define HEAD_BYTES _Alignof(max_align_t) /* the size of the block */

static void *put(block_t *block, const void *bytes, size_t size)
{
    void *at = block->data ? block->data + block->end : NULL;
    block->end += size;
    return at && size ? memcpy(at, bytes, size) : at;
}

static const char *put_string(block_t *block, const char *text)
{
    return text ? put(block, text, strlen(text) + 1) : NULL;
}

/* The list is put before its strings, so that it is aligned when nothing but lists precedes it. */
static const char *const *put_list(block_t *block, const char *const *list)
{
    size_t count = 0;
    if (!list)
        return NULL;
    while (list[count])
        count++;
    return put(block, list, (count + 1) * sizeof(*list));
}

static void put_strings_of(block_t *block, const char *const *list)
{
    const char **copies = (const char **)list;
    for (; *copies; copies++)
        *copies = put_string(block, *copies);
}

static void count_strings_of(block_t *block, const char *const *list)
{
    for (; *list; list++)
        put_string(block, *list);
}

static const asyncio_process_options_t *put_options(block_t *block,
                                                    const asyncio_process_options_t *given)
{
    asyncio_process_options_t copy = *given;
    asyncio_process_options_t *at = put(block, given, sizeof(*given));
    copy.env = put_list(block, given->env);
    copy.pass_fds = given->pass_fds ? put(block, given->pass_fds,
                                          given->pass_fd_count * sizeof(*given->pass_fds))
                                    : NULL;
    copy.extra_groups = given->extra_groups
                            ? put(block, given->extra_groups,
                                  given->extra_group_count * sizeof(*given->extra_groups))
                            : NULL;
    if (given->env && copy.env)
        put_strings_of(block, copy.env);
    else if (given->env)
        count_strings_of(block, given->env);
    copy.executable = put_string(block, given->executable);
    copy.cwd = put_string(block, given->cwd);
    if (at)
        *at = copy;
    return at;
}

static const char *const *put_arguments(block_t *block, const char *const *given)
{
    const char *const *at = put_list(block, given);
    if (at)
        put_strings_of(block, at);
    else
        count_strings_of(block, given);
    return at;
}

/* A block of the size that was counted, which knows its size; data NULL: out of memory. */
static block_t new_block(const block_t *counted)
{
    size_t size = HEAD_BYTES + counted->end;
    char *data = asyncio__malloc(size);
    if (data)
        memcpy(data, &size, sizeof(size));
    return (block_t){data, HEAD_BYTES};
}

void asyncio__process_copy_free(const void *copy)
{
    if (!copy)
        return;
    char *data = (char *)(uintptr_t)copy - HEAD_BYTES;
    size_t size;
    memcpy(&size, data, sizeof(size));
    asyncio__free(data, size);
}

int asyncio__process_copy_arguments(const char *const **argv)
{
    const char *const *given = *argv;
    block_t counted = {0};
    *argv = NULL;
    if (!given)
        return 0;
    put_arguments(&counted, given);
    block_t block = new_block(&counted);
    if (!block.data)
        return asyncio__fail(-ENOMEM, NULL);
    *argv = put_arguments(&block, given);
    return 0;
}

int asyncio__process_copy_options(const asyncio_process_options_t **options)
{
    const asyncio_process_options_t *given = *options;
    block_t counted = {0};
    *options = NULL;
    if (!given)
        return 0;
    if (given->size < sizeof(*given))
        return asyncio__fail(-EINVAL, "\"options->size\" must be sizeof(*options)");
    put_options(&counted, given);
    block_t block = new_block(&counted);
    if (!block.data)
        return asyncio__fail(-ENOMEM, NULL);
    *options = put_options(&block, given);
    return 0;
}
