/* SPDX-License-Identifier: MIT */
/*
 * Call graphs: a future, the frames of its task, and its awaiters, as a tree of nodes.
 *
 * The tree is made level by level, and printed by the links between its nodes, so that its depth
 * needs no stack. The awaiters of a future are listed once: rings end, and the tree is no larger
 * than the graph.
 */
#include <asyncio/call_graph.h>

#include "base/memory.h"
#include "task/future_awaiters.h"
#include "task/task_stack.h"

#define FRAMES_MOST 64  /* of a task */
#define INDENT_MOST 24  /* levels that are indented */

typedef struct asyncio_future_call_graph node_t;

struct asyncio_future_call_graph {
    node_t *above;             /* the future that this one waits for, or NULL */
    node_t *first;             /* the first that waits for it */
    node_t *last;              /* the latest of them */
    node_t *next;              /* waits for the same */
    node_t *next_made;         /* in order of creation, level by level */
    asyncio_future_t *future;  /* a reference */
    size_t frame_count;        /* of frames */
    bool is_repeated;          /* it occurs elsewhere too; its awaiters are listed there */
    asyncio__frame_t frames[]; /* the newest first */
};

/* A graph that is being made. */
typedef struct making {
    node_t *root, *latest; /* by next_made */
    node_t *at;            /* whose awaiters are added */
    int limit;             /* of frames */
    const void *caller;    /* where the running task's own frames begin */
    int rc;                /* why it cannot be made */
} making_t;

static size_t size_of(size_t frame_count)
{
    return sizeof(node_t) + frame_count * sizeof(asyncio__frame_t);
}

static node_t *make(making_t *making, asyncio_future_t *future)
{
    asyncio__frame_t frames[FRAMES_MOST];
    long count = 0;
    if (asyncio__is_task(future) && making->limit != 0 && !future->is_marked) {
        count = asyncio__task_frames(asyncio__task_of(future), making->caller, frames,
                                     FRAMES_MOST);
        if (count < 0)
            count = 0; /* its awaiters are known all the same */
        if (making->limit > 0 && count > making->limit)
            count = making->limit;
        if (count > FRAMES_MOST)
            count = FRAMES_MOST;
    }
    node_t *node = asyncio__calloc(size_of((size_t)count));
    if (!node)
        return NULL;
    node->future = asyncio_future_ref(future);
    node->frame_count = (size_t)count;
    node->is_repeated = future->is_marked;
    future->is_marked = true;
    for (long i = 0; i < count; i++)
        node->frames[i] = frames[i];
    return node;
}

static bool add(asyncio_future_t *awaiter, void *arg)
{
    making_t *making = arg;
    node_t *node = make(making, awaiter), *at = making->at;
    if (!node) {
        making->rc = -ENOMEM;
        return false;
    }
    node->above = at;
    if (at->last)
        at->last->next = node;
    else
        at->first = node;
    at->last = node;
    making->latest->next_made = node;
    making->latest = node;
    return true;
}

static void free_nodes(node_t *node)
{
    while (node) {
        node_t *next = node->next_made;
        asyncio_future_unref(node->future);
        asyncio__free(node, size_of(node->frame_count));
        node = next;
    }
}

static node_t *capture(asyncio_future_t *future, int limit, const void *caller)
{
    if (!future)
        future = asyncio__thread.task;
    int rc = future ? asyncio__future_check(future)
                    : asyncio__fail(-EINVAL, "\"future\" must not be NULL outside a task");
    if (rc < 0) {
        asyncio__thread.constructor_code = rc;
        return NULL;
    }
    making_t making = {.limit = limit, .caller = caller};
    making.root = making.latest = make(&making, future);
    if (!making.root)
        return asyncio__fail_new(-ENOMEM, NULL);
    for (making.at = making.root; making.at && making.rc == 0; making.at = making.at->next_made)
        if (!making.at->is_repeated)
            asyncio__awaiters_visit(making.at->future, add, &making);
    for (node_t *node = making.root; node; node = node->next_made)
        node->future->is_marked = false;
    if (making.rc == 0)
        return making.root;
    free_nodes(making.root);
    return asyncio__fail_new(making.rc, NULL);
}

/* --- as text ------------------------------------------------------------------------------- */

static void indent(FILE *file, int level)
{
    for (int i = 0; i < level && i < INDENT_MOST; i++)
        fputs("    ", file);
}

static void print_node(FILE *file, asyncio__symbols_t *symbols, const node_t *node, int level)
{
    indent(file, level);
    if (asyncio__is_task(node->future))
        fprintf(file, "* Task(name='%s', id=%p)\n", asyncio_task_get_name(node->future),
                (void *)node->future);
    else
        fprintf(file, "* Future(%s, id=%p)\n", node->future->place ? node->future->place : "",
                (void *)node->future);
    if (node->is_repeated) {
        indent(file, level);
        fputs("  + (elsewhere in this graph)\n", file);
    }
    if (node->frame_count) {
        indent(file, level);
        fputs("  + Call stack:\n", file);
    }
    for (size_t i = 0; i < node->frame_count; i++) {
        asyncio_frame_t frame;
        asyncio__frame_name(symbols, &node->frames[i], &frame);
        indent(file, level);
        fputs("  |   ", file);
        asyncio__frame_print(file, &frame);
        fputc('\n', file);
    }
    if (node->first) {
        indent(file, level);
        fputs("  + Awaited by:\n", file);
    }
}

static void print(FILE *file, const node_t *root)
{
    asyncio__symbols_t symbols = {0};
    int level = 0;
    for (const node_t *node = root; node;) {
        print_node(file, &symbols, node, level);
        if (node->first) {
            node = node->first;
            level++;
            continue;
        }
        while (node && !node->next) {
            node = node->above;
            level--;
        }
        node = node ? node->next : NULL;
    }
    asyncio__symbols_fini(&symbols);
}

/* --- public -------------------------------------------------------------------------------- */

asyncio_future_call_graph_t *asyncio_capture_call_graph(asyncio_future_t *future, int limit)
{
    return capture(future, limit, __builtin_return_address(0));
}

asyncio_future_t *asyncio_future_call_graph_future(const asyncio_future_call_graph_t *graph)
{
    return graph ? graph->future : NULL;
}

int asyncio_future_call_graph_frame(const asyncio_future_call_graph_t *graph, size_t index,
                                    asyncio_frame_t *ret_frame)
{
    if (!graph || index >= graph->frame_count)
        return 0;
    if (ret_frame) {
        asyncio__symbols_t symbols = {0};
        asyncio__frame_name(&symbols, &graph->frames[index], ret_frame);
        asyncio__symbols_fini(&symbols);
    }
    return 1;
}

const asyncio_future_call_graph_t *
asyncio_future_call_graph_awaited_by(const asyncio_future_call_graph_t *graph, size_t index)
{
    const node_t *node = graph ? graph->first : NULL;
    while (node && index-- > 0)
        node = node->next;
    return node;
}

void asyncio_future_call_graph_unref(asyncio_future_call_graph_t *graph)
{
    if (graph && !graph->above)
        free_nodes(graph);
}

int asyncio_print_call_graph(asyncio_future_t *future, int limit, FILE *file)
{
    if (!file)
        return asyncio__fail(-EINVAL, "\"file\" must not be NULL");
    node_t *root = capture(future, limit, __builtin_return_address(0));
    if (!root)
        return asyncio_errno();
    print(file, root);
    free_nodes(root);
    return ferror(file) ? asyncio__fail(-EIO, "the graph could not be written") : 0;
}

/* What a text is written to: as much as there is room for. */
struct text {
    char *at;     /* the room */
    size_t room;  /* for that number of bytes, and the zero byte */
    long length;  /* of the whole */
};

static ssize_t write_text(void *cookie, const char *data, size_t size)
{
    struct text *text = cookie;
    for (size_t i = 0; i < size; i++, text->length++)
        if ((size_t)text->length < text->room)
            text->at[text->length] = data[i];
    return (ssize_t)size;
}

long asyncio_format_call_graph(asyncio_future_t *future, int limit, char *ret_text,
                               size_t size_bytes)
{
    if (!ret_text && size_bytes)
        return asyncio__fail(-EINVAL, "\"ret_text\" must not be NULL");
    node_t *root = capture(future, limit, __builtin_return_address(0));
    if (!root)
        return asyncio_errno();
    struct text text = {ret_text, size_bytes ? size_bytes - 1 : 0, 0};
    FILE *file = fopencookie(&text, "w", (cookie_io_functions_t){.write = write_text});
    if (file) {
        print(file, root);
        fclose(file);
    }
    free_nodes(root);
    if (!file)
        return asyncio__fail(-ENOMEM, NULL);
    if (size_bytes)
        ret_text[(size_t)text.length < text.room ? (size_t)text.length : text.room] = '\0';
    return text.length;
}
