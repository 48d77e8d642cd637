/* SPDX-License-Identifier: MIT */
/*
 * The machinery of ASYNCIO_COROUTINE(): a struct of the arguments, a function that unpacks it,
 * and the twin that makes the object. C11 without extensions and C++17.
 *
 * ASYNCIO_COROUTINE(name, (type, parameter)...) becomes ASYNCIO_COROUTINE_0 to _8 by the number
 * of parameters.
 */
#ifndef ASYNCIO_DETAIL_ARGUMENTS_H
#define ASYNCIO_DETAIL_ARGUMENTS_H

#define ASYNCIO_EXPAND_(...) __VA_ARGS__

#define ASYNCIO_FIELD_(type, parameter) type parameter;
#define ASYNCIO_PARAMETER_(type, parameter) type parameter
#define ASYNCIO_STORE_(type, parameter) asyncio_arguments_.parameter = parameter;
#define ASYNCIO_LOAD_(type, parameter) asyncio_arguments_->parameter,

#define ASYNCIO_PICK_(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, name, ...) name
#define ASYNCIO_COROUTINE_(...) \
    ASYNCIO_EXPAND_(ASYNCIO_PICK_(__VA_ARGS__, ASYNCIO_COROUTINE_8_, ASYNCIO_COROUTINE_7_, \
                                  ASYNCIO_COROUTINE_6_, ASYNCIO_COROUTINE_5_, \
                                  ASYNCIO_COROUTINE_4_, ASYNCIO_COROUTINE_3_, \
                                  ASYNCIO_COROUTINE_2_, ASYNCIO_COROUTINE_1_, \
                                  ASYNCIO_COROUTINE_0_, ASYNCIO_COROUTINE_0_, \
                                  0)(__VA_ARGS__))

/* Arguments are copied as bytes, to memory that is aligned to 16 bytes. */
#if defined(__cplusplus)
#define ASYNCIO_CHECK_ARGUMENTS_(name) \
    static_assert(__is_trivially_copyable(struct name##_arguments_), \
                  "ASYNCIO_COROUTINE() copies bytes: each argument must be trivially copyable. " \
                  "Pass a pointer, or a lambda to asyncio::coroutine() of <asyncio.hpp>"); \
    static_assert(alignof(struct name##_arguments_) <= 16, \
                  "ASYNCIO_COROUTINE() aligns arguments to 16 bytes at most")
#else
#define ASYNCIO_CHECK_ARGUMENTS_(name) \
    _Static_assert(_Alignof(struct name##_arguments_) <= 16, \
                   "ASYNCIO_COROUTINE() aligns arguments to 16 bytes at most")
#endif

#define ASYNCIO_COROUTINE_0_(place, name) \
    static int name##_run_(void *arg_, void **ret_result_) \
    { \
        (void)arg_; \
        return name(ret_result_); \
    } \
    static inline asyncio_coroutine_t *name##_coroutine(void) \
    { \
        return asyncio_coroutine_full_at(name##_run_, NULL, NULL, place " " #name); \
    } \
    struct name##_arguments_

#define ASYNCIO_COROUTINE_N_(place, name, fields, parameters, stores, loads) \
    struct name##_arguments_ { \
        fields \
    }; \
    ASYNCIO_CHECK_ARGUMENTS_(name); \
    static int name##_run_(void *arg_, void **ret_result_) \
    { \
        struct name##_arguments_ *asyncio_arguments_ = (struct name##_arguments_ *)arg_; \
        return name(loads ret_result_); \
    } \
    static inline asyncio_coroutine_t *name##_coroutine parameters \
    { \
        struct name##_arguments_ asyncio_arguments_; \
        asyncio_coroutine_options_t asyncio_options_ = {sizeof(asyncio_options_), \
                                                        sizeof(asyncio_arguments_), NULL, 0}; \
        stores return asyncio_coroutine_full_at(name##_run_, &asyncio_arguments_, \
                                                &asyncio_options_, place " " #name); \
    } \
    struct name##_arguments_

#define ASYNCIO_COROUTINE_1_(place, name, a) \
    ASYNCIO_COROUTINE_N_(place, name, ASYNCIO_FIELD_ a, (ASYNCIO_PARAMETER_ a), \
                         ASYNCIO_STORE_ a, ASYNCIO_LOAD_ a)
#define ASYNCIO_COROUTINE_2_(place, name, a, b) \
    ASYNCIO_COROUTINE_N_(place, name, ASYNCIO_FIELD_ a ASYNCIO_FIELD_ b, \
                         (ASYNCIO_PARAMETER_ a, ASYNCIO_PARAMETER_ b), \
                         ASYNCIO_STORE_ a ASYNCIO_STORE_ b, ASYNCIO_LOAD_ a ASYNCIO_LOAD_ b)
#define ASYNCIO_COROUTINE_3_(place, name, a, b, c) \
    ASYNCIO_COROUTINE_N_(place, name, ASYNCIO_FIELD_ a ASYNCIO_FIELD_ b ASYNCIO_FIELD_ c, \
                         (ASYNCIO_PARAMETER_ a, ASYNCIO_PARAMETER_ b, ASYNCIO_PARAMETER_ c), \
                         ASYNCIO_STORE_ a ASYNCIO_STORE_ b ASYNCIO_STORE_ c, \
                         ASYNCIO_LOAD_ a ASYNCIO_LOAD_ b ASYNCIO_LOAD_ c)
#define ASYNCIO_COROUTINE_4_(place, name, a, b, c, d) \
    ASYNCIO_COROUTINE_N_( \
        place, name, ASYNCIO_FIELD_ a ASYNCIO_FIELD_ b ASYNCIO_FIELD_ c ASYNCIO_FIELD_ d, \
        (ASYNCIO_PARAMETER_ a, ASYNCIO_PARAMETER_ b, ASYNCIO_PARAMETER_ c, ASYNCIO_PARAMETER_ d), \
        ASYNCIO_STORE_ a ASYNCIO_STORE_ b ASYNCIO_STORE_ c ASYNCIO_STORE_ d, \
        ASYNCIO_LOAD_ a ASYNCIO_LOAD_ b ASYNCIO_LOAD_ c ASYNCIO_LOAD_ d)
#define ASYNCIO_COROUTINE_5_(place, name, a, b, c, d, e) \
    ASYNCIO_COROUTINE_N_( \
        place, name, \
        ASYNCIO_FIELD_ a ASYNCIO_FIELD_ b ASYNCIO_FIELD_ c ASYNCIO_FIELD_ d ASYNCIO_FIELD_ e, \
        (ASYNCIO_PARAMETER_ a, ASYNCIO_PARAMETER_ b, ASYNCIO_PARAMETER_ c, ASYNCIO_PARAMETER_ d, \
         ASYNCIO_PARAMETER_ e), \
        ASYNCIO_STORE_ a ASYNCIO_STORE_ b ASYNCIO_STORE_ c ASYNCIO_STORE_ d ASYNCIO_STORE_ e, \
        ASYNCIO_LOAD_ a ASYNCIO_LOAD_ b ASYNCIO_LOAD_ c ASYNCIO_LOAD_ d ASYNCIO_LOAD_ e)
#define ASYNCIO_COROUTINE_6_(place, name, a, b, c, d, e, f) \
    ASYNCIO_COROUTINE_N_( \
        place, name, \
        ASYNCIO_FIELD_ a ASYNCIO_FIELD_ b ASYNCIO_FIELD_ c ASYNCIO_FIELD_ d ASYNCIO_FIELD_ e \
            ASYNCIO_FIELD_ f, \
        (ASYNCIO_PARAMETER_ a, ASYNCIO_PARAMETER_ b, ASYNCIO_PARAMETER_ c, ASYNCIO_PARAMETER_ d, \
         ASYNCIO_PARAMETER_ e, ASYNCIO_PARAMETER_ f), \
        ASYNCIO_STORE_ a ASYNCIO_STORE_ b ASYNCIO_STORE_ c ASYNCIO_STORE_ d ASYNCIO_STORE_ e \
            ASYNCIO_STORE_ f, \
        ASYNCIO_LOAD_ a ASYNCIO_LOAD_ b ASYNCIO_LOAD_ c ASYNCIO_LOAD_ d ASYNCIO_LOAD_ e \
            ASYNCIO_LOAD_ f)
#define ASYNCIO_COROUTINE_7_(place, name, a, b, c, d, e, f, g) \
    ASYNCIO_COROUTINE_N_( \
        place, name, \
        ASYNCIO_FIELD_ a ASYNCIO_FIELD_ b ASYNCIO_FIELD_ c ASYNCIO_FIELD_ d ASYNCIO_FIELD_ e \
            ASYNCIO_FIELD_ f ASYNCIO_FIELD_ g, \
        (ASYNCIO_PARAMETER_ a, ASYNCIO_PARAMETER_ b, ASYNCIO_PARAMETER_ c, ASYNCIO_PARAMETER_ d, \
         ASYNCIO_PARAMETER_ e, ASYNCIO_PARAMETER_ f, ASYNCIO_PARAMETER_ g), \
        ASYNCIO_STORE_ a ASYNCIO_STORE_ b ASYNCIO_STORE_ c ASYNCIO_STORE_ d ASYNCIO_STORE_ e \
            ASYNCIO_STORE_ f ASYNCIO_STORE_ g, \
        ASYNCIO_LOAD_ a ASYNCIO_LOAD_ b ASYNCIO_LOAD_ c ASYNCIO_LOAD_ d ASYNCIO_LOAD_ e \
            ASYNCIO_LOAD_ f ASYNCIO_LOAD_ g)
#define ASYNCIO_COROUTINE_8_(place, name, a, b, c, d, e, f, g, h) \
    ASYNCIO_COROUTINE_N_( \
        place, name, \
        ASYNCIO_FIELD_ a ASYNCIO_FIELD_ b ASYNCIO_FIELD_ c ASYNCIO_FIELD_ d ASYNCIO_FIELD_ e \
            ASYNCIO_FIELD_ f ASYNCIO_FIELD_ g ASYNCIO_FIELD_ h, \
        (ASYNCIO_PARAMETER_ a, ASYNCIO_PARAMETER_ b, ASYNCIO_PARAMETER_ c, ASYNCIO_PARAMETER_ d, \
         ASYNCIO_PARAMETER_ e, ASYNCIO_PARAMETER_ f, ASYNCIO_PARAMETER_ g, ASYNCIO_PARAMETER_ h), \
        ASYNCIO_STORE_ a ASYNCIO_STORE_ b ASYNCIO_STORE_ c ASYNCIO_STORE_ d ASYNCIO_STORE_ e \
            ASYNCIO_STORE_ f ASYNCIO_STORE_ g ASYNCIO_STORE_ h, \
        ASYNCIO_LOAD_ a ASYNCIO_LOAD_ b ASYNCIO_LOAD_ c ASYNCIO_LOAD_ d ASYNCIO_LOAD_ e \
            ASYNCIO_LOAD_ f ASYNCIO_LOAD_ g ASYNCIO_LOAD_ h)

#endif
