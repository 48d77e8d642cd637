/* SPDX-License-Identifier: MIT */
/*
 * Groups of errors: made, split as `except*` does, and their leaves.
 *
 * Nothing here recurses: groups may lie in groups as deep as memory allows, stacks are small. What
 * a split did not change is not copied but shared, for errors are immutable.
 */
#include <asyncio/error_group.h>
#include <string.h>

#include "base/error_object.h"
#include "base/memory.h"

static bool is_group(const asyncio_error_t *error)
{
    return error->child_count > 0;
}

/* --- making -------------------------------------------------------------------------------- */

/* A group over children, which are borrowed; the message is copied. NULL when memory is out. */
static asyncio_error_t *make(const char *message, const char *place, asyncio_error_t *cause,
                             asyncio_error_t *const *children, size_t count)
{
    char *own_message = message && *message ? asyncio__strdup(message) : NULL;
    if (message && *message && !own_message)
        return NULL;
    asyncio_error_t *group = asyncio__error_make(ASYNCIO_EGROUP, "", place, cause, count);
    if (group == &asyncio__error_out_of_memory) {
        asyncio__free_string(own_message);
        return NULL;
    }
    if (own_message)
        group->message = group->own_message = own_message;
    for (size_t i = 0; i < count; i++)
        group->child[i] = asyncio_error_ref(children[i]);
    return group;
}

asyncio_error_t *asyncio_error_group_new(const char *message, asyncio_error_t *const *children,
                                         size_t count)
{
    if (!children || count == 0 || count > SIZE_MAX / sizeof(*children) / 2)
        return asyncio__fail_new(-EINVAL, "\"count\" must be at least 1 and \"children\" not NULL");
    for (size_t i = 0; i < count; i++)
        if (!children[i])
            return asyncio__fail_new(-EINVAL, "no error in \"children\" may be NULL");
    asyncio_error_t *group = make(message, "", NULL, children, count);
    return group ? group : &asyncio__error_out_of_memory;
}

asyncio_error_t *asyncio_error_derive(const asyncio_error_t *group,
                                      asyncio_error_t *const *children, size_t count)
{
    if (!group)
        return asyncio__fail_new(-EINVAL, "\"group\" must not be NULL");
    return asyncio_error_group_new(group->message, children, count);
}

/* --- splitting ----------------------------------------------------------------------------- */

/* A group whose children are being looked at. */
typedef struct frame {
    struct frame *outer;      /* the group that it lies in, or NULL */
    asyncio_error_t *group;   /* borrowed */
    size_t next;              /* index of the next child */
    size_t matching_count;    /* of parts, from the first on */
    size_t rest_count;        /* of parts, from the child_count-th on */
    asyncio_error_t *parts[]; /* twice child_count: references */
} frame_t;

/* What matches of an error, and the rest: references, or NULL. */
typedef struct halves {
    asyncio_error_t *matching, *rest;
} halves_t;

static size_t frame_bytes(const asyncio_error_t *group)
{
    return sizeof(frame_t) + 2 * group->child_count * sizeof(asyncio_error_t *);
}

static frame_t *push(frame_t *outer, asyncio_error_t *group)
{
    frame_t *frame = asyncio__calloc(frame_bytes(group));
    if (frame) {
        frame->outer = outer;
        frame->group = group;
    }
    return frame;
}

static frame_t *pop(frame_t *frame)
{
    frame_t *outer = frame->outer;
    for (size_t i = 0; i < 2 * frame->group->child_count; i++)
        asyncio_error_unref(frame->parts[i]);
    asyncio__free(frame, frame_bytes(frame->group));
    return outer;
}

/* Puts together what the children of a group came to: false when memory is out. */
static bool join(const frame_t *frame, halves_t *ret_halves)
{
    asyncio_error_t *group = frame->group;
    *ret_halves = (halves_t){NULL, NULL};
    if (frame->matching_count == 0) {
        ret_halves->rest = asyncio_error_ref(group);
        return true;
    }
    if (frame->rest_count == 0) {
        ret_halves->matching = asyncio_error_ref(group);
        return true;
    }
    ret_halves->matching = make(group->message, group->place, group->cause, frame->parts,
                                frame->matching_count);
    ret_halves->rest = make(group->message, group->place, group->cause,
                            frame->parts + group->child_count, frame->rest_count);
    if (ret_halves->matching && ret_halves->rest)
        return true;
    asyncio_error_unref(ret_halves->matching);
    asyncio_error_unref(ret_halves->rest);
    return false;
}

static void add(frame_t *frame, const halves_t *halves)
{
    if (halves->matching)
        frame->parts[frame->matching_count++] = halves->matching;
    if (halves->rest)
        frame->parts[frame->group->child_count + frame->rest_count++] = halves->rest;
}

/* Goes through the tree, a group before its children: false when memory is out. */
static bool walk(asyncio_error_t *error, asyncio_error_condition_t *condition, void *arg,
                 halves_t *ret_halves)
{
    frame_t *frame = NULL;
    for (;;) {
        halves_t halves = {NULL, NULL};
        if (condition(error, arg)) {
            halves.matching = asyncio_error_ref(error);
        } else if (!is_group(error)) {
            halves.rest = asyncio_error_ref(error);
        } else {
            frame_t *inner = push(frame, error);
            if (!inner)
                break;
            frame = inner;
            error = error->child[frame->next++];
            continue;
        }
        for (;;) {
            if (!frame) {
                *ret_halves = halves;
                return true;
            }
            add(frame, &halves);
            if (frame->next < frame->group->child_count)
                break;
            bool is_joined = join(frame, &halves);
            frame = pop(frame);
            if (!is_joined)
                goto out_of_memory;
        }
        error = frame->group->child[frame->next++];
    }
out_of_memory:
    while (frame)
        frame = pop(frame);
    return false;
}

int asyncio_error_split_if(asyncio_error_t *error, asyncio_error_condition_t *condition,
                           void *arg, asyncio_error_t **ret_matching, asyncio_error_t **ret_rest)
{
    if (!error || !condition)
        return asyncio__fail(-EINVAL, "\"error\" and the condition must not be NULL");
    halves_t halves;
    if (!walk(error, condition, arg, &halves))
        return asyncio__fail(-ENOMEM, NULL);
    if (halves.matching && !is_group(error)) {
        /* Not in a group: handled as a group of one. */
        asyncio_error_t *group = make("", "", NULL, &halves.matching, 1);
        asyncio_error_unref(halves.matching);
        if (!group)
            return asyncio__fail(-ENOMEM, NULL);
        halves.matching = group;
    }
    int is_matched = halves.matching != NULL;
    if (ret_matching)
        *ret_matching = halves.matching;
    else
        asyncio_error_unref(halves.matching);
    if (ret_rest)
        *ret_rest = halves.rest;
    else
        asyncio_error_unref(halves.rest);
    return is_matched;
}

static bool has_code(const asyncio_error_t *error, void *arg)
{
    return error->code == *(const int *)arg;
}

int asyncio_error_split(asyncio_error_t *error, int code, asyncio_error_t **ret_matching,
                        asyncio_error_t **ret_rest)
{
    if (code >= 0)
        return asyncio__fail(-EINVAL, "an error's code is negative");
    return asyncio_error_split_if(error, has_code, &code, ret_matching, ret_rest);
}

int asyncio_error_subgroup_if(asyncio_error_t *error, asyncio_error_condition_t *condition,
                              void *arg, asyncio_error_t **ret_matching)
{
    return asyncio_error_split_if(error, condition, arg, ret_matching, /* ret_rest= */ NULL);
}

int asyncio_error_subgroup(asyncio_error_t *error, int code, asyncio_error_t **ret_matching)
{
    return asyncio_error_split(error, code, ret_matching, /* ret_rest= */ NULL);
}

/* --- leaves -------------------------------------------------------------------------------- */

/* A group on the way to the leaf that is looked at. */
typedef struct step {
    const asyncio_error_t *group; /* borrowed */
    size_t next;                  /* index of the next child */
} step_t;

#define STEPS_AT_HAND 16 /* deep, without memory of the heap */

/* Doubles the room: false when memory is out, and the old stays. */
static bool grow(step_t **steps, size_t *capacity, const step_t *at_hand)
{
    step_t *more = asyncio__malloc(2 * *capacity * sizeof(*more));
    if (!more)
        return false;
    memcpy(more, *steps, *capacity * sizeof(*more));
    if (*steps != at_hand)
        asyncio__free(*steps, *capacity * sizeof(*more));
    *steps = more;
    *capacity *= 2;
    return true;
}

long asyncio_error_leaves(const asyncio_error_t *error, asyncio_error_t **ret_leaves,
                          size_t capacity)
{
    if (!error)
        return 0;
    step_t at_hand[STEPS_AT_HAND], *steps = at_hand;
    size_t room = STEPS_AT_HAND, depth = 0;
    long count = 0;
    for (;;) {
        if (!is_group(error)) {
            if (ret_leaves && (size_t)count < capacity)
                ret_leaves[count] = (asyncio_error_t *)error;
            count++;
        } else if (depth == room && !grow(&steps, &room, at_hand)) {
            count = asyncio__fail(-ENOMEM, NULL);
            break;
        } else {
            steps[depth++] = (step_t){error, 0};
        }
        while (depth > 0 && steps[depth - 1].next == steps[depth - 1].group->child_count)
            depth--;
        if (depth == 0)
            break;
        error = steps[depth - 1].group->child[steps[depth - 1].next++];
    }
    if (steps != at_hand)
        asyncio__free(steps, room * sizeof(*steps));
    return count;
}
