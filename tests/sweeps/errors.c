/* SPDX-License-Identifier: MIT */
/* Errors and groups of them: without memory they are poorer, and never missing. */
#include "sweep.h"

#include <string.h>

static bool is_pipe(const asyncio_error_t *error, void *arg)
{
    (void)arg;
    return asyncio_error_code(error) == -EPIPE;
}

static void use_group(asyncio_error_t *group)
{
    asyncio_error_t *match = NULL, *rest = NULL, *leaves[4];
    if (may(asyncio_error_split(group, -EPIPE, &match, &rest)) >= 0) {
        asyncio_error_unref(match);
        asyncio_error_unref(rest);
    }
    if (may(asyncio_error_split_if(group, is_pipe, NULL, &match, &rest)) >= 0) {
        asyncio_error_unref(match);
        asyncio_error_unref(rest);
    }
    if (may(asyncio_error_subgroup(group, -EPIPE, &match)) >= 0)
        asyncio_error_unref(match);
    if (may(asyncio_error_subgroup_if(group, is_pipe, NULL, &match)) >= 0)
        asyncio_error_unref(match);
    may(asyncio_error_leaves(group, leaves, 4));
    for (size_t i = 0; i < asyncio_error_child_count(group); i++)
        must(asyncio_error_child(group, i));
}

static void use_errors(asyncio_loop_t *loop)
{
    (void)loop;
    must(asyncio_raise(-EPIPE, "%s %d", "a message", 1) == -EPIPE);
    asyncio_error_t *last = asyncio_error_last(), *of = asyncio_error_of(-EPIPE);
    must(asyncio_error_code(last) == -EPIPE || faults_met());
    asyncio_error_t *error = asyncio_error_new(-EIO, "another", last);
    must(error && asyncio_error_message(error) && asyncio_error_name(-EIO));
    must(strlen(asyncio_strerror(-EIO)) > 0);
    asyncio_error_place(error);
    must(!*asyncio_error_ssl_reason(error) && asyncio_error_ssl_verify_code(error) == 0);
    FILE *file = fopen("/dev/null", "w");
    if (file) {
        must(asyncio_error_print(error, file) == 0);
        fclose(file);
    }
    asyncio_error_cause(error);
    asyncio_error_t *children[] = {last ? last : error, error};
    asyncio_error_t *inner = asyncio_error_group_new("two", children, 2);
    must(inner);
    children[1] = inner;
    asyncio_error_t *outer = asyncio_error_group_new("three", children, 2);
    asyncio_error_t *derived = asyncio_error_derive(outer, children, 1);
    must(outer && derived);
    use_group(outer);
    asyncio_error_t *deep = asyncio_error_ref(outer);
    for (int i = 0; i < 20; i++) {
        asyncio_error_t *around = asyncio_error_group_new(NULL, &deep, 1);
        must(around);
        asyncio_error_unref(deep);
        deep = around;
    }
    use_group(deep);
    may_be(asyncio_reraise(deep), ASYNCIO_EGROUP);
    asyncio_error_clear();
    asyncio_error_t *const all[] = {last, of, error, inner, outer, derived, deep};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        asyncio_error_unref(all[i]);
}

const scenario_t sweep_errors = {.name = "errors and groups of them", .use = use_errors};
