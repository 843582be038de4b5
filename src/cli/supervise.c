/* The app's processes: start, end, crashes. */
#include "cli/launcher.h"

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/dump.h"
#include "permission/broker.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long a generation may take to drain, and how much longer than it has said. */
static const nx_duration PATIENCE = NX_S(15);
/* This many crashes (the length of launcher.crashes) within this time, and it is given up. */
static const nx_duration CRASH_WINDOW = NX_S(10);
static const nx_duration FIRST_BACKOFF = NX_MS(50);

/* ---- Generations and their processes */

struct nx__generation *nx__generation_at(struct nx__launcher *l, size_t index)
{
    return index == 0 ? &l->current : index == 1 ? &l->next : &l->draining[index - 2];
}

bool nx__generation_runs(const struct nx__generation *generation)
{
    for (uint32_t i = 0; i < generation->count; i++)
        if (generation->workers[i].pid || generation->workers[i].restart_at) return true;
    return false;
}

bool nx__generations_run(struct nx__launcher *l)
{
    for (size_t i = 0; i < NX__GENERATIONS; i++)
        if (nx__generation_runs(nx__generation_at(l, i))) return true;
    return false;
}

void nx__generation_signal(const struct nx__generation *generation, int signo)
{
    for (uint32_t i = 0; i < generation->count; i++)
        if (generation->workers[i].pid) (void)kill(generation->workers[i].pid, signo);
}

static nx_duration after(nx_duration now, nx_duration span)
{
    return span < NX_FOREVER - now ? now + span : NX_FOREVER;
}

static void generation_free(struct nx__generation *generation)
{
    for (uint32_t i = 0; i < generation->count; i++)
        if (generation->workers[i].broker >= 0) (void)close(generation->workers[i].broker);
    if (generation->so_fd >= 0) (void)close(generation->so_fd);
    free(generation->so_path);
    *generation = (struct nx__generation){.so_fd = -1};
}

static nx_err process_start(struct nx__launcher *l, struct nx__generation *generation,
                            uint32_t index)
{
    int pair[2];
    if (l->dev) nx__dev_starting(l);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return nx__error_system(errno, "cannot start the program");
    struct nx__process *process = &generation->workers[index];
    *process = (struct nx__process){.broker = -1};
    if (l->profiling.path) process->profile = nx__profile_new(l->profiling.rate);
    pid_t pid = fork();
    if (pid < 0) {
        nx_err err = nx__error_system(errno, "cannot start the program");
        nx__profile_free(process->profile);
        process->profile = NULL;
        (void)close(pair[0]);
        (void)close(pair[1]);
        return err;
    }
    if (pid == 0)
        nx__app_run(l, (struct nx__peer){.generation = generation, .index = index}, pair[1]);
    (void)close(pair[1]);
    process->pid = pid;
    process->broker = pair[0];
    return NX_OK;
}

/* Writes what was sampled in it. */
static void profile_take(struct nx__launcher *l, const struct nx__generation *generation,
                         struct nx__process *process)
{
    nx__profiling_add(&l->profiling, process->profile, generation->so_path, generation->so_fd);
    nx__profile_free(process->profile);
    process->profile = NULL;
}

void nx__generations_profile(struct nx__launcher *l)
{
    for (size_t i = 0; i < NX__GENERATIONS; i++) {
        struct nx__generation *generation = nx__generation_at(l, i);
        for (uint32_t k = 0; k < generation->count; k++)
            profile_take(l, generation, &generation->workers[k]);
    }
}

nx_err nx__generation_start(struct nx__launcher *l, struct nx__generation *place)
{
    *place = (struct nx__generation){.number = ++l->generations,
                                     .count = 1,
                                     .patience = PATIENCE,
                                     .so_path = strdup(l->so_path),
                                     .so_fd = -1,
                                     .workers[0].broker = -1};
    nx_err err = NX_OK;
    if (!place->so_path)
        err = nx__error_set(NX_ENOMEM, "cannot start the program: out of memory");
    else if (l->so_fd >= 0 && (place->so_fd = fcntl(l->so_fd, F_DUPFD_CLOEXEC, 0)) < 0)
        err = nx__error_system(errno, "cannot start the program");
    l->import_error[0] = '\0';
    if (!err) err = process_start(l, place, 0);
    if (err) generation_free(place);
    return err;
}

nx_err nx__generation_workers(struct nx__launcher *l, struct nx__generation *generation,
                              uint32_t count)
{
    if (!generation->so_path)
        return nx__error_set(NX_ENOTSUP, "cannot start worker processes: a test has one process");
    if (count > NX__WORKERS_MAX)
        return nx__error_set(NX_EINVAL, "cannot start %u worker processes: %d at most",
                             (unsigned)count, NX__WORKERS_MAX);
    while (generation->count < count) {
        uint32_t index = generation->count;
        generation->workers[index].broker = -1;
        generation->count++;
        NX_TRY(process_start(l, generation, index));
    }
    return NX_OK;
}

nx_err nx__generation_mend(struct nx__launcher *l, nx_duration now)
{
    for (uint32_t i = 0; i < l->current.count; i++) {
        struct nx__process *process = &l->current.workers[i];
        if (!process->restart_at || process->restart_at > now) continue;
        process->restart_at = 0;
        l->import_error[0] = '\0';
        if (l->current.count == 1) l->current.number = ++l->generations; /* as good as a new one */
        NX_TRY(process_start(l, &l->current, i));
    }
    return NX_OK;
}

/* As many changes as places within the patience: the oldest has had its time. */
static void generation_kill(struct nx__launcher *l, struct nx__generation *generation)
{
    nx__generation_signal(generation, SIGKILL);
    for (uint32_t i = 0; i < generation->count; i++) {
        if (generation->workers[i].pid) (void)waitpid(generation->workers[i].pid, NULL, 0);
        profile_take(l, generation, &generation->workers[i]);
    }
    generation_free(generation);
}

void nx__generation_retire(struct nx__launcher *l, struct nx__generation *generation, bool replaced)
{
    if (!generation->number) return;
    if (l->asking == generation->number) nx__serve_asked(l, false);
    struct nx__generation *place = &l->draining[0];
    for (size_t i = 0; i < NX__DRAINING_MAX; i++) {
        if (!l->draining[i].number) {
            place = &l->draining[i];
            break;
        }
        if (l->draining[i].number < place->number) place = &l->draining[i];
    }
    if (place->number) generation_kill(l, place);
    nx__inspect_retire(generation);
    *place = *generation;
    *generation = (struct nx__generation){.so_fd = -1};
    nx_duration now = nx__clock_monotonic();
    place->kill_at = after(now, place->patience);
    for (uint32_t i = 0; i < place->count; i++) {
        place->workers[i].restart_at = 0;
        const union sigval word = {.sival_int = replaced ? NX__BROKER_REPLACED : 0};
        if (place->workers[i].pid) (void)sigqueue(place->workers[i].pid, SIGTERM, word);
    }
    nx__held_forget(l, place->number, UINT64_MAX);
    l->sweep_at = 0;
    if (!nx__generation_runs(place)) generation_free(place);
}

void nx__generations_expire(struct nx__launcher *l, nx_duration now)
{
    for (size_t i = 0; i < NX__GENERATIONS; i++) {
        struct nx__generation *generation = nx__generation_at(l, i);
        if (!generation->kill_at || generation->kill_at > now) continue;
        nx__generation_signal(generation, SIGKILL);
        generation->kill_at = 0;
    }
}

/* ---- Ends */

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

/* "app.c", or "worker 2 of app.c". */
static const char *name_of(const struct nx__launcher *l, uint32_t index, char out[128])
{
    if (l->current.count > 1)
        (void)snprintf(out, 128, "worker %u of %.90s", index, l->run->file);
    else
        (void)snprintf(out, 128, "%.120s", l->run->file);
    return out;
}

/* Sets the time when the process starts again, or says why not and returns false. */
static bool plan_restart(struct nx__launcher *l, uint32_t index, int signo)
{
    enum { MOST = sizeof l->crashes / sizeof *l->crashes };
    nx_duration now = nx__clock_monotonic();
    size_t kept = 0;
    char name[128];
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
    l->current.workers[index].restart_at = now + wait;
    if (wait)
        nx__cli_say("%s crashed (%s): starting it again in %d ms", name_of(l, index, name),
                    sigdescr_np(signo), (int)(wait / NX_MS(1)));
    else
        nx__cli_say("%s crashed (%s): starting it again", name_of(l, index, name),
                    sigdescr_np(signo));
    return true;
}

static int exit_code(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The program is over: what is left of it has its patience. */
static void end(struct nx__launcher *l, int code)
{
    nx_duration now = nx__clock_monotonic();
    l->code = code;
    l->ending = true;
    nx__held_sweep(l, true);
    for (size_t i = 0; i < NX__GENERATIONS; i++) {
        struct nx__generation *generation = nx__generation_at(l, i);
        for (uint32_t k = 0; k < generation->count; k++) generation->workers[k].restart_at = 0;
        nx__generation_signal(generation, SIGTERM);
        if (!generation->kill_at) generation->kill_at = after(now, generation->patience);
    }
}

/* With --watch: says why the program does not run, and waits for a change. */
static void wait_for_change(struct nx__launcher *l, int status, int code)
{
    if (nx__generation_runs(&l->current))
        nx__generation_retire(l, &l->current, false);
    else
        generation_free(&l->current);
    if (l->watcher.changed_at) return; /* it will be started again in a moment */
    if (WIFSIGNALED(status))
        (void)snprintf(l->down, sizeof l->down, "%.100s ended (%s)", l->run->file,
                       sigdescr_np(WTERMSIG(status)));
    else
        (void)snprintf(l->down, sizeof l->down, "%.100s ended with exit code %d%s%s", l->run->file,
                       code, code && l->import_error[0] ? ": " : "", code ? l->import_error : "");
    if (l->dev) nx__dev_ended(l, status);
    nx__cli_say("%s; waiting for a change", l->down);
}

/* One of several processes that the signal to stop has ended before it had a handler for it: how
 * the program ends, those say that serve. */
static bool ended_before_it_served(const struct nx__launcher *l, int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == l->stop_signal && l->current.count > 1 &&
           l->current.listened;
}

static void current_ended(struct nx__launcher *l, uint32_t index, int status)
{
    int code = exit_code(status);
    bool crash = is_crash(status), listened = l->current.listened;
    char name[128];
    if (l->done || l->ending) return;
    if (l->stop_signal) { /* the loop ends when the others have too */
        if (!l->code && !ended_before_it_served(l, status)) l->code = code;
        return;
    }
    if (crash && l->next.number && !nx__generation_runs(&l->current)) {
        nx__cli_say("%s crashed (%s)", name_of(l, index, name), sigdescr_np(WTERMSIG(status)));
        nx__restart_promote(l);
        return;
    }
    if (crash && listened && plan_restart(l, index, WTERMSIG(status))) return;
    if (l->watcher.fd >= 0) {
        wait_for_change(l, status, code);
        return;
    }
    if (crash && !listened)
        nx__cli_say("%s crashed (%s)", name_of(l, index, name), sigdescr_np(WTERMSIG(status)));
    end(l, code);
}

static void next_ended(struct nx__launcher *l, int status)
{
    char why[128];
    if (l->done || l->ending || l->stop_signal) return;
    if (WIFSIGNALED(status))
        (void)snprintf(why, sizeof why, "ended before it listened (%s)",
                       sigdescr_np(WTERMSIG(status)));
    else
        (void)snprintf(why, sizeof why, "ended with exit code %d before it listened",
                       WEXITSTATUS(status));
    nx__restart_fail(l, why);
}

static void ended(struct nx__launcher *l, struct nx__peer peer, int status)
{
    struct nx__generation *generation = peer.generation;
    struct nx__process *process = &generation->workers[peer.index];
    /* Its last words. */
    if (process->broker >= 0) nx__serve_rest(l, peer);
    if (process->broker >= 0) (void)close(process->broker);
    if (l->asking == generation->number && l->asking_worker == peer.index)
        nx__serve_asked(l, false);
    nx__held_forget(l, generation->number, 1ull << peer.index);
    profile_take(l, generation, process);
    *process = (struct nx__process){.broker = -1};
    uint32_t number = generation->number;
    if (generation == &l->current) {
        l->sweep_at = 0;
        current_ended(l, peer.index, status);
    } else if (generation == &l->next) {
        next_ended(l, status);
    } else if (!nx__generation_runs(generation)) {
        generation_free(generation);
    }
    if (peer.index == 0)
        nx__inspect_ended(number, exit_code(status), !l->done && !l->ending && !l->stop_signal);
}

void nx__generations_reap(struct nx__launcher *l)
{
    int status;
    pid_t pid;
    /* Any child: as the first process of a container, strangers' orphans are ours too. */
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == l->checker) l->checker = 0;
        if (pid == l->dumper) l->dumper = 0;
        struct nx__peer peer = {.generation = NULL};
        for (size_t i = 0; i < NX__GENERATIONS; i++) {
            struct nx__generation *generation = nx__generation_at(l, i);
            for (uint32_t k = 0; k < generation->count; k++)
                if (generation->workers[k].pid == pid)
                    peer = (struct nx__peer){.generation = generation, .index = k};
        }
        if (peer.generation)
            ended(l, peer, status);
        else
            nx__helpers_reaped(l, pid, status);
    }
}

bool nx__process_catches(pid_t pid, int signo)
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
    for (uint32_t i = 0; i < l->current.count; i++) {
        pid_t process = l->current.workers[i].pid;
        if (process && nx__process_catches(process, SIGQUIT)) return false;
    }
    if (l->dumper || !nx__generation_runs(&l->current)) return true;
    /* Not here: what lies in the program's memory may be anything. */
    pid_t pid = fork();
    if (pid == 0) {
        (void)sigprocmask(SIG_SETMASK, &l->mask, NULL);
        nx_err err = NX_OK;
        for (uint32_t i = 0; i < l->current.count && !err; i++)
            if (l->current.workers[i].pid)
                err = nx__dump_write(l->current.workers[i].pid, false, STDERR_FILENO);
        _exit(err ? nx__cli_fail(err) : 0);
    }
    if (pid > 0) l->dumper = pid;
    return true;
}
