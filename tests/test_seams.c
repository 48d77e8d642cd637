/* SPDX-License-Identifier: MIT */
/*
 * What the core of the loop offers to layers above: the hook around waits, the list of flushes,
 * the abort of a turn, and a loop that moves to another thread between its runs.
 */
#include "support/support.h"

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

typedef struct moving {
    fixture_t *fixture;
    asyncio_loop_t *loop;
    asyncio__file_t *file;       /* of ends[0] */
    asyncio__operation_t receive; /* pending on file in every run */
    int ends[2], pipe[2];
    int received, watched;       /* completions of receive; calls of the watch */
    char byte;
} moving_t;

static void note_received(asyncio__operation_t *operation)
{
    moving_t *moving = ASYNCIO__CONTAINER(operation, moving_t, receive);
    if (operation->result == -EBADF)
        return; /* the file was closed */
    assert_int_equal(operation->result, 1);
    moving->received++;
    moving->receive.size = 1;
    assert_int_equal(moving->loop->engine->class->submit(moving->loop->engine, operation), 0);
}

static void note_watched(void *arg)
{
    moving_t *moving = arg;
    char byte;
    assert_int_equal(read(moving->pipe[0], &byte, 1), 1);
    moving->watched++;
    asyncio_loop_stop(moving->loop);
}

static void *run_until_watched(void *arg)
{
    moving_t *moving = arg;
    int rc = asyncio_loop_run_forever(moving->loop);
    assert_int_equal(asyncio__loop_rest(moving->loop), 0);
    return (void *)(intptr_t)rc;
}

/* Has the bytes come while another thread runs the loop, or before. */
static void run_moved(moving_t *moving, bool is_before)
{
    pthread_t thread;
    void *rc;
    if (is_before)
        assert_int_equal(write(moving->ends[1], "x", 1) + write(moving->pipe[1], "x", 1), 2);
    assert_int_equal(pthread_create(&thread, NULL, run_until_watched, moving), 0);
    if (!is_before) {
        /* A wake-up of the loop where it runs now. */
        assert_int_equal(asyncio_loop_call_soon_threadsafe(moving->loop, note_letter, "w", NULL),
                         0);
        assert_int_equal(write(moving->ends[1], "x", 1) + write(moving->pipe[1], "x", 1), 2);
    }
    assert_int_equal(pthread_join(thread, &rc), 0);
    assert_int_equal((int)(intptr_t)rc, 0);
}

/* Operations and watches that are pending at the end of a run continue in another thread's. */
static void what_is_pending_moves_with_the_loop(void **state)
{
    fixture_t *fixture = *state;
    if (!strcmp(fixture->loop->engine->class->name, "sim"))
        skip(); /* no descriptors */
    moving_t moving = {.fixture = fixture, .loop = fixture->loop};
    asyncio__engine_t *engine = moving.loop->engine;
    moving.loop->may_move = true;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, moving.ends), 0);
    assert_int_equal(pipe(moving.pipe), 0);
    assert_int_equal(engine->class->open_file(engine, moving.ends[0], ASYNCIO__FILE_SOCKET,
                                              &moving.file), 0);
    moving.receive = (asyncio__operation_t){.kind = ASYNCIO__RECV, .file = moving.file,
        .buffer = &moving.byte, .size = 1, .complete = note_received};
    assert_int_equal(engine->class->submit(engine, &moving.receive), 0);
    assert_int_equal(asyncio_loop_add_reader(moving.loop, moving.pipe[0], note_watched, &moving),
                     0);
    for (int i = 0; i < 6; i++)
        run_moved(&moving, i % 2);
    assert_int_equal(moving.watched, 6);
    assert_in_range(moving.received, 5, 6); /* the last one may still be in its socket */
    assert_int_equal(asyncio_loop_remove_reader(moving.loop, moving.pipe[0]), 1);
    engine->class->close_file(engine, moving.file);
    run_turn_once(fixture);
    close(moving.ends[1]);
    close(moving.pipe[0]);
    close(moving.pipe[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(nothing_runs_between_leave_and_enter),
        FIXTURE_TEST(an_error_of_the_hook_ends_the_run),
        FIXTURE_TEST(a_flush_runs_before_the_poll),
        FIXTURE_TEST(an_aborted_turn_keeps_the_rest),
        FIXTURE_TEST(a_loop_may_move_between_runs),
        FIXTURE_TEST(what_is_pending_moves_with_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
