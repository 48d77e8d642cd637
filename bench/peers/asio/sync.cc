/* SPDX-License-Identifier: MIT */
/*
 * The works of tasks that share something, on Boost.Asio: a queue is an experimental::channel, and
 * since Asio has no lock and no future for coroutines, each is a channel of one item, as its
 * users write them.
 */
#include "bench.h"

using queue_t = asio::experimental::channel<void(error_code, long)>;
using signal_t = asio::experimental::channel<void(error_code)>;

static awaitable<void> produce(queue_t &queue, long count)
{
    for (long i = 0; i < count; i++) {
        if (!queue.try_send(error_code(), i))
            co_await queue.async_send(error_code(), i, deferred);
    }
}

static awaitable<void> consume(queue_t &queue, long count, bool is_ordered)
{
    for (long i = 0; i < count; i++) {
        long got = -1;
        if (!queue.try_receive([&](error_code, long item) { got = item; }))
            got = co_await queue.async_receive(deferred);
        peer_check(!is_ordered || got == i, "the order of a queue");
    }
}

static void run_queue(size_t bound, long pairs, long each, bench_result_t *result)
{
    auto body = [=]() -> awaitable<void> {
        queue_t queue(context, bound);
        int64_t begin_ns = bench_now_ns();
        co_await run_all(2 * pairs, [&](long i) {
            return i % 2 ? consume(queue, each, pairs == 1) : produce(queue, each);
        });
        result->elapsed_ns = bench_now_ns() - begin_ns;
    };
    run(body());
}

void work_queue(long count, bench_result_t *result)
{
    run_queue(1, 1, count, result);
}

void work_queue1000(long count, bench_result_t *result)
{
    run_queue(1000, 1, count, result);
}

void work_queue_tasks(long count, bench_result_t *result)
{
    long pairs = count > 1 ? count / 2 : 1;
    run_queue(1, pairs, bench_rounds(2 * pairs), result);
    result->operations = pairs * bench_rounds(2 * pairs);
}

static awaitable<void> take_turns(signal_t &lock, long rounds)
{
    for (long i = 0; i < rounds; i++) {
        if (!lock.try_send(error_code()))
            co_await lock.async_send(error_code(), deferred);
        co_await give_way();
        lock.try_receive([](error_code) {});
    }
}

static void run_lock(long tasks, long count, bench_result_t *result)
{
    auto body = [=]() -> awaitable<void> {
        signal_t lock(context, 1);
        int64_t begin_ns = bench_now_ns();
        co_await run_all(tasks, [&](long i) {
            return take_turns(lock, count / tasks + (i < count % tasks));
        });
        result->elapsed_ns = bench_now_ns() - begin_ns;
    };
    run(body());
}

void work_lock(long count, bench_result_t *result)
{
    run_lock(10, count, result);
}

void work_lock_tasks(long count, bench_result_t *result)
{
    result->operations = count * bench_rounds(count);
    run_lock(count, result->operations, result);
}

/** Through which one coroutine passes the future that it awaits to the one that resolves it. */
struct meeting_t {
    signal_t *future = nullptr; /**< the awaited future; NULL: none */
};

static awaitable<void> wait_for_other(meeting_t &meeting, long count)
{
    for (long i = 0; i < count; i++) {
        signal_t future(context, 1);
        meeting.future = &future;
        co_await future.async_receive(deferred);
    }
}

static awaitable<void> resolve_other(meeting_t &meeting, long count)
{
    for (long done = 0; done < count;) {
        if (meeting.future) {
            std::exchange(meeting.future, nullptr)->try_send(error_code());
            done++;
        }
        co_await give_way();
    }
}

void work_future(long count, bench_result_t *result)
{
    auto body = [=]() -> awaitable<void> {
        meeting_t meeting;
        int64_t begin_ns = bench_now_ns();
        co_await run_all(2, [&](long i) {
            return i ? resolve_other(meeting, count) : wait_for_other(meeting, count);
        });
        result->elapsed_ns = bench_now_ns() - begin_ns;
    };
    run(body());
}
