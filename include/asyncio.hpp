/* SPDX-License-Identifier: MIT */
/**
 * @file
 * libasyncio for C++17: owners of references, lambdas as coroutines, errors as exceptions.
 *
 * @code
 *     int main()
 *     {
 *         return asyncio::run([] {
 *             auto word = asyncio::create_task([] {
 *                 asyncio::sleep(1.0);
 *                 return std::string("hello");
 *             });
 *             std::puts(asyncio::await(word).c_str());
 *         });
 *     }
 * @endcode
 *
 * Everything of <asyncio.h> can be used beside it. A lambda that runs as a coroutine takes no
 * parameters and returns its result, which may be any type that can be moved, or void. It may throw:
 * an asyncio::error ends it with the error's code, std::bad_alloc with -ENOMEM, and any other
 * std::exception with ASYNCIO_ERUNTIME and the exception's message; the coroutine that awaits it
 * gets an asyncio::error. An exception of another kind, and any exception that leaves a C coroutine
 * function, ends the process by std::terminate(), with the task's name.
 *
 * A coroutine may await inside a catch block. References and destructors belong to the loop's
 * thread, as in C.
 */
#ifndef ASYNCIO_HPP
#define ASYNCIO_HPP

#include <asyncio.h>

#include <cerrno>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace asyncio {

/// An error of the library: its code, and its message.
class error : public std::runtime_error {
public:
    explicit error(int code) : std::runtime_error(describe(code)), code_(code) {}

    /// The negative code, such as -ECANCELED or ASYNCIO_ERUNTIME.
    int code() const noexcept { return code_; }

private:
    static std::string describe(int code)
    {
        std::unique_ptr<asyncio_error_t, void (*)(asyncio_error_t *)> details(
            asyncio_error_of(code), asyncio_error_unref);
        const char *message = details ? asyncio_error_message(details.get()) : nullptr;
        std::string text = asyncio_error_name(code);
        return message && *message ? text + ": " + message : text;
    }

    int code_;
};

/// Throws an error if a call has failed; returns what it returned otherwise.
inline int check(int rc)
{
    if (rc < 0)
        throw error(rc);
    return rc;
}

/// An owner of one reference. Copying takes another reference.
template <class T, T *(*Ref)(T *), void (*Unref)(T *)> class owner {
public:
    owner() noexcept = default;
    /// Takes the reference that a constructor of the C interface has returned. NULL throws the error
    /// of that constructor.
    explicit owner(T *taken) : pointer_(taken)
    {
        if (taken)
            return;
        int code = asyncio_errno(); // reading clears it
        throw error(code < 0 ? code : -EINVAL);
    }
    owner(const owner &other) noexcept : pointer_(Ref(other.pointer_)) {}
    owner(owner &&other) noexcept : pointer_(std::exchange(other.pointer_, nullptr)) {}
    owner &operator=(owner other) noexcept
    {
        std::swap(pointer_, other.pointer_);
        return *this;
    }
    ~owner() { Unref(pointer_); }

    /// Takes one more reference to what somebody else holds.
    static owner share(T *borrowed) { return owner(Ref(borrowed)); }
    /// The object, borrowed.
    T *get() const noexcept { return pointer_; }
    /// Gives the reference up to the caller, for C functions that take it.
    T *release() noexcept { return std::exchange(pointer_, nullptr); }
    explicit operator bool() const noexcept { return pointer_ != nullptr; }

private:
    T *pointer_ = nullptr;
};

using loop = owner<asyncio_loop_t, asyncio_loop_ref, asyncio_loop_unref>;
using future = owner<asyncio_future_t, asyncio_future_ref, asyncio_future_unref>;
using coroutine_object = owner<asyncio_coroutine_t, asyncio_coroutine_ref, asyncio_coroutine_unref>;

namespace detail {

template <class T> void destroy(void *value) { delete static_cast<T *>(value); }

/// Runs a function; what it throws becomes the code of a C function.
template <class F> int guarded(F &&function)
{
    try {
        return function();
    } catch (const error &e) {
        return asyncio_raise(e.code(), "%s", e.what());
    } catch (const std::bad_alloc &) {
        return -ENOMEM;
    } catch (const std::exception &e) {
        return asyncio_raise(ASYNCIO_ERUNTIME, "%s", e.what());
    }
}

template <class F> int call(void *arg, void **ret_result)
{
    using result = std::invoke_result_t<F &>;
    return guarded([&]() -> int {
        F &function = *static_cast<F *>(arg);
        if constexpr (std::is_void_v<result>) {
            function();
            return 0;
        } else {
            return asyncio_return(ret_result, new result(function()), destroy<result>);
        }
    });
}

/// The result of an awaited object, copied; the object stays its owner.
template <class T> T copied(void *value)
{
    if constexpr (!std::is_void_v<T>)
        return *static_cast<T *>(value);
}

/// The result of an awaited object, moved out of it.
template <class T> T moved(void *value)
{
    if constexpr (!std::is_void_v<T>) {
        std::unique_ptr<T> box(static_cast<T *>(value));
        return std::move(*box);
    }
}

} // namespace detail

/// A coroutine object that calls a lambda; for C functions that take a coroutine object. The lambda
/// is moved into it, and destroyed when the object ends.
template <class F> asyncio_coroutine_t *coroutine(F &&function, size_t stack_bytes = 0)
{
    using stored = std::decay_t<F>;
    auto box = std::make_unique<stored>(std::forward<F>(function));
    asyncio_coroutine_options_t options{};
    options.size = sizeof(options);
    options.destroy = detail::destroy<stored>;
    options.stack_bytes = stack_bytes;
    asyncio_coroutine_t *object = asyncio_coroutine_full_at(detail::call<stored>, box.get(), &options,
                                                            "a C++ lambda");
    if (!object)
        throw error(asyncio_errno());
    box.release();
    return object;
}

/// An owner of a task whose result has the type T.
template <class T> class task : public future {
public:
    using future::future;
    task &name(const char *name)
    {
        check(asyncio_task_set_name(get(), name));
        return *this;
    }
    void cancel() const { check(asyncio_task_cancel(get(), nullptr)); }
    bool done() const { return asyncio_future_done(get()); }
    /// The result of a task that is done; throws its error.
    T result() const
    {
        void *value = nullptr;
        check(asyncio_future_result(get(), &value));
        return detail::copied<T>(value);
    }
};

/// Starts a lambda as a task of the running loop.
template <class F> auto create_task(F &&function)
{
    return task<std::invoke_result_t<std::decay_t<F> &>>(
        asyncio_create_task_at(coroutine(std::forward<F>(function)), "a C++ task"));
}

/// Awaits a task; returns a copy of its result, or throws its error.
template <class T> T await(const task<T> &awaited)
{
    void *value = nullptr;
    check(asyncio_await(awaited.get(), &value));
    return detail::copied<T>(value);
}

/// Awaits a task that nobody else reads; its result is moved out of it.
template <class T> T await(task<T> &&awaited)
{
    void *value = nullptr;
    check(asyncio_await_unref(awaited.release(), &value));
    return detail::moved<T>(value);
}

/// Awaits a future or task of the C interface. The result stays the future's.
inline void *await(asyncio_future_t *awaited)
{
    void *value = nullptr;
    check(asyncio_await(awaited, &value));
    return value;
}
inline void *await(const future &awaited) { return await(awaited.get()); }

/// Awaits a coroutine object, whose reference it takes.
inline void *await(asyncio_coroutine_t *taken)
{
    void *value = nullptr;
    check(asyncio_await(taken, &value));
    return value;
}
inline void *await(coroutine_object &&taken) { return await(taken.release()); }

/// Nothing else can be awaited; in C the compiler would accept any pointer.
template <class T> void *await(T *) = delete;

/// Suspends the running coroutine.
inline void sleep(double seconds) { check(asyncio_sleep(seconds)); }

/// Calls a function, which may await, and cancels it after some time: then this throws the error
/// ASYNCIO_ETIMEDOUT.
template <class F> void timeout(double seconds, F &&function)
{
    asyncio_timeout_t scope;
    check(asyncio_timeout_enter(&scope, seconds));
    int rc = detail::guarded([&] {
        function();
        return 0;
    });
    check(asyncio_timeout_exit(&scope, rc));
}

/// Holds a lock from its construction to its destruction.
class locked {
public:
    explicit locked(asyncio_lock_t &lock) : lock_(lock) { check(asyncio_lock_acquire(&lock)); }
    locked(const locked &) = delete;
    locked &operator=(const locked &) = delete;
    ~locked() { static_cast<void>(asyncio_lock_release(&lock_)); }

private:
    asyncio_lock_t &lock_;
};

/// Runs a lambda in a new loop, to its end. Returns its result, or throws its error; of a lambda
/// without a result it returns 0, so that main() can return it.
template <class F> auto run(F &&function)
{
    using result = std::invoke_result_t<std::decay_t<F> &>;
    void *value = nullptr;
    check(asyncio_run(coroutine(std::forward<F>(function)), &value));
    if constexpr (std::is_void_v<result>)
        return 0;
    else
        return detail::moved<result>(value);
}

} // namespace asyncio

#endif
