/* Handles of programs: their life and their end. */
#include "process/process.h"

#include "base/clock.h"
#include "process/launch.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const nx_duration STOP_GRACE = NX_S(5);

/* ---- The end */

const char *nx__process_end_text(const nx_process_end *end)
{
    static NX__THREAD_LOCAL char text[64];
    const char *name = end->signal ? sigabbrev_np(end->signal) : NULL;
    if (name)
        (void)snprintf(text, sizeof text, "was ended by SIG%s", name);
    else if (end->signal)
        (void)snprintf(text, sizeof text, "was ended by signal %d", end->signal);
    else
        (void)snprintf(text, sizeof text, "ended with code %d", end->code);
    return text;
}

static void end_take(nx_process *p, const siginfo_t *info)
{
    bool exited = info->si_code == CLD_EXITED;
    p->end = (nx_process_end){.ok = exited && info->si_status == 0,
                              .code = exited ? info->si_status : -1,
                              .signal = exited ? 0 : info->si_status};
}

static void reap(nx_process *p)
{
    siginfo_t info;
    while (!p->tree.reaped && waitid(P_PID, (id_t)p->tree.pid, &info, WEXITED) != 0 &&
           errno == EINTR) {}
    p->tree.reaped = true;
}

static void waiters_wake(nx_process *p)
{
    for (struct nx__list *link; (link = nx__list_pop(&p->waiters));)
        nx__op_complete(&nx__container_of(link, struct nx__process_waiter, link)->op, 0);
}

/* Looks whether the program has ended, and tells who waits for it. */
static void look(struct nx__ending *ending)
{
    nx_process *p = nx__container_of(ending, nx_process, ending);
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)p->tree.pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
        if (errno != ECHILD) return;
        p->lost = p->tree.reaped = true; /* somebody waits for any child and has taken it */
    } else if (info.si_pid == 0) {
        return;
    } else {
        end_take(p, &info);
    }
    p->ended = true;
    /* As long as it is not taken its number, which is its group's, is no stranger's: kept where the
     * system doesn't signal a group by a handle. */
    if (!p->tree.grouped || nx__tree_by_handle(p->tree.pidfd)) reap(p);
    nx__timer_clear(&p->loop->timers, &p->timer);
    nx__ending_stop(&p->ending);
    waiters_wake(p);
}

/* ---- Waiting */

static void wait_cancel(struct nx__op *op)
{
    nx__list_remove(&nx__container_of(op, struct nx__process_waiter, op)->link);
    nx__op_complete(op, -ECANCELED);
}

struct timed_waiter {
    struct nx__process_waiter waiter;
    struct nx__timer timer;
};

static void wait_timeout(struct nx__timer *timer)
{
    wait_cancel(&nx__container_of(timer, struct timed_waiter, timer)->waiter.op);
}

static bool ends(nx_process *p, nx_duration deadline, bool cancelable)
{
    struct timed_waiter w = {.waiter.op = {.cancel = wait_cancel, .kind = NX__WAIT_PROCESS},
                             .timer.fire = wait_timeout};
    if (p->ended) return true;
    /* Without a timer there is no waiting until then. */
    if (deadline != NX_FOREVER && nx__timer_set(&p->loop->timers, &w.timer, deadline)) return false;
    nx__list_insert(&p->waiters, &w.waiter.link);
    if (cancelable)
        (void)nx__op_wait(&w.waiter.op);
    else
        (void)nx__op_wait_uncanceled(&w.waiter.op);
    nx__timer_clear(&p->loop->timers, &w.timer);
    return p->ended;
}

static nx_err closed(const nx_process *p)
{
    return nx__error_set(NX_ECLOSED, "the handle of \"%s\" is closed", p->name);
}

nx_err nx_process_wait(nx_process *p, nx_process_end *end)
{
    if (end) *end = (nx_process_end){.code = -1};
    if (!p->open) return closed(p);
    if (!p->ended) {
        struct nx__process_waiter waiter = {
            .op = {.cancel = wait_cancel, .kind = NX__WAIT_PROCESS}};
        nx__list_insert(&p->waiters, &waiter.link);
        int64_t result = nx__op_wait(&waiter.op);
        if (result == -ELIMIT_OPERATIONS) return nx__error_operations();
        if (result == -ECANCELED)
            return nx__error_set(NX_ECANCELED, "cancelled while waiting for \"%s\"", p->name);
        if (!p->ended) return closed(p);
    }
    if (end) *end = p->end;
    if (p->timed_out)
        return nx__error_set(NX_ETIMEDOUT, "\"%s\" was stopped: its time was up", p->name);
    if (p->lost)
        return nx__error_set(
            NX_ESTATE,
            "how \"%s\" has ended went to another part of the program, which waits for any child",
            p->name);
    return NX_OK;
}

/* ---- Signals */

nx_err nx_process_signal(nx_process *p, int signo)
{
    if (!p->open) return closed(p);
    int error = p->ended ? ESRCH : nx__tree_signal_leader(&p->tree, signo);
    if (!error) return NX_OK;
    if (error == ESRCH)
        return nx__error_set(NX_ESTATE, "cannot send signal %d to \"%s\": it has ended", signo,
                             p->name);
    return nx__error_system(error, "cannot send signal %d to \"%s\"", signo, p->name);
}

/* First what it may handle, where there is time for that, and then what it can't. */
static void stop(nx_process *p, nx_duration grace, bool cancelable)
{
    if (!p->ended && grace > 0) {
        nx__tree_signal(&p->tree, SIGTERM);
        (void)ends(p, nx__deadline(grace), cancelable);
    }
    nx__tree_signal(&p->tree, SIGKILL);
    (void)ends(p, NX_FOREVER, false);
}

nx_err nx_process_stop(nx_process *p)
{
    if (!p->open) return closed(p);
    stop(p, p->grace ? p->grace : STOP_GRACE, true);
    return nx_canceled()
               ? nx__error_set(NX_ECANCELED, "cancelled while stopping \"%s\", which was killed",
                               p->name)
               : NX_OK;
}

static void time_is_up(struct nx__timer *timer)
{
    nx_process *p = nx__container_of(timer, nx_process, timer);
    bool gently = p->grace > 0 && !p->timed_out;
    p->timed_out = true;
    nx__tree_signal(&p->tree, gently ? SIGTERM : SIGKILL);
    if (gently && nx__timer_set(&p->loop->timers, &p->timer, nx__deadline(p->grace)))
        nx__tree_signal(&p->tree, SIGKILL);
}

nx_err nx_process_resize(nx_process *p, unsigned short rows, unsigned short columns)
{
    if (p->terminal < 0)
        return nx__error_set(NX_ESTATE, "\"%s\" has no terminal whose size could be changed",
                             p->name);
    int64_t result = nx__terminal_resize(p->terminal, rows, columns);
    return result < 0 ? nx__error_system((int)-result, "cannot change the size of a terminal")
                      : NX_OK;
}

pid_t nx_process_pid(const nx_process *process)
{
    return process->tree.pid;
}

/* ---- Life */

/* What is left of a detached program when its handle is closed: somebody has to take its end. */
struct nx__orphan {
    struct nx__ending ending;
    pid_t pid;
    int pidfd;
    struct nx__orphan *next;
};

/* On a loop that ends before they do they stay here, and the system takes their ends in the end. */
static NX__THREAD_LOCAL struct nx__orphan *orphans;

static void orphan_look(struct nx__ending *ending)
{
    struct nx__orphan *orphan = nx__container_of(ending, struct nx__orphan, ending),
                      **link = &orphans;
    if (waitpid(orphan->pid, NULL, WNOHANG) == 0) return;
    nx__ending_stop(ending);
    if (orphan->pidfd >= 0) (void)close(orphan->pidfd);
    while (*link != orphan) link = &(*link)->next;
    *link = orphan->next;
    free(orphan);
}

static void orphan_begin(nx_process *p)
{
    struct nx__orphan *orphan = p->orphan;
    p->orphan = NULL;
    nx__ending_stop(&p->ending);
    *orphan = (struct nx__orphan){.pid = p->tree.pid, .pidfd = p->tree.pidfd, .next = orphans};
    orphans = orphan;
    /* Its end was heard of a moment ago, by the same means. */
    NX_IGNORE(nx__ending_begin(&orphan->ending, p->loop, orphan->pidfd, orphan_look));
    waiters_wake(p);
}

static void close_pipes(nx_process *p)
{
    for (int i = 0; i < 3; i++) nx__process_pipe_close(&p->pipes[i]);
    if (p->terminal >= 0) (void)close(p->terminal);
    p->terminal = -1;
}

void nx_process_close(nx_process *p)
{
    if (!p) return;
    if (!p->open) {
        close_pipes(p);
        return;
    }
    nx__timer_clear(&p->loop->timers, &p->timer);
    /* What it still has to say, while there is time for that, ends it by no signal of its own. */
    nx__process_pipe_close(&p->pipes[NX__IN]);
    for (int i = NX__OUT; i <= NX__ERR && p->grace; i++) nx__process_pipe_discard(&p->pipes[i]);
    if (!p->detached) stop(p, p->grace, false);
    close_pipes(p);
    if (p->detached && !p->ended) {
        orphan_begin(p);
    } else {
        reap(p);
        nx__living_release(p->living);
        free(p->orphan);
        if (p->tree.pidfd >= 0) (void)close(p->tree.pidfd);
    }
    p->orphan = NULL;
    p->living = NULL;
    p->tree.pidfd = -1;
    p->open = false;
}

static void close_deferred(void *arg)
{
    nx_process *p = arg;
    nx_process_close(p);
    free(p->orphan);
    nx__living_release(p->living);
}

nx_err nx__process_new(nx_process **out, const char *name, const nx_process_options *options)
{
    nx_process *p = nx_alloc_zero(1, sizeof *p);
    if (!p || !(p->name = nx_copy(nx_str(name)))) return NX_ENOMEM;
    p->loop = nx__loop();
    p->grace = options->grace;
    p->detached = options->detached;
    p->tree.pidfd = p->terminal = -1;
    p->timer.fire = time_is_up;
    nx__list_init(&p->waiters);
    for (int i = 0; i < 3; i++)
        p->pipes[i] = (struct nx__process_pipe){.process = p, .fd = -1, .watch.fd = -1};
    NX_TRY(nx_defer(close_deferred, p));
    if (p->detached)
        p->orphan = malloc(sizeof *p->orphan);
    else
        p->living = nx__living_reserve();
    if (!p->orphan && !p->living)
        return nx__error_set(NX_ENOMEM, "cannot run \"%s\": out of memory", name);
    *out = p;
    return NX_OK;
}

nx_err nx__process_begin(nx_process *p, const struct nx__launch *launch, nx_duration timeout)
{
    p->tree =
        (struct nx__tree){launch->pid, launch->pidfd, launch->group || launch->session, false};
    if (p->living) nx__living_set(p->living, &p->tree, launch->last_signal == SIGTERM);
    p->open = true;
    nx_err err = nx__ending_begin(&p->ending, p->loop, p->tree.pidfd, look);
    if (!err && timeout && timeout != NX_FOREVER)
        err = nx__timer_set(&p->loop->timers, &p->timer, nx__deadline(timeout));
    if (!err) return NX_OK;
    /* Nobody would hear of its end. */
    nx__tree_signal(&p->tree, SIGKILL);
    reap(p);
    p->ended = true;
    nx_process_close(p);
    return err;
}
