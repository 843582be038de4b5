/* The launcher's life: compile, start, and one poll loop. */
#include "cli/launcher.h"

#include "base/clock.h"
#include "cli/access.h"
#include "cli/cli.h"
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* A second signal within this time is taken for the first come by another way: systemd and
 * timeout(1) send one to the launcher and to the app, and the launcher forwards its own. */
static const nx_duration SAME_SIGNAL = NX_MS(200);

/* Nothing has happened for so long that what is waiting keeps no memory for it. */
static const nx_duration TRIM_AFTER = NX_MS(250);

void nx__launcher_warn(const struct nx__compiled *compiled)
{
    static bool said;
    if (compiled->warning && !said) nx__cli_say("%s", compiled->warning);
    said |= compiled->warning != NULL;
}

void nx__launcher_tell_editors(struct nx__launcher *l)
{
    static bool said;
    /* A folder that can't be written is none that somebody edits in. */
    bool broken = nx__compdb_write(&l->compdb, l->run->file) == NX_EINVAL;
    if (broken && !said) nx__cli_say("%s", nx__error_last()->message);
    said |= broken;
}

/* What is isolated is not compiled into the program. Its headers may be. */
static nx_err isolated_check(const struct nx__launcher *l, const struct nx__compiled *compiled)
{
    for (size_t i = 0; i < compiled->input_count; i++) {
        const char *path = compiled->inputs[i].path, *end = strrchr(path, '.');
        const struct nx__package *package = nx__package_of(l->run->packages, path);
        if (!package || !package->isolate || !end || strcmp(end, ".c") != 0) continue;
        return nx__error_set(
            NX_EPERM,
            "cannot run \"%.60s\": the package \"%.60s\" is isolated by nexus.toml, and compiled into it by an #include; import it in a process worker of its own, with .package = \"%.60s\"",
            l->run->file, package->name, package->name);
    }
    return NX_OK;
}

nx_err nx__launcher_compile(struct nx__launcher *l, bool *same)
{
    struct nx__compiled fresh = {.so_fd = -1};
    struct nx__compile_request request = {.path = l->run->file,
                                          .program = true,
                                          .release = l->run->release,
                                          .debug = l->run->inspect.on,
                                          .refresh = l->run->refresh && l->generations == 0,
                                          .no_warnings = l->run->no_warnings,
                                          .compiler = l->run->compiler,
                                          .compiler_by = l->run->compiler_by,
                                          .flags = l->run->wasm.fuel ? nx__wasm_metered : NULL,
                                          .said = nx__dev_said(l)};
    if (l->dev) nx__buffer_free(request.said);
    nx_err err = nx__module_compile(&request, &fresh);
    if (!err) err = isolated_check(l, &fresh);
    nx__launcher_warn(&fresh);
    nx__compdb_note(&l->compdb, &fresh);
    *same = !err && l->so_path && strcmp(l->so_path, fresh.so_path) == 0;
    bool import_failed = !err && (err = nx__serve_reimport(l, &fresh, *same)) != NX_OK;
    l->compiled = !err;
    if (l->dev) nx__dev_compiled(l, &fresh, err);
    if (l->watcher.fd >= 0) {
        if (!err && !*same) nx__watch_clear(&l->watcher);
        nx__watch_add(&l->watcher, &fresh, false);
    }
    if (err) {
        /* Else the compiler has said it. */
        if (err != NX_ECOMPILE || import_failed) (void)nx__cli_fail(err);
        nx__compiled_free(&fresh);
        return err;
    }
    if (!*same) nx__warnings_recall(l, &fresh);
    if (!*same) nx__serve_imports_forget(l);
    if (l->so_fd >= 0) (void)close(l->so_fd);
    free(l->so_path);
    l->so_fd = fresh.so_fd;
    l->so_path = fresh.so_path;
    fresh.so_fd = -1;
    fresh.so_path = NULL;
    nx__compiled_free(&fresh);
    (void)malloc_trim(0); /* or the program would inherit the memory that compiling took */
    return NX_OK;
}

static nx_err signals_init(struct nx__launcher *l)
{
    static const int handled[] = {SIGCHLD, SIGTERM, SIGINT,  SIGHUP,
                                  SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};
    sigset_t ours;
    (void)sigemptyset(&ours);
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++)
        (void)sigaddset(&ours, handled[i]);
    l->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    if (l->signals < 0) return nx__error_system(errno, "cannot receive signals");
    (void)sigaddset(&ours, SIGPIPE); /* a closed stderr must not end the launcher */
    (void)sigaddset(&ours, SIGTTOU);
    (void)signal(
        SIGCHLD,
        SIG_DFL); /* a parent may have had it ignored, and then there is nothing to wait for */
    (void)sigprocmask(SIG_BLOCK, &ours, &l->mask);
    return NX_OK;
}

/* SIGTERM or SIGINT. `forward` is false when the app got it by itself. */
static void stop(struct nx__launcher *l, int signo, bool forward)
{
    nx_duration now = nx__clock_monotonic();
    if (l->stop_signal && now - l->stopped_at < SAME_SIGNAL) return;
    if (l->stop_signal) {
        for (size_t i = 0; i < NX__GENERATIONS; i++)
            nx__generation_signal(nx__generation_at(l, i), SIGKILL);
        l->code = 128 + signo;
        l->done = true;
        return;
    }
    l->stop_signal = signo;
    l->stopped_at = now;
    nx__service_stopping();
    l->watcher.changed_at = 0;
    nx__inspect_stop();
    for (uint32_t i = 0; i < l->current.count; i++) l->current.workers[i].restart_at = 0;
    /* The app has its own; when it closes them nobody listens any more, rather than nobody answers.
     */
    nx__held_sweep(l, true);
    if (!l->ending && !nx__generation_runs(&l->current)) l->code = 128 + signo;
    /* The old ones first: what they would hand over yet has to arrive while it is still taken. */
    if (forward)
        for (size_t i = NX__GENERATIONS; i-- > 0;)
            nx__generation_signal(nx__generation_at(l, i), signo);
    /* A program that handles the signal does so when it has its answer. */
    if (l->asking) nx__serve_asked(l, false);
    /* gdb keeps SIGINT for itself. */
    if (l->run->inspect.on && signo == SIGINT) nx__generation_signal(&l->current, SIGTERM);
}

static void signals_read(struct nx__launcher *l)
{
    struct signalfd_siginfo info;
    while (read(l->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        int signo = (int)info.ssi_signo;
        if (signo == SIGCHLD) {
            nx__generations_reap(l);
            continue;
        }
        if (signo == SIGWINCH && l->dev) nx__dev_resized(l);
        bool forward =
            info.ssi_code != SI_KERNEL; /* what the terminal sends, the app gets by itself */
        if (signo == SIGTERM || signo == SIGINT)
            stop(l, signo, forward);
        else if (signo == SIGHUP && forward && !l->stop_signal && !l->ending)
            nx__restart(l);
        else if (signo == SIGQUIT && forward && nx__generation_tell(l))
            continue;
        else if (forward)
            nx__generation_signal(&l->current, signo);
    }
}

/* The files have changed: the old program serves on until the new one is compiled. */
static void recompile(struct nx__launcher *l)
{
    l->watcher.changed_at = 0;
    bool import_changed = l->watcher.import_changed;
    char changed[sizeof l->watcher.changed];
    nx__printable(changed, sizeof changed, l->watcher.changed);
    const char *more = l->watcher.more_changed ? " and others" : "";
    l->watcher.import_changed = l->watcher.more_changed = false;
    l->watcher.changed[0] = '\0';
    l->begun = nx__clock_monotonic();
    bool same;
    nx_err err = nx__launcher_compile(l, &same);
    if (err) {
        nx__launcher_tell_editors(l);
        (void)snprintf(l->down, sizeof l->down, "%s", nx__error_last()->message);
        if (l->dev) nx__dev_refused(l);
        nx__cli_say(nx__generation_runs(&l->current)
                        ? "the running program stays; waiting for a change"
                        : "waiting for a change");
        return;
    }
    if (same && !import_changed && nx__generation_runs(&l->current)) {
        nx__compdb_free(&l->compdb);
        return;
    }
    l->crash_count = 0;
    nx__generation_retire(l, &l->next, true);
    nx__generation_retire(l, &l->current, true);
    if (nx__generation_start(l, &l->current)) {
        (void)snprintf(l->down, sizeof l->down, "%s", nx__error_last()->message);
        (void)nx__cli_fail(nx__error_last()->code);
        return;
    }
    nx__cli_say("%s%s changed: started anew, %.1f ms", changed[0] ? changed : l->run->file, more,
                (double)(nx__clock_monotonic() - l->begun) / 1e6);
    nx__launcher_tell_editors(l);
    nx__warnings_check(l);
}

static void mend(struct nx__launcher *l, nx_duration now)
{
    if (!nx__generation_mend(l, now)) return;
    l->code = nx__cli_fail(nx__error_last()->code);
    l->done = true;
}

/* Milliseconds to the next thing to do by itself, -1 if there is none. */
static int drop_clean_pages(struct dl_phdr_info *object, size_t size, void *page_size)
{
    (void)size;
    uintptr_t mask = *(uintptr_t *)page_size - 1;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W)) continue;
        uintptr_t start = (object->dlpi_addr + segment->p_vaddr) & ~mask;
        uintptr_t end = (object->dlpi_addr + segment->p_vaddr + segment->p_memsz + mask) & ~mask;
        (void)madvise((void *)start, end - start, MADV_DONTNEED);
    }
    return 0;
}

/* Most of what was touched, of code above all, is not needed for waiting. Clean pages of files come
 * back from the page cache when they are. */
static void memory_trim(void)
{
    uintptr_t page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)malloc_trim(0);
    (void)dl_iterate_phdr(drop_clean_pages, &page_size);
}

/* Something was done: what it has touched is let go of if nothing follows. */
static void trim_later(struct nx__launcher *l)
{
    l->trim_at = nx__clock_monotonic() + TRIM_AFTER;
}

static bool trim_turn(struct nx__launcher *l)
{
    if (!l->trim_at || l->trim_at > nx__clock_monotonic()) return false;
    l->trim_at = 0;
    memory_trim();
    return true;
}

static int next_timeout(struct nx__launcher *l)
{
    nx_duration next = NX_FOREVER;
    const nx_duration due[] = {l->watcher.changed_at, l->sweep_at, l->trim_at,
                               l->next.number ? l->next_until : 0};
    for (size_t i = 0; i < sizeof due / sizeof *due; i++)
        if (due[i] && due[i] < next) next = due[i];
    for (size_t i = 0; i < NX__GENERATIONS; i++) {
        nx_duration at = nx__generation_at(l, i)->kill_at;
        if (at && at < next) next = at;
    }
    for (uint32_t i = 0; i < l->current.count; i++) {
        nx_duration at = l->current.workers[i].restart_at;
        if (at && at < next) next = at;
    }
    for (size_t i = 0; i < l->guest_count; i++)
        if (l->guests[i].until < next) next = l->guests[i].until;
    if (next == NX_FOREVER) return -1;
    nx_duration left = (next - nx__clock_monotonic() + 999999) / 1000000;
    return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

/* Who may have sent something. */
static size_t poll_processes(struct nx__launcher *l, struct pollfd *fds, struct nx__peer *peers)
{
    size_t count = 0;
    for (size_t i = 0; i < NX__GENERATIONS; i++) {
        struct nx__generation *generation = nx__generation_at(l, i);
        for (uint32_t k = 0; k < generation->count; k++) {
            if (generation->workers[k].broker < 0) continue;
            peers[count] = (struct nx__peer){.generation = generation, .index = k};
            fds[count++] = (struct pollfd){.fd = generation->workers[k].broker, .events = POLLIN};
        }
    }
    return count;
}

static void turn(struct nx__launcher *l)
{
    enum {
        OWN = 6,
        POLLED_MOST =
            OWN + NX__GENERATIONS * NX__WORKERS_MAX + 2 * NX__HELPERS_MAX + NX__STANDIN_POLL_MAX
    };
    static struct pollfd fds[POLLED_MOST]; /* what it does not use is never touched */
    static struct nx__peer peers[NX__GENERATIONS * NX__WORKERS_MAX];
    fds[0] = (struct pollfd){.fd = l->signals, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = l->watcher.fd, .events = POLLIN};
    fds[2] = (struct pollfd){.fd = l->asking ? STDIN_FILENO : -1, .events = POLLIN};
    fds[3] = (struct pollfd){.fd = nx__inspect_fd(), .events = POLLIN};
    nx__dev_poll(l, &fds[4]);
    size_t processes = poll_processes(l, fds + OWN, peers);
    const struct pollfd *of_helpers = fds + OWN + processes;
    size_t helpers = nx__helpers_poll(l, fds + OWN + processes), count = OWN + processes + helpers;
    count += nx__standin_poll(l, fds + count); /* either: the program runs or it does not */
    count += nx__held_poll(l, fds + count);
    int woken = poll(fds, count, next_timeout(l));
    if (woken < 0 || (woken == 0 && trim_turn(l))) return;
    trim_later(l);
    if (fds[4].revents || fds[5].revents) nx__dev_relay(l);
    for (size_t i = 0; i < processes; i++)
        if (fds[OWN + i].revents) nx__serve(l, peers[i]);
    nx__helpers_turn(l, of_helpers, helpers);
    if (fds[2].revents) nx__serve_asked(l, true);
    if (fds[3].revents) nx__inspect_serve(l);
    if (fds[1].revents && !l->stop_signal) nx__watch_read(&l->watcher, !l->compiled);
    /* Last: it moves generations. */
    if (fds[0].revents) signals_read(l);
    nx_duration now = nx__clock_monotonic();
    nx__generations_expire(l, now);
    nx__held_turn(l, now);
    nx__standin_turn(l, now);
    if ((l->stop_signal || l->ending) && !nx__generations_run(l)) l->done = true;
    if (l->done || l->ending || l->stop_signal) return;
    nx__restart_turn(l, now);
    if (l->watcher.changed_at && l->watcher.changed_at <= now)
        recompile(l);
    else
        mend(l, now);
}

/* Errors have been said. */
static nx_err begin(struct nx__launcher *l)
{
    bool same;
    nx_err err = nx__launcher_compile(l, &same);
    if (err) nx__launcher_tell_editors(l);
    if (err && !l->run->watch) return err;
    nx__permissions_seal(&l->run->permissions);
    nx_err ready = signals_init(l);
    if (!ready && l->compiled) ready = nx__generation_start(l, &l->current);
    if (!ready && l->run->inspect.on) ready = nx__inspect_start(l);
    if (ready) return (nx_err)nx__cli_fail(ready);
    if (!l->compiled) nx__cli_say("waiting for a change");
    nx__launcher_tell_editors(l);
    nx__warnings_check(l);
    return NX_OK;
}

/* Goes on where another version of nexus has left off, with signals blocked as they were there. */
static nx_err resume(struct nx__launcher *l)
{
    sigset_t mask = l->mask;
    nx__permissions_seal(&l->run->permissions);
    nx_err err = signals_init(l);
    if (err) return (nx_err)nx__cli_fail(err);
    l->mask = mask;
    nx__generations_reap(l);
    nx__restart(l);
    return NX_OK;
}

int nx__launch(struct nx__run *run)
{
    static struct nx__launcher launcher; /* large, and there is one */
    struct nx__launcher *l = &launcher;
    l->run = run;
    l->begun = nx__clock_monotonic();
    l->pid = getpid();
    l->signals = l->watcher.fd = -1;
    l->help = nx__app_help;
    l->so_fd = -1;
    nx_err err = NX_OK;
    if (run->watch && (l->watcher.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) < 0) {
        err = nx__error_system(errno, "cannot watch files");
        return nx__cli_fail(err);
    }
    if (run->inspect.on && (err = nx__inspect_prepare(&run->inspect))) return nx__cli_fail(err);
    if ((err = nx__access_begin(run)) != NX_OK) return nx__cli_fail(err);
    l->profiling.rate = run->profile_rate;
    if (run->profile) err = nx__profiling_prepare(&l->profiling, run->profile, run->file);
    if (err) return nx__cli_fail(err);
    if (run->dev && (err = nx__dev_open(l)) != NX_OK) return nx__cli_fail(err);
    bool resumed;
    nx__service_begin(l);
    err = nx__takeover_resume(l, &resumed);
    if (err) return nx__cli_fail(err);
    err = resumed ? resume(l) : begin(l);
    if (err) return (int)err;
    trim_later(l);
    run->ran = true;
    while (!l->done) turn(l);
    nx__inspect_end();
    nx__helpers_end(l);
    nx__held_sweep(l, true);
    nx__generations_profile(l);
    nx__warnings_finish(l);
    if (l->dev) nx__dev_relay(l);
    return l->code;
}
