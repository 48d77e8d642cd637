/* SPDX-License-Identifier: MIT */
/*
 * A doubly linked list whose links live in its members: no allocation, removal in constant time.
 *
 *     asyncio__list_t waiters;
 *     asyncio__list_init(&waiters);
 *     asyncio__list_append(&waiters, &waiter->link);
 *     asyncio__list_remove(&waiter->link);
 *
 * The head is a member of the ring too: an empty list points at itself. A member that is in no
 * list has NULL links, so removing twice is harmless and membership can be asked for.
 */
#ifndef ASYNCIO__BASE_LIST_H
#define ASYNCIO__BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct asyncio__list {
    struct asyncio__list *next; /* the first member, or the one behind this member */
    struct asyncio__list *prev; /* the last member, or the one before this member */
} asyncio__list_t;

/* The object of that type whose field is the list member. */
#define ASYNCIO__CONTAINER(member, type, field) \
    ((type *)(void *)((char *)(member)-offsetof(type, field)))

static inline void asyncio__list_init(asyncio__list_t *list)
{
    list->next = list->prev = list;
}

static inline void asyncio__list_init_member(asyncio__list_t *member)
{
    member->next = member->prev = NULL;
}

static inline bool asyncio__list_is_member(const asyncio__list_t *member)
{
    return member->next != NULL;
}

static inline bool asyncio__list_is_empty(const asyncio__list_t *list)
{
    return list->next == list;
}

static inline void asyncio__list_append(asyncio__list_t *list, asyncio__list_t *member)
{
    member->prev = list->prev;
    member->next = list;
    list->prev->next = member;
    list->prev = member;
}

static inline void asyncio__list_remove(asyncio__list_t *member)
{
    if (!member->next)
        return;
    member->prev->next = member->next;
    member->next->prev = member->prev;
    member->next = member->prev = NULL;
}

/* Takes the first member out, or returns NULL. */
static inline asyncio__list_t *asyncio__list_pop(asyncio__list_t *list)
{
    asyncio__list_t *first = list->next;
    if (first == list)
        return NULL;
    asyncio__list_remove(first);
    return first;
}

/* Moves all members, in order, to the end of another list. */
static inline void asyncio__list_move(asyncio__list_t *from, asyncio__list_t *to)
{
    if (asyncio__list_is_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    asyncio__list_init(from);
}

#endif
