/* SPDX-License-Identifier: MIT */
/*
 * The works with other threads, and the echo server, on Boost.Asio.
 */
#include "bench.h"

#include <thread>

using asio::ip::tcp;

/** The thread pool, with as many threads as the machine can use beside the loop. */
static asio::thread_pool &pool()
{
    static asio::thread_pool threads(4);
    return threads;
}

static awaitable<void> job()
{
    co_return;
}

static awaitable<void> hand_over(long count)
{
    for (long i = 0; i < count; i++)
        co_await asio::co_spawn(pool(), job(), deferred);
}

void work_executor(long count, bench_result_t *result)
{
    auto body = [=]() -> awaitable<void> {
        int64_t begin_ns = bench_now_ns();
        co_await hand_over(count);
        result->elapsed_ns = bench_now_ns() - begin_ns;
    };
    run(body());
}

void work_executor64(long count, bench_result_t *result)
{
    auto body = [=]() -> awaitable<void> {
        int64_t begin_ns = bench_now_ns();
        co_await run_all(64, [=](long i) { return hand_over(count / 64 + (i < count % 64)); });
        result->elapsed_ns = bench_now_ns() - begin_ns;
    };
    run(body());
}

void work_wake(long count, bench_result_t *result)
{
    alignas(64) long ran = 0; /* apart from what the other thread reads */
    auto work = std::make_optional(asio::make_work_guard(context));
    int64_t begin_ns = bench_now_ns();
    std::thread thread([&] {
        bench_run_beside();
        for (long i = 0; i < count; i++) {
            asio::post(context, [&] {
                if (++ran == count)
                    work.reset();
            });
        }
    });
    context.restart();
    context.run();
    result->elapsed_ns = bench_now_ns() - begin_ns;
    thread.join();
    peer_check(ran == count, "all callbacks ran");
}

static awaitable<void> serve(tcp::socket socket)
{
    char buffer[16384];
    for (;;) {
        auto [failure, count] = co_await socket.async_read_some(asio::buffer(buffer), no_throw);
        if (failure)
            break;
        auto [write_failure, written] =
            co_await asio::async_write(socket, asio::buffer(buffer, count), no_throw);
        if (write_failure || written != count)
            break;
    }
}

static awaitable<void> accept_all(uint16_t port)
{
    tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), port});
    for (;;) {
        tcp::socket socket = co_await acceptor.async_accept(deferred);
        socket.set_option(tcp::no_delay(true));
        asio::co_spawn(context, serve(std::move(socket)), asio::detached);
    }
}

void server_echo(uint16_t port)
{
    run(accept_all(port));
}

static awaitable<void> return_datagrams(uint16_t port)
{
    using asio::ip::udp;
    udp::socket socket(context, {asio::ip::address_v4::loopback(), port});
    char buffer[65536];
    udp::endpoint sender;
    for (;;) {
        auto [failure, count] =
            co_await socket.async_receive_from(asio::buffer(buffer), sender, no_throw);
        if (!failure)
            co_await socket.async_send_to(asio::buffer(buffer, count), sender, no_throw);
    }
}

void server_udp(uint16_t port)
{
    run(return_datagrams(port));
}
