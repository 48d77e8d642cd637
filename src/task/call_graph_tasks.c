/* SPDX-License-Identifier: MIT */
/*
 * All tasks of a loop as a tree: below each those that it awaits. The edges are collected from the
 * callbacks of what is awaited, and sorted by awaiter; the way down is kept in an array, so that
 * depth needs no stack.
 */
#include <asyncio/call_graph.h>
#include <stdlib.h>

#include "base/memory.h"
#include "task/future_awaiters.h"

#define INDENT_MOST 24 /* levels that are indented */

/* A task that another one awaits; or one that nobody does. */
typedef struct edge {
    const asyncio_future_t *parent; /* NULL: nobody */
    asyncio_future_t *child;        /* what it awaits */
    size_t number;                  /* in order of creation */
} edge_t;

typedef struct tree {
    FILE *file;         /* where to */
    edge_t *edges;      /* sorted by parent, then number */
    size_t count, room; /* of edges */
    size_t *path;       /* indices of the edges that lead to where the walk is */
    long tasks;         /* how many there are */
    asyncio_future_t *child; /* whose awaiters are collected */
    bool is_awaited;    /* it has one */
    bool is_full;       /* there was no memory */
} tree_t;

static void add_edge(tree_t *tree, const asyncio_future_t *parent, asyncio_future_t *child)
{
    if (tree->count == tree->room) {
        size_t room = tree->room ? 2 * tree->room : 64;
        edge_t *edges =
            asyncio__realloc(tree->edges, tree->room * sizeof(edge_t), room * sizeof(edge_t));
        if (!edges) {
            tree->is_full = true;
            return;
        }
        tree->edges = edges;
        tree->room = room;
    }
    tree->edges[tree->count] = (edge_t){parent, child, tree->count};
    tree->count++;
}

static bool collect(asyncio_future_t *awaiter, void *arg)
{
    tree_t *tree = arg;
    if (asyncio__is_task(awaiter)) {
        tree->is_awaited = true;
        add_edge(tree, awaiter, tree->child);
    }
    return !tree->is_full;
}

static int compare(const void *one, const void *other)
{
    const edge_t *a = one, *b = other;
    if (a->parent != b->parent)
        return (uintptr_t)a->parent < (uintptr_t)b->parent ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* The first edge of a parent, or count. */
static size_t first_of(const tree_t *tree, const asyncio_future_t *parent)
{
    size_t low = 0, high = tree->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((uintptr_t)tree->edges[middle].parent < (uintptr_t)parent)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The next edge from that index on, of the same parent, to a task that was not printed. */
static size_t next_of(const tree_t *tree, size_t at, const asyncio_future_t *parent)
{
    while (at < tree->count && tree->edges[at].parent == parent && tree->edges[at].child->is_marked)
        at++;
    return at < tree->count && tree->edges[at].parent == parent ? at : tree->count;
}

static void print_task(FILE *file, asyncio_future_t *future)
{
    const asyncio__task_t *task = asyncio__task_of(future);
    const char *waiting_for = asyncio_task_get_waiting_for(future);
    fprintf(file, "%s", asyncio_task_get_name(future));
    if (future->place)
        fprintf(file, " (%s)", future->place);
    if (*waiting_for)
        fprintf(file, " waits for %s\n", waiting_for);
    else if (future == asyncio__thread.task)
        fputs(" runs\n", file);
    else
        fputs(task->is_started ? " is ready\n" : " has not started\n", file);
}

/* Prints what is below a task, which leads down by edges to tasks that were not printed yet. */
static void print_from(tree_t *tree, asyncio_future_t *root)
{
    size_t depth = 0;
    const asyncio_future_t *parent = root;
    size_t at = next_of(tree, first_of(tree, parent), parent);
    root->is_marked = true;
    print_task(tree->file, root);
    for (;;) {
        if (at == tree->count) { /* no more here: back up */
            if (depth == 0)
                return;
            size_t above = tree->path[--depth];
            parent = tree->edges[above].parent;
            at = next_of(tree, above + 1, parent);
            continue;
        }
        asyncio_future_t *child = tree->edges[at].child;
        child->is_marked = true;
        bool is_last = next_of(tree, at + 1, parent) == tree->count;
        for (size_t i = 0; i < depth && i < INDENT_MOST; i++) {
            size_t edge = tree->path[i];
            bool goes_on = next_of(tree, edge + 1, tree->edges[edge].parent) != tree->count;
            fputs(goes_on ? "│   " : "    ", tree->file);
        }
        fputs(is_last ? "└── " : "├── ", tree->file);
        print_task(tree->file, child);
        tree->path[depth++] = at;
        parent = child;
        at = next_of(tree, first_of(tree, parent), parent);
    }
}

static int collect_edges(tree_t *tree, asyncio_loop_t *loop)
{
    const asyncio__list_t *pending = asyncio__pending_tasks(loop);
    for (asyncio__list_t *at = pending->next; at != pending; at = at->next) {
        tree->child = &ASYNCIO__CONTAINER(at, asyncio__task_t, link)->future;
        tree->is_awaited = false;
        asyncio__awaiters_visit(tree->child, collect, tree);
        if (!tree->is_awaited)
            add_edge(tree, NULL, tree->child);
        if (tree->is_full)
            return asyncio__fail(-ENOMEM, NULL);
        tree->tasks++;
    }
    tree->path = asyncio__malloc((size_t)tree->tasks * sizeof(*tree->path) + 1);
    if (!tree->path)
        return asyncio__fail(-ENOMEM, NULL);
    if (tree->count)
        qsort(tree->edges, tree->count, sizeof(edge_t), compare);
    return 0;
}

long asyncio_print_tasks(asyncio_loop_t *loop, FILE *file)
{
    if (!loop && !(loop = asyncio_get_running_loop()))
        return asyncio__fail(ASYNCIO_ERUNTIME, "no running event loop");
    long rc = asyncio__loop_check_thread(loop);
    if (rc == 0 && !file)
        rc = asyncio__fail(-EINVAL, "\"file\" must not be NULL");
    if (rc < 0)
        return rc;
    tree_t tree = {.file = file};
    rc = collect_edges(&tree, loop);
    if (rc == 0) {
        for (size_t i = 0; i < tree.count && !tree.edges[i].parent; i++)
            print_from(&tree, tree.edges[i].child);
        /* What is left awaits itself, in rings. */
        const asyncio__list_t *pending = asyncio__pending_tasks(loop);
        for (asyncio__list_t *at = pending->next; at != pending; at = at->next) {
            asyncio_future_t *task = &ASYNCIO__CONTAINER(at, asyncio__task_t, link)->future;
            if (!task->is_marked)
                print_from(&tree, task);
        }
        for (asyncio__list_t *at = pending->next; at != pending; at = at->next)
            ASYNCIO__CONTAINER(at, asyncio__task_t, link)->future.is_marked = false;
        rc = ferror(file) ? asyncio__fail(-EIO, "the tree could not be written") : tree.tasks;
    }
    asyncio__free(tree.path, (size_t)tree.tasks * sizeof(*tree.path) + 1);
    asyncio__free(tree.edges, tree.room * sizeof(edge_t));
    return rc;
}
