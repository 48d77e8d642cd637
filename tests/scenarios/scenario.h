/* SPDX-License-Identifier: MIT */
/*
 * A scenario of the conformance language while it runs: variables, tasks, fuel and the trace.
 *
 * ../conformance/LANGUAGE.md says what a scenario means; oracle.py beside it is the same program in
 * Python. Every object that a scenario makes lives until its trace is complete: a library that
 * reported what was dropped would otherwise add lines that Python's trace has not.
 *
 * Reading order: scenario.h, trace.c, variables.c, statements_now.c, statements_wait.c,
 * statements_sync.c, run.c, main.c. Only observe.c looks into the library.
 */
#ifndef SCENARIOS_SCENARIO_H
#define SCENARIOS_SCENARIO_H

#include <asyncio.h>
#include <jansson.h>

#define TICK (1.0 / 64.0)        /* seconds; a power of two, so that clock arithmetic is exact */
#define FUEL 1000                /* statements */
#define SHUTDOWN_TICKS 1000      /* how long tasks that are left may take to end */
#ifndef STACK_BYTES              /* the fuzzer's scenarios are not as deep, and there are many */
#define STACK_BYTES (4u << 20)   /* as deep as FUEL calls inside each other */
#endif
#define EOUTOFFUEL (ASYNCIO_EUSER - 1) /* ends a scenario; no handler of a scenario catches it */

/* The value of a variable. */
typedef enum kind { KIND_FUTURE, KIND_COROUTINE, KIND_HANDLE } kind_t;

typedef struct variable {
    const char *name; /* in the program */
    kind_t kind;      /* of object */
    void *object;     /* kept elsewhere */
} variable_t;

/* A task, in order of creation. */
typedef struct task_entry {
    asyncio_task_t *task; /* a reference */
    char *label;          /* "a#3" */
} task_entry_t;

/* A lock, event, … with its name; see statements_sync.c. */
typedef struct primitive primitive_t;

/* A BODY that the loop calls. */
typedef struct scenario scenario_t;
typedef struct callback {
    scenario_t *scenario; /* whose */
    const char *label;    /* what it logs */
    const char *var;      /* of a done callback: the variable that was named; else NULL */
    json_t *body;         /* statements, or NULL */
} callback_t;

/* A gathering: its value is an array of the library. */
typedef struct gathering {
    asyncio_future_t *future; /* kept elsewhere; NULL once finished by hand */
    size_t count;             /* of its sources */
} gathering_t;

/* An object that is kept until the trace is complete. */
typedef struct kept {
    void *object;
    void (*drop)(void *object);
} kept_t;

/* A growing array: `array` of `count`, room for `capacity`. */
#define ARRAY(type) \
    struct { \
        type *items; \
        size_t count; \
        size_t capacity; \
    }

struct scenario {
    json_t *coros;                     /* object of bodies, or NULL */
    asyncio_loop_t *loop;              /* its own */
    int fuel;                          /* statements left; below 0: out of fuel */
    bool is_over;                      /* the trace is complete: nothing is logged any more */
    asyncio_task_t *waiter;            /* the hidden task of the shutdown */
    bool is_hiding;                    /* the task that is made now gets no number */
    asyncio_error_t *out_of_fuel;      /* what ends it */
    ARRAY(variable_t) variables;       /* by first binding */
    ARRAY(task_entry_t) tasks;         /* in order of creation */
    ARRAY(callback_t *) callbacks;     /* of on_done; the newest of a label last */
    ARRAY(gathering_t) gatherings;     /* in order of creation */
    ARRAY(primitive_t *) primitives;   /* in order of first use */
    ARRAY(kept_t) kept;                /* everything else */
};

/* The way in which a statement or a body ended. */
typedef enum flow {
    FLOW_ON,      /* go on with the next statement */
    FLOW_RETURN,  /* leaves the coroutine with a value */
    FLOW_RAISE,   /* leaves with an error */
    FLOW_UNBOUND, /* a statement named what is unbound or of the wrong kind */
    FLOW_NONE,    /* there is no such statement here */
} flow_t;

typedef struct outcome {
    flow_t flow;
    json_t *value;          /* FLOW_RETURN: borrowed from the program */
    asyncio_error_t *error; /* FLOW_RAISE: a reference, handed on */
} outcome_t;

/* A statement: `args` is the whole of it, with the operation at index 0. */
typedef outcome_t statement_t(scenario_t *scenario, json_t *args);

typedef struct operation {
    const char *name;
    statement_t *run;
    size_t count; /* how often it did something: neither unbound nor unknown nor without fuel */
} operation_t;

/* --- outcomes ------------------------------------------------------------------------------ */

static inline outcome_t go_on(void)
{
    return (outcome_t){.flow = FLOW_ON};
}

static inline outcome_t unbound(void)
{
    return (outcome_t){.flow = FLOW_UNBOUND};
}

/* Raises an error, whose reference is taken. */
static inline outcome_t raise_error(asyncio_error_t *error)
{
    return (outcome_t){.flow = FLOW_RAISE, .error = error};
}

/* Raises the error that a failing call of the library left. */
static inline outcome_t raise_code(int code)
{
    return raise_error(asyncio_error_of(code));
}

/* Raises the reason why a constructor returned NULL. */
static inline outcome_t raise_errno(void)
{
    int code = asyncio_errno();
    return raise_code(code < 0 ? code : ASYNCIO_EINVAL);
}

/* --- arguments of a statement -------------------------------------------------------------- */

/* Returns the text at an index, "" if there is none. */
const char *text_at(json_t *args, size_t index);

/* Returns the ticks at an index as seconds; null is for ever. */
double seconds_at(json_t *args, size_t index);

/* --- the trace: trace.c -------------------------------------------------------------------- */

/* Begins a line with time, actor and words; false if nothing is logged any more. */
bool log_begin(scenario_t *scenario, const char *format, ...) ASYNCIO_PRINTF(2, 3);
void log_end(void);

/* Logs a whole line. */
void log_line(scenario_t *scenario, const char *format, ...) ASYNCIO_PRINTF(2, 3);

/* Prints parts of a line. */
void print_value(scenario_t *scenario, void *value);
/* Prints several words in a row. */
void print_words(const char *first, const char *second, const char *third);
void print_error(const asyncio_error_t *error);
void print_state(scenario_t *scenario, asyncio_future_t *future);

/* --- variables, tasks, what is kept: variables.c ------------------------------------------- */

/* Keeps a reference until the end; returns the object. */
void *keep(scenario_t *scenario, void *object, void (*drop)(void *));
void *keep_future(scenario_t *scenario, asyncio_future_t *future);

/* Binds a name to an object that is kept here, whose reference is taken. */
void bind_variable(scenario_t *scenario, const char *name, kind_t kind, void *object);

/* Returns the object of a name if it is bound to that kind; else NULL. */
asyncio_future_t *find_future(scenario_t *scenario, const char *name);
asyncio_task_t *find_task(scenario_t *scenario, const char *name);
asyncio_handle_t *find_handle(scenario_t *scenario, const char *name);

/* Returns an awaitable for a call that takes coroutine objects and borrows futures; or NULL. */
asyncio_awaitable_t *find_awaitable(scenario_t *scenario, const char *name);

/* Collects those of a list of names that are bound, each object once; returns their number. Both
 * arrays have room for the whole list. */
size_t find_awaitables(scenario_t *scenario, json_t *names, asyncio_awaitable_t **ret_found,
                       const char **ret_names);

/* Appends a new task to the list. */
void add_task(scenario_t *scenario, asyncio_task_t *task);

/* Puts a variable's name before the number of a task, and binds it; takes the reference. */
void label_task(scenario_t *scenario, asyncio_task_t *task, const char *name);

/* Returns the label of the running task, or "loop". */
const char *actor(scenario_t *scenario);

/* Creates a callback that lives until the end. */
callback_t *make_callback(scenario_t *scenario, const char *label, const char *var, json_t *body);
callback_t *find_done_callback(scenario_t *scenario, const char *label);

/* Frees all kept objects, and the arrays. */
void drop_all(scenario_t *scenario);

/* Makes room for one more item in an array. */
#define GROW(array) grow((void **)&(array).items, (array).count, &(array).capacity, \
                         sizeof((array).items[0]))
void grow(void **items, size_t count, size_t *capacity, size_t size);

/* --- running: run.c ------------------------------------------------------------------------ */

/* Creates the coroutine object of a body, or of a name in `coros`. */
asyncio_coroutine_t *make_coroutine(scenario_t *scenario, json_t *body);
asyncio_coroutine_t *make_named(scenario_t *scenario, const char *name);

/* Runs the statements of a coroutine's body; returns FLOW_ON, FLOW_RETURN or FLOW_RAISE. */
outcome_t run_body(scenario_t *scenario, json_t *body);
outcome_t run_statement(scenario_t *scenario, json_t *statement);

/* Runs the statements of a callback. */
void run_callback(callback_t *callback);

/* Fills the slot with the error of an outcome, drops it and returns its code, for calls that take
 * the code of a body. 0: it raised nothing. */
int code_of(outcome_t outcome);

/* Prints the trace of a scenario without its first line. */
void run_scenario(json_t *program);

/* Writes a line "count OPERATION NUMBER" for each statement of the language to stderr. */
void print_counts(void);

/* --- statements ---------------------------------------------------------------------------- */

extern operation_t operations_now[];       /* statements_now.c: none of them suspends */
extern operation_t operations_wait[];      /* statements_wait.c: these may */
extern operation_t operations_group[];     /* statements_wait.c: directly in a group's body */
extern operation_t operations_sync_now[];  /* statements_sync.c */
extern operation_t operations_sync_wait[]; /* statements_sync.c */

/* --- the one look into the library: observe.c ---------------------------------------------- */

/* Calls add_task() for every task of the scenario's loop when it is created. */
void observe_tasks(scenario_t *scenario);

#endif
