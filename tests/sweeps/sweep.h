/* SPDX-License-Identifier: MIT */
/*
 * Sweeps over scenarios that expect faults: a scenario uses one concept in a loop, and is run again
 * and again, each time with another allocation or system call that fails. Its calls may return
 * what they document for that, -ENOMEM or the error of the system call, and nothing else.
 *
 *     static void use_sleep(asyncio_loop_t *loop)
 *     {
 *         may(asyncio_sleep(1));
 *         asyncio_task_t *task = asyncio_create_task(asyncio_sleep_coroutine(1));
 *         if (is_there(task))
 *             ...
 *     }
 *     const scenario_t sweep_sleep = {.name = "sleep", .use = use_sleep};
 *
 * After each run all must have been given back, and with the fault over a small task must run: in
 * the same loop and in a new one. It must not know what the scenarios are about.
 */
#ifndef TESTS_SWEEP_H
#define TESTS_SWEEP_H

#include "../support/faults.h"
#include "../support/support.h"

typedef struct scenario {
    const char *name;                  /* of the concept */
    void (*use)(asyncio_loop_t *loop); /* the scenario: in a task, or as below */
    bool outside;                      /* without a loop: it makes its own */
    bool in_initial_thread;            /* signals are for that; else a fresh thread a run */
    bool in_real_time;                 /* other threads take part; else on the virtual clock */
    bool has_sockets;                  /* no call says of one what no kernel would say */
} scenario_t;

/* Checks the result of a call: returns it if it is allowed. */
#define may(rc)           sweep_may((rc), 0, #rc, __LINE__)
#define may_be(rc, other) sweep_may((rc), (other), #rc, __LINE__)
long sweep_may(long rc, int other, const char *call, int line);

/* Whether a constructor succeeded; if not, checks asyncio_errno(). */
#define is_there(made) sweep_is_there((made), __LINE__)
bool sweep_is_there(const void *made, int line);

/* Whether calls of this kind fail in this run. */
bool sweep_strikes(enum fault_call call);

/* Whether the failure may end the run of the loop, which is then closed with its suspended
 * tasks. */
bool sweep_loop_cannot_wait(void);

/* Ends the program with a message that names the run. */
_Noreturn void sweep_end(const char *what, int line);
#define must(condition) ((condition) ? (void)0 : sweep_end(#condition, __LINE__))

/* Coroutine functions that scenarios share: one sleeps a second and returns eight bytes, one
 * fails. */
int sweep_work(void *arg, void **ret_result);
int sweep_fail(void *arg, void **ret_result);

/* Makes a loop ignore reports to its exception handler. */
void sweep_ignore_reports(asyncio_loop_t *loop);

/* Awaits a coroutine object of sweep_work, and frees the bytes. */
void sweep_await_work(asyncio_awaitable_t *awaitable);

/* Awaits a task, if there is one, which may have ended with that code, and drops it. */
void sweep_end_task(asyncio_task_t *task, int other);

/* The test functions; their state is the scenario. */
void sweep_memory(void **state);
void sweep_calls(void **state);

extern const scenario_t sweep_callbacks, sweep_loops, sweep_watches, sweep_signals, sweep_runners,
    sweep_futures, sweep_tasks, sweep_coroutines, sweep_call_graphs, sweep_gather, sweep_wait,
    sweep_timeouts, sweep_groups, sweep_as_completed, sweep_generators, sweep_errors,
    sweep_locks, sweep_conditions, sweep_queues, sweep_executors, sweep_concurrent_futures,
    sweep_testing, sweep_contexts, sweep_factories, sweep_runner_contexts, sweep_sockets,
    sweep_streams, sweep_names, sweep_protocols, sweep_pipes, sweep_processes,
    sweep_subprocesses,
    sweep_datagrams, sweep_serve, sweep_files, sweep_paths, sweep_sending;

#endif
