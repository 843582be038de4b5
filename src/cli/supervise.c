/* The app's processes: start, end, crashes. */
#include "cli/launcher.h"

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/dump.h"
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long a generation may take to drain: more than the HTTP server's own deadline for it. */
static const nx_duration PATIENCE = NX_S(15);
/* This many crashes (the length of launcher.crashes) within this time, and it is given up. */
static const nx_duration CRASH_WINDOW = NX_S(10);
static const nx_duration FIRST_BACKOFF = NX_MS(50);

nx_err nx__generation_start(struct nx__launcher *l)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return nx__error_system(errno, "cannot start the program");
    struct nx__profile *profile = l->profiling.path ? nx__profile_new(l->profiling.rate) : NULL;
    pid_t pid = fork();
    if (pid < 0) {
        nx_err err = nx__error_system(errno, "cannot start the program");
        nx__profile_free(profile);
        (void)close(pair[0]);
        (void)close(pair[1]);
        return err;
    }
    if (pid == 0) nx__app_run(l, pair[1], profile);
    (void)close(pair[1]);
    l->import_error[0] = '\0';
    l->current = (struct nx__generation){
        .pid = pid, .broker = pair[0], .number = ++l->generations, .profile = profile};
    return NX_OK;
}

/* Writes what was sampled in it. */
static void profile_take(struct nx__launcher *l, struct nx__generation *generation)
{
    nx__profiling_add(&l->profiling, generation->profile, l->so_path, l->so_fd);
    nx__profile_free(generation->profile);
    generation->profile = NULL;
}

void nx__generations_profile(struct nx__launcher *l)
{
    profile_take(l, &l->current);
    for (size_t i = 0; i < NX__DRAINING_MAX; i++) profile_take(l, &l->draining[i]);
}

void nx__generation_retire(struct nx__launcher *l)
{
    if (!l->current.pid) return;
    if (l->asking == l->current.number) nx__serve_asked(l, false);
    struct nx__generation *place = &l->draining[0];
    for (size_t i = 0; i < NX__DRAINING_MAX; i++) {
        if (!l->draining[i].pid) {
            place = &l->draining[i];
            break;
        }
        if (l->draining[i].number < place->number) place = &l->draining[i];
    }
    if (place->pid) { /* as many changes as places within the patience: the oldest has had its time
                       */
        (void)kill(place->pid, SIGKILL);
        (void)waitpid(place->pid, NULL, 0);
        profile_take(l, place);
        if (place->broker >= 0) (void)close(place->broker);
    }
    nx__inspect_retire(&l->current);
    *place = l->current;
    place->kill_at = nx__clock_monotonic() + PATIENCE;
    (void)kill(place->pid, SIGTERM);
    nx__serve_forget(l, place);
    l->sweep_at = 0;
    l->current = (struct nx__generation){.broker = -1};
}

void nx__generations_signal(struct nx__launcher *l, int signo)
{
    if (l->current.pid) (void)kill(l->current.pid, signo);
    for (size_t i = 0; i < NX__DRAINING_MAX; i++)
        if (l->draining[i].pid) (void)kill(l->draining[i].pid, signo);
}

bool nx__generations_draining(const struct nx__launcher *l)
{
    for (size_t i = 0; i < NX__DRAINING_MAX; i++)
        if (l->draining[i].pid) return true;
    return false;
}

void nx__generations_expire(struct nx__launcher *l, nx_duration now)
{
    for (size_t i = 0; i < NX__DRAINING_MAX; i++) {
        if (!l->draining[i].pid || l->draining[i].kill_at > now) continue;
        (void)kill(l->draining[i].pid, SIGKILL);
        l->draining[i].kill_at = NX_FOREVER;
    }
}

/* Ended by a fault of its own, or for want of memory; other signals are somebody's wish. */
static bool is_crash(int status)
{
    if (!WIFSIGNALED(status)) return false;
    switch (WTERMSIG(status)) {
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGABRT:
    case SIGTRAP:
    case SIGSYS:
    case SIGKILL: return true;
    default: return false;
    }
}

/* Sets restart_at, or says why not and returns false. */
static bool plan_restart(struct nx__launcher *l, int signo)
{
    enum { MOST = sizeof l->crashes / sizeof *l->crashes };
    nx_duration now = nx__clock_monotonic();
    size_t kept = 0;
    for (size_t i = 0; i < l->crash_count; i++)
        if (now - l->crashes[i] < CRASH_WINDOW) l->crashes[kept++] = l->crashes[i];
    l->crashes[kept++] = now;
    l->crash_count = kept;
    if (kept == MOST) {
        l->crash_count = 0;
        nx__cli_say("%s crashed %d times in %d s (last: %s): giving up", l->run->file, MOST,
                    (int)(CRASH_WINDOW / NX_S(1)), sigdescr_np(signo));
        return false;
    }
    nx_duration wait = kept == 1 ? 0 : FIRST_BACKOFF << (kept - 2);
    l->restart_at = now + wait;
    if (wait)
        nx__cli_say("%s crashed (%s): starting it again in %d ms", l->run->file, sigdescr_np(signo),
                    (int)(wait / NX_MS(1)));
    else
        nx__cli_say("%s crashed (%s): starting it again", l->run->file, sigdescr_np(signo));
    return true;
}

static int exit_code(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void current_ended(struct nx__launcher *l, bool listened, int status)
{
    int code = exit_code(status);
    bool crash = is_crash(status);
    if (l->done) return;
    if (l->stop_signal) { /* the loop ends when the old ones have too */
        l->code = code;
        return;
    }
    if (l->watcher.fd < 0 && !(crash && listened)) {
        if (crash) nx__cli_say("%s crashed (%s)", l->run->file, sigdescr_np(WTERMSIG(status)));
        l->code = code;
        l->done = true;
        return;
    }
    if (crash && listened && plan_restart(l, WTERMSIG(status))) return;
    if (l->watcher.fd < 0) {
        l->code = code;
        l->done = true;
        return;
    }
    if (l->watcher.changed_at) return; /* it will be started again in a moment */
    if (WIFSIGNALED(status))
        (void)snprintf(l->down, sizeof l->down, "%.100s ended (%s)", l->run->file,
                       sigdescr_np(WTERMSIG(status)));
    else
        (void)snprintf(l->down, sizeof l->down, "%.100s ended with exit code %d%s%s", l->run->file,
                       code, code && l->import_error[0] ? ": " : "", code ? l->import_error : "");
    nx__cli_say("%s; waiting for a change", l->down);
}

static void ended(struct nx__launcher *l, struct nx__generation *generation, int status)
{
    /* Its last words. */
    if (generation->broker >= 0) nx__serve(l, generation);
    if (generation->broker >= 0) (void)close(generation->broker);
    bool listened = generation->listened, current = generation == &l->current;
    uint32_t number = generation->number;
    if (l->asking == generation->number) nx__serve_asked(l, false);
    profile_take(l, generation);
    if (current) {
        nx__serve_forget(l, generation);
        l->sweep_at = 0;
    }
    *generation = (struct nx__generation){.broker = -1};
    if (current) current_ended(l, listened, status);
    nx__inspect_ended(number, exit_code(status), !l->done && !l->stop_signal);
}

void nx__generations_reap(struct nx__launcher *l)
{
    int status;
    pid_t pid;
    /* Any child: as the first process of a container, strangers' orphans are ours too. */
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == l->checker) l->checker = 0;
        if (pid == l->dumper) l->dumper = 0;
        if (pid == l->current.pid) ended(l, &l->current, status);
        for (size_t i = 0; i < NX__DRAINING_MAX; i++)
            if (pid == l->draining[i].pid) ended(l, &l->draining[i], status);
    }
}

/* Has the process a handler for the signal? */
static bool catches(pid_t pid, int signo)
{
    char path[64], line[256];
    unsigned long long mask = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f) return true;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "SigCgt: %llx", &mask) == 1) break;
    (void)fclose(f);
    return mask >> (signo - 1) & 1;
}

bool nx__generation_tell(struct nx__launcher *l)
{
    if (catches(l->current.pid, SIGQUIT)) return false;
    if (l->dumper) return true;
    /* Not here: what lies in the program's memory may be anything. */
    pid_t pid = fork();
    if (pid == 0) {
        (void)sigprocmask(SIG_SETMASK, &l->mask, NULL);
        nx_err err = nx__dump_write(l->current.pid, false, STDERR_FILENO);
        _exit(err ? nx__cli_fail(err) : 0);
    }
    if (pid > 0) l->dumper = pid;
    return true;
}
