/* SPDX-License-Identifier: MIT */
/*
 * What the programs of this folder share. Each proves one promise by running something many times:
 * few enough for every test run, or as often as `make prove` says. It prints what it has counted,
 * and ends with status 1 where the promise does not hold.
 */
#ifndef TESTS_PROOFS_H
#define TESTS_PROOFS_H

#include <asyncio.h>
#include <sys/types.h>

/* Ends the program with a message if a condition does not hold. */
#define PROVE(condition, ...) \
    ((condition) ? (void)0 : prove_failed(__FILE__, __LINE__, #condition, __VA_ARGS__))
_Noreturn void prove_failed(const char *file, int line, const char *condition, const char *format,
                            ...) __attribute__((format(printf, 4, 5)));

/* Returns how much memory of this process is resident, in KiB. Under a sanitizer, which keeps what
 * is freed, 0. */
long resident_kib(void);

/* Returns how many descriptors this process has open. */
int open_descriptors(void);

/* Returns the processor time of this process, in seconds. */
double processor_seconds(void);

/* Runs a coroutine function with `arg` as the main task; ends the program if it fails. */
void prove_run(asyncio_coroutine_function_t *fn, void *arg);

/* Returns the time, in seconds. */
double wall_seconds(void);

/* Waits in a thread until a process has ended; ends the program if that has not ended well. */
void await_process(pid_t pid);

/* Returns the argument of the program with that number, or what it is without one. */
long argument(int argc, char **argv, int number, long otherwise);

#endif
