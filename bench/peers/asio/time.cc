/* SPDX-License-Identifier: MIT */
/*
 * The works of timers and cancelling, on Boost.Asio: steady_timer, cancellation_signal, and the
 * operator || of awaitables for a timeout.
 */
#include "bench.h"

using namespace asio::experimental::awaitable_operators;
using namespace std::chrono_literals;

void work_timers(long count, bench_result_t *result)
{
    bench_deadlines_t deadlines;
    peer_check(bench_deadlines_init(&deadlines, count), "malloc");
    std::vector<asio::steady_timer> timers;
    timers.reserve(static_cast<size_t>(count));
    long cancelled = bench_cancelled(count);
    long aborted = 0;
    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < count; i++) {
        auto &timer = timers.emplace_back(context);
        timer.expires_after(std::chrono::nanoseconds((int64_t)(deadlines.delays[i] * 1e9)));
        timer.async_wait([&](error_code failure) {
            aborted += failure == asio::error::operation_aborted;
        });
    }
    for (long i = 0; i < cancelled; i++)
        timers[deadlines.order[i]].cancel();
    context.restart();
    context.poll();
    result->elapsed_ns = bench_now_ns() - begin_ns;
    peer_check(aborted == cancelled, "cancelled timers");
    timers.clear();
    context.restart();
    context.poll();
    peer_check(aborted == count, "all timers cancelled");
    bench_deadlines_fini(&deadlines);
}

static awaitable<void> sleep_an_hour(asio::steady_timer *&ret_timer, long &awake)
{
    asio::steady_timer timer(context, 1h);
    ret_timer = &timer;
    auto [failure] = co_await timer.async_wait(no_throw);
    peer_check(failure == asio::error::operation_aborted, "cancel of a sleep");
    awake++;
}

void work_asleep(long count, bench_result_t *result)
{
    auto body = [=]() -> awaitable<void> {
        std::vector<asio::steady_timer *> timers(static_cast<size_t>(count));
        long awake = 0;
        int64_t before_bytes = bench_resident_bytes();
        int64_t begin_ns = bench_now_ns();
        for (auto &timer : timers)
            asio::co_spawn(context, sleep_an_hour(timer, awake), asio::detached);
        co_await give_way();
        result->elapsed_ns = bench_now_ns() - begin_ns;
        int64_t grown_bytes = bench_resident_bytes() - before_bytes;
        result->bytes_per_task = (double)grown_bytes / (double)count;
        begin_ns = bench_now_ns();
        for (auto *timer : timers)
            timer->cancel();
        while (awake < count)
            co_await give_way();
        result->end_ns = bench_now_ns() - begin_ns;
    };
    run(body());
}

/* Returns error codes instead of exceptions: a throw would dominate the time. */
static awaitable<bool> wait_for_ever()
{
    asio::steady_timer timer(context, asio::steady_timer::time_point::max());
    auto [failure] = co_await timer.async_wait(no_throw);
    co_return failure == asio::error::operation_aborted;
}

void work_cancel(long count, bench_result_t *result)
{
    auto body = [=]() -> awaitable<void> {
        using done_t = asio::experimental::channel<void(error_code)>;
        long cancelled = 0;
        int64_t begin_ns = bench_now_ns();
        for (long i = 0; i < count; i++) {
            asio::cancellation_signal signal;
            done_t done(context, 1);
            auto on_end = [&](std::exception_ptr, bool was_cancelled) {
                cancelled += was_cancelled;
                done.try_send(error_code());
            };
            asio::co_spawn(context, wait_for_ever(),
                           asio::bind_cancellation_slot(signal.slot(), on_end));
            co_await give_way();
            signal.emit(asio::cancellation_type::terminal);
            co_await done.async_receive(deferred);
        }
        result->elapsed_ns = bench_now_ns() - begin_ns;
        peer_check(cancelled == count, "all cancelled");
    };
    run(body());
}

static awaitable<void> give_way_once()
{
    co_await give_way();
}

void work_timeout(long count, bench_result_t *result)
{
    auto body = [=]() -> awaitable<void> {
        int64_t begin_ns = bench_now_ns();
        for (long i = 0; i < count; i++) {
            asio::steady_timer timer(context, 10s);
            /* The operator takes awaitables, not what is deferred. */
            auto which = co_await (give_way_once() ||
                                   timer.async_wait(asio::as_tuple(use_awaitable)));
            peer_check(which.index() == 0, "in time");
        }
        result->elapsed_ns = bench_now_ns() - begin_ns;
    };
    run(body());
}
