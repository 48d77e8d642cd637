/* SPDX-License-Identifier: MIT */
/*
 * What the works on Boost.Asio share: the context, and a function that runs a coroutine to its end.
 *
 * Asio has executors, operations and coroutines, but no tasks: a task of other libraries is a
 * co_spawn here, and a join waits for its completion.
 */
#ifndef BENCH_ASIO_H
#define BENCH_ASIO_H

#include "front.h"

#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/experimental/parallel_group.hpp>

#include <memory>
#include <optional>
#include <vector>

namespace asio = boost::asio;
using asio::awaitable;
using asio::deferred;
using asio::use_awaitable;
using boost::system::error_code;

/** The only context; the hint says that one thread runs it. */
inline asio::io_context context(1);

/** Completes with an error code instead of throwing. */
inline constexpr auto no_throw = asio::as_tuple(deferred);

/** Runs a coroutine until it and everything that it started has ended. */
inline void run(awaitable<void> body)
{
    asio::co_spawn(context, std::move(body), [](std::exception_ptr failure) {
        if (failure)
            std::rethrow_exception(failure);
    });
    context.restart();
    context.run();
}

/** Yields to everything that is ready. */
inline auto give_way()
{
    return asio::post(context, deferred);
}

/** Starts count coroutines, and awaits them all. */
template <typename Make> awaitable<void> run_all(long count, Make make)
{
    using operation = decltype(asio::co_spawn(context, make(0L), deferred));
    std::vector<operation> operations;
    operations.reserve(static_cast<size_t>(count));
    for (long i = 0; i < count; i++)
        operations.push_back(asio::co_spawn(context, make(i), deferred));
    co_await asio::experimental::make_parallel_group(std::move(operations))
        .async_wait(asio::experimental::wait_for_all(), deferred);
}

void work_queue(long count, bench_result_t *result);
void work_queue1000(long count, bench_result_t *result);
void work_queue_tasks(long count, bench_result_t *result);
void work_lock(long count, bench_result_t *result);
void work_lock_tasks(long count, bench_result_t *result);
void work_future(long count, bench_result_t *result);
void work_cancel(long count, bench_result_t *result);
void work_timeout(long count, bench_result_t *result);
void work_timers(long count, bench_result_t *result);
void work_asleep(long count, bench_result_t *result);
void work_executor(long count, bench_result_t *result);
void work_executor64(long count, bench_result_t *result);
void work_wake(long count, bench_result_t *result);
void server_echo(uint16_t port);
void server_udp(uint16_t port);

#endif
