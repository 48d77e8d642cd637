/* SPDX-License-Identifier: MIT */
/*
 * The works on Boost.Asio with C++20 coroutines: the command line, yielding, and creating tasks.
 */
#include "bench.h"

static awaitable<void> nothing()
{
    co_return;
}

static void work_spawn(long count, bench_result_t *result)
{
    auto body = [=]() -> awaitable<void> {
        int64_t begin_ns = bench_now_ns();
        for (long i = 0; i < count; i++)
            co_await asio::co_spawn(context, nothing(), deferred);
        result->elapsed_ns = bench_now_ns() - begin_ns;
    };
    run(body());
}

static void work_spawn_batch(long count, bench_result_t *result)
{
    auto body = [=]() -> awaitable<void> {
        int64_t begin_ns = bench_now_ns();
        co_await run_all(count, [](long) { return nothing(); });
        result->elapsed_ns = bench_now_ns() - begin_ns;
    };
    run(body());
}

static awaitable<void> give_way_often(long rounds)
{
    for (long i = 0; i < rounds; i++)
        co_await give_way();
}

static void run_turns(long tasks, long count, bench_result_t *result)
{
    auto body = [=]() -> awaitable<void> {
        int64_t begin_ns = bench_now_ns();
        co_await run_all(tasks, [=](long i) {
            return give_way_often(count / tasks + (i < count % tasks));
        });
        result->elapsed_ns = bench_now_ns() - begin_ns;
    };
    run(body());
}

static void work_yield(long count, bench_result_t *result)
{
    run_turns(2, count, result);
}

static void work_yield1000(long count, bench_result_t *result)
{
    run_turns(1000, count, result);
}

static void work_yield_tasks(long count, bench_result_t *result)
{
    result->operations = count * bench_rounds(count);
    run_turns(count, result->operations, result);
}

int main(int argc, char **argv)
{
    static const peer_entry_t entries[] = {
        {"yield", work_yield, nullptr, false},
        {"yield1000", work_yield1000, nullptr, false},
        {"yield_tasks", work_yield_tasks, nullptr, false},
        {"spawn", work_spawn, nullptr, false},
        {"spawn_batch", work_spawn_batch, nullptr, false},
        {"asleep", work_asleep, nullptr, false},
        {"timers", work_timers, nullptr, false},
        {"queue", work_queue, nullptr, false},
        {"queue1000", work_queue1000, nullptr, false},
        {"queue_tasks", work_queue_tasks, nullptr, false},
        {"future", work_future, nullptr, false},
        {"lock", work_lock, nullptr, false},
        {"lock_tasks", work_lock_tasks, nullptr, false},
        {"cancel", work_cancel, nullptr, false},
        {"timeout", work_timeout, nullptr, false},
        {"executor", work_executor, nullptr, true},
        {"executor64", work_executor64, nullptr, true},
        {"wake", work_wake, nullptr, true},
        {"echo", nullptr, server_echo, false},
        {"udp", nullptr, server_udp, false},
    };
    return peer_main(entries, sizeof(entries) / sizeof(entries[0]), argc, argv);
}
