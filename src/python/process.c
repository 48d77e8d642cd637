/* SPDX-License-Identifier: MIT */
/*
 * Starting a child process by asyncio__spawn() for what subprocess.Popen is asked most often.
 *
 * Whatever needs more than that function can do, or cannot be converted, is left to Popen, whose
 * exceptions are then the program's: _spawn() returns None before it has started anything.
 */
#include "python/network.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "spawn/spawn.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define CLOSE_RANGE_MARK 4u /* CLOSE_RANGE_CLOEXEC */

/* Values of stdin=, stdout= and stderr=, as in subprocess. */
enum { PIPE = -1, STDOUT = -2, DEVNULL = -3 };

extern char **environ;

/* Strings for the kernel: an array that ends with NULL. */
typedef struct strings {
    PyObject *owners;   /* a list of bytes objects; NULL: the strings belong to somebody else */
    const char **array; /* NULL before it is made */
} strings_t;

/* One call of _spawn(). */
typedef struct start {
    asyncio__spawn_t spawn;
    asyncio__child_t child;
    strings_t arguments, environment;
    PyObject *words;            /* the arguments: a list, a reference; or NULL */
    PyObject *executable;       /* as the program has given it: borrowed; or NULL */
    PyObject *cwd;              /* likewise; None: the caller's */
    PyObject *env;              /* likewise; None: the caller's */
    PyObject *executable_bytes; /* a reference, or NULL */
    PyObject *cwd_bytes;        /* likewise */
    int ours[3];                /* our ends of pipes; -1: none */
    int theirs[3];              /* descriptors to be closed here after the start; -1: none */
} start_t;

static void free_strings(strings_t *strings)
{
    Py_XDECREF(strings->owners);
    PyMem_Free(strings->array);
}

static void close_all(int fds[3])
{
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0)
            asyncio__ignore(close(fds[i]));
}

/* --- strings ------------------------------------------------------------------------------- */

/* Makes the array for a list of bytes objects, which is taken; NULL is a failure before. 0 or -1
 * with an exception. */
static int make_array(strings_t *strings, PyObject *owners)
{
    strings->owners = owners;
    if (!owners)
        return -1;
    Py_ssize_t count = PyList_GET_SIZE(owners);
    strings->array = PyMem_Calloc((size_t)count + 1, sizeof(*strings->array));
    if (!strings->array) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        strings->array[i] = PyBytes_AS_STRING(PyList_GET_ITEM(owners, i));
    return 0;
}

/* Appends the bytes of a path or argument. 0, or -1 with an exception: wrong type, or it holds a
 * null byte. */
static int append_path(PyObject *list, PyObject *path)
{
    PyObject *bytes;
    if (!PyUnicode_FSConverter(path, &bytes))
        return -1;
    int rc = PyList_Append(list, bytes);
    Py_DECREF(bytes);
    return rc;
}

/* Makes the list of arguments as Popen would: from a tuple, or from the command of a shell. */
static PyObject *make_words(const start_t *start, PyObject *args, bool is_shell)
{
    if (!is_shell)
        return PyTuple_CheckExact(args) && PyTuple_GET_SIZE(args) ? PySequence_List(args) : NULL;
    if (!PyUnicode_Check(args) && !PyBytes_Check(args))
        return NULL;
    return start->executable ? Py_BuildValue("[OsO]", start->executable, "-c", args)
                             : Py_BuildValue("[ssO]", "/bin/sh", "-c", args);
}

static int set_arguments(start_t *start)
{
    PyObject *list = start->words ? PyList_New(0) : NULL;
    int rc = list ? 0 : -1;
    for (Py_ssize_t i = 0; rc == 0 && i < PyList_GET_SIZE(start->words); i++)
        rc = append_path(list, PyList_GET_ITEM(start->words, i));
    if (rc < 0)
        Py_CLEAR(list);
    return make_array(&start->arguments, list);
}

/* Appends NAME=VALUE. Names that are no str are left to Popen, which looks for PATH among them. */
static int append_variable(PyObject *list, PyObject *pair)
{
    PyObject *name = NULL, *value = NULL, *joined = NULL;
    if (PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2 &&
        PyUnicode_Check(PyTuple_GET_ITEM(pair, 0)) &&
        PyUnicode_FSConverter(PyTuple_GET_ITEM(pair, 0), &name) &&
        PyUnicode_FSConverter(PyTuple_GET_ITEM(pair, 1), &value) &&
        !strchr(PyBytes_AS_STRING(name), '='))
        joined = PyBytes_FromFormat("%s=%s", PyBytes_AS_STRING(name), PyBytes_AS_STRING(value));
    Py_XDECREF(name);
    Py_XDECREF(value);
    if (!joined && !PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "illegal environment variable name");
    int rc = joined ? PyList_Append(list, joined) : -1;
    Py_XDECREF(joined);
    return rc;
}

/* Copies the array of this process, whose strings stay: another thread may change it when the GIL
 * is free. */
static int copy_environment(strings_t *strings)
{
    size_t count = 0;
    while (environ && environ[count])
        count++;
    strings->array = PyMem_Calloc(count + 1, sizeof(*strings->array));
    if (!strings->array) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(strings->array, environ, count * sizeof(*strings->array));
    return 0;
}

static int set_environment(start_t *start)
{
    if (start->env == Py_None)
        return copy_environment(&start->environment);
    PyObject *items = PyMapping_Items(start->env), *list = items ? PyList_New(0) : NULL;
    int rc = list ? 0 : -1;
    for (Py_ssize_t i = 0; rc == 0 && i < PyList_GET_SIZE(items); i++)
        rc = append_variable(list, PyList_GET_ITEM(items, i));
    Py_XDECREF(items);
    if (rc < 0)
        Py_CLEAR(list);
    return make_array(&start->environment, list);
}

/* --- options ------------------------------------------------------------------------------- */

/* Whether an option that is left to Popen has its default. */
static bool is_default(const char *name, PyObject *value)
{
    if (strcmp(name, "close_fds") == 0)
        return value == Py_True;
    if (strcmp(name, "pass_fds") == 0)
        return PyTuple_CheckExact(value) && PyTuple_GET_SIZE(value) == 0;
    return (strcmp(name, "preexec_fn") == 0 || strcmp(name, "user") == 0 ||
            strcmp(name, "group") == 0 || strcmp(name, "extra_groups") == 0) &&
           value == Py_None;
}

static int read_flag(PyObject *value, bool *ret_flag)
{
    if (!PyBool_Check(value))
        return -1;
    *ret_flag = value == Py_True;
    return 0;
}

/* A number from least to most; None, where it is allowed, leaves the default. */
static int read_number(PyObject *value, long least, long most, int *ret_number)
{
    int overflow = 0;
    long number = PyLong_CheckExact(value) ? PyLong_AsLongAndOverflow(value, &overflow) : least - 1;
    if (overflow || number < least || number > most)
        return -1;
    *ret_number = (int)number;
    return 0;
}

/* 0, or -1: the option is left to Popen. */
static int read_option(start_t *start, const char *name, PyObject *value)
{
    asyncio__spawn_t *spawn = &start->spawn;
    if (strcmp(name, "cwd") == 0)
        start->cwd = value;
    else if (strcmp(name, "env") == 0)
        start->env = value;
    else if (strcmp(name, "executable") == 0)
        start->executable = value == Py_None ? NULL : value;
    else if (strcmp(name, "start_new_session") == 0)
        return read_flag(value, &spawn->start_new_session);
    else if (strcmp(name, "restore_signals") == 0)
        return read_flag(value, &spawn->restore_signals);
    else if (strcmp(name, "umask") == 0)
        return read_number(value, -1, 0777, &spawn->umask);
    else if (PY_VERSION_HEX >= 0x030B0000 && strcmp(name, "process_group") == 0)
        return value == Py_None ? 0 : read_number(value, 0, INT32_MAX, &spawn->process_group);
    else
        return is_default(name, value) ? 0 : -1;
    return 0;
}

static int read_options(start_t *start, PyObject *options)
{
    Py_ssize_t at = 0;
    PyObject *name, *value;
    while (PyDict_Next(options, &at, &name, &value)) {
        const char *text = PyUnicode_AsUTF8(name);
        if (!text || read_option(start, text, value) < 0)
            return -1;
    }
    return 0;
}

/* --- standard streams ---------------------------------------------------------------------- */

/* Opens a pipe whose end on this side does not block. 0, or -1. */
static int open_pipe(start_t *start, int i)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    start->ours[i] = ends[i == 0];
    start->theirs[i] = ends[i != 0];
    return fcntl(start->ours[i], F_SETFL, O_NONBLOCK);
}

static int descriptor_of(PyObject *file, int *ret_fd)
{
    int least = DEVNULL;
    PyObject *number = PyLong_CheckExact(file) ? Py_NewRef(file)
                                               : PyObject_CallMethod(file, "fileno", NULL);
    int rc = number ? read_number(number, least, INT32_MAX, ret_fd) : -1;
    Py_XDECREF(number);
    return rc;
}

/* 0, or -1: the stream is left to Popen. */
static int set_stream(start_t *start, int i, PyObject *file)
{
    int fd;
    if (file == Py_None)
        return 0;
    if (descriptor_of(file, &fd) < 0 || (fd == STDOUT && i != 2))
        return -1;
    if (fd == PIPE && open_pipe(start, i) < 0)
        return -1;
    if (fd == DEVNULL && (start->theirs[i] = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0)
        return -1;
    if (fd == STDOUT && start->spawn.stdio[1] < 0)
        return -1;
    start->spawn.stdio[i] = fd == STDOUT ? start->spawn.stdio[1] : fd < 0 ? start->theirs[i] : fd;
    return 0;
}

/* --- the start ----------------------------------------------------------------------------- */

/* Whether this kernel can close what the program has not marked. */
static bool can_close_others(void)
{
    return syscall(SYS_close_range, ~0u, ~0u, CLOSE_RANGE_MARK) == 0;
}

/* Sets the strings of the start. 0, or -1: it is left to Popen. */
static int set_strings(start_t *start)
{
    asyncio__spawn_t *spawn = &start->spawn;
    if (set_arguments(start) < 0 || set_environment(start) < 0)
        return -1;
    if (start->executable && !PyUnicode_FSConverter(start->executable, &start->executable_bytes))
        return -1;
    if (start->cwd != Py_None && !PyUnicode_FSConverter(start->cwd, &start->cwd_bytes))
        return -1;
    spawn->arguments = start->arguments.array;
    spawn->environment = start->environment.array;
    if (start->executable_bytes)
        spawn->executable = PyBytes_AS_STRING(start->executable_bytes);
    if (start->cwd_bytes)
        spawn->cwd = PyBytes_AS_STRING(start->cwd_bytes);
    return *(spawn->executable ? spawn->executable : spawn->arguments[0]) ? 0 : -1;
}

/* 0, or -1: the start is left to Popen. */
static int prepare(start_t *start, PyObject *const *args)
{
    asyncio__spawn_init(&start->spawn);
    start->spawn.keep_signal_mask = true;
    start->env = start->cwd = Py_None;
    if (!PyDict_CheckExact(args[5]) || read_options(start, args[5]) < 0)
        return -1;
    start->words = make_words(start, args[0], args[1] == Py_True);
    if (set_strings(start) < 0)
        return -1;
    for (int i = 0; i < 3; i++)
        if (set_stream(start, i, args[2 + i]) < 0)
            return -1;
    return can_close_others() ? 0 : -1;
}

/* The program as Popen knows it: borrowed. */
static PyObject *program_of(const start_t *start)
{
    return start->executable ? start->executable : PyList_GET_ITEM(start->words, 0);
}

/* Raises what Popen would where the program or its folder cannot be used. */
static void raise_failure(const start_t *start, int code)
{
    bool is_folder = start->child.stage == ASYNCIO__SPAWN_CWD;
    errno = -code;
    PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError,
                                         is_folder ? start->cwd : program_of(start));
}

/* Starts the child: (pid, pidfd, our ends of pipes), None, or NULL with an exception. */
static PyObject *run(start_t *start, PyObject *const *args)
{
    int rc;
    if (prepare(start, args) < 0) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    if (PySys_Audit("subprocess.Popen", "OOOO", program_of(start), start->words, start->cwd,
                    start->env) < 0)
        return NULL;
    /* Until the child has executed its program. */
    Py_BEGIN_ALLOW_THREADS;
    rc = asyncio__spawn(&start->spawn, &start->child);
    Py_END_ALLOW_THREADS;
    bool is_told = start->child.stage == ASYNCIO__SPAWN_EXECUTE ||
                   start->child.stage == ASYNCIO__SPAWN_CWD;
    if (rc < 0 && !is_told)
        Py_RETURN_NONE;
    if (rc < 0) {
        raise_failure(start, rc);
        return NULL;
    }
    PyObject *result = Py_BuildValue("(iiiii)", (int)start->child.pid, start->child.pidfd,
                                     start->ours[0], start->ours[1], start->ours[2]);
    if (result) {
        start->ours[0] = start->ours[1] = start->ours[2] = -1;
        return result;
    }
    asyncio__ignore(asyncio__child_kill(&start->child, SIGKILL));
    asyncio__child_wait(&start->child);
    if (start->child.pidfd >= 0)
        asyncio__ignore(close(start->child.pidfd));
    return NULL;
}

/* loop._spawn(args, shell, stdin, stdout, stderr, options): args is a tuple, or the command of a
 * shell; options are keyword arguments of Popen. */
PyObject *asyncio__py_spawn(PyObject *loop, PyObject *const *args, Py_ssize_t count)
{
    start_t start = {.ours = {-1, -1, -1}, .theirs = {-1, -1, -1}};
    (void)loop;
    if (count != 6)
        return PyErr_Format(PyExc_TypeError, "_spawn() takes 6 arguments (%zd given)", count);
    PyObject *result = run(&start, args);
    close_all(start.ours);
    close_all(start.theirs);
    Py_XDECREF(start.words);
    free_strings(&start.arguments);
    free_strings(&start.environment);
    Py_XDECREF(start.executable_bytes);
    Py_XDECREF(start.cwd_bytes);
    return result;
}
