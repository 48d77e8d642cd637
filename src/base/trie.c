/* SPDX-License-Identifier: MIT */
/*
 * Maps that are copied by incrementing a reference count; see trie.h.
 *
 * A change walks down from the root and copies each node that other maps share; the copy shares
 * the children. The nodes that are then changed belong to this map alone. If memory runs out half
 * way, the map is unchanged: the copies hold what the nodes held.
 */
#include "base/trie.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"

#define BITS 5
#define PLACE_OF(key, shift) (1u << ((key) >> (shift) & ((1u << BITS) - 1)))

static size_t size_of(uint32_t places)
{
    return sizeof(asyncio__trie_t) + (size_t)__builtin_popcount(places) * sizeof(void *);
}

/* Returns the index in child[] of a position: the number of occupied positions before it. */
static size_t index_of(const asyncio__trie_t *trie, uint32_t place)
{
    return (size_t)__builtin_popcount(trie->places & (place - 1));
}

static asyncio__trie_t *make(uint32_t places, uint32_t entries)
{
    asyncio__trie_t *trie = asyncio__malloc(size_of(places));
    if (!trie)
        return NULL;
    atomic_init(&trie->refs, 1);
    trie->places = places;
    trie->entries = entries;
    return trie;
}

void asyncio__trie_entry_unref(asyncio__trie_entry_t *entry)
{
    /* Release in every decrement, acquire in the last one: it destroys what others wrote. */
    if (entry && atomic_fetch_sub_explicit(&entry->refs, 1, memory_order_acq_rel) == 1)
        entry->destroy(entry);
}

void asyncio__trie_unref(asyncio__trie_t *trie)
{
    if (!trie || atomic_fetch_sub_explicit(&trie->refs, 1, memory_order_acq_rel) != 1)
        return;
    union asyncio__trie_child *child = trie->child;
    for (uint32_t left = trie->places; left; left &= left - 1, child++) {
        if (trie->entries & left & -left)
            asyncio__trie_entry_unref(child->entry);
        else
            asyncio__trie_unref(child->node);
    }
    asyncio__free(trie, size_of(trie->places));
}

asyncio__trie_entry_t *asyncio__trie_get(const asyncio__trie_t *trie, uint64_t key)
{
    for (unsigned shift = 0; trie; shift += BITS) {
        uint32_t place = PLACE_OF(key, shift);
        if (!(trie->places & place))
            return NULL;
        union asyncio__trie_child child = trie->child[index_of(trie, place)];
        if (trie->entries & place)
            return child.entry->key == key ? child.entry : NULL;
        trie = child.node;
    }
    return NULL;
}

void asyncio__trie_walk(const asyncio__trie_t *trie,
                        void (*visit)(asyncio__trie_entry_t *entry, void *arg), void *arg)
{
    const union asyncio__trie_child *child = trie ? trie->child : NULL;
    for (uint32_t left = trie ? trie->places : 0; left; left &= left - 1, child++) {
        if (trie->entries & left & -left)
            visit(child->entry, arg);
        else
            asyncio__trie_walk(child->node, visit, arg);
    }
}

/* --- changing ------------------------------------------------------------------------------ */

/* Makes a node exclusive to the map by copying it if it is shared; its parents are already. */
static int own(asyncio__trie_t **at)
{
    asyncio__trie_t *trie = *at;
    /* Acquire: pairs with the release of the thread that dropped its reference after reading. */
    if (atomic_load_explicit(&trie->refs, memory_order_acquire) == 1)
        return 0;
    asyncio__trie_t *copy = make(trie->places, trie->entries);
    if (!copy)
        return -ENOMEM;
    size_t i = 0;
    for (uint32_t left = trie->places; left; left &= left - 1, i++) {
        copy->child[i] = trie->child[i];
        if (trie->entries & left & -left)
            asyncio__trie_entry_ref(trie->child[i].entry);
        else
            asyncio__trie_ref(trie->child[i].node);
    }
    *at = copy;
    asyncio__trie_unref(trie);
    return 0;
}

/* Moves the content of an exclusive node to a new one with one position more or less, which stays
 * empty. */
static int move(asyncio__trie_t **at, uint32_t place)
{
    asyncio__trie_t *trie = *at;
    asyncio__trie_t *moved = make(trie->places ^ place, trie->entries & ~place);
    if (!moved)
        return -ENOMEM;
    bool is_more = moved->places & place;
    size_t before = index_of(trie, place), count = (size_t)__builtin_popcount(trie->places);
    size_t behind = count - before - (is_more ? 0 : 1), size = sizeof(trie->child[0]);
    memcpy(moved->child, trie->child, before * size);
    memcpy(moved->child + before + is_more, trie->child + count - behind, behind * size);
    *at = moved;
    asyncio__free(trie, size_of(trie->places));
    return 0;
}

/* Creates a node for two entries of different keys that agree in all bits below shift. */
static asyncio__trie_t *make_pair(asyncio__trie_entry_t *one, asyncio__trie_entry_t *other,
                                  unsigned shift)
{
    uint32_t place = PLACE_OF(one->key, shift), other_place = PLACE_OF(other->key, shift);
    uint32_t places = place | other_place;
    asyncio__trie_t *trie = make(places, place == other_place ? 0 : places);
    if (!trie)
        return NULL;
    if (place == other_place) {
        trie->child[0].node = make_pair(one, other, shift + BITS);
        if (trie->child[0].node)
            return trie;
        asyncio__free(trie, size_of(place));
        return NULL;
    }
    trie->child[place > other_place].entry = one;
    trie->child[place < other_place].entry = other;
    return trie;
}

/* Stores an entry at a position that holds another one, of the same key or not. */
static int put_in_place(asyncio__trie_t *trie, uint32_t place, unsigned shift,
                        asyncio__trie_entry_t *entry, asyncio__trie_entry_t **ret_former)
{
    union asyncio__trie_child *child = &trie->child[index_of(trie, place)];
    if (child->entry->key == entry->key) {
        *ret_former = child->entry;
        child->entry = entry;
        return 0;
    }
    asyncio__trie_t *pair = make_pair(child->entry, entry, shift + BITS);
    if (!pair)
        return -ENOMEM;
    child->node = pair;
    trie->entries &= ~place;
    return 0;
}

int asyncio__trie_set(asyncio__trie_t **trie, asyncio__trie_entry_t *entry,
                      asyncio__trie_entry_t **ret_former)
{
    asyncio__trie_t **at = trie;
    *ret_former = NULL;
    if (!*at && !(*at = make(0, 0)))
        return -ENOMEM;
    for (unsigned shift = 0;; shift += BITS) {
        if (own(at) < 0)
            return -ENOMEM;
        uint32_t place = PLACE_OF(entry->key, shift);
        if (!((*at)->places & place)) {
            if (move(at, place) < 0)
                return -ENOMEM;
            (*at)->child[index_of(*at, place)].entry = entry;
            (*at)->entries |= place;
            return 0;
        }
        if ((*at)->entries & place)
            return put_in_place(*at, place, shift, entry, ret_former);
        at = &(*at)->child[index_of(*at, place)].node;
    }
}

int asyncio__trie_remove(asyncio__trie_t **trie, uint64_t key,
                         asyncio__trie_entry_t **ret_former)
{
    asyncio__trie_t **at = trie;
    *ret_former = NULL;
    asyncio__trie_entry_t *former = asyncio__trie_get(*at, key);
    if (!former)
        return 0;
    for (unsigned shift = 0;; shift += BITS) {
        if (own(at) < 0)
            return -ENOMEM;
        uint32_t place = PLACE_OF(key, shift);
        if ((*at)->entries & place) {
            /* Below the root an empty node may stay: it is small and usually filled again. */
            if (move(at, place) < 0)
                return -ENOMEM;
            *ret_former = former;
            if ((*trie)->places == 0) {
                asyncio__trie_unref(*trie);
                *trie = NULL;
            }
            return 0;
        }
        at = &(*at)->child[index_of(*at, place)].node;
    }
}
