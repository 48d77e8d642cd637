/* SPDX-License-Identifier: MIT */
/* Tests in cmocka: each test has its own loop, on a virtual clock that jumps to the next timer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <asyncio.h>
#include <cmocka.h>

static asyncio_testing_t *testing;  /* class TestQueue(unittest.IsolatedAsyncioTestCase): */
static asyncio_queue_t *queue;

static int set_up(void *arg, void **ret_result)                 /* async def asyncSetUp(self): */
{
    (void)arg, (void)ret_result;
    queue = asyncio_queue_new(1);                               /*     self.queue = Queue(1) */
    return queue ? 0 : asyncio_errno();
}

static int tear_down(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_queue_unref(queue);
    return 0;
}

static int put_tomorrow(void **ret_result)                      /* async def put_tomorrow(self): */
{
    (void)ret_result;
    int rc = asyncio_sleep(86400.0);                            /*     await asyncio.sleep(86400) */
    return rc < 0 ? rc : asyncio_queue_put(queue, "late");     /*     await queue.put('late') */
}
ASYNCIO_COROUTINE(put_tomorrow);

static int get_waits(void *arg, void **ret_result)              /* async def test_waits(self): */
{
    (void)arg, (void)ret_result;
    asyncio_task_t *task = asyncio_create_task(put_tomorrow_coroutine());
    void *item = NULL;
    int rc = asyncio_queue_get(queue, &item);                  /*     item = await queue.get() */
    assert_int_equal(rc, 0);
    assert_string_equal(item, "late");
    assert_true(asyncio_loop_time(asyncio_get_running_loop()) >= 86400.0);
    return asyncio_await_unref(task, NULL);
}

static int forgets(void *arg, void **ret_result)                /* a test with a mistake */
{
    (void)arg, (void)ret_result;
    return asyncio_task_detach(asyncio_create_task(put_tomorrow_coroutine()));
}

static void queue_get_waits(void **state)
{
    (void)state;
    if (asyncio_testing_run(testing, get_waits, NULL) < 0)
        fail_msg("%s", asyncio_testing_report(testing));
}

static void a_forgotten_task_is_found(void **state)
{
    (void)state;
    assert_int_equal(asyncio_testing_run(testing, forgets, NULL), -EUCLEAN);
    assert_non_null(strstr(asyncio_testing_report(testing), "pending task: Task-"));
}

int main(void)
{
    asyncio_testing_options_t options = {
        .size = sizeof(options), .setup = set_up, .teardown = tear_down};
    const struct CMUnitTest tests[] = {cmocka_unit_test(queue_get_waits),
                                       cmocka_unit_test(a_forgotten_task_is_found)};
    testing = asyncio_testing_new(&options);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    asyncio_testing_unref(testing);
    return failed;
}
