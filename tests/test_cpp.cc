/* SPDX-License-Identifier: MIT */
// C++: exceptions stay with the coroutine that handles them, one that leaves a coroutine ends the
// process with the task's name, and <asyncio.hpp> owns what it makes.
#include <asyncio.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            std::printf("%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            std::exit(1); \
        } \
    } while (0)

namespace {

int alive; // objects of the type counted

struct counted {
    int number;
    explicit counted(int n) : number(n) { ++alive; }
    counted(const counted &other) : number(other.number) { ++alive; }
    ~counted() { --alive; }
};

// Awaits inside a catch block; afterwards it must still handle its own exception.
void handle_own(int number, int steps)
{
    try {
        throw counted(number);
    } catch (const counted &mine) {
        for (int i = 0; i < steps; i++) {
            asyncio::sleep(0);
            CHECK(mine.number == number);
        }
        try {
            throw;
        } catch (const counted &again) {
            CHECK(again.number == number);
        }
    }
    CHECK(std::current_exception() == nullptr);
}

// Two tasks that await inside catch blocks keep their exceptions, also where the blocks end in
// another order than they began, and where the loop itself runs inside one.
void exceptions_stay_with_their_task()
{
    try {
        throw counted(0);
    } catch (const counted &outer) {
        asyncio::run([] {
            CHECK(std::current_exception() == nullptr);
            auto a = asyncio::create_task([] { handle_own(1, 3); });
            auto b = asyncio::create_task([] { handle_own(2, 1); });
            auto c = asyncio::create_task([] { handle_own(3, 5); });
            asyncio::await(a);
            asyncio::await(b);
            asyncio::await(c);
        });
        CHECK(outer.number == 0);
        try {
            throw;
        } catch (const counted &again) {
            CHECK(again.number == 0);
        }
    }
    CHECK(alive == 0);
}

struct awaits_at_its_end {
    ~awaits_at_its_end()
    {
        CHECK(std::uncaught_exceptions() == 1);
        asyncio::sleep(0);
        CHECK(std::uncaught_exceptions() == 1);
    }
};

// A destructor that awaits while an exception is on its way does not show it to other tasks.
void exceptions_on_their_way_stay_too()
{
    asyncio::run([] {
        auto other = asyncio::create_task([] {
            for (int i = 0; i < 3; i++) {
                CHECK(std::uncaught_exceptions() == 0);
                asyncio::sleep(0);
            }
        });
        try {
            awaits_at_its_end last;
            throw counted(4);
        } catch (const counted &mine) {
            CHECK(mine.number == 4);
        }
        asyncio::await(other);
    });
    CHECK(alive == 0);
}

int generate(void *, void **)
{
    try {
        throw counted(5);
    } catch (const counted &mine) {
        asyncio_yield(nullptr, nullptr);
        CHECK(mine.number == 5);
    }
    return 0;
}

// A generator that yields inside a catch block, driven inside another one.
void driven_coroutines_keep_theirs()
{
    asyncio_coroutine_t *generator = asyncio_coroutine(generate, nullptr);
    try {
        throw counted(6);
    } catch (const counted &mine) {
        CHECK(asyncio_coroutine_send(generator, nullptr, nullptr) == ASYNCIO_YIELDED);
        CHECK(mine.number == 6);
        CHECK(asyncio_coroutine_send(generator, nullptr, nullptr) == 0);
    }
    asyncio_coroutine_unref(generator);
    CHECK(alive == 0);
}

// Results and lambdas are freed; errors arrive as exceptions with code and message.
void values_and_errors_arrive()
{
    int seen = asyncio::run([] {
        auto kept = std::make_unique<int>(7);
        auto moved = asyncio::create_task([kept = std::move(kept)]() mutable {
            asyncio::sleep(0);
            return std::move(kept);
        });
        auto copied = asyncio::create_task([c = counted(1)] { return c; });
        CHECK(asyncio::await(copied).number == 1 && copied.result().number == 1);
        auto failed = asyncio::create_task([]() -> int { throw std::out_of_range("too far"); });
        try {
            asyncio::await(failed);
            CHECK(false);
        } catch (const asyncio::error &e) {
            CHECK(e.code() == ASYNCIO_ERUNTIME && std::strstr(e.what(), "too far"));
        }
        auto cancelled = asyncio::create_task([] { asyncio::sleep(3600); });
        asyncio::sleep(0);
        cancelled.cancel();
        try {
            asyncio::await(cancelled);
            CHECK(false);
        } catch (const asyncio::error &e) {
            CHECK(e.code() == -ECANCELED);
        }
        return *asyncio::await(std::move(moved));
    });
    CHECK(seen == 7);
    CHECK(alive == 0);
}

// Scopes: a timeout throws, a lock is released, a coroutine object that never ran is freed.
void scopes_are_left()
{
    asyncio::run([] {
        try {
            asyncio::timeout(0.001, [] { asyncio::sleep(3600); });
            CHECK(false);
        } catch (const asyncio::error &e) {
            CHECK(e.code() == -ETIMEDOUT);
        }
        asyncio_lock_t lock;
        asyncio::check(asyncio_lock_init(&lock));
        {
            asyncio::locked scope(lock);
            CHECK(asyncio_lock_locked(&lock));
        }
        CHECK(!asyncio_lock_locked(&lock));
        asyncio_lock_fini(&lock);
        try {
            asyncio::coroutine_object none(nullptr);
            CHECK(false);
        } catch (const asyncio::error &) {
        }
        asyncio::coroutine_object unused(asyncio::coroutine([c = counted(2)] { (void)c; }));
        CHECK(alive == 1);
        CHECK(asyncio_coroutine_close(unused.release()) == 0);
        CHECK(alive == 0);
    });
}

int throws(void *, void **)
{
    throw std::runtime_error("boom");
}

int awaits_it(void *, void **)
{
    try {
        return asyncio_await(asyncio_coroutine(throws, nullptr), nullptr);
    } catch (...) {
        return 0; // not reached: no exception passes the library
    }
}

void throw_back(void *)
{
    throw std::runtime_error("boom");
}

int calls_soon(void *, void **)
{
    asyncio_loop_call_soon(asyncio_get_running_loop(), throw_back, nullptr, nullptr);
    return asyncio_sleep(1);
}

// Runs a coroutine in a child; returns what the child wrote to its standard error stream.
std::string last_words_of(asyncio_coroutine_function_t *function)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    std::fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        asyncio_loop_t *loop = asyncio_new_event_loop();
        asyncio_task_options_t options{};
        options.size = sizeof(options);
        options.name = "the thrower";
        asyncio_task_t *task = asyncio_loop_create_task_full(
            loop, asyncio_coroutine(function, nullptr), &options);
        try {
            asyncio_loop_run_until_complete(loop, task, nullptr);
        } catch (...) {
        }
        _exit(0);
    }
    close(ends[1]);
    std::string text;
    char buffer[512];
    for (ssize_t n; (n = read(ends[0], buffer, sizeof(buffer))) > 0;)
        text.append(buffer, static_cast<size_t>(n));
    close(ends[0]);
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    return text;
}

// An exception that leaves a coroutine, also one that is awaited by a function which would catch
// it, or a callback, ends the process by std::terminate() and names the task.
void one_that_leaves_a_coroutine_terminates()
{
    std::string text = last_words_of(throws);
    CHECK(text.find("an exception left task the thrower (made at ") != std::string::npos);
    CHECK(text.find("boom") != std::string::npos);
    text = last_words_of(awaits_it);
    CHECK(text.find("an exception left task the thrower (made at ") != std::string::npos);
    text = last_words_of(calls_soon);
    CHECK(text.find("an exception left a callback") != std::string::npos);
}

struct plain {
    double values[2];
};

int add(plain p, int n, void **ret_result)
{
    *ret_result = ASYNCIO_INT(static_cast<int>(p.values[0]) + n);
    return 0;
}
ASYNCIO_COROUTINE(add, (plain, p), (int, n));

// The macro for C coroutine functions works with types that can be copied as bytes.
void plain_arguments_are_copied()
{
    int sum = asyncio::run([] {
        return static_cast<int>(asyncio_int(asyncio::await(add_coroutine({{3, 4}}, 5))));
    });
    CHECK(sum == 8);
}

} // namespace

int main()
{
    exceptions_stay_with_their_task();
    exceptions_on_their_way_stay_too();
    driven_coroutines_keep_theirs();
    values_and_errors_arrive();
    scopes_are_left();
    one_that_leaves_a_coroutine_terminates();
    plain_arguments_are_copied();
    std::puts("all held");
    return 0;
}
