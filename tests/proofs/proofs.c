/* SPDX-License-Identifier: MIT */
/* What the programs of this folder share; see proofs.h. */
#include "proofs.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void prove_failed(const char *file, int line, const char *condition, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: %s: ", file, line, condition);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

long resident_kib(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 0;
#endif
    long total, resident;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file || fscanf(file, "%ld %ld", &total, &resident) != 2)
        abort();
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

int open_descriptors(void)
{
    int count = -3; /* ".", ".." and the folder's own */
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        abort();
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

double processor_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

double wall_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void prove_run(asyncio_coroutine_function_t *fn, void *arg)
{
    int rc = asyncio_run(asyncio_coroutine(fn, arg), NULL);
    PROVE(rc == 0, "%s: %s", asyncio_error_name(rc), asyncio_strerror(rc));
}

static int wait_in_thread(void *pid, void **ret_result)
{
    int status;
    (void)ret_result;
    if (waitpid(*(pid_t *)pid, &status, 0) < 0)
        return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : ASYNCIO_ERUNTIME;
}

void await_process(pid_t pid)
{
    int rc = asyncio_to_thread(wait_in_thread, &pid, NULL);
    PROVE(rc == 0, "the other process: %s", asyncio_error_name(rc));
}

long argument(int argc, char **argv, int number, long otherwise)
{
    return argc > number ? atol(argv[number]) : otherwise;
}
