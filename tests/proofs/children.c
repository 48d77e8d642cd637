/* SPDX-License-Identifier: MIT */
/*
 * children COUNT AT_ONCE: that many children run one after another, AT_ONCE of them at a time, and
 * then AT_ONCE that are all alive together and talk. Every end is told with its code; descriptors,
 * memory and children stay flat.
 */
#include "proofs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define GROWTH_KIB 2048 /* of memory after the first fifth */

static long remaining, done;

static int run_children(void *arg, void **ret_result)
{
    static const char *const commands[][3] = {{"/bin/true", NULL}, {"/bin/false", NULL}};
    (void)arg, (void)ret_result;
    while (remaining > 0) {
        long number = remaining--;
        asyncio_process_t *process;
        int code = -1, rc = asyncio_create_subprocess_exec(commands[number % 2], NULL, &process);
        PROVE(rc == 0, "child %ld: %s", number, asyncio_strerror(rc));
        PROVE(asyncio_process_wait(process, &code) == 0 && code == number % 2, "child %ld: %d",
              number, code);
        asyncio_process_unref(process);
        done++;
    }
    return 0;
}

static void run_many(long count, long at_once)
{
    asyncio_task_group_t group;
    remaining = count;
    asyncio_task_group_enter(&group);
    for (long i = 0; i < at_once; i++)
        PROVE(asyncio_task_group_create_task(&group, asyncio_coroutine(run_children, NULL)),
              "a task");
    PROVE(asyncio_task_group_exit(&group, 0) == 0, "the children");
}

/* Starts all of them, talks to each while all live, and ends them in the order of their start. */
static void run_together(long count)
{
    static const char *const command[] = {"/bin/cat", NULL};
    asyncio_process_options_t options = {.size = sizeof(options),
                                         .stdin_kind = ASYNCIO_PROCESS_PIPE,
                                         .stdout_kind = ASYNCIO_PROCESS_PIPE};
    asyncio_process_t *processes[1000];
    asyncio_process_output_t output;
    if (count > 1000)
        count = 1000;
    for (long i = 0; i < count; i++)
        PROVE(asyncio_create_subprocess_exec(command, &options, &processes[i]) == 0, "%ld", i);
    for (long i = 0; i < count; i++)
        PROVE(asyncio_stream_writer_write(asyncio_process_stdin(processes[i]), "line\n", 5) == 0,
              "%ld", i);
    for (long i = 0; i < count; i++) {
        const char *line;
        ssize_t size =
            asyncio_stream_reader_readline(asyncio_process_stdout(processes[i]), &line);
        PROVE(size == 5 && memcmp(line, "line\n", 5) == 0, "%ld: %zd", i, size);
    }
    for (long i = 0; i < count; i++) {
        int code = -1;
        PROVE(asyncio_process_communicate(processes[i], "end", 3, &output) == 0, "%ld", i);
        PROVE(output.stdout_size == 3 && memcmp(output.stdout_data, "end", 3) == 0, "%ld", i);
        PROVE(asyncio_process_returncode(processes[i], &code) == 0 && code == 0, "%ld: %d", i,
              code);
        asyncio_process_unref(processes[i]);
    }
    printf("children: %ld together\n", count);
}

typedef struct sizes {
    long count, at_once;
} sizes_t;

static int prove(void *arg, void **ret_result)
{
    const sizes_t *sizes = arg;
    (void)ret_result;
    run_many(sizes->at_once, sizes->at_once);
    int descriptors = open_descriptors();
    run_many(sizes->count / 5, sizes->at_once);
    long resident = resident_kib();
    double began = wall_seconds();
    run_many(sizes->count - sizes->count / 5, sizes->at_once);
    double seconds = wall_seconds() - began;
    long growth = resident_kib() - resident;
    printf("children: %ld, %.0f a second, %d descriptors more, %ld KiB more\n", done,
           (double)(sizes->count - sizes->count / 5) / seconds, open_descriptors() - descriptors,
           growth);
    run_together(sizes->at_once);
    for (int i = 0; i < 1000 && open_descriptors() != descriptors; i++)
        PROVE(asyncio_sleep(0.001) == 0, "the pipes' ends");
    PROVE(open_descriptors() == descriptors, "%d descriptors", open_descriptors() - descriptors);
    PROVE(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "children are left");
    PROVE(growth < GROWTH_KIB, "%ld KiB", growth);
    return 0;
}

int main(int argc, char **argv)
{
    sizes_t sizes = {argument(argc, argv, 1, 200), argument(argc, argv, 2, 20)};
    prove_run(prove, &sizes);
    return 0;
}
