/* SPDX-License-Identifier: MIT */
/* Loops as such: callbacks, timers, remotes, watches of descriptors and signals, runners,
 * the fixture for tests. */
#include "sweep.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static void do_nothing(void *arg)
{
    (void)arg;
}

static void stop(void *arg)
{
    asyncio_loop_stop(arg);
}

static void note_reached(void *arg)
{
    *(bool *)arg = true;
}

static void use_callbacks(asyncio_loop_t *loop)
{
    asyncio_handle_t *handle = NULL;
    asyncio_remote_t remote;
    may(asyncio_loop_call_soon(loop, do_nothing, NULL, NULL));
    may(asyncio_loop_call_soon_threadsafe(loop, do_nothing, NULL, NULL));
    may(asyncio_loop_call_soon_threadsafe_owned(loop, do_nothing, malloc(8), free));
    if (may(asyncio_loop_call_later(loop, 5, do_nothing, NULL, &handle)) == 0) {
        must(asyncio_timer_handle_when(handle) > asyncio_loop_time(loop));
        asyncio_handle_cancel(asyncio_handle_ref(handle));
        must(asyncio_handle_cancelled(handle));
        asyncio_handle_unref(handle);
        asyncio_handle_unref(handle);
    }
    may(asyncio_loop_call_at(loop, 1, do_nothing, NULL, NULL));
    must(asyncio_remote_init(&remote, loop, do_nothing, NULL) == 0);
    may(asyncio_remote_post(&remote));
    may(asyncio_sleep(1));
    asyncio_remote_fini(&remote);
    asyncio_exception_context_t context = {.size = sizeof(context), .message = "on purpose"};
    asyncio_loop_call_exception_handler(loop, &context);
}

static void use_loops(asyncio_loop_t *none)
{
    (void)none;
    asyncio_loop_t *loop = asyncio_new_event_loop();
    if (!is_there(loop))
        return;
    sweep_ignore_reports(loop);
    asyncio_set_event_loop(loop);
    must(asyncio_get_event_loop() == loop && !asyncio_get_running_loop());
    asyncio_loop_set_debug(loop, true);
    must(asyncio_loop_get_debug(loop) && !asyncio_loop_is_running(loop));
    must(asyncio_loop_set_slow_callback_duration(loop, 100) == 0);
    must(asyncio_loop_get_slow_callback_duration(loop) > 99);
    must(asyncio_engine_name(asyncio_loop_get_engine(loop)));
    asyncio_loop_get_engine_reason(loop);
    if (may(asyncio_loop_call_soon(loop, stop, loop, NULL)) == 0)
        may(asyncio_loop_run_forever(loop));
    may(asyncio_loop_run_until_complete(loop, asyncio_sleep_coroutine(0), NULL));
    asyncio_loop_stats_t stats = {.size = sizeof(stats)};
    must(asyncio_loop_get_stats(loop, &stats) == 0 && asyncio_loop_set_timing(loop, false) == 0);
    may(asyncio_loop_run_once(loop));
    asyncio_loop_fileno(loop);
    asyncio_loop_next_deadline(loop);
    asyncio_set_event_loop(NULL);
    may(asyncio_loop_close(asyncio_loop_ref(loop)));
    must(asyncio_loop_is_closed(loop));
    asyncio_loop_unref(loop);
    asyncio_loop_unref(loop);
}

static void note_events(int fd, unsigned events, void *arg)
{
    (void)fd;
    *(bool *)arg = events != 0;
}

static void use_watches(asyncio_loop_t *loop)
{
    int ends[2];
    bool can_read = false, can_write = false, has_events = false;
    if (asyncio_loop_get_engine(loop) == ASYNCIO_ENGINE_SIM)
        return; /* it has no descriptors */
    must(pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
    may(asyncio_loop_add_reader(loop, ends[0], note_reached, &can_read));
    may(asyncio_loop_watch_fd(loop, ends[0], ASYNCIO_FD_READ, note_events, &has_events));
    may(asyncio_loop_add_writer(loop, ends[1], note_reached, &can_write));
    for (int i = 0; i < 5; i++)
        may(asyncio_sleep(0));
    may(asyncio_loop_remove_reader(loop, ends[0]));
    may(asyncio_loop_unwatch_fd(loop, ends[0]));
    may(asyncio_loop_wait_fd(ends[1], ASYNCIO_FD_WRITE));
    may(asyncio_await(asyncio_loop_wait_fd_coroutine(ends[1], ASYNCIO_FD_WRITE), NULL));
    may(asyncio_loop_remove_writer(loop, ends[1]));
    close(ends[0]);
    close(ends[1]);
}

static void use_signals(asyncio_loop_t *loop)
{
    bool came = false;
    int refused = sweep_strikes(FAULT_sigaction) ? ASYNCIO_ERUNTIME : 0;
    int rc = asyncio_loop_add_signal_handler(loop, SIGUSR1, note_reached, &came);
    if (may_be(rc, refused) == 0) {
        must(raise(SIGUSR1) == 0);
        for (int i = 0; i < 200 && !came; i++)
            may(asyncio_sleep(0));
        must(asyncio_loop_remove_signal_handler(loop, SIGUSR1) == 1);
    }
}

static int leave_a_task(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    sweep_ignore_reports(asyncio_get_running_loop());
    asyncio_task_t *task = asyncio_create_task(asyncio_sleep_coroutine(100));
    if (is_there(task))
        may(asyncio_task_detach(task));
    return asyncio_sleep(0);
}

static int interrupt_itself(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    if (sweep_strikes(FAULT_sigaction))
        return 0; /* it may not be taken */
    must(raise(SIGINT) == 0);
    return asyncio_sleep(0.01);
}

static void use_runners(asyncio_loop_t *none)
{
    (void)none;
    may(asyncio_run(asyncio_coroutine(leave_a_task, NULL), NULL));
    asyncio_loop_options_t of_loop = {.size = sizeof(of_loop), .clock = ASYNCIO_CLOCK_VIRTUAL};
    asyncio_runner_options_t options = {.size = sizeof(options), .loop_options = &of_loop};
    may(asyncio_run_full(asyncio_sleep_coroutine(1), &options, NULL));
    asyncio_runner_t *runner = asyncio_runner_new(&options);
    if (!is_there(runner))
        return;
    if (is_there(asyncio_runner_get_loop(runner)))
        may(asyncio_runner_run(runner, asyncio_coroutine(leave_a_task, NULL), NULL));
    may_be(asyncio_runner_run(runner, asyncio_coroutine(interrupt_itself, NULL), NULL),
           ASYNCIO_EKEYBOARDINTERRUPT);
    may(asyncio_runner_close(asyncio_runner_ref(runner)));
    asyncio_runner_unref(runner);
    asyncio_runner_unref(runner);
}

static asyncio_testing_t *testing;

static int add_cleanup(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = asyncio_testing_add_cleanup(testing, leave_a_task, NULL);
    return rc < 0 ? rc : asyncio_sleep(1);
}

/* A failure shows as the code of a part, or as something that was left behind. */
static void use_testing(asyncio_loop_t *none)
{
    (void)none;
    asyncio_testing_options_t options = {.size = sizeof(options), .setup = add_cleanup};
    testing = asyncio_testing_new(&options);
    if (!is_there(testing))
        return;
    may_be(asyncio_testing_run(testing, add_cleanup, NULL), -EUCLEAN);
    if (may(asyncio_testing_begin(testing)) == 0) {
        must(asyncio_testing_get_loop(testing));
        may(asyncio_testing_call(testing, asyncio_coroutine(leave_a_task, NULL), NULL));
        asyncio_coroutine_unref(asyncio_coroutine(leave_a_task, NULL)); /* reported, or not made */
        must(asyncio_testing_take_reports(testing) <= 1);
        may_be(asyncio_testing_end(testing), -EUCLEAN);
    }
    must(asyncio_testing_report(testing));
    asyncio_testing_unref(testing);
}

const scenario_t sweep_testing = {.name = "testing", .use = use_testing, .outside = true};
const scenario_t sweep_callbacks = {.name = "callbacks", .use = use_callbacks};
const scenario_t sweep_loops = {.name = "loops", .use = use_loops, .outside = true};
const scenario_t sweep_watches = {.name = "watches", .use = use_watches};
const scenario_t sweep_signals = {.name = "signals", .use = use_signals, .in_initial_thread = true};
const scenario_t sweep_runners = {.name = "runners", .use = use_runners, .outside = true,
                                  .in_initial_thread = true};
