/* SPDX-License-Identifier: MIT */
/*
 * The works on Boost.Fiber: fibers that are joined, its mutex, promise, condition variable and
 * buffered_channel, on the default scheduler.
 *
 * Not there: cancelling, timers with callbacks, an executor, and sockets.
 */
#include "front.h"

#include <boost/fiber/all.hpp>

#include <thread>
#include <vector>

namespace fibers = boost::fibers;
using namespace std::chrono_literals;

/** Stacks of 16 KiB, near the size that the others use: these are allocated from the heap, whereas
 * stacks of the default size would be mapped and unmapped each time. Pooled ones are slower. */
static fibers::fixedsize_stack stacks(16384);

template <typename Body> static fibers::fiber spawn(Body body)
{
    return fibers::fiber(fibers::launch::post, std::allocator_arg, stacks, std::move(body));
}

/** Runs count fibers to their end; returns the time from the first start to the last end. */
template <typename Make> static int64_t run_crowd(long count, Make make)
{
    std::vector<fibers::fiber> all;
    all.reserve(static_cast<size_t>(count));
    for (long i = 0; i < count; i++)
        all.push_back(spawn(make(i)));
    int64_t begin_ns = bench_now_ns();
    for (auto &fiber : all)
        fiber.join();
    return bench_now_ns() - begin_ns;
}

static void run_turns(long tasks, long count, bench_result_t *result)
{
    result->elapsed_ns = run_crowd(tasks, [=](long i) {
        return [rounds = count / tasks + (i < count % tasks)] {
            for (long round = 0; round < rounds; round++)
                boost::this_fiber::yield();
        };
    });
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

static void work_spawn(long count, bench_result_t *result)
{
    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < count; i++)
        spawn([] {}).join();
    result->elapsed_ns = bench_now_ns() - begin_ns;
}

static void work_spawn_batch(long count, bench_result_t *result)
{
    std::vector<fibers::fiber> all;
    all.reserve(static_cast<size_t>(count));
    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < count; i++)
        all.push_back(spawn([] {}));
    for (auto &fiber : all)
        fiber.join();
    result->elapsed_ns = bench_now_ns() - begin_ns;
}

/** A fiber cannot be cancelled: the sleepers wait on a condition with a limit of an hour, and are
 * woken together. */
static void work_asleep(long count, bench_result_t *result)
{
    fibers::mutex mutex;
    fibers::condition_variable woken;
    bool is_over = false;
    std::vector<fibers::fiber> all(static_cast<size_t>(count));
    int64_t before_bytes = bench_resident_bytes();
    int64_t begin_ns = bench_now_ns();
    for (auto &fiber : all) {
        fiber = spawn([&] {
            std::unique_lock<fibers::mutex> lock(mutex);
            peer_check(woken.wait_for(lock, 1h, [&] { return is_over; }), "woken");
        });
    }
    boost::this_fiber::yield();
    result->elapsed_ns = bench_now_ns() - begin_ns;
    int64_t grown_bytes = bench_resident_bytes() - before_bytes;
    result->bytes_per_task = (double)grown_bytes / (double)count;
    begin_ns = bench_now_ns();
    is_over = true;
    woken.notify_all();
    for (auto &fiber : all)
        fiber.join();
    result->end_ns = bench_now_ns() - begin_ns;
}

/** The bound of a channel is a power of two of which one place stays free: 2 holds one item, and
 * 1,024 holds 1,023 for the bound of 1,000. */
static void run_queue(size_t places, long pairs, long each, bench_result_t *result)
{
    fibers::buffered_channel<long> channel(places);
    result->elapsed_ns = run_crowd(2 * pairs, [&](long i) {
        return [&channel, each, is_producer = i % 2 == 0, is_ordered = pairs == 1] {
            for (long item = 0; item < each; item++) {
                if (is_producer)
                    channel.push(item);
                else
                    peer_check(channel.value_pop() == item || !is_ordered, "the order");
            }
        };
    });
}

static void work_queue(long count, bench_result_t *result)
{
    run_queue(2, 1, count, result);
}

static void work_queue1000(long count, bench_result_t *result)
{
    run_queue(1024, 1, count, result);
}

static void work_queue_tasks(long count, bench_result_t *result)
{
    long pairs = count > 1 ? count / 2 : 1;
    long rounds = bench_rounds(2 * pairs);
    run_queue(2, pairs, rounds, result);
    result->operations = pairs * rounds;
}

static void run_lock(long tasks, long count, bench_result_t *result)
{
    fibers::mutex mutex;
    result->elapsed_ns = run_crowd(tasks, [&](long i) {
        return [&mutex, rounds = count / tasks + (i < count % tasks)] {
            for (long round = 0; round < rounds; round++) {
                std::lock_guard<fibers::mutex> lock(mutex);
                boost::this_fiber::yield();
            }
        };
    });
}

static void work_lock(long count, bench_result_t *result)
{
    run_lock(10, count, result);
}

static void work_lock_tasks(long count, bench_result_t *result)
{
    result->operations = count * bench_rounds(count);
    run_lock(count, result->operations, result);
}

static void work_future(long count, bench_result_t *result)
{
    fibers::promise<void> *asked = nullptr;
    result->elapsed_ns = run_crowd(2, [&](long i) {
        return [&, is_waiter = i == 0] {
            for (long done = 0; done < count;) {
                if (is_waiter) {
                    fibers::promise<void> promise;
                    asked = &promise;
                    promise.get_future().get();
                    done++;
                    continue;
                }
                if (asked) {
                    std::exchange(asked, nullptr)->set_value();
                    done++;
                }
                boost::this_fiber::yield();
            }
        };
    });
}

/** There is no timeout scope: another fiber signals a wait that has a time limit. */
static void work_timeout(long count, bench_result_t *result)
{
    fibers::mutex mutex;
    fibers::condition_variable condition;
    bool is_over = false;
    auto signaller = spawn([&] {
        while (!is_over) {
            condition.notify_one();
            boost::this_fiber::yield();
        }
    });
    std::unique_lock<fibers::mutex> lock(mutex);
    int64_t begin_ns = bench_now_ns();
    for (long i = 0; i < count; i++)
        peer_check(condition.wait_for(lock, 10s) == fibers::cv_status::no_timeout, "in time");
    result->elapsed_ns = bench_now_ns() - begin_ns;
    is_over = true;
    lock.unlock();
    signaller.join();
}

/** A plain callback and its argument. */
struct post_t {
    void (*call)(long &ran); /**< the callback */
    long *ran;               /**< its argument */
};

static void work_wake(long count, bench_result_t *result)
{
    fibers::buffered_channel<post_t> channel(1024);
    alignas(64) long ran = 0; /* apart from what the other thread reads */
    int64_t begin_ns = bench_now_ns();
    std::thread thread([&] {
        bench_run_beside();
        for (long i = 0; i < count; i++)
            channel.push({[](long &counter) { counter++; }, &ran});
    });
    while (ran < count) {
        post_t post = channel.value_pop();
        post.call(*post.ran);
    }
    result->elapsed_ns = bench_now_ns() - begin_ns;
    thread.join();
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
        {"queue", work_queue, nullptr, false},
        {"queue1000", work_queue1000, nullptr, false},
        {"queue_tasks", work_queue_tasks, nullptr, false},
        {"future", work_future, nullptr, false},
        {"lock", work_lock, nullptr, false},
        {"lock_tasks", work_lock_tasks, nullptr, false},
        {"timeout", work_timeout, nullptr, false},
        {"wake", work_wake, nullptr, true},
    };
    return peer_main(entries, sizeof(entries) / sizeof(entries[0]), argc, argv);
}
