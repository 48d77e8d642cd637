/* SPDX-License-Identifier: MIT */
/* The ring: first in, first out, with room that was reserved and positions that stay good. */
#include "support/support.h"

#include <stdint.h>

#include "base/memory.h"
#include "base/ring.h"

static void *number(uintptr_t value)
{
    return (void *)value;
}

/* Items are removed in the order in which they were added, while the ring wraps around and
 * grows. */
static void items_leave_in_order(void **state)
{
    (void)state;
    asyncio__ring_t ring = {0};
    long blocks = asyncio__live_blocks();
    uintptr_t pushed = 1, popped = 1;
    for (uint32_t round = 1; round <= 40; round++) {
        assert_int_equal(asyncio__ring_reserve(&ring, 25), 0);
        for (int i = 0; i < 25; i++)
            asyncio__ring_push(&ring, number(pushed++));
        for (int i = 0; i < 13; i++)
            assert_ptr_equal(asyncio__ring_pop(&ring), number(popped++));
        assert_int_equal(asyncio__ring_count(&ring), round * 12);
    }
    while (asyncio__ring_count(&ring) > 0)
        assert_ptr_equal(asyncio__ring_pop(&ring), number(popped++));
    assert_int_equal(popped, pushed);
    asyncio__ring_fini(&ring);
    assert_int_equal(asyncio__live_blocks(), blocks);
}

/* There is room for exactly the reserved number of items. */
static void there_is_room_for_what_was_reserved(void **state)
{
    (void)state;
    for (uint32_t count = 1; count <= 300; count++) {
        asyncio__ring_t ring = {0};
        assert_int_equal(asyncio__ring_reserve(&ring, count - 1), 0);
        assert_int_equal(asyncio__ring_reserve(&ring, 1), 0);
        for (uintptr_t i = 0; i < count; i++)
            asyncio__ring_push(&ring, number(i));
        for (uintptr_t i = 0; i < count; i++)
            assert_ptr_equal(asyncio__ring_pop(&ring), number(i));
        asyncio__ring_fini(&ring);
    }
}

/* An item can be replaced at its position, also after the ring has grown. */
static void positions_stay_good(void **state)
{
    (void)state;
    asyncio__ring_t ring = {0};
    assert_int_equal(asyncio__ring_reserve(&ring, 60), 0);
    for (uintptr_t i = 0; i < 50; i++)
        asyncio__ring_push(&ring, number(i));
    for (uintptr_t i = 0; i < 50; i++)
        asyncio__ring_pop(&ring);
    asyncio__ring_push(&ring, number(100));
    uint32_t position = asyncio__ring_push(&ring, number(101));
    asyncio__ring_push(&ring, number(102));
    assert_int_equal(asyncio__ring_reserve(&ring, 1000), 0);
    asyncio__ring_replace(&ring, position, number(7));
    assert_ptr_equal(asyncio__ring_ahead(&ring, 1), number(7));
    assert_ptr_equal(asyncio__ring_pop(&ring), number(100));
    assert_ptr_equal(asyncio__ring_pop(&ring), number(7));
    assert_ptr_equal(asyncio__ring_pop(&ring), number(102));
    asyncio__ring_fini(&ring);
}

/* A reservation beyond the maximum is -ENOMEM, and the ring is unchanged. */
static void too_much_room_is_refused(void **state)
{
    (void)state;
    asyncio__ring_t ring = {0};
    assert_int_equal(asyncio__ring_reserve(&ring, 1), 0);
    asyncio__ring_push(&ring, number(5));
    assert_int_equal(asyncio__ring_reserve(&ring, UINT32_MAX - 1), -ENOMEM);
    assert_int_equal(asyncio__ring_reserve(&ring, UINT32_MAX), -ENOMEM);
    assert_int_equal(asyncio__ring_reserve(&ring, UINT32_MAX / 2), -ENOMEM);
    assert_ptr_equal(asyncio__ring_pop(&ring), number(5));
    asyncio__ring_fini(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_leave_in_order),
        cmocka_unit_test(there_is_room_for_what_was_reserved),
        cmocka_unit_test(positions_stay_good),
        cmocka_unit_test(too_much_room_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
