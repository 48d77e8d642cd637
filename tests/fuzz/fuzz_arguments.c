/* SPDX-License-Identifier: MIT */
/*
 * What a child is started with, beside a naive model. Any bytes are a list of arguments, an
 * environment, a program's name and perhaps another file to execute. The child is started for real
 * and prints which file it is and what it was given (show_arguments.c). The model finds the file by
 * looking at each folder of the PATH in turn, and knows the kernel's limits.
 */
#include "fuzz.h"

#include <asyncio.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

#define STRINGS_MOST 12
#define STRING_MOST  140000 /* the kernel's limit is 131072 with the NUL */
#define KERNEL_LIMIT 131072

/* Words of which strings are made. */
static const char *const words[] = {
    "", "=", ":", "PATH", "PATH=", "PATH=one:two", "PATH=one", "PATH=", "PATH=:two", "PATH=two:",
    "PATH=none:file:one", "PATH=loop:two", "PATH=two:one", "PATH=one/folder:folder", "A=b", "A=",
    "=b", "A", "A=b=c", "$HOME", "\"'\\", "-c", "\xff\xfe", "a b", "\n", "prog", "text", "plain",
};
/* Names of programs: not in every folder, and not everywhere a program. */
static const char *const programs[] = {
    "prog", "other", "text", "plain", "folder", "missing", "one/prog", "./prog", "two/../one/prog",
    "file/prog", "loop/prog", "", "one/", "two/prog", "prog", "=prog",
};
#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

typedef struct call {
    char *arguments[STRINGS_MOST + 1];
    char *environment[STRINGS_MOST + 1];
    const char *executable;       /* or NULL */
    bool is_shell;                /* arguments[0] is a command */
    bool has_environment;         /* else it inherits ours, which is empty but for one PATH */
    int code;                     /* what the model expects */
    char file[STRING_MOST + 512]; /* what the model finds */
} call_t;

static char folder[] = "/tmp/fuzz_arguments.XXXXXX";
static int folder_fd;
static char *inherited[] = {(char *)"PATH=two:one", NULL};
extern char **environ;

static void fail(const call_t *call, const char *what, const char *found, const char *wanted)
{
    fprintf(stderr, "fuzz_arguments: %s: %.200s, not %.200s; file \"%.200s\"\n", what, found,
            wanted, call->file);
    for (char *const *argument = call->arguments; *argument; argument++)
        fprintf(stderr, "    argument \"%.200s\"\n", *argument);
    for (char *const *entry = call->environment; *entry; entry++)
        fprintf(stderr, "    environment \"%.200s\"\n", *entry);
    abort();
}

/* --- the model ----------------------------------------------------------------------------- */

static bool is_too_large(const call_t *call)
{
    for (char *const *argument = call->arguments; *argument; argument++)
        if (strlen(*argument) >= KERNEL_LIMIT)
            return true;
    char *const *environment = call->has_environment ? call->environment : inherited;
    for (; *environment; environment++)
        if (strlen(*environment) >= KERNEL_LIMIT)
            return true;
    return false;
}

/* What execve(2) of that path does, in the folder of the test: 0 or an errno. */
static int outcome_of(const call_t *call, const char *path)
{
    struct stat status;
    if (fstatat(folder_fd, path, &status, 0) < 0)
        return errno;
    if (!S_ISREG(status.st_mode) || !(status.st_mode & 0111))
        return EACCES;
    if (is_too_large(call))
        return E2BIG;
    return strstr(path, "text") ? ENOEXEC : 0;
}

/* Tries each folder of the PATH, as Python's subprocess says: the first file that can be executed,
 * else the first error that is more than that there is none, else the last one. */
static int find_program(call_t *call, const char *name, const char *path)
{
    int telling = 0, code = 0;
    if (strchr(name, '/')) {
        snprintf(call->file, sizeof(call->file), "%s", name);
        return outcome_of(call, call->file);
    }
    for (;;) {
        int size = (int)strcspn(path, ":");
        snprintf(call->file, sizeof(call->file), "%.*s/%s", size ? size : 1, size ? path : ".",
                 name);
        code = outcome_of(call, call->file);
        if (code == 0)
            return 0;
        if (code != ENOENT && code != ENOTDIR && !telling)
            telling = code;
        if (!path[size])
            return telling ? telling : code;
        path += size + 1;
    }
}

static void predict(call_t *call)
{
    const char *path = "/bin:/usr/bin";
    char *const *environment = call->has_environment ? call->environment : inherited;
    for (; *environment; environment++) {
        if (strncmp(*environment, "PATH=", 5) == 0) {
            path = *environment + 5;
            break;
        }
    }
    const char *name = call->executable ? call->executable : call->arguments[0];
    if (!call->arguments[0] || !*call->arguments[0] || !*name)
        call->code = -EINVAL;
    else
        call->code = -find_program(call, name, path);
}

/* --- the call ------------------------------------------------------------------------------ */

static void check_list(const call_t *call, const char *what, const char **found, const char *end,
                       char *const *wanted)
{
    for (; *wanted; wanted++) {
        if (*found >= end || strcmp(*found, *wanted) != 0)
            fail(call, what, *found, *wanted);
        *found += strlen(*found) + 1;
    }
    if (*found >= end || **found != 1)
        fail(call, what, *found, "its end");
    ++*found;
}

static void check_child(const call_t *call, const char *output, size_t size)
{
    const char *end = output + size;
    if (size == 0 || strcmp(output, call->file) != 0)
        fail(call, "file", size ? output : "nothing", call->file);
    output += strlen(output) + 1;
    check_list(call, "argument", &output, end, call->arguments);
    check_list(call, "environment", &output, end,
               call->has_environment ? call->environment : inherited);
}

static int run(void *arg, void **ret_result)
{
    (void)ret_result;
    call_t *call = arg;
    asyncio_process_options_t options = {
        .size = sizeof(options),
        .stdout_kind = ASYNCIO_PROCESS_PIPE,
        .executable = call->executable,
        .env = call->has_environment ? (const char *const *)call->environment : NULL,
        .cwd = folder,
    };
    asyncio_process_t *process;
    asyncio_process_output_t output;
    const char *const *arguments = (const char *const *)call->arguments;
    int rc = call->is_shell
                 ? asyncio_create_subprocess_shell(arguments[2], &options, &process)
                 : asyncio_create_subprocess_exec(arguments, &options, &process);
    if (rc != call->code)
        fail(call, "code", asyncio_error_name(rc), asyncio_error_name(call->code));
    if (rc < 0)
        return 0;
    rc = asyncio_process_communicate(process, NULL, 0, &output);
    if (rc < 0)
        fail(call, "communicate", asyncio_error_name(rc), "0");
    check_child(call, output.stdout_data, output.stdout_size);
    asyncio_process_unref(process);
    return 0;
}

/* --- the input ----------------------------------------------------------------------------- */

/* A string of words, or of any byte but 0 many times. */
static char *make_string(fuzz_bytes_t *bytes)
{
    uint8_t head = fuzz_byte(bytes);
    if (head >= 250) {
        static const size_t lengths[] = {4095, KERNEL_LIMIT - 2, KERNEL_LIMIT - 1, KERNEL_LIMIT,
                                         STRING_MOST, 70000};
        size_t length = lengths[head - 250];
        char *text = malloc(length + 1);
        if (!text)
            abort();
        memset(text, fuzz_byte(bytes) | 1, length);
        text[length] = '\0';
        return text;
    }
    char text[256] = "";
    for (int count = head % 4; count >= 0; count--)
        strcat(text, words[fuzz_byte(bytes) % LENGTH(words)]);
    return strdup(text);
}

static void make_list(fuzz_bytes_t *bytes, char **list, size_t most)
{
    size_t count = fuzz_byte(bytes) % (most + 1);
    for (size_t i = 0; i < count; i++)
        list[i] = make_string(bytes);
}

static void free_list(char **list)
{
    for (; *list; list++)
        free(*list);
}

static void make_call(call_t *call, fuzz_bytes_t *bytes)
{
    uint8_t flags = fuzz_byte(bytes), name = fuzz_byte(bytes);
    call->has_environment = flags & 1;
    if (flags & 2)
        call->executable = programs[(name >> 4) % LENGTH(programs)];
    call->is_shell = (flags & 4) && call->executable && *call->executable;
    if (call->is_shell) {
        call->arguments[0] = strdup(call->executable);
        call->arguments[1] = strdup("-c");
        call->arguments[2] = make_string(bytes);
    } else if (!(flags & 8)) {
        call->arguments[0] = strdup(programs[name % LENGTH(programs)]);
        make_list(bytes, call->arguments + 1, STRINGS_MOST - 1);
    } else {
        make_list(bytes, call->arguments, STRINGS_MOST);
    }
    make_list(bytes, call->environment, STRINGS_MOST);
}

/* --- folders in which programs are found --------------------------------------------------- */

static void make_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) < 0 || fchmod(fd, mode) < 0)
        abort();
    close(fd);
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    if (system(command) != 0)
        perror(folder);
}

static void make_folder(void)
{
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    folder_fd = mkdtemp(folder) ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (here < 0 || folder_fd < 0 || fchdir(folder_fd) < 0)
        abort();
    atexit(remove_folder);
    if (mkdir("one", 0700) < 0 || mkdir("two", 0700) < 0 || mkdir("one/folder", 0700) < 0 ||
        mkdir("folder", 0700) < 0 || symlink("loop", "loop") < 0 ||
        symlink(SHOW_ARGUMENTS, "prog") < 0 || symlink(SHOW_ARGUMENTS, "one/prog") < 0 ||
        symlink(SHOW_ARGUMENTS, "two/other") < 0 || symlink(SHOW_ARGUMENTS, "one/=prog") < 0 ||
        symlink(SHOW_ARGUMENTS, "two/plain") < 0)
        abort();
    make_file("file", "", 0600);
    make_file("two/prog", "no program", 0600);
    make_file("one/text", "no program", 0700);
    make_file("one/plain", "no program", 0600);
    if (fchdir(here) < 0)
        abort();
    close(here);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    make_folder();
    setenv("ASYNCIO_ENGINE", "epoll", /* overwrite= */ 0);
    /* Creates the objects that the library keeps for the whole process. */
    return LLVMFuzzerTestOneInput((const uint8_t *)"\1", 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static long blocks = -1;
    fuzz_bytes_t bytes = {data, data + size};
    static call_t call;
    memset(&call, 0, offsetof(call_t, file));
    call.file[0] = 0;
    char **ours = environ;
    make_call(&call, &bytes);
    predict(&call);
    asyncio_coroutine_t *coroutine = asyncio_coroutine(run, &call);
    environ = inherited;
    int rc = asyncio_run(coroutine, NULL);
    environ = ours;
    if (rc != 0)
        fail(&call, "the run", asyncio_error_name(rc), "0");
    free_list(call.arguments);
    free_list(call.environment);
    asyncio_error_clear();
    if (blocks >= 0 && asyncio__live_blocks() != blocks)
        fail(&call, "blocks", "left behind", "none");
    blocks = asyncio__live_blocks();
    return 0;
}
