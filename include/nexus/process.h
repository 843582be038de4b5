/* Programs: run to their end in one call, or started with handles for what they read and write.
 *
 * A program is a list of arguments and never a line for a shell. What was started belongs to the
 * scope that it was started in, and ends with it, with all that it has started itself. */
#ifndef NEXUS_PROCESS_H
#define NEXUS_PROCESS_H

#include <nexus/base.h>
#include <nexus/stream.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A program that was started. */
typedef struct nx_process nx_process;

/* ---- What is run */

/* The program and its arguments: NX_ARGV("git", "log", "-1"). A name without a slash is looked for
 * in the PATH of the environment that the program gets, whose relative and empty entries are passed
 * over; without a PATH in /usr/local/bin, /usr/bin and /bin. A path is taken from `cwd`. Any
 * NULL-terminated array will do. */
#define NX_ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A line for /bin/sh, by which everything in it means what a shell makes of it. Never put together
 * from what comes from outside: hand that over as an argument, NX_ARGV("sh", "-c", "wc -l <\"$1\"",
 * "sh", name). */
#define NX_SHELL(line) NX_ARGV("/bin/sh", "-c", (line))

/* ---- What it reads and writes */

typedef enum nx_io_kind {
    NX_IO_KIND_DEFAULT,
    NX_IO_KIND_INHERIT,
    NX_IO_KIND_NULL,
    NX_IO_KIND_PIPE,
    NX_IO_KIND_FILE,
    NX_IO_KIND_APPEND,
    NX_IO_KIND_FD,
    NX_IO_KIND_OUT,
    NX_IO_KIND_FROM
} nx_io_kind;

/* One of a program's standard input, output and error. All zero is the default of the call. */
typedef struct nx_io {
    nx_io_kind kind;
    int fd;
    const char *path;
    nx_process *from;
} nx_io;

#define NX_IO_INHERIT ((nx_io){.kind = NX_IO_KIND_INHERIT}) /* this program's own */
#define NX_IO_NULL    ((nx_io){.kind = NX_IO_KIND_NULL})    /* nothing: /dev/null */
#define NX_IO_PIPE    ((nx_io){.kind = NX_IO_KIND_PIPE})    /* a stream of the handle's */
/* A file, which is read, or emptied (made where there is none) and written. Needs --allow-read or
 * --allow-write. From this program's directory, whatever `cwd` says. */
#define NX_IO_FILE(file) ((nx_io){.kind = NX_IO_KIND_FILE, .path = (file)})
/* The same, and written at its end. */
#define NX_IO_APPEND(file) ((nx_io){.kind = NX_IO_KIND_APPEND, .path = (file)})
/* A descriptor, which stays the caller's. */
#define NX_IO_FD(number) ((nx_io){.kind = NX_IO_KIND_FD, .fd = (number)})
/* Of standard error: wherever standard output goes. */
#define NX_IO_OUT ((nx_io){.kind = NX_IO_KIND_OUT})
/* Of standard input: what the other program writes, whose `out` is a pipe. The system joins the
 * two, and no byte passes through this program; the other's stream is gone then. */
#define NX_IO_FROM(process) ((nx_io){.kind = NX_IO_KIND_FROM, .from = (process)})

/* ---- Options */

typedef struct nx_process_options {
    size_t size;
    const char *cwd; /* default: this program's directory */
    /* "NAME=value" adds or replaces, "NAME" takes away; the rest is inherited, unless clear_env:
     * .env = NX_ARGV("LANG=C", "LD_PRELOAD"). Where --allow-run has a list, an LD_… can't be set.
     */
    const char *const *env;
    bool clear_env;
    nx_io in, out, err;
    /* The whole tree is stopped after that: NX_ETIMEDOUT. Default NX_FOREVER. */
    nx_duration timeout;
    /* What is stopped gets SIGTERM, and SIGKILL after this; default: 5 s in nx_process_stop, and
     * SIGKILL at once where time is up, a call is cancelled or a handle closed. Where this program
     * ends without further ado, there is SIGTERM alone then. */
    nx_duration grace;
    /* Outlives its scope and this program, in a session of its own. */
    bool detached;
    /* A terminal of its own of so many rows and columns is all of its `in`, `out` and `err`; used
     * if `rows` is not 0. Default columns: 80. */
    struct {
        unsigned short rows, columns;
    } terminal;

    /* Of nx_run alone. */
    nx_bytes input; /* what it reads; more than it wants is no error */
    size_t most;    /* of what is kept of `out`, and of `err`: default NX_RUN_MOST */
    bool check;     /* any end but code 0 is NX_EFAILED, whose message has the last that it said */
    /* How long, after the program's end, what it has left behind may keep `out` and `err` open;
     * then it is killed, and what came until then is the result. Default 1 s. */
    nx_duration linger;
} nx_process_options;

#define NX_RUN_MOST ((size_t)16 << 20)

/* How a program has ended. */
typedef struct nx_process_end {
    bool ok;    /* by itself, with code 0 */
    int code;   /* -1 where a signal has ended it */
    int signal; /* 0 where it has ended by itself */
} nx_process_end;

/* ---- To the end, in one call */

typedef struct nx_run_result {
    nx_process_end end;
    nx_bytes out, err; /* memory of the current scope, each with a NUL behind */
} nx_run_result;

/* Runs a program and waits until it has ended: NX_TRY(nx_run(&r, NX_ARGV("git", "status"), .cwd =
 * dir, .check = true)). It reads `input` (default: nothing), and what it writes comes back, unless
 * `out` or `err` says otherwise. What it has left running is killed then, unless `detached`.
 *
 * A program that ends badly is no error without `check`. `*result` is filled in also where the call
 * fails, with what came until then. NX_ENOENT (no such program; no such cwd), NX_EACCES (not
 * executable), NX_EPERM (needs --allow-run), NX_EINVAL (a directory; a file that is no program; an
 * option that doesn't go with another), NX_ETOOBIG (the arguments, or more than `most` came; the
 * program is killed), NX_ETIMEDOUT, NX_ECANCELED (both kill it), NX_EMFILE, NX_ELIMIT (the system
 * has no more processes), NX_ENOMEM, NX_EFAILED (with `check`). Suspends. */
NX_API NX_MUST_CHECK nx_err nx_run_with(nx_run_result *result, const char *const *argv,
                                        const nx_process_options *options);
#define nx_run(result, argv, ...)                                                                  \
    nx_run_with((result), (argv),                                                                  \
                &(nx_process_options){.size = sizeof(nx_process_options), __VA_ARGS__})

/* ---- Step by step */

/* Starts a program and returns when it runs, or can't: errors as nx_run. It reads nothing and
 * writes where this program does, unless `in`, `out` and `err` say otherwise. The handle belongs to
 * the calling fiber's innermost scope, whose end closes it. The options' strings are not needed
 * after the call. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_process_start_with(nx_process **out, const char *const *argv,
                                                  const nx_process_options *options);
#define nx_process_start(out, argv, ...)                                                           \
    nx_process_start_with((out), (argv),                                                           \
                          &(nx_process_options){.size = sizeof(nx_process_options), __VA_ARGS__})

/* Its number, also after its end. */
NX_API pid_t nx_process_pid(const nx_process *process);

/* The other end of a NX_IO_PIPE, or of the terminal (`in` and `out`): a sink for what the program
 * reads, sources of what it writes. The same stream each time; it belongs to the handle and may be
 * closed before, as nx_pipe does. Never NULL: where there is none, whoever uses it gets NX_ESTATE,
 * and so does a second fiber that would wait for it at the same time.
 *
 * Nothing is read ahead: a program that writes faster than it is read waits, and one that nobody
 * reads waits for ever. Writing to one that reads no more is NX_ECLOSED. nx_stream_finish on `in`
 * is the end of what the program reads: on a terminal what Ctrl-D is. Sources end when the last
 * program that has the pipe has closed it, which may be long after the one that was started. */
NX_API nx_stream *nx_process_in(nx_process *process);
NX_API nx_stream *nx_process_out(nx_process *process);
NX_API nx_stream *nx_process_err(nx_process *process);

/* Waits until the program has ended; any number of fibers may, and again after. `end` may be NULL.
 * NX_ETIMEDOUT (it has ended because its timeout had passed; `*end` is filled in), NX_ECANCELED
 * (it runs on), NX_ECLOSED (the handle is closed). Suspends. */
NX_API NX_MUST_CHECK nx_err nx_process_wait(nx_process *process, nx_process_end *end);

/* Sends a signal to the program, and not to what it has started. Never to a stranger: a program
 * that has ended is NX_ESTATE. NX_EINVAL (no such signal), NX_EACCES (it runs as another user).
 * Does not suspend. */
NX_API NX_MUST_CHECK nx_err nx_process_signal(nx_process *process, int signo);

/* Stops the program and all that it has started: SIGTERM to all, and SIGKILL to what is left when
 * the program has ended or its `grace` is over. Returns when it has ended, at once where it has.
 * Cancelled, it doesn't wait for the grace: all is killed, and NX_ECANCELED. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_process_stop(nx_process *process);

/* Tells the program that its terminal has another size. NX_ESTATE (it has none). Does not suspend.
 */
NX_API NX_MUST_CHECK nx_err nx_process_resize(nx_process *process, unsigned short rows,
                                              unsigned short columns);

/* Closes the streams, and kills what of the program and its children still runs, unless `detached`;
 * waits until it has. What happens at the end of the scope. NULL is nothing, again is harmless. Not
 * cut short by cancellation. Suspends. */
NX_API void nx_process_close(nx_process *process);
static inline void nx_process_auto(nx_process **process)
{
    nx_process_close(*process);
    *process = NULL;
}

#ifdef __cplusplus
}
#endif

#endif
