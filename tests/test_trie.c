/* SPDX-License-Identifier: MIT */
/* Maps that share nodes: each keeps its entries, whatever is done to its copies. */
#include "support/support.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/trie.h"

#define KEYS 200
#define MAPS 8

/* An object to store in maps. */
typedef struct thing {
    asyncio__trie_entry_t entry; /* its entry in maps */
    long value;                  /* identifies it */
} thing_t;

static atomic_long alive;

static void destroy_thing(asyncio__trie_entry_t *entry)
{
    alive--;
    asyncio__free((thing_t *)(void *)entry, sizeof(thing_t));
}

static asyncio__trie_entry_t *make_thing(uint64_t key, long value)
{
    thing_t *thing = asyncio__malloc(sizeof(*thing));
    assert_non_null(thing);
    atomic_init(&thing->entry.refs, 1);
    thing->entry.key = key;
    thing->entry.destroy = destroy_thing;
    thing->value = value;
    alive++;
    return &thing->entry;
}

static long value_of(const asyncio__trie_entry_t *entry)
{
    return entry ? ((const thing_t *)(const void *)entry)->value : 0;
}

/* Keys that share many low bits, and some that share all but the highest. */
static uint64_t key_of(unsigned i)
{
    switch (i % 4) {
    case 0:
        return i;
    case 1:
        return (uint64_t)1 << 40 | (uint64_t)i << 5;
    case 2:
        return (uint64_t)i << 50 | 7;
    default:
        return ((uint64_t)1 << 63) | i;
    }
}

/* A map and the values that it must hold; 0: no entry. */
struct model {
    asyncio__trie_t *map;
    long values[KEYS];
};

struct count {
    size_t entries;
    long sum;
};

static void add_up(asyncio__trie_entry_t *entry, void *arg)
{
    struct count *count = arg;
    count->entries++;
    count->sum += value_of(entry);
}

static void check(const struct model *model)
{
    struct count wanted = {0, 0}, found = {0, 0};
    for (unsigned i = 0; i < KEYS; i++) {
        assert_int_equal(value_of(asyncio__trie_get(model->map, key_of(i))), model->values[i]);
        wanted.entries += model->values[i] != 0;
        wanted.sum += model->values[i];
    }
    asyncio__trie_walk(model->map, add_up, &found);
    assert_int_equal(found.entries, wanted.entries);
    assert_int_equal(found.sum, wanted.sum);
}

static void change(struct model *model, unsigned i, long value)
{
    asyncio__trie_entry_t *former = NULL;
    int rc = value ? asyncio__trie_set(&model->map, make_thing(key_of(i), value), &former)
                   : asyncio__trie_remove(&model->map, key_of(i), &former);
    assert_int_equal(rc, 0);
    assert_int_equal(value_of(former), model->values[i]);
    asyncio__trie_entry_unref(former);
    model->values[i] = value;
}

/* After sets, removals and copies in any order each map holds exactly the entries stored in it, and
 * an entry that no map holds is freed. */
static void copies_do_not_see_each_other(void **state)
{
    (void)state;
    static struct model models[MAPS];
    unsigned random = 4711;
    long blocks = asyncio__live_blocks();
    for (long step = 1; step < 30000; step++) {
        random = random * 1103515245u + 12345u;
        struct model *model = &models[(random >> 8) % MAPS];
        unsigned what = (random >> 12) % 16, key = (random >> 16) % KEYS;
        if (what == 0) {
            struct model *copy = &models[(random >> 24) % MAPS];
            asyncio__trie_t *former = copy->map;
            asyncio__trie_ref(model->map);
            *copy = *model;
            asyncio__trie_unref(former);
        } else {
            change(model, key, what < 6 ? 0 : step);
        }
        if (step % 500 == 0)
            for (size_t i = 0; i < MAPS; i++)
                check(&models[i]);
    }
    for (size_t i = 0; i < MAPS; i++) {
        asyncio__trie_unref(models[i].map);
        models[i].map = NULL;
    }
    assert_int_equal(alive, 0);
    assert_int_equal(asyncio__live_blocks(), blocks);
}

/* A map without copies is changed in place: replacing a value allocates nothing for the map. */
static void what_is_not_shared_is_not_copied(void **state)
{
    (void)state;
    static struct model model;
    for (unsigned i = 0; i < KEYS; i++)
        change(&model, i, i + 1);
    asyncio__trie_t *map = model.map;
    long blocks = asyncio__live_blocks();
    for (unsigned i = 0; i < KEYS; i++)
        change(&model, i, i + 1000);
    assert_ptr_equal(model.map, map);
    assert_int_equal(asyncio__live_blocks(), blocks);
    check(&model);
    asyncio__trie_t *copy = asyncio__trie_ref(model.map);
    assert_ptr_equal(copy, model.map);
    change(&model, 3, 5);
    assert_ptr_not_equal(model.map, copy);
    assert_int_equal(value_of(asyncio__trie_get(copy, key_of(3))), 1003);
    asyncio__trie_unref(copy);
    asyncio__trie_unref(model.map);
    model.map = NULL;
    assert_int_equal(alive, 0);
}

/* The body of one thread: changes copies of a map that all threads share. */
static void *change_copies(void *arg)
{
    asyncio__trie_t *shared = arg;
    for (int round = 0; round < 2000; round++) {
        asyncio__trie_t *map = asyncio__trie_ref(shared);
        asyncio__trie_entry_t *former = NULL;
        if (asyncio__trie_remove(&map, (uint64_t)round % 64, &former) == 0)
            asyncio__trie_entry_unref(former);
        asyncio__trie_unref(map);
    }
    return NULL;
}

/* Threads may copy and change maps that share nodes, each thread its own maps. */
static void threads_share_nodes(void **state)
{
    (void)state;
    asyncio__trie_t *map = NULL;
    asyncio__trie_entry_t *former;
    for (uint64_t key = 0; key < 64; key++)
        assert_int_equal(asyncio__trie_set(&map, make_thing(key, 1), &former), 0);
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, change_copies, map), 0);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (uint64_t key = 0; key < 64; key++)
        assert_int_equal(value_of(asyncio__trie_get(map, key)), 1);
    asyncio__trie_unref(map);
    assert_int_equal(alive, 0);
}

/* The empty map holds no entry, and a removal from it succeeds without one. */
static void the_empty_map_is_null(void **state)
{
    (void)state;
    asyncio__trie_t *map = NULL;
    asyncio__trie_entry_t *former;
    assert_null(asyncio__trie_get(NULL, 0));
    assert_int_equal(asyncio__trie_remove(&map, 0, &former), 0);
    assert_null(former);
    assert_null(map);
    asyncio__trie_walk(NULL, NULL, NULL);
    asyncio__trie_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_do_not_see_each_other),
        cmocka_unit_test(what_is_not_shared_is_not_copied),
        cmocka_unit_test(threads_share_nodes),
        cmocka_unit_test(the_empty_map_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
