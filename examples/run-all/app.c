/* Runs commands side by side, each line of theirs with its name before it, and stops all when one
 * fails or at Ctrl-C:
 *
 *     nexus run app.c --allow-run=sh -- 'make watch' 'npm run dev'
 *     nexus run app.c --allow-run=sh -- -j2 'make a' 'make b' 'make c'
 *
 * The exit code is 1 if one has failed, and 5 after Ctrl-C. */
#include <nexus.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_MOST = 8192 };

typedef struct job {
    const char *command;
    const char *name; /* before its lines, in its colour */
} job;

/* ---- Lines with a name before them, whole also where several write at once */

typedef struct lines {
    const job *job;
    size_t len;
    char text[LINE_MOST];
} lines;

static void line_end(lines *l)
{
    printf("%s │ %.*s\n", l->job->name, (int)l->len, l->text);
    l->len = 0;
}

static nx_err lines_write(void *state, nx_bytes bytes)
{
    lines *l = state;
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] != '\n') l->text[l->len++] = bytes.data[i];
        if (bytes.data[i] == '\n' || l->len == LINE_MOST) line_end(l);
    }
    return NX_OK;
}

static nx_err lines_finish(void *state, nx_stream *next)
{
    lines *l = state;
    (void)next;
    if (l->len) line_end(l);
    return NX_OK;
}

/* A sink that writes lines. */
static nx_stream *printer(const job *j)
{
    static const nx_stream_type type = {.size = sizeof type,
                                        .name = "a printer of lines",
                                        .write = lines_write,
                                        .finish = lines_finish};
    lines *l = nx_alloc(sizeof *l);
    if (!l) return nx_stream_failed();
    l->job = j;
    l->len = 0;
    return nx_stream_new(&type, l);
}

/* ---- Jobs */

static nx_err run_job(const job *j)
{
    NX_AUTO(nx_process) *process = NULL; /* stopped on every way out, with what it has started */
    nx_process_end end;
    NX_TRY(nx_process_start(&process, NX_ARGV("sh", "-c", j->command), .out = NX_IO_PIPE,
                            .err = NX_IO_OUT, .grace = NX_S(5)));
    NX_TRY(nx_pipe(nx_process_out(process), printer(j)));
    NX_TRY(nx_process_wait(process, &end));
    if (end.ok) return NX_OK;
    return end.signal ? nx_fail(NX_EFAILED, "%s: ended by signal %d", j->command, end.signal)
                      : nx_fail(NX_EFAILED, "%s: exit code %d", j->command, end.code);
}

/* What is to be done, taken from the front by whoever is free. */
typedef struct queue {
    const job *next, *end;
    int side_by_side;
} queue;

static nx_err work(void *arg)
{
    queue *q = arg;
    while (q->next < q->end) NX_TRY(run_job(q->next++));
    return NX_OK;
}

/* The first that fails cancels the others. */
static nx_err work_all(void *arg)
{
    queue *q = arg;
    for (int i = 0; i < q->side_by_side && q->next + i < q->end; i++)
        NX_TRY(nx_spawn(NULL, work, q, .name = "worker"));
    return NX_OK;
}

/* Ctrl-C and its like. */
static nx_err interruption(void *arg)
{
    int signo;
    NX_TRY(nx_signal_wait(1ull << SIGINT | 1ull << SIGTERM | 1ull << SIGHUP, &signo));
    nx_cancel(arg);
    return NX_OK;
}

int main(int argc, char **argv)
{
    static const char *const colours[] = {"36", "33", "35", "32", "34", "31"};
    int at = 1, side_by_side = argc;
    if (argc > 1 && strncmp(argv[1], "-j", 2) == 0) side_by_side = atoi(argv[at++] + 2);
    if (at == argc || side_by_side < 1)
        return nx_fail(NX_EUSAGE, "usage: run-all [-jN] COMMAND...");
    size_t count = (size_t)(argc - at);
    job *jobs = nx_alloc_zero(count, sizeof *jobs);
    if (!jobs) return NX_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const char *command = argv[(size_t)at + i];
        jobs[i] = (job){command, nx_format("\033[%sm%-12.12s\033[0m", colours[i % 6], command)};
        if (!jobs[i].name) return NX_ENOMEM;
    }
    queue q = {jobs, jobs + count, side_by_side};
    nx_fiber *workers, *watcher;
    NX_TRY(nx_spawn(&workers, work_all, &q));
    NX_TRY(nx_spawn(&watcher, interruption, workers));
    nx_err err = nx_join(workers);
    nx_cancel(watcher);
    return err;
}
