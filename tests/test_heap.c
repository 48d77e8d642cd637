/* SPDX-License-Identifier: MIT */
/* The heap of deadlines: earliest first, equal ones in the order in which they were set. */
#include "support/support.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/heap.h"
#include "base/memory.h"

#define NODES 300

struct deadline {
    asyncio__heap_node_t node; /* in the heap */
    int64_t when_ns;           /* the deadline */
    long sequence;             /* how many were set before */
    bool is_set;               /* what the model says */
};

/* Returns the node that must be the first, by a linear search. */
static struct deadline *first_of(struct deadline *all)
{
    struct deadline *first = NULL;
    for (size_t i = 0; i < NODES; i++)
        if (all[i].is_set &&
            (!first || all[i].when_ns < first->when_ns ||
             (all[i].when_ns == first->when_ns && all[i].sequence < first->sequence)))
            first = &all[i];
    return first;
}

static void check_first(asyncio__heap_t *heap, struct deadline *all)
{
    const struct asyncio__heap_entry *entry = asyncio__heap_first(heap);
    struct deadline *first = first_of(all);
    if (!first) {
        assert_null(entry);
        return;
    }
    assert_non_null(entry);
    assert_ptr_equal(entry->node, &first->node);
    assert_int_equal(entry->when_ns, first->when_ns);
}

/* After any inserts and removals in any order the first node is the right one. */
static void the_first_is_always_right(void **state)
{
    (void)state;
    static struct deadline all[NODES];
    asyncio__heap_t heap = {0};
    unsigned random = 12345;
    long blocks = asyncio__live_blocks();
    for (long step = 0; step < 20000; step++) {
        random = random * 1103515245u + 12345u;
        struct deadline *one = &all[(random >> 8) % NODES];
        /* Phases with more inserts, and phases with more removals. */
        bool removes = one->is_set && (step / 1000 % 2 || (random >> 20) % 4 == 0);
        if (removes) {
            asyncio__heap_remove(&heap, &one->node);
            one->is_set = false;
        } else if (!one->is_set) {
            one->when_ns = (random >> 16) % 50;
            one->sequence = step;
            one->is_set = true;
            assert_int_equal(asyncio__heap_insert(&heap, &one->node, one->when_ns), 0);
        }
        assert_int_equal(asyncio__heap_contains(&one->node), one->is_set);
        if (step % 3 == 0)
            check_first(&heap, all);
    }
    for (struct deadline *first; (first = first_of(all)); first->is_set = false) {
        check_first(&heap, all);
        asyncio__heap_remove(&heap, &first->node);
    }
    check_first(&heap, all);
    asyncio__heap_fini(&heap);
    assert_int_equal(asyncio__live_blocks(), blocks);
}

/* Deadlines inserted in any order are removed in order, however many there are. */
static void any_order_comes_out_sorted(void **state)
{
    (void)state;
    static struct deadline all[NODES];
    unsigned random = 777;
    for (size_t count = 1; count <= NODES; count++) {
        asyncio__heap_t heap = {0};
        for (size_t i = 0; i < count; i++) {
            random = random * 1103515245u + 12345u;
            all[i] = (struct deadline){.when_ns = (random >> 8) % 1000};
            assert_int_equal(asyncio__heap_insert(&heap, &all[i].node, all[i].when_ns), 0);
        }
        int64_t last_ns = 0;
        for (size_t i = 0; i < count; i++) {
            const struct asyncio__heap_entry *first = asyncio__heap_first(&heap);
            assert_non_null(first);
            assert_true(first->when_ns >= last_ns);
            last_ns = first->when_ns;
            asyncio__heap_remove(&heap, first->node);
        }
        assert_null(asyncio__heap_first(&heap));
        asyncio__heap_fini(&heap);
    }
}

/* Removing a node that is in no heap is a no-op. */
static void removing_nothing_is_harmless(void **state)
{
    (void)state;
    asyncio__heap_t heap = {0};
    asyncio__heap_node_t node = ASYNCIO__HEAP_NODE;
    asyncio__heap_remove(&heap, &node);
    assert_null(asyncio__heap_first(&heap));
    asyncio__heap_fini(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_always_right),
        cmocka_unit_test(any_order_comes_out_sorted),
        cmocka_unit_test(removing_nothing_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
