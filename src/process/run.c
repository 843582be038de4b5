/* A program to its end, in one call: what it reads is written and what it writes is gathered by one
 * fiber, whichever of them can go on. */
#include "base/buffer.h"
#include "loop/files.h"
#include "permission/permission.h"
#include "process/process.h"

#include <errno.h>
#include <signal.h>

enum { LINE_MOST = 160 /* of what a program has said, in a message */ };

static const nx_duration LINGER = NX_S(1);

struct run {
    nx_process *process;
    struct nx__op *waiting; /* NULL: it is at work */
    bool woken;             /* something may go on */
    bool lingered;          /* what the program has left behind has had its time */
    struct nx__process_waiter end;
    struct nx__timer linger;
    nx_bytes input;
    size_t most;
    struct nx__buffer gathered[3]; /* of NX__OUT and NX__ERR */
};

/* ---- Waking up */

static void wake(struct run *run)
{
    run->woken = true;
    if (run->waiting) nx__op_complete(run->waiting, 0);
}

static void pipe_ready(struct nx__watch *watch, uint32_t events)
{
    (void)events;
    wake(nx__container_of(watch, struct nx__process_pipe, watch)->run);
}

static void ended(struct nx__op *op)
{
    wake(nx__container_of(op, struct run, end.op));
}

static void linger_over(struct nx__timer *timer)
{
    struct run *run = nx__container_of(timer, struct run, linger);
    run->lingered = true;
    wake(run);
}

static void wait_cancel(struct nx__op *op)
{
    nx__op_complete(op, -ECANCELED);
}

static nx_err wait(struct run *run)
{
    struct nx__op op = {.cancel = wait_cancel, .kind = NX__WAIT_PROCESS};
    if (run->woken) return NX_OK;
    run->waiting = &op;
    int64_t result = nx__op_wait(&op);
    run->waiting = NULL;
    if (result == -ELIMIT_OPERATIONS) return nx__error_operations();
    return result == -ECANCELED
               ? nx__error_set(NX_ECANCELED, "cancelled while \"%s\" ran", run->process->name)
               : NX_OK;
}

/* ---- Moving bytes */

static nx_err turn(const struct run *run, int64_t n)
{
    return nx__file_turn((size_t)n) < 0
               ? nx__error_set(NX_ECANCELED, "cancelled while \"%s\" ran", run->process->name)
               : NX_OK;
}

/* A program that wants no more has what it wants. */
static nx_err feed(struct run *run)
{
    struct nx__process_pipe *pipe = &run->process->pipes[NX__IN];
    while (pipe->fd >= 0) {
        int64_t n = run->input.len ? nx__process_pipe_write(pipe, run->input.data, run->input.len)
                                   : nx__process_pipe_finish(pipe);
        if (n == -EAGAIN) return NX_OK;
        if (n == -EPIPE) {
            nx__process_pipe_close(pipe);
        } else if (n < 0) {
            return nx__error_system((int)-n, "cannot write to \"%s\"", run->process->name);
        } else {
            run->input = nx_slice(run->input.data + n, run->input.len - (size_t)n);
            NX_TRY(turn(run, n));
        }
    }
    return NX_OK;
}

static nx_err too_much(const struct run *run, int which)
{
    return nx__error_set(NX_ETOOBIG, "\"%s\" writes more than %zu bytes to its standard %s",
                         run->process->name, run->most, which == NX__OUT ? "output" : "error");
}

static nx_err gather(struct run *run, int which)
{
    enum { PIECE = 16 * 1024 };
    struct nx__process_pipe *pipe = &run->process->pipes[which];
    struct nx__buffer *text = &run->gathered[which];
    while (pipe->fd >= 0) {
        char one;
        size_t room = run->most - text->len < PIECE ? run->most - text->len : PIECE;
        if (room && nx__buffer_reserve(text, room, run->most))
            return nx__error_set(NX_ENOMEM, "cannot keep what \"%s\" writes: out of memory",
                                 run->process->name);
        int64_t n =
            nx__process_pipe_read(pipe, room ? text->data + text->len : &one, room ? room : 1);
        if (n == -EAGAIN) return NX_OK;
        if (n < 0)
            return nx__error_system((int)-n, "cannot read what \"%s\" writes", run->process->name);
        if (n == 0) {
            nx__process_pipe_close(pipe);
        } else if (!room) {
            return too_much(run, which);
        } else {
            text->len += (size_t)n;
            NX_TRY(turn(run, n));
        }
    }
    return NX_OK;
}

/* ---- To the end */

static bool done(const struct run *run)
{
    const nx_process *p = run->process;
    return p->ended && (run->lingered || (p->pipes[NX__OUT].fd < 0 && p->pipes[NX__ERR].fd < 0));
}

static nx_err go_on(struct run *run, nx_duration linger)
{
    nx_process *p = run->process;
    bool lingers = false;
    for (;;) {
        run->woken = false;
        NX_TRY(feed(run));
        NX_TRY(gather(run, NX__OUT));
        NX_TRY(gather(run, NX__ERR));
        if (done(run)) return NX_OK;
        if (p->ended && !lingers) {
            lingers = true;
            NX_TRY(nx__timer_set(&p->loop->timers, &run->linger,
                                 nx__deadline(linger ? linger : LINGER)));
        }
        NX_TRY(wait(run));
    }
}

/* The last line that it has said, of its errors if there are any, as a terminal may show it. */
static void last_line(const struct run *run, char out[LINE_MOST])
{
    const struct nx__buffer *text = &run->gathered[NX__ERR];
    char line[LINE_MOST];
    if (!text->len) text = &run->gathered[NX__OUT];
    size_t end = text->len;
    while (end && strchr("\r\n ", text->data[end - 1])) end--;
    size_t begin = end;
    while (begin && text->data[begin - 1] != '\n') begin--;
    size_t len = end - begin < sizeof line - 1 ? end - begin : sizeof line - 1;
    if (len) memcpy(line, text->data + begin, len);
    line[len] = '\0';
    (void)nx__printable(out, LINE_MOST, line);
}

static nx_err result_of(struct run *run, nx_err err, bool check)
{
    const nx_process *p = run->process;
    if (err) return err;
    NX_TRY(nx_process_wait(run->process, NULL));
    if (!check || p->end.ok) return NX_OK;
    char line[LINE_MOST];
    last_line(run, line);
    return nx__error_set(NX_EFAILED, "\"%s\" %s%s%s", p->name, nx__process_end_text(&p->end),
                         line[0] ? ": " : "", line);
}

static nx_err run_in(struct run *run, const char *const *argv, const nx_process_options *o)
{
    NX_TRY(nx__process_start(&run->process, argv, o));
    nx_process *p = run->process;
    run->end.op.done = ended;
    if (!p->ended) nx__list_insert(&p->waiters, &run->end.link);
    for (int i = 0; i < 3; i++) {
        p->pipes[i].run = run;
        p->pipes[i].watch.ready = pipe_ready;
    }
    nx_err err = result_of(run, go_on(run, o->linger), o->check);
    nx__timer_clear(&p->loop->timers, &run->linger);
    nx__list_remove(&run->end.link);
    nx_process_close(p);
    return err;
}

/* Into memory of the caller's scope. */
static nx_bytes keep(struct nx__arena *arena, struct nx__buffer *text, nx_err *err)
{
    char *copy = nx__arena_alloc(arena, text->len + 1);
    if (copy) {
        if (text->len) memcpy(copy, text->data, text->len);
        copy[text->len] = '\0';
    } else if (!*err) {
        *err = nx__error_set(NX_ENOMEM, "cannot keep what a program has written: out of memory");
    }
    nx_bytes kept = copy ? nx_slice(copy, text->len) : nx_str("");
    nx__buffer_free(text);
    return kept;
}

nx_err nx_run_with(nx_run_result *result, const char *const *argv,
                   const nx_process_options *options)
{
    NX__OPTIONS(nx_process_options, o, options);
    struct run run = {.input = o.input, .most = o.most ? o.most : NX_RUN_MOST};
    *result = (nx_run_result){.end.code = -1, .out = nx_str(""), .err = nx_str("")};
    if (o.input.len && (o.in.kind || o.detached))
        return nx__error_set(
            NX_EINVAL, "cannot run a program that has an .input with another .in, or .detached");
    run.linger.fire = linger_over;
    nx__list_init(&run.end.link);
    if (!o.terminal.rows) {
        if (o.input.len) o.in = NX_IO_PIPE;
        if (!o.out.kind) o.out = NX_IO_PIPE;
        if (!o.err.kind) o.err = NX_IO_PIPE;
    }
    /* A loop over calls gathers nothing in its scope but their results. */
    struct nx__arena *arena = nx__scope_arena();
    nx_scope *scope;
    NX_TRY(nx_scope_open(&scope));
    nx_err err = run_in(&run, argv, &o);
    if (run.process) result->end = run.process->end;
    /* Closing has errors of its own, which are none here. */
    struct nx__context kept = *nx__context();
    NX_IGNORE(nx_scope_close(&scope));
    *nx__context() = kept;
    result->out = keep(arena, &run.gathered[NX__OUT], &err);
    result->err = keep(arena, &run.gathered[NX__ERR], &err);
    return err;
}
