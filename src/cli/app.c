/* The app's process, from the fork to the program's end. */
#include "cli/launcher.h"

#include "cli/access.h"
#include "cli/cli.h"
#include "cli/wasm_app.h"
#include "console/log.h"
#include "loop/crash.h"
#include "loop/loop.h"
#include "loop/uring.h"
#include "permission/access.h"
#include "permission/broker.h"
#include "permission/environment.h"
#include "permission/hide.h"
#include "permission/hold.h"
#include "permission/seal.h"
#include "worker/apart.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/* The first descriptor that is not one of the three standard ones. */
enum { FIRST_OWN = 3 };

/* What the new process has from the launcher; -1: not that. */
struct inherited {
    int broker, program, control;
};

/* Puts what it has in the lowest places, one behind the other; `*next` is the first behind them. */
static nx_err descriptors_place(struct inherited *in, int *next)
{
    int *const fds[] = {&in->broker, &in->program, &in->control};
    enum { COUNT = sizeof fds / sizeof *fds };
    bool placed = true;
    *next = FIRST_OWN;
    /* Up first: each may be where another goes. */
    for (size_t i = 0; i < COUNT && placed; i++)
        if (*fds[i] >= 0)
            placed = (*fds[i] = fcntl(*fds[i], F_DUPFD_CLOEXEC, FIRST_OWN + COUNT)) >= 0;
    for (size_t i = 0; i < COUNT && placed; i++) {
        if (*fds[i] < 0) continue;
        placed = dup3(*fds[i], *next, O_CLOEXEC) >= 0;
        *fds[i] = (*next)++;
    }
    return placed ? NX_OK : nx__error_system(errno, "cannot start the program");
}

nx_err nx__app_hold(const struct nx__permissions *permissions, int program, bool asks, bool strict)
{
    char *cache = NULL;
    bool files;
    if (nx__hold_filters(permissions, &files)) nx__uring_seal(files);
    if (nx__cache_dir(&cache)) cache = NULL; /* where there is none, nothing is read from it */
    nx__broker_asks = asks;
    struct nx__hold_own own = {.program = program, .cache = cache, .asks = asks, .strict = strict};
    nx_err err = nx__hold(permissions, &own);
    free(cache);
    return err;
}

/* Of the process that is being started: its package's, or the program's. */
static struct nx__permissions *permissions_of(const struct nx__launcher *l)
{
    return l->package ? &l->package->permissions : &l->run->permissions;
}

static nx_err hold(const struct nx__launcher *l, const struct inherited *in)
{
    const struct nx__run *run = l->run;
    bool asks = !run->strict && !run->no_prompt && isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    return nx__app_hold(permissions_of(l), in->program, asks, run->strict);
}

static nx_err prepare(const struct nx__launcher *l, struct nx__peer peer, struct inherited *in,
                      int (**entry)(int, char **))
{
    int first_closed;
    bool helps = in->control >= 0;
    NX_TRY(descriptors_place(in, &first_closed));
    if (l->dev && !helps) NX_TRY(nx__dev_app_begin(l, first_closed++));
    NX_TRY(nx__seal(l->pid, first_closed));
    struct nx__permissions *permissions = permissions_of(l);
    nx__packages = l->run->packages;
    if (l->package) nx__permissions_seal(permissions);
    bool held = !nx__is_wasm(l->run->file) && nx__hold_binds(permissions);
    if (held) NX_TRY(nx__hide(permissions, l->run->strict));
    nx__permissions_open(permissions);
    nx__environment_seal(permissions);
    nx__broker_connect(in->broker);
    nx__broker_worker(peer.index);
    nx__access_told = nx__access_wanted(l->run);
    NX_TRY(nx__crash_install(in->broker));
    /* A guest is held by its engine. */
    if (!nx__is_wasm(l->run->file)) NX_TRY(hold(l, in));
    if (nx__is_wasm(l->run->file))
        *entry = nx__wasm_app(l->run, in->program);
    else
        NX_TRY(nx__module_load_app(in->program, peer.generation->so_path, entry));
    nx__crash_modules_changed();
    nx__program_landmark = (uintptr_t)*entry;
    return l->run->inspect.on && !helps ? nx__inspect_enter(l) : NX_OK;
}

void nx__app_run(const struct nx__launcher *l, struct nx__peer peer, int broker)
{
    const char *name = strrchr(l->run->file, '/');
    (void)prctl(PR_SET_NAME, name ? name + 1 : l->run->file); /* for ps and top */
    (void)sigprocmask(SIG_SETMASK, &l->mask, NULL);
    nx__say_to = nx__log_say;
    struct inherited in = {broker, peer.generation->so_fd, -1};
    int (*entry)(int, char **);
    nx_err err = prepare(l, peer, &in, &entry);
    struct nx__profile *profile = peer.generation->workers[peer.index].profile;
    if (!err && profile) err = nx__profile_begin(profile);
    if (err) _exit(nx__cli_fail(err));
    exit(nx__program_run(entry, l->run->argc, l->run->argv));
}

void nx__app_help(const struct nx__launcher *l, struct nx__peer peer, int broker, int control)
{
    (void)sigprocmask(SIG_SETMASK, &l->mask, NULL);
    nx__say_to = nx__log_say;
    struct inherited in = {broker, peer.generation->so_fd, control};
    int (*entry)(int, char **); /* main, which does not run here */
    nx_err err = prepare(l, peer, &in, &entry);
    if (err) _exit(nx__cli_fail(err));
    exit(nx__apart_run(in.control, l->run->argc, l->run->argv));
}
