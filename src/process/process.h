/* A program that was started, as its own room knows it. */
#ifndef NX__PROCESS_H
#define NX__PROCESS_H

#include "loop/loop.h"
#include "process/ending.h"
#include "process/living.h"
#include <nexus/process.h>

enum { NX__IN, NX__OUT, NX__ERR };

/* This program's end of what is one of the three. */
struct nx__process_pipe {
    struct nx__watch watch;
    nx_process *process;
    nx_stream *stream; /* NULL: not asked for */
    void *run;         /* of nx_run */
    int fd;            /* -1: there is none, or it is closed */
    bool had;          /* there was one */
    bool in_line;      /* of a terminal's: the last byte written was no line's end */
};

/* Memory of the scope, valid until that ends. */
struct nx_process {
    struct nx__process_pipe pipes[3];
    struct nx__ending ending; /* while it runs */
    struct nx__list waiters;
    nx__living *living;     /* its place among what ends with this program; NULL: it is detached */
    struct nx__timer timer; /* of the timeout, then of its grace */
    struct nx__orphan *orphan; /* takes over a detached one that runs on */
    struct nx_loop *loop;
    const char *name; /* for messages */
    nx_duration grace;
    nx_process_end end;
    struct nx__tree tree;
    int terminal; /* this program's side of what is all of the three, kept until the handle is
                     closed: a program that is about to end has closed its own, and would be hung
                     up; or -1 */
    bool open;    /* started, and not closed */
    bool detached, ended, timed_out;
    bool lost; /* it has ended, and somebody else knows how */
};

/* Somebody who is to be told of its end: `op` completes then. */
struct nx__process_waiter {
    struct nx__op op;
    struct nx__list link; /* in `waiters` */
};

/* nx_process_start, with nx_run's options. */
NX_MUST_CHECK nx_err nx__process_start(nx_process **out, const char *const *argv,
                                       const nx_process_options *options);

struct nx__launch;

/* Prepares a handle in the calling fiber's scope, which will close it; then fills it in with what
 * was launched, whose pidfd it takes over in any case. */
NX_MUST_CHECK nx_err nx__process_new(nx_process **out, const char *name,
                                     const nx_process_options *options);
NX_MUST_CHECK nx_err nx__process_begin(nx_process *process, const struct nx__launch *launch,
                                       nx_duration timeout);

/* The program as messages name it after its end: "ended with code 2". */
const char *nx__process_end_text(const nx_process_end *end);

/* ---- Pipes */

/* Takes over a descriptor that does not block. NX_ENOMEM and others; closes it then. */
NX_MUST_CHECK nx_err nx__process_pipe_init(nx_process *process, int which, int fd);

/* Closes it, and the stream on it. */
void nx__process_pipe_close(struct nx__process_pipe *pipe);

/* From now on what the program writes goes nowhere, and doesn't hold it. */
void nx__process_pipe_discard(struct nx__process_pipe *pipe);

/* Reads or writes once without waiting: the count, 0 at the end, or -errno. -EPIPE: the program
 * reads no more. */
int64_t nx__process_pipe_read(struct nx__process_pipe *pipe, void *data, size_t len);
int64_t nx__process_pipe_write(struct nx__process_pipe *pipe, const void *data, size_t len);

/* Says that no more comes, without waiting: 0 or -errno. */
int64_t nx__process_pipe_finish(struct nx__process_pipe *pipe);

/* ---- Terminals */

/* Makes one of that size: the program's side, which blocks, and this one, which doesn't. Both are
 * the caller's to close. -errno. */
NX_MUST_CHECK int64_t nx__terminal_open(unsigned short rows, unsigned short columns, int *ours,
                                        int *theirs);
NX_MUST_CHECK int64_t nx__terminal_resize(int fd, unsigned short rows, unsigned short columns);

/* The bytes by which a program that reads lines is told of the end: how many, of two at most. */
size_t nx__terminal_end(int fd, bool in_line, char bytes[2]);

/* ---- Options */

/* The environment that the program gets: memory of the current scope. NX_EINVAL, NX_EPERM,
 * NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__process_environment(const nx_process_options *options, char ***out);

/* A variable in it, or NULL. */
const char *nx__process_variable(char *const *environment, const char *name);

#endif
