/* SPDX-License-Identifier: MIT */
/* Call graphs: the frames of tasks, what they wait for, what awaits them, and all that as text. */
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coroutine/fiber.h"

#define NOINLINE __attribute__((noinline))

/* Keeps a call from becoming a tail call. */
static volatile int kept;

/* Whether stacks can be listed: the switch by ucontext has no unwind tables. */
static bool has_frames(void)
{
    return strcmp(asyncio__fiber_name(), "ucontext") != 0;
}

/* --- what is written ------------------------------------------------------------------------ */

static char text[8192];

/* Writes the output of print(file, arg) to text[]; returns what print() returns. */
static long printed(long (*print)(FILE *file, void *arg), void *arg)
{
    memset(text, 0, sizeof(text));
    FILE *file = fmemopen(text, sizeof(text) - 1, "w");
    assert_non_null(file);
    long rc = print(file, arg);
    assert_int_equal(fclose(file), 0);
    return rc;
}

/* Returns the names of the functions of frames, each followed by a space. */
static NOINLINE const char *names_of(asyncio_task_t *task)
{
    asyncio_frame_t frames[64];
    long count = asyncio_task_get_stack(task, frames, 64);
    assert_in_range(count, 0, 64);
    text[0] = '\0';
    for (long i = 0; i < count; i++)
        strcat(strcat(text, frames[i].function), " ");
    return text;
}

/* --- frames --------------------------------------------------------------------------------- */

static NOINLINE int wait_deep(int depth)
{
    int rc = depth ? wait_deep(depth - 1) : asyncio_sleep(1);
    kept = depth;
    return rc;
}

static int sleep_deep(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = wait_deep((int)asyncio_int(arg));
    kept = 1;
    return rc;
}

static int look_at_sleeper(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(sleep_deep, ASYNCIO_INT(2)));
    asyncio_frame_t frames[64];
    assert_int_equal(asyncio_task_get_stack(task, frames, 64), 1);
    assert_string_equal(frames[0].function, "sleep_deep");
    assert_int_equal(frames[0].offset, 0);
    assert_int_equal(asyncio_sleep(0), 0);
    long count = asyncio_task_get_stack(task, frames, 64);
    assert_in_range(count, 5, 12);
    assert_string_equal(frames[0].function, "sleep_deep");
    for (int i = 1; i <= 3; i++)
        assert_string_equal(frames[i].function, "wait_deep");
#if defined(ASYNCIO__LIBDW)
    assert_non_null(strstr(frames[1].file, "test_call_graph.c"));
    assert_in_range(frames[1].line, 50, 70);
#else
    assert_non_null(strstr(frames[1].file, "test_call_graph"));
    assert_int_equal(frames[1].line, 0);
#endif
    assert_true(frames[1].offset > 0);
    assert_non_null(strstr(names_of(task), "sleep_until "));
    /* If there is not enough room the newest frames are returned. */
    asyncio_frame_t newest[2];
    assert_int_equal(asyncio_task_get_stack(task, newest, 2), count);
    assert_ptr_equal(newest[1].address, frames[count - 1].address);
    assert_ptr_equal(newest[0].address, frames[count - 2].address);
    assert_int_equal(asyncio_task_get_stack(task, NULL, 0), count);
    assert_int_equal(asyncio_await(task, NULL), 0);
    assert_int_equal(asyncio_task_get_stack(task, frames, 64), 0);
    asyncio_task_unref(task);
    return 0;
}

/* The frames of a waiting task are those of its functions, static ones too, with lines. */
static void a_waiting_task_has_the_frames_of_its_functions(void **state)
{
    if (!has_frames())
        skip();
    assert_int_equal(run(*state, look_at_sleeper, NULL), 0);
}

static NOINLINE int look_at_itself(void)
{
    names_of(asyncio_current_task());
    kept = 1;
    return 0;
}

static int run_and_look(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = look_at_itself();
    kept = 2;
    return rc;
}

/* The frames of the running task are those of the caller. */
static void the_running_task_has_its_own_frames(void **state)
{
    assert_int_equal(run(*state, run_and_look, NULL), 0);
    assert_string_equal(text, "run_and_look look_at_itself names_of ");
}

static NOINLINE int sleep_in_generator(void)
{
    int rc = asyncio_sleep(1);
    kept = 3;
    return rc;
}

static int generate(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    look_at_itself();
    int rc = asyncio_yield(NULL, NULL);
    if (rc == 0)
        rc = sleep_in_generator();
    kept = 4;
    return rc;
}

static int iterate(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = 0;
    while (rc == 0)
        rc = asyncio_coroutine_anext(arg, NULL);
    return rc == ASYNCIO_ESTOPASYNCITERATION ? 0 : rc;
}

static int look_at_generator(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_coroutine_t *generator = asyncio_coroutine(generate, NULL);
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(iterate, generator));
    assert_int_equal(asyncio_sleep(0), 0);
    /* The task looked at itself while it ran. */
    assert_non_null(strstr(text, "iterate "));
    assert_non_null(strstr(strstr(text, "iterate "), "generate look_at_itself names_of "));
    const char *names = names_of(task), *outer = strstr(names, "iterate ");
    assert_ptr_equal(outer, names);
    const char *inner = strstr(names, "generate sleep_in_generator ");
    assert_non_null(inner);
    assert_true(inner > outer);
    assert_int_equal(asyncio_await_unref(task, NULL), 0);
    asyncio_coroutine_unref(generator);
    return 0;
}

/* The frames of a task that drives an asynchronous generator include those of the generator. */
static void the_frames_of_a_generator_lie_above(void **state)
{
    if (!has_frames())
        skip();
    assert_int_equal(run(*state, look_at_generator, NULL), 0);
}

/* The waits that each_place_has_a_name() tries. */
struct places {
    asyncio_lock_t lock;
    asyncio_event_t event;
    asyncio_semaphore_t semaphore;
    asyncio_queue_t *queue;
    asyncio_future_t *future;
};

/* Waits in one of the calls of the library. */
static NOINLINE int wait_at(struct places *places, int which)
{
    void *value;
    asyncio_awaitable_t *one[] = {places->future};
    switch (which) {
    case 0:
        return asyncio_sleep(5);
    case 1:
        return asyncio_lock_acquire(&places->lock);
    case 2:
        return asyncio_event_wait(&places->event);
    case 3:
        return asyncio_semaphore_acquire(&places->semaphore);
    case 4:
        return asyncio_queue_get(places->queue, &value);
    case 5:
        return asyncio_await(places->future, NULL);
    case 6:
        return asyncio_await_unref(asyncio_gather(one, 1, NULL), NULL);
    case 7:
        return asyncio_wait(one, 1, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED, NULL);
    case 8:
        return asyncio_wait_for(places->future, 100, NULL);
    default:
        return asyncio_await_unref(asyncio_shield(places->future), NULL);
    }
}

static struct places *the_places;

static int wait_in(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = wait_at(the_places, (int)asyncio_int(arg));
    kept = 5;
    return rc;
}

static const char *const waits[] = {
    "asyncio_sleep", "asyncio_lock_acquire", "asyncio_event_wait", "asyncio_semaphore_acquire",
    "asyncio_queue_get", "test_call_graph.c:", "asyncio_gather", "asyncio_wait",
    "test_call_graph.c:", "asyncio_shield"};
#define WAITS (sizeof(waits) / sizeof(waits[0]))

static int look_at_places(void *arg, void **ret_result)
{
    (void)ret_result;
    fixture_t *fixture = arg;
    struct places places;
    the_places = &places;
    assert_int_equal(asyncio_lock_init(&places.lock), 0);
    assert_int_equal(asyncio_lock_acquire(&places.lock), 0);
    assert_int_equal(asyncio_event_init(&places.event), 0);
    assert_int_equal(asyncio_semaphore_init(&places.semaphore, 0), 0);
    places.queue = asyncio_queue_new(0);
    places.future = asyncio_loop_create_future(fixture->loop);
    asyncio_task_t *tasks[WAITS];
    for (size_t i = 0; i < WAITS; i++)
        tasks[i] = asyncio_create_task(asyncio_coroutine(wait_in, ASYNCIO_INT(i)));
    assert_string_equal(asyncio_task_get_waiting_for(tasks[0]), "");
    assert_int_equal(asyncio_sleep(0), 0);
    for (size_t i = 0; i < WAITS; i++) {
        assert_non_null(strstr(asyncio_task_get_waiting_for(tasks[i]), waits[i]));
        bool is_in_a_call = i < 5 || i == 7;
        assert_true(!asyncio_task_get_awaited(tasks[i]) == is_in_a_call);
        if (has_frames())
            assert_non_null(strstr(names_of(tasks[i]), "wait_in "));
    }
    assert_ptr_equal(asyncio_task_get_awaited(tasks[5]), places.future);
    /* Each of these waits for the future in its own way; the gathering waits for its task. */
    asyncio_future_t *awaiters[8];
    assert_int_equal(asyncio_future_awaited_by(places.future, awaiters, 8), 5);
    for (size_t i = 0; i < 5; i++) {
        assert_ptr_equal(awaiters[i], tasks[5 + i]);
        asyncio_future_unref(awaiters[i]);
    }
    assert_int_equal(asyncio_future_awaited_by(places.future, NULL, 0), 5);
    for (size_t i = 0; i < WAITS; i++) {
        assert_int_equal(asyncio_task_cancel(tasks[i], NULL), 1);
        if (i <= 5)
            assert_string_equal(asyncio_task_get_waiting_for(tasks[i]), "");
    }
    /* Once it is done, nobody awaits it. */
    assert_int_equal(asyncio_future_awaited_by(places.future, NULL, 0), 0);
    for (size_t i = 0; i < WAITS; i++)
        assert_int_equal(asyncio_await_unref(tasks[i], NULL), -ECANCELED);
    asyncio_future_unref(places.future);
    asyncio_queue_unref(places.queue);
    return 0;
}

/* In whatever call of the library a task waits, the call has a name, and the frames are found. */
static void each_place_has_a_name(void **state)
{
    assert_int_equal(run(*state, look_at_places, *state), 0);
    asyncio_error_clear();
}

/* --- who awaits ----------------------------------------------------------------------------- */

static int sleep_long(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = asyncio_sleep(3);
    kept = 6;
    return rc;
}

static int await_it(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_await(arg, NULL);
    kept = 7;
    return rc;
}

static asyncio_task_t *named(const char *name, asyncio_coroutine_function_t *fn, void *arg)
{
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(fn, arg));
    assert_non_null(task);
    assert_int_equal(asyncio_task_set_name(task, name), 0);
    return task;
}

static int run_group(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_task_group_t group;
    assert_int_equal(asyncio_task_group_enter(&group), 0);
    asyncio_task_t *member =
        asyncio_task_group_create_task(&group, asyncio_coroutine(sleep_long, NULL));
    *(asyncio_task_t **)arg = member;
    assert_int_equal(asyncio_task_set_name(member, "member"), 0);
    /* Its group's task awaits it from the beginning. */
    asyncio_future_t *awaiter;
    assert_int_equal(asyncio_future_awaited_by(member, &awaiter, 1), 1);
    assert_ptr_equal(awaiter, asyncio_current_task());
    asyncio_future_unref(awaiter);
    return asyncio_task_group_exit(&group, 0);
}

static asyncio_future_t *only_awaiter(asyncio_future_t *future)
{
    asyncio_future_t *awaiter = NULL;
    assert_int_equal(asyncio_future_awaited_by(future, &awaiter, 1), 1);
    asyncio_future_unref(awaiter);
    return awaiter;
}

static int complete_one(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_awaitable_t *one[] = {arg};
    asyncio_as_completed_t *iteration = asyncio_as_completed(one, 1, ASYNCIO_FOREVER);
    asyncio_future_t *future;
    int rc = asyncio_as_completed_next(iteration, &future);
    asyncio_as_completed_unref(iteration);
    return rc < 0 ? rc : 0;
}

static int look_at_awaiters(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_task_t *member = NULL, *group = named("group", run_group, &member);
    asyncio_task_t *slow = named("slow", sleep_long, NULL);
    asyncio_awaitable_t *one[] = {slow};
    asyncio_future_t *gathering = asyncio_gather(one, 1, NULL), *outer = asyncio_shield(gathering);
    assert_int_equal(asyncio_future_awaited_by(gathering, NULL, 0), 1);
    assert_ptr_equal(only_awaiter(slow), outer); /* nobody awaits that yet: it stands for itself */
    asyncio_task_t *waiter = named("waiter", await_it, outer);
    asyncio_task_t *iterator = named("iterator", complete_one, waiter);
    assert_int_equal(asyncio_sleep(0), 0);
    assert_int_equal(asyncio_sleep(0), 0);
    assert_ptr_equal(only_awaiter(member), group);
    assert_ptr_equal(only_awaiter(slow), waiter);
    assert_ptr_equal(only_awaiter(gathering), waiter);
    assert_ptr_equal(only_awaiter(waiter), iterator);
    assert_int_equal(asyncio_future_awaited_by(iterator, NULL, 0), 0);
    assert_int_equal(asyncio_await_unref(iterator, NULL), 0);
    assert_int_equal(asyncio_await_unref(waiter, NULL), 0);
    assert_int_equal(asyncio_await_unref(group, NULL), 0);
    assert_int_equal(asyncio_future_awaited_by(slow, NULL, 0), 0);
    asyncio_future_unref(outer);
    asyncio_future_unref(gathering);
    asyncio_task_unref(slow);
    return 0;
}

/* Awaiters are found through gatherings, shields, iterations and groups. */
static void awaiters_are_found_through_what_combines(void **state)
{
    assert_int_equal(run(*state, look_at_awaiters, NULL), 0);
}

/* --- graphs and trees ----------------------------------------------------------------------- */

static long print_graph(FILE *file, void *arg)
{
    return asyncio_print_call_graph(arg, 1, file);
}

static long print_stack(FILE *file, void *arg)
{
    return asyncio_task_print_stack(arg, 2, file);
}

static long print_tree(FILE *file, void *arg)
{
    return asyncio_print_tasks(arg, file);
}

/* Removes from text[] what differs from run to run: addresses, and text in quotation marks and
 * brackets. */
static const char *masked(void)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        *to++ = *from;
        char end = *from == '"' ? '"' : *from == '(' ? ')' : '\0';
        if (end && from[1] != ')' && strchr(from + 1, end))
            from = strchr(from + 1, end) - 1, *to++ = *++from;
    }
    *to = '\0';
    return text;
}

static int look_at_graph(void *arg, void **ret_result)
{
    (void)ret_result;
    fixture_t *fixture = arg;
    asyncio_task_t *slow = named("slow", sleep_long, NULL);
    asyncio_task_t *one = named("one", await_it, slow), *two = named("two", await_it, slow);
    asyncio_awaitable_t *pair[] = {one, two};
    asyncio_future_t *gathering = asyncio_gather(pair, 2, NULL);
    asyncio_task_t *both = named("both", await_it, gathering);
    assert_int_equal(asyncio_task_set_name(asyncio_current_task(), "main"), 0);
    assert_int_equal(asyncio_sleep(0), 0);

    asyncio_future_call_graph_t *graph = asyncio_capture_call_graph(slow, -1);
    assert_non_null(graph);
    assert_ptr_equal(asyncio_future_call_graph_future(graph), slow);
    const asyncio_future_call_graph_t *first = asyncio_future_call_graph_awaited_by(graph, 0);
    const asyncio_future_call_graph_t *second = asyncio_future_call_graph_awaited_by(graph, 1);
    assert_ptr_equal(asyncio_future_call_graph_future(first), one);
    assert_ptr_equal(asyncio_future_call_graph_future(second), two);
    assert_null(asyncio_future_call_graph_awaited_by(graph, 2));
    assert_ptr_equal(asyncio_future_call_graph_future(
                         asyncio_future_call_graph_awaited_by(first, 0)), both);
    assert_ptr_equal(asyncio_future_call_graph_future(
                         asyncio_future_call_graph_awaited_by(second, 0)), both);
    if (has_frames()) {
        asyncio_frame_t frame = {.line = -1};
        size_t count = 0;
        while (asyncio_future_call_graph_frame(first, count, &frame))
            count++;
        assert_string_equal(frame.function, "await_it");
        assert_int_equal(asyncio_future_call_graph_frame(first, count, NULL), 0);
    }
    asyncio_future_call_graph_unref(graph);

    long length = asyncio_format_call_graph(slow, 0, text, sizeof(text));
    assert_int_equal(length, strlen(text));
    char whole[1024], cut[32];
    strcpy(whole, text);
    assert_int_equal(asyncio_format_call_graph(slow, 0, cut, sizeof(cut)), strlen(whole));
    assert_int_equal(strlen(cut), sizeof(cut) - 1);
    assert_memory_equal(whole, cut, sizeof(cut) - 1);
    assert_int_equal(asyncio_format_call_graph(slow, 0, NULL, 0), strlen(whole));
    assert_string_equal(masked(), "* Task()\n"
                                  "  + Awaited by:\n"
                                  "    * Task()\n"
                                  "      + Awaited by:\n"
                                  "        * Task()\n"
                                  "    * Task()\n"
                                  "      + Awaited by:\n"
                                  "        * Task()\n"
                                  "          + ()\n");
    assert_non_null(strstr(whole, "* Task(name='both', id=0x"));
    if (has_frames()) {
        assert_int_equal(printed(print_graph, both), 0);
        assert_non_null(strstr(text, "  + Call stack:\n  |   File \""));
        assert_int_equal(printed(print_stack, slow), 0);
        assert_non_null(strstr(text, "Stack for slow (most recent call last):\n  File \""));
    }

    assert_int_equal(printed(print_tree, fixture->loop), 5);
    assert_string_equal(masked(), "main () runs\n"
                                  "both () waits for asyncio_gather\n"
                                  "├── one () waits for slow\n"
                                  "│   └── slow () waits for asyncio_sleep\n"
                                  "└── two () waits for slow\n");
    assert_int_equal(asyncio_await_unref(both, NULL), 0);
    asyncio_future_unref(gathering);
    asyncio_task_unref(one);
    asyncio_task_unref(two);
    asyncio_task_unref(slow);
    return 0;
}

/* Graphs and trees name each task once with its details, and are printed as expected. */
static void graphs_and_trees_show_who_awaits_whom(void **state)
{
    assert_int_equal(run(*state, look_at_graph, *state), 0);
    asyncio_error_clear();
}

static asyncio_task_t *ring[2];

static int await_in_ring(void *arg, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_await(ring[1 - asyncio_int(arg)], NULL);
    kept = 8;
    return rc;
}

/* Rings are cut where they begin; closing the loop ends their tasks. */
static void rings_end(void **state)
{
    fixture_t *fixture = *state;
    fixture->expected_reports = 2;
    for (intptr_t i = 0; i < 2; i++) {
        ring[i] = asyncio_loop_create_task(fixture->loop,
                                           asyncio_coroutine(await_in_ring, ASYNCIO_INT(i)));
        assert_int_equal(asyncio_task_set_name(ring[i], i ? "b" : "a"), 0);
    }
    assert_int_equal(printed(print_tree, fixture->loop), 2);
    assert_string_equal(masked(), "a () has not started\nb () has not started\n");
    run_turn_once(fixture);
    assert_int_equal(printed(print_tree, fixture->loop), 2);
    assert_string_equal(masked(), "a () waits for b\n└── b () waits for a\n");
    assert_true(asyncio_format_call_graph(ring[0], 0, text, sizeof(text)) > 0);
    assert_string_equal(masked(), "* Task()\n  + Awaited by:\n    * Task()\n      + Awaited by:\n"
                                  "        * Task()\n          + ()\n");
    close_loop(fixture);
    asyncio_task_unref(ring[0]);
    asyncio_task_unref(ring[1]);
    asyncio_error_clear();
}

static int await_chain(void *arg, void **ret_result)
{
    (void)ret_result;
    fixture_t *fixture = arg;
    enum { LENGTH = 3000 };
    asyncio_task_t **tasks = calloc(LENGTH, sizeof(*tasks));
    assert_non_null(tasks);
    for (size_t i = 0; i < LENGTH; i++)
        tasks[i] = asyncio_create_task(i ? asyncio_coroutine(await_it, tasks[i - 1])
                                         : asyncio_coroutine(sleep_long, NULL));
    assert_int_equal(asyncio_sleep(0), 0);
    assert_true(asyncio_format_call_graph(tasks[0], 0, NULL, 0) > LENGTH * 10);
    FILE *nowhere = fopen("/dev/null", "w");
    assert_non_null(nowhere);
    assert_int_equal(asyncio_print_tasks(fixture->loop, nowhere), LENGTH + 1);
    assert_int_equal(fclose(nowhere), 0);
    assert_int_equal(asyncio_await(tasks[LENGTH - 1], NULL), 0);
    for (size_t i = 0; i < LENGTH; i++)
        asyncio_task_unref(tasks[i]);
    free(tasks);
    return 0;
}

/* Chains of thousands of tasks need no deep stack. */
static void long_chains_need_no_stack(void **state)
{
    assert_int_equal(run(*state, await_chain, *state), 0);
}

static long print_to_full(FILE *file, void *arg)
{
    (void)file;
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_int_equal(setvbuf(full, NULL, _IONBF, 0), 0);
    assert_int_equal(asyncio_task_print_stack(arg, -1, full), -EIO);
    assert_int_equal(asyncio_print_call_graph(arg, -1, full), -EIO);
    assert_int_equal(asyncio_print_tasks(asyncio_future_get_loop(arg), full), -EIO);
    fclose(full);
    return 0;
}

/* NULL and bad input are refused; a write error is returned. */
static void bad_input_is_refused(void **state)
{
    fixture_t *fixture = *state;
    fixture->expected_reports = 1;
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    asyncio_task_t *task =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(sleep_long, NULL));
    char one;
    assert_int_equal(asyncio_task_get_stack(NULL, NULL, 0), -EINVAL);
    assert_int_equal(asyncio_task_get_stack(future, NULL, 0), -EINVAL);
    assert_int_equal(asyncio_task_print_stack(future, 0, stderr), -EINVAL);
    assert_int_equal(asyncio_task_print_stack(task, 0, NULL), -EINVAL);
    assert_null(asyncio_task_get_awaited(future));
    assert_null(asyncio_task_get_awaited(NULL));
    assert_string_equal(asyncio_task_get_waiting_for(NULL), "");
    assert_int_equal(asyncio_future_awaited_by(NULL, NULL, 0), -EINVAL);
    assert_null(asyncio_capture_call_graph(NULL, -1));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_int_equal(asyncio_print_call_graph(future, -1, NULL), -EINVAL);
    assert_int_equal(asyncio_format_call_graph(NULL, -1, &one, 1), -EINVAL);
    assert_int_equal(asyncio_format_call_graph(future, -1, NULL, 1), -EINVAL);
    assert_int_equal(asyncio_print_tasks(NULL, stderr), ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_print_tasks(fixture->loop, NULL), -EINVAL);
    assert_null(asyncio_future_call_graph_future(NULL));
    assert_null(asyncio_future_call_graph_awaited_by(NULL, 0));
    assert_int_equal(asyncio_future_call_graph_frame(NULL, 0, NULL), 0);
    asyncio_future_call_graph_unref(NULL);
    assert_int_equal(printed(print_to_full, task), 0);
    close_loop(fixture);
    asyncio_task_unref(task);
    asyncio_future_unref(future);
    asyncio_error_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_waiting_task_has_the_frames_of_its_functions),
        FIXTURE_TEST(the_running_task_has_its_own_frames),
        FIXTURE_TEST(the_frames_of_a_generator_lie_above),
        FIXTURE_TEST(each_place_has_a_name),
        FIXTURE_TEST(awaiters_are_found_through_what_combines),
        FIXTURE_TEST(graphs_and_trees_show_who_awaits_whom),
        FIXTURE_TEST(rings_end),
        FIXTURE_TEST(long_chains_need_no_stack),
        FIXTURE_TEST(bad_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
