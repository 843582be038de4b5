/* Command lines: options, arguments and subcommands as a table, which also writes the help. */
#ifndef NEXUS_ARGS_H
#define NEXUS_ARGS_H

#include <nexus/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Where values go */

typedef enum nx_arg_kind {
    NX_ARG_NONE,
    NX_ARG_FLAG, /* bool: --name, --no-name */
    NX_ARG_INT,  /* signed, unsigned: any integer type but bool and char */
    NX_ARG_UINT,
    NX_ARG_REAL,     /* double */
    NX_ARG_TEXT,     /* const char *, which points into argv or memory of the current scope */
    NX_ARG_LIST,     /* nx_arg_list: given again and again, or all that remains */
    NX_ARG_COUNT,    /* int: how often it was given, as in -vvv */
    NX_ARG_DURATION, /* nx_duration: "250ms", "1h30m" */
    NX_ARG_SIZE      /* int64_t: "64K", "2G" */
} nx_arg_kind;

/* Texts in the order in which they were given, in memory of the current scope. */
typedef struct nx_arg_list {
    const char *const *items;
    size_t count;
} nx_arg_list;

typedef struct nx_arg_target {
    nx_arg_kind kind;
    size_t size;
    void *at;
} nx_arg_target;

/* A variable by its type: .to = NX_TO(&port). Those whose type doesn't say it have their own. What
 * the variable has before is the default, and stands in the help. */
#define NX_TO(p)                                                                                     \
    {                                                                                                \
        _Generic((p), bool *: NX_ARG_FLAG, signed char *: NX_ARG_INT, short *: NX_ARG_INT,         \
                 int *: NX_ARG_INT, long *: NX_ARG_INT, long long *: NX_ARG_INT,                   \
                 unsigned char *: NX_ARG_UINT, unsigned short *: NX_ARG_UINT,                      \
                 unsigned *: NX_ARG_UINT, unsigned long *: NX_ARG_UINT,                            \
                 unsigned long long *: NX_ARG_UINT, double *: NX_ARG_REAL,                         \
                 const char **: NX_ARG_TEXT, nx_arg_list *: NX_ARG_LIST),                          \
            sizeof(*(p)), (p) \
    }
#define NX_COUNT_TO(p)                                                                             \
    {                                                                                              \
        _Generic((p), int * : NX_ARG_COUNT), sizeof(int), (p)                                      \
    }
#define NX_DURATION_TO(p)                                                                          \
    {                                                                                              \
        _Generic((p), nx_duration * : NX_ARG_DURATION), sizeof(nx_duration), (p)                   \
    }
#define NX_SIZE_TO(p)                                                                              \
    {                                                                                              \
        _Generic((p), int64_t * : NX_ARG_SIZE), sizeof(int64_t), (p)                               \
    }

/* ---- The table */

/* An option, or an argument by its place. All but `name` and `to` may stay out. */
typedef struct nx_arg {
    const char *name; /* "port" for --port; of an argument, what help calls it */
    char letter;      /* 'p' for -p */
    nx_arg_target to;
    const char *help;  /* what it is for, in some words */
    const char *value; /* what help calls its value: "HOST" in --host=HOST */
    const char *env;   /* an environment variable that is taken where the option isn't given */
    /* The only texts that may be given; an integer gets the index of one. NX_CHOICES("a", "b") */
    const char *const *choices;
    /* Of whole numbers, spans and sizes. Both 0: any; `most` 0 above a positive `least`: any from
     * there on. */
    int64_t least, most;
    bool required; /* an argument that isn't comes after those that are */
} nx_arg;

/* A program, or a subcommand. */
typedef struct nx_command {
    const char *name, *summary; /* a word and a line */
    const char *version;        /* of the program: what --version prints behind its name */
    const char *details;        /* below all else in the help, as it is: examples, say */
    const nx_arg *options;   /* NX_ARGS(...); those of a program are those of its subcommands too */
    const nx_arg *arguments; /* NX_ARGS(...); a list, which takes all that remains, is the last */
    const struct nx_command *commands; /* NX_COMMANDS(...) */
    nx_err (*run)(void *arg); /* for nx_args_run; NULL where a subcommand has to be named */
    void *arg;
} nx_command;

/* The tables themselves. At file scope, of static variables, they are constants. */
#define NX_ARGS(...)     ((const nx_arg[]){__VA_ARGS__, {0}})
#define NX_COMMANDS(...) ((const nx_command[]){__VA_ARGS__, {0}})
#define NX_CHOICES(...)  ((const char *const[]){__VA_ARGS__, NULL})

/* ---- Reading a command line
 *
 * Options are --name=VALUE, --name VALUE, -n VALUE, -nVALUE and -abc for -a -b -c; --no-name turns
 * a flag off, and "--" ends them. They may stand anywhere; the last one counts. --help (-h) and, of
 * a program with a version, --version (-V) are there by themselves, and so is `PROGRAM help
 * COMMAND` where there are subcommands. */

typedef struct nx_args {
    const nx_command *command; /* the program, or the subcommand that was named */
    const char *text; /* of --help or --version, which is all that counts then; else NULL */
} nx_args;

/* Reads the command line and stores the values; with an error or a `text`, none. `text` is memory
 * of the current scope. NX_EUSAGE: `unknown option --prot; did you mean --port?`, `cannot use
 * --port=x: expected a whole number from 1 to 65535`. NX_EINVAL (a mistake in the table),
 * NX_ENOMEM. Does not suspend. */
NX_API NX_MUST_CHECK nx_err nx_args_parse(const nx_command *program, int argc, char *const *argv,
                                          nx_args *out);

/* The same for a whole program: prints what --help or --version asks for, or what is wrong and how
 * to get help (NX_EUSAGE, 2), or runs the command; returns what `main` should. Suspends as the
 * command does.
 *   int main(int argc, char **argv) { return nx_args_run(&program, argc, argv); } */
NX_API int nx_args_run(const nx_command *program, int argc, char *const *argv);

#ifdef __cplusplus
}
#endif

#endif
