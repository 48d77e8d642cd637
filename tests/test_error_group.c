/* SPDX-License-Identifier: MIT */
/*
 * Groups of errors: made, split, and their leaves; the same as CPython's ExceptionGroup, whose
 * split and subgroup gave the texts that are compared here.
 */
#include "support/support.h"

#include <asyncio/error_group.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* --- an allocator that fails at a given call ------------------------------------------------ */

static long calls, fails_at;

static void *failing_realloc(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context, (void)old_size;
    return ++calls == fails_at ? NULL : realloc(block, new_size);
}

static void plain_free(void *context, void *block, size_t size)
{
    (void)context, (void)size;
    free(block);
}

/* --- errors and their texts ----------------------------------------------------------------- */

/* V, T and O: the ValueError, TypeError and OSError of the Python that these were compared to. */
enum { V = -EINVAL, T = ASYNCIO_EUSER, O = -EIO };

static void show_in(const asyncio_error_t *error, char *text)
{
    if (!error) {
        strcat(text, "-");
    } else if (asyncio_error_child_count(error) == 0) {
        int code = asyncio_error_code(error);
        strcat(text, code == V ? "V" : code == T ? "T" : "O");
        strcat(text, asyncio_error_message(error));
    } else {
        strcat(strcat(text, asyncio_error_message(error)), "[");
        for (size_t i = 0; i < asyncio_error_child_count(error); i++) {
            strcat(text, i ? " " : "");
            show_in(asyncio_error_child(error, i), text);
        }
        strcat(text, "]");
    }
}

/* "message[V1 T2]"; good until the next call. */
static const char *show(const asyncio_error_t *error)
{
    static char text[256];
    text[0] = '\0';
    show_in(error, text);
    return text;
}

/* Creates a group of errors, which are taken. */
static asyncio_error_t *group_of(const char *message, size_t count, asyncio_error_t *a,
                                 asyncio_error_t *b, asyncio_error_t *c)
{
    asyncio_error_t *children[] = {a, b, c};
    asyncio_error_t *group = asyncio_error_group_new(message, children, count);
    for (size_t i = 0; i < count; i++)
        asyncio_error_unref(children[i]);
    return group;
}

/* top[V1 in[T2 V3 deep[V4]] O5] */
static asyncio_error_t *tree(void)
{
    asyncio_error_t *deep = group_of("deep", 1, asyncio_error_new(V, "4", NULL), NULL, NULL);
    asyncio_error_t *in = group_of("in", 3, asyncio_error_new(T, "2", NULL),
                                   asyncio_error_new(V, "3", NULL), deep);
    return group_of("top", 3, asyncio_error_new(V, "1", NULL), in, asyncio_error_new(O, "5", NULL));
}

/* Splits by code and compares both halves, and the subgroup with the first half. */
static void check_split(asyncio_error_t *error, int code, const char *matching, const char *rest)
{
    asyncio_error_t *halves[2];
    int rc = asyncio_error_split(error, code, &halves[0], &halves[1]);
    assert_int_equal(rc, halves[0] != NULL);
    assert_string_equal(show(halves[0]), matching);
    assert_string_equal(show(halves[1]), rest);
    asyncio_error_unref(halves[0]);
    asyncio_error_unref(halves[1]);
    assert_int_equal(asyncio_error_subgroup(error, code, &halves[0]), rc);
    assert_string_equal(show(halves[0]), matching);
    asyncio_error_unref(halves[0]);
    assert_int_equal(asyncio_error_split(error, code, NULL, NULL), rc);
}

/* Both halves keep the structure; an empty half is NULL. */
static void a_split_keeps_the_structure(void **state)
{
    (void)state;
    asyncio_error_t *error = tree();
    assert_string_equal(show(error), "top[V1 in[T2 V3 deep[V4]] O5]");
    check_split(error, V, "top[V1 in[V3 deep[V4]]]", "top[in[T2] O5]");
    check_split(error, T, "top[in[T2]]", "top[V1 in[V3 deep[V4]] O5]");
    check_split(error, O, "top[O5]", "top[V1 in[T2 V3 deep[V4]]]");
    check_split(error, -EPIPE, "-", "top[V1 in[T2 V3 deep[V4]] O5]");
    check_split(error, ASYNCIO_EGROUP, "top[V1 in[T2 V3 deep[V4]] O5]", "-");
    asyncio_error_unref(error);
    asyncio_error_t *second = asyncio_error_new(V, "2", NULL);
    error = group_of("all", 2, asyncio_error_new(V, "1", NULL), second, NULL);
    check_split(error, V, "all[V1 V2]", "-");
    check_split(error, T, "-", "all[V1 V2]");
    asyncio_error_unref(error);
}

/* An error that is no group is treated as a group of one, and returned unchanged. */
static void a_naked_error_counts_as_a_group_of_one(void **state)
{
    (void)state;
    asyncio_error_t *error = asyncio_error_new(V, "naked", NULL);
    check_split(error, V, "[Vnaked]", "-");
    check_split(error, T, "-", "Vnaked");
    asyncio_error_unref(error);
}

/* Records the errors that are tested, in order; true for the group "in" if that is looked for. */
struct asking {
    char asked[128];
    bool wants_in;
};

static bool is_in(const asyncio_error_t *error, void *arg)
{
    struct asking *asking = arg;
    strcat(asking->asked, asyncio_error_message(error));
    strcat(asking->asked, " ");
    return asking->wants_in && strcmp(asyncio_error_message(error), "in") == 0;
}

/* A condition is tested on a group first, then on its children; a match moves as a whole. */
static void a_condition_is_asked_from_the_top_down(void **state)
{
    (void)state;
    asyncio_error_t *error = tree(), *matching, *rest;
    struct asking asking = {"", false};
    assert_int_equal(asyncio_error_split_if(error, is_in, &asking, &matching, &rest), 0);
    assert_string_equal(asking.asked, "top 1 in 2 3 deep 4 5 ");
    assert_null(matching);
    assert_string_equal(show(rest), "top[V1 in[T2 V3 deep[V4]] O5]");
    asyncio_error_unref(rest);
    asking = (struct asking){"", true};
    assert_int_equal(asyncio_error_split_if(error, is_in, &asking, &matching, &rest), 1);
    assert_string_equal(asking.asked, "top 1 in 5 ");
    assert_string_equal(show(matching), "top[in[T2 V3 deep[V4]]]");
    assert_ptr_equal(asyncio_error_child(matching, 0), asyncio_error_child(error, 1));
    assert_string_equal(show(rest), "top[V1 O5]");
    asyncio_error_unref(matching);
    asyncio_error_unref(rest);
    asking = (struct asking){"", true};
    assert_int_equal(asyncio_error_subgroup_if(error, is_in, &asking, &matching), 1);
    assert_string_equal(show(matching), "top[in[T2 V3 deep[V4]]]");
    asyncio_error_unref(matching);
    asyncio_error_unref(error);
}

static int fail_with_cause(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_raise(-EPROTO, "why");
    return asyncio_raise(O, "what");
}

/* Children are shared, with their own causes and source locations. */
static void a_split_shares_the_children(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, fail_with_cause, NULL), O);
    asyncio_error_t *error =
        group_of("g", 2, asyncio_error_last(), asyncio_error_new(V, "1", NULL), NULL);
    asyncio_error_t *matching;
    assert_int_equal(asyncio_error_subgroup(error, O, &matching), 1);
    asyncio_error_t *child = asyncio_error_child(matching, 0);
    assert_ptr_equal(child, asyncio_error_child(error, 0));
    assert_string_equal(asyncio_error_message(asyncio_error_cause(child)), "why");
    assert_non_null(strstr(asyncio_error_place(child), "test_error_group.c"));
    asyncio_error_unref(matching);
    asyncio_error_unref(error);
    asyncio_error_clear();
}

/* A derived group has the message of the other and nothing else. */
static void derive_takes_the_message(void **state)
{
    (void)state;
    asyncio_error_t *error = tree(), *nine = asyncio_error_new(V, "9", NULL);
    asyncio_error_t *derived = asyncio_error_derive(error, &nine, 1);
    assert_string_equal(show(derived), "top[V9]");
    assert_int_equal(asyncio_error_code(derived), ASYNCIO_EGROUP);
    assert_null(asyncio_error_cause(derived));
    asyncio_error_unref(nine);
    asyncio_error_unref(derived);
    asyncio_error_unref(error);
}

/* The leaves are returned in order, as many as fit, and all are counted. */
static void leaves_come_in_order(void **state)
{
    (void)state;
    asyncio_error_t *error = tree(), *leaves[5] = {NULL};
    assert_int_equal(asyncio_error_leaves(error, NULL, 0), 5);
    assert_int_equal(asyncio_error_leaves(error, leaves, 2), 5);
    assert_null(leaves[2]);
    assert_int_equal(asyncio_error_leaves(error, leaves, 5), 5);
    char text[16] = "";
    for (size_t i = 0; i < 5; i++)
        strcat(text, show(leaves[i]));
    assert_string_equal(text, "V1T2V3V4O5");
    assert_int_equal(asyncio_error_leaves(leaves[1], leaves, 5), 1);
    assert_int_equal(asyncio_error_leaves(NULL, leaves, 5), 0);
    asyncio_error_unref(error);
}

/* Creates, splits, walks and frees the deepest tree on the small stack of a coroutine. */
static int nest(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    enum { DEEP = 20000 };
    asyncio_error_t *error = asyncio_error_new(V, "1", NULL), *matching, *rest;
    for (int i = 0; i < DEEP; i++)
        error = group_of("", 2, error, asyncio_error_new(T, "2", NULL), NULL);
    assert_int_equal(asyncio_error_split(error, T, &matching, &rest), 1);
    assert_int_equal(asyncio_error_leaves(error, NULL, 0), DEEP + 1);
    assert_int_equal(asyncio_error_leaves(matching, NULL, 0), DEEP);
    assert_int_equal(asyncio_error_leaves(rest, NULL, 0), 1);
    asyncio_error_unref(rest);
    asyncio_error_unref(matching);
    asyncio_error_unref(error);
    return 0;
}

/* Groups may lie in groups as deep as memory allows, whatever the stack. */
static void depth_needs_no_stack(void **state)
{
    assert_int_equal(run(*state, nest, NULL), 0);
}

static int fail_later(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_sleep(0);
    int code = (int)asyncio_int(arg);
    return rc < 0 ? rc : asyncio_raise(code, "%s", code == V ? "v" : "o");
}

static int fail_in_group(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_group_t group;
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    asyncio_task_group_create_task(&group, asyncio_coroutine(fail_later, ASYNCIO_INT(V)));
    asyncio_task_group_create_task(&group, asyncio_coroutine(fail_later, ASYNCIO_INT(O)));
    int rc = asyncio_task_group_exit(&group, 0);
    assert_int_equal(rc, ASYNCIO_EGROUP);
    asyncio_error_t *error = asyncio_error_last(), *matching, *rest;
    assert_int_equal(asyncio_error_split(error, V, &matching, &rest), 1);
    assert_string_equal(show(matching), "unhandled errors in a TaskGroup[Vv]");
    rc = asyncio_reraise(rest);
    asyncio_error_unref(matching);
    asyncio_error_unref(rest);
    asyncio_error_unref(error);
    return rc;
}

/* The error of a task group is split, and the rest raised again. */
static void the_errors_of_a_task_group_are_split(void **state)
{
    assert_int_equal(run(*state, fail_in_group, NULL), ASYNCIO_EGROUP);
    asyncio_error_t *error = asyncio_error_last();
    assert_string_equal(show(error), "unhandled errors in a TaskGroup[Oo]");
    asyncio_error_unref(error);
    asyncio_error_clear();
}

/* NULL and bad input are refused. */
static void bad_input_is_refused(void **state)
{
    (void)state;
    asyncio_error_t *error = asyncio_error_new(V, "1", NULL), *none = NULL;
    assert_null(asyncio_error_group_new("m", NULL, 0));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_error_group_new("m", &error, 0));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_error_group_new("m", &none, 1));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_error_group_new("m", &error, SIZE_MAX));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_null(asyncio_error_derive(NULL, &error, 1));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_int_equal(asyncio_error_split(NULL, V, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_error_split(error, 0, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_error_split_if(error, NULL, NULL, NULL, NULL), -EINVAL);
    assert_int_equal(asyncio_error_subgroup(NULL, V, NULL), -EINVAL);
    assert_int_equal(asyncio_error_subgroup_if(error, NULL, NULL, NULL), -EINVAL);
    asyncio_error_t *unnamed = asyncio_error_group_new(NULL, &error, 1);
    assert_string_equal(asyncio_error_message(unnamed), "");
    asyncio_error_unref(unnamed);
    asyncio_error_unref(error);
    asyncio_error_clear();
}

/* Each allocation of a call fails once: the call returns -ENOMEM, and leaks nothing. */
static void memory_that_is_out_is_answered(void **state)
{
    (void)state;
    asyncio_error_t *error = tree(), *matching, *rest, *naked = asyncio_error_new(V, "n", NULL);
    int failures[3] = {0};
    long before = asyncio__live_blocks();
    for (int what = 0; what < 3; what++) {
        for (long at = 1, done = 0; !done; at++) {
            calls = 0, fails_at = at;
            matching = rest = NULL;
            asyncio_error_t *group = NULL;
            int rc = what < 2 ? asyncio_error_split(what ? naked : error, V, &matching, &rest) : 1;
            if (what == 2)
                group = asyncio_error_group_new("message", &naked, 1);
            fails_at = 0;
            done = calls < at;
            failures[what] += !done;
            assert_int_equal(rc, done || what == 2 ? 1 : -ENOMEM);
            if (group)
                assert_int_equal(asyncio_error_code(group), done ? ASYNCIO_EGROUP : -ENOMEM);
            asyncio_error_unref(group);
            asyncio_error_unref(matching);
            asyncio_error_unref(rest);
            assert_int_equal(asyncio__live_blocks(), before);
        }
    }
    assert_in_range(failures[0], 8, 30);
    assert_int_equal(failures[1], 1);
    assert_int_equal(failures[2], 2);
    asyncio_error_unref(naked);
    asyncio_error_unref(error);
    asyncio_error_clear();
}

int main(void)
{
    const asyncio_allocator_t allocator = {NULL, failing_realloc, plain_free};
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_split_keeps_the_structure),
        FIXTURE_TEST(a_naked_error_counts_as_a_group_of_one),
        FIXTURE_TEST(a_condition_is_asked_from_the_top_down),
        FIXTURE_TEST(a_split_shares_the_children),
        FIXTURE_TEST(derive_takes_the_message),
        FIXTURE_TEST(leaves_come_in_order),
        FIXTURE_TEST(depth_needs_no_stack),
        FIXTURE_TEST(the_errors_of_a_task_group_are_split),
        FIXTURE_TEST(bad_input_is_refused),
        FIXTURE_TEST(memory_that_is_out_is_answered),
    };
    if (asyncio_set_allocator(&allocator) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
