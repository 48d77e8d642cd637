/* SPDX-License-Identifier: MIT */
/*
 * What the core of the loop offers to layers above: the hook around waits, the list of flushes,
 * the abort of a turn, and a loop that moves to another thread between its runs.
 */
#include "support/support.h"

#include <pthread.h>

#include "loop/loop.h"

typedef struct hook {
    asyncio__pause_t pause; /* the hook */
    fixture_t *fixture;     /* its loop is paused */
    int left;               /* calls of leave() */
    int entered;            /* calls of enter() */
    int blocking;           /* calls of leave() that said that the wait may block */
    int code;               /* what enter() returns */
} hook_t;

static void leave(asyncio__pause_t *pause, bool may_block)
{
    hook_t *hook = ASYNCIO__CONTAINER(pause, hook_t, pause);
    hook->left++;
    hook->blocking += may_block;
    note(hook->fixture, '(');
}

static int enter(asyncio__pause_t *pause)
{
    hook_t *hook = ASYNCIO__CONTAINER(pause, hook_t, pause);
    hook->entered++;
    note(hook->fixture, ')');
    return hook->code;
}

static void begin_hook(hook_t *hook, fixture_t *fixture)
{
    *hook = (hook_t){.pause = {leave, enter}, .fixture = fixture};
    fixture->loop->pause = &hook->pause;
}

static void note_letter(void *arg)
{
    note(the_fixture(), *(const char *)arg);
}

/* No callback runs between leave() and enter(), which are called in pairs around each poll. */
static void nothing_runs_between_leave_and_enter(void **state)
{
    fixture_t *fixture = *state;
    hook_t hook;
    begin_hook(&hook, fixture);
    assert_int_equal(asyncio_loop_call_soon_threadsafe(fixture->loop, note_letter, "a", NULL), 0);
    run_turn_once(fixture);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "()a()");
    assert_int_equal(hook.left, hook.entered);
    assert_int_equal(hook.blocking, 0);
    fixture->loop->pause = NULL;
}

/* An error of enter() ends the run, which returns it; ready callbacks stay queued. */
static void an_error_of_the_hook_ends_the_run(void **state)
{
    fixture_t *fixture = *state;
    hook_t hook;
    begin_hook(&hook, fixture);
    hook.code = -EINTR;
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, note_letter, "a", NULL), 0);
    assert_int_equal(asyncio_loop_run_forever(fixture->loop), -EINTR);
    assert_string_equal(fixture->trace, "()");
    hook.code = 0;
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "()()a");
    fixture->loop->pause = NULL;
}

typedef struct flusher {
    asyncio__flush_t flush; /* what is listed */
    fixture_t *fixture;     /* whose trace it writes */
    bool again;             /* it lists itself once more */
} flusher_t;

static void run_flush(asyncio__flush_t *flush)
{
    flusher_t *flusher = ASYNCIO__CONTAINER(flush, flusher_t, flush);
    note(flusher->fixture, 'f');
    if (flusher->again)
        asyncio__loop_flush_later(flusher->fixture->loop, flush);
    flusher->again = false;
    assert_int_equal(asyncio_loop_call_soon(flusher->fixture->loop, note_letter, "x", NULL), 0);
}

/* A flush runs once before the next poll, however often it is requested; callbacks that it
 * schedules run in that turn. A flush that requests itself again runs before the poll after
 * that. */
static void a_flush_runs_before_the_poll(void **state)
{
    fixture_t *fixture = *state;
    flusher_t flusher = {.flush.run = run_flush, .fixture = fixture, .again = true};
    asyncio__loop_flush_later(fixture->loop, &flusher.flush);
    asyncio__loop_flush_later(fixture->loop, &flusher.flush);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "fx");
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "fxfx");
    asyncio__loop_flush_later(fixture->loop, &flusher.flush);
    asyncio__loop_flush_cancel(&flusher.flush);
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "fxfx");
}

static void abort_turn(void *arg)
{
    asyncio__loop_abort_turn(arg);
}

/* An abort ends the run after the item that requested it; the others run in the next run. */
static void an_aborted_turn_keeps_the_rest(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, note_letter, "a", NULL), 0);
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, abort_turn, fixture->loop, NULL), 0);
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, note_letter, "b", NULL), 0);
    assert_int_equal(asyncio_loop_run_forever(fixture->loop), 0);
    assert_string_equal(fixture->trace, "a");
    run_turn_once(fixture);
    assert_string_equal(fixture->trace, "ab");
}

static void *run_one_turn(void *arg)
{
    asyncio_loop_stop(arg);
    return (void *)(intptr_t)asyncio_loop_run_forever(arg);
}

static int run_elsewhere(asyncio_loop_t *loop)
{
    pthread_t thread;
    void *rc;
    assert_int_equal(pthread_create(&thread, NULL, run_one_turn, loop), 0);
    assert_int_equal(pthread_join(thread, &rc), 0);
    return (int)(intptr_t)rc;
}

/* A loop that may move can run in another thread while it does not run here; other loops refuse. */
static void a_loop_may_move_between_runs(void **state)
{
    fixture_t *fixture = *state;
    run_turn_once(fixture);
    assert_int_equal(run_elsewhere(fixture->loop), ASYNCIO_ERUNTIME);
    fixture->loop->may_move = true;
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, note_letter, "a", NULL), 0);
    assert_int_equal(run_elsewhere(fixture->loop), 0);
    assert_string_equal(fixture->trace, "a");
    run_turn_once(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(nothing_runs_between_leave_and_enter),
        FIXTURE_TEST(an_error_of_the_hook_ends_the_run),
        FIXTURE_TEST(a_flush_runs_before_the_poll),
        FIXTURE_TEST(an_aborted_turn_keeps_the_rest),
        FIXTURE_TEST(a_loop_may_move_between_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
